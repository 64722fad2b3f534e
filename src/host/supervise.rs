//! The directory `supervise/` of a legacy service: `lock`, `control`, `status`, `ok`, as supervise(8) has them.
//!
//! It is reached by descriptor, and what lies in it is never followed. The directory itself may be a link, as runit's
//! users have it: it counts by whose it is. What can be wrong with it is no reason not to run the service, but for one:
//! that somebody else supervises it.

use super::sys::eyes::Eyes;
use crate::log::order::Owner;
use crate::model::supervise::Shown;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, open, openat, readlinkat, renameat};
use nix::sys::stat::{Mode, SFlag, fstat, mkdirat};
use nix::unistd::mkfifoat;
use std::fmt;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

/// A directory that is ours.
#[derive(Debug)]
pub struct Taken {
    /// The directory itself.
    pub(super) directory: Arc<OwnedFd>,
    /// Where letters come; open for writing too, so that it never comes to an end.
    pub(super) control: OwnedFd,
    /// Held as long as we supervise.
    pub(super) lock: Flock<OwnedFd>,
    /// Open for reading, and never read: who can open it for writing knows that somebody is there.
    pub(super) ok: OwnedFd,
}

/// Why it is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Untaken {
    /// Another supervises this service.
    Held(String),
    /// It cannot be had.
    Impossible(String),
}

const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);
const NAMED: OFlag = OFlag::O_NOFOLLOW.union(OFlag::O_NONBLOCK).union(OFlag::O_CLOEXEC);

/// How the words begin that say that another supervises it.
pub const HELD: &str = "another supervises it";

/// Takes that of the service in `service`, with the rights of `owner` if there is one, and shows this there.
pub(super) fn take(service: &Path, owner: Option<&Owner>, shown: &Shown) -> Result<Taken, Untaken> {
    let shown_path = service.join("supervise");
    let failed = |what: &dyn fmt::Display, errno: Errno| {
        let path = shown_path.display();
        Untaken::Impossible(format!("{path}: {what}: {}; svc and svstat cannot reach the service", errno.desc()))
    };
    let _eyes = eyes(owner).map_err(|errno| failed(&"cannot be looked at as its user", errno))?;
    let directory = directory(service).map_err(|errno| failed(&"cannot be made or opened", errno))?;
    if let Some(stranger) = stranger(&directory, owner).map_err(|errno| failed(&"cannot be looked at", errno))? {
        let path = shown_path.display();
        return Err(Untaken::Impossible(format!("{path}: {stranger}; svc and svstat cannot reach the service")));
    }
    let made = |name: &str, result: Result<OwnedFd, Errno>| result.map_err(|errno| failed(&name, errno));
    let private = Mode::S_IRUSR | Mode::S_IWUSR;
    let append = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT;
    let lock = made("lock", openat(&directory, "lock", append | NAMED, private))?;
    let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EAGAIN => Untaken::Held(format!(
            "{HELD}: {}/lock is locked. End that one (`svc -dx {}`), or take the directory away from here",
            shown_path.display(),
            service.display()
        )),
        errno => failed(&"lock", errno),
    })?;
    let control = made("control", fifo(&directory, "control", OFlag::O_RDWR))?;
    write(directory.as_fd(), shown).map_err(|errno| failed(&"status", errno))?;
    let ok = made("ok", fifo(&directory, "ok", OFlag::O_RDONLY))?;
    Ok(Taken { directory: Arc::new(directory), control, lock, ok })
}

/// Writes the file `status` anew, with the rights of `owner` if there is one.
pub(super) fn show(directory: &OwnedFd, owner: Option<&Owner>, shown: &Shown) -> Result<(), Errno> {
    let _eyes = eyes(owner)?;
    write(directory.as_fd(), shown)
}

fn eyes(owner: Option<&Owner>) -> Result<Option<Eyes>, Errno> {
    let eyes = owner.map(|owner| Eyes::of(owner.uid, owner.gid, &owner.groups)).transpose();
    eyes.map_err(|error| error.raw_os_error().map_or(Errno::EPERM, Errno::from_raw))
}

/// Opens `supervise`, made if it is not there; of a link that leads nowhere, where it leads to.
fn directory(service: &Path) -> Result<OwnedFd, Errno> {
    let service = open(service, DIRECTORY, Mode::empty())?;
    let make = |path: &Path| match mkdirat(&service, path, Mode::S_IRWXU) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(errno),
    };
    let name = Path::new("supervise");
    // Where nothing can be made, there may be one all the same.
    let outcome = make(name);
    match openat(&service, name, DIRECTORY, Mode::empty()) {
        Err(Errno::ENOENT) if outcome.is_ok() => {
            make(Path::new(&readlinkat(&service, name)?))?;
            openat(&service, name, DIRECTORY, Mode::empty())
        }
        Err(Errno::ENOENT) => Err(outcome.err().unwrap_or(Errno::ENOENT)),
        opened => opened,
    }
}

/// What is wrong with the directory, if others could put something there.
fn stranger(directory: &OwnedFd, owner: Option<&Owner>) -> Result<Option<String>, Errno> {
    let found = fstat(directory)?;
    let own = owner.map_or_else(|| nix::unistd::geteuid().as_raw(), |owner| owner.uid);
    Ok(match found.st_mode & 0o022 {
        _ if found.st_uid != own && found.st_uid != 0 => Some(format!("belongs to uid {}", found.st_uid)),
        0 => None,
        _ => Some(format!("may be written by others (mode {:o})", found.st_mode & 0o7777)),
    })
}

fn fifo(directory: &OwnedFd, name: &str, how: OFlag) -> Result<OwnedFd, Errno> {
    match mkfifoat(directory, name, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(errno),
    }
    let opened = openat(directory, name, how | NAMED, Mode::empty())?;
    let kind = SFlag::from_bits_truncate(fstat(&opened)?.st_mode & SFlag::S_IFMT.bits());
    if kind == SFlag::S_IFIFO { Ok(opened) } else { Err(Errno::ENXIO) }
}

fn write(directory: BorrowedFd<'_>, shown: &Shown) -> Result<(), Errno> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC;
    let new = openat(directory, "status.new", flags | NAMED, Mode::from_bits_truncate(0o644))?;
    let whole = std::fs::File::from(new).write_all(&shown.encode());
    whole.map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
    renameat(directory, "status.new", directory, "status")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::model::supervise::Wish;
    use crate::model::time::Wall;
    use std::fs;
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

    const SHOWN: Shown =
        Shown { since: Wall(0), pid: 7, paused: false, term_sent: false, wish: Wish::Up, finishing: false };

    #[test]
    fn one_has_it_and_a_second_is_told_so() {
        let temp = tempfile::tempdir().unwrap();
        let first = take(temp.path(), None, &SHOWN).unwrap();
        let at = temp.path().join("supervise");
        assert_eq!(fs::metadata(&at).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(fs::metadata(at.join("control")).unwrap().file_type().is_fifo());
        assert_eq!(fs::read(at.join("status")).unwrap(), SHOWN.encode());
        assert!(!at.join("status.new").exists());
        assert!(matches!(take(temp.path(), None, &SHOWN), Err(Untaken::Held(_))));
        drop(first);
        take(temp.path(), None, &SHOWN).unwrap();
    }

    #[test]
    fn a_link_that_leads_nowhere_is_led_somewhere_and_nothing_else_is_followed() {
        let temp = tempfile::tempdir().unwrap();
        symlink("elsewhere", temp.path().join("supervise")).unwrap();
        drop(take(temp.path(), None, &SHOWN).unwrap());
        let at = temp.path().join("elsewhere");
        assert!(at.join("ok").exists());
        fs::remove_file(at.join("lock")).unwrap();
        symlink("/etc/hostname", at.join("lock")).unwrap();
        assert!(matches!(take(temp.path(), None, &SHOWN), Err(Untaken::Impossible(_))));
        fs::remove_file(at.join("lock")).unwrap();
        fs::remove_file(at.join("control")).unwrap();
        fs::write(at.join("control"), "").unwrap();
        assert!(matches!(take(temp.path(), None, &SHOWN), Err(Untaken::Impossible(_))));
    }

    #[test]
    fn one_that_others_may_write_is_none() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("supervise")).unwrap();
        fs::set_permissions(temp.path().join("supervise"), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(take(temp.path(), None, &SHOWN), Err(Untaken::Impossible(_))));
    }
}
