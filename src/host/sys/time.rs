//! What the kernel thinks of its own clock.

#![expect(unsafe_code, reason = "a system call that no crate of ours wraps")]

/// Whether somebody keeps the clock of day right, as far as the kernel was told; `None`: it does not say.
pub fn is_synchronised() -> Option<bool> {
    // SAFETY: all zero is a value of this plain structure, and asks for no change.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes into the structure that is ours.
    let said = unsafe { libc::adjtimex(&raw mut state) };
    (said >= 0).then_some(said != libc::TIME_ERROR && state.status & libc::STA_UNSYNC == 0)
}
