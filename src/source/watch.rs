//! The one place that knows notify: events to dirty names, with nothing lost but their order.
//!
//! A route says who cares about a directory: about every name in it, or about some. The callback
//! runs on notify's thread and only marks what is dirty, since a slow one overflows the kernel's
//! queue; marks are a set, bounded by the number of names. Notify's mask has no filter: our own
//! listing and reading come back as events, so that dropping every access but the close of a writer
//! is what keeps us from waking ourselves for ever.

use super::settle::Seen;
use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode};
use notify::{Config, ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Who cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Target {
    /// The entries of a source: told with their names.
    Entries(usize),
    /// A source's own path and what leads to it.
    Source(usize),
    /// One candidate, wherever its parts lie.
    Candidate(super::catalogue::Key),
}

/// What somebody wants to know: a directory, and one name in it or all.
pub(super) type Want = (PathBuf, Option<OsString>);

/// What was noticed since it was last asked.
#[derive(Debug, Default)]
pub(super) struct Noticed {
    /// Names in a source, and targets as a whole, with the last that was seen of them.
    pub(super) dirty: HashMap<(Target, Option<OsString>), Seen>,
    /// The kernel's queue overflowed this often: anything may have changed.
    pub(super) overflows: u64,
    /// Somebody asked for a full scan.
    pub(super) rescan: bool,
    /// The end.
    pub(super) stop: bool,
}

impl Noticed {
    fn is_empty(&self) -> bool {
        self.dirty.is_empty() && self.overflows == 0 && !self.rescan && !self.stop
    }

    fn mark(&mut self, target: Target, name: Option<OsString>, seen: Seen) {
        // Several names can stand behind a candidate: the fullest news wins. Of one name the last
        // counts, but that a change of mode says nothing that a completed write has not said better.
        let is_candidate = matches!(target, Target::Candidate(_));
        let seen = if is_candidate && seen == Seen::Vanished { Seen::Changed } else { seen };
        let last = self.dirty.entry((target, name)).or_insert(seen);
        if is_candidate {
            *last = seen.max(*last);
        } else if seen != Seen::Changed {
            *last = seen;
        }
    }
}

#[derive(Debug, Default)]
struct Route {
    whole: Vec<Target>,
    names: HashMap<OsString, Vec<Target>>,
}

#[derive(Debug, Default)]
struct State {
    noticed: Noticed,
    routes: HashMap<PathBuf, Route>,
    /// Watched directories that are not what they were: their watch must be made anew.
    stale: HashSet<PathBuf>,
}

/// Where the callback leaves marks and the worker finds them.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    state: Mutex<State>,
    wake: Condvar,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Marks are whole at any moment: a panic elsewhere cannot have left half of one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until something is noticed or `deadline` comes.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> Noticed {
        let mut state = self.lock();
        while state.noticed.is_empty() {
            state = match deadline {
                None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        std::mem::take(&mut state.noticed)
    }

    /// Asks for a full scan.
    pub(super) fn rescan(&self) {
        self.lock().noticed.rescan = true;
        self.wake.notify_one();
    }

    /// Asks for the end.
    pub(super) fn stop(&self) {
        self.lock().noticed.stop = true;
        self.wake.notify_one();
    }

    fn notice(&self, event: &notify::Result<Event>) {
        let mut state = self.lock();
        let had_nothing = state.noticed.is_empty();
        match event {
            Ok(event) if event.need_rescan() => state.noticed.overflows += 1,
            Ok(event) => {
                if let Some(seen) = seen(event.kind) {
                    event.paths.iter().for_each(|path| state.notice(path, seen));
                }
            }
            Err(_) => state.noticed.rescan = true,
        }
        if had_nothing && !state.noticed.is_empty() {
            self.wake.notify_one();
        }
    }
}

impl State {
    fn notice(&mut self, path: &Path, seen: Seen) {
        let Self { noticed, routes, stale } = self;
        if let (Some(directory), Some(name)) = (path.parent(), path.file_name())
            && let Some(route) = routes.get(directory)
        {
            for &target in &route.whole {
                noticed.mark(target, Some(name.to_owned()), seen);
            }
            for &target in route.names.get(name).into_iter().flatten() {
                noticed.mark(target, None, seen);
            }
        }
        // About a watched directory itself: gone, moved, or its mode changed.
        if let Some(route) = routes.get(path) {
            if seen != Seen::Changed {
                stale.insert(path.to_owned());
            }
            for &target in route.whole.iter().chain(route.names.values().flatten()) {
                let owner = if let Target::Entries(source) = target { Target::Source(source) } else { target };
                noticed.mark(owner, None, Seen::Changed);
            }
        }
    }
}

/// What an event says of its path; `None`: nothing.
fn seen(kind: EventKind) -> Option<Seen> {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(Seen::Closed),
        // A directory is whole when it is made; what comes into it is another matter.
        EventKind::Create(kind) => Some(if kind == CreateKind::File { Seen::Created } else { Seen::Changed }),
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) | EventKind::Remove(_) => Some(Seen::Vanished),
        EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Some(Seen::Arrived),
        // Says again what From and To said.
        EventKind::Modify(ModifyKind::Name(_)) | EventKind::Access(_) => None,
        EventKind::Modify(ModifyKind::Data(_)) => Some(Seen::Written),
        EventKind::Modify(_) | EventKind::Any | EventKind::Other => Some(Seen::Changed),
    }
}

/// The watches, as many as there are directories that somebody cares about.
pub(super) struct Watch {
    mailbox: Arc<Mailbox>,
    watcher: Option<RecommendedWatcher>,
    refused: Option<String>,
    wants: HashMap<Target, Vec<Want>>,
    failed: HashMap<Target, String>,
    /// What is watched, and which directory it was at the time.
    watched: HashMap<PathBuf, Option<(u64, u64)>>,
}

impl Watch {
    /// Asks for the kernel's events; without them everything is polled.
    pub(super) fn new(mailbox: Arc<Mailbox>) -> Self {
        let marks = Arc::clone(&mailbox);
        let made = RecommendedWatcher::new(move |event| marks.notice(&event), Config::default());
        let (watcher, refused) = match made {
            Ok(watcher) => (Some(watcher), None),
            Err(error) => (None, Some(why(&error))),
        };
        Self { mailbox, watcher, refused, wants: HashMap::new(), failed: HashMap::new(), watched: HashMap::new() }
    }

    /// Without the kernel's events, for `reason`.
    #[cfg(test)]
    pub(super) fn polled(mailbox: Arc<Mailbox>, reason: &str) -> Self {
        let refused = Some(reason.to_owned());
        Self { mailbox, watcher: None, refused, wants: HashMap::new(), failed: HashMap::new(), watched: HashMap::new() }
    }

    /// From now on `target` wants to know just this. Says whether a watch was added, after which
    /// one must look once more.
    pub(super) fn want(&mut self, target: Target, mut wants: Vec<Want>) -> bool {
        wants.sort();
        wants.dedup();
        let before = self.wants.get(&target).map_or(&[][..], Vec::as_slice);
        let dropped: Vec<Want> = before.iter().filter(|want| wants.binary_search(want).is_err()).cloned().collect();
        let added = before != wants;
        if added {
            let mut state = self.mailbox.lock();
            for (directory, name) in &wants {
                let route = state.routes.entry(directory.clone()).or_default();
                let targets = match name {
                    Some(name) => route.names.entry(name.clone()).or_default(),
                    None => &mut route.whole,
                };
                if !targets.contains(&target) {
                    targets.push(target);
                }
            }
            for (directory, name) in &dropped {
                state.unroute(target, directory, name.as_ref());
            }
        }
        let mut is_new = false;
        self.failed.remove(&target);
        for (directory, _) in &wants {
            match self.ensure(directory) {
                Ok(new) => is_new |= new,
                Err(reason) => drop(self.failed.insert(target, reason)),
            }
        }
        if wants.is_empty() {
            self.wants.remove(&target);
        } else if added {
            self.wants.insert(target, wants);
        }
        for (directory, _) in dropped {
            self.release(&directory);
        }
        is_new
    }

    /// Those of whom changes will be missed, and why.
    pub(super) fn failed(&self) -> impl Iterator<Item = (&Target, &String)> {
        self.failed.iter()
    }

    /// Watches `directory` if it is not yet, or if another one stands there by now.
    fn ensure(&mut self, directory: &Path) -> Result<bool, String> {
        let Some(watcher) = &mut self.watcher else {
            return Err(self.refused.clone().unwrap_or_default());
        };
        let id = std::fs::metadata(directory).ok().map(|found| (found.dev(), found.ino()));
        let stale = self.mailbox.lock().stale.remove(directory);
        let known = self.watched.get(directory);
        if known == Some(&id) && !stale {
            return Ok(false);
        }
        if known.is_some() {
            // Fails if notify dropped it by itself, which it does when it sees the directory go.
            let _ = watcher.unwatch(directory);
            self.watched.remove(directory);
        }
        if id.is_none() {
            return Ok(false);
        }
        match watcher.watch(directory, RecursiveMode::NonRecursive) {
            Ok(()) => {
                self.watched.insert(directory.to_owned(), id);
                Ok(true)
            }
            // Gone in this very moment, as whoever watches its parent will hear.
            Err(error) if matches!(error.kind, ErrorKind::PathNotFound) => Ok(false),
            Err(error) => Err(why(&error)),
        }
    }

    fn release(&mut self, directory: &Path) {
        let mut state = self.mailbox.lock();
        let unused = state.routes.get(directory).is_none_or(|route| route.whole.is_empty() && route.names.is_empty());
        if !unused {
            return;
        }
        state.routes.remove(directory);
        state.stale.remove(directory);
        drop(state);
        if self.watched.remove(directory).is_some()
            && let Some(watcher) = &mut self.watcher
        {
            let _ = watcher.unwatch(directory);
        }
    }
}

impl State {
    fn unroute(&mut self, target: Target, directory: &Path, name: Option<&OsString>) {
        let Some(route) = self.routes.get_mut(directory) else { return };
        match name {
            None => route.whole.retain(|&other| other != target),
            Some(name) => {
                if let Some(targets) = route.names.get_mut(name) {
                    targets.retain(|&other| other != target);
                    if targets.is_empty() {
                        route.names.remove(name);
                    }
                }
            }
        }
    }
}

/// Why there are no events, for people.
fn why(error: &notify::Error) -> String {
    let full = |what: &str| format!("{what}; raise it with sysctl, or leave it: changes are found every 2 s");
    match &error.kind {
        ErrorKind::MaxFilesWatch => full("fs.inotify.max_user_watches is used up"),
        ErrorKind::Io(cause) if cause.raw_os_error() == Some(libc::EMFILE) => {
            full("fs.inotify.max_user_instances is used up")
        }
        ErrorKind::Io(cause) if cause.raw_os_error() == Some(libc::ENOSPC) => {
            full("fs.inotify.max_user_watches is used up")
        }
        ErrorKind::Io(cause) => format!("the kernel gives no events ({cause}): changes are found every 2 s"),
        _ => format!("the kernel gives no events ({error}): changes are found every 2 s"),
    }
}
