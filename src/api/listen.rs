//! The doors themselves: who knocks is looked at, given a place and served.

use super::guard::Arrival;
use super::hall::{Busy, Hall, Origin, Seat};
use super::patient::{PATIENCE, Patient};
use crate::host::peer;
use crate::model::access::Who;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// A request's head must be there within this time after the one before it was answered.
const HEAD: Duration = Duration::from_secs(10);
/// No head has more lines.
const MOST_HEADERS: usize = 64;
/// No head is larger, in bytes.
const LARGEST_HEAD: usize = 16 << 10;
/// After this time it is tried again to let somebody in, where there were no descriptors for it.
const BREATH: Duration = Duration::from_millis(100);
/// So many are told at a time that there is no place, each for so long; who comes beyond is cut off.
const MOST_TURNED_AWAY: usize = 32;
const FAREWELL: Duration = Duration::from_secs(1);
/// So many names of users are remembered.
const MOST_NAMES: usize = 1024;

/// What is said to who finds no place.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n\
connection: close\r\ncontent-length: 123\r\n\r\n\
{\"type\":\"urn:abide:problem:too-many\",\"title\":\"too many visitors\",\"status\":503,\"detail\":\"all places at the doors are taken\"}";

/// Where all arrive.
pub(super) struct Lobby {
    hall: Arc<Hall>,
    router: Router,
    own_uid: u32,
    /// Places of those who are told that there is none.
    turned_away: Arc<Semaphore>,
    /// What speaks TLS at the TCP ports; `None`: they speak without it.
    tls: Mutex<Option<TlsAcceptor>>,
    names: Mutex<HashMap<u32, String>>,
}

impl Lobby {
    pub(super) fn new(router: Router) -> Self {
        let turned_away = Arc::new(Semaphore::new(MOST_TURNED_AWAY));
        Self {
            hall: Arc::default(),
            router,
            own_uid: peer::own_uid(),
            turned_away,
            tls: Mutex::default(),
            names: Mutex::default(),
        }
    }

    /// From now on the TCP ports speak TLS by this, or without it.
    pub(super) fn speak(&self, tls: Option<TlsAcceptor>) {
        *self.tls.lock().unwrap_or_else(PoisonError::into_inner) = tls;
    }

    /// Forgets how users are called: that may have changed.
    pub(super) fn forget_names(&self) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Lets in whoever knocks at the control socket, for ever.
    pub(super) async fn keep_local(self: Arc<Self>, door: UnixListener) {
        loop {
            match door.accept().await {
                Ok((stream, _)) => self.greet_local(stream),
                Err(error) => breathe(&error).await,
            }
            // Who was let in is looked at before the next: a flood carries nobody away.
            tokio::task::yield_now().await;
        }
    }

    /// Lets in whoever knocks at a TCP port, for ever.
    pub(super) async fn keep_remote(self: Arc<Self>, door: TcpListener) {
        loop {
            match door.accept().await {
                Ok((stream, from)) => self.greet_remote(stream, from),
                Err(error) => breathe(&error).await,
            }
            tokio::task::yield_now().await;
        }
    }

    fn greet_local(self: &Arc<Self>, stream: UnixStream) {
        // Who is gone already, or is not told of by this kernel, is nobody to talk to.
        let Ok(peer) = peer::of(stream.as_fd()) else { return };
        let sovereign = peer.uid == 0 || peer.uid == self.own_uid;
        let origin = if sovereign { Origin::Sovereign } else { Origin::User(peer.uid) };
        let Some(seat) = self.hall.enter(origin) else { return self.turn_away(stream) };
        let lobby = Arc::clone(self);
        tokio::spawn(seated(seat, move |seat| async move {
            let name = lobby.name_of(peer.uid).await;
            let who = Arc::new(Who::User { uid: peer.uid, name, groups: peer.groups, sovereign });
            let arrival = Arrival::Local { who, pid: peer.pid };
            lobby.serve(Patient::new(stream, PATIENCE), arrival, seat).await;
        }));
    }

    fn greet_remote(self: &Arc<Self>, stream: TcpStream, from: SocketAddr) {
        let Ok(local) = stream.local_addr() else { return };
        let Some(seat) = self.hall.enter(Origin::of(from.ip())) else { return self.turn_away(stream) };
        // Small answers go at once.
        let _ = stream.set_nodelay(true);
        let lobby = Arc::clone(self);
        let tls = self.tls.lock().unwrap_or_else(PoisonError::into_inner).clone();
        tokio::spawn(seated(seat, move |seat| async move {
            let (stream, arrival) = (Patient::new(stream, PATIENCE), Arrival::Remote { local, from });
            let Some(tls) = tls else { return lobby.serve(stream, arrival, seat).await };
            // Who cannot agree on a cipher, or does not want to, is no error of ours.
            if let Ok(Ok(stream)) = timeout(HEAD, tls.accept(stream)).await {
                lobby.serve(stream, arrival, seat).await;
            }
        }));
    }

    /// Tells that there is no place. A few are listened to for a moment, so that they hear it who are still speaking: who is
    /// cut off learns of a broken connection instead.
    fn turn_away(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Ok(place) = Arc::clone(&self.turned_away).try_acquire_owned() else { return };
        tokio::spawn(async move {
            let told = async {
                stream.write_all(FULL).await?;
                stream.shutdown().await?;
                tokio::io::copy(&mut stream.take(LARGEST_HEAD as u64), &mut tokio::io::sink()).await
            };
            let _ = timeout(FAREWELL, told).await;
            drop(place);
        });
    }

    async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin, arrival: Arrival, seat: Arc<Seat>) {
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_headers(MOST_HEADERS).max_buf_size(LARGEST_HEAD);
        let visit = Visit { routes: TowerToHyperService::new(self.router.clone()), arrival, seat };
        // A visitor who goes away is no error.
        let _ = http.serve_connection(TokioIo::new(stream), visit).await;
    }

    /// What a user is called. The user database may lie on another machine: it is asked once, by another thread.
    async fn name_of(&self, uid: u32) -> String {
        if let Some(name) = self.names.lock().unwrap_or_else(PoisonError::into_inner).get(&uid) {
            return name.clone();
        }
        let asked = tokio::task::spawn_blocking(move || peer::user_name(uid)).await;
        let name = asked.ok().flatten().unwrap_or_else(|| uid.to_string());
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= MOST_NAMES {
            names.clear();
        }
        names.insert(uid, name.clone());
        name
    }
}

/// A visit, which ends when it ends or when another needs the place.
async fn seated<F: Future<Output = ()>>(seat: Seat, visit: impl FnOnce(Arc<Seat>) -> F) {
    let seat = Arc::new(seat);
    tokio::select! {
        () = visit(Arc::clone(&seat)) => {}
        () = seat.must_leave() => {}
    }
}

/// Nobody could be let in. Where descriptors or memory are short that would go on at once.
async fn breathe(error: &io::Error) {
    let theirs = [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset, io::ErrorKind::Interrupted];
    if !theirs.contains(&error.kind()) {
        tokio::time::sleep(BREATH).await;
    }
}

/// The routes, for one visitor.
struct Visit {
    routes: TowerToHyperService<Router>,
    arrival: Arrival,
    seat: Arc<Seat>,
}

impl hyper::service::Service<hyper::Request<Incoming>> for Visit {
    type Response = hyper::Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, mut request: hyper::Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.arrival.clone());
        let busy = self.seat.busy();
        let routed = hyper::service::Service::call(&self.routes, request.map(Body::new) as Request);
        Box::pin(async move {
            let response: Response = routed.await?;
            Ok(response.map(|body| Answer { body, _busy: busy }))
        })
    }
}

/// A body, until whose end its place is taken.
struct Answer {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::FULL;

    #[test]
    fn the_answer_to_who_finds_no_place_is_a_whole_one() {
        let text = std::str::from_utf8(FULL).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
