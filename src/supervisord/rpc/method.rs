//! The methods: what they are called, what they take and return, and what they mean.

/// A method.
#[derive(Debug, PartialEq, Eq)]
pub struct Method {
    /// Namespace and name.
    pub name: &'static str,
    /// The type of what it returns.
    pub returns: &'static str,
    /// The types of its parameters, those that may be left out among them.
    pub parameters: &'static [&'static str],
    /// What it does.
    pub help: &'static str,
    pub(super) meaning: Meaning,
}

/// What a method means, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    AddGroup,
    AllConfigInfo,
    AllProcessInfo,
    ApiVersion,
    ClearAllLogs,
    ClearLogs,
    ClearMainLog,
    Identification,
    ListMethods,
    MethodHelp,
    MethodSignature,
    Multicall,
    Pid,
    ProcessInfo,
    ReadMainLog,
    ReadStderr,
    ReadStdout,
    Reload,
    Remote,
    RemoveGroup,
    Restart,
    Shutdown,
    Signal,
    SignalAll,
    SignalGroup,
    Start,
    StartAll,
    StartGroup,
    State,
    Stdin,
    Stop,
    StopAll,
    StopGroup,
    TailStderr,
    TailStdout,
    Version,
}

impl Method {
    /// The method of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        METHODS.iter().find(|method| method.name == name)
    }

    /// Whether it can be called with so many parameters. Whether to wait may be left out; nothing else.
    pub(super) fn takes(&self, number: usize) -> bool {
        let required = self.parameters.iter().filter(|kind| **kind != "boolean").count();
        (required..=self.parameters.len()).contains(&number)
    }

    /// Whether it is refused while the daemon stops.
    pub(super) fn needs_a_running_daemon(&self) -> bool {
        self.name.starts_with("supervisor.") && self.meaning != Meaning::Remote
    }
}

/// All methods, by name.
pub const METHODS: &[Method] = &[
    Method {
        name: "supervisor.addProcessGroup",
        returns: "boolean",
        parameters: &["string"],
        meaning: Meaning::AddGroup,
        help: "Add a group that the last parse of the files has and that is not active.",
    },
    Method {
        name: "supervisor.clearAllProcessLogs",
        returns: "array",
        parameters: &[],
        meaning: Meaning::ClearAllLogs,
        help: "Clear the logs of all processes. Returns a result for each.",
    },
    Method {
        name: "supervisor.clearLog",
        returns: "boolean",
        parameters: &[],
        meaning: Meaning::ClearMainLog,
        help: "Clear the log of the daemon.",
    },
    Method {
        name: "supervisor.clearProcessLog",
        returns: "boolean",
        parameters: &["string"],
        meaning: Meaning::ClearLogs,
        help: "Another name of clearProcessLogs.",
    },
    Method {
        name: "supervisor.clearProcessLogs",
        returns: "boolean",
        parameters: &["string"],
        meaning: Meaning::ClearLogs,
        help: "Clear both logs of a process.",
    },
    Method {
        name: "supervisor.getAPIVersion",
        returns: "string",
        parameters: &[],
        meaning: Meaning::ApiVersion,
        help: "The version of this interface.",
    },
    Method {
        name: "supervisor.getAllConfigInfo",
        returns: "array",
        parameters: &[],
        meaning: Meaning::AllConfigInfo,
        help: "What the last parse of the files says about each process, active or not.",
    },
    Method {
        name: "supervisor.getAllProcessInfo",
        returns: "array",
        parameters: &[],
        meaning: Meaning::AllProcessInfo,
        help: "What getProcessInfo tells, of all processes.",
    },
    Method {
        name: "supervisor.getIdentification",
        returns: "string",
        parameters: &[],
        meaning: Meaning::Identification,
        help: "The identifier of the daemon.",
    },
    Method {
        name: "supervisor.getPID",
        returns: "int",
        parameters: &[],
        meaning: Meaning::Pid,
        help: "The pid of the daemon.",
    },
    Method {
        name: "supervisor.getProcessInfo",
        returns: "struct",
        parameters: &["string"],
        meaning: Meaning::ProcessInfo,
        help: "State, times, pid and logs of a process.",
    },
    Method {
        name: "supervisor.getState",
        returns: "struct",
        parameters: &[],
        meaning: Meaning::State,
        help: "The state of the daemon, as number and name.",
    },
    Method {
        name: "supervisor.getSupervisorVersion",
        returns: "string",
        parameters: &[],
        meaning: Meaning::Version,
        help: "The version of the daemon.",
    },
    Method {
        name: "supervisor.getVersion",
        returns: "string",
        parameters: &[],
        meaning: Meaning::ApiVersion,
        help: "Another name of getAPIVersion.",
    },
    Method {
        name: "supervisor.readLog",
        returns: "string",
        parameters: &["int", "int"],
        meaning: Meaning::ReadMainLog,
        help: "A part of the log of the daemon. Parameters: offset, below zero from the end; length, 0 for all that follows.",
    },
    Method {
        name: "supervisor.readMainLog",
        returns: "string",
        parameters: &["int", "int"],
        meaning: Meaning::ReadMainLog,
        help: "Another name of readLog.",
    },
    Method {
        name: "supervisor.readProcessLog",
        returns: "string",
        parameters: &["string", "int", "int"],
        meaning: Meaning::ReadStdout,
        help: "Another name of readProcessStdoutLog.",
    },
    Method {
        name: "supervisor.readProcessStderrLog",
        returns: "string",
        parameters: &["string", "int", "int"],
        meaning: Meaning::ReadStderr,
        help: "A part of what a process wrote to standard error. Parameters as of readProcessStdoutLog.",
    },
    Method {
        name: "supervisor.readProcessStdoutLog",
        returns: "string",
        parameters: &["string", "int", "int"],
        meaning: Meaning::ReadStdout,
        help: "A part of what a process wrote to standard output. Parameters: name; offset, below zero from the end; length, 0 for all that follows.",
    },
    Method {
        name: "supervisor.reloadConfig",
        returns: "array",
        parameters: &[],
        meaning: Meaning::Reload,
        help: "Parse the files again. Returns the names of groups that were added, changed, and removed. Nothing is started or stopped.",
    },
    Method {
        name: "supervisor.removeProcessGroup",
        returns: "boolean",
        parameters: &["string"],
        meaning: Meaning::RemoveGroup,
        help: "Remove a group of which nothing runs.",
    },
    Method {
        name: "supervisor.restart",
        returns: "boolean",
        parameters: &[],
        meaning: Meaning::Restart,
        help: "Stop all processes, and start over in the same process.",
    },
    Method {
        name: "supervisor.sendProcessStdin",
        returns: "boolean",
        parameters: &["string", "string"],
        meaning: Meaning::Stdin,
        help: "Write text to the standard input of a process.",
    },
    Method {
        name: "supervisor.sendRemoteCommEvent",
        returns: "boolean",
        parameters: &["string", "string"],
        meaning: Meaning::Remote,
        help: "Publish a REMOTE_COMMUNICATION event. Parameters: type, data.",
    },
    Method {
        name: "supervisor.shutdown",
        returns: "boolean",
        parameters: &[],
        meaning: Meaning::Shutdown,
        help: "Stop all processes, and end.",
    },
    Method {
        name: "supervisor.signalAllProcesses",
        returns: "array",
        parameters: &["string"],
        meaning: Meaning::SignalAll,
        help: "Send a signal to all processes that live. Returns a result for each.",
    },
    Method {
        name: "supervisor.signalProcess",
        returns: "boolean",
        parameters: &["string", "string"],
        meaning: Meaning::Signal,
        help: "Send a signal, given by name or number, to a process; or to those of a group, named GROUP:*.",
    },
    Method {
        name: "supervisor.signalProcessGroup",
        returns: "array",
        parameters: &["string", "string"],
        meaning: Meaning::SignalGroup,
        help: "Send a signal to the processes of a group that live. Returns a result for each.",
    },
    Method {
        name: "supervisor.startAllProcesses",
        returns: "array",
        parameters: &["boolean"],
        meaning: Meaning::StartAll,
        help: "Start all processes that do not run. Parameter: whether to wait until they are RUNNING. Returns a result for each.",
    },
    Method {
        name: "supervisor.startProcess",
        returns: "boolean",
        parameters: &["string", "boolean"],
        meaning: Meaning::Start,
        help: "Start a process; or those of a group, named GROUP:*. Parameters: name; whether to wait until it is RUNNING.",
    },
    Method {
        name: "supervisor.startProcessGroup",
        returns: "array",
        parameters: &["string", "boolean"],
        meaning: Meaning::StartGroup,
        help: "Start the processes of a group that do not run. Parameters: name; whether to wait until they are RUNNING. Returns a result for each.",
    },
    Method {
        name: "supervisor.stopAllProcesses",
        returns: "array",
        parameters: &["boolean"],
        meaning: Meaning::StopAll,
        help: "Stop all processes that run. Parameter: whether to wait until they are down. Returns a result for each.",
    },
    Method {
        name: "supervisor.stopProcess",
        returns: "boolean",
        parameters: &["string", "boolean"],
        meaning: Meaning::Stop,
        help: "Stop a process; or those of a group, named GROUP:*. Parameters: name; whether to wait until it is down.",
    },
    Method {
        name: "supervisor.stopProcessGroup",
        returns: "array",
        parameters: &["string", "boolean"],
        meaning: Meaning::StopGroup,
        help: "Stop the processes of a group that run. Parameters: name; whether to wait until they are down. Returns a result for each.",
    },
    Method {
        name: "supervisor.tailProcessLog",
        returns: "array",
        parameters: &["string", "int", "int"],
        meaning: Meaning::TailStdout,
        help: "Another name of tailProcessStdoutLog.",
    },
    Method {
        name: "supervisor.tailProcessStderrLog",
        returns: "array",
        parameters: &["string", "int", "int"],
        meaning: Meaning::TailStderr,
        help: "The last of what a process wrote to standard error. Parameters as of tailProcessStdoutLog.",
    },
    Method {
        name: "supervisor.tailProcessStdoutLog",
        returns: "array",
        parameters: &["string", "int", "int"],
        meaning: Meaning::TailStdout,
        help: "The last of what a process wrote to standard output. Parameters: name; offset up to which it is known; length. Returns the text, the size of the log, and whether something between is missing.",
    },
    Method {
        name: "system.listMethods",
        returns: "array",
        parameters: &[],
        meaning: Meaning::ListMethods,
        help: "The names of all methods.",
    },
    Method {
        name: "system.methodHelp",
        returns: "string",
        parameters: &["string"],
        meaning: Meaning::MethodHelp,
        help: "What a method does.",
    },
    Method {
        name: "system.methodSignature",
        returns: "array",
        parameters: &["string"],
        meaning: Meaning::MethodSignature,
        help: "The types of what a method returns and of its parameters.",
    },
    Method {
        name: "system.multicall",
        returns: "array",
        parameters: &["array"],
        meaning: Meaning::Multicall,
        help: "Make several calls, one after the other. Parameter: structs of methodName and params. Returns what each returns, or a struct of faultCode and faultString.",
    },
];
