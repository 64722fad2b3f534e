//! Errands: commands of a service beside the service itself, each in a slot of its own for as long as it takes.

use super::{Host, errors_of};
use crate::decide::effect::{Errand, Which};
use crate::decide::event::{Event, RunId};
use crate::host::seat::Run;
use crate::host::spawn::{Order, Refused};
use crate::host::tree::{self, Reach};
use crate::model::check::Check;
use crate::model::desired::Definition;
use crate::model::name::InstanceId;
use crate::model::outcome::{Exit, Failure};
use crate::model::policy::ReloadBy;
use crate::model::service::Service;
use crate::model::signal::Signal;
use std::collections::HashMap;
use std::sync::Arc;

/// Those under way, by slot.
#[derive(Debug, Default)]
pub(super) struct Errands(HashMap<u32, UnderWay>);

#[derive(Debug)]
struct UnderWay {
    instance: InstanceId,
    run: RunId,
    stage: Stage,
}

/// As a run's: the exit and the answer of the spawn thread come in any order.
#[derive(Debug)]
enum Stage {
    Ordered { exit: Option<Exit> },
    Refused(Failure),
    Living,
}

impl Errands {
    /// Whether that run in that slot is an errand.
    pub(super) fn is_one(&self, slot: u32, run: RunId) -> bool {
        self.0.get(&slot).is_some_and(|errand| errand.run == run)
    }

    /// Whose that run in that slot is, if it is an errand.
    pub(super) fn whose(&self, slot: u32, run: RunId) -> Option<&InstanceId> {
        self.0.get(&slot).filter(|errand| errand.run == run).map(|errand| &errand.instance)
    }

    /// Those of `from` are those of `to` from now on.
    pub(super) fn rename(&mut self, from: &InstanceId, to: &InstanceId) {
        for errand in self.0.values_mut().filter(|errand| errand.instance == *from) {
            errand.instance.clone_from(to);
        }
    }

    /// One of an earlier supervisor.
    pub(super) fn resume(&mut self, slot: u32, instance: InstanceId, run: RunId) {
        self.0.insert(slot, UnderWay { instance, run, stage: Stage::Living });
    }

    /// Whether the spawn thread has still to answer for one of `instance`.
    pub(super) fn is_any_ordered_for(&self, instance: &InstanceId) -> bool {
        self.0.values().any(|errand| errand.instance == *instance && matches!(errand.stage, Stage::Ordered { .. }))
    }
}

impl Host {
    pub(super) fn run_errand(
        &mut self,
        instance: InstanceId,
        run: RunId,
        errand: Errand,
        definition: &Arc<Definition>,
        (mut variables, arguments): (Vec<(String, String)>, Vec<String>),
    ) {
        if self.is_errand_begun(&instance, run) {
            return;
        }
        let failed = |failure| Event::ErrandEnded { instance: instance.clone(), run, outcome: Err(failure) };
        let Some(words) = words(&definition.service, errand) else {
            let failure = Failure::Prepare("the service has no such command".to_owned());
            return self.events.push_back(failed(failure));
        };
        let numbered = definition.service.instances > 1;
        let main = self.seat_of(&instance, definition, numbered).map(|seat| match seat.run {
            Run::Living { run } => Some((seat.slot as usize, run)),
            _ => None,
        });
        let (Some(main), Some(output)) = (main, self.output_of(&instance, definition)) else {
            return self.events.push_back(failed(Failure::NoDescriptors));
        };
        if let Some(pid) = main.and_then(|(slot, run)| self.table.running(slot, run.0)) {
            variables.push(("MAINPID".to_owned(), pid.to_string()));
        }
        let Some(slot) = self.seats.slot() else {
            return self.events.push_back(failed(Failure::NoDescriptors));
        };
        self.errands.0.insert(slot, UnderWay { instance: instance.clone(), run, stage: Stage::Ordered { exit: None } });
        let errors = self.seats.get(&instance).and_then(|seat| errors_of(&definition.service, seat.slot));
        let command = Some([words, arguments.as_slice()].concat());
        let order = Order::service(instance, slot as usize, run, Arc::clone(definition));
        self.spawner.order(Order { command, variables, output, errors, input: None, beside: main, ..order });
    }

    pub(super) fn end_errand(&mut self, run: RunId) {
        let slot = self.errands.0.iter().find(|(_, errand)| errand.run == run).map(|(slot, _)| *slot as usize);
        let Some(slot) = slot else { return };
        self.spawner.abandon(slot, run);
        self.kill_errand(slot, run);
    }

    pub(super) fn end_errands_of(&mut self, instance: &InstanceId) {
        let runs: Vec<RunId> =
            self.errands.0.values().filter(|errand| errand.instance == *instance).map(|errand| errand.run).collect();
        for run in runs {
            self.end_errand(run);
        }
    }

    /// Those whose end nobody waits for.
    pub(super) fn kill_errands(&mut self) {
        let all: Vec<(usize, RunId)> = self.errands.0.iter().map(|(slot, it)| (*slot as usize, it.run)).collect();
        for (slot, run) in all {
            self.kill_errand(slot, run);
        }
    }

    fn kill_errand(&mut self, slot: usize, run: RunId) {
        // What cannot be signalled is gone, and its exit says so.
        let _ = tree::signal(&self.table, Reach::Group, slot, run.0, Signal::KILL);
    }

    /// The spawn thread's answer.
    pub(super) fn errand_spawned(&mut self, slot: u32, result: Result<(), Refused>) {
        let Some(UnderWay { instance, stage, .. }) = self.errands.0.get_mut(&slot) else { return };
        let instance = instance.clone();
        if let Stage::Ordered { exit } = stage {
            match (result, *exit) {
                (Ok(()), None) => *stage = Stage::Living,
                (Ok(()), Some(exit)) => self.errand_ended(slot, Ok(exit)),
                (Err(refused), None) if refused.had_process => *stage = Stage::Refused(refused.failure),
                (Err(refused), _) => self.errand_ended(slot, Err(refused.failure)),
            }
        }
        let is_living = self.errands.0.get(&slot).is_some_and(|errand| matches!(errand.stage, Stage::Living));
        let is_after = self.seats.get(&instance).is_some_and(|seat| !matches!(seat.run, Run::Living { .. }));
        if is_living && is_after {
            let run = self.errands.0.get(&slot).map(|errand| errand.run);
            let pid = run.and_then(|run| self.table.running(slot as usize, run.0));
            self.finishing(&instance, pid);
        }
        let leaving = self.seats.get(&instance).is_some_and(|seat| seat.leaving);
        if leaving && !self.errands.is_any_ordered_for(&instance) {
            self.close(&instance);
        }
    }

    /// The keeper's word.
    pub(super) fn errand_exited(&mut self, slot: u32, how: Exit) {
        let Some(errand) = self.errands.0.get_mut(&slot) else { return };
        match &mut errand.stage {
            Stage::Ordered { exit } => *exit = Some(how),
            Stage::Refused(failure) => {
                let failure = failure.clone();
                self.errand_ended(slot, Err(failure));
            }
            Stage::Living => self.errand_ended(slot, Ok(how)),
        }
    }

    fn errand_ended(&mut self, slot: u32, outcome: Result<Exit, Failure>) {
        let Some(UnderWay { instance, run, .. }) = self.errands.0.remove(&slot) else { return };
        // It is over when its command is: what that left in its group has no other end.
        self.kill_errand(slot as usize, run);
        self.table.clear_group(slot as usize);
        self.seats.free(slot);
        self.finishing(&instance, None);
        self.events.push_back(Event::ErrandEnded { instance, run, outcome });
    }
}

/// The command of an errand; `None` where the service has none.
fn words(service: &Service, errand: Errand) -> Option<&[String]> {
    let hooks = service.hooks.as_deref();
    let words = match errand {
        Errand::Before(n) => hooks?.start_before.get(n)?,
        Errand::After(n) => hooks?.start_after.get(n)?,
        Errand::Stopped(n) => hooks?.stop_after.get(n)?,
        Errand::Stop => service.stop.command.as_ref()?,
        Errand::Reload => match &service.reload.as_deref()?.how {
            ReloadBy::Command(words) => words,
            ReloadBy::Signal(_) => return None,
        },
        Errand::Check(which) => match check(service, which)? {
            Check::Exec(words) => words,
            _ => return None,
        },
    };
    Some(words)
}

/// One of the checks of a service.
pub(super) fn check(service: &Service, which: Which) -> Option<&Check> {
    match which {
        Which::Ready => service.ready.as_deref().map(|ready| &ready.check),
        Which::Health => service.health.as_deref().map(|health| &health.check),
    }
}
