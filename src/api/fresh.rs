//! Answers that cost something, shared by all who asked before they were begun, and not begun too often.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// The shortest time from one to the next.
const PACE: Duration = Duration::from_millis(100);

/// The last answer, and when it was begun; held while the next one is made.
pub(super) struct Fresh<T>(Mutex<Option<(Instant, Arc<T>)>>);

impl<T> Default for Fresh<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Fresh<T> {
    /// An answer that was begun after this was called: somebody else's, or `answer`.
    pub(super) async fn get<E>(&self, answer: impl Future<Output = Result<T, E>>) -> Result<Arc<T>, E> {
        let asked = Instant::now();
        let mut last = self.0.lock().await;
        if let Some((begun, made)) = last.as_ref() {
            if *begun >= asked {
                return Ok(Arc::clone(made));
            }
            sleep_until(*begun + PACE).await;
        }
        let begun = Instant::now();
        let made = Arc::new(answer.await?);
        *last = Some((begun, Arc::clone(&made)));
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn many_at_once_cost_two_and_nobody_gets_what_was_begun_before_it_asked() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("it can be had");
        let (fresh, made) = (Arc::new(Fresh::default()), Arc::new(AtomicU32::new(0)));
        let ask = |fresh: Arc<Fresh<Instant>>, made: Arc<AtomicU32>| async move {
            let asked = Instant::now();
            let answer = async {
                made.fetch_add(1, Ordering::Relaxed);
                let begun = Instant::now();
                tokio::task::yield_now().await;
                Ok::<_, ()>(begun)
            };
            assert!(*fresh.get(answer).await.expect("it cannot fail") >= asked);
        };
        runtime.block_on(async {
            let mut all = tokio::task::JoinSet::new();
            for _ in 0..100 {
                all.spawn(ask(Arc::clone(&fresh), Arc::clone(&made)));
            }
            all.join_all().await;
            let first = made.load(Ordering::Relaxed);
            assert!(first <= 2, "{first}");
            ask(Arc::clone(&fresh), Arc::clone(&made)).await;
            assert_eq!(made.load(Ordering::Relaxed), first + 1);
        });
    }
}
