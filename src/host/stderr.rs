//! A word to whoever looks at stderr, from those who must not wait for them.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fmt;
use std::io::{Write, stderr};
use std::os::fd::AsFd;
use std::sync::OnceLock;

/// What each line begins with, if not with our name.
static BEGINNING: OnceLock<String> = OnceLock::new();

/// From now on this process speaks as `name`, in the way of the commands of daemontools.
pub fn speak_as(name: &str) {
    // Who has a name already keeps it.
    let _ = BEGINNING.set(format!("{name}: warning: "));
}

/// Writes one line, if there is room for it: a stopped terminal or a full pipe takes none, and
/// nobody may be there at all. Neither is a failure.
pub fn say(text: fmt::Arguments<'_>) {
    let stderr = stderr();
    let mut fds = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0) {
        // Whole, so that it is not mixed with another process's words.
        let _ = stderr
            .lock()
            .write_all(format!("{}{text}\n", BEGINNING.get().map_or("abide: ", String::as_str)).as_bytes());
    }
}
