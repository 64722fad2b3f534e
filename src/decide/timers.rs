//! Deadlines in order of time. The first of them is the only wake-up that abide ever has.

use crate::model::name::InstanceId;
use crate::model::time::Mono;
use std::collections::BTreeSet;

/// At most one deadline an instance; who it belongs to remembers it, so that there is one copy of
/// the order and none of the map.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(Mono, InstanceId)>,
}

impl Timers {
    /// Moves the deadline of `id` from `old` to `new`.
    pub(super) fn shift(&mut self, id: &InstanceId, old: Option<Mono>, new: Option<Mono>) {
        if old == new {
            return;
        }
        if let Some(at) = old {
            self.due.remove(&(at, id.clone()));
        }
        if let Some(at) = new {
            self.due.insert((at, id.clone()));
        }
    }

    /// When the first of them is due.
    pub(super) fn next(&self) -> Option<Mono> {
        self.due.first().map(|(at, _)| *at)
    }

    /// All that are due by `now`, in order. They stay until shifted.
    pub(super) fn due(&self, now: Mono) -> Vec<InstanceId> {
        self.due.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::ServiceName;

    #[test]
    fn deadlines_come_in_order_and_leave_nothing_behind() {
        let id = |index| InstanceId::new(ServiceName::new("a").expect("legal"), index);
        let mut timers = Timers::default();
        timers.shift(&id(0), None, Some(Mono(20)));
        timers.shift(&id(1), None, Some(Mono(10)));
        assert_eq!(timers.next(), Some(Mono(10)));
        timers.shift(&id(1), Some(Mono(10)), Some(Mono(30)));
        assert_eq!(timers.due(Mono(25)), [id(0)]);
        timers.shift(&id(0), Some(Mono(20)), None);
        timers.shift(&id(1), Some(Mono(30)), None);
        assert_eq!(timers.next(), None);
    }
}
