//! The host: carries out effects and turns what the kernel, the keeper and the logger say into
//! events. No condition here is policy.

mod boards;
mod ends;
mod errands;
mod heirs;
mod lines;
mod mains;
mod measures;
mod output;
mod piped;
mod records;
mod renames;
mod signs;
mod starts;
mod tending;

use super::cgroup::Groups;
use super::cgroup::watch::Watches;
use super::chores::{Chores, Tell, Told};
use super::limits;
use super::line::Logger;
use super::notify_socket::NotifySocket;
use super::pipe::{KeeperOrder, Pipes};
use super::seat::{Run, Seat, Seats, log_directory};
use super::spawn::{Order, Spawner};
use super::tree::{Census, Strays};
use super::watch::Watch;
use crate::decide::effect::Effect;
use crate::decide::event::{Event, RunId};
use crate::model::desired::Definition;
use crate::model::logging::LogPolicy;
use crate::model::name::InstanceId;
use crate::model::outcome::Failure;
use crate::table::{SLOTS, Table};
use boards::Boards;
use errands::Errands;
use heirs::Past;
pub use heirs::Unrecorded;
use lines::Awaited;
use output::Closing;
use piped::errors_of;
use signs::Refusals;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
pub use tending::Tending;

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
    closing: HashMap<u32, Closing>,
    /// Slots whose record is to be written anew.
    unwritten: BTreeSet<u32>,
    past: Past,
    errands: Errands,
    watch: Watch,
    /// Lines that are waited for, by slot.
    lines: HashMap<u32, Awaited>,
    /// Made for the first service that asks for it.
    notify: Option<NotifySocket>,
    notify_path: PathBuf,
    control_path: PathBuf,
    refusals: HashMap<Option<InstanceId>, Refusals>,
    /// Processes that ended lately, whose last words may still come: no strangers.
    gone: VecDeque<i32>,
    groups: Arc<Groups>,
    /// What may take long and is nobody's start.
    chores: Chores,
    /// Apart, since a pid file may lie on a disk that hangs.
    readings: Chores,
    /// Apart, since a disk takes its time.
    records: Chores,
    /// Apart, since services may lie anywhere.
    displays: Chores,
    boards: Boards,
    state: PathBuf,
    /// Records that could not be made, and why.
    unkept: BTreeMap<String, String>,
    unkept_changed: bool,
    /// Who lives, for all that is signalled in one turn.
    census: Option<Census>,
    strays: Strays,
    /// Whether those are as of this turn.
    strays_seen: bool,
    /// Groups that are waited for to become empty.
    watches: Watches,
    /// Slots whose orphans are waited for to end, as the keeper tells.
    awaited: Vec<u32>,
    /// Slots that are to come to the end of what they read.
    ending_inputs: BTreeSet<u32>,
    own_log_state: OwnLog,
    tending: Tending,
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
    /// How many lines the loggers could not write, all of them.
    pub lines_lost: u64,
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
    /// The state directory.
    pub state: PathBuf,
    /// How much of abide's own log is kept.
    pub own_log: LogPolicy,
    /// Where the notify socket is to be: services of all users must reach it.
    pub notify: PathBuf,
    /// Where the control socket is.
    pub control: PathBuf,
    /// That of a supervisor before this one.
    pub notify_socket: Option<OwnedFd>,
    /// The cgroups.
    pub groups: Arc<Groups>,
    /// What its marks begin with.
    pub mark: String,
    /// Where threads tell what they found out.
    pub tell: Tell,
}

impl Host {
    /// A host without any instance. The pipe of slot 0, abide's own log, must exist.
    pub fn new(parts: Parts) -> io::Result<Self> {
        let Parts { table, spawner, pipes, logger, log, state, own_log, .. } = parts;
        let Parts { notify, control, notify_socket, groups, mark, tell, .. } = parts;
        let inherited = notify_socket.filter(|_| notify.exists());
        let inherited = inherited.map(|socket| NotifySocket::inherited(socket, &notify));
        let watch = Watch::new()?;
        if let Some(socket) = &inherited {
            watch.add_socket(socket.as_fd())?;
        }
        Ok(Self {
            table,
            spawner,
            pipes,
            logger,
            log,
            own_log,
            seats: Seats::new(SLOTS as u32),
            closing: HashMap::new(),
            unwritten: BTreeSet::new(),
            past: Past::default(),
            errands: Errands::default(),
            watch,
            lines: HashMap::new(),
            notify: inherited,
            notify_path: notify,
            control_path: control,
            refusals: HashMap::new(),
            gone: VecDeque::new(),
            watches: Watches::new(groups.cgroups().directory.is_some()),
            groups,
            chores: Chores::new(Arc::clone(&tell)),
            readings: Chores::new(Arc::clone(&tell)),
            records: Chores::new(Arc::clone(&tell)),
            displays: Chores::new(tell),
            boards: Boards::default(),
            state,
            unkept: BTreeMap::new(),
            unkept_changed: false,
            census: None,
            strays: Strays::new(mark),
            strays_seen: false,
            awaited: Vec::new(),
            ending_inputs: BTreeSet::new(),
            own_log_state: OwnLog::default(),
            tending: Tending::default(),
            events: VecDeque::new(),
            troubles: Vec::new(),
        })
    }

    /// Carries out one effect. Probes, `Report`, `Announce` and `Finished` are the loop's own business.
    pub fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Spawn { instance, run, definition, wanted, .. }
                if !wanted && !self.is_started(&instance, run, &definition) =>
            {
                let failure = Failure::Prepare("it is not wanted any more".to_owned());
                self.events.push_back(Event::SpawnFailed { instance, run, failure });
            }
            Effect::Spawn { instance, run, definition, numbered, wanted } => {
                if wanted {
                    self.spawn(instance, run, &definition, numbered);
                }
            }
            Effect::AbandonSpawn { instance, run } => {
                if !self.gives_up_waiting(&instance, run)
                    && let Some(slot) = self.seats.get(&instance).map(|seat| seat.slot)
                    && !self.abandon_held(&instance, slot, run)
                {
                    self.spawner.abandon(slot as usize, run);
                }
            }
            Effect::Resume { instance, run, definition, ended, awaits, .. } => {
                self.resume(instance, run, &definition, ended, awaits);
            }
            Effect::Signal { instance, run, nth, signal, scope } => {
                let slot = self.seats.get(&instance).map(|seat| seat.slot as usize);
                if slot.is_some_and(|slot| self.table.begin_signal(slot, nth)) {
                    self.signal(&instance, run, signal, scope);
                }
            }
            Effect::EndInput { instance, run } => self.end_input(instance, run),
            Effect::SetLimits { instance, run, limits } => {
                let Some(seat) = self.seats.get(&instance) else { return };
                let outcome = limits::set(&self.table, seat.slot as usize, run.0, &limits);
                self.events.push_back(Event::LimitsSet { instance, run, outcome });
            }
            Effect::SetLog { instance, definition, numbered } => {
                self.set_log(&instance, definition, numbered);
            }
            Effect::TendLog { instance, act } => self.tend_log(&instance, act),
            Effect::Close { instance } => self.close(&instance),
            Effect::Rename { from, to, definition } => self.rename(&from, &to, definition),
            Effect::SetResources { instance, run, definition } => {
                let groups = Arc::clone(&self.groups);
                self.chores.order(move || {
                    let outcome = groups.change(&instance, &definition.service).map_err(|failure| failure.to_string());
                    Told::Event(Event::ResourcesSet { instance, run, outcome })
                });
            }
            Effect::RunErrand { instance, run, errand, definition, variables, arguments } => {
                self.run_errand(instance, run, errand, &definition, (variables, arguments));
            }
            Effect::Supervise { instance, definition, shown } => self.supervise(&instance, definition, shown),
            Effect::Show { instance, shown } => self.show(&instance, Some(shown)),
            Effect::Unsupervise { instance } => self.unsupervise(&instance),
            Effect::EndErrand { run, .. } => self.end_errand(run),
            Effect::FindMain { instance, run, definition, named } => {
                self.find_main(instance, run, &definition, named);
            }
            Effect::Measure { instance, run } => self.measure(instance, run),
            effect => self.keep(effect),
        }
    }

    /// What its marks begin with.
    pub fn mark(&self) -> &str {
        self.strays.abide()
    }

    /// Tells the keeper something that is not about a pipe.
    pub fn tell_keeper(&self, order: KeeperOrder, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        self.pipes.tell_keeper(order, descriptor)
    }

    /// What a thread was asked to do or to find out.
    pub fn told(&mut self, told: Told) {
        match told {
            Told::Nothing => {}
            Told::Event(event) => self.events.push_back(event),
            Told::Kept { what, outcome } => self.kept(what, outcome),
            Told::Supervised { number, outcome } => self.supervised(number, outcome),
            Told::Unshown { number, errno } => self.unshown(number, errno),
            Told::PidFile { instance, run, uid, pid } => self.found(instance, run, uid, pid.map(Some)),
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
        self.end_inputs();
    }

    /// What people should hear of, since last asked.
    pub fn take_troubles(&mut self) -> Vec<Trouble> {
        std::mem::take(&mut self.troubles)
    }

    /// What is about to be performed takes its seats, so that they can be written down before.
    pub fn prepare(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Spawn { instance, definition, numbered, .. } => {
                    self.seat_of(instance, definition, *numbered);
                    self.output_of(instance, definition);
                }
                Effect::Rename { from, to, .. } => self.reseat(from, to),
                Effect::RunErrand { instance, definition, .. } => {
                    self.seat_of(instance, definition, definition.service.instances > 1);
                    self.output_of(instance, definition);
                }
                _ => {}
            }
        }
    }

    fn spawn(&mut self, instance: InstanceId, run: RunId, definition: &Arc<Definition>, numbered: bool) {
        if self.is_started(&instance, run, definition) || self.waits(&instance, run, definition, numbered) {
            return;
        }
        let Some(seat) = self.seat_of(&instance, definition, numbered) else {
            let failure = Failure::NoDescriptors;
            return self.events.push_back(Event::SpawnFailed { instance, run, failure });
        };
        seat.definition = Arc::clone(definition);
        let slot = seat.slot;
        let Some(output) = self.output_of(&instance, definition) else {
            let failure = Failure::NoDescriptors;
            return self.events.push_back(Event::SpawnFailed { instance, run, failure });
        };
        let mut variables = match self.notify_variables(&definition.service) {
            Ok(variables) => variables,
            Err(error) => {
                let reason = format!("the socket {} cannot be made: {error}", self.notify_path.display());
                let failure = Failure::Prepare(reason);
                return self.events.push_back(Event::SpawnFailed { instance, run, failure });
            }
        };
        variables.extend(self.server_url(&definition.service));
        self.forget_readiness(slot);
        self.ending_inputs.remove(&slot);
        if let Some(seat) = self.seats.get_mut(&instance) {
            seat.run = Run::Ordered { run, exit: None, signs: Vec::new() };
        }
        let order = Order::service(instance, slot as usize, run, Arc::clone(definition));
        let errors = errors_of(&definition.service, slot);
        self.order_start(Order { variables, output, errors, ..order });
    }

    /// The seat of `instance`, taken now if it has none; `None` when all are taken.
    fn seat_of(&mut self, instance: &InstanceId, definition: &Arc<Definition>, numbered: bool) -> Option<&mut Seat> {
        match self.seats.get_mut(instance) {
            None => {
                let empty = |slot| Seat {
                    slot,
                    definition: Arc::clone(definition),
                    numbered,
                    log: log_directory(&self.log, definition, instance, numbered),
                    attached: false,
                    leaving: false,
                    run: Run::None,
                    killed: RunId(0),
                };
                let seat = self.seats.take(instance, empty)?;
                self.groups.claim(instance);
                self.unwritten.insert(seat.slot);
                return Some(seat);
            }
            Some(seat) if seat.leaving => {
                seat.leaving = false;
                self.set_log(instance, Arc::clone(definition), numbered);
            }
            Some(_) => {}
        }
        self.seats.get_mut(instance)
    }
}
