//! The configuration files of services: followed as the definitions that are accepted say, settled
//! like service files, told by name.

use super::Worker;
use crate::model::desired::Entry;
use crate::model::name::ServiceName;
use crate::model::time::Mono;
use crate::source::entry::shown;
use crate::source::follow::{Followed, patterns};
use crate::source::settle::{Seen, Settle, Verdict};
use crate::source::watch::{ReloadKey, Target};
use std::collections::BTreeMap;
use std::time::Duration;

/// All that is followed. Empty where no service has `[reload] watch`, and then it costs nothing.
pub(super) struct Reloads {
    followed: BTreeMap<ReloadKey, (ServiceName, Followed)>,
    keys: BTreeMap<ServiceName, ReloadKey>,
    settle: Settle<ReloadKey>,
    next: u32,
}

impl Reloads {
    pub(super) fn new(grace: Duration) -> Self {
        Self { followed: BTreeMap::new(), keys: BTreeMap::new(), settle: Settle::new(grace), next: 0 }
    }

    /// Something was noticed about the files of one.
    pub(super) fn note(&mut self, key: ReloadKey, seen: Seen, now: Mono) {
        // Ahead of the rest of a batch nothing is gained here: it would be one reload more.
        let seen = if seen == Seen::Arrived { Seen::Closed } else { seen };
        if self.followed.contains_key(&key) {
            self.settle.note(key, seen, now);
        }
    }

    /// All may be other than they were.
    pub(super) fn note_all(&mut self, now: Mono) {
        for key in self.followed.keys() {
            self.settle.note(*key, Seen::Found, now);
        }
    }

    /// From now on absence waits this long.
    pub(super) fn set_grace(&mut self, grace: Duration) {
        self.settle.set_grace(grace);
    }

    /// When the next look is due.
    pub(super) fn deadline(&self) -> Option<Mono> {
        self.settle.next()
    }
}

impl<C> Worker<C> {
    /// What was just accepted says which files matter.
    pub(super) fn follow(&mut self, changes: &[(ServiceName, Option<Entry>)]) {
        let now = self.now();
        for (name, entry) in changes {
            let patterns = match entry {
                // What is wrong leaves the last good one in force.
                Some(Entry { service: None, .. }) => continue,
                Some(Entry { service: Some(definition), .. }) => patterns(&definition.service),
                None => Vec::new(),
            };
            let service = entry.as_ref().and_then(|entry| entry.service.as_ref()).map(|it| &it.service);
            let eyes = service.filter(|it| it.delegated.is_some()).map(|it| it.identity.clone());
            let known = self.reloads.keys.get(name).copied();
            match known {
                Some(key) if patterns.is_empty() => self.unfollow(name, key),
                Some(key) => {
                    let followed = self.reloads.followed.get_mut(&key);
                    if followed.is_some_and(|(_, followed)| followed.set(patterns, eyes)) {
                        self.reloads.settle.note(key, Seen::Found, now);
                    }
                }
                None if patterns.is_empty() => {}
                None => {
                    let key = ReloadKey(self.reloads.next);
                    self.reloads.next += 1;
                    self.reloads.keys.insert(name.clone(), key);
                    self.reloads.followed.insert(key, (name.clone(), Followed::new(patterns, eyes)));
                    self.reloads.settle.note(key, Seen::Found, now);
                }
            }
        }
    }

    /// Those of whom no event tells.
    pub(super) fn unwatched_reloads(&self) -> Vec<ReloadKey> {
        let failed = self.watch.failed().filter_map(|(target, _)| match target {
            Target::Reload(key) => Some(*key),
            _ => None,
        });
        failed.collect()
    }

    fn unfollow(&mut self, name: &ServiceName, key: ReloadKey) {
        self.reloads.keys.remove(name);
        self.reloads.followed.remove(&key);
        self.reloads.settle.forget(key);
        self.watch.want(Target::Reload(key), Vec::new());
    }

    /// Looks at what is due, and tells what is other than it was.
    pub(super) fn turn_reloads(&mut self) {
        loop {
            let now = self.now();
            let due = self.reloads.settle.due(now);
            if due.is_empty() {
                return;
            }
            for key in due {
                self.examine_files(key, now);
            }
        }
    }

    fn examine_files(&mut self, key: ReloadKey, now: Mono) {
        let grace = self.configuration.timing().grace;
        let Some((name, followed)) = self.reloads.followed.get_mut(&key) else {
            return self.reloads.settle.forget(key);
        };
        let Some(found) = followed.look(&self.everyone, now, grace) else { return self.reloads.settle.forget(key) };
        let name = name.clone();
        if found.is_cut {
            tracing::warn!(service = name.as_str(), "[reload] watch means more files than are followed (1,000)");
        }
        let must_look = self.watch.want(Target::Reload(key), found.wants);
        let verdict = self.reloads.settle.looked(key, found.outcome, now);
        if verdict == Verdict::Publish {
            let files = found.changed.iter().map(|path| shown(path.as_os_str())).collect();
            (self.changed)(name, files);
        }
        let reloads = &mut self.reloads.settle;
        if must_look {
            reloads.note(key, Seen::Found, now);
        } else if found.is_missing {
            reloads.note(key, Seen::Vanished, now);
        } else if found.is_doubtful && verdict == Verdict::Publish {
            reloads.note(key, Seen::Changed, now);
        }
    }
}
