//! Log pipes: one FIFO per slot, or two, held by the keeper, opened afresh and given to the service's user at
//! each spawn. Where the three processes find them is said here.

use crate::host::sys::process::prlimit;
use crate::host::sys::socket;
use crate::table::SLOTS;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, unlinkat};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The directory of the FIFOs, in the directory of the table.
pub const DIRECTORY: &str = "pipes";

/// The number of a slot's second pipe, that of stderr alone; the first has the number of the slot.
pub const fn second(slot: usize) -> usize {
    SLOTS + slot
}

/// The number of the pipe that a slot reads from, where it reads another's output: that one's pipe then.
pub const fn input(slot: usize) -> usize {
    2 * SLOTS + slot
}

/// How many numbers there are.
pub const NUMBERS: usize = 3 * SLOTS;

/// Whether what is written there is for the logger, and not for a program.
pub const fn is_captured(number: usize) -> bool {
    number < input(0)
}

const KINDS: [&str; 3] = ["", ".err", ".in"];

/// The name there of the pipe with that number.
pub fn name(number: usize) -> String {
    format!("{}{}", number % SLOTS, KINDS.get(number / SLOTS).unwrap_or(&""))
}

/// The number of the pipe that has that name.
pub fn number(name: &str) -> Option<usize> {
    let digits = name.find('.').unwrap_or(name.len());
    let kind = KINDS.iter().position(|kind| *kind == &name[digits..])?;
    name[..digits].parse().ok().filter(|slot| *slot < SLOTS).map(|slot: usize| kind * SLOTS + slot)
}

/// The name there of a lane's witness: see [`crate::table::Phase`].
pub fn witness(lane: usize) -> String {
    format!("witness.{lane}")
}

/// What outlives a supervisor, so that who speaks to it in between is heard by the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// The socket that services speak of themselves over.
    Notify = 0,
    /// The control socket.
    Control = 1,
}

/// What the supervisor tells the keeper: what, and of which slot. A message is up to
/// [`socket::MOST`] of them, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeeperOrder {
    /// Keep the next of the descriptors that come along.
    Hold(u32),
    /// Close what is held.
    Release(u32),
    /// Give the next of the descriptors to every supervisor that comes: see [`Kept`].
    Keep(u32),
    /// The supervisor does its work.
    SignedIn,
}

impl KeeperOrder {
    /// Its length.
    pub const LENGTH: usize = 8;

    /// As sent.
    pub fn encode(self) -> [u8; Self::LENGTH] {
        let (kind, slot) = match self {
            Self::Hold(slot) => (1_u32, slot),
            Self::Release(slot) => (2, slot),
            Self::Keep(which) => (3, which),
            Self::SignedIn => (4, 0),
        };
        (u64::from(kind) << 32 | u64::from(slot)).to_le_bytes()
    }

    /// As received.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let word = u64::from_le_bytes(bytes.try_into().ok()?);
        match (word >> 32, word as u32) {
            (1, slot) => Some(Self::Hold(slot)),
            (2, slot) => Some(Self::Release(slot)),
            (3, which) => Some(Self::Keep(which)),
            (4, _) => Some(Self::SignedIn),
            _ => None,
        }
    }
}

/// The pipes of all slots, as the supervisor sees them.
#[derive(Debug)]
pub struct Pipes {
    directory: OwnedFd,
    keeper: Arc<OwnedFd>,
    slots: Mutex<Slots>,
    /// As many as keeper and logger have descriptors for; like ours, their limit is the hard one.
    most: usize,
    uid: u32,
}

#[derive(Debug, Default)]
struct Slots {
    /// Who owns the pipe of that number, where there is one.
    owners: BTreeMap<usize, u32>,
    /// Pipes that we hold ourselves until they are enough for a message: a pipe must outlive the
    /// logger from its first line on, us only where there is a supervisor after us, and each message
    /// wakes the keeper.
    ours: Vec<(usize, OwnedFd)>,
    /// Those of a supervisor before us, which the keeper may hold as well.
    inherited: BTreeSet<usize>,
}

/// Descriptors that keeper and logger need for other things than pipes.
const RESERVED: u64 = 64;

impl Pipes {
    /// The pipes in `directory`, held by the keeper at the other end of `keeper`.
    pub fn new(directory: &Path, keeper: Arc<OwnedFd>) -> io::Result<Self> {
        // The keeper has made it; somebody may have cleaned up.
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let directory = File::open(directory)?.into();
        let uid = nix::unistd::geteuid().as_raw();
        let (descriptors, _) = prlimit(0, libc::RLIMIT_NOFILE, None)?;
        let most = usize::try_from(descriptors.saturating_sub(RESERVED)).unwrap_or(usize::MAX);
        Ok(Self { directory, keeper, slots: Mutex::default(), most, uid })
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_number(&self, number: usize, more: OFlag) -> nix::Result<OwnedFd> {
        let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | more;
        openat(&self.directory, name(number).as_str(), flags, Mode::empty())
    }

    /// Makes the pipe of that number and has it held, if there is none. Whether it was made now.
    /// `EMFILE` where keeper or logger would have no descriptor for it.
    pub fn make(&self, number: usize) -> io::Result<bool> {
        let count = match &self.slots().owners {
            owners if owners.contains_key(&number) => return Ok(false),
            owners => owners.len(),
        };
        // A keeper without a descriptor could not take it, nor tell us.
        if count >= self.most {
            return Err(Errno::EMFILE.into());
        }
        match nix::unistd::mkfifoat(&self.directory, name(number).as_str(), Mode::S_IRUSR | Mode::S_IWUSR) {
            // Left by a supervisor before us.
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        let pipe = self.open_number(number, OFlag::O_NONBLOCK)?;
        let mut slots = self.slots();
        slots.ours.push((number, pipe));
        // Who reads from a pipe that nobody holds comes to its end, and there may be nobody who writes just now.
        if slots.ours.len() >= socket::MOST || !is_captured(number) {
            self.hand_over(&slots.ours).inspect_err(|_| drop(slots.ours.pop()))?;
            slots.ours.clear();
        }
        slots.owners.insert(number, self.uid);
        Ok(true)
    }

    /// Takes up the pipes that a slot has of a supervisor before us, if it has any: they are held by the keeper, and by us
    /// until then, whatever the one before us had not handed over yet. Whether the first one is there.
    pub fn take_up(&self, slot: usize) -> bool {
        let numbers = [slot, second(slot), input(slot)];
        let [first, ..] = numbers.map(|number| {
            let is_there = self.exists(number) && self.make(number).is_ok();
            if is_there {
                self.slots().inherited.insert(number);
            }
            is_there
        });
        first
    }

    /// Whether a slot has a pipe, be it of a supervisor before us.
    pub fn exists(&self, number: usize) -> bool {
        let found = nix::sys::stat::fstatat(&self.directory, name(number).as_str(), AtFlags::AT_SYMLINK_NOFOLLOW);
        found.is_ok_and(|facts| facts.st_mode & libc::S_IFMT == libc::S_IFIFO)
    }

    /// To the keeper.
    fn hand_over(&self, pipes: &[(usize, OwnedFd)]) -> io::Result<()> {
        let orders: Vec<u8> = pipes.iter().flat_map(|(slot, _)| KeeperOrder::Hold(*slot as u32).encode()).collect();
        let descriptors: Vec<RawFd> = pipes.iter().map(|(_, pipe)| pipe.as_raw_fd()).collect();
        socket::send(self.keeper.as_fd(), &orders, &descriptors)
    }

    /// Tells the keeper something that is not about a pipe.
    pub fn tell_keeper(&self, order: KeeperOrder, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let descriptor = descriptor.map(|descriptor| descriptor.as_raw_fd());
        socket::send(self.keeper.as_fd(), &order.encode(), descriptor.as_slice())
    }

    /// A fresh opening of the pipe of that number, blocking, for one process of `uid`: what the process
    /// does to the flags of its own opening stays there.
    pub fn open(&self, number: usize, uid: u32) -> io::Result<OwnedFd> {
        let pipe = self.open_number(number, OFlag::empty())?;
        // The service's user, so that it can open its /dev/stdout again; by path it cannot.
        if self.slots().owners.get(&number) != Some(&uid) {
            fchown(&pipe, Some(Uid::from_raw(uid)), None::<Gid>)?;
            self.slots().owners.insert(number, uid);
        }
        Ok(pipe)
    }

    /// The slot is given up: its pipes are no longer held, and the next owner of the slot gets new ones.
    pub fn release(&self, slot: usize) -> io::Result<()> {
        [slot, second(slot), input(slot)].into_iter().try_for_each(|number| self.release_one(number))
    }

    /// The reading end of that pipe, blocking, for one process.
    pub fn open_to_read(&self, number: usize) -> io::Result<OwnedFd> {
        // Held open for writing, by us or the keeper, so this waits for nobody.
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        Ok(openat(&self.directory, name(number).as_str(), flags, Mode::empty())?)
    }

    /// The writing end of that pipe, which waits for nobody.
    pub fn open_to_write(&self, number: usize) -> io::Result<OwnedFd> {
        let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        Ok(openat(&self.directory, name(number).as_str(), flags, Mode::empty())?)
    }

    /// That pipe as the standard input of a process that is never to see its end, not even when all of abide is gone: it
    /// holds it for writing itself.
    pub fn open_for_good(&self, number: usize) -> io::Result<OwnedFd> {
        let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        Ok(openat(&self.directory, name(number).as_str(), flags, Mode::empty())?)
    }

    /// One pipe is given up, as with [`Pipes::release`].
    pub fn release_one(&self, number: usize) -> io::Result<()> {
        let mut slots = self.slots();
        if slots.owners.remove(&number).is_none() {
            return Ok(());
        }
        let ours = slots.ours.iter().position(|(ours, _)| *ours == number);
        if let Some(position) = ours {
            slots.ours.swap_remove(position);
        }
        if ours.is_none() || slots.inherited.remove(&number) {
            socket::send(self.keeper.as_fd(), &KeeperOrder::Release(number as u32).encode(), &[])?;
        }
        unlinkat(&self.directory, name(number).as_str(), UnlinkatFlags::NoRemoveDir)?;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
    use std::io::{Read, Write};

    #[test]
    fn orders_to_the_keeper_survive_the_way() {
        for order in [
            KeeperOrder::Hold(0),
            KeeperOrder::Hold(16_383),
            KeeperOrder::Release(7),
            KeeperOrder::Keep(1),
            KeeperOrder::SignedIn,
        ] {
            assert_eq!(KeeperOrder::decode(&order.encode()), Some(order));
        }
        assert_eq!(KeeperOrder::decode(&[0; 8]), None);
        assert_eq!(KeeperOrder::decode(b"short"), None);
    }

    #[test]
    fn no_more_pipes_are_made_than_can_be_held() {
        let directory = tempfile::tempdir().unwrap();
        let (ours, _theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        let pipes = Pipes { most: 2, ..Pipes::new(directory.path(), Arc::new(ours)).unwrap() };
        assert!(pipes.make(1).unwrap() && pipes.make(2).unwrap());
        assert_eq!(pipes.make(3).unwrap_err().raw_os_error(), Some(libc::EMFILE));
        pipes.release(1).unwrap();
        assert!(pipes.make(3).unwrap());
    }

    #[test]
    fn a_pipe_is_made_once_held_and_gone_after_release() {
        let directory = tempfile::tempdir().unwrap();
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        let pipes = Pipes::new(directory.path(), Arc::new(ours)).unwrap();
        let mut buffer = [0; KeeperOrder::LENGTH * socket::MOST];
        for slot in 0..socket::MOST {
            assert!(socket::receive(theirs.as_fd(), &mut buffer).unwrap().is_none(), "not yet worth a message");
            assert!(pipes.make(slot).unwrap());
            assert!(!pipes.make(slot).unwrap());
        }
        let received = socket::receive(theirs.as_fd(), &mut buffer).unwrap().unwrap();
        let orders =
            buffer[..received.length].chunks(KeeperOrder::LENGTH).map(|bytes| KeeperOrder::decode(bytes).unwrap());
        assert!(orders.eq((0..socket::MOST as u32).map(KeeperOrder::Hold)));
        let mut held = received.descriptors.map(Option::unwrap).map(File::from);

        let mut end = File::from(pipes.open(3, nix::unistd::geteuid().as_raw()).unwrap());
        end.write_all(b"hello").unwrap();
        drop(end);
        let mut text = [0; 5];
        held[3].read_exact(&mut text).unwrap();
        assert_eq!(&text, b"hello", "the held end keeps what a dead writer wrote");

        pipes.release(3).unwrap();
        let received = socket::receive(theirs.as_fd(), &mut buffer).unwrap().unwrap();
        assert_eq!(KeeperOrder::decode(&buffer[..received.length]), Some(KeeperOrder::Release(3)));
        assert!(received.descriptors.iter().all(Option::is_none));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), socket::MOST - 1);

        assert!(pipes.make(3).unwrap());
        pipes.release(3).unwrap();
        assert!(socket::receive(theirs.as_fd(), &mut buffer).unwrap().is_none(), "the keeper never had it");
    }
}
