//! The supervisor's end of the socket to the logger.

use super::sys::socket::{self, Received};
use crate::log::order::{MAX_REPORT, Order, Report};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The way to the logger: non-blocking; what finds no room waits here, in order.
#[derive(Debug)]
pub struct Logger {
    socket: OwnedFd,
    pending: VecDeque<Vec<u8>>,
}

impl Logger {
    /// Over this socket, which is non-blocking.
    pub fn new(socket: OwnedFd) -> Self {
        Self { socket, pending: VecDeque::new() }
    }

    /// Sends an order, now or when there is room.
    pub fn send(&mut self, order: &Order) {
        self.pending.push_back(order.encode());
        self.flush();
    }

    /// Sends what waits, as far as there is room.
    pub fn flush(&mut self) {
        while let Some(packet) = self.pending.front() {
            match socket::send(self.socket.as_fd(), packet, &[]) {
                Ok(()) => drop(self.pending.pop_front()),
                // No room, or no logger at the moment: its successor asks for everything anew.
                Err(_) => return,
            }
        }
    }

    /// A new logger is told everything anew; what waited is void.
    pub fn forget(&mut self) {
        self.pending.clear();
    }

    /// Whether something waits for room.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The next report, if one is there. One that cannot be read is skipped: both ends are of one build.
    pub fn receive(&mut self) -> Option<Report> {
        let mut buffer = [0; MAX_REPORT];
        loop {
            match socket::receive(self.socket.as_fd(), &mut buffer) {
                Ok(Some(Received { length: 0, .. }) | None) => return None,
                Ok(Some(Received { length, .. })) => {
                    if let Ok(report) = Report::decode(&buffer[..length]) {
                        return Some(report);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }
}

impl AsFd for Logger {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
