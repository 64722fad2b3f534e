//! The snapshot file, and whether whoever wrote it still lives.

use crate::model::status::{AbideState, AbideStatus, SCHEMA, ServiceStatus, Status};
use crate::render::snapshot::INDEX;
use crate::render::status::{Closer, span};
use nix::fcntl::{FcntlArg, fcntl};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The snapshot cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// There is none.
    #[error(
        "no abide runs here: there is no status.json in {}; start `abide run DIR`, or say where it is with --runtime-dir",
        .0.display()
    )]
    Absent(PathBuf),
    /// It cannot be read.
    #[error("could not read {}: {source}; look at its owner and mode", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is something else.
    #[error("could not understand {}: {reason}; use the `abide` of the release that runs", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Whether the snapshot speaks of the present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    /// It does.
    Alive,
    /// abide stopped on purpose: the sentence.
    Stopped(String),
    /// abide is gone or hangs: the sentence.
    Gone(String),
}

impl Life {
    /// What to tell people, unless all is well.
    pub fn sentence(&self) -> Option<&str> {
        match self {
            Self::Alive => None,
            Self::Stopped(sentence) | Self::Gone(sentence) => Some(sentence),
        }
    }
}

/// One look at the snapshot.
#[derive(Debug)]
pub struct Reading {
    /// What it says, with the services of the index where there is one.
    pub status: Status,
    /// The file as it is.
    pub bytes: Vec<u8>,
    /// Whether services came from the index.
    pub merged: bool,
    /// Whether it speaks of the present.
    pub life: Life,
    /// What was found out beside it about the service whose page is asked for, one an instance.
    pub closer: Vec<Closer>,
}

impl Reading {
    /// Looks again whether abide lives.
    pub fn look(&mut self, runtime_dir: &Path, lock: Option<&Path>) {
        self.life = life(&self.status.abide, &runtime_dir.join("status.json"), lock);
    }
}

/// Reads the snapshot in `runtime_dir`.
pub fn read(runtime_dir: &Path, lock: Option<&Path>) -> Result<Reading, SnapshotError> {
    match attempt(runtime_dir, lock) {
        // The index went between two looks, since few enough services are left: then all stand in
        // the new file.
        Err(SnapshotError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            attempt(runtime_dir, lock)
        }
        other => other,
    }
}

fn attempt(runtime_dir: &Path, lock: Option<&Path>) -> Result<Reading, SnapshotError> {
    let path = runtime_dir.join("status.json");
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(SnapshotError::Absent(runtime_dir.to_owned()));
        }
        Err(source) => return Err(SnapshotError::Unreadable { path, source }),
    };
    let mut status = parse(&path, &bytes)?;
    let mut merged = false;
    if status.abide.truncated {
        merge(&mut status, &runtime_dir.join(INDEX))?;
        merged = true;
    }
    let life = life(&status.abide, &path, lock);
    Ok(Reading { status, bytes, merged, life, closer: Vec::new() })
}

/// What changes when the file is replaced or touched.
pub(super) fn stamp(runtime_dir: &Path) -> Option<(SystemTime, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(runtime_dir.join("status.json")).ok()?;
    Some((metadata.modified().ok()?, metadata.ino()))
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Status, SnapshotError> {
    #[derive(serde::Deserialize)]
    struct Version {
        schema: u32,
    }
    let malformed = |reason| SnapshotError::Malformed { path: path.to_owned(), reason };
    match serde_json::from_slice::<Version>(bytes) {
        Ok(Version { schema }) if schema != SCHEMA => {
            Err(malformed(format!("it has schema {schema}, this abide knows {SCHEMA}")))
        }
        _ => serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string())),
    }
}

/// Fills in the services that `status.json` leaves out; what it holds itself is the newer word.
fn merge(status: &mut Status, index: &Path) -> Result<(), SnapshotError> {
    let text = fs::read(index).map_err(|source| SnapshotError::Unreadable { path: index.to_owned(), source })?;
    let mut services = BTreeMap::new();
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let service: ServiceStatus = serde_json::from_slice(line)
            .map_err(|error| SnapshotError::Malformed { path: index.to_owned(), reason: error.to_string() })?;
        services.insert(service.name.clone(), service);
    }
    services.extend(std::mem::take(&mut status.services).into_iter().map(|service| (service.name.clone(), service)));
    status.services = services.into_values().collect();
    status.abide.truncated = false;
    status.services_index = None;
    Ok(())
}

fn life(abide: &AbideStatus, path: &Path, lock: Option<&Path>) -> Life {
    let age = fs::metadata(path).and_then(|file| file.modified()).ok().map(|at| at.elapsed().unwrap_or_default());
    let age = age.unwrap_or_default();
    let ago = span(age);
    if abide.state == AbideState::Stopped {
        return Life::Stopped(format!(
            "abide was stopped on purpose {ago} ago, and its services with it; start it again with `abide run`"
        ));
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    if !abide.boot_id.is_empty() && !boot.is_empty() && boot.trim() != abide.boot_id {
        return Life::Gone("no abide runs here: the snapshot is from before the last reboot; start `abide run`".into());
    }
    let heartbeat = Duration::from_millis(abide.heartbeat_interval_ms);
    if is_held(abide, lock, heartbeat.is_zero()) == Some(false) {
        let pid = abide.pid;
        return Life::Gone(format!(
            "abide (pid {pid}) is gone, its last snapshot is of {ago} ago; start `abide run` again"
        ));
    }
    if !heartbeat.is_zero() && age > heartbeat * 3 {
        return Life::Gone(format!(
            "the snapshot is {ago} old and should be renewed every {}: abide (pid {}) hangs or is gone; look at its log, abide.log",
            span(heartbeat),
            abide.pid
        ));
    }
    Life::Alive
}

/// Whether the keeper lives, as far as can be known: by its lock, else, where the age of the file
/// tells nothing, by its pid.
fn is_held(abide: &AbideStatus, lock: Option<&Path>, by_pid: bool) -> Option<bool> {
    let held = lock.and_then(|lock| File::open(lock).ok()).and_then(|file| {
        let mut probe = libc::flock {
            l_type: libc::F_WRLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        fcntl(&file, FcntlArg::F_GETLK(&mut probe)).ok()?;
        Some(probe.l_type != libc::F_UNLCK as libc::c_short)
    });
    held.or_else(|| by_pid.then(|| Path::new("/proc").join(abide.pid.to_string()).exists()))
}
