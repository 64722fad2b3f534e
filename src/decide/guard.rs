//! The guard against mass removal: whether what seems to be gone is too much to be believed. Pure.
//!
//! Removals count together within a sliding window, those that were carried out already included: a slow `rm` is a
//! mass removal, too.

use crate::model::name::ServiceName;
use crate::model::rules::{FEW, GuardRules};
use crate::model::time::Mono;
use std::collections::VecDeque;

/// One watched directory, as far as the guard cares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// Services of it that are to go now, or wait for a yes.
    pub(super) asked: u64,
    /// Services of it that have gone within the window.
    pub(super) gone: u64,
    /// Services of it that stand, those asked for included.
    pub(super) standing: u64,
}

/// Whether the removals asked for in a directory are to wait; `of_all`: how many are asked for or have gone in all of
/// them.
pub(super) fn holds(rules: &GuardRules, of_all: u64, here: Count) -> bool {
    let Count { asked, gone, standing } = here;
    if rules.window.is_none() || asked == 0 {
        return false;
    }
    let (removed, before) = (asked + gone, standing + gone);
    let share = removed >= FEW && removed * 100 > before * rules.max_percent;
    let last = asked >= standing && before >= 2;
    of_all > rules.max_removals || share || last
}

/// What has gone within the window, and from which directory.
#[derive(Debug, Default)]
pub(super) struct Window(VecDeque<(Mono, usize, ServiceName)>);

impl Window {
    /// One has gone, and nobody had said that it may.
    pub(super) fn push(&mut self, now: Mono, source: usize, name: ServiceName) {
        self.0.push_back((now, source, name));
    }

    /// One is back: it is not gone.
    pub(super) fn returned(&mut self, name: &ServiceName) {
        if !self.0.is_empty() {
            self.0.retain(|(_, _, gone)| gone != name);
        }
    }

    /// Forgets what went before the window.
    pub(super) fn slide(&mut self, now: Mono, rules: &GuardRules) {
        let Some(window) = rules.window else { return self.0.clear() };
        while self.0.front().is_some_and(|(at, ..)| now.since(*at) >= window) {
            self.0.pop_front();
        }
    }

    /// From which directories what is in it has gone, one a removal.
    pub(super) fn sources(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|(_, source, _)| *source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn held(asked: u64, gone: u64, standing: u64) -> bool {
        holds(&GuardRules::default(), asked + gone, Count { asked, gone, standing })
    }

    #[test]
    fn the_three_rules() {
        assert!(!held(1, 0, 10), "one of ten goes");
        assert!(!held(10, 0, 200) && held(11, 0, 200), "more than ten are held");
        assert!(held(98, 0, 200), "49 % of many is many");
        assert!(!held(2, 0, 3) && held(3, 0, 5) && !held(3, 0, 6), "more than half, if at least three");
        assert!(held(2, 0, 2) && !held(1, 0, 1), "the last ones, if there were at least two");
        assert!(held(1, 1, 1), "one after the other, too");
        assert!(held(1, 5, 5) && !held(1, 4, 6), "slow loops are held by the window");
        assert!(!holds(
            &GuardRules { window: None, ..GuardRules::default() },
            99,
            Count { asked: 99, gone: 0, standing: 99 }
        ));
    }

    #[test]
    fn the_window_slides() {
        let rules = GuardRules::default();
        let name = |text: &str| ServiceName::new(text).unwrap();
        let mut window = Window::default();
        let start = Mono(0);
        window.push(start, 0, name("a"));
        window.push(start.plus(Duration::from_secs(30)), 1, name("b"));
        window.push(start.plus(Duration::from_secs(31)), 1, name("c"));
        window.returned(&name("c"));
        window.slide(start.plus(Duration::from_secs(59)), &rules);
        assert_eq!(window.sources().collect::<Vec<_>>(), [0, 1]);
        window.slide(start.plus(Duration::from_secs(60)), &rules);
        assert_eq!(window.sources().collect::<Vec<_>>(), [1]);
    }

    proptest! {
        /// What is held stays held when more is asked for: nobody gets past the guard by asking for more.
        #[test]
        fn asking_for_more_is_never_let_through(asked in 1u64..40, more in 0u64..40, gone in 0u64..12, rest in 0u64..60) {
            let standing = asked + more + rest;
            if held(asked, gone, standing) {
                prop_assert!(held(asked + more, gone, standing));
            }
        }

        /// A directory of at least two is never emptied without a yes.
        #[test]
        fn the_last_ones_always_wait(asked in 1u64..9, gone in 0u64..9) {
            prop_assume!(asked + gone >= 2);
            prop_assert!(held(asked, gone, asked));
        }
    }
}
