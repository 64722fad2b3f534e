//! Faults: a number, a name, and where there is more to say, a detail.

use crate::supervisord::xmlrpc::Value;

/// What kind of fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// There is no such method.
    UnknownMethod = 1,
    /// It takes other parameters.
    IncorrectParameters = 2,
    /// Offset and length do not go together.
    BadArguments = 3,
    /// Nothing is known of the method that is asked about.
    SignatureUnsupported = 4,
    /// The daemon is about to stop.
    ShutdownState = 6,
    /// There is no such process or group.
    BadName = 10,
    /// There is no such signal.
    BadSignal = 11,
    /// There is no such file.
    NoFile = 20,
    /// The file cannot be executed.
    NotExecutable = 21,
    /// It could not be done.
    Failed = 30,
    /// The process ended while its start was waited for.
    AbnormalTermination = 40,
    /// The process could not be made, or did not last.
    SpawnError = 50,
    /// It runs already.
    AlreadyStarted = 60,
    /// It does not run.
    NotRunning = 70,
    /// The group is there already.
    AlreadyAdded = 90,
    /// Something of the group runs.
    StillRunning = 91,
    /// The configuration cannot be read.
    CantReread = 92,
}

/// Why a call did not do what it was to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What kind it is.
    pub code: Code,
    /// What stands after the name.
    pub detail: Option<String>,
}

/// The status of a success in a list of results. It is never a fault.
pub(super) const SUCCESS: i32 = 80;

impl Code {
    /// The name that clients get.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownMethod => "UNKNOWN_METHOD",
            Self::IncorrectParameters => "INCORRECT_PARAMETERS",
            Self::BadArguments => "BAD_ARGUMENTS",
            Self::SignatureUnsupported => "SIGNATURE_UNSUPPORTED",
            Self::ShutdownState => "SHUTDOWN_STATE",
            Self::BadName => "BAD_NAME",
            Self::BadSignal => "BAD_SIGNAL",
            Self::NoFile => "NO_FILE",
            Self::NotExecutable => "NOT_EXECUTABLE",
            Self::Failed => "FAILED",
            Self::AbnormalTermination => "ABNORMAL_TERMINATION",
            Self::SpawnError => "SPAWN_ERROR",
            Self::AlreadyStarted => "ALREADY_STARTED",
            Self::NotRunning => "NOT_RUNNING",
            Self::AlreadyAdded => "ALREADY_ADDED",
            Self::StillRunning => "STILL_RUNNING",
            Self::CantReread => "CANT_REREAD",
        }
    }

    /// The number that clients get.
    pub fn number(self) -> i32 {
        self as i32
    }

    /// A fault of this kind, with nothing more to say.
    pub(super) fn bare(self) -> Fault {
        Fault { code: self, detail: None }
    }

    /// A fault of this kind about `detail`.
    pub(super) fn about(self, detail: impl Into<String>) -> Fault {
        Fault { code: self, detail: Some(detail.into()) }
    }
}

impl Fault {
    /// The fault string.
    pub fn text(&self) -> String {
        match &self.detail {
            None => self.code.name().to_owned(),
            Some(detail) => format!("{}: {detail}", self.code.name()),
        }
    }

    /// The fault as `system.multicall` has it among its results.
    pub(super) fn value(&self) -> Value {
        let code = Value::Int(self.code.number());
        Value::members([("faultCode", code), ("faultString", Value::Text(self.text()))])
    }
}
