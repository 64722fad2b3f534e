//! When a file may be written: at once after a change, and then within bounds. Pure.

use crate::model::time::Mono;
use std::time::Duration;

/// A start is two changes a few milliseconds apart; one write tells both, and no reader is that fast.
const SETTLE: Duration = Duration::from_millis(10);
const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);
/// No write is suspected for taking a few times as long as this.
const USUAL: Duration = Duration::from_millis(10);

/// When one file, or a pair, may be written.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Pace {
    changed: bool,
    /// Settled once a change has been seen by the clock.
    due: Option<Mono>,
    earliest: Mono,
}

impl Pace {
    /// A change that must be written, and may be at once.
    pub(super) fn fresh() -> Self {
        Self { changed: true, ..Self::default() }
    }

    /// What failed and is to be tried again.
    pub(super) fn again(at: Mono) -> Self {
        Self { changed: true, due: Some(at), earliest: at }
    }

    pub(super) fn touch(&mut self) {
        self.changed = true;
    }

    /// Whether it is time; starts the settling of a fresh change.
    pub(super) fn ripe(&mut self, now: Mono) -> bool {
        let due = self.due(now);
        self.due = self.changed.then_some(due);
        self.changed && due <= now
    }

    /// Whether a change waits just for others to join it.
    pub(super) fn settles(self, now: Mono) -> bool {
        self.changed && now < self.due(now) && self.due(now) <= now.plus(SETTLE)
    }

    fn due(self, now: Mono) -> Mono {
        self.due.unwrap_or(now.plus(SETTLE).max(self.earliest))
    }

    pub(super) fn deadline(self) -> Option<Mono> {
        self.changed.then(|| self.due.unwrap_or_default())
    }

    pub(super) fn rest(&mut self, until: Mono) {
        *self = Self { earliest: until, ..Self::default() };
    }
}

/// What writing costs, as far as that can be believed.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Cost(Duration);

impl Cost {
    /// So long a write took. One that took far longer than those before says that the process stood still, as by SIGSTOP
    /// or with its whole machine, and not what writing costs; a disk that is slow stays so, and is believed by and by.
    pub(super) fn believe(&mut self, took: Duration) -> Duration {
        self.0 = took.min(self.0.max(USUAL) * 4);
        self.0
    }
}

/// The earliest time of the next write, after one at `now` that took so long for so many bytes: at
/// most four a second, and within `share` of 5 % of a core and 5 MB/s.
///
/// The time taken is that on the clock, so a slow disk stretches the interval too; at most to half
/// a minute.
#[expect(clippy::cast_precision_loss, reason = "a rate needs no 15 digits")]
pub fn next_write(now: Mono, bytes: u64, cost: Duration, share: Share) -> Mono {
    let parts = match share {
        Share::Whole => 1.0,
        Share::Main => 5.0,
        Share::Index => 1.25,
    };
    let by_cost = cost.as_secs_f64() * 20.0 * parts;
    let by_bytes = bytes as f64 / 5e6 * parts;
    now.plus(Duration::from_secs_f64(by_cost.max(by_bytes).min(LONGEST.as_secs_f64())).max(SHORTEST))
}

/// Which part of the budget a write has: all of it, or, where there is an index too, one fifth for
/// the pair of files and four for the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// There is no index.
    Whole,
    /// The pair, beside an index.
    Main,
    /// The index.
    Index,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_in_which_the_process_stood_still_costs_little_and_a_slow_disk_is_believed() {
        let second = Duration::from_secs(1);
        let mut cost = Cost::default();
        assert_eq!(cost.believe(Duration::from_millis(3)), Duration::from_millis(3));
        let believed = cost.believe(5 * second);
        assert!(next_write(Mono(0), 1, believed, Share::Whole).since(Mono(0)) <= second);
        let pauses: Vec<Duration> = (0..5).map(|_| cost.believe(5 * second)).collect();
        assert_eq!(pauses.last(), Some(&(5 * second)), "{pauses:?}");
    }
}
