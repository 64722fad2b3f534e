//! What the order of services lets each of them do, and who looks again when one changes.

use super::fleet::{Ending, Fleet};
use super::instance::Instance;
use super::order::{Gate, Look};
use super::phase::Words;
use super::standing::Standing;
use crate::model::desired::Definition;
use crate::model::name::ServiceName;
use crate::model::policy::Order;
use crate::model::status::State;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Fleet {
    /// Whether `name` is wanted, were it alone.
    pub(super) fn asked(&self, name: &ServiceName) -> bool {
        let Some(member) = self.members.get(name).filter(|member| self.ending == Ending::No && !member.removed) else {
            return false;
        };
        let Some(definition) = member.accepted.as_ref().filter(|it| it.service.instances > 0) else { return false };
        let up = member.is_enabled(definition) || self.ties.caller(name).is_some();
        up && !self.holds.covers_all(name, definition.service.instances)
    }

    /// Whether `name` is to go down, or to stay there.
    fn falls(&self, name: &ServiceName) -> bool {
        self.ties.is_lost(name) || !self.asked(name)
    }

    /// What `name` counts as.
    pub(super) fn standing(&self, name: &ServiceName) -> Standing {
        let Some(member) = self.members.get(name).filter(|_| !self.falls(name)) else { return Standing::Lost };
        let size = member.size() as usize;
        if member.instances.len() < size {
            return Standing::Coming(None);
        }
        let now = self.turn.now.mono;
        // Without those that are held the service is what the others make it.
        let counted = member.instances.iter().take(size).filter(|it| !it.on_hold);
        counted.map(|it| it.standing(now)).max().unwrap_or(Standing::Lost)
    }

    fn look(&self, name: &ServiceName) -> Look {
        let standing = self.standing(name);
        let Some(member) = self.members.get(name) else { return Look { standing, words: "which does not exist" } };
        let words = match standing {
            Standing::Up => "which is up",
            Standing::Settled => "which has ended without success",
            Standing::Coming(_) => match member.totals.worst_state() {
                State::Backoff => "which is in backoff",
                State::Waiting if member.totals.blocked > 0 => "which itself waits for another",
                State::Waiting => "which waits for descriptors",
                State::Stopping => "which is being restarted",
                State::Running | State::Ready | State::Reloading => "which is not ready yet",
                State::Starting | State::Stopped | State::Failed | State::Held => "which is starting",
            },
            Standing::Lost => match &member.accepted {
                _ if self.ending != Ending::No => "which is being stopped",
                _ if member.removed => "which is removed",
                None => "whose file has an error",
                Some(it) if it.service.instances == 0 => "which has no instances",
                Some(it) if self.holds.covers_all(name, it.service.instances) => "which is held",
                Some(_) if !self.asked(name) => "which is not enabled",
                Some(_) if self.ties.is_lost(name) => "which itself requires what is not up",
                Some(_) => "which has failed",
            },
        };
        Look { standing, words }
    }

    /// What the order lets `name` do.
    fn gate(&self, name: &ServiceName) -> Gate {
        let order = self.ties.definition(name).and_then(|it| it.service.order.as_deref());
        let Some(order) = order.filter(|_| self.asked(name)) else { return Gate::Open };
        let Order { after, requires, wants } = order;
        let mut coming = None;
        for other in requires {
            match self.standing(other) {
                Standing::Up => {}
                Standing::Coming(_) => coming = coming.or(Some(other)),
                Standing::Settled | Standing::Lost => {
                    return Gate::Lost(format!("requires {other}, {}", self.look(other).words).into());
                }
            }
        }
        // The pipe is there before its log command is, and holds what comes.
        let mut later =
            after.iter().chain(wants).filter(|other| self.ties.reaches(name, other) && !self.reads(other, name));
        coming = coming.or_else(|| later.find(|other| matches!(self.standing(other), Standing::Coming(_))));
        match coming {
            Some(other) => Gate::Shut(format!("waits for {other}, {}", self.look(other).words).into()),
            None => Gate::Open,
        }
    }

    /// One that must have come to rest before `name` may go down.
    fn holder(&self, name: &ServiceName) -> Option<ServiceName> {
        if self.ending == Ending::Hurried || !self.falls(name) {
            return None;
        }
        let follower = self.ties.followers(name).find(|other| self.lingers(other) && self.falls(other)).cloned();
        follower.or_else(|| self.writes_on(name))
    }

    /// Whoever still writes what `name` takes, and will do so no more.
    fn writes_on(&self, name: &ServiceName) -> Option<ServiceName> {
        let writer = self.ties.definition(name)?.service.reads.as_ref()?;
        let member = self.members.get(writer)?;
        let is_piped = |definition: &Arc<Definition>| !definition.service.log.is_logged();
        let ends = self.falls(writer) || !member.accepted.as_ref().is_some_and(is_piped);
        let is_writing = member.instances.iter().any(|it| it.lingers() && is_piped(&it.current));
        (ends && is_writing).then(|| writer.clone())
    }

    fn lingers(&self, name: &ServiceName) -> bool {
        self.members.get(name).is_some_and(|member| member.instances.iter().any(Instance::lingers))
    }

    /// The next step is one of `name`.
    pub(super) fn prepare(&mut self, name: &ServiceName) {
        if self.ties.is_empty() {
            (self.turn.gate, self.turn.held) = (Gate::Open, None);
            return;
        }
        let holder = self.holder(name);
        self.ties.note_held(name, holder.as_ref());
        self.turn.held = holder.map(|other| format!("stops once {other} has stopped").into());
        self.turn.gate = self.gate(name);
    }

    /// Something about `name` may have changed: tells those whom that concerns.
    pub(super) fn notice(&mut self, name: &ServiceName) {
        let mut names = self.ties.take_unseen();
        if self.ties.is_empty() && names.is_empty() {
            return;
        }
        names.push(name.clone());
        while let Some(name) = names.pop() {
            let lost = self.requires_what_is_lost(&name);
            self.ties.note_lost(&name, lost);
            let failed = self.asked(&name) && self.members.get(&name).is_some_and(|member| member.totals.failed());
            self.ties.note_failed(&name, failed);
            names.extend(self.ties.take_unseen());
            if self.ties.leads(&name) {
                names.extend(self.ties.note_look(&name, self.look(&name)));
            }
            if !(self.lingers(&name) && self.falls(&name)) {
                self.ties.release_all(&name);
            }
            self.set_alarms(&name);
        }
    }

    /// `names`, those that come before others of them first, be it by way of some that are not among them.
    pub(super) fn befores_first(&self, names: impl Iterator<Item = ServiceName>) -> Vec<ServiceName> {
        let names: BTreeSet<ServiceName> = names.collect();
        if self.ties.is_empty() || names.len() < 2 {
            return names.into_iter().collect();
        }
        let mut sorted = Vec::with_capacity(names.len());
        let mut seen: BTreeSet<&ServiceName> = BTreeSet::new();
        for name in &names {
            let mut path = Vec::new();
            path.extend(seen.insert(name).then(|| (name, self.ties.befores(name))));
            while let Some((name, befores)) = path.last_mut() {
                if let Some(before) = befores.next() {
                    path.extend(seen.insert(before).then(|| (before, self.ties.befores(before))));
                } else {
                    sorted.extend(names.get(*name).cloned());
                    path.pop();
                }
            }
        }
        sorted
    }

    fn requires_what_is_lost(&self, name: &ServiceName) -> bool {
        let Some(definition) = self.ties.definition(name) else { return false };
        let requires = definition.service.order.iter().flat_map(|order| &order.requires);
        requires.into_iter().any(|other| matches!(self.standing(other), Standing::Settled | Standing::Lost))
    }

    /// While `name` waits for one that only has to run long enough, that time is armed; else nothing is.
    fn set_alarms(&mut self, name: &ServiceName) {
        if self.members.get(name).is_none_or(|member| member.totals.blocked == 0) {
            return;
        }
        let Some(definition) = self.ties.definition(name).cloned() else { return };
        for other in definition.service.order.iter().flat_map(|order| order.names()) {
            if let Standing::Coming(Some(at)) = self.standing(other) {
                self.ties.await_until(at, other);
            }
        }
    }

    /// Whom a change concerns takes its next step, and whom that concerns, until nobody is left.
    pub(super) fn settle(&mut self) {
        while let Some(name) = self.ties.next() {
            self.apply(&name);
        }
    }

    fn apply(&mut self, name: &ServiceName) {
        self.prepare(name);
        let asked = self.asked(name);
        let cause: Words = match self.ties.caller(name) {
            Some(caller) => format!("{caller} has given up").into(),
            None => "the one whose place it took is not failed any more".into(),
        };
        let Some(member) = self.members.get_mut(name) else { return };
        let size = member.size();
        for instance in &mut member.instances {
            let held = self.holds.covers(name, instance.id.index);
            instance.want(asked && !held && instance.id.index < size, &cause, &mut self.turn);
            if self.ending == Ending::Hurried {
                instance.hurry(&mut self.turn);
            }
            self.books.note(&mut member.totals, instance, self.turn.now.mono);
        }
        self.conclude(name);
    }
}
