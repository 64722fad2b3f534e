//! What the keeper holds for the others: one log pipe per slot, so that it outlives whoever reads or writes it.

use crate::host::pipe::KeeperOrder;
use crate::host::sys::socket::{self, Received};
use crate::table::SLOTS;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

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

    /// Does what the supervisor has asked for so far.
    pub(super) fn receive(&mut self) {
        let mut buffer = [0; KeeperOrder::LENGTH * socket::MOST];
        // Length 0 is the end of the connection, which cannot come: we hold the other end too.
        while let Ok(Some(Received { length: length @ 1.., descriptors, .. })) =
            socket::receive(self.socket.as_fd(), &mut buffer)
        {
            let orders = buffer[..length.min(buffer.len())].chunks(KeeperOrder::LENGTH).filter_map(KeeperOrder::decode);
            let mut descriptors = descriptors.into_iter().flatten();
            for order in orders {
                let (slot, held) = match order {
                    KeeperOrder::Hold(slot) => (slot, descriptors.next()),
                    KeeperOrder::Release(slot) => (slot, None),
                };
                if let Some(place) = self.pipes.get_mut(slot as usize) {
                    *place = held;
                }
            }
        }
    }
}
