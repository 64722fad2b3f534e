//! The mount table: what is mounted over a watched directory, or taken away from it, gives no event there.
//!
//! One thread sleeps until the table changes, and says so; the worker then looks whether its directories are where they
//! were. A machine that runs containers mounts much: what changes within a moment is told once.

use super::mailbox::{Mailbox, State};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

/// The table of our own mount namespace; `poll(2)` tells of its changes (`proc_pid_mountinfo(5)`).
const TABLE: &str = "/proc/self/mountinfo";
/// Changes within this time are one.
const MOMENT: Duration = Duration::from_millis(50);
/// The thread needs next to nothing.
const STACK: usize = 128 << 10;

/// The thread; it ends with this.
#[derive(Debug)]
pub(super) struct Mounts(Arc<EventFd>);

impl Mounts {
    /// Starts it.
    pub(super) fn start(mailbox: &Arc<Mailbox>) -> std::io::Result<Self> {
        let table = File::open(TABLE)?;
        let end = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?);
        let (mailbox, bell) = (Arc::clone(mailbox), Arc::clone(&end));
        let watch = move || {
            while let Some(changed) = wait(&table, &bell, PollTimeout::NONE) {
                if changed {
                    // What belongs together is let come.
                    let moment = PollTimeout::try_from(MOMENT).unwrap_or(PollTimeout::ZERO);
                    if ended(&bell, moment) {
                        return;
                    }
                    mailbox.notice(State::mounted);
                }
            }
        };
        std::thread::Builder::new().name("mounts".into()).stack_size(STACK).spawn(watch)?;
        Ok(Self(end))
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        // Can only fail when the counter is full, and then the thread ends too.
        let _ = self.0.write(1);
    }
}

/// Whether the table changed; `None`: it is the end.
fn wait(table: &File, bell: &EventFd, timeout: PollTimeout) -> Option<bool> {
    let mut descriptors =
        [PollFd::new(table.as_fd(), PollFlags::POLLPRI), PollFd::new(bell.as_fd(), PollFlags::POLLIN)];
    match poll(&mut descriptors, timeout) {
        Err(nix::errno::Errno::EINTR) => return Some(false),
        Err(_) => return None,
        Ok(_) => {}
    }
    let happened = |at: usize| descriptors[at].revents().is_some_and(|it| !it.is_empty());
    if happened(1) { None } else { Some(happened(0)) }
}

fn ended(bell: &EventFd, timeout: PollTimeout) -> bool {
    let mut descriptors = [PollFd::new(bell.as_fd(), PollFlags::POLLIN)];
    matches!(poll(&mut descriptors, timeout), Ok(1..) | Err(_))
}
