//! Who tried what they may not, in abide's own log. What was obeyed is written by the loop, which knows what came of it.

use crate::model::order::Author;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many refusals are written in each [`SPAN`]: whoever may nothing shall not fill the log either.
const MOST: u32 = 20;
const SPAN: Duration = Duration::from_secs(10);

static PACE: Mutex<Pace> = Mutex::new(Pace { begun: None, written: 0, passed_over: 0 });

/// How much was written lately.
struct Pace {
    begun: Option<Instant>,
    written: u32,
    passed_over: u64,
}

impl Pace {
    /// Whether one more may be written at `now`, and how many were not before it.
    fn take(&mut self, now: Instant) -> Option<u64> {
        if self.begun.is_none_or(|begun| now.duration_since(begun) >= SPAN) {
            (self.begun, self.written) = (Some(now), 0);
        }
        if self.written >= MOST {
            self.passed_over += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.passed_over))
    }
}

/// Whether one more may be written now, and how many were not before it.
fn turn() -> Option<u64> {
    PACE.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now())
}

/// Where there is something to say.
fn some(count: u64) -> Option<u64> {
    Some(count).filter(|count| *count > 0)
}

/// Somebody showed a token that is none of those in `abide.toml`.
pub(super) fn unknown_token(from: SocketAddr) {
    let Some(passed_over) = turn() else { return };
    tracing::warn!(%from, passed_over = some(passed_over), "a token was shown that is not known");
}

/// An order that was not theirs to give.
pub(super) fn refused(act: &str, author: &Author, detail: &str) {
    let Some(passed_over) = turn() else { return };
    let Author { name: by, uid, pid, command } = author;
    tracing::warn!(
        act,
        by,
        uid,
        by_pid = pid,
        command = command.as_deref(),
        passed_over = some(passed_over),
        "order refused: {detail}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_do_not_fill_the_log_and_none_goes_uncounted() {
        let (mut pace, begun) = (Pace { begun: None, written: 0, passed_over: 0 }, Instant::now());
        let written = (0..100).filter(|_| pace.take(begun).is_some()).count();
        assert_eq!(written, MOST as usize);
        assert_eq!(pace.take(begun + SPAN), Some(80));
        assert_eq!(pace.take(begun + SPAN), Some(0));
    }
}
