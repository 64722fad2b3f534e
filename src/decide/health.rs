//! What is watched while it is up: whether it is well, how old it is, how much memory it uses.

use super::care::{Health, Stage};
use super::effect::{Effect, Which};
use super::instance::Instance;
use super::phase::{Phase, Turn};
use super::restarts::Cause;
use crate::model::check::{self, Check, OnFailure};
use crate::model::time::{Mono, Now};
use crate::model::units;
use std::time::Duration;

/// How often the memory of a service that has a bound is measured.
pub(super) const MEASURE: Duration = Duration::from_secs(30);

impl Health {
    /// That of a service that has just come up.
    pub(super) fn fresh(said: &check::Health, now: Now) -> Self {
        Self {
            next: Some(now.mono.plus(said.interval)),
            failures: 0,
            well: None,
            since: now.wall,
            seen_well: now.mono,
            message: String::new(),
        }
    }

    fn is(&mut self, well: bool, now: Now) {
        if self.well != Some(well) {
            (self.well, self.since) = (Some(well), now.wall);
        }
    }
}

impl Instance {
    /// Does what is due about the running process, one thing after the other as long as it runs.
    pub(super) fn attend(&mut self, turn: &mut Turn) {
        let now = turn.now.mono;
        let due = |at: Option<Mono>| at.is_some_and(|at| at <= now);
        if self.care.as_ref().is_some_and(|care| due(care.start_until)) {
            return self.start_timed_out(turn);
        }
        match self.stage() {
            Stage::Seeking { next, .. } if due(next) => self.seek(turn),
            Stage::Checking { next, .. } if due(next) && !self.is_checking(Which::Ready) => {
                self.look_whether_ready(turn);
            }
            _ => {}
        }
        if self.care.as_ref().is_some_and(|care| due(care.reload.said)) {
            self.reload_ended(Some("it did not become ready again in time".to_owned()), turn);
        }
        if self.care.as_ref().is_some_and(|care| due(care.reload.due_at)) {
            self.reload_if_due(turn);
        }
        if self.running().is_some() && self.is_health_due(now) && !self.is_checking(Which::Health) {
            self.examine(turn);
        }
        if self.running().is_some() && self.care.as_ref().is_some_and(|care| due(care.old)) {
            let age = self.current.service.restart.max_age.unwrap_or_default();
            return self.renew(Cause::Age, format!("has run for {}", units::duration(age)), turn);
        }
        if let Some(run) = self.running().filter(|_| self.care.as_ref().is_some_and(|care| due(care.measure))) {
            self.care().measure = Some(now.plus(MEASURE));
            turn.effects.push(Effect::Measure { instance: self.id.clone(), run });
        }
        self.step(turn);
    }

    fn is_checking(&self, which: Which) -> bool {
        self.care.as_ref().is_some_and(|care| care.is_checking(which))
    }

    fn is_health_due(&self, now: Mono) -> bool {
        let health = self.care.as_ref().and_then(|care| care.health.as_ref());
        health.and_then(|health| health.next).is_some_and(|next| next <= now)
    }

    /// It is time to look whether it is well; or a sign of life was due.
    fn examine(&mut self, turn: &mut Turn) {
        let Some(said) = self.current.service.health.clone() else { return };
        if let Some(health) = self.care().health.as_mut() {
            health.next = None;
        }
        if said.check == Check::Notify {
            let message = format!("gave no sign of life for {}", units::duration(said.interval));
            self.examined(Err(message), turn);
        } else {
            self.look(Which::Health, &said.check, said.timeout, turn);
        }
    }

    /// What a look at its health came to.
    pub(super) fn examined(&mut self, outcome: Result<(), String>, turn: &mut Turn) {
        let Some(said) = self.current.service.health.clone() else { return };
        let now = turn.now;
        let Some(health) = self.care().health.as_mut() else { return };
        health.next = Some(now.mono.plus(said.interval));
        match outcome {
            Ok(()) => {
                let was_unwell = health.well == Some(false);
                health.is(true, now);
                (health.failures, health.seen_well) = (0, now.mono);
                health.message.clear();
                if was_unwell {
                    self.tell("is well again".to_owned(), turn);
                }
            }
            Err(message) => {
                health.failures = health.failures.saturating_add(1);
                health.message = message;
                if health.failures >= said.failures {
                    self.is_unwell(turn);
                }
            }
        }
    }

    /// There were too many failures.
    fn is_unwell(&mut self, turn: &mut Turn) {
        let Some(said) = self.current.service.health.clone() else { return };
        let Phase::Running { since, .. } = self.phase else { return };
        let now = turn.now;
        let up = self.care().up.unwrap_or(since);
        let Some(health) = self.care().health.as_mut() else { return };
        let was_told = health.well == Some(false);
        health.is(false, now);
        let (message, well) = (format!("is not well: {}", health.message), health.seen_well.since(up));
        match said.on_failure {
            OnFailure::Restart => self.fail(Cause::Health, &message, Some(well), turn),
            OnFailure::Report if was_told => {}
            OnFailure::Report => self.complain(message, turn),
        }
    }

    /// It gave a sign of life.
    pub(super) fn says_alive(&mut self, turn: &mut Turn) {
        if self.current.service.health.as_ref().is_some_and(|health| health.check == Check::Notify) {
            self.examined(Ok(()), turn);
        }
    }

    /// It asks to be taken for unwell.
    pub(super) fn says_unwell(&mut self, turn: &mut Turn) {
        if let Some(health) = self.care.as_mut().and_then(|care| care.health.as_mut()) {
            "it says so itself".clone_into(&mut health.message);
            health.failures = health.failures.saturating_add(1);
            self.is_unwell(turn);
        }
    }

    /// So much memory its tree uses.
    pub(super) fn measured(&mut self, memory: u64, turn: &mut Turn) {
        let Some(most) = self.current.service.restart.max_memory.filter(|most| memory > *most) else { return };
        let (memory, most) = (memory >> 20, units::size(most));
        self.renew(Cause::Memory, format!("uses {memory} MiB of memory, more than {most}"), turn);
    }

    /// It is restarted as after an edit: nothing of it has failed.
    fn renew(&mut self, cause: Cause, why: String, turn: &mut Turn) {
        self.owed = Some(cause);
        self.stop(why.into(), turn);
    }

    /// Brings what is watched in line with an edit that was taken up alive.
    pub(super) fn adapt(&mut self, old: &crate::model::service::Service, turn: &mut Turn) {
        let Phase::Running { since, .. } = self.phase else { return };
        let now = turn.now;
        let new = self.current.clone();
        let new = &new.service;
        if old.health != new.health {
            self.quit(|pending| pending.checks(Which::Health), turn);
            let up = self.stage() == Stage::Up;
            let health = new.health.as_ref().filter(|_| up).map(|health| Health::fresh(health, now));
            self.care().health = health;
        }
        if old.restart.max_age != new.restart.max_age {
            self.care().old = new.restart.max_age.map(|age| since.plus(age));
        }
        if old.restart.max_memory != new.restart.max_memory {
            self.care().measure = new.restart.max_memory.map(|_| now.mono.plus(MEASURE));
        }
        if old.ready != new.ready && matches!(self.stage(), Stage::Checking { .. }) {
            self.quit(|pending| pending.checks(Which::Ready), turn);
            let care = self.care();
            care.start_until = new.ready.as_ref().map(|ready| since.plus(ready.timeout).max(now.mono));
            self.is_there(turn);
        }
    }
}
