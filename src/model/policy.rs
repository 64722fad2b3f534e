//! How a service is treated: restarted, stopped.

use super::signal::Signal;
use serde::Serialize;
use std::time::Duration;

/// Whether a process that ended by itself is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize)]
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
}

impl Eq for RestartPolicy {}

/// So many restarts within a window are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
        }
    }
}

impl RestartPolicy {
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StopPolicy {
    /// The polite signal.
    pub signal: Signal,
    /// How long it may take before KILL.
    pub timeout: Duration,
    /// What is reached.
    pub scope: StopScope,
}

impl Default for StopPolicy {
    fn default() -> Self {
        Self { signal: Signal::TERM, timeout: Duration::from_secs(10), scope: StopScope::Tree }
    }
}
