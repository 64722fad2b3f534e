//! The roles: how the keeper starts supervisor and logger, and what they find when they wake up.
//!
//! A role is this same program, from the image that the keeper holds and not from the path where a
//! newer one may lie. Its descriptors have fixed numbers.

use super::place::start_of;
use super::{KEEPER_VERSION, Refused, Setup};
use crate::host::clock;
use crate::host::sys::child::{self, Nursery, Plan, Privileges, Program, Scheduling, Strings};
use crate::host::sys::process;
use crate::model::outcome::Failure;
use crate::table::{LAYOUT, Role, Table, TableError};
use nix::fcntl::OFlag;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::stat::Mode;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering::Relaxed;

const TABLE: RawFd = 3;
const KEEPER: RawFd = 4;
const BELL: RawFd = 5;
/// The socket between supervisor and logger, in both.
const PEER: RawFd = 6;
/// What one supervisor has the keeper keep for the next: from here on, in the order of `Kept` in the room of pipes.
const KEPT: RawFd = 7;

/// How many of them there are.
const KEPT_COUNT: usize = 2;
/// The last number that a role may get something by.
const LAST: RawFd = KEPT + KEPT_COUNT as RawFd - 1;

/// The first argument of the supervisor.
pub const SUPERVISOR: &str = "role-supervisor";
/// The first argument of the logger.
pub const LOGGER: &str = "role-logger";
/// The first argument of a program that is to say whether it is fit to play the roles; the layout of the table and
/// the version of the keeper follow.
pub const CANDIDATE: &str = "role-candidate";

/// What a candidate says that could play the roles, and wants a keeper of its own version.
pub const WANTS_KEEPER: u8 = 10;

/// What the keeper tells a role by. Blocked from the start: one that comes before the role listens
/// waits for it, instead of ending it.
const TOLD: [i32; 3] = [libc::SIGTERM, libc::SIGHUP, libc::SIGUSR2];

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
    /// What a supervisor before this one had kept, by [`Kept`](crate::host::pipe::Kept).
    pub kept: [Option<OwnedFd>; KEPT_COUNT],
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
    let kept = [KEPT, KEPT + 1].map(process::take_descriptor);
    let by_hand = || NoRole::ByHand;
    let table = table()?;
    let keeper = Arc::new(keeper.ok_or_else(by_hand)?);
    Ok(SupervisorEnds { table, keeper, bell: bell.ok_or_else(by_hand)?, logger: logger.ok_or_else(by_hand)?, kept })
}

/// To be called by a candidate: its exit code. 0: fit, and content with the keeper that there is.
pub fn candidate(layout: u8, keeper: u32) -> Result<u8, NoRole> {
    table()?;
    match (layout == LAYOUT, keeper == KEEPER_VERSION) {
        (false, _) => Err(NoRole::Table(TableError::OtherLayout(layout))),
        (true, true) => Ok(0),
        (true, false) => Ok(WANTS_KEEPER),
    }
}

/// To be called once, at the start of the logger.
pub fn enter_logger() -> Result<LoggerEnds, NoRole> {
    process::name_ourselves();
    let supervisor = process::take_descriptor(PEER).ok_or(NoRole::ByHand)?;
    let table = table()?;
    // It needs nothing more to do its work.
    table.sign_in(Role::Logger);
    Ok(LoggerEnds { table, supervisor })
}

/// To be called by a role once it has its handlers: what the keeper told it before then reaches them.
pub fn listen() -> io::Result<()> {
    use nix::sys::signal::{SigSet, Signal};
    SigSet::from_iter([Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR2]).thread_unblock().map_err(io::Error::from)
}

fn table() -> Result<Arc<Table>, NoRole> {
    let file = process::take_descriptor(TABLE).ok_or(NoRole::ByHand)?;
    Table::open(file).map(Arc::new).map_err(NoRole::Table)
}

/// What wakes the supervisor.
pub(super) fn bell() -> Result<EventFd, Refused> {
    EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC).map_err(Refused::system("make the bell"))
}

/// The two roles, and all that is needed to start them again without asking anybody for anything.
pub(super) struct Troupe {
    program: OwnedFd,
    supervisor_argv: Strings,
    logger_argv: Strings,
    candidate_argv: Strings,
    environment: Strings,
    nursery: Nursery,
    /// Originals of what a role gets by number, all above the numbers that it gets them by.
    table: OwnedFd,
    keeper: OwnedFd,
    bell: OwnedFd,
    to_logger: OwnedFd,
    to_supervisor: OwnedFd,
    kept: [Option<OwnedFd>; KEPT_COUNT],
    supervisor: AtomicI32,
    logger: AtomicI32,
    /// Who is just being tried: no role yet.
    candidate: AtomicI32,
}

impl Troupe {
    /// Gets everything ready; also the keeper's end of the supervisor's socket.
    pub(super) fn new(setup: &Setup, table: &Table, bell: &EventFd) -> Result<(Self, OwnedFd), Refused> {
        let (ours, keeper) = pair(SockFlag::empty())?;
        let (to_logger, to_supervisor) = pair(SockFlag::SOCK_NONBLOCK)?;
        let path = setup.program.as_deref().unwrap_or(Path::new("/proc/self/exe"));
        let program = nix::fcntl::open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty());
        let candidate = [CANDIDATE.to_owned(), LAYOUT.to_string(), KEEPER_VERSION.to_string()];
        let troupe = Self {
            program: program.map_err(Refused::system("open abide's own program"))?,
            supervisor_argv: argv(&[SUPERVISOR], &setup.arguments),
            logger_argv: argv(&[LOGGER], &setup.arguments),
            candidate_argv: argv(&candidate.each_ref().map(String::as_str), &[]),
            environment: environment(),
            nursery: Nursery::new().map_err(Refused::system("map a stack"))?,
            table: out_of_the_way(table)?,
            keeper: out_of_the_way(keeper)?,
            bell: out_of_the_way(bell)?,
            to_logger: out_of_the_way(to_logger)?,
            to_supervisor: out_of_the_way(to_supervisor)?,
            kept: [None, None],
            supervisor: AtomicI32::new(0),
            logger: AtomicI32::new(0),
            candidate: AtomicI32::new(0),
        };
        Ok((troupe, ours))
    }

    fn cell(&self, role: Role) -> &AtomicI32 {
        if role == Role::Logger { &self.logger } else { &self.supervisor }
    }

    /// Who plays it; 0: nobody.
    pub(super) fn pid(&self, role: Role) -> i32 {
        self.cell(role).load(Relaxed)
    }

    /// Which role the process plays.
    pub(super) fn role_of(&self, pid: i32) -> Option<Role> {
        [Role::Supervisor, Role::Logger].into_iter().find(|role| self.pid(*role) == pid)
    }

    /// Whether the process is one of ours, if only on trial.
    pub(super) fn is_one(&self, pid: i32) -> bool {
        self.role_of(pid).is_some() || self.candidate.load(Relaxed) == pid
    }

    /// Whether somebody plays it.
    pub(super) fn is_on(&self, role: Role) -> bool {
        self.pid(role) > 0
    }

    /// Nobody plays it any more: its process is reaped, or given up.
    pub(super) fn forget(&self, role: Role, table: &Table) {
        self.cell(role).store(0, Relaxed);
        table.set_role(role, 0, 0);
    }

    /// A child of ours that we have not reaped: the number is its.
    pub(super) fn signal(&self, role: Role, signal: i32) {
        if self.is_on(role) {
            let _ = process::kill(self.pid(role), signal);
        }
    }

    /// Keeps a descriptor for every supervisor to come, in place of what was kept of that kind.
    pub(super) fn keep(&mut self, which: u32, descriptor: Option<OwnedFd>) {
        if let Some(place) = self.kept.get_mut(which as usize) {
            *place = descriptor.and_then(|descriptor| process::duplicate_above(descriptor.as_fd(), LAST).ok());
        }
    }

    /// From now on the roles are played by this program.
    pub(super) fn adopt_program(&mut self, program: OwnedFd) {
        self.program = program;
    }

    /// Starts a role, in our own program or in that of `candidate`.
    pub(super) fn start(
        &mut self,
        role: Role,
        candidate: Option<BorrowedFd<'_>>,
        table: &Table,
    ) -> Result<(), Refused> {
        let mut descriptors = [(self.table.as_raw_fd(), TABLE); 4 + KEPT_COUNT];
        let count = if role == Role::Logger {
            descriptors[1] = (self.to_supervisor.as_raw_fd(), PEER);
            2
        } else {
            descriptors[1] = (self.keeper.as_raw_fd(), KEEPER);
            descriptors[2] = (self.bell.as_raw_fd(), BELL);
            descriptors[3] = (self.to_logger.as_raw_fd(), PEER);
            let kept = self.kept.iter().zip(KEPT..);
            let mut count = 4;
            for (kept, number) in kept.filter_map(|(kept, number)| Some((kept.as_ref()?, number))) {
                descriptors[count] = (kept.as_raw_fd(), number);
                count += 1;
            }
            count
        };
        let (argv, cell) = match role {
            Role::Logger => (&self.logger_argv, &self.logger),
            _ => (&self.supervisor_argv, &self.supervisor),
        };
        let program = candidate.unwrap_or(self.program.as_fd());
        let plan = plan(program, argv, &self.environment, &descriptors[..count]);
        let armed = clock::boot_ticks();
        let born = child::start(&plan, &mut self.nursery, cell).map_err(refused)?;
        let ticks = clock::ticks(born.at);
        table.set_role(role, born.pid, if ticks == armed { ticks } else { start_of(born.pid) });
        Ok(())
    }

    /// Starts a program that is to say whether it is fit.
    pub(super) fn try_candidate(&mut self, program: BorrowedFd<'_>) -> Result<(), Refused> {
        let descriptors = [(self.table.as_raw_fd(), TABLE)];
        let plan = plan(program, &self.candidate_argv, &self.environment, &descriptors);
        child::start(&plan, &mut self.nursery, &self.candidate).map(drop).map_err(refused)
    }

    /// Whether `pid` is the one on trial. It is not from now on.
    pub(super) fn end_trial(&self, pid: i32) -> bool {
        self.candidate.compare_exchange(pid, 0, Relaxed, Relaxed).is_ok()
    }

    /// The one on trial has had its time.
    pub(super) fn kill_candidate(&self) {
        let pid = self.candidate.load(Relaxed);
        if pid > 0 {
            let _ = process::kill(pid, libc::SIGKILL);
        }
    }
}

fn plan<'a>(
    program: BorrowedFd<'a>,
    argv: &'a Strings,
    environment: &'a Strings,
    descriptors: &'a [(RawFd, RawFd)],
) -> Plan<'a> {
    Plan {
        program: Program::Held(program),
        argv,
        environment,
        descriptors,
        close_from: LAST + 1,
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
    }
}

fn refused(refusal: child::Refusal) -> Refused {
    let failure = Failure::Step { step: refusal.step, errno: refusal.errno, subject: "abide's own program".into() };
    Refused::Role { failure }
}

/// Ours, but for what is meant for us alone: what an init system tells us.
fn environment() -> Strings {
    let mut environment = Strings::default();
    let own = |name: &std::ffi::OsStr| {
        let name = name.as_bytes();
        name == b"NOTIFY_SOCKET" || name.starts_with(b"WATCHDOG_") || name.starts_with(b"LISTEN_")
    };
    for (name, value) in std::env::vars_os().filter(|(name, _)| !own(name)) {
        environment.push(&[name.as_bytes(), b"=", value.as_bytes()]);
    }
    environment.seal()
}

fn pair(flags: SockFlag) -> Result<(OwnedFd, OwnedFd), Refused> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC | flags)
        .map_err(Refused::system("make a socket"))
}

/// A copy of a descriptor whose number is none of those that roles get.
fn out_of_the_way(descriptor: impl AsFd) -> Result<OwnedFd, Refused> {
    process::duplicate_above(descriptor.as_fd(), LAST).map_err(Refused::system("arrange descriptors"))
}

fn argv(words: &[&str], arguments: &[OsString]) -> Strings {
    let mut argv = Strings::default();
    argv.push(&[b"abide"]);
    for word in words {
        argv.push(&[word.as_bytes()]);
    }
    for argument in arguments {
        argv.push(&[argument.as_bytes()]);
    }
    argv.seal()
}
