//! How runs end: signals, exits, and what is left of a tree after its main process.

use super::super::cgroup::group;
use super::super::pipe;
use super::super::seat::Run;
use super::super::tree::{self, Census, Reach};
use super::{Host, Trouble};
use crate::decide::event::{Event, RunId};
use crate::log::order as logger;
use crate::model::name::InstanceId;
use crate::model::outcome::{Exit, Used};
use crate::model::policy::{ServiceType, StopScope};
use crate::model::signal::Signal;
use crate::table::Notice;
use nix::sys::resource::{UsageWho, getrusage};
use std::io;
use std::os::fd::OwnedFd;

impl Host {
    pub(super) fn signal(&mut self, instance: &InstanceId, run: RunId, signal: Signal, scope: StopScope) {
        let Some(seat) = self.seats.get_mut(instance).filter(|seat| seat.run.id() == Some(run)) else { return };
        if (signal, scope) == (Signal::KILL, StopScope::Tree) {
            seat.killed = run;
        }
        let (slot, numbered) = (seat.slot as usize, seat.numbered);
        let path = self.groups.path(instance);
        let reach = match (scope, &path) {
            (StopScope::Process, _) => Reach::Process,
            (StopScope::Group, _) => Reach::Group,
            (StopScope::Tree, Some(path)) => Reach::Cgroup(path),
            (StopScope::Tree, None) => Reach::Census(match &mut self.census {
                Some(census) => census,
                // Without it the group is left, which needs none.
                none => none.insert(Census::take(&self.table, &mut self.strays).unwrap_or_default()),
            }),
        };
        if let Err(error) = tree::signal(&self.table, reach, slot, run.0, signal) {
            let message = format!("could not send {signal}: {error}");
            self.troubles.push(Trouble { instance: Some(instance.clone()), numbered, message });
        }
    }

    /// What the keeper noted in the table; to be called when its bell rang.
    pub fn exits(&mut self) {
        self.strays_seen = false;
        for notice in self.table.take_exits() {
            match notice {
                Notice::Exited { slot, run, pid, ending } => {
                    self.remember_gone(pid);
                    self.exited(slot as u32, RunId(run), Exit::from_wait_status(ending.status));
                }
                Notice::Stray { slot: 0 } => {
                    for slot in self.awaited.clone() {
                        self.look_again(slot);
                    }
                }
                Notice::Stray { slot } => self.look_again(slot as u32),
            }
        }
    }

    /// Readable when a group that is waited for changed; `None` where no group ever is.
    pub fn tree_events(&self) -> Option<io::Result<OwnedFd>> {
        self.watches.descriptor()
    }

    /// Groups that are waited for changed; to be called when that descriptor is readable.
    pub fn trees(&mut self) {
        for slot in self.watches.changed() {
            self.look_again(slot);
        }
    }

    pub(super) fn exited(&mut self, slot: u32, run: RunId, how: Exit) {
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

    pub(super) fn ended(&mut self, instance: &InstanceId, run: RunId, exit: Exit) {
        let Some(seat) = self.seats.get(instance) else { return };
        let (slot, scope) = (seat.slot, seat.definition.service.stop.scope);
        // What a launcher left may have gone from where it can be told. It is still to be looked for.
        let forking = matches!(seat.definition.service.service_type, ServiceType::Forking { .. });
        let sought = forking && matches!(exit, Exit::Code(_));
        let leftovers = self.is_left(instance, slot, scope);
        let oom = self.ran_out_of_memory(instance, exit);
        let Some(seat) = self.seats.get_mut(instance) else { return };
        let attached = seat.attached;
        let is_fed = seat.definition.service.program.is_some();
        seat.run = if leftovers || sought { Run::Leftovers { run } } else { Run::None };
        if !leftovers && !sought {
            self.table.clear_group(slot as usize);
            self.forget_readiness(slot);
        }
        if is_fed && let Err(error) = self.pipes.release_one(pipe::input(slot as usize)) {
            // What it left unread there is nothing for the next one.
            self.cannot_release(slot, &error);
        }
        let (cpu_us, max_rss_kib) = self.table.last_usage(slot as usize);
        let used = Used { cpu_ms: cpu_us / 1000, max_rss_bytes: memory_of_its_own(max_rss_kib) };
        self.events.push_back(Event::Exited { instance: instance.clone(), run, exit, leftovers, oom, used });
        if leftovers {
            self.await_end(instance, slot, scope);
        } else if attached {
            self.logger.send(&logger::Order::Complete { slot });
        }
    }

    /// Whether anybody is left of the tree of an ended process, as far as its scope goes.
    fn is_left(&mut self, instance: &InstanceId, slot: u32, scope: StopScope) -> bool {
        match (scope, self.groups.path(instance)) {
            (StopScope::Process, _) => false,
            (StopScope::Group, _) => tree::has_leftovers(&self.table, slot as usize),
            (StopScope::Tree, Some(path)) => group::is_populated(&path),
            (StopScope::Tree, None) => tree::has_leftovers(&self.table, slot as usize) || self.has_strays(slot),
        }
    }

    fn has_strays(&mut self, slot: u32) -> bool {
        if !self.strays_seen {
            self.strays.look(&self.table);
            self.strays_seen = true;
        }
        self.strays.all(&self.table).any(|(of, _)| of == slot as usize)
    }

    /// Has us told when the last of a tree is gone.
    pub(super) fn await_end(&mut self, instance: &InstanceId, slot: u32, scope: StopScope) {
        let path = self.groups.path(instance).filter(|_| scope == StopScope::Tree);
        let watched = path.is_some_and(|path| self.watches.add(slot, &path));
        if scope == StopScope::Tree && !watched {
            self.awaited.push(slot);
            self.table.await_orphans(true);
        }
        // They may have ended before anybody watched.
        self.strays_seen = false;
        self.look_again(slot);
    }

    pub(super) fn no_longer_awaited(&mut self, slot: u32) {
        self.watches.remove(slot);
        if let Some(position) = self.awaited.iter().position(|of| *of == slot) {
            self.awaited.swap_remove(position);
            self.table.await_orphans(!self.awaited.is_empty());
        }
    }

    fn look_again(&mut self, slot: u32) {
        let Some((instance, seat)) = self.seats.at(slot) else { return };
        let Run::Leftovers { run } = seat.run else { return };
        let (scope, killed) = (seat.definition.service.stop.scope, seat.killed == run);
        if self.is_left(&instance, slot, scope) {
            if killed && self.groups.path(&instance).is_none() {
                // Born of who was not yet dead, or an orphan only now: KILL is for the whole tree.
                self.census = None;
                self.signal(&instance, run, Signal::KILL, StopScope::Tree);
            }
            return;
        }
        if let Some(seat) = self.seats.get_mut(&instance) {
            seat.run = Run::None;
        }
        self.no_longer_awaited(slot);
        self.forget_readiness(slot);
        self.events.push_back(Event::TreeEmpty { instance, run });
    }

    /// Whether the kernel has killed anything of the run for want of memory.
    fn ran_out_of_memory(&self, instance: &InstanceId, exit: Exit) -> bool {
        let Some(seat) = self.seats.get(instance) else { return false };
        let resources = seat.definition.service.resources.as_ref();
        let bounded = resources.is_some_and(|it| it.memory_max.is_some() || it.memory_high.is_some());
        // Files are read only where there may be something to find.
        (bounded || matches!(exit, Exit::Signal { signal: Signal::KILL, .. })) && self.groups.ooms(instance) > 0
    }
}

/// The largest resident set of an ended process in bytes, given what the kernel says; 0 where that may be
/// ours: until it executed its program it was in our memory, and the kernel counts that too.
fn memory_of_its_own(max_rss_kib: u64) -> u64 {
    let ours = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss());
    if max_rss_kib > u64::try_from(ours).unwrap_or_default() { max_rss_kib * 1024 } else { 0 }
}
