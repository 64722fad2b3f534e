//! What multilog's processor has to do between fork and exec.

#![expect(unsafe_code, reason = "std lets nobody name the descriptors of a child, nor unblock its signals")]

use std::io::{Error, Result};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The child gets `files` as the descriptors named with them, TERM and ALRM at their defaults and
/// unblocked. No name may be above `HIGHEST`.
///
/// The named descriptors must be taken in the parent already. Otherwise the pipe over which std reports
/// a failed exec could be one of them, and would be overwritten.
pub fn equip(command: &mut Command, files: [(OwnedFd, RawFd); 2]) {
    let equip = move || {
        let clear = [libc::SIGTERM, libc::SIGALRM];
        // Away from the names first: a file may hold the name of the other.
        let high = [lift(&files[0].0)?, lift(&files[1].0)?];
        for (from, (_, to)) in high.into_iter().zip(&files) {
            // SAFETY: dup2 touches no memory and may be called between fork and exec.
            check(unsafe { libc::dup2(from, *to) })?;
        }
        // SAFETY: an all-zero sigset_t is a valid value; it is initialised below before use all the same.
        let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: `set` lives through all the calls; all of them may be called between fork and exec.
        unsafe {
            libc::sigemptyset(&raw mut set);
            for signal in clear {
                libc::signal(signal, libc::SIG_DFL);
                libc::sigaddset(&raw mut set, signal);
            }
            check(libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut()))?;
        }
        Ok(())
    };
    // SAFETY: the closure allocates nothing and takes no lock; it makes system calls only.
    unsafe { command.pre_exec(equip) };
}

/// The highest descriptor that can be named.
const HIGHEST: RawFd = 9;

/// A copy above all the names, closed on exec.
fn lift(file: &OwnedFd) -> Result<RawFd> {
    // SAFETY: fcntl touches no memory here and may be called between fork and exec.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, HIGHEST + 1) })
}

fn check(answer: libc::c_int) -> Result<libc::c_int> {
    if answer == -1 { Err(Error::last_os_error()) } else { Ok(answer) }
}
