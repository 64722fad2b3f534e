//! What the spawn threads and the keeper say of a run, put together: each has a beginning and an end.

use super::Host;
use super::output::attach;
use crate::decide::event::{Event, RunId};
use crate::host::seat::Run;
use crate::host::spawn::Outcome;
use crate::host::tree;
use crate::model::name::InstanceId;
use crate::model::outcome::Exit;
use crate::model::policy::StopScope;
use crate::table::Notice;

impl Host {
    /// What a spawn thread has to say.
    pub fn spawned(&mut self, outcome: Outcome) {
        let Outcome { instance, slot, run, result, opened_pipe } = outcome;
        if let Some(seat) = self.seats.get_mut(&instance).filter(|_| opened_pipe) {
            seat.attached = true;
            self.logger.send(&attach(seat, None));
            let slot = seat.slot;
            self.remind_of_line(slot);
        }
        if self.errands.is_one(slot as u32, run) {
            return self.errand_spawned(slot as u32, result.map(drop));
        }
        let Some(seat) = self.seats.get_mut(&instance) else { return };
        let Run::Ordered { run: ordered, exit, signs } = &mut seat.run else { return };
        if *ordered != run {
            return;
        }
        let (exit, signs) = (*exit, std::mem::take(signs));
        match (result, exit) {
            (Ok(started), exit) => {
                let (pid, start_ticks, limits) = (started.pid, started.start_ticks, started.limits);
                seat.run = Run::Living { run };
                let attached = seat.attached;
                self.events.push_back(Event::Spawned { instance: instance.clone(), run, pid, start_ticks, limits });
                let said = signs.into_iter().map(|sign| Event::Signed { instance: instance.clone(), run, sign });
                self.events.extend(said);
                if !attached {
                    self.events.push_back(Event::Unheard { instance: instance.clone(), run });
                }
                if let Some(reader) = started.ready {
                    self.await_readiness(slot as u32, reader);
                }
                if let Some(exit) = exit {
                    self.ended(&instance, run, exit);
                }
            }
            (Err(refused), None) if refused.had_process => {
                seat.run = Run::Refused { run, failure: refused.failure };
            }
            (Err(refused), _) => {
                seat.run = Run::None;
                self.forget_readiness(slot as u32);
                self.events.push_back(Event::SpawnFailed { instance, run, failure: refused.failure });
            }
        }
    }

    /// What the keeper noted in the table; to be called when its bell rang.
    pub fn exits(&mut self) {
        for notice in self.table.take_exits() {
            match notice {
                Notice::Exited { slot, run, ending, .. } => {
                    self.exited(slot as u32, RunId(run), Exit::from_wait_status(ending.status));
                }
                Notice::Stray { slot } => self.strays(slot as u32),
            }
        }
    }

    fn exited(&mut self, slot: u32, run: RunId, how: Exit) {
        if self.errands.is_one(slot, run) {
            return self.errand_exited(slot, how);
        }
        let Some((instance, seat)) = self.seats.at(slot).filter(|(_, seat)| seat.run.id() == Some(run)) else {
            return self.table.clear_group(slot as usize);
        };
        match &mut seat.run {
            Run::Ordered { exit, .. } => *exit = Some(how),
            Run::Refused { failure, .. } => {
                let failure = failure.clone();
                seat.run = Run::None;
                self.table.clear_group(slot as usize);
                self.forget_readiness(slot);
                self.events.push_back(Event::SpawnFailed { instance, run, failure });
            }
            Run::Living { .. } => self.ended(&instance, run, how),
            Run::None | Run::Leftovers { .. } => {}
        }
    }

    fn ended(&mut self, instance: &InstanceId, run: RunId, exit: Exit) {
        let Some(seat) = self.seats.get_mut(instance) else { return };
        let watched = seat.definition.service.stop.scope != StopScope::Process;
        let slot = seat.slot as usize;
        let leftovers = watched && tree::has_leftovers(&self.table, slot);
        seat.run = if leftovers { Run::Leftovers { run } } else { Run::None };
        if !leftovers {
            self.table.clear_group(slot);
            self.forget_readiness(slot as u32);
        }
        self.events.push_back(Event::Exited { instance: instance.clone(), run, exit, leftovers, oom: false });
    }

    fn strays(&mut self, slot: u32) {
        let Some((instance, seat)) = self.seats.at(slot) else { return };
        let Run::Leftovers { run } = seat.run else { return };
        if !tree::has_leftovers(&self.table, slot as usize) {
            seat.run = Run::None;
            self.forget_readiness(slot);
            self.events.push_back(Event::TreeEmpty { instance, run });
        }
    }
}
