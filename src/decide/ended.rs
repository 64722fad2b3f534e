//! A run is over, or never began: what follows from that.

use super::backoff::Over;
use super::care::Stage;
use super::event::RunId;
use super::instance::Instance;
use super::phase::{Ended, Fit, Phase, Rest, Turn, Words};
use super::restarts::Cause;
use super::stopping::Ladder;
use crate::model::outcome::{Exit, Failure};
use crate::model::policy::{RestartWhen, ServiceType, StopScope};
use crate::model::resources::ResourceKind;
use crate::model::service::Service;
use crate::model::signal::Signal;
use crate::model::time::Mono;
use std::time::Duration;

/// The end of a process, as it is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) exit: Exit,
    /// Whether processes that it started are left.
    pub(super) leftovers: bool,
    /// Whether the kernel killed something of it for want of memory.
    pub(super) oom: bool,
}

impl Instance {
    pub(super) fn spawn_failed(&mut self, failure: &Failure, ordered: Mono, turn: &mut Turn) {
        self.owed = None;
        if let Failure::Limit { .. } | Failure::Resource { .. } = failure {
            self.fit = Fit::Unmet(failure.to_string());
        }
        if *failure == Failure::NoDescriptors {
            return self.rest(Rest::Waiting, failure.to_string().into(), None, turn);
        }
        self.starved = false;
        let (rest, why) = self.after_failure(&failure.to_string(), ordered, turn);
        self.cleared(rest, why, None, turn);
    }

    /// What follows from a start that came to nothing, or from a run that failed while it lived.
    pub(super) fn after_failure(&mut self, words: &str, ordered: Mono, turn: &mut Turn) -> (Rest, Words) {
        self.faltered |= self.is_current();
        if let Some(why) = self.ran_for_once() {
            self.owed = None;
            return (Rest::Done, format!("{words}; {why}").into());
        }
        match self.wanted.service.restart.when {
            RestartWhen::Never if self.is_current() && self.wanted.service.restart.retries.is_none() => {
                self.owed = None;
                (Rest::Failed, format!("{words}; not tried again under policy \"never\"").into())
            }
            _ => self.next_attempt(words, Over { ordered, ran: None }, turn),
        }
    }

    /// It ended unasked.
    pub(super) fn ended(&mut self, run: RunId, end: End, ordered: Mono, since: Mono, turn: &mut Turn) {
        let End { exit, leftovers, oom } = end;
        let ran = turn.now.mono.since(since);
        self.last = Some(Ended { at: turn.now.wall, exit, oom, asked: false, ran, used: turn.used });
        self.starved = false;
        self.owed = Some(Cause::of(exit, oom));
        let told = self.told(end);
        let (rest, why) = self.after_end(end, &told, ordered, ran, turn);
        self.quit_pending(turn);
        self.note_exit(exit);
        // Under supervisord what a program left behind is let be; only a stop may be for more.
        let is_let_be = self.wanted.service.program.is_some();
        let scope = if is_let_be { StopScope::Process } else { self.reach() };
        if !leftovers || scope == StopScope::Process {
            return self.cleared(rest, why, Some(exit), turn);
        }
        self.signal(run, Signal::KILL, scope, turn);
        // What follows the sweep is told when it follows; an edit in between has a cause of its own.
        self.cause = why;
        let ladder = Ladder::sweep(scope, turn.now.mono);
        let phase = Phase::Stopping { run, since, ladder, then: rest };
        self.enter(phase, format!("{told}; ending what it left behind").into(), Some(exit), turn);
        self.step(turn);
    }

    fn after_end(&mut self, end: End, told: &str, ordered: Mono, ran: Duration, turn: &mut Turn) -> (Rest, Words) {
        let exit = end.exit;
        if turn.last_word.is_of(&self.id) {
            turn.last_word.exit.get_or_insert(exit);
            // Whatever its policy says: there is no restart after the last word.
            self.want = false;
            return (Rest::Down, format!("{told}; abide ends with it").into());
        }
        if let Some(why) = self.ran_for_once() {
            self.owed = None;
            return (Rest::Done, format!("{told}; {why}").into());
        }
        let service = &self.wanted.service;
        let is_oneshot = self.is_oneshot();
        // Whatever its code, with supervisord an end is a failed start until the program has started.
        let is_false_start = service.restart.retries.is_some() && self.stage() != Stage::Up;
        if self.is_current() && !is_false_start && is_done(service, exit) {
            let done = is_oneshot && service.restart.is_success(exit);
            let why = if done { format!("{told}, done") } else { format!("{told}, not restarted by its policy") };
            return (Rest::Done, why.into());
        }
        self.faltered |= self.is_current() && !was_killed(end);
        let service = &self.wanted.service;
        if self.is_current() && service.restart.is_final(exit) {
            self.owed = None;
            return (Rest::Failed, format!("{told}, after which it is never restarted").into());
        }
        // A run that never got as far as its file asks was no good run, however long it took.
        let early = self.stage() != Stage::Up || is_oneshot;
        let words = match self.stage() {
            Stage::Checking { .. } => format!("{told} before it was ready"),
            _ => told.to_owned(),
        };
        self.next_attempt(&words, Over { ordered, ran: Some(ran).filter(|_| !early) }, turn)
    }

    /// Whether commands follow the end of a run.
    pub(super) fn has_followers(&self) -> bool {
        self.current.service.hooks.as_ref().is_some_and(|hooks| !hooks.stop_after.is_empty())
    }

    fn note_exit(&mut self, exit: Exit) {
        if self.has_followers() {
            let pid = self.process.as_ref().map_or(0, |process| process.pid);
            let care = self.care();
            (care.exit, care.pid) = (Some(exit), pid);
        }
    }

    pub(super) fn ended_as_asked(&mut self, end: End, since: Mono, then: Rest, turn: &mut Turn) {
        let End { exit, leftovers, oom } = end;
        let ran = turn.now.mono.since(since);
        self.last = Some(Ended { at: turn.now.wall, exit, oom, asked: true, ran, used: turn.used });
        self.note_exit(exit);
        let Phase::Stopping { ladder, .. } = &mut self.phase else { return };
        if ladder.main_exited(leftovers) {
            self.why = format!("{exit}; waits for what it started to end").into();
            self.process = None;
        } else {
            self.cleared(then, self.cause.clone(), Some(exit), turn);
        }
    }

    /// How it ended, in words.
    fn told(&self, end: End) -> String {
        let End { exit, oom, .. } = end;
        if !oom {
            return exit.to_string();
        }
        let bound = self.current.service.resources.as_ref().and_then(|resources| resources.memory_max);
        let bound = bound.map(|bound| format!(" (memory_max = {})", ResourceKind::MemoryMax.show(bound)));
        let bound = bound.unwrap_or_default();
        match exit {
            Exit::Signal { signal: Signal::KILL, .. } => format!("killed by the kernel for want of memory{bound}"),
            _ => format!("{exit} after the kernel had killed something of it for want of memory{bound}"),
        }
    }

    pub(super) fn next_attempt(&mut self, end: &str, over: Over, turn: &mut Turn) -> (Rest, Words) {
        let policy = &self.wanted.service.restart;
        let now = turn.now.mono;
        if !self.is_current() {
            self.forgive();
            return (Rest::Down, format!("{end}; {}", self.cause).into());
        }
        match self.backoff.next(policy, over, now, &mut turn.jitter) {
            Some(at) if at <= now => (Rest::Backoff(at), format!("{end}, restarted at once").into()),
            Some(at) => {
                let delay = at.since(now).as_secs_f64();
                (Rest::Backoff(at), format!("{end}, next attempt in {delay:.1} s").into())
            }
            None if policy.retries.is_some() => {
                let tries = policy.retries.map_or(0, |retries| retries.saturating_add(1));
                (Rest::Failed, Failure::NeverStarted { tries, last: end.to_owned() }.to_string().into())
            }
            None => {
                let (count, window) = policy.limit.map_or((0, Duration::ZERO), |limit| (limit.count, limit.window));
                let failure = Failure::TooManyRestarts { count, window, last: end.to_owned() };
                (Rest::Failed, failure.to_string().into())
            }
        }
    }

    /// What the process left behind is gone, or let be.
    pub(super) fn swept(&mut self, then: Rest, turn: &mut Turn) {
        self.cleared(then, self.cause.clone(), None, turn);
    }

    /// Nothing of the run is left. What is wanted decides how it goes on.
    pub(super) fn rest(&mut self, rest: Rest, why: Words, exit: Option<Exit>, turn: &mut Turn) {
        let now = turn.now.mono;
        match rest {
            _ if !self.want => {
                // By which signal it ended is no news to who sent `svc -d`; who finds it down wants to know of that.
                let told = exit.filter(|_| !self.is_wished_down());
                let why = told.map_or_else(|| self.cause.clone(), |exit| exit.to_string().into());
                self.enter(Phase::Resting(Rest::Down), why, exit, turn);
            }
            Rest::Down | Rest::Blocked { .. } => self.start(why, exit, turn),
            Rest::Backoff(at) if at <= now => self.start(why, exit, turn),
            _ => {
                self.enter(Phase::Resting(rest), why, exit, turn);
                self.starved = rest == Rest::Waiting;
            }
        }
    }
}

/// Whether somebody ended it: that says nothing of the version.
fn was_killed(end: End) -> bool {
    let by_hand = [Signal::KILL, Signal::TERM, Signal::INT, Signal::HUP];
    !end.oom && matches!(end.exit, Exit::Signal { signal, .. } if by_hand.contains(&signal))
}

/// Whether a process that ended so is left at that.
pub(super) fn is_done(service: &Service, exit: Exit) -> bool {
    let success = service.restart.is_success(exit);
    match service.restart.when {
        _ if success && matches!(service.service_type, ServiceType::Oneshot { .. }) => true,
        RestartWhen::Always => false,
        RestartWhen::OnFailure => success,
        RestartWhen::Never => success || !service.restart.is_final(exit),
    }
}
