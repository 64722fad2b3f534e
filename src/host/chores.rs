//! What may take long and is no start of a process: one thread of its own, made when first needed.

use crate::decide::event::Event;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

type Chore = Box<dyn FnOnce() -> Event + Send>;

/// Does one thing after the other, in the order in which they are asked, and tells what came of it.
pub(super) struct Chores {
    tell: Arc<dyn Fn(Event) + Send + Sync>,
    thread: Option<Sender<Chore>>,
}

impl std::fmt::Debug for Chores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chores").field("started", &self.thread.is_some()).finish_non_exhaustive()
    }
}

impl Chores {
    pub(super) fn new(tell: Box<dyn Fn(Event) + Send + Sync>) -> Self {
        Self { tell: tell.into(), thread: None }
    }

    /// Has `chore` done.
    pub(super) fn order(&mut self, chore: impl FnOnce() -> Event + Send + 'static) {
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

    fn start(&self) -> Option<Sender<Chore>> {
        let (send, receive) = channel::<Chore>();
        let tell = Arc::clone(&self.tell);
        let work = move || receive.into_iter().for_each(|chore| tell(chore()));
        let thread = std::thread::Builder::new().name("chores".into()).stack_size(128 << 10).spawn(work);
        thread.ok().map(|_| send)
    }
}
