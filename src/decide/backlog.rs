//! What the files say and is not acted on: removals that wait for a yes, and edits while reconciling is suspended.
//!
//! Every change of the files comes through here before it is read. What is held back here is not lost: when what holds
//! it ends, all of it comes out as one batch, as if the files had changed in that moment.

use super::effect::Effect;
use super::fleet::Fleet;
use super::guard::{self, Count, Window};
use super::member::{Kept, Member};
use super::records::used_record;
use crate::model::desired::{Entry, Permit};
use crate::model::name::ServiceName;
use crate::model::order::{Author, Hold};
use crate::model::rules::Rules;
use crate::model::service::Service;
use crate::model::status::{BatchStatus, GuardState, GuardStatus, Suspended, Withheld};
use crate::model::time::{Mono, Wall};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// A change of one service's files: its entry as it now is; `None`: it is gone.
pub(super) type FileChange = (ServiceName, Option<Entry>);

/// A file `.abide-hold` that stands for so long may have been forgotten.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// The books.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    pub(super) rules: Rules,
    window: Window,
    /// Removals that wait for a yes.
    guarded: BTreeSet<ServiceName>,
    since: Option<Wall>,
    permits: Vec<Permit>,
    /// What was let go because a file lists it: the file, and the service.
    used: BTreeSet<(String, ServiceName)>,
    /// By order: one service, or by `None` all.
    suspended: BTreeMap<Option<ServiceName>, Hold>,
    /// Directories that hold a file `.abide-hold`, and since when that is known.
    seen: BTreeMap<usize, Mono>,
    /// What waits until all of its batch is good.
    batch: BTreeMap<ServiceName, Option<Entry>>,
    /// The newest of what changed while it was suspended.
    waiting: BTreeMap<ServiceName, Option<Entry>>,
}

impl Fleet {
    /// What holds for all from now on.
    pub fn set_rules(&mut self, rules: Rules) {
        self.backlog.rules = rules;
    }

    /// What of `changes` is to be acted on now; `renamed`: what went under one name and came under another.
    pub(super) fn admit(
        &mut self,
        changes: Vec<FileChange>,
        renamed: &[(ServiceName, ServiceName)],
    ) -> Vec<FileChange> {
        let mut admitted = Vec::with_capacity(changes.len());
        for (name, entry) in changes {
            self.backlog.waiting.remove(&name);
            self.backlog.batch.remove(&name);
            if self.is_suspended(&name, entry.as_ref()) && !self.is_as_it_was(&name, entry.as_ref()) {
                self.keep_back(&name, entry.as_ref(), Kept::Suspended);
                self.backlog.waiting.insert(name, entry);
            } else {
                admitted.push((name, entry));
            }
        }
        self.surroundings_changed |= !self.backlog.waiting.is_empty();
        let moved: BTreeSet<&ServiceName> = renamed.iter().map(|(from, _)| from).collect();
        let whole = self.whole_batch(admitted);
        self.guarded(whole, &moved)
    }

    /// With `batch = "atomic"`, what is good waits as long as anything is bad; what is bad changes nothing, and is told.
    fn whole_batch(&mut self, changes: Vec<FileChange>) -> Vec<FileChange> {
        if !self.backlog.rules.atomic && self.backlog.batch.is_empty() {
            return changes;
        }
        let mut merged = std::mem::take(&mut self.backlog.batch);
        merged.extend(changes);
        let is_bad = |entry: &Option<Entry>| entry.as_ref().is_some_and(|entry| entry.service.is_none());
        let stands_bad =
            |name: &ServiceName, member: &Member| !member.reads && !member.removed && !merged.contains_key(name);
        // What is bad in a delegated source holds nothing but that.
        let realm = |name: &ServiceName, entry: &Option<Entry>| match entry {
            Some(entry) => entry.delegated.clone(),
            None => self.members.get(name).and_then(|member| member.delegated.clone()),
        };
        let bad = merged.iter().filter(|(_, entry)| is_bad(entry)).map(|(name, entry)| realm(name, entry));
        let standing = self.members.iter().filter(|(name, it)| stands_bad(name, it));
        let bad: Vec<_> = bad.chain(standing.map(|(_, member)| member.delegated.clone())).collect();
        let atomic = self.backlog.rules.atomic;
        let held = merged.iter().filter(|(name, it)| atomic && bad.contains(&realm(name, it)));
        let held: BTreeSet<ServiceName> = held.map(|(name, _)| name.clone()).collect();
        let mut free = Vec::with_capacity(merged.len());
        for (name, entry) in merged {
            if !held.contains(&name) || is_bad(&entry) || self.is_as_it_was(&name, entry.as_ref()) {
                free.push((name, entry));
                continue;
            }
            self.keep_back(&name, entry.as_ref(), Kept::Batch);
            self.backlog.batch.insert(name, entry);
        }
        self.surroundings_changed = true;
        free
    }

    /// The files that hold their batch, and what waits for them.
    fn batch_status(&self) -> Option<BatchStatus> {
        if self.backlog.batch.is_empty() {
            return None;
        }
        let waiting = self.backlog.batch.keys().cloned().collect();
        let bad = self.members.values().filter(|member| !member.reads && !member.removed);
        let files = bad.map(|member| member.file.display().to_string()).collect();
        Some(BatchStatus { waiting, files })
    }

    /// Without the removals that wait for a yes.
    fn guarded(&mut self, changes: Vec<FileChange>, moved: &BTreeSet<&ServiceName>) -> Vec<FileChange> {
        let now = self.turn.now;
        self.backlog.window.slide(now.mono, &self.backlog.rules.guard);
        let (mut admitted, mut asked) = (Vec::with_capacity(changes.len()), Vec::new());
        for (name, entry) in changes {
            if entry.is_some() {
                self.backlog.window.returned(&name);
                self.release(&name);
                admitted.push((name, entry));
            } else if moved.contains(&name) || self.may_go(&name) || !self.stands(&name) {
                self.release(&name);
                admitted.push((name, None));
            } else if !self.backlog.guarded.contains(&name) {
                asked.push(name);
            }
        }
        if asked.is_empty() {
            return admitted;
        }
        let counts = self.counts(&asked);
        // What goes from a delegated source is no reason to hold what goes from others, nor the other way round.
        let handed_out: Vec<bool> = self.sources.iter().map(|source| source.run_as.is_some()).collect();
        let is_own = |source: usize| !handed_out.get(source).is_some_and(|is| *is);
        let sum = |count: &Count| count.asked + count.gone;
        let of_own = counts.iter().filter(|(source, _)| is_own(**source)).map(|(_, count)| sum(count)).sum();
        for name in asked {
            let source = self.source_of_member(&name);
            let count = counts.get(&source).copied().unwrap_or_default();
            let of_all = if is_own(source) { of_own } else { sum(&count) };
            if guard::holds(&self.backlog.rules.guard, of_all, count) {
                self.backlog.since.get_or_insert(now.wall);
                self.backlog.guarded.insert(name.clone());
                self.surroundings_changed = true;
                self.mark(&name, Some(Kept::Guarded));
            } else {
                self.backlog.window.push(now.mono, source, name.clone());
                admitted.push((name, None));
            }
        }
        admitted
    }

    /// By source: what is asked for, or waits already, what went, and what stands.
    fn counts(&self, asked: &[ServiceName]) -> BTreeMap<usize, Count> {
        let mut counts: BTreeMap<usize, Count> = BTreeMap::new();
        let waiting = asked.iter().chain(&self.backlog.guarded);
        for source in waiting.map(|name| self.source_of_member(name)) {
            counts.entry(source).or_default().asked += 1;
        }
        for source in self.backlog.window.sources() {
            counts.entry(source).or_default().gone += 1;
        }
        // One alone is never many, and then nobody has to be counted.
        if counts.values().map(|count| count.asked + count.gone).sum::<u64>() > 1 {
            for member in self.members.values().filter(|member| !member.removed) {
                if let Some(count) = counts.get_mut(&self.source_of(&member.file)) {
                    count.standing += 1;
                }
            }
        } else {
            for count in counts.values_mut() {
                count.standing = count.asked + 1;
            }
        }
        counts
    }

    /// Whether a file says that it may go, and was not used for that before.
    fn may_go(&mut self, name: &ServiceName) -> bool {
        let realm = self.members.get(name).and_then(|member| member.delegated.as_deref());
        let speaks = |permit: &&Permit| permit.delegated.is_none() || permit.delegated.as_ref() == realm;
        let permits = self.backlog.permits.iter().filter(speaks).filter(|permit| permit.names.contains(name));
        let unused = permits.map(|permit| (permit.id.clone(), name.clone())).find(|it| !self.backlog.used.contains(it));
        let Some(used) = unused else { return false };
        self.backlog.used.insert(used);
        self.struck.push(used_record(&self.backlog.used));
        true
    }

    /// What such files were used for under an earlier supervisor.
    pub(super) fn used_before(&mut self, used: BTreeSet<(String, ServiceName)>) {
        self.backlog.used = used;
    }

    /// Files that say what may go are other than they were; gives what goes now.
    pub(super) fn permitted(&mut self, permits: Vec<Permit>) -> Vec<FileChange> {
        self.backlog.used.retain(|(id, _)| permits.iter().any(|permit| permit.id == *id));
        self.backlog.permits = permits;
        let held: Vec<ServiceName> = self.backlog.guarded.iter().cloned().collect();
        let going: Vec<ServiceName> = held.into_iter().filter(|name| self.may_go(name)).collect();
        going.into_iter().inspect(|name| self.release(name)).map(|name| (name, None)).collect()
    }

    /// Removals that were confirmed: those of `names`, or by none all that wait.
    pub(super) fn confirmed(&mut self, names: &[ServiceName]) -> Vec<FileChange> {
        let meant = |name: &&ServiceName| names.is_empty() || names.contains(name);
        let going: Vec<ServiceName> = self.backlog.guarded.iter().filter(meant).cloned().collect();
        going.into_iter().inspect(|name| self.release(name)).map(|name| (name, None)).collect()
    }

    fn release(&mut self, name: &ServiceName) {
        if self.backlog.guarded.remove(name) {
            self.surroundings_changed = true;
        }
        if self.backlog.guarded.is_empty() {
            self.backlog.since = None;
        }
        self.mark(name, None);
    }

    /// What its files now say is not acted on. Of what nothing is in force, as after a boot, the last good version is.
    fn keep_back(&mut self, name: &ServiceName, entry: Option<&Entry>, kept: Kept) {
        if let Some(entry) = entry {
            let member = self.members.entry(name.clone()).or_insert_with(|| Box::new(Member::new()));
            if member.accepted.is_none() && !member.removed {
                (member.file, member.kind) = (entry.file.clone(), entry.kind);
                self.recall(name);
            }
        }
        self.mark(name, Some(kept));
    }

    fn mark(&mut self, name: &ServiceName, kept: Option<Kept>) {
        if let Some(member) = self.members.get_mut(name).filter(|member| member.kept != kept) {
            member.kept = kept;
            self.conclude(name);
        }
    }

    /// What an earlier supervisor held back of the removals.
    pub(super) fn guarded_before(&mut self, name: &ServiceName) {
        self.backlog.since.get_or_insert(self.turn.now.wall);
        self.backlog.guarded.insert(name.clone());
    }

    pub(super) fn stands(&self, name: &ServiceName) -> bool {
        self.members.get(name).is_some_and(|member| !member.removed)
    }

    /// Whether the entry says what is in force already.
    fn is_as_it_was(&self, name: &ServiceName, entry: Option<&Entry>) -> bool {
        let Some(member) = self.members.get(name) else { return entry.is_none() };
        let version = |entry: &Entry| entry.service.as_ref().map(|service| service.version);
        let accepted = member.accepted.as_ref().map(|accepted| accepted.version);
        entry.is_some_and(|entry| accepted.is_some() && version(entry) == accepted)
    }

    /// Which of the watched directories a member comes from.
    fn source_of_member(&self, name: &ServiceName) -> usize {
        self.members.get(name).map_or(usize::MAX, |member| self.source_of(&member.file))
    }

    fn source_of(&self, file: &Path) -> usize {
        let holds = |path: &str| file.starts_with(path);
        // One may lie within another.
        let all = self.sources.iter().enumerate().filter(|(_, source)| holds(&source.path));
        all.max_by_key(|(_, source)| source.path.len()).map_or(usize::MAX, |(at, _)| at)
    }

    fn is_suspended(&self, name: &ServiceName, entry: Option<&Entry>) -> bool {
        let held = |source: usize| self.sources.get(source).is_some_and(|source| source.hold.is_some());
        let of = |entry: &Entry| self.source_of(&entry.file);
        let suspended = &self.backlog.suspended;
        let by_order = || suspended.contains_key(&None) || suspended.contains_key(&Some(name.clone()));
        (!suspended.is_empty() && by_order()) || held(entry.map_or_else(|| self.source_of_member(name), of))
    }

    /// An order: from now on nothing that changes in the files of `service`, or of any, is acted on.
    pub(super) fn suspend(&mut self, service: Option<ServiceName>, hold: Hold) {
        self.backlog.suspended.insert(service, hold);
        self.suspended_changed();
    }

    /// An order: what was suspended for `service`, or for all together, is so no more. Whether it was.
    pub(super) fn unsuspend(&mut self, service: Option<&ServiceName>) -> bool {
        let was = self.backlog.suspended.remove(&service.cloned()).is_some();
        if was {
            self.suspended_changed();
        }
        was
    }

    /// Which services are suspended by name.
    pub(super) fn suspended_by_name(&self) -> Vec<ServiceName> {
        self.backlog.suspended.keys().flatten().cloned().collect()
    }

    /// By whom all is suspended by order, if it is.
    pub(super) fn all_suspended(&self) -> Option<&Hold> {
        self.backlog.suspended.get(&None)
    }

    /// What an earlier abide had suspended.
    pub(super) fn suspended_before(&mut self, suspended: Vec<(Option<ServiceName>, Hold)>) {
        self.backlog.suspended = suspended.into_iter().collect();
        self.surroundings_changed = true;
    }

    fn suspended_changed(&mut self) {
        self.surroundings_changed = true;
        let suspended = self.backlog.suspended.iter().map(|(service, hold)| (service.clone(), hold.clone()));
        self.turn.effects.push(Effect::KeepSuspended(suspended.collect()));
    }

    /// What changed while it was suspended, of what is so no more.
    pub(super) fn resumed(&mut self) -> Vec<FileChange> {
        let free = |(name, entry): &(&ServiceName, &Option<Entry>)| !self.is_suspended(name, entry.as_ref());
        let names: Vec<ServiceName> = self.backlog.waiting.iter().filter(free).map(|(name, _)| name.clone()).collect();
        self.surroundings_changed |= !names.is_empty();
        let mut out = Vec::with_capacity(names.len());
        for name in names {
            let Some(entry) = self.backlog.waiting.remove(&name) else { continue };
            self.mark(&name, None);
            out.push((name, entry));
        }
        out
    }

    /// Notes which directories hold a file `.abide-hold`.
    pub(super) fn note_hold_files(&mut self) {
        let now = self.turn.now.mono;
        let held = |source: usize| self.sources.get(source).is_some_and(|source| source.hold.is_some());
        self.backlog.seen.retain(|source, _| held(*source));
        for source in (0..self.sources.len()).filter(|source| held(*source)) {
            self.backlog.seen.entry(source).or_insert(now);
        }
    }

    /// When the next file `.abide-hold` has stood for so long that it is to be warned of.
    pub(super) fn backlog_deadline(&self) -> Option<Mono> {
        let now = self.turn.now.mono;
        let times = self.backlog.seen.values().map(|seen| seen.plus(FORGOTTEN));
        times.filter(|at| *at > now).min()
    }

    /// Files `.abide-hold` that may have been forgotten, in words.
    pub fn forgotten_holds(&self) -> Vec<String> {
        let now = self.turn.now.mono;
        let old = self.backlog.seen.iter().filter(|(_, seen)| now >= seen.plus(FORGOTTEN));
        let in_words = |(source, _): (&usize, &Mono)| {
            let source = self.sources.get(*source)?;
            let since = source.hold.as_ref()?.since.rfc3339();
            let path = &source.path;
            Some(format!(
                "{path}/.abide-hold stands since {since}: nothing that changes in {path} is acted on; remove it to go on"
            ))
        };
        old.filter_map(in_words).collect()
    }

    /// What the files say and is not acted on.
    pub fn withheld(&self) -> Withheld {
        let Backlog { guarded, since, suspended, waiting, .. } = &self.backlog;
        let guard = GuardStatus {
            state: if guarded.is_empty() { GuardState::Clear } else { GuardState::Holding },
            removals: guarded.iter().cloned().collect(),
            since: *since,
            release: "abide confirm".to_owned(),
        };
        let of = |service: Option<&ServiceName>| {
            let all = waiting.keys().filter(|name| service.is_none_or(|service| service == *name));
            all.cloned().collect::<Vec<_>>()
        };
        let by_order = suspended.iter().map(|(service, hold)| Suspended {
            service: service.clone(),
            directory: None,
            hold: hold.clone(),
            waiting: of(service.as_ref()),
        });
        let by_file = self.sources.iter().enumerate().filter_map(|(index, source)| {
            let is_in = |(name, entry): &(&ServiceName, &Option<Entry>)| {
                entry.as_ref().map_or_else(|| self.source_of_member(name), |entry| self.source_of(&entry.file)) == index
            };
            Some(Suspended {
                service: None,
                directory: Some(source.path.clone()),
                hold: source.hold.clone()?,
                waiting: waiting.iter().filter(is_in).map(|(name, _)| name.clone()).collect(),
            })
        });
        let rollout = self.rollout.status(&self.backlog.rules.rollout);
        Withheld { guard, rollout, batch: self.batch_status(), suspended: by_order.chain(by_file).collect() }
    }

    /// Every change that is held back: whose it is, what it would come to, and by what.
    pub(super) fn kept(&self) -> impl Iterator<Item = (&ServiceName, Option<&Service>, Kept)> {
        let bad = |entry: &Option<Entry>| entry.as_ref().is_some_and(|it| it.service.is_none());
        let waiting = self.backlog.waiting.iter().map(|(name, entry)| (name, entry, Kept::Suspended));
        let batch = self.backlog.batch.iter().map(|(name, entry)| (name, entry, Kept::Batch));
        let edits = waiting.chain(batch).filter(move |(_, entry, _)| !bad(entry));
        let edits = edits.map(|(name, entry, kept)| (name, service_of(entry.as_ref()), kept));
        self.backlog.guarded.iter().map(|name| (name, None, Kept::Guarded)).chain(edits)
    }

    /// Why a change of the service's files is not acted on: a word, and a sentence.
    pub(super) fn why_kept(&self, name: &ServiceName, kept: Kept) -> (String, String) {
        match kept {
            Kept::Guarded => {
                let others = self.backlog.guarded.len().saturating_sub(1);
                let with = match others {
                    0 => String::new(),
                    1 => ", with that of 1 other".to_owned(),
                    others => format!(", with those of {others} others"),
                };
                let message =
                    format!("its file is gone{with}; it goes on until `abide confirm`, or until the file is back");
                ("RemovalHeld".to_owned(), message)
            }
            Kept::Suspended => ("Suspended".to_owned(), self.why_suspended(name)),
            Kept::Unlinked => ("Unlinked".to_owned(), "its directory is gone; it goes on until `svc -dx`".to_owned()),
            Kept::Batch => {
                let files = self.batch_status().map(|batch| batch.files).unwrap_or_default();
                let bad = match files.as_slice() {
                    [] => "another file".to_owned(),
                    [one] => one.clone(),
                    [one, rest @ ..] => format!("{one} and {} more", rest.len()),
                };
                let message =
                    format!("its edit waits until all of its batch is good: {bad} is not; mend that to go on");
                ("BatchIncomplete".to_owned(), message)
            }
        }
    }

    fn why_suspended(&self, name: &ServiceName) -> String {
        let suspended = &self.backlog.suspended;
        let entry = self.backlog.waiting.get(name).and_then(Option::as_ref);
        let what = if entry.is_some() { "an edit of its files waits" } else { "its file is gone, and it goes on" };
        if let Some(hold) = suspended.get(&Some(name.clone())) {
            return format!("{what}: {}; `abide resume {name}` ends that", in_words(hold));
        }
        if let Some(hold) = suspended.get(&None) {
            return format!("{what}: {}; `abide resume` ends that", in_words(hold));
        }
        let index = entry.map_or_else(|| self.source_of_member(name), |entry| self.source_of(&entry.file));
        let path = self.sources.get(index).map_or("its directory", |source| source.path.as_str());
        format!("{what}: {path} holds a file .abide-hold; remove that to go on")
    }
}

/// "suspended by root: freeze over the holidays".
pub(super) fn in_words(hold: &Hold) -> String {
    let reason = hold.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    format!("suspended by {}{reason}", hold.by.name)
}

/// An order's author as the status shows them to everybody: a command line is for the log.
pub(super) fn shown(author: &Author) -> Author {
    Author { name: author.name.clone(), uid: author.uid, pid: None, command: None }
}

fn service_of(entry: Option<&Entry>) -> Option<&Service> {
    Some(&entry?.service.as_ref()?.service)
}
