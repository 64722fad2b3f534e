//! One log file and those rotated from it: opened with the first byte, closed when idle, opened anew after errors.

use super::directory::{is_ours, open_or_make};
use super::multilog::{self, Held};
use super::trouble::Trouble;
use crate::host::sys::eyes::Eyes;
use crate::log::order::Destination;
use crate::log::rotate::{self, Form, Rotated};
use crate::model::logging::LogFormat;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, fdatasync, unlinkat};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::time::{SystemTime, UNIX_EPOCH};

/// A log file that is open, or was and may be again.
#[derive(Debug, Default)]
pub(super) struct Sink {
    open: Option<File>,
    /// Of a directory in multilog's format: kept as long as that is what is written.
    held: Option<Held>,
}

/// Where the next byte goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Device and inode.
    pub id: (u64, u64),
    /// The length of the file.
    pub size: u64,
    /// When it was last written, microseconds since 1970.
    pub written: i64,
}

/// A batch that was not wholly written.
#[derive(Debug)]
pub(super) struct Failed {
    /// How much of it was.
    pub written: usize,
    /// Why no more.
    pub trouble: Trouble,
}

impl Sink {
    /// Whether a descriptor is held.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Lets the file go; the next batch opens what is then there.
    pub(super) fn close(&mut self) {
        if let Some(file) = self.open.take().filter(|_| self.held.is_some()) {
            multilog::mark(&file, true);
        }
    }

    /// Whether there is a file, be it closed.
    pub(super) fn exists(&self, to: &Destination) -> bool {
        // What cannot be looked at is found out when it is opened.
        self.is_open() || std::fs::symlink_metadata(to.path()).is_ok()
    }

    /// Opens the file, unless that is done, and looks how long it is: somebody may have emptied it, as with
    /// `: > current`. One that somebody deleted is made anew.
    pub(super) fn place(&mut self, to: &Destination) -> Result<Place, Trouble> {
        let failed = |errno| Trouble::Write { path: to.path(), errno };
        loop {
            let fresh = self.open.is_none();
            let file = match &mut self.open {
                Some(file) => file,
                closed => {
                    self.held = multilog::hold(self.held.take(), to)?;
                    closed.insert(open(to)?)
                }
            };
            let stat = fstat(file).map_err(failed)?;
            if stat.st_nlink == 0 && !fresh {
                self.close();
                continue;
            }
            let written = stat.st_mtime * 1_000_000 + stat.st_mtime_nsec / 1000;
            return Ok(Place { id: (stat.st_dev, stat.st_ino), size: stat.st_size as u64, written });
        }
    }

    /// Appends a batch to the open file.
    pub(super) fn append(&mut self, to: &Destination, batch: &[u8]) -> Result<(), Failed> {
        let mut written = 0;
        while let Some(file) = &mut self.open
            && written < batch.len()
        {
            let errno = match file.write(&batch[written..]) {
                Ok(0) => Errno::EIO,
                Ok(count) => {
                    written += count;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => errno_of(&error),
            };
            return Err(Failed { written, trouble: Trouble::Write { path: to.path(), errno } });
        }
        Ok(())
    }

    /// Takes back what was appended since the file had that length.
    pub(super) fn cut(&mut self, place: Place) {
        if let Some(file) = &self.open {
            // Refused: what is there is a part of a batch, which the reader sees twice at worst.
            let _ = file.set_len(place.size);
        }
    }

    /// Gives the file its rotated name.
    pub(super) fn rotate(&mut self, to: &Destination) -> Result<(), Trouble> {
        let failed = |errno| Trouble::Rotate { path: to.path(), errno };
        let Some(old) = self.open.take() else { return Ok(()) };
        let directory = open_or_make(&to.directory, to.uid())?;
        let stat = fstat(&old).map_err(failed)?;
        let there = fstatat(&directory, to.file.name(), AtFlags::AT_SYMLINK_NOFOLLOW);
        if !there.is_ok_and(|there| (there.st_dev, there.st_ino) == (stat.st_dev, stat.st_ino)) {
            // Somebody moved it away: what is there now, if anything, is not ours to rotate yet.
            return Ok(());
        }
        let rotated = listing(to, &directory).map_err(failed)?;
        let stamps: Vec<i64> = rotated.iter().map(|it| it.0).collect();
        let name = to.file.rotated(rotate::next(&stamps, now()), Form::under(&to.policy));
        if to.policy.format == LogFormat::Multilog {
            // That is what its name is going to promise.
            fdatasync(&old).map_err(failed)?;
            multilog::mark(&old, true);
        }
        renameat(&directory, to.file.name(), &directory, name.as_str()).map_err(failed)?;
        if to.policy.format == LogFormat::Multilog {
            self.open = Some(open(to)?);
        }
        Ok(())
    }
}

/// Deletes rotated files that are too many, too old or too much.
pub(super) fn prune(to: &Destination) -> Result<(), Trouble> {
    let _eyes = eyes(to)?;
    let directory = open_or_make(&to.directory, to.uid())?;
    let there = listing(to, &directory).map_err(|errno| Trouble::Rotate { path: to.path(), errno })?;
    let mut by_time: BTreeMap<i64, u64> = BTreeMap::new();
    for (at, _, size) in &there {
        *by_time.entry(*at).or_default() += size;
    }
    let mut rotated: Vec<Rotated> = by_time.into_iter().map(|(at, size)| Rotated { at, size }).collect();
    for at in rotate::surplus(&mut rotated, &to.policy, now()) {
        delete(to, &directory, &there, at);
    }
    Ok(())
}

/// Deletes a rotated file, in whatever forms it is `there`. Whether one was.
fn delete(to: &Destination, directory: &OwnedFd, there: &[(i64, Form, u64)], at: i64) -> bool {
    // It may be compressed since.
    let forms = there.iter().filter(|it| it.0 == at).map(|it| it.1).chain(Form::OWN);
    let gone = forms.filter(|form| {
        // One that cannot be deleted now is found again at the next rotation.
        unlinkat(directory, to.file.rotated(at, *form).as_str(), UnlinkatFlags::NoRemoveDir).is_ok()
    });
    gone.count() > 0
}

/// Deletes the oldest rotated file, for room. Whether there was one.
pub(super) fn give_up_oldest(to: &Destination) -> bool {
    let (Ok(_eyes), Ok(directory)) = (eyes(to), open_or_make(&to.directory, to.uid())) else { return false };
    let there = listing(to, &directory).unwrap_or_default();
    let oldest = there.iter().map(|it| it.0).min();
    oldest.is_some_and(|at| delete(to, &directory, &there, at))
}

fn open(to: &Destination) -> Result<File, Trouble> {
    let path = || to.path();
    let directory = open_or_make(&to.directory, to.uid())?;
    // O_NONBLOCK so that a FIFO of this name cannot hold us.
    let flags = OFlag::O_RDWR
        | OFlag::O_APPEND
        | OFlag::O_CREAT
        | OFlag::O_NOFOLLOW
        | OFlag::O_NONBLOCK
        | OFlag::O_NOCTTY
        | OFlag::O_CLOEXEC;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR | Mode::S_IRGRP;
    let file = match openat(&directory, to.file.name(), flags, mode) {
        Ok(file) => file,
        Err(Errno::ELOOP | Errno::EISDIR | Errno::ENXIO) => return Err(Trouble::NotOurFile(path())),
        Err(errno) => return Err(Trouble::Write { path: path(), errno }),
    };
    let stat = fstat(&file).map_err(|errno| Trouble::Write { path: path(), errno })?;
    if stat.st_mode & libc::S_IFMT != libc::S_IFREG || !is_ours(&stat, to.uid()) {
        return Err(Trouble::NotOurFile(path()));
    }
    let file = file.into();
    if to.policy.format == LogFormat::Multilog {
        multilog::mark(&file, false);
    }
    Ok(file)
}

/// The rotated files in a directory: when, how compressed, and what they take on disk, if that matters.
pub(super) fn listing(to: &Destination, directory: &OwnedFd) -> Result<Vec<(i64, Form, u64)>, Errno> {
    let readable = openat(directory, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    let mut found = Vec::new();
    for entry in Dir::from_fd(readable)?.iter() {
        let entry = entry?;
        let Some((at, form)) = entry.file_name().to_str().ok().and_then(|name| to.file.rotated_at(name)) else {
            continue;
        };
        let stat = || fstatat(directory, entry.file_name(), AtFlags::AT_SYMLINK_NOFOLLOW);
        let size = to.policy.max_total.and_then(|_| stat().ok()).map_or(0, |stat| stat.st_size as u64);
        found.push((at, form, size));
    }
    Ok(found)
}

/// Microseconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

pub(super) fn errno_of(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

/// As long as what this gives is kept, files are made and opened as whoever they belong to.
pub(super) fn eyes(to: &Destination) -> Result<Option<Eyes>, Trouble> {
    let eyes = to.owner.as_ref().map(|it| Eyes::of(it.uid, it.gid, &it.groups)).transpose();
    eyes.map_err(|error| Trouble::Directory { path: to.directory.clone(), errno: errno_of(&error) })
}
