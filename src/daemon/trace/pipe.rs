//! The pipe of slot 0: where the lines for the file go, never waited for.
//!
//! Lines of one change go together: each write wakes the logger.

use std::io::{Result, Write};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is written up to this size is written whole or not at all (pipe(7)).
const WHOLE: usize = libc::PIPE_BUF;

/// The pipe of slot 0, and how many lines found no room in it.
#[derive(Debug)]
pub(super) struct Pipe {
    lines: Mutex<Lines>,
    dropped: AtomicU64,
}

impl Pipe {
    pub(super) fn new(fd: OwnedFd) -> Self {
        let lines = Lines { fd, torn: Vec::new(), held: Vec::new(), holding: false };
        Self { lines: Mutex::new(lines), dropped: AtomicU64::new(0) }
    }

    /// How many lines found no room, or not wholly.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// From now on lines are held back.
    pub(super) fn hold(&self) {
        self.lines().holding = true;
    }

    /// Writes what was held back.
    pub(super) fn release(&self) {
        let mut lines = self.lines();
        lines.holding = false;
        lines.write_held(&self.dropped);
    }

    /// The last chance of all that waits.
    pub(super) fn finish(&self) {
        let mut lines = self.lines();
        lines.write_held(&self.dropped);
        lines.finish(&self.dropped);
    }

    /// What was held back must not die with us: it may tell why.
    pub(super) fn rescue(&self) {
        if let Ok(mut lines) = self.lines.try_lock() {
            lines.write_held(&self.dropped);
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Lines {
    fd: OwnedFd,
    /// The end of a line longer than `PIPE_BUF` that found no room: the next thing to be written, so that no line is torn.
    torn: Vec<u8>,
    /// Lines that wait for others to join them.
    held: Vec<u8>,
    holding: bool,
}

impl Lines {
    /// Holds a line back, or writes it.
    fn take(&mut self, line: &[u8], dropped: &AtomicU64) {
        if self.held.len() + line.len() > WHOLE {
            self.write_held(dropped);
        }
        if self.holding && line.len() <= WHOLE {
            self.held.extend_from_slice(line);
        } else {
            self.put(line, dropped);
        }
    }

    /// Writes what was held back: all at once, and where there is no room for all, line by line.
    fn write_held(&mut self, dropped: &AtomicU64) {
        if self.held.is_empty() {
            return;
        }
        self.mend();
        let is_whole = self.torn.is_empty() && nix::unistd::write(&self.fd, &self.held).is_ok();
        let held = std::mem::take(&mut self.held);
        for line in held.split_inclusive(|byte| *byte == b'\n').filter(|_| !is_whole) {
            self.put(line, dropped);
        }
        self.held = held;
        self.held.clear();
    }

    /// Writes a line, or drops it whole.
    fn put(&mut self, line: &[u8], dropped: &AtomicU64) {
        self.mend();
        let written = if self.torn.is_empty() { nix::unistd::write(&self.fd, line).unwrap_or(0) } else { 0 };
        if written == 0 {
            dropped.fetch_add(1, Ordering::Relaxed);
        } else {
            self.torn.extend_from_slice(&line[written..]);
        }
    }

    fn mend(&mut self) {
        if !self.torn.is_empty()
            && let Ok(written) = nix::unistd::write(&self.fd, &self.torn)
        {
            self.torn.drain(..written);
        }
    }

    /// The last chance of a torn line.
    fn finish(&mut self, dropped: &AtomicU64) {
        self.mend();
        if !std::mem::take(&mut self.torn).is_empty() {
            dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The subscriber writes each event in one call.
impl Write for &Pipe {
    fn write(&mut self, line: &[u8]) -> Result<usize> {
        self.lines().take(line, &self.dropped);
        Ok(line.len())
    }
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
