//! Groups that are waited for: one inotify instance, and a watch only for as long as somebody waits.

use super::group;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Which slots' groups are watched.
#[derive(Debug)]
pub struct Watches {
    inotify: Option<Inotify>,
    slots: HashMap<WatchDescriptor, u32>,
}

impl Watches {
    /// None yet. Without an instance, of which a user has few, none ever: then ends are told as
    /// where there are no cgroups.
    pub fn new(wanted: bool) -> Self {
        let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
        Self { inotify: wanted.then(|| Inotify::init(flags).ok()).flatten(), slots: HashMap::new() }
    }

    /// Readable when something changed; for the loop.
    pub fn descriptor(&self) -> Option<io::Result<OwnedFd>> {
        self.inotify.as_ref().map(|inotify| inotify.as_fd().try_clone_to_owned())
    }

    /// Watches the group of `slot`; whether that can be had.
    pub fn add(&mut self, slot: u32, group: &Path) -> bool {
        let Some(inotify) = &self.inotify else { return false };
        match inotify.add_watch(&group::events(group), AddWatchFlags::IN_MODIFY) {
            Ok(watch) => {
                self.slots.insert(watch, slot);
                true
            }
            Err(_) => false,
        }
    }

    /// No longer.
    pub fn remove(&mut self, slot: u32) {
        let Some(inotify) = &self.inotify else { return };
        let gone: Vec<WatchDescriptor> =
            self.slots.iter().filter(|(_, of)| **of == slot).map(|(watch, _)| *watch).collect();
        for watch in gone {
            self.slots.remove(&watch);
            // The group may be gone, and the watch with it.
            let _ = inotify.rm_watch(watch);
        }
    }

    /// The slots whose groups changed.
    pub fn changed(&mut self) -> Vec<u32> {
        let mut slots = Vec::new();
        while let Some(Ok(events)) = self.inotify.as_ref().map(Inotify::read_events) {
            for event in events {
                if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                    slots.extend(self.slots.values());
                }
                slots.extend(self.slots.get(&event.wd));
            }
        }
        slots.sort_unstable();
        slots.dedup();
        slots
    }
}
