//! Who waits for a descriptor. One of them tries at a time: as long as there is none, one attempt
//! after ever longer pauses is all that it costs, and once there is one the others follow at once.

use crate::model::name::InstanceId;
use crate::model::time::Mono;
use std::collections::BTreeSet;
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// A closed instance's pipe is emptied before its descriptors are free.
const AFTER_CLOSE: Duration = Duration::from_millis(100);

/// The queue and its one deadline.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: BTreeSet<InstanceId>,
    at: Mono,
    pause: Duration,
}

impl Default for Queue {
    fn default() -> Self {
        Self { waiting: BTreeSet::new(), at: Mono(0), pause: FIRST }
    }
}

impl Queue {
    /// `id` waits, or does not.
    pub(super) fn note(&mut self, id: &InstanceId, waits: bool, now: Mono) {
        if waits {
            if self.waiting.is_empty() {
                self.at = now.plus(self.pause);
            }
            self.waiting.insert(id.clone());
        } else if !self.waiting.is_empty() {
            self.waiting.remove(id);
        }
    }

    /// One that waited got its descriptors: there may be more.
    pub(super) fn relieved(&mut self, now: Mono) {
        (self.at, self.pause) = (now, FIRST);
    }

    /// What one got was not enough.
    pub(super) fn disappointed(&mut self, now: Mono) {
        self.at = now.plus(self.pause);
    }

    /// An instance was closed: its descriptors are about to be free.
    pub(super) fn closed(&mut self, now: Mono) {
        (self.at, self.pause) = (now.plus(AFTER_CLOSE).min(self.at.max(now)), AFTER_CLOSE);
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        (!self.waiting.is_empty()).then_some(self.at)
    }

    /// Who may try now.
    pub(super) fn turn(&mut self, now: Mono) -> Option<InstanceId> {
        if self.at > now {
            return None;
        }
        let first = self.waiting.first().cloned()?;
        self.pause = (self.pause * 2).min(LONGEST);
        self.at = now.plus(self.pause);
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::ServiceName;

    #[test]
    fn one_tries_after_ever_longer_pauses_and_success_lets_the_next_try_at_once() {
        let id = InstanceId::new(ServiceName::new("a").expect("legal"), 0);
        let mut queue = Queue::default();
        assert_eq!(queue.deadline(), None);
        queue.note(&id, true, Mono(0));
        let mut pauses = Vec::new();
        let mut now = Mono(0);
        for _ in 0..8 {
            let at = queue.deadline().expect("one waits");
            pauses.push(at.since(now).as_secs());
            now = at;
            assert_eq!(queue.turn(now).as_ref(), Some(&id));
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        queue.relieved(now);
        assert_eq!(queue.deadline(), Some(now));
    }
}
