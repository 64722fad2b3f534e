//! The small programs of daemontools and supervisord, under their old names.

mod chain;
mod echo_supervisord_conf;
mod envdir;
pub mod errno;
mod filter;
mod hacks;
pub mod links;
mod multilog;
mod number;
mod options;
mod pidproxy;
mod readproctitle;
mod say;
mod setlock;
mod softlimit;
mod svc;
mod svscanboot;
mod svstat;
mod tai64n;
mod tai64nlocal;
mod uidgid;

use crate::host::sys::inherited;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Runs the tool that `words` ask for, be it by `abide tool NAME` or by the name of a link; gives its exit code. `None`:
/// they ask for none.
pub fn answer(words: &[OsString]) -> Option<u8> {
    if words.get(1).is_some_and(|word| word == "tool") {
        return run(words.get(2)?.to_str()?, &words[2..]);
    }
    let name = words.first()?.as_bytes().rsplit(|&byte| byte == b'/').next()?;
    run(OsStr::from_bytes(name).to_str()?, words)
}

/// Runs the tool `name` with its words (`words[0]` is `argv[0]`) and gives its exit code; `None` if there is no
/// such tool.
pub fn run(name: &str, words: &[OsString]) -> Option<u8> {
    let tool = find(name)?;
    // A multilog whose errors nobody reads any more has still a log to write.
    if name != "multilog" {
        inherited::restore();
    }
    Some(tool(words))
}

/// What whoever asked for no tool is told; the exit code.
pub fn none() -> u8 {
    say::usage("abide-tools: usage: abide-tools tool NAME [ARGUMENT...], or by way of a link of that name")
}

fn find(name: &str) -> Option<fn(&[OsString]) -> u8> {
    Some(match name {
        "echo_supervisord_conf" => echo_supervisord_conf::run,
        "envdir" => envdir::run,
        "envuidgid" => uidgid::envuidgid,
        "fghack" => hacks::fghack,
        "multilog" => multilog::run,
        "pgrphack" => hacks::pgrphack,
        "pidproxy" => pidproxy::run,
        "readproctitle" => readproctitle::run,
        "setlock" => setlock::run,
        "setuidgid" => uidgid::setuidgid,
        "softlimit" => softlimit::run,
        "svc" => svc::run,
        "svok" => svc::svok,
        "svscanboot" => svscanboot::run,
        "svstat" => svstat::run,
        "tai64n" => tai64n::run,
        "tai64nlocal" => tai64nlocal::run,
        _ => return None,
    })
}
