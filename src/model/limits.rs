//! Resource limits (`setrlimit(2)`) as values.

use super::resources::Cgroups;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Every RLIMIT of Linux, by the key that the service file has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the key is the documentation; the reference describes each")]
pub enum LimitKind {
    OpenFiles,
    Processes,
    Core,
    FileSize,
    Stack,
    MemoryLock,
    AddressSpace,
    Data,
    ResidentSet,
    CpuTime,
    Nice,
    RealtimePriority,
    RealtimeCpu,
    PendingSignals,
    MessageQueue,
    Locks,
}

impl LimitKind {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::OpenFiles,
        Self::Processes,
        Self::Core,
        Self::FileSize,
        Self::Stack,
        Self::MemoryLock,
        Self::AddressSpace,
        Self::Data,
        Self::ResidentSet,
        Self::CpuTime,
        Self::Nice,
        Self::RealtimePriority,
        Self::RealtimeCpu,
        Self::PendingSignals,
        Self::MessageQueue,
        Self::Locks,
    ];

    /// The key under `[limits]`.
    pub fn key(self) -> &'static str {
        match self {
            Self::OpenFiles => "open_files",
            Self::Processes => "processes",
            Self::Core => "core",
            Self::FileSize => "file_size",
            Self::Stack => "stack",
            Self::MemoryLock => "memory_lock",
            Self::AddressSpace => "address_space",
            Self::Data => "data",
            Self::ResidentSet => "resident_set",
            Self::CpuTime => "cpu_time",
            Self::Nice => "nice",
            Self::RealtimePriority => "realtime_priority",
            Self::RealtimeCpu => "realtime_cpu",
            Self::PendingSignals => "pending_signals",
            Self::MessageQueue => "message_queue",
            Self::Locks => "locks",
        }
    }

    /// The number of `RLIMIT_…` on Linux (`asm-generic/resource.h`; the same on x86_64 and aarch64).
    pub fn resource(self) -> u32 {
        match self {
            Self::CpuTime => 0,
            Self::FileSize => 1,
            Self::Data => 2,
            Self::Stack => 3,
            Self::Core => 4,
            Self::ResidentSet => 5,
            Self::Processes => 6,
            Self::OpenFiles => 7,
            Self::MemoryLock => 8,
            Self::AddressSpace => 9,
            Self::Locks => 10,
            Self::PendingSignals => 11,
            Self::MessageQueue => 12,
            Self::Nice => 13,
            Self::RealtimePriority => 14,
            Self::RealtimeCpu => 15,
        }
    }

    /// The name of its line in `/proc/PID/limits`.
    pub fn proc_name(self) -> &'static str {
        match self {
            Self::CpuTime => "Max cpu time",
            Self::FileSize => "Max file size",
            Self::Data => "Max data size",
            Self::Stack => "Max stack size",
            Self::Core => "Max core file size",
            Self::ResidentSet => "Max resident set",
            Self::Processes => "Max processes",
            Self::OpenFiles => "Max open files",
            Self::MemoryLock => "Max locked memory",
            Self::AddressSpace => "Max address space",
            Self::Locks => "Max file locks",
            Self::PendingSignals => "Max pending signals",
            Self::MessageQueue => "Max msgqueue size",
            Self::Nice => "Max nice priority",
            Self::RealtimePriority => "Max realtime priority",
            Self::RealtimeCpu => "Max realtime timeout",
        }
    }
}

/// One bound of a limit; `u64::MAX` is the kernel's `RLIM_INFINITY`, "unlimited".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bound(pub u64);

impl Bound {
    /// No bound at all.
    pub const UNLIMITED: Self = Self(u64::MAX);
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UNLIMITED => f.write_str("unlimited"),
            Self(number) => number.fmt(f),
        }
    }
}

/// What is in force and how far the process itself may raise it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limit {
    /// In force.
    pub soft: Bound,
    /// The ceiling.
    pub hard: Bound,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.soft == self.hard { self.soft.fmt(f) } else { write!(f, "{} (hard {})", self.soft, self.hard) }
    }
}

/// Limits by kind; what is not named is left as abide itself was given it.
pub type Limits = BTreeMap<LimitKind, Limit>;

/// What this machine lets abide set: the ceilings of a process and its right to raise them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceilings {
    /// The hard limits in force for the process that starts services.
    pub hard: BTreeMap<LimitKind, Bound>,
    /// What a service has where nothing is said.
    pub soft: BTreeMap<LimitKind, Bound>,
    /// Whether that process has CAP_SYS_RESOURCE, and so may raise hard limits.
    pub may_raise: bool,
    /// `/proc/sys/fs/nr_open`: what `open_files` cannot exceed even with that right.
    pub nr_open: u64,
    /// The effective uid of that process.
    pub uid: u32,
    /// The cgroups that it can make: none is assumed until somebody has looked.
    pub cgroups: Cgroups,
    /// What else that process may do, and be told.
    pub rights: Rights,
}

/// What the process that starts services may do to them beside limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// Effective capabilities: bit n is capability n.
    pub effective: u64,
    /// What a program that it executes can have at most.
    pub bounding: u64,
    /// What it can hand on to a program of another user.
    pub permitted: u64,
    /// `/proc/sys/kernel/cap_last_cap`.
    pub last_capability: u32,
    /// Its own nice value.
    pub nice: i32,
    /// Its soft RLIMIT_NICE: 20 minus the lowest nice value that it may have without CAP_SYS_NICE.
    pub nice_limit: u64,
    /// Its soft RLIMIT_RTPRIO: the highest real-time priority that it may have without CAP_SYS_NICE.
    pub realtime_limit: u64,
    /// Its own OOM score adjustment.
    pub oom_score_adjust: i32,
    /// The processors that are there, sorted; empty where nobody knows.
    pub cpus: Vec<u32>,
}

impl Rights {
    /// Whether it has the capability of this number.
    pub fn has(&self, capability: u32) -> bool {
        self.effective >> capability & 1 == 1
    }
}

impl Ceilings {
    /// The highest value of `kind` that can be had here.
    pub fn highest(&self, kind: LimitKind) -> Bound {
        let hard = self.hard.get(&kind).copied().unwrap_or(Bound::UNLIMITED);
        match (self.may_raise, kind) {
            (true, LimitKind::OpenFiles) => Bound(self.nr_open.max(hard.0)),
            (true, _) => Bound::UNLIMITED,
            (false, _) => hard,
        }
    }

    /// The first of `limits` that cannot be had, and what could be.
    pub fn refusal(&self, limits: &Limits) -> Option<(LimitKind, Bound, Bound)> {
        let too_high = |(kind, limit): (&LimitKind, &Limit)| {
            let highest = self.highest(*kind);
            (limit.hard > highest).then_some((*kind, limit.hard, highest))
        };
        limits.iter().find_map(too_high)
    }
}
