//! Types of events. They are a tree: who subscribes to one gets all below it.

use serde::{Deserialize, Serialize};

/// A type of event, or a family of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Type {
    /// Every event.
    Event,
    /// A process came to another state.
    ProcessState,
    /// It stopped as it was asked to.
    ProcessStateStopped,
    /// It ended by itself.
    ProcessStateExited,
    /// It is being made.
    ProcessStateStarting,
    /// It was asked to stop.
    ProcessStateStopping,
    /// A start failed.
    ProcessStateBackoff,
    /// No start is tried any more.
    ProcessStateFatal,
    /// It has stayed up for long enough.
    ProcessStateRunning,
    /// A signal could not be sent to it.
    ProcessStateUnknown,
    /// A process said something between the marks.
    ProcessCommunication,
    /// On stdout.
    ProcessCommunicationStdout,
    /// On stderr.
    ProcessCommunicationStderr,
    /// A process wrote something.
    ProcessLog,
    /// On stdout.
    ProcessLogStdout,
    /// On stderr.
    ProcessLogStderr,
    /// A client sent something.
    RemoteCommunication,
    /// The daemon came to another state.
    SupervisorStateChange,
    /// It runs.
    SupervisorStateChangeRunning,
    /// It is about to stop.
    SupervisorStateChangeStopping,
    /// Time has passed.
    Tick,
    /// Five seconds.
    Tick5,
    /// A minute.
    Tick60,
    /// An hour.
    Tick3600,
    /// A group came or went.
    ProcessGroup,
    /// It came.
    ProcessGroupAdded,
    /// It went.
    ProcessGroupRemoved,
}

/// Each type, its name, and the type above it. The root is above itself.
const TREE: [(Type, &str, Type); 27] = [
    (Type::Event, "EVENT", Type::Event),
    (Type::ProcessState, "PROCESS_STATE", Type::Event),
    (Type::ProcessStateStopped, "PROCESS_STATE_STOPPED", Type::ProcessState),
    (Type::ProcessStateExited, "PROCESS_STATE_EXITED", Type::ProcessState),
    (Type::ProcessStateStarting, "PROCESS_STATE_STARTING", Type::ProcessState),
    (Type::ProcessStateStopping, "PROCESS_STATE_STOPPING", Type::ProcessState),
    (Type::ProcessStateBackoff, "PROCESS_STATE_BACKOFF", Type::ProcessState),
    (Type::ProcessStateFatal, "PROCESS_STATE_FATAL", Type::ProcessState),
    (Type::ProcessStateRunning, "PROCESS_STATE_RUNNING", Type::ProcessState),
    (Type::ProcessStateUnknown, "PROCESS_STATE_UNKNOWN", Type::ProcessState),
    (Type::ProcessCommunication, "PROCESS_COMMUNICATION", Type::Event),
    (Type::ProcessCommunicationStdout, "PROCESS_COMMUNICATION_STDOUT", Type::ProcessCommunication),
    (Type::ProcessCommunicationStderr, "PROCESS_COMMUNICATION_STDERR", Type::ProcessCommunication),
    (Type::ProcessLog, "PROCESS_LOG", Type::Event),
    (Type::ProcessLogStdout, "PROCESS_LOG_STDOUT", Type::ProcessLog),
    (Type::ProcessLogStderr, "PROCESS_LOG_STDERR", Type::ProcessLog),
    (Type::RemoteCommunication, "REMOTE_COMMUNICATION", Type::Event),
    (Type::SupervisorStateChange, "SUPERVISOR_STATE_CHANGE", Type::Event),
    (Type::SupervisorStateChangeRunning, "SUPERVISOR_STATE_CHANGE_RUNNING", Type::SupervisorStateChange),
    (Type::SupervisorStateChangeStopping, "SUPERVISOR_STATE_CHANGE_STOPPING", Type::SupervisorStateChange),
    (Type::Tick, "TICK", Type::Event),
    (Type::Tick5, "TICK_5", Type::Tick),
    (Type::Tick60, "TICK_60", Type::Tick),
    (Type::Tick3600, "TICK_3600", Type::Tick),
    (Type::ProcessGroup, "PROCESS_GROUP", Type::Event),
    (Type::ProcessGroupAdded, "PROCESS_GROUP_ADDED", Type::ProcessGroup),
    (Type::ProcessGroupRemoved, "PROCESS_GROUP_REMOVED", Type::ProcessGroup),
];

/// Why a list of events is none, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub message: String,
    /// What to do next.
    pub help: String,
}

impl Type {
    /// All types.
    pub fn all() -> impl Iterator<Item = Self> {
        TREE.iter().map(|(kind, ..)| *kind)
    }

    /// The type of this name, in capitals or not.
    pub fn parse(name: &str) -> Option<Self> {
        TREE.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(name)).map(|(kind, ..)| *kind)
    }

    /// The name in conf files and envelopes.
    pub fn name(self) -> &'static str {
        self.entry().1
    }

    /// The type above this one; none above the root.
    pub fn parent(self) -> Option<Self> {
        (self != Self::Event).then(|| self.entry().2)
    }

    /// Whether who subscribes to this one gets `other`.
    pub fn covers(self, other: Self) -> bool {
        std::iter::successors(Some(other), |kind| kind.parent()).any(|kind| kind == self)
    }

    fn entry(self) -> &'static (Self, &'static str, Self) {
        TREE.iter().find(|(kind, ..)| *kind == self).unwrap_or(&TREE[0])
    }
}

/// Reads the list of events of `section`.
pub fn subscription(section: &str, list: &str) -> Result<Vec<Type>, Refusal> {
    if list.trim().is_empty() {
        let help = "say which events it wants, such as events=PROCESS_STATE,TICK_60".to_owned();
        return Err(Refusal { message: format!("[{section}] section requires an \"events\" line"), help });
    }
    let (mut kinds, mut unknown) = (Vec::new(), None);
    for name in list.split(',').map(str::trim) {
        match Type::parse(name) {
            Some(kind) if kinds.contains(&kind) => {}
            Some(kind) => kinds.push(kind),
            None => unknown = Some(name.to_uppercase()),
        }
    }
    let Some(name) = unknown else { return Ok(kinds) };
    let families = Type::all().filter(|kind| kind.parent() == Some(Type::Event)).map(Type::name);
    let help =
        format!("events are EVENT for all of them, {}, or those below one", families.collect::<Vec<_>>().join(", "));
    Err(Refusal { message: format!("Unknown event type {name} in [{section}] events"), help })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_the_table_agree() {
        for kind in Type::all() {
            assert_eq!(Type::parse(kind.name()), Some(kind));
            assert_eq!(Type::parse(&kind.name().to_lowercase()), Some(kind));
            assert!(Type::Event.covers(kind) && kind.covers(kind));
            let Some(parent) = kind.parent().filter(|parent| *parent != Type::Event) else { continue };
            assert!(kind.name().strip_prefix(parent.name()).is_some_and(|rest| rest.starts_with('_')));
            assert!(parent.covers(kind) && !kind.covers(parent));
        }
        assert!(!Type::ProcessLog.covers(Type::ProcessStateExited));
    }

    #[test]
    fn lists_are_read_without_regard_to_case() {
        let kinds = subscription("eventlistener:x", " Tick_5 , EVENT,tick_5").expect("known");
        assert_eq!(kinds, [Type::Tick5, Type::Event]);
    }

    #[test]
    fn refusals_have_supervisords_words() {
        for (list, message) in [
            ("", "[eventlistener:x] section requires an \"events\" line"),
            ("tick_5, nope", "Unknown event type NOPE in [eventlistener:x] events"),
            ("nope,nah", "Unknown event type NAH in [eventlistener:x] events"),
            ("tick_5,", "Unknown event type  in [eventlistener:x] events"),
            ("tick_5 tick_60", "Unknown event type TICK_5 TICK_60 in [eventlistener:x] events"),
        ] {
            assert_eq!(subscription("eventlistener:x", list).expect_err("refused").message, message);
        }
    }
}
