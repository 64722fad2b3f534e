//! What is not, or not yet, as the files say, and why: the plan that is left, for whoever asks.

use super::diff::diff;
use super::fleet::Fleet;
use super::instance::Instance;
use super::member::{Kept, Member};
use super::phase::Phase;
use super::plan;
use super::view::Facts;
use crate::model::name::ServiceName;
use crate::model::plan::{Action, Change, Plan, Step};
use crate::model::service::Service;
use crate::model::status::{ConditionKind, InstanceStatus, ServiceStatus, State};
use crate::model::time::Now;

impl Fleet {
    /// One step for each service that is not as its files say. What is under way is the step that it takes; what
    /// nothing but a person changes (a bad file, a hold, a failure) is `nothing`, with the reason.
    pub fn pending(&self, now: Now) -> Plan {
        let facts = Facts { now, log_path: &|_, _, _| None };
        let held = self.held_back();
        let is_other = |name: &ServiceName| held.iter().all(|step| step.service != *name);
        let amiss = self.members.iter().filter(|(name, member)| !member.tally.as_desired && is_other(name));
        let step = |name: &ServiceName, member: &Member| {
            let status = self.service_status(name, &facts)?;
            let (action, reason) = (action(member), reason(&status, member.removed));
            Some(Step { service: name.clone(), action, reason, changes: self.owed(member), scale: 0 })
        };
        let mut steps: Vec<Step> = amiss.filter_map(|(name, member)| step(name, member)).collect();
        steps.extend(held);
        steps.sort_by(|one, other| one.service.cmp(&other.service));
        Plan { steps }
    }

    /// What would be done if nothing held it back, and what does.
    fn held_back(&self) -> Vec<Step> {
        let in_force = |name: &ServiceName| self.members.get(name)?.accepted.as_ref().map(|it| &it.service);
        let step = |(name, to, kept): (&ServiceName, Option<&Service>, Kept)| {
            let mut step = plan::step(in_force(name), to, &self.turn.powers)?;
            let (_, why) = self.why_kept(name, kept);
            step.reason = format!("{} (held back: {why})", step.reason);
            Some(step)
        };
        self.kept().filter_map(step).collect()
    }

    /// What a process lacks of being what the file says.
    fn owed(&self, member: &Member) -> Vec<Change> {
        let other = member.instances.iter().find(|instance| !instance.rests() && !instance.is_current());
        other.map_or_else(Vec::new, |it| diff(&it.current.service, &it.wanted.service, &self.turn.powers))
    }
}

/// The dearest step that an instance is about to take.
fn action(member: &Member) -> Action {
    member.instances.iter().map(step_of).max().unwrap_or(Action::Nothing)
}

fn step_of(instance: &Instance) -> Action {
    match (instance.want, instance.phase, instance.state()) {
        (false, Phase::Resting(_), _) | (true, _, State::Failed) => Action::Nothing,
        (false, ..) => Action::Stop,
        (true, Phase::Stopping { .. } | Phase::Clearing { .. }, _) => Action::Restart,
        (true, _, State::Starting | State::Waiting | State::Backoff) => Action::Start,
        (true, Phase::Running { .. }, _) if !instance.is_current() => Action::Live,
        (true, ..) => Action::Nothing,
    }
}

fn reason(status: &ServiceStatus, removed: bool) -> String {
    let mut parts = Vec::new();
    if removed {
        parts.push("its file is gone".to_owned());
    }
    if let Some(error) = status.errors.first() {
        let then = if status.accepted_hash.is_some() {
            "the last good version stays in force"
        } else {
            "no version of it was ever good"
        };
        parts.push(format!("its file has an error ({}); {then}", error.message));
    }
    for instance in &status.instances {
        let words = in_words(instance);
        let whose =
            if status.instances.len() > 1 { format!("{}@{} ", status.name, instance.id) } else { String::new() };
        parts.extend(words.map(|words| format!("{whose}{words}")));
    }
    // What no instance tells of itself.
    let told = [ConditionKind::ConfigValid, ConditionKind::SourceTrusted, ConditionKind::DependenciesMet];
    let held = status.instances.iter().any(|instance| instance.state == State::Held);
    let rest = status.conditions.iter().filter(|condition| !told.contains(&condition.kind));
    let rest = rest.filter(|condition| !(held && condition.kind == ConditionKind::NotHeld));
    // Whoever is on the way to what the file says tells so.
    let moves = !parts.is_empty();
    let rest = rest.filter(|condition| !(moves && condition.kind == ConditionKind::InSync));
    parts.extend(rest.map(|condition| condition.message.clone()));
    if held {
        parts.push(format!("`abide start {}` lifts that", status.name));
    }
    parts.join("; ")
}

fn in_words(instance: &InstanceStatus) -> Option<String> {
    let reason = instance.reason.as_deref();
    let with = |word: &str| match reason {
        Some(reason) => format!("{word}: {reason}"),
        None => word.to_owned(),
    };
    match instance.state {
        State::Held => Some(format!("is {}", reason.unwrap_or("held"))),
        State::Failed => Some(with("has failed")),
        State::Backoff => Some(with("is in back-off")),
        State::Waiting => Some(with("waits")),
        State::Starting => Some(with("is starting")),
        State::Stopping => Some(with("is stopping")),
        State::Reloading => Some(with("is reloading")),
        State::Running => reason.map(str::to_owned),
        State::Ready | State::Stopped => None,
    }
}
