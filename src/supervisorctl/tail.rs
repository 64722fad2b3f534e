//! tail, maintail and fg: what processes write.

use std::io::{self, Write as _};

use super::help;
use super::http::Stream;
use super::remote::{Failure, Info, code};
use super::session::{Outcome, Session, exit};
use super::wait::{Interrupt, Ready, wait};
use crate::supervisord::xmlrpc::Value;

/// How much of a log is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Amount {
    Follow,
    /// So many of its last bytes.
    Last(i32),
}

/// Takes `-f` or `-N` off the front of the arguments. An error is the argument that is neither.
fn amount<'a, 'b>(words: &'a [&'b str]) -> Result<(Amount, &'a [&'b str]), &'b str> {
    const BYTES: i32 = 1600;
    match words.split_first() {
        Some((&"-f", rest)) => Ok((Amount::Follow, rest)),
        Some((word, rest)) if word.starts_with('-') => {
            let bytes = word[1..].parse::<i32>().map_err(|_| *word)?;
            Ok((Amount::Last(bytes.saturating_abs()), rest))
        }
        _ => Ok((Amount::Last(BYTES), words)),
    }
}

fn misused(session: &mut Session<'_>, command: &str, line: &str) {
    session.fail(line, exit::GENERIC);
    help::show(session, command);
}

pub(super) fn tail(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    if !session.is_up()? {
        return Ok(());
    }
    if words.is_empty() || words.len() > 3 {
        let how = if words.is_empty() { "few" } else { "many" };
        misused(session, "tail", &format!("Error: too {how} arguments"));
        return Ok(());
    }
    let (amount, rest) = match amount(words) {
        Ok(read) => read,
        Err(word) => {
            session.fail(&format!("Error: bad argument {word}"), exit::GENERIC);
            return Ok(());
        }
    };
    let (Some(name), channel) = (rest.first(), rest.get(1..).and_then(<[_]>::last).unwrap_or(&"stdout")) else {
        session.fail("Error: tail requires process name", exit::GENERIC);
        return Ok(());
    };
    let method = match channel.to_lowercase().as_str() {
        "stdout" => "readProcessStdoutLog",
        "stderr" => "readProcessStderrLog",
        _ => {
            session.fail(&format!("Error: bad channel '{channel}'"), exit::GENERIC);
            return Ok(());
        }
    };
    match amount {
        Amount::Follow => follow(session, &log_of(name, &channel.to_lowercase())),
        Amount::Last(bytes) => {
            let answer = session.remote.call(method, &[Value::from(*name), Value::Int(-bytes), Value::Int(0)]);
            show(session, name, answer, true)
        }
    }
}

pub(super) fn maintail(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    if !session.is_up()? {
        return Ok(());
    }
    if words.len() > 1 {
        misused(session, "maintail", "Error: too many arguments");
        return Ok(());
    }
    match amount(words) {
        Ok((Amount::Follow, _)) => follow(session, "/mainlogtail"),
        Ok((Amount::Last(bytes), [])) => {
            let answer = session.remote.call("readLog", &[Value::Int(-bytes), Value::Int(0)]);
            show(session, "supervisord", answer, false)
        }
        Ok((_, &[word, ..])) | Err(word) => {
            session.fail(&format!("Error: bad argument {word}"), exit::GENERIC);
            Ok(())
        }
    }
}

fn show(session: &mut Session<'_>, name: &str, answer: Result<Value, Failure>, named: bool) -> Outcome {
    let failure = match answer {
        Ok(text) => {
            session.say(text.text().unwrap_or_default());
            return Ok(());
        }
        Err(failure) => failure,
    };
    let why = match failure.code() {
        Some(code::NO_FILE) => "no log file",
        Some(code::FAILED) => "unknown error reading log",
        Some(code::BAD_NAME) if named => "no such process name",
        _ => return Err(failure),
    };
    session.fail(&format!("{name}: ERROR ({why})"), exit::GENERIC);
    Ok(())
}

fn log_of(name: &str, channel: &str) -> String {
    let escaped = name.bytes().map(|byte| match byte {
        b'%' | b'?' | b'#' => format!("%{byte:02X}"),
        byte if byte.is_ascii_graphic() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    format!("/logtail/{}/{channel}", escaped.collect::<String>())
}

/// Shows a log as it grows.
fn follow(session: &mut Session<'_>, path: &str) -> Outcome {
    let interrupt = Interrupt::catch()?;
    session.say("==> Press Ctrl-C to exit <==");
    let Some(stream) = log(session, path)? else { return Ok(()) };
    let mut streams = vec![stream];
    while !streams.is_empty() {
        let ready = wait(&interrupt, &streams, false)?;
        if ready.interrupt {
            session.say("");
            break;
        }
        if !pass_on(session, &mut streams, &ready)? {
            break;
        }
    }
    Ok(())
}

/// A log that grows. `None`: there is none, which has been said.
fn log(session: &mut Session<'_>, path: &str) -> Result<Option<Stream>, Failure> {
    let mut stream = session.remote.follow(path)?;
    let status = stream.status();
    if status != 200 {
        let _ = writeln!(
            io::stderr(),
            "{}{path} Cannot read, status code {status}",
            session.remote.url().trim_end_matches('/')
        );
        return Ok(None);
    }
    let first = stream.first();
    let _ = session.write(&first);
    Ok(Some(stream))
}

/// Shows what has come; `false` when nobody reads it any more.
fn pass_on(session: &mut Session<'_>, streams: &mut Vec<Stream>, ready: &Ready) -> Result<bool, Failure> {
    let mut ended = Vec::new();
    for (index, _) in ready.streams.iter().enumerate().filter(|(_, ready)| **ready) {
        match streams[index].next().map_err(Failure::Other)? {
            Some(bytes) => {
                if session.write(&bytes).is_err() {
                    return Ok(false);
                }
            }
            None => ended.push(index),
        }
    }
    for index in ended.into_iter().rev() {
        streams.remove(index);
    }
    Ok(true)
}

pub(super) fn fg(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    if !session.is_up()? {
        return Ok(());
    }
    let name = match words {
        [] => {
            misused(session, "fg", "ERROR: no process name supplied");
            return Ok(());
        }
        [name] => name,
        _ => {
            session.fail("ERROR: too many process names supplied", exit::GENERIC);
            return Ok(());
        }
    };
    match state(session, name) {
        Ok(Info::RUNNING) => attach(session, name),
        Ok(_) => {
            session.fail("ERROR: process not running", exit::GENERIC);
            Ok(())
        }
        Err(failure) if failure.code() == Some(code::BAD_NAME) => {
            session.fail("ERROR: bad process name supplied", exit::GENERIC);
            Ok(())
        }
        Err(Failure::Fault(fault)) => {
            session.say(&format!("ERROR: {fault}"));
            Ok(())
        }
        Err(failure) => Err(failure),
    }
}

fn state(session: &mut Session<'_>, name: &str) -> Result<i32, Failure> {
    let info = session.remote.call("getProcessInfo", &[name.into()])?;
    Ok(Info::read(&info)?.state)
}

/// What the process writes is shown, and what is typed goes to it, until one of them ends.
fn attach(session: &mut Session<'_>, name: &str) -> Outcome {
    let interrupt = Interrupt::catch()?;
    session.say("==> Press Ctrl-C to exit <==");
    let mut streams = Vec::new();
    for channel in ["stdout", "stderr"] {
        streams.extend(log(session, &log_of(name, channel))?);
    }
    loop {
        while let Some(line) = session.keyboard.take() {
            if !send(session, name, &line)? {
                session.say("Process got killed");
                session.say("Exiting foreground");
                return Ok(());
            }
        }
        let ready = wait(&interrupt, &streams, true)?;
        let goes_on = pass_on(session, &mut streams, &ready)?;
        if ready.interrupt || !goes_on || (ready.input && !session.keyboard.fill()) {
            break;
        }
    }
    if let Some(line) = session.keyboard.take() {
        send(session, name, &line)?;
    }
    session.say("Exiting foreground");
    Ok(())
}

/// Sends a line; whether the process goes on running.
fn send(session: &mut Session<'_>, name: &str, line: &str) -> Result<bool, Failure> {
    let sent = session.remote.call("sendProcessStdin", &[name.into(), Value::Text(format!("{line}\n"))]);
    match sent.and_then(|_| state(session, name)) {
        Ok(state) => Ok(state == Info::RUNNING),
        Err(failure) if matches!(failure.code(), Some(code::NOT_RUNNING | code::NO_FILE | code::BAD_NAME)) => Ok(false),
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read() {
        assert_eq!(amount(&["a"]), Ok((Amount::Last(1600), &["a"][..])));
        assert_eq!(amount(&["-f", "a"]), Ok((Amount::Follow, &["a"][..])));
        assert_eq!(amount(&["-12"]), Ok((Amount::Last(12), &[][..])));
        assert_eq!(amount(&["-x"]), Err("-x"));
    }

    #[test]
    fn names_are_made_paths() {
        assert_eq!(log_of("a:b", "stdout"), "/logtail/a:b/stdout");
        assert_eq!(log_of("\u{e9}%", "stderr"), "/logtail/%C3%A9%25/stderr");
    }
}
