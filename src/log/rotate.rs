//! When a log file is rotated, what the rotated one is called, and which of those are deleted. Pure.

use super::stamp::Civil;

/// How far back the end of an unfinished line is looked for, so that a rotation does not cut it.
pub const REACH: u64 = 64 << 10;

/// What a log file is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFile {
    /// A service's output: `current`, and `@STAMP` when rotated.
    Current,
    /// abide's own log: `abide.log`, and `abide.log.@STAMP`.
    Own,
}

impl LogFile {
    /// The name of the file that is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Own => "abide.log",
        }
    }

    /// The name of a rotated file.
    pub fn rotated(self, micros: i64) -> String {
        format!("{}{}", self.prefix(), Civil::new(micros).compact())
    }

    /// The time in the name of a rotated file. `None` for every name that abide did not make:
    /// those are never touched.
    pub fn rotated_at(self, name: &str) -> Option<i64> {
        Civil::parse_compact(name.strip_prefix(self.prefix())?)
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Current => "@",
            Self::Own => "abide.log.@",
        }
    }
}

/// The time that the next rotated file is named by: now, or right after the latest one that is
/// there, should the clock have been set back.
pub fn next(rotated: &[i64], now: i64) -> i64 {
    let after = rotated.iter().max().map_or(0, |latest| latest + 1);
    now.max(after)
}

/// Those of the rotated files that are too many: the oldest.
pub fn surplus(rotated: &mut [i64], keep: u32) -> &[i64] {
    rotated.sort_unstable();
    &rotated[..rotated.len().saturating_sub(keep as usize)]
}

/// Where a batch is divided between the file that is there and the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// All of it still fits.
    None,
    /// After so many bytes, which end with a newline.
    After(usize),
    /// No line ends in the room that is left: the line belongs to the next file, with what is there of it.
    Before,
}

/// Divides a batch, where `room` bytes are left in the file.
pub fn cut(room: u64, batch: &[u8]) -> Cut {
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    if batch.len() <= room {
        return Cut::None;
    }
    match batch[..room].iter().rposition(|byte| *byte == b'\n') {
        Some(newline) => Cut::After(newline + 1),
        None => Cut::Before,
    }
}

/// How many bytes at the end of a file belong to a line that is not finished. `end` is what of the
/// file is in reach. `None`: no line ends in reach, so there is no better place to cut than any.
pub fn unfinished(end: &[u8]) -> Option<usize> {
    end.iter().rev().position(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn names_never_sort_before_an_earlier_one(clock in prop::collection::vec(0_i64..2_000_000_000_000_000, 1..60), keep in 1_u32..5) {
            let mut there: Vec<i64> = Vec::new();
            let mut last = String::new();
            for now in clock {
                let name = LogFile::Current.rotated(next(&there, now));
                prop_assert!(name > last);
                there.push(LogFile::Current.rotated_at(&name).unwrap());
                last = name;
                let gone = surplus(&mut there, keep).to_vec();
                there.retain(|stamp| !gone.contains(stamp));
                prop_assert!(there.len() <= keep as usize);
            }
        }

        #[test]
        fn a_cut_stands_behind_a_newline_and_within_the_room(room in 0_u64..100, batch in "[ab\n]{0,120}") {
            match cut(room, batch.as_bytes()) {
                Cut::None => prop_assert!(batch.len() as u64 <= room),
                Cut::After(n) => {
                    prop_assert!(n as u64 <= room);
                    prop_assert_eq!(batch.as_bytes()[n - 1], b'\n');
                }
                Cut::Before => prop_assert!(!batch[..room as usize].contains('\n')),
            }
        }

        #[test]
        fn only_names_of_our_form_are_ours(name in "(@|abide\\.log\\.@)?[0-9TZ.@]{0,26}") {
            for file in [LogFile::Current, LogFile::Own] {
                if let Some(stamp) = file.rotated_at(&name) {
                    prop_assert_eq!(file.rotated(stamp), name.clone());
                }
            }
        }
    }

    #[test]
    fn names_are_told_apart() {
        assert_eq!(LogFile::Current.rotated(1_795_324_442_004_123), "@20261122T051402.004123Z");
        assert_eq!(LogFile::Own.rotated_at("abide.log.@20261122T051402.004123Z"), Some(1_795_324_442_004_123));
        assert_eq!(LogFile::Own.rotated_at("@20261122T051402.004123Z"), None);
        assert_eq!(LogFile::Current.rotated_at("@20261122T051402.004123Z.gz"), None);
        assert_eq!(LogFile::Current.rotated_at("@4000000065a0c3d10f2b3c4d.s"), None);
    }

    #[test]
    fn with_none_to_keep_all_are_surplus() {
        assert_eq!(surplus(&mut [2, 1], 0), [1, 2]);
        assert_eq!(surplus(&mut [3, 1, 2], 2), [1]);
        assert!(surplus(&mut [1], 5).is_empty());
    }

    #[test]
    fn an_unfinished_line_is_measured_from_the_last_newline() {
        assert_eq!(unfinished(b"a\nbc"), Some(2));
        assert_eq!(unfinished(b"a\n"), Some(0));
        assert_eq!(unfinished(b"abc"), None);
        assert_eq!(unfinished(b""), None);
    }
}
