//! A host inside a real supervisor, with a logger that the test plays.

use crate::wait_for;
use abide::decide::effect::{Effect, Errand};
use abide::decide::event::{Event, RunId};
use abide::host::chores::{Tell, Told};
use abide::host::line::Logger;
use abide::host::perform::{Host, Parts};
use abide::host::pipe::{self, Pipes};
use abide::host::spawn::{Outcome, Spawner};
use abide::keeper::role::SupervisorEnds;
use abide::log::order::{Order, Report};
use abide::model::desired::Definition;
use abide::model::logging::LogPolicy;
use abide::model::name::InstanceId;
use abide::model::outcome::{Exit, Failure};
use abide::model::policy::StopScope;
use abide::model::service::Service;
use abide::model::signal::Signal;
use abide::table::Table;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

/// What the marks of services here begin with.
const MARK: &str = "rig";

/// The logger's end.
pub(crate) struct Played(OwnedFd);

impl Played {
    pub(crate) fn report(&self, report: &Report) {
        send(self.0.as_raw_fd(), &report.encode(), MsgFlags::empty()).unwrap();
    }

    /// All that was ordered so far.
    pub(crate) fn all(&self) -> Vec<Order> {
        let mut orders = Vec::new();
        let mut packet = [0; 8192];
        while let Ok(count) = recv(self.0.as_raw_fd(), &mut packet, MsgFlags::MSG_DONTWAIT) {
            orders.push(Order::decode(&packet[..count]).unwrap());
        }
        orders
    }

    /// The slots of attachments, and those given up as negative numbers.
    pub(crate) fn orders(&self) -> Vec<i64> {
        let slots = self.all().into_iter().filter_map(|order| match order {
            Order::Attach { slot, .. } => Some(i64::from(slot)),
            Order::Detach { slot } => Some(-i64::from(slot)),
            Order::Watch { .. } | Order::Complete { .. } | Order::Tend { .. } => None,
        });
        slots.collect()
    }
}

pub(crate) struct Rig {
    pub place: PathBuf,
    pub host: Host,
    pub logger: Played,
    pub table: Arc<Table>,
    pub outcomes: Receiver<Outcome>,
    told: Receiver<Told>,
    _bell: OwnedFd,
    /// What no test has asked for yet.
    seen: Vec<Event>,
    signals: u32,
}

impl Drop for Rig {
    /// What it spawned is the keeper's, which is killed too soon to end it.
    fn drop(&mut self) {
        for slot in 0..self.table.used() {
            let living = self.table.run(slot).and_then(|run| self.table.running(slot, run));
            for pid in living.into_iter().chain(self.table.group(slot)) {
                let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
            }
        }
    }
}

impl Rig {
    pub(crate) fn new(place: &Path, ends: SupervisorEnds) -> Self {
        let pipes = Arc::new(Pipes::new(&place.join("run").join(pipe::DIRECTORY), ends.keeper).unwrap());
        pipes.make(0).unwrap();
        let (send, outcomes) = channel();
        let (chore, told) = channel();
        let tell: Tell = Arc::new(move |what| drop(chore.send(what)));
        let done = move |outcome| drop(send.send(outcome));
        let spawner = Spawner::start(
            Arc::clone(&ends.table),
            Arc::clone(&pipes),
            Arc::default(),
            abide::host::spawn::Common { mark: MARK.into(), tools: None },
            done,
        )
        .unwrap();
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_NONBLOCK).unwrap();
        let (table, own_log, log) = (Arc::clone(&ends.table), LogPolicy::default(), place.join("log"));
        let notify = place.join("notify");
        let parts = Parts {
            state: place.join("state"),
            table: ends.table,
            spawner,
            pipes,
            logger: Logger::new(ours),
            log,
            own_log,
            notify,
            control: PathBuf::new(),
            notify_socket: None,
            groups: Arc::default(),
            mark: MARK.into(),
            tell,
        };
        Self {
            place: place.into(),
            host: Host::new(parts).unwrap(),
            logger: Played(theirs),
            table,
            outcomes,
            told,
            _bell: ends.bell,
            seen: Vec::new(),
            signals: 0,
        }
    }

    /// Waits for the event that `pick` takes; others are kept for who asks later.
    pub(crate) fn event<T>(&mut self, what: &str, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
        wait_for(what, || {
            self.turn();
            let position = self.seen.iter().position(|event| pick(event).is_some())?;
            pick(&self.seen.remove(position))
        })
    }

    /// Everything that came to be known without waiting for it.
    pub(crate) fn turn(&mut self) {
        self.host.exits();
        while let Ok(outcome) = self.outcomes.try_recv() {
            self.host.spawned(outcome);
        }
        while let Ok(told) = self.told.try_recv() {
            self.host.told(told);
        }
        self.host.reports();
        while self.host.watched() {}
        self.seen.extend(std::iter::from_fn(|| self.host.next_event()));
        self.host.end_turn();
    }

    /// Starts the service: its pid.
    pub(crate) fn spawn(&mut self, run: u64, definition: &Arc<Definition>) -> i32 {
        self.order_spawn(run, definition);
        self.event("its start", |event| match event {
            Event::Spawned { run: RunId(of), pid, .. } if *of == run => Some(*pid),
            Event::SpawnFailed { failure, .. } => panic!("{failure}"),
            _ => None,
        })
    }

    pub(crate) fn order_spawn(&mut self, run: u64, definition: &Arc<Definition>) {
        let (run, definition, instance) = (RunId(run), Arc::clone(definition), instance(definition));
        self.host.perform(Effect::Spawn { instance, run, definition, numbered: false, wanted: true });
    }

    pub(crate) fn errand(&mut self, run: u64, errand: Errand, definition: &Arc<Definition>) {
        let (run, definition, instance) = (RunId(run), Arc::clone(definition), instance(definition));
        let variables = vec![("EXTRA".to_owned(), "more".to_owned())];
        let arguments = Vec::new();
        self.host.perform(Effect::RunErrand { instance, run, errand, definition, variables, arguments });
    }

    pub(crate) fn errand_ended(&mut self, run: u64) -> Result<Exit, Failure> {
        self.event("the errand's end", |event| match event {
            Event::ErrandEnded { run: RunId(of), outcome, .. } if *of == run => Some(outcome.clone()),
            _ => None,
        })
    }

    pub(crate) fn exited(&mut self, run: u64) -> (Exit, bool) {
        self.event("its end", |event| match event {
            Event::Exited { run: RunId(of), exit, leftovers, .. } if *of == run => Some((*exit, *leftovers)),
            _ => None,
        })
    }

    pub(crate) fn find_main(
        &mut self,
        run: u64,
        definition: &Arc<Definition>,
        named: Option<i32>,
    ) -> Result<i32, String> {
        let (run, definition, instance) = (RunId(run), Arc::clone(definition), instance(definition));
        self.host.perform(Effect::FindMain { instance, run, definition, named });
        self.event("what was found", |event| match event {
            Event::MainFound { run: of, outcome, .. } if *of == run => Some(outcome.clone().map(|(pid, _)| pid)),
            _ => None,
        })
    }

    pub(crate) fn signal(&mut self, run: u64, definition: &Arc<Definition>, signal: Signal, scope: StopScope) {
        self.signals += 1;
        let (instance, nth) = (instance(definition), self.signals);
        self.host.perform(Effect::Signal { instance, run: RunId(run), nth, signal, scope });
    }

    /// What stands in the pipe of `slot` now.
    pub(crate) fn output(&self, slot: u32) -> String {
        let path = self.place.join("run").join(pipe::DIRECTORY).join(slot.to_string());
        let mut file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).unwrap();
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = file.read(&mut buffer) {
            bytes.extend_from_slice(&buffer[..length]);
        }
        String::from_utf8(bytes).unwrap()
    }
}

pub(crate) fn instance(definition: &Arc<Definition>) -> InstanceId {
    InstanceId::new(definition.service.name.clone(), 0)
}

pub(crate) fn define(service: Service) -> Arc<Definition> {
    Arc::new(Definition::from(service))
}
