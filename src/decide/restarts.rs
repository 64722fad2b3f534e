//! How often an instance was started again because it had ended, and by what.

use crate::model::outcome::Exit;
use crate::model::time::Mono;

const MINUTE: u64 = 60_000_000_000;

/// Counts of restarts. Costs one pointer until there is a first.
#[derive(Debug, Clone, Default)]
pub(super) struct Restarts(Option<Box<Counts>>);

/// By what an instance had ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Exit = 0,
    Signal = 1,
    Oom = 2,
}

impl Cause {
    pub(super) const ALL: [Self; 3] = [Self::Exit, Self::Signal, Self::Oom];

    pub(super) fn of(exit: Exit, oom: bool) -> Self {
        match exit {
            _ if oom => Self::Oom,
            Exit::Signal { .. } => Self::Signal,
            Exit::Code(_) | Exit::Unknown => Self::Exit,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Exit => "exit",
            Self::Signal => "signal",
            Self::Oom => "oom",
        }
    }
}

#[derive(Debug, Clone)]
struct Counts {
    by_cause: [u64; 3],
    /// The minute that `minutes` ends with, counted from boot.
    last: u64,
    /// The last hour, a minute each, as a ring: bounded however often something restarts.
    minutes: [u32; 60],
}

impl Restarts {
    /// One more, after an end by `cause`.
    pub(super) fn count(&mut self, cause: Cause, now: Mono) {
        let counts =
            self.0.get_or_insert_with(|| Box::new(Counts { by_cause: [0; 3], last: now.0 / MINUTE, minutes: [0; 60] }));
        counts.by_cause[cause as usize] += 1;
        counts.turn_to(now.0 / MINUTE);
        counts.minutes[(counts.last % 60) as usize] += 1;
    }

    /// How often after an end by `cause`.
    pub(super) fn by(&self, cause: Cause) -> u64 {
        self.0.as_ref().map_or(0, |counts| counts.by_cause[cause as usize])
    }

    /// How often in all.
    pub(super) fn total(&self) -> u64 {
        Cause::ALL.into_iter().map(|cause| self.by(cause)).sum()
    }

    /// In the hour before `now`, to the minute.
    pub(super) fn within_hour(&self, now: Mono) -> u64 {
        let Some(counts) = &self.0 else { return 0 };
        let mut counts = Counts::clone(counts);
        counts.turn_to(now.0 / MINUTE);
        counts.minutes.iter().map(|count| u64::from(*count)).sum()
    }
}

impl Counts {
    fn turn_to(&mut self, minute: u64) {
        let passed = minute.saturating_sub(self.last).min(60);
        for step in 1..=passed {
            self.minutes[((minute - passed + step) % 60) as usize] = 0;
        }
        self.last = self.last.max(minute);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hour_forgets_minute_by_minute_and_the_total_never() {
        let mut restarts = Restarts::default();
        for minute in [0, 0, 1, 59, 75] {
            restarts.count(Cause::of(Exit::Code(1), false), Mono(minute * MINUTE));
        }
        restarts.count(Cause::of(Exit::from_wait_status(9), false), Mono(75 * MINUTE));
        assert_eq!(restarts.within_hour(Mono(75 * MINUTE)), 3);
        assert_eq!(restarts.within_hour(Mono(200 * MINUTE)), 0);
        restarts.count(Cause::of(Exit::from_wait_status(9), true), Mono(75 * MINUTE));
        assert_eq!(Cause::ALL.map(|cause| restarts.by(cause)), [5, 1, 1]);
        assert_eq!(restarts.total(), 7);
    }
}
