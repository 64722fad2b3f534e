//! A word to whoever looks at stderr, from those who must not wait for them.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fmt;
use std::io::{Write, stderr};
use std::os::fd::AsFd;

/// Writes one line, if there is room for it: a stopped terminal or a full pipe takes none, and
/// nobody may be there at all. Neither is a failure.
pub fn say(text: fmt::Arguments<'_>) {
    let stderr = stderr();
    let mut fds = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0) {
        // Whole, so that it is not mixed with another process's words.
        let _ = stderr.lock().write_all(format!("abide: {text}\n").as_bytes());
    }
}
