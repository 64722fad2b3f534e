//! What an operator's order does to one instance, and in which words that is told.

use super::care::Stage;
use super::effect::Effect;
use super::instance::Instance;
use super::phase::{Phase, Rest, Turn, Words};
use crate::model::order::LogAct;
use crate::model::policy::{OnChange, StopScope};
use crate::model::signal::Signal;

/// What came of an order, for one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    /// Whether anything was done.
    pub(super) done: bool,
    /// Whether it could not be obeyed.
    pub(super) refused: bool,
}

impl Word {
    pub(super) fn done(text: impl Into<String>) -> Self {
        Self { text: text.into(), done: true, refused: false }
    }

    /// There was nothing to do.
    pub(super) fn idle(text: impl Into<String>) -> Self {
        Self { text: text.into(), done: false, refused: false }
    }

    pub(super) fn refused(text: impl Into<String>) -> Self {
        Self { text: text.into(), done: false, refused: true }
    }
}

impl Instance {
    /// It is wanted or not, were it not for a hold; and it is held or not.
    pub(super) fn want_or_hold(&mut self, up: bool, held: bool, cause: &Words, turn: &mut Turn) {
        let from = self.state();
        if held && !self.on_hold {
            self.on_hold = true;
            if self.phase == Phase::Resting(Rest::Down) {
                self.turned(from, cause.clone(), turn);
            }
        }
        self.want(up && !held, cause, turn);
        if held {
            self.hasten(turn);
        }
        // Last, so that what starts again is told to come from there.
        if !held && self.on_hold {
            let from = self.state();
            self.on_hold = false;
            self.turned(from, cause.clone(), turn);
        }
    }

    /// It is to run, and an operator says so; with `anew` in a process of its own from now on.
    pub(super) fn raise(&mut self, anew: bool, why: &Words, turn: &mut Turn) -> Word {
        let wanted = self.want;
        let before = self.phase;
        self.want_or_hold(true, false, why, turn);
        match self.phase {
            Phase::Running { .. } if anew => {
                self.forgive();
                // It is on its way down, after others; a restart ahead of them would take away what they stand on.
                if let Some(held) = &turn.held {
                    return Word::done(format!("{held}, and starts again as soon as it may"));
                }
                self.stop(why.clone(), turn);
                Word::done("restarts")
            }
            Phase::Running { .. } if wanted => Word::idle("runs already"),
            Phase::Running { .. } => Word::done("goes on running"),
            Phase::Starting { .. } | Phase::Preparing { .. } if matches!(before, Phase::Resting(_)) => {
                Word::done("starts")
            }
            Phase::Starting { .. } | Phase::Preparing { .. } => Word::idle("is being started already"),
            Phase::Stopping { .. } | Phase::Clearing { .. } => self.raise_again(wanted, why),
            Phase::Resting(Rest::Done) if self.remains() => {
                if !anew {
                    return Word::idle("is up already: it has done its work, which `abide restart` has it do again");
                }
                self.forgive();
                self.take_down(Rest::Down, why.clone(), turn);
                Word::done("restarts")
            }
            Phase::Resting(_) => {
                self.forgive();
                self.start(why.clone(), None, turn);
                self.began()
            }
        }
    }

    /// It is on its way down, and starts when it is there, whatever was to follow.
    fn raise_again(&mut self, wanted: bool, why: &Words) -> Word {
        let (Phase::Stopping { then, .. } | Phase::Clearing { then }) = &mut self.phase else {
            return Word::idle("is not on its way down");
        };
        if wanted && *then == Rest::Down {
            return Word::idle("is being restarted already");
        }
        *then = Rest::Down;
        self.cause.clone_from(why);
        self.forgive();
        Word::done("starts as soon as it has stopped")
    }

    /// What a start has led to.
    fn began(&self) -> Word {
        match self.phase {
            Phase::Resting(Rest::Blocked { lost: true }) => Word::refused(format!("cannot start: it {}", self.why)),
            Phase::Resting(Rest::Blocked { .. }) => Word::done(format!("starts later: it {}", self.why)),
            _ => Word::done("starts"),
        }
    }

    /// An operator wants it to read its configuration again.
    pub(super) fn reload(&mut self, author: &str, turn: &mut Turn) -> Word {
        let Some(policy) = self.wanted.service.reload.as_ref() else {
            let help = "add one with `signal` or `command` to its file, or restart it";
            return Word::refused(format!("has no [reload]: {help}"));
        };
        if policy.on_change == OnChange::Restart {
            return Word::refused("takes up changes by a restart, as [reload] on_change has it: restart it");
        }
        if self.running().is_none() || !self.want {
            return Word::refused("does not run, so there is nothing to reload");
        }
        if self.is_oneshot() {
            return Word::refused("is a job at work, which reads its configuration when it is run again");
        }
        let busy = self.is_reloading();
        self.care().reload.due = Some(format!("{author} asked for a reload").into());
        self.reload_if_due(turn);
        let due = self.care.as_ref().is_some_and(|care| care.reload.due.is_some());
        Word::done(match (due, busy) {
            (false, _) => "reloads",
            (true, true) => "is reloading, and does so once more after that",
            (true, false) => "reloads as soon as it is ready",
        })
    }

    /// An operator sees to its log.
    pub(super) fn tend_log(&mut self, act: LogAct, turn: &mut Turn) -> Word {
        if !self.opened {
            return Word::idle("has said nothing yet");
        }
        turn.effects.push(Effect::TendLog { instance: self.id.clone(), act });
        Word::done(match act {
            LogAct::Rotate => "its log is rotated",
            LogAct::Reopen => "its log is opened anew",
        })
    }

    /// An operator sends it a signal: to the process that abide watches.
    pub(super) fn send(&mut self, signal: Signal, author: &str, turn: &mut Turn) -> Word {
        let watched = match self.phase {
            Phase::Running { run, .. } => Some(run),
            Phase::Stopping { run, ladder, .. } => Some(run).filter(|_| !ladder.main_gone()),
            _ => None,
        };
        match (watched, &self.process) {
            (Some(run), Some(process)) => {
                let to = if self.numbered { String::new() } else { format!(" to process {}", process.pid) };
                self.signal(run, signal, StopScope::Process, turn);
                self.tell(format!("{signal} sent by {author}"), turn);
                Word::done(format!("{signal} sent{to}"))
            }
            _ if matches!(self.phase, Phase::Starting { .. } | Phase::Preparing { .. }) => {
                Word::refused("is being started, and has no process yet")
            }
            _ if matches!(self.stage(), Stage::Seeking { .. }) => {
                Word::refused("has no process that abide watches: it is still looked for")
            }
            _ => Word::refused("does not run, so there is no process to send it to"),
        }
    }
}
