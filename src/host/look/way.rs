//! The way to a log for who reads it with more rights than those who ask: the rules by which the logger writes.
//!
//! Links on the way are followed if they belong to root or to us; the directory itself is no link, belongs to root or to
//! us, and nobody else may write it. Else who owns a directory on the way could have anything read.

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use nix::unistd::geteuid;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

const STEP: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);
const READ: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

/// Opens a directory, whoever has made the way there.
pub(super) fn open(path: &Path) -> io::Result<OwnedFd> {
    Ok(nix::fcntl::open(path, READ, Mode::empty())?)
}

/// Opens a file of a log, whatever it is, without waiting for it. `follows`: also through a link that root or we have made.
pub(super) fn open_file(
    directory: &OwnedFd,
    name: &OsStr,
    owner: Option<u32>,
    follows: bool,
) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    match openat(directory, name, flags | OFlag::O_NOFOLLOW, Mode::empty()) {
        Err(Errno::ELOOP) if follows => {
            let link = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
            if !is_ours(&link, owner) {
                return Err(Errno::ELOOP);
            }
            openat(directory, name, flags, Mode::empty())
        }
        opened => opened,
    }
}

/// Opens a log directory, step by step. `shared`: one in which nobody can take the place of another's file is as good as
/// one that nobody else may write, as `/tmp` is.
pub(super) fn open_ours(path: &Path, owner: Option<u32>, shared: bool) -> io::Result<OwnedFd> {
    let mut directory = nix::fcntl::open("/", STEP, Mode::empty())?;
    let mut components = path.components().filter(|component| *component != Component::RootDir).peekable();
    while let Some(component) = components.next() {
        let name = component.as_os_str();
        let last = components.peek().is_none();
        directory = match openat(&directory, name, STEP | OFlag::O_NOFOLLOW, Mode::empty()) {
            Err(Errno::ENOTDIR | Errno::ELOOP) if !last => follow(&directory, name, owner)?,
            step => step?,
        };
    }
    let stat = fstat(&directory)?;
    let is_shared = shared && stat.st_mode & libc::S_ISVTX != 0;
    if !is_ours(&stat, owner) || (stat.st_mode & 0o022 != 0 && !is_shared) {
        return Err(not_ours(if shared {
            "the directory of this log can be written by others, who could have anything read: read the file itself"
        } else {
            "the directory of this log can be written by others; abide does not write there either"
        }));
    }
    Ok(openat(&directory, ".", READ, Mode::empty())?)
}

/// Whether a file belongs to root or to us, or to its `owner`.
pub(super) fn is_ours(stat: &FileStat, owner: Option<u32>) -> bool {
    stat.st_uid == 0 || stat.st_uid == geteuid().as_raw() || Some(stat.st_uid) == owner
}

/// Through a link that root or we have made.
fn follow(directory: &OwnedFd, name: &OsStr, owner: Option<u32>) -> io::Result<OwnedFd> {
    let stat = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    if !is_ours(&stat, owner) {
        return Err(not_ours("a link on the way to this log belongs to others; abide does not write there either"));
    }
    Ok(openat(directory, name, STEP, Mode::empty())?)
}

fn not_ours(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, lchown, symlink};

    #[test]
    fn the_way_is_taken_only_through_what_is_ours() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().canonicalize().unwrap();
        fs::create_dir_all(path.join("real/web")).unwrap();
        symlink("real", path.join("link")).unwrap();
        symlink("real/web", path.join("web")).unwrap();
        open_ours(&path.join("real/web"), None, false).unwrap();
        open_ours(&path.join("link/web"), None, false).unwrap();
        assert!(open_ours(&path.join("web"), None, false).is_err(), "a link at the end");
        assert_eq!(open_ours(&path.join("none/web"), None, false).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::set_permissions(path.join("real/web"), fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(open_ours(&path.join("real/web"), None, false).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        fs::set_permissions(path.join("real/web"), fs::Permissions::from_mode(0o1777)).unwrap();
        assert!(open_ours(&path.join("real/web"), None, false).is_err());
        open_ours(&path.join("real/web"), None, true).unwrap();
        open(&path.join("real/web")).unwrap();
        fs::set_permissions(path.join("real/web"), fs::Permissions::from_mode(0o755)).unwrap();
        if !geteuid().is_root() {
            eprintln!("skipped in part: only root can make files of others");
            return;
        }
        lchown(path.join("link"), Some(12_345), None).unwrap();
        assert_eq!(open_ours(&path.join("link/web"), None, false).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        lchown(path.join("real/web"), Some(12_345), None).unwrap();
        assert_eq!(open_ours(&path.join("real/web"), None, false).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }
}
