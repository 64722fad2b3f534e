//! The descriptors of a new process.

#![expect(unsafe_code, reason = "the child's system calls")]

use super::{Failed, Plan, Program, check};
use crate::model::outcome::Step;
use std::ffi::{CStr, c_long};
use std::os::fd::{AsRawFd, RawFd};

/// Puts each where it is to be.
pub(super) fn place(descriptors: &[(RawFd, RawFd)]) -> Result<(), Failed> {
    for (from, to) in descriptors {
        let step = match *to {
            0 => Step::Input,
            1 | 2 => Step::Output,
            _ => Step::Readiness,
        };
        // SAFETY: our own descriptors; the table of them is not shared.
        check(c_long::from(unsafe { libc::dup2(*from, *to) }), step)?;
    }
    Ok(())
}

/// Makes `file` the standard input. Opened as the user that the program runs as.
pub(super) fn input(file: &CStr) -> Result<(), Failed> {
    // SAFETY: as above; the path outlives us. The lowest free number is 0, whatever the limit is.
    let opened = unsafe {
        libc::syscall(libc::SYS_close, 0);
        libc::syscall(libc::SYS_openat, libc::AT_FDCWD, file.as_ptr(), libc::O_RDONLY | libc::O_NOCTTY)
    };
    check(opened, Step::Input)
}

/// Closes all from `first` on.
pub(super) fn close_from(plan: &Plan<'_>, first: RawFd) -> Result<(), Failed> {
    // A held program is needed for one call more: it closes itself on exec.
    let held = match (plan.program, plan.descriptors.last()) {
        (Program::Held(file), _) => file.as_raw_fd(),
        (Program::Path(_), Some((_, last))) => *last,
        (Program::Path(_), None) => -1,
    };
    let close = |from: RawFd, to: u32| -> c_long {
        // SAFETY: our own descriptors; the table of them is not shared.
        unsafe { libc::syscall(libc::SYS_close_range, from, to, 0) }
    };
    let closed = if held >= first {
        let below = if held > first { close(first, held as u32 - 1) } else { 0 };
        below.min(close(held + 1, u32::MAX))
    } else {
        close(first, u32::MAX)
    };
    match check(closed, Step::CloseDescriptors) {
        // A filter: one by one then. All of ours close on exec anyway, this is the second lock.
        Err((_, libc::ENOSYS | libc::EPERM, _)) => {
            // SAFETY: as above.
            (first..1 << 16).filter(|fd| *fd != held).for_each(|fd| unsafe {
                libc::syscall(libc::SYS_close, fd);
            });
            Ok(())
        }
        other => other,
    }
}
