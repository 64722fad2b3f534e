//! What a service counts as to those that come after it.

use super::care::Stage;
use super::instance::Instance;
use super::phase::{Phase, Rest};
use crate::model::time::Mono;
use std::time::Duration;

/// Without another sign of readiness, who has run for so long is up.
const UP_AFTER: Duration = Duration::from_secs(1);

/// Ordered from good to bad: of several instances the worst counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// It runs and is ready, or has done what it was for.
    Up,
    /// It is on its way up, or being restarted; with the time at which it is up if nothing happens.
    Coming(Option<Mono>),
    /// It ended as its policy lets it, and without success.
    Settled,
    /// It is not to run, or cannot.
    Lost,
}

impl Instance {
    /// What it counts as at `now`.
    pub(super) fn standing(&self, now: Mono) -> Standing {
        let service = &self.current.service;
        match self.phase {
            _ if !self.want => Standing::Lost,
            Phase::Running { .. } if self.stage() != Stage::Up => Standing::Coming(None),
            Phase::Running { .. } if service.ready.is_some() => Standing::Up,
            Phase::Running { since, .. } => {
                // A daemon or one with commands after its start runs from when it is there, not from its launch.
                let up = self.care.as_ref().and_then(|care| care.up).unwrap_or(since);
                match up.plus(UP_AFTER) {
                    at if at <= now => Standing::Up,
                    at => Standing::Coming(Some(at)),
                }
            }
            Phase::Resting(Rest::Done) if self.last.is_some_and(|last| service.restart.is_success(last.exit)) => {
                Standing::Up
            }
            Phase::Resting(Rest::Done) => Standing::Settled,
            Phase::Resting(Rest::Failed) => Standing::Lost,
            // Whether what it is blocked by is lost, its phase may not know yet: the books do.
            Phase::Preparing { .. }
            | Phase::Starting { .. }
            | Phase::Stopping { .. }
            | Phase::Clearing { .. }
            | Phase::Resting(_) => Standing::Coming(None),
        }
    }

    /// Whether those that come before it must still wait for its end. What does not obey even the
    /// kernel is waited for no longer.
    pub(super) fn lingers(&self) -> bool {
        match self.phase {
            Phase::Resting(_) => self.remains(),
            Phase::Running { .. } => true,
            Phase::Preparing { .. } | Phase::Starting { .. } | Phase::Stopping { .. } | Phase::Clearing { .. } => {
                self.deadline().is_some()
            }
        }
    }
}
