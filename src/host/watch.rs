//! What the loop waits for beside exits and the logger, as one descriptor: messages of services, and their readiness.

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happened {
    /// Messages wait in the notify socket.
    Message,
    /// The readiness pipe of this slot is readable.
    Ready(u32),
    /// Letters wait in the `control` of the directory with this number.
    Control(u32),
}

/// Where numbers of directories begin: beyond all slots.
const CONTROL: u64 = 1 << 33;

impl Happened {
    fn token(self) -> u64 {
        match self {
            Self::Message => 0,
            Self::Ready(slot) => u64::from(slot) + 1,
            Self::Control(number) => CONTROL + u64::from(number),
        }
    }

    fn of(token: u64) -> Self {
        if let Some(number) = token.checked_sub(CONTROL) {
            return Self::Control(number as u32);
        }
        token.checked_sub(1).map_or(Self::Message, |slot| Self::Ready(slot as u32))
    }
}

/// A set of descriptors, each with what its readability means. Owns all but the notify socket.
#[derive(Debug)]
pub(super) struct Watch {
    epoll: Epoll,
    owned: HashMap<u64, OwnedFd>,
}

impl Watch {
    /// An empty one.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?, owned: HashMap::new() })
    }

    /// Watches the notify socket, which lives as long as this.
    pub(super) fn add_socket(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        Ok(self.epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, Happened::Message.token()))?)
    }

    /// Watches `descriptor` for this, in place of another one.
    pub(super) fn add(&mut self, descriptor: OwnedFd, happened: Happened) -> io::Result<()> {
        self.remove(happened);
        self.epoll.add(&descriptor, EpollEvent::new(EpollFlags::EPOLLIN, happened.token()))?;
        self.owned.insert(happened.token(), descriptor);
        Ok(())
    }

    /// The descriptor that is watched for this.
    pub(super) fn get(&self, happened: Happened) -> Option<&OwnedFd> {
        self.owned.get(&happened.token())
    }

    /// Lets it go.
    pub(super) fn remove(&mut self, happened: Happened) {
        if let Some(descriptor) = self.owned.remove(&happened.token()) {
            // Said aloud: a copy of it in a child on its way to its program would keep it in the set.
            let _ = self.epoll.delete(&descriptor);
        }
    }

    /// Some of what happened, without waiting; nothing: that was all.
    pub(super) fn happened(&self) -> Vec<Happened> {
        let mut events = [EpollEvent::empty(); 32];
        let ready = loop {
            match self.epoll.wait(&mut events, EpollTimeout::ZERO) {
                Err(Errno::EINTR) => {}
                ready => break ready.unwrap_or(0),
            }
        };
        events[..ready].iter().map(|event| Happened::of(event.data())).collect()
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_survives_the_way_through_the_kernel() {
        for happened in
            [Happened::Message, Happened::Ready(0), Happened::Ready(1), Happened::Ready(16_383), Happened::Control(0)]
        {
            assert_eq!(Happened::of(happened.token()), happened);
        }
    }

    #[test]
    fn a_descriptor_is_told_until_it_is_let_go() {
        let mut watch = Watch::new().unwrap();
        let (read, write) = nix::unistd::pipe().unwrap();
        watch.add(read, Happened::Ready(7)).unwrap();
        assert_eq!(watch.happened(), []);
        drop(write);
        assert_eq!(watch.happened(), [Happened::Ready(7)]);
        watch.remove(Happened::Ready(7));
        assert_eq!(watch.happened(), []);
    }
}
