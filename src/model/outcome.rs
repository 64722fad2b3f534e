//! How a process ended, and the full list of ways in which a start can fail.

use super::limits::{Bound, LimitKind};
use super::resources::ResourceKind;
use super::signal::Signal;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By a signal.
    Signal {
        /// Which one.
        signal: Signal,
        /// Whether a core was dumped.
        core: bool,
    },
    /// Nobody can know. Counts as a failure.
    Unknown,
}

impl Exit {
    /// Ended by itself with code 0.
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }

    /// The exit code of whoever ends as this process did: its own, 128 and the signal's number as
    /// shells have it, 1 where nobody knows.
    pub fn code(self) -> u8 {
        match self {
            Self::Code(code) => u8::try_from(code & 0xff).unwrap_or(1),
            Self::Signal { signal, .. } => u8::try_from(128 + signal.number()).unwrap_or(1),
            Self::Unknown => 1,
        }
    }

    /// From the status of `wait(2)`.
    pub fn from_wait_status(status: i32) -> Self {
        let number = status & 0x7f;
        match (number, Signal::from_number(number)) {
            (0, _) => Self::Code((status >> 8) & 0xff),
            (_, Some(signal)) => Self::Signal { signal, core: status & 0x80 != 0 },
            _ => Self::Unknown,
        }
    }
}

/// What a process used in its life, with those of its children that it waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Used {
    /// Processor time, in user space and in the kernel, milliseconds.
    pub cpu_ms: u64,
    /// The largest resident set that any of them had.
    pub max_rss_bytes: u64,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal { signal, core: false } => write!(f, "{signal}"),
            Self::Signal { signal, core: true } => write!(f, "{signal}, core dumped"),
            Self::Unknown => f.write_str("unknown exit"),
        }
    }
}

/// The step between the order to start and the running program that went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
#[expect(missing_docs, reason = "each is named after the call it makes")]
pub enum Step {
    Clone = 1,
    Cgroup,
    Session,
    Signals,
    OomScore,
    Namespaces,
    ReadOnly,
    PrivateTmp,
    Inaccessible,
    Network,
    Hostname,
    Limits,
    Nice,
    IoClass,
    Affinity,
    Realtime,
    Output,
    Readiness,
    Chroot,
    Bounding,
    Groups,
    Group,
    User,
    Capabilities,
    Ambient,
    NoNewPrivileges,
    Directory,
    CloseDescriptors,
    Input,
    Exec,
}

impl Step {
    /// All of them, in the order in which they happen.
    pub const ALL: [Self; 30] = [
        Self::Clone,
        Self::Cgroup,
        Self::Session,
        Self::Signals,
        Self::OomScore,
        Self::Namespaces,
        Self::ReadOnly,
        Self::PrivateTmp,
        Self::Inaccessible,
        Self::Network,
        Self::Hostname,
        Self::Limits,
        Self::Nice,
        Self::IoClass,
        Self::Affinity,
        Self::Realtime,
        Self::Output,
        Self::Readiness,
        Self::Chroot,
        Self::Bounding,
        Self::Groups,
        Self::Group,
        Self::User,
        Self::Capabilities,
        Self::Ambient,
        Self::NoNewPrivileges,
        Self::Directory,
        Self::CloseDescriptors,
        Self::Input,
        Self::Exec,
    ];

    /// The step of this number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|step| *step as u32 == number)
    }

    /// What was being attempted, to follow "could not".
    pub fn attempt(self) -> &'static str {
        match self {
            Self::Clone => "make a process",
            Self::Cgroup => "join the cgroup",
            Self::Session => "start a session",
            Self::Signals => "reset the signals",
            Self::OomScore => "set oom_score_adjust to",
            Self::Namespaces => "separate it from the machine",
            Self::ReadOnly => "write-protect",
            Self::PrivateTmp => "mount a private",
            Self::Inaccessible => "hide",
            Self::Network => "bring up the loopback of its private network",
            Self::Hostname => "set the host name",
            Self::Limits => "set the limits",
            Self::Nice => "set nice to",
            Self::IoClass => "set io_class to",
            Self::Affinity => "keep it to the processors",
            Self::Realtime => "set realtime to",
            Self::Output => "attach the log pipe",
            Self::Readiness => "attach the descriptor that it says over that it is ready",
            Self::Chroot => "change the root to",
            Self::Bounding => "take away",
            Self::Groups => "set the supplementary groups",
            Self::Group => "set the group",
            Self::User => "become the user",
            Self::Capabilities => "set the capabilities",
            Self::Ambient => "hand on",
            Self::NoNewPrivileges => "set no_new_privileges",
            Self::Directory => "change to the directory",
            Self::CloseDescriptors => "close the other descriptors",
            Self::Input => "open as standard input",
            Self::Exec => "execute",
        }
    }
}

/// Why an instance has no process, or has no hope of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// A step between clone and exec failed.
    Step {
        /// Which one.
        step: Step,
        /// The kernel's reason.
        errno: i32,
        /// What it was done to: the program, the directory, the limit.
        subject: String,
    },
    /// The program is nowhere on the service's PATH, or the path does not exist.
    NoProgram {
        /// As the file has it.
        program: String,
        /// Where it was looked for.
        searched: String,
    },
    /// The program is there and the kernel does not execute it.
    Unrunnable {
        /// As it was to be executed.
        program: String,
        /// What is wrong with it.
        why: String,
    },
    /// A limit that cannot be had.
    Limit {
        /// Which one.
        kind: LimitKind,
        /// What the file asks.
        asked: Bound,
        /// What can be had.
        highest: Bound,
    },
    /// The user database does not have the service's user as it was when the file was read.
    User {
        /// Its name.
        user: String,
        /// The number that was found when the file was read.
        then: u32,
        /// The number that it has now; `None`: there is no such user any more.
        now: Option<u32>,
    },
    /// A value of `[resources]` that cannot be had.
    Resource {
        /// Which one.
        kind: ResourceKind,
        /// What the file asks, as written there.
        asked: String,
        /// Why not.
        why: String,
    },
    /// The launch could not be prepared (an unknown variable, a NUL byte in an argument).
    Prepare(String),
    /// It was still not executing after this time; abide killed it.
    SpawnTimeout(Duration),
    /// It ended, more often than `[restart] limit` allows.
    TooManyRestarts {
        /// How many restarts were allowed.
        count: u32,
        /// Within what time.
        window: Duration,
        /// How it ended last.
        last: String,
    },
    /// So many starts in a row came to nothing.
    NeverStarted {
        /// How many.
        tries: u32,
        /// How the last one ended.
        last: String,
    },
    /// No slot or descriptor is left: it waits until one is free.
    NoDescriptors,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step { step, errno, subject } => {
                let reason = std::io::Error::from_raw_os_error(*errno);
                write!(f, "could not {}", step.attempt())?;
                if !subject.is_empty() {
                    write!(f, " {subject}")?;
                }
                write!(f, ": {reason}")
            }
            Self::NoProgram { program, searched } if searched.is_empty() => write!(f, "{program} does not exist"),
            Self::NoProgram { program, searched } => write!(f, "{program} is not in the service's PATH ({searched})"),
            Self::Unrunnable { program, why } => write!(f, "could not execute {program}: {why}"),
            Self::Limit { kind, asked, highest } => {
                write!(f, "limit {} = {asked} cannot be had, the highest here is {highest}", kind.key())
            }
            Self::User { user, then, now: None } => write!(
                f,
                "there is no user {user} any more ({then} when the file was read); create it again, or name another user"
            ),
            Self::User { user, then, now: Some(now) } => write!(
                f,
                "the user {user} is {now} now and was {then} when the file was read; touch the file to have it read anew"
            ),
            Self::Resource { kind, asked, why } => write!(f, "resource {} = {asked} cannot be had: {why}", kind.key()),
            Self::Prepare(reason) => write!(f, "could not prepare the start: {reason}"),
            Self::SpawnTimeout(time) => write!(f, "was not executing after {} s and was killed", time.as_secs()),
            Self::TooManyRestarts { count, window, last } => {
                let restarts = if *count == 1 { "restart" } else { "restarts" };
                write!(f, "has used up its {count} {restarts} within {} s; last: {last}", window.as_secs())
            }
            Self::NeverStarted { tries: 1, last } => write!(f, "did not start, and is not tried again: {last}"),
            Self::NeverStarted { tries, last } => write!(f, "did not start in {tries} tries; last: {last}"),
            Self::NoDescriptors => f.write_str("waits for a free descriptor; raise the limit of open files of abide"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_statuses_decode_as_the_kernel_encodes_them() {
        assert_eq!(Exit::from_wait_status(0), Exit::Code(0));
        assert_eq!(Exit::from_wait_status(7 << 8), Exit::Code(7));
        assert_eq!(Exit::from_wait_status(9), Exit::Signal { signal: Signal::KILL, core: false });
        assert!(matches!(Exit::from_wait_status(0x86), Exit::Signal { core: true, .. }));
    }

    #[test]
    fn steps_survive_the_way_through_shared_memory() {
        for step in Step::ALL {
            assert_eq!(Step::from_number(step as u32), Some(step));
        }
        assert_eq!(Step::from_number(0), None);
    }
}
