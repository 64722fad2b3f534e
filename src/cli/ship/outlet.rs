//! A socket of another's log. Where it is not there, or full, it is waited for: the pipe holds what comes meanwhile.

use crate::model::log_to::LogTo;
use nix::errno::Errno;
use std::io::{self, Write, stderr};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The pause before it is tried again; it doubles up to a limit.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// So long it is waited for one message.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where messages go.
pub(super) struct Outlet<'a> {
    to: &'a LogTo,
    socket: Option<Socket>,
    /// What people were told that it suffers from.
    trouble: Option<String>,
    /// When it is tried again, and after which time once more.
    retry: Option<(Instant, Duration)>,
}

enum Socket {
    Datagram(UnixDatagram),
    Stream(UnixStream),
    Tcp(TcpStream),
}

impl<'a> Outlet<'a> {
    /// Opened with the first message.
    pub(super) fn new(to: &'a LogTo) -> Self {
        Self { to, socket: None, trouble: None, retry: None }
    }

    /// Sends a message, however long that takes, unless `gives_up` says that there is no time for it. Whether it is sent.
    pub(super) fn send(&mut self, message: &[u8], gives_up: impl Fn() -> bool) -> bool {
        loop {
            if let Some((at, _)) = self.retry {
                if gives_up() {
                    // Looked at now and then all the same.
                    if Instant::now() < at {
                        return false;
                    }
                } else {
                    std::thread::sleep(at.saturating_duration_since(Instant::now()));
                }
            }
            match self.attempt(message) {
                Ok(()) => {
                    self.retry = None;
                    if self.trouble.take().is_some() {
                        let _ = writeln!(stderr(), "abide ship: {} is reached again", self.to);
                    }
                    return true;
                }
                // Too long for any datagram: it would be so for ever.
                Err(error) if error.raw_os_error() == Some(Errno::EMSGSIZE as i32) => {
                    self.complain(format!("a message of {} bytes is too long, and lost", message.len()));
                    return false;
                }
                Err(error) => {
                    self.complain(format!("{} cannot be reached: {error}; trying on", self.to));
                    let pause = self.retry.map_or(FIRST_PAUSE, |(_, pause)| (pause * 2).min(LONGEST_PAUSE));
                    self.retry = Some((Instant::now() + pause, pause));
                }
            }
        }
    }

    fn attempt(&mut self, message: &[u8]) -> io::Result<()> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            closed => closed.insert(open(self.to)?),
        };
        let sent = socket.send(message);
        if sent.is_err() {
            self.socket = None;
        }
        sent
    }

    fn complain(&mut self, message: String) {
        if self.trouble.as_ref() != Some(&message) {
            let _ = writeln!(stderr(), "abide ship: {message}");
            self.trouble = Some(message);
        }
    }
}

impl Socket {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        match self {
            Self::Datagram(socket) => socket.send(message).map(drop),
            // Over a local stream a message ends with a NUL, as syslog(3) sends it.
            Self::Stream(socket) => socket.write_all(&[message, &[0]].concat()),
            Self::Tcp(socket) => socket.write_all(&[format!("{} ", message.len()).as_bytes(), message].concat()),
        }
    }
}

fn open(to: &LogTo) -> io::Result<Socket> {
    match to {
        LogTo::SyslogTcp(host, port) => {
            let mut last = io::Error::from(io::ErrorKind::NotFound);
            for address in (host.as_str(), *port).to_socket_addrs()? {
                match TcpStream::connect_timeout(&address, PATIENCE) {
                    Ok(socket) => {
                        socket.set_nodelay(true)?;
                        socket.set_write_timeout(Some(PATIENCE))?;
                        return Ok(Socket::Tcp(socket));
                    }
                    Err(error) => last = error,
                }
            }
            Err(last)
        }
        LogTo::Syslog => local(Path::new("/dev/log")),
        LogTo::SyslogAt(path) => local(path),
        LogTo::Journald(None) => local(Path::new("/run/systemd/journal/socket")),
        LogTo::Journald(Some(name)) => local(&PathBuf::from(format!("/run/systemd/journal.{name}/socket"))),
        LogTo::File => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// A socket of either kind, as syslog(3) finds out.
fn local(path: &Path) -> io::Result<Socket> {
    let socket = UnixDatagram::unbound()?;
    match socket.connect(path) {
        Ok(()) => {
            socket.set_write_timeout(Some(PATIENCE))?;
            Ok(Socket::Datagram(socket))
        }
        Err(error) if error.raw_os_error() == Some(Errno::EPROTOTYPE as i32) => {
            let socket = UnixStream::connect(path)?;
            socket.set_write_timeout(Some(PATIENCE))?;
            Ok(Socket::Stream(socket))
        }
        Err(error) => Err(error),
    }
}
