//! Where abide lives: the directory of the table, the lock that makes it the only one there, and
//! what an abide that died there has left.

use crate::host::cgroup::base::Base;
use crate::host::cgroup::ground::Ground;
use crate::host::pipe;
use crate::host::proc;
use crate::host::stderr::say;
use crate::host::sys::process::{kill, prlimit};
use crate::model::outcome::Failure;
use crate::store::ledger;
use crate::table::{self, LAYOUT, LIMITS, Machine, NEXT, Role, Table, TableError};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl, open, openat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const TABLE: &str = "table";
const LOCK: &str = "lock";

/// How long the roles of a dead keeper may take to be dead too: one that hangs in the kernel never is.
const ROLES_WAIT: Duration = Duration::from_secs(2);
/// How often those are looked at that are no children of ours: nobody tells of their end.
const LOOK: Duration = Duration::from_millis(20);

/// Why abide cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Another one runs here.
    #[error("abide already runs in {directory}{}; {}", by(*pid), way_out(*detached))]
    AlreadyRunning {
        /// The directory of the table.
        directory: PathBuf,
        /// Who; 0 where that cannot be seen from here.
        pid: i32,
        /// Whether it has no supervisor, on purpose.
        detached: bool,
    },
    /// Others could write where only abide may.
    #[error(
        "{directory} belongs to uid {owner} with mode {mode:04o}; make it belong to uid {wanted}, and nobody else may write it"
    )]
    Untrusted {
        /// The directory of the table.
        directory: PathBuf,
        /// Its owner.
        owner: u32,
        /// Its permissions.
        mode: u32,
        /// Who must own it.
        wanted: u32,
    },
    /// The directory cannot be used.
    #[error("could not {what} {}", directory.display())]
    Directory {
        /// What was attempted.
        what: &'static str,
        /// On what.
        directory: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The table cannot be made.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A role cannot be started.
    #[error("{failure}")]
    Role {
        /// Why.
        failure: Failure,
    },
    /// A table of another version of abide, on this machine, in this boot.
    #[error(
        "{directory} holds the table of another version of abide (layout {found}, and this one knows {LAYOUT}), whose services may still run; start that version, or end them and remove {directory}/table"
    )]
    OtherVersion {
        /// The directory of the table.
        directory: PathBuf,
        /// The layout that was found.
        found: u8,
    },
    /// The kernel refuses.
    #[error("could not {what}")]
    System {
        /// What was attempted.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
}

fn way_out(detached: bool) -> &'static str {
    if detached {
        "its supervisor is detached: `abide attach` brings it back"
    } else {
        "stop it first, or give this one its own --runtime-dir"
    }
}

fn by(pid: i32) -> String {
    if pid > 0 { format!(" as process {pid}") } else { String::new() }
}

impl Refused {
    /// The kernel refused to do `what`.
    pub(super) fn system<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System { what, source: source.into() }
    }
}

/// The directory, locked.
pub(super) struct Place {
    path: PathBuf,
    directory: OwnedFd,
    /// The cgroups of what runs here.
    base: Base,
    /// A lock of this process, gone with it or with *any* closing of its file: opened once, here.
    lock: OwnedFd,
}

impl Place {
    /// Makes the directory if need be, and locks it.
    pub(super) fn take(path: &Path) -> Result<Self, Refused> {
        let cannot = |what| move |source: io::Error| Refused::Directory { what, directory: path.into(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(cannot("make the directory"))?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let directory = open(path, flags, Mode::empty()).map_err(io::Error::from).map_err(cannot("open"))?;
        let facts = fstat(&directory).map_err(io::Error::from).map_err(cannot("look at"))?;
        let (wanted, mode) = (nix::unistd::geteuid().as_raw(), facts.st_mode & 0o7777);
        if facts.st_uid != wanted || mode & 0o022 != 0 {
            return Err(Refused::Untrusted { directory: path.into(), owner: facts.st_uid, mode, wanted });
        }
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let lock = openat(&directory, LOCK, flags, Mode::S_IRUSR | Mode::S_IWUSR).map_err(io::Error::from);
        let lock = lock.map_err(cannot("open the lock in"))?;
        take_lock(&lock, path)?;
        let base = Base::on(&Ground::find(), &directory).map_err(cannot("look at"))?;
        Ok(Self { path: path.into(), directory, base, lock })
    }

    /// The table of a keeper that died on this machine, in this boot.
    pub(super) fn inherit(&self) -> Result<Option<Table>, Refused> {
        let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let Ok(file) = openat(&self.directory, TABLE, flags, Mode::empty()) else { return Ok(None) };
        if Table::machine_of(&file) != Some(machine()) {
            return Ok(None);
        }
        match Table::open(file) {
            Ok(table) => {
                let cannot = Refused::system("make the directory of pipes");
                self.make_pipes().map_err(cannot)?;
                Ok(Some(table))
            }
            Err(TableError::OtherLayout(found)) => Err(Refused::OtherVersion { directory: self.path.clone(), found }),
            Err(error) => {
                say(format_args!("the table of an abide that died here is of no use ({error}); a new one is made"));
                Ok(None)
            }
        }
    }

    /// The program of an upgrade, which is then not asked for any more.
    pub(super) fn take_next(&self) -> io::Result<OwnedFd> {
        // What is executed is what was opened, whatever the path leads to by then.
        let program = openat(&self.directory, NEXT, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty());
        let _ = unlinkat(&self.directory, NEXT, UnlinkatFlags::NoRemoveDir);
        Ok(program?)
    }

    /// Where the pipes are.
    pub(super) fn pipes(&self) -> PathBuf {
        self.path.join(pipe::DIRECTORY)
    }

    /// Whether the lock stays when this process becomes another program. It goes with *any* closing of its file.
    pub(super) fn keep_lock_over_exec(&self, kept: bool) {
        let flags = if kept { FdFlag::empty() } else { FdFlag::FD_CLOEXEC };
        // Refused: then the lock is taken anew a moment later.
        let _ = fcntl(self.lock.as_fd(), FcntlArg::F_SETFD(flags));
    }

    /// Makes the cgroup of services, where one can be had. To be cleared whatever comes then.
    pub(super) fn settle(&self) {
        let ground = Ground::look();
        if ground.unified.is_some() {
            // Refused: the supervisor finds none, and says so.
            let _ = self.base.settle(!ground.cgroups.v2.is_empty());
        }
    }

    /// The cgroups of services.
    pub(super) fn base(&self) -> &Base {
        &self.base
    }

    fn make_pipes(&self) -> io::Result<()> {
        let directory = self.pipes();
        match DirBuilder::new().mode(0o700).create(&directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        // It may be one that was there before, of anybody's making.
        std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o700))
    }

    fn clear_pipes(&self) -> io::Result<()> {
        self.make_pipes()?;
        std::fs::read_dir(self.pipes())?.try_for_each(|entry| std::fs::remove_file(entry?.path()))
    }

    /// A table without a past: nothing else is left of one either.
    pub(super) fn fresh_table(&self) -> Result<Table, Refused> {
        let left = self.base.members().len();
        if left > 0 {
            say(format_args!(
                "{left} processes of an abide before this one are here, and nothing is known of them: let be"
            ));
        }
        self.base.clear();
        let cannot = |what| move |source: io::Error| Refused::Directory { what, directory: self.path.clone(), source };
        self.clear_pipes().map_err(cannot("clear the pipes in"))?;
        for name in [TABLE, ledger::NAME] {
            match unlinkat(&self.directory, name, UnlinkatFlags::NoRemoveDir) {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(errno) => return Err(Refused::system("remove the old table")(errno)),
            }
        }
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        let file = openat(&self.directory, TABLE, flags, Mode::S_IRUSR | Mode::S_IWUSR);
        Ok(Table::create(File::from(file.map_err(Refused::system("make the table"))?), machine())?)
    }

    /// An orderly end: nothing is left to find.
    pub(super) fn leave(&self) {
        for name in [TABLE, ledger::NAME] {
            let _ = unlinkat(&self.directory, name, UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// The roles of a dead keeper, which would start more and read what others are to read. They die with their keeper, if
/// that was not just now.
pub(super) fn end_roles(table: &Table) {
    let deadline = Instant::now() + ROLES_WAIT;
    while Instant::now() < deadline {
        let roles = [Role::Supervisor, Role::Logger].map(|role| living(table.role(role)));
        if roles == [None, None] {
            break;
        }
        // A signal more does not matter.
        for pid in roles.into_iter().flatten() {
            let _ = kill(pid, libc::SIGKILL);
        }
        std::thread::sleep(LOOK);
    }
}

/// Who has the lock of the directory `path`, if anybody.
pub(super) fn holder_of_lock(path: &Path) -> Option<i32> {
    let lock = open(&path.join(LOCK), OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW, Mode::empty()).ok()?;
    let mut whole = libc::flock { l_type: libc::F_WRLCK as i16, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 };
    fcntl(lock.as_fd(), FcntlArg::F_GETLK(&mut whole)).ok()?;
    (whole.l_type != libc::F_UNLCK as i16 && whole.l_pid > 0).then_some(whole.l_pid)
}

fn take_lock(lock: &OwnedFd, path: &Path) -> Result<(), Refused> {
    // The kind that belongs to a process and names it. One that belongs to an opening would stay
    // held by whatever inherited it.
    let mut whole = libc::flock { l_type: libc::F_WRLCK as i16, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 };
    match fcntl(lock.as_fd(), FcntlArg::F_SETLK(&whole)) {
        Ok(_) => Ok(()),
        Err(Errno::EACCES | Errno::EAGAIN) => {
            let _ = fcntl(lock.as_fd(), FcntlArg::F_GETLK(&mut whole));
            let table = File::options().read(true).write(true).open(path.join(TABLE)).ok();
            let table = table.and_then(|file| Table::open(file.into()).ok());
            let detached = table.is_some_and(|table| table.mode() == table::Mode::Detached);
            Err(Refused::AlreadyRunning { directory: path.into(), pid: whole.l_pid, detached })
        }
        Err(errno) => Err(Refused::system("lock the runtime directory")(errno)),
    }
}

/// Of a process by number and start: its number, if it lives.
pub(super) fn living((pid, start): (i32, u64)) -> Option<i32> {
    proc::stat(pid).filter(|stat| stat.start_ticks == start && !stat.has_ended()).map(|stat| stat.pid)
}

/// What makes pids unique here.
fn machine() -> Machine {
    use std::os::unix::fs::MetadataExt;
    let uuid = proc::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = uuid.chars().filter(char::is_ascii_hexdigit).collect();
    let half = |range| digits.get(range).and_then(|half| u64::from_str_radix(half, 16).ok()).unwrap_or(0);
    Machine {
        boot_id: [half(0..16), half(16..32)],
        pid_namespace: std::fs::metadata("/proc/self/ns/pid").map_or(0, |file| file.ino()),
        init_start: start_of(1),
    }
}

/// When a process started, in clock ticks since boot; 0 if that is not to be seen.
pub(super) fn start_of(pid: i32) -> u64 {
    proc::stat(pid).map_or(0, |stat| stat.start_ticks)
}

/// When this process did.
pub(super) fn our_start() -> u64 {
    start_of(std::process::id() as i32)
}

/// Raises our own soft limit of open files to the hard one: one descriptor per service. Returns
/// all limits as they were, which is what services get.
pub(super) fn raise_open_files() -> Result<[(u64, u64); LIMITS], Refused> {
    let mut originals = [(0, 0); LIMITS];
    for (resource, original) in (0..).zip(&mut originals) {
        *original = prlimit(0, resource, None).map_err(Refused::system("read the resource limits"))?;
    }
    let (_, hard) = originals[libc::RLIMIT_NOFILE as usize];
    // Refused: then fewer services find a descriptor, and their status says so.
    let _ = prlimit(0, libc::RLIMIT_NOFILE, Some((hard, hard)));
    Ok(originals)
}
