//! Directories of which just some names matter: the parents of watched ones, of links and of what
//! links lead to, `abide.toml`, directories of daemontools. Whoever writes a log there must not
//! wake anybody at each write, so that these have an inotify instance of their own that is never
//! told of opening, reading and writing, and one thread that passes on the names that matter. There
//! is neither as long as nothing needs it.

use super::mailbox::Mailbox;
use crate::source::settle::Seen;
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags as Mask, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What can make a name lead elsewhere, or let others write there.
const NAME: Mask = Mask::IN_CREATE
    .union(Mask::IN_DELETE)
    .union(Mask::IN_MOVE)
    .union(Mask::IN_ATTRIB)
    .union(Mask::IN_DELETE_SELF)
    .union(Mask::IN_MOVE_SELF)
    .union(Mask::IN_ONLYDIR);
/// What can make it say something else.
const CONTENT: Mask = NAME.union(Mask::IN_CLOSE_WRITE);
/// The directory itself is not what it was, or not where it was.
const LOST: Mask = Mask::IN_DELETE_SELF.union(Mask::IN_MOVE_SELF).union(Mask::IN_UNMOUNT).union(Mask::IN_IGNORED);
/// The thread needs next to nothing.
const STACK: usize = 128 << 10;

/// The instance; its thread ends when the last of its watches does.
#[derive(Debug)]
pub(super) struct Names {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    inotify: Inotify,
    watched: Mutex<Watched>,
}

/// A watch is one a directory, however many paths lead to it.
#[derive(Debug, Default)]
struct Watched {
    paths: HashMap<WatchDescriptor, Vec<PathBuf>>,
    descriptors: HashMap<PathBuf, WatchDescriptor>,
    /// The thread is gone.
    ended: bool,
}

impl Names {
    /// An instance that watches `directory` to begin with.
    pub(super) fn start(mailbox: &Arc<Mailbox>, directory: &Path, content: bool) -> Result<Self, std::io::Error> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC)?;
        let shared = Arc::new(Shared { inotify, watched: Mutex::default() });
        let names = Self { shared: Arc::clone(&shared) };
        names.watch(directory, content)?;
        let mailbox = Arc::clone(mailbox);
        std::thread::Builder::new().name("names".into()).stack_size(STACK).spawn(move || shared.read(&mailbox))?;
        Ok(names)
    }

    /// Watches `directory` too, or more closely. Says whether it can: its thread may have ended.
    pub(super) fn watch(&self, directory: &Path, content: bool) -> Result<bool, Errno> {
        let mut watched = self.shared.lock();
        if watched.ended {
            return Ok(false);
        }
        let inotify = &self.shared.inotify;
        let descriptor = inotify.add_watch(directory, if content { CONTENT } else { NAME })?;
        let paths = watched.paths.entry(descriptor).or_default();
        if !paths.iter().any(|path| path == directory) {
            paths.push(directory.to_owned());
        }
        if paths.len() > 1 {
            // The last mask holds for all of them.
            inotify.add_watch(directory, CONTENT)?;
        }
        watched.descriptors.insert(directory.to_owned(), descriptor);
        Ok(true)
    }

    /// Watches it no more. Says whether nothing is left to watch.
    pub(super) fn unwatch(&self, directory: &Path) -> bool {
        let mut watched = self.shared.lock();
        if let Some(descriptor) = watched.descriptors.remove(directory)
            && let Some(paths) = watched.paths.get_mut(&descriptor)
        {
            paths.retain(|path| path != directory);
            if paths.is_empty() {
                watched.paths.remove(&descriptor);
                // Fails if the kernel did so by itself; either way it says so, which wakes the thread.
                let _ = self.shared.inotify.rm_watch(descriptor);
            }
        }
        watched.paths.is_empty()
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        let mut watched = self.shared.lock();
        watched.descriptors.clear();
        for (descriptor, _) in std::mem::take(&mut watched.paths) {
            let _ = self.shared.inotify.rm_watch(descriptor);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Watched> {
        // Whole at any moment, whoever panicked.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, mailbox: &Mailbox) {
        loop {
            let events = match self.inotify.read_events() {
                Ok(events) => events,
                Err(Errno::EINTR) => continue,
                Err(_) => Vec::new(),
            };
            let mut watched = self.lock();
            let failed = events.is_empty();
            if failed {
                mailbox.notice(super::mailbox::State::lost);
            }
            for event in &events {
                watched.pass(event, mailbox);
            }
            if failed || watched.paths.is_empty() {
                watched.ended = true;
                return;
            }
        }
    }
}

impl Watched {
    fn pass(&mut self, event: &InotifyEvent, mailbox: &Mailbox) {
        if event.mask.contains(Mask::IN_Q_OVERFLOW) {
            return mailbox.notice(super::mailbox::State::overflowed);
        }
        let Some(paths) = self.paths.get(&event.wd) else { return };
        mailbox.notice(|state| {
            for path in paths {
                match (&event.name, seen(event.mask)) {
                    (Some(name), Some(seen)) => {
                        state.about_name(path, name, seen);
                        if seen != Seen::Closed {
                            state.about_directory(&path.join(name), seen);
                        }
                    }
                    (None, _) if event.mask.intersects(LOST) => state.about_directory(path, Seen::Vanished),
                    (None, Some(seen)) => state.about_directory(path, seen),
                    (_, None) => {}
                }
            }
        });
        if event.mask.contains(Mask::IN_IGNORED) {
            for path in self.paths.remove(&event.wd).into_iter().flatten() {
                self.descriptors.remove(&path);
            }
        }
    }
}

/// What an event says of its name.
fn seen(mask: Mask) -> Option<Seen> {
    let any = |of: Mask| mask.intersects(of);
    match () {
        () if any(Mask::IN_CLOSE_WRITE) => Some(Seen::Closed),
        // A directory is whole when it is made; what comes into it is another matter.
        () if any(Mask::IN_CREATE) => Some(if any(Mask::IN_ISDIR) { Seen::Changed } else { Seen::Created }),
        () if any(Mask::IN_MOVED_TO) => Some(Seen::Arrived),
        () if any(Mask::IN_MOVED_FROM | Mask::IN_DELETE) => Some(Seen::Vanished),
        () if any(Mask::IN_ATTRIB) => Some(Seen::Changed),
        () => None,
    }
}
