//! What an instance keeps of its run beyond the process. Most services ask for no more than a
//! process, and then there is none of it.

use super::effect::{Errand, Which};
use super::event::RunId;
use super::phase::{Process, Words};
use crate::model::check::Sign;
use crate::model::outcome::Exit;
use crate::model::time::{Mono, Wall};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// All of it. A run has its own; nothing of it outlives the run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Care {
    /// What was ordered beside the process and has no answer yet.
    pub(super) pending: Vec<Pending>,
    pub(super) stage: Stage,
    /// When the start has taken too long.
    pub(super) start_until: Option<Mono>,
    /// What it said before its start was told.
    pub(super) early: Vec<Sign>,
    /// The process to watch is being looked for.
    pub(super) finds: bool,
    /// It said that it is ready before that was asked for.
    pub(super) said_ready: bool,
    /// Why it is not ready yet, or not found.
    pub(super) hitch: Option<String>,
    /// When the daemon was found by looking at what there was.
    pub(super) guessed: Option<Mono>,
    /// What was known of the launcher of a daemon that is looked for.
    pub(super) launcher: Option<Process>,
    /// When it became ready, and how long after its start.
    pub(super) ready: Option<(Wall, Duration)>,
    /// Since when it is up.
    pub(super) up: Option<Mono>,
    pub(super) health: Option<Health>,
    /// When it is restarted for its age.
    pub(super) old: Option<Mono>,
    /// When its memory is measured next.
    pub(super) measure: Option<Mono>,
    /// What it says that it is doing.
    pub(super) text: Option<String>,
    pub(super) reload: Reload,
    /// How the process ended, for the commands that follow.
    pub(super) exit: Option<Exit>,
    /// And which it was.
    pub(super) pid: i32,
    /// The next of the commands that follow one another.
    pub(super) next_hook: usize,
    /// No time is left for commands.
    pub(super) hurried: bool,
}

/// How far a run has come that is more than its process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stage {
    /// Nothing more is waited for.
    #[default]
    Up,
    /// The launcher of a daemon runs, or a job; and whom it named as the daemon.
    Launching { named: Option<i32> },
    /// The launcher has ended well; `next`: when the daemon is looked for again, `None` while that is
    /// under way. `left`: whether anything of the run may be there.
    Seeking { named: Option<i32>, next: Option<Mono>, pause: Duration, left: bool },
    /// It runs, and is not ready yet. `next`: when to look next, where abide looks.
    Checking { next: Option<Mono>, pause: Duration },
    /// It is ready, and `[start] after` is under way.
    Settling,
}

/// A reload under way, or to be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Reload {
    /// Why there is to be one, once it can be.
    pub(super) due: Option<Words>,
    /// When it can be, where time alone tells that.
    pub(super) due_at: Option<Mono>,
    /// It said that it reloads; when that has taken too long.
    pub(super) said: Option<Mono>,
    /// Why the last one failed.
    pub(super) failed: Option<String>,
}

/// How it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Health {
    /// When to look next; for a watchdog, by when it must give a sign. `None`: it is not to be judged.
    pub(super) next: Option<Mono>,
    /// Failures in a row.
    pub(super) failures: u32,
    /// `None`: not known yet.
    pub(super) well: Option<bool>,
    /// Since when that is so.
    pub(super) since: Wall,
    /// When it was last seen well.
    pub(super) seen_well: Mono,
    /// What the last failure was.
    pub(super) message: String,
}

/// Something that was ordered and will have an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) run: RunId,
    pub(super) what: What,
    pub(super) fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum What {
    Errand(Errand),
    Probe(Which),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Fate {
    /// It has until then.
    Until(Mono),
    /// It had its time; its end is waited for.
    TooLate,
    /// Nobody wants it any more; its end is waited for.
    Unwanted,
}

impl Pending {
    pub(super) fn checks(&self, which: Which) -> bool {
        self.what == What::Probe(which) || self.what == What::Errand(Errand::Check(which))
    }

    pub(super) fn is(&self, errand: Errand) -> bool {
        self.what == What::Errand(errand)
    }

    /// Whether it is still to have an effect.
    pub(super) fn is_timed(&self) -> bool {
        self.until().is_some()
    }

    fn until(&self) -> Option<Mono> {
        match self.fate {
            Fate::Until(until) => Some(until),
            Fate::TooLate | Fate::Unwanted => None,
        }
    }
}

impl Care {
    /// Whether one of these checks is under way, or on its way out.
    pub(super) fn is_checking(&self, which: Which) -> bool {
        self.pending.iter().any(|pending| pending.checks(which))
    }

    /// When something ordered has taken too long.
    pub(super) fn patience(&self) -> Option<Mono> {
        self.pending.iter().filter_map(Pending::until).min()
    }

    /// When something is to be done about the running process.
    pub(super) fn attention(&self) -> Option<Mono> {
        let stage = match self.stage {
            Stage::Seeking { next, .. } => next,
            Stage::Checking { next, .. } => next.filter(|_| !self.is_checking(Which::Ready)),
            Stage::Up | Stage::Launching { .. } | Stage::Settling => None,
        };
        let health = self.health.as_ref().and_then(|health| health.next);
        let health = health.filter(|_| !self.is_checking(Which::Health));
        [stage, health, self.start_until, self.old, self.measure, self.reload.said, self.reload.due_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// The first that has taken too long by `now`; from now on only its end is waited for.
    pub(super) fn too_late(&mut self, now: Mono) -> Option<Pending> {
        let late = self.pending.iter_mut().find(|pending| pending.until().is_some_and(|until| until <= now))?;
        late.fate = Fate::TooLate;
        Some(*late)
    }

    /// Takes the one of this run, whose answer has come.
    pub(super) fn answered(&mut self, run: RunId) -> Option<Pending> {
        let at = self.pending.iter().position(|pending| pending.run == run)?;
        Some(self.pending.swap_remove(at))
    }
}
