//! The layout of the mapped file. Frozen and versioned: three processes, maybe of two versions of
//! abide, read it at once, so everything is atomic, fixed in size, and zero when fresh.

use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64};

/// How many slots there are. Slot 0 is abide's own log and never has a process.
pub const SLOTS: usize = 16_384;

/// How many resource limits Linux has.
pub const LIMITS: usize = 16;

/// The first word of the file; its last byte is the version of the layout. Together with the words after it up to the
/// start of PID 1 it stays where it is in every version, so that each can tell whose a table is.
pub(super) const MAGIC: u64 = u64::from_be_bytes(*b"abidetb\x05");

/// The version of the layout.
pub const LAYOUT: u8 = MAGIC as u8;

/// Room for the longest name of a service.
pub(super) const NAME_WORDS: usize = 16;

/// How many threads of the logger write at once: each has a lane.
pub const LANES: usize = 16;

/// Room for the longest path: `PATH_MAX`.
pub(super) const PATH_WORDS: usize = 512;

/// `Slot::state`: never used, or given back.
pub(super) const FREE: u32 = 0;
/// `Slot::state`: a child is being made or lives.
pub(super) const ARMED: u32 = 1;
/// `Slot::state`: it ended and is not reaped.
pub(super) const EXITED: u32 = 2;
/// `Slot::state`: it is reaped, the supervisor does not know yet.
pub(super) const REAPED: u32 = 3;
/// `Slot::state`: it is reaped, the supervisor knows.
pub(super) const TAKEN: u32 = 4;

/// A process by number and by when it started, so that a reused number is told apart.
#[repr(C)]
pub(super) struct Who {
    pub(super) start_ticks: AtomicU64,
    pub(super) pid: AtomicI32,
    /// The keeper's: the child that it is about to reap.
    pub(super) leave: AtomicU32,
    /// Its own pid, once it does its work.
    pub(super) signed_in: AtomicI32,
    pub(super) padding: AtomicU32,
}

#[repr(C)]
pub(super) struct Head {
    pub(super) magic: AtomicU64,
    pub(super) boot_id: [AtomicU64; 2],
    pub(super) pid_namespace: AtomicU64,
    pub(super) init_start: AtomicU64,
    /// Keeper, supervisor, logger.
    pub(super) roles: [Who; 3],
    pub(super) heartbeat: AtomicU64,
    /// One more than the highest slot ever armed: scans stop here.
    pub(super) high: AtomicU32,
    /// Not 0: the end of any orphan is to be told, by the dirty bit of slot 0.
    pub(super) orphans_awaited: AtomicU32,
    /// One more than the exit code that abide hands on; 0: its own.
    pub(super) exit_code: AtomicU32,
    /// How the supervisor is to run: see `Mode`.
    pub(super) mode: AtomicU32,
    /// How often the keeper looks whether the loop turns, milliseconds; 0: never.
    pub(super) watchdog_ms: AtomicU32,
    /// How often the supervisor ended as it should not.
    pub(super) crashes: AtomicU32,
    /// What came of the last upgrade: see `Upgrade`.
    pub(super) upgrade: AtomicU32,
    /// What an operator asks of the keeper: see `Request`.
    pub(super) request: AtomicU32,
    /// What is being loaded: the digest of its text, 0 for nothing; and its name, filled up with zeros.
    pub(super) loading_digest: AtomicU64,
    pub(super) loading_name: [AtomicU64; NAME_WORDS],
    /// Soft and hard bound of every limit as the keeper was started with.
    pub(super) originals: [[AtomicU64; 2]; LIMITS],
}

#[repr(C)]
pub(super) struct Slot {
    pub(super) run: AtomicU64,
    /// Before the start of the process is known: when the slot was armed, which is no later.
    pub(super) armed_ticks: AtomicU64,
    pub(super) start_ticks: AtomicU64,
    pub(super) exited_at: AtomicU64,
    pub(super) user_us: AtomicU64,
    pub(super) system_us: AtomicU64,
    pub(super) max_rss_kib: AtomicU64,
    pub(super) status: AtomicI32,
    pub(super) state: AtomicU32,
}

#[repr(C)]
pub(super) struct Layout {
    pub(super) head: Head,
    /// The kernel writes here (CLONE_PARENT_SETTID). Apart from the slots so that finding the slot
    /// of a dead process reads 4 bytes a slot, not 64.
    pub(super) pids: [AtomicI32; SLOTS],
    /// The group of a main process that ended, while others of that group may be left.
    pub(super) groups: [AtomicI32; SLOTS],
    /// A digest of the name of the instance that a slot was armed for.
    pub(super) owners: [AtomicU64; SLOTS],
    /// How many signals were sent to the run of a slot, or were just about to be.
    pub(super) signals: [AtomicU32; SLOTS],
    /// One bit a slot: something happened that the supervisor has not looked at.
    pub(super) dirty: [AtomicU64; SLOTS / 64],
    pub(super) slots: [Slot; SLOTS],
    /// What of the output of a slot was lost, since it has one.
    pub(super) losses: [Loss; SLOTS],
    /// How often a keeper opened the witnesses: those of the one before may be gone.
    pub(super) witnesses: AtomicU64,
    pub(super) lanes: [Lane; LANES],
}

/// What could not be written.
#[repr(C)]
pub(super) struct Loss {
    pub(super) bytes: AtomicU64,
    pub(super) lines: AtomicU64,
    /// Of these so many were owned up to in the log itself.
    pub(super) owned_bytes: AtomicU64,
    pub(super) owned_lines: AtomicU64,
    /// What came faster than it may, and what of that was owned up to.
    pub(super) limited_bytes: AtomicU64,
    pub(super) limited_lines: AtomicU64,
    pub(super) owned_limited_bytes: AtomicU64,
    pub(super) owned_limited_lines: AtomicU64,
}

/// What one thread of the logger is about: enough for the next one to finish it, or to take it back.
#[repr(C)]
pub(super) struct Lane {
    /// See [`super::lanes::Phase`].
    pub(super) phase: AtomicU32,
    pub(super) slot: AtomicU32,
    /// 1: the pipe of stderr alone.
    pub(super) second: AtomicU32,
    /// 1: there is a file.
    pub(super) written: AtomicU32,
    pub(super) device: AtomicU64,
    pub(super) inode: AtomicU64,
    pub(super) offset: AtomicU64,
    /// So many bytes are taken from the pipe, and what they look like.
    pub(super) count: AtomicU64,
    pub(super) digest: AtomicU64,
    pub(super) witnesses: AtomicU64,
    /// What is lost of the slot once they are.
    pub(super) loss: Loss,
    /// The path of the file, filled up with zeros.
    pub(super) path: [AtomicU64; PATH_WORDS],
}

const _: () = assert!(size_of::<Slot>() == 64, "the layout is frozen");
const _: () = assert!(size_of::<Lane>() == 16 + 8 * 6 + 64 + 4096, "the layout is frozen");
const _: () = assert!(size_of::<Head>() == 8 * 5 + 24 * 3 + 8 + 16 + 16 + 8 + 128 + 256, "the layout is frozen");
