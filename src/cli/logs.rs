//! `abide logs`: what services said, and what comes; from the daemon, or from the files where none runs.

mod merge;
mod show;
mod tail;
mod wanted;

pub(super) use tail::last_lines;

use super::args::look::{LogsArgs, LogsForm};
use super::talk::{Refusal, Talk, complain, listed};
use super::{choose, exit, status};
use crate::api::client::{Next, encoded};
use crate::host::clock;
use crate::log::entry::Entry;
use crate::log::stamp::Civil;
use crate::model::status::{ServiceStatus, Status};
use merge::{Lines, Merged, Source};
use show::{Out, Show};
use std::collections::VecDeque;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use wanted::{Context, Wanted};

/// More than so many are not followed at once: the daemon has other visitors too.
const FOLLOWED: usize = 64;
/// So many lines are shown where nobody says how many, nor since when.
const LINES: u64 = 100;

/// Shows them.
pub(super) fn run(args: &LogsArgs) -> u8 {
    let asked = [&args.since, &args.until, &args.grep, &args.level, &args.stream].map(Option::as_deref);
    let wanted = match Wanted::of(asked, clock::now().wall.0) {
        Ok(wanted) => wanted,
        Err(sentence) => {
            complain("logs", &sentence);
            return exit::USAGE;
        }
    };
    attempt(args, &wanted).unwrap_or_else(|refusal| refusal.told("logs"))
}

fn attempt(args: &LogsArgs, wanted: &Wanted) -> Result<u8, Refusal> {
    let talk = Talk::new(args.places.clone())?;
    let status = match talk.get::<Status>(&format!("/v1/status?names={}", listed(&args.names))) {
        Ok(status) => status,
        Err(refusal) if refusal.is_absence() => return Ok(from_files(args, wanted, &talk)),
        Err(refusal) => return Err(refusal),
    };
    let sources = sources(args, &status.services);
    if args.follow {
        return follow(args, wanted, &sources);
    }
    let at_once = sources.len() <= FOLLOWED;
    let lines = |source: &Source| -> Result<Lines<'_, Refusal>, Refusal> {
        let mut coming = talk.lines(&path(source, args, wanted, false))?;
        let lines = std::iter::from_fn(move || match coming.next(None) {
            Ok(Next::Line(line)) => Some(Ok(line)),
            Ok(_) => None,
            Err(refusal) => Some(Err(Refusal::from(refusal))),
        });
        // One after the other, where they are too many to be read at once.
        Ok(if at_once { Box::new(lines) } else { Box::new(lines.collect::<Vec<_>>().into_iter()) })
    };
    let read = sources.iter().map(lines).collect::<Result<Vec<_>, _>>()?;
    show_all(args, wanted, &sources, Merged::new(read))
}

/// Those whose output is meant: each instance has its own.
fn sources(args: &LogsArgs, services: &[ServiceStatus]) -> Vec<Source> {
    let meant = services.iter().flat_map(|service| {
        let chosen = service.instances.iter().filter(|it| choose::means(&args.names, service, Some(it)));
        chosen.map(|it| Source::new(service, it))
    });
    meant.collect()
}

/// How many lines are shown at most.
fn most(args: &LogsArgs) -> Option<u64> {
    args.lines.or_else(|| args.since.is_none().then_some(LINES))
}

fn path(source: &Source, args: &LogsArgs, wanted: &Wanted, follow: bool) -> String {
    let instance = source.instance.map_or_else(String::new, |index| format!("&instance={index}"));
    let follow = if follow { "&follow=true" } else { "" };
    let from = match wanted.since {
        Some(at) => {
            let mut since = String::new();
            // Writing to a string cannot fail.
            let _ = Civil::new(at).rfc3339(&mut since);
            format!("since={since}")
        }
        // Of lines that are left out nobody knows how many there are.
        None if wanted.chooses() => format!("lines={}", u32::MAX),
        None => format!("lines={}", most(args).unwrap_or(LINES).min(u32::MAX.into())),
    };
    format!("/v1/services/{}/logs?{from}{follow}{instance}", encoded(&source.service))
}

fn shown_as(args: &LogsArgs) -> LogsForm {
    if args.json { LogsForm::Json } else { args.output }
}

/// All that is meant, or the last of it.
fn show_all<E>(args: &LogsArgs, wanted: &Wanted, sources: &[Source], all: Merged<'_, E>) -> Result<u8, E> {
    let on_terminal = std::io::stdout().is_terminal();
    let show = Show::new(shown_as(args), status::coloured(on_terminal), sources);
    let mut contexts = vec![Context::default(); sources.len()];
    let most = most(args).map(|most| usize::try_from(most).unwrap_or(usize::MAX));
    let mut last: VecDeque<(usize, Vec<u8>)> = VecDeque::new();
    let mut out: Option<Out> = None;
    let mut open = || Out::new(on_terminal && !args.no_pager);
    for (who, line) in all {
        let line = line?;
        if !wanted.takes(&Entry::of(&line), &mut contexts[who]) {
            // In the order of time: nothing that comes is earlier.
            if wanted.is_over(&contexts[who]) {
                break;
            }
            continue;
        }
        match most {
            None => {
                if !out.get_or_insert_with(&mut open).write(&show.line(&sources[who], &line)) {
                    break;
                }
            }
            Some(0) => break,
            Some(most) => {
                if last.len() >= most {
                    last.pop_front();
                }
                last.push_back((who, line));
            }
        }
    }
    let mut out = out.unwrap_or_else(open);
    for (who, line) in last {
        if !out.write(&show.line(&sources[who], &line)) {
            break;
        }
    }
    out.end();
    Ok(exit::OK)
}

/// One connection and one thread for each; ends when all have.
fn follow(args: &LogsArgs, wanted: &Wanted, sources: &[Source]) -> Result<u8, Refusal> {
    if sources.len() > FOLLOWED {
        let count = sources.len();
        complain("logs", &format!("{count} logs are too many to follow at once; name at most {FOLLOWED}"));
        return Ok(exit::ERRORS);
    }
    let show = Show::new(shown_as(args), status::coloured(std::io::stdout().is_terminal()), sources);
    let (said, comes) = channel::<Result<(usize, Vec<u8>), Refusal>>();
    for (who, source) in sources.iter().enumerate() {
        // Of lines that came before and are left out nobody knows how many there are: it begins with what comes.
        let path = if wanted.since.is_none() && wanted.chooses() && args.lines.is_none() {
            path(source, &LogsArgs { lines: Some(0), ..args.clone() }, &Wanted::default(), true)
        } else {
            path(source, args, wanted, true)
        };
        let (talk, said, wanted) = (Talk::new(args.places.clone())?, said.clone(), wanted.clone());
        std::thread::spawn(move || {
            if let Err(refusal) = listen(&talk, who, &path, &wanted, &said) {
                let _ = said.send(Err(refusal));
            }
        });
    }
    drop(said);
    let (mut code, mut out) = (exit::OK, Out::new(false));
    for heard in comes {
        match heard {
            Ok((who, line)) => {
                if !(out.write(&show.line(&sources[who], &line)) && out.flush()) {
                    return Ok(exit::OK);
                }
            }
            Err(refusal) => code = refusal.told("logs"),
        }
    }
    Ok(code)
}

fn listen(
    talk: &Talk,
    who: usize,
    path: &str,
    wanted: &Wanted,
    said: &Sender<Result<(usize, Vec<u8>), Refusal>>,
) -> Result<(), Refusal> {
    let (mut lines, mut context) = (talk.lines(path)?, Context::default());
    while let Next::Line(line) = lines.next(None)? {
        if wanted.takes(&Entry::of(&line), &mut context) && said.send(Ok((who, line))).is_err() {
            break;
        }
    }
    Ok(())
}

/// No daemon: the last snapshot says where the files are.
fn from_files(args: &LogsArgs, wanted: &Wanted, talk: &Talk) -> u8 {
    let reading = match status::read(&talk.places.runtime, None) {
        Ok(reading) => reading,
        Err(error) => {
            complain("logs", &error.to_string());
            return exit::NO_DAEMON;
        }
    };
    let (services, missing) = choose::chosen(&args.names, &reading.status);
    for sentence in &missing {
        complain("logs", sentence);
    }
    let mut code = if missing.is_empty() { exit::OK } else { exit::ERRORS };
    let (mut sources, mut read) = (sources(args, &services), Vec::new());
    sources.retain(|source| {
        let lines = match (wanted.since, wanted.chooses()) {
            (None, true) => u64::MAX,
            (None, false) => most(args).unwrap_or(LINES),
            (Some(_), _) => 0,
        };
        match tail::lines(Path::new(&source.file), wanted.since, lines) {
            Ok(lines) => read.push(lines),
            Err(error) => {
                complain("logs", &format!("could not read {}: {error}; ask as root or as its owner", source.file));
                code = exit::ERRORS;
                return false;
            }
        }
        true
    });
    if let Err(error) = show_all(args, wanted, &sources, Merged::new(read)) {
        complain("logs", &format!("could not read on: {error}"));
        code = exit::ERRORS;
    }
    if args.follow {
        complain("logs", "no abide runs, so nothing more comes; start it with `abide run DIR`");
        return exit::NO_DAEMON;
    }
    code
}
