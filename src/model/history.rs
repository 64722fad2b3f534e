//! What a service was, is, and was not let be: its versions, and the way back from one.

use super::name::ServiceName;
use super::plan::Change;
use super::service::{Kind, Service, Version};
use super::time::Wall;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A version that was in force, as it is kept on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptVersion {
    /// When it came into force.
    pub at: Wall,
    /// Its digest.
    pub version: Version,
    /// Why: "edited", "rolled back", "restored".
    pub cause: String,
    /// The file that defined it.
    pub file: PathBuf,
    /// What kind of entry that was.
    pub kind: Kind,
    /// SHA-256 of the file's bytes then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_hash: Option<Version>,
    /// What it meant.
    pub service: Service,
}

/// A version that the file has and that is not in force, since it failed or an operator went back from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// What the file says.
    pub rejected: Service,
    /// What is in force instead.
    pub to: Version,
    /// Why, in words.
    pub cause: String,
    /// When.
    pub at: Wall,
}

/// All rollbacks, by service.
pub type Rollbacks = Vec<(ServiceName, Rollback)>;

/// Why there is no such version, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoVersion(pub String);

/// The versions of one service, the newest last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// Which service.
    pub service: ServiceName,
    /// As far as they are kept.
    pub versions: Vec<PastVersion>,
}

/// A version that was in force, or is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PastVersion {
    /// Its digest.
    pub version: String,
    /// When it came into force.
    pub at: Wall,
    /// Why: "edited", "rolled back", "tried again", "restored".
    pub cause: String,
    /// The file that defined it.
    pub file: String,
    /// SHA-256 of the file's bytes then, as `sha256sum` prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_hash: Option<String>,
    /// Whether it is in force.
    pub in_force: bool,
    /// In what it differs from the one before it.
    pub changes: Vec<Change>,
}

/// What differs between two versions of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// Which service.
    pub service: ServiceName,
    /// The digest of one.
    pub from: String,
    /// The digest of the other.
    pub to: String,
    /// Key by key.
    pub changes: Vec<Change>,
}
