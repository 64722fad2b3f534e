//! A line to a command, and the commands that are one call.

use super::change::{self, CLEAR, SIGNAL, START, STOP};
use super::help;
use super::remote::{self, Failure, Namespec, code};
use super::session::{Outcome, Session, exit};
use super::{status, tail, update};
use crate::supervisord::xmlrpc::Value;

/// Takes a line apart: the letters, digits and underscores at its beginning are the command, the rest its arguments.
pub(super) fn split(line: &str) -> (&str, &str) {
    let line = line.trim();
    if let Some(topic) = line.strip_prefix('?') {
        return ("help", topic.trim());
    }
    let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(line.len());
    (&line[..end], line[end..].trim())
}

/// Runs a line.
pub(super) fn run(session: &mut Session<'_>, line: &str) -> Outcome {
    let (command, text) = split(line);
    let words: Vec<&str> = text.split_whitespace().collect();
    match command {
        "add" => update::add(session, &words),
        "avail" => status::avail(session, &words),
        "clear" => change::run(session, &CLEAR, &words),
        "exit" | "quit" | "EOF" => {
            session.done = true;
            session.say("");
            Ok(())
        }
        "fg" => tail::fg(session, &words),
        "help" => {
            help::show(session, text);
            Ok(())
        }
        "maintail" => tail::maintail(session, &words),
        "open" => open(session, text),
        "pid" => status::pid(session, &words),
        "reload" => reload(session, &words),
        "remove" => update::remove(session, &words),
        "reread" => update::reread(session, &words),
        "restart" => change::restart(session, &words),
        "shutdown" => shutdown(session, &words),
        "signal" => change::run(session, &SIGNAL, &words),
        "start" => change::run(session, &START, &words),
        "status" => status::status(session, &words),
        "stop" => change::run(session, &STOP, &words),
        "tail" => tail::tail(session, &words),
        "update" => update::update(session, &words),
        "version" => version(session, &words),
        _ => {
            if !line.trim().is_empty() {
                session.fail(&format!("*** Unknown syntax: {}", line.trim()), exit::GENERIC);
            }
            Ok(())
        }
    }
}

/// Whether there are arguments where none may be; if so that has been said.
pub(super) fn has_arguments(session: &mut Session<'_>, command: &str, words: &[&str]) -> bool {
    if !words.is_empty() {
        session.fail(&format!("Error: {command} accepts no arguments"), exit::GENERIC);
        help::show(session, command);
    }
    !words.is_empty()
}

fn version(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    if has_arguments(session, "version", words) || !session.is_up()? {
        return Ok(());
    }
    let version = session.remote.call("getSupervisorVersion", &[])?;
    session.say(version.text().unwrap_or_default());
    Ok(())
}

fn open(session: &mut Session<'_>, url: &str) -> Outcome {
    if !url.starts_with("http://") && !url.starts_with("unix://") {
        session.fail("ERROR: url must be http:// or unix://", exit::GENERIC);
        return Ok(());
    }
    session.remote.open(url);
    // The status is shown for its own sake: what it says of the processes does not make `open` fail.
    let before = session.code;
    status::status(session, &[])?;
    session.code = before;
    Ok(())
}

/// Whether whoever types wants it. Whoever does not type has said so.
fn is_wanted(session: &mut Session<'_>, question: &str) -> bool {
    if !session.interactive {
        return true;
    }
    let answer = session.keyboard.ask(question, session.out);
    answer.is_some_and(|answer| answer.trim().eq_ignore_ascii_case("y"))
}

fn shutdown(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    const QUESTION: &str = "Really shut the remote supervisord process down y/N? ";
    if has_arguments(session, "shutdown", words) || !is_wanted(session, QUESTION) {
        return Ok(());
    }
    let Err(failure) = session.remote.call("shutdown", &[]) else {
        session.say("Shut down");
        return Ok(());
    };
    match failure {
        Failure::Absent | Failure::Refused => {
            let shown = failure.shown(session.remote.url());
            session.fail(&format!("ERROR: {shown} (already shut down?)"), exit::GENERIC);
        }
        failure if failure.code() == Some(code::SHUTDOWN_STATE) => session.say("ERROR: already shutting down"),
        failure => return Err(failure),
    }
    Ok(())
}

fn reload(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    const QUESTION: &str = "Really restart the remote supervisord process y/N? ";
    if has_arguments(session, "reload", words) || !is_wanted(session, QUESTION) {
        return Ok(());
    }
    match session.remote.call("restart", &[]) {
        Ok(_) => session.say("Restarted supervisord"),
        Err(failure) if failure.code() == Some(code::SHUTDOWN_STATE) => {
            session.fail("ERROR: already shutting down", exit::GENERIC);
        }
        Err(failure) => return Err(failure),
    }
    Ok(())
}

/// One of the results that an order to many gives.
pub(super) struct Done {
    pub(super) namespec: String,
    pub(super) status: i32,
    pub(super) description: String,
}

pub(super) fn results(answer: &Value) -> Result<Vec<Done>, Failure> {
    let read = |value: &Value| {
        let (group, name) = (remote::text(value, "group")?, remote::text(value, "name")?);
        Ok(Done {
            namespec: Namespec::of(&group, &name).to_string(),
            status: remote::int(value, "status")?,
            description: remote::text(value, "description")?,
        })
    };
    remote::array(answer)?.iter().map(read).collect()
}
