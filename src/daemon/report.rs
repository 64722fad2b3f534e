//! What happened, as events of abide's own log: names like transitions, facts as fields.

use super::trace;
use crate::decide::fleet::Finding;
use crate::host::perform::Trouble;
use crate::model::diagnostic::{Diagnostic, Severity};
use crate::model::name::ServiceName;
use crate::model::news::News;
use crate::model::order::{Author, Done};
use crate::model::plan::Step;
use crate::model::status::{
    GuardStatus, IgnoredEntry, RolloutState, RolloutStatus, SourceState, SourceStatus, Suspended, Withheld,
};
use crate::model::transition::Transition;
use crate::render;
use tracing::{Span, error, info, info_span, warn};

/// All that one change of the files leads to at once: its plan, step by step, and what was begun.
pub(super) fn reconcile(generation: u64, steps: usize) -> Span {
    info_span!("reconcile", generation, steps)
}

/// One step of a plan that is being carried out.
pub(super) fn step(step: &Step) {
    let Step { service, action, reason, .. } = step;
    let service = service.as_str();
    let action = action.as_str();
    info!(service, action, reason, "plan");
}

/// The same, for those who listen at the doors.
pub(super) fn news_of_step(step: &Step) -> News {
    let Step { service, action, reason, .. } = step;
    News::Plan { service: service.to_string(), action: action.as_str().to_owned(), reason: reason.clone() }
}

/// A transition, for those who listen at the doors.
pub(super) fn news_of_transition(transition: &Transition) -> News {
    let Transition { instance, numbered, from, to, reason, pid, exit, grave } = transition;
    News::Transition {
        service: instance.service.to_string(),
        instance: numbered.then_some(instance.index),
        from: *from,
        to: *to,
        reason: reason.clone(),
        pid: *pid,
        exit: exit.map(|exit| exit.to_string()),
        grave: *grave,
    }
}

/// What there is to tell about a file.
pub(super) fn finding(finding: &Finding) {
    match finding {
        Finding::Mended { service, file } => {
            let service = service.as_ref().map(ServiceName::as_str);
            info!(service, file = %file.display(), "mended");
        }
        Finding::Found { diagnostic, .. } => found(diagnostic),
    }
}

/// The same, for those who listen at the doors.
pub(super) fn news_of_finding(finding: &Finding) -> News {
    match finding {
        Finding::Mended { service, file } => {
            News::Mended { service: service.as_ref().map(ToString::to_string), file: file.display().to_string() }
        }
        Finding::Found { service, diagnostic } => News::File {
            service: service.as_ref().map(ToString::to_string),
            file: diagnostic.file.display().to_string(),
            line: diagnostic.place.as_ref().map(|place| place.line),
            column: diagnostic.place.as_ref().map(|place| place.column),
            code: diagnostic.code.as_str().to_owned(),
            message: diagnostic.message.clone(),
            help: diagnostic.help.clone(),
            error: diagnostic.is_error(),
        },
    }
}

fn found(diagnostic: &Diagnostic) {
    let place = diagnostic.place.as_ref();
    let (line, column) = (place.map(|place| place.line), place.map(|place| place.column));
    let (code, file) = (diagnostic.code.as_str(), diagnostic.file.display());
    let (message, help) = (&diagnostic.message, diagnostic.help.as_deref());
    match diagnostic.severity {
        Severity::Error => error!(code, %file, line, column, help, "{message}"),
        Severity::Warning => warn!(code, %file, line, column, help, "{message}"),
    }
}

/// Watched directories whose state is not what it was.
pub(super) fn sources(before: &[SourceStatus], now: &[SourceStatus]) {
    let same = |one: &SourceStatus, other: &SourceStatus| {
        (&one.path, one.state, &one.reason, one.mechanism) == (&other.path, other.state, &other.reason, other.mechanism)
    };
    for source in now.iter().filter(|new| !before.iter().any(|old| same(old, new))) {
        // Lines to be copied stand in the status; in a log one line is one event.
        let reason = source.reason.as_ref().map(|reason| reason.lines().collect::<Vec<_>>().join("  "));
        let (path, reason) = (source.path.as_str(), reason.as_deref());
        match source.state {
            SourceState::Ok => info!(path, entries = source.entries, reason, "directory is watched"),
            SourceState::Degraded => warn!(path, reason, "directory is polled"),
            SourceState::Suspect => warn!(path, reason, "directory is suspect: nothing is stopped because of it"),
            SourceState::Absent => warn!(path, reason, "directory is absent: nothing is stopped because of it"),
        }
    }
}

/// What the files say and is held back, where there is more of it than before; and that nothing is any more.
pub(super) fn withheld(before: &Withheld, now: &Withheld) {
    let new = Withheld {
        guard: if now.guard.removals.len() > before.guard.removals.len() {
            now.guard.clone()
        } else {
            GuardStatus::default()
        },
        rollout: match (before.rollout.state, now.rollout.state) {
            (RolloutState::Idle | RolloutState::Rolling, RolloutState::Paused) => now.rollout.clone(),
            _ => RolloutStatus::default(),
        },
        batch: now.batch.clone().filter(|_| before.batch.is_none()),
        suspended: now
            .suspended
            .iter()
            .filter(|one| !before.suspended.iter().any(|old| is_same(old, one)))
            .cloned()
            .collect(),
    };
    for sentence in render::status::withheld(&new) {
        warn!("held back: {sentence}");
    }
    if holds(before) && !holds(now) {
        info!("nothing is held back any more");
    }
}

/// Whether anything waits for more than its turn.
fn holds(withheld: &Withheld) -> bool {
    let Withheld { guard, rollout, batch, suspended } = withheld;
    let waits = !guard.removals.is_empty() || batch.is_some() || !suspended.is_empty();
    waits || rollout.state == RolloutState::Paused
}

fn is_same(one: &Suspended, other: &Suspended) -> bool {
    (&one.service, &one.directory, one.hold.since) == (&other.service, &other.directory, other.hold.since)
}

/// Entries that are nothing to abide and were not there before.
pub(super) fn ignored(before: &[IgnoredEntry], now: &[IgnoredEntry]) {
    for entry in now.iter().filter(|entry| !before.contains(entry)) {
        info!(path = entry.path, reason = entry.reason, "ignored");
    }
}

/// No more targets of an order than these are named in one line of the log.
const MOST_TARGETS: usize = 20;

/// An operator's act: who did it, with what, and what came of it.
pub(super) fn order(act: &str, author: &Author, done: &[Done]) {
    let Author { name: by, uid, pid, command } = author;
    let named = done.iter().take(MOST_TARGETS).map(|done| format!("{}: {}", done.target, done.words));
    let more = done.len().saturating_sub(MOST_TARGETS);
    let more = (more > 0).then(|| format!("{more} more"));
    let outcome = named.chain(more).collect::<Vec<_>>().join("; ");
    let refused = done.iter().filter(|done| done.refused).count();
    info!(act, by, uid, by_pid = pid, command = command.as_deref(), targets = done.len(), refused, outcome, "order");
}

/// What is wrong with the output of services.
pub(super) fn troubles(troubles: Vec<Trouble>) {
    for Trouble { instance, numbered, message } in troubles {
        let service = instance.as_ref().map(|instance| instance.service.as_str());
        let instance = instance.as_ref().filter(|_| numbered).map(|instance| instance.index);
        warn!(service, instance, "{message}");
    }
}

/// Nothing is known of the service with which abide is to end; that may come.
pub(super) fn awaited(service: &ServiceName) {
    let service = service.as_str();
    warn!(service, "abide is to end with this service (--exit-with), and no good file defines it yet; waits for one");
}

/// What is wrong with abide's own log, and that it is over.
pub(super) fn own_log(message: &str) {
    warn!(target: trace::NOT_IN_THE_FILE, "abide's own log: {message}");
}

/// What abide itself could not do.
pub(super) fn error(problem: &dyn std::error::Error) {
    let cause = problem.source().map(ToString::to_string);
    error!(cause, "{problem}");
}
