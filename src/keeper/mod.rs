//! The parent of everything: starts the roles, reaps, holds, and outlives the others.
//!
//! No configuration, no tokio. After the start neither allocation nor file I/O, until something
//! has gone wrong: what it cannot ask for, it cannot be refused.

mod end;
mod hold;
mod place;
mod reap;
pub mod role;

pub use place::Refused;

use crate::host::clock;
use crate::host::stderr::say;
use crate::host::sys::{memory, process};
use crate::table::{Role, Table};
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
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

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
}

/// Runs until the supervisor is through, and returns abide's exit code.
pub fn run(setup: &Setup) -> i32 {
    match Keeper::new(setup) {
        Ok(mut keeper) => {
            // All is allocated that ever will be.
            memory::give_back();
            keeper.serve()
        }
        Err(error) => {
            say(format_args!("{}", Chain(&error)));
            1
        }
    }
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
    /// The supervisor runs; asked to end so often.
    Serving { asked: u32 },
    /// The supervisor crashed: what it started is ended, by KILL from the deadline on.
    Ending { until: Deadline, killing: bool },
    /// Only the logger is left, to write what the pipes hold.
    Draining { code: i32, orderly: bool, until: Deadline },
}

struct Keeper {
    place: Place,
    table: Arc<Table>,
    troupe: Troupe,
    signals: SignalFd,
    bell: EventFd,
    holdings: Holdings,
    terminal: bool,
    phase: Phase,
    supervisor_status: Option<i32>,
}

impl Keeper {
    fn new(setup: &Setup) -> Result<Self, Refused> {
        process::reset_dispositions();
        let signals = block_signals()?;
        process::close_on_exec_from(3).map_err(Refused::system("close inherited descriptors"))?;
        process::name_ourselves();
        nix::sys::prctl::set_child_subreaper(true).map_err(Refused::system("become the parent of orphans"))?;
        let place = Place::take(&setup.directory)?;
        let originals = place::raise_open_files()?;
        let table = Arc::new(place.fresh_table()?);
        table.set_originals(&originals);
        table.set_role(Role::Keeper, std::process::id() as i32, place::our_start());
        let bell = role::bell()?;
        let (troupe, socket) = Troupe::new(setup, &table, &bell)?;
        let holdings = Holdings::new(socket);
        let phase = Phase::Serving { asked: 0 };
        let terminal = setup.terminal;
        let mut keeper =
            Self { place, table, troupe, signals, bell, holdings, terminal, phase, supervisor_status: None };
        keeper.place.settle();
        match keeper.start_roles() {
            Ok(()) => Ok(keeper),
            Err(refused) => {
                keeper.place.base().clear();
                keeper.place.leave();
                Err(refused)
            }
        }
    }

    fn start_roles(&mut self) -> Result<(), Refused> {
        self.troupe.start(Role::Logger, &self.table)?;
        self.troupe.start(Role::Supervisor, &self.table).inspect_err(|_| {
            // It lives in a group of ours.
            self.troupe.signal(Role::Logger, libc::SIGKILL);
            let _ = waitpid(Pid::from_raw(self.troupe.pid(Role::Logger)), None);
        })
    }

    fn serve(&mut self) -> i32 {
        loop {
            let (signals, orders) = self.wait();
            if orders {
                self.holdings.receive();
            }
            if signals && self.take_signals() {
                self.reap();
            }
            if let Some(code) = self.step(clock::now().mono.0) {
                self.place.base().clear();
                if self.is_orderly() {
                    self.place.leave();
                }
                return code;
            }
        }
    }

    /// Waits for something to do: signals, the supervisor's orders, or a deadline.
    fn wait(&self) -> (bool, bool) {
        let phase = match self.phase {
            Phase::Serving { .. } => None,
            Phase::Ending { until, .. } | Phase::Draining { until, .. } => Some(until),
        };
        let deadline = [phase, self.troupe.restart_at()].into_iter().flatten().min();
        let timeout = deadline.map_or(PollTimeout::NONE, |deadline| {
            let left = Duration::from_nanos(deadline.saturating_sub(clock::now().mono.0));
            // Rounded up: too early is once around for nothing.
            PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        });
        let mut descriptors = [
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.holdings.socket(), PollFlags::POLLIN),
        ];
        if poll(&mut descriptors, timeout).is_err() {
            return (false, false);
        }
        (descriptors[0].any() == Some(true), descriptors[1].any() == Some(true))
    }

    /// Acts on all that came; whether children ended. Only then is it worth to look for them: that
    /// costs with the number of those that live.
    fn take_signals(&mut self) -> bool {
        let mut ended = false;
        while let Ok(Some(signal)) = self.signals.read_signal() {
            let signal = signal.ssi_signo as i32;
            ended |= signal == libc::SIGCHLD;
            self.take_signal(signal);
        }
        ended
    }

    fn take_signal(&mut self, signal: i32) {
        match signal {
            // PWR is how a container's host asks its first process (LXC), and a UPS any init.
            libc::SIGTERM | libc::SIGINT | libc::SIGQUIT | libc::SIGPWR => self.asked_to_end(),
            libc::SIGHUP if self.terminal => self.asked_to_end(),
            libc::SIGHUP => self.troupe.signal(Role::Supervisor, libc::SIGHUP),
            _ => {}
        }
    }

    /// The supervisor ends in its own order; a second time hurries it, a third ends everything.
    fn asked_to_end(&mut self) {
        match &mut self.phase {
            Phase::Serving { asked } => {
                *asked += 1;
                let signal = if *asked < 3 { libc::SIGTERM } else { libc::SIGKILL };
                self.troupe.signal(Role::Supervisor, signal);
            }
            Phase::Ending { until, killing: false } => *until = 0,
            Phase::Ending { .. } | Phase::Draining { .. } => {}
        }
    }
}

/// Everything is blocked but what a bug of ours raises, and what we act upon comes by descriptor.
/// Ctrl-Z too: a keeper that stands still reaps nobody.
fn block_signals() -> Result<SignalFd, Refused> {
    let mut blocked = SigSet::all();
    for fault in [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGFPE, Signal::SIGILL, Signal::SIGABRT, Signal::SIGTRAP] {
        blocked.remove(fault);
    }
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
        Signal::SIGUSR2,
    ] {
        read.add(signal);
    }
    SignalFd::with_flags(&read, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .map_err(Refused::system("receive signals"))
}
