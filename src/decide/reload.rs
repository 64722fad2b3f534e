//! Its own configuration files changed, or it reloads of its own will.

use super::care::Stage;
use super::effect::Errand;
use super::instance::Instance;
use super::phase::{Phase, Rest, Turn, Words};
use crate::model::policy::{OnChange, ReloadBy, StopScope};
use std::time::Duration;

/// Who does not say when it is ready is taken to know its signals after so long.
const SETTLED: Duration = Duration::from_secs(1);
/// How long a reload that the service announced may take where its file does not say.
const RELOAD_TIME: Duration = Duration::from_secs(60);

/// "nginx.conf changed", "a.conf and b.conf changed", "a.conf and 2 more files changed".
fn in_words(files: &[String]) -> Words {
    match files {
        [] => "its configuration changed".into(),
        [one] => format!("{one} changed").into(),
        [one, other] => format!("{one} and {other} changed").into(),
        [one, more @ ..] => format!("{one} and {} more files changed", more.len()).into(),
    }
}

impl Instance {
    /// Files that its `[reload] watch` names have changed.
    pub(super) fn files_changed(&mut self, files: &[String], turn: &mut Turn) {
        let Some(on_change) = self.wanted.service.reload.as_ref().map(|reload| reload.on_change) else { return };
        let why = in_words(files);
        let oneshot = self.is_oneshot();
        match &mut self.phase {
            // What failed for its configuration may start with the new one.
            Phase::Resting(Rest::Backoff(_) | Rest::Failed) if self.want => {
                self.forgive();
                self.start(why, None, turn);
            }
            Phase::Stopping { then, .. } | Phase::Clearing { then }
                if matches!(then, Rest::Backoff(_) | Rest::Failed) =>
            {
                *then = Rest::Down;
                self.forgive();
            }
            // Who goes down after others takes it up when it starts again.
            Phase::Running { .. } if on_change == OnChange::Restart && !oneshot && turn.held.is_some() => {}
            Phase::Running { .. } if on_change == OnChange::Restart && !oneshot => self.stop(why, turn),
            Phase::Running { .. } if !oneshot => {
                self.care().reload.due = Some(why);
                self.reload_if_due(turn);
            }
            _ => {}
        }
    }

    /// Reloads if there is reason to, it can be done, and none is under way.
    pub(super) fn reload_if_due(&mut self, turn: &mut Turn) {
        let Phase::Running { run, since, .. } = self.phase else { return };
        if let Some(care) = self.care.as_mut() {
            // What is under way now looks again when it is over; a time that has passed would ring for ever.
            care.reload.due_at = None;
        }
        if self.stage() != Stage::Up || self.is_reloading() {
            return;
        }
        let declared = self.current.service.ready.is_some();
        let Some(care) = self.care.as_mut() else { return };
        if care.reload.due.is_none() || care.pending.iter().any(|pending| pending.is(Errand::Reload)) {
            return;
        }
        let settled = since.plus(SETTLED);
        if !declared && turn.now.mono < settled {
            care.reload.due_at = Some(settled);
            return;
        }
        let (Some(policy), Some(why)) = (self.current.service.reload.clone(), care.reload.due.take()) else { return };
        match policy.how {
            ReloadBy::Signal(signal) => {
                care.reload.failed = None;
                self.signal(run, signal, StopScope::Process, turn);
                self.tell(format!("{why}; {signal} sent"), turn);
            }
            ReloadBy::Command(_) => {
                let from = self.state();
                self.run_errand(Errand::Reload, turn.now.mono.plus(policy.timeout), turn);
                self.turned(from, why, turn);
            }
        }
    }

    /// Whether a reload is under way.
    pub(super) fn is_reloading(&self) -> bool {
        let Some(care) = &self.care else { return false };
        care.reload.said.is_some()
            || care.pending.iter().any(|pending| pending.is(Errand::Reload) && pending.is_timed())
    }

    /// The command is over, or the time is.
    pub(super) fn reload_ended(&mut self, wrong: Option<String>, turn: &mut Turn) {
        let care = self.care();
        match wrong {
            // It was the last word that mattered: the service itself may still be at it.
            None if care.reload.said.is_some() => care.reload.failed = None,
            None => {
                care.reload.failed = None;
                self.turned(crate::model::status::State::Reloading, "reloaded".into(), turn);
            }
            Some(wrong) => {
                care.reload.said = None;
                let why = format!("the reload failed: {wrong}");
                care.reload.failed = Some(wrong);
                self.why = why.into();
                self.report(crate::model::status::State::Reloading, None, true, turn);
            }
        }
        self.reload_if_due(turn);
    }

    /// It says that it reloads.
    pub(super) fn says_reloading(&mut self, turn: &mut Turn) {
        if self.stage() != Stage::Up {
            return;
        }
        let time = self.current.service.reload.as_ref().map_or(RELOAD_TIME, |reload| reload.timeout);
        let from = self.state();
        self.care().reload.said = Some(turn.now.mono.plus(time));
        self.turned(from, "it says that it reloads".into(), turn);
    }

    /// It says that it is ready, while it is up.
    pub(super) fn says_reloaded(&mut self, turn: &mut Turn) {
        let from = self.state();
        let Some(care) = &mut self.care else { return };
        if care.reload.said.take().is_some() {
            care.reload.failed = None;
            self.turned(from, "reloaded".into(), turn);
            self.reload_if_due(turn);
        }
    }
}
