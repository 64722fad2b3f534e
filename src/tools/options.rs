//! Options as svc, softlimit and setlock read them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::say;

/// The options of a command line, one by one; what is left when they end are the operands.
#[derive(Clone)]
pub(super) struct Options<'a> {
    words: &'a [OsString],
    /// Options that stand alone.
    flags: &'static [u8],
    /// Options that take an argument.
    valued: &'static [u8],
    /// Rest of the cluster being read.
    cluster: &'a [u8],
}

/// What is wrong with an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    Illegal(u8),
    NoArgument(u8),
}

impl<'a> Options<'a> {
    /// `words` are those after `argv[0]`.
    pub(super) fn new(words: &'a [OsString], flags: &'static [u8], valued: &'static [u8]) -> Self {
        Options { words, flags, valued, cluster: b"" }
    }

    /// The operands, once the options are through.
    pub(super) fn operands(&self) -> &'a [OsString] {
        self.words
    }

    /// Goes on to the next cluster; `None` at the end of the options.
    fn open_cluster(&mut self) -> Option<()> {
        let (first, rest) = self.words.split_first()?;
        match first.as_bytes() {
            // Whatever follows the dashes is eaten with them.
            [b'-', b'-', ..] => {
                self.words = rest;
                None
            }
            [b'-', cluster @ ..] if !cluster.is_empty() => {
                self.words = rest;
                self.cluster = cluster;
                Some(())
            }
            _ => None,
        }
    }

    /// The rest of the cluster, or else the next word.
    fn argument(&mut self) -> Option<&'a OsStr> {
        let attached = std::mem::take(&mut self.cluster);
        if !attached.is_empty() {
            return Some(OsStr::from_bytes(attached));
        }
        let (next, rest) = self.words.split_first()?;
        self.words = rest;
        Some(next)
    }
}

impl<'a> Iterator for Options<'a> {
    /// The letter and its argument, which is empty for a flag.
    type Item = Result<(u8, &'a OsStr), Wrong>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.cluster.is_empty() {
            self.open_cluster()?;
        }
        let (&letter, rest) = self.cluster.split_first()?;
        self.cluster = rest;
        if self.flags.contains(&letter) {
            return Some(Ok((letter, OsStr::new(""))));
        }
        if !self.valued.contains(&letter) {
            return Some(Err(Wrong::Illegal(letter)));
        }
        Some(self.argument().map(|value| (letter, value)).ok_or(Wrong::NoArgument(letter)))
    }
}

/// Says what is wrong, under the name the tool was called by.
pub(super) fn complain(called: Option<&OsString>, wrong: Wrong) {
    let called = called.map_or(&b""[..], |word| word.as_bytes());
    let name = called.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let (problem, letter) = match wrong {
        Wrong::Illegal(letter) => (": illegal option -- ", letter),
        Wrong::NoArgument(letter) => (": option requires an argument -- ", letter),
    };
    say::line(&[&OsStr::from_bytes(name), &problem], &[&OsStr::from_bytes(&[letter])]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is read, each option as `LETTER=VALUE`; and the operands.
    fn read(words: &[&str]) -> (Vec<String>, Vec<String>) {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let mut options = Options::new(&words, b"nx", b"c");
        let seen = options.by_ref().map(|item| match item {
            Ok((letter, value)) => format!("{}={}", char::from(letter), value.to_string_lossy()),
            Err(wrong) => format!("{wrong:?}"),
        });
        let seen = seen.collect();
        (seen, options.operands().iter().map(|word| word.to_string_lossy().into_owned()).collect())
    }

    #[test]
    fn clusters_and_arguments() {
        assert_eq!(read(&["-nc0", "-xc", "", "a", "-n"]).0, ["n=", "c=0", "x=", "c="]);
        assert_eq!(read(&["-nc0", "-xc", "", "a", "-n"]).1, ["a", "-n"]);
        assert_eq!(read(&["-c"]).0, ["NoArgument(99)"]);
        assert_eq!(read(&["-n-"]).0, ["n=", "Illegal(45)"]);
    }

    #[test]
    fn where_options_end() {
        assert_eq!(read(&["-n", "--", "-x"]).1, ["-x"]);
        assert_eq!(read(&["--long", "-x"]).1, ["-x"]);
        assert_eq!(read(&["-", "-x"]).1, ["-", "-x"]);
        assert_eq!(read(&["", "-x"]).1, ["", "-x"]);
    }

    proptest! {
        #[test]
        fn operands_are_a_tail_of_the_words(words in prop::collection::vec("[-ncxz]{0,4}", 0..6)) {
            let borrowed: Vec<&str> = words.iter().map(String::as_str).collect();
            prop_assert!(words.ends_with(&read(&borrowed).1));
        }
    }
}
