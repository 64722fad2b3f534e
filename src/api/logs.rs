//! Who reads logs: how many at once, and the one watch by which all who follow learn of changes. Files are read on
//! threads that may block, a piece at a time and at each reader's own pace.

use super::problem::Problem;
use crate::host::look::log::{Changed, Reading, Watch, Watched};
use axum::http::StatusCode;
use bytes::Bytes;
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc::Sender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};

/// So many logs are read at once.
const MOST_READERS: usize = 128;
/// A file may lie on a disk that hangs: so long it is waited for before anything of it was sent.
const PATIENCE: Duration = Duration::from_secs(5);
/// What changes within this time is one change: a service that writes much wakes nobody for each line.
const BREATH: Duration = Duration::from_millis(5);

/// What readers of logs share.
#[derive(Debug, Clone)]
pub(super) struct Logs {
    places: Arc<Semaphore>,
    /// There while somebody follows. Held while a watch is added or taken away, so that who goes does not take away
    /// what who comes has just got.
    ear: Arc<tokio::sync::Mutex<Option<Ear>>>,
}

/// The watch, and who waits for what of it.
#[derive(Debug)]
struct Ear {
    watch: Arc<Watch>,
    waiting: Arc<Waiting>,
    listens: JoinHandle<()>,
}

/// For each thing that is watched how many wait for it, and what wakes them.
#[derive(Debug, Default)]
struct Waiting(Mutex<HashMap<Watched, (usize, watch::Sender<()>)>>);

/// What one reader waits for.
#[derive(Debug)]
struct Awaited {
    watched: Watched,
    changes: watch::Receiver<()>,
    /// Whether every change of the log is told; else only that something on the way to it changes.
    whole: bool,
}

impl Default for Logs {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(MOST_READERS)), ear: Arc::default() }
    }
}

/// Where a log is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// From so many lines before its end.
    Last(u64),
    /// From the first line of that time or later, microseconds since 1970.
    Time(i64),
    /// From the first line within so many bytes before the end of the newest file.
    Near(u64),
}

impl Logs {
    /// Goes to where a log is to be read from. A place is held as long as anything of it is read.
    pub(super) async fn open(&self, mut reading: Reading, from: From) -> Result<Reader, Problem> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let detail = format!("{MOST_READERS} logs are being read already");
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too-many", "too many at once", detail)
                .hint("try again when others have ended"));
        };
        let open = spawn_blocking(move || {
            let gone = match from {
                From::Last(lines) => reading.last(lines, u64::MAX),
                From::Time(at) => reading.since(at),
                From::Near(reach) => reading.near_end(reach),
            };
            (reading, place, gone)
        });
        match answer(open).await {
            Ok((reading, place, Ok(()))) => Ok(Reader { logs: self.clone(), reading, _place: place }),
            Ok((.., Err(error))) | Err(error) => Err(unreadable(&error)),
        }
    }

    /// Has something read at once, with a place for as long as that takes.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| io::Error::other("too many logs are being read already"))?;
        let read = spawn_blocking(move || {
            let read = look();
            drop(place);
            read
        });
        answer(read).await?
    }

    /// Begins to wait for changes of a log.
    async fn attend(&self, mut reading: Reading) -> io::Result<(Reading, Awaited)> {
        let mut place = self.ear.lock().await;
        let ear = match place.take() {
            Some(ear) => place.insert(ear),
            None => place.insert(Ear::new()?),
        };
        let watch = Arc::clone(&ear.watch);
        let added = answer(spawn_blocking(move || reading.watch(&watch).map(|added| (reading, added)))).await;
        let awaited = added.and_then(|added| added).map(|(reading, (watched, whole))| {
            let mut waiting = ear.waiting.all();
            let (count, wake) = waiting.entry(watched).or_default();
            *count += 1;
            (reading, Awaited { watched, changes: wake.subscribe(), whole })
        });
        Ear::close_unless_needed(&mut place);
        awaited
    }

    /// Waits no more for it.
    async fn leave(&self, awaited: Awaited) {
        let mut place = self.ear.lock().await;
        if let Some(ear) = place.as_mut() {
            let mut waiting = ear.waiting.all();
            let left = waiting.get_mut(&awaited.watched).map_or(0, |(count, _)| {
                *count -= 1;
                *count
            });
            if left == 0 {
                waiting.remove(&awaited.watched);
                ear.watch.forget(awaited.watched);
            }
        }
        Ear::close_unless_needed(&mut place);
    }
}

impl Ear {
    fn new() -> io::Result<Self> {
        let (watch, waiting) = (Arc::new(Watch::new()?), Arc::<Waiting>::default());
        let descriptor = readable(watch.descriptor()?)?;
        let listens = tokio::spawn(listen(descriptor, Arc::clone(&watch), Arc::clone(&waiting)));
        Ok(Self { watch, waiting, listens })
    }

    /// Nobody follows: nothing is watched.
    fn close_unless_needed(place: &mut Option<Self>) {
        if place.as_ref().is_some_and(|ear| ear.waiting.all().is_empty())
            && let Some(ear) = place.take()
        {
            ear.listens.abort();
        }
    }
}

impl Waiting {
    fn all(&self) -> MutexGuard<'_, HashMap<Watched, (usize, watch::Sender<()>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, changed: &Changed) {
        let waiting = self.all();
        let of = |watched: &Watched| match changed {
            Changed::These(these) => these.contains(watched),
            Changed::Any => true,
        };
        for (_, (_, wake)) in waiting.iter().filter(|(watched, _)| of(watched)) {
            wake.send_replace(());
        }
    }
}

/// Wakes who waits for what changes.
async fn listen(descriptor: AsyncFd<OwnedFd>, watch: Arc<Watch>, waiting: Arc<Waiting>) {
    while let Ok(mut ready) = descriptor.readable().await {
        match watch.changed() {
            Ok(Some(changed)) => waiting.wake(&changed),
            Ok(None) => ready.clear_ready(),
            // Better too much reading than none.
            Err(_) => {
                waiting.wake(&Changed::Any);
                ready.clear_ready();
            }
        }
        drop(ready);
        sleep(BREATH).await;
    }
}

/// One who reads a log.
#[derive(Debug)]
pub(super) struct Reader {
    logs: Logs,
    reading: Reading,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    /// Sends what there is, at the pace at which it is taken; then, to who follows, what comes, until nobody takes it
    /// any more or it cannot be read.
    pub(super) async fn send(self, follow: bool, out: Sender<Bytes>) {
        let Self { logs, mut reading, _place } = self;
        let mut awaited: Option<Awaited> = None;
        loop {
            if follow && awaited.as_ref().is_none_or(|awaited| !awaited.whole) {
                let Ok((same, now)) = logs.attend(reading).await else { break };
                reading = same;
                if let Some(before) = awaited.replace(now) {
                    logs.leave(before).await;
                }
            }
            if let Some(awaited) = &mut awaited {
                awaited.changes.mark_unchanged();
            }
            let Some(same) = drain(reading, follow, &out).await else { break };
            reading = same;
            let Some(awaited) = &mut awaited else { break };
            tokio::select! {
                changed = awaited.changes.changed() => if changed.is_err() { break },
                () = out.closed() => break,
            }
        }
        if let Some(awaited) = awaited {
            logs.leave(awaited).await;
        }
    }
}

/// Sends all there is at the moment; `None`: nobody takes it, or it cannot be read.
async fn drain(mut reading: Reading, follow: bool, out: &Sender<Bytes>) -> Option<Reading> {
    loop {
        let read = spawn_blocking(move || {
            let piece = reading.next(follow);
            (reading, piece)
        });
        let (same, piece) = read.await.ok()?;
        reading = same;
        match piece.ok()? {
            Some(piece) => out.send(piece.into()).await.ok()?,
            None => return Some(reading),
        }
    }
}

/// What a thread that may block has to say, if it does in time.
async fn answer<T>(asked: JoinHandle<T>) -> io::Result<T> {
    match timeout(PATIENCE, asked).await {
        Ok(answer) => answer.map_err(io::Error::other),
        Err(_) => Err(io::Error::other("the disk does not answer")),
    }
}

fn unreadable(error: &io::Error) -> Problem {
    let detail = format!("the log cannot be read: {error}");
    Problem::new(StatusCode::CONFLICT, "log-unreadable", "the log cannot be read", detail)
        .hint("`abide status NAME` shows where the log lies and what is wrong with it")
}

#[expect(deprecated, reason = "sound for an `OwnedFd`, whose number stays its own; the successor is `unsafe`")]
fn readable(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}
