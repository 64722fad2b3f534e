//! One file by a name of somebody's choice: opened for append whatever it is, rotated by numbers if it is a regular file.
//!
//! The directory may be anybody's, and is not made. A link in place of the file is followed where it and its directory
//! belong to root or to us. The names of standard streams mean our own, which are those of the keeper, since we have what
//! it has. Were they ever others, what is written there would go where our own words go.

use super::directory::{holder_of, is_ours, open_or_make};
use super::lane::Lane;
use super::sink::{Failed, Place, errno_of};
use super::trouble::Trouble;
use crate::log::named::{numbered, shifts};
use crate::model::logging::NamedFile;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::socket::{MsgFlags, send};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// What a file is opened with: a FIFO without a reader cannot hold us, and a terminal does not become ours.
const WAY: OFlag =
    OFlag::O_WRONLY.union(OFlag::O_APPEND).union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY).union(OFlag::O_CLOEXEC);
/// What one is made with; our umask takes from it.
const MODE: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR).union(Mode::S_IRGRP).union(Mode::S_IROTH);
/// So often it is tried to open or make a file that comes and goes.
const TRIES: u32 = 8;

/// Such a file, open or not.
#[derive(Debug, Default)]
pub(super) struct NamedSink(Option<Open>);

#[derive(Debug)]
struct Open {
    file: File,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It has a length, and may be rotated.
    Regular,
    /// What it takes is gone: a FIFO, a terminal, a standard stream.
    Special,
    /// The same, and not to be opened anew: each write says that it does not wait.
    Socket,
}

impl NamedSink {
    /// Lets it go; the next batch opens what then has its name.
    pub(super) fn close(&mut self) {
        self.0 = None;
    }

    /// Whether a descriptor is held.
    pub(super) fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a descriptor is held that a file with nothing to write does not need. Who reads a FIFO would take its
    /// closing for the end.
    pub(super) fn may_rest(&self) -> bool {
        self.0.as_ref().is_some_and(|open| open.kind == Kind::Regular)
    }

    /// What is told when who reads it has made room.
    pub(super) fn outlet(&self) -> Option<&File> {
        self.0.as_ref().map(|open| &open.file)
    }

    /// Opens it, unless that is done, and looks how long it is; `None`: it is no regular file. One that somebody deleted
    /// is made anew. `lane`: that it then speaks of another file.
    pub(super) fn place(&mut self, to: &NamedFile, owner: Option<u32>, lane: &Lane) -> Result<Option<Place>, Trouble> {
        loop {
            let fresh = self.0.is_none();
            let open = match &mut self.0 {
                Some(open) => open,
                closed => {
                    lane.forget();
                    closed.insert(open(to, owner)?)
                }
            };
            if open.kind != Kind::Regular {
                return Ok(None);
            }
            let stat = fstat(&open.file).map_err(|errno| failed(to, errno))?;
            if stat.st_nlink == 0 && !fresh {
                self.close();
                continue;
            }
            let (id, size) = ((stat.st_dev, stat.st_ino), stat.st_size as u64);
            return Ok(Some(Place { id, size, written: 0 }));
        }
    }

    /// Where the open file is, behind links.
    pub(super) fn path(&self) -> Option<PathBuf> {
        let open = self.0.as_ref()?;
        std::fs::read_link(format!("/proc/self/fd/{}", open.file.as_raw_fd())).ok()
    }

    /// Appends a batch.
    pub(super) fn append(&mut self, to: &NamedFile, batch: &[u8]) -> Result<(), Failed> {
        let mut written = 0;
        while let Some(open) = &mut self.0
            && written < batch.len()
        {
            let errno = match open.write(&batch[written..]) {
                Ok(0) => Errno::EIO,
                Ok(count) => {
                    written += count;
                    continue;
                }
                Err(Errno::EINTR) => continue,
                Err(errno) => errno,
            };
            let trouble = match errno {
                Errno::EAGAIN => Trouble::Slow(to.path.clone().into()),
                errno => failed(to, errno),
            };
            return Err(Failed { written, trouble });
        }
        Ok(())
    }

    /// Gives it the first number, and the others the next ones; or empties it, where none is kept.
    pub(super) fn rotate(&mut self, to: &NamedFile, owner: Option<u32>, lane: &Lane) -> Result<(), Trouble> {
        let rotated = |done: Result<(), Errno>| {
            done.map_err(|errno| Trouble::RotateNamed { path: to.path.clone().into(), errno })
        };
        let Some(open) = self.0.as_ref().filter(|open| open.kind == Kind::Regular) else { return Ok(()) };
        if to.backups == 0 {
            return rotated(open.file.set_len(0).map_err(|error| errno_of(&error)));
        }
        // The way there is gone: the next batch finds that out, and says it.
        let Ok((directory, name)) = holder(to, owner) else {
            self.close();
            return Ok(());
        };
        let id = |stat: FileStat| (stat.st_dev, stat.st_ino);
        if fstat(&open.file).map(id) != fstatat(&directory, name, AtFlags::empty()).map(id) {
            // Somebody moved it away: what is there now, if anything, is not ours to rotate yet.
            self.close();
            return Ok(());
        }
        let is_there = |number| is_there(&directory, &numbered(name, number));
        for (from, to) in shifts(is_there, to.backups) {
            let (from, to) = (numbered(name, from), numbered(name, to));
            rotated(renameat(&directory, from.as_os_str(), &directory, to.as_os_str()))?;
        }
        self.close();
        // An empty one is there at once. If it cannot be made, the next batch says so.
        let _ = self.place(to, owner, lane);
        Ok(())
    }
}

impl Open {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        match self.kind {
            Kind::Socket => send(self.file.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL),
            Kind::Regular | Kind::Special => self.file.write(bytes).map_err(|error| errno_of(&error)),
        }
    }
}

/// Makes the file, if nothing has its name: there is one as soon as somebody may look for it.
pub(super) fn make(to: &NamedFile, owner: Option<u32>) -> Result<(), Trouble> {
    if to.standard().is_some() {
        return Ok(());
    }
    let (directory, name) = holder(to, owner)?;
    if is_there(&directory, name) {
        return Ok(());
    }
    open(to, owner).map(drop)
}

/// Whether something has the name of the file.
pub(super) fn exists(to: &NamedFile) -> bool {
    std::fs::symlink_metadata(&to.path).is_ok()
}

fn is_there(directory: &OwnedFd, name: &OsStr) -> bool {
    fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok()
}

fn open(to: &NamedFile, owner: Option<u32>) -> Result<Open, Trouble> {
    if let Some(descriptor) = to.standard() {
        return open_standard(descriptor).map_err(|errno| failed(to, errno));
    }
    let (directory, name) = holder(to, owner)?;
    let mut tried = 0;
    let file = loop {
        // What is there is opened without asking to make it, which kernels refuse in `/tmp` for files of others.
        let opened = match openat(&directory, name, WAY | OFlag::O_NOFOLLOW, MODE) {
            Err(Errno::ENOENT) => openat(&directory, name, WAY | OFlag::O_CREAT | OFlag::O_EXCL, MODE),
            Err(Errno::ELOOP) => follow(to, &directory, name, owner)?,
            opened => opened,
        };
        tried += 1;
        match opened {
            Err(Errno::EEXIST | Errno::ENOENT) if tried < TRIES => {}
            opened => break opened.map_err(|errno| failed(to, errno))?,
        }
    };
    let stat = fstat(&file).map_err(|errno| failed(to, errno))?;
    let kind = if is_a(&stat, libc::S_IFREG) { Kind::Regular } else { Kind::Special };
    Ok(Open { file: file.into(), kind })
}

/// Through a link that root or we have made, in a directory of root's or ours.
fn follow(
    to: &NamedFile,
    directory: &OwnedFd,
    name: &OsStr,
    owner: Option<u32>,
) -> Result<Result<OwnedFd, Errno>, Trouble> {
    let looked = fstat(directory).and_then(|at| Ok((at, fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW)?)));
    let (at, link) = looked.map_err(|errno| failed(to, errno))?;
    for stat in [link, at] {
        if !is_ours(&stat, owner) {
            return Err(Trouble::NamedLink { path: to.path.clone().into(), uid: stat.st_uid });
        }
    }
    Ok(openat(directory, name, WAY | OFlag::O_CREAT, MODE))
}

/// A standard stream of ours. It is opened anew, so that our writes do not wait for who reads it, and those of others do
/// as they did; a socket cannot be.
fn open_standard(descriptor: i32) -> Result<Open, Errno> {
    let (out, err) = (io::stdout(), io::stderr());
    let stream = if descriptor == 1 { out.as_fd() } else { err.as_fd() };
    let stat = fstat(stream)?;
    if is_a(&stat, libc::S_IFSOCK) {
        let file = stream.try_clone_to_owned().map_err(|error| errno_of(&error))?.into();
        return Ok(Open { file, kind: Kind::Socket });
    }
    let file = nix::fcntl::open(format!("/proc/self/fd/{descriptor}").as_str(), WAY, Mode::empty())?.into();
    Ok(Open { file, kind: Kind::Special })
}

fn holder(to: &NamedFile, owner: Option<u32>) -> Result<(OwnedFd, &OsStr), Trouble> {
    let path = Path::new(&to.path);
    if let (true, Some(directory), Some(name)) = (to.in_our_directory, path.parent(), path.file_name()) {
        return Ok((open_or_make(directory, owner)?, name));
    }
    holder_of(path, owner).map_err(|trouble| match trouble {
        Trouble::Directory { errno, .. } => failed(to, errno),
        other => other,
    })
}

fn is_a(stat: &FileStat, kind: libc::mode_t) -> bool {
    stat.st_mode & libc::S_IFMT == kind
}

fn failed(to: &NamedFile, errno: Errno) -> Trouble {
    Trouble::Named { path: to.path.clone().into(), errno }
}
