//! One thread for the logs of one file system: looks at pipes in turn, writes what they hold, counts what it cannot.

mod files;
mod tend;

use super::capture::{Books, Capture, Outcome};
use super::command::Command;
use super::directory;
use super::lane::{LARGE, Lane, SMALL};
use super::outbox::Outbox;
use super::pace::Pace;
use super::packer::Packer;
use super::pipes::{is_outlet, open_pipe, open_pipes, second_of, slot_of, token, watch_pipes};
use super::sink::eyes;
use super::slot::{BETWEEN_REPORTS, Memory, Output, Slot, Way, file_of};
use super::trouble::Trouble;
use crate::log::format::Stream;
use crate::log::lookout::Lookout;
use crate::log::order::{Destination, Report};
use crate::log::select::Gate;
use crate::model::logging::{OnFull, StderrTo};
use crate::table::{Losses, Table};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::EventFd;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

/// The epoll token of the bell; all others are pipes.
pub(super) const BELL: u64 = u64::MAX;
/// What is read at most of a pipe that is to be emptied: more than the largest pipe holds, and an
/// end even where something goes on writing.
const LAST_READ: usize = 4 << 20;
/// So many pipes are made to hold more, one mebibyte each: memory that the kernel gives for as long as they are full.
const MOST_GROWN: usize = 16;
/// A file that got nothing for so long is closed.
const IDLE: Duration = Duration::from_secs(2);
/// How long a line may be without its end before what is there of it is written.
const PATIENCE: Duration = Duration::from_secs(1);
/// After a failure it is tried again after so long, then after twice as long, and so on up to a minute.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);

pub(super) struct Worker {
    pub(super) epoll: Arc<Epoll>,
    pub(super) bell: Arc<EventFd>,
    pub(super) commands: Receiver<Command>,
    /// The directory of the pipes.
    pub(super) pipes: Arc<OwnedFd>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) table: Arc<Table>,
    pub(super) lane: Lane,
    /// Its own, as its thread is: a disk that hangs keeps nobody else's logs from being bounded.
    pub(super) packer: Packer,
    pub(super) memory: Memory,
}

impl Worker {
    /// Until told to finish.
    pub(super) fn run(mut self) {
        let mut events = [EpollEvent::empty(); 64];
        let mut pace = Pace::default();
        let mut before = Instant::now();
        loop {
            let ready = match self.epoll.wait(&mut events, timeout(self.memory.deadline, before)) {
                Ok(ready) => ready,
                Err(Errno::EINTR) => continue,
                Err(errno) => unreachable!("waiting on our own epoll set: {errno}"),
            };
            let now = Instant::now();
            let events = &events[..ready];
            // Silenced first: a command that comes from here on rings again.
            if events.iter().any(|event| event.data() == BELL) {
                let _ = self.bell.read();
            }
            if self.obey() {
                return self.packer.finish();
            }
            let pipes = events.iter().map(EpollEvent::data).filter(|data| *data != BELL);
            let bytes = pipes.map(|token| self.told(token, now)).sum();
            if self.memory.deadline.is_some_and(|deadline| deadline <= now) {
                self.tend(now);
            }
            if let Some(pause) = pace.after(now.saturating_duration_since(before), bytes) {
                std::thread::sleep(pause);
            }
            before = Instant::now();
        }
    }

    /// One look at what the kernel tells of: a pipe that holds something, or room where there was none.
    fn told(&mut self, token: u64, now: Instant) -> usize {
        let slot = slot_of(token);
        if is_outlet(token) {
            // Both may have the same file.
            return [false, true].into_iter().map(|second| self.turn(slot, second, now, false)).sum();
        }
        self.turn(slot, second_of(token), now, false)
    }

    /// Carries out what the main thread asked for. True: to end.
    fn obey(&mut self) -> bool {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Attach { slot, pipes, to, rename_from }) => self.attach(slot, pipes, to, rename_from),
                Ok(Command::Open { slot, to, rename_from }) => self.open(slot, to, rename_from),
                Ok(Command::Redirect { slot, to, rename_from }) => self.redirect(slot, to, rename_from),
                Ok(Command::Detach { slot }) => {
                    // What cannot be written now never will be.
                    if let Some(known) = self.memory.slots.get_mut(&slot) {
                        known.to.policy.on_full = OnFull::Drop;
                    }
                    self.empty(slot);
                    self.close_books(slot, Instant::now());
                    self.forget(slot);
                    self.table.set_losses(slot, Losses::default());
                    self.outbox.send(Report::Detached { slot });
                }
                Ok(Command::Watch { slot, run, lookout, fresh }) => self.watch(slot, run, lookout, fresh),
                Ok(Command::Complete { slot }) => self.empty(slot),
                Ok(Command::Tend { slot, rotate, number }) => {
                    self.tend_file(slot, rotate);
                    self.outbox.send(Report::Tended { slot, number });
                }
                Ok(Command::Yield { slot }) => self.forget(slot),
                Ok(Command::Finish) | Err(TryRecvError::Disconnected) => {
                    let slots: Vec<u32> = self.memory.slots.keys().copied().collect();
                    for slot in slots {
                        self.empty(slot);
                        self.close_books(slot, Instant::now());
                    }
                    return true;
                }
                Err(TryRecvError::Empty) => return false,
            }
        }
    }

    fn forget(&mut self, slot: u32) {
        let ways = self.memory.slots.remove(&slot).into_iter().flat_map(|known| known.ways).flatten();
        self.memory.grown -= ways.filter(|way| way.grown == Some(true)).count();
    }

    fn attach(&mut self, slot: u32, pipes: [Option<Arc<OwnedFd>>; 2], to: Destination, from: Option<PathBuf>) {
        let sieve = match self.memory.sieve(to.policy.selection.as_deref()) {
            Ok(sieve) => sieve,
            Err(message) => return self.outbox.send(Report::Refused { slot, message }),
        };
        self.rename(slot, from, &to);
        let mut known = Slot::new(pipes, to, sieve);
        let losses = self.table.losses(slot);
        if losses != Losses::default() {
            known.output = Some(Box::new(Output { losses, loss_unreported: true, ..Output::default() }));
        }
        self.memory.slots.insert(slot, known);
        self.make_files(slot);
        if losses != Losses::default() {
            self.report_loss(slot, Instant::now());
        }
    }

    fn open(&mut self, slot: u32, to: Destination, rename_from: Option<PathBuf>) {
        self.close_all();
        let opened = open_pipes(&self.pipes, slot, &to).and_then(|pipes| {
            watch_pipes(&self.epoll, slot, &pipes)?;
            Ok(pipes)
        });
        match opened {
            Ok(pipes) => self.attach(slot, pipes, to, rename_from),
            Err(errno) => {
                let message = Trouble::Pipe { slot, errno }.to_string();
                self.outbox.send(Report::Refused { slot, message });
            }
        }
    }

    fn watch(&mut self, slot: u32, run: u64, lookout: Option<Lookout>, fresh: bool) {
        let look_for = |worker: &mut Self, what| {
            if let Some(known) = worker.memory.slots.get_mut(&slot) {
                known.watched = what;
            }
        };
        if fresh {
            look_for(self, None);
            self.empty(slot);
        }
        look_for(self, lookout.map(|lookout| Box::new((run, lookout))));
        if fresh {
            self.outbox.send(Report::Watching { slot, run });
        }
    }

    fn redirect(&mut self, slot: u32, to: Destination, rename_from: Option<PathBuf>) {
        self.rename(slot, rename_from, &to);
        self.lane.forget();
        let sieve = self.memory.sieve(to.policy.selection.as_deref());
        let Some(known) = self.memory.slots.get_mut(&slot) else { return };
        match sieve {
            Ok(sieve) => known.sieve = sieve,
            Err(message) => self.outbox.send(Report::Refused { slot, message }),
        }
        let place = |to: &Destination| (to.directory.clone(), to.file, to.owner.clone(), to.policy.way.clone());
        let moves = place(&known.to) != place(&to);
        if moves && let Some(output) = &mut known.output {
            output.close();
        }
        known.to = to;
        if known.to.policy.stderr == StderrTo::Separate
            && known.ways[1].is_none()
            && let Err(errno) = self.open_second(slot)
        {
            // Who writes to it would stand still once it is full.
            let message = Trouble::Pipe { slot, errno }.to_string();
            self.outbox.send(Report::Refused { slot, message });
        }
        if moves {
            self.make_files(slot);
        }
    }

    /// Its stderr has a pipe of its own from now on.
    fn open_second(&mut self, slot: u32) -> Result<(), Errno> {
        let opened = match open_pipe(&self.pipes, slot, true) {
            Err(Errno::EMFILE | Errno::ENFILE) if self.close_all() => open_pipe(&self.pipes, slot, true),
            opened => opened,
        };
        let pipe = Arc::new(opened?);
        watch_pipes(&self.epoll, slot, &[None, Some(pipe.clone())])?;
        if let Some(known) = self.memory.slots.get_mut(&slot) {
            known.ways[1] = Some(Way::new(pipe));
        }
        Ok(())
    }

    fn rename(&self, slot: u32, from: Option<PathBuf>, to: &Destination) {
        self.lane.forget();
        if let Some(from) = from
            && let Err(trouble) = eyes(to).and_then(|_eyes| directory::rename(&from, &to.directory, to.uid()))
        {
            self.outbox.send(Report::Trouble { slot, message: Some(trouble.to_string()) });
        }
    }

    /// One look at one pipe, and what is complete of it written; `all`: all that there is. How many bytes were taken.
    fn turn(&mut self, slot: u32, second: bool, now: Instant, all: bool) -> usize {
        let Self { lane, memory, .. } = self;
        // A slot let go of in this very turn may still have an event.
        let Some(known) = memory.slots.get_mut(&slot) else { return 0 };
        let Some(way) = &mut known.ways[usize::from(second)] else { return 0 };
        let count = match lane.look(&way.pipe, &mut memory.look) {
            Ok(count) => count,
            Err(Errno::EAGAIN) => {
                way.unfinished = None;
                return 0;
            }
            Err(Errno::EINTR) => return 0,
            Err(errno) => {
                way.unfinished = None;
                let trouble = Trouble::Pipe { slot, errno };
                self.outbox.send(Report::Trouble { slot, message: Some(trouble.to_string()) });
                let _ = self.epoll.delete(&way.pipe);
                return 0;
            }
        };
        // Nearly as much as it can hold: who writes it may be waiting.
        if count >= SMALL / 4 * 3 && way.grown.is_none() {
            let grows = memory.grown < MOST_GROWN && lane.reach_far();
            let grows = grows && fcntl(&way.pipe, FcntlArg::F_SETPIPE_SZ(LARGE as i32)).is_ok();
            memory.grown += usize::from(grows);
            way.grown = Some(grows);
        }
        let taken = if count > 0 { self.write(slot, second, count, now, all) } else { 0 };
        self.mind_rest(slot, second, count, taken, now);
        taken
    }

    /// What is left in a pipe is told of by edges, and waited for.
    fn mind_rest(&mut self, slot: u32, second: bool, count: usize, taken: usize, now: Instant) {
        let Some(known) = self.memory.slots.get_mut(&slot) else { return };
        let Some(way) = &mut known.ways[usize::from(second)] else { return };
        let edges = taken == 0;
        if way.edges != edges {
            way.edges = edges;
            let flag = if edges { EpollFlags::EPOLLET } else { EpollFlags::empty() };
            let _ = self.epoll.modify(&way.pipe, &mut EpollEvent::new(EpollFlags::EPOLLIN | flag, token(slot, second)));
        }
        way.unfinished = (count > taken).then(|| way.unfinished.filter(|_| edges).unwrap_or(now));
        if way.unfinished == Some(now) {
            self.wake_for(slot, now + PATIENCE);
        }
    }

    /// Writes what was looked at, as far as it is complete; counts what cannot be written. How much was taken.
    fn write(&mut self, slot: u32, second: bool, count: usize, now: Instant, all: bool) -> usize {
        let mut outcome = self.capture(slot, second, 0..count, now, all);
        if outcome.trouble.as_ref().is_some_and(Trouble::is_want_of_descriptors) && self.close_all() {
            let before = outcome.taken;
            outcome = self.capture(slot, second, before..count, now, all);
            outcome.taken += before;
        }
        let Some(known) = self.memory.slots.get_mut(&slot) else { return 0 };
        let seen = known.watched.take_if(|watched| watched.1.sees(&self.memory.look[..outcome.taken]));
        let Some(output) = known.output.as_mut() else { return 0 };
        output.last_used = Some(now);
        let fare = &mut output.fares[file_of(&known.to, second)];
        // A reader that makes room at once is no trouble.
        let is_news =
            fare.retry.is_some_and(|(at, _)| at <= now) || !outcome.trouble.as_ref().is_some_and(Trouble::is_slowness);
        fare.retry = outcome.trouble.is_some().then(|| {
            let wait = fare.retry.map_or(FIRST_RETRY, |(_, wait)| (wait * 2).min(LAST_RETRY));
            (now + wait, wait)
        });
        let retry = fare.retry.map_or(now + IDLE, |(at, _)| at);
        if fare.trouble != outcome.trouble && is_news {
            fare.trouble = outcome.trouble;
            let message = output.trouble();
            self.outbox.send(Report::Trouble { slot, message });
        }
        let next = retry.min(output.limited_at(now).unwrap_or(now + IDLE));
        let report = output.loss_unreported && output.last_report.is_none_or(|last| now - last >= BETWEEN_REPORTS);
        self.wake_for(slot, next);
        if report {
            self.report_loss(slot, now);
        }
        // Told once it stands in the log, where people then look for it.
        if let Some(watched) = seen {
            self.outbox.send(Report::Matched { slot, run: watched.0 });
        }
        outcome.taken
    }

    fn capture(&mut self, slot: u32, second: bool, part: Range<usize>, now: Instant, all: bool) -> Outcome {
        if self.memory.slots.get(&slot).is_some_and(|known| known.to.policy.files().is_some()) {
            return self.write_raw(slot, second, part, all);
        }
        let Self { lane, memory, table, packer, .. } = self;
        let Memory { slots, look, scratch, .. } = memory;
        let Some(Slot { ways, to, output, sieve, .. }) = slots.get_mut(&slot) else { return Outcome::default() };
        let stream = match (to.policy.stderr, second) {
            (_, true) => Stream::Err,
            (StderrTo::Merge, false) => Stream::Both,
            (StderrTo::Separate | StderrTo::Discard, false) => Stream::Out,
        };
        let Some(way) = &mut ways[usize::from(second)] else { return Outcome::default() };
        let output = output.get_or_insert_default();
        let gate = Gate { within: way.within, bucket: output.bucket };
        let tells_limited = output.tells_limited(now);
        let mut books = Books { losses: output.losses, gate, tells_limited };
        let (pid, pipe, sieve) = (table.pid(slot), &way.pipe, sieve.as_deref());
        let capture = Capture { lane, packer, slot, pipe, stream, to, sieve, pid, all };
        let outcome = capture.write(&look[part], &mut output.sink, &mut books, scratch);
        if tells_limited && !books.tells_limited {
            output.last_limited = Some(now);
        }
        output.loss_unreported |= output.losses.total() != books.losses.total();
        (output.losses, output.bucket, way.within) = (books.losses, books.gate.bucket, books.gate.within);
        outcome
    }

    /// Looks at a pipe until nothing is left, and writes it.
    fn empty(&mut self, slot: u32) {
        for second in [false, true] {
            let mut total = 0;
            while total < LAST_READ {
                match self.turn(slot, second, Instant::now(), true) {
                    0 => break,
                    count => total += count,
                }
            }
        }
    }
}

/// Until the deadline; for ever without one.
fn timeout(deadline: Option<Instant>, now: Instant) -> EpollTimeout {
    let Some(deadline) = deadline else { return EpollTimeout::NONE };
    // A millisecond more, since the kernel counts in whole ones and too early would be once more.
    let left = deadline.saturating_duration_since(now) + Duration::from_millis(1);
    EpollTimeout::try_from(left).unwrap_or(EpollTimeout::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests;
