//! The thread of the doors: accepts, bounds what a visitor can take, serves.

use super::call::Caller;
use super::doors::Doors;
use super::feed::Feed;
use super::rights::Visitor;
use super::routes;
use crate::model::order::Author;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Receiver;

/// So many visitors at once.
const MOST_CONNECTIONS: usize = 256;
/// A request's head must be there within this time.
const HEAD: Duration = Duration::from_secs(10);

/// What the doors begin with.
#[derive(Debug)]
pub struct Setup {
    /// The control socket, bound.
    pub control: UnixListener,
    /// Whom to ask.
    pub caller: Caller,
    /// The supervisor's `instance_id`, which ids of events begin with.
    pub instance_id: String,
    /// What happens. Its end is the end of the doors.
    pub feed: Receiver<Feed>,
}

/// Opens the doors: a thread that serves until the feed ends.
pub fn open(setup: Setup) -> io::Result<()> {
    setup.control.set_nonblocking(true)?;
    let thread = std::thread::Builder::new().name("doors".into()).stack_size(512 << 10);
    thread.spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(4)
            .thread_stack_size(256 << 10)
            .thread_name("doors-file")
            .build();
        let served = runtime.and_then(|runtime| {
            let served = runtime.block_on(serve(setup));
            runtime.shutdown_background();
            served
        });
        if let Err(error) = served {
            tracing::error!(cause = %error, "the control socket is not served");
        }
    })?;
    Ok(())
}

async fn serve(setup: Setup) -> io::Result<()> {
    let Setup { control, caller, instance_id, mut feed } = setup;
    let control = tokio::net::UnixListener::from_std(control)?;
    let doors = Doors::new(caller, &instance_id);
    let router = routes::router(doors.clone());
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            fed = feed.recv() => match fed {
                Some(Feed::News(at, news)) => {
                    doors.ring.push(at, news);
                    continue;
                }
                None => return Ok(()),
            },
            accepted = control.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else { continue };
        let peer = stream.peer_cred().ok();
        let author = Author {
            uid: peer.map(|peer| peer.uid()),
            pid: peer.and_then(|peer| peer.pid()),
            name: peer.map(|peer| format!("uid {}", peer.uid())).unwrap_or_default(),
            command: None,
        };
        let router = router.clone().layer(axum::Extension(Visitor(author)));
        let service = TowerToHyperService::new(router);
        tokio::spawn(async move {
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_headers(64);
            // A visitor who goes away is no error.
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
            drop(place);
        });
    }
}
