//! What every name in the watched directories stands for, and who wins where two claim one name.
//! Pure bookkeeping: it is told what was found and says what changed.

use super::delegation::{Delegation, Spent};
use super::entry::{Naming, shown};
use super::read::Stamp;
use super::{Loaded, Material};
use crate::model::desired::{Entry, Home};
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::name::ServiceName;
use crate::model::service::Version;
use crate::model::status::IgnoredEntry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// A candidate, for as long as its name is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key(pub(super) u32);

impl Key {
    /// `abide.toml`, which is settled like any other file and is no candidate.
    pub(super) const CONFIG: Self = Self(0);
}

/// One name in a watched directory that is not ignored at once.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) source: usize,
    pub(super) name: OsString,
    pub(super) naming: Naming,
    /// What it was last published as.
    pub(super) standing: Option<Standing>,
    /// The services that it was last published for: one, or as many as one of supervisord's files has.
    names: Vec<ServiceName>,
    /// What else is wrong with it.
    problems: Vec<Diagnostic>,
    /// What was read when it was published.
    pub(super) content: Option<Content>,
    /// A look that could not tell whether somebody writes; when.
    pub(super) doubt: Option<(Vec<Stamp>, Instant)>,
    /// Spent it even if it was not changed.
    pub(super) reload: bool,
    /// A scan, not an event, says that something is up.
    pub(super) by_scan: bool,
    /// What it takes of what its source was granted.
    cost: Spent,
}

/// What is known of the files of a candidate without reading them again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    /// Of the file, then of its drop-ins.
    pub(super) stamps: Box<[Stamp]>,
    /// Whether equal stamps would prove nothing.
    pub(super) racy: bool,
    /// Digest of all bytes that were read.
    pub(super) digest: [u8; 32],
    /// Files beside these that the meaning depends on, as they were; `None`: one that was not there.
    pub(super) inputs: Box<[Input]>,
    /// Which directory it is, if it is one.
    pub(super) home: Option<Box<Home>>,
}

impl Candidate {
    /// What it takes of what its source was granted.
    pub(super) fn cost(&self) -> Spent {
        self.cost
    }
}

impl Content {
    /// Of all files together.
    fn bytes(&self) -> u64 {
        let inputs = self.inputs.iter().filter_map(|(_, stamp)| stamp.as_ref());
        self.stamps.iter().chain(inputs).map(Stamp::size).fold(0, u64::saturating_add)
    }
}

/// A file that a meaning depends on, as it was.
pub(super) type Input = (PathBuf, Option<Stamp>);

/// What a candidate is to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// A service, or what fails to be one.
    Service,
    /// Nothing to abide, and why.
    Ignored(String),
    /// An error of no service.
    Problem(Diagnostic),
    /// It says how changes are to be taken.
    Control,
}

/// What to publish about a candidate.
#[derive(Debug)]
pub(super) enum Found {
    /// Entries of services, good or bad: one, or as many as one of supervisord's files has.
    Entries(Loaded, Content),
    /// A file that says how changes are to be taken: its text.
    Control(Vec<u8>, Content),
    /// Something else.
    Other(Standing),
}

/// What was last told about a service.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    by: Key,
    digest: [u8; 32],
    version: Option<Version>,
    diagnostics: Vec<Diagnostic>,
}

#[derive(Debug, Default)]
struct Claim {
    /// In order: the first wins.
    claimants: Vec<Key>,
    told: Option<Told>,
}

/// All candidates of all sources.
#[derive(Debug)]
pub(super) struct Catalogue {
    /// The directories as given.
    given: Vec<PathBuf>,
    /// Boxed, as the claims: a map that is filled in order keeps its leaves half empty.
    candidates: BTreeMap<Key, Box<Candidate>>,
    index: HashMap<(usize, OsString), Key>,
    claims: BTreeMap<ServiceName, Box<Claim>>,
    next: u32,
    changes: BTreeMap<ServiceName, Option<Entry>>,
    others_changed: bool,
    /// How many names of each source are services, or fail to be.
    services: Vec<u64>,
    /// Which sources are handed to somebody: of their claims none comes before one of the others.
    delegated: Vec<bool>,
}

impl Catalogue {
    /// Empty, for the directories as given.
    pub(super) fn new(given: Vec<PathBuf>) -> Self {
        Self {
            services: vec![0; given.len()],
            delegated: vec![false; given.len()],
            given,
            candidates: BTreeMap::new(),
            index: HashMap::new(),
            claims: BTreeMap::new(),
            next: Key::CONFIG.0 + 1,
            changes: BTreeMap::new(),
            others_changed: false,
        }
    }

    /// The path of `name` in `source` as people are shown it.
    pub(super) fn shown(&self, source: usize, name: &OsStr) -> PathBuf {
        self.given[source].join(shown(name))
    }

    /// The candidate of that name, if it is known.
    pub(super) fn find(&self, source: usize, name: &OsStr) -> Option<Key> {
        // The map is asked with an owned pair: a name is short, and this is once an event.
        self.index.get(&(source, name.to_owned())).copied()
    }

    /// The candidate of that name, known from now on.
    pub(super) fn intern(&mut self, source: usize, name: &OsStr, naming: Naming) -> Key {
        if let Some(key) = self.find(source, name) {
            return key;
        }
        let key = Key(self.next);
        self.next += 1;
        self.index.insert((source, name.to_owned()), key);
        let name = name.to_owned();
        let candidate = Candidate {
            source,
            name,
            naming,
            standing: None,
            names: Vec::new(),
            problems: Vec::new(),
            content: None,
            doubt: None,
            reload: false,
            by_scan: false,
            cost: Spent::default(),
        };
        self.candidates.insert(key, Box::new(candidate));
        key
    }

    pub(super) fn get(&self, key: Key) -> Option<&Candidate> {
        self.candidates.get(&key).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Candidate> {
        self.candidates.get_mut(&key).map(Box::as_mut)
    }

    /// All candidates of one source.
    pub(super) fn of_source(&self, source: usize) -> impl Iterator<Item = (Key, &Candidate)> {
        self.candidates
            .iter()
            .filter(move |(_, candidate)| candidate.source == source)
            .map(|(&key, found)| (key, &**found))
    }

    /// All candidates.
    pub(super) fn keys(&self) -> Vec<Key> {
        self.candidates.keys().copied().collect()
    }

    /// Whether `entries` are what was last told about their services, by the same candidate, and all of it.
    pub(super) fn is_told(&self, key: Key, loaded: &Loaded, digest: [u8; 32]) -> bool {
        let is_told = |(name, entry): &(ServiceName, Entry)| {
            let told = self.claims.get(name).and_then(|claim| claim.told.as_ref());
            told.is_some_and(|told| {
                let version = entry.service.as_ref().map(|service| service.version);
                let is_same = told.version == version && told.diagnostics == entry.diagnostics;
                told.by == key && told.digest == digest && is_same
            })
        };
        let is_all = |it: &Candidate| it.names.len() == loaded.entries.len() && it.problems == loaded.problems;
        let known = self.get(key).filter(|candidate| candidate.standing == Some(Standing::Service));
        known.is_some_and(is_all) && loaded.entries.iter().all(is_told)
    }

    /// Whether the last thing told about this candidate's service was that its files are wrong, or
    /// may be: what is around them may have been mended since.
    pub(super) fn is_troubled(&self, candidate: &Candidate) -> bool {
        if candidate.problems.iter().any(Diagnostic::is_error) {
            return true;
        }
        let claims = candidate.names.iter().filter_map(|name| self.claims.get(name));
        let mut told = claims.filter_map(|claim| claim.told.as_ref());
        told.any(|told| told.diagnostics.iter().any(Diagnostic::is_error))
    }

    /// The services of which something has still to be told.
    pub(super) fn untold(&self) -> impl Iterator<Item = &ServiceName> {
        self.changes.keys()
    }

    /// This is what `key` is from now on. Returns who now has what was one of its services, and must be read for it.
    pub(super) fn publish(&mut self, key: Key, found: Found) -> Vec<Key> {
        let Some(candidate) = self.candidates.get_mut(&key) else { return Vec::new() };
        candidate.reload = false;
        match found {
            Found::Other(standing) => {
                candidate.content = None;
                candidate.problems.clear();
                if candidate.standing.as_ref() != Some(&standing) {
                    candidate.standing = Some(standing);
                    self.others_changed = true;
                    return self.withdraw(key, &[]);
                }
            }
            Found::Control(_, content) => {
                candidate.content = Some(content);
                self.others_changed |= candidate.standing.replace(Standing::Control) != Some(Standing::Control);
            }
            Found::Entries(Loaded { entries, problems }, content) => {
                let digest = content.digest;
                candidate.cost = cost(&entries, content.bytes(), candidate.cost);
                candidate.content = Some(content);
                let before = candidate.standing.replace(Standing::Service);
                self.others_changed |= before.is_some_and(|before| before != Standing::Service);
                self.others_changed |= candidate.problems != problems;
                candidate.problems = problems;
                let names: Vec<ServiceName> = entries.iter().map(|(name, _)| name.clone()).collect();
                let heirs = self.withdraw(key, &names);
                for (name, entry) in entries {
                    self.claim(key, name, entry, digest);
                }
                return heirs;
            }
        }
        Vec::new()
    }

    fn claim(&mut self, key: Key, name: ServiceName, entry: Entry, digest: [u8; 32]) {
        let claim = self.claims.entry(name.clone()).or_default();
        if !claim.claimants.contains(&key) {
            claim.claimants.push(key);
            sort(&mut claim.claimants, &self.candidates, &self.delegated);
            self.others_changed |= claim.claimants.len() > 1;
        }
        if claim.claimants.first() != Some(&key) {
            return;
        }
        let version = entry.service.as_ref().map(|service| service.version);
        let told = Told { by: key, digest, version, diagnostics: entry.diagnostics.clone() };
        if claim.told.as_ref() != Some(&told) {
            claim.told = Some(told);
            self.changes.insert(name, Some(entry));
        }
    }

    /// `key` is gone. Returns who now has one of its services, and must be read for it.
    pub(super) fn remove(&mut self, key: Key) -> Vec<Key> {
        let heirs = self.withdraw(key, &[]);
        if let Some(candidate) = self.candidates.remove(&key) {
            self.index.remove(&(candidate.source, candidate.name));
            self.others_changed |= !candidate.problems.is_empty();
            self.others_changed |= candidate.standing.is_some_and(|standing| standing != Standing::Service);
        }
        heirs
    }

    /// Of the services of `key` only `names` are left.
    fn withdraw(&mut self, key: Key, names: &[ServiceName]) -> Vec<Key> {
        let Some(candidate) = self.candidates.get_mut(&key) else { return Vec::new() };
        let before = std::mem::replace(&mut candidate.names, names.to_vec());
        let count = &mut self.services[candidate.source];
        *count = *count + names.len() as u64 - before.len() as u64;
        let now: HashSet<&ServiceName> = names.iter().collect();
        let gone = before.iter().filter(|name| !now.contains(name));
        gone.filter_map(|name| self.withdraw_one(key, name)).collect()
    }

    fn withdraw_one(&mut self, key: Key, name: &ServiceName) -> Option<Key> {
        let claim = self.claims.get_mut(name)?;
        let before = claim.claimants.len();
        claim.claimants.retain(|&other| other != key);
        self.others_changed |= before > 1;
        let Some(&heir) = claim.claimants.first() else {
            // Whoever told it last: nobody is left to tell of its end.
            let was_told = self.claims.remove(name).is_some_and(|claim| claim.told.is_some());
            if was_told {
                self.changes.insert(name.clone(), None);
            }
            return None;
        };
        if claim.told.as_ref().is_none_or(|told| told.by != key) {
            return None;
        }
        if let Some(candidate) = self.candidates.get_mut(&heir) {
            candidate.reload = true;
        }
        Some(heir)
    }

    /// The changes since the last call: what goes first, then what comes.
    pub(super) fn take_changes(&mut self) -> Vec<(ServiceName, Option<Entry>)> {
        let mut changes: Vec<_> = std::mem::take(&mut self.changes).into_iter().collect();
        changes.sort_by_key(|(_, entry)| entry.is_some());
        changes
    }

    /// Whether ignored entries or problems changed since the last call.
    pub(super) fn take_others_changed(&mut self) -> bool {
        std::mem::take(&mut self.others_changed)
    }

    /// All names that are nothing to abide.
    pub(super) fn ignored(&self) -> Vec<IgnoredEntry> {
        let ignored = self.candidates.values().filter_map(|candidate| match &candidate.standing {
            Some(Standing::Ignored(reason)) => {
                let path = self.shown(candidate.source, &candidate.name).to_string_lossy().into_owned();
                Some(IgnoredEntry { path, reason: reason.clone() })
            }
            _ => None,
        });
        let mut ignored: Vec<_> = ignored.collect();
        ignored.sort();
        ignored
    }

    /// All errors that belong to no service: names that can be none, and names claimed twice.
    pub(super) fn problems(&self) -> Vec<Diagnostic> {
        let mut problems: Vec<_> = self
            .candidates
            .values()
            .filter_map(|candidate| match &candidate.standing {
                Some(Standing::Problem(problem)) => Some(problem.clone()),
                _ => None,
            })
            .collect();
        problems.extend(self.candidates.values().flat_map(|candidate| &candidate.problems).cloned());
        for (name, claim) in self.claims.iter().filter(|(_, claim)| claim.claimants.len() > 1) {
            let path = |key: &Key| self.candidates.get(key).map(|found| self.shown(found.source, &found.name));
            let Some(winner) = claim.claimants.first().and_then(path) else { continue };
            for loser in claim.claimants[1..].iter().filter_map(path) {
                let message = format!("the name {name} is taken by {}, which comes first", winner.display());
                let problem = Diagnostic::error(loser, Code::DuplicateName, message);
                problems.push(problem.help("remove one of the two, or give it another name"));
            }
        }
        problems.sort_by(|one, other| one.file.cmp(&other.file));
        problems
    }

    /// One source more; its number.
    pub(super) fn add_source(&mut self, given: PathBuf) -> usize {
        self.given.push(given);
        self.services.push(0);
        self.delegated.push(false);
        self.given.len() - 1
    }

    /// A source is handed to somebody, or no more: those who now have a name that another had, to be looked at.
    pub(super) fn set_delegated(&mut self, source: usize, delegated: bool) -> Vec<Key> {
        if std::mem::replace(&mut self.delegated[source], delegated) == delegated {
            return Vec::new();
        }
        let mut heirs = Vec::new();
        for claim in self.claims.values_mut().filter(|claim| claim.claimants.len() > 1) {
            let before = claim.claimants.first().copied();
            sort(&mut claim.claimants, &self.candidates, &self.delegated);
            heirs.extend(claim.claimants.first().copied().filter(|first| Some(*first) != before));
        }
        self.others_changed |= !heirs.is_empty();
        for heir in &heirs {
            if let Some(candidate) = self.candidates.get_mut(heir) {
                candidate.reload = true;
            }
        }
        heirs
    }

    /// Refuses `entries`, made of `material`, if with the others of their source they are more than was granted.
    pub(super) fn ration(
        &self,
        key: Key,
        delegation: Option<&Arc<Delegation>>,
        entries: &mut [(ServiceName, Entry)],
        material: &Material,
    ) {
        let Some((delegation, candidate)) = delegation.zip(self.get(key)) else { return };
        let cost = cost(entries, material.size(), candidate.cost);
        let spent = self.spent_by(candidate.source, key);
        for (_, entry) in entries {
            delegation.ration(entry, spent, cost);
        }
    }

    /// What the services of a source take, but for `key`.
    pub(super) fn spent_by(&self, source: usize, key: Key) -> Spent {
        let others = self.of_source(source).filter(|(other, _)| *other != key).map(|(_, candidate)| candidate);
        let others = others.filter(|candidate| candidate.standing == Some(Standing::Service));
        others.fold(Spent::default(), |sum, candidate| sum.plus(candidate.cost))
    }

    /// How many names of a source are services, or fail to be.
    pub(super) fn services_of(&self, source: usize) -> u64 {
        self.services[source]
    }
}

/// By source, those that are handed to somebody last; files before directories.
fn sort(claimants: &mut [Key], candidates: &BTreeMap<Key, Box<Candidate>>, delegated: &[bool]) {
    let place = |found: &Candidate| (delegated[found.source], found.source, rank(&found.naming));
    claimants.sort_by_key(|key| candidates.get(key).map(|found| place(found)));
}

/// What entries take of what their source was granted. One that is broken runs on as it was.
fn cost(entries: &[(ServiceName, Entry)], bytes: u64, before: Spent) -> Spent {
    let entries = || entries.iter().map(|(_, entry)| entry);
    if entries().any(|entry| entry.diagnostics.iter().any(|finding| finding.code == Code::OverQuota)) {
        return before;
    }
    let instances = |entry: &Entry| entry.service.as_ref().map(|definition| definition.service.instances);
    let instances = entries().map(instances).try_fold(0_u32, |sum, count| Some(sum.saturating_add(count?)));
    Spent { services: entries().count() as u32, instances: instances.unwrap_or(before.instances), bytes }
}

/// The one service that a name claims.
pub(super) fn service_of(naming: &Naming) -> Option<&ServiceName> {
    match naming {
        Naming::File(name) | Naming::Directory(name) => Some(name),
        _ => None,
    }
}

/// The order of the contract's table.
fn rank(naming: &Naming) -> u8 {
    match naming {
        Naming::File(_) => 0,
        Naming::Programs => 1,
        _ => 2,
    }
}
