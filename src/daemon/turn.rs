//! One turn after another: gather, decide, perform, publish.

use super::alarm::Alarm;
use super::boot::{own_log_of, watchdog_of};
use super::claim::Claims;
use super::door::Door;
use super::paths::Places;
use super::planner::Planner;
use super::probe::Probes;
use super::publish::{PublishPolicy, Published, Publisher};
use super::records::Records;
use super::report;
use super::trace::{self, Trace};
use crate::api::call::Call;
use crate::decide::effect::Effect;
use crate::decide::event::{Event, RunId};
use crate::decide::fleet::Fleet;
use crate::decide::view::Facts;
use crate::host::chores::Told;
use crate::host::clock;
use crate::host::perform::{Host, OwnLog, Unrecorded};
use crate::host::pipe::KeeperOrder;
use crate::host::spawn::Outcome;
use crate::host::sys::memory;
use crate::keeper::role;
use crate::model::desired::Delta;
use crate::model::name::{InstanceId, ServiceName};
use crate::model::status::AbideState;
use crate::model::time::{Mono, Now};
use crate::render::snapshot::News;
use crate::source::config::Config;
use crate::source::worker;
use crate::table::{Role, Table};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

/// What comes from the threads.
#[derive(Debug)]
pub(super) enum Letter {
    /// The files thread: the desired state changed.
    Delta(Delta),
    /// The files thread: `abide.toml` was accepted.
    Config(Arc<Config>),
    /// The files thread: configuration files of a service's own changed.
    FilesChanged(ServiceName, Vec<String>),
    /// A spawn thread: a start succeeded or failed.
    Spawned(Outcome),
    /// A probe: what came of it.
    Probed {
        /// Whose.
        instance: InstanceId,
        /// Which.
        run: RunId,
        /// Well, or why not.
        outcome: Result<(), String>,
    },
    /// Another thread of the host: what it was asked to do or to find out.
    Told(Told),
    /// A visitor at the doors.
    Call(Call),
}

/// Whether it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Going {
    On,
    /// Nothing is left to supervise.
    Finished,
    /// Somebody comes after us, and goes on with all that runs.
    Left,
}

/// The one owner of all state.
pub(super) struct Supervisor {
    pub(super) fleet: Fleet,
    pub(super) host: Host,
    pub(super) publisher: Publisher,
    pub(super) files: worker::Handle,
    pub(super) probes: Probes,
    pub(super) door: Door,
    pub(super) planner: Planner,
    /// What of the records of an earlier abide cannot be read, in words.
    pub(super) broken_records: Vec<String>,
    pub(super) places: Places,
    /// How many statuses changed since memory was last given back.
    pub(super) churn: usize,
    pub(super) trace: Trace,
    /// How abide's own log was, as last told.
    pub(super) own_log: OwnLogState,
    /// The service of `--exit-with`, until the files were read once.
    pub(super) awaited: Option<ServiceName>,
    pub(super) going: Going,
    /// No file is read: see [`crate::table::Mode`].
    pub(super) safe: bool,
    pub(super) records: Records,
    pub(super) records_changed: bool,
    /// Processes that no record speaks of, until the files were read once.
    pub(super) unrecorded: Vec<Unrecorded>,
    pub(super) table: Arc<Table>,
    pub(super) claims: Claims,
}

/// What has been lost of abide's own log: lines in its pipe, in the logger, on the terminal; and why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct OwnLogState {
    unpiped: u64,
    unshown: u64,
    file: OwnLog,
}

impl OwnLogState {
    /// In words for people, for the status.
    fn notes(&self) -> Vec<String> {
        let lost = self.unpiped + self.file.lines_lost;
        let lost = (lost > 0).then(|| format!("{lost} lines of abide's own log were lost"));
        let unshown = (self.unshown > 0).then(|| format!("{} lines could not be written to stderr", self.unshown));
        let trouble = self.file.trouble.as_ref().map(|trouble| format!("abide's own log: {trouble}"));
        [trouble, lost, unshown].into_iter().flatten().collect()
    }
}

/// After so many changes a burst is over, and what it took can be given back.
const MUCH: usize = 500;

/// Letters handled in one turn, so that exits and signals are never starved.
const LETTERS_PER_TURN: usize = 256;

/// Turns until there is nothing left to supervise.
pub(super) async fn run(
    supervisor: &mut Supervisor,
    mut inbox: UnboundedReceiver<Letter>,
    bell: OwnedFd,
    logger: OwnedFd,
) -> io::Result<()> {
    let bell = watch(bell, Interest::READABLE)?;
    let logger = watch(logger, Interest::READABLE)?;
    let watched = watch(supervisor.host.watch().try_clone_to_owned()?, Interest::READABLE)?;
    let trees = supervisor.host.tree_events().transpose()?;
    let trees = trees.map(|trees| watch(trees, Interest::READABLE)).transpose()?;
    let mut knock = supervisor.door.knock().transpose()?;
    // Only while something waits for room: else every message that the logger takes would wake us.
    let mut room = None;
    let mut alarm = Alarm::new()?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut leave = signal(SignalKind::user_defined2())?;
    role::listen()?;
    supervisor.begin()?;
    while supervisor.going == Going::On {
        if supervisor.door.must_open() {
            knock = supervisor.open_the_doors();
        }
        alarm.set(supervisor.next_deadline())?;
        if !supervisor.host.has_pending() {
            room = None;
        } else if room.is_none() {
            room = room_of(&logger);
        }
        tokio::select! {
            biased;
            _ = terminate.recv() => supervisor.handle(Event::Shutdown),
            _ = leave.recv() => supervisor.going = Going::Left,
            ready = bell.readable() => {
                silence(bell.as_fd());
                ready?.clear_ready();
                supervisor.host.exits();
            }
            ready = readable(trees.as_ref()) => {
                ready?.clear_ready();
                supervisor.host.trees();
            }
            letter = inbox.recv() => {
                let more = std::iter::from_fn(|| inbox.try_recv().ok());
                for letter in letter.into_iter().chain(more).take(LETTERS_PER_TURN) {
                    supervisor.open(letter);
                }
            }
            ready = logger.readable() => {
                ready?.clear_ready();
                supervisor.host.reports();
                supervisor.door.logs_are_done(supervisor.host.tending());
            }
            ready = writable(room.as_ref()) => {
                ready?.clear_ready();
                supervisor.host.flush();
            }
            ready = readable(knock.as_ref()) => {
                ready?.clear_ready();
                knock = supervisor.open_the_doors();
            }
            _ = hang_up.recv() => supervisor.look_anew(),
            // Last, since services can fill it at will.
            ready = watched.readable() => {
                let mut ready = ready?;
                if !supervisor.host.watched() {
                    ready.clear_ready();
                }
            }
            rang = alarm.rings() => rang?,
        }
        // Also where something else is always to be done.
        supervisor.keep_time();
        supervisor.settle();
    }
    Ok(())
}

impl Supervisor {
    /// First of all what an earlier supervisor had ordered; then it is at work.
    fn begin(&mut self) -> io::Result<()> {
        self.settle();
        self.unrecorded = self.host.end_recovery();
        self.settle();
        self.table.sign_in(Role::Supervisor);
        self.host.tell_keeper(KeeperOrder::SignedIn, None)
    }

    pub(super) fn handle(&mut self, event: Event) {
        self.fleet.handle(clock::now(), event);
    }

    fn open(&mut self, letter: Letter) {
        match letter {
            Letter::Delta(_) if self.safe => {}
            Letter::Delta(delta) => {
                self.act();
                if !self.unrecorded.is_empty() {
                    self.place_unrecorded(&delta);
                }
                self.handle(Event::Delta(delta));
                if let Some(name) = self.awaited.take().filter(|name| self.fleet.accepted(name).is_none()) {
                    report::awaited(&name);
                }
                self.act();
            }
            Letter::FilesChanged(service, files) => self.handle(Event::FilesChanged { service, files }),
            Letter::Config(config) => {
                self.publisher.set_policy(PublishPolicy::of(&config));
                self.host.keep_own_log(own_log_of(&config));
                self.host.bound_sources(config.bounds());
                self.door.set_policy(&config.doors);
                self.records.keep_config(config.text.as_ref());
                self.fleet.set_rules(config.rules.clone());
                self.table.set_watchdog_ms(watchdog_of(&config));
                let sources: Vec<_> = config.sources.iter().map(|source| source.path.clone()).collect();
                for sentence in self.claims.more(&sources) {
                    tracing::warn!("{sentence}");
                }
                self.planner.config = config;
            }
            Letter::Spawned(outcome) => self.host.spawned(outcome),
            Letter::Probed { instance, run, outcome } => {
                if self.probes.answered(run) {
                    self.handle(Event::Probed { instance, run, outcome });
                }
            }
            Letter::Told(told) => self.host.told(told),
            Letter::Call(call) => {
                self.act();
                self.answer(call);
                self.act();
            }
        }
    }

    /// Gives the control socket to the doors; what is to be watched of it from now on.
    fn open_the_doors(&mut self) -> Option<AsyncFd<OwnedFd>> {
        let error = match self.door.open() {
            Ok(()) => return None,
            Err(error) => error,
        };
        tracing::error!(cause = %error, "the doors cannot be opened");
        self.door.knock().and_then(Result::ok)
    }

    /// At everything that nobody tells about.
    pub(super) fn look_anew(&mut self) {
        self.files.rescan();
        self.door.refresh();
    }

    fn keep_time(&mut self) {
        let now = clock::now();
        if self.fleet.next_deadline().is_some_and(|at| at <= now.mono) {
            self.fleet.handle_timeout(now);
        }
    }

    fn next_deadline(&self) -> Option<Mono> {
        self.fleet.next_deadline().into_iter().chain(self.publisher.next_deadline()).min()
    }

    /// Does all that is to be done, then publishes what changed.
    fn settle(&mut self) {
        self.table.beat();
        self.act();
        self.host.end_turn();
        report::troubles(self.host.take_troubles());
        let renewed =
            self.look_after_own_log() | self.host.take_unkept_changed() | std::mem::take(&mut self.records_changed);
        for finding in self.fleet.take_findings() {
            self.tell_of(&finding);
            self.door.tell(|| report::news_of_finding(&finding));
        }
        let now = clock::now();
        self.renew_as(renewed, now);
        // What the log says of a change goes when its snapshot does, a moment later: a start is several
        // turns, and each write wakes the logger.
        if !self.publisher.is_settling(now.mono) {
            self.trace.release();
        }
        self.publish(now);
    }

    /// Decides and performs until there is nothing left to do. Before and after what may give an instance another name,
    /// too: what comes between the word and the deed would be told of the old one.
    fn act(&mut self) {
        self.trace.hold();
        loop {
            while let Some(event) = self.host.next_event() {
                self.say_as_supervise(&event);
                self.handle(event);
            }
            let effects = self.fleet.take_effects();
            self.host.prepare(&effects);
            self.keep_records();
            if effects.is_empty() {
                break;
            }
            let steps = effects.iter().filter(|effect| matches!(effect, Effect::Announce(_))).count();
            let _reconcile = (steps > 0).then(|| report::reconcile(self.fleet.generation(), steps).entered());
            for effect in effects {
                self.carry_out(effect);
            }
        }
    }

    /// Whether there is news of abide's own log.
    fn look_after_own_log(&mut self) -> bool {
        let (unpiped, unshown) = (self.trace.dropped(), self.trace.unshown());
        let (file, before) = (self.host.own_log(), &self.own_log);
        if (unpiped, unshown, file) == (before.unpiped, before.unshown, &before.file) {
            return false;
        }
        if file.trouble != before.file.trouble {
            report::own_log(file.trouble.as_deref().unwrap_or("is written again"));
        }
        self.own_log = OwnLogState { unpiped, unshown, file: file.clone() };
        true
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Report(transition) => {
                trace::transition(&transition, self.planner.config.guise.is_none());
                self.door.tell(|| report::news_of_transition(&transition));
            }
            Effect::Announce(step) => {
                report::step(&step);
                self.door.tell(|| report::news_of_step(&step));
            }
            Effect::Finished => self.going = Going::Finished,
            Effect::Probe { instance, run, which, definition } => {
                self.probes.start(instance, run, which, &definition);
            }
            Effect::DropProbe { run, .. } => self.probes.stop(run),
            Effect::Answer { call, done } => self.door.answer(call, done, self.host.tending()),
            effect => self.host.perform(effect),
        }
    }

    fn publish(&mut self, now: Now) {
        match self.publisher.poll(now) {
            Ok(Published::Written) if self.churn >= MUCH => {
                memory::give_back();
                self.churn = 0;
            }
            Ok(_) => {}
            Err(error) => report::error(&error),
        }
    }

    pub(super) fn renew(&mut self) {
        self.renew_as(false, clock::now());
    }

    /// Brings what is to be published up to date.
    fn renew_as(&mut self, renewed: bool, now: Now) {
        let changed = self.fleet.take_changed();
        let surroundings = self.fleet.take_surroundings_changed();
        if surroundings {
            report::sources(&self.publisher.envelope().sources, self.fleet.sources());
            report::ignored(&self.publisher.envelope().ignored, self.fleet.ignored());
        }
        if renewed || surroundings || !changed.is_empty() {
            let facts = Facts {
                now,
                log_path: &|instance, definition, numbered| self.host.log_path(instance, definition, numbered),
            };
            self.churn += changed.len();
            for name in &changed {
                self.publisher.update(name, self.fleet.service_status(name, &facts).as_ref());
            }
            self.renew_envelope(now);
        }
    }

    /// All of the snapshot but the services.
    pub(super) fn renew_envelope(&mut self, now: Now) {
        let fleet = &self.fleet;
        let mut notes = self.own_log.notes();
        notes.extend(self.records.trouble().cloned());
        notes.extend(self.door.trouble.iter().chain(&self.broken_records).chain(self.host.unkept()).cloned());
        notes.extend(fleet.idle_holds());
        notes.extend(fleet.forgotten_holds());
        let withheld = fleet.withheld();
        report::withheld(&self.publisher.envelope().withheld, &withheld);
        let state = if fleet.is_ending() { AbideState::Stopping } else { AbideState::Running };
        self.publisher.renew_envelope(&News {
            state,
            notes: &notes,
            summary: fleet.summary(),
            generation: fleet.generation(),
            sources: fleet.sources(),
            problems: fleet.problems(),
            withheld: &withheld,
            ignored: fleet.ignored(),
            now: now.wall,
        });
    }

    /// The last word, once nothing is left.
    pub(super) fn leave(&mut self) {
        self.host.leave();
        self.door.close();
        self.renew_envelope(clock::now());
        if let Err(error) = self.publisher.stop(clock::now()) {
            report::error(&error);
        }
    }
}

/// Without a descriptor for it, what waits goes with the next order.
fn room_of(logger: &AsyncFd<OwnedFd>) -> Option<AsyncFd<OwnedFd>> {
    logger.as_fd().try_clone_to_owned().and_then(|fd| watch(fd, Interest::WRITABLE)).ok()
}

/// Registers a descriptor with the loop.
#[expect(deprecated, reason = "sound for an `OwnedFd`, whose number stays its own; the successor is `unsafe`")]
pub(super) fn watch(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, interest)
}

/// Waits for room to write; for ever where nothing is to be written.
async fn writable(descriptor: Option<&AsyncFd<OwnedFd>>) -> io::Result<AsyncFdReadyGuard<'_, OwnedFd>> {
    match descriptor {
        Some(descriptor) => descriptor.writable().await,
        None => std::future::pending().await,
    }
}

/// Waits for something to read; for ever where nothing ever is.
async fn readable(descriptor: Option<&AsyncFd<OwnedFd>>) -> io::Result<AsyncFdReadyGuard<'_, OwnedFd>> {
    match descriptor {
        Some(descriptor) => descriptor.readable().await,
        None => std::future::pending().await,
    }
}

/// Empties an eventfd. That it is empty already does no harm.
fn silence(bell: BorrowedFd<'_>) {
    let _ = nix::unistd::read(bell, &mut [0; 8]);
}
