//! The snapshot's files: replaced at one stroke, touched, swept.

use super::{JSON, PER_SERVICE, PublishError};
use crate::host::sys::lease;
use crate::model::time::Wall;
use crate::render::snapshot::INDEX;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, BufWriter, Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What is written at a time: small enough to stay in the cache, and no copy of the whole. The C library
/// tidies its heap up each time 64 KiB are freed.
const PIECE: usize = 32 * 1024;
/// For everyone to read.
const MODE: u32 = 0o644;

/// A file at a moment: who holds an equal one later holds what was written then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    id: (u64, u64),
    /// Its length in bytes.
    pub(super) size: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        let (id, changed) = ((found.dev(), found.ino()), (found.mtime(), found.mtime_nsec()));
        Self { id, size: found.size(), changed }
    }
}

/// Which snapshot the two files of a name tell: the one that is read, and the one before it.
#[derive(Debug, Default)]
pub(super) struct Told(Vec<(Stamp, u64)>);

impl Told {
    /// The number of the snapshot that a file tells, if it is as it was left.
    pub(super) fn by(&self, file: Stamp) -> Option<u64> {
        self.0.iter().find(|(stamp, _)| *stamp == file).map(|(_, number)| *number)
    }

    /// From now on this file tells this snapshot.
    pub(super) fn note(&mut self, file: Stamp, number: u64) {
        self.0.retain(|(stamp, _)| stamp.id != file.id);
        self.0.push((file, number));
        let old = self.0.len().saturating_sub(2);
        self.0.drain(..old);
    }

    /// The file that is read was touched and is no other for it.
    pub(super) fn touched(&mut self, at: Wall) {
        if let Some((file, _)) = self.0.last_mut() {
            file.changed = seconds(at);
        }
    }
}

fn seconds(at: Wall) -> (i64, i64) {
    (at.0.div_euclid(1_000_000), at.0.rem_euclid(1_000_000) * 1_000)
}

/// A file that is replaced time and again, and the one that it was before under a hidden name, to be
/// written the next time: making and freeing the pages of a large snapshot costs twice what its bytes
/// do, and of those most are as they were. Both stay open, since looking them up costs as much as writing them.
#[derive(Debug)]
pub(super) struct Page {
    dir: PathBuf,
    target: PathBuf,
    spare: PathBuf,
    /// What is at `target`, unless others put something else there.
    current: Option<File>,
    /// What is at `spare`, as above.
    before: Option<File>,
}

impl Page {
    /// `dir`/`name`, of which nothing is known.
    pub(super) fn new(dir: &Path, name: &str) -> Self {
        let (target, spare) = (dir.join(name), dir.join(format!(".{name}.{}.tmp", std::process::id())));
        Self { dir: dir.to_owned(), target, spare, current: None, before: None }
    }

    /// Replaces it by what `fill` makes of the file that it is given: an empty one, or, by its stamp,
    /// one that was here before, if the kernel says that no reader has it open. It ends where `fill` ends.
    pub(super) fn replace(
        &mut self,
        fill: impl FnOnce(&mut BufWriter<File>, Option<Stamp>) -> io::Result<()>,
    ) -> Result<Stamp, PublishError> {
        self.try_replace(fill).map_err(|source| {
            (self.current, self.before) = (None, None);
            let _ = fs::remove_file(&self.spare);
            PublishError { attempt: "write", path: self.target.clone(), source }
        })
    }

    fn try_replace(
        &mut self,
        contents: impl FnOnce(&mut BufWriter<File>, Option<Stamp>) -> io::Result<()>,
    ) -> io::Result<Stamp> {
        let (spare, stamp) = match self.before.take().and_then(unread) {
            Some((spare, stamp)) => (spare, Some(stamp)),
            None => (self.create()?, None),
        };
        let mut out = BufWriter::with_capacity(PIECE, spare);
        out.rewind()?;
        contents(&mut out, stamp)?;
        let mut done = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        let bytes = done.stream_position()?;
        if stamp.is_some_and(|stamp| stamp.size > bytes) {
            done.set_len(bytes)?;
        }
        let left = Stamp::of(&done.metadata()?);
        let is_kept = self.exchange()?;
        self.before = self.current.replace(done).filter(|_| is_kept);
        Ok(left)
    }

    /// The spare becomes the target, and what was the target the spare, where the file system can do
    /// that: whether it did.
    fn exchange(&self) -> io::Result<bool> {
        match renameat2(AT_FDCWD, &self.spare, AT_FDCWD, &self.target, RenameFlags::RENAME_EXCHANGE) {
            Ok(()) => Ok(true),
            // There is no target yet, or it cannot be done here.
            Err(_) => fs::rename(&self.spare, &self.target).map(|()| false),
        }
    }

    /// Makes the file under its hidden name, and the directory where it has gone.
    fn create(&self) -> io::Result<File> {
        let open = || OpenOptions::new().write(true).create_new(true).open(&self.spare);
        let file = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o755).create(&self.dir)?;
                open()
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(&self.spare)?;
                open()
            }
            other => other,
        }?;
        file.set_permissions(Permissions::from_mode(MODE))?;
        Ok(file)
    }

    /// Removes what was kept for the next time: there is none.
    pub(super) fn forget(&mut self) {
        self.before = None;
        let _ = fs::remove_file(&self.spare);
    }

    /// Renews its age by its path, so that a file which is gone is noticed.
    pub(super) fn touch(&self, at: Wall) -> Result<(), PublishError> {
        let (seconds, nanoseconds) = seconds(at);
        let (keep, now) = (TimeSpec::UTIME_OMIT, TimeSpec::new(seconds, nanoseconds));
        utimensat(AT_FDCWD, &self.target, &keep, &now, UtimensatFlags::NoFollowSymlink).map_err(|errno| PublishError {
            attempt: "touch",
            path: self.target.clone(),
            source: errno.into(),
        })
    }
}

/// The replaced file of the last time, if nobody else has it open, took its name, gave it a second one or
/// changed its mode.
fn unread(file: File) -> Option<(File, Stamp)> {
    let found = file.metadata().ok()?;
    let is_ours = found.nlink() == 1 && found.mode() & 0o7777 == MODE && lease::is_alone(file.as_fd());
    is_ours.then(|| (file, Stamp::of(&found)))
}

/// The number of the snapshot that an earlier supervisor left, which must never go back. It stands
/// among the first few hundred bytes; they are searched, since the whole may be large, or broken.
pub(super) fn last_seq(dir: &Path) -> u64 {
    let mut start = Vec::new();
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(dir.join(JSON));
    if file.and_then(|file| file.take(4096).read_to_end(&mut start)).is_err() {
        return 0;
    }
    let text = String::from_utf8_lossy(&start);
    let digits =
        text.split("\"snapshot_seq\":").nth(1).and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// Removes what an earlier supervisor may have left: half-written files, the index, the services' files.
pub(super) fn sweep(dir: &Path) {
    let half = |name: &str| is_half(name) && (name.starts_with(".status.") || name.starts_with(".services."));
    sweep_files(dir, |name| name == INDEX || half(name));
    sweep_services(dir);
}

pub(super) fn sweep_services(dir: &Path) {
    let dir = dir.join(PER_SERVICE);
    sweep_files(&dir, |name| name.strip_suffix(".json").is_some() || is_half(name));
    let _ = fs::remove_dir(dir);
}

/// The name of a file that was being written.
fn is_half(name: &str) -> bool {
    name.starts_with('.') && name.strip_suffix(".tmp").is_some()
}

fn sweep_files(dir: &Path, ours: impl Fn(&str) -> bool) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(&ours) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
