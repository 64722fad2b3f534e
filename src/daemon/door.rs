//! The loop's side of the doors: the sockets until somebody knocks, answers to what visitors ask, and the feed of
//! what happens.

use super::turn::Letter;
use crate::api::call::{Answer, Caller};
use crate::api::feed::Feeder;
use crate::api::{client, server};
use crate::decide::event::CallId;
use crate::host::clock;
use crate::model::news::News;
use crate::model::order::Done;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc::UnboundedSender;

/// The doors, as the loop knows them.
#[derive(Debug)]
pub(super) struct Door {
    letters: UnboundedSender<Letter>,
    instance_id: String,
    /// The control socket.
    control: UnixListener,
    /// Once somebody has knocked.
    feed: Option<Feeder>,
    /// Who waits for what came of an order.
    waiting: HashMap<CallId, Answer<Vec<Done>>>,
    last_call: u64,
}

impl Door {
    /// Binds the control socket in `runtime`. Whoever may connect is asked who they are, and told what they may not.
    pub(super) fn new(runtime: &Path, instance_id: String, letters: UnboundedSender<Letter>) -> io::Result<Self> {
        let path = runtime.join(client::SOCKET);
        // What an earlier abide left: the keeper's lock says that there is no other.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let control = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666))?;
        Ok(Self { letters, instance_id, control, feed: None, waiting: HashMap::new(), last_call: 0 })
    }

    /// What becomes readable when somebody knocks; nothing once the doors are open.
    pub(super) fn knock(&self) -> Option<io::Result<AsyncFd<OwnedFd>>> {
        let watch = || super::turn::watch(self.control.as_fd().try_clone_to_owned()?, tokio::io::Interest::READABLE);
        self.feed.is_none().then(watch)
    }

    /// Somebody knocked: from now on the doors serve themselves.
    pub(super) fn open(&mut self) -> io::Result<()> {
        let (feeder, feed) = Feeder::new();
        let letters = self.letters.clone();
        let caller = Caller::new(move |call| drop(letters.send(Letter::Call(call))));
        let (control, instance_id) = (self.control.try_clone()?, self.instance_id.clone());
        server::open(server::Setup { control, caller, instance_id, feed })?;
        self.feed = Some(feeder);
        Ok(())
    }

    /// Tells who listens, if anybody ever did.
    pub(super) fn tell(&mut self, news: impl FnOnce() -> News) {
        if let Some(feed) = &mut self.feed {
            feed.tell(clock::now().wall, news());
        }
    }

    /// An order is on its way to the core: the number by which its answer will come.
    pub(super) fn note(&mut self, answer: Answer<Vec<Done>>) -> CallId {
        self.last_call += 1;
        let call = CallId(self.last_call);
        self.waiting.insert(call, answer);
        call
    }

    /// The core's answer.
    pub(super) fn answer(&mut self, call: CallId, done: Vec<Done>) {
        if let Some(answer) = self.waiting.remove(&call) {
            let _ = answer.send(done);
        }
    }
}
