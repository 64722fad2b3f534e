//! The script: what the words of the command line mean, and which lines a pattern matches.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// One step that every line goes through.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action<'a> {
    /// Select the line if this pattern matches.
    Select(&'a [u8]),
    /// Deselect the line if this pattern matches.
    Deselect(&'a [u8]),
    /// Print the line to standard error.
    Stderr,
    /// Write the line to the status file of this number.
    Status(usize),
    /// Append the line to the log of this number.
    Log(usize),
}

/// A log directory as the command line asks for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spec<'a> {
    pub(super) name: &'a OsStr,
    /// The most bytes of a file.
    pub(super) size: usize,
    /// The most files, `current` among them.
    pub(super) number: u64,
    pub(super) processor: Option<&'a OsStr>,
}

/// The whole command line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Script<'a> {
    /// Put the time before each line.
    pub(super) label: bool,
    pub(super) actions: Vec<Action<'a>>,
    pub(super) statuses: Vec<&'a OsStr>,
    pub(super) logs: Vec<Spec<'a>>,
}

impl<'a> Script<'a> {
    /// Reads the words after the command's name.
    pub(super) fn parse(words: &'a [OsString]) -> Script<'a> {
        let mut script = Script::default();
        let (mut size, mut number, mut processor) = (99_999, 10, None);
        for (place, word) in words.iter().enumerate() {
            let Some((first, rest)) = word.as_bytes().split_first() else { continue };
            match first {
                b't' if place == 0 => script.label = true,
                b'-' => script.actions.push(Action::Deselect(rest)),
                b'+' => script.actions.push(Action::Select(rest)),
                b'e' => script.actions.push(Action::Stderr),
                b'=' => {
                    script.actions.push(Action::Status(script.statuses.len()));
                    script.statuses.push(OsStr::from_bytes(rest));
                }
                b's' => size = decimal(rest).clamp(4096, 16_777_215) as usize,
                b'n' => number = decimal(rest).max(2),
                b'!' => processor = Some(OsStr::from_bytes(rest)),
                b'.' | b'/' => {
                    script.actions.push(Action::Log(script.logs.len()));
                    script.logs.push(Spec { name: word, size, number, processor });
                }
                _ => {}
            }
        }
        script
    }

    /// Whether every log gets every line as it is, and nobody looks at lines.
    pub(super) fn is_plain(&self) -> bool {
        !self.label && self.actions.iter().all(|action| matches!(action, Action::Log(_)))
    }
}

/// Leading decimal digits, modulo 2^64.
fn decimal(text: &[u8]) -> u64 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |value: u64, digit| value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
}

/// Whether the pattern matches the whole line. A star stops at the first occurrence of the byte after it,
/// for good.
pub(super) fn matches(mut pattern: &[u8], mut line: &[u8]) -> bool {
    while let Some((&first, rest)) = pattern.split_first() {
        pattern = rest;
        if first != b'*' {
            match line.split_first() {
                Some((&byte, after)) if byte == first => line = after,
                _ => return false,
            }
        } else if let Some(&next) = rest.first() {
            match memchr::memchr(next, line) {
                Some(place) => line = &line[place..],
                None => return false,
            }
        } else {
            return true;
        }
    }
    line.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn settings_hold_for_the_directories_after_them() {
        let words = words(&["t", "./a", "s5000", "n3x", "!", "/b", "s1", "nonsense", "!cat", ".", "s99999999"]);
        let script = Script::parse(&words);
        let facts: Vec<_> = script.logs.iter().map(|log| (log.size, log.number, log.processor)).collect();
        assert_eq!(facts, [(99_999, 10, None), (5000, 3, Some(OsStr::new(""))), (4096, 2, Some(OsStr::new("cat")))]);
        assert!(script.label && !script.is_plain());
    }

    #[test]
    fn unknown_words_are_passed_over() {
        let words = words(&["", "t", "x", "err", "=", "-*", "+", "./a"]);
        let script = Script::parse(&words);
        assert!(!script.label);
        let expected = [Action::Stderr, Action::Status(0), Action::Deselect(b"*"), Action::Select(b""), Action::Log(0)];
        assert_eq!(script.actions, expected);
    }

    #[test]
    fn numbers_wrap() {
        assert_eq!(decimal(b"18446744073709551617"), 1);
        assert_eq!(decimal(b"-1"), 0);
    }

    #[test]
    fn patterns_of_the_manual() {
        for (pattern, line, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("one*", "one", true),
            ("one*", "onetwo", true),
            ("one*", "on", false),
            ("* one", " one", true),
            ("* one", "xy one", true),
            ("* one", "  one", false),
            ("*ab", "xab", true),
            ("*ab", "aab", false),
            ("**", "a*c", true),
            ("**", "abc", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), line.as_bytes()), expected, "{pattern:?} {line:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_pattern_without_stars_matches_itself_only(
            pattern in proptest::collection::vec(b'a'..=b'c', 0..4), line in proptest::collection::vec(b'a'..=b'c', 0..4)
        ) {
            assert_eq!(matches(&pattern, &line), pattern == line);
        }

        #[test]
        fn a_trailing_star_makes_a_prefix(
            pattern in proptest::collection::vec(b'a'..=b'c', 0..4), line in proptest::collection::vec(b'a'..=b'c', 0..6)
        ) {
            let starred: Vec<u8> = pattern.iter().copied().chain([b'*']).collect();
            assert_eq!(matches(&starred, &line), line.starts_with(&pattern));
        }
    }
}
