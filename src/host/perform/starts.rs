//! How runs begin: what the spawn threads say of one, put together with what the keeper may have said already.

use super::Host;
use super::output::attach;
use crate::decide::event::Event;
use crate::host::seat::Run;
use crate::host::spawn::Outcome;

impl Host {
    /// What a spawn thread has to say.
    pub fn spawned(&mut self, outcome: Outcome) {
        let Outcome { instance, slot, run, result, opened_pipe } = outcome;
        // It may have another name by now.
        let instance = self.errands.whose(slot as u32, run).cloned().unwrap_or(instance);
        if let Some(seat) = self.seats.get_mut(&instance).filter(|_| opened_pipe) {
            seat.attached = true;
            let (slot, order) = (seat.slot, attach(instance.index, seat, None));
            self.remind_of_line(slot);
            self.logger.send(&order);
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
                let heard = seat.attached || !seat.definition.service.log.is_logged();
                self.events.push_back(Event::Spawned { instance: instance.clone(), run, pid, start_ticks, limits });
                let said = signs.into_iter().map(|sign| Event::Signed { instance: instance.clone(), run, sign });
                self.events.extend(said);
                if !heard {
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
}
