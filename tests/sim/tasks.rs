//! What the pretended Linux knows beside processes: commands, probes, daemons that a launcher leaves,
//! and what services say of themselves.

use crate::behaviour::Process;
use crate::invariants;
use crate::world::{MILLI, World};
use abide::decide::effect::{Errand, Which};
use abide::decide::event::{Event, RunId};
use abide::model::check::{Check, Sign};
use abide::model::desired::Definition;
use abide::model::name::{InstanceId, ServiceName};
use abide::model::outcome::Exit;
use abide::model::policy::{ReloadBy, ServiceType};
use abide::model::signal::Signal;
use abide::model::status::State;
use std::sync::Arc;

/// How a service's commands and checks fare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tasks {
    /// So many milliseconds after its start it is ready; never.
    pub(crate) ready: Option<u64>,
    /// Whether probes of it have no answer.
    pub(crate) deaf: bool,
    /// Whether it is well.
    pub(crate) well: bool,
    /// How its commands end.
    pub(crate) commands: Way,
    /// So many milliseconds after its launcher the daemon can be found.
    pub(crate) daemon: u64,
    /// Bytes that its tree uses.
    pub(crate) memory: u64,
}

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Well(u64),
    Fails,
    Hangs,
}

pub(crate) const GOOD_TASKS: Tasks =
    Tasks { ready: Some(5), deaf: false, well: true, commands: Way::Well(3), daemon: 0, memory: 1 << 20 };

/// A command that lives.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) instance: InstanceId,
    pub(crate) errand: Errand,
}

impl World {
    fn tasks_of(&self, instance: &InstanceId) -> Tasks {
        let process = self.processes.values().rev().find(|p| p.instance == *instance && (p.main || p.rest));
        let behaviour = process.map(|process| process.behaviour);
        behaviour.or_else(|| self.behaviours.get(&instance.service).copied()).map_or(GOOD_TASKS, |b| b.tasks)
    }

    fn main_of(&mut self, instance: &InstanceId) -> Option<(RunId, &mut Process)> {
        let found = self.processes.iter_mut().rev().find(|(_, p)| p.instance == *instance && p.main);
        found.map(|(run, process)| (*run, process))
    }

    /// Whether what a check asks is so now; if not, that excuses what follows.
    fn answer(&mut self, instance: &InstanceId, which: Which) -> Result<(), String> {
        let now = self.now;
        let tasks = self.tasks_of(instance);
        let Some((_, process)) = self.main_of(instance) else { return Err("connection refused".to_owned()) };
        let good = match which {
            Which::Ready => tasks.ready.is_some_and(|after| now >= process.started + after * MILLI),
            Which::Health => tasks.well,
        };
        process.excused |= !good && which == Which::Health;
        if good { Ok(()) } else { Err("connection refused".to_owned()) }
    }

    pub(crate) fn run_errand(
        &mut self,
        instance: InstanceId,
        run: RunId,
        errand: Errand,
        definition: &Arc<Definition>,
        variables: &[(String, String)],
    ) {
        let mains = self.living(&instance).filter(|process| process.main).count();
        if matches!(errand, Errand::Before(_) | Errand::Stopped(_)) {
            assert_eq!(mains, 0, "{errand:?} of {instance} runs beside it\n{}", self.transcript.join("\n"));
        }
        let twice = self.tasks.values().any(|task| task.instance == instance && task.errand == errand);
        assert!(!twice, "{errand:?} of {instance} runs twice\n{}", self.transcript.join("\n"));
        self.open.insert(instance.clone());
        if let Some((main, _)) = self.main_of(&instance).filter(|_| errand == Errand::Stop) {
            invariants::no_signal_without_reason(self, main);
            self.processes.entry(main).and_modify(|process| process.asked = true);
        }
        if !matches!(errand, Errand::Check(_)) {
            let told: Vec<String> = variables.iter().map(|(name, value)| format!(" {name}={value}")).collect();
            self.note(&format!("{} runs {errand:?}{}", definition.service.name, told.concat()));
        }
        let tasks = self.tasks_of(&instance);
        self.tasks.insert(run, Task { instance: instance.clone(), errand });
        let (after, exit) = match (errand, tasks.commands) {
            (Errand::Check(_), _) if tasks.deaf => return self.excuse(&instance, errand),
            (Errand::Check(which), _) => (1, self.answer(&instance, which).map_or(1, |()| 0)),
            (_, Way::Well(time)) => (time, 0),
            (_, Way::Fails) => (1, 1),
            (_, Way::Hangs) => return self.excuse(&instance, errand),
        };
        if exit != 0 {
            self.excuse(&instance, errand);
        }
        self.send(after, Event::ErrandEnded { instance, run, outcome: Ok(Exit::Code(exit)) });
    }

    fn excuse(&mut self, instance: &InstanceId, errand: Errand) {
        if let Some((_, process)) = self.main_of(instance) {
            process.excused |= matches!(errand, Errand::After(_) | Errand::Check(Which::Health));
        }
    }

    pub(crate) fn end_errand(&mut self, run: RunId) {
        let Some(task) = self.tasks.get(&run) else { return };
        let (instance, outcome) = (task.instance.clone(), Ok(Exit::from_wait_status(9)));
        self.send(1, Event::ErrandEnded { instance, run, outcome });
    }

    pub(crate) fn probe(&mut self, instance: InstanceId, run: RunId, which: Which) {
        self.probes.insert(run);
        if self.tasks_of(&instance).deaf {
            return self.excuse(&instance, Errand::Check(which));
        }
        let outcome = self.answer(&instance, which);
        self.send(1, Event::Probed { instance, run, outcome });
    }

    pub(crate) fn drop_probe(&mut self, run: RunId) {
        assert!(self.probes.remove(&run), "{run:?} is no probe, or had its answer");
    }

    pub(crate) fn measure(&mut self, instance: InstanceId, run: RunId) {
        let memory = self.tasks_of(&instance).memory;
        let most = self.accepted.get(&instance.service).and_then(|definition| definition.service.restart.max_memory);
        if let Some((_, process)) = self.main_of(&instance) {
            process.excused |= most.is_some_and(|most| memory > most);
        }
        self.send(1, Event::Measured { instance, run, memory });
    }

    pub(crate) fn find_main(&mut self, instance: InstanceId, run: RunId) {
        let after = self.tasks_of(&instance).daemon * MILLI;
        let process = self.processes.get(&run);
        // One that was found before, and not written down, is found again.
        let there = |p: &Process| p.rest || p.main && p.launched.is_some();
        let found = process.is_some_and(|p| there(p) && p.launched.is_some_and(|at| self.now >= at + after));
        let outcome = if found { Ok((1000 + run.0 as i32, run.0)) } else { Err("no pid file".to_owned()) };
        self.send(1, Event::MainFound { instance, run, outcome });
    }

    /// What a new process will say of itself.
    pub(crate) fn speak(&mut self, instance: &InstanceId, run: RunId, definition: &Definition) {
        let service = &definition.service;
        let Some(process) = self.processes.get(&run) else { return };
        let tasks = process.behaviour.tasks;
        let spoken = |check: &Check| matches!(check, Check::Notify | Check::Descriptor(_) | Check::Log(_));
        if let (Some(ready), Some(after)) = (&service.ready, tasks.ready)
            && spoken(&ready.check)
        {
            self.send(after, Event::Signed { instance: instance.clone(), run, sign: Sign::Ready });
        }
        if service.health.as_ref().is_some_and(|health| health.check == Check::Notify) {
            self.send(1, Event::Signed { instance: instance.clone(), run, sign: Sign::Alive });
        }
    }

    /// A running process says something.
    pub(crate) fn sign(&mut self, text: &str, sign: Sign) {
        let instance = InstanceId::new(crate::services::name(text), 0);
        let Some((run, process)) = self.main_of(&instance) else { return };
        process.excused |= sign == Sign::Unwell;
        self.deliver(Event::Signed { instance, run, sign });
    }

    /// Its own configuration changes.
    pub(crate) fn change_files(&mut self, text: &str) {
        let service = crate::services::name(text);
        for process in self.processes.values_mut().filter(|process| process.instance.service == service) {
            process.excused = true;
        }
        self.deliver(Event::FilesChanged { service, files: vec!["web.conf".to_owned()] });
    }

    /// Whether what was sent is still so when it arrives.
    pub(crate) fn is_task_true(&mut self, event: &mut Event) -> bool {
        match event {
            Event::ErrandEnded { instance, run, outcome } => {
                let Some(task) = self.tasks.remove(run) else { return false };
                let obeys = self
                    .main_of(instance)
                    .filter(|(_, process)| process.behaviour.obeys && !process.behaviour.immortal);
                let ended =
                    obeys.map(|(run, _)| run).filter(|_| task.errand == Errand::Stop && *outcome == Ok(Exit::Code(0)));
                if let Some(main) = ended {
                    self.end_main(main, Exit::Code(0), 0);
                }
                true
            }
            Event::Probed { run, .. } => self.probes.remove(run),
            Event::MainFound { run, outcome, .. } => {
                let Some(process) = self.processes.get_mut(run) else { return false };
                if outcome.is_ok() && process.rest && !process.main {
                    (process.main, process.rest, process.doomed) = (true, false, false);
                    self.past.ends.remove(run);
                } else if outcome.is_ok() && !process.main {
                    *outcome = Err("it has ended".to_owned());
                }
                true
            }
            Event::Signed { instance, run, sign } => {
                let Some(process) = self.processes.get_mut(run).filter(|process| process.main || process.rest) else {
                    return false;
                };
                if *sign == Sign::Alive {
                    // A process that is not well gives no sign of life, and lives.
                    process.excused |= !process.behaviour.tasks.well;
                    let well = process.behaviour.tasks.well;
                    let (instance, run) = (instance.clone(), *run);
                    self.send(3000, Event::Signed { instance, run, sign: Sign::Alive });
                    return well;
                }
                true
            }
            _ => true,
        }
    }

    /// Whether this end may be one of two of the same run.
    pub(crate) fn is_end_of_two(&self, event: &Event) -> bool {
        let Event::Exited { run, .. } = event else { return false };
        let forking =
            |process: &Process| matches!(process.definition.service.service_type, ServiceType::Forking { .. });
        self.processes.get(run).is_some_and(forking)
    }

    pub(crate) fn no_task_lives(&self, instance: &InstanceId) {
        let living: Vec<&Task> = self.tasks.values().filter(|task| task.instance == *instance).collect();
        assert!(living.is_empty(), "{instance} starts beside {living:?}\n{}", self.transcript.join("\n"));
    }

    /// Whether its file itself ends it by now.
    pub(crate) fn has_reason_in_time(&self, process: &Process) -> bool {
        let Some(wanted) = self.accepted.get(&process.instance.service) else { return false };
        let age = std::time::Duration::from_nanos(self.now - process.started);
        [&wanted.service, &process.definition.service].into_iter().any(|service| {
            let forks = matches!(service.service_type, ServiceType::Forking { .. });
            let start = service.ready.as_ref().map(|ready| ready.timeout);
            let start = start.or(forks.then_some(std::time::Duration::from_secs(60)));
            start.is_some_and(|time| age >= time) || service.restart.max_age.is_some_and(|time| age >= time)
        })
    }

    /// Whether this signal is the service's own way to reload.
    pub(crate) fn is_reload(&self, run: RunId, signal: Signal) -> bool {
        let Some(process) = self.processes.get(&run) else { return false };
        let reload = |definition: &Arc<Definition>| definition.service.reload.as_ref().map(|reload| reload.how.clone());
        let by = ReloadBy::Signal(signal);
        let wanted = self.accepted.get(&process.instance.service);
        signal == Signal::HUP
            && [Some(&process.definition), wanted].into_iter().flatten().any(|d| reload(d) == Some(by.clone()))
    }

    pub(crate) fn note_signal(&mut self, run: RunId, signal: Signal) {
        let Some(process) = self.processes.get(&run) else { return };
        let service = &process.definition.service;
        if (!service.stop.steps.is_empty() || service.stop.command.is_some()) && signal != Signal::CONT {
            self.note(&format!("{signal} to {}", service.name.clone()));
        }
    }

    /// Whether no instance is on its way anywhere.
    pub(crate) fn is_steady(&self) -> bool {
        let moving = [State::Starting, State::Stopping, State::Backoff, State::Reloading, State::Waiting];
        let ready = |name: &ServiceName, state: State| {
            let declared = self.accepted.get(name).is_some_and(|definition| definition.service.ready.is_some());
            !(moving.contains(&state) || declared && state == State::Running)
        };
        let busy = |task: &Task| task.errand != Errand::Check(Which::Health);
        !self.tasks.values().any(busy)
            && self.fragments.iter().all(|(name, status)| status.instances.iter().all(|i| ready(name, i.state)))
    }
}
