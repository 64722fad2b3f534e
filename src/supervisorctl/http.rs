//! A small client of HTTP/1.1, over a unix socket or TCP.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::body::{Decoder, Head};
use super::remote::{Failure, Remote};
use crate::supervisord::xmlrpc::{self, MAX_ANSWER, Unanswered, Value};

#[derive(Debug)]
enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(stream) => stream.as_fd(),
            Self::Tcp(stream) => stream.as_fd(),
        }
    }
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Address {
    Unix(String),
    /// Host and port, as they stand in the header `Host`, and with a port in any case.
    Tcp {
        shown: String,
        dialled: String,
    },
}

impl Address {
    fn read(url: &str) -> Option<Self> {
        if let Some(path) = url.strip_prefix("unix://") {
            return Some(Self::Unix(path.to_owned()));
        }
        let rest = url.strip_prefix("http://")?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let shown = authority.rsplit('@').next().unwrap_or_default().to_owned();
        let has_port = shown.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let dialled = if has_port { shown.clone() } else { format!("{shown}:80") };
        Some(Self::Tcp { shown, dialled })
    }

    fn host(&self) -> &str {
        match self {
            Self::Unix(_) => "localhost",
            Self::Tcp { shown, .. } => shown,
        }
    }

    fn connect(&self) -> io::Result<Socket> {
        match self {
            Self::Unix(path) => UnixStream::connect(path).map(Socket::Unix),
            Self::Tcp { dialled, .. } => {
                let stream = TcpStream::connect(dialled)?;
                stream.set_nodelay(true)?;
                Ok(Socket::Tcp(stream))
            }
        }
    }
}

/// A connection to a server, made when it is needed.
#[derive(Debug)]
pub(super) struct Client {
    url: String,
    credentials: Option<(String, String)>,
    connection: Option<Socket>,
}

/// What a server goes on to send.
#[derive(Debug)]
pub(super) struct Stream {
    socket: Socket,
    decoder: Decoder,
    /// What came with the head.
    first: Vec<u8>,
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Stream {
    pub(super) fn status(&self) -> u16 {
        self.decoder.head().map_or(0, |head| head.status)
    }

    /// What is there before the first [`Stream::next`].
    pub(super) fn first(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.first)
    }

    /// What has come, when the descriptor can be read. `None`: that was all.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        if self.decoder.is_done() {
            return Ok(None);
        }
        let got = read_into(&mut self.socket, &mut self.decoder)?;
        Ok(got.filter(|bytes| !bytes.is_empty() || !self.decoder.is_done()))
    }
}

/// One read. `None`: the server has closed the connection where it may.
fn read_into(socket: &mut Socket, decoder: &mut Decoder) -> Result<Option<Vec<u8>>, String> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => return decoder.end().map(|()| None),
            Ok(n) => return decoder.push(&buffer[..n]).map(Some),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

impl Client {
    pub(super) fn new(url: &str, credentials: Option<(String, String)>) -> Self {
        Self { url: url.to_owned(), credentials, connection: None }
    }

    /// A second one of the same server.
    pub(super) fn another(&self) -> Self {
        Self::new(&self.url, self.credentials.clone())
    }

    fn socket(&mut self) -> Result<(Socket, Address), Failure> {
        let Some(address) = Address::read(&self.url) else {
            let why = format!("Unknown protocol for serverurl {}: use http://host:port or unix:///path", self.url);
            return Err(Failure::Other(why));
        };
        if let Some(socket) = self.connection.take() {
            return Ok((socket, address));
        }
        let socket = address.connect().map_err(|error| match error.kind() {
            ErrorKind::NotFound => Failure::Absent,
            ErrorKind::ConnectionRefused => Failure::Refused,
            _ => Failure::Other(format!("{} cannot be reached: {error}", self.url)),
        })?;
        Ok((socket, address))
    }

    fn send(&mut self, method: &str, path: &str, more: &str, body: &str) -> Result<Socket, Failure> {
        let (mut socket, address) = self.socket()?;
        let host = address.host();
        let login = self.credentials.as_ref().map_or_else(String::new, |(username, password)| {
            format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{username}:{password}")))
        });
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: abide\r\n{more}{login}\r\n");
        // A server may refuse before it has read all: its answer says more than the broken pipe.
        match socket.write_all((head + body).as_bytes()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(self.broken(&error.to_string())),
            _ => Ok(socket),
        }
    }

    fn broken(&self, why: &str) -> Failure {
        Failure::Other(format!("{} does not answer as it should: {why}", self.url))
    }

    fn post(&mut self, body: &str) -> Result<(Head, Vec<u8>), Failure> {
        let more = format!("Content-Type: text/xml\r\nAccept: text/xml\r\nContent-Length: {}\r\n", body.len());
        let mut socket = self.send("POST", "/RPC2", &more, body)?;
        let mut decoder = Decoder::default();
        let mut answer = Vec::new();
        while !decoder.is_done() {
            let Some(bytes) = read_into(&mut socket, &mut decoder).map_err(|why| self.broken(&why))? else { break };
            answer.extend(bytes);
            if answer.len() > MAX_ANSWER {
                return Err(self.broken("the answer does not end"));
            }
        }
        let head = decoder.take_head().ok_or_else(|| self.broken("the answer has no head"))?;
        if !head.closes {
            self.connection = Some(socket);
        }
        Ok((head, answer))
    }
}

fn refused(head: &Head) -> Failure {
    match head.status {
        401 => Failure::Unauthorized,
        status => Failure::Other(format!("the server answers {status} {}", head.reason)),
    }
}

impl Remote for Client {
    fn url(&self) -> &str {
        &self.url
    }

    fn open(&mut self, url: &str) {
        url.clone_into(&mut self.url);
        self.connection = None;
    }

    fn login(&mut self, username: &str, password: &str) {
        self.credentials = Some((username.to_owned(), password.to_owned()));
        self.connection = None;
    }

    fn call(&mut self, method: &str, params: &[Value]) -> Result<Value, Failure> {
        let (head, body) = self.post(&xmlrpc::call(&format!("supervisor.{method}"), params))?;
        if head.status != 200 {
            return Err(refused(&head));
        }
        xmlrpc::answer(&body).map_err(|error| match error {
            Unanswered::Fault(fault) => Failure::Fault(fault),
            Unanswered::Bad(bad) => self.broken(&bad.to_string()),
        })
    }

    fn follow(&mut self, path: &str) -> Result<Stream, Failure> {
        // It is never used again.
        self.connection = None;
        let mut socket = self.send("GET", path, "Accept: */*\r\n", "")?;
        let mut decoder = Decoder::default();
        let mut first = Vec::new();
        while decoder.head().is_none() {
            let Some(bytes) = read_into(&mut socket, &mut decoder).map_err(|why| self.broken(&why))? else { break };
            first.extend(bytes);
        }
        match decoder.head() {
            Some(head) if head.status == 401 => Err(Failure::Unauthorized),
            _ => Ok(Stream { socket, decoder, first }),
        }
    }

    fn rest(&mut self) {
        self.connection = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let tcp = |shown: &str, dialled: &str| Some(Address::Tcp { shown: shown.into(), dialled: dialled.into() });
        assert_eq!(Address::read("http://a:9001"), tcp("a:9001", "a:9001"));
        assert_eq!(Address::read("http://u:p@a/x"), tcp("a", "a:80"));
        assert_eq!(Address::read("http://[::1]"), tcp("[::1]", "[::1]:80"));
        assert_eq!(Address::read("http://[::1]:9"), tcp("[::1]:9", "[::1]:9"));
        assert_eq!(Address::read("unix:///a/b"), Some(Address::Unix("/a/b".into())));
        assert_eq!(Address::read("ftp://a"), None);
    }
}
