//! The parent of everything: starts the roles, reaps, holds, and outlives the others.
//!
//! No configuration, no tokio. After the start neither allocation nor file I/O, until something
//! has gone wrong: what it cannot ask for, it cannot be refused.
//!
//! A role that ends is started again, for ever; what it did goes on meanwhile. A keeper that dies takes the roles along
//! and leaves the services: the next one takes the table, the pipes and the processes, and goes on.

pub mod asked;
mod attend;
mod comeback;
mod end;
mod foster;
mod guise;
mod herald;
mod hold;
mod place;
mod reap;
pub mod role;
mod upgrade;

pub use place::Refused;

use crate::host::clock;
use crate::host::pipe::KeeperOrder;
use crate::host::stderr::say;
use crate::host::sys::{memory, process};
use crate::model::guise::Guise;
use crate::table::{Mode, Request, Role, Table};
use attend::{Act, Attendance};
use comeback::Comeback;
use foster::Fosters;
use herald::Herald;
use hold::Holdings;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use place::Place;
use role::Troupe;
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use upgrade::Upgrading;

/// Grows with what a keeper does for the others: a newer program then wants to be the keeper too.
pub const KEEPER_VERSION: u32 = 1;

/// What `abide run` tells its keeper.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where table, lock and pipes are; made if missing.
    pub directory: PathBuf,
    /// The arguments of `run`, for the roles to read again.
    pub arguments: Vec<OsString>,
    /// Whether there was a terminal at the start: SIGHUP is then its end, not a request to rescan.
    pub terminal: bool,
    /// The program that plays the roles; `None`: this one.
    pub program: Option<PathBuf>,
    /// How long it waits for what.
    pub timing: Timing,
    /// As what abide was called: then signals do what they do to any program, and services go on.
    pub guise: Option<Guise>,
}

/// How long the keeper waits for what.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// A role to do its work.
    pub sign_in: Duration,
    /// A role to obey, and to be dead once killed.
    pub obey: Duration,
    /// A role that lived so long was a good one: its next death counts as the first.
    pub good_life: Duration,
    /// The longest pause before a role is started again.
    pub longest_delay: Duration,
    /// The status of a process that is no child of ours.
    pub status: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            sign_in: Duration::from_secs(10),
            obey: Duration::from_secs(5),
            good_life: Duration::from_secs(60),
            longest_delay: Duration::from_secs(60),
            status: Duration::from_secs(2),
        }
    }
}

/// Runs until the supervisor is through, and returns abide's exit code.
pub fn run(setup: &Setup) -> i32 {
    match Keeper::new(setup) {
        Ok(mut keeper) => {
            // All is allocated that ever will be.
            memory::give_back();
            keeper.serve()
        }
        Err(error) => match &setup.guise {
            None => {
                say(format_args!("{}", Chain(&error)));
                1
            }
            Some(guise) => guise::refuse(guise, &error),
        },
    }
}

/// Which process is the keeper in that directory of a table; `None`: nobody is.
pub fn holder(directory: &std::path::Path) -> Option<i32> {
    place::holder_of_lock(directory)
}

/// An error with its causes, as one sentence.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// Nanoseconds of the monotonic clock.
type Deadline = u64;

fn after(now: u64, time: Duration) -> Deadline {
    now.saturating_add(time.as_nanos() as u64)
}

/// Which way it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// There is a supervisor, or will be; asked to end so often.
    Serving { asked: u32 },
    /// Without a supervisor what was started is ended, by KILL from the deadline on.
    Ending { until: Deadline, killing: bool, code: i32 },
    /// Only the logger is left, to write what the pipes hold.
    Draining { code: i32, orderly: bool, until: Deadline },
}

struct Keeper {
    place: Place,
    table: Arc<Table>,
    timing: Timing,
    troupe: Troupe,
    arguments: Vec<OsString>,
    signals: SignalFd,
    bell: EventFd,
    holdings: Holdings,
    fosters: Fosters,
    herald: Herald,
    terminal: bool,
    phase: Phase,
    supervisor_status: Option<i32>,
    attendance: Attendance,
    supervisors: Comeback,
    loggers: Comeback,
    upgrading: Option<Upgrading>,
    /// Whether another supervisor was here before the present one.
    succeeded: bool,
    /// How often a supervisor has crashed since it was asked to end.
    crashed_at_end: u32,
}

impl Keeper {
    fn new(setup: &Setup) -> Result<Self, Refused> {
        let deadly = setup.guise.as_ref().map(|_| guise::deadly());
        process::reset_dispositions();
        let signals = block_signals(&deadly.unwrap_or_else(SigSet::empty))?;
        process::close_on_exec_from(3).map_err(Refused::system("close inherited descriptors"))?;
        // Called as svscan we are called that already.
        if setup.guise.is_none() {
            process::name_ourselves();
        }
        nix::sys::prctl::set_child_subreaper(true).map_err(Refused::system("become the parent of orphans"))?;
        let place = Place::take(&setup.directory)?;
        let originals = place::raise_open_files()?;
        let inherited = place.inherit()?;
        let succeeded = inherited.is_some();
        let table = Arc::new(match inherited {
            Some(table) => table,
            None => place.fresh_table()?,
        });
        let bell = role::bell()?;
        let (troupe, socket) = Troupe::new(setup, &table, &bell)?;
        let mut holdings = Holdings::new(socket);
        // Before the roles die, which may be the last to hold them.
        holdings.take_over(&place.pipes()).map_err(Refused::system("open the pipes of services"))?;
        holdings.witness(&place.pipes(), &table).map_err(Refused::system("make the pipes of the logger"))?;
        if succeeded {
            place::end_roles(&table);
            // It was its keeper's death that it died of.
            table.end_loading();
        }
        let now = clock::now().mono.0;
        let fosters = Fosters::take(&table, now).map_err(Refused::system("watch the processes that there are"))?;
        // A keeper that became another program has raised its limits already: the originals are those of its first.
        if table.role(Role::Keeper) != (std::process::id() as i32, place::our_start()) {
            table.set_originals(&originals);
        }
        table.set_role(Role::Keeper, std::process::id() as i32, place::our_start());
        table.set_mode(Mode::Normal);
        let mut keeper = Self {
            place,
            table,
            timing: setup.timing,
            troupe,
            arguments: setup.arguments.clone(),
            signals,
            bell,
            holdings,
            fosters,
            herald: Herald::new(),
            terminal: setup.terminal,
            phase: Phase::Serving { asked: 0 },
            supervisor_status: None,
            attendance: Attendance::begin(now, &setup.timing),
            supervisors: Comeback::default(),
            loggers: Comeback::default(),
            upgrading: None,
            succeeded,
            crashed_at_end: 0,
        };
        keeper.place.settle();
        match keeper.start_roles() {
            Ok(()) => Ok(keeper),
            Err(refused) if succeeded => Err(refused),
            Err(refused) => {
                keeper.place.base().clear();
                keeper.place.leave();
                Err(refused)
            }
        }
    }

    fn start_roles(&mut self) -> Result<(), Refused> {
        self.start(Role::Logger, None)?;
        self.start(Role::Supervisor, None).inspect_err(|_| {
            // It lives in a group of ours.
            self.troupe.signal(Role::Logger, libc::SIGKILL);
            let _ = waitpid(Pid::from_raw(self.troupe.pid(Role::Logger)), None);
        })
    }

    /// Starts a role, in our own program or in another.
    fn start(&mut self, role: Role, candidate: Option<BorrowedFd<'_>>) -> Result<(), Refused> {
        self.troupe.start(role, candidate, &self.table)?;
        let now = clock::now().mono.0;
        if role == Role::Logger {
            self.loggers.started(now);
        } else {
            self.supervisors.started(now);
            self.attendance = Attendance::begin(now, &self.timing);
        }
        Ok(())
    }

    fn serve(&mut self) -> i32 {
        // Those who ended while this keeper became what it is.
        self.reap();
        loop {
            let ready = self.wait();
            if ready.orders {
                self.take_orders();
            }
            if ready.signals && self.take_signals() {
                self.reap();
            }
            let now = clock::now().mono.0;
            if self.fosters.look(&self.table, now, &self.timing) > 0 {
                self.ring();
            }
            if let Some(code) = self.step(now) {
                self.place.base().clear();
                if self.is_orderly() {
                    self.place.leave();
                }
                return code;
            }
        }
    }

    /// Waits for something to do: signals, the supervisor's orders, an end that only a pidfd tells, or a deadline.
    fn wait(&self) -> Ready {
        let timeout = self.deadline().map_or(PollTimeout::NONE, |deadline| {
            let left = Duration::from_nanos(deadline.saturating_sub(clock::now().mono.0));
            // Rounded up: too early is once around for nothing.
            PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        });
        // A second look at the same descriptor does no harm.
        let fosters = self.fosters.watched().unwrap_or(self.signals.as_fd());
        let mut descriptors = [self.signals.as_fd(), self.holdings.socket(), fosters]
            .map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN));
        if poll(&mut descriptors, timeout).is_err() {
            return Ready { signals: false, orders: false };
        }
        let [signals, orders, _] = descriptors.map(|descriptor| descriptor.any() == Some(true));
        Ready { signals, orders }
    }

    fn deadline(&self) -> Option<Deadline> {
        let phase = match self.phase {
            Phase::Serving { .. } => None,
            Phase::Ending { until, .. } | Phase::Draining { until, .. } => Some(until),
        };
        let attendance = self.attendance.deadline().filter(|_| self.troupe.is_on(Role::Supervisor));
        let upgrading = self.upgrading.as_ref().and_then(Upgrading::deadline);
        let others = [self.supervisors.at(), self.loggers.at(), self.fosters.deadline()];
        [phase, attendance, upgrading].into_iter().chain(others).flatten().min()
    }

    fn take_orders(&mut self) {
        // Out of the way while its orders are obeyed; at most a few are no pipes.
        let mut others: [Option<(KeeperOrder, Option<OwnedFd>)>; 8] = Default::default();
        let mut next = others.iter_mut();
        self.holdings.receive(|order, descriptor| {
            if let Some(place) = next.next() {
                *place = Some((order, descriptor));
            }
        });
        for (order, descriptor) in others.into_iter().flatten() {
            match order {
                KeeperOrder::Keep(which) => self.troupe.keep(which, descriptor),
                KeeperOrder::SignedIn => self.signed_in(),
                KeeperOrder::Hold(_) | KeeperOrder::Release(_) => {}
            }
        }
    }

    /// The supervisor does its work.
    fn signed_in(&mut self) {
        self.attend(clock::now().mono.0);
        if self.attendance.has_signed_in() {
            self.herald.signed_in();
            self.upgraded();
        }
    }

    /// There is to be no supervisor until somebody asks for one; all else goes on.
    fn detach(&mut self) {
        self.table.set_mode(Mode::Detached);
        self.supervisors.cancel();
        self.ask_to_leave();
    }

    /// The supervisor is to go, and to leave everything as it is.
    fn ask_to_leave(&mut self) {
        self.troupe.signal(Role::Supervisor, libc::SIGUSR2);
        self.attendance.asked(clock::now().mono.0, &self.timing);
    }

    /// Looks after the supervisor.
    fn attend(&mut self, now: Deadline) {
        if !self.troupe.is_on(Role::Supervisor) {
            return;
        }
        let own = Duration::from_millis(u64::from(self.table.watchdog_ms()));
        let own = (!own.is_zero()).then_some(own);
        let interval = [own, self.herald.watchdog].into_iter().flatten().min();
        let signed_in = self.table.is_signed_in(Role::Supervisor);
        match self.attendance.look(now, signed_in, self.table.heartbeat(), interval, &self.timing) {
            Act::Nothing => {}
            Act::Poke => {
                self.ring();
                if self.attendance.is_alive() {
                    self.herald.alive();
                }
            }
            Act::Abort => {
                say(format_args!("the supervisor stands still; it is ended, and another is started"));
                self.troupe.signal(Role::Supervisor, libc::SIGABRT);
            }
            Act::KillUnsigned => {
                let time = self.timing.sign_in.as_secs_f64();
                say(format_args!("the supervisor did not begin its work within {time} s; another is started"));
                self.troupe.signal(Role::Supervisor, libc::SIGKILL);
            }
            Act::Kill => self.troupe.signal(Role::Supervisor, libc::SIGKILL),
            Act::Forget => {
                say(format_args!("the supervisor cannot be killed; another takes its place"));
                self.troupe.forget(Role::Supervisor, &self.table);
                self.supervisor_status = Some(libc::SIGKILL);
            }
        }
    }

    /// Acts on all that came; whether children ended. Only then is it worth to look for them: that
    /// costs with the number of those that live.
    fn take_signals(&mut self) -> bool {
        let mut ended = false;
        while let Ok(Some(found)) = self.signals.read_signal() {
            let signal = found.ssi_signo as i32;
            ended |= signal == libc::SIGCHLD;
            self.take_signal(signal, (found.ssi_pid, found.ssi_uid));
        }
        ended
    }

    fn take_signal(&mut self, signal: i32, by: (u32, u32)) {
        match signal {
            // PWR is how a container's host asks its first process (LXC), and a UPS any init.
            libc::SIGTERM | libc::SIGINT | libc::SIGQUIT | libc::SIGPWR => self.asked_to_end(),
            libc::SIGHUP if self.terminal => self.asked_to_end(),
            libc::SIGHUP => {
                if self.table.mode() == Mode::Safe {
                    // Somebody has mended something: all is read again, by a supervisor that begins anew.
                    self.table.set_mode(Mode::Normal);
                    self.ask_to_leave();
                }
                self.troupe.signal(Role::Supervisor, libc::SIGHUP);
            }
            libc::SIGUSR1 => {
                if let Some(request) = self.table.take_request() {
                    self.obey(request, by);
                }
            }
            _ => {}
        }
    }

    /// Does what an operator asks for, who is `by`: process and uid.
    fn obey(&mut self, request: Request, (pid, uid): (u32, u32)) {
        let what = match request {
            Request::Detach => "the supervisor leaves, and services go on without one",
            Request::Attach => "a supervisor takes over",
            Request::Upgrade => "another program is to play the roles",
            Request::UpgradeAll => "another program is to play the roles, and to be the keeper",
        };
        say(format_args!("{what}: asked for by process {pid} of uid {uid}"));
        match request {
            Request::Detach => self.detach(),
            Request::Attach if self.table.mode() == Mode::Detached => {
                self.table.set_mode(Mode::Normal);
                self.supervisors.at_once(clock::now().mono.0);
            }
            Request::Attach => {}
            Request::Upgrade => self.upgrade(false),
            Request::UpgradeAll => self.upgrade(true),
        }
    }

    /// The supervisor ends in its own order; a second time hurries it, a third ends everything.
    fn asked_to_end(&mut self) {
        self.herald.stopping();
        match &mut self.phase {
            Phase::Serving { asked } => {
                *asked += 1;
                let signal = if *asked < 3 { libc::SIGTERM } else { libc::SIGKILL };
                self.troupe.signal(Role::Supervisor, signal);
            }
            Phase::Ending { until, killing: false, .. } => *until = 0,
            Phase::Ending { .. } | Phase::Draining { .. } => {}
        }
    }
}

/// What there is to do.
struct Ready {
    signals: bool,
    orders: bool,
}

/// Everything is blocked but what a bug of ours raises, and what we act upon comes by descriptor.
/// Ctrl-Z too: a keeper that stands still reaps nobody. Those that are `deadly` do what they do to any program.
fn block_signals(deadly: &SigSet) -> Result<SignalFd, Refused> {
    let mut blocked = SigSet::all();
    for fault in [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGFPE, Signal::SIGILL, Signal::SIGABRT, Signal::SIGTRAP] {
        blocked.remove(fault);
    }
    deadly.iter().for_each(|signal| blocked.remove(signal));
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&blocked), None).map_err(Refused::system("block signals"))?;
    let mut read = SigSet::empty();
    for signal in [
        Signal::SIGCHLD,
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGPWR,
        Signal::SIGHUP,
        Signal::SIGUSR1,
    ] {
        read.add(signal);
    }
    SignalFd::with_flags(&read, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .map_err(Refused::system("receive signals"))
}
