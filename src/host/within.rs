//! Paths as a process within another root finds them. Only looks.

use nix::errno::Errno;
use nix::fcntl::{self, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// What `path`, absolute, is to a process whose root is `root` (`None`: ours); links are followed within it.
pub fn metadata(root: Option<&Path>, path: &Path) -> io::Result<Metadata> {
    match root {
        None => std::fs::metadata(path),
        Some(_) => File::from(find(root, path, OFlag::O_PATH)?).metadata(),
    }
}

/// The file at `path` for reading, found as [`metadata`] finds it. Waits for nobody.
pub fn open(root: Option<&Path>, path: &Path) -> io::Result<File> {
    Ok(find(root, path, OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)?.into())
}

/// Opens that file with `flags`: with `O_PATH` it is found and not opened.
pub(super) fn find(root: Option<&Path>, path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
    let flags = flags | OFlag::O_CLOEXEC;
    let plain = |path: &Path| Ok(fcntl::open(path, flags, Mode::empty())?);
    let Some(root) = root else { return plain(path) };
    let directory = fcntl::open(root, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_IN_ROOT);
    match openat2(&directory, path, how) {
        Ok(found) => Ok(found),
        // Before Linux 5.6, or a filter: then with the links of our own root.
        Err(Errno::ENOSYS | Errno::EPERM) => plain(&joined(root, path)),
        Err(errno) => Err(errno.into()),
    }
}

fn joined(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_within_the_root() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("bin")).unwrap();
        std::fs::write(home.path().join("bin/own"), "x").unwrap();
        std::os::unix::fs::symlink("/bin/own", home.path().join("link")).unwrap();
        let inside = Some(home.path());
        assert_eq!(metadata(inside, Path::new("/link")).unwrap().len(), 1);
        assert_eq!(metadata(inside, Path::new("/../../bin/own")).unwrap().len(), 1);
        assert_eq!(metadata(inside, Path::new("/bin/sh")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(metadata(None, Path::new("/")).unwrap().is_dir());
    }
}
