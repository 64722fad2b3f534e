//! Waiting for whatever comes first: Ctrl-C, a line, or more of a log.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::http::Stream;
use super::keyboard::Keyboard;
use super::remote::Failure;

/// Ctrl-C ends us again when this is gone.
pub(super) struct Interrupt {
    descriptor: SignalFd,
    before: SigSet,
}

impl Interrupt {
    pub(super) fn catch() -> Result<Self, Failure> {
        let failed = |errno| Failure::Other(format!("cannot wait for Ctrl-C: {errno}"));
        let signals = SigSet::from(Signal::SIGINT);
        let before = SigSet::thread_get_mask().map_err(failed)?;
        signals.thread_block().map_err(failed)?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Self { descriptor: SignalFd::with_flags(&signals, flags).map_err(failed)?, before })
    }
}

impl AsFd for Interrupt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        // What has been pressed here has been answered here.
        while let Ok(Some(_)) = self.descriptor.read_signal() {}
        let _ = self.before.thread_set_mask();
    }
}

/// What can be read.
pub(super) struct Ready {
    pub(super) interrupt: bool,
    pub(super) input: bool,
    /// One for each stream.
    pub(super) streams: Vec<bool>,
}

pub(super) fn wait(interrupt: &Interrupt, streams: &[Stream], with_input: bool) -> Result<Ready, Failure> {
    let stdin = io::stdin();
    let mut asked = vec![PollFd::new(interrupt.as_fd(), PollFlags::POLLIN)];
    asked.extend(streams.iter().map(|stream| PollFd::new(stream.as_fd(), PollFlags::POLLIN)));
    if with_input {
        asked.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
    }
    while let Err(errno) = poll(&mut asked, PollTimeout::NONE) {
        if errno != Errno::EINTR {
            return Err(Failure::Other(format!("cannot wait for the server: {errno}")));
        }
    }
    let mut ready = asked.iter().map(|one| one.any().unwrap_or(true));
    let interrupt = ready.next().unwrap_or(false);
    let streams = ready.by_ref().take(streams.len()).collect();
    Ok(Ready { interrupt, streams, input: ready.next().unwrap_or(false) })
}

/// The next line, once it is there. `None`: there is no more, or Ctrl-C was pressed.
pub(super) fn line(keyboard: &mut Keyboard, interrupt: &Interrupt) -> Option<String> {
    loop {
        if let Some(line) = keyboard.take() {
            return Some(line);
        }
        let ready = wait(interrupt, &[], true).ok()?;
        if ready.interrupt {
            return None;
        }
        if ready.input && !keyboard.fill() {
            return keyboard.take();
        }
    }
}
