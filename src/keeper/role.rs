//! The roles: how the keeper starts supervisor and logger, and what they find when they wake up.
//!
//! A role is this same program, from the image that the keeper holds and not from the path where a
//! newer one may lie. Its descriptors have fixed numbers.

use super::place::start_of;
use super::{Deadline, Refused, Setup, after};
use crate::host::clock;
use crate::host::stderr::say;
use crate::host::sys::child::{self, Nursery, Plan, Privileges, Program, Scheduling, Strings};
use crate::host::sys::process;
use crate::model::outcome::{Exit, Failure};
use crate::table::{Role, Table, TableError};
use nix::fcntl::OFlag;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::stat::Mode;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI32;
use std::time::Duration;

const TABLE: RawFd = 3;
const KEEPER: RawFd = 4;
const BELL: RawFd = 5;
/// The socket between supervisor and logger, in both.
const PEER: RawFd = 6;

/// The first argument of the supervisor.
pub const SUPERVISOR: &str = "role-supervisor";
/// The first argument of the logger.
pub const LOGGER: &str = "role-logger";

/// What the keeper tells a role by. Blocked from the start: one that comes before the role listens
/// waits for it, instead of ending it.
const TOLD: [i32; 2] = [libc::SIGTERM, libc::SIGHUP];

/// Why a role cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum NoRole {
    /// Somebody called it by hand.
    #[error("this role is started by abide itself; use `abide run`")]
    ByHand,
    /// The table does not fit.
    #[error("could not join the keeper")]
    Table(#[source] TableError),
    /// The kernel refuses.
    #[error("could not make the supervisor unreadable to others")]
    Dumpable(#[source] io::Error),
}

/// What the supervisor finds.
#[derive(Debug)]
pub struct SupervisorEnds {
    /// The table.
    pub table: Arc<Table>,
    /// To the keeper: see [`crate::host::pipe::KeeperOrder`]. Blocking.
    pub keeper: Arc<OwnedFd>,
    /// Readable when exits wait in the table: an eventfd, non-blocking.
    pub bell: OwnedFd,
    /// To the logger: message by message, non-blocking.
    pub logger: OwnedFd,
}

/// What the logger finds.
#[derive(Debug)]
pub struct LoggerEnds {
    /// The table.
    pub table: Arc<Table>,
    /// To the supervisor: message by message, non-blocking.
    pub supervisor: OwnedFd,
}

/// To be called once, at the start of the supervisor.
pub fn enter_supervisor() -> Result<SupervisorEnds, NoRole> {
    process::name_ourselves();
    process::make_undumpable().map_err(NoRole::Dumpable)?;
    let [keeper, bell, logger] = [KEEPER, BELL, PEER].map(process::take_descriptor);
    let by_hand = || NoRole::ByHand;
    let table = table()?;
    let keeper = Arc::new(keeper.ok_or_else(by_hand)?);
    Ok(SupervisorEnds { table, keeper, bell: bell.ok_or_else(by_hand)?, logger: logger.ok_or_else(by_hand)? })
}

/// To be called once, at the start of the logger.
pub fn enter_logger() -> Result<LoggerEnds, NoRole> {
    process::name_ourselves();
    let supervisor = process::take_descriptor(PEER).ok_or(NoRole::ByHand)?;
    Ok(LoggerEnds { table: table()?, supervisor })
}

/// To be called by a role once it has its handlers: what the keeper told it before then reaches them.
pub fn listen() -> io::Result<()> {
    use nix::sys::signal::{SigSet, Signal};
    SigSet::from_iter([Signal::SIGTERM, Signal::SIGHUP]).thread_unblock().map_err(io::Error::from)
}

fn table() -> Result<Arc<Table>, NoRole> {
    let file = process::take_descriptor(TABLE).ok_or(NoRole::ByHand)?;
    Table::open(file).map(Arc::new).map_err(NoRole::Table)
}

/// What wakes the supervisor.
pub(super) fn bell() -> Result<EventFd, Refused> {
    EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC).map_err(Refused::system("make the bell"))
}

/// A logger that lived so long was a good one: the next death counts as the first.
const GOOD_LIFE: Duration = Duration::from_secs(60);
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// The two roles, and all that is needed to start them again without asking anybody for anything.
pub(super) struct Troupe {
    program: OwnedFd,
    supervisor_argv: Strings,
    logger_argv: Strings,
    environment: Strings,
    nursery: Nursery,
    /// Originals of what a role gets by number, all above the numbers that it gets them by.
    table: OwnedFd,
    keeper: OwnedFd,
    bell: OwnedFd,
    to_logger: OwnedFd,
    to_supervisor: OwnedFd,
    supervisor: AtomicI32,
    logger: AtomicI32,
    logger_started: Deadline,
    logger_delay: Duration,
    restart_at: Option<Deadline>,
}

impl Troupe {
    /// Gets everything ready; also the keeper's end of the supervisor's socket.
    pub(super) fn new(setup: &Setup, table: &Table, bell: &EventFd) -> Result<(Self, OwnedFd), Refused> {
        let (ours, keeper) = pair(SockFlag::empty())?;
        let (to_logger, to_supervisor) = pair(SockFlag::SOCK_NONBLOCK)?;
        let path = setup.program.as_deref().unwrap_or(Path::new("/proc/self/exe"));
        let program = nix::fcntl::open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty());
        let mut environment = Strings::default();
        for (name, value) in std::env::vars_os() {
            environment.push(&[name.as_bytes(), b"=", value.as_bytes()]);
        }
        let troupe = Self {
            program: program.map_err(Refused::system("open abide's own program"))?,
            supervisor_argv: argv(SUPERVISOR, setup),
            logger_argv: argv(LOGGER, setup),
            environment: environment.seal(),
            nursery: Nursery::new().map_err(Refused::system("map a stack"))?,
            table: out_of_the_way(table)?,
            keeper: out_of_the_way(keeper)?,
            bell: out_of_the_way(bell)?,
            to_logger: out_of_the_way(to_logger)?,
            to_supervisor: out_of_the_way(to_supervisor)?,
            supervisor: AtomicI32::new(0),
            logger: AtomicI32::new(0),
            logger_started: 0,
            logger_delay: Duration::ZERO,
            restart_at: None,
        };
        Ok((troupe, ours))
    }

    fn cell(&self, role: Role) -> &AtomicI32 {
        if role == Role::Logger { &self.logger } else { &self.supervisor }
    }

    /// Who plays it; 0: nobody.
    pub(super) fn pid(&self, role: Role) -> i32 {
        self.cell(role).load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Which role the process plays.
    pub(super) fn role_of(&self, pid: i32) -> Option<Role> {
        [Role::Supervisor, Role::Logger].into_iter().find(|role| self.pid(*role) == pid)
    }

    /// Whether somebody plays it.
    pub(super) fn is_on(&self, role: Role) -> bool {
        self.pid(role) > 0
    }

    /// Nobody plays it any more: its process is reaped.
    pub(super) fn forget(&self, role: Role, table: &Table) {
        self.cell(role).store(0, std::sync::atomic::Ordering::Relaxed);
        table.set_role(role, 0, 0);
    }

    /// A child of ours that we have not reaped: the number is its.
    pub(super) fn signal(&self, role: Role, signal: i32) {
        if self.is_on(role) {
            let _ = process::kill(self.pid(role), signal);
        }
    }

    pub(super) fn start(&mut self, role: Role, table: &Table) -> Result<(), Refused> {
        let as_supervisor = [&self.table, &self.keeper, &self.bell, &self.to_logger].map(AsRawFd::as_raw_fd);
        let [table_fd, keeper, bell, to_logger] = as_supervisor;
        let supervisor = [(table_fd, TABLE), (keeper, KEEPER), (bell, BELL), (to_logger, PEER)];
        let logger = [(table_fd, TABLE), (self.to_supervisor.as_raw_fd(), PEER)];
        let is_logger = role == Role::Logger;
        let plan = Plan {
            program: Program::Held(self.program.as_fd()),
            argv: if is_logger { &self.logger_argv } else { &self.supervisor_argv },
            environment: &self.environment,
            descriptors: if is_logger { &logger } else { &supervisor },
            close_from: PEER + 1,
            limits: &[],
            umask: None,
            becomes: None,
            privileges: Privileges::default(),
            isolation: None,
            scheduling: Scheduling::default(),
            directory: None,
            input: None,
            blocked: &TOLD,
            dies_with: Some(std::process::id() as i32),
            sibling: false,
            copy_memory: false,
            cgroup: None,
            joins: &[],
        };
        let armed = clock::boot_ticks();
        let cell = if is_logger { &self.logger } else { &self.supervisor };
        let born = child::start(&plan, &mut self.nursery, cell).map_err(|refusal| Refused::Role {
            failure: Failure::Step { step: refusal.step, errno: refusal.errno, subject: "abide's own program".into() },
        })?;
        let ticks = clock::ticks(born.at);
        table.set_role(role, born.pid, if ticks == armed { ticks } else { start_of(born.pid) });
        if is_logger {
            self.logger_started = clock::now().mono.0;
        }
        Ok(())
    }

    /// It is not wanted any more: it writes what the pipes hold, and ends.
    pub(super) fn dismiss_logger(&mut self) {
        self.restart_at = None;
        self.signal(Role::Logger, libc::SIGTERM);
    }

    /// Plans its return, at once the first time and then with growing delays, but for ever: services
    /// whose output nobody reads come to a halt.
    pub(super) fn logger_ended(&mut self, status: i32, now: Deadline, again: bool) {
        if !again {
            return;
        }
        if now.saturating_sub(self.logger_started) >= GOOD_LIFE.as_nanos() as u64 {
            self.logger_delay = Duration::ZERO;
        }
        say(format_args!("the logger ended ({}); it is started again", Exit::from_wait_status(status)));
        self.restart_later(now);
    }

    fn restart_later(&mut self, now: Deadline) {
        self.restart_at = Some(after(now, self.logger_delay));
        self.logger_delay = (self.logger_delay * 2).clamp(Duration::from_secs(1), LONGEST_DELAY);
    }

    /// When the logger is to be started again.
    pub(super) fn restart_at(&self) -> Option<Deadline> {
        self.restart_at
    }

    pub(super) fn restart_logger_if_due(&mut self, now: Deadline, table: &Table) {
        if self.restart_at.is_some_and(|at| at <= now) {
            self.restart_at = None;
            if let Err(error) = self.start(Role::Logger, table) {
                say(format_args!("{}", super::Chain(&error)));
                self.forget(Role::Logger, table);
                self.restart_later(now);
            }
        }
    }
}

fn pair(flags: SockFlag) -> Result<(OwnedFd, OwnedFd), Refused> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC | flags)
        .map_err(Refused::system("make a socket"))
}

/// A copy of a descriptor whose number is none of those that roles get.
fn out_of_the_way(descriptor: impl AsFd) -> Result<OwnedFd, Refused> {
    process::duplicate_above(descriptor.as_fd(), PEER).map_err(Refused::system("arrange descriptors"))
}

fn argv(role: &str, setup: &Setup) -> Strings {
    let mut argv = Strings::default();
    argv.push(&[b"abide"]);
    argv.push(&[role.as_bytes()]);
    for argument in &setup.arguments {
        argv.push(&[argument.as_bytes()]);
    }
    argv.seal()
}
