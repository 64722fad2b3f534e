//! One open, one truth: files and directories by descriptor, every step of the way judged.
//!
//! A path is walked component by component, links included, and what is said about a file comes
//! from the one descriptor that it is read from. Never blocks on a FIFO, never becomes the owner of
//! a terminal, never follows a link that was not looked at.

use super::trust::{Facts, Refusal, Role, Trust};
use crate::model::desired::Home;
use crate::model::diagnostic::{Code, Diagnostic};
use nix::dir::Type;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

/// As many links as the kernel follows.
const MAX_LINKS: usize = 40;
/// Nothing is followed, nothing blocks, nothing is inherited.
const SAFE: OFlag = OFlag::O_CLOEXEC.union(OFlag::O_NOFOLLOW).union(OFlag::O_NOCTTY).union(OFlag::O_NONBLOCK);

/// A directory that was walked to.
#[derive(Debug)]
pub struct Directory {
    /// Open for listing.
    pub fd: OwnedFd,
    /// Absolute, links resolved.
    pub path: PathBuf,
    /// Device and inode.
    pub id: (u64, u64),
    /// The links that led here.
    pub links: Vec<Link>,
}

/// A link that was followed: if this name in this directory changes, so may what is behind it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// The directory that holds it, absolute, links resolved.
    pub directory: PathBuf,
    /// Its name there.
    pub name: OsString,
}

/// A regular file that was walked to.
#[derive(Debug)]
pub struct OpenFile {
    /// Open for reading.
    pub fd: OwnedFd,
    /// What the descriptor says.
    pub stat: FileStat,
    /// The links that led here, and the file itself if there were any.
    pub links: Vec<Link>,
}

/// Why something could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Nothing is there.
    #[error("it is not there")]
    Absent,
    /// A link leads to nothing.
    #[error("it is a link to {0}, which is not there")]
    Dangling(String),
    /// Links that lead in a circle.
    #[error("its links lead in a circle")]
    Circle,
    /// Something that is no regular file.
    #[error("it is a {0}, not a regular file")]
    NotAFile(&'static str),
    /// Something that is no directory.
    #[error("{} is not a directory", super::entry::shown(.0.as_os_str()))]
    NotADirectory(PathBuf),
    /// Somebody else could have written it.
    #[error("{}", .0.why)]
    Refused(Box<Refusal>),
    /// The kernel says no.
    #[error("cannot open {}: {}", super::entry::shown(.0.as_os_str()), .1.desc())]
    System(PathBuf, Errno),
}

impl OpenError {
    /// The finding about the file that people know as `shown`.
    pub fn diagnostic(&self, shown: &Path) -> Diagnostic {
        let (code, help) = match self {
            Self::Refused(refusal) => (Code::Untrusted, refusal.help.clone()),
            Self::NotAFile(_) => (Code::NotAFile, "replace it by a regular file, or give it another name".into()),
            Self::Circle | Self::Dangling(_) => (Code::Unreadable, "let the link point at a file, or remove it".into()),
            Self::System(_, Errno::EMFILE | Errno::ENFILE) => {
                (Code::Unreadable, "raise the limit of open files that abide is started with".into())
            }
            _ => (Code::Unreadable, "make it readable for the user that abide runs as, or remove it".into()),
        };
        Diagnostic::error(shown, code, self.to_string()).help(help)
    }
}

/// Where the walk stands: a directory, open by path only.
struct Place {
    fd: OwnedFd,
    path: PathBuf,
}

struct Walk<'a> {
    trust: &'a Trust,
    ahead: VecDeque<OsString>,
    links: Vec<Link>,
    here: Place,
}

impl Directory {
    /// Walks from `/` to `path`; all on the way must be trusted.
    pub fn open(path: &Path, trust: &Trust) -> Result<Self, OpenError> {
        let absolute = std::path::absolute(path).map_err(|_| OpenError::Absent)?;
        let mut walk = Walk { trust, ahead: VecDeque::new(), links: Vec::new(), here: root(trust)? };
        walk.push(&absolute);
        walk.into_directory()
    }

    /// The directory `name` in this one, or where a link of that name leads.
    pub fn directory(&self, name: &OsStr, trust: &Trust) -> Result<Self, OpenError> {
        let mut walk = self.walk(trust)?;
        walk.ahead.push_back(name.to_owned());
        walk.into_directory()
    }

    /// Which one it is, whatever it is called.
    pub fn home(&self) -> Box<Home> {
        let (device, inode) = self.id;
        let file = self.fd.try_clone().map(File::from);
        let born = file.and_then(|file| file.metadata()?.created()).ok();
        let born = born.and_then(|born| born.duration_since(UNIX_EPOCH).ok());
        Box::new(Home { device, inode, born: born.and_then(|born| u64::try_from(born.as_nanos()).ok()) })
    }

    /// The regular file `name` in this directory, or where a link of that name leads.
    pub fn file(&self, name: &OsStr, trust: &Trust) -> Result<OpenFile, OpenError> {
        let looked = lstat(&self.fd, &self.path, name)?;
        if is_link(&looked) {
            let mut walk = self.walk(trust)?;
            walk.ahead.push_back(name.to_owned());
            return walk.into_file();
        }
        let (fd, stat) = open_regular(&self.fd, &self.path, name, &looked, trust)?;
        Ok(OpenFile { fd, stat, links: Vec::new() })
    }

    /// What a name here is, links followed: to see whether it changed, never to trust it.
    pub fn stat(&self, name: &OsStr) -> Option<FileStat> {
        fstatat(&self.fd, name, AtFlags::empty()).ok()
    }

    /// What a name here is, without following links.
    pub fn lstat(&self, name: &OsStr) -> Option<FileStat> {
        fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW).ok()
    }

    fn walk<'a>(&self, trust: &'a Trust) -> Result<Walk<'a>, OpenError> {
        let fd = self.fd.try_clone().map_err(|error| system(&self.path, &error))?;
        let here = Place { fd, path: self.path.clone() };
        Ok(Walk { trust, ahead: VecDeque::new(), links: Vec::new(), here })
    }
}

impl Walk<'_> {
    /// Goes on at `path`: what it says comes before what was ahead.
    fn push(&mut self, path: &Path) {
        for component in path.components().rev() {
            match component {
                Component::Normal(name) => self.ahead.push_front(name.to_owned()),
                Component::ParentDir => self.ahead.push_front("..".into()),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
    }

    fn into_directory(mut self) -> Result<Directory, OpenError> {
        while let Some(name) = self.ahead.pop_front() {
            let role = if self.ahead.is_empty() { Role::Directory } else { Role::Way };
            self.step(&name, role)?;
        }
        let Place { fd, path } = self.here;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = openat(&fd, ".", flags, Mode::empty()).map_err(|errno| OpenError::System(path.clone(), errno))?;
        let stat = fstat(&fd).map_err(|errno| OpenError::System(path.clone(), errno))?;
        judge(self.trust, &path, Role::Directory, &stat)?;
        Ok(Directory { fd, path, id: (stat.st_dev, stat.st_ino), links: self.links })
    }

    fn into_file(mut self) -> Result<OpenFile, OpenError> {
        while let Some(name) = self.ahead.pop_front() {
            if !self.ahead.is_empty() {
                self.step(&name, Role::Way)?;
                continue;
            }
            let looked = self.behind_link(lstat(&self.here.fd, &self.here.path, &name))?;
            if is_link(&looked) {
                self.follow(&name)?;
                continue;
            }
            self.links.push(Link { directory: self.here.path.clone(), name: name.clone() });
            let (fd, stat) = open_regular(&self.here.fd, &self.here.path, &name, &looked, self.trust)?;
            return Ok(OpenFile { fd, stat, links: self.links });
        }
        Err(OpenError::NotAFile("directory"))
    }

    /// One component on: into a directory, or to what a link says.
    fn step(&mut self, name: &OsStr, role: Role) -> Result<(), OpenError> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        match openat(&self.here.fd, name, flags, Mode::empty()) {
            Ok(fd) => {
                if name == ".." {
                    self.here.path.pop();
                } else {
                    self.here.path.push(name);
                }
                self.here.fd = fd;
                let stat = fstat(&self.here.fd).map_err(|errno| OpenError::System(self.here.path.clone(), errno))?;
                judge(self.trust, &self.here.path, role, &stat)
            }
            Err(Errno::ENOTDIR | Errno::ELOOP) => {
                if is_link(&lstat(&self.here.fd, &self.here.path, name)?) {
                    self.follow(name)
                } else {
                    Err(OpenError::NotADirectory(self.here.path.join(name)))
                }
            }
            Err(Errno::ENOENT) => self.behind_link(Err(OpenError::Absent)),
            Err(errno) => Err(OpenError::System(self.here.path.join(name), errno)),
        }
    }

    /// What is missing behind a link is a dangling link.
    fn behind_link<T>(&self, found: Result<T, OpenError>) -> Result<T, OpenError> {
        match (found, self.links.last()) {
            (Err(OpenError::Absent), Some(link)) => {
                let target = std::fs::read_link(link.directory.join(&link.name)).unwrap_or_default();
                Err(OpenError::Dangling(super::entry::shown(target.as_os_str())))
            }
            (found, _) => found,
        }
    }

    fn follow(&mut self, name: &OsStr) -> Result<(), OpenError> {
        let link = self.here.path.join(name);
        if self.links.len() >= MAX_LINKS {
            return Err(OpenError::Circle);
        }
        let stat = lstat(&self.here.fd, &self.here.path, name)?;
        judge(self.trust, &link, Role::Link, &stat)?;
        let target = readlinkat(&self.here.fd, name).map_err(|errno| OpenError::System(link, errno))?;
        self.links.push(Link { directory: self.here.path.clone(), name: name.to_owned() });
        let target = PathBuf::from(target);
        if target.is_absolute() {
            self.here = root(self.trust)?;
        }
        self.push(&target);
        Ok(())
    }
}

fn root(trust: &Trust) -> Result<Place, OpenError> {
    let path = PathBuf::from("/");
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let fd = nix::fcntl::open(&path, flags, Mode::empty()).map_err(|errno| OpenError::System(path.clone(), errno))?;
    let stat = fstat(&fd).map_err(|errno| OpenError::System(path.clone(), errno))?;
    judge(trust, &path, Role::Way, &stat)?;
    Ok(Place { fd, path })
}

fn lstat(directory: &OwnedFd, path: &Path, name: &OsStr) -> Result<FileStat, OpenError> {
    match fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(stat),
        Err(Errno::ENOENT) => Err(OpenError::Absent),
        Err(errno) => Err(OpenError::System(path.join(name), errno)),
    }
}

/// Opens what was just seen to be no link. Devices are not even opened: that alone can move a tape.
fn open_regular(
    directory: &OwnedFd,
    path: &Path,
    name: &OsStr,
    looked: &FileStat,
    trust: &Trust,
) -> Result<(OwnedFd, FileStat), OpenError> {
    if file_type(looked) != Some(Type::File) {
        return Err(OpenError::NotAFile(type_name(looked)));
    }
    let fd = openat(directory.as_fd(), name, OFlag::O_RDONLY | SAFE, Mode::empty()).map_err(|errno| match errno {
        Errno::ENOENT => OpenError::Absent,
        errno => OpenError::System(path.join(name), errno),
    })?;
    let stat = fstat(&fd).map_err(|errno| OpenError::System(path.join(name), errno))?;
    if file_type(&stat) != Some(Type::File) {
        return Err(OpenError::NotAFile(type_name(&stat)));
    }
    judge(trust, &path.join(name), Role::File, &stat)?;
    Ok((fd, stat))
}

fn judge(trust: &Trust, path: &Path, role: Role, stat: &FileStat) -> Result<(), OpenError> {
    let facts = Facts { uid: stat.st_uid, gid: stat.st_gid, mode: stat.st_mode };
    trust.judge(path, role, facts).map_err(|refusal| OpenError::Refused(Box::new(refusal)))
}

fn is_link(stat: &FileStat) -> bool {
    file_type(stat) == Some(Type::Symlink)
}

/// What a mode says of its file's type.
pub fn file_type(stat: &FileStat) -> Option<Type> {
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFREG => Some(Type::File),
        libc::S_IFDIR => Some(Type::Directory),
        libc::S_IFLNK => Some(Type::Symlink),
        libc::S_IFIFO => Some(Type::Fifo),
        libc::S_IFSOCK => Some(Type::Socket),
        libc::S_IFCHR => Some(Type::CharacterDevice),
        libc::S_IFBLK => Some(Type::BlockDevice),
        _ => None,
    }
}

fn type_name(stat: &FileStat) -> &'static str {
    match file_type(stat) {
        Some(Type::Directory) => "directory",
        Some(Type::Fifo) => "FIFO",
        Some(Type::Socket) => "socket",
        Some(Type::CharacterDevice | Type::BlockDevice) => "device",
        Some(Type::Symlink) => "link",
        Some(Type::File) | None => "thing of unknown type",
    }
}

fn system(path: &Path, error: &std::io::Error) -> OpenError {
    OpenError::System(path.to_owned(), Errno::from_raw(error.raw_os_error().unwrap_or(0)))
}

#[cfg(test)]
mod tests;
