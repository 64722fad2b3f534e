//! The clock's events.

use super::{Event, Type};

/// How often a tick comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// Every five seconds.
    Five,
    /// Every minute.
    Minute,
    /// Every hour.
    Hour,
}

impl Period {
    const ALL: [Self; 3] = [Self::Five, Self::Minute, Self::Hour];

    /// Its length.
    pub fn seconds(self) -> i64 {
        match self {
            Self::Five => 5,
            Self::Minute => 60,
            Self::Hour => 3600,
        }
    }

    pub(super) fn kind(self) -> Type {
        match self {
            Self::Five => Type::Tick5,
            Self::Minute => Type::Tick60,
            Self::Hour => Type::Tick3600,
        }
    }

    /// The last multiple that is not after `now`.
    fn floor(self, now: i64) -> i64 {
        now.saturating_sub(now.rem_euclid(self.seconds()))
    }
}

/// The ticks due at `now`, if those until `before` were sent. A clock that jumps passes many multiples, and
/// only the last of each period is told. One that is set back brings none.
pub fn ticks(before: i64, now: i64) -> Vec<Event> {
    let due = Period::ALL.into_iter().filter(|period| period.floor(now) > before);
    due.map(|period| Event::Tick { period, when: period.floor(now) }).collect()
}

/// When the next tick after `now` is due.
pub fn next_tick(now: i64) -> i64 {
    Period::Five.floor(now).saturating_add(Period::Five.seconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whens(before: i64, now: i64) -> Vec<(i64, i64)> {
        let pair = |event: &Event| match event {
            Event::Tick { period, when } => (period.seconds(), *when),
            _ => unreachable!("only ticks"),
        };
        ticks(before, now).iter().map(pair).collect()
    }

    #[test]
    fn a_tick_comes_when_its_multiple_is_passed() {
        assert_eq!(whens(4, 4), []);
        assert_eq!(whens(4, 5), [(5, 5)]);
        assert_eq!(whens(5, 6), []);
        assert_eq!(whens(5, 9), []);
        assert_eq!(whens(3599, 3601), [(5, 3600), (60, 3600), (3600, 3600)]);
        assert_eq!(whens(0, 71), [(5, 70), (60, 60)]);
        assert_eq!(whens(100, 50), []);
        assert_eq!(next_tick(5), 10);
        assert_eq!(next_tick(9), 10);
    }

    #[test]
    fn the_ends_of_time_are_no_trouble() {
        for now in [i64::MIN, i64::MAX, -1, 0] {
            ticks(0, now);
            next_tick(now);
        }
    }
}
