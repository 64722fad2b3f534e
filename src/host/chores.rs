//! What may take long and is no start of a process: one thread of its own, made when first needed.

use crate::decide::event::{Event, RunId};
use crate::host::supervise::{Taken, Untaken};
use crate::model::name::InstanceId;
use nix::errno::Errno;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

type Chore = Box<dyn FnOnce() -> Told + Send>;

/// What came of a chore: for [`super::perform::Host::told`].
#[derive(Debug)]
pub enum Told {
    /// Nothing that anybody waits for.
    Nothing,
    /// What must outlive us was written down, or why not.
    Kept {
        /// Of what, as a key.
        what: String,
        /// Why not, in words.
        outcome: Result<(), String>,
    },
    /// A directory `supervise/` was taken, or why not.
    Supervised {
        /// Which.
        number: u32,
        /// Ours, or whose.
        outcome: Result<Box<Taken>, Untaken>,
    },
    /// What one shows could not be written.
    Unshown {
        /// Which.
        number: u32,
        /// Why.
        errno: Errno,
    },
    /// It is the core's business.
    Event(Event),
    /// A pid file was read.
    PidFile {
        /// Of whom.
        instance: InstanceId,
        /// Of which run.
        run: RunId,
        /// The user that it runs as.
        uid: u32,
        /// What it names, or why nothing.
        pid: Result<i32, String>,
    },
}

/// Where what came of chores is told.
pub type Tell = Arc<dyn Fn(Told) + Send + Sync>;

/// Does one thing after the other, in the order in which they are asked, and tells what came of it.
pub(super) struct Chores {
    tell: Tell,
    thread: Option<Sender<Chore>>,
}

impl std::fmt::Debug for Chores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chores").field("started", &self.thread.is_some()).finish_non_exhaustive()
    }
}

impl Chores {
    pub(super) fn new(tell: Tell) -> Self {
        Self { tell, thread: None }
    }

    /// Has `chore` done.
    pub(super) fn order(&mut self, chore: impl FnOnce() -> Told + Send + 'static) {
        if self.thread.is_none() {
            self.thread = self.start();
        }
        match &self.thread {
            // It only ends with us.
            Some(thread) => drop(thread.send(Box::new(chore))),
            // No thread can be had: late is better than never.
            None => (self.tell)(chore()),
        }
    }

    /// Waits until all that was ordered is done, but no longer than `patience`.
    pub(super) fn finish(&self, patience: Duration) {
        let Some(thread) = &self.thread else { return };
        let (done, wait) = channel();
        let last: Chore = Box::new(move || {
            // Who waits no longer does not hear it.
            let _ = done.send(());
            Told::Nothing
        });
        if thread.send(last).is_ok() {
            let _ = wait.recv_timeout(patience);
        }
    }

    fn start(&self) -> Option<Sender<Chore>> {
        let (send, receive) = channel::<Chore>();
        let tell = Arc::clone(&self.tell);
        let work = move || receive.into_iter().for_each(|chore| tell(chore()));
        let thread = std::thread::Builder::new().name("chores".into()).stack_size(128 << 10).spawn(work);
        thread.ok().map(|_| send)
    }
}
