//! `supervise DIR`: what the original looks at before it starts anything, in its order, and then the engine on a directory
//! that holds a link to DIR and nothing else.

use super::{FAILED, USAGE, apart, fatal, play, refuse, say, words_of};
use crate::daemon::paths::Places;
use crate::model::guise::Guise;
use crate::model::name::ServiceName;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, open};
use nix::sys::stat::{Mode, stat};
use nix::unistd::{mkdir, mkfifo};
use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const NAME: &str = "supervise";

/// How long the lock of one that was killed may take to be free: it is its supervisor's, which dies a moment later.
const DYING: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(10);

/// supervise.
pub(super) fn supervise(operands: &[OsString]) -> u8 {
    let [directory] = operands else {
        say(b"supervise: usage: supervise dir\n");
        return USAGE;
    };
    if let Err(error) = std::env::set_current_dir(directory) {
        return refuse(NAME, "unable to chdir to ", directory, &error);
    }
    let here = match std::env::current_dir() {
        Ok(here) => here,
        Err(error) => return fatal(NAME, &format!("unable to find out where this is: {}", words_of(&error))),
    };
    let places = match apart(NAME) {
        Ok(places) => places,
        Err(code) => return code,
    };
    if let Err((what, path, errno)) = look(&places) {
        let path = [directory.as_bytes(), b"/", path.as_bytes()].concat();
        return refuse(NAME, what, OsStr::from_bytes(&path), &errno.into());
    }
    let shown = directory.to_string_lossy().into_owned();
    match entry(&places, &here) {
        Ok(entry) => play(&Guise::Supervise { directory: shown }, &places, &entry),
        Err(error) => {
            fatal(NAME, &format!("unable to note the directory in {}: {error}", places.runtime.display()));
            FAILED
        }
    }
}

/// What cannot be had: what was tried, on what, and why not.
type Refusal = (&'static str, &'static str, Errno);

/// Looks at the directory that we are in, and makes what the engine takes.
fn look(places: &Places) -> Result<(), Refusal> {
    match stat("down") {
        Ok(_) | Err(Errno::ENOENT) => {}
        Err(errno) => return Err(("unable to stat ", "down", errno)),
    }
    // That it cannot be made is told by what cannot be opened in it.
    if mkdir("supervise", Mode::S_IRWXU) == Err(Errno::EEXIST) && stat("supervise") == Err(Errno::ENOENT) {
        // A link that leads nowhere leads somewhere from now on.
        let _ = std::fs::read_link("supervise").map(|target| mkdir(&target, Mode::S_IRWXU));
    }
    lock(places).map_err(|errno| ("unable to acquire ", "supervise/lock", errno))?;
    let fifo = |path: &'static str, how| {
        let _ = mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR);
        opened(path, how)
    };
    let reading = fifo("supervise/control", OFlag::O_RDONLY);
    let _reading = reading.map_err(|errno| ("unable to read ", "supervise/control", errno))?;
    opened("supervise/control", OFlag::O_WRONLY).map_err(|errno| ("unable to write ", "supervise/control", errno))?;
    fifo("supervise/ok", OFlag::O_RDONLY).map_err(|errno| ("unable to read ", "supervise/ok", errno))?;
    Ok(())
}

fn opened(path: &str, how: OFlag) -> Result<OwnedFd, Errno> {
    open(path, how | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC, Mode::S_IRUSR | Mode::S_IWUSR)
}

/// Whether the lock can be had. It is given back: who takes it for good is the supervisor.
fn lock(places: &Places) -> Result<(), Errno> {
    let deadline = Instant::now() + DYING;
    loop {
        let file = opened("supervise/lock", OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(_) => return Ok(()),
            // Its keeper is dead: then so is its supervisor, in a moment.
            Err((_, Errno::EAGAIN)) if Instant::now() < deadline && was_killed(places) => std::thread::sleep(LOOK),
            Err((_, errno)) => return Err(errno),
        }
    }
}

/// Whether a supervise of ours was here and has left its table, but lives no more.
fn was_killed(places: &Places) -> bool {
    places.table.join("table").exists() && crate::keeper::holder(&places.table).is_none()
}

/// The directory with the only entry: made anew, since the one of before may lead to where this one was then.
fn entry(places: &Places, directory: &Path) -> io::Result<PathBuf> {
    let entries = places.runtime.join("entry");
    DirBuilder::new().recursive(true).mode(0o700).create(&entries)?;
    let name = directory.file_name().and_then(OsStr::to_str).and_then(|name| ServiceName::new(name).ok());
    let link = entries.join(name.as_ref().map_or("service", ServiceName::as_str));
    for other in std::fs::read_dir(&entries)? {
        let other = other?.path();
        if other != link || std::fs::read_link(&other).ok().as_deref() != Some(directory) {
            std::fs::remove_file(other)?;
        }
    }
    match symlink(directory, &link) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(entries),
    }
}
