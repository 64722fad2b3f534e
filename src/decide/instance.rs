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
//! - backoff: it is wanted, it ended, and the next attempt has a time;
//! - failed: it is wanted and abide has given up until its file changes.
//!
//! Wanted up and down means *starting*: a process is ordered, and only the answer, which always
//! comes, leads out of it; after five seconds without one the order is abandoned. What else is
//! wanted meanwhile waits for the answer. *Running* is left in three ways. It ends by itself: what it
//! left behind is killed and waited for, then it rests as its policy says, or starts again. It is
//! not wanted any more, or not in this version: *stopping* climbs the ladder, and only when all
//! that counts is gone does it rest or start anew, in the newest version there is by then. Or the
//! edit can be brought to it alive, and it goes on running.
//!
//! Each attempt is a run with a number of its own; facts about other runs are ignored.

use super::backoff::{Backoff, Jitter, Over};
use super::diff::{Powers, dearest, diff};
use super::effect::Effect;
use super::event::{Event, RunId};
use super::member::Noted;
use super::plan::in_words;
use super::restarts::Restarts;
use super::stopping::{Climb, Ladder};
use crate::model::desired::Definition;
use crate::model::limits::Limits;
use crate::model::name::InstanceId;
use crate::model::outcome::{Exit, Failure};
use crate::model::plan::{Change, Price};
use crate::model::policy::{RestartPolicy, RestartWhen, StopScope};
use crate::model::signal::Signal;
use crate::model::status::State;
use crate::model::time::{Mono, Now, Wall};
use crate::model::transition::Transition;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// How long an order for a process may go unanswered.
const SPAWN_TIME: Duration = Duration::from_secs(5);

/// Why something happens, in words.
pub(super) type Words = Cow<'static, str>;

/// What every step may use.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) now: Now,
    pub(super) effects: Vec<Effect>,
    pub(super) last_run: RunId,
    pub(super) jitter: Jitter,
    pub(super) powers: Powers,
}

/// Where the process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Resting(Rest),
    Starting { run: RunId, ordered: Mono, abandoned: bool },
    Running { run: RunId, ordered: Mono, since: Mono },
    Stopping { run: RunId, since: Mono, ladder: Ladder, then: Rest },
}

/// How an instance without a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    Down,
    Done,
    Waiting,
    Backoff(Mono),
    Failed,
}

/// What is known of the living process.
#[derive(Debug, Clone)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) start_ticks: u64,
    pub(super) started: Wall,
    pub(super) limits: Limits,
}

/// How the last process ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) at: Wall,
    pub(super) exit: Exit,
    pub(super) asked: bool,
    pub(super) ran: Duration,
}

/// Whether the limits of the running process are those of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fit {
    Met,
    Asked,
    Unmet(String),
}

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
    cause: Words,
    /// The unasked end that the next start makes good.
    owed: Option<Exit>,
    /// It found no descriptor: attempts count as waiting until one succeeds.
    starved: bool,
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
            Phase::Resting(Rest::Waiting) => State::Waiting,
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
            Phase::Starting { ordered, abandoned: false, .. } => Some(ordered.plus(SPAWN_TIME)),
            Phase::Stopping { ladder, .. } => ladder.deadline(),
            _ => None,
        }
    }

    /// The files want it up or down from now on.
    pub(super) fn want(&mut self, up: bool, cause: &Words, turn: &mut Turn) {
        if self.want != up {
            self.want = up;
            self.cause.clone_from(cause);
            self.forgive();
        }
        self.step(turn);
    }

    /// The files' meaning changed, in `changes`.
    pub(super) fn edit(&mut self, new: &Arc<Definition>, numbered: bool, changes: &[Change], turn: &mut Turn) {
        let relabel = self.numbered != numbered || output_differs(&self.wanted, new);
        self.wanted = new.clone();
        self.numbered = numbered;
        if relabel && self.opened {
            let (instance, policy) = (self.id.clone(), new.service.log.clone());
            turn.effects.push(Effect::SetLog { instance, policy, definition: new.clone(), numbered });
        }
        if changes.iter().any(|change| change.price > Price::Nothing && change.field != "instances") {
            self.cause = Words::Owned(in_words(changes));
            self.reconsider(dearest(changes), turn);
        }
        self.step(turn);
    }

    /// An edit is a new chance for what had come to rest, or is about to.
    fn reconsider(&mut self, price: Price, turn: &mut Turn) {
        let policy = &self.wanted.service.restart;
        let still_done = price < Price::Restart && self.last.is_none_or(|last| is_done(policy, last.exit));
        match &mut self.phase {
            Phase::Resting(Rest::Done) if still_done => self.current = self.wanted.clone(),
            Phase::Stopping { then: Rest::Done, .. } if still_done => {}
            Phase::Resting(Rest::Done | Rest::Backoff(_) | Rest::Failed) if self.want => {
                self.forgive();
                self.start(self.cause.clone(), None, turn);
            }
            Phase::Stopping { then, .. } if *then != Rest::Down => {
                *then = Rest::Down;
                self.forgive();
            }
            _ => {}
        }
    }

    fn forgive(&mut self) {
        self.backoff = Backoff::default();
        self.owed = None;
    }

    /// A descriptor may be free.
    pub(super) fn try_again(&mut self, turn: &mut Turn) {
        if self.want && self.phase == Phase::Resting(Rest::Waiting) {
            self.start(self.cause.clone(), None, turn);
        }
    }

    /// No time is left for politeness.
    pub(super) fn hurry(&mut self, turn: &mut Turn) {
        match &mut self.phase {
            Phase::Starting { run, abandoned, .. } if !*abandoned => {
                *abandoned = true;
                turn.effects.push(Effect::AbandonSpawn { instance: self.id.clone(), run: *run });
            }
            Phase::Stopping { ladder, .. } => {
                let climb = ladder.hurry(turn.now.mono);
                self.climbed(climb, "killed in haste", turn);
            }
            _ => {}
        }
    }

    /// Time passed.
    pub(super) fn timeout(&mut self, turn: &mut Turn) {
        let now = turn.now.mono;
        match &mut self.phase {
            Phase::Starting { run, ordered, abandoned: abandoned @ false } if now >= ordered.plus(SPAWN_TIME) => {
                *abandoned = true;
                turn.effects.push(Effect::AbandonSpawn { instance: self.id.clone(), run: *run });
            }
            Phase::Stopping { ladder, .. } => {
                let climb = ladder.climb(now);
                self.climbed(climb, "did not end in time, killed", turn);
            }
            _ => self.step(turn),
        }
    }

    fn climbed(&mut self, climb: Climb, killed: &'static str, turn: &mut Turn) {
        let Phase::Stopping { run, ladder, then, .. } = self.phase else { return };
        match climb {
            Climb::Wait => {}
            Climb::Kill => {
                self.signal(run, Signal::KILL, ladder.scope(), turn);
                self.remark(killed.into(), turn);
            }
            Climb::Stuck => self.remark("cannot be killed".into(), turn),
            Climb::LetBe => self.rest(then, "what is left is outside its process group".into(), None, turn),
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
                Event::Exited { run: of, exit, leftovers, .. },
                Phase::Running { run, ordered, since } | Phase::Starting { run, ordered: ordered @ since, .. },
            ) if of == run => {
                self.ended(run, exit, leftovers, ordered, since, turn);
            }
            (Event::Exited { run: of, exit, leftovers, .. }, Phase::Stopping { run, ladder, since, then })
                if of == run && !ladder.main_gone() =>
            {
                self.ended_as_asked(exit, leftovers, since, then, turn);
            }
            (Event::TreeEmpty { run: of, .. }, Phase::Stopping { run, ladder, then, .. })
                if of == run && ladder.main_gone() =>
            {
                let why = if then == Rest::Down { "all of it is gone".into() } else { self.cause.clone() };
                self.rest(then, why, None, turn);
            }
            (Event::LimitsSet { run: of, outcome, .. }, Phase::Running { run, .. }) if of == run => {
                match (outcome, &mut self.process) {
                    (Ok(limits), Some(process)) => {
                        process.limits = limits;
                        self.fit = Fit::Met;
                    }
                    (Ok(_), None) => {}
                    (Err(failure), _) => self.fit = Fit::Unmet(failure.to_string()),
                }
            }
            (Event::LogDropped { bytes, lines, .. }, _) => self.dropped = (bytes, lines),
            _ => {}
        }
    }

    fn spawn_failed(&mut self, failure: &Failure, ordered: Mono, turn: &mut Turn) {
        self.owed = None;
        if let Failure::Limit { .. } = failure {
            self.fit = Fit::Unmet(failure.to_string());
        }
        if *failure == Failure::NoDescriptors {
            self.rest(Rest::Waiting, failure.to_string().into(), None, turn);
            self.starved = self.want;
            return;
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
    fn ended(&mut self, run: RunId, exit: Exit, leftovers: bool, ordered: Mono, since: Mono, turn: &mut Turn) {
        let ran = turn.now.mono.since(since);
        self.last = Some(Ended { at: turn.now.wall, exit, asked: false, ran });
        self.starved = false;
        self.owed = Some(exit);
        let (rest, why) = if self.is_current() && is_done(&self.wanted.service.restart, exit) {
            (Rest::Done, format!("{exit}, not restarted by its policy").into())
        } else {
            self.next_attempt(&exit.to_string(), Over { ordered, ran: Some(ran) }, turn)
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
        self.enter(phase, format!("{exit}; ending what it left behind").into(), Some(exit), turn);
        self.step(turn);
    }

    fn ended_as_asked(&mut self, exit: Exit, leftovers: bool, since: Mono, then: Rest, turn: &mut Turn) {
        let ran = turn.now.mono.since(since);
        self.last = Some(Ended { at: turn.now.wall, exit, asked: true, ran });
        let Phase::Stopping { ladder, .. } = &mut self.phase else { return };
        if ladder.main_exited(leftovers) {
            self.why = format!("{exit}; waits for what it started to end").into();
            self.process = None;
        } else {
            self.rest(then, exit.to_string().into(), Some(exit), turn);
        }
    }

    fn next_attempt(&mut self, end: &str, over: Over, turn: &mut Turn) -> (Rest, Words) {
        let policy = &self.wanted.service.restart;
        let now = turn.now.mono;
        if !self.is_current() {
            self.forgive();
            return (Rest::Down, self.cause.clone());
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

    /// Nothing of the run is left. What is wanted decides how it goes on.
    fn rest(&mut self, rest: Rest, why: Words, exit: Option<Exit>, turn: &mut Turn) {
        let now = turn.now.mono;
        match rest {
            _ if !self.want => self.enter(Phase::Resting(Rest::Down), why, exit, turn),
            Rest::Down => self.start(self.cause.clone(), exit, turn),
            Rest::Backoff(at) if at <= now => self.start(why, exit, turn),
            _ => self.enter(Phase::Resting(rest), why, exit, turn),
        }
    }

    /// Compares want with phase and takes the next step, if there is one.
    fn step(&mut self, turn: &mut Turn) {
        match (self.want, self.phase) {
            (true, Phase::Resting(Rest::Down)) => self.start(self.cause.clone(), None, turn),
            (true, Phase::Resting(Rest::Backoff(until))) if until <= turn.now.mono => {
                self.start("next attempt".into(), None, turn);
            }
            (true, Phase::Running { run, .. }) => self.bring_in_line(run, turn),
            (false, Phase::Running { .. }) => self.stop(self.cause.clone(), turn),
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

    /// The running process and the newest definition: nothing, live, or stop and start.
    fn bring_in_line(&mut self, run: RunId, turn: &mut Turn) {
        if self.is_current() {
            self.current = self.wanted.clone();
            return;
        }
        let (old, new) = (&self.current.service, &self.wanted.service);
        let changes = diff(old, new, &turn.powers);
        if dearest(&changes) == Price::Restart {
            return self.stop(in_words(&changes).into(), turn);
        }
        let altered = new.limits.iter().filter(|(kind, limit)| old.limits.get(kind) != Some(limit));
        let limits: Limits = altered.map(|(kind, limit)| (*kind, *limit)).collect();
        if !limits.is_empty() {
            self.fit = Fit::Asked;
            turn.effects.push(Effect::SetLimits { instance: self.id.clone(), run, limits });
        }
        self.current = self.wanted.clone();
    }

    fn start(&mut self, why: Words, exit: Option<Exit>, turn: &mut Turn) {
        if let Some(exit) = self.owed.take() {
            self.restarts.count(exit, turn.now.mono);
        }
        turn.last_run.0 += 1;
        let (run, definition) = (turn.last_run, self.wanted.clone());
        self.current = definition.clone();
        self.opened = true;
        turn.effects.push(Effect::Spawn { instance: self.id.clone(), run, definition, numbered: self.numbered });
        self.enter(Phase::Starting { run, ordered: turn.now.mono, abandoned: false }, why, exit, turn);
    }

    fn stop(&mut self, why: Words, turn: &mut Turn) {
        let Phase::Running { run, since, .. } = self.phase else { return };
        let (ladder, signals) = Ladder::ask(&self.wanted.service.stop, turn.now.mono);
        for signal in signals {
            self.signal(run, signal, ladder.scope(), turn);
        }
        self.cause.clone_from(&why);
        self.enter(Phase::Stopping { run, since, ladder, then: Rest::Down }, why, None, turn);
    }

    fn signal(&self, run: RunId, signal: Signal, scope: StopScope, turn: &mut Turn) {
        turn.effects.push(Effect::Signal { instance: self.id.clone(), run, signal, scope });
    }

    fn enter(&mut self, phase: Phase, why: Words, exit: Option<Exit>, turn: &mut Turn) {
        let from = self.state();
        self.phase = phase;
        self.why = why;
        if from != self.state() {
            self.report(from, exit, turn);
        }
        if exit.is_some() {
            self.process = None;
        }
    }

    /// Something worth telling that changes no state.
    fn remark(&mut self, why: Words, turn: &mut Turn) {
        self.why = why;
        self.report(self.state(), None, turn);
    }

    fn report(&self, from: State, exit: Option<Exit>, turn: &mut Turn) {
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

/// Whether a process that ended so is left at that.
fn is_done(policy: &RestartPolicy, exit: Exit) -> bool {
    match policy.when {
        RestartWhen::Always => false,
        RestartWhen::OnFailure => exit.is_success(),
        RestartWhen::Never => true,
    }
}

/// Whether output goes elsewhere or is kept otherwise; the log directory is a template over `base`.
fn output_differs(old: &Definition, new: &Definition) -> bool {
    let (old, new) = (&old.service, &new.service);
    old.log != new.log || (new.log.directory.as_ref().is_some_and(|path| path.contains('$')) && old.base != new.base)
}
