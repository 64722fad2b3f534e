//! `abide logs`: the last lines of some services' output, and what comes; from the daemon, or from the files where none runs.

mod merge;
mod tail;

pub(super) use tail::last_lines;

use super::args::look::LogsArgs;
use super::talk::{Refusal, Talk, complain, listed};
use super::{choose, exit, say, status};
use crate::api::client::{Next, encoded};
use crate::model::status::{ServiceStatus, Status};
use merge::Source;
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};

/// More than so many are not followed at once: the daemon has other visitors too.
const FOLLOWED: usize = 64;

/// Shows them.
pub(super) fn run(args: &LogsArgs) -> u8 {
    attempt(args).unwrap_or_else(|refusal| refusal.told("logs"))
}

fn attempt(args: &LogsArgs) -> Result<u8, Refusal> {
    let talk = Talk::new(args.places.clone())?;
    let status = match talk.get::<Status>(&format!("/v1/status?names={}", listed(&args.names))) {
        Ok(status) => status,
        Err(refusal) if refusal.is_absence() => return Ok(from_files(args, &talk)),
        Err(refusal) => return Err(refusal),
    };
    let sources = sources(args, &status.services);
    if args.follow {
        return follow(args, sources);
    }
    let mut read = Vec::new();
    for source in sources {
        let mut lines = Vec::new();
        let mut coming = talk.lines(&path(&source, args.lines, false))?;
        while let Next::Line(line) = coming.next(None)? {
            lines.push(String::from_utf8_lossy(&line).into_owned());
        }
        read.push((source, lines));
    }
    show(args, read);
    Ok(exit::OK)
}

/// Those whose output is meant: each instance has its own.
fn sources(args: &LogsArgs, services: &[ServiceStatus]) -> Vec<Source> {
    let meant = services.iter().flat_map(|service| {
        let chosen = service.instances.iter().filter(|it| choose::means(&args.names, service, Some(it)));
        chosen.map(|it| Source::new(service, it))
    });
    meant.collect()
}

fn path(source: &Source, lines: u64, follow: bool) -> String {
    let instance = source.instance.map_or_else(String::new, |index| format!("&instance={index}"));
    let follow = if follow { "&follow=true" } else { "" };
    format!("/v1/services/{}/logs?lines={lines}{follow}{instance}", encoded(&source.service))
}

/// Of several, line by line in the order of time; each with the name of who said it.
fn show(args: &LogsArgs, read: Vec<(Source, Vec<String>)>) {
    let labels = Labels::new(args, read.iter().map(|(source, _)| source));
    let lines = merge::by_time(read, usize::try_from(args.lines).unwrap_or(usize::MAX));
    let text: String = lines.iter().map(|(source, line)| labels.line(source, line)).collect();
    say(&text);
}

/// One connection and one thread for each; ends when all have.
fn follow(args: &LogsArgs, sources: Vec<Source>) -> Result<u8, Refusal> {
    if sources.len() > FOLLOWED {
        let count = sources.len();
        complain("logs", &format!("{count} logs are too many to follow at once; name at most {FOLLOWED}"));
        return Ok(exit::ERRORS);
    }
    let labels = Labels::new(args, sources.iter());
    let (said, comes) = channel::<Result<(Source, String), Refusal>>();
    for source in sources {
        let (talk, said, path) = (Talk::new(args.places.clone())?, said.clone(), path(&source, args.lines, true));
        std::thread::spawn(move || {
            if let Err(refusal) = listen(&talk, &source, &path, &said) {
                let _ = said.send(Err(refusal));
            }
        });
    }
    drop(said);
    let mut code = exit::OK;
    for heard in comes {
        match heard {
            Ok((source, line)) => {
                let mut out = std::io::stdout().lock();
                if out.write_all(labels.line(&source, &line).as_bytes()).and_then(|()| out.flush()).is_err() {
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
    source: &Source,
    path: &str,
    said: &Sender<Result<(Source, String), Refusal>>,
) -> Result<(), Refusal> {
    let mut lines = talk.lines(path)?;
    while let Next::Line(line) = lines.next(None)? {
        let line = String::from_utf8_lossy(&line).into_owned();
        if said.send(Ok((source.clone(), line))).is_err() {
            break;
        }
    }
    Ok(())
}

/// No daemon: the last snapshot says where the files are.
fn from_files(args: &LogsArgs, talk: &Talk) -> u8 {
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
    let mut read = Vec::new();
    for source in sources(args, &services) {
        match last_lines(Path::new(&source.file), usize::try_from(args.lines).unwrap_or(usize::MAX)) {
            Ok(lines) => read.push((source, lines)),
            Err(error) => {
                complain("logs", &format!("could not read {}: {error}; ask as root or as its owner", source.file));
                code = exit::ERRORS;
            }
        }
    }
    show(args, read);
    if args.follow {
        complain("logs", "no abide runs, so nothing more comes; start it with `abide run DIR`");
        return exit::NO_DAEMON;
    }
    code
}

/// What stands before each line.
struct Labels {
    json: bool,
    coloured: bool,
    /// `None`: there is only one, and it needs no name.
    width: Option<usize>,
}

impl Labels {
    fn new<'a>(args: &LogsArgs, sources: impl Iterator<Item = &'a Source>) -> Self {
        let widths: Vec<usize> = sources.map(|source| source.label.len()).collect();
        let width = widths.iter().max().copied().filter(|_| widths.len() > 1);
        Self { json: args.json, coloured: status::coloured(std::io::stdout().is_terminal()), width }
    }

    fn line(&self, source: &Source, line: &str) -> String {
        if self.json {
            let value = json!({ "service": source.service, "instance": source.index, "line": line });
            return format!("{value}\n");
        }
        match self.width {
            None => format!("{line}\n"),
            Some(width) if self.coloured => {
                // A colour for a name is the same each time, and says no more than the name does.
                let colour = 31 + source.label.bytes().map(u32::from).sum::<u32>() % 6;
                format!("\x1b[{colour}m{:width$} |\x1b[0m {line}\n", source.label)
            }
            Some(width) => format!("{:width$} | {line}\n", source.label),
        }
    }
}
