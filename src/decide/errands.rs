//! Commands that are not the service itself: ordered, timed, and what their ends lead to.

use super::align::dearest_between;
use super::care::{Fate, Pending, What};
use super::effect::{Effect, Errand};
use super::event::RunId;
use super::instance::Instance;
use super::order::Gate;
use super::phase::{Phase, Rest, Turn, Words, blocked};
use super::restarts::Cause;
use crate::model::outcome::{Exit, Failure};
use crate::model::plan::Price;
use crate::model::policy::{Finish, Hooks};
use crate::model::time::Mono;
use std::time::Duration;

/// What tells a command how the process ended. (MAINPID is the host's to tell.)
const EXIT_CODE: &str = "ABIDE_EXIT_CODE";
const EXIT_SIGNAL: &str = "ABIDE_EXIT_SIGNAL";

/// What a command is called where it is spoken of.
fn key(errand: Errand) -> &'static str {
    match errand {
        Errand::Before(_) => "`[start] before`",
        Errand::After(_) => "`[start] after`",
        Errand::Stop => "`[stop] command`",
        Errand::Stopped(_) => "`[stop] after`",
        Errand::Reload => "`[reload] command`",
        Errand::Check(_) => "the check",
    }
}

/// What went wrong with a command; `None`: it ended with 0.
fn wrong(outcome: &Result<Exit, Failure>) -> Option<String> {
    match outcome {
        Ok(exit) if exit.is_success() => None,
        Ok(exit) => Some(exit.to_string()),
        Err(failure) => Some(failure.to_string()),
    }
}

impl Instance {
    /// Notes that something is ordered, under a run of its own.
    pub(super) fn order(&mut self, what: What, until: Mono, turn: &mut Turn) -> RunId {
        turn.last_run.0 += 1;
        let run = turn.last_run;
        self.care().pending.push(Pending { run, what, fate: Fate::Until(until) });
        run
    }

    pub(super) fn run_errand(&mut self, errand: Errand, until: Mono, turn: &mut Turn) {
        let run = self.order(What::Errand(errand), until, turn);
        let (instance, definition) = (self.id.clone(), self.current.clone());
        let (variables, arguments) = (self.variables(), self.arguments(errand));
        turn.effects.push(Effect::RunErrand { instance, run, errand, definition, variables, arguments });
    }

    /// What `finish` of a legacy directory is told.
    pub(super) fn arguments(&self, errand: Errand) -> Vec<String> {
        let finish = self.finish().filter(|_| matches!(errand, Errand::Stopped(_)));
        let (exit, pid) = self.care.as_ref().map_or((None, 0), |care| (care.exit, care.pid));
        finish.map_or_else(Vec::new, |finish| finish.arguments(self.id.service.as_str(), exit, pid))
    }

    fn finish(&self) -> Option<Finish> {
        self.current.service.hooks.as_ref().and_then(|hooks| hooks.finish)
    }

    pub(super) fn variables(&self) -> Vec<(String, String)> {
        let own = |name: &str, value: String| (name.to_owned(), value);
        let exit = self.care.as_ref().and_then(|care| care.exit).and_then(|exit| match exit {
            Exit::Code(code) => Some(own(EXIT_CODE, code.to_string())),
            Exit::Signal { signal, .. } => Some(own(EXIT_SIGNAL, signal.to_string())),
            Exit::Unknown => None,
        });
        exit.into_iter().collect()
    }

    /// Runs the next command of those that `list` names, each with its time; false: there is none.
    fn run_next(
        &mut self,
        list: impl Fn(&Hooks) -> (&Vec<Vec<String>>, Duration),
        errand: impl Fn(usize) -> Errand,
        turn: &mut Turn,
    ) -> bool {
        let Some((count, time)) = self.current.service.hooks.as_deref().map(|hooks| {
            let (commands, time) = list(hooks);
            (commands.len(), time)
        }) else {
            return false;
        };
        let next = self.care().next_hook;
        if next >= count {
            return false;
        }
        self.care().next_hook += 1;
        self.run_errand(errand(next), turn.now.mono.plus(time), turn);
        true
    }

    /// The next of `[start] before`, then the start.
    pub(super) fn prepare(&mut self, turn: &mut Turn) {
        let Phase::Preparing { ordered } = self.phase else { return };
        if self.run_next(|hooks| (&hooks.start_before, hooks.start_timeout), Errand::Before, turn) {
            return;
        }
        // What it comes after may have gone meanwhile.
        match blocked(&turn.gate) {
            Some((rest, why)) => self.cleared(rest, why, None, turn),
            None => self.spawn(ordered, self.why.clone(), None, turn),
        }
    }

    /// While it is prepared its file changed: what is prepared is what the start will be.
    pub(super) fn prepare_the_newest(&mut self, turn: &mut Turn) {
        if self.is_current() {
            return;
        }
        if dearest_between(&self.current, &self.wanted, turn) == Price::Restart {
            self.quit_pending(turn);
        } else {
            self.current = self.wanted.clone();
        }
    }

    fn prepared(&mut self, ended: Pending, ordered: Mono, outcome: &Result<Exit, Failure>, turn: &mut Turn) {
        let What::Errand(errand) = ended.what else { return };
        if !self.want {
            return self.cleared(Rest::Down, self.cause.clone(), None, turn);
        }
        if let (Some((rest, why)), Gate::Lost(_)) = (blocked(&turn.gate), &turn.gate) {
            return self.cleared(rest, why, None, turn);
        }
        if ended.fate == Fate::Unwanted || !self.is_current() {
            return self.start(self.cause.clone(), None, turn);
        }
        if *outcome == Err(Failure::NoDescriptors) {
            self.owed = None;
            return self.rest(Rest::Waiting, Failure::NoDescriptors.to_string().into(), None, turn);
        }
        let wrong = match ended.fate {
            Fate::TooLate => Some(self.too_long(false)),
            _ => wrong(outcome),
        };
        let Some(wrong) = wrong else { return self.prepare(turn) };
        self.owed = None;
        self.starved = false;
        let (rest, why) = self.after_failure(&self.failed(errand, &wrong), ordered, turn);
        self.cleared(rest, why, None, turn);
    }

    /// The next of `[start] after`, then it is up.
    pub(super) fn settle(&mut self, turn: &mut Turn) {
        let Phase::Running { since, .. } = self.phase else { return };
        if !self.run_next(|hooks| (&hooks.start_after, hooks.start_timeout), Errand::After, turn) {
            self.is_risen(since, turn);
        }
    }

    /// Nothing of the process and its tree is left. What else there is of the run comes to its end
    /// before it rests: commands under way, and those of `[stop] after`.
    pub(super) fn cleared(&mut self, then: Rest, why: Words, exit: Option<Exit>, turn: &mut Turn) {
        if !self.is_followed(then) && self.care.as_ref().is_none_or(|care| care.pending.is_empty()) {
            return self.rest(then, why, exit, turn);
        }
        self.cause = why;
        self.process = None;
        let care = self.care();
        care.next_hook = 0;
        care.exit = exit.or(care.exit);
        self.enter(Phase::Clearing { then }, self.cause.clone(), exit, turn);
        self.clear_on(turn);
    }

    /// The next of `[stop] after`, then it rests.
    pub(super) fn clear_on(&mut self, turn: &mut Turn) {
        let Phase::Clearing { then } = self.phase else { return };
        if !self.care().pending.is_empty() {
            return;
        }
        let done = self.care().hurried || !self.is_followed(then);
        if done || !self.run_next(|hooks| (&hooks.stop_after, hooks.stop_timeout), Errand::Stopped, turn) {
            self.rest(then, self.cause.clone(), None, turn);
        }
    }

    /// Whether commands follow before it rests so: a job that stays up has not come to its end.
    fn is_followed(&self, then: Rest) -> bool {
        let stays = then == Rest::Done && self.want && self.has_succeeded();
        self.has_followers() && !stays
    }

    /// A job that is done and counts as up is taken down.
    pub(super) fn take_down(&mut self, then: Rest, why: Words, turn: &mut Turn) {
        let service = &self.current.service;
        let (command, time) = (service.stop.command.is_some(), self.wanted.service.stop.timeout);
        self.cause = why;
        self.care().exit = self.last.map(|last| last.exit);
        if command {
            self.enter(Phase::Clearing { then }, self.cause.clone(), None, turn);
            self.run_errand(Errand::Stop, turn.now.mono.plus(time), turn);
        } else {
            self.cleared(then, self.cause.clone(), None, turn);
        }
    }

    /// What a command is called here: of several, which it is.
    fn words(&self, errand: Errand) -> String {
        let hooks = self.current.service.hooks.as_deref();
        let of_several = hooks.and_then(|hooks| match errand {
            Errand::Before(index) => Some((index, hooks.start_before.len())),
            Errand::After(index) => Some((index, hooks.start_after.len())),
            Errand::Stopped(index) => Some((index, hooks.stop_after.len())),
            Errand::Stop | Errand::Reload | Errand::Check(_) => None,
        });
        match of_several {
            Some((index, count @ 2..)) => format!("{} ({} of {count})", key(errand), index + 1),
            _ => key(errand).to_owned(),
        }
    }

    fn failed(&self, errand: Errand, wrong: &str) -> String {
        format!("{} failed: {wrong}", self.words(errand))
    }

    /// The command that is ordered, in words; `None`: it is none of those around the start and the end.
    pub(super) fn hook_in_words(&self, pending: &Pending) -> Option<String> {
        match pending.what {
            What::Errand(errand @ (Errand::Before(_) | Errand::After(_) | Errand::Stopped(_))) => {
                Some(self.words(errand))
            }
            _ => None,
        }
    }

    /// How long one may take, in words.
    fn too_long(&self, stopping: bool) -> String {
        let hooks = self.current.service.hooks.as_deref();
        let time = hooks.map_or(Duration::ZERO, |h| if stopping { h.stop_timeout } else { h.start_timeout });
        format!("it did not end within {} s", time.as_secs_f64())
    }

    /// An errand is over.
    pub(super) fn errand_ended(&mut self, run: RunId, outcome: &Result<Exit, Failure>, turn: &mut Turn) {
        let Some(ended) = self.care.as_mut().and_then(|care| care.answered(run)) else { return };
        let What::Errand(errand) = ended.what else { return };
        let in_time = matches!(ended.fate, Fate::Until(_));
        match (self.phase, errand) {
            (Phase::Preparing { ordered }, _) => self.prepared(ended, ordered, outcome, turn),
            (Phase::Running { .. }, Errand::After(_)) if in_time => match wrong(outcome) {
                None => self.settle(turn),
                Some(wrong) => self.fail(Cause::StartAfter, &self.failed(errand, &wrong), None, turn),
            },
            (Phase::Running { .. }, Errand::Reload) if in_time => self.reload_ended(wrong(outcome), turn),
            (Phase::Running { .. }, Errand::Check(which)) if in_time => {
                self.checked(which, wrong(outcome).map_or(Ok(()), Err), turn);
            }
            (Phase::Stopping { .. }, Errand::Stop) if in_time => {
                if let Some(wrong) = wrong(outcome) {
                    self.remark(format!("`[stop] command` failed: {wrong}").into(), turn);
                }
                self.ask(turn);
            }
            (Phase::Clearing { then }, _) if self.is_last_word(errand, outcome) && in_time => {
                self.owed = None;
                self.cause = "its `finish` said (by 125) that it is not to be started again".into();
                let then = if then == Rest::Down { then } else { Rest::Failed };
                self.phase = Phase::Clearing { then };
                self.clear_on(turn);
            }
            // What `finish` ends with means nothing else.
            (Phase::Clearing { .. }, _) if self.finish().is_some() && in_time => self.clear_on(turn),
            (Phase::Clearing { .. }, _) => {
                if let Some(wrong) = wrong(outcome).filter(|_| in_time) {
                    self.complain(self.failed(errand, &wrong), turn);
                }
                self.clear_on(turn);
            }
            _ => {}
        }
    }

    /// Whether that is s6's word for a failure for good.
    fn is_last_word(&self, errand: Errand, outcome: &Result<Exit, Failure>) -> bool {
        let finish = self.finish().filter(|_| matches!(errand, Errand::Stopped(_)));
        finish.zip(outcome.as_ref().ok()).is_some_and(|(finish, exit)| finish.is_final(*exit))
    }

    /// Something that was ordered has had its time.
    pub(super) fn too_late(&mut self, late: Pending, turn: &mut Turn) {
        let errand = match late.what {
            What::Probe(which) => {
                self.care().answered(late.run);
                turn.effects.push(Effect::DropProbe { instance: self.id.clone(), run: late.run });
                return self.checked(which, Err("no answer in time".to_owned()), turn);
            }
            What::Errand(errand) => errand,
        };
        turn.effects.push(Effect::EndErrand { instance: self.id.clone(), run: late.run });
        match (self.phase, errand) {
            (Phase::Running { .. }, Errand::After(_)) => {
                let words = self.failed(errand, &self.too_long(false));
                self.fail(Cause::StartAfter, &words, None, turn);
            }
            (Phase::Running { .. }, Errand::Reload) => {
                self.reload_ended(Some("it did not end in time".to_owned()), turn);
            }
            (Phase::Running { .. }, Errand::Check(which)) => {
                self.checked(which, Err("the check did not end in time".to_owned()), turn);
            }
            (Phase::Stopping { .. }, Errand::Stop) => {
                self.remark("`[stop] command` did not end in time, killed".into(), turn);
                self.ask(turn);
            }
            (Phase::Clearing { .. }, _) => {
                self.complain(format!("{} did not end in time, killed", self.words(errand)), turn);
            }
            _ => {}
        }
    }

    /// Of what was ordered nothing is wanted any more: probes are dropped, commands are ended, and
    /// their ends waited for.
    pub(super) fn quit_pending(&mut self, turn: &mut Turn) {
        self.quit(|_| true, turn);
    }

    /// The same of some.
    pub(super) fn quit(&mut self, which: impl Fn(&Pending) -> bool, turn: &mut Turn) {
        let Some(care) = &mut self.care else { return };
        let instance = &self.id;
        care.pending.retain_mut(|pending| {
            let run = pending.run;
            match (pending.what, pending.fate) {
                _ if !which(pending) => true,
                (What::Probe(_), _) => {
                    turn.effects.push(Effect::DropProbe { instance: instance.clone(), run });
                    false
                }
                (What::Errand(_), Fate::Until(_)) => {
                    turn.effects.push(Effect::EndErrand { instance: instance.clone(), run });
                    pending.fate = Fate::Unwanted;
                    true
                }
                (What::Errand(_), Fate::TooLate | Fate::Unwanted) => {
                    pending.fate = Fate::Unwanted;
                    true
                }
            }
        });
    }
}
