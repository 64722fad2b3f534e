//! What the keeper holds for the others: the log pipes of each slot, so that they outlive whoever reads or writes it.

use crate::host::pipe::{self, KeeperOrder, witness};
use crate::host::sys::socket::{self, Received};
use crate::table::{LANES, Table};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

const FLAGS: OFlag = OFlag::O_RDWR.union(OFlag::O_NONBLOCK).union(OFlag::O_CLOEXEC).union(OFlag::O_NOFOLLOW);

pub(super) struct Holdings {
    socket: OwnedFd,
    /// By number; of fixed size, so that nothing is allocated later.
    pipes: Vec<Option<OwnedFd>>,
    /// What a logger has taken from pipes and not let go of is in these.
    witnesses: Vec<OwnedFd>,
}

impl Holdings {
    pub(super) fn new(socket: OwnedFd) -> Self {
        let mut pipes = Vec::new();
        pipes.resize_with(pipe::NUMBERS, || None);
        Self { socket, pipes, witnesses: Vec::new() }
    }

    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Holds the pipes of a keeper before this one, while their writers or readers still do.
    pub(super) fn take_over(&mut self, directory: &Path) -> io::Result<()> {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let slot = entry.file_name().to_str().and_then(pipe::number);
            let Some(place) = slot.and_then(|slot| self.pipes.get_mut(slot)) else { continue };
            *place = open(&entry.path(), FLAGS, Mode::empty()).ok();
        }
        Ok(())
    }

    /// Opens the witnesses, made where missing: before the logger that had them dies, where there is one.
    pub(super) fn witness(&mut self, directory: &Path, table: &Table) -> io::Result<()> {
        for lane in 0..LANES {
            let path = directory.join(witness(lane));
            match nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR) {
                Ok(()) | Err(Errno::EEXIST) => self.witnesses.push(open(&path, FLAGS, Mode::empty())?),
                Err(errno) => return Err(errno.into()),
            }
        }
        table.count_witnesses();
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
