//! Runs a processor over `previous`, until it succeeds. The log directory is the working directory.

use nix::errno::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};

use super::files;
use super::trouble::{fatal, insist, pause};
use crate::host::sys::processor;

/// Where the processor finds its state, and puts the new one.
const STATE: i32 = 4;
const NEW_STATE: i32 = 5;

/// What became of one run.
enum Outcome {
    Done,
    Failed,
    Crashed,
    Lost(Errno),
}

/// Runs the command until it succeeds; `name` is the directory's in messages.
pub(super) fn run(name: &[u8], command: &[u8]) {
    loop {
        match attempt(name, command) {
            Outcome::Done => return,
            Outcome::Failed => {}
            Outcome::Crashed => pause(&[b"processor crashed in ", name], Some(Errno::UnknownErrno)),
            Outcome::Lost(error) => pause(&[b"wait failed for processor in ", name], Some(error)),
        }
        pause(&[b"processor failed in ", name], None);
    }
}

fn attempt(name: &[u8], command: &[u8]) -> Outcome {
    let mut shell = match prepare(command) {
        Ok(shell) => shell,
        Err(error) => return refused(command, error),
    };
    let spawned = insist(&[b"unable to fork for processor in ", name], || match shell.spawn() {
        Ok(child) => Ok(Ok(child)),
        Err(error) => match errno(&error) {
            error @ (Errno::EAGAIN | Errno::ENOMEM) => Err(error),
            error => Ok(Err(error)),
        },
    });
    match spawned.map(|mut child| child.wait()) {
        Ok(Ok(status)) => judge(status),
        Ok(Err(error)) => Outcome::Lost(errno(&error)),
        Err(error) => refused(command, error),
    }
}

fn refused(command: &[u8], error: Errno) -> Outcome {
    fatal(&[b"unable to run ", command], error);
    Outcome::Failed
}

fn judge(status: ExitStatus) -> Outcome {
    match (status.signal(), status.success()) {
        (Some(_), _) => Outcome::Crashed,
        (None, true) => Outcome::Done,
        (None, false) => Outcome::Failed,
    }
}

/// The command with its four files. They are emptied anew for each run.
fn prepare(command: &[u8]) -> nix::Result<Command> {
    let previous = files::read("previous")?;
    let processed = files::create("processed")?;
    let state = files::read("state")?;
    let new_state = files::create("newstate")?;
    let mut shell = Command::new("/bin/sh");
    shell.arg0("sh").arg("-c").arg(OsStr::from_bytes(command)).stdin(previous).stdout(processed);
    // Both descriptors are taken here: signals and log directory were opened before any other file.
    processor::equip(&mut shell, [(state, STATE), (new_state, NEW_STATE)]);
    Ok(shell)
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clean_exit_is_success() {
        assert!(matches!(judge(ExitStatus::from_raw(0)), Outcome::Done));
        assert!(matches!(judge(ExitStatus::from_raw(1 << 8)), Outcome::Failed));
        assert!(matches!(judge(ExitStatus::from_raw(9)), Outcome::Crashed));
    }
}
