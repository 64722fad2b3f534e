//! Opening files the way all of daemontools does.

use nix::fcntl::{OFlag, open};
use nix::libc::mode_t;
use nix::sys::stat::Mode;
use nix::unistd::write;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;

/// Readable and writable by the owner, readable by all.
pub(super) const PLAIN: Mode = Mode::from_bits_truncate(0o644);
/// The owner-execute bit says that the file is complete and on disk.
pub(super) const DONE: Mode = Mode::from_bits_truncate(0o744);

/// Whether the mode carries the mark of a complete file.
pub(super) fn is_done(mode: mode_t) -> bool {
    mode & Mode::S_IXUSR.bits() != 0
}

fn with(path: &OsStr, flags: OFlag, mode: Mode) -> nix::Result<OwnedFd> {
    open(path, flags | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC, mode)
}

pub(super) fn read(path: impl AsRef<OsStr>) -> nix::Result<OwnedFd> {
    with(path.as_ref(), OFlag::O_RDONLY, Mode::empty())
}

/// Opens an existing file for writing.
pub(super) fn modify(path: impl AsRef<OsStr>) -> nix::Result<OwnedFd> {
    with(path.as_ref(), OFlag::O_WRONLY, Mode::empty())
}

pub(super) fn append(path: impl AsRef<OsStr>) -> nix::Result<OwnedFd> {
    with(path.as_ref(), OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT, Mode::from_bits_truncate(0o600))
}

pub(super) fn create(path: impl AsRef<OsStr>) -> nix::Result<OwnedFd> {
    with(path.as_ref(), OFlag::O_WRONLY | OFlag::O_TRUNC | OFlag::O_CREAT, PLAIN)
}

/// Writes something of `data`. Nothing written is an error, too.
pub(super) fn write_some(file: &OwnedFd, data: &[u8]) -> nix::Result<usize> {
    match write(file, data) {
        Ok(0) => Err(nix::errno::Errno::UnknownErrno),
        answer => answer,
    }
}
