//! The main thread: takes the supervisor's orders, gives each slot to the worker of its file system, ends on SIGTERM.
//!
//! It opens pipes and makes threads, and waits for no log's disk.

use super::command::Command;
use super::lane::Lane;
use super::mounts::{FileSystem, Mounts};
use super::outbox::Outbox;
use super::packer::Packer;
use super::pipes::{open_pipes, watch_pipes};
use super::sink::errno_of;
use super::slot::Memory;
use super::trouble::Trouble;
use super::worker::{BELL, Worker};
use crate::host::stderr::say;
use crate::host::sys::memory;
use crate::log::lookout::Lookout;
use crate::log::order::{Destination, MAX_PACKET, Order, Report};
use crate::model::pattern;
use crate::table::{LANES, Losses, Table};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{MsgFlags, recv};
use nix::sys::stat::Mode;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

const CONTROL: u64 = 0;
const SIGNALS: u64 = 1;
/// A worker's stack: it formats a sentence at most.
const STACK: usize = 128 << 10;

/// The logger: reads the FIFO of each attached slot N at `pipes`/N and writes what it holds, as
/// ordered over `control`, its end of a `SOCK_SEQPACKET` pair; what it is about stands in `table`. Until SIGTERM; then it empties all
/// pipes and returns the code to exit with.
pub fn run(control: OwnedFd, pipes: &Path, table: &Arc<Table>) -> i32 {
    memory::share_heap();
    match Logger::start(control, pipes, table.clone()) {
        Ok(logger) => logger.run(),
        Err(errno) => {
            let (pipes, reason) = (pipes.display(), errno.desc());
            say(format_args!(
                "cannot start the logger on {pipes}: {reason}. Look at the limits on open files and at that directory"
            ));
            1
        }
    }
}

struct Logger {
    control: Arc<OwnedFd>,
    epoll: Arc<Epoll>,
    signals: SignalFd,
    pipes: Arc<OwnedFd>,
    outbox: Arc<Outbox>,
    table: Arc<Table>,
    mounts: Mounts,
    /// Those that no worker has.
    lanes: Vec<usize>,
    workers: HashMap<FileSystem, Post>,
    /// Which worker has it.
    slots: HashMap<u32, FileSystem>,
    /// What is looked for in slots that are not attached yet, and for which run.
    early: HashMap<u32, (u64, Lookout)>,
}

/// A worker, seen from here.
struct Post {
    epoll: Arc<Epoll>,
    bell: Arc<EventFd>,
    commands: Sender<Command>,
    thread: JoinHandle<()>,
}

impl Logger {
    fn start(control: OwnedFd, pipes: &Path, table: Arc<Table>) -> Result<Self, Errno> {
        // Before the first thread, so that all have it blocked. SIGXFSZ: a limit on file sizes then is an error, not a death.
        let mut mask = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGPIPE, Signal::SIGXFSZ] {
            mask.add(signal);
        }
        mask.thread_block()?;
        let mut term = SigSet::empty();
        term.add(Signal::SIGTERM);
        let signals = SignalFd::with_flags(&term, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let pipes = Arc::new(nix::fcntl::open(pipes, flags, Mode::empty())?);
        let control = Arc::new(control);
        let epoll = Arc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?);
        epoll.add(&*control, EpollEvent::new(EpollFlags::EPOLLIN, CONTROL))?;
        epoll.add(&signals, EpollEvent::new(EpollFlags::EPOLLIN, SIGNALS))?;
        let outbox = Arc::new(Outbox::new(control.clone(), epoll.clone(), CONTROL));
        let mounts = Mounts::read();
        let (workers, slots, early) = (HashMap::new(), HashMap::new(), HashMap::new());
        // Before anything is written: what a logger before us was about is brought to its end.
        Lane::recover_all(&table, &pipes)?;
        let lanes = (0..LANES).rev().collect();
        Ok(Self { control, epoll, signals, pipes, outbox, table, mounts, lanes, workers, slots, early })
    }

    fn run(mut self) -> i32 {
        let mut packet = vec![0; MAX_PACKET];
        // What a logger before us left unread is void, and said anew: to let go of a slot that we
        // do not know yet would be to lose what its pipe holds.
        while recv(self.control.as_raw_fd(), &mut packet, MsgFlags::MSG_DONTWAIT).is_ok_and(|count| count > 0) {}
        self.outbox.send(Report::Hello);
        let mut events = [EpollEvent::empty(); 2];
        loop {
            let ready = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(ready) => ready,
                Err(Errno::EINTR) => continue,
                Err(errno) => unreachable!("waiting on our own epoll set: {errno}"),
            };
            for event in &events[..ready] {
                if event.data() == SIGNALS {
                    if matches!(self.signals.read_signal(), Ok(Some(_))) {
                        // Orders that came before the end: a slot may have been attached in the last moment.
                        self.take_orders(&mut packet);
                        self.finish();
                        return 0;
                    }
                    continue;
                }
                if event.events().contains(EpollFlags::EPOLLOUT) {
                    self.outbox.flush();
                }
                self.take_orders(&mut packet);
            }
        }
    }

    fn take_orders(&mut self, packet: &mut [u8]) {
        loop {
            match recv(self.control.as_raw_fd(), packet, MsgFlags::MSG_DONTWAIT) {
                Err(Errno::EAGAIN) => return,
                Err(Errno::EINTR) => {}
                // The supervisor is gone. Services write on; the keeper tells us when to end.
                Ok(0) | Err(_) => {
                    let _ = self.epoll.delete(&*self.control);
                    return;
                }
                Ok(count) => match Order::decode(&packet[..count]) {
                    Ok(Order::Attach { slot, to, rename_from }) => self.attach(slot, to, rename_from),
                    Ok(Order::Detach { slot }) => self.detach(slot),
                    Ok(Order::Complete { slot }) => self.pass_on(slot, Command::Complete { slot }),
                    // Nobody writes it, and nobody shall wait for that.
                    Ok(Order::Tend { slot, number, .. }) if !self.slots.contains_key(&slot) => {
                        self.outbox.send(Report::Tended { slot, number });
                    }
                    Ok(Order::Tend { slot, rotate, number }) => {
                        self.pass_on(slot, Command::Tend { slot, rotate, number });
                    }
                    Ok(Order::Watch { slot, run, pattern, fresh }) => self.watch(slot, run, pattern, fresh),
                    Err(error) => say(format_args!("cannot read an order to the logger: {error}. Restart abide")),
                },
            }
        }
    }

    fn attach(&mut self, slot: u32, to: Destination, rename_from: Option<PathBuf>) {
        let file_system = self.mounts.file_system_of(&to.directory);
        // With more file systems than threads some share one.
        let shared = self.lanes.is_empty() && !self.workers.contains_key(&file_system);
        let file_system = self.workers.keys().next().filter(|_| shared).cloned().unwrap_or(file_system);
        if self.slots.get(&slot) == Some(&file_system) {
            self.tell(&file_system, Command::Redirect { slot, to, rename_from });
            return;
        }
        if let Err(trouble) = self.give(slot, &file_system, to, rename_from) {
            let message = trouble.to_string();
            // One that it had goes on being read, and written to where it was.
            let had = self.slots.contains_key(&slot);
            let had = had.then_some(Report::Trouble { slot, message: Some(message.clone()) });
            return self.outbox.send(had.unwrap_or(Report::Refused { slot, message }));
        }
        if let Some(former) = self.slots.insert(slot, file_system) {
            self.tell(&former, Command::Yield { slot });
        }
    }

    /// Opens a slot's pipe and gives it to the worker of a file system, without waking that one
    /// unless there is something to rename or to make: the pipe's first byte will.
    fn give(
        &mut self,
        slot: u32,
        file_system: &FileSystem,
        to: Destination,
        rename_from: Option<PathBuf>,
    ) -> Result<(), Trouble> {
        let failed = |errno| Trouble::Pipe { slot, errno };
        let opened = open_pipes(&self.pipes, slot, &to);
        let early = self.early.remove(&slot);
        let watch = early.map(|(run, lookout)| Command::Watch { slot, run, lookout: Some(lookout), fresh: false });
        let post = match self.workers.entry(file_system.clone()) {
            Entry::Occupied(post) => post.into_mut(),
            Entry::Vacant(free) => free.insert(
                Post::new(&self.pipes, &self.outbox, &self.table, &mut self.lanes)
                    .map_err(|errno| Trouble::Thread { path: to.directory.clone(), errno })?,
            ),
        };
        let pipes = match opened {
            Ok(pipes) => pipes,
            // Open files may hold what it needs, and only their worker may close them.
            Err(Errno::EMFILE | Errno::ENFILE) if !self.slots.contains_key(&slot) => {
                let _ = post.commands.send(Command::Open { slot, to, rename_from });
                if let Some(watch) = watch {
                    let _ = post.commands.send(watch);
                }
                let _ = post.bell.write(1);
                return Ok(());
            }
            Err(errno) => return Err(failed(errno)),
        };
        // Told before it is watched, so that the worker knows every slot that it hears of.
        let wake = rename_from.is_some() || to.policy.files().is_some();
        let _ = post.commands.send(Command::Attach { slot, pipes: pipes.clone(), to, rename_from });
        if let Some(watch) = watch {
            let _ = post.commands.send(watch);
        }
        if let Err(errno) = watch_pipes(&post.epoll, slot, &pipes) {
            let _ = post.commands.send(Command::Yield { slot });
            return Err(failed(errno));
        }
        if wake {
            let _ = post.bell.write(1);
        }
        Ok(())
    }

    fn detach(&mut self, slot: u32) {
        self.early.remove(&slot);
        if let Some(file_system) = self.slots.remove(&slot) {
            return self.tell(&file_system, Command::Detach { slot });
        }
        // The next who has it has lost nothing.
        self.table.set_losses(slot, Losses::default());
        self.outbox.send(Report::Detached { slot });
    }

    fn pass_on(&self, slot: u32, command: Command) {
        if let Some(file_system) = self.slots.get(&slot) {
            self.tell(file_system, command);
        }
    }

    /// Has a line looked for. The pattern is understood here, where there is stack enough for any.
    fn watch(&mut self, slot: u32, run: u64, pattern: Option<String>, fresh: bool) {
        let lookout = pattern.and_then(|text| match pattern::compile(&text) {
            Ok(pattern) => Some(Lookout::new(pattern)),
            Err(reason) => {
                let message = format!("cannot look for `{text}` in its output: {reason}. Write another `[ready] log`");
                self.outbox.send(Report::Trouble { slot, message: Some(message) });
                None
            }
        });
        if let Some(file_system) = self.slots.get(&slot) {
            return self.tell(file_system, Command::Watch { slot, run, lookout, fresh });
        }
        self.early.remove(&slot);
        match lookout {
            // Nobody can read it, and nobody shall wait for that.
            _ if fresh => self.outbox.send(Report::Watching { slot, run }),
            Some(lookout) => drop(self.early.insert(slot, (run, lookout))),
            None => {}
        }
    }

    fn tell(&self, file_system: &FileSystem, command: Command) {
        if let Some(post) = self.workers.get(file_system) {
            let _ = post.commands.send(command);
            let _ = post.bell.write(1);
        }
    }

    fn finish(self) {
        for post in self.workers.values() {
            let _ = post.commands.send(Command::Finish);
            let _ = post.bell.write(1);
        }
        for post in self.workers.into_values() {
            let _ = post.thread.join();
        }
        self.outbox.flush();
    }
}

impl Post {
    fn new(
        pipes: &Arc<OwnedFd>,
        outbox: &Arc<Outbox>,
        table: &Arc<Table>,
        lanes: &mut Vec<usize>,
    ) -> Result<Self, Errno> {
        let number = *lanes.last().ok_or(Errno::EAGAIN)?;
        let lane = Lane::enter(table.clone(), number, pipes)?;
        let epoll = Arc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?);
        let bell = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        epoll.add(&*bell, EpollEvent::new(EpollFlags::EPOLLIN, BELL))?;
        let (commands, inbox) = channel();
        let worker = Worker {
            epoll: epoll.clone(),
            bell: bell.clone(),
            commands: inbox,
            pipes: pipes.clone(),
            outbox: outbox.clone(),
            table: table.clone(),
            lane,
            packer: Packer::new(),
            memory: Memory::default(),
        };
        let thread = std::thread::Builder::new().name("abide-log".into()).stack_size(STACK);
        let thread = thread.spawn(move || worker.run()).map_err(|error| errno_of(&error))?;
        lanes.pop();
        Ok(Self { epoll, bell, commands, thread })
    }
}
