//! What was seen of a name, and when: whether to look at it now, later, or not at all. Pure: time
//! comes in with each call, nothing is read here.
//!
//! Files are changed in many ways and events only say *look here*. A name is looked at when its
//! change is complete (renamed into place, or closed and quiet), and what the look found settles
//! too: absence waits out a grace, which those that went together share, errors must stand for a while. The first completed change opens
//! a window; its own name leads, at once, and names that complete within the window are collected
//! and looked at together when it closes, so that a batch stays nearly whole. Nothing is armed at
//! rest.

use crate::model::time::Mono;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// A name that was closed after writing is looked at when it was quiet for this long.
pub const CLOSED: Duration = Duration::from_millis(50);
/// A window closes after this long without a further change …
pub const QUIET: Duration = Duration::from_millis(100);
/// … and at the latest after this: a stream of changes must not starve the rest.
pub const AT_MOST: Duration = Duration::from_secs(2);
/// Where nobody can say who writes, one looks again after this long: surely more than the
/// hundred milliseconds that must lie between two looks.
const SECOND_LOOK: Duration = Duration::from_millis(120);
/// Errors are told when they stood for this long.
pub const ERRORS: Duration = Duration::from_secs(1);
/// Names that mean nothing are named when they stood for this long.
pub const STRAYS: Duration = Duration::from_secs(5);

/// What was noticed about a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// Its owner, mode or times changed.
    Changed,
    /// It was created; if it is no link, more will come.
    Created,
    /// It was written to; more may come.
    Written,
    /// A writer closed it.
    Closed,
    /// It arrived whole: by rename or as a link.
    Arrived,
    /// It is gone.
    Vanished,
    /// A scan found it to be other than it was.
    Found,
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As it was when last published.
    Same,
    /// Something good and new.
    Good,
    /// Something wrong, which is published if it is still so after this long.
    Bad(Duration),
    /// Somebody writes to it: there will be a close, if it is written under this name.
    Busy,
    /// Nobody can say whether somebody writes to it.
    Doubtful,
    /// Nothing is there; `known` if something was published.
    Gone {
        /// Whether its absence matters to anybody.
        known: bool,
    },
}

/// What to do about what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Publish what was found.
    Publish,
    /// The name is gone for good.
    Remove,
    /// Nothing now; it will be looked at again.
    Wait,
    /// Nothing at all.
    Nothing,
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    /// Since when something is going on.
    opened: Mono,
    /// Being written: no look will help before its close, unless the kernel can say more.
    writing: bool,
    /// What is written was written under this name, so that its close will be told of it.
    by_name: bool,
    /// Ahead of its window.
    leading: bool,
    absent_since: Option<Mono>,
    bad_since: Option<Mono>,
    due: Option<Mono>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    opened: Mono,
    last: Mono,
}

impl Window {
    fn closes(self) -> Mono {
        self.last.plus(QUIET).min(self.opened.plus(AT_MOST))
    }
}

/// Names that went one soon after the other: they are gone together, or not yet. Whether so many may go can only be
/// judged of all of them.
#[derive(Debug)]
struct Leaving<K> {
    opened: Mono,
    last: Mono,
    names: BTreeSet<K>,
}

/// All names about which something is not settled.
#[derive(Debug)]
pub struct Settle<K> {
    grace: Duration,
    /// Whether the first of a batch goes ahead of it.
    leads: bool,
    pending: BTreeMap<K, Pending>,
    dues: BTreeSet<(Mono, K)>,
    collected: BTreeSet<K>,
    absent: BTreeSet<K>,
    /// The absent ones, as they went.
    leaving: VecDeque<Leaving<K>>,
    window: Option<Window>,
}

impl<K: Ord + Copy> Settle<K> {
    /// Nothing pending. Absence waits out `grace`.
    pub fn new(grace: Duration) -> Self {
        Self {
            grace,
            leads: true,
            pending: BTreeMap::new(),
            dues: BTreeSet::new(),
            collected: BTreeSet::new(),
            absent: BTreeSet::new(),
            leaving: VecDeque::new(),
            window: None,
        }
    }

    /// From now on absence waits this long.
    pub fn set_grace(&mut self, grace: Duration) {
        self.grace = grace;
    }

    /// Whether the first of a batch goes ahead of it, from now on.
    pub fn set_leads(&mut self, leads: bool) {
        self.leads = leads;
    }

    /// Something was noticed about `key`.
    pub fn note(&mut self, key: K, seen: Seen, now: Mono) {
        let fresh = Pending {
            opened: now,
            writing: false,
            by_name: false,
            leading: false,
            absent_since: None,
            bad_since: None,
            due: None,
        };
        let mut pending = *self.pending.entry(key).or_insert(fresh);
        if seen == Seen::Vanished {
            pending.absent_since.get_or_insert(now);
            self.leave(key, now);
        } else if seen != Seen::Changed {
            // A directory that is moved away tells of itself, too: the next look says whether it is there.
            pending.absent_since = None;
            self.stay(key);
        }
        if self.collected.contains(&key) && !matches!(seen, Seen::Vanished | Seen::Found) {
            pending.writing =
                matches!(seen, Seen::Created | Seen::Written) || (pending.writing && seen == Seen::Changed);
            if let Some(window) = &mut self.window {
                window.last = now;
            }
            self.pending.insert(key, pending);
            return;
        }
        let before = pending.due.take();
        self.disarm(key, before);
        let quiet = now.plus(QUIET).min(pending.opened.plus(AT_MOST)).max(now);
        let due = match seen {
            Seen::Vanished => {
                (pending.writing, pending.leading) = (false, false);
                None
            }
            Seen::Found => {
                (pending.writing, pending.leading) = (false, false);
                Some(now)
            }
            Seen::Created | Seen::Written => {
                pending.writing = true;
                pending.by_name |= seen == Seen::Written;
                Some(quiet)
            }
            // Says little: what is due earlier stays so.
            Seen::Changed => Some(before.map_or(quiet, |before| before.min(quiet))),
            Seen::Closed | Seen::Arrived => {
                (pending.writing, pending.by_name) = (false, false);
                self.complete(key, &mut pending, seen, now)
            }
        };
        pending.due = due;
        self.arm(key, due);
        self.pending.insert(key, pending);
    }

    /// A change is complete: its name leads, or is collected by the window that another opened.
    fn complete(&mut self, key: K, pending: &mut Pending, seen: Seen, now: Mono) -> Option<Mono> {
        let open = self.window.filter(|window| now < window.closes());
        let leads = self.leads && (pending.leading || open.is_none_or(|window| window.opened == now));
        let window = self.window.insert(Window { opened: open.map_or(now, |window| window.opened), last: now });
        pending.leading = leads;
        if !leads {
            self.collected.insert(key);
            return None;
        }
        match seen {
            Seen::Arrived => Some(now),
            _ => Some(now.plus(CLOSED).min(window.opened.plus(AT_MOST)).max(now)),
        }
    }

    /// The names to look at now, each of which must then be told to [`Settle::looked`].
    pub fn due(&mut self, now: Mono) -> Vec<K> {
        let mut due = Vec::new();
        while let Some(&(at, key)) = self.dues.first() {
            if at > now {
                break;
            }
            self.dues.pop_first();
            due.push(key);
        }
        while self.leaving.front().is_some_and(|leaving| leaving.last.plus(self.grace) <= now) {
            due.extend(self.leaving.pop_front().map(|leaving| leaving.names).into_iter().flatten());
        }
        if self.window.is_some_and(|window| window.closes() <= now) {
            self.window = None;
            due.extend(std::mem::take(&mut self.collected));
        }
        for key in &due {
            if let Some(pending) = self.pending.get_mut(key) {
                (pending.due, pending.leading) = (None, false);
            }
        }
        due
    }

    /// A look at `key` found this.
    pub fn looked(&mut self, key: K, outcome: Outcome, now: Mono) -> Verdict {
        let Some(mut pending) = self.pending.get(&key).copied() else {
            return Verdict::Nothing;
        };
        self.disarm(key, pending.due.take());
        self.collected.remove(&key);
        let (verdict, due) = match outcome {
            Outcome::Same => (Verdict::Nothing, None),
            Outcome::Good => (Verdict::Publish, None),
            Outcome::Gone { known: false } => (Verdict::Remove, None),
            Outcome::Gone { known: true } => {
                let end = pending.absent_since.get_or_insert(now).plus(self.grace);
                (if end <= now { Verdict::Remove } else { Verdict::Wait }, None)
            }
            Outcome::Bad(after) => {
                let end = pending.bad_since.get_or_insert(now).plus(after);
                if end <= now { (Verdict::Publish, None) } else { (Verdict::Wait, Some(end)) }
            }
            // One that got its name by link(2) while it was open is closed under another, or under none.
            Outcome::Busy => (Verdict::Wait, (!pending.by_name).then(|| now.plus(SECOND_LOOK))),
            Outcome::Doubtful => (Verdict::Wait, (!pending.writing).then(|| now.plus(SECOND_LOOK))),
        };
        if verdict != Verdict::Wait {
            self.forget(key);
            return verdict;
        }
        if matches!(outcome, Outcome::Gone { .. }) {
            self.leave(key, now);
        } else {
            pending.absent_since = None;
            self.stay(key);
        }
        // A look that cannot say anything yet says nothing against an error that it may find again.
        if !matches!(outcome, Outcome::Bad(_) | Outcome::Doubtful) {
            pending.bad_since = None;
        }
        // What comes next is a change of its own, not a part of the one that was looked at.
        pending.opened = now;
        pending.due = due;
        self.arm(key, due);
        self.pending.insert(key, pending);
        verdict
    }

    /// Whatever was pending about `key` does not matter any more.
    pub fn forget(&mut self, key: K) {
        if let Some(pending) = self.pending.remove(&key) {
            self.disarm(key, pending.due);
        }
        self.collected.remove(&key);
        self.stay(key);
    }

    /// `key` is absent from now on, if it was not before: one of those that have just gone, or the first of others.
    fn leave(&mut self, key: K, now: Mono) {
        if !self.absent.insert(key) && self.leaving.iter().any(|leaving| leaving.names.contains(&key)) {
            return;
        }
        let together = |leaving: &&mut Leaving<K>| now <= leaving.last.plus(QUIET).min(leaving.opened.plus(AT_MOST));
        if let Some(leaving) = self.leaving.back_mut().filter(together) {
            leaving.last = now;
            leaving.names.insert(key);
        } else {
            self.leaving.push_back(Leaving { opened: now, last: now, names: BTreeSet::from([key]) });
        }
    }

    fn stay(&mut self, key: K) {
        if self.absent.remove(&key) {
            for leaving in &mut self.leaving {
                leaving.names.remove(&key);
            }
            self.leaving.retain(|leaving| !leaving.names.is_empty());
        }
    }

    /// Whether nothing is under way.
    pub fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether anything about `key` is not settled.
    pub fn is_pending(&self, key: K) -> bool {
        self.pending.contains_key(&key)
    }

    /// The names that wait out their grace.
    pub fn absent(&self) -> impl Iterator<Item = K> {
        self.absent.iter().copied()
    }

    /// When [`Settle::due`] will next have something.
    pub fn next(&self) -> Option<Mono> {
        let first = self.dues.first().map(|&(at, _)| at);
        let window = self.window.filter(|_| !self.collected.is_empty()).map(Window::closes);
        let gone = self.leaving.front().map(|leaving| leaving.last.plus(self.grace));
        first.into_iter().chain(window).chain(gone).min()
    }

    fn arm(&mut self, key: K, due: Option<Mono>) {
        if let Some(at) = due {
            self.dues.insert((at, key));
        }
    }

    fn disarm(&mut self, key: K, due: Option<Mono>) {
        if let Some(at) = due {
            self.dues.remove(&(at, key));
        }
    }
}

#[cfg(test)]
mod tests;
