//! The past: what an earlier supervisor had under way, found again by the numbers of its runs in the table.
//!
//! Who sits in which slot, and where the output of that goes, is written down before a process can be there: `s/SLOT`.

use super::{Host, Trouble, output};
use crate::decide::event::{Event, RunId};
use crate::host::seat::{Run, Seat, log_directory};
use crate::host::sys::process::{Whom, pidfd_open, pidfd_signal};
use crate::host::tree::{self, Reach};
use crate::host::{limits, proc};
use crate::log::order::{self as logger, Owner};
use crate::model::check::Check;
use crate::model::desired::Definition;
use crate::model::limits::Limits;
use crate::model::logging::LogPolicy;
use crate::model::name::{InstanceId, ServiceName};
use crate::model::outcome::{Exit, Failure, Used};
use crate::model::signal::Signal;
use crate::table::Fate;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

/// A record: its key, and its text; `None`: there is none any more.
type Change = (String, Option<Vec<u8>>);

/// A seat, as it is written down.
#[derive(Debug, Serialize, Deserialize)]
struct KeptSeat {
    service: ServiceName,
    index: u32,
    numbered: bool,
    log: PathBuf,
    policy: LogPolicy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<Owner>,
    /// What its cgroup is called, if not after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
}

/// What the table holds of an earlier supervisor, until all of it is claimed.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// Runs by number: in which slot.
    runs: HashMap<u64, u32>,
    /// Slots that nobody has claimed yet.
    unclaimed: BTreeSet<u32>,
}

/// A process that no record speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unrecorded {
    /// The digest of the name of its instance.
    pub owner: u64,
    /// Its slot.
    pub slot: u32,
    /// Its run.
    pub run: RunId,
    /// Its pid.
    pub pid: i32,
    /// Its start in clock ticks since boot.
    pub start_ticks: u64,
}

fn key(slot: u32) -> String {
    format!("s/{slot}")
}

impl Host {
    /// What is to be written down before anything more is done.
    pub fn take_records(&mut self) -> Vec<Change> {
        let slots = std::mem::take(&mut self.unwritten);
        let record = |slot: u32| {
            let text = self.kept_seat(slot).map(|kept| {
                serde_json::to_vec(&kept).expect("strings, numbers and maps with string keys always serialise")
            });
            (key(slot), text)
        };
        slots.into_iter().map(record).collect()
    }

    /// Everything is to be written down anew.
    pub fn write_all_anew(&mut self) {
        let all: Vec<u32> = self.seats.all().map(|seat| seat.slot).collect();
        self.unwritten.extend(all.into_iter().chain(self.closing.keys().copied()));
    }

    fn kept_seat(&self, slot: u32) -> Option<KeptSeat> {
        if let Some((instance, seat)) = self.seats.sitting(slot) {
            let (service, index) = (instance.service.clone(), instance.index);
            let (policy, owner) = (seat.definition.service.log.clone(), output::owner(&seat.definition.service));
            let (numbered, log, group) = (seat.numbered, seat.log.clone(), self.groups.odd_name(instance));
            return Some(KeptSeat { service, index, numbered, log, policy, owner, group });
        }
        self.closing.get(&slot).map(|closing| KeptSeat {
            service: closing.instance.service.clone(),
            index: closing.instance.index,
            numbered: closing.numbered,
            log: closing.log.clone(),
            policy: closing.policy.clone(),
            owner: closing.owner.clone(),
            group: None,
        })
    }

    /// Takes the seats that an earlier supervisor wrote down. `known`: the definition by which the output of an instance
    /// is to be kept, and whether it is one of several; of one that is gone, the slot is closed. To be called before
    /// anything is performed. The highest number of a run in the table.
    pub fn recover(
        &mut self,
        records: &BTreeMap<String, Vec<u8>>,
        known: impl Fn(&InstanceId) -> Option<(Arc<Definition>, bool)>,
    ) -> Vec<String> {
        let mut broken = Vec::new();
        self.table.remind();
        let used = self.table.used() as u32;
        self.past.unclaimed = (1..used).collect();
        self.past.runs = (1..used).filter_map(|slot| Some((self.table.run(slot as usize)?, slot))).collect();
        self.seats.skip_to(used);
        for (key, text) in records {
            let Some(slot) = key.strip_prefix("s/").and_then(|slot| slot.parse::<u32>().ok()) else { continue };
            match serde_json::from_slice::<KeptSeat>(text) {
                Ok(kept) => self.restore_seat(slot, kept, &known),
                Err(error) => {
                    self.unwritten.insert(slot);
                    broken.push(format!("the record {key} cannot be read: {error}"));
                }
            }
        }
        broken
    }

    fn restore_seat(
        &mut self,
        slot: u32,
        kept: KeptSeat,
        known: &impl Fn(&InstanceId) -> Option<(Arc<Definition>, bool)>,
    ) {
        self.past.unclaimed.remove(&slot);
        self.seats.skip_to(slot + 1);
        let attached = self.pipes.take_up(slot as usize);
        let KeptSeat { service, index, numbered, log, policy, owner, group } = kept;
        let instance = InstanceId::new(service, index);
        let definition = known(&instance).filter(|_| self.seats.get(&instance).is_none());
        let Some((definition, numbered_now)) = definition else {
            if attached {
                let closing = output::Closing { instance, numbered, log, policy, owner };
                // To a logger that knows the slot already this is nothing new.
                self.logger.send(&closing.orders(slot)[0]);
                self.close_slot(slot, closing);
            } else {
                self.unwritten.insert(slot);
                self.seats.free(slot);
            }
            return;
        };
        if let Some(group) = group {
            self.groups.name(&instance, group);
        }
        let seat = Seat {
            slot,
            definition: Arc::clone(&definition),
            numbered,
            log,
            attached,
            leaving: false,
            run: Run::None,
            killed: RunId(0),
        };
        self.seats.put(&instance, seat);
        // Also tells the logger, which may be a new one, or may have missed the last order.
        self.set_log(&instance, definition, numbered_now);
    }

    /// What became of a run that was ordered before; `None`: nothing was done.
    fn fate(&mut self, run: RunId) -> Option<(u32, Fate)> {
        let slot = *self.past.runs.get(&run.0)?;
        match self.table.fate(slot as usize, run.0) {
            Fate::Nothing => None,
            fate => {
                self.past.unclaimed.remove(&slot);
                Some((slot, fate))
            }
        }
    }

    /// A start that may have been carried out already. Whether it was.
    pub(super) fn is_started(&mut self, instance: &InstanceId, run: RunId, definition: &Arc<Definition>) -> bool {
        let Some((slot, fate)) = self.fate(run) else { return false };
        let Some(seat) = self.seats.get_mut(instance).filter(|seat| seat.slot == slot) else { return false };
        seat.definition = Arc::clone(definition);
        let instance = instance.clone();
        match fate {
            Fate::Process(pid) if proc::stat(pid).is_some_and(|stat| !stat.has_executed()) => {
                // Its start had not come to an end, and who could tell of that is gone: once more, then.
                seat.run = Run::Refused { run, failure: Failure::Prepare("abide ended before it began".to_owned()) };
                self.kill_main(slot, run);
            }
            Fate::Process(pid) => {
                seat.run = Run::Living { run };
                let (start_ticks, limits) =
                    (proc::stat(pid).map_or(0, |stat| stat.start_ticks), self.limits(slot, run));
                self.events.push_back(Event::Spawned { instance: instance.clone(), run, pid, start_ticks, limits });
                self.await_again(&instance, slot, run, pid);
            }
            Fate::Ended { .. } | Fate::Nothing => {
                seat.run = Run::Living { run };
                self.tell_end_again(slot, run);
            }
        }
        true
    }

    fn limits(&self, slot: u32, run: RunId) -> Limits {
        let limits = self.seats.sitting(slot).map(|(_, seat)| seat.definition.service.limits.clone());
        limits.map_or_else(Limits::default, |limits| {
            limits::set(&self.table, slot as usize, run.0, &limits).unwrap_or_default()
        })
    }

    fn kill_main(&self, slot: u32, run: RunId) {
        let Some(pid) = self.table.running(slot as usize, run.0) else { return };
        let Ok(process) = pidfd_open(pid) else { return };
        if self.table.running(slot as usize, run.0) == Some(pid) {
            // Gone is as good as killed.
            let _ = pidfd_signal(process.as_fd(), libc::SIGKILL, Whom::Process);
        }
    }

    /// A run of an earlier supervisor goes on under us.
    pub(super) fn resume(
        &mut self,
        instance: InstanceId,
        run: RunId,
        definition: &Arc<Definition>,
        ended: bool,
        awaits: bool,
    ) {
        self.groups.recall(&instance, &definition.service);
        let Some((slot, fate)) = self.fate(run) else { return self.lost(instance, run, ended) };
        let Some(seat) = self.seats.get_mut(&instance).filter(|seat| seat.slot == slot) else {
            return self.lost(instance, run, ended);
        };
        seat.definition = Arc::clone(definition);
        match fate {
            Fate::Process(pid) => {
                seat.run = Run::Living { run };
                if awaits {
                    self.await_again(&instance, slot, run, pid);
                }
            }
            _ if ended => {
                seat.run = Run::Leftovers { run };
                let scope = definition.service.stop.scope;
                self.await_end(&instance, slot, scope);
            }
            _ => {
                seat.run = Run::Living { run };
                self.tell_end_again(slot, run);
            }
        }
    }

    /// Nothing is known of a run: neither its process nor how that ended.
    fn lost(&mut self, instance: InstanceId, run: RunId, ended: bool) {
        let event = if ended {
            Event::TreeEmpty { instance, run }
        } else {
            let (exit, leftovers, oom, used) = (Exit::Unknown, false, false, Used::default());
            Event::Exited { instance, run, exit, leftovers, oom, used }
        };
        self.events.push_back(event);
    }

    /// The end of a run that was taken note of, but not so far that it was written down. One that was not is told as
    /// any other.
    fn tell_end_again(&mut self, slot: u32, run: RunId) {
        if let Some(status) = self.table.told(slot as usize, run.0) {
            self.exited(slot, run, Exit::from_wait_status(status));
        }
    }

    /// It has still to say that it is ready, over a way that ended with the supervisor before us.
    fn await_again(&mut self, instance: &InstanceId, slot: u32, run: RunId, pid: i32) {
        let Some(seat) = self.seats.get(instance) else { return };
        match seat.definition.service.ready.as_deref().map(|ready| ready.check.clone()) {
            Some(Check::Log(pattern)) => self.await_line_again(slot, run, pattern),
            Some(Check::Descriptor(number)) => {
                if let Some(reader) = proc::reading_end(pid, number) {
                    self.await_readiness(slot, reader);
                }
            }
            _ => {}
        }
    }

    /// A command that may have been begun already. Whether it was.
    pub(super) fn is_errand_begun(&mut self, instance: &InstanceId, run: RunId) -> bool {
        let Some((slot, _)) = self.fate(run) else { return false };
        self.errands.resume(slot, instance.clone(), run);
        if let Some(status) = self.table.told(slot as usize, run.0) {
            self.errand_exited(slot, Exit::from_wait_status(status));
        }
        true
    }

    /// All that was recorded is claimed. What is left: processes that no record speaks of.
    pub fn end_recovery(&mut self) -> Vec<Unrecorded> {
        let past = std::mem::take(&mut self.past);
        let mut left = Vec::new();
        for slot in past.unclaimed {
            match self.table.resident(slot as usize) {
                Some((pid, start_ticks, _)) => {
                    let owner = self.table.owner(slot as usize);
                    let run = RunId(self.table.run(slot as usize).unwrap_or_default());
                    left.push(Unrecorded { owner, slot, run, pid, start_ticks });
                }
                None if self.pipes.take_up(slot as usize) => {
                    // Whose it was nobody knows, and so not where its output belongs.
                    self.release(slot);
                    self.logger.send(&logger::Order::Detach { slot });
                    self.seats.free(slot);
                }
                None => self.seats.free(slot),
            }
        }
        self.exits();
        left
    }

    /// An unrecorded process is this instance.
    pub fn seat_unrecorded(
        &mut self,
        instance: &InstanceId,
        found: Unrecorded,
        definition: &Arc<Definition>,
        numbered: bool,
    ) {
        let attached = self.pipes.take_up(found.slot as usize);
        let seat = Seat {
            slot: found.slot,
            definition: Arc::clone(definition),
            numbered,
            log: log_directory(&self.log, definition, instance, numbered),
            attached,
            leaving: false,
            run: Run::Living { run: found.run },
            killed: RunId(0),
        };
        self.unwritten.insert(found.slot);
        self.past.runs.insert(found.run.0, found.slot);
        self.seats.put(instance, seat);
        self.set_log(instance, Arc::clone(definition), numbered);
    }

    /// An unrecorded process is nobody's: it is told to end, with its group.
    pub fn end_unrecorded(&mut self, found: Unrecorded) {
        let pid = found.pid;
        for signal in [Signal::TERM, Signal::CONT] {
            // Gone is as good as told.
            let _ = tree::signal(&self.table, Reach::Group, found.slot as usize, found.run.0, signal);
        }
        let message =
            format!("process {pid} was left by an earlier abide and belongs to no service: it is told to end");
        self.troubles.push(Trouble { instance: None, numbered: false, message });
    }
}
