//! Whether the supervisor does its work: it has to sign in, and then its loop has to turn when it is poked.
//!
//! One look never is a verdict: after a suspended machine wakes up, everything is late.

use super::{Deadline, Timing, after};
use std::time::Duration;

/// What is known of the one who plays it now.
#[derive(Debug)]
pub(super) struct Attendance {
    /// When it must have signed in.
    until: Deadline,
    signed_in: bool,
    look: Option<Deadline>,
    beats: u64,
    missed: u8,
    end: Option<End>,
}

/// How far its end is.
#[derive(Debug, Clone, Copy)]
enum End {
    /// Asked to leave, or made to dump what it did; KILL follows.
    Asked(Deadline),
    /// Killed; one that hangs in the kernel never ends, and another takes its place.
    Killed(Deadline),
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Nothing,
    /// Have the loop turn.
    Poke,
    /// It stands still: ABRT.
    Abort,
    /// KILL; it never signed in.
    KillUnsigned,
    /// KILL; it did not obey.
    Kill,
    /// Start another without waiting for its corpse.
    Forget,
}

impl Attendance {
    /// One was started.
    pub(super) fn begin(now: Deadline, timing: &Timing) -> Self {
        let until = after(now, timing.sign_in);
        Self { until, signed_in: false, look: None, beats: 0, missed: 0, end: None }
    }

    /// It was told to go; KILL follows.
    pub(super) fn asked(&mut self, now: Deadline, timing: &Timing) {
        self.end.get_or_insert(End::Asked(after(now, timing.obey)));
    }

    pub(super) fn has_signed_in(&self) -> bool {
        self.signed_in
    }

    /// Whether it was told to go, or killed, by us.
    pub(super) fn is_ending(&self) -> bool {
        self.end.is_some()
    }

    /// Whether its loop has turned since it was looked at before.
    pub(super) fn is_alive(&self) -> bool {
        self.signed_in && self.missed == 0
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        match self.end {
            Some(End::Asked(until) | End::Killed(until)) => Some(until),
            None if self.signed_in => self.look,
            None => Some(self.until),
        }
    }

    /// Looks; `interval`: how often its loop is looked at, if at all.
    pub(super) fn look(
        &mut self,
        now: Deadline,
        signed_in: bool,
        beats: u64,
        interval: Option<Duration>,
        timing: &Timing,
    ) -> Act {
        match self.end {
            Some(End::Asked(until)) if now >= until => {
                self.end = Some(End::Killed(after(now, timing.obey)));
                return Act::Kill;
            }
            Some(End::Killed(until)) if now >= until => return Act::Forget,
            Some(_) => return Act::Nothing,
            None => {}
        }
        self.signed_in |= signed_in;
        if !self.signed_in {
            if now < self.until {
                return Act::Nothing;
            }
            self.end = Some(End::Killed(after(now, timing.obey)));
            return Act::KillUnsigned;
        }
        let Some(interval) = interval else {
            (self.look, self.missed) = (None, 0);
            return Act::Nothing;
        };
        if self.look.is_some_and(|look| now < look) {
            return Act::Nothing;
        }
        let first = self.look.is_none();
        self.missed = if first || beats != self.beats { 0 } else { self.missed + 1 };
        (self.look, self.beats) = (Some(after(now, interval)), beats);
        if self.missed < 2 {
            return Act::Poke;
        }
        self.end = Some(End::Asked(after(now, timing.obey)));
        Act::Abort
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const EVERY: Option<Duration> = Some(Duration::from_secs(30));

    #[test]
    fn one_that_turns_is_let_be_and_one_that_does_not_is_aborted_killed_and_replaced() {
        let timing = Timing::default();
        let mut attendance = Attendance::begin(0, &timing);
        let mut look = |at: u64, beats| attendance.look(at * SECOND, true, beats, EVERY, &timing);
        assert_eq!([look(1, 5), look(2, 5), look(31, 6), look(61, 7)], [Act::Poke, Act::Nothing, Act::Poke, Act::Poke]);
        assert_eq!([look(91, 7), look(100, 8), look(121, 8)], [Act::Poke, Act::Nothing, Act::Poke], "late, and alive");
        assert_eq!([look(151, 8), look(181, 8)], [Act::Poke, Act::Abort]);
        assert_eq!(
            [look(185, 9), look(186, 9), look(190, 9), look(191, 9)],
            [Act::Nothing, Act::Kill, Act::Nothing, Act::Forget]
        );
    }

    #[test]
    fn one_that_does_not_sign_in_is_killed() {
        let timing = Timing::default();
        let mut attendance = Attendance::begin(0, &timing);
        assert_eq!(attendance.deadline(), Some(10 * SECOND));
        assert_eq!(attendance.look(9 * SECOND, false, 0, EVERY, &timing), Act::Nothing);
        assert_eq!(attendance.look(10 * SECOND, false, 0, EVERY, &timing), Act::KillUnsigned);
        assert_eq!(attendance.look(15 * SECOND, false, 0, EVERY, &timing), Act::Forget);
    }

    #[test]
    fn where_nobody_wants_it_watched_nobody_ever_wakes_up() {
        let timing = Timing::default();
        let mut attendance = Attendance::begin(0, &timing);
        assert_eq!(attendance.look(1, true, 0, None, &timing), Act::Nothing);
        assert_eq!(attendance.deadline(), None);
        attendance.asked(SECOND, &timing);
        assert_eq!(attendance.deadline(), Some(6 * SECOND));
        assert_eq!(attendance.look(6 * SECOND, true, 0, None, &timing), Act::Kill);
    }
}
