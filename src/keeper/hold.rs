//! What the keeper holds for the others: one log pipe per slot, so that it outlives whoever reads or writes it.

use crate::host::pipe::KeeperOrder;
use crate::host::sys::socket::{self, Received};
use crate::table::SLOTS;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

pub(super) struct Holdings {
    socket: OwnedFd,
    /// By slot; of fixed size, so that nothing is allocated later.
    pipes: Vec<Option<OwnedFd>>,
}

impl Holdings {
    pub(super) fn new(socket: OwnedFd) -> Self {
        let mut pipes = Vec::new();
        pipes.resize_with(SLOTS, || None);
        Self { socket, pipes }
    }

    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Holds the pipes of a keeper before this one, while their writers or readers still do.
    pub(super) fn take_over(&mut self, directory: &Path) -> io::Result<()> {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let slot = entry.file_name().to_str().and_then(|name| name.parse::<usize>().ok());
            let Some(place) = slot.and_then(|slot| self.pipes.get_mut(slot)) else { continue };
            let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
            *place = open(&entry.path(), flags, Mode::empty()).ok();
        }
        Ok(())
    }

    /// The supervisor's next orders that are not about pipes, each with its descriptor, where one came along.
    pub(super) fn receive(&mut self, mut obey: impl FnMut(KeeperOrder, Option<OwnedFd>)) {
        let mut buffer = [0; KeeperOrder::LENGTH * socket::MOST];
        // Length 0 is the end of the connection, which cannot come: we hold the other end too.
        while let Ok(Some(Received { length: length @ 1.., descriptors, .. })) =
            socket::receive(self.socket.as_fd(), &mut buffer)
        {
            let orders = buffer[..length.min(buffer.len())].chunks(KeeperOrder::LENGTH).filter_map(KeeperOrder::decode);
            let mut descriptors = descriptors.into_iter().flatten();
            for order in orders {
                match order {
                    KeeperOrder::Hold(slot) => self.put(slot, descriptors.next()),
                    KeeperOrder::Release(slot) => self.put(slot, None),
                    KeeperOrder::Keep(_) => obey(order, descriptors.next()),
                    KeeperOrder::SignedIn => obey(order, None),
                }
            }
        }
    }

    fn put(&mut self, slot: u32, held: Option<OwnedFd>) {
        if let Some(place) = self.pipes.get_mut(slot as usize) {
            *place = held;
        }
    }
}
