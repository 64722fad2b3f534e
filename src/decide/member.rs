//! One service of the fleet: its entry, the definition in force, its instances, and the running
//! totals over them, so that no question costs a look at all.

use super::instance::Instance;
use super::judge::Charge;
use super::phase::{Fit, Phase, Rest};
use super::records::Written;
use super::rollback::Trial;
use super::rollout::Rolling;
use crate::model::desired::{Definition, Entry};
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::history::Rollback;
use crate::model::name::ServiceName;
use crate::model::service::{Delegated, Kind, Version};
use crate::model::status::{ConditionKind, FileError, State, Summary, Worst};
use crate::model::time::{Mono, Wall};
use std::path::PathBuf;
use std::sync::Arc;

/// Something to tell about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Newly wrong, or newly worth a warning.
    Found {
        /// The service that the file is about, if it is about one.
        service: Option<ServiceName>,
        /// What.
        diagnostic: Diagnostic,
    },
    /// What was wrong with this file is mended.
    Mended {
        /// The service that it defines, if it is one.
        service: Option<ServiceName>,
        /// The file.
        file: PathBuf,
    },
}

/// What is on the books about an instance.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Noted {
    pub(super) deadline: Option<Mono>,
    pub(super) mark: Option<Mark>,
    /// Whether it may have changed since its last record.
    pub(super) fresh: bool,
    /// A digest of its last record.
    pub(super) written: Option<u64>,
}

/// All about an instance that counts.
#[expect(clippy::struct_excessive_bools, reason = "each is a claim that is counted by itself")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    state: State,
    pub(super) alive: bool,
    /// It runs, and not only until others have gone.
    runs: bool,
    as_wanted: bool,
    differs: bool,
    unmet: bool,
    pub(super) blocked: bool,
    critical: bool,
    drops: bool,
    ready: bool,
    unwell: bool,
    behind: bool,
    held: bool,
}

impl Mark {
    pub(super) fn of(instance: &Instance) -> Self {
        let (state, alive) = (instance.state(), !instance.rests());
        let met = instance.fit == Fit::Met;
        let care = instance.care.as_deref().filter(|_| instance.want && instance.running().is_some());
        let unwell = care.and_then(|care| care.health.as_ref()).is_some_and(|health| health.well == Some(false));
        let behind = care.is_some_and(|care| care.reload.failed.is_some());
        let as_wanted = match (instance.want, instance.phase) {
            _ if instance.on_hold => false,
            (true, Phase::Running { .. }) => instance.is_current() && met && instance.is_up() && !unwell && !behind,
            (true, Phase::Resting(Rest::Done)) => true,
            (want, Phase::Resting(_)) => !want,
            _ => false,
        };
        Self {
            state,
            alive,
            runs: instance.want && state.is_running(),
            as_wanted,
            differs: alive && !(instance.is_current() && met),
            unmet: matches!(instance.fit, Fit::Unmet(_)),
            blocked: matches!(
                instance.phase,
                Phase::Resting(Rest::Blocked { .. })
                    | Phase::Stopping { then: Rest::Blocked { .. }, .. }
                    | Phase::Clearing { then: Rest::Blocked { .. } }
            ),
            // Who waits for one that is on its way is on its way too.
            critical: instance.want
                && (unwell || matches!(state, State::Failed | State::Backoff | State::Waiting))
                && instance.phase != Phase::Resting(Rest::Blocked { lost: false }),
            drops: instance.dropped.0 > 0,
            ready: instance.want && instance.is_up(),
            unwell,
            behind,
            held: instance.on_hold,
        }
    }
}

/// Sums of marks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    states: [u32; State::COUNT],
    pub(super) alive: u32,
    running: u32,
    amiss: u32,
    differing: u32,
    unmet: u32,
    pub(super) blocked: u32,
    critical: u32,
    dropping: u32,
    ready: u32,
    unwell: u32,
    behind: u32,
    held: u32,
}

impl Totals {
    pub(super) fn replace(&mut self, old: Option<Mark>, new: Option<Mark>) {
        if old == new {
            return;
        }
        for (mark, add) in [(new, true), (old, false)] {
            let Some(mark) = mark else { continue };
            let apply = |sum: &mut u32, holds: bool| match (holds, add) {
                (false, _) => {}
                (true, true) => *sum += 1,
                (true, false) => *sum -= 1,
            };
            apply(&mut self.states[mark.state as usize], true);
            apply(&mut self.alive, mark.alive);
            apply(&mut self.running, mark.runs);
            apply(&mut self.amiss, !mark.as_wanted);
            apply(&mut self.differing, mark.differs);
            apply(&mut self.unmet, mark.unmet);
            apply(&mut self.blocked, mark.blocked);
            apply(&mut self.critical, mark.critical);
            apply(&mut self.dropping, mark.drops);
            apply(&mut self.ready, mark.ready);
            apply(&mut self.unwell, mark.unwell);
            apply(&mut self.behind, mark.behind);
            apply(&mut self.held, mark.held);
        }
    }

    /// Whether abide has given up on an instance.
    pub(super) fn failed(&self) -> bool {
        self.states[State::Failed as usize] > 0
    }

    /// The state people ask for: the one that needs them most.
    pub(super) fn worst_state(&self) -> State {
        let order = [
            State::Failed,
            State::Backoff,
            State::Waiting,
            State::Stopping,
            State::Starting,
            State::Reloading,
            State::Held,
            State::Running,
            State::Ready,
            State::Stopped,
        ];
        order.into_iter().find(|state| self.states[*state as usize] > 0).unwrap_or(State::Stopped)
    }
}

/// What one service adds to the summary.
#[expect(clippy::struct_excessive_bools, reason = "each is a claim that is counted by itself")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) desired: bool,
    pub(super) as_desired: bool,
    running: bool,
    ready: bool,
    failed: bool,
    backoff: bool,
    held: bool,
    invalid: bool,
    out_of_sync: bool,
    rolled_back: bool,
    worst: Worst,
}

/// The tallies of all, and how many are how bad.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Census {
    counts: Summary,
    warnings: u64,
    criticals: u64,
}

impl Census {
    pub(super) fn replace(&mut self, old: Tally, new: Tally) {
        for (tally, add) in [(new, true), (old, false)] {
            let apply = |sum: &mut u64, holds: bool| match (holds, add) {
                (false, _) => {}
                (true, true) => *sum += 1,
                (true, false) => *sum -= 1,
            };
            apply(&mut self.counts.desired, tally.desired);
            apply(&mut self.counts.as_desired, tally.as_desired);
            apply(&mut self.counts.running, tally.running);
            apply(&mut self.counts.ready, tally.ready);
            apply(&mut self.counts.failed, tally.failed);
            apply(&mut self.counts.backoff, tally.backoff);
            apply(&mut self.counts.held, tally.held);
            apply(&mut self.counts.config_invalid, tally.invalid);
            apply(&mut self.counts.out_of_sync, tally.out_of_sync);
            apply(&mut self.counts.rolled_back, tally.rolled_back);
            apply(&mut self.warnings, tally.worst == Worst::Warning);
            apply(&mut self.criticals, tally.worst == Worst::Critical);
        }
    }

    /// The summary, given whether anything beside the services is amiss.
    pub(super) fn summary(&self, ignored_entries: u64, amiss: bool) -> Summary {
        let worst = match (self.criticals, self.warnings) {
            (1.., _) => Worst::Critical,
            (0, 1..) => Worst::Warning,
            _ if amiss => Worst::Warning,
            _ => Worst::Ok,
        };
        Summary { ignored_entries, worst, ..self.counts }
    }
}

/// One service.
#[expect(clippy::struct_excessive_bools, reason = "each is a claim of its own")]
#[derive(Debug)]
pub(super) struct Member {
    pub(super) file: PathBuf,
    pub(super) drop_ins: Vec<PathBuf>,
    pub(super) kind: Kind,
    pub(super) file_hash: Option<Version>,
    diagnostics: Vec<Diagnostic>,
    pub(super) errors: Vec<FileError>,
    /// What is wrong with the files only because of what others say.
    pub(super) charge: Option<Box<Charge>>,
    /// Whether the file reads well by itself.
    pub(super) reads: bool,
    /// Whether the file as it stands is the definition in force, and right.
    pub(super) valid: bool,
    /// The last good definition; none if there never was one, or the entry is gone.
    pub(super) accepted: Option<Arc<Definition>>,
    /// The entry is gone, and the instances are on their way down.
    pub(super) removed: bool,
    /// Why a change of its files is not acted on, if one is not.
    pub(super) kept: Option<Kept>,
    /// A new version that has not shown yet that it is good.
    pub(super) trial: Option<Box<Trial>>,
    /// What its file says and is not in force.
    pub(super) rollback: Option<Box<Rollback>>,
    /// Whether what is in force waits for its turn.
    pub(super) queued: bool,
    /// Its processes take what is in force one after the other.
    pub(super) rolling: Option<Box<Rolling>>,
    /// Whether the disk was asked for its last good version.
    pub(super) recalled: bool,
    /// The delegated source that its files lie in, if they do in one.
    pub(super) delegated: Option<Box<Delegated>>,
    /// It runs as root, and its files do not say so.
    pub(super) unnamed_root: bool,
    /// Whose log command its entry is.
    pub(super) follows: Option<ServiceName>,
    pub(super) generation: u64,
    pub(super) instances: Vec<Instance>,
    pub(super) totals: Totals,
    pub(super) tally: Tally,
    /// What was last written down of it.
    pub(super) written: Written,
    /// Since when each condition is not in its good value; most never are.
    since: Option<Box<[Option<Wall>; CONDITIONS.len()]>>,
}

/// Why a change of a service's files is not acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// Its files are gone, with too many others.
    Guarded,
    /// Reconciling is suspended.
    Suspended,
    /// Another file of its batch is bad.
    Batch,
    /// It is a legacy service that goes on until it is let go of.
    Unlinked,
}

/// Every condition, in the order of the status.
pub(super) const CONDITIONS: [ConditionKind; 9] = [
    ConditionKind::ConfigValid,
    ConditionKind::InSync,
    ConditionKind::DependenciesMet,
    ConditionKind::LimitsMet,
    ConditionKind::LogsFlowing,
    ConditionKind::SourceTrusted,
    ConditionKind::Healthy,
    ConditionKind::Reloaded,
    ConditionKind::NotHeld,
];

impl Member {
    pub(super) fn new() -> Self {
        Self {
            file: PathBuf::new(),
            drop_ins: Vec::new(),
            kind: Kind::Toml,
            file_hash: None,
            diagnostics: Vec::new(),
            errors: Vec::new(),
            charge: None,
            reads: true,
            valid: true,
            accepted: None,
            removed: false,
            kept: None,
            trial: None,
            rollback: None,
            queued: false,
            rolling: None,
            recalled: false,
            delegated: None,
            unnamed_root: false,
            follows: None,
            generation: 0,
            instances: Vec::new(),
            totals: Totals::default(),
            tally: Tally::default(),
            written: Written::default(),
            since: None,
        }
    }

    /// Takes what the entry says about itself; gives what is new about it, and its definition. To be judged.
    pub(super) fn read(&mut self, name: &ServiceName, entry: Entry) -> (Vec<Finding>, Option<Arc<Definition>>) {
        let Entry { file, drop_ins, kind, file_hash, service, diagnostics, inputs: _, delegated } = entry;
        let findings = newly(Some(name), &self.diagnostics, &diagnostics);
        (self.file, self.drop_ins, self.kind, self.file_hash) = (file, drop_ins, kind, file_hash);
        (self.diagnostics, self.reads, self.removed) = (diagnostics, service.is_some(), false);
        self.unnamed_root = service.as_ref().map_or(self.unnamed_root, |definition| definition.unnamed_root);
        self.follows = service.as_ref().and_then(|definition| definition.service.reads.clone());
        self.delegated = delegated;
        self.generation += 1;
        (findings, service)
    }

    /// What is wrong with its files, or worth a warning, as of now.
    pub(super) fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        let charges = self.charge.as_ref().map_or(&[][..], |charge| &charge.findings);
        self.diagnostics.iter().chain(charges)
    }

    /// Takes what is wrong with its files because of what others say; gives what there is to tell.
    pub(super) fn judged(&mut self, name: &ServiceName, charge: Option<Charge>, now: Wall) -> Vec<Finding> {
        let old = std::mem::replace(&mut self.charge, charge.map(Box::new));
        let charges = self.charge.as_ref().map_or(&[][..], |charge| &charge.findings);
        let mut findings = newly(Some(name), old.as_ref().map_or(&[][..], |old| &old.findings), charges);
        let valid = self.reads && charges.is_empty();
        if valid && !self.valid {
            findings.push(Finding::Mended { service: Some(name.clone()), file: self.file.clone() });
        }
        self.errors = errors(self.diagnostics.iter().chain(charges), &self.errors, now);
        self.valid = valid;
        findings
    }

    /// The entry is gone; gives the definition that was in force.
    pub(super) fn lose(&mut self) -> Option<Arc<Definition>> {
        self.diagnostics.clear();
        self.errors.clear();
        self.charge = None;
        (self.valid, self.reads, self.removed) = (true, true, true);
        (self.trial, self.rollback, self.recalled) = (None, None, false);
        (self.queued, self.rolling) = (false, None);
        self.generation += 1;
        self.accepted.take()
    }

    /// How many slots there should be.
    pub(super) fn size(&self) -> u32 {
        self.accepted.as_ref().map_or(0, |definition| definition.service.instances)
    }

    /// The instances that people are shown: those that there should be, and what is left of others.
    pub(super) fn counted(&self) -> impl Iterator<Item = &Instance> {
        let size = self.size();
        self.instances.iter().filter(move |instance| instance.id.index < size || !instance.rests())
    }

    /// Brings tally and conditions up to date; `desired`: whether it is to run; `held`: whether it is held as a whole.
    pub(super) fn refresh(&mut self, now: Wall, desired: bool, held: bool) -> Tally {
        let invalid = !self.valid && !self.removed;
        let held = held || self.totals.held > 0;
        // What the files ask for does not run: that an operator wants it so must not be forgotten.
        let as_desired = self.valid && !self.removed && self.totals.amiss == 0 && !held && !self.is_behind();
        self.tally = Tally {
            desired,
            as_desired,
            running: desired && self.totals.running >= self.size(),
            ready: desired && self.totals.ready >= self.size(),
            failed: self.totals.failed(),
            backoff: self.totals.states[State::Backoff as usize] > 0,
            held,
            invalid,
            out_of_sync: invalid || self.totals.differing > 0 || self.is_behind(),
            rolled_back: self.rollback.is_some(),
            worst: match self.totals.critical {
                1.. => Worst::Critical,
                // Nothing of it has ever run: there is no good version to go on with.
                0 if invalid && self.accepted.is_none() => Worst::Critical,
                0 if as_desired => Worst::Ok,
                0 => Worst::Warning,
            },
        };
        let before = self.since.take();
        let known = |index: usize| before.as_ref().and_then(|since| since[index]);
        let since: [_; CONDITIONS.len()] =
            std::array::from_fn(|index| self.is_amiss(CONDITIONS[index]).then(|| known(index).unwrap_or(now)));
        self.since = since.iter().any(Option::is_some).then(|| Box::new(since));
        self.tally
    }

    /// Why others may change what root runs, if they may.
    pub(super) fn writable(&self) -> Option<&Diagnostic> {
        self.diagnostics.iter().find(|finding| finding.code == Code::ExecutableWritable)
    }

    /// Whether what is in force is not what its files say, though they are good.
    pub(super) fn is_behind(&self) -> bool {
        self.kept.is_some_and(|kept| kept != Kept::Unlinked)
            || self.rollback.is_some()
            || self.queued
            || self.rolling.is_some()
    }

    /// Since when the condition is not in its good value.
    pub(super) fn amiss_since(&self, kind: ConditionKind) -> Option<Wall> {
        CONDITIONS.iter().position(|other| *other == kind).and_then(|index| self.since.as_ref()?[index])
    }

    fn is_amiss(&self, kind: ConditionKind) -> bool {
        match kind {
            ConditionKind::ConfigValid => self.tally.invalid,
            ConditionKind::InSync => self.totals.differing > 0 || self.is_behind(),
            ConditionKind::DependenciesMet => self.totals.blocked > 0,
            ConditionKind::LimitsMet => self.totals.unmet > 0,
            ConditionKind::LogsFlowing => self.totals.dropping > 0,
            ConditionKind::Healthy => self.totals.unwell > 0,
            ConditionKind::Reloaded => self.totals.behind > 0,
            ConditionKind::NotHeld => self.tally.held,
            ConditionKind::SourceTrusted => {
                self.errors.iter().any(|error| error.code == Code::Untrusted.as_str()) || self.writable().is_some()
            }
        }
    }
}

/// Those of `new` that were not told yet.
pub(super) fn newly(service: Option<&ServiceName>, old: &[Diagnostic], new: &[Diagnostic]) -> Vec<Finding> {
    let found = |diagnostic: &Diagnostic| Finding::Found { service: service.cloned(), diagnostic: diagnostic.clone() };
    new.iter().filter(|finding| !old.contains(finding)).map(found).collect()
}

/// The errors among `diagnostics` for the status, each with the time when it was `known` first.
pub(super) fn errors<'d>(
    diagnostics: impl IntoIterator<Item = &'d Diagnostic>,
    known: &[FileError],
    now: Wall,
) -> Vec<FileError> {
    let shown = |finding: &Diagnostic| {
        let place = finding.place.as_ref();
        let mut error = FileError {
            file: finding.file.display().to_string(),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            end_column: place.map(|place| place.end_column),
            code: finding.code.as_str().to_owned(),
            message: finding.message.clone(),
            hint: finding.help.clone(),
            first_seen: now,
        };
        let same = |old: &&FileError| old.file == error.file && old.code == error.code && old.message == error.message;
        if let Some(earlier) = known.iter().find(same) {
            error.first_seen = earlier.first_seen;
        }
        error
    };
    diagnostics.into_iter().filter(|finding| finding.is_error()).map(shown).collect()
}
