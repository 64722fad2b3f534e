//! What happened, and the text that tells it.

use super::payload::payload;
use super::{Period, Type};
use crate::supervisord::rpc::{Channel, Name, ProcessState};

/// The state that a process came to, with what is told about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A process is being made.
    Starting {
        /// The retry counter after the change.
        tries: u32,
    },
    /// A start failed.
    Backoff {
        /// The retry counter after the change.
        tries: u32,
    },
    /// It has stayed up for long enough.
    Running {
        /// Its process.
        pid: i32,
    },
    /// It was asked to stop.
    Stopping {
        /// Its process.
        pid: i32,
    },
    /// It stopped as it was asked to.
    Stopped {
        /// The process that ended.
        pid: i32,
    },
    /// It ended by itself.
    Exited {
        /// Whether its exit code is one of those that are expected.
        expected: bool,
        /// The process that ended.
        pid: i32,
    },
    /// No start is tried any more.
    Fatal,
    /// A signal could not be sent to it.
    Unknown,
}

/// Something that listeners are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A process came to another state.
    State {
        /// Whose state it is.
        name: Name,
        /// The state before.
        from: ProcessState,
        /// The state now.
        change: Change,
    },
    /// A process wrote something.
    Log {
        /// Who wrote.
        name: Name,
        /// Its pid.
        pid: i32,
        /// Where to.
        channel: Channel,
        /// What was read at once, after colours are gone.
        data: Vec<u8>,
    },
    /// A process wrote something between the tokens of capture.
    Communication {
        /// Who wrote.
        name: Name,
        /// Its pid.
        pid: i32,
        /// Where to.
        channel: Channel,
        /// What was between the tokens.
        data: Vec<u8>,
    },
    /// A client called `sendRemoteCommEvent`.
    Remote {
        /// Its first parameter.
        kind: String,
        /// Its second parameter.
        data: String,
    },
    /// The daemon runs.
    SupervisorRunning,
    /// The daemon ends or starts over.
    SupervisorStopping,
    /// The clock passed a multiple of the period.
    Tick {
        /// How often there is one.
        period: Period,
        /// That multiple, in seconds since 1970.
        when: i64,
    },
    /// A group was added.
    GroupAdded {
        /// Its name.
        group: String,
    },
    /// A group was removed.
    GroupRemoved {
        /// Its name.
        group: String,
    },
}

impl Channel {
    /// The name in payloads and addresses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl Event {
    /// Its type.
    pub fn kind(&self) -> Type {
        match self {
            Self::State { change, .. } => change.kind(),
            Self::Log { channel: Channel::Stdout, .. } => Type::ProcessLogStdout,
            Self::Log { channel: Channel::Stderr, .. } => Type::ProcessLogStderr,
            Self::Communication { channel: Channel::Stdout, .. } => Type::ProcessCommunicationStdout,
            Self::Communication { channel: Channel::Stderr, .. } => Type::ProcessCommunicationStderr,
            Self::Remote { .. } => Type::RemoteCommunication,
            Self::SupervisorRunning => Type::SupervisorStateChangeRunning,
            Self::SupervisorStopping => Type::SupervisorStateChangeStopping,
            Self::Tick { period, .. } => period.kind(),
            Self::GroupAdded { .. } => Type::ProcessGroupAdded,
            Self::GroupRemoved { .. } => Type::ProcessGroupRemoved,
        }
    }

    /// The text after the envelope.
    pub fn payload(&self) -> String {
        match self {
            Self::State { name, from, change } => {
                format!("{} from_state:{}{}", whose(name), from.name(), change.details())
            }
            Self::Log { name, pid, channel, data } => {
                format!("{} pid:{pid} channel:{}\n{}", whose(name), channel.name(), payload(data))
            }
            Self::Communication { name, pid, data, .. } => {
                format!("{} pid:{pid}\n{}", whose(name), payload(data))
            }
            Self::Remote { kind, data } => format!("type:{kind}\n{data}"),
            Self::SupervisorRunning | Self::SupervisorStopping => String::new(),
            Self::Tick { when, .. } => format!("when:{when}"),
            Self::GroupAdded { group } | Self::GroupRemoved { group } => format!("groupname:{group}\n"),
        }
    }
}

fn whose(name: &Name) -> String {
    format!("processname:{} groupname:{}", name.process, name.group)
}

impl Change {
    fn kind(self) -> Type {
        match self {
            Self::Starting { .. } => Type::ProcessStateStarting,
            Self::Backoff { .. } => Type::ProcessStateBackoff,
            Self::Running { .. } => Type::ProcessStateRunning,
            Self::Stopping { .. } => Type::ProcessStateStopping,
            Self::Stopped { .. } => Type::ProcessStateStopped,
            Self::Exited { .. } => Type::ProcessStateExited,
            Self::Fatal => Type::ProcessStateFatal,
            Self::Unknown => Type::ProcessStateUnknown,
        }
    }

    fn details(self) -> String {
        match self {
            Self::Starting { tries } | Self::Backoff { tries } => format!(" tries:{tries}"),
            Self::Running { pid } | Self::Stopping { pid } | Self::Stopped { pid } => format!(" pid:{pid}"),
            Self::Exited { expected, pid } => format!(" expected:{} pid:{pid}", u8::from(expected)),
            Self::Fatal | Self::Unknown => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states() {
        let told = |process: &str, from, change| {
            let event = Event::State { name: Name::new("g", process), from, change };
            (event.kind().name(), event.payload())
        };
        for (from, change, kind, rest) in [
            (ProcessState::Stopped, Change::Starting { tries: 0 }, "STARTING", "STOPPED tries:0"),
            (ProcessState::Starting, Change::Backoff { tries: 2 }, "BACKOFF", "STARTING tries:2"),
            (ProcessState::Starting, Change::Running { pid: 9 }, "RUNNING", "STARTING pid:9"),
            (ProcessState::Running, Change::Stopping { pid: 9 }, "STOPPING", "RUNNING pid:9"),
            (ProcessState::Stopping, Change::Stopped { pid: 9 }, "STOPPED", "STOPPING pid:9"),
            (ProcessState::Running, Change::Exited { expected: false, pid: 9 }, "EXITED", "RUNNING expected:0 pid:9"),
            (ProcessState::Running, Change::Exited { expected: true, pid: 9 }, "EXITED", "RUNNING expected:1 pid:9"),
            (ProcessState::Backoff, Change::Fatal, "FATAL", "BACKOFF"),
            (ProcessState::Stopping, Change::Unknown, "UNKNOWN", "STOPPING"),
        ] {
            let (name, payload) = told("p", from, change);
            assert_eq!(name, format!("PROCESS_STATE_{kind}"));
            assert_eq!(payload, format!("processname:p groupname:g from_state:{rest}"));
        }
    }

    #[test]
    fn output() {
        let (name, channel) = (Name::new("g", "p"), Channel::Stderr);
        let log = Event::Log { name: name.clone(), pid: 7, channel, data: b"\xff\n".to_vec() };
        assert_eq!(log.payload(), "processname:p groupname:g pid:7 channel:stderr\nUndecodable: b'\\xff\\n'");
        assert_eq!(log.kind(), Type::ProcessLogStderr);
        let message = Event::Communication { name, pid: 7, channel, data: "€\n".into() };
        assert_eq!(message.payload(), "processname:p groupname:g pid:7\n€\n");
        assert_eq!(message.kind(), Type::ProcessCommunicationStderr);
    }

    #[test]
    fn others() {
        let remote = Event::Remote { kind: "a:b".into(), data: "x\n".into() };
        assert_eq!(remote.payload(), "type:a:b\nx\n");
        assert_eq!(Event::SupervisorStopping.payload(), "");
        assert_eq!(Event::Tick { period: Period::Five, when: 15 }.payload(), "when:15");
        assert_eq!(Event::GroupAdded { group: "g".into() }.payload(), "groupname:g\n");
    }
}
