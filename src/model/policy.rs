//! How a service is treated: started, ordered, reloaded, restarted, stopped.

use super::name::ServiceName;
use super::outcome::Exit;
use super::signal::Signal;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Whether a process that ended by itself is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartWhen {
    /// However it ended.
    Always,
    /// When it ended by a code other than 0, by a signal, or nobody knows how.
    OnFailure,
    /// Never.
    Never,
}

/// `[restart]`. A run of at least `reset_after` is a good run: the restart after it is immediate
/// and the counting begins anew. Else the delay is `delay × factor^(attempt − 1)`, at most
/// `max_delay`, spread by ± `jitter`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RestartPolicy {
    /// When to restart at all.
    pub when: RestartWhen,
    /// The first delay after a run that was no good run.
    pub delay: Duration,
    /// The longest delay. Jitter never exceeds it.
    pub max_delay: Duration,
    /// By what the delay grows, 1 or more.
    pub factor: f64,
    /// Spread, 0 (none) to 1: 0.1 means between 90 % and 110 %.
    pub jitter: f64,
    /// How long a run must last to count as good.
    pub reset_after: Duration,
    /// Give up (state `failed`) after so many restarts within the window.
    pub limit: Option<RestartLimit>,
    /// The least time from one start to the next (daemontools: one second). Zero: none.
    pub spacing: Duration,
    /// As supervisord counts: a run that ends before the service is ready is a failed start, whatever its end; the n-th
    /// in a row is followed by a pause of n seconds, and after more than so many the service is given up. Then none of
    /// the delays above counts, nor `limit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// What an end means, where that is not the usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exits: Option<Box<ExitRules>>,
    /// The service that is started while this one is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_give_up: Option<ServiceName>,
    /// It is restarted, as after an edit, when it has run for so long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// It is restarted, as after an edit, when its tree uses more bytes than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_memory: Option<u64>,
}

impl Eq for RestartPolicy {}

/// Which ends are successes, and which are final.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRules {
    /// Codes that are successes, beside 0.
    pub success_codes: Vec<i32>,
    /// Whether 0 is one only where it is among them, as with supervisord's `exitcodes`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_those: bool,
    /// Signals whose end is a success.
    pub success_signals: Vec<Signal>,
    /// Codes after which it is never restarted: it has failed.
    pub never_on: Vec<i32>,
}

/// So many restarts within a window are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartLimit {
    /// How many restarts are still all right.
    pub count: u32,
    /// Within what time.
    pub window: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            when: RestartWhen::Always,
            delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(60),
            factor: 2.0,
            jitter: 0.1,
            reset_after: Duration::from_secs(2),
            limit: None,
            spacing: Duration::ZERO,
            retries: None,
            exits: None,
            on_give_up: None,
            max_age: None,
            max_memory: None,
        }
    }
}

impl RestartPolicy {
    /// Whether this end is what the service is for.
    pub fn is_success(&self, exit: Exit) -> bool {
        match (exit, &self.exits) {
            (_, rules) if exit.is_success() && rules.as_ref().is_none_or(|rules| !rules.only_those) => true,
            (Exit::Code(code), Some(rules)) => rules.success_codes.contains(&code),
            (Exit::Signal { signal, .. }, Some(rules)) => rules.success_signals.contains(&signal),
            _ => false,
        }
    }

    /// Whether nothing is to be tried after this end.
    pub fn is_final(&self, exit: Exit) -> bool {
        let never = self.exits.as_ref().map_or(&[][..], |rules| &rules.never_on);
        matches!(exit, Exit::Code(code) if never.contains(&code))
    }

    /// daemontools' own rule: always, at once, but a second from start to start.
    pub fn daemontools() -> Self {
        Self {
            delay: Duration::ZERO,
            max_delay: Duration::ZERO,
            reset_after: Duration::ZERO,
            jitter: 0.0,
            spacing: Duration::from_secs(1),
            ..Self::default()
        }
    }
}

/// What a stop reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopScope {
    /// Everything that the service started and that can be found.
    Tree,
    /// Its process group.
    Group,
    /// Only the process that abide started.
    Process,
}

/// `[stop]`: the signal (then CONT, so that a stopped process can obey), so long, then KILL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopPolicy {
    /// The polite signal.
    pub signal: Signal,
    /// How long it may take before KILL.
    pub timeout: Duration,
    /// What is reached.
    pub scope: StopScope,
    /// What KILL reaches, if that is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill_scope: Option<StopScope>,
    /// Run first, in place of the first signal; `timeout` holds for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// In place of `signal` and `timeout`: one signal after the other, each with the time until the next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<(Signal, Duration)>,
    /// Whether one that is asked to end over `supervise/control` has for ever to do so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub patient: bool,
}

impl Default for StopPolicy {
    fn default() -> Self {
        Self {
            signal: Signal::TERM,
            timeout: Duration::from_secs(10),
            scope: StopScope::Tree,
            kill_scope: None,
            command: None,
            steps: Vec::new(),
            patient: false,
        }
    }
}

/// What a service's command is: `type`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceType {
    /// Its process is the service.
    #[default]
    Simple,
    /// Its process starts the service, which goes into the background, and ends.
    Forking {
        /// The file that then holds the pid of the service's process; `None`: it is told from the tree.
        pid_file: Option<String>,
    },
    /// It does one thing and ends; with success it counts as up.
    Oneshot {
        /// Whether it stays up once it has succeeded; false: it is forgotten.
        remain: bool,
    },
}

impl ServiceType {
    /// Whether it is the usual one.
    pub fn is_simple(&self) -> bool {
        *self == Self::Simple
    }
}

/// What must come first: `after`, `requires`, `wants`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// It starts once these are ready, or have come to rest; it stops before them.
    pub after: Vec<ServiceName>,
    /// It runs only while these are up; in order as `after`.
    pub requires: Vec<ServiceName>,
    /// As `after`, and they need not exist.
    pub wants: Vec<ServiceName>,
}

impl Order {
    /// Whether nothing must come first.
    pub fn is_empty(&self) -> bool {
        self.after.is_empty() && self.requires.is_empty() && self.wants.is_empty()
    }

    /// All that it names, in whatever way.
    pub fn names(&self) -> impl Iterator<Item = &ServiceName> {
        self.requires.iter().chain(&self.after).chain(&self.wants)
    }
}

/// Commands around a service's life. Each runs as the service does, with its output in the service's log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hooks {
    /// Run one after the other before each start; one that fails fails the start.
    pub start_before: Vec<Vec<String>>,
    /// Run one after the other once it has started.
    pub start_after: Vec<Vec<String>>,
    /// Run one after the other once it has ended.
    pub stop_after: Vec<Vec<String>>,
    /// How long each of the first two kinds may take.
    pub start_timeout: Duration,
    /// How long each of the last kind may take.
    pub stop_timeout: Duration,
    /// Those of the last kind are `finish` of a legacy directory, and are told how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<Finish>,
}

/// By whose rules `finish` is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    /// runsv(8): exit code or -1, low byte of the wait status.
    Runit,
    /// s6-supervise(8): exit code or 256, signal, name, process group; and 125 from it means that all is over.
    S6,
}

impl Finish {
    /// What it is told of the run of `name`: how that ended; `None`: it never began.
    pub fn arguments(self, name: &str, exit: Option<Exit>, pid: i32) -> Vec<String> {
        let (code, status) = match (self, exit) {
            (Self::Runit, Some(Exit::Signal { signal, core })) => (-1, signal.number() + if core { 128 } else { 0 }),
            (Self::S6, Some(Exit::Signal { signal, .. })) => (256, signal.number()),
            (_, Some(Exit::Code(code))) => (code, 0),
            // It could not be executed, or nobody knows.
            (_, None | Some(Exit::Unknown)) => (111, 0),
        };
        let mut words = vec![code.to_string(), status.to_string()];
        if self == Self::S6 {
            words.extend([name.to_owned(), pid.to_string()]);
        }
        words
    }

    /// Whether `exit` of it says that the service is not to be started again.
    pub fn is_final(self, exit: Exit) -> bool {
        self == Self::S6 && exit == Exit::Code(125)
    }
}

/// How a new version takes the place of the one that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdatePolicy {
    /// Whether the last good version comes back where the new one does not come up, or does not stay up.
    pub rollback: bool,
    /// How long a new version must have been up to be the good one.
    pub settle: Duration,
    /// Whether its processes take it one after the other, each up before the next.
    pub rolling: bool,
    /// So many of them may be down for that at a time.
    pub max_unavailable: u32,
}

impl Default for UpdatePolicy {
    fn default() -> Self {
        Self { rollback: true, settle: Duration::from_secs(10), rolling: false, max_unavailable: 1 }
    }
}

/// How a service takes up a change of its own configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadPolicy {
    /// What makes it read its configuration again.
    pub how: ReloadBy,
    /// Its configuration files: paths with `*`, `?` and `[...]`.
    pub watch: Vec<String>,
    /// What a change of them leads to.
    pub on_change: OnChange,
    /// How long a reload may take.
    pub timeout: Duration,
}

/// What makes a service read its configuration again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReloadBy {
    /// A signal to its process.
    Signal(Signal),
    /// A command.
    Command(Vec<String>),
}

/// What a change of a service's own configuration files leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnChange {
    /// It reloads.
    Reload,
    /// It is stopped and started.
    Restart,
}
