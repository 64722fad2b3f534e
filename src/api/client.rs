//! The blocking client of the command line: HTTP over the control socket.

use super::problem::Problem;
use super::socket::{SOCKET, Way};
use crate::model::diagnostic::escaped;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::handshake;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::fmt::{self, Write as _};
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

/// Where the abide of the whole machine has it.
const SYSTEM: &str = "/run/abide";
/// An answer takes milliseconds; who needs longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no answer. Each is a sentence that says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Nobody listens.
    #[error("no abide answers at {}; {}", path.display(), instead(path))]
    NoDaemon {
        /// The socket.
        path: PathBuf,
        /// The kernel's reason.
        reason: io::ErrorKind,
    },
    /// The way to the socket is barred.
    #[error(
        "you may not reach the abide at {}; ask as root or as the user who runs it, or have its directory opened to you",
        path.display()
    )]
    Barred {
        /// The socket.
        path: PathBuf,
    },
    /// It listens and says nothing.
    #[error(
        "the abide at {} has not answered within {}; look into its log, abide.log, for what it is doing",
        path.display(),
        crate::model::units::duration(*after)
    )]
    Late {
        /// The socket.
        path: PathBuf,
        /// How long it was waited for.
        after: Duration,
    },
    /// One was there, and the talk broke off.
    #[error("the talk with the abide at {} broke off; `abide status` tells whether it has ended", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
    },
    /// What it says is not understood.
    #[error("the abide at {} says what this program does not understand; use the `abide` of its release", path.display())]
    Strange {
        /// The socket.
        path: PathBuf,
    },
}

/// What to do where nobody answers. As a user it is often root's abide that was meant.
fn instead(path: &Path) -> String {
    let system = Path::new(SYSTEM);
    let answers = || std::os::unix::net::UnixStream::connect(system.join(SOCKET)).is_ok();
    let elsewhere = path.parent() != Some(system) && answers();
    let where_ =
        if elsewhere { "that of the machine has --runtime-dir /run/abide" } else { "or say where with --runtime-dir" };
    format!("start it with `abide run DIR`, {where_}")
}

/// An answer: its status and body.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// Ends a [`Client::follow`] from another thread.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<Notify>);

impl Stop {
    /// Ends it; also one that has not begun yet.
    pub fn stop(&self) {
        self.0.notify_one();
    }
}

impl Reply {
    /// The body as what it should be; `None`: it is something else.
    pub fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// What went wrong, where that is what the body tells.
    pub fn refused(&self) -> Option<Refused> {
        if self.status < 400 { None } else { self.json().map(Box::new).map(Refused) }
    }
}

/// A daemon's no, as a sentence and what to do next.
#[derive(Debug, Clone)]
pub struct Refused(Box<Problem>);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.0.detail))?;
        match &self.0.hint {
            // Lines of a file, to be copied, stand on lines of their own.
            Some(hint) if hint.contains('\n') => write!(f, "; {}", printable(hint).replace('\n', "\n  ")),
            Some(hint) => write!(f, "; {}", printable(hint)),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refused {}

/// What a daemon quotes is no business of the terminal.
fn printable(text: &str) -> String {
    let visible = |line: &str| escaped(line);
    text.trim_end().split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

/// A connection to the daemon of one runtime directory.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    runtime: Runtime,
    patience: Duration,
}

impl Client {
    /// For the abide whose runtime directory this is; connects with each question.
    pub fn new(runtime_dir: &Path) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { socket: runtime_dir.join(SOCKET), runtime, patience: PATIENCE })
    }

    /// The socket that it talks to.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// With so much more time for an answer, where the question itself asks to wait.
    #[must_use]
    pub fn patient(mut self, more: Duration) -> Self {
        self.patience = PATIENCE.saturating_add(more);
        self
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
        self.within(async {
            let response = self.send(method, path, body).await?;
            self.whole(response).await
        })
    }

    /// `GET path`, whose body goes to `take` piece by piece until it ends or `take` says that it is enough.
    pub fn stream(&self, path: &str, mut take: impl FnMut(&[u8]) -> bool) -> Result<u16, NoAnswer> {
        self.runtime.block_on(async {
            let response = self.send(Method::GET, path, &[]).await?;
            let status = response.status().as_u16();
            let mut body = response.into_body();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|_| self.broken())?;
                if frame.data_ref().is_some_and(|piece| !take(piece)) {
                    break;
                }
            }
            Ok(status)
        })
    }

    /// `GET path`, whose status goes to `begin` as soon as it is there, and then each piece of the body with the status
    /// to `take`; until it ends, one of them says that it is enough, or somebody stops it.
    pub fn follow(
        &self,
        path: &str,
        stop: &Stop,
        begin: impl FnOnce(u16) -> bool,
        take: &mut dyn FnMut(u16, &[u8]) -> bool,
    ) -> Result<(), NoAnswer> {
        let talk = async {
            let response = self.send(Method::GET, path, &[]).await?;
            let status = response.status().as_u16();
            if !begin(status) {
                return Ok(());
            }
            let mut body = response.into_body();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|_| self.broken())?;
                if frame.data_ref().is_some_and(|piece| !take(status, piece)) {
                    break;
                }
            }
            Ok(())
        };
        self.runtime.block_on(async {
            tokio::select! {
                () = stop.0.notified() => Ok(()),
                talked = talk => talked,
            }
        })
    }

    /// `GET path`, to be read line by line as they come; or the answer, where that is a refusal.
    pub fn lines(&self, path: &str) -> Result<Result<Lines<'_>, Reply>, NoAnswer> {
        self.within(async {
            let response = self.send(Method::GET, path, &[]).await?;
            if response.status().is_success() {
                return Ok(Ok(Lines {
                    client: self,
                    body: response.into_body(),
                    rest: Vec::new(),
                    given: 0,
                    ended: false,
                }));
            }
            self.whole(response).await.map(Err)
        })
    }

    /// With an end to the patience.
    fn within<T>(&self, asking: impl Future<Output = Result<T, NoAnswer>>) -> Result<T, NoAnswer> {
        let late = || NoAnswer::Late { path: self.socket.clone(), after: self.patience };
        self.runtime.block_on(async { tokio::time::timeout(self.patience, asking).await.map_err(|_| late())? })
    }

    async fn whole(&self, response: Response<Incoming>) -> Result<Reply, NoAnswer> {
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.map_err(|_| self.broken())?.to_bytes();
        Ok(Reply { status, body })
    }

    async fn send(&self, method: Method, path: &str, body: &[u8]) -> Result<Response<Incoming>, NoAnswer> {
        let reached = match self.socket.parent().map_or_else(|| Way::to(Path::new("/")), Way::to) {
            Ok(way) => UnixStream::connect(way.path()).await,
            Err(error) => Err(error),
        };
        let stream = reached.map_err(|error| self.unreachable(&error))?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|_| self.broken())?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "abide")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::copy_from_slice(body)))
            .map_err(|_| self.broken())?;
        sender.send_request(request).await.map_err(|_| self.broken())
    }

    fn unreachable(&self, error: &io::Error) -> NoAnswer {
        let path = self.socket.clone();
        match error.kind() {
            io::ErrorKind::PermissionDenied => NoAnswer::Barred { path },
            // So many knock that the kernel takes no more.
            io::ErrorKind::WouldBlock => NoAnswer::Late { path, after: Duration::ZERO },
            reason => NoAnswer::NoDaemon { path, reason },
        }
    }

    fn broken(&self) -> NoAnswer {
        NoAnswer::Broken { path: self.socket.clone() }
    }

    /// That an answer is not what it should be.
    pub fn strange(&self) -> NoAnswer {
        NoAnswer::Strange { path: self.socket.clone() }
    }
}

/// A body that comes line by line.
#[derive(Debug)]
pub struct Lines<'a> {
    client: &'a Client,
    body: Incoming,
    /// What came, and how much of it was given.
    rest: Vec<u8>,
    given: usize,
    ended: bool,
}

/// What there is of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A line, without its newline.
    Line(Vec<u8>),
    /// None has come by the time that was named.
    NotYet,
    /// There are no more.
    End,
}

impl Lines<'_> {
    /// Waits for a line, at most until `until`.
    pub fn next(&mut self, until: Option<Instant>) -> Result<Next, NoAnswer> {
        loop {
            let coming = &self.rest[self.given..];
            if let Some(end) = memchr::memchr(b'\n', coming) {
                let line = coming[..end].to_vec();
                self.given += end + 1;
                return Ok(Next::Line(line));
            }
            self.rest.drain(..std::mem::take(&mut self.given));
            if self.ended {
                let last = std::mem::take(&mut self.rest);
                return Ok(if last.is_empty() { Next::End } else { Next::Line(last) });
            }
            let frame = self.client.runtime.block_on(async {
                match until {
                    Some(until) => tokio::time::timeout_at(until.into(), self.body.frame()).await.ok(),
                    None => Some(self.body.frame().await),
                }
            });
            match frame {
                None => return Ok(Next::NotYet),
                Some(None) => self.ended = true,
                Some(Some(frame)) => {
                    let frame = frame.map_err(|_| self.client.broken())?;
                    self.rest.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
                }
            }
        }
    }
}

/// A text as part of a path or of a query, what has a meaning there as `%XX`.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~*@,".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    /// A daemon that says `answer` to the first who asks, and goes.
    fn talk(answer: &'static [u8]) -> (tempfile::TempDir, std::thread::JoinHandle<String>) {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join(SOCKET)).unwrap();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = vec![0; 1000];
            let read = stream.read(&mut asked).unwrap();
            stream.write_all(answer).unwrap();
            String::from_utf8_lossy(&asked[..read]).into_owned()
        });
        (directory, thread)
    }

    #[test]
    fn where_nobody_answers_it_is_said_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let client = Client::new(directory.path()).unwrap();
        let nothing = client.get("/").unwrap_err();
        assert!(matches!(nothing, NoAnswer::NoDaemon { reason: io::ErrorKind::NotFound, .. }), "{nothing:?}");
        assert!(nothing.to_string().contains("start it with `abide run DIR`"), "{nothing}");
        drop(UnixListener::bind(directory.path().join(SOCKET)).unwrap());
        let dead = client.get("/").unwrap_err();
        assert!(matches!(dead, NoAnswer::NoDaemon { reason: io::ErrorKind::ConnectionRefused, .. }), "{dead:?}");
    }

    #[test]
    fn one_that_hangs_up_or_says_nothing_is_told_from_one_that_is_not_there() {
        let (directory, thread) = talk(b"");
        let client = Client::new(directory.path()).unwrap();
        assert!(matches!(client.get("/").unwrap_err(), NoAnswer::Broken { .. }));
        thread.join().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let _silent = UnixListener::bind(directory.path().join(SOCKET)).unwrap();
        let client = Client { patience: Duration::from_millis(10), ..Client::new(directory.path()).unwrap() };
        let late = client.get("/").unwrap_err();
        assert!(late.to_string().contains("has not answered within 10ms"), "{late}");
    }

    #[test]
    fn a_body_comes_line_by_line_whatever_pieces_it_came_in() {
        let (directory, thread) = talk(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n6\r\n\ntwo\nt\r\n4\r\nhree\r\n0\r\n\r\n",
        );
        let client = Client::new(directory.path()).unwrap();
        let mut lines = client.lines("/x?names=web*").unwrap().unwrap();
        let mut all = Vec::new();
        while let Next::Line(line) = lines.next(None).unwrap() {
            all.push(String::from_utf8(line).unwrap());
        }
        assert_eq!(all, ["one", "two", "three"]);
        assert!(thread.join().unwrap().starts_with("GET /x?names=web* HTTP/1.1"));
    }

    #[test]
    fn a_refusal_is_a_problem_and_no_stream() {
        let (directory, thread) = talk(
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 89\r\n\r\n{\"type\":\"urn:abide:problem:x\",\"title\":\"t\",\"status\":404,\"detail\":\"no such\",\"hint\":\"look\"}\n",
        );
        let client = Client::new(directory.path()).unwrap();
        let refused = client.lines("/").unwrap().unwrap_err().refused().unwrap();
        assert_eq!(refused.to_string(), "no such; look");
        thread.join().unwrap();
    }

    #[test]
    fn what_has_a_meaning_in_a_path_is_encoded() {
        assert_eq!(encoded("web*,db@2"), "web*,db@2");
        assert_eq!(encoded("a?b/c d&é"), "a%3Fb%2Fc%20d%26%C3%A9");
    }
}
