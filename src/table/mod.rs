//! What all three processes know: the mapped file, its head and its slots.
//!
//! Who writes what: the keeper makes the file and its head, and marks exits; the supervisor arms
//! slots and takes exits; the kernel writes the pid of a child between the two. No lock: for each
//! word there is one writer at a time, and what orders them is said where it happens.

#![expect(unsafe_code, reason = "the mapping")]

mod adopt;
mod heirs;
mod lanes;
mod layout;
mod service;

pub use heirs::{Fate, UNKNOWN};
pub use lanes::{Intent, Losses, Phase};
pub use layout::{LANES, LAYOUT, LIMITS, SLOTS};
pub use service::{Mode, NEXT, Request, Upgrade};

use layout::{ARMED, EXITED, FREE, Layout, MAGIC, REAPED, TAKEN};
use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

/// Why a table cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file system has no room, or the file cannot be sized.
    #[error("could not reserve {} KiB for the table; make room in the runtime directory", size_of::<Layout>() / 1024)]
    Reserve(#[source] io::Error),
    /// The file cannot be mapped.
    #[error("could not map the table")]
    Map(#[source] io::Error),
    /// It is no table.
    #[error("it is not a table of abide")]
    Foreign,
    /// It has another layout.
    #[error("the table is of another version of abide (layout {0}, and this one knows {this})", this = LAYOUT)]
    OtherLayout(u8),
}

/// The machine as far as pids are concerned: with all of it equal, a pid and its start time name
/// one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// The boot's UUID.
    pub boot_id: [u64; 2],
    /// The inode of the pid namespace.
    pub pid_namespace: u64,
    /// When PID 1 started: a restarted container has the same boot id and small pids.
    pub init_start: u64,
}

/// A process of abide itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after the three processes")]
pub enum Role {
    Keeper = 0,
    Supervisor = 1,
    Logger = 2,
}

/// What the keeper learnt when a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ending {
    /// As `wait(2)` encodes it.
    pub status: i32,
    /// Processor time in user space, microseconds.
    pub user_us: u64,
    /// Processor time in the kernel, microseconds.
    pub system_us: u64,
    /// The largest resident set, KiB.
    pub max_rss_kib: u64,
    /// When, in nanoseconds of the monotonic clock.
    pub exited_at: u64,
}

/// What the keeper has to tell about a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// The process of this run ended. Told once.
    Exited {
        /// Whose.
        slot: usize,
        /// Which run.
        run: u64,
        /// The pid that it had: the number of its group and session too.
        pid: i32,
        /// How.
        ending: Ending,
    },
    /// One of the group that an ended process left behind ended too: look again.
    Stray {
        /// Whose; 0: anybody's, see [`Table::await_orphans`].
        slot: usize,
    },
}

/// The table, mapped.
#[derive(Debug)]
pub struct Table {
    base: NonNull<Layout>,
    file: OwnedFd,
}

// SAFETY: the mapping holds atomics only and lives until the last owner drops it.
unsafe impl Send for Table {}
// SAFETY: as above; every access goes through `&Layout`, whose fields are all atomics.
unsafe impl Sync for Table {}

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this very size, and nobody can hold a reference any more.
        unsafe { libc::munmap(self.base.as_ptr().cast::<c_void>(), size_of::<Layout>()) };
    }
}

impl Table {
    /// Makes a fresh table of an empty file.
    pub fn create(file: File, machine: Machine) -> Result<Self, TableError> {
        // Reserved, not just sized: writing to a mapping of a full tmpfs is SIGBUS.
        nix::fcntl::posix_fallocate(&file, 0, size_of::<Layout>() as i64)
            .map_err(|errno| TableError::Reserve(errno.into()))?;
        let table = Self::map(file.into())?;
        let head = &table.cells().head;
        head.boot_id[0].store(machine.boot_id[0], Relaxed);
        head.boot_id[1].store(machine.boot_id[1], Relaxed);
        head.pid_namespace.store(machine.pid_namespace, Relaxed);
        head.init_start.store(machine.init_start, Relaxed);
        // Last: with the magic in place the head is complete.
        head.magic.store(MAGIC, Release);
        Ok(table)
    }

    /// Maps a table that the keeper made.
    pub fn open(file: OwnedFd) -> Result<Self, TableError> {
        let mut magic = [0; 8];
        let read = nix::sys::uio::pread(&file, &mut magic, 0).map_err(|errno| TableError::Map(errno.into()))?;
        match u64::from_ne_bytes(magic) {
            MAGIC if read == magic.len() => {}
            other if other | 0xff == MAGIC | 0xff => return Err(TableError::OtherLayout(other as u8)),
            _ => return Err(TableError::Foreign),
        }
        let size = nix::sys::stat::fstat(&file).map_err(|errno| TableError::Map(errno.into()))?.st_size;
        // A shorter one would be SIGBUS.
        if size < size_of::<Layout>() as i64 { Err(TableError::Foreign) } else { Self::map(file) }
    }

    /// The machine that a table of any layout was made on; `None` where it cannot be read.
    pub fn machine_of(file: impl AsFd) -> Option<Machine> {
        let mut words = [[0; 8]; 5];
        let bytes = words.as_flattened_mut();
        let wanted = bytes.len();
        let read = nix::sys::uio::pread(file, bytes, 0).ok()?;
        let [_, first, second, pid_namespace, init_start] = words.map(u64::from_ne_bytes);
        (read == wanted).then_some(Machine { boot_id: [first, second], pid_namespace, init_start })
    }

    fn map(file: OwnedFd) -> Result<Self, TableError> {
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing of ours.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_of::<Layout>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        match NonNull::new(base.cast::<Layout>()) {
            Some(base) if base.as_ptr().cast::<c_void>() != libc::MAP_FAILED => Ok(Self { base, file }),
            _ => Err(TableError::Map(io::Error::last_os_error())),
        }
    }

    fn cells(&self) -> &Layout {
        // SAFETY: `base` maps a whole `Layout` until drop; all bit patterns of atomics are valid.
        unsafe { self.base.as_ref() }
    }

    /// The machine that it was made on.
    pub fn machine(&self) -> Machine {
        let head = &self.cells().head;
        Machine {
            boot_id: [head.boot_id[0].load(Relaxed), head.boot_id[1].load(Relaxed)],
            pid_namespace: head.pid_namespace.load(Relaxed),
            init_start: head.init_start.load(Relaxed),
        }
    }

    /// Notes soft and hard bound of every limit, by number of `RLIMIT_…`.
    pub fn set_originals(&self, originals: &[(u64, u64); LIMITS]) {
        for (cell, (soft, hard)) in self.cells().head.originals.iter().zip(originals) {
            cell[0].store(*soft, Relaxed);
            cell[1].store(*hard, Relaxed);
        }
    }

    /// The limits that the keeper was started with: soft and hard, by number of `RLIMIT_…`.
    pub fn originals(&self) -> [(u64, u64); LIMITS] {
        std::array::from_fn(|n| {
            let [soft, hard] = &self.cells().head.originals[n];
            (soft.load(Relaxed), hard.load(Relaxed))
        })
    }

    /// Notes who plays a role; pid 0: nobody.
    pub fn set_role(&self, role: Role, pid: i32, start_ticks: u64) {
        let who = &self.cells().head.roles[role as usize];
        who.start_ticks.store(start_ticks, Relaxed);
        who.pid.store(pid, Release);
    }

    /// Who plays a role: pid and start in clock ticks since boot.
    pub fn role(&self, role: Role) -> (i32, u64) {
        let who = &self.cells().head.roles[role as usize];
        (who.pid.load(Acquire), who.start_ticks.load(Relaxed))
    }

    /// An orderly end of the supervisor is abide's end with this code.
    pub fn set_exit_code(&self, code: u8) {
        self.cells().head.exit_code.store(u32::from(code) + 1, Release);
    }

    /// The code that an orderly end hands on, if it is not abide's own.
    pub fn exit_code(&self) -> Option<u8> {
        let word = self.cells().head.exit_code.load(Acquire);
        word.checked_sub(1).and_then(|code| u8::try_from(code).ok())
    }

    /// How many slots have to be looked at to see all that were ever used.
    pub fn used(&self) -> usize {
        (self.cells().head.high.load(Acquire) as usize).min(SLOTS)
    }

    /// Prepares `slot` for a child of `run`, which is to belong to `owner`, a digest of its name; its pid is to be
    /// written to [`Table::pid_cell`].
    pub fn arm(&self, slot: usize, run: u64, owner: u64, now_ticks: u64) {
        let cell = &self.cells().slots[slot];
        self.cells().owners[slot].store(owner, Relaxed);
        self.cells().signals[slot].store(0, Relaxed);
        self.cells().groups[slot].store(0, Relaxed);
        self.cells().pids[slot].store(0, Relaxed);
        cell.run.store(run, Relaxed);
        cell.armed_ticks.store(now_ticks, Relaxed);
        cell.start_ticks.store(0, Relaxed);
        // Release: who sees ARMED sees this run, not the one before. The keeper looks only after
        // the child's exit, which comes after the clone, which comes after this.
        cell.state.store(ARMED, Release);
        self.cells().head.high.fetch_max(slot as u32 + 1, AcqRel);
    }

    /// The child of `run` could not be made: the slot has no process.
    pub fn disarm(&self, slot: usize) {
        self.cells().pids[slot].store(0, Relaxed);
        self.cells().slots[slot].state.store(FREE, Release);
    }

    /// Where the kernel writes the pid of the child (CLONE_PARENT_SETTID): before the child runs
    /// its first instruction, so no child ever lives that the table does not name.
    pub fn pid_cell(&self, slot: usize) -> &AtomicI32 {
        &self.cells().pids[slot]
    }

    /// The pid of the last process of a slot; 0: there was none.
    pub fn pid(&self, slot: u32) -> i32 {
        self.cells().pids.get(slot as usize).map_or(0, |pid| pid.load(Relaxed))
    }

    /// Notes when the process of a slot started.
    pub fn set_start(&self, slot: usize, ticks: u64) {
        self.cells().slots[slot].start_ticks.store(ticks, Relaxed);
    }

    /// The process of `run`, unless there is none or it ended. It ends no sooner than the keeper
    /// marks it, and the keeper reaps only after marking: a pidfd opened before asking this, and
    /// found unchanged after, is the right process.
    pub fn running(&self, slot: usize, run: u64) -> Option<i32> {
        let cell = &self.cells().slots[slot];
        let armed = cell.state.load(Acquire) == ARMED && cell.run.load(Relaxed) == run;
        armed.then(|| self.cells().pids[slot].load(Acquire)).filter(|pid| *pid > 0)
    }

    /// The run that `slot` was last prepared for.
    pub fn run(&self, slot: usize) -> Option<u64> {
        self.cells().slots.get(slot).map(|cell| cell.run.load(Relaxed)).filter(|run| *run > 0)
    }

    /// From now on the end of every orphan is told as a stray of slot 0; or no longer.
    pub fn await_orphans(&self, awaited: bool) {
        self.cells().head.orphans_awaited.store(u32::from(awaited), Release);
    }

    /// Whether that is so.
    pub fn orphans_awaited(&self) -> bool {
        self.cells().head.orphans_awaited.load(Acquire) != 0
    }

    /// What a slot names, for whoever comes after a dead keeper: pid, recorded start (0 if not yet
    /// known) and the time of arming, in clock ticks since boot.
    pub fn resident(&self, slot: usize) -> Option<(i32, u64, u64)> {
        let cell = &self.cells().slots[slot];
        let pid = self.cells().pids[slot].load(Acquire);
        (pid > 0).then(|| (pid, cell.start_ticks.load(Relaxed), cell.armed_ticks.load(Relaxed)))
    }

    /// The group that the ended process of `slot` led, if some of it may be left.
    pub fn group(&self, slot: usize) -> Option<i32> {
        Some(self.cells().groups[slot].load(Acquire)).filter(|group| *group > 0)
    }

    /// Nothing is left of that group, or nobody cares: its strays are no longer told.
    pub fn clear_group(&self, slot: usize) {
        self.cells().groups[slot].store(0, Release);
    }

    /// The slot of a living or just ended process.
    pub fn slot_of(&self, pid: i32) -> Option<usize> {
        self.cells().pids[..self.used()].iter().position(|cell| cell.load(Acquire) == pid)
    }

    /// The slot whose ended process led this group.
    pub fn slot_of_group(&self, group: i32) -> Option<usize> {
        self.cells().groups[..self.used()].iter().position(|cell| cell.load(Acquire) == group)
    }

    /// Marks the process of `slot` as ended; to be called before it is reaped.
    pub fn mark_exited(&self, slot: usize, ending: &Ending) {
        let cell = &self.cells().slots[slot];
        cell.status.store(ending.status, Relaxed);
        cell.user_us.store(ending.user_us, Relaxed);
        cell.system_us.store(ending.system_us, Relaxed);
        cell.max_rss_kib.store(ending.max_rss_kib, Relaxed);
        cell.exited_at.store(ending.exited_at, Relaxed);
        self.cells().groups[slot].store(self.cells().pids[slot].load(Relaxed), Relaxed);
        // Release: who sees EXITED sees how. From here on nobody signals this pid.
        cell.state.store(EXITED, Release);
        self.cells().pids[slot].store(0, Release);
    }

    /// Processor time in microseconds and largest resident set in KiB of the process of `slot` that ended
    /// last; kept until the slot is armed anew and its next process ends.
    pub fn last_usage(&self, slot: usize) -> (u64, u64) {
        let cell = &self.cells().slots[slot];
        (cell.user_us.load(Relaxed) + cell.system_us.load(Relaxed), cell.max_rss_kib.load(Relaxed))
    }

    /// The process marked as ended is reaped: only now is its end told, when its number no longer
    /// stands in the way of asking whether its group is empty.
    pub fn mark_reaped(&self, slot: usize) {
        self.cells().slots[slot].state.store(REAPED, Release);
        self.mark_dirty(slot);
    }

    /// The supervisor has to look at `slot`.
    pub fn mark_dirty(&self, slot: usize) {
        self.cells().dirty[slot / 64].fetch_or(1 << (slot % 64), Release);
    }

    /// All that happened since the last call, in order of slots.
    pub fn take_exits(&self) -> Vec<Notice> {
        let mut notices = Vec::new();
        for word in 0..self.used().div_ceil(64) {
            // A plain look first: at rest the words are shared and stay so.
            if self.cells().dirty[word].load(Relaxed) == 0 {
                continue;
            }
            // Acquire pairs with `mark_dirty`: what was marked before the bit is seen.
            let mut bits = self.cells().dirty[word].swap(0, AcqRel);
            while bits != 0 {
                notices.push(self.take(word * 64 + bits.trailing_zeros() as usize));
                bits &= bits - 1;
            }
        }
        notices
    }

    fn take(&self, slot: usize) -> Notice {
        let cell = &self.cells().slots[slot];
        if cell.state.compare_exchange(REAPED, TAKEN, AcqRel, Relaxed).is_err() {
            return Notice::Stray { slot };
        }
        let ending = Ending {
            status: cell.status.load(Relaxed),
            user_us: cell.user_us.load(Relaxed),
            system_us: cell.system_us.load(Relaxed),
            max_rss_kib: cell.max_rss_kib.load(Relaxed),
            exited_at: cell.exited_at.load(Relaxed),
        };
        Notice::Exited { slot, run: cell.run.load(Relaxed), pid: self.cells().groups[slot].load(Relaxed), ending }
    }
}

impl AsFd for Table {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests;
