//! How one finds out whether a service is ready, and whether it is well.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One way to find out. Texts are templates, as in `command`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// It says so itself over `NOTIFY_SOCKET` (`sd_notify(3)`): READY=1; as health, WATCHDOG=1.
    Notify,
    /// It writes a newline to this descriptor, as s6's `notification-fd` has it. Readiness only.
    Descriptor(i32),
    /// Something accepts a TCP connection at this `host:port`.
    Tcp(String),
    /// A GET is answered as it should be.
    Http(HttpCheck),
    /// This command ends with 0.
    Exec(Vec<String>),
    /// A line of its output matches this regular expression. Readiness only.
    Log(String),
    /// So much time has passed since its start. Readiness only.
    After(Duration),
}

/// A GET, and what the answer should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpCheck {
    /// `http://host:port/path`.
    pub url: String,
    /// The status that it should have; `None`: 200 to 399.
    pub status: Option<u16>,
    /// A text that the body should contain: as it stands, no template.
    pub body: Option<String>,
}

/// `[ready]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// How one finds out.
    pub check: Check,
    /// How long it may take from the start; then the run has failed. The longest there is: as long as it likes.
    pub timeout: Duration,
    /// The pause between two attempts of a check that abide makes (tcp, http, exec).
    pub interval: Duration,
}

/// `[health]`. Begins once the service is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// How one finds out.
    pub check: Check,
    /// The pause between two checks; for `notify` the longest pause between two signs of life.
    pub interval: Duration,
    /// How long one check may take.
    pub timeout: Duration,
    /// So many failures in a row are too many.
    pub failures: u32,
    /// What follows then.
    pub on_failure: OnFailure,
}

/// What follows from bad health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// It is stopped and started, as its restart policy has it.
    Restart,
    /// It is said, and that is all.
    Report,
}

/// What a process says of itself, over whichever way it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sign {
    /// It is ready (READY=1, a newline on its descriptor, a line of its log).
    Ready,
    /// What it is doing, for people (STATUS=).
    Status(String),
    /// It begins to reload (RELOADING=1); the next `Ready` is the end of that.
    Reloading,
    /// It begins to end (STOPPING=1).
    Stopping,
    /// It lives (WATCHDOG=1).
    Alive,
    /// It asks to be treated as if it did not (WATCHDOG=trigger).
    Unwell,
    /// It needs so much more time for what it is doing: start, reload or stop (EXTEND_TIMEOUT_USEC=).
    Extend(Duration),
    /// This process of its tree is the one to watch (MAINPID=).
    Main(i32),
}
