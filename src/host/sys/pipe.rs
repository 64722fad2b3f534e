//! What a pipe holds.
#![expect(unsafe_code, reason = "nix has no FIONREAD")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// How many bytes can be read from a pipe at once.
pub fn held(pipe: BorrowedFd<'_>) -> io::Result<usize> {
    let mut count: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int to where it is told, which is one of ours; the descriptor is borrowed, so open.
    let returned = unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut count) };
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(usize::try_from(count).unwrap_or(0)) }
}
