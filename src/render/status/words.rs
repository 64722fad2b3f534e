//! The words of the status: spans of time, ends of processes, reasons. Pure.

use crate::model::order::Hold;
use crate::model::service::Kind;
use crate::model::status::{
    ConditionKind, Desired, ExitKind, FileError, InstanceStatus, LastExit, ServiceStatus, State, Truth,
};
use crate::model::time::Wall;
use std::borrow::Cow;
use std::time::Duration;

/// A span of time in at most two units: `340ms`, `12s`, `3m12s`, `2h05m`, `4d03h`.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{}ms", time.as_millis()),
        1..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

pub(super) fn between(from: Wall, to: Wall) -> Duration {
    Duration::from_micros(to.0.saturating_sub(from.0).max(0) as u64)
}

/// How long ago, in whole seconds below a minute: a table that says `3ms` is out of date when read.
pub fn since(now: Wall, at: Wall) -> String {
    let time = between(at, now);
    if time < Duration::from_secs(1) { "0s".to_owned() } else { span(time) }
}

/// `1 service`, `3 services`.
pub fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{} {noun}s", self::number(number)) }
}

/// With commas: `10,000`.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size for people, in three digits or so: `512 B`, `3.4 MiB`, `120 GiB`.
pub fn bytes(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut tenths, mut unit) = (u128::from(bytes) * 10, 0);
    while tenths >= 10_240 && unit + 1 < units.len() {
        (tenths, unit) = (tenths / 1024, unit + 1);
    }
    match (unit, tenths) {
        (1.., 0..100) => format!("{}.{} {}", tenths / 10, tenths % 10, units[unit]),
        _ => format!("{} {}", tenths / 10, units[unit]),
    }
}

/// Text from a file, with control characters made visible, so that it cannot drive a terminal.
pub fn clean(text: &str) -> Cow<'_, str> {
    let hidden = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let visible = |c: char| if hidden(c) { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(visible).collect())
}

/// `exit code 1`, `SIGSEGV, core dumped`, `SIGKILL for want of memory`, `an unknown end`.
pub(super) fn ended(exit: &LastExit) -> String {
    let core = if exit.core { ", core dumped" } else { "" };
    let oom = if exit.oom { " for want of memory" } else { "" };
    match (exit.kind, exit.code, &exit.signal) {
        (ExitKind::Code, Some(number), _) => format!("exit code {number}{oom}"),
        (ExitKind::Signal, _, Some(signal)) => format!("{}{oom}{core}", clean(signal)),
        _ => "an unknown end".to_owned(),
    }
}

/// `services.d/web.toml:12:1`.
pub(super) fn place(error: &FileError) -> String {
    let mut text = clean(&error.file).into_owned();
    for number in [error.line, error.column].into_iter().flatten() {
        text.push(':');
        text.push_str(&number.to_string());
    }
    text
}

/// What a person wants to know of a service beyond its state; empty when all is a matter of course.
pub(super) fn why_service(service: &ServiceStatus, now: Wall) -> String {
    let mut parts = Vec::new();
    if let Some(error) = service.errors.first() {
        parts.push(faulty_file(service, error));
    }
    let bad = service.conditions.iter().filter(|c| c.status != Truth::True);
    // What an instance waits for it says itself.
    let bad = bad.filter(|c| !matches!(c.kind, ConditionKind::DependenciesMet | ConditionKind::NotHeld));
    for condition in bad.filter(|c| c.kind != ConditionKind::ConfigValid || service.errors.is_empty()) {
        parts.push(clean(&condition.message).into_owned());
    }
    let said = service.instances.iter().any(|instance| instance.state == State::Held);
    let hold = service.hold.as_ref().filter(|_| !said);
    parts.extend(hold.map(|hold| why_held(hold, service.name.as_str(), now)));
    if parts.is_empty() && is_switched_off(service) {
        parts.push(match service.source.kind {
            Kind::Toml | Kind::Supervisord => "its file says `enabled = false`".to_owned(),
            Kind::Daemontools => "its directory holds a file `down`".to_owned(),
        });
    }
    parts.join("; ")
}

/// Nothing of it ran, and nothing shall: who looks for it in the table wants to know whose will that is.
fn is_switched_off(service: &ServiceStatus) -> bool {
    let untouched = |i: &InstanceStatus| i.state == State::Stopped && i.reason.is_none() && i.last_exit.is_none();
    let known = service.accepted_hash.is_some() && !service.instances.is_empty();
    known && service.desired == Desired::Stopped && service.instances.iter().all(untouched)
}

fn faulty_file(service: &ServiceStatus, error: &FileError) -> String {
    let line = error.line.map_or_else(String::new, |line| format!(" in line {line}"));
    let more = match service.errors.len() as u64 - 1 {
        0 => String::new(),
        more => format!(" and {} more", number(more)),
    };
    let then = match (service.accepted_hash.is_some(), service.state) {
        (false, _) => "nothing of it has run yet",
        (true, state) if state.is_running() => "the last good version runs on",
        (true, _) => "the last good version stays in force",
    };
    let own = error.file == service.source.file;
    let file = if own { Cow::Borrowed("its file") } else { clean(&error.file) };
    format!("{file} has an error{line}{more} (below); {then}")
}

/// Why an instance is where it is; empty when that is a matter of course.
pub fn why_instance(service: &ServiceStatus, instance: &InstanceStatus, now: Wall) -> String {
    let reason = instance.reason.as_deref().map(clean);
    let ended = instance
        .last_exit
        .as_ref()
        .map(|exit| format!("{} after {}", ended(exit), span(Duration::from_millis(exit.ran_ms))));
    let reason = reason.map(Cow::into_owned);
    match instance.state {
        State::Running | State::Ready if !instance.in_sync && service.conditions.is_empty() => {
            reason.unwrap_or_else(|| "runs an older version than its file says".to_owned())
        }
        // A job that is done needs no words; one that runs has some where it is not plain why.
        State::Ready if service.as_desired && instance.pid.is_none() => String::new(),
        State::Running | State::Ready | State::Reloading => reason.unwrap_or_default(),
        State::Backoff => {
            let attempt = instance.next_attempt_at.map(|at| next(instance.attempt, at, now));
            [reason.or(ended), attempt].into_iter().flatten().collect::<Vec<_>>().join("; ")
        }
        State::Failed => {
            let cause = reason.or(ended).unwrap_or_else(|| "could not be started".to_owned());
            format!("{cause}; abide has given up until its file changes or somebody starts it")
        }
        State::Held if instance.hold.is_some() || service.hold.is_some() => {
            let own = instance.hold.as_ref();
            let target =
                own.filter(|_| service.instances.len() > 1).map(|_| format!("{}@{}", service.name, instance.id));
            let target = target.unwrap_or_else(|| service.name.to_string());
            own.or(service.hold.as_ref()).map(|hold| why_held(hold, &target, now)).unwrap_or_default()
        }
        State::Stopped | State::Held | State::Starting | State::Stopping | State::Waiting => {
            let attempt = instance.next_attempt_at.map(|at| next(instance.attempt, at, now));
            [reason.or(ended.filter(|_| instance.state == State::Stopped)), attempt]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join("; ")
        }
    }
}

/// `held by root for 2h05m: the disk is full; lifts itself in 40m12s`.
pub(super) fn why_held(hold: &Hold, target: &str, now: Wall) -> String {
    let reason = hold.reason.as_deref().map_or_else(String::new, |reason| format!(": {}", clean(reason)));
    let then = match hold.until {
        Some(at) => format!("lifts itself in {}", span(between(now, at))),
        None => format!("`abide start {target}` lifts it"),
    };
    format!("held by {} for {}{reason}; {then}", clean(&hold.by.name), since(now, hold.since))
}

fn next(attempt: u64, at: Wall, now: Wall) -> String {
    let wait = between(now, at);
    let time = if wait.is_zero() { "due now".to_owned() } else { format!("in {}", span(wait)) };
    match attempt {
        0 | 1 => format!("next attempt {time}"),
        short => format!("next attempt {time} ({} short runs in a row)", number(short)),
    }
}
