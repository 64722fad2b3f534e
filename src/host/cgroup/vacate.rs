//! How the groups of an instance that is gone are given up, though who was killed there may still be dying.

use super::{Groups, PATIENCE, group};
use crate::model::name::InstanceId;
use crate::model::policy::StopScope;
use crate::model::resources::Controller;
use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

impl Groups {
    /// The instance is gone: so is who is left in its groups, unless the service has a `scope` that
    /// leaves them there on purpose. False where a group goes only with who is dying there: see [`Groups::vacate`].
    pub fn remove(&self, instance: &InstanceId, scope: StopScope) -> bool {
        let had_values = self.set().remove(instance).is_some();
        if self.remove_empty(instance, had_values) || scope != StopScope::Tree {
            return true;
        }
        self.vacated().insert(instance.clone());
        if let Some(path) = self.path(instance) {
            // A command that was killed may have left somebody in a session of its own.
            let _ = group::kill(&path);
        }
        false
    }

    /// Waits for who is dying in the group of an instance that is gone, and removes it. Blocks.
    pub fn vacate(&self, instance: &InstanceId) {
        self.vacate_within(instance, PATIENCE);
    }

    /// The same for all that are gone and have a group yet. Blocks.
    pub fn vacate_all(&self) {
        let deadline = Instant::now() + PATIENCE;
        let all = self.vacated().clone();
        for instance in all {
            self.vacate_within(&instance, deadline.saturating_duration_since(Instant::now()));
        }
    }

    fn vacate_within(&self, instance: &InstanceId, patience: Duration) {
        if let Some(path) = self.path(instance) {
            // Gone already, or one that cannot be killed: then it is tried all the same.
            let _ = group::await_empty(&path, patience);
        }
        let mut vacated = self.vacated();
        // Under the lock: one of the same name may be about to start.
        if vacated.contains(instance) && self.remove_empty(instance, true) {
            vacated.remove(instance);
        }
    }

    /// An instance of that name is there again, and has its groups. Whether they were given up and not yet gone.
    pub(super) fn settle(&self, instance: &InstanceId) -> bool {
        self.vacated().remove(instance)
    }

    /// Its groups, those of v1 too if it has `legacy`; whether none is left.
    fn remove_empty(&self, instance: &InstanceId, legacy: bool) -> bool {
        let of_v1 = Controller::ALL.into_iter().filter_map(|controller| self.legacy_path(instance, controller));
        // Each, whatever becomes of the others.
        let refused =
            self.path(instance).into_iter().chain(of_v1.filter(|_| legacy)).filter(|path| group::remove(path).is_err());
        let is_gone = refused.count() == 0;
        if is_gone {
            self.forget_name(instance);
        }
        is_gone
    }

    fn vacated(&self) -> MutexGuard<'_, BTreeSet<InstanceId>> {
        self.vacated.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::super::{Base, name};
    use super::*;
    use crate::host::cgroup::group::Scratch;
    use crate::model::name::ServiceName;
    use std::process::{Child, Command};

    fn groups(scratch: &Scratch) -> Groups {
        let mut base = Base::default();
        base.unified = Some(scratch.0.clone());
        Groups { base, ..Groups::default() }
    }

    /// An instance with somebody in its group.
    fn inhabited(groups: &Groups) -> (InstanceId, Child) {
        let instance = InstanceId::new(ServiceName::new("web").unwrap(), 0);
        let path = groups.path(&instance).unwrap();
        assert!(path.ends_with(name(&instance)));
        group::make(&path).unwrap();
        let script = "echo 0 > $0/cgroup.procs; exec sleep 60";
        let child = Command::new("sh").args(["-c", script]).arg(&path).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while !group::is_populated(&path) {
            assert!(Instant::now() < deadline, "nobody came");
            std::thread::sleep(Duration::from_millis(2));
        }
        (instance, child)
    }

    #[test]
    fn who_is_left_in_the_group_of_a_gone_instance_is_ended_and_the_group_goes() {
        let Some(scratch) = Scratch::new("vacate") else { return };
        let groups = groups(&scratch);
        let (instance, mut child) = inhabited(&groups);
        groups.remove(&instance, StopScope::Tree);
        groups.vacate(&instance);
        child.wait().unwrap();
        assert!(!groups.path(&instance).unwrap().exists());
        assert!(groups.remove(&instance, StopScope::Tree), "which was gone already");
    }

    #[test]
    fn who_was_left_there_on_purpose_stays_and_what_came_back_keeps_its_group() {
        let Some(scratch) = Scratch::new("stay") else { return };
        let groups = groups(&scratch);
        let (instance, mut child) = inhabited(&groups);
        assert!(groups.remove(&instance, StopScope::Group));
        groups.vacate_all();
        assert!(child.try_wait().unwrap().is_none());
        groups.remove(&instance, StopScope::Tree);
        assert!(groups.settle(&instance), "it was given up");
        groups.vacate(&instance);
        child.wait().unwrap();
        assert!(groups.path(&instance).unwrap().exists());
    }
}
