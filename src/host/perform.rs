//! The host: carries out effects and turns what the kernel, the keeper and the logger say into
//! events. No condition here is policy.

mod ends;

use super::cgroup::Groups;
use super::cgroup::watch::Watches;
use super::chores::Chores;
use super::limits;
use super::line::Logger;
use super::pipe::Pipes;
use super::seat::{Losses, Run, Seat, Seats, log_directory};
use super::spawn::{Order, Outcome, Spawner};
use super::tree::{Census, Strays};
use crate::decide::effect::Effect;
use crate::decide::event::{Event, RunId};
use crate::log::order::{self as logger, Destination};
use crate::log::rotate::LogFile;
use crate::model::desired::Definition;
use crate::model::logging::LogPolicy;
use crate::model::name::InstanceId;
use crate::model::outcome::Failure;
use crate::table::{SLOTS, Table};
use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Linux, as the loop sees it.
#[derive(Debug)]
pub struct Host {
    table: Arc<Table>,
    spawner: Spawner,
    pipes: Arc<Pipes>,
    logger: Logger,
    log: PathBuf,
    own_log: LogPolicy,
    seats: Seats,
    /// Slots whose pipe is being emptied for the last time, and what another logger has to be told of them.
    closing: HashMap<u32, [logger::Order; 2]>,
    groups: Arc<Groups>,
    /// What may take long and is nobody's start.
    chores: Chores,
    /// Who lives, for all that is signalled in one turn.
    census: Option<Census>,
    strays: Strays,
    /// Whether those are as of this turn.
    strays_seen: bool,
    /// Groups that are waited for to become empty.
    watches: Watches,
    /// Slots whose orphans are waited for to end, as the keeper tells.
    awaited: Vec<u32>,
    own_log_state: OwnLog,
    events: VecDeque<Event>,
    troubles: Vec<Trouble>,
}

/// Something about an instance that people should hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Whose; `None`: abide's own business.
    pub instance: Option<InstanceId>,
    /// Whether its service has more than one.
    pub numbered: bool,
    /// What.
    pub message: String,
}

/// How abide's own log fares. Not told in that log: a line about a line that could not be written
/// could not be written either.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnLog {
    /// Why it cannot be written at present.
    pub trouble: Option<String>,
    lost: Losses,
}

impl OwnLog {
    /// How many lines the logger could not write.
    pub fn lines_lost(&self) -> u64 {
        self.lost.total().1
    }
}

/// What a host is made of.
pub struct Parts {
    /// The table.
    pub table: Arc<Table>,
    /// The spawn threads.
    pub spawner: Spawner,
    /// The pipes of all slots.
    pub pipes: Arc<Pipes>,
    /// The way to the logger.
    pub logger: Logger,
    /// The log directory.
    pub log: PathBuf,
    /// How much of abide's own log is kept.
    pub own_log: LogPolicy,
    /// The cgroups.
    pub groups: Arc<Groups>,
    /// What its marks begin with.
    pub mark: String,
    /// Where threads tell what they found out.
    pub tell: Box<dyn Fn(Event) + Send + Sync>,
}

impl Host {
    /// A host without any instance. The pipe of slot 0, abide's own log, must exist.
    pub fn new(parts: Parts) -> Self {
        let Parts { table, spawner, pipes, logger, log, own_log, groups, mark, tell } = parts;
        Self {
            table,
            spawner,
            pipes,
            logger,
            log,
            own_log,
            seats: Seats::new(SLOTS as u32),
            closing: HashMap::new(),
            watches: Watches::new(groups.cgroups().directory.is_some()),
            groups,
            chores: Chores::new(tell),
            census: None,
            strays: Strays::new(mark),
            strays_seen: false,
            awaited: Vec::new(),
            own_log_state: OwnLog::default(),
            events: VecDeque::new(),
            troubles: Vec::new(),
        }
    }

    /// Carries out one effect. `Report`, `Announce` and `Finished` are the loop's own business.
    pub fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Spawn { instance, run, definition, numbered } => self.spawn(instance, run, &definition, numbered),
            Effect::AbandonSpawn { instance, run } => {
                if let Some(seat) = self.seats.get(&instance) {
                    self.spawner.abandon(seat.slot as usize, run);
                }
            }
            Effect::Signal { instance, run, signal, scope } => self.signal(&instance, run, signal, scope),
            Effect::SetLimits { instance, run, limits } => {
                let Some(seat) = self.seats.get(&instance) else { return };
                let outcome = limits::set(&self.table, seat.slot as usize, run.0, &limits);
                self.events.push_back(Event::LimitsSet { instance, run, outcome });
            }
            Effect::SetLog { instance, policy, definition, numbered } => {
                self.set_log(&instance, policy, definition, numbered);
            }
            Effect::Close { instance } => self.close(&instance),
            Effect::SetResources { instance, run, definition } => {
                let groups = Arc::clone(&self.groups);
                self.chores.order(move || {
                    let outcome = groups.change(&instance, &definition.service).map_err(|failure| failure.to_string());
                    Event::ResourcesSet { instance, run, outcome }
                });
            }
            Effect::FindMain { .. }
            | Effect::RunErrand { .. }
            | Effect::EndErrand { .. }
            | Effect::Probe { .. }
            | Effect::DropProbe { .. }
            | Effect::Measure { .. }
            | Effect::Report(_)
            | Effect::Announce(_)
            | Effect::Finished => {}
        }
    }

    /// The next thing that came to be known.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// All of this turn is performed: what is known of the processes is old from now on.
    pub fn end_turn(&mut self) {
        self.census = None;
        self.strays_seen = false;
    }

    /// What people should hear of, since last asked.
    pub fn take_troubles(&mut self) -> Vec<Trouble> {
        std::mem::take(&mut self.troubles)
    }

    /// So much of abide's own log is kept from now on.
    pub fn keep_own_log(&mut self, policy: LogPolicy) {
        if policy != self.own_log {
            self.own_log = policy;
            self.logger.send(&own_log(&self.log, &self.own_log));
        }
    }

    /// How abide's own log fares.
    pub fn own_log(&self) -> &OwnLog {
        &self.own_log_state
    }

    /// The file that takes the output of `instance`.
    pub fn log_path(&self, instance: &InstanceId, definition: &Definition, numbered: bool) -> Option<String> {
        let directory = log_directory(&self.log, definition, instance, numbered);
        directory.join("current").into_os_string().into_string().ok()
    }

    fn spawn(&mut self, instance: InstanceId, run: RunId, definition: &Arc<Definition>, numbered: bool) {
        if self.seats.get(&instance).is_none() {
            let empty = |slot| Seat {
                slot,
                definition: Arc::clone(definition),
                numbered,
                log: log_directory(&self.log, definition, &instance, numbered),
                policy: definition.service.log.clone(),
                attached: false,
                lost: Losses::default(),
                run: Run::None,
                killed: RunId(0),
            };
            if self.seats.take(&instance, empty).is_none() {
                let failure = Failure::NoDescriptors;
                return self.events.push_back(Event::SpawnFailed { instance, run, failure });
            }
        }
        let Some(seat) = self.seats.get_mut(&instance) else { return };
        seat.definition = Arc::clone(definition);
        seat.run = Run::Ordered { run, exit: None };
        self.spawner.order(Order {
            instance: instance.clone(),
            slot: seat.slot as usize,
            run,
            definition: Arc::clone(definition),
        });
    }

    /// What a spawn thread has to say.
    pub fn spawned(&mut self, outcome: Outcome) {
        let Outcome { instance, run, result, .. } = outcome;
        let Some(seat) = self.seats.get_mut(&instance) else { return };
        if outcome.opened_pipe {
            seat.attached = true;
            self.logger.send(&attach(seat, None));
        }
        let Run::Ordered { run: ordered, exit } = &seat.run else { return };
        if *ordered != run {
            return;
        }
        let exit = *exit;
        match (result, exit) {
            (Ok(started), exit) => {
                let (pid, start_ticks, limits) = (started.pid, started.start_ticks, started.limits);
                seat.run = Run::Living { run };
                let attached = seat.attached;
                self.events.push_back(Event::Spawned { instance: instance.clone(), run, pid, start_ticks, limits });
                if !attached {
                    self.events.push_back(Event::Unheard { instance: instance.clone(), run });
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
                self.events.push_back(Event::SpawnFailed { instance, run, failure: refused.failure });
            }
        }
    }

    fn set_log(&mut self, instance: &InstanceId, policy: LogPolicy, definition: Arc<Definition>, numbered: bool) {
        let log = log_directory(&self.log, &definition, instance, numbered);
        let Some(seat) = self.seats.get_mut(instance) else { return };
        let moved = (seat.log != log).then(|| std::mem::replace(&mut seat.log, log));
        seat.definition = definition;
        seat.numbered = numbered;
        seat.policy = policy;
        if seat.attached {
            let order = attach(seat, moved.as_deref());
            self.logger.send(&order);
        }
    }

    fn close(&mut self, instance: &InstanceId) {
        let Some(seat) = self.seats.leave(instance) else { return };
        self.no_longer_awaited(seat.slot);
        self.groups.remove(instance);
        if !seat.attached {
            return self.seats.free(seat.slot);
        }
        let orders = [attach(&seat, None), logger::Order::Detach { slot: seat.slot }];
        self.logger.send(&orders[1]);
        self.closing.insert(seat.slot, orders);
    }

    /// What the logger has to say; to be called when its socket is readable.
    pub fn reports(&mut self) {
        while let Some(report) = self.logger.receive() {
            match report {
                logger::Report::Hello => self.brief_logger(),
                logger::Report::Detached { slot } => self.detached(slot),
                logger::Report::Dropped { slot: 0, bytes, lines } => self.own_log_state.lost.count(bytes, lines),
                logger::Report::Trouble { slot: 0, message } => self.own_log_state.trouble = message,
                logger::Report::Dropped { slot, bytes, lines } => {
                    if let Some((instance, seat)) = self.seats.at(slot) {
                        seat.lost.count(bytes, lines);
                        let (bytes, lines) = seat.lost.total();
                        self.events.push_back(Event::LogDropped { instance, bytes, lines });
                    }
                }
                logger::Report::Refused { slot, message } => self.refused(slot, message),
                logger::Report::Trouble { slot, message } => {
                    // Of a slot that is closing the message alone must do.
                    let whose = self.seats.at(slot).map(|(instance, seat)| (instance, seat.numbered));
                    let (instance, numbered) = whose.map_or((None, false), |(one, numbered)| (Some(one), numbered));
                    let message = message.unwrap_or_else(|| "output is written again".to_owned());
                    self.troubles.push(Trouble { instance, numbered, message });
                }
            }
        }
    }

    /// The logger cannot read this slot's pipe: who writes to it would stand still once it is full.
    fn refused(&mut self, slot: u32, message: String) {
        let Some((instance, seat)) = self.seats.at(slot).filter(|(_, seat)| seat.attached) else { return };
        // So that the next start makes a new pipe and the logger hears of it.
        seat.attached = false;
        let numbered = seat.numbered;
        if let Run::Living { run } = seat.run {
            self.events.push_back(Event::Unheard { instance: instance.clone(), run });
        }
        self.troubles.push(Trouble { instance: Some(instance), numbered, message });
        self.logger.send(&logger::Order::Detach { slot });
        self.release(slot);
    }

    fn release(&mut self, slot: u32) {
        if let Err(error) = self.pipes.release(slot as usize) {
            let message = format!("could not give up the pipe of slot {slot}: {error}");
            self.troubles.push(Trouble { instance: None, numbered: false, message });
        }
    }

    /// A new logger knows nothing.
    fn brief_logger(&mut self) {
        self.logger.forget();
        self.logger.send(&own_log(&self.log, &self.own_log));
        for seat in self.seats.all().filter(|seat| seat.attached) {
            self.logger.send(&attach(seat, None));
        }
        for order in self.closing.values().flatten() {
            self.logger.send(order);
        }
    }

    fn detached(&mut self, slot: u32) {
        if self.closing.remove(&slot).is_none() {
            return;
        }
        // A grandchild may still hold the old pipe: the next tenant of the slot gets a new one.
        self.release(slot);
        self.seats.free(slot);
    }

    /// Whether the logger has still to be told something that its socket had no room for.
    pub fn has_pending(&self) -> bool {
        self.logger.has_pending()
    }

    /// Tells it, as far as there is room.
    pub fn flush(&mut self) {
        self.logger.flush();
    }
}

fn attach(seat: &Seat, moved_from: Option<&Path>) -> logger::Order {
    let to = destination(&seat.log, LogFile::Current, &seat.policy);
    logger::Order::Attach { slot: seat.slot, to, rename_from: moved_from.map(Path::to_owned) }
}

fn own_log(directory: &Path, policy: &LogPolicy) -> logger::Order {
    logger::Order::Attach { slot: 0, to: destination(directory, LogFile::Own, policy), rename_from: None }
}

fn destination(directory: &Path, file: LogFile, policy: &LogPolicy) -> Destination {
    let LogPolicy { max_size, max_files, .. } = *policy;
    Destination { directory: directory.to_owned(), file, max_size, max_files }
}
