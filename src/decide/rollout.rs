//! Restarts that follow from edits, a few services at a time.
//!
//! Only what is up, and would be restarted, waits for its turn: what is new starts at once, and so does the edit of what
//! has failed. A service has had its turn once it is up again, or has failed; after so many failures the others wait
//! until those are mended, or until somebody says `abide resume`. Within a service, `strategy = "rolling"` does the same
//! with its processes.

use super::event::RunId;
use super::fleet::Fleet;
use super::instance::Instance;
use super::intake::Turnover;
use super::member::Member;
use super::phase::{Phase, Rest, Words};
use super::plan;
use super::rollback::policy;
use super::standing::Standing;
use crate::model::desired::Definition;
use crate::model::name::ServiceName;
use crate::model::plan::{Action, Change};
use crate::model::rules::RolloutRules;
use crate::model::service::Delegated;
use crate::model::status::{RolloutState, RolloutStatus, State};
use crate::model::time::Mono;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// The books.
#[derive(Debug, Default)]
pub(super) struct Rollout {
    /// Who waits for its turn.
    queue: VecDeque<ServiceName>,
    /// What those processes are that wait.
    old: BTreeMap<ServiceName, Arc<Definition>>,
    under_way: BTreeSet<ServiceName>,
    failed: BTreeSet<ServiceName>,
    done: u64,
    /// Somebody said that it shall go on in spite of these.
    waved_on: BTreeSet<ServiceName>,
    /// The delegated source of those that come from one: what is said in it makes nobody else wait.
    realms: BTreeMap<ServiceName, Delegated>,
    touched: BTreeSet<ServiceName>,
    /// When to look at one again that is up if nothing happens.
    looks: BTreeMap<ServiceName, Mono>,
}

impl Rollout {
    /// Something happened to a service; `rolls`: its processes take turns.
    pub(super) fn touch(&mut self, name: &ServiceName, rolls: bool) {
        if rolls || self.under_way.contains(name) || self.failed.contains(name) {
            self.touched.insert(name.clone());
        }
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.looks.values().min().copied()
    }

    /// Takes `name` out of the queue: what its processes are.
    fn unqueue(&mut self, name: &ServiceName) -> Option<Arc<Definition>> {
        let old = self.old.remove(name)?;
        self.queue.retain(|queued| queued != name);
        Some(old)
    }

    /// Whether `name` waits for its turn, or has it.
    pub(super) fn knows(&self, name: &ServiceName) -> bool {
        self.old.contains_key(name) || self.under_way.contains(name)
    }

    /// Whether those of the source of `name` wait for a better file, or for somebody who waves them on.
    fn is_paused(&self, name: &ServiceName, rules: &RolloutRules) -> bool {
        let failed = self.failed.difference(&self.waved_on);
        self.of_source(name, failed).count() as u64 >= rules.pause_on_failures
    }

    fn has_room(&self, name: &ServiceName, rules: &RolloutRules) -> bool {
        (self.of_source(name, self.under_way.iter()).count() as u64) < rules.max_parallel
    }

    /// Those of `names` that take turns with `name`.
    fn of_source<'a>(
        &'a self,
        name: &ServiceName,
        names: impl Iterator<Item = &'a ServiceName>,
    ) -> impl Iterator<Item = &'a ServiceName> {
        let realm = self.realms.get(name).cloned();
        names.filter(move |other| self.realms.get(*other) == realm.as_ref())
    }

    /// Whose turn it is.
    fn next(&self, rules: &RolloutRules) -> Option<ServiceName> {
        self.queue.iter().find(|name| self.has_room(name, rules) && !self.is_paused(name, rules)).cloned()
    }

    fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.under_way.is_empty()
    }

    pub(super) fn status(&self, rules: &RolloutRules) -> RolloutStatus {
        let state = match (self.queue.is_empty(), self.is_idle()) {
            (false, _) if self.queue.iter().all(|name| self.is_paused(name, rules)) => RolloutState::Paused,
            (_, true) => RolloutState::Idle,
            _ => RolloutState::Rolling,
        };
        RolloutStatus {
            state,
            done: self.done,
            total: self.done + (self.queue.len() + self.under_way.len()) as u64,
            failed: self.failed.iter().cloned().collect(),
        }
    }
}

/// Processes of one service that take a new version, or are restarted, one after the other.
#[derive(Debug)]
pub(super) struct Rolling {
    cause: Words,
    changes: Vec<Change>,
    /// Those that an operator has restarted, and that have not had their turn; `None`: those with an old version.
    restarts: Option<Vec<(u32, Option<RunId>)>>,
}

impl Fleet {
    /// Carries out a change, now or when it is its turn.
    pub(super) fn stage(&mut self, mut turnover: Turnover, why: Option<String>) {
        let name = turnover.name.clone();
        self.note_realm(&name);
        if (turnover.gone || turnover.new.is_some())
            && let Some(old) = self.rollout.unqueue(&name)
        {
            // What it was to become in between it never was.
            turnover.old = Some(old);
            self.mark_queued(&name, false);
        }
        if self.is_a_restart(&turnover) {
            if !self.may_begin(&name) {
                let Some(old) = turnover.old else { return };
                self.rollout.queue.push_back(name.clone());
                self.rollout.old.insert(name.clone(), old);
                return self.mark_queued(&name, true);
            }
            self.begin(&name);
        }
        self.carry_out(&turnover, why);
    }

    fn note_realm(&mut self, name: &ServiceName) {
        match self.members.get(name).and_then(|member| member.delegated.as_deref()) {
            Some(realm) => drop(self.rollout.realms.insert(name.clone(), realm.clone())),
            None => drop(self.rollout.realms.remove(name)),
        }
    }

    /// Whether something would be restarted that is well.
    fn is_a_restart(&self, turnover: &Turnover) -> bool {
        let Turnover { name, old: Some(old), new: Some(new), .. } = turnover else { return false };
        let restarts = old.version != new.version
            && plan::step(Some(&old.service), Some(&new.service), &self.turn.powers)
                .is_some_and(|step| step.action == Action::Restart);
        let is_well = |member: &Member| {
            member.totals.alive > 0 && !matches!(member.totals.worst_state(), State::Backoff | State::Failed)
        };
        restarts && self.members.get(name).is_some_and(|member| is_well(member))
    }

    fn may_begin(&self, name: &ServiceName) -> bool {
        let (rollout, rules) = (&self.rollout, &self.backlog.rules.rollout);
        let is_first = rollout.of_source(name, rollout.queue.iter()).next().is_none();
        // An edit of one that failed may be what mends it.
        rollout.under_way.contains(name)
            || rollout.failed.contains(name)
            || (is_first && rollout.has_room(name, rules) && !rollout.is_paused(name, rules))
    }

    fn begin(&mut self, name: &ServiceName) {
        if let Some(member) = self.members.get_mut(name) {
            for instance in &mut member.instances {
                instance.faltered = false;
            }
        }
        self.rollout.under_way.insert(name.clone());
        self.rollout.touched.insert(name.clone());
        self.surroundings_changed = true;
    }

    fn mark_queued(&mut self, name: &ServiceName, queued: bool) {
        self.surroundings_changed = true;
        if let Some(member) = self.members.get_mut(name) {
            member.queued = queued;
            // What they run is not in force any more, or is again.
            for instance in &mut member.instances {
                instance.noted.fresh = true;
            }
            self.unwritten.insert(name.clone());
        }
    }

    /// An operator acts on `name`: it does not wait any more.
    pub(super) fn take_turn(&mut self, name: &ServiceName) {
        self.end_rolling(name);
        let Some(old) = self.rollout.unqueue(name) else { return };
        self.mark_queued(name, false);
        let new = self.accepted(name).cloned();
        self.begin(name);
        self.carry_out(&Turnover { name: name.clone(), old: Some(old), new, gone: false }, None);
        self.conclude(name);
    }

    /// The processes that have not had their turn have it now, all of them.
    fn end_rolling(&mut self, name: &ServiceName) {
        self.prepare(name);
        let Some(member) = self.members.get_mut(name).filter(|member| member.rolling.is_some()) else { return };
        let left = left(member);
        let Some((rolling, new)) = member.rolling.take().zip(member.accepted.clone()) else { return };
        for index in left.into_iter().filter(|_| rolling.restarts.is_none()) {
            let Some(instance) = member.instances.get_mut(index) else { continue };
            instance.edit(&new, new.service.instances > 1, &rolling.changes, &mut self.turn);
            self.books.note(&mut member.totals, instance, self.turn.now.mono);
        }
        self.conclude(name);
    }

    /// One whose processes stopped taking turns at a bad one goes on; whether it had.
    pub(super) fn roll_again(&mut self, name: &ServiceName) -> bool {
        let Some(member) = self.members.get_mut(name).filter(|member| member.rolling.is_some()) else { return false };
        let stopped = member.instances.iter().any(|it| it.faltered);
        self.begin(name);
        stopped
    }

    /// What an earlier supervisor had left to do.
    pub(super) fn queued_before(&mut self, name: &ServiceName) {
        self.note_realm(name);
        let Some(member) = self.members.get(name) else { return };
        let newest = member.accepted.as_ref().map(|accepted| accepted.version);
        let is_old = |it: &&Instance| Some(it.wanted.version) != newest;
        let Some(old) = member.instances.iter().find(is_old).map(|it| it.wanted.clone()) else {
            return self.mark_queued(name, false);
        };
        self.rollout.queue.push_back(name.clone());
        self.rollout.old.insert(name.clone(), old);
    }

    /// An operator says that it shall go on; whether it was paused.
    pub(super) fn wave_on(&mut self) -> bool {
        let (rollout, rules) = (&mut self.rollout, &self.backlog.rules.rollout);
        let paused = rollout.queue.iter().any(|name| rollout.is_paused(name, rules));
        rollout.waved_on.clone_from(&rollout.failed);
        paused
    }

    /// Looks at those that have their turn, and gives the next ones theirs.
    pub(super) fn roll_on(&mut self) {
        let now = self.turn.now.mono;
        let due = self.rollout.looks.iter().filter(|(_, at)| **at <= now).map(|(name, _)| name.clone());
        self.rollout.touched.extend(due);
        while let Some(name) = self.rollout.touched.pop_first() {
            self.rollout.looks.remove(&name);
            self.roll_within(&name);
            self.look_at_turn(&name);
        }
        while let Some(name) = self.rollout.next(&self.backlog.rules.rollout) {
            self.take_turn(&name);
        }
        if self.rollout.is_idle() && (self.rollout.done > 0 || !self.rollout.failed.is_empty()) {
            self.rollout.done = 0;
            self.rollout.waved_on.clear();
            self.rollout.failed.clear();
            self.rollout.realms.clear();
            self.surroundings_changed = true;
        }
    }

    /// How the turn of `name` goes.
    fn look_at_turn(&mut self, name: &ServiceName) {
        let ended = match self.outcome(name) {
            Outcome::Pending(at) => {
                self.rollout.looks.extend(at.map(|at| (name.clone(), at)));
                return;
            }
            Outcome::Good => {
                self.rollout.failed.remove(name);
                self.rollout.under_way.remove(name)
            }
            Outcome::Bad => {
                let ended = self.rollout.under_way.remove(name);
                if ended {
                    self.rollout.failed.insert(name.clone());
                }
                ended
            }
        };
        self.rollout.done += u64::from(ended);
        self.surroundings_changed = true;
    }

    fn outcome(&self, name: &ServiceName) -> Outcome {
        let Some(member) = self.members.get(name).filter(|member| !member.removed) else { return Outcome::Good };
        let Some(accepted) = &member.accepted else { return Outcome::Good };
        let own = || member.instances.iter().filter(|it| it.wanted.version == accepted.version);
        let has_failed = |it: &Instance| it.faltered || it.phase == Phase::Resting(Rest::Failed);
        if member.rollback.is_some() || own().any(has_failed) {
            return Outcome::Bad;
        }
        if !self.asked(name) {
            return Outcome::Good;
        }
        match self.standing(name) {
            Standing::Up | Standing::Settled if member.rolling.is_none() => Outcome::Good,
            // That it has run for a moment matters only to those that wait for it.
            Standing::Coming(Some(_)) if self.rollout.queue.is_empty() && member.rolling.is_none() => Outcome::Good,
            Standing::Coming(at) => Outcome::Pending(at),
            Standing::Lost => Outcome::Bad,
            Standing::Up | Standing::Settled => Outcome::Pending(None),
        }
    }

    /// Whether the instances of `name` take a new version one after the other; from now on they do.
    pub(super) fn roll(&mut self, name: &ServiceName, cause: &Words, changes: &[Change]) {
        let Some(member) = self.members.get_mut(name) else { return };
        let (cause, changes) = (cause.clone(), changes.to_vec());
        member.rolling = Some(Box::new(Rolling { cause, changes, restarts: None }));
        self.begin(name);
    }

    /// Every process of `name` that runs is restarted, one after the other.
    pub(super) fn roll_restart(&mut self, name: &ServiceName, cause: Words) -> usize {
        let Some(member) = self.members.get_mut(name) else { return 0 };
        let size = member.size();
        let running = member.instances.iter().filter(|it| it.id.index < size && it.running().is_some());
        let restarts: Vec<(u32, Option<RunId>)> = running.map(|it| (it.id.index, it.running())).collect();
        let count = restarts.len();
        member.rolling = Some(Box::new(Rolling { cause, changes: Vec::new(), restarts: Some(restarts) }));
        self.begin(name);
        count
    }

    /// The next processes of `name` take their turn, as long as so many are up as should be.
    fn roll_within(&mut self, name: &ServiceName) {
        while let Some(index) = self.next_to_roll(name) {
            self.prepare(name);
            let Some(member) = self.members.get_mut(name) else { return };
            let Some(new) = member.accepted.clone() else { return };
            let Some(rolling) = member.rolling.as_mut() else { return };
            let Some(instance) = member.instances.get_mut(index) else { return };
            match &mut rolling.restarts {
                Some(restarts) => {
                    restarts.retain(|(left, _)| *left as usize != index);
                    instance.raise(true, &rolling.cause, &mut self.turn);
                }
                None => instance.edit(&new, new.service.instances > 1, &rolling.changes, &mut self.turn),
            }
            self.books.note(&mut member.totals, instance, self.turn.now.mono);
            self.conclude(name);
        }
        let is_over = self.members.get(name).is_some_and(|member| member.rolling.is_some() && left(member).is_empty());
        if is_over {
            if let Some(member) = self.members.get_mut(name) {
                member.rolling = None;
            }
            self.conclude(name);
            self.rollout.touched.remove(name);
            return;
        }
        let Some(member) = self.members.get(name).filter(|member| member.rolling.is_some()) else { return };
        let now = self.turn.now.mono;
        let standings = member.instances.iter().map(|instance| instance.standing(now));
        let coming = standings.filter_map(|it| if let Standing::Coming(at) = it { at } else { None });
        self.rollout.looks.extend(coming.min().map(|at| (name.clone(), at)));
    }

    /// Which process is the next; `None`: none now, or none any more.
    fn next_to_roll(&self, name: &ServiceName) -> Option<usize> {
        let member = self.members.get(name)?;
        member.rolling.as_ref()?;
        let accepted = member.accepted.as_ref()?;
        let now = self.turn.now.mono;
        let counted = || member.instances.iter().take(member.size() as usize).filter(|it| !it.on_hold);
        // It stops at the first that does not come up.
        if counted().any(|it| it.faltered && it.wanted.version == accepted.version) {
            return None;
        }
        let left = left(member);
        let down = |it: &&Instance| it.standing(now) != Standing::Up;
        let unavailable = counted().filter(down).count();
        // One that is down anyway costs nothing.
        let free = left.iter().find(|index| member.instances.get(**index).is_some_and(|it| down(&it))).copied();
        let max = policy(&accepted.service).max_unavailable.max(1) as usize;
        free.or_else(|| left.first().copied().filter(|_| unavailable < max))
    }
}

/// How a turn goes.
enum Outcome {
    /// It is not over; with the time at which it is if nothing happens.
    Pending(Option<Mono>),
    Good,
    Bad,
}

/// The processes that have not had their turn.
fn left(member: &Member) -> Vec<usize> {
    let Some((rolling, accepted)) = member.rolling.as_ref().zip(member.accepted.as_ref()) else { return Vec::new() };
    let of_old = |it: &&Instance| it.wanted.version != accepted.version;
    let size = member.size();
    match &rolling.restarts {
        // One that was restarted meanwhile has had its turn.
        Some(restarts) => {
            let same = |(index, run): &&(u32, Option<RunId>)| {
                member.instances.get(*index as usize).is_some_and(|it| it.running() == *run)
            };
            restarts.iter().filter(same).map(|(index, _)| *index as usize).collect()
        }
        None => member
            .instances
            .iter()
            .filter(|it| it.id.index < size)
            .filter(of_old)
            .map(|it| it.id.index as usize)
            .collect(),
    }
}
