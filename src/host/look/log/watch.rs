//! Who follows a log is told that its directory has changed.

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// One thing that is watched.
pub use nix::sys::inotify::WatchDescriptor as Watched;

/// What of a log's directory is news to who follows it.
pub(super) const CHANGES: AddWatchFlags = AddWatchFlags::IN_MODIFY
    .union(AddWatchFlags::IN_CREATE)
    .union(AddWatchFlags::IN_MOVED_TO)
    .union(AddWatchFlags::IN_ONLYDIR);

/// Tells of changes of many logs by one descriptor.
#[derive(Debug)]
pub struct Watch(pub(super) Inotify);

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// These.
    These(Vec<Watched>),
    /// So much that it is not known: any of them.
    Any,
}

impl Watch {
    /// One that watches nothing yet.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?))
    }

    /// What becomes readable when something has changed.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        self.0.as_fd().try_clone_to_owned()
    }

    /// What has changed; `None`: nothing more at the moment.
    pub fn changed(&self) -> io::Result<Option<Changed>> {
        match self.0.read_events() {
            Err(Errno::EAGAIN) => Ok(None),
            Err(Errno::EINTR) => Ok(Some(Changed::These(Vec::new()))),
            Err(errno) => Err(errno.into()),
            Ok(events) if events.iter().any(|event| event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW)) => {
                Ok(Some(Changed::Any))
            }
            Ok(events) => {
                let mut changed: Vec<Watched> = events.into_iter().map(|event| event.wd).collect();
                changed.sort_unstable();
                changed.dedup();
                Ok(Some(Changed::These(changed)))
            }
        }
    }

    /// Watches this no more. That it is not watched is no matter.
    pub fn forget(&self, watched: Watched) {
        let _ = self.0.rm_watch(watched);
    }
}
