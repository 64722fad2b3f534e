//! reread, update, add and remove: what the file says against what is active.

use std::collections::BTreeSet;

use super::commands::{has_arguments, results};
use super::remote::{Failure, array, code};
use super::session::{Outcome, Session, exit};
use super::status::infos;
use crate::supervisord::xmlrpc::Value;

/// The groups that differ.
struct Changes {
    added: Vec<String>,
    changed: Vec<String>,
    removed: Vec<String>,
}

impl Changes {
    fn ask(session: &mut Session<'_>) -> Result<Self, Failure> {
        let answer = session.remote.call("reloadConfig", &[])?;
        // There is one array more around it than one would think.
        let [Value::Array(lists)] = array(&answer)? else { return Err(misunderstood()) };
        let [added, changed, removed] = lists.as_slice() else { return Err(misunderstood()) };
        let names = |list: &Value| {
            let name = |value: &Value| value.text().map(str::to_owned).ok_or_else(misunderstood);
            array(list)?.iter().map(name).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self { added: names(added)?, changed: names(changed)?, removed: names(removed)? })
    }
}

fn misunderstood() -> Failure {
    Failure::Other("the server's answer to reloadConfig is not three lists of names".to_owned())
}

pub(super) fn reread(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    if has_arguments(session, "reread", words) {
        return Ok(());
    }
    let changes = match Changes::ask(session) {
        Ok(changes) => changes,
        Err(Failure::Fault(fault)) if fault.code == code::SHUTDOWN_STATE => {
            session.fail("ERROR: supervisor shutting down", exit::GENERIC);
            return Ok(());
        }
        Err(Failure::Fault(fault)) if fault.code == code::CANT_REREAD => {
            session.fail(&format!("ERROR: {}", fault.text), exit::GENERIC);
            return Ok(());
        }
        Err(failure) => return Err(failure),
    };
    let lists = [(changes.added, "available"), (changes.changed, "changed"), (changes.removed, "disappeared")];
    let lines =
        lists.into_iter().flat_map(|(names, word)| names.into_iter().map(move |name| format!("{name}: {word}")));
    let lines: BTreeSet<String> = lines.collect();
    if lines.is_empty() {
        session.say("No config updates to processes");
    }
    for line in lines {
        session.say(&line);
    }
    Ok(())
}

pub(super) fn update(session: &mut Session<'_>, names: &[&str]) -> Outcome {
    let changes = match Changes::ask(session) {
        Err(failure) if failure.code() == Some(code::SHUTDOWN_STATE) => {
            session.fail("ERROR: already shutting down", exit::GENERIC);
            return Ok(());
        }
        changes => changes?,
    };
    let all = names.is_empty() || names.contains(&"all");
    if !all {
        tell_unknown(session, &changes, names)?;
    }
    let is_meant = |name: &&String| all || names.contains(&name.as_str());
    for group in changes.removed.iter().filter(is_meant) {
        if stop(session, group)? {
            session.remote.call("removeProcessGroup", &[group.as_str().into()])?;
            session.say(&format!("{group}: removed process group"));
        } else {
            session.fail(&format!("{group}: has problems; not removing"), exit::GENERIC);
        }
    }
    for group in changes.changed.iter().filter(is_meant) {
        stop(session, group)?;
        session.remote.call("removeProcessGroup", &[group.as_str().into()])?;
        session.remote.call("addProcessGroup", &[group.as_str().into()])?;
        session.say(&format!("{group}: updated process group"));
    }
    for group in changes.added.iter().filter(is_meant) {
        session.remote.call("addProcessGroup", &[group.as_str().into()])?;
        session.say(&format!("{group}: added process group"));
    }
    Ok(())
}

/// Stops a group; whether all of it has stopped.
fn stop(session: &mut Session<'_>, group: &str) -> Result<bool, Failure> {
    let answer = session.remote.call("stopProcessGroup", &[group.into()])?;
    session.say(&format!("{group}: stopped"));
    Ok(results(&answer)?.iter().all(|done| done.status != code::FAILED))
}

fn tell_unknown(session: &mut Session<'_>, changes: &Changes, names: &[&str]) -> Outcome {
    let mut known: BTreeSet<String> = infos(session)?.into_iter().map(|info| info.group).collect();
    known.extend(changes.added.iter().cloned());
    let unknown: BTreeSet<&str> = names.iter().copied().filter(|name| !known.contains(*name)).collect();
    for name in unknown {
        session.fail(&format!("ERROR: no such group: {name}"), exit::GENERIC);
    }
    Ok(())
}

pub(super) fn add(session: &mut Session<'_>, names: &[&str]) -> Outcome {
    for name in names {
        match session.remote.call("addProcessGroup", &[Value::from(*name)]) {
            Ok(_) => session.say(&format!("{name}: added process group")),
            Err(failure) => match failure.code() {
                Some(code::SHUTDOWN_STATE) => session.fail("ERROR: shutting down", exit::GENERIC),
                Some(code::ALREADY_ADDED) => session.say("ERROR: process group already active"),
                Some(code::BAD_NAME) => {
                    session.fail(&format!("ERROR: no such process/group: {name}"), exit::GENERIC);
                }
                _ => return Err(failure),
            },
        }
    }
    Ok(())
}

pub(super) fn remove(session: &mut Session<'_>, names: &[&str]) -> Outcome {
    for name in names {
        match session.remote.call("removeProcessGroup", &[Value::from(*name)]) {
            Ok(_) => session.say(&format!("{name}: removed process group")),
            Err(failure) => match failure.code() {
                Some(code::STILL_RUNNING) => {
                    session.fail(&format!("ERROR: process/group still running: {name}"), exit::GENERIC);
                }
                Some(code::BAD_NAME) => {
                    session.fail(&format!("ERROR: no such process/group: {name}"), exit::GENERIC);
                }
                _ => return Err(failure),
            },
        }
    }
    Ok(())
}
