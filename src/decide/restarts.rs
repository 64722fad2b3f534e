//! How often an instance was started again because it had ended, and by what.

use crate::model::outcome::Exit;
use crate::model::time::Mono;

const MINUTE: u64 = 60_000_000_000;

/// Counts of restarts. Costs one pointer until there is a first.
#[derive(Debug, Clone, Default)]
pub(super) struct Restarts(Option<Box<Counts>>);

#[derive(Debug, Clone)]
struct Counts {
    by_exit: u64,
    by_signal: u64,
    /// The minute that `minutes` ends with, counted from boot.
    last: u64,
    /// The last hour, a minute each, as a ring: bounded however often something restarts.
    minutes: [u32; 60],
}

impl Restarts {
    /// One more, after `exit`.
    pub(super) fn count(&mut self, exit: Exit, now: Mono) {
        let counts = self.0.get_or_insert_with(|| {
            Box::new(Counts { by_exit: 0, by_signal: 0, last: now.0 / MINUTE, minutes: [0; 60] })
        });
        match exit {
            Exit::Signal { .. } => counts.by_signal += 1,
            Exit::Code(_) | Exit::Unknown => counts.by_exit += 1,
        }
        counts.turn_to(now.0 / MINUTE);
        counts.minutes[(counts.last % 60) as usize] += 1;
    }

    /// By exit, by signal.
    pub(super) fn by_cause(&self) -> (u64, u64) {
        self.0.as_ref().map_or((0, 0), |counts| (counts.by_exit, counts.by_signal))
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
            restarts.count(Exit::Code(1), Mono(minute * MINUTE));
        }
        restarts.count(Exit::from_wait_status(9), Mono(75 * MINUTE));
        assert_eq!(restarts.within_hour(Mono(75 * MINUTE)), 3);
        assert_eq!(restarts.within_hour(Mono(200 * MINUTE)), 0);
        assert_eq!(restarts.by_cause(), (5, 1));
    }
}
