//! setlock: runs a program with a file locked.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{self, Flock, FlockArg, OFlag};
use nix::sys::stat::Mode;

use super::errno::text;
use super::options::{self, Options, Wrong};
use super::{chain, say};

const TOOL: &str = "setlock";

/// What the options say.
#[derive(Clone, Copy, Default)]
struct Manner {
    no_wait: bool,
    silent: bool,
}

fn manner(options: &mut Options) -> Result<Manner, Wrong> {
    let mut manner = Manner::default();
    for option in options {
        match option?.0 {
            b'n' => manner.no_wait = true,
            b'N' => manner.no_wait = false,
            b'x' => manner.silent = true,
            _ => manner.silent = false,
        }
    }
    Ok(manner)
}

/// The locked file, open also in a program we become; or what could not be done.
fn lock(file: &OsStr, manner: Manner) -> Result<Flock<OwnedFd>, (&'static str, Errno)> {
    let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_APPEND | OFlag::O_CREAT;
    let opened = fcntl::open(file, flags, Mode::S_IRUSR | Mode::S_IWUSR);
    let opened = opened.map_err(|errno| ("unable to open ", errno))?;
    let how = if manner.no_wait { FlockArg::LockExclusiveNonblock } else { FlockArg::LockExclusive };
    Flock::lock(opened, how).map_err(|(_, errno)| ("unable to lock ", errno))
}

/// The tool.
pub(super) fn run(words: &[OsString]) -> u8 {
    const USAGE: &str = "setlock: usage: setlock [ -nNxX ] file program [ arg ... ]";
    let mut options = Options::new(words.get(1..).unwrap_or_default(), b"nNxX", b"");
    let manner = match manner(&mut options) {
        Ok(manner) => manner,
        Err(wrong) => {
            options::complain(words.first(), wrong);
            return say::usage(USAGE);
        }
    };
    let [file, program @ ..] = options.operands() else { return say::usage(USAGE) };
    if program.is_empty() {
        return say::usage(USAGE);
    }
    match lock(file, manner) {
        Ok(_lock) => chain::run(TOOL, program),
        Err(_) if manner.silent => 0,
        Err((what, errno)) => say::fatal(TOOL, &[&what, file, &": ", &text(errno)]),
    }
}
