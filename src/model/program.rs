//! What supervisord's world says of a service that comes from one of its files, beyond what any service has.

use serde::{Deserialize, Serialize};

/// A process of a group: what clients of supervisord know it by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The group that it is in.
    pub group: String,
    /// Its own name in that group.
    pub process: String,
    /// The section that it comes from: `program:web`.
    pub section: String,
    /// The lower, the earlier its group starts and the later that stops.
    pub group_priority: i64,
    /// The same within the group.
    pub priority: i64,
    /// Whether it starts by itself when it is found.
    pub autostart: bool,
    /// What is executed, as one text.
    pub command: String,
    /// Where it is executed, if that is said.
    pub directory: Option<String>,
    /// As whom, if that is said.
    pub uid: Option<u32>,
    /// Its file mode creation mask, if that is said.
    pub umask: Option<u32>,
    /// The exit codes that are expected.
    pub exit_codes: Vec<i32>,
    /// How long it has to stay up to count as started, seconds.
    pub start_seconds: u32,
}

impl Program {
    /// As clients name it: `group:process`, or the name alone where both are the same.
    pub fn shown(&self) -> String {
        if self.group == self.process { self.group.clone() } else { format!("{}:{}", self.group, self.process) }
    }
}
