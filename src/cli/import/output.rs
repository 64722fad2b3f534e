//! Service files, written or printed, and the line that says what became of each.

use super::{Scene, plain};
use crate::cli::args::import::ImportArgs;
use crate::cli::say;
use crate::import::Imported;
use crate::model::diagnostic::escaped;
use crate::model::status::{AbideState, Status};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A file that is written, or would be.
pub(super) struct Written {
    /// Where; `None`: to stdout.
    to: Option<PathBuf>,
    remarks: usize,
}

/// Writes the file of the service `name`, or prints it. `twice`: why what runs now would run twice with it.
pub(super) fn put(
    scene: &Scene<'_>,
    name: &str,
    imported: &Imported,
    twice: Option<String>,
) -> Result<Written, String> {
    let args = scene.args;
    let file = format!("{name}.toml");
    let remarks = imported.remarks.len();
    let Some(to) = &args.to else {
        let line = format!("# ---- {file} ");
        say(&format!("{line:-<100}\n{}\n", imported.text));
        return Ok(Written { to: None, remarks });
    };
    let path = to.join(&file);
    if !args.force && path.symlink_metadata().is_ok() {
        return Err(format!("{} is there already; --force replaces it", path.display()));
    }
    if let Some(twice) = twice {
        let help = "write to a directory that none watches, and go on as the report then says";
        return Err(format!("{twice}, and abide watches {}: it would run twice; {help}", to.display()));
    }
    if !args.dry_run {
        write(to, &file, imported.text.as_bytes(), args.force)
            .map_err(|error| format!("could not write {}: {}", path.display(), plain(&error)))?;
    }
    Ok(Written { to: Some(path), remarks })
}

/// What became of `name`, a line.
pub(super) fn outcome(args: &ImportArgs, name: &str, result: &Result<Written, String>) -> String {
    match result {
        Err(why) => format!("{name}: left as it is: {}\n", escaped(why)),
        Ok(Written { to, remarks }) => {
            let to = to.as_ref().map_or_else(String::new, |to| format!(" to {}", to.display()));
            let would = if args.dry_run && args.to.is_some() { "would be imported" } else { "imported" };
            let remarks = match remarks {
                0 => String::new(),
                1 => "; a remark stands in it".to_owned(),
                n => format!("; {n} remarks stand in it"),
            };
            format!("{name}: {would}{to}{remarks}\n")
        }
    }
}

/// Whole or not at all: under a name that abide ignores, and then renamed.
fn write(to: &Path, file: &str, bytes: &[u8], force: bool) -> io::Result<()> {
    let (temporary, path) = (to.join(format!(".{file}.{}.tmp", std::process::id())), to.join(file));
    let put = || {
        let mut new = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&temporary)?;
        new.write_all(bytes)?;
        new.sync_all()?;
        if force { fs::rename(&temporary, &path) } else { rename_anew(&temporary, &path) }
    };
    let put = put();
    let _ = fs::remove_file(&temporary);
    put?;
    File::open(to)?.sync_all()
}

/// Renames what must replace nothing, not even what has come there meanwhile.
fn rename_anew(from: &Path, to: &Path) -> io::Result<()> {
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        // Not every file system can do that; that nothing was there has been looked at.
        Err(Errno::EINVAL | Errno::ENOSYS) => fs::rename(from, to),
        renamed => renamed.map_err(io::Error::from),
    }
}

/// Whether a living abide watches `directory`.
pub(super) fn is_watched(runtime: &Path, directory: &Path) -> bool {
    let snapshot = fs::read(runtime.join("status.json")).ok();
    let status: Option<Status> = snapshot.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(status) = status.filter(|status| status.abide.state != AbideState::Stopped) else { return false };
    let whole = directory.canonicalize().ok();
    status.sources.iter().any(|source| source.resolved.as_ref().map(PathBuf::from) == whole && whole.is_some())
}
