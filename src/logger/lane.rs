//! One thread's way from a pipe to a file on which no byte gets lost, and none is written twice: see [`Phase`].

use super::pipes::open_pipe;
use crate::host::pipe::witness;
use crate::host::sys::pipe::held;
use crate::table::{Intent, LANES, Phase, Table};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, openat, splice, tee};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{ftruncate, pipe2, read};
use std::cell::Cell;
use std::hash::{DefaultHasher, Hasher};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

/// What an ordinary pipe holds.
pub(super) const SMALL: usize = 64 << 10;
/// What the pipe of a service that floods is made to hold: the service writes on while we write.
pub(super) const LARGE: usize = 1 << 20;
/// What is looked at at once in such a pipe.
const FAR: usize = 256 << 10;
/// So much of both ends of a batch goes into its digest.
const ENDS: usize = 1 << 10;

#[derive(Debug)]
pub(super) struct Lane {
    table: Arc<Table>,
    number: usize,
    /// Where copies of what is looked at go through: in, and out.
    copy: (OwnedFd, OwnedFd),
    witness: OwnedFd,
    nowhere: OwnedFd,
    /// What can be looked at at once.
    reach: usize,
    /// Of which slot the path in the table is, and whether of its second file.
    spoken_of: Cell<Option<(u32, bool)>>,
}

impl Lane {
    /// Brings to its end what a logger before us was about, on all lanes. `pipes`: their directory.
    pub(super) fn recover_all(table: &Arc<Table>, pipes: &OwnedFd) -> Result<(), Errno> {
        let left = (0..LANES).filter(|number| table.intent(*number).is_some());
        left.map(|number| Self::enter(table.clone(), number, pipes)).try_for_each(|lane| lane?.recover(pipes))
    }

    /// The lane of that number, of [`LANES`].
    pub(super) fn enter(table: Arc<Table>, number: usize, pipes: &OwnedFd) -> Result<Self, Errno> {
        let (out, copy) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let witness = openat(pipes, witness(number).as_str(), flags, Mode::empty())?;
        let nowhere = nix::fcntl::open("/dev/null", OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
        Ok(Self { table, number, copy: (copy, out), witness, nowhere, reach: SMALL, spoken_of: Cell::new(None) })
    }

    /// Makes room for looks at large pipes. Whether there is.
    pub(super) fn reach_far(&mut self) -> bool {
        let enlarge = |pipe: &OwnedFd| fcntl(pipe, FcntlArg::F_SETPIPE_SZ(FAR as i32)).is_ok();
        if self.reach < FAR && enlarge(&self.copy.0) && enlarge(&self.witness) {
            self.reach = FAR;
        }
        self.reach == FAR
    }

    /// What a pipe holds, without taking it, at the beginning of `buffer`, which grows where it is too small. `EAGAIN`:
    /// nothing. 0: it is at its end.
    pub(super) fn look(&self, pipe: &OwnedFd, buffer: &mut Vec<u8>) -> Result<usize, Errno> {
        let count = tee(pipe, &self.copy.0, self.reach, SpliceFFlags::SPLICE_F_NONBLOCK)?;
        if buffer.len() < count {
            buffer.resize(self.reach, 0);
        }
        let mut filled = 0;
        while filled < count {
            filled += read(&self.copy.1, &mut buffer[filled..count])?;
        }
        Ok(count)
    }

    /// The next intents speak of the file of that slot, or of the second one that it has.
    pub(super) fn speak_of(&self, slot: u32, second: bool, path: impl FnOnce() -> PathBuf) {
        if self.spoken_of.replace(Some((slot, second))) != Some((slot, second)) {
            self.table.set_lane_path(self.number, &path());
        }
    }

    /// Files of slots are others now.
    pub(super) fn forget(&self) {
        self.spoken_of.set(None);
    }

    /// These bytes are about to be written, then to be taken.
    pub(super) fn intend(&self, intent: &Intent, bytes: &[u8]) {
        let (count, digest) = (bytes.len() as u64, digest(bytes));
        self.table.intend(self.number, &Intent { count, digest, ..*intent });
    }

    /// Nothing of it was done, and nothing will be.
    pub(super) fn desist(&self) {
        self.table.set_phase(self.number, Phase::Rest);
    }

    /// What was intended is written: takes the first `count` bytes from the pipe.
    pub(super) fn take(&self, pipe: &OwnedFd, intent: &Intent, count: usize) -> Result<(), Errno> {
        self.table.set_phase(self.number, Phase::Taking);
        self.rest(pipe, intent, count, 0)
    }

    /// Moves the rest, of which some were `taken` already.
    fn rest(&self, pipe: &OwnedFd, intent: &Intent, count: usize, taken: usize) -> Result<(), Errno> {
        let moved = Self::through(pipe, &self.witness, count);
        self.table.set_phase(self.number, Phase::Clearing);
        // Where all went well it need not be asked what it holds.
        let left = if taken == 0 && moved.is_ok() { count } else { held(self.witness.as_fd()).unwrap_or(0) };
        self.clear(intent, left)?;
        moved
    }

    fn clear(&self, intent: &Intent, left: usize) -> Result<(), Errno> {
        let cleared = Self::through(&self.witness, &self.nowhere, left);
        self.table.set_losses(intent.slot, intent.losses);
        self.table.set_phase(self.number, Phase::Rest);
        cleared
    }

    /// Moves `count` bytes, which are there.
    fn through(from: &OwnedFd, to: &OwnedFd, count: usize) -> Result<(), Errno> {
        let mut left = count;
        while left > 0 {
            match splice(from, None, to, None, left, SpliceFFlags::SPLICE_F_NONBLOCK) {
                // Somebody else has read it.
                Ok(0) => return Err(Errno::ENODATA),
                Ok(moved) => left -= moved,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    fn recover(&self, pipes: &OwnedFd) -> Result<(), Errno> {
        let Some((phase, intent, same_witness)) = self.table.intent(self.number) else { return Ok(()) };
        let taken = held(self.witness.as_fd()).unwrap_or(0);
        let outcome = match phase {
            Phase::Writing => {
                self.take_back(&intent);
                self.desist();
                Ok(())
            }
            Phase::Taking if taken > 0 || same_witness => self.take_rest(pipes, &intent, taken),
            // Keeper and logger died at once, and the witness with them: only the bytes themselves can tell.
            Phase::Taking if self.is_there_still(pipes, &intent) => self.take_rest(pipes, &intent, 0),
            Phase::Rest | Phase::Taking | Phase::Clearing => self.clear(&intent, taken),
        };
        // A pipe that is gone has nothing that could be written twice.
        outcome.or_else(|_| self.clear(&intent, held(self.witness.as_fd()).unwrap_or(0)))
    }

    fn take_rest(&self, pipes: &OwnedFd, intent: &Intent, taken: usize) -> Result<(), Errno> {
        let pipe = open_pipe(pipes, intent.slot, intent.second)?;
        let count = usize::try_from(intent.count).unwrap_or(usize::MAX).saturating_sub(taken);
        self.rest(&pipe, intent, count, taken)
    }

    fn is_there_still(&self, pipes: &OwnedFd, intent: &Intent) -> bool {
        let mut bytes = Vec::new();
        let looked = open_pipe(pipes, intent.slot, intent.second).and_then(|pipe| self.look(&pipe, &mut bytes));
        let count = usize::try_from(intent.count).unwrap_or(usize::MAX);
        looked.is_ok_and(|there| there >= count)
            && bytes.get(..count).is_some_and(|bytes| digest(bytes) == intent.digest)
    }

    /// Cuts off what was written of bytes that are in the pipe still.
    fn take_back(&self, intent: &Intent) {
        let Some((device, inode, offset)) = intent.file else { return };
        // Whose name it bears now does not matter: only that very file is cut.
        let flags = OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let Ok(file) = nix::fcntl::open(&self.table.lane_path(self.number), flags, Mode::empty()) else { return };
        let Ok(stat) = fstat(&file) else { return };
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        if (stat.st_dev, stat.st_ino) == (device, inode) && stat.st_size > offset {
            let _ = ftruncate(&file, offset);
        }
    }
}

/// Enough to tell a batch from what comes after it, unless output repeats itself for the length of a batch.
fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_usize(bytes.len());
    hasher.write(&bytes[..bytes.len().min(ENDS)]);
    hasher.write(&bytes[bytes.len().saturating_sub(ENDS)..]);
    hasher.finish()
}
