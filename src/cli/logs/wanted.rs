//! Which lines are meant. Pure.

use crate::log::entry::Entry;
use crate::log::format::Stream;
use crate::log::level::Level;
use crate::model::pattern::{self, Pattern};
use crate::model::units;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// Microseconds since 1970.
    pub(super) since: Option<i64>,
    pub(super) until: Option<i64>,
    pub(super) grep: Option<Pattern>,
    pub(super) level: Option<Level>,
    pub(super) stream: Option<Stream>,
}

/// What the lines before one said, which holds for it too where it says nothing: as in a stack trace.
#[derive(Debug, Clone, Default)]
pub(super) struct Context {
    at: Option<i64>,
    level: Option<Level>,
}

impl Wanted {
    /// Of what somebody wrote; `now` in microseconds since 1970.
    pub(super) fn of([since, until, grep, level, stream]: [Option<&str>; 5], now: i64) -> Result<Self, String> {
        let time = |text: Option<&str>| text.map(|text| time(text, now)).transpose();
        let grep = grep.map(|text| pattern::compile(text).map_err(|reason| format!("--grep: {reason}"))).transpose()?;
        let named = |text| {
            Level::named(text)
                .ok_or_else(|| format!("{text:?} is no level; write trace, debug, info, warn, error or fatal"))
        };
        let way = |text| Stream::of(text).ok_or_else(|| format!("{text:?} is no stream; write out, err, abide or -"));
        let (level, stream) = (level.map(named).transpose()?, stream.map(way).transpose()?);
        Ok(Self { since: time(since)?, until: time(until)?, grep, level, stream })
    }

    /// Whether some lines are left out that a number of lines would count.
    pub(super) fn chooses(&self) -> bool {
        self.until.is_some() || self.grep.is_some() || self.level.is_some() || self.stream.is_some()
    }

    /// Whether this line is meant.
    pub(super) fn takes(&self, entry: &Entry<'_>, context: &mut Context) -> bool {
        context.at = entry.at.or(context.at);
        context.level = Level::of(&entry.text).or(context.level);
        let early = context.at.zip(self.since).is_some_and(|(at, since)| at < since);
        let late = self.is_over(context);
        let stream = self.stream.is_none_or(|stream| entry.stream == Some(stream));
        let level = self.level.is_none_or(|least| context.level.is_some_and(|level| level >= least));
        !early && !late && stream && level && self.grep.as_ref().is_none_or(|grep| grep.is_match(&entry.text))
    }

    /// Whether all that comes is later than asked for.
    pub(super) fn is_over(&self, context: &Context) -> bool {
        context.at.zip(self.until).is_some_and(|(at, until)| at > until)
    }
}

/// "10m" ago, a day, a day and a time, or RFC 3339; microseconds since 1970.
fn time(text: &str, now: i64) -> Result<i64, String> {
    if let Ok(ago) = units::parse_duration(text) {
        return Ok(now.saturating_sub(i64::try_from(ago.as_micros()).unwrap_or(i64::MAX)));
    }
    let exact = || text.parse::<Timestamp>().ok();
    let in_utc = |time: DateTime| time.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    let local = || in_utc(text.parse::<DateTime>().ok()?);
    let day = || in_utc(text.parse::<Date>().ok()?.at(0, 0, 0, 0));
    exact().or_else(local).or_else(day).map(Timestamp::as_microsecond).ok_or_else(|| {
        format!("{text:?} is no time; write \"10m\", 2026-11-22, \"2026-11-22 05:14\" or 2026-11-22T05:14:02Z")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_324_442_004_123;

    #[test]
    fn times_are_understood_in_the_ways_that_people_write_them() {
        let day = 1_795_305_600_000_000;
        for (text, at) in [
            ("10m", NOW - 600_000_000),
            ("2026-11-22", day),
            ("2026-11-22 05:14", day + 18_840_000_000),
            ("2026-11-22T05:14Z", day + 18_840_000_000),
            ("2026-11-22T05:14:02.004123Z", NOW),
            ("2026-11-22T06:14:02.004123+01:00", NOW),
        ] {
            assert_eq!(time(text, NOW), Ok(at), "{text}");
        }
        assert!(time("yesterday", NOW).unwrap_err().contains("is no time"));
    }

    fn taken(asked: [Option<&str>; 5], lines: &[&str]) -> Vec<usize> {
        let (wanted, mut context) = (Wanted::of(asked, NOW).unwrap(), Context::default());
        let taken = |(_, line): &(usize, &&str)| wanted.takes(&Entry::of(line.as_bytes()), &mut context);
        lines.iter().enumerate().filter(taken).map(|(index, _)| index).collect()
    }

    #[test]
    fn lines_are_chosen_by_time_words_level_and_stream() {
        let lines = [
            "2026-11-22T05:00:00.000000Z out INFO begun",
            "2026-11-22T05:10:00.000000Z err ERROR broken",
            "2026-11-22T05:10:00.000000Z err   at main.rs:7",
            "2026-11-22T05:12:00.000000Z out INFO over",
        ];
        assert_eq!(taken([None; 5], &lines), [0, 1, 2, 3]);
        assert_eq!(taken([Some("10m"), None, None, None, None], &lines), [1, 2, 3]);
        assert_eq!(taken([None, Some("2026-11-22T05:10"), None, None, None], &lines), [0, 1, 2]);
        assert_eq!(taken([None, None, Some("bro.en|over"), None, None], &lines), [1, 3]);
        assert_eq!(taken([None, None, None, Some("warn"), None], &lines), [1, 2], "with what belongs to it");
        assert_eq!(taken([None, None, None, None, Some("out")], &lines), [0, 3]);
        assert!(Wanted::of([None, None, None, Some("loud"), None], NOW).is_err());
        assert!(Wanted::of([None, None, Some("("), None, None], NOW).is_err());
    }
}
