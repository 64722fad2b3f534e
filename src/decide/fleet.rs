//! The fleet: all the state there is. Four calls go in and out; inside, every fact is routed to the
//! one service that it is about.

use super::backoff::Jitter;
use super::diff::Powers;
use super::effect::Effect;
use super::event::{Event, RunId};
use super::instance::Instance;
use super::member::{Census, Mark, Member, Tally, Totals, errors, newly};
use super::phase::{LastWord, Phase, Rest, Turn, Words};
use super::plan;
use super::queue::Queue;
use super::timers::Timers;
use crate::model::desired::{Definition, Delta, Entry};
use crate::model::diagnostic::Diagnostic;
use crate::model::name::{InstanceId, ServiceName};
use crate::model::outcome::{Exit, Used};
use crate::model::plan::Change;
use crate::model::status::{FileError, IgnoredEntry, SourceState, SourceStatus, State, Summary};
use crate::model::time::{Mono, Now};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use super::member::Finding;

/// All services, and what is under way with them.
#[derive(Debug)]
pub struct Fleet {
    pub(super) members: BTreeMap<ServiceName, Member>,
    turn: Turn,
    books: Books,
    census: Census,
    changed: BTreeSet<ServiceName>,
    surroundings_changed: bool,
    findings: Vec<Finding>,
    pub(super) ending: Ending,
    generation: u64,
    sources: Vec<SourceStatus>,
    ignored: Vec<IgnoredEntry>,
    problem_diagnostics: Vec<Diagnostic>,
    problems: Vec<FileError>,
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
struct Books {
    timers: Timers,
    queue: Queue,
    alive: u64,
}

impl Books {
    /// Brings everything that is kept about `instance` up to date.
    fn note(&mut self, totals: &mut Totals, instance: &mut Instance, now: Mono) {
        let (deadline, mark) = (instance.deadline(), Mark::of(instance));
        self.timers.shift(&instance.id, instance.noted.deadline, deadline);
        self.queue.note(&instance.id, instance.phase == Phase::Resting(Rest::Waiting), now);
        let before = instance.noted.mark.is_some_and(|mark| mark.alive);
        self.alive = self.alive + u64::from(mark.alive) - u64::from(before);
        totals.replace(instance.noted.mark, Some(mark));
        (instance.noted.deadline, instance.noted.mark) = (deadline, Some(mark));
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
        };
        Self {
            members: BTreeMap::new(),
            turn,
            books: Books::default(),
            census: Census::default(),
            changed: BTreeSet::new(),
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
        self.turn.last_word = LastWord { of: Some(service), exit: None };
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
            Event::Shutdown if self.ending < Ending::Asked => self.shut_down(Ending::Asked),
            Event::Shutdown => self.shut_down(Ending::Hurried),
            fact => {
                if let Event::Exited { used, .. } = fact {
                    self.turn.used = used;
                }
                if let Some(id) = fact.instance().cloned() {
                    self.touch(&id, |instance, turn| instance.handle(fact, turn));
                }
            }
        }
        if self.ending == Ending::No && self.turn.last_word.exit.is_some() {
            self.shut_down(Ending::OfItself);
        }
        self.finish_if_done();
    }

    /// Time passed. Harmless if called for nothing.
    pub fn handle_timeout(&mut self, now: Now) {
        self.turn.now = now;
        for id in self.books.timers.due(now.mono) {
            self.touch(&id, Instance::timeout);
        }
        if let Some(id) = self.books.queue.turn(now.mono) {
            self.touch(&id, Instance::try_again);
        }
        self.finish_if_done();
    }

    /// When to call [`Self::handle_timeout`] next. At rest: never.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.books.timers.next().into_iter().chain(self.books.queue.deadline()).min()
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
        let amiss = !self.problems.is_empty() || self.sources.iter().any(|source| source.state != SourceState::Ok);
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

    fn take_delta(&mut self, delta: Delta) {
        let Delta { changes, sources, ignored, problems, generation } = delta;
        self.generation = generation;
        self.surroundings_changed |= sources.is_some() || ignored.is_some() || problems.is_some();
        self.sources = sources.unwrap_or_else(|| std::mem::take(&mut self.sources));
        self.ignored = ignored.unwrap_or_else(|| std::mem::take(&mut self.ignored));
        if let Some(problems) = problems {
            self.take_problems(problems);
        }
        self.surroundings_changed |= !changes.is_empty();
        for (name, entry) in changes {
            match entry {
                Some(entry) => self.take_entry(&name, entry),
                None => self.remove(&name),
            }
            self.conclude(&name);
        }
    }

    fn take_problems(&mut self, problems: Vec<Diagnostic>) {
        self.findings.extend(newly(&self.problem_diagnostics, &problems));
        let gone = self.problem_diagnostics.iter().map(|old| &old.file);
        let mended: BTreeSet<_> = gone.filter(|file| problems.iter().all(|new| new.file != **file)).collect();
        self.findings.extend(mended.into_iter().map(|file| Finding::Mended { service: None, file: file.clone() }));
        self.problems = errors(&problems, &self.problems, self.turn.now.wall);
        self.problem_diagnostics = problems;
    }

    fn take_entry(&mut self, name: &ServiceName, entry: Entry) {
        let member = self.members.entry(name.clone()).or_insert_with(Member::new);
        let (findings, definition) = member.read(name, entry, self.turn.now.wall);
        self.findings.extend(findings);
        let Some(new) = definition else { return };
        let old = member.accepted.replace(new.clone());
        let step = plan::step(old.as_ref().map(|old| &old.service), Some(&new.service), &self.turn.powers);
        let (cause, changes) = match step {
            Some(step) => {
                let told = (Words::Owned(step.reason.clone()), step.changes.clone());
                self.turn.effects.push(Effect::Announce(step));
                told
            }
            None => (Words::Borrowed(""), Vec::new()),
        };
        self.bring_in_line(name, &new, &cause, &changes);
    }

    /// Every instance of `name` hears of its `new` definition; missing ones are added.
    fn bring_in_line(&mut self, name: &ServiceName, new: &Arc<Definition>, cause: &Words, changes: &[Change]) {
        let Some(member) = self.members.get_mut(name) else { return };
        let (count, numbered) = (new.service.instances, new.service.instances > 1);
        // Exactly: most services have one, and room for four would be most of what a service takes.
        member.instances.reserve_exact((count as usize).saturating_sub(member.instances.len()));
        for index in member.instances.len() as u32..count {
            member.instances.push(Instance::new(InstanceId::new(name.clone(), index), new, numbered));
        }
        let up = new.service.enabled && self.ending == Ending::No;
        for instance in &mut member.instances {
            // One that is surplus goes as what it was: its output stays where it is.
            let surplus = instance.id.index >= count;
            if surplus || !up {
                instance.want(false, cause, &mut self.turn);
            }
            if !surplus {
                instance.edit(new, numbered, changes, &mut self.turn);
                instance.want(up, cause, &mut self.turn);
            }
            self.books.note(&mut member.totals, instance, self.turn.now.mono);
        }
    }

    fn remove(&mut self, name: &ServiceName) {
        let Some(member) = self.members.get_mut(name) else { return };
        let old = member.lose();
        if let Some(step) = plan::step(old.as_ref().map(|old| &old.service), None, &self.turn.powers) {
            self.turn.effects.push(Effect::Announce(step));
        }
        for instance in &mut member.instances {
            instance.want(false, &"removed".into(), &mut self.turn);
            self.books.note(&mut member.totals, instance, self.turn.now.mono);
        }
    }

    fn shut_down(&mut self, ending: Ending) {
        self.ending = self.ending.max(ending);
        let hurry = self.ending == Ending::Hurried;
        self.surroundings_changed = true;
        let names: Vec<ServiceName> = self.members.keys().cloned().collect();
        for name in names {
            let Some(member) = self.members.get_mut(&name) else { continue };
            for instance in &mut member.instances {
                instance.want(false, &"abide is ending".into(), &mut self.turn);
                if hurry {
                    instance.hurry(&mut self.turn);
                }
                self.books.note(&mut member.totals, instance, self.turn.now.mono);
            }
            self.conclude(&name);
        }
    }

    /// Does something to one instance, and what follows from it for the rest.
    fn touch(&mut self, id: &InstanceId, act: impl FnOnce(&mut Instance, &mut Turn)) {
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
    fn conclude(&mut self, name: &ServiceName) {
        self.changed.insert(name.clone());
        let Some(member) = self.members.get_mut(name) else { return };
        let size = member.size() as usize;
        for instance in member.instances.iter_mut().skip(size) {
            if instance.opened && instance.rests() {
                instance.opened = false;
                self.turn.effects.push(Effect::Close { instance: instance.id.clone() });
                self.books.queue.closed(self.turn.now.mono);
            }
        }
        while member.instances.len() > size && member.instances.last().is_some_and(Instance::rests) {
            if let Some(gone) = member.instances.pop() {
                member.totals.replace(gone.noted.mark, None);
            }
        }
        let before = member.tally;
        if member.removed && member.instances.is_empty() {
            self.members.remove(name);
            self.census.replace(before, Tally::default());
        } else {
            let after = member.refresh(self.turn.now.wall, self.ending != Ending::No);
            self.census.replace(before, after);
        }
    }

    fn finish_if_done(&mut self) {
        if matches!(self.ending, Ending::OfItself | Ending::Asked | Ending::Hurried) && self.books.alive == 0 {
            self.ending = Ending::Finished;
            self.turn.effects.push(Effect::Finished);
        }
    }
}
