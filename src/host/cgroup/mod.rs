//! The groups of all instances, as the supervisor sees them: where each is, what is set in it, and
//! what became of who lived there.
//!
//! A group of v2 holds everything that an instance starts. Groups of v1 are made beside it for
//! values that v2 has no controller for. Where there is no v2, process groups stand for the first.

pub mod base;
pub mod ground;
pub mod group;
mod home;
mod names;
mod vacate;
mod values;
pub mod watch;

use crate::model::name::InstanceId;
use crate::model::outcome::{Failure, Step};
use crate::model::policy::StopScope;
use crate::model::resources::{Cgroups, Controller, Hierarchy, ResourceKind, Resources};
use crate::model::service::Service;
use base::Base;
use ground::Ground;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, mkdirat};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long strangers in a group may take to be dead, before a start there is refused.
const PATIENCE: Duration = Duration::from_secs(4);

/// Where groups are made, and what was set in those that had anything set.
#[derive(Debug, Default)]
pub struct Groups {
    base: Base,
    /// The directory of `base.unified`: every start goes through it, and its path is long.
    held: Option<OwnedFd>,
    ground: Ground,
    /// Only of instances that have values, or had.
    set: Mutex<BTreeMap<InstanceId, Box<Resources>>>,
    /// Where a start found a group that could not be made anew, and deaths for want of memory were counted in it.
    earlier_ooms: Mutex<BTreeMap<InstanceId, u64>>,
    /// Of instances that are gone: they have a group only because somebody is dying there.
    vacated: Mutex<BTreeSet<InstanceId>>,
    homes: home::Homes,
    /// Of instances whose groups are not called after them.
    odd_names: Mutex<BTreeMap<InstanceId, String>>,
}

/// What a child joins before anything else.
#[derive(Debug, Default)]
pub struct Joins {
    /// The directory of its group of v2.
    pub unified: Option<OwnedFd>,
    /// Those of v1.
    pub legacy: Vec<OwnedFd>,
}

impl Groups {
    /// Those on `ground` in the base that the keeper has made.
    pub fn new(mut ground: Ground, table: &Path) -> io::Result<Self> {
        let mut base = Base::on(&ground, File::open(table)?)?;
        if base.unified.as_ref().is_some_and(|base| !base.is_dir()) {
            // The keeper was refused; without its group, values of v2 have no place.
            base.unified = None;
            ground.cgroups.v2.clear();
            ground.cgroups.note = Some("no cgroup can be made here".to_owned());
        }
        let held = base.unified.as_deref().map(directory).transpose()?;
        ground.cgroups.directory = base.unified.as_ref().map(|path| path.display().to_string());
        Ok(Self { base, held, ground, ..Self::default() })
    }

    /// For people.
    pub fn cgroups(&self) -> &Cgroups {
        &self.ground.cgroups
    }

    /// The group of v2 that `instance` has, or would have.
    pub fn path(&self, instance: &InstanceId) -> Option<PathBuf> {
        self.base.unified.as_ref().map(|base| base.join(self.place(instance)))
    }

    fn legacy_path(&self, instance: &InstanceId, controller: Controller) -> Option<PathBuf> {
        self.base.legacy.get(&controller).map(|base| base.join(self.place(instance)))
    }

    /// Where it is below the base.
    fn place(&self, instance: &InstanceId) -> String {
        let name = self.odd_name(instance).unwrap_or_else(|| name(instance));
        match self.homes.of(&instance.service) {
            Some(home) => format!("{home}/{name}"),
            None => name,
        }
    }

    fn set(&self) -> MutexGuard<'_, BTreeMap<InstanceId, Box<Resources>>> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes what a start of `instance` needs and sets its values. May block: while strangers die,
    /// while the kernel reclaims.
    pub fn prepare(&self, instance: &InstanceId, service: &Service) -> Result<Joins, Failure> {
        self.settle(instance);
        self.house(instance, service);
        let bounds = self.make_home(instance)?;
        let mut joins = Joins::default();
        if let (Some(held), Some(path)) = (&self.held, self.path(instance)) {
            let refused = |error: io::Error| cannot_join(&path, &error);
            let name = self.place(instance);
            let fresh = match mkdirat(held, name.as_str(), Mode::from_bits_truncate(0o755)) {
                Ok(()) => true,
                Err(Errno::EEXIST) => make_anew(&path, service.stop.scope).map_err(refused)?,
                Err(errno) => return Err(refused(errno.into())),
            };
            self.note_ooms(instance, fresh);
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            joins.unified = Some(openat(held, name.as_str(), flags, Mode::empty()).map_err(|e| refused(e.into()))?);
        }
        let before = self.set().get(instance).cloned();
        if before.is_none() && service.resources.is_none() {
            for controller in bounds {
                joins.legacy.extend(self.join_home(instance, controller)?);
            }
            return Ok(joins);
        }
        let wanted = service.resources.as_deref().cloned().unwrap_or_default();
        for path in Controller::ALL.into_iter().filter_map(|controller| self.legacy_path(instance, controller)) {
            // So that its counts begin anew. Who still lives there stays.
            let _ = group::remove(&path);
        }
        let own = self.apply(instance, &before.unwrap_or_default(), &wanted)?;
        for controller in bounds.into_iter().filter(|controller| !own.contains(controller)) {
            joins.legacy.extend(self.join_home(instance, controller)?);
        }
        for controller in own {
            let Some(path) = self.legacy_path(instance, controller) else { continue };
            joins.legacy.push(directory(&path).map_err(|error| cannot_join(&path, &error))?);
        }
        self.remember(instance, wanted);
        Ok(joins)
    }

    /// What an errand of `instance` joins: who lives in its group is let be. Where nobody does, it is as for a start.
    pub fn accompany(&self, instance: &InstanceId, service: &Service) -> Result<Joins, Failure> {
        let given_up = self.settle(instance);
        let Some(path) = self.path(instance).filter(|path| !given_up && group::is_populated(path)) else {
            return self.prepare(instance, service);
        };
        let open = |path: &Path| directory(path).map_err(|error| cannot_join(path, &error));
        let mut joins = Joins { unified: Some(open(&path)?), legacy: Vec::new() };
        if self.set().contains_key(instance) {
            let legacy = Controller::ALL.into_iter().filter_map(|controller| self.legacy_path(instance, controller));
            for path in legacy.filter(|path| path.is_dir()) {
                joins.legacy.push(open(&path)?);
            }
        }
        Ok(joins)
    }

    /// Brings the values of `service` to what already runs as `instance`. May block.
    pub fn change(&self, instance: &InstanceId, service: &Service) -> Result<(), Failure> {
        let wanted = service.resources.as_deref().cloned().unwrap_or_default();
        let before = self.set().get(instance).cloned().unwrap_or_default();
        for controller in self.apply(instance, &before, &wanted)? {
            self.gather(instance, controller).map_err(|error| {
                let path = self.legacy_path(instance, controller).unwrap_or_default();
                cannot_join(&path, &error)
            })?;
        }
        self.remember(instance, wanted);
        Ok(())
    }

    /// What an earlier supervisor has set for `instance`.
    pub fn recall(&self, instance: &InstanceId, service: &Service) {
        self.house(instance, service);
        if let Some(resources) = &service.resources {
            self.remember(instance, (**resources).clone());
        }
    }

    fn remember(&self, instance: &InstanceId, wanted: Resources) {
        let mut set = self.set();
        // Also what has no value any more: it has groups of v1 to join, or values to be reset.
        if wanted != Resources::default() || set.contains_key(instance) {
            set.insert(instance.clone(), Box::new(wanted));
        }
    }

    /// Writes what differs; the controllers of v1 whose groups there are now.
    fn apply(&self, instance: &InstanceId, old: &Resources, new: &Resources) -> Result<Vec<Controller>, Failure> {
        let mut legacy = Vec::new();
        for kind in ResourceKind::ALL {
            let (before, value) = (old.get(kind), new.get(kind));
            if before.is_none() && value.is_none() {
                continue;
            }
            let refuse = |why: String| {
                let asked = value.map_or_else(|| "unlimited".to_owned(), |value| kind.show(value));
                Failure::Resource { kind, asked, why }
            };
            let controller = kind.controller();
            let hierarchy = self.ground.cgroups.place(kind).map_err(refuse)?;
            let path = match hierarchy {
                Hierarchy::Unified => self.enable(instance, controller),
                Hierarchy::Legacy => self.make_legacy(instance, controller),
            };
            let path = path.map_err(|error| refuse(reason(&error)))?;
            for (file, text) in values::writes(kind, hierarchy, value) {
                fs::write(path.join(file), text).map_err(|error| refuse(reason(&error)))?;
            }
            if hierarchy == Hierarchy::Legacy && !legacy.contains(&controller) {
                legacy.push(controller);
            }
        }
        Ok(legacy)
    }

    /// The group of v2, with the files of `controller`: turned on when the first service needs them,
    /// since every group then costs more.
    fn enable(&self, instance: &InstanceId, controller: Controller) -> io::Result<PathBuf> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let (path, base) = (self.path(instance).ok_or_else(missing)?, self.base.unified.as_ref().ok_or_else(missing)?);
        let ground = self.ground.unified.as_ref().ok_or_else(missing)?;
        home::turn_on(controller, &[ground, base])?;
        if let Some(home) = self.homes.of(&instance.service) {
            home::turn_on(controller, &[&base.join(&*home)])?;
        }
        Ok(path)
    }

    fn make_legacy(&self, instance: &InstanceId, controller: Controller) -> io::Result<PathBuf> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let base = self.base.legacy.get(&controller).ok_or_else(missing)?;
        let path = self.legacy_path(instance, controller).ok_or_else(missing)?;
        let home = self.homes.of(&instance.service).map(|home| base.join(&*home));
        // Also where nothing can be set in it then: it is removed with the instance.
        self.set().entry(instance.clone()).or_default();
        for group in [Some(base), home.as_ref(), Some(&path)].into_iter().flatten() {
            group::make(group)?;
        }
        Ok(path)
    }

    /// Moves who runs already into a group of v1: again, until nobody new is found.
    fn gather(&self, instance: &InstanceId, controller: Controller) -> io::Result<()> {
        let (Some(own), Some(legacy)) = (self.path(instance), self.legacy_path(instance, controller)) else {
            return Ok(());
        };
        let list = legacy.join("cgroup.procs");
        for _ in 0..GATHERINGS {
            let there = group::members(&legacy);
            let strangers: Vec<i32> = group::members(&own).into_iter().filter(|pid| !there.contains(pid)).collect();
            if strangers.is_empty() {
                break;
            }
            for pid in strangers {
                match fs::write(&list, pid.to_string()) {
                    // Ended meanwhile.
                    Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                    done => done?,
                }
            }
        }
        Ok(())
    }

    fn note_ooms(&self, instance: &InstanceId, fresh: bool) {
        let mut earlier = self.earlier_ooms.lock().unwrap_or_else(PoisonError::into_inner);
        match if fresh { 0 } else { self.counted_ooms(instance) } {
            0 => earlier.remove(instance),
            count => earlier.insert(instance.clone(), count),
        };
    }

    /// How many processes of the present run of `instance` the kernel has killed for want of memory,
    /// as far as that is counted.
    pub fn ooms(&self, instance: &InstanceId) -> u64 {
        let earlier = self.earlier_ooms.lock().unwrap_or_else(PoisonError::into_inner).get(instance).copied();
        self.counted_ooms(instance).saturating_sub(earlier.unwrap_or(0))
    }

    fn counted_ooms(&self, instance: &InstanceId) -> u64 {
        let count = |file: PathBuf| {
            let text = fs::read_to_string(file).ok()?;
            text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
        };
        let unified = self.path(instance).and_then(|path| count(path.join("memory.events")));
        let legacy = || count(self.legacy_path(instance, Controller::Memory)?.join("memory.oom_control"));
        unified.or_else(legacy).unwrap_or(0)
    }
}

/// How often who is born meanwhile is looked for.
const GATHERINGS: usize = 16;

/// `s.`, since a service may be called `cgroup.kill`. The first instance has no number: there may be others later.
fn name(instance: &InstanceId) -> String {
    if instance.index == 0 { format!("s.{}", instance.service) } else { format!("s.{instance}") }
}

/// A group for the next run in place of one of an earlier; whether it is a new one.
///
/// The old one may be frozen, it has counts, and Linux
/// 6.14 and later kill who is cloned into a group that was ever killed as a whole. Who is left in it is
/// no part of the next run either, unless the service says that what it leaves is its own affair.
fn make_anew(path: &Path, scope: StopScope) -> io::Result<bool> {
    if scope == StopScope::Tree && group::is_populated(path) {
        group::kill(path)?;
        if !group::await_empty(path, PATIENCE)? {
            return Err(io::Error::from_raw_os_error(libc::EBUSY));
        }
    }
    match group::remove(path) {
        Ok(()) => group::make(path),
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
            group::thaw(path);
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn directory(path: &Path) -> io::Result<OwnedFd> {
    open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).map_err(io::Error::from)
}

fn cannot_join(path: &Path, error: &io::Error) -> Failure {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE) => Failure::NoDescriptors,
        errno => {
            let subject = path.display().to_string();
            Failure::Step { step: Step::Cgroup, errno: errno.unwrap_or(libc::EIO), subject }
        }
    }
}

/// The kernel's reason, without the number.
fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EBUSY) => "the kernel says that more is in use already (EBUSY)".to_owned(),
        Some(errno) => Errno::from_raw(errno).desc().to_owned(),
        None => error.to_string(),
    }
}

fn proc_words(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_ascii_whitespace().map(str::to_owned).collect()
}
