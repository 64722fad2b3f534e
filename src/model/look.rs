//! What a closer look at the machine finds, as the doors tell it: what services use, their processes, their
//! environments, and what the machine allows.

use super::name::ServiceName;
use super::time::Wall;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What services use, all measured at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// That moment.
    pub at: Wall,
    /// One an instance, by name and number.
    pub services: Vec<InstanceUsage>,
}

/// What one instance uses: its process and all that it started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InstanceUsage {
    /// Its service.
    pub service: ServiceName,
    /// Its number.
    pub instance: u32,
    /// Its main process; `null`: it has none.
    pub pid: Option<i32>,
    /// How many processes live.
    pub processes: u64,
    /// Processor time of the present run, in user space and in the kernel. Where there is no cgroup, that of processes
    /// which ended without being waited for by their parents is missing.
    pub cpu_ms: u64,
    /// Resident memory; what several share counts for each.
    pub resident_bytes: u64,
    /// What is kept of its output: `current` and the files before it. `null`: it could not be read, or not in time.
    pub log_bytes: Option<u64>,
}

/// The processes of a service, instance by instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trees {
    /// The service.
    pub service: ServiceName,
    /// One an instance.
    pub instances: Vec<Tree>,
}

/// The processes of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tree {
    /// The instance's number.
    pub index: u32,
    /// Its main process; `null`: it has none.
    pub pid: Option<i32>,
    /// That one first, then those that it started.
    pub processes: Vec<Process>,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Process {
    /// Its pid.
    pub pid: i32,
    /// That of its parent.
    pub parent: i32,
    /// Its command line, the words parted by spaces, as it may have rewritten it; the name in brackets where there is
    /// none.
    pub command: String,
    /// What it does.
    pub state: ProcessState,
    /// Processor time, with that of children that it waited for.
    pub cpu_ms: u64,
    /// Resident memory.
    pub resident_bytes: u64,
    /// How many threads it has.
    pub threads: u64,
    /// As whom it acts: the effective uid.
    pub uid: u32,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProcessState {
    /// It runs, or would if there were a processor for it.
    Running,
    /// It waits.
    Sleeping,
    /// It waits in the kernel, and no signal reaches it: for a disk, as a rule.
    Uninterruptible,
    /// A signal stopped it.
    Stopped,
    /// A debugger has it.
    Traced,
    /// It has ended, and its parent has not asked how.
    Zombie,
    /// Something else.
    Other,
}

impl ProcessState {
    /// From the letter in `/proc/PID/stat`.
    pub fn from_letter(letter: u8) -> Self {
        match letter {
            b'R' => Self::Running,
            b'S' | b'I' => Self::Sleeping,
            b'D' => Self::Uninterruptible,
            b'T' => Self::Stopped,
            b't' => Self::Traced,
            b'Z' => Self::Zombie,
            _ => Self::Other,
        }
    }

    /// As it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Sleeping => "sleeping",
            Self::Uninterruptible => "uninterruptible",
            Self::Stopped => "stopped",
            Self::Traced => "traced",
            Self::Zombie => "zombie",
            Self::Other => "other",
        }
    }
}

/// The environment of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// The service.
    pub service: ServiceName,
    /// The instance's number.
    pub instance: u32,
    /// Its main process; `null`: it has none.
    pub pid: Option<i32>,
    /// Why the variables could not be compared with those that the process has; `null`: they were, or there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncompared: Option<String>,
    /// By name.
    pub variables: Vec<Variable>,
}

/// One variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value: by the definition in force; the process's where only that has it.
    pub value: String,
    /// Whether something in its values is hidden, since they look like a secret.
    pub masked: bool,
    /// How the process has it; left out where it has it so, or could not be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Difference>,
}

/// How a process has a variable otherwise than the definition in force says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Difference {
    /// With this value: it was started by an earlier version.
    Other(String),
    /// Not at all.
    Missing,
    /// And the definition does not: abide gives it to each run, or an earlier version did.
    Only,
}

/// What the machine and the rights of abide allow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Findings {
    /// One a matter.
    pub findings: Vec<Finding>,
}

/// One matter that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Which matter, in a word or two: the same for ever.
    pub what: String,
    /// How it is.
    pub level: Level,
    /// What was found, and what it means for who uses abide.
    pub says: String,
    /// What to do; `null` where nothing is to be done.
    #[serde(rename = "do")]
    pub remedy: Option<String>,
}

/// How a finding is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// All is well, or as well as it need be.
    Ok,
    /// Something does not work as it could, or soon will not.
    Warning,
    /// Something does not work.
    Error,
}

impl Finding {
    /// Nothing is to be done.
    pub fn ok(what: &str, says: impl Into<String>) -> Self {
        Self { what: what.to_owned(), level: Level::Ok, says: says.into(), remedy: None }
    }

    /// Something is to be done.
    pub fn amiss(what: &str, level: Level, says: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.to_owned(), level, says: says.into(), remedy: Some(remedy.into()) }
    }
}
