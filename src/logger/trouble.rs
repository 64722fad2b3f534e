//! Why output cannot be written, in words for people: what could not be done, then what to do.

use nix::errno::Errno;
use std::path::PathBuf;

/// Why a batch could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    #[error("cannot open the log directory {}: {}. {}", path.display(), errno.desc(), advice(*errno))]
    Directory { path: PathBuf, errno: Errno },
    #[error(
        "cannot use the log directory {}: {} is a link that belongs to uid {uid}. Name the directory that it leads to instead",
        path.display(), link.display()
    )]
    ForeignLink { path: PathBuf, link: PathBuf, uid: u32 },
    #[error("cannot use the log directory {}: it belongs to uid {uid}. Change its owner, or name another directory in `[log]`", path.display())]
    Foreign { path: PathBuf, uid: u32 },
    #[error("cannot use the log directory {}: others may write it (mode {mode:04o}). Run `chmod go-w` on it, or name another in `[log]`", path.display())]
    Writable { path: PathBuf, mode: u32 },
    #[error("cannot use the log directory {}: it is not an absolute path. Write it from `/` on", .0.display())]
    Relative(PathBuf),
    #[error("cannot write {}: it is not a regular file of our own. Move it away", .0.display())]
    NotOurFile(PathBuf),
    #[error("cannot use the log directory {}: a multilog writes there. End it, or name another directory in `[log]`", .0.display())]
    Locked(PathBuf),
    #[error("cannot write {}: {}. {}", path.display(), errno.desc(), advice(*errno))]
    Write { path: PathBuf, errno: Errno },
    #[error("cannot rotate {}: {}. {}", path.display(), errno.desc(), advice(*errno))]
    Rotate { path: PathBuf, errno: Errno },
    #[error("cannot write {}: {}. {}", path.display(), errno.desc(), named_advice(*errno))]
    Named { path: PathBuf, errno: Errno },
    #[error("cannot write {}: it is a link, and it or its directory belongs to uid {uid}. Name the file that it leads to instead", path.display())]
    NamedLink { path: PathBuf, uid: u32 },
    #[error("cannot rotate {}: {}. {}", path.display(), errno.desc(), named_advice(*errno))]
    RotateNamed { path: PathBuf, errno: Errno },
    #[error("cannot write {}: who reads it does not keep up. Have it read, or name a file; what its service says waits", .0.display())]
    Slow(PathBuf),
    #[error("cannot compress rotated files in {}: {}. {}", path.display(), errno.desc(), advice(*errno))]
    Compress { path: PathBuf, errno: Errno },
    #[error("cannot rename the log directory {} to {}: {}. Move its files by hand", from.display(), to.display(), errno.desc())]
    Rename { from: PathBuf, to: PathBuf, errno: Errno },
    #[error("cannot read the log pipe {slot}: {}. {}", errno.desc(), pipe_advice(*errno))]
    Pipe { slot: u32, errno: Errno },
    #[error("cannot start a thread for the file system of {}: {}. {}", path.display(), errno.desc(), advice(*errno))]
    Thread { path: PathBuf, errno: Errno },
}

impl Trouble {
    /// Whether deleting other files would help.
    pub(super) fn is_want_of_space(&self) -> bool {
        matches!(self, Self::Write { errno: Errno::ENOSPC | Errno::EDQUOT, .. })
    }

    /// Whether it is for others to make way, and nothing is lost meanwhile.
    pub(super) fn is_of_others(&self) -> bool {
        matches!(self, Self::Locked(_) | Self::Slow(_)) || self.is_want_of_descriptors()
    }

    /// Whether all is written, and only in a file that is larger than it should be.
    pub(super) fn is_of_rotation(&self) -> bool {
        matches!(self, Self::RotateNamed { .. })
    }

    /// Whether who reads what is written is waited for.
    pub(super) fn is_slowness(&self) -> bool {
        matches!(self, Self::Slow(_))
    }

    /// Whether closing other files would help.
    pub(super) fn is_want_of_descriptors(&self) -> bool {
        let (Self::Directory { errno, .. }
        | Self::Write { errno, .. }
        | Self::Rotate { errno, .. }
        | Self::Named { errno, .. }) = self
        else {
            return false;
        };
        matches!(errno, Errno::EMFILE | Errno::ENFILE)
    }
}

fn advice(errno: Errno) -> &'static str {
    match errno {
        Errno::ENOSPC | Errno::EDQUOT => "Free some space there; what is written meanwhile is dropped and counted",
        Errno::EACCES | Errno::EPERM => "Let abide's user write there, or name another directory in `[log]`",
        Errno::EROFS => "Make the file system writable, or name another directory in `[log]`",
        Errno::EMFILE | Errno::ENFILE => "Raise the limit on open files",
        Errno::ENOTDIR | Errno::ELOOP => "Make it a directory, or name another in `[log]`",
        Errno::EFBIG => "Raise the limit on file sizes, or lower `max_size` in `[log]`",
        Errno::EAGAIN | Errno::ENOMEM => "Raise the limits on processes and memory",
        _ => "Look after the disk; what is written meanwhile is dropped and counted",
    }
}

/// The same of a file that no `[log]` names.
fn named_advice(errno: Errno) -> &'static str {
    match errno {
        Errno::ENOENT => "Make its directory, or name another file",
        Errno::EACCES | Errno::EPERM => "Let abide's user write there, or name another file",
        Errno::EROFS => "Make the file system writable, or name another file",
        Errno::EISDIR | Errno::ENOTDIR | Errno::ELOOP | Errno::ENAMETOOLONG => "Name another file",
        Errno::ENXIO | Errno::EPIPE => "Start who reads it; what is written meanwhile is dropped and counted",
        Errno::EFBIG => "Raise the limit on file sizes, or have it rotated earlier",
        other => advice(other),
    }
}

fn pipe_advice(errno: Errno) -> &'static str {
    match errno {
        Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::ENOSPC => "Raise the limits on open files and memory",
        _ => "It is tried again each second; what its service says waits in the pipe",
    }
}
