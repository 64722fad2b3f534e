//! The loop's side of the doors: the sockets until somebody knocks, answers to what visitors ask, and the feed of
//! what happens.

use super::report;
use super::turn::Letter;
use crate::api::call::{Answer, Caller};
use crate::api::feed::Feeder;
use crate::api::{server, socket};
use crate::decide::event::CallId;
use crate::host::clock;
use crate::host::perform::Tending;
use crate::model::access::DoorPolicy;
use crate::model::news::News;
use crate::model::order::{Act, Author, Done, Order};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

/// The doors, as the loop knows them.
#[derive(Debug)]
pub(super) struct Door {
    letters: UnboundedSender<Letter>,
    instance_id: String,
    /// The control socket.
    control: UnixListener,
    path: PathBuf,
    /// What `abide.toml` says of them, and where that lies.
    policy: watch::Sender<Arc<DoorPolicy>>,
    file: PathBuf,
    /// Once somebody has knocked.
    feed: Option<Feeder>,
    /// Orders that are on their way.
    waiting: HashMap<CallId, Waiting>,
    /// Answers that are given once the logger has done so much.
    due: VecDeque<(u64, CallId, Vec<Done>)>,
    last_call: u64,
    /// What is wrong with the doors, for the status.
    pub(super) trouble: Vec<String>,
}

/// An order on its way: who waits for what comes of it, and what is to be written down of it then.
#[derive(Debug)]
struct Waiting {
    answer: Answer<Vec<Done>>,
    act: &'static str,
    author: Author,
    /// Whether its answer says what the logger has done.
    of_logs: bool,
}

fn bind(runtime: &Path, path: &Path) -> io::Result<UnixListener> {
    // What an earlier abide left: the keeper's lock says that there is no other.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let control = UnixListener::bind(socket::Way::to(runtime)?.path())?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    Ok(control)
}

impl Door {
    /// Binds the control socket in `runtime`, or takes the one that a supervisor before us has `kept`. Whoever may
    /// connect is asked who they are, and told what they may not.
    pub(super) fn new(
        runtime: &Path,
        instance_id: String,
        policy: Arc<DoorPolicy>,
        file: PathBuf,
        letters: UnboundedSender<Letter>,
        kept: Option<OwnedFd>,
    ) -> io::Result<Self> {
        let path = runtime.join(socket::SOCKET);
        let control = match kept.filter(|_| path.exists()) {
            Some(kept) => UnixListener::from(kept),
            None => bind(runtime, &path)?,
        };
        let (policy, waiting, trouble) = (watch::channel(policy).0, HashMap::new(), Vec::new());
        Ok(Self {
            letters,
            instance_id,
            control,
            path,
            policy,
            file,
            feed: None,
            waiting,
            due: VecDeque::new(),
            last_call: 0,
            trouble,
        })
    }

    /// The control socket, for who comes after us.
    pub(super) fn control(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// abide is ending: who knocks now shall not wait.
    pub(super) fn close(&self) {
        // That it stays does no harm: nobody answers there.
        let _ = std::fs::remove_file(&self.path);
    }

    /// What becomes readable when somebody knocks; nothing once the doors are open.
    pub(super) fn knock(&self) -> Option<io::Result<AsyncFd<OwnedFd>>> {
        let watch = || super::turn::watch(self.control.as_fd().try_clone_to_owned()?, tokio::io::Interest::READABLE);
        self.feed.is_none().then(watch)
    }

    /// Whether they must open before anybody knocks: nobody can knock at a port that does not listen.
    pub(super) fn must_open(&self) -> bool {
        self.feed.is_none() && self.policy.borrow().http.as_ref().is_some_and(|http| !http.listen.is_empty())
    }

    /// `abide.toml` was accepted anew.
    pub(super) fn set_policy(&self, policy: &Arc<DoorPolicy>) {
        self.policy.send_if_modified(|old| {
            let differs = old != policy;
            old.clone_from(policy);
            differs
        });
    }

    /// Has them look anew at what lies outside of `abide.toml`: certificates, ports that were not free.
    pub(super) fn refresh(&self) {
        self.policy.send_modify(|_| {});
    }

    /// Somebody knocked: from now on the doors serve themselves.
    pub(super) fn open(&mut self) -> io::Result<()> {
        if self.feed.is_some() {
            return Ok(());
        }
        let (feeder, feed) = Feeder::new();
        let letters = self.letters.clone();
        let caller = Caller::new(move |call| drop(letters.send(Letter::Call(call))));
        let (control, instance_id) = (self.control.try_clone()?, self.instance_id.clone());
        let (policy, file) = (self.policy.subscribe(), self.file.clone());
        server::open(server::Setup { control, caller, instance_id, feed, policy, file })?;
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
    pub(super) fn note(&mut self, order: &Order, answer: Answer<Vec<Done>>) -> CallId {
        self.last_call += 1;
        let call = CallId(self.last_call);
        let (act, author) = (order.act.word(), order.author.clone());
        self.waiting.insert(call, Waiting { answer, act, author, of_logs: matches!(order.act, Act::Log(_)) });
        call
    }

    /// The core's answer. What it says of logs is given when it is so ([`Self::logs_are_done`]).
    pub(super) fn answer(&mut self, call: CallId, done: Vec<Done>, tending: &Tending) {
        if self.waiting.get(&call).is_some_and(|waiting| waiting.of_logs) && !tending.is_done_to(tending.last()) {
            return self.due.push_back((tending.last(), call, done));
        }
        self.give(call, done);
    }

    /// The logger has done something: the answers that this makes true are given.
    pub(super) fn logs_are_done(&mut self, tending: &Tending) {
        let given = self.due.iter().take_while(|(number, ..)| tending.is_done_to(*number)).count();
        for (_, call, done) in self.due.drain(..given).collect::<Vec<_>>() {
            self.give(call, done);
        }
    }

    /// Written down whether anybody still waits for it or not.
    fn give(&mut self, call: CallId, done: Vec<Done>) {
        let Some(Waiting { answer, act, author, .. }) = self.waiting.remove(&call) else { return };
        report::order(act, &author, &done);
        self.tell(|| News::Order { act: act.to_owned(), targets: done.clone(), author });
        let _ = answer.send(done);
    }
}
