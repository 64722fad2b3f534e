//! What is to be done, and what became of it.

use super::{Name, Window};
use serde::{Deserialize, Serialize};

/// Something to do. Its outcome may come at once or much later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Look whether the command of the process is there and may be executed: what [`Order::Start`] does first.
    Look(Name),
    /// Start the process; if `wait`, the outcome comes when it is RUNNING or will not be ([`super::started`]).
    Start {
        /// Which process.
        name: Name,
        /// Whether the outcome is that of the start, or only that it was tried.
        wait: bool,
    },
    /// Stop the process; if `wait`, the outcome comes when it is in a stopped state ([`super::stopped`]).
    Stop {
        /// Which process.
        name: Name,
        /// Whether the outcome is that of the stop, or only that it was asked to.
        wait: bool,
    },
    /// Send the signal to the pid of the process. The state stays as it is.
    Signal {
        /// Which process.
        name: Name,
        /// The number of the signal.
        signal: i32,
    },
    /// Write to the standard input of the process; queue what does not fit.
    Stdin {
        /// Which process.
        name: Name,
        /// What to write, as UTF-8.
        text: String,
    },
    /// Read a part of a log. The outcome is [`Done::Log`].
    ReadLog {
        /// Which.
        log: Log,
        /// Which part; [`Window::range`] tells it when the size is known.
        window: Window,
    },
    /// Remove the logs of the process and open them anew.
    ClearLogs(Name),
    /// Remove the main log and open it anew.
    ClearMainLog,
    /// Parse the files again and remember the result. The outcome is [`Done::Reloaded`].
    Reload,
    /// Add a group of the last parse.
    AddGroup(String),
    /// Remove a group of which nothing runs.
    RemoveGroup(String),
    /// Publish a REMOTE_COMMUNICATION event.
    Remote {
        /// Its type.
        kind: String,
        /// Its data.
        data: String,
    },
    /// Stop everything, then end. The outcome comes at once.
    Shutdown,
    /// Stop everything, then start over. The outcome comes at once.
    Restart,
}

/// An output of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Channel {
    /// Its standard output.
    Stdout,
    /// Its standard error.
    Stderr,
}

/// A log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Log {
    /// The daemon's own.
    Main,
    /// That of an output of a process.
    Of(Name, Channel),
}

/// What an order that went well brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// Nothing but that it is done.
    Plain,
    /// A part of a file.
    Log {
        /// The size of the whole file.
        size: u64,
        /// The bytes asked for.
        bytes: Vec<u8>,
    },
    /// Groups by what is new about them.
    Reloaded {
        /// In the file and not active.
        added: Vec<String>,
        /// In the file and active, and not the same.
        changed: Vec<String>,
        /// Active and not in the file.
        removed: Vec<String>,
    },
}

/// Why an order did not go well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// No such command, no such file, or nothing to write to: the sentence or path to show.
    NoFile(Option<String>),
    /// The command may not be executed or makes no sense: the sentence to show.
    NotExecutable(String),
    /// It could not be spawned or died too soon.
    SpawnError,
    /// It left STARTING and RUNNING without a spawn error.
    Abnormal,
    /// Somebody else started it in between.
    AlreadyStarted,
    /// It ended in between.
    NotRunning,
    /// The group is active already.
    AlreadyAdded,
    /// The group has a process that runs.
    StillRunning,
    /// The files do not parse: why.
    CantReread(String),
    /// It cannot be started: why, and what to do about it. A fault of its own kind, since supervisorctl knows no other of a
    /// start that failed.
    NotStarted(String),
    /// It is not done: why, and what to do instead.
    Refused(String),
    /// Anything else.
    Failed,
}

/// What became of an order.
pub type Outcome = Result<Done, Trouble>;
