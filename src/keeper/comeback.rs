//! When a role that has ended is started again: at once, then with growing delays, but for ever. Never "left down":
//! services whose output nobody reads come to a halt.

use super::{Deadline, Timing, after};
use std::time::Duration;

/// The first delay that is one.
const SHORTEST: Duration = Duration::from_secs(1);

/// So many crashes within a minute are more than chance.
const MANY: usize = 3;
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Comeback {
    started: Deadline,
    delay: Duration,
    at: Option<Deadline>,
    /// The last crashes, the oldest first.
    crashes: [Option<Deadline>; MANY],
}

impl Comeback {
    /// It is there.
    pub(super) fn started(&mut self, now: Deadline) {
        (self.started, self.at) = (now, None);
    }

    /// It has ended. Who lived for long counts as the first to die.
    pub(super) fn ended(&mut self, now: Deadline, timing: &Timing) {
        if now >= after(self.started, timing.good_life) {
            self.delay = Duration::ZERO;
        }
        self.later(now, timing);
    }

    /// It could not be started.
    pub(super) fn later(&mut self, now: Deadline, timing: &Timing) {
        self.at = Some(after(now, self.delay));
        self.delay = (self.delay * 2).clamp(SHORTEST, timing.longest_delay);
    }

    /// It went because we asked it to, and is to be there again at once.
    pub(super) fn at_once(&mut self, now: Deadline) {
        self.at = Some(now);
    }

    /// It was killed before it did anything: not at once, and no later for it.
    pub(super) fn soon(&mut self, now: Deadline) {
        self.at = Some(after(now, SHORTEST));
    }

    /// It is not wanted any more.
    pub(super) fn cancel(&mut self) {
        self.at = None;
    }

    /// When it is to be started.
    pub(super) fn at(&self) -> Option<Deadline> {
        self.at
    }

    /// Whether it is to be started now. Told once.
    pub(super) fn is_due(&mut self, now: Deadline) -> bool {
        let due = self.at.is_some_and(|at| at <= now);
        if due {
            self.at = None;
        }
        due
    }

    /// It crashed; whether that happens too often.
    pub(super) fn crashed(&mut self, now: Deadline) -> bool {
        self.crashes.rotate_left(1);
        self.crashes[MANY - 1] = Some(now);
        self.crashes[0].is_some_and(|first| now < after(first, MINUTE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn it_comes_back_at_once_then_later_and_for_ever() {
        let timing = Timing::default();
        let mut comeback = Comeback::default();
        let mut delays = Vec::new();
        let mut now = 0;
        for _ in 0..9 {
            comeback.started(now);
            comeback.ended(now, &timing);
            let at = comeback.at().unwrap_or_default();
            delays.push((at - now) / SECOND);
            now = at;
            assert!(comeback.is_due(now) && !comeback.is_due(now));
        }
        assert_eq!(delays, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
        comeback.started(now);
        comeback.ended(now + 60 * SECOND, &timing);
        assert_eq!(comeback.at(), Some(now + 60 * SECOND), "that was a good life");
    }

    #[test]
    fn three_crashes_within_a_minute_are_too_many() {
        let mut comeback = Comeback::default();
        let crashes = [0, 50, 61, 105, 200, 201, 202].map(|at| comeback.crashed(at * SECOND));
        assert_eq!(crashes, [false, false, false, true, false, false, true]);
    }
}
