//! The socket that services speak of themselves over: made for the first that asks for it, one for all.

use crate::host::sys::socket::{self, Received};
use crate::model::sd_notify::MAX_MESSAGE;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, setsockopt, socket, sockopt};
use std::fs::Permissions;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The name of the socket, in the runtime directory.
pub const NAME: &str = "notify";

/// A datagram socket with a path, open to every process of the machine that can reach it: who sent a message is known
/// by the kernel's word.
#[derive(Debug)]
pub(super) struct NotifySocket {
    socket: OwnedFd,
    path: PathBuf,
}

/// A message, and by whom.
pub(super) struct Datagram {
    /// Pid and uid; `None` if the kernel tells neither, as of a process outside of our pid namespace.
    pub(super) sender: Option<(i32, u32)>,
    /// Its text; `None` if it is longer than is allowed.
    pub(super) text: Option<Vec<u8>>,
}

impl NotifySocket {
    /// Makes it, in place of what an abide before us has left.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
        setsockopt(&socket, sockopt::PassCred, &true)?;
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
        let made = Self { socket, path: path.to_owned() };
        std::fs::set_permissions(path, Permissions::from_mode(0o666))?;
        Ok(made)
    }

    /// The one that a supervisor before us has made at `path`, with all that was said meanwhile.
    pub(super) fn inherited(socket: OwnedFd, path: &Path) -> Self {
        Self { socket, path: path.to_owned() }
    }

    /// Nobody is to speak there any more.
    pub(super) fn remove(&self) {
        // Only a name in a directory of ours.
        let _ = std::fs::remove_file(&self.path);
    }

    /// The next message, if one waits. Descriptors that come along are closed.
    pub(super) fn receive(&self) -> io::Result<Option<Datagram>> {
        let mut buffer = [0; MAX_MESSAGE];
        let Some(received) = socket::receive(self.socket.as_fd(), &mut buffer)? else { return Ok(None) };
        let Received { length, truncated, sender, .. } = received;
        let text = (!truncated).then(|| buffer[..length.min(MAX_MESSAGE)].to_vec());
        Ok(Some(Datagram { sender: sender.filter(|(pid, _)| *pid > 0), text }))
    }
}

impl AsFd for NotifySocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn messages_come_with_who_sent_them_and_long_ones_without_their_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NAME);
        std::fs::write(&path, "left behind").unwrap();
        let socket = NotifySocket::new(&path).unwrap();
        let client = UnixDatagram::unbound().unwrap();
        client.connect(&path).unwrap();
        let us = (std::process::id() as i32, nix::unistd::geteuid().as_raw());

        client.send(&[b'x'; MAX_MESSAGE]).unwrap();
        let datagram = socket.receive().unwrap().unwrap();
        assert_eq!((datagram.sender, datagram.text.map(|text| text.len())), (Some(us), Some(MAX_MESSAGE)));
        client.send(&[b'x'; MAX_MESSAGE + 1]).unwrap();
        let datagram = socket.receive().unwrap().unwrap();
        assert_eq!((datagram.sender, datagram.text), (Some(us), None));
        assert!(socket.receive().unwrap().is_none());

        let again = NotifySocket::inherited(socket.as_fd().try_clone_to_owned().unwrap(), &path);
        drop(socket);
        client.send(b"READY=1").unwrap();
        assert_eq!(again.receive().unwrap().unwrap().text.as_deref(), Some(&b"READY=1"[..]));
        again.remove();
        assert!(!path.exists());
    }

    #[test]
    fn descriptors_that_come_along_are_closed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NAME);
        let socket = NotifySocket::new(&path).unwrap();
        let client = UnixDatagram::unbound().unwrap();
        client.connect(&path).unwrap();
        let (read, write) = nix::unistd::pipe().unwrap();
        let numbers = [write.as_raw_fd(); 40];
        let rights = [nix::sys::socket::ControlMessage::ScmRights(&numbers)];
        let part = [io::IoSlice::new(b"BARRIER=1")];
        nix::sys::socket::sendmsg::<()>(client.as_raw_fd(), &part, &rights, nix::sys::socket::MsgFlags::empty(), None)
            .unwrap();
        drop(write);
        assert_eq!(socket.receive().unwrap().unwrap().text.as_deref(), Some(&b"BARRIER=1"[..]));
        assert_eq!(nix::unistd::read(&read, &mut [0; 1]), Ok(0), "nobody holds the writing end");
    }
}
