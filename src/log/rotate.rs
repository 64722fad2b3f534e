//! When a log file is rotated, what the rotated one is called, and which of those are deleted. Pure.

use super::stamp::Civil;
use crate::model::logging::{Compress, LogFormat, LogPolicy};
use crate::model::time::TAI64_OF_1970;

/// The length of a time in a name.
const STAMP: usize = 23;

/// What a rotated file is, which its name says beside the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As it was written.
    Plain,
    /// Compressed, as zstd does it.
    Zstd,
    /// Compressed, as gzip does it.
    Gzip,
    /// As it was written, in a directory in multilog's format: `@LABEL.s`, or `@LABEL.u` of what a crash cut off.
    Multilog {
        /// What its time has beyond microseconds; abide's own names have none.
        nanos: u16,
        /// Whether it is `s`.
        whole: bool,
    },
}

impl Form {
    /// Those that abide makes in its own format.
    pub const OWN: [Self; 3] = [Self::Plain, Self::Zstd, Self::Gzip];

    /// What a file is that is rotated under that policy.
    pub fn under(policy: &LogPolicy) -> Self {
        match policy.format {
            LogFormat::Multilog => Self::Multilog { nanos: 0, whole: true },
            _ => Self::Plain,
        }
    }

    /// Whether it is to be unpacked.
    pub fn is_packed(self) -> bool {
        matches!(self, Self::Zstd | Self::Gzip)
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Zstd => Compress::Zstd.suffix(),
            Self::Gzip => Compress::Gzip.suffix(),
            Self::Plain | Self::Multilog { .. } => "",
        }
    }
}

impl From<Compress> for Form {
    fn from(how: Compress) -> Self {
        match how {
            Compress::Zstd => Self::Zstd,
            Compress::Gzip => Self::Gzip,
            Compress::None => Self::Plain,
        }
    }
}

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
    pub fn rotated(self, micros: i64, form: Form) -> String {
        match form {
            Form::Multilog { nanos, whole } => {
                let label = label(micros, nanos);
                format!("@{label}.{}", if whole { 's' } else { 'u' })
            }
            _ => format!("{}{}{}", self.prefix(), Civil::new(micros).compact(), form.suffix()),
        }
    }

    /// The time in the name of a rotated file, and what that file is. `None` for every name that neither abide nor
    /// multilog made: those are never touched.
    pub fn rotated_at(self, name: &str) -> Option<(i64, Form)> {
        let rest = name.strip_prefix(self.prefix())?;
        if self == Self::Current
            && let Some((label, end @ ("s" | "u"))) = rest.split_once('.')
        {
            let (micros, nanos) = time_of(label)?;
            return Some((micros, Form::Multilog { nanos, whole: end == "s" }));
        }
        let (stamp, suffix) = rest.split_at_checked(STAMP)?;
        let form = Form::OWN.into_iter().find(|it| it.suffix() == suffix)?;
        Some((Civil::parse_compact(stamp)?, form))
    }

    /// The name under which a rotated file is being compressed.
    pub fn unfinished(self, micros: i64, form: Form) -> String {
        format!(".{}.tmp", self.rotated(micros, form))
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Current => "@",
            Self::Own => "abide.log.@",
        }
    }
}

/// A TAI64N label, without its `@`.
fn label(micros: i64, nanos: u16) -> String {
    let (seconds, rest) = (micros.max(0) as u64 / 1_000_000, micros.max(0) as u64 % 1_000_000);
    format!("{:016x}{:08x}", TAI64_OF_1970 + seconds, rest * 1000 + u64::from(nanos))
}

/// The time of a label: microseconds since 1970, and nanoseconds beyond.
fn time_of(label: &str) -> Option<(i64, u16)> {
    if label.len() != 24 || !label.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let (seconds, nanos) = label.split_at(16);
    let seconds = i64::try_from(u64::from_str_radix(seconds, 16).ok()?.checked_sub(TAI64_OF_1970)?).ok()?;
    let nanos = u32::from_str_radix(nanos, 16).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    let micros = seconds.checked_mul(1_000_000)?.checked_add(i64::from(nanos / 1000))?;
    Some((micros, (nanos % 1000) as u16))
}

/// The time that the next rotated file is named by: now, or right after the latest one that is
/// there, should the clock have been set back.
pub fn next(rotated: &[i64], now: i64) -> i64 {
    let after = rotated.iter().max().map_or(0, |latest| latest + 1);
    now.max(after)
}

/// A rotated file, or several of one time: compressed, and not yet deleted uncompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotated {
    /// When, microseconds since 1970.
    pub at: i64,
    /// What it takes on disk, bytes.
    pub size: u64,
}

/// Those of the rotated files that are too many, too old or too much: the oldest. `now` in microseconds since 1970.
pub fn surplus(rotated: &mut [Rotated], policy: &LogPolicy, now: i64) -> Vec<i64> {
    rotated.sort_unstable_by_key(|it| std::cmp::Reverse(it.at));
    let age = policy.max_age.map(|age| i64::try_from(age.as_micros()).unwrap_or(i64::MAX));
    let oldest = age.map_or(i64::MIN, |age| now.saturating_sub(age));
    let (mut kept, mut total) = (0, 0_u64);
    let mut stays = |it: &Rotated| {
        let bytes = total.saturating_add(it.size);
        let stays = kept < policy.max_files && it.at >= oldest && policy.max_total.is_none_or(|most| bytes <= most);
        if stays {
            (kept, total) = (kept + 1, bytes);
        } else {
            // What is older than one that goes, goes too: a log has no holes.
            kept = u32::MAX;
        }
        stays
    };
    rotated.iter().filter(|it| !stays(it)).map(|it| it.at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::logging::RotateEvery;
    use proptest::prelude::*;
    use std::time::Duration;

    proptest! {
        #[test]
        fn names_never_sort_before_an_earlier_one(clock in prop::collection::vec(0_i64..2_000_000_000_000_000, 1..60), keep in 1_u32..5) {
            let policy = LogPolicy { max_files: keep, ..LogPolicy::default() };
            let mut there: Vec<Rotated> = Vec::new();
            let mut last = String::new();
            for now in clock {
                let stamps: Vec<i64> = there.iter().map(|it| it.at).collect();
                let name = LogFile::Current.rotated(next(&stamps, now), Form::Plain);
                prop_assert!(name > last);
                there.push(Rotated { at: LogFile::Current.rotated_at(&name).unwrap().0, size: 1 });
                last = name;
                let gone = surplus(&mut there, &policy, now);
                there.retain(|it| !gone.contains(&it.at));
                prop_assert!(there.len() <= keep as usize);
            }
        }

        #[test]
        fn what_is_kept_is_the_newest_and_within_all_bounds(
            files in prop::collection::btree_map(0_i64..1_000_000, 0_u64..100, 0..20),
            max_files in 0_u32..10,
            max_age in prop::option::of(0_u64..1_000_000),
            max_total in prop::option::of(0_u64..500),
        ) {
            let max_age = max_age.map(Duration::from_micros);
            let policy = LogPolicy { max_files, max_age, max_total, ..LogPolicy::default() };
            let mut there: Vec<Rotated> = files.iter().map(|(at, size)| Rotated { at: *at, size: *size }).collect();
            let gone = surplus(&mut there, &policy, 1_000_000);
            let kept: Vec<_> = files.iter().filter(|(at, _)| !gone.contains(at)).collect();
            prop_assert!(kept.len() <= max_files as usize);
            prop_assert!(max_total.is_none_or(|most| kept.iter().map(|(_, size)| **size).sum::<u64>() <= most));
            prop_assert!(gone.iter().all(|gone| kept.iter().all(|(at, _)| *at > gone)));
            prop_assert!(max_age.is_none_or(|age| kept.iter().all(|(at, _)| Duration::from_micros((1_000_000 - **at) as u64) <= age)));
        }

        #[test]
        fn only_names_of_our_form_are_ours(name in "(@|abide\\.log\\.@)?[0-9TZ.@]{0,26}(\\.zst|\\.gz)?") {
            for file in [LogFile::Current, LogFile::Own] {
                if let Some((stamp, compressed)) = file.rotated_at(&name) {
                    prop_assert_eq!(file.rotated(stamp, compressed), name.clone());
                }
            }
        }
    }

    #[test]
    fn names_are_told_apart() {
        let at = 1_795_324_442_004_123;
        assert_eq!(LogFile::Current.rotated(at, Form::Plain), "@20261122T051402.004123Z");
        assert_eq!(LogFile::Own.rotated_at("abide.log.@20261122T051402.004123Z"), Some((at, Form::Plain)));
        assert_eq!(LogFile::Own.rotated_at("@20261122T051402.004123Z"), None);
        assert_eq!(LogFile::Current.rotated_at("@20261122T051402.004123Z.gz"), Some((at, Form::Gzip)));
        assert_eq!(LogFile::Current.rotated_at("@20261122T051402.004123Z.bz2"), None);
        assert_eq!(LogFile::Current.rotated_at(&LogFile::Current.unfinished(at, Form::Zstd)), None);
        for name in ["@4000000065a0c3d10f2b3c4d.s", "@4000000065a0c3d100000001.u"] {
            let (at, form) = LogFile::Current.rotated_at(name).unwrap();
            assert_eq!(LogFile::Current.rotated(at, form), name);
        }
        let multilog = Form::Multilog { nanos: 0, whole: true };
        assert_eq!(LogFile::Current.rotated(at, multilog), "@400000006b027a24003ee978.s");
        for none in ["@4000000065a0c3d1.s", "@4000000065a0c3d1ff2b3c4d.s", "@4000000065a0c3d10f2b3c4d.t", "@.s"] {
            assert_eq!(LogFile::Current.rotated_at(none), None);
        }
        assert_eq!(LogFile::Own.rotated_at("abide.log.@4000000065a0c3d10f2b3c4d.s"), None);
    }

    #[test]
    fn a_day_ends_at_midnight() {
        let (night, midnight) = (1_795_305_599_999_999, 1_795_305_600_000_000);
        assert_eq!(RotateEvery::Daily.span_of(night) + 1, RotateEvery::Daily.span_of(midnight));
        assert_eq!(RotateEvery::Hourly.span_of(night) + 1, RotateEvery::Hourly.span_of(midnight));
        let span = RotateEvery::Span(Duration::from_secs(7));
        assert_eq!(span.span_of(6_999_999) + 1, span.span_of(7_000_000));
    }
}
