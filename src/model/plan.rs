//! What would change, as a value: shown by `abide plan`, applied by the loop, one and the same.

use super::name::ServiceName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a change costs; ordered from cheap to dear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Price {
    /// Nothing happens to any process.
    Nothing,
    /// Takes effect on the running process.
    Live,
    /// The process must be stopped and started.
    Restart,
}

/// One changed field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Its key in the service file, dotted: `limits.open_files`, `environment.PORT`.
    pub field: String,
    /// Before, as people write it; `None` where it was not set. Secrets are the caller's concern:
    /// environment values are not shown, only that they differ.
    pub from: Option<String>,
    /// After.
    pub to: Option<String>,
    /// What it costs.
    pub price: Price,
    /// Why it costs that, where that is no matter of course.
    pub why: Option<String>,
}

/// What happens to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Nothing happens to any process.
    Nothing,
    /// Something is set on running processes, or for the next time.
    Live,
    /// Every process is stopped and started with the new version.
    Restart,
    /// A service appears, or is enabled.
    Start,
    /// A service goes, or is disabled.
    Stop,
}

impl Action {
    /// The word, as in the log and in a plan for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Live => "live",
            Self::Restart => "restart",
            Self::Start => "start",
            Self::Stop => "stop",
        }
    }
}

/// What happens to one service, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Which service.
    pub service: ServiceName,
    /// What is done.
    pub action: Action,
    /// In words: "command changed", "new", "removed".
    pub reason: String,
    /// Field by field, in the order of the reference.
    pub changes: Vec<Change>,
    /// How many instances are started (+) or stopped (−) beside that.
    pub scale: i64,
}

/// What happens to all, sorted by name; services without any change are not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// One step a service.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Whether nothing at all would change.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}
