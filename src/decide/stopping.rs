//! The stop ladder: the polite signal and CONT, wait, KILL, wait; and who is left then.

use crate::model::policy::{StopPolicy, StopScope};
use crate::model::signal::Signal;
use crate::model::time::Mono;
use std::time::Duration;

/// How long after KILL a process counts as one that cannot be killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// One run on its way down. It has the scope under which it began: an edit in between changes the
/// next stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ladder {
    scope: StopScope,
    rung: Rung,
    /// Whether the process that abide started is gone, and only what it started is left.
    main_gone: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rung {
    Asked {
        until: Mono,
    },
    Killed {
        until: Mono,
    },
    /// In the kernel's hands: nothing more can be done but never to start a second copy.
    Stuck,
}

/// What climbing one rung comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Climb {
    /// Not yet time.
    Wait,
    /// Send KILL.
    Kill,
    /// Nothing helps: say so.
    Stuck,
    /// What is left is outside the scope: it is let be.
    LetBe,
}

impl Ladder {
    /// Begins with the polite signal; the signals to send, in order.
    pub(super) fn ask(policy: &StopPolicy, now: Mono) -> (Self, Vec<Signal>) {
        if policy.signal == Signal::KILL {
            return (Self::kill(policy.scope, now), vec![Signal::KILL]);
        }
        let rung = Rung::Asked { until: now.plus(policy.timeout) };
        (Self { scope: policy.scope, rung, main_gone: false }, vec![policy.signal, Signal::CONT])
    }

    /// Begins with KILL.
    pub(super) fn kill(scope: StopScope, now: Mono) -> Self {
        Self { scope, rung: Rung::Killed { until: now.plus(PATIENCE) }, main_gone: false }
    }

    /// Begins with KILL for what an ended process left behind.
    pub(super) fn sweep(scope: StopScope, now: Mono) -> Self {
        Self { main_gone: true, ..Self::kill(scope, now) }
    }

    pub(super) fn scope(&self) -> StopScope {
        self.scope
    }

    pub(super) fn main_gone(&self) -> bool {
        self.main_gone
    }

    /// The main process is gone; whether there is still something to wait for.
    pub(super) fn main_exited(&mut self, leftovers: bool) -> bool {
        self.main_gone = true;
        leftovers && self.scope != StopScope::Process
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        match self.rung {
            Rung::Asked { until } | Rung::Killed { until } => Some(until),
            Rung::Stuck => None,
        }
    }

    /// Time passed.
    pub(super) fn climb(&mut self, now: Mono) -> Climb {
        match self.rung {
            Rung::Asked { until } if now >= until => self.hurry(now),
            Rung::Killed { until } if now >= until => {
                if self.main_gone && self.scope == StopScope::Group {
                    return Climb::LetBe;
                }
                self.rung = Rung::Stuck;
                Climb::Stuck
            }
            _ => Climb::Wait,
        }
    }

    /// KILL now, if that was not done.
    pub(super) fn hurry(&mut self, now: Mono) -> Climb {
        if !matches!(self.rung, Rung::Asked { .. }) {
            return Climb::Wait;
        }
        self.rung = Rung::Killed { until: now.plus(PATIENCE) };
        Climb::Kill
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn the_ladder_asks_waits_kills_and_then_knows_no_more() {
        let (mut ladder, signals) = Ladder::ask(&StopPolicy::default(), Mono(0));
        assert_eq!(signals, [Signal::TERM, Signal::CONT]);
        assert_eq!(ladder.climb(Mono(9 * SECOND)), Climb::Wait);
        assert_eq!(ladder.climb(Mono(10 * SECOND)), Climb::Kill);
        assert_eq!(ladder.deadline(), Some(Mono(15 * SECOND)));
        assert_eq!(ladder.climb(Mono(15 * SECOND)), Climb::Stuck);
        assert_eq!(ladder.deadline(), None);
    }

    #[test]
    fn what_is_left_counts_only_within_the_scope() {
        let mut process = Ladder::sweep(StopScope::Process, Mono(0));
        assert!(!process.main_exited(true));
        let mut group = Ladder::sweep(StopScope::Group, Mono(0));
        assert!(group.main_exited(true));
        assert_eq!(group.climb(Mono(5 * SECOND)), Climb::LetBe);
        assert!(!Ladder::sweep(StopScope::Tree, Mono(0)).main_exited(false));
    }

    #[test]
    fn hurrying_kills_once() {
        let (mut ladder, _) = Ladder::ask(&StopPolicy::default(), Mono(0));
        assert_eq!(ladder.hurry(Mono(1)), Climb::Kill);
        assert_eq!(ladder.hurry(Mono(2)), Climb::Wait);
    }
}
