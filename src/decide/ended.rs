//! A run is over, or never began: what follows from that.

use super::backoff::Over;
use super::event::RunId;
use super::instance::Instance;
use super::phase::{Ended, Fit, Phase, Rest, Turn, Words};
use super::restarts::Cause;
use super::stopping::Ladder;
use crate::model::outcome::{Exit, Failure};
use crate::model::policy::{RestartPolicy, RestartWhen, StopScope};
use crate::model::resources::ResourceKind;
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
        let over = Over { ordered, ran: None };
        let (rest, why) = match self.wanted.service.restart.when {
            RestartWhen::Never if self.is_current() => {
                (Rest::Failed, format!("{failure}; not tried again under policy \"never\"").into())
            }
            _ => self.next_attempt(&failure.to_string(), over, turn),
        };
        self.rest(rest, why, None, turn);
    }

    /// It ended unasked.
    pub(super) fn ended(&mut self, run: RunId, end: End, ordered: Mono, since: Mono, turn: &mut Turn) {
        let End { exit, leftovers, oom } = end;
        let ran = turn.now.mono.since(since);
        self.last = Some(Ended { at: turn.now.wall, exit, oom, asked: false, ran, used: turn.used });
        self.starved = false;
        self.owed = Some(Cause::of(exit, oom));
        let told = self.told(end);
        let (rest, why) = if turn.last_word.is_of(&self.id) {
            turn.last_word.exit.get_or_insert(exit);
            // Whatever its policy says: there is no restart after the last word.
            self.want = false;
            (Rest::Down, format!("{told}; abide ends with it").into())
        } else if self.is_current() && is_done(&self.wanted.service.restart, exit) {
            (Rest::Done, format!("{told}, not restarted by its policy").into())
        } else {
            self.next_attempt(&told, Over { ordered, ran: Some(ran) }, turn)
        };
        let scope = self.wanted.service.stop.scope;
        if !leftovers || scope == StopScope::Process {
            return self.rest(rest, why, Some(exit), turn);
        }
        self.signal(run, Signal::KILL, scope, turn);
        // What follows the sweep is told when it follows; an edit in between has a cause of its own.
        self.cause = why;
        let ladder = Ladder::sweep(scope, turn.now.mono);
        let phase = Phase::Stopping { run, since, ladder, then: rest };
        self.enter(phase, format!("{told}; ending what it left behind").into(), Some(exit), turn);
        self.step(turn);
    }

    pub(super) fn ended_as_asked(&mut self, end: End, since: Mono, then: Rest, turn: &mut Turn) {
        let End { exit, leftovers, oom } = end;
        let ran = turn.now.mono.since(since);
        self.last = Some(Ended { at: turn.now.wall, exit, oom, asked: true, ran, used: turn.used });
        let Phase::Stopping { ladder, .. } = &mut self.phase else { return };
        if ladder.main_exited(leftovers) {
            self.why = format!("{exit}; waits for what it started to end").into();
            self.process = None;
        } else {
            self.rest(then, self.cause.clone(), Some(exit), turn);
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
            None => {
                let (count, window) = policy.limit.map_or((0, Duration::ZERO), |limit| (limit.count, limit.window));
                let failure = Failure::TooManyRestarts { count, window, last: end.to_owned() };
                (Rest::Failed, failure.to_string().into())
            }
        }
    }

    /// What the process left behind is gone, or let be.
    pub(super) fn swept(&mut self, then: Rest, turn: &mut Turn) {
        self.rest(then, self.cause.clone(), None, turn);
    }

    /// Nothing of the run is left. What is wanted decides how it goes on.
    pub(super) fn rest(&mut self, rest: Rest, why: Words, exit: Option<Exit>, turn: &mut Turn) {
        let now = turn.now.mono;
        match rest {
            _ if !self.want => {
                let why = exit.map_or_else(|| self.cause.clone(), |exit| exit.to_string().into());
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

/// Whether a process that ended so is left at that.
pub(super) fn is_done(policy: &RestartPolicy, exit: Exit) -> bool {
    match policy.when {
        RestartWhen::Always => false,
        RestartWhen::OnFailure => exit.is_success(),
        RestartWhen::Never => true,
    }
}
