//! How all stands, asked of the loop once for many visitors, and never older than their questions.

use super::call::{Call, Caller, Ending, Snapshot};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Who asks on and on gets an answer as often as this.
const PACE: Duration = Duration::from_millis(50);
/// So many answers at once before that.
const BURST: u32 = 10;

/// Shares answers: all who came before a question was put to the loop get its answer.
#[derive(Debug, Clone)]
pub(super) struct Statuses(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    caller: Caller,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Who came since the last question was put.
    who: Vec<oneshot::Sender<Arc<Snapshot>>>,
    /// Whether somebody is about to ask for them.
    asked_for: bool,
    /// When the questions so far are paid for, each with [`PACE`].
    paid: Option<Instant>,
}

impl Statuses {
    pub(super) fn new(caller: Caller) -> Self {
        Self(Arc::new(Shared { caller, waiting: Mutex::default() }))
    }

    /// How all stands: not before this was called.
    pub(super) async fn now(&self) -> Result<Arc<Snapshot>, Ending> {
        let (answer, comes) = oneshot::channel();
        let first = self.0.with(|waiting| {
            waiting.who.push(answer);
            !std::mem::replace(&mut waiting.asked_for, true)
        });
        if first {
            tokio::spawn(Arc::clone(&self.0).ask());
        }
        comes.await.map_err(|_| Ending)
    }
}

impl Waiting {
    /// When the next question may be put, if there is any.
    fn due(&mut self) -> Option<Instant> {
        self.asked_for = !self.who.is_empty();
        let now = Instant::now();
        let paid = self.paid.map_or(now, |paid| paid.max(now));
        self.asked_for.then(|| {
            self.paid = Some(paid + PACE);
            paid.checked_sub(PACE * (BURST - 1)).unwrap_or(now)
        })
    }
}

impl Shared {
    fn with<T>(&self, change: impl FnOnce(&mut Waiting) -> T) -> T {
        // One thread: nobody holds it, and a panic ends all.
        change(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks as long as somebody waits. Who comes while a question is under way has the next one's answer.
    async fn ask(self: Arc<Self>) {
        while let Some(due) = self.with(Waiting::due) {
            tokio::time::sleep_until(due).await;
            let who = self.with(|waiting| std::mem::take(&mut waiting.who));
            // Without an answer they see that theirs never comes.
            if let Ok(snapshot) = self.caller.ask(Call::Status).await {
                let snapshot = Arc::new(snapshot);
                for one in who {
                    let _ = one.send(Arc::clone(&snapshot));
                }
            }
        }
    }
}

/// A snapshot as a body that is put together as it is sent: however many read it, and however slowly, they share
/// its pieces.
#[derive(Debug)]
pub(super) struct Document {
    snapshot: Arc<Snapshot>,
    /// Which of its services.
    services: Vec<usize>,
    /// How many of the pieces were sent: the head, each service, the tail.
    sent: usize,
    /// How many bytes are left.
    left: u64,
}

impl Document {
    /// So much is put together at once.
    const PIECE: usize = 32 << 10;

    /// Of those services for which `of` holds.
    pub(super) fn new(snapshot: Arc<Snapshot>, of: impl Fn(&str) -> bool) -> Self {
        let known = snapshot.services.iter().enumerate();
        let services: Vec<usize> = known.filter(|(_, (name, _))| of(name.as_str())).map(|(at, _)| at).collect();
        let listed: usize = services.iter().map(|at| snapshot.services[*at].1.len()).sum();
        let commas = services.len().saturating_sub(1);
        let left = (snapshot.head.len() + 1 + listed + commas + snapshot.tail.len()) as u64;
        Self { snapshot, services, sent: 0, left }
    }

    fn next(&mut self) -> Option<Bytes> {
        let mut piece = Vec::new();
        while piece.len() < Self::PIECE && self.sent <= self.services.len() + 1 {
            match self.sent.checked_sub(1).map(|at| (at, self.services.get(at))) {
                None => {
                    piece.extend_from_slice(&self.snapshot.head);
                    piece.push(b'[');
                }
                Some((at, Some(service))) => {
                    piece.extend_from_slice(if at == 0 { b"" } else { b"," });
                    piece.extend_from_slice(&self.snapshot.services[*service].1);
                }
                Some((_, None)) => piece.extend_from_slice(&self.snapshot.tail),
            }
            self.sent += 1;
        }
        self.left -= piece.len() as u64;
        (!piece.is_empty()).then(|| piece.into())
    }
}

impl Body for Document {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.next().map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::model::name::ServiceName;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn snapshot(services: usize) -> Snapshot {
        let service = |at: usize| {
            let name = ServiceName::new(&format!("s{at:05}")).unwrap();
            let json: Arc<[u8]> =
                format!("{{\"name\":\"{name}\",\"pad\":\"{}\"}}", "x".repeat(at % 300)).into_bytes().into();
            (name, json)
        };
        Snapshot {
            head: b"{\"schema\":1,\"services\":".to_vec(),
            services: (0..services).map(service).collect(),
            tail: b"]}".to_vec(),
        }
    }

    fn whole(mut document: Document) -> Vec<u8> {
        let promised = document.left;
        let mut all = Vec::new();
        while let Some(piece) = document.next() {
            all.extend_from_slice(&piece);
        }
        assert_eq!((all.len() as u64, document.left), (promised, 0));
        all
    }

    #[test]
    fn a_document_in_pieces_is_the_document() {
        for count in [0, 1, 2, 1000] {
            let snapshot = Arc::new(snapshot(count));
            let of = |name: &str| !name.ends_with('7');
            assert_eq!(whole(Document::new(Arc::clone(&snapshot), of)), snapshot.json(|name| of(name.as_str())));
        }
    }

    /// A loop that counts its answers.
    fn counted() -> (Statuses, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let caller = Caller::new(move |call| {
            let Call::Status(answer) = call else { panic!("nothing else is asked") };
            count.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                tokio::task::yield_now().await;
                let _ = answer.send(snapshot(3));
            });
        });
        (Statuses::new(caller), asked)
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn a_hundred_who_ask_at_once_cost_one_question() {
        block_on(async {
            let (statuses, asked) = counted();
            let all: Vec<_> = (0..100)
                .map(|_| {
                    tokio::spawn({
                        let s = statuses.clone();
                        async move { s.now().await.unwrap() }
                    })
                })
                .collect();
            for one in all {
                assert_eq!(one.await.unwrap().services.len(), 3);
            }
            assert_eq!(asked.load(Ordering::Relaxed), 1);
        });
    }

    #[test]
    fn who_asks_while_a_question_is_under_way_gets_the_next_answer() {
        block_on(async {
            let (post, mut posted) = tokio::sync::mpsc::unbounded_channel();
            let statuses = Statuses::new(Caller::new(move |call| post.send(call).unwrap()));
            let ask = || {
                tokio::spawn({
                    let s = statuses.clone();
                    async move { s.now().await }
                })
            };
            let first = ask();
            let Some(Call::Status(answer)) = posted.recv().await else { panic!("it asks") };
            let second = ask();
            tokio::task::yield_now().await;
            answer.send(snapshot(1)).unwrap();
            assert_eq!(first.await.unwrap().unwrap().services.len(), 1);
            let Some(Call::Status(answer)) = posted.recv().await else { panic!("it asks again") };
            answer.send(snapshot(2)).unwrap();
            assert_eq!(second.await.unwrap().unwrap().services.len(), 2);
        });
    }

    #[test]
    fn who_asks_on_and_on_is_answered_twenty_times_a_second() {
        block_on(async {
            let (statuses, asked) = counted();
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(500) {
                statuses.now().await.unwrap();
            }
            let asked = asked.load(Ordering::Relaxed);
            assert!(asked >= BURST as usize && asked <= BURST as usize + 12, "{asked}");
        });
    }

    #[test]
    fn an_end_of_the_loop_is_told_to_who_waits() {
        block_on(async {
            let statuses = Statuses::new(Caller::new(drop));
            assert!(statuses.now().await.is_err());
            assert!(statuses.now().await.is_err());
        });
    }
}
