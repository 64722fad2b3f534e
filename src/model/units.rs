//! Durations and sizes as people write them: parse, print, round-trip.
//!
//! Pure. The kernel and the model count in nanoseconds and bytes; only here these have units.

use std::time::Duration;

/// Why a text is no duration or no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadUnit {
    /// What is wrong, as a fragment of a sentence.
    pub message: String,
    /// What to do, beginning with a verb.
    pub help: String,
}

/// The longest duration: a century, so that sums with a clock cannot overflow.
pub const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The units of a size, largest first, with how they are printed.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

/// Reads `250ms`, `10s`, `1h30m`. A number without a unit is refused.
pub fn parse_duration(text: &str) -> Result<Duration, BadUnit> {
    let bad = |message: String, help: String| Err(BadUnit { message, help });
    let plain = text.trim();
    if !plain.is_empty() && plain.chars().all(|c| c.is_ascii_digit() || c == '.') {
        if plain == "0" {
            return Ok(Duration::ZERO);
        }
        return bad("a duration needs a unit".into(), format!("write \"{plain}s\" for seconds"));
    }
    match humantime::parse_duration(plain) {
        Ok(duration) if duration <= LONGEST => Ok(duration),
        Ok(_) => bad(format!("{text:?} is more than a century"), "write a shorter duration, such as \"10s\"".into()),
        Err(_) => {
            bad(format!("{text:?} is no duration"), "write it like \"250ms\", \"10s\", \"5m\" or \"1h30m\"".into())
        }
    }
}

/// Prints a duration as [`parse_duration`] reads it: `1h30m`.
pub fn duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string().replace(' ', "")
}

/// Reads `10MiB` (2^20), `1GB` (10^9), `1.5GiB`, `512`.
pub fn parse_size(text: &str) -> Result<u64, BadUnit> {
    let plain = text.trim();
    let end = plain.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(plain.len());
    let (number, unit) = (&plain[..end], plain[end..].trim_start());
    let bad = |message: String, help: &str| Err(BadUnit { message, help: help.to_owned() });
    let like = "write it like \"10MiB\" (2^20), \"1GB\" (10^9) or \"512\" (bytes)";
    let factor = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, factor)| *factor);
    let factor = match (factor, unit) {
        (Some(factor), _) => factor,
        (None, "") => 1,
        (None, "K" | "M" | "G" | "T" | "k" | "m" | "g" | "t") => {
            let letter = unit.to_ascii_uppercase();
            let help =
                format!("write \"{number}{letter}iB\" (powers of 1024) or \"{number}{letter}B\" (powers of 1000)");
            return bad(format!("{text:?} may mean two sizes"), &help);
        }
        _ => return bad(format!("{text:?} is no size"), like),
    };
    match scaled(number, factor) {
        Some(size) => Ok(size),
        None => bad(format!("{text:?} is no size"), like),
    }
}

/// `number`, decimals allowed, times `factor`, rounded down; `None` if it is no number or too large.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if fraction.is_empty() || fraction.len() > 12 {
        return None;
    }
    let part = u128::from(fraction.parse::<u64>().ok()?) * u128::from(factor) / 10u128.pow(fraction.len() as u32);
    let size = u128::from(whole.parse::<u64>().ok()?).checked_mul(u128::from(factor))?.checked_add(part)?;
    u64::try_from(size).ok()
}

/// Prints a size exactly, as [`parse_size`] reads it, in the largest unit that divides it.
pub fn size(bytes: u64) -> String {
    let unit = UNITS.iter().find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor));
    match unit {
        Some(("B", _)) | None => bytes.to_string(),
        Some((name, factor)) => format!("{}{name}", bytes / factor),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_read_as_people_write_them() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration(" 1h30m "), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("0s"), Ok(Duration::ZERO));
        assert_eq!(duration(Duration::from_secs(5400)), "1h30m");
    }

    #[test]
    fn a_bare_number_is_shown_with_its_unit() {
        assert_eq!(parse_duration("10").expect_err("no unit").help, "write \"10s\" for seconds");
        assert!(parse_duration("").is_err());
        assert!(parse_duration("-1s").is_err());
        assert!(parse_duration("300years").is_err());
        assert!(parse_duration("99999999999999999999999s").is_err());
    }

    #[test]
    fn sizes_know_both_thousands() {
        assert_eq!(parse_size("10MiB"), Ok(10 << 20));
        assert_eq!(parse_size("10 MB"), Ok(10_000_000));
        assert_eq!(parse_size("1.5GiB"), Ok(3 << 29));
        assert_eq!(parse_size("512"), Ok(512));
        assert_eq!(parse_size("1kb"), Ok(1000));
        for bad in ["", "MiB", "-1", "1.MiB", "1.2.3MB", "99999999TiB", "1 apple", "1e3"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
        assert!(parse_size("10M").expect_err("two meanings").help.contains("10MiB"));
        assert_eq!((size(10 << 20), size(1_000_000), size(1023)), ("10MiB".into(), "1MB".into(), "1023".into()));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(nanos in 0u64..=3_153_600_000_000_000_000, bytes: u64) {
            let span = Duration::from_nanos(nanos);
            prop_assert_eq!(parse_duration(&duration(span)), Ok(span));
            prop_assert_eq!(parse_size(&size(bytes)), Ok(bytes));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,20}") {
            let _ = parse_duration(&text);
            let _ = parse_size(&text);
        }
    }
}
