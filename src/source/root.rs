//! One watched directory: where it leads, whether it can be trusted to say what should run, and
//! what is to be told about it.

use super::entry::shown;
use super::open::{Directory, OpenError};
use super::trust::Trust;
use super::watch::{Want, Which};
use crate::model::desired::Permit;
use crate::model::name::ServiceName;
use crate::model::order::Hold;
use crate::model::service::Version;
use crate::model::status::{Mechanism, SourceState, SourceStatus};
use crate::model::time::Wall;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A watched directory.
#[derive(Debug)]
pub(super) struct Root {
    /// As given.
    pub(super) given: PathBuf,
    /// Where it was last found; `None` while it cannot be read.
    pub(super) directory: Option<Directory>,
    /// Which directory last spoke for it.
    pub(super) id: Option<(u64, u64)>,
    /// Why it says nothing, if so.
    pub(super) silent: Option<(SourceState, String)>,
    /// Why it is polled, if so.
    pub(super) polled: Option<String>,
    /// The services that have a `NAME.toml.d`.
    pub(super) drop_ins: HashSet<ServiceName>,
    /// It holds a file `.abide-hold`.
    pub(super) hold: Option<Hold>,
    /// What its file `.abide-allow-removals` says.
    pub(super) permit: Option<Permit>,
    pub(super) last_event: Option<Wall>,
    pub(super) last_scan: Option<Wall>,
    pub(super) scan_time: Duration,
    pub(super) overflows: u64,
    pub(super) missed: u64,
    pub(super) is_marked: bool,
}

impl Root {
    /// Not looked at yet.
    pub(super) fn new(given: PathBuf) -> Self {
        Self {
            given,
            directory: None,
            id: None,
            silent: None,
            polled: None,
            drop_ins: HashSet::new(),
            hold: None,
            permit: None,
            last_event: None,
            last_scan: None,
            scan_time: Duration::ZERO,
            overflows: 0,
            missed: 0,
            is_marked: false,
        }
    }

    /// Walks to it anew.
    pub(super) fn open(&self, trust: &Trust) -> Result<Directory, (SourceState, String)> {
        Directory::open(&self.given, trust).map_err(|error| match error {
            OpenError::Absent => (SourceState::Absent, "it is not there; create it, or mount what holds it".into()),
            OpenError::Refused(refusal) => (SourceState::Suspect, format!("{}; {}", refusal.why, refusal.help)),
            error => (SourceState::Suspect, error.to_string()),
        })
    }

    /// The directory, if it speaks.
    pub(super) fn speaking(&self) -> Option<&Directory> {
        self.directory.as_ref().filter(|_| self.silent.is_none())
    }

    /// Whether its path still leads to the directory that last spoke for it.
    pub(super) fn is_where_it_was(&self, trust: &Trust) -> bool {
        Directory::open(&self.given, trust).is_ok_and(|found| Some(found.id) == self.id)
    }

    /// Whether it must be looked at again and again.
    pub(super) fn needs_polling(&self) -> bool {
        self.silent.is_some() || self.polled.is_some()
    }

    /// The names whose change may make its path lead elsewhere.
    pub(super) fn ways(&self) -> Vec<Want> {
        let Some(directory) = &self.directory else { return nearest(&self.given).into_iter().collect() };
        let links = directory.links.iter().map(|link| (link.directory.clone(), Which::One(link.name.clone())));
        links.chain(last_step(&directory.path)).collect()
    }

    /// What is told about it.
    pub(super) fn status(&self, entries: u64) -> SourceStatus {
        let (state, reason) = match (&self.silent, &self.polled) {
            (Some((state, reason)), _) => (*state, Some(reason.clone())),
            (None, Some(reason)) => (SourceState::Degraded, Some(reason.clone())),
            (None, None) => (SourceState::Ok, None),
        };
        SourceStatus {
            path: shown(self.given.as_os_str()),
            resolved: self.directory.as_ref().map(|directory| shown(directory.path.as_os_str())),
            state,
            mechanism: if self.needs_polling() { Mechanism::Poll } else { Mechanism::Inotify },
            reason,
            entries,
            last_event_at: self.last_event,
            last_full_scan_at: self.last_scan,
            scan_ms: u64::try_from(self.scan_time.as_millis()).unwrap_or(u64::MAX),
            overflows: self.overflows,
            missed_by_watch: self.missed,
            hold: self.hold.clone(),
        }
    }
}

/// The same but for what changes without meaning anything.
pub(super) fn steady(status: &SourceStatus) -> SourceStatus {
    SourceStatus { last_event_at: None, last_full_scan_at: None, scan_ms: 0, ..status.clone() }
}

/// The name of a directory in the one that holds it.
pub(super) fn last_step(path: &Path) -> Option<Want> {
    Some((path.parent()?.to_owned(), Which::One(path.file_name()?.to_owned())))
}

/// The name in the nearest directory that is there whose appearance may bring `path`.
pub(super) fn nearest(path: &Path) -> Option<Want> {
    let absolute = std::path::absolute(path).ok()?;
    absolute.ancestors().find_map(|at| {
        // In a file that lies in the way nothing appears.
        let parent = at.parent()?.canonicalize().ok().filter(|parent| parent.is_dir())?;
        Some((parent, Which::One(at.file_name()?.to_owned())))
    })
}

/// Which directories something was ever accepted from: small files, one a path.
#[derive(Debug)]
pub(super) struct Markers(Option<PathBuf>);

impl Markers {
    /// In a folder of the state directory; without one nothing is remembered.
    pub(super) fn new(state: Option<&Path>) -> Self {
        Self(state.map(|state| state.join("sources")))
    }

    /// Whether something was ever accepted from `path`.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.file(path).is_some_and(|file| file.exists())
    }

    /// Something was.
    pub(super) fn set(&self, path: &Path) -> std::io::Result<()> {
        let Some(file) = self.file(path) else { return Ok(()) };
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(file, path.as_os_str().as_encoded_bytes())
    }

    fn file(&self, path: &Path) -> Option<PathBuf> {
        let absolute = std::path::absolute(path).ok()?;
        let digest = Sha256::digest(absolute.as_os_str().as_encoded_bytes());
        let text = Version(digest.into()).to_string();
        Some(self.0.as_ref()?.join(text.trim_start_matches("sha256:")))
    }
}

/// The wall clock, for showing.
pub(super) fn wall() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
