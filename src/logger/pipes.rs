//! The reading ends of the pipes of slots: where they are, and what an epoll set calls them.

use crate::host::pipe;
use crate::log::order::Destination;
use crate::model::logging::StderrTo;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::stat::Mode;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// What tells what takes output from what brings it.
const OUTLET: u64 = 1 << 33;

/// The reading end of a slot's pipe: of stdout, or of stderr alone.
pub(super) fn open_pipe(directory: &OwnedFd, slot: u32, second: bool) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let number = if second { pipe::second(slot as usize) } else { slot as usize };
    openat(directory, pipe::name(number).as_str(), flags, Mode::empty())
}

/// Those that go there.
pub(super) fn open_pipes(directory: &OwnedFd, slot: u32, to: &Destination) -> Result<[Option<Arc<OwnedFd>>; 2], Errno> {
    let first = open_pipe(directory, slot, false).map(Arc::new)?;
    let second = (to.policy.stderr == StderrTo::Separate).then(|| open_pipe(directory, slot, true).map(Arc::new));
    Ok([Some(first), second.transpose()?])
}

/// Puts them into an epoll set.
pub(super) fn watch_pipes(epoll: &Epoll, slot: u32, pipes: &[Option<Arc<OwnedFd>>; 2]) -> Result<(), Errno> {
    for (pipe, second) in pipes.iter().zip([false, true]) {
        if let Some(pipe) = pipe {
            epoll.add(&**pipe, EpollEvent::new(EpollFlags::EPOLLIN, token(slot, second)))?;
        }
    }
    Ok(())
}

/// What an epoll set calls a pipe.
pub(super) fn token(slot: u32, second: bool) -> u64 {
    u64::from(slot) | u64::from(second) << 32
}

/// Whose it is.
pub(super) fn slot_of(token: u64) -> u32 {
    token as u32
}

/// Whether it is that of stderr alone.
pub(super) fn second_of(token: u64) -> bool {
    token >> 32 & 1 != 0
}

/// What an epoll set calls what takes a slot's output, where that has to be waited for.
pub(super) fn outlet(slot: u32) -> u64 {
    u64::from(slot) | OUTLET
}

/// Whether it is such a thing, and no pipe.
pub(super) fn is_outlet(token: u64) -> bool {
    token & OUTLET != 0
}
