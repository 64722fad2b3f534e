//! Where the watching threads leave marks and the worker finds them: who cares about which name
//! in which directory, and what was seen of it since. Marks are a set, bounded by the number of
//! names; whatever interests nobody is dropped here, before anybody wakes.

use super::Target;
use crate::source::entry::matters;
use crate::source::pattern::matches;
use crate::source::settle::Seen;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What somebody wants to know of: a directory, and names in it.
pub(in crate::source) type Want = (PathBuf, Which);

/// Which names of a directory matter to somebody.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::source) enum Which {
    /// Every one.
    All,
    /// This one.
    One(OsString),
    /// Those that match.
    Like(glob::Pattern),
}

/// How closely a directory must be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Every name in it may matter.
    All,
    /// Some names matter.
    Names {
        /// Also what is written into them, not just which file they are.
        content: bool,
    },
}

/// What was noticed since it was last asked.
#[derive(Debug, Default)]
pub(in crate::source) struct Noticed {
    /// Names in a source, and targets as a whole, with the last that was seen of them.
    pub(in crate::source) dirty: HashMap<(Target, Option<OsString>), Seen>,
    /// The kernel's queue overflowed this often: anything may have changed.
    pub(in crate::source) overflows: u64,
    /// Somebody asked for a full scan.
    pub(in crate::source) rescan: bool,
    /// The mount table changed.
    pub(in crate::source) mounted: bool,
    /// The end.
    pub(in crate::source) stop: bool,
}

impl Noticed {
    fn is_empty(&self) -> bool {
        self.dirty.is_empty() && self.overflows == 0 && !self.rescan && !self.mounted && !self.stop
    }

    fn mark(&mut self, target: Target, name: Option<OsString>, seen: Seen) {
        // Several names can stand behind a candidate: the fullest news wins. Of one name the last
        // counts, but that a change of mode says nothing that a completed write has not said better.
        let is_candidate = target.has_content();
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
    patterns: Vec<(glob::Pattern, Target)>,
}

impl Route {
    /// Those to whom some names matter.
    fn by_name(&self) -> impl Iterator<Item = Target> {
        self.names.values().flatten().copied().chain(self.patterns.iter().map(|(_, target)| *target))
    }
}

/// What is noticed, and for whom.
#[derive(Debug, Default)]
pub(super) struct State {
    noticed: Noticed,
    routes: HashMap<PathBuf, Route>,
    /// Watched directories that are not what they were: their watch must be made anew.
    stale: HashSet<PathBuf>,
    #[cfg(test)]
    turns: u64,
}

/// Where marks are left, and found.
#[derive(Debug, Default)]
pub(in crate::source) struct Mailbox {
    state: Mutex<State>,
    wake: Condvar,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Marks are whole at any moment: a panic elsewhere cannot have left half of one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until something is noticed or `deadline` comes.
    pub(in crate::source) fn wait(&self, deadline: Option<Instant>) -> Noticed {
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
        #[cfg(test)]
        {
            state.turns += 1;
        }
        std::mem::take(&mut state.noticed)
    }

    /// Asks for a full scan.
    pub(in crate::source) fn rescan(&self) {
        self.lock().noticed.rescan = true;
        self.wake.notify_one();
    }

    /// Asks for the end.
    pub(in crate::source) fn stop(&self) {
        self.lock().noticed.stop = true;
        self.wake.notify_one();
    }

    /// What happened goes into the marks, and the worker wakes if any of it matters.
    pub(super) fn notice(&self, happened: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        let had_nothing = state.noticed.is_empty();
        happened(&mut state);
        let is_news = had_nothing && !state.noticed.is_empty();
        drop(state);
        if is_news {
            self.wake.notify_one();
        }
    }

    /// From now on `target` wants to know of `added`, and no more of `dropped`.
    pub(super) fn route(&self, target: Target, added: &[Want], dropped: &[Want]) {
        let mut state = self.lock();
        for (directory, which) in added {
            let route = state.routes.entry(directory.clone()).or_default();
            let targets = match which {
                Which::One(name) => route.names.entry(name.clone()).or_default(),
                Which::All => &mut route.whole,
                Which::Like(pattern) => {
                    if !route.patterns.iter().any(|(known, of)| (known, *of) == (pattern, target)) {
                        route.patterns.push((pattern.clone(), target));
                    }
                    continue;
                }
            };
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        for (directory, which) in dropped {
            state.unroute(target, directory, which);
        }
    }

    /// What somebody needs to know of `directory`, if anybody does, and whether another one may
    /// stand there by now.
    pub(super) fn need(&self, directory: &Path) -> (Option<Need>, bool) {
        let mut state = self.lock();
        let is_stale = state.stale.remove(directory);
        let Some(route) = state.routes.get(directory) else { return (None, is_stale) };
        let need = if !route.whole.is_empty() {
            Some(Need::All)
        } else if route.names.is_empty() && route.patterns.is_empty() {
            state.routes.remove(directory);
            None
        } else {
            let content = route.by_name().any(Target::has_content);
            Some(Need::Names { content })
        };
        (need, is_stale)
    }

    /// What was still to be told of `directory` is lost: whoever cares about it looks once more,
    /// but for `target`, who does so anyway.
    pub(super) fn unsettle(&self, directory: &Path, target: Target) {
        self.notice(|state| state.mark_all(directory, Some(target)));
    }

    /// Those that care about names in `directory`.
    pub(super) fn targets(&self, directory: &Path) -> Vec<Target> {
        let state = self.lock();
        let route = state.routes.get(directory);
        route.map(|route| route.by_name().collect()).unwrap_or_default()
    }

    /// How often the worker took what was noticed.
    #[cfg(test)]
    pub(in crate::source) fn turns(&self) -> u64 {
        self.lock().turns
    }
}

impl State {
    /// The kernel's queue ran over: anything may have happened.
    pub(super) fn overflowed(&mut self) {
        self.noticed.overflows += 1;
    }

    /// Something was mounted, or unmounted.
    pub(super) fn mounted(&mut self) {
        self.noticed.mounted = true;
    }

    /// Something went wrong with the events themselves.
    pub(super) fn lost(&mut self) {
        self.noticed.rescan = true;
    }

    /// Something happened to `name` in `directory`.
    pub(super) fn about_name(&mut self, directory: &Path, name: &OsStr, seen: Seen) {
        let Self { noticed, routes, .. } = self;
        let Some(route) = routes.get(directory) else { return };
        if matters(name, seen) {
            for &target in &route.whole {
                noticed.mark(target, Some(name.to_owned()), seen);
            }
        }
        for &target in route.names.get(name).into_iter().flatten() {
            noticed.mark(target, None, seen);
        }
        for (_, target) in route.patterns.iter().filter(|(pattern, _)| matches(pattern, name)) {
            noticed.mark(*target, None, seen);
        }
    }

    /// Something happened to a watched directory itself: gone, moved, or its mode changed.
    pub(super) fn about_directory(&mut self, path: &Path, seen: Seen) {
        if seen != Seen::Changed && self.routes.contains_key(path) {
            self.stale.insert(path.to_owned());
        }
        self.mark_all(path, None);
    }

    /// All that care about `directory` are to look, but for one.
    fn mark_all(&mut self, directory: &Path, but: Option<Target>) {
        let Self { noticed, routes, .. } = self;
        let Some(route) = routes.get(directory) else { return };
        for target in route.whole.iter().copied().chain(route.by_name()).filter(|&target| Some(target) != but) {
            let owner = if let Target::Entries(source) = target { Target::Source(source) } else { target };
            noticed.mark(owner, None, Seen::Changed);
        }
    }

    fn unroute(&mut self, target: Target, directory: &Path, which: &Which) {
        let Some(route) = self.routes.get_mut(directory) else { return };
        match which {
            Which::All => route.whole.retain(|&other| other != target),
            Which::Like(pattern) => route.patterns.retain(|(known, of)| (known, *of) != (pattern, target)),
            Which::One(name) => {
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
