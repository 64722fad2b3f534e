//! `abide status`: reads the snapshot file, and for the page of one service its log and `/proc`; asks
//! nobody, so that it answers while abide hangs.

mod closer;
mod read;

pub use read::{Life, Reading, SnapshotError, read};

use super::{choose, exit};
use crate::model::selector::Selector;
use crate::model::status::{SourceState, Status};
use crate::model::time::Wall;
use crate::render::status::{Style, nagios, page, table};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

const EVERY: Duration = Duration::from_secs(1);

/// Show what runs, what does not, and why.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct StatusArgs {
    /// Only these services, patterns, instances or states; a single service is shown in full
    #[arg(value_name = "NAME")]
    pub names: Vec<Selector>,
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
            let answer = answer(args, &reading, now, &style(args));
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
    if let Some(name) = page_of(args)
        && let Some(service) = reading.status.services.iter().find(|it| it.name.as_str() == name.names.as_str())
    {
        reading.closer = closer::look(service, reading.status.abide.pid);
    }
}

/// The one service that is asked for by its name, or by that of one of its instances: it has a page.
fn page_of(args: &StatusArgs) -> Option<&Selector> {
    let [name] = args.names.as_slice() else { return None };
    (name.state.is_none() && !name.names.is_pattern()).then_some(name)
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
    } else if let (Some(_), [service]) = (page_of(args), status.services.as_slice()) {
        page(service, &reading.closer, now, style)
    } else if !args.names.is_empty() && status.services.is_empty() {
        if complaints.is_empty() { "No service is in that state.\n".to_owned() } else { String::new() }
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

/// The services that were asked for, and a sentence for each name that means none.
fn choose(args: &StatusArgs, status: &Status) -> (Status, Vec<String>) {
    if args.names.is_empty() {
        return (status.clone(), Vec::new());
    }
    let (services, missing) = choose::chosen(&args.names, status);
    let (problems, ignored) = (Vec::new(), Vec::new());
    let mut chosen = Status { problems, services, ignored, ..status.clone() };
    if !args.json && page_of(args).is_none() {
        // Where only some instances are meant, a table has only those; a page has all.
        for service in &mut chosen.services {
            let whole = service.clone();
            service.instances.retain(|instance| choose::means(&args.names, &whole, Some(instance)));
            if service.instances.is_empty() {
                *service = whole;
            }
        }
    }
    (chosen, missing)
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
                let answer = answer(args, reading, now, &style(args));
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

/// Whether what goes to stdout may be coloured.
pub(super) fn coloured(terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
    let forced = set("CLICOLOR_FORCE") && std::env::var("CLICOLOR_FORCE").as_deref() != Ok("0");
    !set("NO_COLOR") && (forced || (terminal && !dumb))
}

/// What standard output can show, and how much of it there is.
pub(super) fn style(args: &StatusArgs) -> Style {
    let terminal = io::stdout().is_terminal();
    let size = terminal_size::terminal_size().filter(|_| terminal);
    let term = std::env::var("TERM").unwrap_or_default();
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
    let utf8 = locale.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    });
    // Who names some wants to see them; of all a screen is enough.
    let bounded = args.watch || args.names.is_empty();
    Style {
        color: coloured(terminal),
        unicode: utf8 && term != "linux",
        width: size.map(|(width, _)| usize::from(width.0)),
        height: size.filter(|_| bounded).map(|(_, height)| usize::from(height.0)),
    }
}

/// For what is shown once and in full.
pub(super) fn page_style() -> Style {
    Style { height: None, ..style(&StatusArgs::default()) }
}

pub(super) fn wall(time: SystemTime) -> Wall {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
