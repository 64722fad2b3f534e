//! Faults: a number, a name, and where there is more to say, a detail.

use crate::supervisord::xmlrpc::Value;

/// What kind of fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Code {
    UnknownMethod = 1,
    IncorrectParameters = 2,
    BadArguments = 3,
    SignatureUnsupported = 4,
    ShutdownState = 6,
    BadName = 10,
    BadSignal = 11,
    NoFile = 20,
    NotExecutable = 21,
    Failed = 30,
    AbnormalTermination = 40,
    SpawnError = 50,
    AlreadyStarted = 60,
    NotRunning = 70,
    AlreadyAdded = 90,
    StillRunning = 91,
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
