//! A pretended Linux: performs effects, answers with events, and remembers what it saw.

use crate::behaviour::{Behaviour, GOOD, Process, Start};
use crate::crashes::Past;
use crate::invariants;
use crate::services::{UID, name};
use crate::supervised::Boards;
use crate::tasks::{GOOD_TASKS, Task, Tasks};
use abide::decide::diff::Powers;
use abide::decide::effect::Effect;
use abide::decide::event::{Event, RunId};
use abide::decide::fleet::{Finding, Fleet};
use abide::model::desired::{Definition, Delta, Entry};
use abide::model::diagnostic::{Code, Diagnostic};
use abide::model::name::{InstanceId, ServiceName};
use abide::model::order::{Done, Hold};
use abide::model::outcome::{Exit, Failure, Used};
use abide::model::plan::Step;
use abide::model::policy::StopScope;
use abide::model::rules::{GuardRules, RolloutRules, Rules};
use abide::model::selector::Target;
use abide::model::service::{Kind, Service};
use abide::model::signal::Signal;
use abide::model::status::{InstanceStatus, ServiceStatus, State};
use abide::model::time::{Mono, Now, Wall};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(crate) const MILLI: u64 = 1_000_000;
pub(crate) const POWERS: Powers = Powers { may_raise: false, uid: UID };

pub(crate) struct World {
    pub(crate) fleet: Fleet,
    pub(crate) now: u64,
    /// What the files say that the fleet must have taken: the last good ones, less those gone.
    pub(crate) accepted: BTreeMap<ServiceName, Arc<Definition>>,
    pub(crate) bad: BTreeSet<ServiceName>,
    /// What the good files say, taken or not.
    pub(crate) written: BTreeMap<ServiceName, Arc<Definition>>,
    /// What was in force last, of those gone too.
    pub(crate) last: BTreeMap<ServiceName, Arc<Definition>>,
    /// Those that are gone, and what they last said contradicted what others say since.
    pub(crate) contradicted: BTreeSet<ServiceName>,
    /// Services that ever had a narrower scope than the tree: what they leave is their own affair.
    loosened: BTreeSet<ServiceName>,
    pub(crate) processes: BTreeMap<RunId, Process>,
    pub(crate) behaviours: BTreeMap<ServiceName, Behaviour>,
    pub(crate) slots: usize,
    /// Runs whose output the logger cannot read.
    unheard: BTreeSet<RunId>,
    pub(crate) open: BTreeSet<InstanceId>,
    pub(crate) freeing: BTreeMap<(u64, u64), InstanceId>,
    pub(crate) ending_inputs: Vec<(InstanceId, RunId)>,
    pub(crate) flight: BTreeMap<(u64, u64), Event>,
    pub(crate) sent: u64,
    pub(crate) generation: u64,
    pub(crate) heard: Vec<Event>,
    pub(crate) announced: Vec<Step>,
    /// Names that were or are, since that was cleared, those of what goes on.
    pub(crate) moved: BTreeSet<ServiceName>,
    pub(crate) fragments: BTreeMap<ServiceName, ServiceStatus>,
    pub(crate) transcript: Vec<String>,
    pub(crate) shutdowns: u32,
    pub(crate) finished: bool,
    pub(crate) limits_fail: bool,
    /// Whether `[start] after` was ever there: whether that is over does not show in the status.
    pub(crate) hidden: bool,
    /// Commands that live.
    pub(crate) tasks: BTreeMap<RunId, Task>,
    /// Probes whose answer is still wanted.
    pub(crate) probes: BTreeSet<RunId>,
    /// What is on record as held.
    pub(crate) holds: BTreeMap<Target, Hold>,
    /// What came of the last order.
    pub(crate) answers: Vec<Done>,
    /// The signal that an operator sends.
    pub(crate) by_hand: Option<Signal>,
    /// What legacy services show.
    pub(crate) boards: Boards,
    /// What outlives a supervisor.
    pub(crate) past: Past,
}

/// A fleet that believes every removal: the guard has tests of its own.
pub(crate) fn unguarded(seed: u64) -> Fleet {
    let mut fleet = Fleet::new(POWERS, seed);
    let guard = GuardRules { window: None, ..GuardRules::default() };
    let rollout = RolloutRules { max_parallel: u64::MAX, ..RolloutRules::default() };
    fleet.set_rules(Rules { guard, rollout, ..Rules::default() });
    fleet
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            fleet: unguarded(7),
            now: 0,
            accepted: BTreeMap::new(),
            bad: BTreeSet::new(),
            written: BTreeMap::new(),
            last: BTreeMap::new(),
            contradicted: BTreeSet::new(),
            loosened: BTreeSet::new(),
            processes: BTreeMap::new(),
            behaviours: BTreeMap::new(),
            slots: usize::MAX,
            unheard: BTreeSet::new(),
            open: BTreeSet::new(),
            freeing: BTreeMap::new(),
            ending_inputs: Vec::new(),
            flight: BTreeMap::new(),
            sent: 0,
            generation: 0,
            heard: Vec::new(),
            announced: Vec::new(),
            moved: BTreeSet::new(),
            fragments: BTreeMap::new(),
            transcript: Vec::new(),
            shutdowns: 0,
            finished: false,
            limits_fail: false,
            hidden: false,
            tasks: BTreeMap::new(),
            probes: BTreeSet::new(),
            holds: BTreeMap::new(),
            answers: Vec::new(),
            by_hand: None,
            boards: Boards::new(),
            past: Past::default(),
        }
    }

    pub(crate) fn now(&self) -> Now {
        Now { mono: Mono(self.now), wall: Wall(1_795_360_000_000_000 + (self.now / 1000) as i64) }
    }

    // The files.

    /// Files appear or change, all in one delta.
    pub(crate) fn write_all(&mut self, services: impl IntoIterator<Item = Service>) {
        self.change(services, &[]);
    }

    /// Files appear or change, and others go, all in one delta.
    pub(crate) fn change(&mut self, services: impl IntoIterator<Item = Service>, gone: &[&str]) {
        let written = services.into_iter().map(|service| {
            let definition = Arc::new(Definition::from(service));
            (definition.service.name.clone(), Some(entry(&definition.service.name, Some(definition.clone()))))
        });
        let changes: BTreeMap<_, _> = gone.iter().map(|text| (name(text), None)).chain(written).collect();
        self.deliver_delta(changes.into_iter().collect());
    }

    /// What a process was brought to without a restart is what its next version is held against.
    fn note_versions(&mut self, accepted: &BTreeMap<ServiceName, Arc<Definition>>) {
        for process in self.processes.values_mut() {
            process.since_then.extend(accepted.get(&process.instance.service).cloned());
        }
    }

    pub(crate) fn write(&mut self, service: Service) {
        self.write_all([service]);
    }

    pub(crate) fn break_file(&mut self, text: &str) {
        self.deliver_delta(vec![(name(text), Some(entry(&name(text), None)))]);
    }

    pub(crate) fn remove(&mut self, text: &str) {
        self.deliver_delta(vec![(name(text), None)]);
    }

    pub(crate) fn deliver_delta(&mut self, changes: Vec<(ServiceName, Option<Entry>)>) {
        let (before, crashes) = (self.accepted.clone(), self.past.crashes);
        for (name, entry) in &changes {
            match entry {
                Some(Entry { service: Some(definition), .. }) => {
                    self.written.insert(name.clone(), definition.clone());
                    if definition.service.stop.scope != StopScope::Tree {
                        self.loosened.insert(name.clone());
                    }
                    self.bad.remove(name);
                }
                Some(_) => {
                    self.written.remove(name);
                    self.bad.insert(name.clone());
                }
                None => {
                    self.written.remove(name);
                    self.accepted.remove(name);
                    self.bad.remove(name);
                }
            }
        }
        self.generation += 1;
        self.announced.clear();
        self.moved.clear();
        let delta = Delta { changes, generation: self.generation, ..Delta::default() };
        self.fleet.handle(self.now(), Event::Delta(delta));
        self.note_versions(&before);
        self.take_what_was_judged();
        self.settle_turn();
        if crashes == self.past.crashes {
            invariants::announced_is_the_full_plan(self, &before);
        }
    }

    /// What names no other service is taken as it is; of the rest the fleet is asked, and judged in turn.
    pub(crate) fn take_what_was_judged(&mut self) {
        for (name, definition) in &self.written {
            let is_plain = definition.service.order.is_none() && definition.service.restart.on_give_up.is_none();
            let is_taken = self.fleet.accepted(name).is_some_and(|it| it.service.reads.is_some());
            let taken = if is_plain && !is_taken { Some(definition) } else { self.fleet.accepted(name) };
            if let Some(taken) = taken.cloned() {
                self.last.insert(name.clone(), taken.clone());
                self.accepted.insert(name.clone(), taken);
            }
        }
        self.take_log_commands();
        let gone = self.last.keys().filter(|name| !self.accepted.contains_key(*name));
        let contradicted: Vec<_> = gone.filter(|name| crate::order::comes_after(self, name, name)).cloned().collect();
        self.contradicted.retain(|name| !self.accepted.contains_key(name));
        self.contradicted.extend(contradicted);
        crate::order::the_judge_is_just(self);
    }

    /// Whoever takes the output of one of these came with it.
    fn take_log_commands(&mut self) {
        let of = |name: &ServiceName| self.accepted.get(name).and_then(|it| it.service.log_command());
        let is_there = |name: &ServiceName| self.fleet.accepted(name).is_some_and(|it| it.service.reads.is_some());
        let wanted = self.accepted.keys().filter_map(of).filter(|reader| is_there(&reader.name));
        let wanted: Vec<Arc<Definition>> = wanted.map(|reader| Arc::new(Definition::from(reader))).collect();
        self.accepted.retain(|_, it| it.service.reads.is_none());
        self.accepted.extend(wanted.into_iter().map(|it| (it.service.name.clone(), it)));
    }

    // Time.

    pub(crate) fn send(&mut self, after_ms: u64, event: Event) {
        self.sent += 1;
        self.flight.insert((self.now + after_ms * MILLI, self.sent), event);
    }

    pub(crate) fn deliver(&mut self, event: Event) {
        if event == Event::Shutdown {
            self.shutdowns += 1;
        }
        // A launcher's end and its daemon's look the same: the host tells each once.
        if event.instance().is_some() && !self.is_end_of_two(&event) {
            self.heard.push(event.clone());
        }
        self.fleet.handle(self.now(), event);
        self.settle_turn();
    }

    fn settle_turn(&mut self) {
        for (instance, run) in std::mem::take(&mut self.ending_inputs) {
            self.end_input_once_unwritten(instance, run);
        }
        if !self.carry_out() {
            self.succeed();
        }
        for finding in self.fleet.take_findings() {
            let line = match finding {
                Finding::Found { diagnostic, .. } => format!("found: {diagnostic}"),
                Finding::Mended { file, .. } => format!("mended: {}", file.display()),
            };
            self.note(&line);
        }
        invariants::check(self);
    }

    /// Goes to the next thing that happens, if that is not later than `until`.
    fn step(&mut self, until: u64) -> bool {
        let flight = self.flight.first_key_value().map(|((at, _), _)| *at);
        let deadline = self.fleet.next_deadline().map(|at| at.0.max(self.now));
        let freed = self.freeing.first_key_value().map(|((at, _), _)| *at);
        let Some(at) = [flight, deadline, freed].into_iter().flatten().min().filter(|at| *at <= until) else {
            return false;
        };
        self.now = at;
        if freed == Some(at) {
            let (_, id) = self.freeing.pop_first().expect("was just seen");
            self.open.remove(&id);
        } else if flight == Some(at) {
            let (event_key, mut event) = self.flight.pop_first().expect("was just seen");
            if let Event::Spawned { run, .. } = &event
                && let Some(process) = self.processes.get_mut(run)
            {
                process.since = Some(at);
            }
            if self.past.told_again.remove(&event_key) || self.still_true(&mut event) {
                self.note_end(&event);
                self.deliver(event);
            }
        } else {
            self.fleet.handle_timeout(self.now());
            self.settle_turn();
        }
        true
    }

    pub(crate) fn pass(&mut self, milliseconds: u64) {
        let until = self.now + milliseconds * MILLI;
        while self.step(until) {}
        self.now = until;
    }

    /// Runs until nothing is left to happen but what happens again and again.
    pub(crate) fn settle(&mut self) {
        let until = self.now + 300_000 * MILLI;
        for _ in 0..30_000 {
            if !self.step(if self.is_steady() { until } else { until + 900_000 * MILLI }) {
                return;
            }
        }
        panic!("the world does not come to rest:\n{}", self.transcript.join("\n"));
    }

    // The processes.

    /// An end that was scheduled for a process comes only if it has not ended otherwise.
    /// What is left then is seen then.
    fn still_true(&mut self, event: &mut Event) -> bool {
        let Event::Exited { run, leftovers, .. } = event else { return self.is_task_true(event) };
        let Some(process) = self.processes.get_mut(run) else { return false };
        *leftovers = process.rest;
        process.launched = Some(self.now);
        std::mem::replace(&mut process.main, false)
    }

    /// A process ends by itself, now.
    pub(crate) fn crash(&mut self, text: &str, exit: Exit) {
        let of = name(text);
        let found = self.processes.iter().find(|(_, process)| process.instance.service == of && process.main);
        if let Some((run, _)) = found.map(|(run, process)| (*run, process)) {
            self.end_main(run, exit, 0);
        }
    }

    /// The kernel kills a process for want of memory.
    pub(crate) fn starve(&mut self, text: &str) {
        self.crash(text, Exit::Signal { signal: Signal::KILL, core: false });
        if let Some(Event::Exited { oom, .. }) = self.flight.get_mut(&(self.now, self.sent)) {
            *oom = true;
        }
    }

    /// The logger finds no descriptor for the output of a process.
    pub(crate) fn deafen(&mut self, text: &str) {
        let of = name(text);
        let found = self.processes.iter().find(|(_, process)| process.instance.service == of && process.main);
        if let Some((run, instance)) = found.map(|(run, process)| (*run, process.instance.clone())) {
            self.unheard.insert(run);
            self.send(1, Event::Unheard { instance, run });
        }
    }

    pub(crate) fn end_main(&mut self, run: RunId, exit: Exit, after_ms: u64) {
        let Some(process) = self.processes.get_mut(&run).filter(|process| process.main && !process.doomed) else {
            return;
        };
        process.doomed = true;
        let (instance, leftovers) = (process.instance.clone(), process.rest);
        self.send(after_ms, Event::Exited { instance, run, exit, leftovers, oom: false, used: Used::default() });
    }

    pub(crate) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Spawn { instance, run, .. } if self.is_known(run) => self.spawned_before(&instance, run),
            Effect::Spawn { instance, run, wanted: false, .. } => self.not_spawned(instance, run),
            Effect::Spawn { instance, run, definition, .. } => self.spawn(instance, run, &definition),
            Effect::Resume { instance, run, ended, .. } => self.resume(instance, run, ended),
            Effect::AbandonSpawn { run, .. } => self.abandon(run),
            Effect::Signal { run, nth, signal, scope, .. } => {
                if self.past.is_first(run, nth) {
                    self.signal(run, signal, scope);
                }
            }
            Effect::EndInput { instance, run } => self.end_input(instance, run),
            Effect::SetLimits { instance, run, limits } => {
                if let (Some(process), Some(now)) = (self.processes.get_mut(&run), self.accepted.get(&instance.service))
                {
                    process.definition = now.clone();
                }
                let refusal = self.limits_fail.then(|| Failure::Prepare("not permitted".to_owned()));
                let outcome = refusal.map_or(Ok(limits), Err);
                self.send(1, Event::LimitsSet { instance, run, outcome });
            }
            Effect::SetLog { instance, numbered, .. } => self.note(&format!("log of {instance}, numbered: {numbered}")),
            Effect::Close { instance } => {
                assert!(self.living(&instance).next().is_none(), "{instance} is closed while it lives");
                self.note(&format!("closed {instance}"));
                self.sent += 1;
                self.freeing.insert((self.now + 50 * MILLI, self.sent), instance);
            }
            Effect::Report(transition) => {
                let id = &transition.instance;
                let shown = if transition.numbered { id.to_string() } else { id.service.to_string() };
                let (from, to) = (transition.from.as_str(), transition.to.as_str());
                self.note(&format!("{shown}: {from} -> {to}: {}", transition.reason));
            }
            Effect::SetResources { instance, run, definition } => {
                if let Some(process) = self.processes.get_mut(&run) {
                    process.definition = definition;
                }
                let outcome = if self.limits_fail { Err("not permitted".to_owned()) } else { Ok(()) };
                self.send(1, Event::ResourcesSet { instance, run, outcome });
            }
            Effect::FindMain { instance, run, .. } => self.find_main(instance, run),
            Effect::RunErrand { run, .. } if self.is_begun(run) => self.tell_again(run),
            Effect::RunErrand { instance, run, errand, definition, variables, .. } => {
                self.run_errand(instance, run, errand, &definition, &variables);
            }
            Effect::EndErrand { run, .. } => self.end_errand(run),
            Effect::Probe { instance, run, which, .. } => self.probe(instance, run, which),
            Effect::DropProbe { run, .. } => self.drop_probe(run),
            Effect::Measure { instance, run } => self.measure(instance, run),
            Effect::Answer { done, .. } => self.answers.extend(done),
            Effect::KeepHold { target, hold: Some(hold) } => {
                self.note(&format!("recorded: {target} is held"));
                self.holds.insert(target, hold);
            }
            Effect::KeepHold { target, hold: None } => {
                self.note(&format!("recorded: {target} is not held"));
                self.holds.remove(&target);
            }
            Effect::Announce(step) => self.announced.push(step),
            Effect::Finished => self.all_is_over(),
            effect => self.display(effect),
        }
    }

    /// What reads another's output ends at its end, if it can.
    fn end_input(&mut self, instance: InstanceId, run: RunId) {
        let Some(process) = self.processes.get_mut(&run) else { return };
        // Wanted again meanwhile, it goes down all the same: it may have seen the end already.
        process.excused = true;
        let writer = process.definition.service.reads.clone().map(|it| InstanceId::new(it, instance.index));
        if writer.is_some_and(|writer| self.living(&writer).next().is_some()) {
            self.ending_inputs.push((instance.clone(), run));
            return self.send(1, Event::InputHeld { instance, run });
        }
        self.note(&format!("{instance}: end of its input"));
        self.end_main(run, Exit::Code(0), 20);
    }

    fn end_input_once_unwritten(&mut self, instance: InstanceId, run: RunId) {
        let Some(process) = self.processes.get(&run) else { return };
        let writer = process.definition.service.reads.clone().map(|it| InstanceId::new(it, instance.index));
        if writer.is_some_and(|writer| self.living(&writer).next().is_some()) {
            self.ending_inputs.push((instance, run));
        } else {
            self.end_input(instance, run);
        }
    }

    fn all_is_over(&mut self) {
        let instances: Vec<InstanceId> = self.processes.values().map(|p| p.instance.clone()).collect();
        let left = instances.iter().find(|id| self.living(id).next().is_some());
        assert!(left.is_none(), "finished while {left:?} lives");
        assert!(self.tasks.is_empty(), "finished while commands live: {:?}", self.tasks);
        self.finished = true;
        self.note("finished");
    }

    /// Processes of an instance that a second one must not meet.
    pub(crate) fn living<'a>(&'a self, instance: &'a InstanceId) -> impl Iterator<Item = &'a Process> {
        let counts =
            |process: &&Process| process.main || (process.rest && !self.loosened.contains(&process.instance.service));
        self.processes.values().filter(move |process| process.instance == *instance).filter(counts)
    }

    fn spawn(&mut self, instance: InstanceId, run: RunId, definition: &Arc<Definition>) {
        invariants::one_process_an_instance(self, &instance);
        self.no_task_lives(&instance);
        assert!(!self.is_held(&instance.service, instance.index), "{instance} is held and starts\n{}", self.told());
        crate::order::what_it_requires_is_up(self, &instance.service);
        self.freeing.retain(|_, id| *id != instance);
        if !self.open.contains(&instance) && self.open.len() >= self.slots {
            return self.send(1, Event::SpawnFailed { instance, run, failure: Failure::NoDescriptors });
        }
        self.open.insert(instance.clone());
        let behaviour = self.behaviours.get(&instance.service).copied().unwrap_or(GOOD).of(&definition.service);
        if behaviour.start == Start::Fails {
            let failure = Failure::NoProgram { program: "/bin/serve".to_owned(), searched: String::new() };
            return self.send(1, Event::SpawnFailed { instance, run, failure });
        }
        let process = Process {
            instance: instance.clone(),
            definition: definition.clone(),
            since_then: Vec::new(),
            behaviour,
            main: true,
            rest: behaviour.leaves,
            asked: false,
            hangs: behaviour.start == Start::Hangs,
            doomed: false,
            started: self.now,
            launched: None,
            excused: false,
            since: None,
        };
        self.processes.insert(run, process);
        if behaviour.start == Start::Hangs {
            return;
        }
        // A life of no length: the end is told before the beginning.
        if let Some(life) = behaviour.life {
            let (instance, exit) = (instance.clone(), behaviour.exit);
            self.send(
                life,
                Event::Exited { instance, run, exit, leftovers: behaviour.leaves, oom: false, used: Used::default() },
            );
        }
        self.speak(&instance, run, definition);
        let limits = definition.service.limits.clone();
        self.send(1, Event::Spawned { instance, run, pid: 100 + run.0 as i32, start_ticks: run.0, limits });
    }

    fn abandon(&mut self, run: RunId) {
        let Some(process) = self.processes.get_mut(&run) else { return };
        if !process.hangs {
            return self.end_main(run, Exit::from_wait_status(9), 1);
        }
        (process.main, process.rest) = (false, false);
        let failure = Failure::SpawnTimeout(std::time::Duration::from_secs(5));
        let event = Event::SpawnFailed { instance: process.instance.clone(), run, failure };
        self.send(1, event);
    }

    fn signal(&mut self, run: RunId, signal: Signal, scope: StopScope) {
        self.note_signal(run, signal);
        if self.is_reload(run, signal) {
            return;
        }
        if self.by_hand == Some(signal) {
            self.note(&format!("{signal} by hand"));
            if signal == Signal::TERM {
                self.end_main(run, Exit::from_wait_status(15), 2);
            }
            return;
        }
        invariants::no_signal_without_reason(self, run);
        crate::order::those_after_it_are_down(self, run);
        let told = self.processes.get(&run).filter(|process| process.definition.service.kind == Kind::Daemontools);
        if let Some(line) = told.map(|process| format!("{}: {signal}", process.instance)) {
            self.note(&line);
        }
        let Some(process) = self.processes.get_mut(&run) else { return };
        process.asked = true;
        let immortal = process.behaviour.immortal;
        if signal == Signal::KILL && !immortal {
            let swept = scope != StopScope::Process && std::mem::replace(&mut process.rest, false);
            if process.main {
                self.end_main(run, Exit::from_wait_status(9), 1);
            } else if swept {
                let instance = process.instance.clone();
                self.send(1, Event::TreeEmpty { instance, run });
            }
        } else if signal == Signal::TERM && process.behaviour.obeys && !immortal {
            // What a launcher left obeys too.
            if process.launched.is_some() && !process.main && scope != StopScope::Process && process.rest {
                process.rest = false;
                let instance = process.instance.clone();
                return self.send(2, Event::TreeEmpty { instance, run });
            }
            self.end_main(run, Exit::from_wait_status(15), 2);
        }
    }

    pub(crate) fn was_asked(&self, run: RunId) -> bool {
        self.unheard.contains(&run) || self.processes.get(&run).is_some_and(|process| process.asked)
    }

    /// From now on all is well.
    pub(crate) fn mend(&mut self) {
        self.behaviours.clear();
        for process in self.processes.values_mut() {
            process.behaviour.tasks = GOOD_TASKS;
        }
        self.slots = usize::MAX;
        self.limits_fail = false;
        self.free_the_unkillable();
    }

    /// The kernel lets go of what it held; what was killed meanwhile dies.
    pub(crate) fn free_the_unkillable(&mut self) {
        let held: Vec<RunId> =
            self.processes.iter().filter(|(_, process)| process.behaviour.immortal).map(|(run, _)| *run).collect();
        for run in held {
            let Some(process) = self.processes.get_mut(&run) else { continue };
            process.behaviour.immortal = false;
            if !process.asked {
                continue;
            }
            let had_rest = std::mem::replace(&mut process.rest, false);
            let instance = process.instance.clone();
            if process.main && !process.doomed {
                self.end_main(run, Exit::from_wait_status(9), 0);
            } else if had_rest {
                self.send(5, Event::TreeEmpty { instance, run });
            }
        }
    }

    pub(crate) fn note(&mut self, line: &str) {
        let (seconds, rest) = (self.now / 1_000_000_000, self.now / MILLI % 1000);
        self.transcript.push(format!("{seconds:3}.{rest:03} {line}"));
    }

    /// What happened since this was asked last.
    pub(crate) fn told(&mut self) -> String {
        std::mem::take(&mut self.transcript).join("\n")
    }
}

/// A world with one service in it that behaves so.
pub(crate) fn world_with(behaviour: Behaviour, service: Service) -> World {
    let mut world = World::new();
    world.behaviours.insert(service.name.clone(), behaviour);
    world.write(service);
    world
}

/// The same of a service whose process is good, and what is more to it is altered.
pub(crate) fn tasked<T>(service: Service, alter: impl FnOnce(&mut Tasks) -> T) -> World {
    let mut behaviour = GOOD;
    alter(&mut behaviour.tasks);
    world_with(behaviour, service)
}

pub(crate) fn state(world: &World, text: &str) -> State {
    world.fragments[&name(text)].state
}

pub(crate) fn instance(text: &str) -> InstanceId {
    InstanceId::new(name(text), 0)
}

/// The status of its first instance.
pub(crate) fn instance_status(world: &World, text: &str) -> InstanceStatus {
    world.fragments[&name(text)].instances[0].clone()
}

pub(crate) fn entry(name: &ServiceName, service: Option<Arc<Definition>>) -> Entry {
    let file = std::path::PathBuf::from(format!("services.d/{name}.toml"));
    let diagnostics = match service {
        Some(_) => Vec::new(),
        None => vec![Diagnostic::error(&file, Code::Syntax, "this is no TOML").help("close the string")],
    };
    Entry {
        file,
        drop_ins: Vec::new(),
        kind: Kind::Toml,
        file_hash: None,
        service,
        diagnostics,
        inputs: Vec::new(),
        delegated: None,
    }
}
