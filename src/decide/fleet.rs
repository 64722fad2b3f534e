//! The fleet: all the state there is. Four calls go in and out; inside, every fact is routed to the
//! one service that it is about.

use super::backlog::Backlog;
use super::backoff::Jitter;
use super::diff::Powers;
use super::effect::Effect;
use super::event::{Event, RunId};
use super::holds::Holds;
use super::instance::Instance;
use super::member::{Census, Mark, Member, Noted, Tally, Totals};
use super::order::{Gate, Ties};
use super::phase::{LastWord, Phase, Rest, Turn};
use super::queue::Queue;
use super::records::{Change, key_of_instance, key_of_service};
use super::rollback::Trials;
use super::rollout::Rollout;
use super::timers::Timers;
use crate::model::desired::Definition;
use crate::model::diagnostic::Diagnostic;
use crate::model::guise::Guise;
use crate::model::name::{InstanceId, ServiceName};
use crate::model::outcome::{Exit, Used};
use crate::model::status::{FileError, IgnoredEntry, SourceState, SourceStatus, State, Summary};
use crate::model::time::{Mono, Now};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use super::member::Finding;

/// All services, and what is under way with them.
#[derive(Debug)]
pub struct Fleet {
    /// Boxed, as in every large map here: a map that is filled in order keeps its leaves half empty.
    pub(super) members: BTreeMap<ServiceName, Box<Member>>,
    pub(super) turn: Turn,
    pub(super) books: Books,
    pub(super) ties: Ties,
    pub(super) holds: Holds,
    pub(super) backlog: Backlog,
    pub(super) trials: Trials,
    pub(super) rollout: Rollout,
    census: Census,
    pub(super) changed: BTreeSet<ServiceName>,
    /// Services of which something may have to be written down.
    pub(super) unwritten: BTreeSet<ServiceName>,
    /// Records that are to go.
    pub(super) struck: Vec<Change>,
    /// Those that an earlier supervisor knew and whose files were not seen yet.
    pub(super) unseen: BTreeSet<ServiceName>,
    pub(super) surroundings_changed: bool,
    pub(super) findings: Vec<Finding>,
    pub(super) ending: Ending,
    pub(super) generation: u64,
    pub(super) sources: Vec<SourceStatus>,
    pub(super) ignored: Vec<IgnoredEntry>,
    pub(super) problem_diagnostics: Vec<Diagnostic>,
    pub(super) problems: Vec<FileError>,
}

/// How far abide's own end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    No,
    /// Nobody asked: the service with which all ends did.
    OfItself,
    Asked,
    Hurried,
    Finished,
}

/// What spans all instances.
#[derive(Debug, Default)]
pub(super) struct Books {
    timers: Timers,
    queue: Queue,
    alive: u64,
}

impl Books {
    /// Brings everything that is kept about `instance` up to date.
    pub(super) fn note(&mut self, totals: &mut Totals, instance: &mut Instance, now: Mono) {
        let (deadline, mark) = (instance.deadline(), Mark::of(instance));
        self.timers.shift(&instance.id, instance.noted.deadline, deadline);
        self.queue.note(&instance.id, instance.phase == Phase::Resting(Rest::Waiting), now);
        let before = instance.noted.mark.is_some_and(|mark| mark.alive);
        self.alive = self.alive + u64::from(mark.alive) - u64::from(before);
        totals.replace(instance.noted.mark, Some(mark));
        (instance.noted.deadline, instance.noted.mark, instance.noted.fresh) = (deadline, Some(mark), true);
    }

    /// Strikes out everything that is kept about `instance`, which has another name from now on.
    pub(super) fn strike(&mut self, totals: &mut Totals, instance: &mut Instance, now: Mono) {
        let Noted { deadline, mark, .. } = std::mem::take(&mut instance.noted);
        self.timers.shift(&instance.id, deadline, None);
        self.queue.note(&instance.id, false, now);
        self.alive -= u64::from(mark.is_some_and(|mark| mark.alive));
        totals.replace(mark, None);
    }
}

impl Fleet {
    /// An empty fleet. `seed` is where chance (the spread of delays) comes from.
    pub fn new(powers: Powers, seed: u64) -> Self {
        let jitter = Jitter::new(seed);
        let turn = Turn {
            now: Now::default(),
            effects: Vec::new(),
            last_run: RunId(0),
            unanswered: 0,
            jitter,
            powers,
            used: Used::default(),
            last_word: LastWord::default(),
            guise: None,
            gate: Gate::Open,
            held: None,
        };
        Self {
            members: BTreeMap::new(),
            turn,
            books: Books::default(),
            ties: Ties::default(),
            holds: Holds::default(),
            backlog: Backlog::default(),
            trials: Trials::default(),
            rollout: Rollout::default(),
            census: Census::default(),
            changed: BTreeSet::new(),
            unwritten: BTreeSet::new(),
            struck: Vec::new(),
            unseen: BTreeSet::new(),
            surroundings_changed: false,
            findings: Vec::new(),
            ending: Ending::No,
            generation: 0,
            sources: Vec::new(),
            ignored: Vec::new(),
            problem_diagnostics: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// All ends in order when a process of `service` ends by itself.
    pub fn end_with(&mut self, service: ServiceName) {
        self.turn.last_word = LastWord { of: Some(service), ..LastWord::default() };
    }

    /// From now on all is as under the one that abide stands in for.
    pub fn dress(&mut self, guise: Guise) {
        self.turn.guise = Some(guise);
    }

    /// How the process with which all ends did, once it has.
    pub fn last_word(&self) -> Option<Exit> {
        self.turn.last_word.exit
    }

    /// A fact.
    pub fn handle(&mut self, now: Now, event: Event) {
        self.turn.now = now;
        match event {
            Event::Delta(delta) => self.take_delta(delta),
            Event::FilesChanged { service, files } => self.files_changed(&service, &files),
            Event::Ordered { call, order } => self.ordered(call, order),
            Event::Held(held) => self.held_before(held),
            Event::RolledBack(rollbacks) => self.rejected_before(rollbacks),
            Event::Recalled { service, version } => self.recalled(&service, version.map(|version| *version)),
            Event::Suspended(suspended) => self.suspended_before(suspended),
            Event::Commanded { instance, letters } => self.commanded(&instance, &letters),
            Event::Shutdown if self.ending < Ending::Asked => self.shut_down(Ending::Asked),
            Event::Shutdown => self.shut_down(Ending::Hurried),
            // It comes to the end of it soon.
            Event::InputHeld { ref instance, .. } if self.writer_goes(instance) => {}
            fact => {
                if let Event::Exited { used, .. } = fact {
                    self.turn.used = used;
                }
                if let Some(id) = fact.instance().cloned() {
                    self.touch(&id, |instance, turn| instance.handle(fact, turn));
                }
            }
        }
        self.judge_trials();
        self.roll_on();
        self.end_if_said();
        self.settle();
        self.finish_if_done();
    }

    fn end_if_said(&mut self) {
        if self.ending == Ending::No && self.turn.last_word.is_said() {
            self.shut_down(Ending::OfItself);
        }
    }

    /// Time passed. Harmless if called for nothing.
    pub fn handle_timeout(&mut self, now: Now) {
        self.turn.now = now;
        for id in self.books.timers.due(now.mono) {
            self.returns(&id);
            self.touch(&id, Instance::timeout);
        }
        if let Some(id) = self.books.queue.turn(now.mono) {
            self.touch(&id, Instance::try_again);
        }
        self.judge_trials();
        self.roll_on();
        self.lapse();
        // A file that holds a directory back may count as forgotten from now on.
        self.surroundings_changed |= !self.forgotten_holds().is_empty();
        for name in self.ties.ring(now.mono) {
            self.notice(&name);
        }
        self.end_if_said();
        self.settle();
        self.finish_if_done();
    }

    /// When to call [`Self::handle_timeout`] next. At rest: never.
    pub fn next_deadline(&self) -> Option<Mono> {
        let Self { books, ties, holds, .. } = self;
        let times = [books.timers.next(), books.queue.deadline(), ties.deadline(), holds.deadline()];
        times
            .into_iter()
            .chain([self.backlog_deadline(), self.trials.deadline(), self.rollout.deadline()])
            .flatten()
            .min()
    }

    /// What to do now, in this order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.turn.effects)
    }

    /// The services whose status may have changed since this was asked last; those that are gone too.
    pub fn take_changed(&mut self) -> Vec<ServiceName> {
        std::mem::take(&mut self.changed).into_iter().collect()
    }

    /// Whether sources, ignored entries, problems or the generation may have changed since this was asked last.
    pub fn take_surroundings_changed(&mut self) -> bool {
        std::mem::take(&mut self.surroundings_changed)
    }

    /// What there is to tell about files since this was asked last.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings)
    }

    /// Counts over all services. Costs the same however many there are.
    pub fn summary(&self) -> Summary {
        let amiss = !self.problems.is_empty()
            || self.sources.iter().any(|source| source.state != SourceState::Ok)
            || !self.forgotten_holds().is_empty();
        self.census.summary(self.ignored.len() as u64, amiss)
    }

    /// How many times the desired state changed. What was read is acted on in the same call.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The watched directories, as last reported.
    pub fn sources(&self) -> &[SourceStatus] {
        &self.sources
    }

    /// Entries that are nothing to abide.
    pub fn ignored(&self) -> &[IgnoredEntry] {
        &self.ignored
    }

    /// Errors that belong to no service.
    pub fn problems(&self) -> &[FileError] {
        &self.problems
    }

    /// Every service there is, by name.
    pub fn names(&self) -> impl Iterator<Item = &ServiceName> {
        self.members.keys()
    }

    /// The definition of `name` in force.
    pub fn accepted(&self, name: &ServiceName) -> Option<&Arc<Definition>> {
        self.members.get(name)?.accepted.as_ref()
    }

    /// Whether abide is ending its services.
    pub fn is_ending(&self) -> bool {
        self.ending != Ending::No
    }

    /// Configuration files of a service's own changed: every instance takes them up.
    fn files_changed(&mut self, name: &ServiceName, files: &[String]) {
        self.prepare(name);
        let Some(member) = self.members.get_mut(name) else { return };
        for instance in &mut member.instances {
            instance.files_changed(files, &mut self.turn);
            self.books.note(&mut member.totals, instance, self.turn.now.mono);
        }
        self.conclude(name);
    }

    fn shut_down(&mut self, ending: Ending) {
        self.ending = self.ending.max(ending);
        let hurry = self.ending == Ending::Hurried;
        self.surroundings_changed = true;
        let names: Vec<ServiceName> = self.members.keys().cloned().collect();
        for name in &names {
            self.notice(name);
        }
        for name in names {
            self.prepare(&name);
            let Some(member) = self.members.get_mut(&name) else { continue };
            for instance in &mut member.instances {
                instance.want(false, &"abide is ending".into(), &mut self.turn);
                instance.hasten(&mut self.turn);
                if hurry {
                    instance.hurry(&mut self.turn);
                }
                self.books.note(&mut member.totals, instance, self.turn.now.mono);
            }
            self.conclude(&name);
        }
    }

    /// Does something to one instance, and what follows from it for the rest.
    pub(super) fn touch(&mut self, id: &InstanceId, act: impl FnOnce(&mut Instance, &mut Turn)) {
        self.prepare(&id.service);
        let Some(member) = self.members.get_mut(&id.service) else { return };
        let Some(instance) = member.instances.get_mut(id.index as usize) else { return };
        let before = instance.state();
        act(instance, &mut self.turn);
        if self.ending == Ending::Hurried {
            instance.hurry(&mut self.turn);
        }
        if before == State::Waiting && matches!(instance.phase, Phase::Running { .. }) {
            self.books.queue.relieved(self.turn.now.mono);
        }
        if before == State::Stopping && instance.phase == Phase::Resting(Rest::Waiting) {
            self.books.queue.disappointed(self.turn.now.mono);
        }
        self.books.note(&mut member.totals, instance, self.turn.now.mono);
        self.conclude(&id.service);
    }

    /// Closes what is surplus and at rest, forgets who is gone, and keeps the counts right.
    pub(super) fn conclude(&mut self, name: &ServiceName) {
        self.changed.insert(name.clone());
        self.unwritten.insert(name.clone());
        let Some(member) = self.members.get_mut(name) else { return };
        let size = member.size() as usize;
        if member.instances.first().is_some_and(Instance::is_supervised) {
            for instance in &mut member.instances {
                instance.show(&mut self.turn);
                // Whatever is shown last, it may have a time of its own from now on.
                self.books.note(&mut member.totals, instance, self.turn.now.mono);
            }
        }
        for instance in member.instances.iter_mut().skip(size) {
            if instance.opened && instance.rests() {
                instance.opened = false;
                self.turn.effects.push(Effect::Close { instance: instance.id.clone() });
                self.books.queue.closed(self.turn.now.mono);
            }
        }
        while member.instances.len() > size && member.instances.last().is_some_and(Instance::rests) {
            if let Some(gone) = member.instances.pop() {
                if gone.is_listened_to() {
                    self.turn.effects.push(Effect::Unsupervise { instance: gone.id.clone() });
                }
                member.totals.replace(gone.noted.mark, None);
                self.books.timers.shift(&gone.id, gone.noted.deadline, None);
                self.struck.extend(gone.noted.written.map(|_| (key_of_instance(&gone.id), None)));
            }
        }
        if member.removed && member.instances.is_empty() {
            self.census.replace(member.tally, Tally::default());
            self.struck.extend(member.written.version.map(|_| (key_of_service(name), None)));
            self.members.remove(name);
            self.turn.effects.push(Effect::RetireVersions { service: name.clone() });
        }
        if self.members.get(name).is_none_or(|it| it.accepted.is_none() && it.instances.is_empty()) {
            self.ties.tie(name, None);
        }
        if self.members.get(name).is_some_and(|member| member.trial.is_some()) {
            self.trials.touch(name);
        }
        let rolls = self.members.get(name).is_some_and(|member| member.rolling.is_some());
        self.rollout.touch(name, rolls);
        let (desired, held) = (self.asked(name), self.holds.whole(name).is_some());
        if let Some(member) = self.members.get_mut(name) {
            let before = member.tally;
            self.census.replace(before, member.refresh(self.turn.now.wall, desired, held));
        }
        self.notice(name);
    }

    pub(super) fn finish_if_done(&mut self) {
        if matches!(self.ending, Ending::OfItself | Ending::Asked | Ending::Hurried) && self.books.alive == 0 {
            self.ending = Ending::Finished;
            self.turn.effects.push(Effect::Finished);
        }
    }
}
