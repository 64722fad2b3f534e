//! A directory to its names: one pass, nothing else is looked at.

use super::entry::{Naming, naming_as};
use super::open::Directory;
use crate::model::guise::Guise;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// The names in a watched directory that are not ignored, in order, with what they are.
pub(super) fn scan(directory: &Directory, guise: Option<&Guise>) -> Result<Vec<(OsString, Naming)>, Errno> {
    let mut names = Vec::new();
    for name in list(directory)? {
        match naming_as(guise, &name) {
            Naming::Ignored => {}
            naming => names.push((name, naming)),
        }
    }
    names.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(names)
}

/// All names in a directory but `.` and `..`, as the kernel lists them.
pub(super) fn list(directory: &Directory) -> Result<Vec<OsString>, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut stream = Dir::openat(&directory.fd, ".", flags, Mode::empty())?;
    let mut names = Vec::new();
    for entry in stream.iter() {
        let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    Ok(names)
}
