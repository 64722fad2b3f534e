//! When to try again: delay, factor, jitter, reset, limit.

use crate::model::policy::RestartPolicy;
use crate::model::time::Mono;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// Chance from a seed (splitmix64): the same history gives the same delays.
#[derive(Debug, Clone)]
pub(super) struct Jitter(u64);

impl Jitter {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Evenly from 0 up to but not including 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what a double holds")]
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// How an instance has been doing lately.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Backoff {
    /// Runs in a row that were no good runs.
    pub(super) attempt: u32,
    /// When it was restarted within the policy's window; empty where the policy has no limit.
    recent: VecDeque<Mono>,
}

/// What a run was, once it is over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Over {
    /// When it was ordered.
    pub(super) ordered: Mono,
    /// How long its program ran; `None` if it never did.
    pub(super) ran: Option<Duration>,
}

impl Backoff {
    /// When the next attempt is due after a run that is `over`; `None` to give up.
    pub(super) fn next(&mut self, policy: &RestartPolicy, over: Over, now: Mono, jitter: &mut Jitter) -> Option<Mono> {
        if let Some(retries) = policy.retries {
            return self.retry(retries, over, now, policy.spacing);
        }
        let delay = if over.ran.is_some_and(|ran| ran >= policy.reset_after) {
            self.attempt = 0;
            Duration::ZERO
        } else {
            self.attempt = self.attempt.saturating_add(1);
            delay(policy, self.attempt, jitter)
        };
        let at = now.plus(delay).max(over.ordered.plus(policy.spacing));
        self.within_limit(policy, now, at).then_some(at)
    }

    /// As supervisord counts.
    fn retry(&mut self, retries: u32, over: Over, now: Mono, spacing: Duration) -> Option<Mono> {
        if over.ran.is_some() {
            self.attempt = 0;
            return Some(now.max(over.ordered.plus(spacing)));
        }
        self.attempt = self.attempt.saturating_add(1);
        if self.attempt > retries {
            self.attempt = 0;
            return None;
        }
        Some(now.plus(Duration::from_secs(u64::from(self.attempt))))
    }

    fn within_limit(&mut self, policy: &RestartPolicy, now: Mono, at: Mono) -> bool {
        let Some(limit) = policy.limit else {
            self.recent.clear();
            return true;
        };
        while self.recent.front().is_some_and(|earlier| now.since(*earlier) >= limit.window) {
            self.recent.pop_front();
        }
        if self.recent.len() >= limit.count as usize {
            return false;
        }
        self.recent.push_back(at);
        true
    }
}

fn delay(policy: &RestartPolicy, attempt: u32, jitter: &mut Jitter) -> Duration {
    let longest = policy.max_delay.as_secs_f64();
    let exponent = i32::try_from(attempt - 1).unwrap_or(i32::MAX);
    // Infinity is fine here: `min` brings it back.
    let plain = (policy.delay.as_secs_f64() * policy.factor.powi(exponent)).min(longest);
    let spread = 1.0 + policy.jitter * (2.0 * jitter.unit() - 1.0);
    let chosen = Duration::try_from_secs_f64((plain * spread).max(0.0)).unwrap_or(policy.max_delay);
    // Whole microseconds, as the wall clock has them: the same moment reads the same however often it is shown.
    Duration::from_micros(u64::try_from(chosen.as_micros()).unwrap_or(u64::MAX)).min(policy.max_delay)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::policy::RestartLimit;

    const SHORT: Over = Over { ordered: Mono(0), ran: Some(Duration::from_millis(1)) };

    fn delays(policy: &RestartPolicy, runs: usize) -> Vec<u64> {
        let (mut backoff, mut jitter) = (Backoff::default(), Jitter::new(1));
        let next = |_| backoff.next(policy, SHORT, Mono(0), &mut jitter).map(|at| at.0 / 1_000_000);
        (0..runs).map_while(next).collect()
    }

    #[test]
    fn delays_double_up_to_the_longest() {
        let policy = RestartPolicy { jitter: 0.0, ..RestartPolicy::default() };
        assert_eq!(delays(&policy, 9), [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
    }

    #[test]
    fn jitter_spreads_and_never_exceeds_the_longest_delay() {
        let policy = RestartPolicy { jitter: 1.0, ..RestartPolicy::default() };
        let all = delays(&policy, 3000);
        assert!(all.iter().all(|delay| *delay <= 60_000));
        assert_ne!(all[20], all[21]);
    }

    #[test]
    fn a_good_run_is_followed_at_once_and_counting_begins_anew() {
        let policy = RestartPolicy { jitter: 0.0, ..RestartPolicy::default() };
        let (mut backoff, mut jitter) = (Backoff::default(), Jitter::new(1));
        backoff.next(&policy, SHORT, Mono(0), &mut jitter);
        backoff.next(&policy, SHORT, Mono(0), &mut jitter);
        let good = Over { ordered: Mono(0), ran: Some(Duration::from_secs(2)) };
        assert_eq!(backoff.next(&policy, good, Mono(7), &mut jitter), Some(Mono(7)));
        assert_eq!(backoff.next(&policy, SHORT, Mono(7), &mut jitter), Some(Mono(500_000_007)));
    }

    #[test]
    fn more_restarts_than_the_limit_allows_within_its_window_are_the_end() {
        let limit = Some(RestartLimit { count: 3, window: Duration::from_secs(60) });
        let policy = RestartPolicy { limit, ..RestartPolicy::default() };
        assert_eq!(delays(&policy, 9).len(), 3);
    }

    #[test]
    fn failed_starts_are_counted_as_supervisord_does() {
        let policy =
            RestartPolicy { retries: Some(3), spacing: Duration::from_millis(100), ..RestartPolicy::default() };
        let (mut backoff, mut jitter) = (Backoff::default(), Jitter::new(1));
        let failed = Over { ordered: Mono(0), ran: None };
        let mut next = |over| backoff.next(&policy, over, Mono(0), &mut jitter).map(|at| at.0 / 1_000_000);
        assert_eq!([next(failed), next(failed), next(failed)], [Some(1000), Some(2000), Some(3000)]);
        assert_eq!(next(failed), None);
        assert_eq!(next(failed), Some(1000), "counting begins anew once it was given up");
        assert_eq!(next(SHORT), Some(100), "what had started is started again at once");
        assert_eq!(next(failed), Some(1000));
    }

    #[test]
    fn legacy_services_are_a_second_from_start_to_start() {
        let policy = RestartPolicy::daemontools();
        let (mut backoff, mut jitter) = (Backoff::default(), Jitter::new(1));
        let second = Mono(1_000_000_000);
        assert_eq!(backoff.next(&policy, SHORT, Mono(5), &mut jitter), Some(second));
        assert_eq!(backoff.next(&policy, SHORT, Mono(second.0 + 5), &mut jitter), Some(Mono(second.0 + 5)));
        let failed = Over { ordered: Mono(9), ran: None };
        assert_eq!(backoff.next(&policy, failed, Mono(10), &mut jitter), Some(Mono(second.0 + 9)));
    }
}
