//! Definition to process, on threads of its own: who makes a child stands still until it executes.

mod attempt;
mod confine;
mod readiness;
mod unrunnable;

use crate::decide::event::RunId;
use crate::host::cgroup::Groups;
use crate::host::pipe;
use crate::host::pipe::Pipes;
use crate::host::sys::child::Nursery;
use crate::host::sys::process::{Whom, pidfd_open, pidfd_signal};
use crate::model::desired::Definition;
use crate::model::limits::Limits;
use crate::model::name::InstanceId;
use crate::model::outcome::{Failure, Step};
use crate::table::Table;
use attempt::Workplace;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a child may take from the order to its program; the core counts it and then abandons.
pub const SPAWN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the end of all waits for children that do not get to their program.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// As many threads as may be stuck in children that do not get to their program.
const MOST_THREADS: usize = 8;

/// Make a process.
#[derive(Debug, Clone)]
pub struct Order {
    /// The slot of the table that the instance has.
    pub slot: usize,
    /// Which run.
    pub run: RunId,
    /// Whose.
    pub instance: InstanceId,
    /// What.
    pub definition: Arc<Definition>,
    /// Another of its commands, to be executed in place of the service itself.
    pub command: Option<Vec<String>>,
    /// Variables beside those of the service.
    pub variables: Vec<(String, String)>,
    /// The number of the pipe that takes the output: see [`crate::host::pipe`].
    pub output: usize,
    /// The same of its errors, if they have one of their own that is not the second of `output`.
    pub errors: Option<usize>,
    /// The number of the pipe that is its standard input, if one is.
    pub input: Option<usize>,
    /// The slot and run beside which it is executed, in the same namespaces.
    pub beside: Option<(usize, RunId)>,
}

impl Order {
    /// To start the service itself.
    pub fn service(instance: InstanceId, slot: usize, run: RunId, definition: Arc<Definition>) -> Self {
        let service = &definition.service;
        let input = (service.reads.is_some() || service.program.is_some()).then(|| pipe::input(slot));
        Self {
            slot,
            run,
            instance,
            definition,
            command: None,
            variables: Vec::new(),
            output: slot,
            errors: None,
            input,
            beside: None,
        }
    }
}

/// What all that is started has in common.
#[derive(Debug, Clone, Default)]
pub struct Common {
    /// What its marks begin with.
    pub mark: String,
    /// The directory at the end of its PATH: where the commands of daemontools are, should nobody else have them.
    pub tools: Option<String>,
}

/// What became of an [`Order`].
#[derive(Debug)]
pub struct Outcome {
    /// Whose.
    pub instance: InstanceId,
    /// Its slot.
    pub slot: usize,
    /// Which run.
    pub run: RunId,
    /// What.
    pub result: Result<Started, Refused>,
    /// Whether the slot's pipe was made for it, so that the logger has yet to attach it.
    pub opened_pipe: bool,
}

/// It executes its program.
#[derive(Debug)]
pub struct Started {
    /// Its pid.
    pub pid: i32,
    /// Its start in clock ticks since boot; 0 if it was gone before it could be asked.
    pub start_ticks: u64,
    /// The limits that the kernel reports, of those that the service names.
    pub limits: Limits,
    /// Where it says that it is ready, if it does so by a descriptor: the reading end, non-blocking.
    pub ready: Option<OwnedFd>,
}

/// It does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub failure: Failure,
    /// Whether there was a process, up to the step that failed. Its exit also appears in the
    /// table, for this run, before or after this outcome: it must not be reported a second time.
    pub had_process: bool,
}

/// Takes orders and carries them out one after the other.
#[derive(Debug)]
pub struct Spawner {
    shared: Arc<Shared>,
}

type Done = Box<dyn Fn(Outcome) + Send + Sync>;

struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
    workplace: Workplace,
    done: Done,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("queue", &self.queue).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Order>,
    under_way: Vec<RunId>,
    /// Of those under way: given up, and whether a spare thread took the place of the stuck one.
    abandoned: Vec<(RunId, bool)>,
    threads: usize,
    closed: bool,
}

impl Spawner {
    /// Starts the first thread. `done` is called from any of them, or from [`Spawner::abandon`].
    pub fn start(
        table: Arc<Table>,
        pipes: Arc<Pipes>,
        groups: Arc<Groups>,
        common: Common,
        done: impl Fn(Outcome) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let workplace = Workplace::new(table, pipes, groups, common)?;
        let shared = Shared { queue: Mutex::default(), arrived: Condvar::new(), workplace, done: Box::new(done) };
        let spawner = Self { shared: Arc::new(shared) };
        spawner.shared.queue().threads = 1;
        spawner.add_thread()?;
        Ok(spawner)
    }

    fn add_thread(&self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let nursery = Nursery::new()?;
        std::thread::Builder::new().name("spawn".into()).stack_size(256 << 10).spawn(move || shared.work(nursery))?;
        Ok(())
    }

    /// Has a process made. Answered by one [`Outcome`].
    pub fn order(&self, order: Order) {
        self.shared.queue().waiting.push_back(order);
        self.shared.arrived.notify_one();
    }

    /// Takes no more orders, drops those that wait, and waits for what is under way, but not for ever: one
    /// may be stuck in a child. Blocks.
    pub fn finish(&self) {
        let mut queue = self.shared.queue();
        queue.closed = true;
        queue.waiting.clear();
        self.shared.arrived.notify_all();
        let busy = |queue: &mut Queue| !queue.under_way.is_empty();
        drop(self.shared.arrived.wait_timeout_while(queue, LAST_WAIT, busy));
    }

    /// It takes too long: kills what there is of it, and goes on with another thread if one can be
    /// had. The outcome is then [`Failure::SpawnTimeout`], and comes when nothing of it is left: a
    /// child that cannot be killed stays without an outcome, for it could still execute. A run
    /// whose outcome was already given is left alone.
    pub fn abandon(&self, slot: usize, run: RunId) {
        let mut queue = self.shared.queue();
        if let Some(position) = queue.waiting.iter().position(|order| order.run == run) {
            let order = queue.waiting.remove(position);
            drop(queue);
            if let Some(order) = order {
                (self.shared.done)(timed_out(order));
            }
            return;
        }
        if !queue.under_way.contains(&run) || queue.abandoned.iter().any(|(other, _)| *other == run) {
            return;
        }
        let room = queue.threads < MOST_THREADS;
        let replaced = room && self.add_thread().is_ok();
        queue.threads += usize::from(replaced);
        queue.abandoned.push((run, replaced));
        drop(queue);
        // Not cloned yet: the thread finds it given up when it gets there, or when it executes.
        kill(&self.shared.workplace.table, slot, run);
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        // Not joined: one may be stuck in a child.
        self.shared.queue().closed = true;
        self.shared.arrived.notify_all();
    }
}

/// Why a slot's pipe cannot be had.
pub(super) fn no_pipe(error: &io::Error) -> Failure {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE | libc::ETOOMANYREFS) => Failure::NoDescriptors,
        errno => Failure::Step { step: Step::Output, errno: errno.unwrap_or(libc::EIO), subject: String::new() },
    }
}

fn timed_out(order: Order) -> Outcome {
    let refused = Refused { failure: Failure::SpawnTimeout(SPAWN_TIMEOUT), had_process: false };
    Outcome { instance: order.instance, slot: order.slot, run: order.run, result: Err(refused), opened_pipe: false }
}

fn kill(table: &Table, slot: usize, run: RunId) {
    let Some(pid) = table.running(slot, run.0) else { return };
    let Ok(process) = pidfd_open(pid) else { return };
    if table.running(slot, run.0) == Some(pid) {
        // Gone is as good as killed.
        let _ = pidfd_signal(process.as_fd(), libc::SIGKILL, Whom::Process);
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Every change of the queue is whole, so a poisoned one is as good as any.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, mut nursery: Nursery) {
        while let Some(order) = self.next() {
            let given_up = || self.queue().abandoned.iter().any(|(run, _)| *run == order.run);
            let (mut result, opened_pipe) = self.workplace.attempt(&order, &mut nursery, given_up);
            let (abandoned, replaced) = self.finish(order.run);
            if abandoned {
                // One that was cloned in the very moment of giving up was missed then.
                kill(&self.workplace.table, order.slot, order.run);
                let had_process = result.as_ref().map_or_else(|refused| refused.had_process, |_| true);
                result = Err(Refused { failure: Failure::SpawnTimeout(SPAWN_TIMEOUT), had_process });
            }
            let Order { slot, run, instance, .. } = order;
            (self.done)(Outcome { instance, slot, run, result, opened_pipe });
            if replaced {
                break;
            }
        }
    }

    fn next(&self) -> Option<Order> {
        let mut queue = self.queue();
        while queue.waiting.is_empty() && !queue.closed {
            queue = self.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if queue.closed {
            return None;
        }
        let order = queue.waiting.pop_front()?;
        queue.under_way.push(order.run);
        Some(order)
    }

    /// Takes `run` off the books: whether it was abandoned, and whether this thread has been replaced.
    fn finish(&self, run: RunId) -> (bool, bool) {
        let mut queue = self.queue();
        queue.under_way.retain(|other| *other != run);
        if queue.closed {
            self.arrived.notify_all();
        }
        let Some(position) = queue.abandoned.iter().position(|(other, _)| *other == run) else {
            return (false, false);
        };
        let (_, replaced) = queue.abandoned.swap_remove(position);
        queue.threads -= usize::from(replaced);
        (true, replaced)
    }
}
