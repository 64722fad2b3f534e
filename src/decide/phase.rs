//! The words in which an instance thinks.

use super::backoff::Jitter;
use super::diff::Powers;
use super::effect::Effect;
use super::event::RunId;
use super::order::Gate;
use super::stopping::Ladder;
use crate::model::guise::Guise;
use crate::model::limits::Limits;
use crate::model::name::{InstanceId, ServiceName};
use crate::model::outcome::{Exit, Used};
use crate::model::time::{Mono, Now, Wall};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Duration;

/// Why something happens, in words.
pub(super) type Words = Cow<'static, str>;

/// What every step may use.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) now: Now,
    pub(super) effects: Vec<Effect>,
    pub(super) last_run: RunId,
    /// Orders for processes that have no answer yet.
    pub(super) unanswered: u32,
    pub(super) jitter: Jitter,
    pub(super) powers: Powers,
    /// What the process used whose end is being told.
    pub(super) used: Used,
    /// The service with which all ends, and how it did.
    pub(super) last_word: LastWord,
    /// As what abide was called.
    pub(super) guise: Option<Guise>,
    /// What the order of services lets the one do that it is about.
    pub(super) gate: Gate,
    /// Why it may not go down yet.
    pub(super) held: Option<Words>,
}

/// Whose end is the end of all: nobody's, or that of the first process of one service that ends by itself.
#[derive(Debug, Default)]
pub(super) struct LastWord {
    pub(super) of: Option<ServiceName>,
    pub(super) exit: Option<Exit>,
    /// The only service of a supervise was let go of.
    pub(super) let_go: bool,
}

impl LastWord {
    /// Whether all is to end.
    pub(super) fn is_said(&self) -> bool {
        self.exit.is_some() || self.let_go
    }

    /// Whether this one has it.
    pub(super) fn is_of(&self, instance: &InstanceId) -> bool {
        self.of.as_ref() == Some(&instance.service)
    }
}

/// Where the process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    Resting(Rest),
    /// `[start] before`, one command after the other.
    Preparing {
        ordered: Mono,
    },
    /// `until`: when the order is abandoned; `None` once it was.
    Starting {
        run: RunId,
        ordered: Mono,
        until: Option<Mono>,
    },
    Running {
        run: RunId,
        ordered: Mono,
        since: Mono,
    },
    Stopping {
        run: RunId,
        since: Mono,
        ladder: Ladder,
        then: Rest,
    },
    /// The process and its tree are gone; commands are not, or `[stop] after` is still to be run.
    Clearing {
        then: Rest,
    },
}

/// How an instance without a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Rest {
    Down,
    Done,
    Waiting,
    /// Another must come first; `lost`: that one is not even on its way.
    Blocked {
        lost: bool,
    },
    Backoff(Mono),
    Failed,
}

/// What is known of the living process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) start_ticks: u64,
    pub(super) started: Wall,
    pub(super) limits: Limits,
}

/// How the last process ended.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) at: Wall,
    pub(super) exit: Exit,
    /// Whether the kernel killed something of it for want of memory.
    pub(super) oom: bool,
    pub(super) asked: bool,
    pub(super) ran: Duration,
    pub(super) used: Used,
}

/// Whether the limits of the running process are those of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Fit {
    Met,
    Asked,
    Unmet(String),
}

/// How one rests that may not start, and why.
pub(super) fn blocked(gate: &Gate) -> Option<(Rest, Words)> {
    match gate {
        Gate::Open => None,
        Gate::Shut(why) => Some((Rest::Blocked { lost: false }, why.clone())),
        Gate::Lost(why) => Some((Rest::Blocked { lost: true }, why.clone())),
    }
}
