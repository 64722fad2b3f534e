//! The descriptor that a process says over that it is ready.

use super::Order;
use crate::host::sys::process::duplicate_above;
use crate::model::check::Check;
use crate::model::outcome::{Failure, Step};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

/// The pipe that a process says over that it is ready.
pub(super) struct Readiness {
    pub(super) read: OwnedFd,
    pub(super) write: OwnedFd,
    /// Which descriptor the writing end becomes.
    pub(super) number: RawFd,
}

/// Makes it, where the service is ready that way.
pub(super) fn readiness(order: &Order) -> Result<Option<Readiness>, Failure> {
    let ready = order.definition.service.ready.as_deref().filter(|_| order.command.is_none());
    let Some(&Check::Descriptor(number @ 3..)) = ready.map(|ready| &ready.check) else { return Ok(None) };
    let pipe = || -> io::Result<Readiness> {
        let (read, mut write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        // It would stay closed on exec if it had that number already.
        if write.as_raw_fd() == number {
            write = duplicate_above(write.as_fd(), number)?;
        }
        Ok(Readiness { read, write, number })
    };
    pipe().map(Some).map_err(|error| match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE) => Failure::NoDescriptors,
        errno => Failure::Step { step: Step::Readiness, errno: errno.unwrap_or(libc::EIO), subject: String::new() },
    })
}
