//! Files to desired state. Reports what they say; does not judge what follows.
//!
//! [`worker`](self) reads files as they settle, `load` makes an [`Entry`] of what was read.

mod catalogue;
pub mod config;
pub mod configuration;
mod confine;
mod daemontools;
pub mod delegation;
pub mod entry;
mod follow;
mod environment;
mod identity;
mod life;
pub mod load;
mod logging;
mod look;
mod merge;
pub mod once;
pub mod open;
mod order;
mod pattern;
mod preflight;
pub mod read;
mod root;
mod scan;
mod schedule;
pub mod settle;
pub mod supervisord;
pub mod toml;
pub mod trust;
mod watch;
mod words;
pub mod worker;

use crate::model::desired::{Entry, Home};
use crate::model::diagnostic::Diagnostic;
use crate::model::limits::Ceilings;
use crate::model::name::ServiceName;
use crate::model::service::Environment;
use crate::model::service::Kind;
use delegation::Delegation;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One file, opened once and read whole; everything said about it comes from that one opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// As shown to people.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The files of one service, or of as many as one of supervisord's files has, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Material {
    /// `NAME.toml` and its drop-ins in order of name.
    Toml {
        /// The file.
        main: Text,
        /// `NAME.toml.d/*.toml`.
        drop_ins: Vec<Text>,
    },
    /// A directory with an executable `run`, and its `log/`, if that is another.
    Daemontools {
        /// The directory.
        service: ServiceDirectory,
        /// `log/` in it.
        log: Option<ServiceDirectory>,
    },
    /// `NAME.conf` or `NAME.ini`.
    Supervisord(Box<Programs>),
}

/// A file of supervisord, and what belongs to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Programs {
    /// The file, then those that its `[include]` names.
    pub texts: Vec<Text>,
    /// Patterns of `[include]` that nothing matches.
    pub unmatched: Vec<String>,
    /// `NAME.conf.d/*.toml`.
    pub drop_ins: Vec<Text>,
    /// What its sections last were.
    pub known: Known,
}

/// The services of each section of a file that was good once: which of them a bad one concerns.
pub type Known = BTreeMap<String, BTreeSet<ServiceName>>;

/// What files amount to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Services, or what fails to be one.
    pub entries: Vec<(ServiceName, Entry)>,
    /// What is wrong, or worth a warning, and concerns none of them.
    pub problems: Vec<Diagnostic>,
}

impl From<(ServiceName, Entry)> for Loaded {
    fn from(entry: (ServiceName, Entry)) -> Self {
        Self { entries: vec![entry], problems: Vec::new() }
    }
}

/// A directory with an executable `run`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceDirectory {
    /// The directory, as shown to people.
    pub shown: PathBuf,
    /// The directory, absolute, links resolved.
    pub path: PathBuf,
    /// Which one it is.
    pub home: Box<Home>,
    /// Whether it holds `down`.
    pub down: bool,
    /// What `run` is: the bytes that its digest covers.
    pub run: Text,
    /// What else counts: files of runit and s6, and the beginnings of those that are texts.
    pub parts: Vec<(&'static str, Text)>,
}

impl Material {
    /// A digest of all that is read of it (FNV-1a): tells whether it is what it was, and no more.
    pub fn digest(&self) -> u64 {
        let bytes = self.texts().flat_map(|text| &text.bytes);
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
    }

    /// Bytes of all that was read of it.
    pub fn size(&self) -> u64 {
        self.texts().map(|text| text.bytes.len() as u64).sum()
    }

    fn texts(&self) -> impl Iterator<Item = &Text> {
        let (first, others) = match self {
            Self::Toml { main, drop_ins } => (std::slice::from_ref(main), drop_ins.as_slice()),
            Self::Daemontools { service, .. } => (std::slice::from_ref(&service.run), &[][..]),
            Self::Supervisord(programs) => (programs.texts.as_slice(), programs.drop_ins.as_slice()),
        };
        first.iter().chain(others)
    }

    /// The file that stands for it, as shown to people.
    pub fn file(&self) -> &Path {
        match self {
            Self::Toml { main, .. } => &main.path,
            Self::Daemontools { service, .. } => &service.shown,
            Self::Supervisord(programs) => programs.texts.first().map_or(Path::new(""), |text| &text.path),
        }
    }

    /// What kind of entry it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Toml { .. } => Kind::Toml,
            Self::Daemontools { .. } => Kind::Daemontools,
            Self::Supervisord(_) => Kind::Supervisord,
        }
    }
}

/// What loading needs to know of the machine and of abide itself; read once.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// What limits can be had.
    pub ceilings: Ceilings,
    /// The environment that abide was started with, less what belongs to abide alone.
    pub environment: Environment,
    /// Effective uid of abide.
    pub uid: u32,
    /// The file mode creation mask that abide was started with.
    pub umask: u32,
    /// Whether abide is PID 1, whose environment is the configuration of its container.
    pub is_init: bool,
    /// Whether to look at the machine (program, directory, environment files, limits); false reads
    /// the text alone, as for the old side of a plan.
    pub preflight: bool,
    /// Whether to say also what is no fault but worth a thought: to whoever asks, not to the log of
    /// whoever has long decided.
    pub advise: bool,
    /// Who speaks, if it is not root or abide's own user.
    pub delegation: Option<Arc<Delegation>>,
}

/// Variables that belong to whoever supervises abide itself and are no business of services.
const OURS: [&str; 6] =
    ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];

/// The surroundings of this process. `is_init`: whether its keeper is PID 1.
pub fn surroundings(ceilings: Ceilings, is_init: bool, preflight: bool) -> Surroundings {
    let named = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    let environment =
        std::env::vars_os().filter_map(named).filter(|(name, _)| !OURS.contains(&name.as_str())).collect();
    let uid = nix::unistd::geteuid().as_raw();
    let umask = umask().unwrap_or(0o022);
    Surroundings { ceilings, environment, uid, umask, is_init, preflight, advise: false, delegation: None }
}

/// That of this process: umask(2) tells it only to who changes it.
fn umask() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(mask.trim(), 8).ok()
}

/// Where `abide.toml` lies, or would: as named, else beside the first watched directory as given.
pub fn config_path(named: Option<&Path>, first: &Path) -> PathBuf {
    if let Some(named) = named {
        return named.to_owned();
    }
    let absolute = std::path::absolute(first).unwrap_or_else(|_| first.to_owned());
    match (first.parent(), absolute.parent()) {
        (Some(parent), _) if !parent.as_os_str().is_empty() => parent.join("abide.toml"),
        (_, Some(parent)) if first.as_os_str() == "." => parent.join("abide.toml"),
        // The root has no parent; it is its own, as `..` there has it.
        (None, None) => absolute.join("abide.toml"),
        _ => "abide.toml".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abide_toml_lies_beside_the_first_directory_as_given() {
        let of = |first: &str| config_path(None, Path::new(first));
        assert_eq!(of("conf/services.d"), Path::new("conf/abide.toml"));
        assert_eq!(of("services.d"), Path::new("abide.toml"));
        assert_eq!(of("/services.d"), Path::new("/abide.toml"));
        assert_eq!(of("/"), Path::new("/abide.toml"));
        assert_eq!(config_path(Some(Path::new("/etc/a.toml")), Path::new("x")), Path::new("/etc/a.toml"));
    }
}
