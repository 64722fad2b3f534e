//! How changes of the files are taken, as `abide.toml` says: what guards against a mass removal, what belongs
//! together, and how many are restarted at a time.

use std::time::Duration;

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// When removals wait for a yes.
    pub guard: GuardRules,
    /// Whether a batch with one bad file in it waits as a whole.
    pub atomic: bool,
    /// How restarts are spread.
    pub rollout: RolloutRules,
    /// Whether a legacy service whose directory is gone from here goes on until it is let go of (`svc -dx`), as under
    /// svscan.
    pub keep_legacy: bool,
}

/// When removals are too many to be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardRules {
    /// Removals within so long count together; `None`: none are ever held.
    pub window: Option<Duration>,
    /// More than so many are held.
    pub max_removals: u64,
    /// So are more than this share of a directory's services, if they are at least [`FEW`].
    pub max_percent: u64,
}

/// Fewer removals than this are no share of anything.
pub const FEW: u64 = 3;

impl Default for GuardRules {
    fn default() -> Self {
        Self { window: Some(Duration::from_secs(60)), max_removals: 10, max_percent: 50 }
    }
}

/// How restarts that follow from edits are spread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutRules {
    /// So many services are restarted at a time.
    pub max_parallel: u64,
    /// After so many of them have failed, the others wait for a yes.
    pub pause_on_failures: u64,
}

impl Default for RolloutRules {
    fn default() -> Self {
        Self { max_parallel: 5, pause_on_failures: 2 }
    }
}
