//! A delta → the fleet: each entry is read, what they say of each other is judged over all of them,
//! and only then is anything done about it.

use super::backlog::FileChange;
use super::diff::dearest;
use super::fleet::{Finding, Fleet};
use super::holds::in_words;
use super::instance::Instance;
use super::judge::Charge;
use super::judge::{Guesses, circular, missing, refused, unknown};
use super::member::{Member, errors, newly};
use super::phase::Words;
use super::plan;
use super::rollback::policy;
use crate::model::desired::{Definition, Delta, Entry};
use crate::model::diagnostic::Diagnostic;
use crate::model::name::{InstanceId, ServiceName};
use crate::model::plan::{Change, Price};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Why one that is gone goes.
const REMOVED: Words = Words::Borrowed("removed");

/// Definitions by name.
type Offers = BTreeMap<ServiceName, Arc<Definition>>;

/// What was in force of one service, and what is.
pub(super) struct Turnover {
    pub(super) name: ServiceName,
    pub(super) old: Option<Arc<Definition>>,
    pub(super) new: Option<Arc<Definition>>,
    pub(super) gone: bool,
}

/// What the judge has to look at.
#[derive(Default)]
struct Docket {
    /// Good by themselves, and new.
    fresh: Offers,
    /// Whose entry was read, good or bad.
    read: BTreeSet<ServiceName>,
    /// Who came or went.
    news: BTreeSet<ServiceName>,
}

impl Fleet {
    pub(super) fn take_delta(&mut self, delta: Delta) {
        let Delta { changes, sources, ignored, problems, renamed, permits, unsettled, generation } = delta;
        self.generation = generation;
        self.surroundings_changed |= sources.is_some() || ignored.is_some() || problems.is_some();
        self.sources = sources.unwrap_or_else(|| std::mem::take(&mut self.sources));
        self.ignored = ignored.unwrap_or_else(|| std::mem::take(&mut self.ignored));
        if let Some(problems) = problems {
            self.take_problems(problems);
        }
        self.surroundings_changed |= !changes.is_empty();
        self.note_hold_files();
        let released = permits.map_or_else(Vec::new, |permits| self.permitted(permits));
        let mut changes = self.with_vanished(changes, &unsettled);
        self.keep_unlinked(&mut changes);
        // What waited is one batch with what is new, which overrides it.
        let mut all: BTreeMap<ServiceName, Option<Entry>> = self.resumed().into_iter().collect();
        all.extend(changes);
        let mut admitted = self.admit(all.into_iter().collect(), &renamed);
        admitted.extend(released.into_iter().filter(|(name, _)| self.stands(name)));
        // What goes makes room for what comes.
        admitted.sort_by_key(|(_, entry)| entry.is_some());
        self.act_on(admitted, &renamed);
    }

    /// Acts on changes of the files, as one batch.
    pub(super) fn act_on(&mut self, changes: Vec<FileChange>, renamed: &[(ServiceName, ServiceName)]) {
        let mut turnovers = self.put_in_force(changes);
        let followers = self.log_commands(turnovers.iter().map(|turnover| &turnover.name));
        if !followers.is_empty() {
            for more in self.put_in_force(followers) {
                match turnovers.iter_mut().find(|known| known.name == more.name) {
                    // It is gone, and its name is that of a log command at once.
                    Some(known) if more.new.is_some() => *known = Turnover { old: known.old.take(), ..more },
                    Some(_) => {}
                    None => turnovers.push(more),
                }
            }
        }
        self.follow_renames(&mut turnovers);
        for turnover in &turnovers {
            self.notice(&turnover.name);
        }
        for turnover in self.in_order(turnovers) {
            let is_one = turnover.old.is_none() != turnover.new.is_none();
            let rename = if is_one { in_words_of(&turnover.name, renamed) } else { None };
            let name = turnover.name.clone();
            self.stage(turnover, rename);
            self.conclude(&name);
        }
    }

    fn take_problems(&mut self, problems: Vec<Diagnostic>) {
        self.findings.extend(newly(None, &self.problem_diagnostics, &problems));
        let gone = self.problem_diagnostics.iter().map(|old| &old.file);
        let mended: BTreeSet<_> = gone.filter(|file| problems.iter().all(|new| new.file != **file)).collect();
        self.findings.extend(mended.into_iter().map(|file| Finding::Mended { service: None, file: file.clone() }));
        self.problems = errors(&problems, &self.problems, self.turn.now.wall);
        self.problem_diagnostics = problems;
    }

    /// From now on the newest good definitions hold; nothing is done about it yet.
    fn put_in_force(&mut self, changes: Vec<FileChange>) -> Vec<Turnover> {
        let mut docket = Docket::default();
        let mut turnovers = Vec::with_capacity(changes.len());
        for (name, entry) in changes {
            let mut turnover = Turnover { name: name.clone(), old: None, new: None, gone: entry.is_none() };
            match entry {
                Some(entry) => self.read(name, entry, &mut docket),
                None => turnover.old = self.lose(name, &mut docket),
            }
            turnovers.push(turnover);
        }
        let (mut taken, others) = self.judge(docket);
        let others = others.into_iter();
        turnovers.extend(others.map(|name| Turnover { name, old: None, new: None, gone: false }));
        for turnover in turnovers.iter_mut().filter(|turnover| !turnover.gone) {
            let Some(new) = taken.remove(&turnover.name) else { continue };
            let Some(member) = self.members.get_mut(&turnover.name) else { continue };
            turnover.old = member.accepted.replace(new.clone());
            self.heed_autostart(&turnover.name, turnover.old.as_deref(), &new);
            self.ties.tie(&turnover.name, Some(&new));
            if turnover.old.as_ref().is_none_or(|old| old.version != new.version) {
                self.keep_version(&turnover.name, "edited");
            }
            turnover.new = Some(new);
        }
        self.ties.probate();
        turnovers
    }

    fn read(&mut self, name: ServiceName, entry: Entry, docket: &mut Docket) {
        let member = self.members.entry(name.clone()).or_insert_with(|| Box::new(Member::new()));
        if member.generation == 0 || member.removed {
            docket.news.insert(name.clone());
        }
        let (findings, definition) = member.read(&name, entry);
        self.findings.extend(findings);
        docket.read.insert(name.clone());
        match definition {
            Some(definition) if !self.is_rejected(&name, &definition) => drop(docket.fresh.insert(name, definition)),
            _ => self.recall(&name),
        }
    }

    fn lose(&mut self, name: ServiceName, docket: &mut Docket) -> Option<Arc<Definition>> {
        self.ties.refused.remove(&name);
        self.ties.bequeath(&name);
        let old = self.members.get_mut(&name)?.lose();
        docket.news.insert(name);
        old
    }

    /// Judges what is new and what was refused before; gives what is to be taken, and who beside those
    /// that were read has another verdict than before.
    fn judge(&mut self, docket: Docket) -> (Offers, Vec<ServiceName>) {
        let Docket { fresh, read, news } = docket;
        let mut verdicts: BTreeMap<ServiceName, Option<Charge>> = BTreeMap::new();
        let mut taken = Offers::new();
        let mut guesses = Guesses::default();
        let mut homes = self.homes(&fresh);
        // Edits first, then what has nothing in force yet, then what was refused while another version
        // holds: whoever comes later is the one who closes a circle.
        let mut stages = [Offers::new(), Offers::new(), Offers::new()];
        let accepted = |name: &ServiceName| self.members.get(name)?.accepted.as_ref();
        let has_one = |name: &ServiceName| accepted(name).is_some();
        for (name, definition) in fresh {
            if let Some(charge) = self.has_another_name(&name, &definition, &mut homes) {
                verdicts.insert(name, Some(Charge { offered: Some(definition), ..charge }));
                continue;
            }
            let is_old = accepted(&name).is_some_and(|old| old.version == definition.version);
            match self.unknown_in(&name, &definition, None, &mut guesses) {
                charge if is_old => {
                    verdicts.insert(name.clone(), charge);
                    taken.insert(name, definition);
                }
                Some(charge) => {
                    verdicts.insert(name, Some(Charge { offered: Some(definition), ..charge }));
                }
                None if definition.service.order.is_none() => {
                    taken.insert(name, definition);
                }
                None => {
                    stages[usize::from(!has_one(&name))].insert(name, definition);
                }
            }
        }
        let again = self.ties.refused.iter().filter(|name| !read.contains(*name));
        for name in again {
            let known = self.members.get(name).and_then(|member| member.charge.as_deref());
            let Some(offered) = known.and_then(|known| known.offered.clone()) else { continue };
            let same = |charge: &Charge| known.is_some_and(|known| known.missing == charge.missing);
            let other = self.has_another_name(name, &offered, &mut homes);
            match other.or_else(|| self.unknown_in(name, &offered, known, &mut guesses)) {
                Some(charge) if same(&charge) => {}
                Some(charge) => {
                    verdicts.insert(name.clone(), Some(Charge { offered: Some(offered), ..charge }));
                }
                None if offered.service.order.is_none() => {
                    verdicts.insert(name.clone(), None);
                    taken.insert(name.clone(), offered);
                }
                None => {
                    stages[if has_one(name) { 2 } else { 1 }].insert(name.clone(), offered);
                }
            }
        }
        let mut left = Offers::new();
        for stage in stages {
            left.extend(self.judge_order(stage, &mut taken, &mut verdicts));
        }
        // What was taken last may have broken the circle of one that was refused first.
        let mut count = usize::MAX;
        while !left.is_empty() && left.len() < count {
            count = left.len();
            left = self.judge_order(left, &mut taken, &mut verdicts);
        }
        for name in &read {
            verdicts.entry(name.clone()).or_default();
        }
        self.judge_in_force(&news, &mut verdicts, &mut guesses);
        let others = verdicts.keys().filter(|name| !read.contains(*name)).cloned().collect();
        self.pass(verdicts);
        (taken, others)
    }

    /// Takes those of `stage` that lead in no circle; gives the others.
    fn judge_order(
        &self,
        stage: Offers,
        taken: &mut Offers,
        verdicts: &mut BTreeMap<ServiceName, Option<Charge>>,
    ) -> Offers {
        let pending = stage.iter().map(|(name, definition)| (name, definition.as_ref())).collect();
        let in_force = |name: &ServiceName| {
            let held = || self.members.get(name)?.accepted.as_ref();
            taken.get(name).or_else(held).map(Arc::as_ref)
        };
        let mut circles = refused(&pending, in_force);
        let mut left = Offers::new();
        for (name, definition) in stage {
            let file = self.members.get(&name).map(|member| member.file.as_path());
            if let (Some(circle), Some(file)) = (circles.remove(&name), file) {
                let findings = vec![circular(&definition, file, &circle)];
                let charge = Charge { findings, offered: Some(definition.clone()), missing: Vec::new() };
                verdicts.insert(name.clone(), Some(charge));
                left.insert(name, definition);
            } else {
                verdicts.insert(name.clone(), None);
                taken.insert(name, definition);
            }
        }
        left
    }

    /// What is in force stays so, but its file is wrong as long as one that it names is gone.
    fn judge_in_force(
        &self,
        news: &BTreeSet<ServiceName>,
        verdicts: &mut BTreeMap<ServiceName, Option<Charge>>,
        guesses: &mut Guesses,
    ) {
        for namer in news.iter().flat_map(|name| self.ties.namers(name)) {
            let Some(member) = self.members.get(namer).filter(|member| member.reads && !member.removed) else {
                continue;
            };
            if verdicts.contains_key(namer) || self.ties.refused.contains(namer) {
                continue;
            }
            if let Some(definition) = &member.accepted {
                verdicts.insert(namer.clone(), self.unknown_in(namer, definition, None, guesses));
            }
        }
    }

    /// What is wrong with `definition` because of names that do not exist. Where that is what is `known`
    /// already, it is not put into words again.
    fn unknown_in(
        &self,
        name: &ServiceName,
        definition: &Definition,
        known: Option<&Charge>,
        guesses: &mut Guesses,
    ) -> Option<Charge> {
        if let Some(charge) = self.name_is_taken(name, definition) {
            return Some(charge);
        }
        let realm = &definition.service.delegated;
        let reaches = |member: &Member| !member.removed && (realm.is_none() || *realm == member.delegated);
        let exists = |name: &ServiceName| self.members.get(name).is_some_and(|member| reaches(member));
        let missing = missing(definition, exists);
        if missing.is_empty() {
            return None;
        }
        let names: Vec<ServiceName> = missing.iter().map(|(_, name)| (*name).clone()).collect();
        let findings = if known.is_some_and(|known| known.missing == names) {
            Vec::new()
        } else {
            let file = self.members.get(name).map_or(Path::new(""), |member| &member.file);
            let there = || self.members.iter().filter(|(_, member)| reaches(member));
            unknown(definition, file, &missing, guesses, || there().map(|(name, _)| name.as_str()))
        };
        Some(Charge { findings, offered: None, missing: names })
    }

    fn pass(&mut self, verdicts: BTreeMap<ServiceName, Option<Charge>>) {
        for (name, charge) in verdicts {
            let Some(member) = self.members.get_mut(&name) else { continue };
            if charge.as_ref().is_some_and(|charge| charge.offered.is_some()) {
                self.ties.refused.insert(name.clone());
            } else {
                self.ties.refused.remove(&name);
            }
            self.findings.extend(member.judged(&name, charge, self.turn.now.wall));
        }
    }

    /// Those that come before others first: who starts sees what they are after the delta, not before.
    fn in_order(&self, turnovers: Vec<Turnover>) -> Vec<Turnover> {
        if self.ties.is_empty() {
            return turnovers;
        }
        let mut left: BTreeMap<ServiceName, Turnover> = turnovers.into_iter().map(|it| (it.name.clone(), it)).collect();
        let order = self.befores_first(left.keys().cloned());
        order.iter().filter_map(|name| left.remove(name)).collect()
    }

    /// Makes it so; `why`: if that is not to be told from the difference.
    pub(super) fn carry_out(&mut self, turnover: &Turnover, why: Option<String>) {
        let Turnover { name, old, new, gone } = turnover;
        let (before, after) = (old.as_ref().map(|it| &it.service), new.as_ref().map(|it| &it.service));
        if !gone && after.is_none() {
            return;
        }
        let (cause, changes) = match plan::step(before, after, &self.turn.powers) {
            Some(mut step) => {
                step.reason = why.unwrap_or(step.reason);
                let told = (Words::Owned(step.reason.clone()), step.changes.clone());
                self.turn.effects.push(super::effect::Effect::Announce(step));
                told
            }
            None => (Words::Borrowed(""), Vec::new()),
        };
        match new {
            Some(new) => {
                if let Some(old) = old {
                    self.put_on_trial(name, old, &changes);
                }
                self.bring_in_line(name, new, &cause, &changes);
            }
            None => self.take_down(name, if *gone && !cause.is_empty() { &cause } else { &REMOVED }),
        }
    }

    /// Every instance of `name` hears of its `new` definition; missing ones are added.
    fn bring_in_line(&mut self, name: &ServiceName, new: &Arc<Definition>, cause: &Words, changes: &[Change]) {
        self.prepare(name);
        self.note_down(name, new);
        let up = self.asked(name);
        let rolls = policy(&new.service).rolling && new.service.instances > 1 && dearest(changes) == Price::Restart;
        let Some(member) = self.members.get_mut(name) else { return };
        let (count, numbered) = (new.service.instances, new.service.instances > 1);
        // Exactly: most services have one, and room for four would be most of what a service takes.
        member.instances.reserve_exact((count as usize).saturating_sub(member.instances.len()));
        for index in member.instances.len() as u32..count {
            member.instances.push(Instance::new(InstanceId::new(name.clone(), index), new, numbered));
        }
        for instance in &mut member.instances {
            // One that is surplus goes as what it was: its output stays where it is.
            let surplus = instance.id.index >= count;
            let hold = self.holds.covering(name, instance.id.index);
            if surplus {
                instance.want_or_hold(false, false, cause, &mut self.turn);
            } else if !up || hold.is_some() {
                instance.want(false, cause, &mut self.turn);
            } else {
                instance.stay();
            }
            if !surplus {
                // One after the other takes it then, and what does not run at once.
                if !rolls || instance.rests() {
                    instance.edit(new, numbered, changes, &mut self.turn);
                }
                match hold {
                    Some(hold) => instance.want_or_hold(up, true, &in_words(hold).into(), &mut self.turn),
                    None => instance.want_or_hold(up, false, cause, &mut self.turn),
                }
            }
            self.books.note(&mut member.totals, instance, self.turn.now.mono);
        }
        if rolls {
            self.roll(name, cause, changes);
        } else if let Some(member) = self.members.get_mut(name) {
            member.rolling = None;
        }
    }

    /// No instance of `name` is wanted any more.
    fn take_down(&mut self, name: &ServiceName, cause: &Words) {
        self.prepare(name);
        let Some(member) = self.members.get_mut(name) else { return };
        for instance in &mut member.instances {
            instance.want_or_hold(false, false, cause, &mut self.turn);
            instance.hasten(&mut self.turn);
            self.books.note(&mut member.totals, instance, self.turn.now.mono);
        }
    }
}

/// "renamed to b", "renamed from a".
fn in_words_of(name: &ServiceName, renamed: &[(ServiceName, ServiceName)]) -> Option<String> {
    renamed.iter().find_map(|(from, to)| match name {
        name if name == from => Some(format!("renamed to {to}")),
        name if name == to => Some(format!("renamed from {from}")),
        _ => None,
    })
}
