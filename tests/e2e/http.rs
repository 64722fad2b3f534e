//! HTTP by hand over the control socket: what curl would send, and what comes back.

use super::world::{DEADLINE, World};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

/// Sends a request and leaves the answer to be read.
fn send(world: &World, head: &str, body: &str) -> UnixStream {
    let mut stream = UnixStream::connect(world.runtime().join("control.sock")).expect("abide listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a time");
    let length = body.len();
    write!(stream, "{head}host: abide\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .expect("abide reads");
    stream
}

/// The whole answer: status, head, body.
pub(crate) fn ask(world: &World, method: &str, path: &str, body: &str) -> (u16, String, Vec<u8>) {
    let mut answer = Vec::new();
    send(world, &format!("{method} {path} HTTP/1.0\r\n"), body).read_to_end(&mut answer).expect("abide answers");
    let split = answer.windows(4).position(|it| it == b"\r\n\r\n").expect("a head ends");
    let head = String::from_utf8_lossy(&answer[..split]).into_owned();
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (code, head, answer.split_off(split + 4))
}

fn json(world: &World, method: &str, path: &str, body: &str) -> (u16, serde_json::Value) {
    let (code, _, body) = ask(world, method, path, body);
    let value = serde_json::from_slice(&body);
    (code, value.unwrap_or_else(|error| panic!("{path}: {error}: {}", String::from_utf8_lossy(&body))))
}

/// `GET path`: status and JSON.
pub(crate) fn get(world: &World, path: &str) -> (u16, serde_json::Value) {
    json(world, "GET", path, "")
}

/// `POST path`: status and JSON.
pub(crate) fn post(world: &World, path: &str, body: &str) -> (u16, serde_json::Value) {
    json(world, "POST", path, body)
}

/// An answer that goes on.
pub(crate) struct Stream {
    stream: UnixStream,
    /// What has come and was not given yet.
    rest: Vec<u8>,
}

impl Stream {
    /// `GET path`, behind the event `last`; its head is read.
    pub(crate) fn open(world: &World, path: &str, last: Option<&str>) -> Self {
        let last = last.map_or_else(String::new, |id| format!("last-event-id: {id}\r\n"));
        // HTTP/1.0: the body is not chunked.
        let stream = send(world, &format!("GET {path} HTTP/1.0\r\n{last}"), "");
        let mut open = Self { stream, rest: Vec::new() };
        let head = open.until("\r\n\r\n");
        assert!(head.starts_with("HTTP/1.0 200") || head.starts_with("HTTP/1.1 200"), "{head}");
        open
    }

    /// What comes up to and with `words`.
    pub(crate) fn until(&mut self, words: &str) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            let found = self.rest.windows(words.len()).position(|it| it == words.as_bytes());
            if let Some(at) = found {
                let given: Vec<u8> = self.rest.drain(..at + words.len()).collect();
                return String::from_utf8_lossy(&given).into_owned();
            }
            let mut piece = [0; 4096];
            let came = self.stream.read(&mut piece).unwrap_or(0);
            let so_far = String::from_utf8_lossy(&self.rest);
            assert!(came > 0 && Instant::now() < until, "{words:?} does not come; only: {so_far}");
            self.rest.extend_from_slice(&piece[..came]);
        }
    }
}
