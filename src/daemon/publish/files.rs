//! The snapshot's files: replaced whole, touched, swept.

use super::{JSON, PER_SERVICE, PublishError};
use crate::render::snapshot::INDEX;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Read, Seek};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// What is written at a time: small enough to stay in the cache, and no copy of the whole.
const PIECE: usize = 64 * 1024;

/// Replaces `dir`/`name` whole by what `fill` writes, and says how many bytes that were.
pub(super) fn replace(
    dir: &Path,
    name: &str,
    fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<u64, PublishError> {
    let temporary = dir.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = create(dir, &temporary).and_then(|file| {
        file.set_permissions(Permissions::from_mode(0o644))?;
        let mut out = BufWriter::with_capacity(PIECE, file);
        fill(&mut out)?;
        let mut done = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        let bytes = done.stream_position()?;
        fs::rename(&temporary, dir.join(name))?;
        Ok(bytes)
    });
    written.map_err(|source| {
        let _ = fs::remove_file(&temporary);
        PublishError { attempt: "write", path: dir.join(name), source }
    })
}

/// Makes the temporary file, and the directory where it has gone.
fn create(dir: &Path, temporary: &Path) -> io::Result<File> {
    let open = || OpenOptions::new().write(true).create_new(true).open(temporary);
    match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o755).create(dir)?;
            open()
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(temporary)?;
            open()
        }
        other => other,
    }
}

/// Renews the age of `dir`/`name` by its path, so that a file which is gone is noticed.
pub(super) fn touch(dir: &Path, name: &str) -> Result<(), PublishError> {
    let path = dir.join(name);
    let (keep, now) = (TimeSpec::UTIME_OMIT, TimeSpec::UTIME_NOW);
    utimensat(nix::fcntl::AT_FDCWD, &path, &keep, &now, UtimensatFlags::NoFollowSymlink).map_err(|errno| PublishError {
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
