//! What the files say and abide does not do (yet), and why: over all services.

use crate::model::name::ServiceName;
use crate::model::order::Hold;
use crate::model::time::Wall;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Withheld {
    /// Removals that wait for a yes.
    #[serde(default)]
    pub guard: GuardStatus,
    /// Restarts that follow from edits, a few at a time.
    #[serde(default)]
    pub rollout: RolloutStatus,
    /// With `batch = "atomic"`: what waits until all files are good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchStatus>,
    /// What is not reconciled, and by whose will.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suspended: Vec<Suspended>,
}

/// The guard against mass removal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GuardStatus {
    /// Whether it holds anything.
    pub state: GuardState,
    /// The services whose files are gone and that run on.
    pub removals: Vec<ServiceName>,
    /// Since when.
    pub since: Option<Wall>,
    /// What lets them go.
    pub release: String,
}

/// Whether the guard holds anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GuardState {
    /// Nothing waits.
    #[default]
    Clear,
    /// Removals wait for a yes.
    Holding,
}

/// Restarts that follow from edits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RolloutStatus {
    /// How it goes.
    pub state: RolloutState,
    /// How many services have been restarted, well or not.
    pub done: u64,
    /// How many there are in all.
    pub total: u64,
    /// Those that failed.
    pub failed: Vec<ServiceName>,
}

/// How a roll-out goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RolloutState {
    /// There is none.
    #[default]
    Idle,
    /// Services are being restarted.
    Rolling,
    /// Too many failed: the others wait for `abide resume`, or for better files.
    Paused,
}

/// A batch that waits as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BatchStatus {
    /// Services whose good files wait.
    pub waiting: Vec<ServiceName>,
    /// The bad files that they wait for.
    pub files: Vec<String>,
}

/// Something that is not reconciled: its files may change, and nothing comes of it until that ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Suspended {
    /// Which service; absent: all, or all of a directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// The directory that holds a file `.abide-hold`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// By whom, why, and since when.
    #[serde(flatten)]
    pub hold: Hold,
    /// Services whose files have changed meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<ServiceName>,
}
