//! The signals of a new process: dispositions and mask.

#![expect(unsafe_code, reason = "the child's system calls")]

use super::{Failed, check};
use crate::host::sys::clone::Call;
use crate::model::outcome::Step;

/// Every disposition is the default one. clone3 was told to drop handlers, and drops no ignored
/// signal; clone keeps both, and a handler must not run here.
pub(super) fn dispositions(call: Call) -> Result<(), Failed> {
    let default = [0_u64; 4];
    let mut signal = 1;
    while signal <= 64 {
        let mut old = [0_u64; 4];
        let fixed = signal == libc::SIGKILL || signal == libc::SIGSTOP;
        if !fixed && (call == Call::Clone || MAY_BE_IGNORED & (1 << (signal - 1)) != 0) {
            // SAFETY: both are at least as large as the kernel's struct sigaction, whose zero is "default".
            let set = unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), old.as_mut_ptr(), 8) };
            check(set, Step::Signals)?;
        }
        signal += 1;
    }
    Ok(())
}

/// The keeper resets all dispositions before it makes the roles, so that what can be ignored in
/// them is what Rust's start-up ignores, and what a tool or test in our place might.
const MAY_BE_IGNORED: u64 =
    bit(libc::SIGPIPE) | bit(libc::SIGHUP) | bit(libc::SIGINT) | bit(libc::SIGQUIT) | bit(libc::SIGCHLD);

pub(super) const fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// Sets the signal mask, all 64 of them (glibc hides two), and returns the one before.
pub(super) fn swap_mask(mask: u64) -> u64 {
    let mut old = 0_u64;
    // SAFETY: both words are of the size that is named.
    unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const mask, &raw mut old, 8);
    }
    old
}
