//! States of processes and of the daemon, with the codes and names that clients know.

/// The state of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProcessState {
    /// Not started yet, or stopped on request.
    Stopped,
    /// Spawned, and not up for long enough.
    Starting,
    /// Up for more than startsecs.
    Running,
    /// It died too soon and waits for its next try.
    Backoff,
    /// A stop was requested, and it has not ended.
    Stopping,
    /// It ended by itself.
    Exited,
    /// It died too soon too often.
    Fatal,
    /// It could not be signalled.
    Unknown,
}

/// The state of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DaemonState {
    /// It failed. Never seen.
    Fatal,
    /// It works.
    Running,
    /// It stops everything in order to start over.
    Restarting,
    /// It stops everything in order to end.
    Shutdown,
}

impl ProcessState {
    /// All of them, by code.
    pub const ALL: [Self; 8] = [
        Self::Stopped,
        Self::Starting,
        Self::Running,
        Self::Backoff,
        Self::Stopping,
        Self::Exited,
        Self::Fatal,
        Self::Unknown,
    ];

    /// The number that clients get.
    pub fn code(self) -> i32 {
        match self {
            Self::Stopped => 0,
            Self::Starting => 10,
            Self::Running => 20,
            Self::Backoff => 30,
            Self::Stopping => 40,
            Self::Exited => 100,
            Self::Fatal => 200,
            Self::Unknown => 1000,
        }
    }

    /// The name that clients get.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped => "STOPPED",
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Backoff => "BACKOFF",
            Self::Stopping => "STOPPING",
            Self::Exited => "EXITED",
            Self::Fatal => "FATAL",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Whether it counts as stopped: a group may go when all of it is.
    pub fn is_stopped(self) -> bool {
        matches!(self, Self::Stopped | Self::Exited | Self::Fatal | Self::Unknown)
    }

    /// Whether it counts as running: it can be stopped, and not be started.
    pub fn is_running(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Backoff)
    }

    /// Whether there is a process that a signal can go to.
    pub fn is_signallable(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Stopping)
    }
}

impl DaemonState {
    /// The number that clients get.
    pub fn code(self) -> i32 {
        match self {
            Self::Fatal => 2,
            Self::Running => 1,
            Self::Restarting => 0,
            Self::Shutdown => -1,
        }
    }

    /// The name that clients get.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fatal => "FATAL",
            Self::Running => "RUNNING",
            Self::Restarting => "RESTARTING",
            Self::Shutdown => "SHUTDOWN",
        }
    }

    /// Whether it is on its way down, and refuses calls.
    pub fn is_stopping(self) -> bool {
        matches!(self, Self::Restarting | Self::Shutdown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_states() {
        let names = |of: fn(ProcessState) -> bool| {
            let names = ProcessState::ALL.into_iter().filter(|state| of(*state)).map(ProcessState::name);
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(ProcessState::is_stopped), "STOPPED EXITED FATAL UNKNOWN");
        assert_eq!(names(ProcessState::is_running), "STARTING RUNNING BACKOFF");
        assert_eq!(names(ProcessState::is_signallable), "STARTING RUNNING STOPPING");
        assert_eq!(ProcessState::ALL.map(ProcessState::code), [0, 10, 20, 30, 40, 100, 200, 1000]);
        let daemon = [DaemonState::Fatal, DaemonState::Running, DaemonState::Restarting, DaemonState::Shutdown];
        assert_eq!(daemon.map(DaemonState::code), [2, 1, 0, -1]);
    }
}
