//! Around the groups of a delegated source there is one of its own, in which what all of them together may use is set.

use super::{Groups, directory, group, proc_words, reason, values};
use crate::model::name::{InstanceId, ServiceName};
use crate::model::outcome::Failure;
use crate::model::resources::{Controller, Hierarchy, ResourceKind, Resources};
use crate::model::service::{Delegated, Service, Version};
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Who lives in a group of a source, and what is set there.
#[derive(Debug, Default)]
pub(super) struct Homes(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The group's name, by service.
    services: BTreeMap<ServiceName, Arc<str>>,
    /// What is to be set, by the group's name.
    bounds: BTreeMap<String, Resources>,
}

/// `d.`, as services are `s.`: a path is no name of a group.
fn name(delegated: &Delegated) -> String {
    format!("d.{}", Version::of(delegated.source.as_bytes()).short())
}

impl Homes {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name of the group around those of `service`.
    pub(super) fn of(&self, service: &ServiceName) -> Option<Arc<str>> {
        self.known().services.get(service).cloned()
    }

    /// `to` lives where `from` did.
    pub(super) fn rename(&self, from: &ServiceName, to: &ServiceName) {
        let mut known = self.known();
        if let Some(home) = known.services.remove(from) {
            known.services.insert(to.clone(), home);
        }
    }

    /// Notes where `service` lives from now on; whether it lived elsewhere.
    fn note(&self, service: &Service) -> bool {
        let home = service.delegated.as_deref().map(|delegated| Arc::from(name(delegated)));
        let mut known = self.known();
        let before = match &home {
            Some(home) => known.services.insert(service.name.clone(), Arc::clone(home)),
            None => known.services.remove(&service.name),
        };
        before != home
    }
}

impl Groups {
    /// What each delegated source may use from now on. What runs already is bounded at once, as far as it has a group
    /// that can be.
    pub fn bound<'a>(&self, sources: impl Iterator<Item = (Delegated, &'a Resources)>) {
        let bounds: BTreeMap<String, Resources> =
            sources.map(|(delegated, together)| (name(&delegated), together.clone())).collect();
        let before = std::mem::replace(&mut self.homes.known().bounds, bounds.clone());
        let nothing = Resources::default();
        for home in before.keys().chain(bounds.keys()) {
            let (old, new) = (before.get(home).unwrap_or(&nothing), bounds.get(home).unwrap_or(&nothing));
            let exists = self.base.unified.as_ref().is_some_and(|base| base.join(home).is_dir());
            if exists
                && old != new
                && let Err(failure) = self.set_bounds(home, old, new).and_then(|legacy| self.gather_all(home, &legacy))
            {
                tracing::error!(cause = %failure, "what a source may use together cannot be set");
            }
        }
    }

    /// Notes in which source `service` is, and that what `instance` had elsewhere is left behind.
    pub(super) fn house(&self, instance: &InstanceId, service: &Service) {
        let (unified, legacy) = (self.path(instance), Controller::ALL.map(|it| self.legacy_path(instance, it)));
        if !self.homes.note(service) {
            return;
        }
        for old in unified.into_iter().chain(legacy.into_iter().flatten()).filter(|old| old.is_dir()) {
            // One in which somebody still lives goes with the base.
            let _ = group::remove(&old);
        }
    }

    /// Makes the group around those of `instance`, if there is to be one; the groups of v1 that bound all of the source.
    pub(super) fn make_home(&self, instance: &InstanceId) -> Result<Vec<Controller>, Failure> {
        let Some(home) = self.homes.of(&instance.service) else { return Ok(Vec::new()) };
        if let Some(base) = &self.base.unified {
            let path = base.join(&*home);
            group::make(&path).map_err(|error| super::cannot_join(&path, &error))?;
        }
        let bounds = self.homes.known().bounds.get(&*home).cloned().unwrap_or_default();
        self.set_bounds(&home, &Resources::default(), &bounds)
    }

    /// Joined by who has no group of its own there.
    pub(super) fn join_home(&self, instance: &InstanceId, controller: Controller) -> Result<Option<OwnedFd>, Failure> {
        let Some((home, base)) = self.homes.of(&instance.service).zip(self.base.legacy.get(&controller)) else {
            return Ok(None);
        };
        let path = base.join(&*home);
        directory(&path).map(Some).map_err(|error| super::cannot_join(&path, &error))
    }

    /// Writes what is bounded, or was; the controllers of v1 among it.
    fn set_bounds(&self, home: &str, old: &Resources, new: &Resources) -> Result<Vec<Controller>, Failure> {
        let mut legacy = Vec::new();
        for kind in ResourceKind::ALL {
            let value = new.get(kind);
            if value.is_none() && old.get(kind).is_none() {
                continue;
            }
            let asked = || value.map_or_else(|| "unlimited".to_owned(), |value| kind.show(value));
            let refuse = |why: String| Failure::Resource { kind, asked: asked(), why };
            let controller = kind.controller();
            let hierarchy = self.ground.cgroups.place(kind).map_err(refuse)?;
            let path = self.home_for(home, controller, hierarchy).map_err(|error| refuse(reason(&error)))?;
            for (file, text) in values::writes(kind, hierarchy, value) {
                fs::write(path.join(file), text).map_err(|error| refuse(reason(&error)))?;
            }
            if hierarchy == Hierarchy::Legacy && !legacy.contains(&controller) {
                legacy.push(controller);
            }
        }
        Ok(legacy)
    }

    fn home_for(&self, home: &str, controller: Controller, hierarchy: Hierarchy) -> std::io::Result<PathBuf> {
        let missing = || std::io::Error::from(std::io::ErrorKind::NotFound);
        match hierarchy {
            Hierarchy::Unified => {
                let (ground, base) =
                    self.ground.unified.as_ref().zip(self.base.unified.as_ref()).ok_or_else(missing)?;
                turn_on(controller, &[ground, base])?;
                Ok(base.join(home))
            }
            Hierarchy::Legacy => {
                let base = self.base.legacy.get(&controller).ok_or_else(missing)?;
                let path = base.join(home);
                group::make(base)?;
                group::make(&path)?;
                Ok(path)
            }
        }
    }

    /// Moves who runs in the source already into groups of v1 that are new.
    fn gather_all(&self, home: &str, legacy: &[Controller]) -> Result<(), Failure> {
        let Some(base) = &self.base.unified else { return Ok(()) };
        for path in legacy.iter().filter_map(|controller| Some(self.base.legacy.get(controller)?.join(home))) {
            let there = group::members(&path);
            for pid in group::members(&base.join(home)).into_iter().filter(|pid| !there.contains(pid)) {
                match fs::write(path.join("cgroup.procs"), pid.to_string()) {
                    // Ended meanwhile.
                    Err(error) if error.raw_os_error() != Some(libc::ESRCH) => {
                        return Err(super::cannot_join(&path, &error));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

/// Turns a controller on for what lies below each of `groups`, from the top: each costs, so none is on for nothing.
pub(super) fn turn_on(controller: Controller, groups: &[&PathBuf]) -> std::io::Result<()> {
    for group in groups {
        let file = group.join("cgroup.subtree_control");
        if !proc_words(&file).iter().any(|name| name == controller.name()) {
            fs::write(file, format!("+{}", controller.name()))?;
        }
    }
    Ok(())
}
