//! The snapshot for monitoring: schema 1.
//!
//! Additive changes only within a schema number; readers ignore fields that they do not know. Enum
//! values are strings, times RFC 3339 UTC with milliseconds, durations `_ms`, services sorted by
//! name. Good conditions and empty fields are left out. Environment values, command arguments and
//! source lines never stand here: the file is world-readable, and people put secrets there.

mod instance;
mod withheld;

pub use instance::{ExitKind, HealthState, HealthStatus, InstanceStatus, LastExit, LimitStatus, LogStatus};
pub use withheld::{BatchStatus, GuardState, GuardStatus, RolloutState, RolloutStatus, Suspended, Withheld};

use super::name::ServiceName;
use super::order::Hold;
use super::resources::Cgroups;
use super::service::Kind;
use super::time::Wall;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of this schema.
pub const SCHEMA: u32 = 1;

/// The whole of `status.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// The version of this schema: 1.
    pub schema: u32,
    /// About abide itself.
    pub abide: AbideStatus,
    /// Counts, and the worst of all.
    pub summary: Summary,
    /// How many times the content of the directories' desired state changed.
    pub generation: u64,
    /// Which of these the supervisor has acted on; equal: all that was read is being carried out.
    pub observed_generation: u64,
    /// One a watched directory.
    pub sources: Vec<SourceStatus>,
    /// Errors that belong to no service: a bad `abide.toml`, a name that is none, a duplicate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<FileError>,
    /// What the files say and abide does not do yet.
    #[serde(flatten)]
    pub withheld: Withheld,
    /// Sorted by name. Above 2,000 services only those not as desired; all then stand in the file
    /// that `services_index` names.
    pub services: Vec<ServiceStatus>,
    /// The file beside this one that lists every service, where `services` does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services_index: Option<String>,
    /// Entries of the watched directories that are nothing to abide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<IgnoredEntry>,
}

/// About abide itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AbideStatus {
    /// The release.
    pub version: String,
    /// The keeper: what init sees and signals go to.
    pub pid: i32,
    /// The supervisor, its child.
    pub supervisor_pid: i32,
    /// Whether it runs, is stopping, or has stopped on purpose.
    pub state: AbideState,
    /// The boot this belongs to.
    pub boot_id: String,
    /// New at each start of the supervisor.
    pub instance_id: String,
    /// When the supervisor started.
    pub started_at: Wall,
    /// Services taken over from an earlier supervisor.
    pub adopted: u64,
    /// Grows by one per write and never back.
    pub snapshot_seq: u64,
    /// When this content was written. The age of the file itself tells whether abide lives.
    pub written_at: Wall,
    /// `CLOCK_MONOTONIC` at `written_at`, in nanoseconds.
    pub monotonic_ns: u64,
    /// The file is touched this often; older than three times this it is stale. 0: its age tells nothing.
    pub heartbeat_interval_ms: u64,
    /// Whether `services` leaves any out.
    pub truncated: bool,
    /// What abide itself could not do, in sentences: out of descriptors, dropped lines of its own log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The cgroups that it has.
    #[serde(default)]
    pub cgroups: Cgroups,
    /// Where its `abide.toml` lies, or would; absolute.
    #[serde(default)]
    pub config: String,
}

/// What abide as a whole is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AbideState {
    /// At work.
    Running,
    /// Ending its services.
    Stopping,
    /// Gone on purpose: the last word.
    Stopped,
}

/// Counts over services.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Services that should run.
    pub desired: u64,
    /// Services that are as they should be, running or not.
    pub as_desired: u64,
    /// Services all of whose instances run.
    pub running: u64,
    /// Services all of whose instances are ready; where nothing says when they are, that run.
    #[serde(default)]
    pub ready: u64,
    /// Services with an instance that abide has given up on.
    pub failed: u64,
    /// Services with an instance waiting for its next attempt.
    pub backoff: u64,
    /// Services that an operator holds stopped, or an instance of which.
    #[serde(default)]
    pub held: u64,
    /// Services whose file has an error; the last good version stays in force.
    pub config_invalid: u64,
    /// Services that do not run what their file says.
    pub out_of_sync: u64,
    /// Services that went back to their last good version, and whose file still says the other one.
    #[serde(default)]
    pub rolled_back: u64,
    /// Entries that are nothing to abide.
    pub ignored_entries: u64,
    /// The worst of all.
    pub worst: Worst,
}

/// ok: all as desired. warning: something is, but not as the files say. critical: a desired
/// service does not run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "explained above")]
pub enum Worst {
    #[default]
    Ok,
    Warning,
    Critical,
    Unknown,
}

/// One watched directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceStatus {
    /// As given on the command line, or in `abide.toml`.
    pub path: String,
    /// Where it leads, links resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<String>,
    /// Whether it can be trusted to say what should run.
    pub state: SourceState,
    /// How changes are noticed.
    pub mechanism: Mechanism,
    /// Why it is not `ok`, or why it is polled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many names in it count as services.
    pub entries: u64,
    /// When something was last noticed there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_event_at: Option<Wall>,
    /// When it was last compared whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_full_scan_at: Option<Wall>,
    /// How long that took.
    pub scan_ms: u64,
    /// How often the kernel's event queue overflowed.
    pub overflows: u64,
    /// Changes that a scan found and no event had told.
    pub missed_by_watch: u64,
    /// It holds a file `.abide-hold`: nothing that changes in it is acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// The user as whom everything in it happens, where `abide.toml` hands it to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as: Option<String>,
}

/// Whether a directory can be trusted to say what should run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SourceState {
    /// It is there and is read.
    Ok,
    /// Something about it is wrong: nothing is stopped because of what it seems to say.
    Suspect,
    /// It is not there. Nothing is stopped.
    Absent,
    /// It is read, but changes are noticed late.
    Degraded,
}

/// How changes are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mechanism {
    /// By the kernel's events.
    Inotify,
    /// By looking again and again.
    Poll,
    /// Not at all at the moment.
    None,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceStatus {
    /// Its name.
    pub name: ServiceName,
    /// What it is for, as its file says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where it comes from.
    pub source: ServiceSource,
    /// It runs as root, and its files do not say so: they name no `user`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unnamed_root: bool,
    /// How many times its entry changed.
    pub generation: u64,
    /// Which of these is acted on.
    pub observed_generation: u64,
    /// SHA-256 of the file's bytes, as `sha256sum` prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_hash: Option<String>,
    /// Digest of what the file means; absent while the file is bad. Where it went back from that, not what is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_hash: Option<String>,
    /// Digest of the meaning in force; absent if there never was a good one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_hash: Option<String>,
    /// Which way it should go.
    pub desired: Desired,
    /// The worst state of its instances, which is what people ask for.
    pub state: State,
    /// Whether all is as it should be, the file included.
    pub as_desired: bool,
    /// By whom it is held stopped, with all its instances, and why. It is not as desired then: its file wants more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// It went back to an earlier version than its file has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackStatus>,
    /// What is not in its good value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// What is wrong with its files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FileError>,
    /// One a process slot.
    pub instances: Vec<InstanceStatus>,
}

/// That a service went back to an earlier version than its file has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RollbackStatus {
    /// Digest of what the file means.
    pub from_hash: String,
    /// Digest of what is in force.
    pub to_hash: String,
    /// Why, in words.
    pub cause: String,
    /// When.
    pub at: Wall,
}

/// Where a service comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceSource {
    /// The file.
    pub file: String,
    /// Drop-ins merged over it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop_ins: Vec<String>,
    /// Its kind.
    pub kind: Kind,
}

/// Which way a service should go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Desired {
    /// Up.
    Running,
    /// Down.
    Stopped,
}

/// Where an instance is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// No process, and none is wanted.
    Stopped,
    /// A process runs. Where the file has `[ready]`, it is not ready yet.
    Running,
    /// A process is being made: commands before it, its launcher, or a job that is at work, included.
    Starting,
    /// A process is being ended; commands after its end included.
    Stopping,
    /// A process is wanted and something else must come first.
    Waiting,
    /// It ended; the next attempt has a time.
    Backoff,
    /// abide has given up until the file changes.
    Failed,
    /// A process runs and is ready, as `[ready]` has it; or a job has succeeded and remains.
    Ready,
    /// A process runs and takes up its changed configuration.
    Reloading,
    /// No process, since an operator has stopped it; until somebody starts it again, or the hold ends by itself.
    Held,
}

impl State {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Stopped,
        Self::Running,
        Self::Starting,
        Self::Stopping,
        Self::Waiting,
        Self::Backoff,
        Self::Failed,
        Self::Ready,
        Self::Reloading,
        Self::Held,
    ];

    /// Whether a process runs that is not on its way down.
    pub fn is_running(self) -> bool {
        matches!(self, Self::Running | Self::Ready | Self::Reloading)
    }

    /// The word, as in the snapshot.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Running => "running",
            Self::Starting => "starting",
            Self::Stopping => "stopping",
            Self::Waiting => "waiting",
            Self::Backoff => "backoff",
            Self::Failed => "failed",
            Self::Ready => "ready",
            Self::Reloading => "reloading",
            Self::Held => "held",
        }
    }
}

/// Something that is not in its good value, in Kubernetes' form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Condition {
    /// Which.
    #[serde(rename = "type")]
    pub kind: ConditionKind,
    /// `true`, `false` or `unknown`.
    pub status: Truth,
    /// A word in CamelCase.
    pub reason: String,
    /// Since when.
    pub since: Wall,
    /// Which generation of the service it speaks of.
    pub observed_generation: u64,
    /// A sentence.
    pub message: String,
}

/// The fixed list of conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "claims: each says what is true in its good value")]
pub enum ConditionKind {
    ConfigValid,
    InSync,
    DependenciesMet,
    LimitsMet,
    LogsFlowing,
    SourceTrusted,
    Healthy,
    Reloaded,
    NotHeld,
}

/// Three-valued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "self-explaining")]
pub enum Truth {
    True,
    False,
    Unknown,
}

/// What is wrong with a file, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileError {
    /// The file.
    pub file: String,
    /// From 1; absent when the whole file is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// From 1, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The column after the marked place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_column: Option<u32>,
    /// What kind of error: a word.
    pub code: String,
    /// A sentence.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// When it was first reported.
    pub first_seen: Wall,
}

/// An entry that is nothing to abide.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct IgnoredEntry {
    /// Where; what is no UTF-8 or unprintable is escaped.
    pub path: String,
    /// Why.
    pub reason: String,
}
