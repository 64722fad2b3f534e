//! Who comes before whom. Three lists of names in a service's file order it after others:
//!
//! - `after`: it starts once these are ready, or have come to rest otherwise: failed for good, not
//!   enabled, done, stopped. It stops before those of them that stop too.
//! - `requires`: in order as `after`, and it runs only while each of these is up. One that is not to
//!   run any more, or has failed for good, takes it down first, and brings it back when it is up
//!   again. A crash that is made good, and a restart after an edit, leave it alone.
//! - `wants`: as `after`, and they need not exist. A service's own log command is one of these that nobody waits for:
//!   the pipe between the two is there before it; it only goes after.
//!
//! Everything starts at the same time as far as this lets it; no process is ever made, at a restart
//! neither, before its *gate* is open. What may not start yet is *blocked*: it rests, says for whom it
//! waits, and costs nothing until that one's [`Standing`](super::standing::Standing) changes.
//! What is to go down is *held* as long as one that comes after it and is to go down as well has not
//! come to rest; each of those has time-outs of its own. A second shutdown holds nobody.
//!
//! To be *lost* is to require what is not up and not on its way: it is to go down, and whoever requires
//! it is lost too. That spreads before anything is done about it, so that the last in order falls first.
//!
//! `on_give_up` is no order: while the one that names it is failed, a service is wanted whatever its
//! own file says.
//!
//! Here are the books: who names whom, from both ends, so that a change costs a look at those that it
//! is about; and what was last seen of each. What follows is `ordered`'s business, whether the names
//! are right is `judge`'s.

use super::judge::in_circles;
use super::phase::Words;
use super::standing::Standing;
use crate::model::desired::Definition;
use crate::model::log_command;
use crate::model::name::ServiceName;
use crate::model::service::Delegated;
use crate::model::time::Mono;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Whether an instance may start, or go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Gate {
    /// It may start.
    #[default]
    Open,
    /// It may not start now, and why; it may go on.
    Shut(Words),
    /// It may neither start nor go on, and why.
    Lost(Words),
}

/// A service as those after it last saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) standing: Standing,
    /// "which has failed".
    pub(super) words: &'static str,
}

type Index = BTreeMap<ServiceName, BTreeSet<ServiceName>>;

/// The books.
#[derive(Debug, Default)]
pub(super) struct Ties {
    /// What is in force of those that name others; of one that was removed, what was, until it is gone.
    definitions: BTreeMap<ServiceName, Arc<Definition>>,
    /// Who comes after.
    followers: Index,
    /// Who names it in `on_give_up`.
    callers: Index,
    /// Those of them that are removed.
    wills: BTreeSet<ServiceName>,
    looks: BTreeMap<ServiceName, Look>,
    /// Those that require what is not up and not on its way.
    lost: BTreeSet<ServiceName>,
    /// The delegated source of those that come from one: they reach no other's services.
    realms: BTreeMap<ServiceName, Delegated>,
    /// Those that name another in `on_give_up` and are failed.
    failed: BTreeSet<ServiceName>,
    /// Who goes down later, and one of those that it waits for.
    held: BTreeMap<ServiceName, ServiceName>,
    /// When one that somebody waits for has run long enough.
    alarms: BTreeSet<(Mono, ServiceName)>,
    /// Who is to look again at what it may do.
    agenda: BTreeSet<ServiceName>,
    /// Whose being asked for may have changed.
    unseen: Vec<ServiceName>,
    /// Those whose files say what cannot be taken because of what other files say.
    pub(super) refused: BTreeSet<ServiceName>,
}

impl Ties {
    /// Whether nobody names anybody.
    pub(super) fn is_empty(&self) -> bool {
        self.definitions.is_empty()
    }

    /// From now on `name` says this of others; `None`: it is gone.
    pub(super) fn tie(&mut self, name: &ServiceName, definition: Option<&Arc<Definition>>) {
        match definition.and_then(|it| it.service.delegated.as_deref()) {
            Some(realm) => drop(self.realms.insert(name.clone(), realm.clone())),
            None => drop(self.realms.remove(name)),
        }
        let new = definition.filter(|it| names_others(it));
        if new.is_none() && !self.definitions.contains_key(name) {
            return;
        }
        self.wills.remove(name);
        if let Some(old) = self.definitions.remove(name) {
            for other in befores(&old) {
                remove(&mut self.followers, other, name);
                self.release(other, name);
                if !self.followers.contains_key(other) {
                    self.looks.remove(other);
                }
            }
            if let Some(other) = stand_in(&old) {
                remove(&mut self.callers, other, name);
                self.unseen.push(other.clone());
            }
        }
        let Some(new) = new else {
            self.lost.remove(name);
            self.failed.remove(name);
            return;
        };
        for other in befores(new) {
            self.followers.entry(other.clone()).or_default().insert(name.clone());
        }
        match stand_in(new) {
            Some(other) => {
                self.callers.entry(other.clone()).or_default().insert(name.clone());
                self.unseen.push(other.clone());
            }
            None => {
                self.failed.remove(name);
            }
        }
        self.definitions.insert(name.clone(), new.clone());
    }

    /// `name` is removed: what it last said of others still orders its end.
    pub(super) fn bequeath(&mut self, name: &ServiceName) {
        if self.definitions.contains_key(name) {
            self.wills.insert(name.clone());
        }
    }

    /// Of those that are removed, none orders its end against what is in force now.
    pub(super) fn probate(&mut self) {
        if self.wills.is_empty() {
            return;
        }
        let order_of = |name: &ServiceName| self.definitions.get(name)?.service.order.as_deref();
        for name in in_circles(self.wills.iter(), order_of) {
            self.tie(&name, None);
        }
    }

    /// What `name` says of others.
    pub(super) fn definition(&self, name: &ServiceName) -> Option<&Arc<Definition>> {
        self.definitions.get(name)
    }

    /// Whether anybody comes after `name`.
    pub(super) fn leads(&self, name: &ServiceName) -> bool {
        self.followers.contains_key(name)
    }

    /// Who comes after `name`; the last by name first.
    pub(super) fn followers<'a>(&'a self, name: &'a ServiceName) -> impl Iterator<Item = &'a ServiceName> {
        self.followers.get(name).into_iter().flatten().rev().filter(|follower| self.reaches(follower, name))
    }

    /// Whether what `by` says of `other` counts: a delegated source reaches none but its own.
    pub(super) fn reaches(&self, by: &ServiceName, other: &ServiceName) -> bool {
        self.realms.get(by).is_none_or(|realm| self.realms.get(other) == Some(realm))
    }

    /// Who comes before `name`.
    pub(super) fn befores<'a>(&'a self, name: &'a ServiceName) -> impl Iterator<Item = &'a ServiceName> {
        let all = self.definitions.get(name).into_iter().flat_map(|it| befores(it));
        all.filter(|other| self.reaches(name, other))
    }

    /// Who names it, in whatever way.
    pub(super) fn namers(&self, name: &ServiceName) -> impl Iterator<Item = &ServiceName> {
        let followers = self.followers.get(name).into_iter().flatten().rev();
        followers.chain(self.callers.get(name).into_iter().flatten())
    }

    /// One that is failed and names it in `on_give_up`.
    pub(super) fn caller(&self, name: &ServiceName) -> Option<&ServiceName> {
        self.callers.get(name)?.iter().find(|caller| self.failed.contains(*caller) && self.reaches(caller, name))
    }

    pub(super) fn is_lost(&self, name: &ServiceName) -> bool {
        self.lost.contains(name)
    }

    /// Notes whether `name` is lost; says whether that is news.
    pub(super) fn note_lost(&mut self, name: &ServiceName, lost: bool) -> bool {
        let news = mark(&mut self.lost, name, lost);
        if news {
            self.agenda.insert(name.clone());
        }
        news
    }

    /// Notes whether `name` is failed, where that matters to another.
    pub(super) fn note_failed(&mut self, name: &ServiceName, failed: bool) {
        let Some(other) = self.definitions.get(name).and_then(|it| stand_in(it)).cloned() else { return };
        if mark(&mut self.failed, name, failed) {
            self.unseen.push(other);
        }
    }

    /// Those who are asked for by others than before, once.
    pub(super) fn take_unseen(&mut self) -> Vec<ServiceName> {
        let unseen = std::mem::take(&mut self.unseen);
        self.agenda.extend(unseen.iter().cloned());
        unseen
    }

    /// Notes how `name` now looks to those after it, who look again if that is news; gives them.
    pub(super) fn note_look(&mut self, name: &ServiceName, look: Look) -> Vec<ServiceName> {
        let Some(followers) = self.followers.get(name) else { return Vec::new() };
        if self.looks.insert(name.clone(), look) == Some(look) {
            return Vec::new();
        }
        self.agenda.extend(followers.iter().cloned());
        followers.iter().cloned().collect()
    }

    /// Notes that `name` is held by `by`, or by nobody; who was held and is not any more looks again, all of it: what is to
    /// go down of it may be another part than the one that is looked at now.
    pub(super) fn note_held(&mut self, name: &ServiceName, by: Option<&ServiceName>) {
        match by {
            Some(by) => {
                self.held.insert(name.clone(), by.clone());
            }
            None if self.held.remove(name).is_some() => {
                self.agenda.insert(name.clone());
            }
            None => {}
        }
    }

    /// `by` holds nobody any more: whom it held looks again.
    pub(super) fn release_all(&mut self, by: &ServiceName) {
        if self.held.is_empty() {
            return;
        }
        // It may not say so any more.
        if let Some(reader) = log_command::name(by) {
            self.release(&reader, by);
        }
        let Some(definition) = self.definitions.get(by).cloned() else { return };
        for other in befores(&definition) {
            self.release(other, by);
        }
    }

    fn release(&mut self, name: &ServiceName, by: &ServiceName) {
        if self.held.get(name) == Some(by) {
            self.agenda.insert(name.clone());
        }
    }

    /// Somebody waits for `name` to have run until `at`.
    pub(super) fn await_until(&mut self, at: Mono, name: &ServiceName) {
        self.alarms.insert((at, name.clone()));
    }

    /// When the next of those that are waited for has run long enough.
    pub(super) fn deadline(&self) -> Option<Mono> {
        self.alarms.first().map(|(at, _)| *at)
    }

    /// Those that have, once.
    pub(super) fn ring(&mut self, now: Mono) -> Vec<ServiceName> {
        let mut due = Vec::new();
        while self.deadline().is_some_and(|at| at <= now) {
            due.extend(self.alarms.pop_first().map(|(_, name)| name));
        }
        due
    }

    /// Who is to look again next.
    pub(super) fn next(&mut self) -> Option<ServiceName> {
        self.agenda.pop_first()
    }
}

fn names_others(definition: &Definition) -> bool {
    let service = &definition.service;
    service.order.is_some() || service.reads.is_some() || stand_in(definition).is_some()
}

fn befores(definition: &Definition) -> impl Iterator<Item = &ServiceName> {
    definition.service.order.iter().flat_map(|order| order.names())
}

fn stand_in(definition: &Definition) -> Option<&ServiceName> {
    definition.service.restart.on_give_up.as_ref()
}

fn remove(index: &mut Index, key: &ServiceName, name: &ServiceName) {
    let Some(names) = index.get_mut(key) else { return };
    names.remove(name);
    if names.is_empty() {
        index.remove(key);
    }
}

fn mark(set: &mut BTreeSet<ServiceName>, name: &ServiceName, holds: bool) -> bool {
    if holds { set.insert(name.clone()) } else { set.remove(name) }
}
