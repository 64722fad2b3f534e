//! Events to dirty names, with nothing lost but their order. The one place that knows notify.
//!
//! A route says who cares about a directory: about every name in it, or about some. Watched
//! directories themselves, of which every name may matter, are notify's; the others are watched by
//! `names`, which is told less. The callback runs on notify's thread and only marks what is dirty,
//! since a slow one overflows the kernel's queue. Notify's mask has no filter: our own listing and
//! reading come back as events, so that dropping every access but the close of a writer is what
//! keeps us from waking ourselves for ever.

use super::settle::Seen;
use mailbox::Need;
pub(super) use mailbox::{Mailbox, Noticed, Want, Which};
use mounts::Mounts;
use names::Names;
use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode};
use notify::{Config, ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod mailbox;
mod mounts;
mod names;

/// Who cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Target {
    /// The entries of a source: told with their names.
    Entries(usize),
    /// A source's own path and what leads to it.
    Source(usize),
    /// One candidate, wherever its parts lie.
    Candidate(super::catalogue::Key),
    /// The configuration files of one service.
    Reload(ReloadKey),
}

impl Target {
    /// Whether it matters what is written into its names, not just which files they are.
    fn has_content(self) -> bool {
        matches!(self, Self::Candidate(_) | Self::Reload(_))
    }
}

/// A service whose own configuration files are followed, for as long as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ReloadKey(pub(super) u32);

/// What notify says becomes marks.
fn notice(mailbox: &Mailbox, event: &notify::Result<Event>) {
    match event {
        Ok(event) if event.need_rescan() => mailbox.notice(mailbox::State::overflowed),
        Ok(event) => {
            let Some(seen) = seen(event.kind) else { return };
            mailbox.notice(|state| {
                for path in &event.paths {
                    if let (Some(directory), Some(name)) = (path.parent(), path.file_name()) {
                        state.about_name(directory, name, seen);
                    }
                    state.about_directory(path, seen);
                }
            });
        }
        Err(_) => mailbox.notice(mailbox::State::lost),
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
    names: Option<Names>,
    refused: Option<String>,
    #[expect(dead_code, reason = "held for its thread")]
    mounts: Option<Mounts>,
    wants: HashMap<Target, Vec<Want>>,
    failed: HashMap<Target, String>,
    watched: HashMap<PathBuf, Watched>,
}

/// How a path is watched, and which directory it was at the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Watched {
    need: Need,
    id: (u64, u64),
}

impl Watch {
    /// Asks for the kernel's events; without them everything is polled.
    pub(super) fn new(mailbox: Arc<Mailbox>) -> Self {
        let marks = Arc::clone(&mailbox);
        let made = RecommendedWatcher::new(move |event| notice(&marks, &event), Config::default());
        let (watcher, refused) = match made {
            Ok(watcher) => (Some(watcher), None),
            Err(error) => (None, Some(why(&error))),
        };
        Self::with(mailbox, watcher, refused)
    }

    /// Without the kernel's events, for `reason`.
    #[cfg(test)]
    pub(super) fn polled(mailbox: Arc<Mailbox>, reason: &str) -> Self {
        Self::with(mailbox, None, Some(reason.to_owned()))
    }

    fn with(mailbox: Arc<Mailbox>, watcher: Option<RecommendedWatcher>, refused: Option<String>) -> Self {
        // Without it a mount is found by the next scan.
        let mounts = Mounts::start(&mailbox).ok();
        Self {
            mailbox,
            watcher,
            names: None,
            refused,
            mounts,
            wants: HashMap::new(),
            failed: HashMap::new(),
            watched: HashMap::new(),
        }
    }

    /// From now on `target` wants to know just this. Says whether one must look once more: what
    /// happened to a name before anybody wanted it, or to a directory before it was watched, or
    /// that it went before it could be, was told by nobody.
    pub(super) fn want(&mut self, target: Target, mut wants: Vec<Want>) -> bool {
        wants.sort();
        wants.dedup();
        let before = self.wants.remove(&target).unwrap_or_default();
        let dropped: Vec<Want> = before.iter().filter(|want| wants.binary_search(want).is_err()).cloned().collect();
        if before != wants {
            self.mailbox.route(target, &wants, &dropped);
        }
        let mut must_look = wants.iter().any(|want| before.binary_search(want).is_err());
        self.failed.remove(&target);
        let wanted = wants.iter().map(|(directory, _)| (directory, true));
        for (directory, is_wanted) in wanted.chain(dropped.iter().map(|(directory, _)| (directory, false))) {
            match self.align(directory, target) {
                Ok(missed) => must_look |= missed && is_wanted,
                // Those that are left with a directory that cannot be watched any more are told too.
                Err(reason) => {
                    let others = self.mailbox.targets(directory).into_iter();
                    self.failed.extend(others.map(|other| (other, reason.clone())));
                    if !wants.is_empty() {
                        self.failed.insert(target, reason);
                    }
                }
            }
        }
        if !wants.is_empty() {
            self.wants.insert(target, wants);
        }
        must_look
    }

    /// Those of whom changes will be missed, and why.
    pub(super) fn failed(&self) -> impl Iterator<Item = (&Target, &String)> {
        self.failed.iter()
    }

    /// Brings the watch of `directory` in line with what is needed, and with what stands there by
    /// now. Says whether `target` may have missed something: a watch was added, or nothing is there
    /// to be watched, though it was when somebody looked.
    fn align(&mut self, directory: &Path, target: Target) -> Result<bool, String> {
        let (need, stale) = self.mailbox.need(directory);
        let known = self.watched.get(directory).copied();
        let Some(need) = need else {
            known.inspect(|known| self.unwatch(directory, *known));
            return Ok(false);
        };
        if let Some(reason) = &self.refused {
            return Err(reason.clone());
        }
        let now = match std::fs::metadata(directory) {
            Ok(found) => Some(Watched { need, id: (found.dev(), found.ino()) }),
            Err(error) if is_gone(&error) => None,
            Err(error) => return Err(why(&notify::Error::io(error))),
        };
        if now.is_some() && known == now && !stale {
            return Ok(false);
        }
        let is_other = |known: &Watched| {
            now.is_none_or(|now| known.id != now.id) || (known.need == Need::All) != (need == Need::All)
        };
        if let Some(known) = known.filter(|known| stale || is_other(known)) {
            self.unwatch(directory, known);
            // What the old watch had still to tell goes with it.
            self.mailbox.unsettle(directory, target);
        }
        let Some(now) = now else { return Ok(true) };
        let added = match need {
            Need::All => self.watch_all(directory)?,
            Need::Names { content } => self.watch_names(directory, content)?,
        };
        if added {
            self.watched.insert(directory.to_owned(), now);
        }
        Ok(true)
    }

    /// Watches every name in it; whether it is still there.
    fn watch_all(&mut self, directory: &Path) -> Result<bool, String> {
        let Some(watcher) = &mut self.watcher else { return Ok(false) };
        match watcher.watch(directory, RecursiveMode::NonRecursive) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind, ErrorKind::PathNotFound) => Ok(false),
            Err(error) => Err(why(&error)),
        }
    }

    /// Watches some names in it; whether it is still there.
    fn watch_names(&mut self, directory: &Path, content: bool) -> Result<bool, String> {
        let watched = match &self.names {
            Some(names) => names.watch(directory, content).map_err(std::io::Error::from),
            None => Ok(false),
        };
        let watched = match watched {
            Ok(false) => Names::start(&self.mailbox, directory, content).map(|names| self.names = Some(names)),
            watched => watched.map(drop),
        };
        match watched {
            Ok(()) => Ok(true),
            Err(error) if is_gone(&error) => Ok(false),
            Err(error) => Err(why(&notify::Error::io(error))),
        }
    }

    fn unwatch(&mut self, directory: &Path, known: Watched) {
        self.watched.remove(directory);
        if known.need == Need::All {
            // Fails if notify dropped it by itself, which it does when it sees the directory go.
            self.watcher.as_mut().map(|watcher| watcher.unwatch(directory));
        } else if self.names.as_ref().is_some_and(|names| names.unwatch(directory)) {
            self.names = None;
        }
    }
}

/// Whether that says that no such directory is there.
fn is_gone(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR))
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

#[cfg(test)]
mod tests;
