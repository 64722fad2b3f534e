//! Standard input and the two signals, both waited for at one place.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io::Stdin;
use std::os::fd::AsFd;

/// What comes next.
#[derive(Debug)]
pub(super) enum Event {
    /// So many bytes were read.
    Data(usize),
    /// The logs are to be rotated.
    Rotate,
    /// Nothing more will be read.
    End,
}

#[derive(Debug)]
pub(super) struct Input {
    signals: SignalFd,
    stdin: Stdin,
    /// TERM was seen: read no further than the end of the line.
    ending: bool,
}

impl Input {
    /// From here on TERM and ALRM are only seen by `next`.
    pub(super) fn open() -> nix::Result<Input> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGTERM);
        signals.add(Signal::SIGALRM);
        signals.thread_block()?;
        let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Input { signals, stdin: std::io::stdin(), ending: false })
    }

    /// Waits for a signal or for data, which go to `room`. Signals go first: what comes after TERM is not
    /// to be touched.
    pub(super) fn next(&mut self, room: &mut [u8], between_lines: bool) -> Event {
        loop {
            let mut waiting = [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN), self.readable()];
            let wait = if self.ending && between_lines { PollTimeout::ZERO } else { PollTimeout::NONE };
            match poll(&mut waiting, wait) {
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                Err(_) => return Event::End,
            }
            let [signal, data] = waiting.map(|file| file.any().unwrap_or(true));
            if signal && self.take_signals() {
                return Event::Rotate;
            }
            if self.ending && between_lines {
                return Event::End;
            }
            if data {
                let len = if self.ending { 1 } else { room.len() };
                match nix::unistd::read(&self.stdin, &mut room[..len]) {
                    Ok(0) => return Event::End,
                    Ok(len) => return Event::Data(len),
                    // Another reader was faster.
                    Err(Errno::EINTR | Errno::EAGAIN) => {}
                    Err(_) => return Event::End,
                }
            }
        }
    }

    fn readable(&self) -> PollFd<'_> {
        PollFd::new(self.stdin.as_fd(), PollFlags::POLLIN)
    }

    /// Takes the signals that have come; whether ALRM is among them.
    fn take_signals(&mut self) -> bool {
        let mut rotate = false;
        while let Ok(Some(info)) = self.signals.read_signal() {
            match Signal::try_from(info.ssi_signo as i32) {
                Ok(Signal::SIGTERM) => self.ending = true,
                _ => rotate = true,
            }
        }
        rotate
    }
}
