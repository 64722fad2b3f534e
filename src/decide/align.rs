//! What the files say → one instance: wanted or not, and in which version.

use super::backoff::Backoff;
use super::diff::{dearest, diff};
use super::effect::Effect;
use super::ended::is_done;
use super::event::RunId;
use super::instance::Instance;
use super::phase::{Fit, Phase, Rest, Turn, Words};
use super::plan::in_words;
use crate::model::desired::Definition;
use crate::model::limits::Limits;
use crate::model::outcome::Failure;
use crate::model::plan::{Change, Price};
use std::sync::Arc;

impl Instance {
    /// The files want it up or down from now on.
    pub(super) fn want(&mut self, up: bool, cause: &Words, turn: &mut Turn) {
        if self.want != up {
            self.want = up;
            self.cause.clone_from(cause);
            self.forgive();
        }
        self.step(turn);
    }

    /// One that was to go down, and still runs because others had to go first, is wanted again.
    pub(super) fn stay(&mut self) {
        self.want |= matches!(self.phase, Phase::Running { .. }) || self.remains();
    }

    /// The files' meaning changed, in `changes`.
    pub(super) fn edit(&mut self, new: &Arc<Definition>, numbered: bool, changes: &[Change], turn: &mut Turn) {
        let relabel = self.numbered != numbered || output_differs(&self.wanted, new);
        self.wanted = new.clone();
        self.numbered = numbered;
        if relabel && self.opened {
            let instance = self.id.clone();
            turn.effects.push(Effect::SetLog { instance, definition: new.clone(), numbered });
        }
        if changes.iter().any(|change| change.price > Price::Nothing && change.field != "instances") {
            // Why one goes down that is not wanted was said before.
            if self.want {
                self.cause = Words::Owned(in_words(changes));
            }
            self.reconsider(dearest(changes), turn);
        }
        self.step(turn);
    }

    /// An edit is a new chance for what had come to rest, or is about to.
    pub(super) fn reconsider(&mut self, price: Price, turn: &mut Turn) {
        let service = &self.wanted.service;
        let still_done = price < Price::Restart && self.last.is_none_or(|last| is_done(service, last.exit));
        let remains = self.remains();
        match &mut self.phase {
            Phase::Resting(Rest::Done) if still_done => self.current = self.wanted.clone(),
            Phase::Stopping { then: Rest::Done, .. } | Phase::Clearing { then: Rest::Done } if still_done => {}
            Phase::Resting(Rest::Done) if self.want && remains => {
                self.forgive();
                self.take_down(Rest::Down, self.cause.clone(), turn);
            }
            Phase::Resting(Rest::Done | Rest::Backoff(_) | Rest::Failed) if self.want => {
                self.forgive();
                self.start(self.cause.clone(), None, turn);
            }
            Phase::Stopping { then, .. } | Phase::Clearing { then } if *then != Rest::Down => {
                *then = Rest::Down;
                self.forgive();
            }
            _ => {}
        }
    }

    pub(super) fn forgive(&mut self) {
        self.backoff = Backoff::default();
        self.owed = None;
        if self.rests() {
            self.fit = Fit::Met;
        }
    }

    /// The running process and the newest definition: nothing, live, or stop and start.
    pub(super) fn bring_in_line(&mut self, run: RunId, turn: &mut Turn) {
        if self.is_current() {
            self.current = self.wanted.clone();
            return;
        }
        let (old, new) = (&self.current.service, &self.wanted.service);
        let changes = diff(old, new, &turn.powers);
        if dearest(&changes) == Price::Restart {
            return self.stop(in_words(&changes).into(), turn);
        }
        let from = self.state();
        let altered = new.limits.iter().filter(|(kind, limit)| old.limits.get(kind) != Some(limit));
        let limits: Limits = altered.map(|(kind, limit)| (*kind, *limit)).collect();
        if !limits.is_empty() {
            self.fit = Fit::Asked;
            turn.effects.push(Effect::SetLimits { instance: self.id.clone(), run, limits });
        }
        if old.resources != new.resources {
            self.fit = Fit::Asked;
            let (instance, definition) = (self.id.clone(), self.wanted.clone());
            turn.effects.push(Effect::SetResources { instance, run, definition });
        }
        let old = std::mem::replace(&mut self.current, self.wanted.clone());
        self.turned(from, in_words(&changes).into(), turn);
        self.adapt(&old.service, turn);
    }

    /// What came of limits that were to be set on the running process.
    pub(super) fn limits_set(&mut self, outcome: Result<Limits, Failure>, turn: &mut Turn) {
        match (outcome, &mut self.process) {
            (Ok(limits), Some(process)) => {
                process.limits = limits;
                self.fit = Fit::Met;
            }
            (Ok(_), None) => {}
            (Err(failure), _) => {
                self.fit = Fit::Unmet(failure.to_string());
                self.remark(format!("limits of the running process are not changed: {failure}").into(), turn);
            }
        }
    }
}

/// What it costs to get from one definition to the other.
pub(super) fn dearest_between(old: &Definition, new: &Definition, turn: &Turn) -> Price {
    dearest(&diff(&old.service, &new.service, &turn.powers))
}

/// Whether output goes elsewhere or is kept otherwise; the log directory is a template over `base`.
fn output_differs(old: &Definition, new: &Definition) -> bool {
    let (old, new) = (&old.service, &new.service);
    old.log != new.log || (new.log.directory.as_ref().is_some_and(|path| path.contains('$')) && old.base != new.base)
}
