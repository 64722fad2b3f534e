//! What the files say, entry by entry, and what changed in it.

use super::diagnostic::{Diagnostic, Place};
use super::name::ServiceName;
use super::service::{Delegated, Kind, Service, Version};
use super::status::{IgnoredEntry, SourceStatus};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// What one name in the watched directories amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The file that defines it, as shown to people.
    pub file: PathBuf,
    /// Drop-ins merged over it, in order.
    pub drop_ins: Vec<PathBuf>,
    /// What kind of entry it is.
    pub kind: Kind,
    /// SHA-256 of the file's bytes, when it could be read.
    pub file_hash: Option<Version>,
    /// The definition, if all that was read is good. With `None` the last good one stays in force.
    pub service: Option<Arc<Definition>>,
    /// Errors (then `service` is `None`) and warnings.
    pub diagnostics: Vec<Diagnostic>,
    /// Files beside these that its meaning depends on: those of `environment_files`.
    pub inputs: Vec<PathBuf>,
    /// The delegated source that it lies in, if it does in one.
    pub delegated: Option<Box<Delegated>>,
}

/// A good definition with its digest, computed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The definition.
    pub service: Service,
    /// [`Service::version`] of it.
    pub version: Version,
    /// Where it names other services. Whether those exist is known only to who knows all entries.
    pub named: Box<[Named]>,
    /// It runs as root, and nobody wrote that down.
    pub unnamed_root: bool,
    /// Which directory it is, if it is a legacy one; no part of the meaning.
    pub home: Option<Box<Home>>,
}

/// A directory, whatever it is called. One that is renamed is the same, and so is one behind another link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Home {
    /// Its device.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
    /// When it was made, in nanoseconds, since the inode of one that is gone goes to the next. `None`: its file system
    /// does not say.
    pub born: Option<u64>,
}

impl From<Service> for Definition {
    fn from(service: Service) -> Self {
        Self { version: service.version(), service, named: Box::default(), unnamed_root: false, home: None }
    }
}

/// One place where a service's files name another service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The key, dotted: `requires`, `restart.on_give_up`.
    pub key: &'static str,
    /// Whom.
    pub name: ServiceName,
    /// The file that says so: its own, a drop-in, or the defaults.
    pub file: PathBuf,
    /// Where in it.
    pub place: Option<Place>,
}

/// A file `.abide-allow-removals`: the services that may be removed, however many they are. Each use of it is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    /// Which file with which content: inode and hash.
    pub id: String,
    /// The services.
    pub names: Vec<ServiceName>,
    /// In which delegated source it lies, if it does in one: only of that one's services it speaks.
    pub delegated: Option<Delegated>,
}

/// The names whose entry changed since the last delta, and the facts about the sources as they
/// now stand. What is settled is settled before: a delta is never early.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    /// Each name once; `None`: its entry is gone, grace included.
    pub changes: Vec<(ServiceName, Option<Entry>)>,
    /// All sources, when anything about one changed.
    pub sources: Option<Vec<SourceStatus>>,
    /// All ignored entries and those that can be no service, when anything about them changed.
    pub ignored: Option<Vec<IgnoredEntry>>,
    /// Errors that belong to no service: bad names, `abide.toml`, duplicates. All of them, when anything changed.
    pub problems: Option<Vec<Diagnostic>>,
    /// What went under the first name and came under the second.
    pub renamed: Vec<(ServiceName, ServiceName)>,
    /// All files that say which services may be removed, when anything about one changed.
    pub permits: Option<Vec<Permit>>,
    /// Names of which it is not settled yet what they are: of those that are in no delta so far. Empty once all was
    /// settled, and from then on.
    pub unsettled: Vec<ServiceName>,
    /// Grows by one whenever the content of the desired state changes.
    pub generation: u64,
}
