//! A small HTTP client that can be anybody: it speaks over any stream, as any user.

#![expect(unsafe_code, reason = "a thread becomes another user, which no crate offers: they change the whole process")]

use crate::process::is_root;
use crate::world::{DEADLINE, World};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// What stands after `name:` in its head.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &str| line.split_once(':').is_some_and(|(known, _)| known.eq_ignore_ascii_case(name));
        Some(self.head.lines().find(|line| of(line))?.split_once(':')?.1.trim())
    }

    /// Its body.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The kind of problem that it is.
    pub(crate) fn problem(&self) -> String {
        let kind = self.json()["type"].as_str().unwrap_or_default().to_owned();
        kind.trim_start_matches("urn:abide:problem:").to_owned()
    }

    /// What is to be done about it.
    pub(crate) fn hint(&self) -> String {
        self.json()["hint"].as_str().unwrap_or_default().to_owned()
    }
}

/// Sends a request and reads until the other end closes. `headers`: whole lines.
pub(crate) fn talk(mut stream: impl Read + Write, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
    let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    for line in headers {
        request.push_str(line);
        request.push_str("\r\n");
    }
    if !body.is_empty() {
        let _ = write!(request, "content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    }
    request.push_str("\r\n");
    request.push_str(body);
    // Who is refused at once is told before all is sent.
    let _ = stream.write_all(request.as_bytes());
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// The control socket of a world.
pub(crate) fn knock(world: &World) -> UnixStream {
    let stream = UnixStream::connect(world.runtime().join("control.sock")).expect("abide listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a time");
    stream.set_write_timeout(Some(DEADLINE)).expect("a time");
    stream
}

/// `GET path` over the control socket.
pub(crate) fn get(world: &World, path: &str) -> Answer {
    talk(knock(world), "GET", path, &["host: abide"], "")
}

/// `POST path` over the control socket.
pub(crate) fn post(world: &World, path: &str, body: &str) -> Answer {
    talk(knock(world), "POST", path, &["host: abide"], body)
}

/// A request over TCP.
pub(crate) fn over_tcp(port: u16, method: &str, path: &str, headers: &[&str]) -> Answer {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("abide listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a time");
    let host = format!("host: localhost:{port}");
    let own = headers.iter().any(|line| line.to_ascii_lowercase().starts_with("host:"));
    let lines: Vec<&str> = if own { headers.to_vec() } else { [&[host.as_str()], headers].concat() };
    talk(stream, method, path, &lines, "")
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

/// Somebody else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) groups: &'static [u32],
}

/// Does something as another user, whom only root can become: in a thread of its own, since a thread has an identity.
pub(crate) fn as_user<T: Send>(user: User, act: impl FnOnce() -> T + Send) -> T {
    assert!(is_root(), "only root becomes another");
    std::thread::scope(|scope| {
        let becoming = scope.spawn(move || {
            // SAFETY: the raw system calls change this thread alone, which ends with the closure.
            let became = unsafe {
                let (uid, gid) = (user.uid, user.uid);
                libc::syscall(libc::SYS_setgroups, user.groups.len(), user.groups.as_ptr())
                    | libc::syscall(libc::SYS_setresgid, gid, gid, gid)
                    | libc::syscall(libc::SYS_setresuid, uid, uid, uid)
            };
            assert_eq!(became, 0, "root may become anybody");
            act()
        });
        becoming.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
