//! One process slot of a service, as the snapshot has it.

use super::State;
use crate::model::order::Hold;
use crate::model::time::Wall;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One process slot of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InstanceStatus {
    /// Its index, from 0.
    pub id: u32,
    /// Where it is.
    pub state: State,
    /// Why it is there, in words, where that is no matter of course.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// By whom it alone is held stopped, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// That process's start in clock ticks since boot; with the pid its identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_ticks: Option<u64>,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Wall>,
    /// Since when it is on its way up, while it has no process yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Wall>,
    /// When it became ready, where `[ready]` says when that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<Wall>,
    /// How long after its start that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_ms: Option<u64>,
    /// How it is, where `[health]` asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthStatus>,
    /// What it says that it is doing (STATUS= of `sd_notify`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_text: Option<String>,
    /// Digest of the meaning that it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_hash: Option<String>,
    /// Whether desired, accepted and running digest are equal.
    pub in_sync: bool,
    /// Taken over from an earlier supervisor.
    #[serde(default, skip_serializing_if = "is_false")]
    pub adopted: bool,
    /// Starts after its first that abide made because it had ended.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub restarts: u64,
    /// How many of them in the hour before `written_at` of its last change.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub restarts_1h: u64,
    /// Restarts by cause: `exit`, `signal`, `oom`, `start_timeout` (not ready in time), `start_after` (one of
    /// `[start] after` failed), `health`, `memory` (`max_memory`), `age` (`max_age`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub restarts_by: BTreeMap<String, u64>,
    /// The cause of its last restart, one of these words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_restart: Option<String>,
    /// When the next attempt is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Wall>,
    /// How many runs in a row were no good runs.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempt: u64,
    /// How its last process ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<LastExit>,
    /// Limits read back from the kernel, those that the file names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, LimitStatus>,
    /// Its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogStatus>,
}

/// How an instance is, as `[health]` has found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthStatus {
    /// In one word.
    pub status: HealthState,
    /// Since when.
    pub at: Wall,
    /// How many checks in a row have failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u64,
    /// What the last one said that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How an instance is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthState {
    /// No check is over yet.
    Unknown,
    /// The last check passed, or fewer have failed in a row than are too many.
    Healthy,
    /// Too many in a row have failed.
    Unhealthy,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LastExit {
    /// When.
    pub at: Wall,
    /// By what.
    pub kind: ExitKind,
    /// The code, if by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal, if by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Whether a core was dumped.
    #[serde(default, skip_serializing_if = "is_false")]
    pub core: bool,
    /// Whether the kernel had killed something of it for want of memory.
    #[serde(default, skip_serializing_if = "is_false")]
    pub oom: bool,
    /// Whether abide had asked for it.
    pub asked: bool,
    /// How long it had run.
    pub ran_ms: u64,
    /// The processor time that it had used, in user space and in the kernel, with that of the children that it
    /// waited for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cpu_ms: u64,
    /// The largest resident set that it or one of those children had; left out where it may be that of abide, in whose
    /// memory a process begins.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub max_rss_bytes: u64,
}

/// By what a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExitKind {
    /// By itself.
    Code,
    /// By a signal.
    Signal,
    /// Nobody knows.
    Unknown,
}

/// A limit as the kernel has it; `null` is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "self-explaining")]
pub struct LimitStatus {
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

/// An instance's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogStatus {
    /// The file that takes it.
    pub path: String,
    /// Bytes dropped because they could not be written.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped_bytes: u64,
    /// Lines among them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped_lines: u64,
    /// The uid of the user with whose rights it is written, and so to be read, if not with abide's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}
