//! start, stop, restart, signal and clear: orders to processes by name.

use super::commands::results;
use super::help;
use super::remote::{Failure, Namespec, code};
use super::session::{Outcome, Session, exit};
use crate::supervisord::xmlrpc::Value;

/// What stands behind the name, and the exit code if something is wrong.
type Meaning = (&'static str, Option<u8>);

/// What can be done to processes.
pub(super) struct Verb {
    name: &'static str,
    /// What is missing when there are too few arguments.
    needs: &'static str,
    /// The exit code then, and the one for an unknown group.
    misused: u8,
    process: &'static str,
    /// `None`: groups are taken for processes.
    group: Option<&'static str>,
    all: &'static str,
    /// What a status means.
    tell: fn(i32) -> Option<Meaning>,
    /// The first argument is a signal.
    signals: bool,
    /// The status whose text is all that is shown.
    bare: Option<i32>,
}

pub(super) const START: Verb = Verb {
    name: "start",
    needs: "a process name",
    misused: exit::INVALID_ARGS,
    process: "startProcess",
    group: Some("startProcessGroup"),
    all: "startAllProcesses",
    tell: |status| {
        Some(match status {
            code::BAD_NAME => ("ERROR (no such process)", Some(exit::GENERIC)),
            code::NO_FILE => ("ERROR (no such file)", Some(exit::GENERIC)),
            code::NOT_EXECUTABLE => ("ERROR (file is not executable)", Some(exit::GENERIC)),
            code::ALREADY_STARTED => ("ERROR (already started)", None),
            code::SPAWN_ERROR => ("ERROR (spawn error)", Some(exit::NOT_RUNNING)),
            code::ABNORMAL_TERMINATION => ("ERROR (abnormal termination)", Some(exit::NOT_RUNNING)),
            code::SUCCESS => ("started", None),
            _ => return None,
        })
    },
    signals: false,
    bare: None,
};

pub(super) const STOP: Verb = Verb {
    name: "stop",
    needs: "a process name",
    misused: exit::GENERIC,
    process: "stopProcess",
    group: Some("stopProcessGroup"),
    all: "stopAllProcesses",
    tell: |status| {
        Some(match status {
            code::NOT_RUNNING => ("ERROR (not running)", None),
            code::SUCCESS => ("stopped", None),
            status => return tell_signal(status),
        })
    },
    signals: false,
    bare: Some(code::FAILED),
};

pub(super) const SIGNAL: Verb = Verb {
    name: "signal",
    needs: "a signal name and a process name",
    misused: exit::GENERIC,
    process: "signalProcess",
    group: Some("signalProcessGroup"),
    all: "signalAllProcesses",
    tell: tell_signal,
    signals: true,
    bare: Some(code::FAILED),
};

pub(super) const CLEAR: Verb = Verb {
    name: "clear",
    needs: "a process name",
    misused: exit::GENERIC,
    process: "clearProcessLogs",
    group: None,
    all: "clearAllProcessLogs",
    tell: |status| {
        Some(match status {
            code::BAD_NAME => ("ERROR (no such process)", Some(exit::GENERIC)),
            code::FAILED => ("ERROR (failed)", Some(exit::GENERIC)),
            code::SUCCESS => ("cleared", None),
            _ => return None,
        })
    },
    signals: false,
    bare: None,
};

fn tell_signal(status: i32) -> Option<Meaning> {
    Some(match status {
        code::BAD_NAME => ("ERROR (no such process)", Some(exit::GENERIC)),
        code::BAD_SIGNAL => ("ERROR (bad signal name)", Some(exit::GENERIC)),
        code::NOT_RUNNING => ("ERROR (not running)", Some(exit::NOT_RUNNING)),
        code::FAILED => ("ERROR (failed)", Some(exit::GENERIC)),
        code::SUCCESS => ("signalled", None),
        _ => return None,
    })
}

pub(super) fn run(session: &mut Session<'_>, verb: &Verb, words: &[&str]) -> Outcome {
    if !session.is_up()? {
        return Ok(());
    }
    let (signal, names) = words.split_at(usize::from(verb.signals).min(words.len()));
    if names.is_empty() {
        session.fail(&format!("Error: {} requires {}", verb.name, verb.needs), verb.misused);
        help::show(session, verb.name);
        return Ok(());
    }
    let signal: Vec<Value> = signal.iter().map(|signal| Value::from(*signal)).collect();
    if names.contains(&"all") {
        let answer = session.remote.call(verb.all, &signal)?;
        return tell_all(session, verb, &answer);
    }
    for name in names {
        one(session, verb, name, &signal)?;
    }
    Ok(())
}

pub(super) fn restart(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    if !session.is_up()? {
        return Ok(());
    }
    if words.is_empty() {
        session.fail("Error: restart requires a process name", exit::GENERIC);
        help::show(session, "restart");
        return Ok(());
    }
    run(session, &STOP, words)?;
    run(session, &START, words)
}

/// One name, of a process or of a group.
fn one(session: &mut Session<'_>, verb: &Verb, name: &str, signal: &[Value]) -> Outcome {
    let namespec = Namespec::read(name);
    let params = |name: &str| [&[Value::from(name)], signal].concat();
    if let (None, Some(method)) = (namespec.process, verb.group) {
        return match session.remote.call(method, &params(namespec.group)) {
            Ok(answer) => tell_all(session, verb, &answer),
            Err(failure) if failure.code() == Some(code::BAD_NAME) => {
                session.fail(&format!("{}: ERROR (no such group)", namespec.group), verb.misused);
                Ok(())
            }
            Err(failure) => Err(failure),
        };
    }
    match session.remote.call(verb.process, &params(name)) {
        Ok(_) => tell(session, verb, &namespec.to_string(), code::SUCCESS, ""),
        Err(Failure::Fault(fault)) => tell(session, verb, &namespec.to_string(), fault.code, &fault.text),
        Err(failure) => Err(failure),
    }
}

fn tell_all(session: &mut Session<'_>, verb: &Verb, answer: &Value) -> Outcome {
    for done in results(answer)? {
        tell(session, verb, &done.namespec, done.status, &done.description)?;
    }
    Ok(())
}

fn tell(session: &mut Session<'_>, verb: &Verb, namespec: &str, status: i32, text: &str) -> Outcome {
    let Some((word, code)) = (verb.tell)(status) else {
        return Err(Failure::Other(format!("{namespec}: the server answers with status {status}, {text}")));
    };
    if verb.bare == Some(status) {
        session.say(text);
    } else {
        session.say(&format!("{namespec}: {word}"));
    }
    session.code = code.unwrap_or(session.code);
    Ok(())
}
