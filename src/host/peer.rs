//! Who is at the other end of a unix socket: by the kernel's word, and in words for people.

use super::sys::socket::peer_groups;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::{Uid, User};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;

/// Of a command line no more than this is shown, in bytes.
const MOST_SHOWN: u64 = 1024;

/// Who connected, as they were then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The process that connected; `None` where it is outside of our pid namespace.
    pub pid: Option<i32>,
    /// Its effective uid.
    pub uid: u32,
    /// Its groups, the primary one first.
    pub groups: Vec<u32>,
}

/// Who is at the other end of `socket`, a connected unix stream.
pub fn of(socket: BorrowedFd<'_>) -> io::Result<Peer> {
    let credentials = getsockopt(&socket, PeerCredentials)?;
    let mut groups = vec![credentials.gid()];
    groups.extend(peer_groups(socket)?);
    Ok(Peer { pid: Some(credentials.pid()).filter(|pid| *pid > 0), uid: credentials.uid(), groups })
}

/// The name of a user; `None` where the user database has none. May wait for a server far away.
pub fn user_name(uid: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
}

/// The uid that this process acts with.
pub fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// The command line of a process as one line that disturbs no terminal; `None` if it is gone or has none. A process can
/// write there what it likes.
pub fn command_line(pid: i32) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(format!("/proc/{pid}/cmdline")).ok()?.take(MOST_SHOWN + 1).read_to_end(&mut bytes).ok()?;
    line_of(&bytes)
}

fn line_of(bytes: &[u8]) -> Option<String> {
    let long = bytes.len() as u64 > MOST_SHOWN;
    let bytes = &bytes[..bytes.len().min(MOST_SHOWN as usize)];
    let words: Vec<_> = bytes.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    let text = crate::model::diagnostic::escaped(words.join(" ").trim_end());
    let end = if long { "…" } else { "" };
    (!text.is_empty()).then(|| text + end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_peer_is_who_connected() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let peer = of(ours.as_fd()).unwrap();
        assert_eq!((peer.pid, peer.uid), (Some(std::process::id() as i32), own_uid()));
        assert_eq!(peer.groups[0], nix::unistd::getegid().as_raw());
        let supplementary: Vec<u32> =
            nix::unistd::getgroups().unwrap().into_iter().map(nix::unistd::Gid::as_raw).collect();
        assert_eq!(peer.groups[1..], supplementary);
        assert!(command_line(peer.pid.unwrap()).is_some());
        assert_eq!(command_line(i32::MAX), None);
    }

    #[test]
    fn a_command_line_is_one_line_of_bounded_length() {
        assert_eq!(line_of(b"abide\0stop\0web\0").as_deref(), Some("abide stop web"));
        assert_eq!(line_of(b""), None);
        assert_eq!(line_of(b"a\n\x1b[31m\xff\0").as_deref(), Some("a\\n\\u{1b}[31m\u{fffd}"));
        assert!(line_of(&[b'x'; 5000]).unwrap().ends_with("x…"));
    }

    proptest! {
        #[test]
        fn no_command_line_disturbs(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let line = line_of(&bytes).unwrap_or_default();
            prop_assert!(!line.chars().any(crate::model::diagnostic::disturbs));
        }
    }
}
