//! How the kernel schedules a service's processes.

use serde::Serialize;

/// `[schedule]`: what is not named stays as abide has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// −20 (first) to 19 (last).
    pub nice: Option<i32>,
    /// Class of the disk scheduler, and the level within it.
    pub io: Option<IoClass>,
    /// The processors it may run on, sorted.
    pub cpu_affinity: Option<Vec<u32>>,
    /// −1000 (never) to 1000 (first) for the kernel that runs out of memory.
    pub oom_score_adjust: Option<i32>,
    /// A real-time policy.
    pub realtime: Option<Realtime>,
}

/// `ioprio_set(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IoClass {
    /// Before all others, level 0 (first) to 7.
    Realtime(u8),
    /// As usual, level 0 (first) to 7.
    BestEffort(u8),
    /// Only when nobody else wants the disk.
    Idle,
}

/// `sched_setscheduler(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Realtime {
    /// SCHED_FIFO with this priority, 1 to 99.
    Fifo(u8),
    /// SCHED_RR with this priority, 1 to 99.
    RoundRobin(u8),
}
