//! One thread for the logs of one file system: reads pipes in turn, writes what they hold, counts what it cannot.

use super::directory;
use super::outbox::Outbox;
use super::pace::Pace;
use super::sink::{Sink, eyes};
use super::trouble::Trouble;
use crate::log::lookout::Lookout;
use crate::log::order::{Destination, Report};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::stat::Mode;
use nix::unistd::read;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// The epoll token of the bell; all others are slots.
pub(super) const BELL: u64 = u64::MAX;
/// One read, hence the share of each pipe in a turn. Touched only as far as something is read.
const BUFFER: usize = 64 << 10;
/// What is read at most of a pipe that is to be emptied: more than the largest pipe holds, and an
/// end even where something goes on writing.
const LAST_READ: usize = 4 << 20;
/// A file that got nothing for so long is closed.
const IDLE: Duration = Duration::from_secs(2);
/// The least time between two reports on what one slot lost.
const BETWEEN_REPORTS: Duration = Duration::from_secs(1);

/// What the main thread tells a worker. Its epoll set already holds the pipe.
pub(super) enum Command {
    Attach {
        slot: u32,
        pipe: Arc<OwnedFd>,
        to: Destination,
        rename_from: Option<PathBuf>,
    },
    /// The same, but no descriptor was free for the pipe: it is to be opened once files are closed.
    Open {
        slot: u32,
        to: Destination,
        rename_from: Option<PathBuf>,
    },
    Redirect {
        slot: u32,
        to: Destination,
        rename_from: Option<PathBuf>,
    },
    Detach {
        slot: u32,
    },
    /// Look for a line on behalf of a run; if `fresh`, only in what comes after what the pipe holds now.
    Watch {
        slot: u32,
        run: u64,
        lookout: Option<Lookout>,
        fresh: bool,
    },
    /// Another worker reads it from now on.
    Yield {
        slot: u32,
    },
    /// Empty all pipes and end.
    Finish,
}

pub(super) struct Worker {
    epoll: Arc<Epoll>,
    bell: Arc<nix::sys::eventfd::EventFd>,
    commands: Receiver<Command>,
    /// The directory of the pipes.
    pipes: Arc<OwnedFd>,
    outbox: Arc<Outbox>,
    slots: HashMap<u32, Slot>,
    /// Slots with an open file or an unreported loss: those that need a clock.
    active: Vec<u32>,
    buffer: Vec<u8>,
}

struct Slot {
    pipe: Arc<OwnedFd>,
    to: Destination,
    /// Made with the first byte: most slots of a machine are silent.
    output: Option<Box<Output>>,
    /// What is looked for in it, and for which run.
    watched: Option<Box<(u64, Lookout)>>,
}

impl Slot {
    fn new(pipe: Arc<OwnedFd>, to: Destination) -> Self {
        Self { pipe, to, output: None, watched: None }
    }
}

#[derive(Default)]
struct Output {
    sink: Sink,
    last_used: Option<Instant>,
    bytes_lost: u64,
    lines_lost: u64,
    loss_unreported: bool,
    last_report: Option<Instant>,
    trouble: Option<Trouble>,
    /// Whether it stands in the worker's list.
    active: bool,
    /// Nobody holds the pipe open: watched by edges, since its end would be readable for ever.
    hung_up: bool,
}

impl Worker {
    pub(super) fn new(
        epoll: Arc<Epoll>,
        bell: Arc<nix::sys::eventfd::EventFd>,
        commands: Receiver<Command>,
        pipes: Arc<OwnedFd>,
        outbox: Arc<Outbox>,
    ) -> Self {
        let (slots, active) = (HashMap::new(), Vec::new());
        Self { epoll, bell, commands, pipes, outbox, slots, active, buffer: vec![0; BUFFER] }
    }

    /// Until told to finish.
    pub(super) fn run(mut self) {
        let mut events = [EpollEvent::empty(); 64];
        let mut pace = Pace::default();
        let mut deadline: Option<Instant> = None;
        let mut before = Instant::now();
        loop {
            let ready = match self.epoll.wait(&mut events, timeout(deadline, before)) {
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
                return;
            }
            let slots = events.iter().map(EpollEvent::data).filter(|data| *data != BELL);
            let bytes = slots.map(|slot| self.turn(slot as u32, now)).sum();
            if !self.active.is_empty() && deadline.is_none_or(|deadline| deadline <= now) {
                deadline = self.tend(now);
            }
            if let Some(pause) = pace.after(now.saturating_duration_since(before), bytes) {
                std::thread::sleep(pause);
            }
            before = Instant::now();
        }
    }

    /// Carries out what the main thread asked for. True: to end.
    fn obey(&mut self) -> bool {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Attach { slot, pipe, to, rename_from }) => {
                    self.rename(slot, rename_from, &to);
                    self.slots.insert(slot, Slot::new(pipe, to));
                }
                Ok(Command::Open { slot, to, rename_from }) => self.open(slot, to, rename_from),
                Ok(Command::Redirect { slot, to, rename_from }) => self.redirect(slot, to, rename_from),
                Ok(Command::Detach { slot }) => {
                    self.empty(slot);
                    self.report_loss(slot, Instant::now());
                    self.slots.remove(&slot);
                    self.outbox.send(Report::Detached { slot });
                }
                Ok(Command::Watch { slot, run, lookout, fresh }) => self.watch(slot, run, lookout, fresh),
                Ok(Command::Yield { slot }) => drop(self.slots.remove(&slot)),
                Ok(Command::Finish) | Err(std::sync::mpsc::TryRecvError::Disconnected) => {
                    let slots: Vec<u32> = self.slots.keys().copied().collect();
                    for slot in slots {
                        self.empty(slot);
                        self.report_loss(slot, Instant::now());
                    }
                    return true;
                }
                Err(std::sync::mpsc::TryRecvError::Empty) => return false,
            }
        }
    }

    fn open(&mut self, slot: u32, to: Destination, rename_from: Option<PathBuf>) {
        self.rename(slot, rename_from, &to);
        self.close_all();
        let watched = open_pipe(&self.pipes, slot).map(Arc::new).and_then(|pipe| {
            self.epoll.add(&*pipe, EpollEvent::new(EpollFlags::EPOLLIN, slot.into()))?;
            Ok(pipe)
        });
        match watched {
            Ok(pipe) => drop(self.slots.insert(slot, Slot::new(pipe, to))),
            Err(errno) => {
                let message = Trouble::Pipe { slot, errno }.to_string();
                self.outbox.send(Report::Refused { slot, message });
            }
        }
    }

    fn watch(&mut self, slot: u32, run: u64, lookout: Option<Lookout>, fresh: bool) {
        let look_for = |worker: &mut Self, what| {
            if let Some(known) = worker.slots.get_mut(&slot) {
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
        let Some(known) = self.slots.get_mut(&slot) else { return };
        if (&known.to.directory, known.to.file, &known.to.owner) != (&to.directory, to.file, &to.owner)
            && let Some(output) = &mut known.output
        {
            output.sink.close();
        }
        known.to = to;
    }

    fn rename(&self, slot: u32, from: Option<PathBuf>, to: &Destination) {
        if let Some(from) = from
            && let owner = to.owner.as_ref().map(|owner| owner.uid)
            && let Err(trouble) = eyes(to).and_then(|_eyes| directory::rename(&from, &to.directory, owner))
        {
            self.outbox.send(Report::Trouble { slot, message: Some(trouble.to_string()) });
        }
    }

    /// One read of one pipe, and one write. How many bytes were read.
    fn turn(&mut self, slot: u32, now: Instant) -> usize {
        // A slot let go of in this very turn may still have an event.
        let Some(known) = self.slots.get_mut(&slot) else { return 0 };
        let count = match read(&known.pipe, &mut self.buffer) {
            Ok(count) => count,
            Err(Errno::EAGAIN | Errno::EINTR) => return 0,
            Err(errno) => {
                let trouble = Trouble::Pipe { slot, errno };
                self.outbox.send(Report::Trouble { slot, message: Some(trouble.to_string()) });
                let _ = self.epoll.delete(&known.pipe);
                return 0;
            }
        };
        let output = known.output.get_or_insert_default();
        if output.hung_up != (count == 0) {
            output.hung_up = count == 0;
            let edges = if output.hung_up { EpollFlags::EPOLLET } else { EpollFlags::empty() };
            let _ = self.epoll.modify(&known.pipe, &mut EpollEvent::new(EpollFlags::EPOLLIN | edges, slot.into()));
        }
        let seen = known.watched.take_if(|watched| watched.1.sees(&self.buffer[..count]));
        if count > 0 {
            self.write(slot, count, now);
        }
        // Told once it stands in the log, where people then look for it.
        if let Some(watched) = seen {
            self.outbox.send(Report::Matched { slot, run: watched.0 });
        }
        count
    }

    /// Writes the first `count` bytes of the buffer; counts what cannot be written.
    fn write(&mut self, slot: u32, count: usize, now: Instant) {
        let mut from = 0;
        let mut outcome = self.append(slot, from..count);
        if let Err(failed) = &outcome
            && failed.trouble.is_want_of_descriptors()
            && self.close_all()
        {
            from += failed.written;
            outcome = self.append(slot, from..count);
        }
        let Some(output) = self.slots.get_mut(&slot).and_then(|known| known.output.as_mut()) else { return };
        output.last_used = Some(now);
        if !output.active {
            output.active = true;
            self.active.push(slot);
        }
        let trouble = outcome.err().map(|failed| {
            let lost = &self.buffer[from + failed.written..count];
            output.bytes_lost += lost.len() as u64;
            output.lines_lost += lost.split(|byte| *byte == b'\n').count() as u64 - 1;
            output.loss_unreported = true;
            failed.trouble
        });
        if output.trouble != trouble {
            let message = trouble.as_ref().map(ToString::to_string);
            output.trouble = trouble;
            self.outbox.send(Report::Trouble { slot, message });
        }
        if output.loss_unreported && output.last_report.is_none_or(|last| now - last >= BETWEEN_REPORTS) {
            self.report_loss(slot, now);
        }
    }

    fn append(&mut self, slot: u32, part: std::ops::Range<usize>) -> Result<(), super::sink::Failed> {
        let Some(Slot { to, output, .. }) = self.slots.get_mut(&slot) else { return Ok(()) };
        output.get_or_insert_default().sink.append(to, &self.buffer[part])
    }

    /// Reads a pipe until nothing is left, and writes it.
    fn empty(&mut self, slot: u32) {
        let mut total = 0;
        while total < LAST_READ {
            match self.turn(slot, Instant::now()) {
                0 => return,
                count => total += count,
            }
        }
    }

    fn report_loss(&mut self, slot: u32, now: Instant) {
        let Some(output) = self.slots.get_mut(&slot).and_then(|known| known.output.as_mut()) else { return };
        if std::mem::take(&mut output.loss_unreported) {
            output.last_report = Some(now);
            self.outbox.send(Report::Dropped { slot, bytes: output.bytes_lost, lines: output.lines_lost });
        }
    }

    /// Closes every file. True if there was one.
    fn close_all(&mut self) -> bool {
        let outputs = self.slots.values_mut().filter_map(|slot| slot.output.as_mut());
        let open = outputs.filter(|output| output.sink.is_open()).map(|output| output.sink.close());
        open.count() > 0
    }

    /// Closes files that got nothing for a while and reports losses that waited. When to look again.
    fn tend(&mut self, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for slot in std::mem::take(&mut self.active) {
            let due = |output: &Output| output.last_report.is_none_or(|last| now - last >= BETWEEN_REPORTS);
            let is_due = self.slots.get(&slot).and_then(|known| known.output.as_deref()).is_some_and(due);
            if is_due {
                self.report_loss(slot, now);
            }
            let Some(output) = self.slots.get_mut(&slot).and_then(|known| known.output.as_mut()) else { continue };
            let closing = output.last_used.map_or(now, |used| used + IDLE);
            if closing <= now {
                output.sink.close();
            }
            let closing = output.sink.is_open().then_some(closing);
            let reporting = output.last_report.filter(|_| output.loss_unreported).map(|last| last + BETWEEN_REPORTS);
            let again = [closing, reporting].into_iter().flatten().min();
            output.active = again.is_some();
            if let Some(again) = again {
                self.active.push(slot);
                next = Some(next.map_or(again, |next| next.min(again)));
            }
        }
        next
    }
}

/// The reading end of a slot's pipe.
pub(super) fn open_pipe(directory: &OwnedFd, slot: u32) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(directory, slot.to_string().as_str(), flags, Mode::empty())
}

/// Until the deadline; for ever without one.
fn timeout(deadline: Option<Instant>, now: Instant) -> EpollTimeout {
    let Some(deadline) = deadline else { return EpollTimeout::NONE };
    // A millisecond more, since the kernel counts in whole ones and too early would be once more.
    let left = deadline.saturating_duration_since(now) + Duration::from_millis(1);
    EpollTimeout::try_from(left).unwrap_or(EpollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::epoll::EpollCreateFlags;
    use nix::sys::eventfd::{EfdFlags, EventFd};
    use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, socketpair};
    use std::os::fd::AsRawFd;
    use std::sync::mpsc::channel;

    #[test]
    fn no_command_is_lost_however_close_it_follows_another() {
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        let control = Arc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap());
        let outbox = Arc::new(Outbox::new(Arc::new(ours), control, 0));
        let epoll = Arc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap());
        let bell = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).unwrap());
        epoll.add(&*bell, EpollEvent::new(EpollFlags::EPOLLIN, BELL)).unwrap();
        let (commands, inbox) = channel();
        let pipes = Arc::new(std::fs::File::open("/").unwrap().into());
        let worker = Worker::new(epoll, bell.clone(), inbox, pipes, outbox);
        let thread = std::thread::spawn(move || worker.run());
        let tell = |command| {
            commands.send(command).unwrap();
            bell.write(1).unwrap();
        };
        // The answer to one command is the sign for the next: it comes when the worker has just
        // found its box empty.
        for slot in 0..50_000 {
            tell(Command::Detach { slot });
            let asked = Instant::now();
            while recv(theirs.as_raw_fd(), &mut [0; 64], MsgFlags::MSG_DONTWAIT).is_err() {
                assert!(asked.elapsed() < Duration::from_secs(10), "command {slot} was never carried out");
            }
        }
        tell(Command::Finish);
        thread.join().unwrap();
    }
}
