//! Status files: each holds the last line that was selected for it.

use nix::errno::Errno;
use nix::sys::uio::pwrite;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use super::files;
use super::trouble::{fatal, pause};

/// The size of every status file.
const SIZE: usize = 1001;

#[derive(Debug)]
pub(super) struct Status<'a> {
    name: &'a [u8],
    file: OwnedFd,
}

impl<'a> Status<'a> {
    /// Makes the file; what is in it stays until the first line.
    pub(super) fn open(name: &'a OsStr) -> Result<Status<'a>, u8> {
        let bytes = name.as_bytes();
        files::append(name).map_err(|error| fatal(&[b"unable to create ", bytes], error))?;
        let file = files::modify(name).map_err(|error| fatal(&[b"unable to write ", bytes], error))?;
        Ok(Status { name: bytes, file })
    }

    /// Writes the line over what is there, filled up with newlines.
    pub(super) fn put(&self, line: &[u8]) {
        let mut content = [b'\n'; SIZE];
        let len = line.len().min(SIZE - 1);
        content[..len].copy_from_slice(&line[..len]);
        loop {
            match pwrite(&self.file, &content, 0) {
                Ok(SIZE) => return,
                Ok(_) => pause(&[b"unable to write ", self.name], Some(Errno::UnknownErrno)),
                Err(Errno::ESPIPE) => pause(&[b"unable to move to beginning of ", self.name], Some(Errno::ESPIPE)),
                Err(error) => pause(&[b"unable to write ", self.name], Some(error)),
            }
        }
    }
}
