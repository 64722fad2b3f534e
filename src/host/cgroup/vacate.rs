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
        refused.count() == 0
    }

    fn vacated(&self) -> MutexGuard<'_, BTreeSet<InstanceId>> {
        self.vacated.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
