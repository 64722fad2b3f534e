//! softlimit: runs a program with other soft resource limits.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

use super::chain::{self, Program};
use super::errno::text;
use super::options::{self, Options};
use super::{number, say};

const TOOL: &str = "softlimit";
const VALUED: &[u8] = b"acdflmoprst";
const USAGE: &str = "softlimit: usage: softlimit [-a allbytes] [-c corebytes] [-d databytes] [-f filebytes] \
    [-l lockbytes] [-m membytes] [-o openfiles] [-p processes] [-r residentbytes] [-s stackbytes] [-t cpusecs] child";

/// The limits that an option sets.
fn resources(letter: u8) -> &'static [Resource] {
    use Resource::{
        RLIMIT_AS, RLIMIT_CORE, RLIMIT_CPU, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_MEMLOCK, RLIMIT_NOFILE, RLIMIT_NPROC,
        RLIMIT_RSS, RLIMIT_STACK,
    };
    match letter {
        b'a' => &[RLIMIT_AS],
        b'c' => &[RLIMIT_CORE],
        b'd' => &[RLIMIT_DATA],
        b'f' => &[RLIMIT_FSIZE],
        b'l' => &[RLIMIT_MEMLOCK],
        b'm' => &[RLIMIT_DATA, RLIMIT_STACK, RLIMIT_MEMLOCK, RLIMIT_AS],
        b'o' => &[RLIMIT_NOFILE],
        b'p' => &[RLIMIT_NPROC],
        b'r' => &[RLIMIT_RSS],
        b's' => &[RLIMIT_STACK],
        b't' => &[RLIMIT_CPU],
        _ => &[],
    }
}

/// The soft limit that a value asks for under this hard limit; `None` if it is no value.
fn soft(value: &OsStr, hard: rlim_t) -> Option<rlim_t> {
    let value = value.as_bytes();
    if value == b"=" {
        return Some(hard);
    }
    let (number, length) = number::scan(value);
    (length == value.len()).then_some(number.min(hard))
}

fn set(letter: u8, value: &OsStr) -> Result<(), u8> {
    for &resource in resources(letter) {
        let (_, hard) =
            getrlimit(resource).map_err(|errno| say::fatal(TOOL, &[&"getrlimit failed: ", &text(errno)]))?;
        let soft = soft(value, hard).ok_or_else(|| say::usage(USAGE))?;
        setrlimit(resource, soft, hard).map_err(|errno| say::fatal(TOOL, &[&"setrlimit failed: ", &text(errno)]))?;
    }
    Ok(())
}

/// Sets the limits one after the other. Allocates nothing: those on memory are in force at once.
fn apply(words: &[OsString], options: &mut Options) -> Result<(), u8> {
    for option in options {
        let (letter, value) = option.map_err(|wrong| {
            options::complain(words.first(), wrong);
            say::usage(USAGE)
        })?;
        set(letter, value)?;
    }
    Ok(())
}

/// The tool.
pub(super) fn run(words: &[OsString]) -> u8 {
    let mut options = Options::new(words.get(1..).unwrap_or_default(), b"", VALUED);
    let mut ahead = options.clone();
    ahead.by_ref().for_each(drop);
    let program = Program::new(ahead.operands());
    let prepared = program.prepare();
    if let Err(code) = apply(words, &mut options) {
        return code;
    }
    match options.operands() {
        [] => say::usage(USAGE),
        child => chain::unable(TOOL, child, prepared.exec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let soft = |value: &str, hard| soft(OsStr::new(value), hard);
        assert_eq!(soft("=", 7), Some(7));
        assert_eq!(soft("", 7), Some(0));
        assert_eq!(soft("5", 7), Some(5));
        assert_eq!(soft("9", 7), Some(7));
        assert_eq!(soft("18446744073709551617", 7), Some(1));
        assert_eq!(soft("18446744073709551615", rlim_t::MAX), Some(rlim_t::MAX));
        assert_eq!((soft("5k", 7), soft("-1", 7), soft("==", 7)), (None, None, None));
    }

    #[test]
    fn every_option_sets_something() {
        assert!(VALUED.iter().all(|&letter| !resources(letter).is_empty()));
    }
}
