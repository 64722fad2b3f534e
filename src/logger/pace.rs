//! How long a worker looks away between two turns, so that lines that come one by one are written together. Pure.

use std::time::Duration;

/// A turn that brought at least this much is worth its cost: no pause after it.
const ENOUGH: usize = 16 << 10;
/// The first pause, after the second small turn in a row; each further one doubles it.
const FIRST: Duration = Duration::from_micros(100);
/// So often it is doubled: 3.2 ms.
const DOUBLINGS: u32 = 5;
/// Who waited this long for something to read is not in a burst.
const REST: Duration = Duration::from_millis(20);

/// Counts small turns in a row. A line after a rest and the next one are written at once; in a burst of small
/// writes the pauses grow, and a flood has none.
#[derive(Debug, Default)]
pub(super) struct Pace {
    small: u32,
}

impl Pace {
    /// After a turn that waited so long and read so many bytes: how long to pause.
    pub(super) fn after(&mut self, waited: Duration, bytes: usize) -> Option<Duration> {
        if waited >= REST || bytes >= ENOUGH || bytes == 0 {
            self.small = 0;
            return None;
        }
        let pause = self.small.checked_sub(1).map(|before| FIRST * (1 << before.min(DOUBLINGS)));
        self.small = self.small.saturating_add(1);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lines_after_a_rest_and_a_flood_have_no_pause_but_a_burst_has_growing_ones() {
        let mut pace = Pace::default();
        assert_eq!(pace.after(Duration::from_secs(1), 80), None);
        assert_eq!(pace.after(Duration::ZERO, 80), None);
        let pauses: Vec<_> = (0..8).map(|_| pace.after(Duration::ZERO, 80).unwrap().as_micros()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1_600, 3_200, 3_200, 3_200]);
        assert_eq!(pace.after(Duration::ZERO, 64 << 10), None);
        assert_eq!(pace.after(Duration::ZERO, 80), None);
        assert_eq!(pace.after(Duration::ZERO, 80), Some(FIRST));
    }
}
