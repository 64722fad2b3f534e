//! status, avail and pid: what there is.

use super::commands::has_arguments;
use super::remote::{self, Info, Namespec, code};
use super::session::{Outcome, Session, exit};
use crate::supervisord::xmlrpc::Value;

pub(super) fn infos(session: &mut Session<'_>) -> Result<Vec<Info>, remote::Failure> {
    let answer = session.remote.call("getAllProcessInfo", &[])?;
    remote::array(&answer)?.iter().map(Info::read).collect()
}

pub(super) fn status(session: &mut Session<'_>, names: &[&str]) -> Outcome {
    if !session.is_up()? {
        session.code = exit::UNKNOWN;
        return Ok(());
    }
    let infos = infos(session)?;
    let mut shown = Vec::new();
    if names.is_empty() || names.contains(&"all") {
        shown.extend(&infos);
    } else {
        for name in names {
            let found = meant(&infos, name);
            if found.is_empty() {
                session.fail(&unknown(name), exit::UNKNOWN);
            }
            shown.extend(found);
        }
    }
    for line in table(&shown) {
        session.say(&line);
    }
    if shown.iter().any(|info| info.is_stopped()) {
        session.code = exit::STOPPED;
    }
    Ok(())
}

/// The processes that a name means.
fn meant<'a>(infos: &'a [Info], name: &str) -> Vec<&'a Info> {
    let namespec = Namespec::read(name);
    let fits = |info: &&Info| info.group == namespec.group && namespec.process.is_none_or(|name| info.name == name);
    infos.iter().filter(fits).collect()
}

fn unknown(name: &str) -> String {
    match Namespec::read(name) {
        Namespec { group, process: None } => format!("{group}: ERROR (no such group)"),
        _ => format!("{name}: ERROR (no such process)"),
    }
}

fn table(infos: &[&Info]) -> Vec<String> {
    let names: Vec<String> = infos.iter().map(|info| info.namespec().to_string()).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(30) + 3;
    let line = |(info, name): (&&Info, &String)| format!("{name:width$}{:10}{}", info.state_name, info.description);
    infos.iter().zip(&names).map(line).collect()
}

pub(super) fn avail(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    if has_arguments(session, "avail", words) {
        return Ok(());
    }
    let answer = match session.remote.call("getAllConfigInfo", &[]) {
        Err(failure) if failure.code() == Some(code::SHUTDOWN_STATE) => {
            session.fail("ERROR: supervisor shutting down", exit::GENERIC);
            return Ok(());
        }
        answer => answer?,
    };
    for config in remote::array(&answer)? {
        let line = configured(config)?;
        session.say(&line);
    }
    Ok(())
}

fn configured(config: &Value) -> Result<String, remote::Failure> {
    let (group, name) = (remote::text(config, "group")?, remote::text(config, "name")?);
    let namespec = Namespec::of(&group, &name).to_string();
    let used = if remote::bool(config, "inuse")? { "in use" } else { "avail" };
    let started = if remote::bool(config, "autostart")? { "auto" } else { "manual" };
    let (outer, inner) = (remote::int(config, "group_prio")?, remote::int(config, "process_prio")?);
    Ok(format!("{namespec:32} {used:9} {started:9} {outer}:{inner}"))
}

pub(super) fn pid(session: &mut Session<'_>, names: &[&str]) -> Outcome {
    if !session.is_up()? {
        return Ok(());
    }
    if names.is_empty() {
        let pid = session.remote.call("getPID", &[])?;
        session.say(&pid.int().unwrap_or_default().to_string());
        return Ok(());
    }
    if names.contains(&"all") {
        for info in infos(session)? {
            session.say(&info.pid.to_string());
        }
        return Ok(());
    }
    for name in names {
        match session.remote.call("getProcessInfo", &[Value::from(*name)]) {
            Ok(info) => {
                let pid = Info::read(&info)?.pid;
                session.say(&pid.to_string());
                if pid == 0 {
                    session.code = exit::NOT_RUNNING;
                }
            }
            Err(failure) if failure.code() == Some(code::BAD_NAME) => {
                session.fail(&format!("No such process {name}"), exit::GENERIC);
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(group: &str, name: &str, state: i32) -> Info {
        let (state_name, description) = (format!("S{state}"), "D".to_owned());
        Info { group: group.into(), name: name.into(), state, state_name, description, pid: 0 }
    }

    #[test]
    fn names_mean_processes() {
        let infos = [info("a", "a", 20), info("a", "b", 20), info("b", "a", 0)];
        let count = |name: &str| meant(&infos, name).len();
        assert_eq!(["a", "a:*", "a:", "b:a", "b", ":", "a:b:c"].map(count), [1, 2, 2, 1, 0, 0, 0]);
        assert_eq!(unknown("x"), "x: ERROR (no such process)");
        assert_eq!(unknown("x:*"), "x: ERROR (no such group)");
    }

    #[test]
    fn columns_are_aligned() {
        let long = "x".repeat(30);
        let infos = [info("a", "a", 20), info("x", &long, 0)];
        let lines = table(&infos.iter().collect::<Vec<_>>());
        assert_eq!(lines[0], format!("{:35}{:10}D", "a", "S20"));
        assert_eq!(lines[1], format!("x:{long}   {:10}D", "S0"));
    }
}
