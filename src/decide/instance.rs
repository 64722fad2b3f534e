//! One process slot's life.
//!
//! An instance has a *want*, up or down, which the files decide, and a *phase*, which is where its
//! process is. It never remembers that it was told to do something: whenever either changes it
//! compares the two and takes the next step, so that a fact that comes late or twice is a delay and
//! no wrong turn.
//!
//! It *rests* while it has no process and nothing of one is left:
//! - down: nothing is wanted, or it is about to start;
//! - done: it ended by itself and its policy leaves it at that; a job that has succeeded and
//!   remains counts as up;
//! - waiting: it is wanted and no descriptor is free; the fleet says when to try again;
//! - blocked: it is wanted, and another service must come first; the fleet says when to look again;
//! - backoff: it is wanted, it ended, and the next attempt has a time;
//! - failed: it is wanted and abide has given up until its file changes.
//!
//! Wanted up and down means a start. Where there are commands to run before it, it is *preparing*:
//! one after the other, and one that fails is a failed start. Then it is *starting*: a process is
//! ordered, and only the answer, which always comes, leads out of it; after five seconds without one
//! (more in a queue) the order is abandoned. What else is wanted meanwhile waits for the answer.
//!
//! *Running* has stages, for those whose file asks for more than a process: the launcher of a daemon
//! or a job is at work; the daemon that a launcher left is looked for; it is not ready yet; the
//! commands after the start are under way; it is up. Running is left in three ways. It ends by itself:
//! what it left behind is killed and waited for, then it rests as its policy says, or starts again. It
//! is not wanted any more, or not in this version, or nobody can read what it says, or it has failed
//! although it lives (not ready in time, not well): *stopping* climbs the ladder, and only when all
//! that counts is gone does it rest or start anew, in the newest version there is by then. Or the
//! edit can be brought to it alive, and it goes on running.
//!
//! Between the end of its tree and its rest it may be *clearing*: commands that are on their way out
//! are waited for, and those of `[stop] after` are run. So an instance that rests has no command
//! either.
//!
//! Each attempt, each command and each probe is a run with a number of its own; facts about other
//! runs are ignored. Of a process that abide does not watch any more nothing is heard, but for a
//! launcher's end, which is told once, before the daemon's.
//!
//! Here is the machine: facts, deadlines, the next step. What the files do to it stands in `align`,
//! what follows from an end in `ended`, the way down in `down`, commands in `errands`, the way up in
//! `launch` and `readiness`, what is watched while it runs in `health`, its own configuration in `reload`.

use super::backoff::Backoff;
use super::care::{Care, Stage};
use super::effect::Effect;
use super::ended::End;
use super::event::{Event, RunId};
use super::member::Noted;
use super::order::Gate;
use super::phase::{Ended, Fit, Phase, Process, Rest, Turn, Words, blocked};
use super::restarts::{Cause, Restarts};
use super::supervised::Supervised;
use crate::model::desired::Definition;
use crate::model::name::InstanceId;
use crate::model::outcome::{Exit, Failure};
use crate::model::policy::{ServiceType, StopScope};
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
#[expect(clippy::struct_excessive_bools, reason = "five independent claims")]
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) id: InstanceId,
    pub(super) want: bool,
    pub(super) phase: Phase,
    /// Why it is in this phase.
    pub(super) why: Words,
    /// Whether an operator holds it.
    pub(super) on_hold: bool,
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
    /// Why the run ended that the next start makes good.
    pub(super) owed: Option<Cause>,
    /// It found no descriptor: attempts count as waiting until one succeeds.
    pub(super) starved: bool,
    /// What its run has beyond a process.
    pub(super) care: Option<Box<Care>>,
    /// How many signals its run got.
    pub(super) signals: u32,
    /// Those of them that were ordered since its last record.
    pub(super) sending: Vec<(Signal, StopScope)>,
    /// Whether its run was begun under an earlier supervisor.
    pub(super) adopted: bool,
    /// Whether a run of the newest version came to a bad end since that was new.
    pub(super) faltered: bool,
    /// What it has beside that, if it is a legacy service.
    pub(super) supervised: Option<Box<Supervised>>,
}

impl Instance {
    pub(super) fn new(id: InstanceId, definition: &Arc<Definition>, numbered: bool) -> Self {
        Self {
            id,
            want: false,
            on_hold: false,
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
            care: None,
            signals: 0,
            sending: Vec::new(),
            adopted: false,
            faltered: false,
            supervised: None,
        }
    }

    /// What people call this phase.
    pub(super) fn state(&self) -> State {
        match self.phase {
            Phase::Resting(Rest::Done) if self.remains() => State::Ready,
            Phase::Resting(Rest::Down) if self.on_hold => State::Held,
            Phase::Resting(Rest::Down | Rest::Done) => State::Stopped,
            Phase::Resting(Rest::Waiting | Rest::Blocked { .. }) => State::Waiting,
            Phase::Resting(Rest::Backoff(_)) => State::Backoff,
            Phase::Resting(Rest::Failed) => State::Failed,
            // Else every attempt of one that waits would be two entries in the log.
            Phase::Preparing { .. } | Phase::Starting { .. } if self.starved && self.want => State::Waiting,
            Phase::Preparing { .. } | Phase::Starting { .. } => State::Starting,
            Phase::Running { .. } => match self.stage() {
                Stage::Launching { .. } | Stage::Seeking { .. } => State::Starting,
                Stage::Up if self.is_reloading() => State::Reloading,
                Stage::Up if self.current.service.ready.is_some() => State::Ready,
                Stage::Up | Stage::Checking { .. } | Stage::Settling => State::Running,
            },
            Phase::Stopping { .. } | Phase::Clearing { .. } => State::Stopping,
        }
    }

    pub(super) fn stage(&self) -> Stage {
        self.care.as_ref().map_or(Stage::Up, |care| care.stage)
    }

    /// Whether it runs and has come as far as its file says that it should before it counts; where
    /// that says nothing of it, as soon as it runs.
    pub(super) fn is_up(&self) -> bool {
        match self.phase {
            Phase::Running { .. } => self.stage() == Stage::Up,
            Phase::Resting(Rest::Done) => self.remains(),
            _ => false,
        }
    }

    /// A job that is done, and counts as up since.
    pub(super) fn remains(&self) -> bool {
        self.phase == Phase::Resting(Rest::Done) && self.has_succeeded()
    }

    /// Whether it is a job that counts as up once it has done its work, and has done it.
    pub(super) fn has_succeeded(&self) -> bool {
        let service = &self.current.service;
        let succeeded = |last: Ended| service.restart.is_success(last.exit);
        matches!(service.service_type, ServiceType::Oneshot { remain: true }) && self.last.is_some_and(succeeded)
    }

    pub(super) fn is_oneshot(&self) -> bool {
        matches!(self.current.service.service_type, ServiceType::Oneshot { .. })
    }

    pub(super) fn care(&mut self) -> &mut Care {
        self.care.get_or_insert_default()
    }

    /// The run in question, while its process lives or is looked for.
    pub(super) fn running(&self) -> Option<RunId> {
        match self.phase {
            Phase::Running { run, .. } => Some(run),
            _ => None,
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
        let own = match self.phase {
            Phase::Resting(Rest::Backoff(until)) => Some(until),
            Phase::Starting { until, .. } => until,
            Phase::Stopping { ladder, .. } => ladder.deadline(),
            Phase::Resting(_) => self.return_time(),
            _ => None,
        };
        let Some(care) = &self.care else { return own };
        let attention = self.running().and_then(|_| care.attention());
        [own, care.patience(), attention].into_iter().flatten().min()
    }

    /// A descriptor may be free.
    pub(super) fn try_again(&mut self, turn: &mut Turn) {
        if self.want && self.phase == Phase::Resting(Rest::Waiting) {
            self.start(self.why.clone(), None, turn);
        }
    }

    pub(super) fn abandon(&mut self, turn: &mut Turn) {
        let Phase::Starting { run, until, .. } = &mut self.phase else { return };
        if until.take().is_some() {
            turn.effects.push(Effect::AbandonSpawn { instance: self.id.clone(), run: *run });
            self.why = "the start hangs and is abandoned".into();
        }
    }

    /// Time passed.
    pub(super) fn timeout(&mut self, turn: &mut Turn) {
        let now = turn.now.mono;
        while let Some(late) = self.care.as_mut().and_then(|care| care.too_late(now)) {
            self.too_late(late, turn);
        }
        match self.phase {
            Phase::Starting { until: Some(until), .. } if now >= until => self.abandon(turn),
            Phase::Stopping { .. } => self.climb(turn),
            Phase::Running { .. } => self.attend(turn),
            _ => self.step(turn),
        }
    }

    /// A fact about this instance.
    pub(super) fn handle(&mut self, event: Event, turn: &mut Turn) {
        match (event, self.phase) {
            (Event::Spawned { run: of, pid, start_ticks, limits, .. }, Phase::Starting { run, ordered, .. })
                if of == run =>
            {
                let process = Process { pid, start_ticks, started: turn.now.wall, limits };
                self.spawned(run, ordered, process, turn);
            }
            (Event::SpawnFailed { run: of, failure, .. }, Phase::Starting { run, ordered, .. }) if of == run => {
                self.spawn_failed(&failure, ordered, turn);
            }
            (
                Event::Exited { run: of, exit, leftovers, oom, .. },
                Phase::Running { run, ordered, since } | Phase::Starting { run, ordered: ordered @ since, .. },
            ) if of == run => match self.stage() {
                // Nothing is watched: this is the launcher's end a second time.
                Stage::Seeking { .. } => {}
                _ if self.was_a_step(exit, leftovers, turn) => self.seek_again(run, since, turn),
                _ if self.is_launcher_gone(exit) => self.launched(run, ordered, leftovers, turn),
                _ => self.ended(run, End { exit, leftovers, oom }, ordered, since, turn),
            },
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
            (Event::TreeEmpty { run: of, .. }, Phase::Running { run, .. }) if of == run => self.tree_lost(turn),
            (Event::MainFound { run: of, outcome, .. }, Phase::Running { run, .. } | Phase::Stopping { run, .. })
                if of == run =>
            {
                self.main_found(outcome, turn);
            }
            (Event::LimitsSet { run: of, outcome, .. }, Phase::Running { run, .. }) if of == run => {
                self.limits_set(outcome, turn);
            }
            (Event::ResourcesSet { run: of, outcome, .. }, Phase::Running { run, .. }) if of == run => match outcome {
                Ok(()) if self.fit == Fit::Asked => self.fit = Fit::Met,
                Ok(()) => {}
                Err(why) => {
                    self.remark(format!("resources of the running processes are not changed: {why}").into(), turn);
                    self.fit = Fit::Unmet(why);
                }
            },
            (Event::InputHeld { run: of, .. }, Phase::Stopping { run, .. }) if of == run => self.input_held(turn),
            (Event::Unheard { run: of, .. }, Phase::Running { run, .. }) if of == run => {
                self.stop_for(Rest::Waiting, Failure::NoDescriptors.to_string().into(), turn);
            }
            (
                Event::Signed { run: of, sign, .. },
                Phase::Starting { run, .. } | Phase::Running { run, .. } | Phase::Stopping { run, .. },
            ) if of == run => self.signed(sign, turn),
            (Event::Measured { run: of, memory, .. }, Phase::Running { run, .. }) if of == run => {
                self.measured(memory, turn);
            }
            (Event::ErrandEnded { run, outcome, .. }, _) => self.errand_ended(run, &outcome, turn),
            (Event::Probed { run, outcome, .. }, _) => self.probed(run, outcome, turn),
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
            (true, Phase::Resting(Rest::Done)) if self.remains() => match turn.gate.clone() {
                Gate::Lost(why) if turn.held.is_none() => self.take_down(Rest::Blocked { lost: true }, why, turn),
                _ => {}
            },
            (true, Phase::Preparing { .. }) if matches!(turn.gate, Gate::Lost(_)) => self.quit_pending(turn),
            (true, Phase::Preparing { .. }) => self.prepare_the_newest(turn),
            (true, Phase::Running { run, .. }) => match turn.gate.clone() {
                Gate::Lost(_) if turn.held.is_some() => {}
                Gate::Lost(why) => self.stop_for(Rest::Blocked { lost: true }, why, turn),
                Gate::Open | Gate::Shut(_) => self.bring_in_line(run, turn),
            },
            (false, Phase::Preparing { .. }) => self.quit_pending(turn),
            (false, Phase::Running { .. }) => match &turn.held {
                Some(why) => self.why.clone_from(why),
                None => self.stop(self.cause.clone(), turn),
            },
            (false, Phase::Resting(Rest::Done)) if self.remains() => match &turn.held {
                Some(why) => self.why.clone_from(why),
                None => self.take_down(Rest::Down, self.cause.clone(), turn),
            },
            (false, Phase::Resting(rest)) if rest != Rest::Down => {
                self.starved = false;
                self.enter(Phase::Resting(Rest::Down), self.cause.clone(), None, turn);
            }
            (false, Phase::Stopping { run, since, ladder, .. }) => {
                self.phase = Phase::Stopping { run, since, ladder, then: Rest::Down };
            }
            (false, Phase::Clearing { .. }) => self.phase = Phase::Clearing { then: Rest::Down },
            _ => {}
        }
    }

    pub(super) fn start(&mut self, why: Words, exit: Option<Exit>, turn: &mut Turn) {
        if turn.gate != Gate::Open {
            return self.block(exit, turn);
        }
        if let Some(at) = self.next_start().filter(|at| *at > turn.now.mono) {
            return self.enter(Phase::Resting(Rest::Backoff(at)), why, exit, turn);
        }
        if let Some(cause) = self.owed.take() {
            self.restarts.count(cause, turn.now.mono);
        }
        self.care = None;
        self.current = self.wanted.clone();
        self.opened = true;
        let ordered = turn.now.mono;
        if self.current.service.hooks.as_ref().is_some_and(|hooks| !hooks.start_before.is_empty()) {
            self.enter(Phase::Preparing { ordered }, why, exit, turn);
            self.prepare(turn);
        } else {
            self.spawn(ordered, why, exit, turn);
        }
    }

    /// Rests until another that must come first is up.
    fn block(&mut self, exit: Option<Exit>, turn: &mut Turn) {
        let Some((rest, why)) = blocked(&turn.gate) else { return };
        let unasked = exit.filter(|_| self.last.is_some_and(|last| !last.asked));
        let why = unasked.map_or(why.clone(), |exit| format!("{exit}; {why}").into());
        self.starved = false;
        self.enter(Phase::Resting(rest), why, exit, turn);
    }

    pub(super) fn spawn(&mut self, ordered: Mono, why: Words, exit: Option<Exit>, turn: &mut Turn) {
        // What must come first may have gone while commands before the start ran.
        if turn.gate != Gate::Open {
            return self.block(exit, turn);
        }
        turn.last_run.0 += 1;
        self.begins(turn.now.mono);
        (self.signals, self.adopted) = (0, false);
        self.sending.clear();
        self.show(turn);
        let (run, definition) = (turn.last_run, self.current.clone());
        let (instance, numbered) = (self.id.clone(), self.numbered);
        turn.effects.push(Effect::Spawn { instance, run, definition, numbered, wanted: true });
        let until = Some(turn.now.mono.plus(SPAWN_TIME + SPAWN_TIME_EACH * turn.unanswered));
        self.enter(Phase::Starting { run, ordered, until }, why, exit, turn);
    }

    pub(super) fn signal(&mut self, run: RunId, signal: Signal, scope: StopScope, turn: &mut Turn) {
        self.signals += 1;
        self.sending.push((signal, scope));
        turn.effects.push(Effect::Signal { instance: self.id.clone(), run, nth: self.signals, signal, scope });
    }

    pub(super) fn enter(&mut self, phase: Phase, why: Words, exit: Option<Exit>, turn: &mut Turn) {
        let from = self.state();
        let starts = |phase: Phase| u32::from(matches!(phase, Phase::Starting { .. }));
        turn.unanswered = turn.unanswered + starts(phase) - starts(self.phase);
        // From starting to starting is news too: the one before came to nothing.
        let anew = match (self.phase, phase) {
            (Phase::Preparing { .. }, Phase::Starting { .. }) => false,
            (_, Phase::Preparing { .. } | Phase::Starting { .. }) => from == State::Starting,
            _ => false,
        };
        self.phase = phase;
        self.why = why;
        if self.rests() {
            self.care = None;
        }
        if from != self.state() || anew {
            self.report(from, exit, false, turn);
        }
        if exit.is_some() {
            self.process = None;
        }
    }

    /// Something within the phase has changed, which was called `from` before.
    pub(super) fn turned(&mut self, from: State, why: Words, turn: &mut Turn) {
        if from != self.state() {
            self.why = why;
            self.report(from, None, false, turn);
        }
    }

    /// Something went wrong that changes no state.
    pub(super) fn remark(&mut self, why: Words, turn: &mut Turn) {
        self.why = why;
        self.report(self.state(), None, true, turn);
    }

    /// The same, where the reason of the phase stays what it is.
    pub(super) fn complain(&mut self, words: String, turn: &mut Turn) {
        self.say(words, true, turn);
    }

    /// Something worth telling, and no more.
    pub(super) fn tell(&mut self, words: String, turn: &mut Turn) {
        self.say(words, false, turn);
    }

    fn say(&mut self, words: String, grave: bool, turn: &mut Turn) {
        let why = std::mem::replace(&mut self.why, words.into());
        self.report(self.state(), None, grave, turn);
        self.why = why;
    }

    pub(super) fn report(&self, from: State, exit: Option<Exit>, grave: bool, turn: &mut Turn) {
        turn.effects.push(Effect::Report(Transition {
            instance: self.id.clone(),
            numbered: self.numbered,
            from,
            to: self.state(),
            reason: self.why.clone().into_owned(),
            pid: self.process.as_ref().map(|process| process.pid),
            exit,
            grave,
        }));
    }
}
