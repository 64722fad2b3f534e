//! One watched directory: where it leads, whether it can be trusted to say what should run, and
//! what is to be told about it.

use super::delegation::{self, Delegation};
use super::entry::shown;
use super::open::{Directory, Link, OpenError};
use super::trust::Trust;
use super::watch::{Want, Which};
use crate::host::sys::eyes::Eyes;
use crate::model::desired::Permit;
use crate::model::order::Hold;
use crate::model::service::{Identity, Version};
use crate::model::status::{Mechanism, SourceState, SourceStatus};
use crate::model::time::Wall;
use nix::unistd::{Uid, User};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A watched directory.
#[derive(Debug)]
pub(super) struct Root {
    /// As given.
    pub(super) given: PathBuf,
    /// Open while there is something to do in it, and only then: else its file system could not be unmounted.
    pub(super) directory: Option<Directory>,
    /// Where it was last found; `None` while it cannot be read.
    known: Option<Known>,
    /// Which directory last spoke for it.
    pub(super) id: Option<(u64, u64)>,
    /// Why it says nothing, if so.
    pub(super) silent: Option<(SourceState, String)>,
    /// Why it is polled, if so.
    pub(super) polled: Option<String>,
    /// The files that have a folder of drop-ins.
    pub(super) drop_ins: HashSet<OsString>,
    /// It holds a file `.abide-hold`.
    pub(super) hold: Option<Hold>,
    /// What its file `.abide-allow-removals` says.
    pub(super) permit: Option<Permit>,
    pub(super) last_event: Option<Wall>,
    pub(super) last_scan: Option<Wall>,
    pub(super) scan_time: Duration,
    pub(super) overflows: u64,
    pub(super) missed: u64,
    /// How many background scans there were.
    pub(super) scans: u64,
    /// Which of them last found what no event had told.
    missed_at: Option<u64>,
    /// Why its events are not to be relied on.
    pub(super) distrusted: Option<String>,
    pub(super) is_marked: bool,
    /// The user that it is handed to, if it is to one.
    delegation: Option<(Arc<Delegation>, Trust)>,
}

/// What is known of a directory that is not open.
#[derive(Debug)]
struct Known {
    /// Absolute, links resolved.
    path: PathBuf,
    links: Vec<Link>,
}

impl Root {
    /// Not looked at yet.
    pub(super) fn new(given: PathBuf) -> Self {
        Self {
            given,
            directory: None,
            known: None,
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
            scans: 0,
            missed_at: None,
            distrusted: None,
            is_marked: false,
            delegation: None,
        }
    }

    /// From now on it is handed to this user, or to none; whether that is new.
    pub(super) fn delegate(&mut self, delegation: Option<&Arc<Delegation>>) -> bool {
        if self.delegation() == delegation {
            return false;
        }
        self.delegation = delegation.map(|it| (Arc::clone(it), Trust::new(it.identity().uid)));
        true
    }

    /// The user that it is handed to.
    pub(super) fn delegation(&self) -> Option<&Arc<Delegation>> {
        self.delegation.as_ref().map(|(delegation, _)| delegation)
    }

    /// Who is trusted with what lies in it: `own` with an own source.
    pub(super) fn trust<'a>(&'a self, own: &'a Trust) -> &'a Trust {
        self.delegation.as_ref().map_or(own, |(_, trust)| trust)
    }

    /// Asks anew who is in which group.
    pub(super) fn refresh(&self) {
        if let Some((_, trust)) = &self.delegation {
            trust.refresh();
        }
    }

    /// As long as what this gives is kept, this thread sees what may be seen by whoever speaks there.
    pub(super) fn eyes(&self) -> Result<Option<Eyes>, (SourceState, String)> {
        let Some(delegation) = self.delegation() else { return Ok(None) };
        let Identity { uid, gid, groups, user, .. } = delegation.identity();
        Eyes::of(*uid, *gid, groups).map(Some).map_err(|error| {
            (SourceState::Suspect, format!("abide cannot look at it as {user}: {error}; only root can"))
        })
    }

    /// Walks to it anew. To be called with its eyes.
    pub(super) fn open(&self, own: &Trust) -> Result<Directory, (SourceState, String)> {
        let trust = self.trust(own);
        Directory::open(&self.given, trust).map_err(|error| match error {
            OpenError::Absent => (SourceState::Absent, "it is not there; create it, or mount what holds it".into()),
            OpenError::Refused(refusal) => {
                let help = self.how_to_delegate(trust).unwrap_or_else(|| refusal.help.clone());
                (SourceState::Suspect, format!("{}; {help}", refusal.why))
            }
            error => (SourceState::Suspect, error.to_string()),
        })
    }

    /// The lines by which root would hand it to the user that it belongs to.
    fn how_to_delegate(&self, trust: &Trust) -> Option<String> {
        let owner = std::fs::metadata(&self.given).ok()?.uid();
        if trust.uid() != 0 || owner == 0 || self.delegation.is_some() {
            return None;
        }
        let name = User::from_uid(Uid::from_raw(owner)).ok().flatten().map_or(owner.to_string(), |user| user.name);
        let path = std::path::absolute(&self.given).ok()?;
        let lines = delegation::lines(&path, &name);
        Some(format!("to have what its files say done as {name}, write this into abide.toml:\n{lines}"))
    }

    /// The directory, if it speaks.
    pub(super) fn speaking(&self) -> Option<&Directory> {
        self.directory.as_ref().filter(|_| self.silent.is_none())
    }

    /// Whether its path still leads to the directory that last spoke for it.
    pub(super) fn is_where_it_was(&self, own: &Trust) -> bool {
        let Ok(_eyes) = self.eyes() else { return false };
        Directory::open(&self.given, self.trust(own)).is_ok_and(|found| Some(found.id) == self.id)
    }

    /// Whether it must be looked at again and again.
    pub(super) fn needs_polling(&self) -> bool {
        self.silent.is_some() || self.polled.is_some()
    }

    /// It was found there.
    pub(super) fn found(&mut self, directory: Directory) {
        self.known = Some(Known { path: directory.path.clone(), links: directory.links.clone() });
        self.directory = Some(directory);
    }

    /// It cannot be read.
    pub(super) fn lost(&mut self) {
        (self.directory, self.known) = (None, None);
    }

    /// There is something to do in it: it is opened again. Says whether it is where it was.
    pub(super) fn reopen(&mut self, own: &Trust) -> bool {
        if self.directory.is_some() || self.known.is_none() {
            return true;
        }
        let Ok(_eyes) = self.eyes() else { return false };
        self.directory = Directory::open(&self.given, self.trust(own)).ok().filter(|found| Some(found.id) == self.id);
        self.directory.is_some()
    }

    /// There is nothing to do in it any more.
    pub(super) fn release(&mut self) {
        self.directory = None;
    }

    /// The names whose change may make its path lead elsewhere.
    pub(super) fn ways(&self) -> Vec<Want> {
        let Some(known) = &self.known else { return nearest(&self.given).into_iter().collect() };
        let links = known.links.iter().map(|link| (link.directory.clone(), Which::One(link.name.clone())));
        links.chain(last_step(&known.path)).collect()
    }

    /// A background scan found what no event had told. Twice in a row is once too often.
    pub(super) fn missed_one(&mut self) {
        self.missed += 1;
        if self.missed_at.is_some_and(|at| at + 1 == self.scans) {
            let reason = "two scans in a row found changes that no event had told: changes are found every 2 s";
            self.distrusted.get_or_insert_with(|| reason.to_owned());
        }
        self.missed_at = Some(self.scans);
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
            resolved: self.known.as_ref().map(|known| shown(known.path.as_os_str())),
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
            run_as: self.delegation().map(|delegation| delegation.identity().user.clone()),
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
