//! One service: what its files say, normalised, with defaults filled in and names resolved.

use super::check::{Health, Ready};
use super::limits::Limits;
use super::logging::LogPolicy;
use super::name::ServiceName;
use super::policy::{Hooks, Order, ReloadPolicy, RestartPolicy, ServiceType, StopPolicy, UpdatePolicy};
use super::program::Program;
use super::resources::Resources;
use super::schedule::Schedule;
use super::security::Security;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Variables by name, in order.
pub type Environment = BTreeMap<String, String>;

/// One definition, complete: nothing has to be looked up to start it but the program's file.
/// What is serialised is its *meaning*: two services with equal serialisations are the same version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// What kind of entry it comes from.
    pub kind: Kind,
    /// For people; no part of the meaning.
    #[serde(skip)]
    pub description: Option<String>,
    /// Whether it should run at all.
    pub enabled: bool,
    /// How many processes: 0 to 1,000.
    pub instances: u32,
    /// What is executed.
    pub run: Run,
    /// The digest of the executed file where its bytes are part of the meaning: `run` of a legacy directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Version>,
    /// The working directory: a template, absolute once expanded.
    pub directory: String,
    /// As whom it runs.
    pub identity: Identity,
    /// File mode creation mask, 0 to 0o777.
    pub umask: u32,
    /// The variables that every process of it gets first: base, inherited, from files. Shared
    /// between services that have the same.
    pub base: Arc<Environment>,
    /// `environment`: templates over `base` and `ABIDE_INSTANCE`, laid over it.
    pub environment: Environment,
    /// When it is restarted.
    pub restart: RestartPolicy,
    /// How it is stopped.
    pub stop: StopPolicy,
    /// Its resource limits.
    pub limits: Limits,
    /// What becomes of its output.
    pub log: LogPolicy,
    /// What its command is.
    #[serde(rename = "type", default, skip_serializing_if = "ServiceType::is_simple")]
    pub service_type: ServiceType,
    /// The file that is its standard input: a template; `None`: `/dev/null`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// The service whose output is its standard input in place of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<ServiceName>,
    /// What must come first. This and the next: boxed, since most services say nothing of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Box<Order>>,
    /// When it counts as ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Box<Ready>>,
    /// When it counts as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Box<Health>>,
    /// Commands around its life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Box<Hooks>>,
    /// How it takes up a change of its own configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload: Option<Box<ReloadPolicy>>,
    /// How a new version takes its place; `None`: as by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<Box<UpdatePolicy>>,
    /// What its processes together may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Box<Resources>>,
    /// How its processes are scheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Box<Schedule>>,
    /// What its processes may do and see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<Box<Security>>,
    /// What supervisord's clients know of it, if its files are supervisord's. Then its standard input is a pipe that
    /// nobody closes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<Box<Program>>,
    /// Whose files say all this, if not root's or abide's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegated: Option<Box<Delegated>>,
}

/// The delegated source that a service comes from: everything that it causes happens as its user, and it reaches no
/// service of another source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegated {
    /// The directory, as `abide.toml` has it, absolute.
    pub source: String,
}

/// What kind of entry a service comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `NAME.toml`.
    Toml,
    /// `NAME/run`.
    Daemontools,
    /// A section of `NAME.conf` or `NAME.ini`.
    Supervisord,
}

impl Kind {
    /// Whether a process of this kind has what abide itself was started with where its files say nothing else: that is
    /// no part of what they say, and a change of it no change of theirs.
    pub fn inherits(self) -> bool {
        matches!(self, Self::Daemontools | Self::Supervisord)
    }
}

/// What is executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Run {
    /// A program and its arguments: templates.
    Command(Vec<String>),
    /// A text run by `/bin/sh -e`; no template, the shell has its own.
    Script(String),
}

/// As whom a process runs: numbers, and the names that its environment carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary groups, sorted.
    pub groups: Vec<u32>,
    /// Whether the three must be set; false where the service runs as abide's own user, whose
    /// identity it inherits whole.
    pub change: bool,
    /// The user's name, for people.
    pub user: String,
}

/// The digest of a service's meaning: SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub [u8; 32]);

impl Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || serde::de::Error::custom("a digest is `sha256:` and 64 hexadecimal digits");
        let digits = text.strip_prefix("sha256:").filter(|digits| digits.len() == 64).ok_or_else(wrong)?;
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            let pair = digits.get(2 * at..2 * at + 2).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

impl Version {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::{Digest, Sha256};
        Self(Sha256::digest(bytes).into())
    }

    /// The first 16 hexadecimal digits: enough to tell versions of one service apart, and a fifth
    /// less of a snapshot of many.
    pub fn short(&self) -> String {
        hexadecimal(&self.0[..8])
    }
}

impl Service {
    /// Whether its log is written with its user's rights: that of a delegated source in a place that its file names.
    pub fn is_logged_as_its_user(&self) -> bool {
        self.delegated.is_some() && (self.log.directory.is_some() || self.log.files().is_some())
    }

    /// Its version: the digest of its serialised meaning.
    pub fn version(&self) -> Version {
        use sha2::{Digest, Sha256};
        struct Sink(Sha256);
        impl std::io::Write for Sink {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.update(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut sink = Sink(Sha256::new());
        serde_json::to_writer(&mut sink, self).expect("strings, numbers and maps with string keys always serialise");
        Version(sink.0.finalize().into())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        f.write_str(&hexadecimal(&self.0))
    }
}

/// Two digits a byte.
fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |nibble| char::from_digit(u32::from(nibble), 16);
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(digit).collect()
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
