//! Microseconds since 1970 as UTC text, fast enough to stand before every line. Pure.

use std::fmt;

/// The last microsecond of the year 9999: beyond it, names would no longer sort by time.
const LAST: i64 = 253_402_300_799_999_999;
const MICROS_A_DAY: i64 = 86_400_000_000;

/// A point in time, taken apart. Times outside the years 1970 to 9999 become the nearest inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
}

impl Civil {
    /// From microseconds since 1970 UTC.
    pub fn new(micros: i64) -> Self {
        let micros = micros.clamp(0, LAST);
        let (days, rest) = (micros / MICROS_A_DAY, micros % MICROS_A_DAY);
        // Howard Hinnant's days_to_civil: years begin in March, so that the leap day comes last.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        Self {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * march_month + 2) / 5 + 1,
            hour: rest / 3_600_000_000,
            minute: rest / 60_000_000 % 60,
            second: rest / 1_000_000 % 60,
            micros: rest % 1_000_000,
        }
    }

    /// Back to microseconds; `None` if no such time exists.
    fn micros(self) -> Option<i64> {
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let march_month = if self.month > 2 { self.month - 3 } else { self.month + 9 };
        let day_of_year = (153 * march_month + 2) / 5 + self.day - 1;
        let year_of_era = year % 400;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = year / 400 * 146_097 + day_of_era - 719_468;
        let seconds = (self.hour * 60 + self.minute) * 60 + self.second;
        let micros = days * MICROS_A_DAY + seconds * 1_000_000 + self.micros;
        (Self::new(micros) == self).then_some(micros)
    }

    /// `2026-11-22T05:14:02.004123Z`.
    pub fn rfc3339(self, f: &mut impl fmt::Write) -> fmt::Result {
        let Self { year, month, day, hour, minute, second, micros } = self;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }

    /// `05:14:02`.
    pub fn clock(self, f: &mut impl fmt::Write) -> fmt::Result {
        write!(f, "{:02}:{:02}:{:02}", self.hour, self.minute, self.second)
    }

    /// `20261122T051402.004123Z`: sorts by time, and stands in file names.
    pub fn compact(self) -> String {
        let Self { year, month, day, hour, minute, second, micros } = self;
        format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}.{micros:06}Z")
    }

    /// The microseconds that [`Civil::rfc3339`] writes as exactly this text.
    pub fn parse_rfc3339(text: &str) -> Option<i64> {
        let parts = text.as_bytes();
        let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (26, b'Z')];
        if parts.len() != 27 || marks.iter().any(|(at, mark)| parts[*at] != *mark) {
            return None;
        }
        let compact = text.as_bytes().iter().copied().filter(|byte| !matches!(byte, b'-' | b':'));
        Self::parse_compact(std::str::from_utf8(&compact.collect::<Vec<u8>>()).ok()?)
    }

    /// The microseconds that [`Civil::compact`] writes as exactly this text.
    pub fn parse_compact(text: &str) -> Option<i64> {
        let bytes = text.as_bytes();
        if bytes.len() != 23 || bytes[8] != b'T' || bytes[15] != b'.' || bytes[22] != b'Z' {
            return None;
        }
        let number = |from: usize, to: usize| {
            bytes[from..to].iter().try_fold(0, |sum, digit| match digit {
                b'0'..=b'9' => Some(sum * 10 + i64::from(digit - b'0')),
                _ => None,
            })
        };
        let civil = Self {
            year: number(0, 4)?,
            month: number(4, 6)?,
            day: number(6, 8)?,
            hour: number(9, 11)?,
            minute: number(11, 13)?,
            second: number(13, 15)?,
            micros: number(16, 22)?,
        };
        civil.micros()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_jiff_and_reads_back(micros in 0..=LAST) {
            let civil = Civil::new(micros);
            let mut text = String::new();
            civil.rfc3339(&mut text).unwrap();
            let stamp = jiff::Timestamp::from_microsecond(micros).unwrap();
            prop_assert_eq!(&text, &format!("{stamp:.6}"));
            prop_assert_eq!(Civil::parse_rfc3339(&text), Some(micros));
            prop_assert_eq!(Civil::parse_compact(&civil.compact()), Some(micros));
        }

        #[test]
        fn texts_sort_by_time(a in 0..=LAST, b in 0..=LAST) {
            prop_assert_eq!(a.cmp(&b), Civil::new(a).compact().cmp(&Civil::new(b).compact()));
        }

        #[test]
        fn any_text_is_survived(text in ".{0,30}") {
            let _ = (Civil::parse_compact(&text), Civil::parse_rfc3339(&text));
        }
    }

    #[test]
    fn times_that_do_not_exist_are_refused() {
        assert!(Civil::parse_compact("20261122T051402.004123Z").is_some());
        for bad in [
            "20261322T051402.004123Z",
            "20260230T051402.004123Z",
            "20261122T251402.004123Z",
            "00000000T000000.000000Z",
            "20261122T051402.00412Z",
        ] {
            assert_eq!(Civil::parse_compact(bad), None, "{bad}");
        }
        assert_eq!(Civil::new(i64::MIN).compact(), "19700101T000000.000000Z");
    }
}
