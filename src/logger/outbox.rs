//! Reports on their way to the supervisor: never waited for, and bounded while it does not read.

use crate::log::order::Report;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::socket::{MsgFlags, send};
use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shared by all threads. What finds the socket full waits here, the latest of each kind and slot.
pub(super) struct Outbox {
    control: Arc<OwnedFd>,
    epoll: Arc<Epoll>,
    token: u64,
    waiting: Mutex<BTreeMap<(u32, u8), Report>>,
}

impl Outbox {
    /// Sends over `control`, which stands in `epoll` under `token`.
    pub(super) fn new(control: Arc<OwnedFd>, epoll: Arc<Epoll>, token: u64) -> Self {
        Self { control, epoll, token, waiting: Mutex::default() }
    }

    /// Sends a report now, or when there is room.
    pub(super) fn send(&self, report: Report) {
        let mut waiting = self.waiting();
        if !waiting.is_empty() || !self.sent(&report) {
            waiting.insert(key(&report), report);
            self.interest(EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT);
        }
    }

    /// There is room again.
    pub(super) fn flush(&self) {
        let mut waiting = self.waiting();
        while let Some(first) = waiting.first_entry() {
            if !self.sent(first.get()) {
                return;
            }
            first.remove();
        }
        self.interest(EpollFlags::EPOLLIN);
    }

    /// False: no room. A supervisor that is gone counts as sent to: the next one is told everything anew.
    fn sent(&self, report: &Report) -> bool {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        !matches!(send(self.control.as_raw_fd(), &report.encode(), flags), Err(Errno::EAGAIN | Errno::ENOBUFS))
    }

    fn interest(&self, flags: EpollFlags) {
        // Fails only after the supervisor's end closed and we let go of ours.
        let _ = self.epoll.modify(&*self.control, &mut EpollEvent::new(flags, self.token));
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<(u32, u8), Report>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In which order reports that waited are sent, and which of them make others needless.
fn key(report: &Report) -> (u32, u8) {
    match report {
        Report::Hello => (0, 0),
        Report::Dropped { slot, .. } => (*slot, 1),
        Report::Trouble { slot, .. } => (*slot, 2),
        Report::Watching { slot, .. } => (*slot, 3),
        Report::Matched { slot, .. } => (*slot, 4),
        Report::Refused { slot, .. } => (*slot, 5),
        Report::Tended { slot, .. } => (*slot, 6),
        Report::Detached { slot } => (*slot, 7),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::epoll::EpollCreateFlags;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, recv, socketpair};

    #[test]
    fn a_supervisor_that_does_not_read_costs_one_report_for_each_slot() {
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        let epoll = Arc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap());
        epoll.add(&ours, EpollEvent::new(EpollFlags::EPOLLIN, 0)).unwrap();
        let outbox = Outbox::new(Arc::new(ours), epoll, 0);
        for bytes in 0..10_000 {
            outbox.send(Report::Dropped { slot: 7, bytes, lines: 0 });
        }
        assert_eq!(outbox.waiting().len(), 1);
        let mut packet = [0; 128];
        let mut last = Report::Hello;
        while let Ok(count) = recv(theirs.as_raw_fd(), &mut packet, MsgFlags::MSG_DONTWAIT) {
            last = Report::decode(&packet[..count]).unwrap();
            outbox.flush();
        }
        assert_eq!(last, Report::Dropped { slot: 7, bytes: 9_999, lines: 0 });
    }
}
