//! A directory in multilog's format: `current`, `@LABEL.s`, `state`, and `lock`, which keeps a real multilog out.
//! daemontools' multilog(8), "Log directories".

use super::directory::open_or_make;
use super::sink::now;
use super::trouble::Trouble;
use crate::log::order::Destination;
use crate::log::rotate::{Form, LogFile, next};
use crate::model::logging::LogFormat;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, openat, renameat};
use nix::sys::stat::{Mode, fchmod};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// The lock on such a directory.
#[derive(Debug)]
pub(super) struct Held {
    directory: PathBuf,
    _lock: Flock<OwnedFd>,
}

/// What a multilog that was cut off left of a rotation.
const LEFT: [&str; 2] = ["processed", "previous"];

/// Makes the directory ours, if that format is asked for and it is not; gives up what was `held` else.
pub(super) fn hold(held: Option<Held>, to: &Destination) -> Result<Option<Held>, Trouble> {
    if to.policy.format != LogFormat::Multilog {
        return Ok(None);
    }
    if held.as_ref().is_some_and(|held| held.directory == to.directory) {
        return Ok(held);
    }
    let failed = |errno| Trouble::Directory { path: to.directory.clone(), errno };
    let directory = open_or_make(&to.directory, to.uid())?;
    let make = |name: &str, mode| {
        let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        openat(&directory, name, flags | OFlag::O_CLOEXEC, mode)
    };
    let lock = make("lock", Mode::S_IRUSR | Mode::S_IWUSR).map_err(failed)?;
    let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EAGAIN => Trouble::Locked(to.directory.clone()),
        errno => failed(errno),
    })?;
    make("state", Mode::from_bits_truncate(0o644)).map_err(failed)?;
    finish(&directory);
    Ok(Some(Held { directory: to.directory.clone(), _lock: lock }))
}

/// What was left of a rotation becomes a rotated file that is not whole.
fn finish(directory: &OwnedFd) {
    let mut at = now();
    for name in LEFT {
        let cut_off = LogFile::Current.rotated(at, Form::Multilog { nanos: 0, whole: false });
        // Mostly there is none.
        if renameat(directory, name, directory, cut_off.as_str()).is_ok() {
            at = next(&[at], at);
        }
    }
}

/// Owner-execute says that a file is whole.
pub(super) fn mark(file: &File, whole: bool) {
    // Refused: then the next multilog takes it for cut off, and keeps it all the same.
    let _ = fchmod(file, Mode::from_bits_truncate(if whole { 0o744 } else { 0o644 }));
}
