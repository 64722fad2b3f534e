//! The old files of a log directory, which is the working directory here.

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::sys::stat::{Mode, stat};
use nix::unistd::{linkat, unlink};
use std::ffi::CString;

use super::trouble::{insist, pause};
use crate::tools::tai64n;

/// A name starting with `@` and at least this long is an old file's, whoever made it.
const OLD: usize = 25;

/// Makes old files and keeps down their number.
#[derive(Debug)]
pub(super) struct Keeper<'a> {
    /// The directory's name in messages.
    pub(super) name: &'a [u8],
    /// The most files, `current` among them.
    pub(super) number: u64,
}

impl Keeper<'_> {
    /// Makes a file an old one, if it is there.
    pub(super) fn finish(&self, file: &str, code: u8) {
        let status = insist(&[b"unable to stat ", self.name, b"/", file.as_bytes()], || match stat(file) {
            Ok(status) => Ok(Some(status)),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error),
        });
        let Some(status) = status else { return };
        // With a second link it got its name before a crash.
        if status.st_nlink == 1 {
            self.link(file, code);
        }
        insist(&[b"unable to remove ", self.name, b"/", file.as_bytes()], || unlink(file));
        self.prune();
    }

    fn link(&self, file: &str, code: u8) {
        loop {
            let mut name = [b'.'; OLD + 2];
            name[..OLD].copy_from_slice(&tai64n::now());
            name[OLD + 1] = code;
            match linkat(AT_FDCWD, file, AT_FDCWD, &name[..], AtFlags::empty()) {
                Ok(()) => return,
                Err(error) => pause(&[b"unable to link to ", self.name, b"/", &name], Some(error)),
            }
        }
    }

    /// Removes the oldest files until there are less than the number.
    fn prune(&self) {
        while !insist(&[b"unable to read ", self.name], || self.fits()) {}
    }

    /// Removes the oldest file if there are too many; whether there are few enough then.
    fn fits(&self) -> nix::Result<bool> {
        let old = Oldest::survey()?;
        match old.name {
            Some(name) if old.count >= self.number => match unlink(&*name) {
                // Without an entry somebody else was faster.
                Ok(()) | Err(Errno::ENOENT) => Ok(old.count == self.number),
                Err(error) => Err(error),
            },
            _ => Ok(true),
        }
    }
}

/// What there is of old files.
#[derive(Debug, Default)]
struct Oldest {
    count: u64,
    name: Option<CString>,
}

impl Oldest {
    fn survey() -> nix::Result<Oldest> {
        let mut old = Oldest::default();
        let mut directory = Dir::open(".", OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
        for entry in directory.iter() {
            let entry = entry?;
            let name = entry.file_name();
            if !is_old(name.to_bytes()) {
                continue;
            }
            old.count += 1;
            // Only the label counts; of equal ones the first goes.
            if old.name.as_ref().is_none_or(|oldest| name.to_bytes()[..OLD] < oldest.as_bytes()[..OLD]) {
                old.name = Some(name.to_owned());
            }
        }
        Ok(old)
    }
}

fn is_old(name: &[u8]) -> bool {
    name.len() >= OLD && name[0] == b'@'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_files_have_long_names() {
        assert!(is_old(b"@40000000000000000000000a.s"));
        assert!(is_old(b"@zzzzzzzzzzzzzzzzzzzzzzzz"));
        assert!(!is_old(b"@zzzzzzzzzzzzzzzzzzzzzzz"));
        assert!(!is_old(b"xzzzzzzzzzzzzzzzzzzzzzzzz"));
    }
}
