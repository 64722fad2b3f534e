//! What a service's processes together may use: cgroup values.

use serde::Serialize;

/// `[resources]`: what is not named is not bounded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Resources {
    /// Bytes beyond which the kernel kills.
    pub memory_max: Option<u64>,
    /// Bytes beyond which it is slowed and reclaimed from.
    pub memory_high: Option<u64>,
    /// Its share of the processors against others, 1 to 10,000; the kernel's default is 100.
    pub cpu_weight: Option<u64>,
    /// Processor time, in hundredths of one processor: 150 is one and a half.
    pub cpu_max: Option<u64>,
    /// How many processes and threads.
    pub pids_max: Option<u64>,
    /// Its share of the disks against others, 1 to 10,000; the kernel's default is 100.
    pub io_weight: Option<u64>,
}
