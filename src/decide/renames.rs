//! A legacy directory that is renamed is the same service: device and inode tell, as under svscan. Its process goes on
//! under the new name, and that of its `log/` with it.
//!
//! Where the one name goes, or is another directory's, and the other comes in one delta, that is. One that is about to
//! start is not taken along: the answer would come to the old name. It stops, and starts under the new one.

use super::backlog::FileChange;
use super::care::What;
use super::effect::Effect;
use super::fleet::Fleet;
use super::holds::lapse;
use super::instance::Instance;
use super::intake::Turnover;
use super::phase::{Fit, Phase};
use crate::model::desired::{Definition, Home};
use crate::model::logging::{LogPolicy, LogWay};
use crate::model::name::{InstanceId, ServiceName};
use crate::model::order::Hold;
use crate::model::plan::{Action, Step};
use crate::model::selector::Target;
use crate::model::service::Service;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A service under the name that it goes by no more, and under the one that it has now.
#[derive(Debug, Clone)]
struct Rename {
    from: Arc<Definition>,
    to: Arc<Definition>,
}

impl Rename {
    fn names(&self) -> [&ServiceName; 2] {
        [&self.from.service.name, &self.to.service.name]
    }
}

impl Fleet {
    /// What runs of those that have another name goes on under that; by `turnovers` nothing is left under the old name,
    /// and what goes on was there before under the new one.
    pub(super) fn follow_renames(&mut self, turnovers: &mut [Turnover]) {
        for rename in renames(turnovers) {
            let Some(all) = with_log(rename, turnovers) else { continue };
            if !all.iter().all(|rename| self.may_follow(rename)) {
                continue;
            }
            for rename in &all {
                let old = self.follow(rename);
                let [from, to] = rename.names();
                for turnover in &mut *turnovers {
                    match &turnover.name {
                        name if name == from => turnover.old = None,
                        name if name == to => turnover.old.clone_from(&old),
                        _ => {}
                    }
                }
            }
        }
    }

    /// Those that go in `changes`, and will go on under a name that comes there.
    pub(super) fn renamed_in(&self, changes: &[FileChange]) -> BTreeSet<ServiceName> {
        let is_free = |name: &ServiceName| self.members.get(name).is_none_or(|member| member.instances.is_empty());
        let came = changes.iter().filter(|(name, _)| is_free(name));
        let came = came.filter_map(|(_, entry)| home(entry.as_ref()?.service.as_ref()?));
        let came: BTreeMap<Home, &Arc<Definition>> = came.collect();
        let log_of = |definition: &Definition| definition.service.log_command_name();
        let movable = |name: &ServiceName| {
            let member = self.members.get(name);
            member.is_some_and(|member| member.instances.iter().all(Instance::may_be_renamed))
        };
        let gone = changes.iter().filter(|(_, entry)| entry.is_none()).map(|(name, _)| name);
        let goes_on = |name: &&ServiceName| {
            let old = self.members.get(*name).and_then(|member| member.accepted.as_ref()).and_then(home);
            let Some((old, new)) = old.and_then(|(home, old)| Some((old, came.get(&home)?))) else { return false };
            let logs = [log_of(old), log_of(new)];
            logs[0].is_some() == logs[1].is_some() && movable(name) && logs[0].as_ref().is_none_or(movable)
        };
        gone.filter(goes_on).cloned().collect()
    }

    /// Whether nothing of either is under way that would have to be found under another name.
    fn may_follow(&self, rename: &Rename) -> bool {
        let [old, new] = rename.names().map(|name| self.members.get(name));
        let (Some(old), Some(new), false) = (old, new, self.rollout.knows(&rename.from.service.name)) else {
            return false;
        };
        let is_one = matches!(old.instances.as_slice(), [instance] if instance.may_be_renamed());
        let is_free = new.instances.is_empty() && old.trial.is_none();
        is_one && is_free && rename.from.service.delegated == rename.to.service.delegated
    }

    /// Takes the instance from one to the other; what was in force of it, under the new name.
    fn follow(&mut self, rename: &Rename) -> Option<Arc<Definition>> {
        let ([from, to], now) = (rename.names(), self.turn.now.mono);
        let member = self.members.get_mut(from)?;
        let mut instance = member.instances.pop()?;
        self.struck.extend(instance.noted.written.map(|_| (super::records::key_of_instance(&instance.id), None)));
        self.books.strike(&mut member.totals, &mut instance, now);
        let (id, old_id) = (InstanceId::new(to.clone(), instance.id.index), instance.id.clone());
        instance.go_by(id.clone(), &rename.to.service);
        let definition = instance.wanted.clone();
        self.turn.effects.push(Effect::Rename { from: old_id, to: id, definition });
        let (service, reason) = (to.clone(), format!("renamed from {from}"));
        let step = Step { service, action: Action::Nothing, reason, changes: Vec::new(), scale: 0 };
        self.turn.effects.push(Effect::Announce(step));
        let member = self.members.get_mut(to)?;
        self.books.note(&mut member.totals, &mut instance, now);
        member.instances.push(instance);
        self.hold_under(from, to);
        Some(Arc::new(renamed(&rename.from, &rename.to.service)))
    }

    /// An operator's hold is about the service, whatever that is called; one about the new name counts more. Of a name
    /// that is another directory's from now on it is believed as well.
    fn hold_under(&mut self, from: &ServiceName, to: &ServiceName) {
        if self.holds.within(to).next().is_some() {
            return;
        }
        let held: Vec<(Target, Hold)> =
            self.holds.within(from).map(|(target, hold)| (target.clone(), hold.clone())).collect();
        let is_gone = self.members.get(from).is_some_and(|member| member.removed);
        for (target, hold) in held {
            let new = Target { service: to.clone(), index: target.index };
            if is_gone {
                self.holds.take(&target);
                self.forget(target);
            }
            self.keep(new.clone(), &hold);
            let lapses = lapse(&hold, self.turn.now);
            self.holds.put(&new, hold, lapses);
        }
    }
}

/// Names that are new, each with the one that its directory had.
fn renames(turnovers: &[Turnover]) -> Vec<Rename> {
    let is_new = |turnover: &&Turnover| turnover.old.is_none();
    let came = turnovers.iter().filter(is_new).filter_map(|turnover| home(turnover.new.as_ref()?));
    let came: BTreeMap<Home, &Arc<Definition>> = came.collect();
    let pair = |turnover: &Turnover| {
        let (was, from) = home(turnover.old.as_ref()?)?;
        let is = turnover.new.as_ref().and_then(home).map(|(is, _)| is);
        let to = came.get(&was).filter(|_| is != Some(was))?;
        Some(Rename { from: from.clone(), to: (*to).clone() })
    };
    turnovers.iter().filter_map(pair).collect()
}

fn home(definition: &Arc<Definition>) -> Option<(Home, &Arc<Definition>)> {
    definition.home.as_deref().map(|home| (*home, definition))
}

/// It, and before it that of what takes its output. `None`: one has such a thing and the other has not, and what runs
/// would go on writing to nobody.
fn with_log(rename: Rename, turnovers: &[Turnover]) -> Option<Vec<Rename>> {
    let find = |name: ServiceName| turnovers.iter().find(|turnover| turnover.name == name);
    match [&rename.from, &rename.to].map(|definition| definition.service.log_command_name()) {
        [None, None] => Some(vec![rename]),
        [Some(from), Some(to)] => {
            let (from, to) = (find(from)?, find(to).filter(|turnover| turnover.old.is_none())?);
            let log = Rename { from: from.old.clone()?, to: to.new.clone()? };
            (from.name != to.name).then(|| vec![log, rename])
        }
        _ => None,
    }
}

/// `old` as it is called now: as `new`, as far as that follows from the name and the place of the directory.
fn renamed(old: &Definition, new: &Service) -> Definition {
    let service = service_renamed(&old.service, new);
    let Definition { named, unnamed_root, home, .. } = old.clone();
    Definition { named, unnamed_root, home, ..Definition::from(service) }
}

fn service_renamed(old: &Service, new: &Service) -> Service {
    let (name, directory, reads) = (new.name.clone(), new.directory.clone(), new.reads.clone());
    let (order, log) = match (old.log.way.as_deref(), new.log.way.as_deref()) {
        (Some(LogWay::Directory(before)), Some(LogWay::Directory(now))) => {
            let way = Some(Box::new(LogWay::Directory(Box::new(service_renamed(before, now)))));
            // It says that the one in `log/` comes first.
            (new.order.clone(), LogPolicy { way, ..old.log.clone() })
        }
        _ => (old.order.clone(), old.log.clone()),
    };
    let description = new.description.clone();
    Service { name, description, directory, log, reads, order, ..old.clone() }
}

impl Instance {
    /// Whether all that it waits for would find it under another name: ends do, since the table knows them by the slot.
    fn may_be_renamed(&self) -> bool {
        let is_begun = !matches!(self.phase, Phase::Preparing { .. } | Phase::Starting { .. });
        let is_asked = self.care.as_ref().is_some_and(|care| {
            care.finds || care.pending.iter().any(|pending| matches!(pending.what, What::Probe(_)))
        });
        is_begun && !is_asked && self.fit != Fit::Asked
    }

    fn go_by(&mut self, id: InstanceId, new: &Service) {
        let is_one = self.current.version == self.wanted.version;
        self.wanted = Arc::new(renamed(&self.wanted, new));
        self.current = if is_one { self.wanted.clone() } else { Arc::new(renamed(&self.current, new)) };
        self.is_asked_as(&self.wanted.clone());
        self.id = id;
    }
}
