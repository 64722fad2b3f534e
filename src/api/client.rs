//! The blocking client of the command line: HTTP over the control socket.

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::handshake;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use std::io;
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

/// The control socket's name in the runtime directory.
pub const SOCKET: &str = "control.sock";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Nobody listens.
    #[error("no abide answers at {}", path.display())]
    NoDaemon {
        /// The socket.
        path: PathBuf,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// One was there, and the talk broke off.
    #[error("the talk with abide broke off")]
    Broken(#[source] io::Error),
}

/// An answer: its status and body.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// A connection to the daemon of one runtime directory.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    runtime: Runtime,
}

impl Client {
    /// For the abide whose runtime directory this is; connects with each question.
    pub fn new(runtime_dir: &Path) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { socket: runtime_dir.join(SOCKET), runtime })
    }

    /// `GET path`.
    pub fn get(&self, path: &str) -> Result<Reply, NoAnswer> {
        self.ask(Method::GET, path, &[])
    }

    /// `POST path` with a JSON body.
    pub fn post(&self, path: &str, body: &[u8]) -> Result<Reply, NoAnswer> {
        self.ask(Method::POST, path, body)
    }

    fn ask(&self, method: Method, path: &str, body: &[u8]) -> Result<Reply, NoAnswer> {
        self.runtime.block_on(async {
            let response = self.send(method, path, body).await?;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.map_err(broken)?.to_bytes();
            Ok(Reply { status, body })
        })
    }

    /// `GET path`, whose body goes to `take` piece by piece until it ends or `take` says that it is enough.
    pub fn stream(&self, path: &str, mut take: impl FnMut(&[u8]) -> bool) -> Result<u16, NoAnswer> {
        self.runtime.block_on(async {
            let response = self.send(Method::GET, path, &[]).await?;
            let status = response.status().as_u16();
            let mut body = response.into_body();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(broken)?;
                if frame.data_ref().is_some_and(|piece| !take(piece)) {
                    break;
                }
            }
            Ok(status)
        })
    }

    async fn send(&self, method: Method, path: &str, body: &[u8]) -> Result<Response<Incoming>, NoAnswer> {
        let none = |source| NoAnswer::NoDaemon { path: self.socket.clone(), source };
        let stream = UnixStream::connect(&self.socket).await.map_err(none)?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "abide")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::copy_from_slice(body)))
            .map_err(|error| NoAnswer::Broken(io::Error::other(error)))?;
        sender.send_request(request).await.map_err(broken)
    }
}

fn broken(error: hyper::Error) -> NoAnswer {
    NoAnswer::Broken(io::Error::other(error))
}
