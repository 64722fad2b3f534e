//! How often an instance was started again although its file had not changed, and why.

use crate::model::outcome::Exit;
use crate::model::time::Mono;
use serde::{Deserialize, Serialize};

const MINUTE: u64 = 60_000_000_000;

/// Why a run ended that the next one makes good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Cause {
    /// It ended by itself.
    Exit,
    /// A signal that abide did not send ended it.
    Signal,
    /// The kernel killed something of it for want of memory.
    Oom,
    /// It did not become ready in time, or its daemon was not found.
    StartTimeout,
    /// One of `[start] after` failed.
    StartAfter,
    /// It was not well.
    Health,
    /// It used more memory than `max_memory`.
    Memory,
    /// It had run for `max_age`.
    Age,
}

impl Cause {
    const ALL: [Self; 8] = [
        Self::Exit,
        Self::Signal,
        Self::Oom,
        Self::StartTimeout,
        Self::StartAfter,
        Self::Health,
        Self::Memory,
        Self::Age,
    ];

    /// The word, as in the snapshot.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Exit => "exit",
            Self::Signal => "signal",
            Self::Oom => "oom",
            Self::StartTimeout => "start_timeout",
            Self::StartAfter => "start_after",
            Self::Health => "health",
            Self::Memory => "memory",
            Self::Age => "age",
        }
    }
}

impl Cause {
    /// The cause of an end that nobody asked for.
    pub(super) fn of(exit: Exit, oom: bool) -> Self {
        match exit {
            _ if oom => Self::Oom,
            Exit::Signal { .. } => Self::Signal,
            Exit::Code(_) | Exit::Unknown => Self::Exit,
        }
    }
}

/// Counts of restarts. Costs one pointer until there is a first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Restarts(Option<Box<Counts>>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Counts {
    by: [u64; Cause::ALL.len()],
    /// The cause of the last one.
    cause: Cause,
    /// The minute that `minutes` ends with, counted from boot.
    last: u64,
    /// The last hour, a minute each, as a ring: bounded however often something restarts.
    #[serde(with = "sparse")]
    minutes: [u32; 60],
}

impl Restarts {
    /// One more, for `cause`.
    pub(super) fn count(&mut self, cause: Cause, now: Mono) {
        let counts = self.0.get_or_insert_with(|| {
            Box::new(Counts { by: [0; Cause::ALL.len()], cause, last: now.0 / MINUTE, minutes: [0; 60] })
        });
        counts.cause = cause;
        counts.by[cause as usize] += 1;
        counts.turn_to(now.0 / MINUTE);
        counts.minutes[(counts.last % 60) as usize] += 1;
    }

    /// Those causes that there were, and how often.
    pub(super) fn by_cause(&self) -> impl Iterator<Item = (Cause, u64)> {
        let by = self.0.as_ref().map_or([0; Cause::ALL.len()], |counts| counts.by);
        Cause::ALL.into_iter().zip(by).filter(|(_, count)| *count > 0)
    }

    /// The cause of the last one.
    pub(super) fn last(&self) -> Option<Cause> {
        self.0.as_ref().map(|counts| counts.cause)
    }

    /// In the hour before `now`, to the minute.
    pub(super) fn within_hour(&self, now: Mono) -> u64 {
        let Some(counts) = &self.0 else { return 0 };
        let mut counts = Counts::clone(counts);
        counts.turn_to(now.0 / MINUTE);
        counts.minutes.iter().map(|count| u64::from(*count)).sum()
    }
}

/// Only the minutes in which there was something.
mod sparse {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(minutes: &[u32; 60], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(minutes.iter().enumerate().filter(|(_, count)| **count > 0))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u32; 60], D::Error> {
        let mut minutes = [0; 60];
        for (minute, count) in Vec::<(usize, u32)>::deserialize(from)? {
            if let Some(cell) = minutes.get_mut(minute) {
                *cell = count;
            }
        }
        Ok(minutes)
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
            restarts.count(Cause::Exit, Mono(minute * MINUTE));
        }
        restarts.count(Cause::of(Exit::from_wait_status(9), false), Mono(75 * MINUTE));
        assert_eq!(restarts.within_hour(Mono(75 * MINUTE)), 3);
        assert_eq!(restarts.within_hour(Mono(200 * MINUTE)), 0);
        restarts.count(Cause::of(Exit::from_wait_status(9), true), Mono(75 * MINUTE));
        let by = [(Cause::Exit, 5), (Cause::Signal, 1), (Cause::Oom, 1)];
        assert_eq!(restarts.by_cause().collect::<Vec<_>>(), by);
    }
}
