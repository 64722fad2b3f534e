//! fghack, pgrphack: for programs that put themselves in the background, or shoot at their process group.

use std::ffi::OsString;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, posix_spawn};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{self, Pid};

use super::chain::{self, Program, Search};
use super::errno::text;
use super::say;

const FGHACK: &str = "fghack";
/// Copies of the pipe that a daemon would have to close to get away.
const COPIES: usize = 30;

/// Starts the program with the leash on it; the answer is its process and the end of the leash to watch.
fn start(words: &[OsString]) -> Result<(Pid, OwnedFd), u8> {
    let (watched, leash) =
        unistd::pipe().map_err(|errno| say::fatal(FGHACK, &[&"unable to create pipe: ", &text(errno)]))?;
    // Copies that cannot be had are done without. The last one takes the place of the end that we watch, so that
    // the child has the descriptors that the original gives it.
    let _copies: Vec<OwnedFd> = (1..COPIES).map_while(|_| unistd::dup(&leash).ok()).collect();
    spawn(words, &watched, &leash).map(|pid| (pid, watched)).map_err(|errno| match errno {
        Errno::EAGAIN | Errno::ENOMEM => say::fatal(FGHACK, &[&"unable to fork: ", &text(errno)]),
        _ => chain::unable(FGHACK, words, errno),
    })
}

/// Not by std's Command: that would change the signal mask and SIGPIPE for the child and hand it to a shell.
fn spawn(words: &[OsString], watched: &OwnedFd, leash: &OwnedFd) -> nix::Result<Pid> {
    let program = Program::new(words);
    let mut actions = PosixSpawnFileActions::init()?;
    actions.add_dup2(leash.as_raw_fd(), watched.as_raw_fd())?;
    let attributes = PosixSpawnAttr::init()?;
    let name = program.words.first().map_or(&b""[..], |name| name.to_bytes());
    Search::new(name).run(|file| posix_spawn(file, &actions, &attributes, &program.words, &program.environment))
}

/// Waits until nobody holds the leash any more.
fn watch(watched: &OwnedFd) {
    let mut discarded = [0; 512];
    while let Ok(1..) | Err(Errno::EINTR) = unistd::read(watched, &mut discarded) {}
}

/// fghack.
pub(super) fn fghack(words: &[OsString]) -> u8 {
    let child = words.get(1..).unwrap_or_default();
    if child.is_empty() {
        return say::usage("fghack: usage: fghack child");
    }
    let (pid, watched) = match start(child) {
        Ok(started) => started,
        Err(code) => return code,
    };
    watch(&watched);
    match waitpid(pid, None) {
        Ok(WaitStatus::Exited(_, code)) => code as u8,
        Ok(_) => say::fatal(FGHACK, &[&"child crashed"]),
        Err(errno) => say::fatal(FGHACK, &[&"wait failed: ", &text(errno)]),
    }
}

/// pgrphack.
pub(super) fn pgrphack(words: &[OsString]) -> u8 {
    let child = words.get(1..).unwrap_or_default();
    if child.is_empty() {
        return say::usage("pgrphack: usage: pgrphack child");
    }
    // The leader of a group cannot make a session, and is none the worse for it.
    let _ = unistd::setsid();
    chain::run("pgrphack", child)
}
