//! `svscan` and `supervise`: what they refuse, in daemontools' own words, and then abide's engine in their place.
//!
//! Where abide is in a guise it has a directory of its own for each directory that it is for, found again by device and
//! inode: who comes after one that was killed goes on with what runs.

mod supervise;

use super::args::{Cli, Command};
use super::{exit, run};
use crate::daemon::paths::Places;
use crate::model::guise::Guise;
use crate::tools::errno;
use clap::Parser;
use nix::errno::Errno;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Exit codes of daemontools: wrong usage, and all else that fails.
const USAGE: u8 = 100;
const FAILED: u8 = 111;

/// Is svscan or supervise, if `words` ask for one, by the name of a link or as `abide tool NAME`; gives its exit code.
/// `None`: they ask for neither.
pub(super) fn answer(words: &[OsString]) -> Option<u8> {
    let by_name = || words.first()?.as_bytes().rsplit(|&byte| byte == b'/').next();
    let (name, operands) = match words.get(1) {
        Some(word) if word == "tool" => (words.get(2)?.as_bytes(), words.get(3..)),
        _ => (by_name()?, words.get(1..)),
    };
    let operands = operands.unwrap_or_default();
    match name {
        b"svscan" => Some(svscan(operands)),
        b"supervise" => Some(supervise::supervise(operands)),
        _ => None,
    }
}

fn svscan(operands: &[OsString]) -> u8 {
    if let Some(directory) = operands.first()
        && let Err(error) = std::env::set_current_dir(directory)
    {
        return refuse("svscan", "unable to chdir to ", directory, &error);
    }
    let here = match std::env::current_dir() {
        Ok(here) => here,
        Err(error) => return fatal("svscan", &format!("unable to find out where this is: {}", words_of(&error))),
    };
    match apart("svscan") {
        Ok(places) => play(&Guise::Svscan, &places, &here),
        Err(code) => code,
    }
}

/// The locations of an abide that is `name` for the directory that we are in, all of them made.
fn apart(name: &str) -> Result<Places, u8> {
    let found = std::fs::metadata(".").map_err(|error| refuse(name, "unable to stat ", OsStr::new("."), &error))?;
    let uid = nix::unistd::geteuid().as_raw();
    let own = format!("{name}-{:x}-{:x}", found.dev(), found.ino());
    let places = Places::apart(&own, uid, |variable| std::env::var(variable).ok());
    let made = places.and_then(|places| places.make(uid).map(|()| places));
    made.map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        fatal(name, &format!("{error}{cause}"))
    })
}

/// Is abide in that guise, on the services in `directory`.
fn play(guise: &Guise, places: &Places, directory: &Path) -> u8 {
    let words = words(guise, places, directory);
    match Cli::try_parse_from(&words).map(|cli| cli.command) {
        Ok(Command::Run(args)) => run::run(args, &words),
        Ok(_) => exit::ERRORS,
        Err(error) => fatal(guise.name(), &error.to_string()),
    }
}

/// As `abide run` would be called.
fn words(guise: &Guise, places: &Places, directory: &Path) -> Vec<OsString> {
    let mut words: Vec<OsString> = ["abide", "run", "--guise"].map(OsString::from).to_vec();
    words.push(guise.to_string().into());
    let config = places.config.clone().unwrap_or_default();
    let named = [
        ("--config", &config),
        ("--runtime-dir", &places.runtime),
        ("--state-dir", &places.state),
        ("--log-dir", &places.log),
    ];
    words.extend(named.into_iter().flat_map(|(option, path)| [option.into(), path.clone().into_os_string()]));
    words.extend(["--".into(), directory.as_os_str().to_owned()]);
    words
}

/// A system error in daemontools' words; what none of these is, in its own.
fn words_of(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), |number| errno::text(Errno::from_raw(number)).to_owned())
}

/// `NAME: fatal: WHAT PATH: WHY`; gives the exit code.
fn refuse(name: &str, what: &str, path: &OsStr, error: &io::Error) -> u8 {
    let line = [name, ": fatal: ", what].map(str::as_bytes).concat();
    say(&[&line, path.as_bytes(), b": ", words_of(error).as_bytes(), b"\n"].concat());
    FAILED
}

/// `NAME: fatal: WHY`; gives the exit code.
fn fatal(name: &str, why: &str) -> u8 {
    say(format!("{name}: fatal: {why}\n").as_bytes());
    FAILED
}

fn say(line: &[u8]) {
    // There is nowhere to tell if that fails.
    let _ = io::stderr().write_all(line);
}
