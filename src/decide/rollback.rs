//! The way back from a bad edit.
//!
//! An edit that restarts a service which was up puts the new version on trial. It has passed once all processes have
//! been up for `update.settle`; it has failed when one of them ends unasked before that, cannot be started, or is not
//! ready in time. Then the last good version is in force again, and what the file says is *rejected*: a file that means
//! the same, but for what touches no process, is not tried again. `abide retry` tries it, and so does an edit of
//! anything else.

use super::diff::{dearest, diff};
use super::effect::Effect;
use super::fleet::Fleet;
use super::instance::Instance;
use super::intake::Turnover;
use super::member::Member;
use super::obey::Word;
use super::operator::told;
use super::phase::{Phase, Words};
use crate::model::desired::Definition;
use crate::model::history::{KeptVersion, Rollback, Rollbacks};
use crate::model::name::ServiceName;
use crate::model::order::{Author, Done};
use crate::model::plan::{Change, Price};
use crate::model::policy::{ServiceType, UpdatePolicy};
use crate::model::selector::Target;
use crate::model::service::{Kind, Service};
use crate::model::time::Mono;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A version that is new and has not shown yet that it is good.
#[derive(Debug)]
pub(super) struct Trial {
    /// What was good before.
    pub(super) last_good: Arc<Definition>,
    /// Since when all of it has been up.
    up_since: Option<Mono>,
}

impl Trial {
    pub(super) fn new(last_good: Arc<Definition>) -> Self {
        Self { last_good, up_since: None }
    }
}

/// All trials, and what an earlier abide knew of rejected versions.
#[derive(Debug, Default)]
pub(super) struct Trials {
    touched: BTreeSet<ServiceName>,
    ends: BTreeMap<ServiceName, Mono>,
    rejected: BTreeMap<ServiceName, Rollback>,
}

impl Trials {
    /// Something happened to a service on trial.
    pub(super) fn touch(&mut self, name: &ServiceName) {
        self.touched.insert(name.clone());
    }

    /// What an earlier abide had rejected of a service.
    pub(super) fn take_rejected(&mut self, name: &ServiceName) -> Option<Box<Rollback>> {
        self.rejected.remove(name).map(Box::new)
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.ends.values().min().copied()
    }
}

impl Fleet {
    /// What an earlier abide had rejected.
    pub(super) fn rejected_before(&mut self, rollbacks: Rollbacks) {
        for (name, rollback) in rollbacks {
            match self.members.get_mut(&name) {
                Some(member) => member.rollback = Some(Box::new(rollback)),
                None => drop(self.trials.rejected.insert(name, rollback)),
            }
        }
    }

    /// Whether `offered` is what was rejected, but for what touches no process. If not, nothing is rejected any more.
    pub(super) fn is_rejected(&mut self, name: &ServiceName, offered: &Definition) -> bool {
        let Some(member) = self.members.get_mut(name) else { return false };
        if member.rollback.is_none() && member.accepted.is_none() {
            member.rollback = self.trials.take_rejected(name);
        }
        let Some(rollback) = &member.rollback else { return false };
        if dearest(&diff(&rollback.rejected, &offered.service, &self.turn.powers)) == Price::Nothing {
            return true;
        }
        member.rollback = None;
        self.keep_rollbacks();
        false
    }

    fn keep_rollbacks(&mut self) {
        let known = self.members.iter().filter_map(|(name, member)| Some((name, member.rollback.as_deref()?)));
        let all = known.chain(&self.trials.rejected).map(|(name, rollback)| (name.clone(), rollback.clone()));
        self.turn.effects.push(Effect::KeepRollbacks(all.collect()));
    }

    /// An edit is about to be carried out: the new version may have to show that it is good.
    pub(super) fn put_on_trial(&mut self, name: &ServiceName, old: &Arc<Definition>, changes: &[Change]) {
        let now = self.turn.now.mono;
        let Some(member) = self.members.get_mut(name) else { return };
        let Some(new) = member.accepted.clone() else { return };
        if dearest(changes) < Price::Restart {
            return;
        }
        let earlier = member.trial.take().map(|trial| trial.last_good);
        let last_good = earlier.or_else(|| was_good(member, old, now).then(|| old.clone()));
        let is_its = |good: &Definition| good.service.delegated == new.service.delegated;
        let may_return = |good: &Arc<Definition>| good.version != new.version && is_its(good);
        let Some(last_good) = last_good.filter(|good| may_return(good) && may_fall_back(&new.service)) else { return };
        member.trial = Some(Box::new(Trial::new(last_good)));
        for instance in &mut member.instances {
            instance.faltered = false;
        }
        self.trials.touch(name);
    }

    /// Trials about which something is new: passed, failed, or still under way.
    pub(super) fn judge_trials(&mut self) {
        let now = self.turn.now.mono;
        let due = self.trials.ends.iter().filter(|(_, at)| **at <= now).map(|(name, _)| name.clone());
        self.trials.touched.extend(due);
        for name in std::mem::take(&mut self.trials.touched) {
            self.trials.ends.remove(&name);
            let Some(member) = self.members.get_mut(&name) else { continue };
            let Some((accepted, trial)) = member.accepted.clone().zip(member.trial.as_mut()) else { continue };
            let size = accepted.service.instances as usize;
            let own = || member.instances.iter().take(size).filter(|it| it.wanted.version == accepted.version);
            if let Some(cause) = own().find(|it| it.faltered).map(why_it_faltered) {
                let to = trial.last_good.clone();
                self.roll_back(&name, to, cause, "rolled back");
                continue;
            }
            let is_up = |it: &Instance| it.want && it.is_up() && it.is_current();
            let all_up = own().filter(|it| is_up(it)).count() == size && size > 0;
            trial.up_since = all_up.then(|| trial.up_since.unwrap_or(now));
            let settle = policy(&accepted.service).settle;
            match trial.up_since.map(|since| since.plus(settle)) {
                Some(end) if end <= now => {
                    member.trial = None;
                    self.unwritten.insert(name);
                }
                Some(end) => drop(self.trials.ends.insert(name, end)),
                None => {}
            }
        }
    }

    /// The version in force is not to be; `to` is again.
    fn roll_back(&mut self, name: &ServiceName, to: Arc<Definition>, cause: String, verb: &str) {
        let at = self.turn.now.wall;
        let Some(member) = self.members.get_mut(name) else { return };
        let Some(rejected) = member.accepted.replace(to.clone()) else { return };
        member.trial = None;
        if let Some(first) = member.instances.first_mut() {
            first.complain(format!("{verb} to version {}: {cause}", to.version.short()), &mut self.turn);
        }
        let why = format!("{verb}: {cause}");
        // Where it had gone back already, what its file says is what was rejected then.
        let before = member.rollback.take().map(|before| before.rejected);
        let what = before.unwrap_or_else(|| rejected.service.clone());
        let rollback = Rollback { rejected: what, to: to.version, cause, at };
        member.rollback = Some(Box::new(rollback));
        self.ties.tie(name, Some(&to));
        self.keep_version(name, verb);
        self.keep_rollbacks();
        self.notice(name);
        self.replace(name, Some(rejected), to, why);
    }

    /// Carries out that a service is another version from now on.
    fn replace(&mut self, name: &ServiceName, old: Option<Arc<Definition>>, new: Arc<Definition>, why: String) {
        let followers = self.log_commands(std::iter::once(name));
        if !followers.is_empty() {
            self.act_on(followers, &[]);
        }
        let turnover = Turnover { name: name.clone(), old, new: Some(new), gone: false };
        self.carry_out(&turnover, Some(why));
        self.conclude(name);
    }

    /// Writes down what is in force of `name`.
    pub(super) fn keep_version(&mut self, name: &ServiceName, cause: &str) {
        let Some(member) = self.members.get(name) else { return };
        let Some(definition) = member.accepted.clone() else { return };
        self.turn.effects.push(Effect::KeepVersion {
            at: self.turn.now.wall,
            cause: cause.to_owned(),
            file: member.file.clone(),
            file_hash: member.file_hash,
            definition,
        });
    }

    /// Nothing of `name` is in force, and its files say nothing that could be.
    pub(super) fn recall(&mut self, name: &ServiceName) {
        let Some(member) = self.members.get_mut(name) else { return };
        if member.accepted.is_none() && !member.recalled {
            member.recalled = true;
            self.turn.effects.push(Effect::Recall { service: name.clone() });
        }
    }

    /// What the disk knows of `name`, which was asked since its files say nothing that could be in force.
    pub(super) fn recalled(&mut self, name: &ServiceName, kept: Option<KeptVersion>) {
        let Some(member) = self.members.get_mut(name) else { return };
        if member.accepted.is_some() || member.removed {
            return;
        }
        // Whoever has a file of that name now does not thereby have what another source once said under it.
        let is_its = |service: &Service| service.delegated == member.delegated;
        let kept = kept.filter(|kept| is_its(&kept.service));
        let rollback = member.rollback.take_if(|rollback| is_its(&rollback.rejected));
        let (definition, why) = match (kept, rollback) {
            (Some(kept), rollback) => {
                member.rollback = rollback;
                let why = format!("the last good version, of {}", kept.at.rfc3339());
                (Arc::new(Definition::from(kept.service)), why)
            }
            // Better than nothing.
            (None, Some(rollback)) => {
                (Arc::new(Definition::from(rollback.rejected)), "nothing else is known of it".to_owned())
            }
            (None, None) => return,
        };
        member.accepted = Some(definition.clone());
        self.ties.tie(name, Some(&definition));
        self.notice(name);
        self.replace(name, None, definition, why);
    }

    /// An order: what was rejected is tried again.
    pub(super) fn retry(&mut self, targets: &[Target], author: &Author) -> Vec<Done> {
        let names: BTreeSet<&ServiceName> = targets.iter().map(|target| &target.service).collect();
        let mut done = Vec::new();
        for name in names {
            let word = match self.members.get_mut(name).and_then(|member| member.rollback.take()) {
                None if self.roll_again(name) => Word::done("goes on with the processes that have not had their turn"),
                None => Word::idle("was not rolled back: there is nothing to try again"),
                Some(rollback) => {
                    let new = Arc::new(Definition::from(rollback.rejected));
                    self.keep_rollbacks();
                    self.put_forth(name, new, format!("tried again by {}", author.name), "tried again");
                    Word::done("is tried again in the version that its file has")
                }
            };
            done.push(told(&Target { service: name.clone(), index: None }, vec![word]));
        }
        done
    }

    /// An order: an earlier version is in force instead of what the files say.
    pub(super) fn go_back(
        &mut self,
        versions: Vec<(ServiceName, Result<Box<Service>, String>)>,
        author: &Author,
    ) -> Vec<Done> {
        let mut done = Vec::new();
        for (name, version) in versions {
            let word = match version {
                Err(why) => Word::refused(why),
                Ok(service) => {
                    let to = Arc::new(Definition::from(*service));
                    let member = self.members.get(&name);
                    let is_its = member.is_none_or(|member| member.delegated == to.service.delegated);
                    let is_same = self.accepted(&name).is_some_and(|accepted| accepted.version == to.version);
                    if !is_its {
                        Word::refused("had that version from another source: who owns its file now does not own that")
                    } else if is_same {
                        Word::idle(format!("is {} already", to.version.short()))
                    } else if self.accepted(&name).is_none() {
                        self.put_forth(&name, to.clone(), format!("restored by {}", author.name), "restored");
                        Word::done(format!("is {} now", to.version.short()))
                    } else {
                        self.roll_back(&name, to.clone(), format!("by {}", author.name), "rolled back");
                        let short = to.version.short();
                        Word::done(format!("goes back to {short}, until its file changes or `abide retry {name}`"))
                    }
                }
            };
            done.push(told(&Target { service: name, index: None }, vec![word]));
        }
        done
    }

    fn put_forth(&mut self, name: &ServiceName, new: Arc<Definition>, why: String, cause: &str) {
        let Some(member) = self.members.get_mut(name) else { return };
        let old = member.accepted.replace(new.clone());
        self.ties.tie(name, Some(&new));
        self.keep_version(name, cause);
        self.notice(name);
        self.replace(name, old, new, why);
    }
}

/// How `service` is updated.
pub(super) fn policy(service: &Service) -> UpdatePolicy {
    service.update.as_deref().cloned().unwrap_or_default()
}

/// Jobs are not rolled back: what the old one did would be done again. Nor is what is started from a directory of its
/// own: its old version is gone from there.
fn may_fall_back(service: &Service) -> bool {
    let is_job = matches!(service.service_type, ServiceType::Oneshot { .. });
    policy(service).rollback && service.enabled && service.instances > 0 && !is_job && service.kind == Kind::Toml
}

/// Whether what ran so far did well.
fn was_good(member: &Member, old: &Definition, now: Mono) -> bool {
    let settle = policy(&old.service).settle;
    member.instances.iter().any(|it| {
        let ran = match it.phase {
            Phase::Running { since, .. } => now.since(since),
            _ => return false,
        };
        it.is_up() && it.current.version == old.version && (it.backoff.attempt == 0 || ran >= settle)
    })
}

/// "exit code 1", "not ready within 30 s".
fn why_it_faltered(instance: &Instance) -> String {
    let why: &Words = if matches!(instance.phase, Phase::Stopping { .. }) { &instance.cause } else { &instance.why };
    why.split(", next attempt in ").next().unwrap_or_default().trim_end_matches(", restarted at once").to_owned()
}
