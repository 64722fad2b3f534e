//! `abide status`: reads the snapshot file, and for the page of one service its log and `/proc`; asks
//! nobody, so that it answers while abide hangs.

mod closer;
mod read;

pub use read::{Life, Reading, SnapshotError, read};

use super::exit;
use crate::model::status::{ServiceStatus, SourceState, Status};
use crate::model::time::Wall;
use crate::render::status::{Style, nagios, page, table};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

const EVERY: Duration = Duration::from_secs(1);

/// Show what runs, what does not, and why.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct StatusArgs {
    /// Only these services; a single one is shown in full
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Print the snapshot as JSON
    #[arg(long)]
    pub json: bool,
    /// Print one line for Nagios and its kin
    #[arg(long)]
    pub nagios: bool,
    /// Go on until interrupted: look once a second
    #[arg(long, short)]
    pub watch: bool,
}

/// Runs the command and gives its exit code. `lock` is the keeper's lock file: that nobody holds it
/// is the quickest proof that abide is gone.
pub fn run(args: &StatusArgs, runtime_dir: &Path, lock: Option<&Path>) -> u8 {
    if let Some(reason) = contradiction(args) {
        if args.nagios {
            return say(&format!("ABIDE UNKNOWN: {reason}\n"), exit::NO_DAEMON);
        }
        complain(reason);
        return exit::USAGE;
    }
    if args.watch {
        return watch(args, runtime_dir, lock);
    }
    let now = wall(SystemTime::now());
    match read(runtime_dir, lock) {
        Ok(mut reading) => {
            look_closer(args, &mut reading);
            let answer = answer(args, &reading, now, &style(false));
            answer.complaints.iter().for_each(|sentence| complain(sentence));
            say(&answer.text, answer.code)
        }
        Err(error) if args.nagios => say(&format!("ABIDE UNKNOWN: {error}\n"), exit::NO_DAEMON),
        Err(error) => {
            complain(&error.to_string());
            exit::NO_DAEMON
        }
    }
}

/// Where a page is asked for, what belongs on it and stands in no snapshot.
fn look_closer(args: &StatusArgs, reading: &mut Reading) {
    if args.json || args.nagios || !matches!(reading.life, Life::Alive) {
        return;
    }
    if let [name] = args.names.as_slice() {
        let name = bare(name, &reading.status);
        let service = reading.status.services.iter().find(|service| service.name.as_str() == name);
        reading.closer = service.map(|service| closer::look(service, reading.status.abide.pid)).unwrap_or_default();
    }
}

fn contradiction(args: &StatusArgs) -> Option<&'static str> {
    match (args.json, args.nagios, args.watch) {
        (true, true, _) => Some("--json and --nagios exclude each other; choose one"),
        (_, true, true) => Some("--nagios answers once; leave --watch out"),
        (true, _, true) => Some("--json prints one snapshot; leave --watch out"),
        _ => None,
    }
}

/// What the command comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// For standard output.
    pub text: String,
    /// For standard error: a sentence each.
    pub complaints: Vec<String>,
    /// The exit code.
    pub code: u8,
}

/// The answer to `args`, given what was read: pure.
pub fn answer(args: &StatusArgs, reading: &Reading, now: Wall, style: &Style) -> Answer {
    let (status, mut complaints) = choose(args, &reading.status);
    if args.nagios {
        return check(args, reading, &status, &complaints, now);
    }
    let mut code = if complaints.is_empty() && is_as_desired(args, &status) { exit::OK } else { exit::ERRORS };
    let mut text = if args.json {
        json(args, reading, &status)
    } else if let ([_], [service]) = (args.names.as_slice(), status.services.as_slice()) {
        page(service, &reading.closer, now, style)
    } else if !args.names.is_empty() && status.services.is_empty() {
        String::new()
    } else {
        table(&status, now, style)
    };
    if let Some(sentence) = reading.life.sentence() {
        code = exit::NO_DAEMON;
        complaints.insert(0, sentence.to_owned());
        if !args.json {
            let last = if matches!(reading.life, Life::Stopped(_)) { String::new() } else { text };
            text = if last.is_empty() { last } else { format!("Last known state:\n\n{last}") };
        }
    }
    Answer { text, complaints, code }
}

/// The services that were asked for, and a sentence for each that is not there.
fn choose(args: &StatusArgs, status: &Status) -> (Status, Vec<String>) {
    let mut chosen = status.clone();
    if args.names.is_empty() {
        return (chosen, Vec::new());
    }
    let names: Vec<&str> = args.names.iter().map(|name| bare(name, status)).collect();
    chosen.services.retain(|service| names.contains(&service.name.as_str()));
    chosen.problems.clear();
    chosen.ignored.clear();
    let known = |name: &&str| status.services.iter().any(|s| s.name.as_str() == *name);
    let missing = names.into_iter().filter(|name| !known(name));
    (chosen, missing.map(|name| unknown(name, &status.services)).collect())
}

/// `web@2`, as the table has it, means `web`.
fn bare<'a>(name: &'a str, status: &Status) -> &'a str {
    match name.split_once('@') {
        Some((service, _)) if status.services.iter().any(|s| s.name.as_str() == service) => service,
        _ => name,
    }
}

fn unknown(name: &str, services: &[ServiceStatus]) -> String {
    let distance = |service: &&ServiceStatus| strsim::damerau_levenshtein(name, service.name.as_str());
    let near = 1.max(name.chars().count() / 3);
    let nearest = services.iter().min_by_key(distance).filter(|service| distance(service) <= near);
    let shown = name.escape_default();
    match nearest {
        Some(service) => format!("there is no service {shown}; did you mean {}?", service.name),
        None => format!("there is no service {shown}; `abide status` lists them all"),
    }
}

fn is_as_desired(args: &StatusArgs, status: &Status) -> bool {
    let blind = |state| matches!(state, SourceState::Suspect | SourceState::Absent);
    status.services.iter().all(|service| service.as_desired)
        && (!args.names.is_empty()
            || (status.problems.is_empty() && !status.sources.iter().any(|source| blind(source.state))))
}

/// The file as it is where nothing was left out or chosen, which keeps what we do not know.
fn json(args: &StatusArgs, reading: &Reading, chosen: &Status) -> String {
    match std::str::from_utf8(&reading.bytes) {
        Ok(text) if args.names.is_empty() && !reading.merged => text.to_owned() + "\n",
        _ => serde_json::to_string(chosen).expect("the model has string keys only") + "\n",
    }
}

fn check(args: &StatusArgs, reading: &Reading, chosen: &Status, unknown: &[String], now: Wall) -> Answer {
    let doubt = reading.life.sentence().or(unknown.first().map(String::as_str));
    let (code, line) = match doubt {
        Some(sentence) => (exit::NO_DAEMON, format!("ABIDE UNKNOWN: {}", sentence.replace('|', "/"))),
        None => nagios(chosen, args.names.is_empty(), now),
    };
    Answer { text: line + "\n", complaints: Vec::new(), code }
}

/// Looks once a second whether the file is another; ages are drawn anew each time. Ends when
/// nobody reads any more, or by a signal.
fn watch(args: &StatusArgs, runtime_dir: &Path, lock: Option<&Path>) -> u8 {
    let screen = io::stdout().is_terminal();
    let mut before = None;
    let mut last = String::new();
    let mut begin = if screen { "\x1b[2J" } else { "" };
    loop {
        let stamp = read::stamp(runtime_dir);
        if before.as_ref().is_none_or(|(seen, _)| *seen != stamp) || stamp.is_none() {
            before = Some((stamp, read(runtime_dir, lock)));
        }
        let now = wall(SystemTime::now());
        let text = match before.as_mut() {
            Some((_, Ok(reading))) => {
                reading.look(runtime_dir, lock);
                look_closer(args, reading);
                let answer = answer(args, reading, now, &style(true));
                answer.complaints.iter().map(|c| format!("abide status: {c}\n")).collect::<Vec<_>>().concat()
                    + &answer.text
            }
            Some((_, Err(error))) => format!("abide status: {error}\n"),
            None => String::new(),
        };
        let shown = if screen {
            format!("{}\x1b[H{}\x1b[J", std::mem::take(&mut begin), text.replace('\n', "\x1b[K\n"))
        } else if text == last {
            String::new()
        } else {
            format!("{text}\n")
        };
        let mut out = io::stdout().lock();
        if out.write_all(shown.as_bytes()).and_then(|()| out.flush()).is_err() {
            return exit::OK;
        }
        last = text;
        std::thread::sleep(EVERY);
    }
}

/// Prints; a reader that went away is no error of ours.
fn say(text: &str, code: u8) -> u8 {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("could not write the answer: {error}; look where standard output leads"));
            code.max(1)
        }
        _ => code,
    }
}

fn complain(sentence: &str) {
    let _ = writeln!(io::stderr(), "abide status: {sentence}");
}

/// What standard output can show; `fill`: a screen that is to be filled.
pub(super) fn style(fill: bool) -> Style {
    let terminal = io::stdout().is_terminal();
    let size = terminal_size::terminal_size().filter(|_| terminal);
    let term = std::env::var("TERM").unwrap_or_default();
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
    let utf8 = locale.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    });
    Style {
        color: terminal && set("NO_COLOR").is_none() && term != "dumb",
        unicode: utf8 && term != "linux",
        width: size.map(|(width, _)| usize::from(width.0)),
        height: size.filter(|_| fill).map(|(_, height)| usize::from(height.0)),
    }
}

fn wall(time: SystemTime) -> Wall {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
