//! How much memory a tree uses.

use super::Host;
use crate::decide::event::{Event, RunId};
use crate::host::proc;
use crate::host::usage::page;
use crate::model::name::InstanceId;

impl Host {
    /// Answers with what the kernel counts for the cgroup, where it does. Else with the resident memory of all
    /// processes, in which what they share counts once: for each what is its own, and for all together the largest
    /// share of files and shared memory. (PSS would tell better, and costs milliseconds a process and rights that
    /// abide may not have.)
    pub(super) fn measure(&mut self, instance: InstanceId, run: RunId) {
        let Some(seat) = self.seats.get(&instance).filter(|seat| seat.run.id() == Some(run)) else { return };
        let slot = seat.slot;
        let counted = self.groups.path(&instance).and_then(|path| proc::read(path.join("memory.current")).ok());
        let counted = counted.and_then(|text| text.trim().parse().ok());
        let Some(memory) = counted.or_else(|| self.resident(&instance, slot)) else { return };
        self.events.push_back(Event::Measured { instance, run, memory });
    }
    fn resident(&mut self, instance: &InstanceId, slot: u32) -> Option<u64> {
        let usages = self.members(instance, slot).into_iter().filter_map(proc::resident);
        let (own, shared) = usages.fold((0, 0), |(own, shared): (u64, u64), (resident, of_it_shared)| {
            (own + resident.saturating_sub(of_it_shared), shared.max(of_it_shared))
        });
        let pages = own + shared;
        (pages > 0).then(|| pages * page())
    }
}
