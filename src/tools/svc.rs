//! svc: sends commands to supervise. svok: tells whether supervise runs.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{self, FcntlArg, OFlag};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::Mode;
use nix::unistd;

use super::errno::text;
use super::options::{self, Options, Wrong};
use super::say;

const COMMANDS: &[u8] = b"udopchaitkx";
const USAGE: &str =
    "svc options: u up, d down, o once, x exit, p pause, c continue, h hup, a alarm, i interrupt, t term, k kill";

/// Opens a file, relative to the working directory, never waiting.
pub(super) fn open(name: &str, access: OFlag) -> nix::Result<OwnedFd> {
    fcntl::open(name, access | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC, Mode::empty())
}

/// Goes to each directory in turn for `visit`, and comes back; gives the exit code. `visit` is told if there is
/// no going there.
pub(super) fn each<'a>(
    tool: &str,
    dirs: &'a [OsString],
    mut visit: impl FnMut(&'a OsStr, nix::Result<()>),
) -> Result<(), u8> {
    let start = open(".", OFlag::O_RDONLY);
    let start = start.map_err(|e| say::fatal(tool, &[&"unable to open current directory: ", &text(e)]))?;
    for dir in dirs {
        visit(dir, unistd::chdir(dir.as_os_str()));
        unistd::fchdir(&start).map_err(|e| say::fatal(tool, &[&"unable to set directory: ", &text(e)]))?;
    }
    Ok(())
}

/// The letters in the order given, each once.
fn commands(options: &mut Options) -> Result<Vec<u8>, Wrong> {
    let mut letters = Vec::with_capacity(COMMANDS.len());
    for option in options {
        let (letter, _) = option?;
        if !letters.contains(&letter) {
            letters.push(letter);
        }
    }
    Ok(letters)
}

/// Sends the letters to the supervise of the working directory.
fn send(dir: &OsStr, letters: &[u8]) {
    let control = match open("supervise/control", OFlag::O_WRONLY) {
        Ok(control) => control,
        Err(errno) => {
            let why = if errno == Errno::ENXIO { "supervise not running" } else { text(errno) };
            return say::warning("svc", &[&"unable to control ", &dir, &": ", &why]);
        }
    };
    if let Err(errno) = write(&control, letters) {
        say::warning("svc", &[&"error writing commands to ", &dir, &": ", &text(errno)]);
    }
}

fn write(control: &OwnedFd, letters: &[u8]) -> nix::Result<()> {
    // Blocking again, as far as that can be had: a full FIFO is waited for.
    let _ = fcntl::fcntl(control, FcntlArg::F_SETFL(OFlag::O_WRONLY));
    let mut left = letters;
    while !left.is_empty() {
        match unistd::write(control, left) {
            Ok(length) => left = &left[length..],
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// svc.
pub(super) fn run(words: &[OsString]) -> u8 {
    // A supervise that goes away is worth a warning, no more. A blocked SIGPIPE is as good as an ignored one.
    let _ = SigSet::from(Signal::SIGPIPE).thread_block();
    let mut options = Options::new(words.get(1..).unwrap_or_default(), COMMANDS, b"");
    let letters = match commands(&mut options) {
        Ok(letters) => letters,
        Err(wrong) => {
            options::complain(words.first(), wrong);
            return say::usage(USAGE);
        }
    };
    let visit = |dir, arrived: nix::Result<()>| match arrived {
        Ok(()) => send(dir, &letters),
        Err(errno) => say::warning("svc", &[&"unable to chdir to ", &dir, &": ", &text(errno)]),
    };
    each("svc", options.operands(), visit).err().unwrap_or(0)
}

/// svok.
pub(super) fn svok(words: &[OsString]) -> u8 {
    let Some(dir) = words.get(1) else { return say::usage("svok: usage: svok dir") };
    if let Err(errno) = unistd::chdir(dir.as_os_str()) {
        return say::fatal("svok", &[&"unable to chdir to ", dir, &": ", &text(errno)]);
    }
    match open("supervise/ok", OFlag::O_WRONLY) {
        Ok(_) => 0,
        Err(Errno::ENOENT | Errno::ENXIO) => say::USAGE,
        Err(errno) => say::fatal("svok", &[&"unable to open ", dir, &"/supervise/ok: ", &text(errno)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_letter_once() {
        let words = ["-dud", "-x", "dir", "-k"].map(OsString::from);
        let mut options = Options::new(&words, COMMANDS, b"");
        assert_eq!(commands(&mut options), Ok(b"dux".to_vec()));
        assert_eq!(options.operands(), ["dir", "-k"]);
    }
}
