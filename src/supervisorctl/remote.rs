//! A supervisord as a client sees it: what can be asked of it and how that fails.

use std::fmt;

use super::http::Stream;
use crate::supervisord::xmlrpc::{Fault, Value};

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// Its socket is not there.
    Absent,
    /// Nobody listens.
    Refused,
    /// It wants a name and a password, or others.
    Unauthorized,
    /// It did not do it.
    Fault(Fault),
    /// Anything else, in words.
    Other(String),
}

impl Failure {
    /// The code of the fault, if it is one.
    pub(super) fn code(&self) -> Option<i32> {
        match self {
            Self::Fault(fault) => Some(fault.code),
            _ => None,
        }
    }

    pub(super) fn shown(&self, url: &str) -> String {
        match self {
            Self::Absent => format!("{url} no such file"),
            Self::Refused => format!("{url} refused connection"),
            Self::Unauthorized => "Server requires authentication".to_owned(),
            Self::Fault(fault) => fault.to_string(),
            Self::Other(why) => why.clone(),
        }
    }
}

/// A supervisord.
pub(super) trait Remote {
    /// Where it is, as the user has written it.
    fn url(&self) -> &str;
    /// Talks to another one from now on.
    fn open(&mut self, url: &str);
    /// Gives this name and password from now on.
    fn login(&mut self, username: &str, password: &str);
    /// Calls a method of the namespace `supervisor`.
    fn call(&mut self, method: &str, params: &[Value]) -> Result<Value, Failure>;
    /// Asks for a page that does not end.
    fn follow(&mut self, path: &str) -> Result<Stream, Failure>;
    /// A command is done: no connection is kept beyond it.
    fn rest(&mut self);
}

/// The names of a fault that a client tells apart.
pub(super) mod code {
    pub(in super::super) const UNKNOWN_METHOD: i32 = 1;
    pub(in super::super) const SHUTDOWN_STATE: i32 = 6;
    pub(in super::super) const BAD_NAME: i32 = 10;
    pub(in super::super) const BAD_SIGNAL: i32 = 11;
    pub(in super::super) const NO_FILE: i32 = 20;
    pub(in super::super) const NOT_EXECUTABLE: i32 = 21;
    pub(in super::super) const FAILED: i32 = 30;
    pub(in super::super) const ABNORMAL_TERMINATION: i32 = 40;
    pub(in super::super) const SPAWN_ERROR: i32 = 50;
    pub(in super::super) const ALREADY_STARTED: i32 = 60;
    pub(in super::super) const NOT_RUNNING: i32 = 70;
    pub(in super::super) const SUCCESS: i32 = 80;
    pub(in super::super) const ALREADY_ADDED: i32 = 90;
    pub(in super::super) const STILL_RUNNING: i32 = 91;
    pub(in super::super) const CANT_REREAD: i32 = 92;
}

/// Which process or group is meant: `group:process`, `name`, `group:*` or `group:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Namespec<'a> {
    pub(super) group: &'a str,
    /// `None`: all of the group.
    pub(super) process: Option<&'a str>,
}

impl<'a> Namespec<'a> {
    pub(super) fn read(text: &'a str) -> Self {
        let (group, process) = text.split_once(':').unwrap_or((text, text));
        let all = text.contains(':') && matches!(process, "" | "*");
        Self { group, process: (!all).then_some(process) }
    }

    pub(super) fn of(group: &'a str, process: &'a str) -> Self {
        Self { group, process: Some(process) }
    }
}

impl fmt::Display for Namespec<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.process {
            Some(process) if process == self.group => f.write_str(process),
            Some(process) => write!(f, "{}:{process}", self.group),
            // No name of a process. It is how supervisorctl has always shown it.
            None => write!(f, "{}:None", self.group),
        }
    }
}

/// One process of `getAllProcessInfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Info {
    pub(super) group: String,
    pub(super) name: String,
    pub(super) state: i32,
    pub(super) state_name: String,
    pub(super) description: String,
    pub(super) pid: i32,
}

impl Info {
    pub(super) const RUNNING: i32 = 20;

    pub(super) fn read(value: &Value) -> Result<Self, Failure> {
        Ok(Self {
            group: text(value, "group")?,
            name: text(value, "name")?,
            state: int(value, "state")?,
            state_name: text(value, "statename")?,
            description: text(value, "description")?,
            pid: int(value, "pid")?,
        })
    }

    pub(super) fn namespec(&self) -> Namespec<'_> {
        Namespec::of(&self.group, &self.name)
    }

    /// Whether nothing of it runs, nor will by itself.
    pub(super) fn is_stopped(&self) -> bool {
        matches!(self.state, 0 | 100 | 200 | 1000)
    }
}

pub(super) fn text(value: &Value, field: &str) -> Result<String, Failure> {
    let found = value.field(field).and_then(Value::text);
    found.map_or_else(|| Err(lacking(field)), |text| Ok(text.to_owned()))
}

pub(super) fn int(value: &Value, field: &str) -> Result<i32, Failure> {
    value.field(field).and_then(Value::int).ok_or_else(|| lacking(field))
}

pub(super) fn bool(value: &Value, field: &str) -> Result<bool, Failure> {
    value.field(field).and_then(Value::bool).ok_or_else(|| lacking(field))
}

pub(super) fn array(value: &Value) -> Result<&[Value], Failure> {
    value.array().ok_or_else(|| Failure::Other("the server's answer is no array".to_owned()))
}

fn lacking(field: &str) -> Failure {
    Failure::Other(format!("the server's answer has no {field}"))
}
