//! The way to a log directory: component by component, by descriptor, so that nobody can turn it elsewhere.
//!
//! Links on the way are followed if they belong to root or to us; the directory itself is no link,
//! belongs to root or to us, and nobody else may write it. What is written for a user may be that user's, too.

use super::trouble::Trouble;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat, mkdirat};
use nix::unistd::geteuid;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

const DIRECTORY: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);
/// What directories are made with.
const MODE: Mode = Mode::S_IRWXU.union(Mode::S_IRGRP).union(Mode::S_IXGRP);

/// Opens a log directory, made with its parents where missing.
pub(super) fn open_or_make(path: &Path, owner: Option<u32>) -> Result<OwnedFd, Trouble> {
    let (parent, name) = parent_of(path, true, owner)?;
    let directory = step(&parent, name, true).map_err(|errno| Trouble::Directory { path: path.into(), errno })?;
    let stat = fstat(&directory).map_err(|errno| Trouble::Directory { path: path.into(), errno })?;
    if !is_ours(&stat, owner) {
        return Err(Trouble::Foreign { path: path.into(), uid: stat.st_uid });
    }
    if stat.st_mode & 0o022 != 0 {
        return Err(Trouble::Writable { path: path.into(), mode: stat.st_mode & 0o7777 });
    }
    Ok(directory)
}

/// The directory that holds a file which somebody has named, whoever it belongs to, and the file's name there. It is not
/// made.
pub(super) fn holder_of(path: &Path, owner: Option<u32>) -> Result<(OwnedFd, &OsStr), Trouble> {
    parent_of(path, false, owner)
}

/// Renames a log directory, if the new one does not exist and the old one does.
pub(super) fn rename(from: &Path, to: &Path, owner: Option<u32>) -> Result<(), Trouble> {
    let failed = |errno| Trouble::Rename { from: from.into(), to: to.into(), errno };
    let (Ok((old_parent, old)), Ok((new_parent, new))) = (parent_of(from, false, owner), parent_of(to, false, owner))
    else {
        return Ok(());
    };
    let exists = |parent: &OwnedFd, name| fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok();
    if exists(&new_parent, new) || !exists(&old_parent, old) {
        return Ok(());
    }
    renameat(&old_parent, old, &new_parent, new).map_err(failed)
}

/// Whether a file belongs to root or to us, or to the `owner` for whom we write.
pub(super) fn is_ours(stat: &FileStat, owner: Option<u32>) -> bool {
    stat.st_uid == 0 || stat.st_uid == geteuid().as_raw() || Some(stat.st_uid) == owner
}

/// The directory that holds `path`, and its name there.
fn parent_of(path: &Path, make: bool, owner: Option<u32>) -> Result<(OwnedFd, &OsStr), Trouble> {
    let failed = |errno| Trouble::Directory { path: path.into(), errno };
    let (Some(parents), Some(name), true) = (path.parent(), path.file_name(), path.is_absolute()) else {
        return Err(Trouble::Relative(path.into()));
    };
    let mut directory = nix::fcntl::open("/", DIRECTORY, Mode::empty()).map_err(failed)?;
    for component in parents.components() {
        let name = match component {
            Component::Normal(name) => name,
            Component::ParentDir => OsStr::new(".."),
            _ => continue,
        };
        directory = match step(&directory, name, make) {
            Err(Errno::ENOTDIR | Errno::ELOOP) => follow(&directory, name, path, owner)?,
            other => other.map_err(failed)?,
        };
    }
    Ok((directory, name))
}

/// From a directory into one that it holds.
fn step(directory: impl AsFd, name: &OsStr, make: bool) -> Result<OwnedFd, Errno> {
    let open = || openat(directory.as_fd(), name, DIRECTORY | OFlag::O_NOFOLLOW, Mode::empty());
    match open() {
        Err(Errno::ENOENT) if make => {
            match mkdirat(directory.as_fd(), name, MODE) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno),
            }
            open()
        }
        other => other,
    }
}

/// Through a link that root or we have made.
fn follow(directory: &OwnedFd, name: &OsStr, path: &Path, owner: Option<u32>) -> Result<OwnedFd, Trouble> {
    let failed = |errno| Trouble::Directory { path: path.into(), errno };
    let stat = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(failed)?;
    if !is_ours(&stat, owner) {
        return Err(Trouble::ForeignLink { path: path.into(), link: name.into(), uid: stat.st_uid });
    }
    openat(directory, name, DIRECTORY, Mode::empty()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn place() -> (tempfile::TempDir, std::path::PathBuf) {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().canonicalize().unwrap();
        (temp, path)
    }

    #[test]
    fn missing_directories_are_made_for_us_and_our_group() {
        let (_temp, path) = place();
        open_or_make(&path.join("a/b"), None).unwrap();
        let mode = fs::metadata(path.join("a/b")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777 & !0o750, 0, "{mode:o}");
    }

    #[test]
    fn a_directory_that_others_may_write_is_refused() {
        let (_temp, path) = place();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        let trouble = open_or_make(&path, None).unwrap_err();
        assert!(matches!(trouble, Trouble::Writable { mode: 0o777, .. }), "{trouble}");
    }

    #[test]
    fn our_own_links_are_followed_on_the_way_but_not_at_its_end() {
        let (_temp, path) = place();
        fs::create_dir(path.join("real")).unwrap();
        symlink("real", path.join("link")).unwrap();
        open_or_make(&path.join("link/web"), None).unwrap();
        assert!(path.join("real/web").is_dir());
        let trouble = open_or_make(&path.join("link"), None).unwrap_err();
        assert!(matches!(trouble, Trouble::Directory { .. }), "{trouble}");
    }

    #[test]
    fn links_and_directories_of_others_are_refused() {
        if !geteuid().is_root() {
            eprintln!("skipped: only root can make files of others");
            return;
        }
        let (_temp, path) = place();
        fs::create_dir(path.join("real")).unwrap();
        symlink("real", path.join("link")).unwrap();
        std::os::unix::fs::lchown(path.join("link"), Some(12_345), None).unwrap();
        let trouble = open_or_make(&path.join("link/web"), None).unwrap_err();
        assert!(matches!(trouble, Trouble::ForeignLink { uid: 12_345, .. }), "{trouble}");
        std::os::unix::fs::lchown(path.join("real"), Some(12_345), None).unwrap();
        let trouble = open_or_make(&path.join("real"), None).unwrap_err();
        assert!(matches!(trouble, Trouble::Foreign { uid: 12_345, .. }), "{trouble}");
    }

    #[test]
    fn a_directory_is_renamed_only_where_none_is() {
        let (_temp, path) = place();
        let (old, new) = (path.join("web"), path.join("web@0"));
        rename(&old, &new, None).unwrap();
        fs::create_dir(&old).unwrap();
        fs::write(old.join("current"), "x").unwrap();
        rename(&old, &new, None).unwrap();
        assert_eq!(fs::read_to_string(new.join("current")).unwrap(), "x");
        fs::create_dir(&old).unwrap();
        rename(&old, &new, None).unwrap();
        assert!(old.is_dir() && new.join("current").exists());
    }

    #[test]
    fn a_relative_path_is_refused() {
        assert!(matches!(open_or_make(Path::new("logs/web"), None), Err(Trouble::Relative(_))));
    }
}
