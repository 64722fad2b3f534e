//! One line for Nagios and its kin, with the exit code that they expect. Pure.

use super::words::{clean, number, since};
use crate::model::order::Hold;
use crate::model::status::{ConditionKind, Desired, ExitKind, ServiceStatus, SourceState, State, Status};
use crate::model::time::Wall;

/// So many services are named.
const NAMED: usize = 3;

/// 0 OK, 1 WARNING, 2 CRITICAL, with the line (without newline). `status` holds the services that
/// were asked for; `whole` tells that these are all, so that directories count too.
pub fn nagios(status: &Status, whole: bool, now: Wall) -> (u8, String) {
    let services = &status.services;
    let fallen = [State::Failed, State::Backoff, State::Waiting];
    let down = |s: &&ServiceStatus| {
        s.desired == Desired::Running && (fallen.contains(&s.state) || unwell(s).is_some()) || is_unborn(s)
    };
    let critical: Vec<_> = services.iter().filter(down).collect();
    let mut said: Vec<String> = critical.iter().take(NAMED).map(|service| trouble(service, now)).collect();
    if critical.len() > NAMED {
        said.push(format!("{} more down", number((critical.len() - NAMED) as u64)));
    }
    let invalid = services.iter().filter(|s| !s.errors.is_empty()).count() as u64;
    let problems = if whole { status.problems.len() as u64 } else { 0 };
    let errors = invalid + problems;
    if errors > 0 {
        said.push(format!("{errors} config error{}", if errors == 1 { "" } else { "s" }));
    }
    let other: Vec<_> = services.iter().filter(|s| !s.as_desired && s.errors.is_empty() && !down(s)).collect();
    said.extend(other.iter().take(NAMED).map(|service| trouble(service, now)));
    if other.len() > NAMED {
        said.push(format!("{} more not as desired", number((other.len() - NAMED) as u64)));
    }
    let doubtful = status.sources.iter().filter(|s| whole && s.state != SourceState::Ok);
    said.extend(doubtful.map(|source| format!("{} {}", clean(&source.path), word(source.state))));
    let (code, level) = match (critical.is_empty(), said.is_empty()) {
        (false, _) => (2, "CRITICAL"),
        (true, false) => (1, "WARNING"),
        (true, true) => (0, "OK"),
    };
    let desired = services.iter().filter(|s| s.desired == Desired::Running).count();
    let ready = services.iter().filter(|s| s.desired == Desired::Running && s.state.is_running()).count();
    let restarts: u64 = services.iter().flat_map(|s| &s.instances).map(|i| i.restarts).sum();
    let text = if said.is_empty() { format!("{} as desired", services.len()) } else { said.join("; ") };
    let line =
        format!("ABIDE {level}: {} | desired={desired} ready={ready} restarts={restarts}c", text.replace('|', "/"));
    (code, line)
}

/// What the service lacks of being well.
fn unwell(service: &ServiceStatus) -> Option<&str> {
    let condition = service.conditions.iter().find(|condition| condition.kind == ConditionKind::Healthy)?;
    Some(&condition.message)
}

/// An error stands in its file and there is no good version to run: the service is as down as a failed one.
fn is_unborn(service: &ServiceStatus) -> bool {
    !service.errors.is_empty() && service.accepted_hash.is_none()
}

/// `web failed (exit 1, 12s ago)`.
fn trouble(service: &ServiceStatus, now: Wall) -> String {
    if is_unborn(service) {
        return format!("{} does not run (error in its file)", service.name);
    }
    if let Some(message) = unwell(service).filter(|_| service.state.is_running()) {
        return format!("{} {}", service.name, clean(message));
    }
    if let (State::Held, Some(hold)) = (service.state, hold_of(service)) {
        let reason = hold.reason.as_deref().map_or_else(String::new, |reason| format!(": {}", clean(reason)));
        return format!("{} held (by {}, {} ago{reason})", service.name, clean(&hold.by.name), since(now, hold.since));
    }
    let state = match service.state {
        State::Backoff => "in back-off",
        state if state.is_running() => "not as desired",
        state => state.as_str(),
    };
    let last = service.instances.iter().filter(|i| i.state == service.state).filter_map(|i| i.last_exit.as_ref());
    let reason = match last.max_by_key(|exit| exit.at) {
        Some(exit) => {
            let how = match (exit.kind, exit.code, &exit.signal) {
                (ExitKind::Code, Some(code), _) => format!("exit {code}"),
                (ExitKind::Signal, _, Some(signal)) => clean(signal).into_owned(),
                _ => "unknown exit".to_owned(),
            };
            format!(" ({how}, {} ago)", since(now, exit.at))
        }
        None => match service.instances.iter().find_map(|i| i.reason.as_deref()) {
            Some(reason) => format!(" ({})", clean(reason)),
            None => String::new(),
        },
    };
    format!("{} {state}{reason}", service.name)
}

fn hold_of(service: &ServiceStatus) -> Option<&Hold> {
    service.hold.as_ref().or_else(|| service.instances.iter().find_map(|instance| instance.hold.as_ref()))
}

fn word(state: SourceState) -> &'static str {
    match state {
        SourceState::Ok => "ok",
        SourceState::Suspect => "suspect",
        SourceState::Absent => "absent",
        SourceState::Degraded => "degraded",
    }
}
