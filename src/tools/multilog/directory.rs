//! A log directory: how it is taken over at the start, rotated and left.

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, Flock, FlockArg, renameat};
use nix::sys::stat::{FchmodatFlags, Mode, fchmod, fchmodat, stat};
use nix::unistd::{fchdir, fsync, mkdir, unlink};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use super::cut::Sink;
use super::files;
use super::old::Keeper;
use super::processor;
use super::script::Spec;
use super::trouble::{fatal, insist};

#[derive(Debug)]
pub(super) struct Directory<'a> {
    name: &'a [u8],
    fd: OwnedFd,
    current: OwnedFd,
    keeper: Keeper<'a>,
    processor: Option<&'a [u8]>,
    /// Held for life.
    _lock: Flock<OwnedFd>,
}

impl<'a> Directory<'a> {
    /// Takes over the directory; answers with it how many bytes `current` holds.
    pub(super) fn open(spec: &Spec<'a>, start: &OwnedFd) -> Result<(Directory<'a>, u64), u8> {
        let name = spec.name.as_bytes();
        fchdir(start).map_err(|error| fatal(&[b"unable to switch to starting directory"], error))?;
        // If this fails, opening it will say why.
        let _ = mkdir(spec.name, Mode::S_IRWXU);
        let fd = files::read(spec.name).and_then(|fd| fchdir(&fd).map(|()| fd));
        let fd = fd.map_err(|error| fatal(&[b"unable to open directory ", name], error))?;
        let lock = files::append("lock")
            .and_then(|file| Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| error));
        let lock = lock.map_err(|error| fatal(&[b"unable to lock directory ", name], error))?;
        let keeper = Keeper { name, number: spec.number };
        let (current, bytes) = if let Some(bytes) = ended_well(name)? {
            (continued(name)?, bytes)
        } else {
            clean_up(&keeper)?;
            (started(name)?, 0)
        };
        let processor = spec.processor.map(OsStrExt::as_bytes);
        Ok((Directory { name, fd, current, keeper, processor, _lock: lock }, bytes))
    }

    /// Marks `current` as complete. Only then may multilog end.
    pub(super) fn close(&self) {
        insist(&[b"unable to write ", self.name, b"/current to disk"], || fsync(&self.current));
        insist(&[b"unable to set mode of ", self.name, b"/current"], || fchmod(&self.current, files::DONE));
    }
}

impl Sink for Directory<'_> {
    fn write(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let len =
                insist(&[b"unable to write to ", self.name, b"/current"], || files::write_some(&self.current, data));
            data = &data[len..];
        }
    }

    fn rotate(&mut self) {
        let name = self.name;
        insist(&[b"unable to switch to ", name], || fchdir(&self.fd));
        insist(&[b"unable to write ", name, b"/current to disk"], || fsync(&self.current));
        insist(&[b"unable to rename current to previous in directory ", name], || rename("current", "previous"));
        self.current = insist(&[b"unable to create ", name, b"/current"], || files::append("current"));
        insist(&[b"unable to set mode of ", name, b"/current"], || fchmod(&self.current, files::PLAIN));
        insist(&[b"unable to set mode of ", name, b"/previous"], || {
            fchmodat(AT_FDCWD, "previous", files::DONE, FchmodatFlags::FollowSymlink)
        });
        match self.processor {
            None => self.keeper.finish("previous", b's'),
            Some(command) => {
                processor::run(name, command);
                self.adopt();
            }
        }
    }
}

impl Directory<'_> {
    /// Puts what the processor made in the place of what it was given.
    fn adopt(&self) {
        let name = self.name;
        let processed = insist(&[b"unable to create ", name, b"/processed"], || files::append("processed"));
        insist(&[b"unable to write ", name, b"/processed to disk"], || fsync(&processed));
        insist(&[b"unable to set mode of ", name, b"/processed"], || fchmod(&processed, files::DONE));
        let newstate = insist(&[b"unable to create ", name, b"/newstate"], || files::append("newstate"));
        insist(&[b"unable to write ", name, b"/newstate to disk"], || fsync(&newstate));
        insist(&[b"unable to remove ", name, b"/previous"], || unlink("previous"));
        insist(&[b"unable to rename newstate to state in directory ", name], || rename("newstate", "state"));
        self.keeper.finish("processed", b's');
    }
}

fn rename(from: &str, to: &str) -> nix::Result<()> {
    renameat(AT_FDCWD, from, AT_FDCWD, to)
}

/// The size of `current` if the last multilog here came to its end.
fn ended_well(name: &[u8]) -> Result<Option<u64>, u8> {
    match stat("current") {
        Ok(status) if files::is_done(status.st_mode) => Ok(Some(status.st_size as u64)),
        Ok(_) | Err(Errno::ENOENT) => Ok(None),
        Err(error) => Err(fatal(&[b"unable to stat ", name, b"/current"], error)),
    }
}

/// The `current` that was left behind.
fn continued(name: &[u8]) -> Result<OwnedFd, u8> {
    let file = files::append("current").map_err(|error| fatal(&[b"unable to append to ", name, b"/current"], error))?;
    unmark(&file, name)?;
    Ok(file)
}

/// A new `current`, and an empty state.
fn started(name: &[u8]) -> Result<OwnedFd, u8> {
    files::create("state").map_err(|error| fatal(&[b"unable to write to ", name, b"/state"], error))?;
    let file = files::append("current").map_err(|error| fatal(&[b"unable to write to ", name, b"/current"], error))?;
    unmark(&file, name)?;
    Ok(file)
}

fn unmark(file: &OwnedFd, name: &[u8]) -> Result<(), u8> {
    fchmod(file, files::PLAIN).map_err(|error| fatal(&[b"unable to set mode of ", name, b"/current"], error))
}

/// Saves what a crash left behind.
fn clean_up(keeper: &Keeper) -> Result<(), u8> {
    // What is not there need not be removed, and what cannot be will be in the way later.
    let _ = unlink("state");
    let _ = unlink("newstate");
    let processed = match stat("processed") {
        Ok(status) => files::is_done(status.st_mode),
        Err(Errno::ENOENT) => false,
        Err(error) => return Err(fatal(&[b"unable to stat ", keeper.name, b"/processed"], error)),
    };
    if processed {
        let _ = unlink("previous");
        keeper.finish("processed", b's');
    } else {
        let _ = unlink("processed");
        keeper.finish("previous", b'u');
    }
    keeper.finish("current", b'u');
    Ok(())
}
