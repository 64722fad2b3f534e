//! Groups that are not called after their instance. One that was renamed keeps the group that it has: Linux renames
//! none, and to bring its processes to another one would leave what they use of memory on the account of the old. And
//! who comes under the old name gets a group of another name, as long as that one is taken.

use super::{Groups, name};
use crate::model::name::InstanceId;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

impl Groups {
    fn odd_names(&self) -> MutexGuard<'_, BTreeMap<InstanceId, String>> {
        locked(&self.odd_names)
    }

    /// What the group of `instance` is called, if not after it.
    pub fn odd_name(&self, instance: &InstanceId) -> Option<String> {
        self.odd_names().get(instance).cloned()
    }

    /// The group of `instance` is called so.
    pub fn name(&self, instance: &InstanceId, name: String) {
        self.odd_names().insert(instance.clone(), name);
    }

    /// It has none any more.
    pub(super) fn forget_name(&self, instance: &InstanceId) {
        self.odd_names().remove(instance);
    }

    /// `instance` is to have a group: one that is called after it, unless another has that.
    pub fn claim(&self, instance: &InstanceId) {
        let mut names = self.odd_names();
        let own = name(instance);
        let is_taken = |name: &String| names.iter().any(|(other, taken)| other != instance && taken == name);
        if names.contains_key(instance) || !is_taken(&own) {
            return;
        }
        // No name of an instance has two of these.
        let others = (1_u32..).map(|number| format!("s.{instance}@{number}"));
        if let Some(free) = others.into_iter().find(|name| !is_taken(name)) {
            names.insert(instance.clone(), free);
        }
    }

    /// What was the group of `from`, and is known of it, is that of `to`.
    pub fn rename(&self, from: &InstanceId, to: &InstanceId) {
        let mut names = self.odd_names();
        let called = names.remove(from).unwrap_or_else(|| name(from));
        if called == name(to) {
            names.remove(to);
        } else {
            names.insert(to.clone(), called);
        }
        drop(names);
        self.settle(to);
        self.homes.rename(&from.service, &to.service);
        let resources = self.set().remove(from);
        self.set().extend(resources.map(|resources| (to.clone(), resources)));
        let mut ooms = locked(&self.earlier_ooms);
        let earlier = ooms.remove(from);
        ooms.extend(earlier.map(|earlier| (to.clone(), earlier)));
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::super::Base;
    use super::*;
    use crate::model::name::ServiceName;

    fn id(text: &str) -> InstanceId {
        InstanceId::new(ServiceName::new(text).unwrap(), 0)
    }

    #[test]
    fn no_two_have_one_group_however_often_names_change() {
        let mut base = Base::default();
        base.unified = Some("/base".into());
        let groups = Groups { base, ..Groups::default() };
        let called = |text: &str| groups.path(&id(text)).unwrap().to_str().unwrap().to_owned();
        groups.claim(&id("a"));
        assert_eq!(called("a"), "/base/s.a");
        groups.rename(&id("a"), &id("b"));
        assert_eq!(called("b"), "/base/s.a");
        groups.claim(&id("a"));
        assert_eq!(called("a"), "/base/s.a@0@1");
        groups.rename(&id("a"), &id("c"));
        groups.claim(&id("a"));
        assert_eq!((called("c"), called("a")), ("/base/s.a@0@1".into(), "/base/s.a@0@2".into()));
        groups.forget_name(&id("a"));
        groups.rename(&id("b"), &id("a"));
        assert_eq!((called("a"), groups.odd_name(&id("a"))), ("/base/s.a".into(), None));
    }
}
