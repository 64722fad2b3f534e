//! What a legal name is, in one place.

use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The longest legal service name, in bytes.
pub const MAX_NAME: usize = 128;

/// The name of a service: `[A-Za-z0-9][A-Za-z0-9._-]*`, at most [`MAX_NAME`] bytes, and not
/// beginning with `abide`, which is kept for abide's own files beside those of services. Of one in a group of supervisord
/// it is two such names with a colon between them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(with = "String")]
#[serde(try_from = "String", into = "String")]
pub struct ServiceName(Arc<str>);

/// Why a string is no service name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Nothing is left of the name.
    #[error("a service needs a name")]
    Empty,
    /// More than [`MAX_NAME`] bytes.
    #[error("a service name has at most {MAX_NAME} bytes, this one has {0}")]
    TooLong(usize),
    /// A character outside the legal set.
    #[error(
        "a service name begins with a letter or digit and goes on with letters, digits, `.`, `_` and `-`; {0:?} is none of them"
    )]
    Character(char),
    /// Begins with `abide`.
    #[error("names that begin with `abide` are kept for abide's own files")]
    Reserved,
}

impl ServiceName {
    /// Checks a name.
    pub fn new(name: &str) -> Result<Self, BadName> {
        let first = name.chars().next().ok_or(BadName::Empty)?;
        if name.len() > MAX_NAME {
            return Err(BadName::TooLong(name.len()));
        }
        if !first.is_ascii_alphanumeric() {
            return Err(BadName::Character(first));
        }
        let legal = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let (group, process) = name.split_once(':').unwrap_or((name, "x"));
        let first_of_process = process.chars().next().filter(char::is_ascii_alphanumeric);
        let bad = group.chars().chain(process.chars()).find(|c| !legal(c));
        if let Some(bad) = bad.or(Some(':').filter(|_| first_of_process.is_none())) {
            return Err(BadName::Character(bad));
        }
        if name.starts_with("abide") {
            return Err(BadName::Reserved);
        }
        Ok(Self(name.into()))
    }

    /// The same of what has no group: a file, or a directory.
    pub fn alone(name: &str) -> Result<Self, BadName> {
        if name.contains(':') { Err(BadName::Character(':')) } else { Self::new(name) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ServiceName {
    type Error = BadName;
    fn try_from(name: String) -> Result<Self, BadName> {
        Self::new(&name)
    }
}

impl From<ServiceName> for String {
    fn from(name: ServiceName) -> Self {
        name.as_str().to_owned()
    }
}

impl Borrow<str> for ServiceName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One process slot of a service: `NAME@n`. Shown as plain `NAME` where the service has only one
/// instance; that is a matter of rendering, the identity is always the pair.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId {
    /// The service it belongs to.
    pub service: ServiceName,
    /// 0 to `instances` - 1.
    pub index: u32,
}

impl InstanceId {
    /// The instance `index` of `service`.
    pub fn new(service: ServiceName, index: u32) -> Self {
        Self { service, index }
    }

    /// A digest of it (FNV-1a), the same in every version of abide; never 0.
    pub fn digest(&self) -> u64 {
        let bytes = self.service.as_str().bytes().chain([b'@']).chain(self.index.to_le_bytes());
        let fold = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        bytes.fold(0xcbf2_9ce4_8422_2325, fold).max(1)
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.service, self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_names_pass_and_others_say_why() {
        for good in ["a", "0", "web-1.2_x", "web:web_00", &"n".repeat(MAX_NAME)] {
            assert!(ServiceName::new(good).is_ok(), "{good}");
        }
        assert_eq!(ServiceName::new(""), Err(BadName::Empty));
        assert_eq!(ServiceName::new("-rf"), Err(BadName::Character('-')));
        assert_eq!(ServiceName::new("a b"), Err(BadName::Character(' ')));
        assert_eq!(ServiceName::new("a\nb"), Err(BadName::Character('\n')));
        for bad in ["a:", ":a", "a:b:c", "a:-b"] {
            assert_eq!(ServiceName::new(bad), Err(BadName::Character(':')), "{bad}");
        }
        assert_eq!(ServiceName::alone("a:b"), Err(BadName::Character(':')));
        assert_eq!(ServiceName::new("abide.log"), Err(BadName::Reserved));
        assert_eq!(ServiceName::new(&"n".repeat(129)), Err(BadName::TooLong(129)));
    }
}
