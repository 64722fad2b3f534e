//! Where a service's output goes.

use serde::{Deserialize, Serialize};

/// How much of an instance's output is kept, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPolicy {
    /// The directory that holds `NAME/current`: a template (`${VAR}` allowed). `None`: abide's own log directory.
    pub directory: Option<String>,
    /// `current` is rotated before it grows beyond this many bytes.
    pub max_size: u64,
    /// How many rotated files are kept beside `current`.
    pub max_files: u32,
}

impl Default for LogPolicy {
    /// 10 MiB × 5.
    fn default() -> Self {
        Self { directory: None, max_size: 10 << 20, max_files: 5 }
    }
}
