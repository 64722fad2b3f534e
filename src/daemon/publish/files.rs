//! The snapshot's files: replaced whole, touched, swept.

use super::{JSON, PER_SERVICE, PublishError};
use crate::host::sys::lease;
use crate::render::snapshot::INDEX;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What is written at a time: small enough to stay in the cache, and no copy of the whole.
const PIECE: usize = 64 * 1024;

/// Replaces `dir`/`name` whole by what `fill` writes, and says how many bytes that were.
///
/// The file that is replaced is kept under a hidden name and written anew the next time, if the
/// kernel says that no reader has it open: making and freeing the pages of a large snapshot costs
/// twice what its bytes do.
pub(super) fn replace(
    dir: &Path,
    name: &str,
    fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<u64, PublishError> {
    let (spare, target) = (spare(dir, name), dir.join(name));
    let written = unread(&spare).map_or_else(|| create(dir, &spare), Ok).and_then(|file| {
        file.set_permissions(Permissions::from_mode(0o644))?;
        let mut out = BufWriter::with_capacity(PIECE, file);
        fill(&mut out)?;
        let mut done = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        let bytes = done.stream_position()?;
        done.set_len(bytes)?;
        exchange(&spare, &target)?;
        Ok(bytes)
    });
    written.map_err(|source| {
        let _ = fs::remove_file(&spare);
        PublishError { attempt: "write", path: target, source }
    })
}

/// The hidden name beside `dir`/`name`.
fn spare(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!(".{name}.{}.tmp", std::process::id()))
}

/// The replaced file of the last time, if nobody else has it open or gave it a second name.
fn unread(spare: &Path) -> Option<File> {
    let file = OpenOptions::new().write(true).custom_flags(libc::O_NOFOLLOW).open(spare).ok()?;
    let alone = file.metadata().ok()?.nlink() == 1 && lease::is_alone(file.as_fd());
    alone.then_some(file)
}

/// `spare` becomes `target`, and what was `target` the spare, where the file system can do that.
fn exchange(spare: &Path, target: &Path) -> io::Result<()> {
    match renameat2(AT_FDCWD, spare, AT_FDCWD, target, RenameFlags::RENAME_EXCHANGE) {
        Ok(()) => Ok(()),
        // There is no target yet, or it cannot be done here.
        Err(_) => fs::rename(spare, target),
    }
}

/// Makes the file under its hidden name, and the directory where it has gone.
fn create(dir: &Path, spare: &Path) -> io::Result<File> {
    let open = || OpenOptions::new().write(true).create_new(true).open(spare);
    match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o755).create(dir)?;
            open()
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(spare)?;
            open()
        }
        other => other,
    }
}

/// Removes the replaced file that is kept for the next time: there is none.
pub(super) fn forget(dir: &Path, name: &str) {
    let _ = fs::remove_file(spare(dir, name));
}

/// Renews the age of `dir`/`name` by its path, so that a file which is gone is noticed.
pub(super) fn touch(dir: &Path, name: &str) -> Result<(), PublishError> {
    let path = dir.join(name);
    let (keep, now) = (TimeSpec::UTIME_OMIT, TimeSpec::UTIME_NOW);
    utimensat(AT_FDCWD, &path, &keep, &now, UtimensatFlags::NoFollowSymlink).map_err(|errno| PublishError {
        attempt: "touch",
        path,
        source: errno.into(),
    })
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
