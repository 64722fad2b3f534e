//! One process slot's life.
//!
//! An instance has a *want*, up or down, which the files decide, and a *phase*, which is where its
//! process is. It never remembers that it was told to do something: whenever either changes it
//! compares the two and takes the next step, so that a fact that comes late or twice is a delay and
//! no wrong turn.
//!
//! It *rests* while it has no process and nothing of one is left:
//! - down: nothing is wanted, or it is about to start;
//! - done: it ended by itself and its policy leaves it at that;
//! - waiting: it is wanted and no descriptor is free; the fleet says when to try again;
//! - blocked: it is wanted, and another service must come first; the fleet says when to look again;
//! - backoff: it is wanted, it ended, and the next attempt has a time;
//! - failed: it is wanted and abide has given up until its file changes.
//!
//! Wanted up and down means *starting*: a process is ordered, and only the answer, which always
//! comes, leads out of it; after five seconds without one (more in a queue) the order is abandoned. What else is
//! wanted meanwhile waits for the answer. *Running* is left in three ways. It ends by itself: what it
//! left behind is killed and waited for, then it rests as its policy says, or starts again. It is
//! not wanted any more, or not in this version, or nobody can read what it says: *stopping* climbs the ladder, and only when all
//! that counts is gone does it rest or start anew, in the newest version there is by then. Or the
//! edit can be brought to it alive, and it goes on running.
//!
//! Each attempt is a run with a number of its own; facts about other runs are ignored.
//!
//! Here is the machine: facts, deadlines, the next step. What the files do to it stands in `align`,
//! what follows from an end in `ended`.

use super::backoff::Backoff;
use super::effect::Effect;
use super::ended::End;
use super::event::{Event, RunId};
use super::member::Noted;
use super::order::Gate;
use super::phase::{Ended, Fit, Phase, Process, Rest, Turn, Words};
use super::restarts::{Cause, Restarts};
use super::stopping::{Climb, Ladder};
use crate::model::desired::Definition;
use crate::model::name::InstanceId;
use crate::model::outcome::{Exit, Failure};
use crate::model::policy::StopScope;
use crate::model::signal::Signal;
use crate::model::status::State;
use crate::model::time::Mono;
use crate::model::transition::Transition;
use std::sync::Arc;
use std::time::Duration;

/// How long an order for a process may go unanswered.
const SPAWN_TIME: Duration = Duration::from_secs(5);
/// And so much more for each that is ordered before it: thousands are made one after the other.
const SPAWN_TIME_EACH: Duration = Duration::from_millis(5);

/// One process slot.
#[expect(clippy::struct_excessive_bools, reason = "four independent claims")]
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) id: InstanceId,
    pub(super) want: bool,
    pub(super) phase: Phase,
    /// Why it is in this phase.
    pub(super) why: Words,
    /// What the files last said.
    pub(super) wanted: Arc<Definition>,
    /// What the current run was ordered with or brought to, or the last one.
    pub(super) current: Arc<Definition>,
    pub(super) process: Option<Process>,
    pub(super) fit: Fit,
    pub(super) last: Option<Ended>,
    pub(super) backoff: Backoff,
    pub(super) restarts: Restarts,
    /// Bytes and lines of output dropped.
    pub(super) dropped: (u64, u64),
    pub(super) numbered: bool,
    /// Whether the world holds a slot and a pipe for it.
    pub(super) opened: bool,
    /// What the fleet has on its books about it.
    pub(super) noted: Noted,
    /// Why it should start, for when it does.
    pub(super) cause: Words,
    /// The unasked end that the next start makes good.
    pub(super) owed: Option<Cause>,
    /// It found no descriptor: attempts count as waiting until one succeeds.
    pub(super) starved: bool,
}

impl Instance {
    pub(super) fn new(id: InstanceId, definition: &Arc<Definition>, numbered: bool) -> Self {
        Self {
            id,
            want: false,
            phase: Phase::Resting(Rest::Down),
            why: Words::Borrowed(""),
            wanted: definition.clone(),
            current: definition.clone(),
            process: None,
            fit: Fit::Met,
            last: None,
            backoff: Backoff::default(),
            restarts: Restarts::default(),
            dropped: (0, 0),
            numbered,
            opened: false,
            noted: Noted::default(),
            cause: Words::Borrowed(""),
            owed: None,
            starved: false,
        }
    }

    /// What people call this phase.
    pub(super) fn state(&self) -> State {
        match self.phase {
            Phase::Resting(Rest::Down | Rest::Done) => State::Stopped,
            Phase::Resting(Rest::Waiting | Rest::Blocked { .. }) => State::Waiting,
            Phase::Resting(Rest::Backoff(_)) => State::Backoff,
            Phase::Resting(Rest::Failed) => State::Failed,
            // Else every attempt of one that waits would be two entries in the log.
            Phase::Starting { .. } if self.starved && self.want => State::Waiting,
            Phase::Starting { .. } => State::Starting,
            Phase::Running { .. } => State::Running,
            Phase::Stopping { .. } => State::Stopping,
        }
    }

    /// Whether the current run, or the last one, is of the version that the files say.
    pub(super) fn is_current(&self) -> bool {
        self.current.version == self.wanted.version
    }

    pub(super) fn rests(&self) -> bool {
        matches!(self.phase, Phase::Resting(_))
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        match self.phase {
            Phase::Resting(Rest::Backoff(until)) => Some(until),
            Phase::Starting { until, .. } => until,
            Phase::Stopping { ladder, .. } => ladder.deadline(),
            _ => None,
        }
    }

    /// A descriptor may be free.
    pub(super) fn try_again(&mut self, turn: &mut Turn) {
        if self.want && self.phase == Phase::Resting(Rest::Waiting) {
            self.start(self.why.clone(), None, turn);
        }
    }

    /// No time is left for politeness.
    pub(super) fn hurry(&mut self, turn: &mut Turn) {
        match &mut self.phase {
            Phase::Starting { .. } => self.abandon(turn),
            Phase::Stopping { ladder, .. } => {
                let climb = ladder.hurry(turn.now.mono);
                self.climbed(climb, "killed in haste", turn);
            }
            _ => {}
        }
    }

    fn abandon(&mut self, turn: &mut Turn) {
        let Phase::Starting { run, until, .. } = &mut self.phase else { return };
        if until.take().is_some() {
            turn.effects.push(Effect::AbandonSpawn { instance: self.id.clone(), run: *run });
            self.why = "the start hangs and is abandoned".into();
        }
    }

    /// Time passed.
    pub(super) fn timeout(&mut self, turn: &mut Turn) {
        let now = turn.now.mono;
        match &mut self.phase {
            Phase::Starting { until: Some(until), .. } if now >= *until => self.abandon(turn),
            Phase::Stopping { ladder, .. } => {
                let climb = ladder.climb(now);
                self.climbed(climb, "did not end in time, killed", turn);
            }
            _ => self.step(turn),
        }
    }

    pub(super) fn climbed(&mut self, climb: Climb, killed: &'static str, turn: &mut Turn) {
        let Phase::Stopping { run, ladder, then, .. } = self.phase else { return };
        match climb {
            Climb::Wait => {}
            Climb::Kill => {
                self.signal(run, Signal::KILL, ladder.scope(), turn);
                self.remark(killed.into(), turn);
            }
            Climb::Stuck => self.remark("cannot be killed".into(), turn),
            Climb::LetBe => self.swept(then, turn), // what is left is outside its process group
        }
    }

    /// A fact about this instance.
    pub(super) fn handle(&mut self, event: Event, turn: &mut Turn) {
        match (event, self.phase) {
            (Event::Spawned { run: of, pid, start_ticks, limits, .. }, Phase::Starting { run, ordered, .. })
                if of == run =>
            {
                self.process = Some(Process { pid, start_ticks, started: turn.now.wall, limits });
                self.fit = Fit::Met;
                self.starved = false;
                self.enter(Phase::Running { run, ordered, since: turn.now.mono }, "started".into(), None, turn);
                self.step(turn);
            }
            (Event::SpawnFailed { run: of, failure, .. }, Phase::Starting { run, ordered, .. }) if of == run => {
                self.spawn_failed(&failure, ordered, turn);
            }
            (
                Event::Exited { run: of, exit, leftovers, oom, .. },
                Phase::Running { run, ordered, since } | Phase::Starting { run, ordered: ordered @ since, .. },
            ) if of == run => {
                self.ended(run, End { exit, leftovers, oom }, ordered, since, turn);
            }
            (Event::Exited { run: of, exit, leftovers, oom, .. }, Phase::Stopping { run, ladder, since, then })
                if of == run && !ladder.main_gone() =>
            {
                self.ended_as_asked(End { exit, leftovers, oom }, since, then, turn);
            }
            (Event::TreeEmpty { run: of, .. }, Phase::Stopping { run, ladder, then, .. })
                if of == run && ladder.main_gone() =>
            {
                self.swept(then, turn);
            }
            (Event::LimitsSet { run: of, outcome, .. }, Phase::Running { run, .. }) if of == run => {
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
            (Event::ResourcesSet { run: of, outcome, .. }, Phase::Running { run, .. }) if of == run => match outcome {
                Ok(()) if self.fit == Fit::Asked => self.fit = Fit::Met,
                Ok(()) => {}
                Err(why) => {
                    self.remark(format!("resources of the running processes are not changed: {why}").into(), turn);
                    self.fit = Fit::Unmet(why);
                }
            },
            (Event::Unheard { run: of, .. }, Phase::Running { run, .. }) if of == run => {
                self.stop_for(Rest::Waiting, Failure::NoDescriptors.to_string().into(), turn);
            }
            (Event::LogDropped { bytes, lines, .. }, _) => self.dropped = (bytes, lines),
            _ => {}
        }
    }

    /// Compares want with phase and takes the next step, if there is one.
    pub(super) fn step(&mut self, turn: &mut Turn) {
        match (self.want, self.phase) {
            (true, Phase::Resting(Rest::Down)) => self.start(self.cause.clone(), None, turn),
            (true, Phase::Resting(Rest::Backoff(until))) if until <= turn.now.mono => {
                self.start("next attempt".into(), None, turn);
            }
            (true, Phase::Resting(Rest::Blocked { .. })) if turn.gate == Gate::Open => {
                self.start("what it waited for is there".into(), None, turn);
            }
            (true, Phase::Resting(Rest::Blocked { .. })) => self.block(None, turn),
            (true, Phase::Resting(Rest::Backoff(_) | Rest::Waiting)) if matches!(turn.gate, Gate::Lost(_)) => {
                self.block(None, turn);
            }
            (true, Phase::Running { run, .. }) => match turn.gate.clone() {
                Gate::Lost(_) if turn.held.is_some() => {}
                Gate::Lost(why) => self.stop_for(Rest::Blocked { lost: true }, why, turn),
                Gate::Open | Gate::Shut(_) => self.bring_in_line(run, turn),
            },
            (false, Phase::Running { .. }) => match &turn.held {
                Some(why) => self.why.clone_from(why),
                None => self.stop(self.cause.clone(), turn),
            },
            (false, Phase::Resting(rest)) if rest != Rest::Down => {
                self.starved = false;
                self.enter(Phase::Resting(Rest::Down), self.cause.clone(), None, turn);
            }
            (false, Phase::Stopping { run, since, ladder, .. }) => {
                self.phase = Phase::Stopping { run, since, ladder, then: Rest::Down };
            }
            _ => {}
        }
    }

    pub(super) fn start(&mut self, why: Words, exit: Option<Exit>, turn: &mut Turn) {
        if turn.gate != Gate::Open {
            return self.block(exit, turn);
        }
        if let Some(cause) = self.owed.take() {
            self.restarts.count(cause, turn.now.mono);
        }
        turn.last_run.0 += 1;
        let (run, definition) = (turn.last_run, self.wanted.clone());
        self.current = definition.clone();
        self.opened = true;
        turn.effects.push(Effect::Spawn { instance: self.id.clone(), run, definition, numbered: self.numbered });
        let ordered = turn.now.mono;
        let until = Some(ordered.plus(SPAWN_TIME + SPAWN_TIME_EACH * turn.unanswered));
        self.enter(Phase::Starting { run, ordered, until }, why, exit, turn);
    }

    /// Rests until another that must come first is up.
    fn block(&mut self, exit: Option<Exit>, turn: &mut Turn) {
        let (why, lost) = match &turn.gate {
            Gate::Open => return,
            Gate::Shut(why) => (why.clone(), false),
            Gate::Lost(why) => (why.clone(), true),
        };
        let unasked = exit.filter(|_| self.last.is_some_and(|last| !last.asked));
        let why = unasked.map_or(why.clone(), |exit| format!("{exit}; {why}").into());
        self.starved = false;
        self.enter(Phase::Resting(Rest::Blocked { lost }), why, exit, turn);
    }

    pub(super) fn stop(&mut self, why: Words, turn: &mut Turn) {
        self.stop_for(Rest::Down, why, turn);
    }

    fn stop_for(&mut self, then: Rest, why: Words, turn: &mut Turn) {
        let Phase::Running { run, since, .. } = self.phase else { return };
        let (ladder, signals) = Ladder::ask(&self.wanted.service.stop, turn.now.mono);
        for signal in signals {
            self.signal(run, signal, ladder.scope(), turn);
        }
        self.cause.clone_from(&why);
        self.enter(Phase::Stopping { run, since, ladder, then }, why, None, turn);
    }

    pub(super) fn signal(&self, run: RunId, signal: Signal, scope: StopScope, turn: &mut Turn) {
        turn.effects.push(Effect::Signal { instance: self.id.clone(), run, signal, scope });
    }

    pub(super) fn enter(&mut self, phase: Phase, why: Words, exit: Option<Exit>, turn: &mut Turn) {
        let from = self.state();
        let starts = |phase: Phase| u32::from(matches!(phase, Phase::Starting { .. }));
        turn.unanswered = turn.unanswered + starts(phase) - starts(self.phase);
        self.phase = phase;
        self.why = why;
        // From starting to starting is news too: the one before came to nothing.
        if from != self.state() || from == State::Starting {
            self.report(from, exit, turn);
        }
        if exit.is_some() {
            self.process = None;
        }
    }

    /// Something worth telling that changes no state.
    pub(super) fn remark(&mut self, why: Words, turn: &mut Turn) {
        self.why = why;
        self.report(self.state(), None, turn);
    }

    pub(super) fn report(&self, from: State, exit: Option<Exit>, turn: &mut Turn) {
        turn.effects.push(Effect::Report(Transition {
            instance: self.id.clone(),
            numbered: self.numbered,
            from,
            to: self.state(),
            reason: self.why.clone().into_owned(),
            pid: self.process.as_ref().map(|process| process.pid),
            exit,
        }));
    }
}
