//! The operator's hand: what people tell abide to do with services, whichever door they come through.

use super::name::ServiceName;
use super::selector::Target;
use super::service::Service;
use super::signal::Signal;
use super::time::Wall;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What is to be done with some services, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What.
    pub act: Act,
    /// With which; none of them names a service that does not exist.
    pub targets: Vec<Target>,
    /// Who.
    pub author: Author,
}

/// What can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Lift holds, and start what rests: what was given up or waits for its next attempt, too.
    Start,
    /// Stop, and hold stopped until somebody starts it.
    Stop {
        /// Why, in the operator's words.
        reason: Option<String>,
        /// After so long the hold lifts itself.
        lasts: Option<Duration>,
    },
    /// Stop what runs and start it in the newest version; start what rests. A hold is lifted.
    Restart,
    /// The same, one process of a service after the other, each up before the next.
    RestartRolling,
    /// Have the running processes take up their configuration, as `[reload]` has it.
    Reload,
    /// Let removals go ahead that wait for a yes; without targets all of them.
    Confirm,
    /// Act on nothing that changes in the files of the targets; without any: in no file.
    Suspend {
        /// Why, in the operator's words.
        reason: Option<String>,
    },
    /// Act on the files again, and on what changed meanwhile.
    Resume,
    /// Try again the version that was rolled back from.
    Retry,
    /// Go back to an earlier version, until the file changes.
    Rollback {
        /// Which, or the beginning of its digest; else the one before.
        to: Option<String>,
        /// What there is of each service, or why it cannot be had; whoever gives the order leaves it empty.
        versions: Vec<(ServiceName, Result<Box<Service>, String>)>,
    },
    /// Send a signal, to the processes that abide watches and to no others.
    Signal(Signal),
    /// Do this to their logs.
    Log(LogAct),
}

/// What can be done to a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogAct {
    /// Give `current` its rotated name now, if there is anything in it.
    Rotate,
    /// Close `current`, so that what comes goes to what then has that name.
    Reopen,
}

impl Act {
    /// The word, as on the command line.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop { .. } => "stop",
            Self::Restart | Self::RestartRolling => "restart",
            Self::Reload => "reload",
            Self::Confirm => "confirm",
            Self::Suspend { .. } => "suspend",
            Self::Resume => "resume",
            Self::Retry => "retry",
            Self::Rollback { .. } => "rollback",
            Self::Signal(_) => "signal",
            Self::Log(LogAct::Rotate) => "rotate",
            Self::Log(LogAct::Reopen) => "reopen",
        }
    }
}

/// Who gave an order: as the kernel says, or by whose token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Author {
    /// The user, as people know them; or `token NAME`.
    pub name: String,
    /// Their uid, where they came over the unix socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The pid of the program that they used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// Its command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// What came of an order, for one of its targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Done {
    /// `web`, or `web@2`.
    pub target: String,
    /// Whether anything was done; that there was nothing to do is no failure.
    pub done: bool,
    /// What, or why not, in words: "stopped and held", "runs already", "has no [reload]: add one, or restart it".
    pub words: String,
    /// Whether the order could not be obeyed.
    pub refused: bool,
}

/// An operator's recorded stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    /// Who holds it.
    pub by: Author,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when.
    pub since: Wall,
    /// When it lifts itself; else it stands until somebody starts the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Wall>,
}
