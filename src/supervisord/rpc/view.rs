//! What a call may know of the daemon.

use super::name::{Name, Namespec};
use super::states::{DaemonState, ProcessState};
use super::{Channel, Code, Fault, Stamp};

/// The daemon at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Its identifier.
    pub identifier: String,
    /// Its version.
    pub version: String,
    /// Its pid.
    pub pid: i32,
    /// Its state.
    pub state: DaemonState,
    /// Seconds since 1970.
    pub now: i64,
    /// The path of its log, if it has one.
    pub main_log: Option<String>,
    /// The groups that are active.
    pub groups: Vec<Group>,
    /// The names of the groups of the last parse: also those without a process.
    pub parsed: Vec<String>,
    /// The processes of the last parse.
    pub configs: Vec<Config>,
}

/// A group that is active.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// The lower, the earlier.
    pub priority: i64,
    /// What is in it.
    pub processes: Vec<Process>,
}

/// A process of an active group.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    /// Its name.
    pub name: Name,
    /// The lower, the earlier.
    pub priority: i64,
    /// Its state.
    pub state: ProcessState,
    /// 0 unless it lives.
    pub pid: i32,
    /// When it was last spawned, or tried to; 0 if never.
    pub start: i64,
    /// When it was last reaped.
    pub stop: Option<Stamp>,
    /// The exit code, -1 after a signal; 0 if there is none.
    pub exit_status: i32,
    /// Why it could not be spawned, or what was wrong about its end; often empty.
    pub spawn_error: String,
    /// The path of its log of standard output.
    pub stdout_log: Option<String>,
    /// The path of its log of standard error.
    pub stderr_log: Option<String>,
}

impl Process {
    /// The path of the log of that output.
    pub fn log(&self, channel: Channel) -> Option<&str> {
        match channel {
            Channel::Stdout => self.stdout_log.as_deref(),
            Channel::Stderr => self.stderr_log.as_deref(),
        }
    }
}

/// Where output goes, as a conf file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogFile {
    /// Nowhere.
    None,
    /// To a file of the daemon's choice.
    Auto,
    /// To this file.
    Path(String),
}

/// A process as the last parse has it.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a key of its own in the conf file")]
pub struct Config {
    /// Its name.
    pub name: Name,
    /// `command`, expanded.
    pub command: String,
    /// The priority of the group.
    pub group_priority: i64,
    /// `priority`
    pub priority: i64,
    /// `autostart`
    pub autostart: bool,
    /// `killasgroup`
    pub killasgroup: bool,
    /// `redirect_stderr`
    pub redirect_stderr: bool,
    /// `exitcodes`
    pub exitcodes: Vec<i32>,
    /// `startretries`
    pub startretries: i64,
    /// `startsecs`
    pub startsecs: i64,
    /// `stopwaitsecs`
    pub stopwaitsecs: i64,
    /// The number of `stopsignal`.
    pub stopsignal: i32,
    /// `directory`
    pub directory: Option<String>,
    /// The number of `user`.
    pub uid: Option<u32>,
    /// `serverurl`, if it is given.
    pub serverurl: Option<String>,
    /// The keys that begin with `stdout_`.
    pub stdout: ConfigStream,
    /// The keys that begin with `stderr_`.
    pub stderr: ConfigStream,
}

/// An output of a process as the last parse has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigStream {
    /// `logfile`
    pub logfile: LogFile,
    /// `logfile_maxbytes`
    pub maxbytes: i64,
    /// `logfile_backups`
    pub backups: i64,
    /// `capture_maxbytes`
    pub capture: i64,
    /// `events_enabled`
    pub events: bool,
    /// `syslog`
    pub syslog: bool,
}

/// What a namespec means here.
pub(super) enum Found<'v> {
    Process(&'v Process),
    Group(&'v Group),
}

impl View {
    /// The active group of this name.
    pub(super) fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// What the namespec means, a group among it.
    pub(super) fn find(&self, namespec: &str) -> Result<Found<'_>, Fault> {
        let found = match Namespec::parse(namespec) {
            Namespec::Group(group) => self.group(group).map(Found::Group),
            Namespec::Process(group, process) => {
                self.group(group).and_then(|group| group.process(process)).map(Found::Process)
            }
        };
        found.ok_or_else(|| Code::BadName.about(namespec))
    }

    /// The one process that the namespec means.
    pub fn find_process(&self, namespec: &str) -> Result<&Process, Fault> {
        match self.find(namespec)? {
            Found::Process(process) => Ok(process),
            Found::Group(_) => Err(Code::BadName.about(namespec)),
        }
    }

    /// The group of this name: no namespec.
    pub(super) fn find_group(&self, name: &str) -> Result<&Group, Fault> {
        self.group(name).ok_or_else(|| Code::BadName.about(name))
    }

    /// All processes: by the priority of their group, then by their own.
    pub(super) fn in_order(&self) -> Vec<&Process> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|group| (group.priority, &group.name));
        groups.into_iter().flat_map(Group::in_order).collect()
    }
}

impl Group {
    fn process(&self, name: &str) -> Option<&Process> {
        self.processes.iter().find(|process| process.name.process == name)
    }

    /// Its processes by priority.
    pub(super) fn in_order(&self) -> Vec<&Process> {
        let mut processes: Vec<_> = self.processes.iter().collect();
        processes.sort_by_key(|process| (process.priority, &process.name.process));
        processes
    }
}
