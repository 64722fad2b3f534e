//! The way up with a past: from the records of an earlier supervisor to a fleet that goes on where that one stopped.
//!
//! Every order that has no answer is given again, under its old number. The host knows by that number, and by the table,
//! what was done already: that is answered and not done twice. So it does not matter where the earlier supervisor was
//! when it died: before an order was carried out, or after, or when its outcome was known and not yet written down.

use super::care::{Fate, Stage, What};
use super::effect::Effect;
use super::event::RunId;
use super::fleet::Fleet;
use super::holds::lapse;
use super::instance::Instance;
use super::member::{Kept, Member};
use super::phase::{Fit, Phase, Process, Turn};
use super::records::{KeptInstance, KeptService, Key, Written, hold_record, read_key};
use super::rollback::Trial;
use crate::model::desired::{Definition, Entry};
use crate::model::name::{InstanceId, ServiceName};
use crate::model::order::Hold;
use crate::model::selector::Target;
use crate::model::status::SourceState;
use crate::model::time::{Mono, Now};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What comes in while nobody is there may take so long to be read.
const GRACE: Duration = Duration::from_secs(1);

/// What an order may take that is given again.
const SPAWN_TIME: Duration = Duration::from_secs(5);

/// A process of which nothing was written down.
#[derive(Debug, Clone)]
pub struct Foundling {
    /// Whose it is.
    pub instance: InstanceId,
    /// What its files now say.
    pub definition: Arc<Definition>,
    /// Its run.
    pub run: RunId,
    /// Its pid.
    pub pid: i32,
    /// Its start in clock ticks since boot.
    pub start_ticks: u64,
}

impl Fleet {
    /// Goes on with what an earlier supervisor wrote down: to be called before anything else but
    /// [`Held`](super::event::Event::Held). `last_run`: the highest number of a run that is known beside the records.
    /// What cannot be read of them, in words.
    pub fn recover(&mut self, now: Now, records: &BTreeMap<String, Vec<u8>>, last_run: RunId) -> Vec<String> {
        self.turn.now = now;
        self.turn.last_run = self.turn.last_run.max(last_run);
        let mut broken = Vec::new();
        let mut instances = Vec::new();
        for (key, text) in records {
            let read = match read_key(key) {
                Some(Key::Service(name)) => serde_json::from_slice(text).map(|kept| self.restore_service(&name, kept)),
                Some(Key::Used) => serde_json::from_slice(text).map(|used| self.used_before(used)),
                Some(Key::Hold(target)) => serde_json::from_slice(text).map(|hold| self.restore_hold(target, hold)),
                Some(Key::Instance(id)) => serde_json::from_slice(text).map(|kept| instances.push((id, kept))),
                None => continue,
            };
            if let Err(error) = read {
                // The next one shall not stumble over it again.
                self.struck.push((key.clone(), None));
                broken.push(format!("the record {key} cannot be read: {error}"));
            }
        }
        // By number: as texts, 10 comes before 2.
        instances.sort_by(|(one, _), (other, _)| one.cmp(other));
        let names: BTreeSet<ServiceName> = self.members.keys().cloned().collect();
        for (id, kept) in instances {
            let key = super::records::key_of_instance(&id);
            if let Err(why) = self.restore_instance(&id, kept) {
                self.struck.push((key.clone(), None));
                broken.push(format!("the record {key} cannot be used: {why}"));
            }
        }
        self.unseen = self.members.keys().cloned().collect();
        let queued = self.members.iter().filter(|(_, member)| member.queued).map(|(name, _)| name.clone());
        for name in queued.collect::<Vec<_>>() {
            self.queued_before(&name);
        }
        for name in self.befores_first(self.unseen.clone().into_iter()) {
            self.resume(&name, !names.contains(&name));
        }
        self.settle();
        broken
    }

    /// Processes of which nothing was written down, and whose they are by the table, in the versions that the files now
    /// have: each is taken for its instance, if that has none.
    pub fn take_over(&mut self, now: Now, found: Vec<Foundling>) {
        self.turn.now = now;
        for Foundling { instance: id, definition, run, pid, start_ticks } in found {
            self.turn.last_run = self.turn.last_run.max(run);
            let member = self.members.entry(id.service.clone()).or_insert_with(|| Box::new(Member::new()));
            let numbered = definition.service.instances > 1;
            for index in member.instances.len() as u32..=id.index {
                let absent = InstanceId::new(id.service.clone(), index);
                member.instances.push(Instance::new(absent, &definition, numbered));
            }
            if member.accepted.is_none() {
                self.ties.tie(&id.service, Some(&definition));
                member.accepted = Some(definition);
            }
            let instance = &mut member.instances[id.index as usize];
            if instance.rests() {
                let since = now.mono;
                let limits = crate::model::limits::Limits::default();
                instance.process = Some(Process { pid, start_ticks, started: now.wall, limits });
                instance.phase = Phase::Running { run, ordered: since, since };
                (instance.want, instance.opened, instance.adopted) = (true, true, true);
                instance.why = "found without a record".into();
            }
            self.resume(&id.service, false);
        }
        self.settle();
    }

    /// By which definition the output of `instance` is kept, and whether it is one of several.
    pub fn output_of(&self, instance: &InstanceId) -> Option<(Arc<Definition>, bool)> {
        let found = self.members.get(&instance.service)?.instances.get(instance.index as usize)?;
        found.opened.then(|| (found.wanted.clone(), found.numbered))
    }

    /// How many instances were taken over from an earlier supervisor and still run.
    pub fn adopted(&self) -> u64 {
        let instances = self.members.values().flat_map(|member| &member.instances);
        instances.filter(|instance| instance.adopted && !instance.rests()).count() as u64
    }

    /// What was written down of a hold may not have come to the disk, which is read before.
    fn restore_hold(&mut self, target: Target, hold: Option<Hold>) {
        let known = self.holds.all().find(|(held, _)| **held == target).map(|(_, hold)| hold);
        if hold_record(&target, known) == hold_record(&target, hold.as_ref()) {
            return;
        }
        match &hold {
            Some(hold) => drop(self.holds.put(&target, hold.clone(), lapse(hold, self.turn.now))),
            None => drop(self.holds.take(&target)),
        }
        self.turn.effects.push(Effect::KeepHold { target, hold });
    }

    fn restore_service(&mut self, name: &ServiceName, kept: KeptService<'static>) {
        let mut member = Member::new();
        let definition = Arc::new(Definition { home: kept.home, ..Definition::from(kept.service.into_owned()) });
        (member.file, member.kind) = (kept.file.into_owned(), kept.kind);
        let last_good = kept.last_good.map(|service| Arc::new(Definition::from(service.into_owned())));
        member.written = Written {
            version: Some(definition.version),
            guarded: kept.guarded,
            queued: kept.queued,
            last_good: last_good.as_ref().map(|it| it.version),
        };
        member.trial = last_good.map(|last_good| Box::new(Trial::new(last_good)));
        member.rollback = self.trials.take_rejected(name);
        self.ties.tie(name, Some(&definition));
        member.accepted = Some(definition);
        member.queued = kept.queued;
        member.kept = kept.guarded.then_some(Kept::Guarded);
        self.members.insert(name.clone(), Box::new(member));
        if kept.guarded {
            self.guarded_before(name);
        }
    }

    fn restore_instance(&mut self, id: &InstanceId, kept: KeptInstance<'static>) -> Result<(), &'static str> {
        let member = self.members.entry(id.service.clone()).or_insert_with(|| {
            let mut removed = Member::new();
            removed.removed = true;
            Box::new(removed)
        });
        self.turn.last_run = self.turn.last_run.max(newest_run(&kept));
        let own = kept.service.map(|service| Arc::new(Definition::from(service.into_owned())));
        let Some(current) = own.or_else(|| member.accepted.clone()) else {
            return Err("what it was started with is not recorded");
        };
        let newest = member.accepted.clone().filter(|_| !member.queued);
        let wanted = newest.unwrap_or_else(|| current.clone());
        // Those of which nothing was written down, or nothing that can be read.
        for index in member.instances.len() as u32..id.index {
            let absent = InstanceId::new(id.service.clone(), index);
            member.instances.push(Instance::new(absent, &wanted, wanted.service.instances > 1));
        }
        let [want, on_hold, numbered, opened, starved] = kept.claims;
        let adopted = matches!(kept.phase, Phase::Running { .. } | Phase::Stopping { .. });
        let instance = Instance {
            want,
            on_hold,
            phase: kept.phase,
            why: kept.why,
            current,
            process: kept.process.map(std::borrow::Cow::into_owned),
            fit: kept.fit.into_owned(),
            last: kept.last,
            backoff: kept.backoff.into_owned(),
            restarts: kept.restarts.into_owned(),
            dropped: kept.dropped.into_owned(),
            opened,
            cause: kept.cause,
            owed: kept.owed,
            starved,
            care: kept.care.map(|care| Box::new(care.into_owned())),
            signals: kept.signals,
            sending: kept.sending.into_owned(),
            supervised: kept.supervised.map(|it| Box::new(it.into_owned())),
            adopted,
            ..Instance::new(id.clone(), &wanted, numbered)
        };
        member.instances.push(instance);
        Ok(())
    }

    /// Every instance of `name` gives its open orders again.
    fn resume(&mut self, name: &ServiceName, removed: bool) {
        self.prepare(name);
        let Some(member) = self.members.get_mut(name) else { return };
        member.removed = removed;
        for instance in &mut member.instances {
            instance.resume(&mut self.turn);
            self.books.note(&mut member.totals, instance, self.turn.now.mono);
        }
        self.conclude(name);
    }

    /// With those whose files have gone while nobody looked: once every directory is what it should be. One that is
    /// not there, or not whole, says nothing of what was in it. `unsettled`: there is something of these names.
    pub(super) fn with_vanished(
        &mut self,
        mut changes: Vec<(ServiceName, Option<Entry>)>,
        unsettled: &[ServiceName],
    ) -> Vec<(ServiceName, Option<Entry>)> {
        for (name, _) in &changes {
            self.unseen.remove(name);
        }
        let whole = |state| matches!(state, SourceState::Ok | SourceState::Degraded);
        if !self.unseen.is_empty() && self.sources.iter().all(|source| whole(source.state)) {
            let (pending, gone) = std::mem::take(&mut self.unseen).into_iter().partition(|it| unsettled.contains(it));
            self.unseen = pending;
            // A log command has no file of its own: it goes with whose output it takes.
            let is_its_own = |name: &ServiceName| {
                let accepted = self.members.get(name).and_then(|member| member.accepted.as_ref());
                accepted.is_none_or(|definition| definition.service.reads.is_none())
            };
            changes.extend(BTreeSet::into_iter(gone).filter(is_its_own).map(|name| (name, None)));
        }
        changes
    }
}

/// The highest number of a run in a record.
fn newest_run(kept: &KeptInstance<'_>) -> RunId {
    let own = match kept.phase {
        Phase::Starting { run, .. } | Phase::Running { run, .. } | Phase::Stopping { run, .. } => run,
        Phase::Resting(_) | Phase::Preparing { .. } | Phase::Clearing { .. } => RunId(0),
    };
    let pending = kept.care.iter().flat_map(|care| &care.pending).map(|pending| pending.run);
    pending.max().map_or(own, |pending| pending.max(own))
}

impl Instance {
    fn resume(&mut self, turn: &mut Turn) {
        let instance = self.id.clone();
        let (definition, numbered) = (self.current.clone(), self.numbered);
        self.forbear(turn.now.mono);
        match self.phase {
            Phase::Starting { run, until, .. } => {
                turn.unanswered += 1;
                let (instance, wanted) = (instance.clone(), self.want);
                turn.effects.push(Effect::Spawn { instance, run, definition, numbered, wanted });
                if until.is_none() {
                    let instance = self.id.clone();
                    turn.effects.push(Effect::AbandonSpawn { instance, run });
                }
            }
            Phase::Running { run, .. } => {
                let ended = matches!(self.stage(), Stage::Seeking { .. });
                let awaits = !matches!(self.stage(), Stage::Up | Stage::Settling);
                turn.effects.push(Effect::Resume { instance, run, definition, numbered, ended, awaits });
            }
            Phase::Stopping { run, ladder, .. } => {
                let ended = ladder.main_gone();
                let ends_input = ladder.is_drained().then(|| Effect::EndInput { instance: instance.clone(), run });
                turn.effects.push(Effect::Resume { instance, run, definition, numbered, ended, awaits: false });
                // That it was asked for is on record, and not that it was done.
                turn.effects.extend(ends_input);
            }
            Phase::Resting(_) | Phase::Preparing { .. } | Phase::Clearing { .. } => {}
        }
        if let Phase::Running { run, .. } | Phase::Stopping { run, .. } = self.phase {
            self.send_again(run, turn);
            self.ask_again(run, turn);
        }
        self.order_again(turn);
    }

    /// What came to an end by time alone, while nobody could hear what would have prevented that, has a little more.
    fn forbear(&mut self, now: Mono) {
        let soon = now.plus(GRACE);
        if let Phase::Starting { until: Some(until), .. } = &mut self.phase {
            *until = now.plus(SPAWN_TIME);
        }
        let Some(care) = &mut self.care else { return };
        let health = care.health.as_mut().and_then(|health| health.next.as_mut());
        for until in [health, care.start_until.as_mut(), care.reload.said.as_mut()].into_iter().flatten() {
            *until = (*until).max(soon);
        }
        for pending in &mut care.pending {
            if let (What::Probe(_), Fate::Until(until)) = (pending.what, &mut pending.fate) {
                *until = (*until).max(soon);
            }
        }
    }

    /// The last signals, of which some may not have been sent.
    fn send_again(&mut self, run: RunId, turn: &mut Turn) {
        let first = self.signals.saturating_sub(self.sending.len() as u32);
        for (nth, (signal, scope)) in (first + 1..).zip(self.sending.iter().copied()) {
            turn.effects.push(Effect::Signal { instance: self.id.clone(), run, nth, signal, scope });
        }
    }

    /// What was asked about the running process.
    fn ask_again(&mut self, run: RunId, turn: &mut Turn) {
        let (instance, definition) = (self.id.clone(), self.current.clone());
        let service = &definition.service;
        if self.fit == Fit::Asked {
            if !service.limits.is_empty() {
                let (instance, limits) = (instance.clone(), service.limits.clone());
                turn.effects.push(Effect::SetLimits { instance, run, limits });
            }
            let (instance, definition) = (instance.clone(), definition.clone());
            turn.effects.push(Effect::SetResources { instance, run, definition });
        }
        if self.care.as_ref().is_some_and(|care| care.finds) {
            let named = match self.stage() {
                Stage::Launching { named } | Stage::Seeking { named, .. } => named,
                _ => None,
            };
            turn.effects.push(Effect::FindMain { instance, run, definition, named });
        }
    }

    /// Commands and probes that have no answer.
    fn order_again(&mut self, turn: &mut Turn) {
        let Some(care) = &self.care else { return };
        for pending in care.pending.clone() {
            let (instance, run, definition) = (self.id.clone(), pending.run, self.current.clone());
            match pending.what {
                What::Probe(which) => turn.effects.push(Effect::Probe { instance, run, which, definition }),
                What::Errand(errand) => {
                    let variables = self.variables();
                    let arguments = self.arguments(errand);
                    let instance = instance.clone();
                    let order =
                        Effect::RunErrand { instance: instance.clone(), run, errand, definition, variables, arguments };
                    turn.effects.push(order);
                    if !matches!(pending.fate, Fate::Until(_)) {
                        turn.effects.push(Effect::EndErrand { instance, run });
                    }
                }
            }
        }
    }
}
