//! What is wrong with a service in one line, and what to do next in another. Pure.

use super::words::{clean, ended, place, span, why_instance, why_service};
use crate::model::status::{ConditionKind, InstanceStatus, ServiceStatus, State};
use crate::model::time::Wall;
use std::time::Duration;

/// How much a service needs to be looked at: 0 the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    /// abide has given up.
    Failed,
    /// It ends and ends.
    Backoff,
    /// Nothing of it has ever run.
    Unborn,
    /// It runs, and something about it is not well.
    Unwell,
    /// Its file has an error, and the last good version runs.
    BadFile,
    /// Something else must come first.
    Waiting,
    /// It is on its way.
    Moving,
    /// Somebody wants it stopped.
    Held,
    /// Nothing.
    None,
}

/// How much it needs to be looked at.
pub(super) fn need(service: &ServiceStatus) -> Need {
    let has = |state: State| service.state == state || service.instances.iter().any(|it| it.state == state);
    let bad_file = !service.errors.is_empty();
    match service.as_desired {
        true => Need::None,
        false if has(State::Failed) => Need::Failed,
        false if has(State::Backoff) => Need::Backoff,
        false if bad_file && service.accepted_hash.is_none() => Need::Unborn,
        false if unwell(service) => Need::Unwell,
        false if bad_file => Need::BadFile,
        false if has(State::Waiting) => Need::Waiting,
        false if has(State::Held) => Need::Held,
        false => Need::Moving,
    }
}

fn unwell(service: &ServiceStatus) -> bool {
    let bad = [ConditionKind::Healthy, ConditionKind::Reloaded, ConditionKind::LimitsMet, ConditionKind::LogsFlowing];
    service.conditions.iter().any(|condition| bad.contains(&condition.kind))
}

/// The command that mends it, or else shows more of it; nothing where all is as desired.
pub fn advice(service: &ServiceStatus) -> Option<String> {
    let name = &service.name;
    Some(match need(service) {
        Need::None | Need::Moving => return None,
        Need::Failed | Need::Backoff if service.errors.is_empty() => format!("abide logs {name}"),
        Need::Unborn | Need::BadFile | Need::Failed | Need::Backoff => match service.errors.first() {
            Some(error) => format!("abide check {}", word(&error.file)),
            None => format!("abide status {name}"),
        },
        Need::Unwell if lacks(service, ConditionKind::LimitsMet) => format!("abide restart {name}"),
        Need::Unwell => format!("abide logs {name}"),
        Need::Held => format!("abide start {name}"),
        Need::Waiting => format!("abide status {name}"),
    })
}

fn lacks(service: &ServiceStatus, kind: ConditionKind) -> bool {
    service.conditions.iter().any(|condition| condition.kind == kind)
}

/// A path as a word of a shell.
fn word(path: &str) -> String {
    let path = clean(path);
    let plain = |c: char| c.is_alphanumeric() || "/._-+@:,".contains(c);
    if path.chars().all(plain) { path.into_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

/// What is wrong with the service as a whole, on one line.
pub fn reason(service: &ServiceStatus, now: Wall) -> String {
    let own = service.errors.iter().find(|error| error.file == service.source.file);
    let Some(error) = own else { return why_service(service, now) };
    let more = match service.errors.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let then = match (service.accepted_hash.is_some(), service.state) {
        (false, _) => "nothing of it has run yet",
        (true, state) if state.is_running() => "the last good version runs on",
        (true, _) => "the last good version stays in force",
    };
    let hint = error.hint.as_ref().map_or_else(String::new, |hint| format!("; {}", clean(hint.trim_end_matches('?'))));
    format!("{}: {}{hint}{more}; {then}", place(error), clean(&error.message))
}

/// Why an instance is not up, on one line.
pub fn why_not(service: &ServiceStatus, instance: &InstanceStatus, now: Wall) -> String {
    let why = why_instance(service, instance, now);
    if why.is_empty() {
        format!("is {}", instance.state.as_str())
    } else {
        format!("{}: {why}", instance.state.as_str())
    }
}

/// What is worth a remark of one that is as desired: why it was last restarted, or what it says of itself.
pub fn remark(instance: &InstanceStatus, now: Wall) -> String {
    const LATELY: Duration = Duration::from_secs(3600);
    if let Some(text) = instance.status_text.as_deref().filter(|text| !text.is_empty()) {
        return clean(text).into_owned();
    }
    let Some(exit) = instance.last_exit.as_ref().filter(|_| instance.restarts > 0 && instance.pid.is_some()) else {
        return String::new();
    };
    let ago = super::words::between(exit.at, now);
    if ago > LATELY {
        return String::new();
    }
    let why = match instance.last_restart.as_deref() {
        Some("health") => "it was not well".to_owned(),
        Some("memory") => "it used too much memory".to_owned(),
        Some("age") => "it was old enough".to_owned(),
        Some("start_timeout") => "it was not ready in time".to_owned(),
        Some("start_after") => "a command after its start failed".to_owned(),
        _ => ended(exit),
    };
    format!("restarted {} ago: {why}", span(ago))
}
