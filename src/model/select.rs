//! Which lines of a service's output are kept, and what of them.

use super::units;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Which lines are kept, and what of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    /// Regular expressions of which a line has to match one, if there are any,
    pub include: Vec<String>,
    /// and of which it may match none.
    pub exclude: Vec<String>,
    /// Regular expressions of what is never written.
    pub redact: Vec<String>,
    /// What becomes of colours.
    pub ansi: Ansi,
    /// How many lines are written in a time.
    pub rate_limit: Option<Rate>,
}

/// What becomes of the escape sequences that colour a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ansi {
    /// They stand in the file.
    #[default]
    Keep,
    /// They do not.
    Strip,
}

impl Ansi {
    /// As files and people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Strip => "strip",
        }
    }
}

impl fmt::Display for Ansi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// So many lines in such a time, also at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rate {
    /// At least one.
    pub lines: u32,
    /// From a millisecond to a day.
    pub per: Duration,
}

impl Rate {
    /// Reads `1000/s`, `100/min`, `50/10s`. `None`: it is no rate.
    pub fn parse(text: &str) -> Option<Self> {
        let (lines, per) = text.split_once('/')?;
        let lines = lines.trim().parse().ok().filter(|lines| *lines > 0)?;
        let per = per.trim();
        // `/s` is `/1s`.
        let bare = per.starts_with(|first: char| first.is_ascii_alphabetic());
        let per = units::parse_duration(&if bare { format!("1{per}") } else { per.to_owned() }).ok()?;
        (SHORTEST..=LONGEST).contains(&per).then_some(Self { lines, per })
    }
}

const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = units::duration(self.per);
        let one = per.strip_prefix('1').filter(|unit| unit.chars().all(|c| c.is_ascii_alphabetic()));
        write!(f, "{}/{}", self.lines, one.unwrap_or(&per))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rates_are_read_as_people_write_them() {
        let rate = |lines, per| Some(Rate { lines, per: Duration::from_millis(per) });
        assert_eq!(Rate::parse("1000/s"), rate(1000, 1000));
        assert_eq!(Rate::parse("5 / min"), rate(5, 60_000));
        assert_eq!(Rate::parse("50/10s"), rate(50, 10_000));
        for none in ["", "5", "/s", "0/s", "-1/s", "1/", "1/0s", "1/1us", "1/2days", "x/s", "5000000000/s"] {
            assert_eq!(Rate::parse(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(lines in 1_u32.., millis in 1_u64..86_400_000) {
            let rate = Rate { lines, per: Duration::from_millis(millis) };
            prop_assert_eq!(Rate::parse(&rate.to_string()), Some(rate));
        }
    }
}
