//! What the keeper holds for the others: one log pipe per slot, so that it outlives whoever reads or writes it.

use crate::host::pipe::KeeperOrder;
use crate::host::sys::socket;
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
        let mut buffer = [0; KeeperOrder::LENGTH];
        // Length 0 is the end of the connection, which cannot come: we hold the other end too.
        while let Ok(Some((length @ 1.., descriptor))) = socket::receive(self.socket.as_fd(), &mut buffer) {
            let (slot, held) = match KeeperOrder::decode(&buffer[..length]) {
                Some(KeeperOrder::Hold(slot)) => (slot, descriptor),
                Some(KeeperOrder::Release(slot)) => (slot, None),
                None => continue,
            };
            if let Some(place) = self.pipes.get_mut(slot as usize) {
                *place = held;
            }
        }
    }
}
