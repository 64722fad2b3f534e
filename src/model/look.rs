//! What a closer look at the machine finds, as the doors tell it: what services use, their processes, their
//! environments, and what the machine allows.

use super::name::ServiceName;
use super::time::Wall;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What services use, all measured at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// That moment.
    pub at: Wall,
    /// One an instance, by name and number.
    pub services: Vec<InstanceUsage>,
}

/// What one instance uses: its process and all that it started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InstanceUsage {
    /// Its service.
    pub service: ServiceName,
    /// Its number.
    pub instance: u32,
    /// How many processes live.
    pub processes: u64,
    /// Processor time of the present run, in user space and in the kernel. Where there is no cgroup, that of processes
    /// which ended without being waited for by their parents is missing.
    pub cpu_ms: u64,
    /// Resident memory; what several share counts for each.
    pub resident_bytes: u64,
    /// What is kept of its output: `current` and the files before it. `null`: it could not be read, or not in time.
    pub log_bytes: Option<u64>,
}
