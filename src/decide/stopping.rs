//! The stop ladder: a command or the polite signals, each followed by CONT, wait, KILL, wait; and
//! who is left then.

use crate::model::policy::{StopPolicy, StopScope};
use crate::model::signal::Signal;
use crate::model::time::Mono;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long one that reads another's output has to come to the end of that before it is asked to end.
const DRAIN: Duration = Duration::from_secs(5);
/// How long after KILL a process counts as one that cannot be killed.
const PATIENCE: Duration = Duration::from_secs(5);
/// The end of a time that does not end.
const NEVER: Mono = Mono(u64::MAX);

/// One run on its way down. It has the scope under which it began: an edit in between changes the
/// rungs to come and the next stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ladder {
    scope: StopScope,
    rung: Rung,
    /// Whether the process that abide watches is gone, and only what it started is left.
    main_gone: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Rung {
    /// A command of the service is to end it; how long that may take is the command's own deadline.
    Commanded,
    /// Nothing more is written that it reads: it has so long to come to the end of that.
    Drained {
        until: Mono,
    },
    /// `step`: which of the policy's steps this is.
    Asked {
        until: Mono,
        step: u8,
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
    /// Send the next polite signal.
    Ask(Signal),
    /// Send KILL.
    Kill,
    /// Nothing helps: say so.
    Stuck,
    /// What is left is outside the scope: it is let be.
    LetBe,
}

/// The signal of this step and how long it may take; `None`: what follows is KILL.
fn step(policy: &StopPolicy, index: u8) -> Option<(Signal, Duration)> {
    if policy.steps.is_empty() {
        return (index == 0).then_some((policy.signal, policy.timeout));
    }
    policy.steps.get(usize::from(index)).copied()
}

impl Ladder {
    /// Begins with a command; `main_gone`: there is no process to watch any more.
    pub(super) fn command(scope: StopScope, main_gone: bool) -> Self {
        Self { scope, rung: Rung::Commanded, main_gone }
    }

    /// Begins with the first signal, or goes on with it after a command.
    pub(super) fn ask(self, policy: &StopPolicy, now: Mono) -> (Self, Climb) {
        self.at_step(policy, 0, now)
    }

    fn at_step(self, policy: &StopPolicy, index: u8, now: Mono) -> (Self, Climb) {
        match step(policy, index) {
            Some((signal, time)) if signal != Signal::KILL => {
                let rung = Rung::Asked { until: now.plus(time), step: index };
                (Self { rung, ..self }, Climb::Ask(signal))
            }
            _ => (self.killed(now), Climb::Kill),
        }
    }

    fn killed(self, now: Mono) -> Self {
        Self { rung: Rung::Killed { until: now.plus(PATIENCE) }, ..self }
    }

    /// Begins with KILL for what an ended process left behind.
    pub(super) fn sweep(scope: StopScope, now: Mono) -> Self {
        Self::command(scope, true).killed(now)
    }

    pub(super) fn scope(&self) -> StopScope {
        self.scope
    }

    pub(super) fn main_gone(&self) -> bool {
        self.main_gone
    }

    /// Begins with the end of its input.
    pub(super) fn drained(self, now: Mono) -> Self {
        Self { rung: Rung::Drained { until: now.plus(DRAIN) }, ..self }
    }

    /// Whether it got no signal so far.
    pub(super) fn is_drained(&self) -> bool {
        matches!(self.rung, Rung::Drained { .. })
    }

    pub(super) fn is_commanded(&self) -> bool {
        self.rung == Rung::Commanded
    }

    /// There is a process to watch after all.
    pub(super) fn main_found(&mut self) {
        self.main_gone = false;
    }

    /// The signal of the rung that it is on.
    pub(super) fn again(&self, policy: &StopPolicy) -> Option<Signal> {
        match self.rung {
            Rung::Commanded | Rung::Drained { .. } => None,
            Rung::Asked { step: index, .. } => step(policy, index).map(|(signal, _)| signal),
            Rung::Killed { .. } | Rung::Stuck => Some(Signal::KILL),
        }
    }

    /// The main process is gone; whether there is still something to wait for.
    pub(super) fn main_exited(&mut self, leftovers: bool) -> bool {
        self.main_gone = true;
        leftovers && self.scope != StopScope::Process
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        match self.rung {
            Rung::Drained { until } | Rung::Asked { until, .. } | Rung::Killed { until } => {
                Some(until).filter(|until| *until != NEVER)
            }
            Rung::Commanded | Rung::Stuck => None,
        }
    }

    /// It has for ever.
    pub(super) fn linger(&mut self) {
        if let Rung::Asked { until, .. } = &mut self.rung {
            *until = NEVER;
        }
    }

    /// Where it had for ever, it has its time from now on.
    pub(super) fn bound(&mut self, policy: &StopPolicy, now: Mono) {
        if let Rung::Asked { until, step: index } = &mut self.rung
            && *until == NEVER
        {
            *until = now.plus(step(policy, *index).map_or(Duration::ZERO, |(_, time)| time));
        }
    }

    /// It asks for more time.
    pub(super) fn extend(&mut self, to: Mono) {
        if let Rung::Asked { until, .. } = &mut self.rung {
            *until = (*until).max(to);
        }
    }

    /// Time passed.
    pub(super) fn climb(&mut self, policy: &StopPolicy, now: Mono) -> Climb {
        match self.rung {
            Rung::Drained { until } if now >= until => {
                let (ladder, climb) = self.ask(policy, now);
                *self = ladder;
                climb
            }
            Rung::Asked { until, step } if now >= until => {
                let (ladder, climb) = self.at_step(policy, step.saturating_add(1), now);
                *self = ladder;
                climb
            }
            Rung::Killed { until } if now >= until => {
                if self.main_gone && self.scope != StopScope::Tree {
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
        if !matches!(self.rung, Rung::Asked { .. } | Rung::Drained { .. } | Rung::Commanded) {
            return Climb::Wait;
        }
        *self = self.killed(now);
        Climb::Kill
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn asked(policy: &StopPolicy) -> (Ladder, Climb) {
        Ladder::command(policy.scope, false).ask(policy, Mono(0))
    }

    #[test]
    fn the_ladder_asks_waits_kills_and_then_knows_no_more() {
        let policy = StopPolicy::default();
        let (mut ladder, first) = asked(&policy);
        assert_eq!(first, Climb::Ask(Signal::TERM));
        assert_eq!(ladder.climb(&policy, Mono(9 * SECOND)), Climb::Wait);
        assert_eq!(ladder.climb(&policy, Mono(10 * SECOND)), Climb::Kill);
        assert_eq!(ladder.deadline(), Some(Mono(15 * SECOND)));
        assert_eq!(ladder.climb(&policy, Mono(15 * SECOND)), Climb::Stuck);
        assert_eq!(ladder.deadline(), None);
    }

    #[test]
    fn steps_follow_one_another_each_after_its_own_time() {
        let steps = vec![(Signal::TERM, Duration::from_secs(3)), (Signal::INT, Duration::from_secs(1))];
        let policy = StopPolicy { steps, ..StopPolicy::default() };
        let (mut ladder, first) = asked(&policy);
        assert_eq!(first, Climb::Ask(Signal::TERM));
        ladder.extend(Mono(4 * SECOND));
        assert_eq!(ladder.climb(&policy, Mono(3 * SECOND)), Climb::Wait);
        assert_eq!(ladder.climb(&policy, Mono(4 * SECOND)), Climb::Ask(Signal::INT));
        assert_eq!(ladder.climb(&policy, Mono(5 * SECOND)), Climb::Kill);
    }

    #[test]
    fn what_is_left_counts_only_within_the_scope() {
        let mut process = Ladder::sweep(StopScope::Process, Mono(0));
        assert!(!process.main_exited(true));
        let mut group = Ladder::sweep(StopScope::Group, Mono(0));
        assert!(group.main_exited(true));
        assert_eq!(group.climb(&StopPolicy::default(), Mono(5 * SECOND)), Climb::LetBe);
        assert!(!Ladder::sweep(StopScope::Tree, Mono(0)).main_exited(false));
    }

    #[test]
    fn hurrying_kills_once() {
        let (mut ladder, _) = asked(&StopPolicy::default());
        assert_eq!(ladder.hurry(Mono(1)), Climb::Kill);
        assert_eq!(ladder.hurry(Mono(2)), Climb::Wait);
    }
}
