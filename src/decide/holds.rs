//! Who is held: what an operator has stopped, until somebody starts it again or the hold lifts itself.
//!
//! A hold is about a service, with all the instances that it has or will have, or about one instance of it. Neither an
//! edit nor the removal of the file lifts it: a service that comes back under the name is still held, and says so. The
//! time at which one lifts itself is kept on the clock that counts.
//!
//! Most services are never held: what is known of those that are stands here and nowhere else.

use crate::model::name::ServiceName;
use crate::model::order::Hold;
use crate::model::selector::Target;
use crate::model::time::{Mono, Now, Wall};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The books.
#[derive(Debug, Default)]
pub(super) struct Holds {
    held: BTreeMap<Target, Held>,
    lapses: BTreeSet<(Mono, Target)>,
}

#[derive(Debug)]
struct Held {
    hold: Hold,
    lapses: Option<Mono>,
}

impl Holds {
    /// Notes that `target` is held, and when that ends by itself; whether it was held before.
    pub(super) fn put(&mut self, target: &Target, hold: Hold, lapses: Option<Mono>) -> bool {
        let was_held = self.take(target).is_some();
        self.lapses.extend(lapses.map(|at| (at, target.clone())));
        self.held.insert(target.clone(), Held { hold, lapses });
        was_held
    }

    /// Notes that `target` itself is not held any more.
    pub(super) fn take(&mut self, target: &Target) -> Option<(Hold, Option<Mono>)> {
        let Held { hold, lapses } = self.held.remove(target)?;
        if let Some(at) = lapses {
            self.lapses.remove(&(at, target.clone()));
        }
        Some((hold, lapses))
    }

    /// Whether this instance is held, by itself or with its whole service.
    pub(super) fn covers(&self, service: &ServiceName, index: u32) -> bool {
        self.covering(service, index).is_some()
    }

    /// How this instance is held: by itself, or with its whole service.
    pub(super) fn covering(&self, service: &ServiceName, index: u32) -> Option<&Hold> {
        self.own(service, index).or_else(|| self.whole(service))
    }

    /// How the service is held as a whole.
    pub(super) fn whole(&self, service: &ServiceName) -> Option<&Hold> {
        self.of(service, None)
    }

    /// How this instance is held by itself.
    pub(super) fn own(&self, service: &ServiceName, index: u32) -> Option<&Hold> {
        self.of(service, Some(index))
    }

    fn of(&self, service: &ServiceName, index: Option<u32>) -> Option<&Hold> {
        if self.held.is_empty() {
            return None;
        }
        self.held.get(&Target { service: service.clone(), index }).map(|held| &held.hold)
    }

    /// Whether nothing of a service of this size is left to run.
    pub(super) fn covers_all(&self, service: &ServiceName, size: u32) -> bool {
        !self.held.is_empty()
            && (self.whole(service).is_some() || size > 0 && (0..size).all(|index| self.own(service, index).is_some()))
    }

    /// What is held of one service: the whole first, then instances.
    pub(super) fn within(&self, service: &ServiceName) -> impl Iterator<Item = (&Target, &Hold)> {
        let first = Target { service: service.clone(), index: None };
        let rest = self.held.range(first.clone()..);
        rest.take_while(move |(target, _)| target.service == first.service).map(|(target, held)| (target, &held.hold))
    }

    /// All that is held.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Target, &Hold)> {
        self.held.iter().map(|(target, held)| (target, &held.hold))
    }

    /// When the next hold ends by itself.
    pub(super) fn deadline(&self) -> Option<Mono> {
        self.lapses.first().map(|(at, _)| *at)
    }

    /// Those that end by `now`.
    pub(super) fn due(&self, now: Mono) -> Vec<Target> {
        self.lapses.iter().take_while(|(at, _)| *at <= now).map(|(_, target)| target.clone()).collect()
    }
}

/// When a hold that was recorded by an earlier abide ends by itself. What is left of its time is told by the clock on
/// the wall; should that have been set back meanwhile, it is at most the whole.
pub(super) fn lapse(hold: &Hold, now: Now) -> Option<Mono> {
    let until = hold.until?;
    let span = |from: Wall| Duration::from_micros(u64::try_from(until.0.saturating_sub(from.0)).unwrap_or(0));
    Some(now.mono.plus(span(now.wall).min(span(hold.since))))
}

/// "held by root: the disk is being replaced".
pub(super) fn in_words(hold: &Hold) -> String {
    let reason = hold.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    format!("held by {}{reason}", hold.by.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::order::Author;

    fn target(service: &str, index: Option<u32>) -> Target {
        Target { service: ServiceName::new(service).expect("legal"), index }
    }

    fn hold(since: i64, until: Option<i64>) -> Hold {
        let by = Author { name: "root".to_owned(), ..Author::default() };
        Hold { by, reason: None, since: Wall(since), until: until.map(Wall) }
    }

    #[test]
    fn a_hold_covers_a_whole_service_or_one_instance_of_it() {
        let mut holds = Holds::default();
        let (web, db) = (target("web", None).service, target("db", None).service);
        assert!(!holds.put(&target("web", Some(2)), hold(0, None), None));
        assert!(holds.covers(&web, 2) && !holds.covers(&web, 1) && !holds.covers(&db, 2));
        assert!(!holds.covers_all(&web, 3));
        holds.put(&target("web", None), hold(0, None), Some(Mono(5)));
        assert!(holds.covers(&web, 1) && holds.covers_all(&web, 3));
        assert_eq!(holds.within(&web).count(), 2);
        assert_eq!((holds.deadline(), holds.due(Mono(5))), (Some(Mono(5)), vec![target("web", None)]));
        assert!(holds.put(&target("web", None), hold(0, None), None));
        assert_eq!(holds.deadline(), None);
        assert!(holds.take(&target("web", None)).is_some());
        assert!(holds.covers(&web, 2) && !holds.covers(&web, 1));
    }

    #[test]
    fn what_is_left_of_a_hold_is_never_more_than_the_whole() {
        let hour = 3_600_000_000;
        let at = |wall: i64| lapse(&hold(0, Some(hour)), Now { mono: Mono(7), wall: Wall(wall) });
        assert_eq!(at(hour / 2), Some(Mono(7).plus(Duration::from_secs(1800))));
        assert_eq!(at(2 * hour), Some(Mono(7)));
        assert_eq!(at(-50 * hour), Some(Mono(7).plus(Duration::from_secs(3600))));
        assert_eq!(lapse(&hold(0, None), Now::default()), None);
    }
}
