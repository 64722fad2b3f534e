//! One step in an instance's life: logged as one structured event.

use super::name::InstanceId;
use super::outcome::Exit;
use super::status::State;

/// An instance went from one state to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Which instance.
    pub instance: InstanceId,
    /// Whether the service has more than one, so that its index says something.
    pub numbered: bool,
    /// Before.
    pub from: State,
    /// After.
    pub to: State,
    /// Why, in words: "started", "exit code 1, restart in 0.5 s", "command changed".
    pub reason: String,
    /// Its process, where it has or had one.
    pub pid: Option<i32>,
    /// How it ended, if this is an end.
    pub exit: Option<Exit>,
    /// Whether something went wrong that no state tells: a reload or a command failed, KILL was needed.
    pub grave: bool,
}
