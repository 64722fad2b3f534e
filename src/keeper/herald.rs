//! What the keeper tells who started it, over `NOTIFY_SOCKET` (`sd_notify(3)`): nobody else of abide speaks there.

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, sendto, socket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

pub(super) struct Herald {
    to: Option<(OwnedFd, UnixAddr)>,
    /// Half of the time within which a sign of life is expected.
    pub(super) watchdog: Option<Duration>,
    ready: bool,
}

impl Herald {
    /// As the environment says.
    pub(super) fn new() -> Self {
        let name = std::env::var_os("NOTIFY_SOCKET");
        let to = name.and_then(|name| {
            let address = match name.as_bytes() {
                [b'@', rest @ ..] => UnixAddr::new_abstract(rest),
                _ => UnixAddr::new(name.as_os_str()),
            };
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            let socket = socket(AddressFamily::Unix, SockType::Datagram, flags, None);
            Some((socket.ok()?, address.ok()?))
        });
        let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
        // Meant for another, if it says whom.
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|_| ours && to.is_some());
        Self { to, watchdog: watchdog.map(|time| Duration::from_micros(time) / 2), ready: false }
    }

    fn say(&self, text: &str) {
        if let Some((socket, address)) = &self.to {
            // Nobody there: nobody to tell.
            let _ = sendto(socket.as_raw_fd(), text.as_bytes(), address, MsgFlags::MSG_NOSIGNAL);
        }
    }

    /// The supervisor does its work.
    pub(super) fn signed_in(&mut self) {
        let again = std::mem::replace(&mut self.ready, true);
        self.say(if again { "STATUS=supervising" } else { "READY=1\nSTATUS=supervising" });
    }

    /// It does not at present.
    pub(super) fn unsupervised(&self) {
        self.say("STATUS=no supervisor; services go on");
    }

    /// The loop turns.
    pub(super) fn alive(&self) {
        if self.watchdog.is_some() && self.ready {
            self.say("WATCHDOG=1");
        }
    }

    pub(super) fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=stopping");
    }
}
