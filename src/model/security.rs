//! What a service's processes may do, and what they see of the machine.

use serde::{Deserialize, Serialize};
use std::path::Path;

/// Directories that `private_tmp` puts others in the place of; the second only if it is there.
pub const PRIVATE: [&str; 2] = ["/tmp", "/var/tmp"];

/// `[security]`. Texts are templates, as in `command`; with a `chroot` all paths are those within it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Security {
    /// No program that it executes gains rights (`PR_SET_NO_NEW_PRIVS`).
    pub no_new_privileges: bool,
    /// The bounding set: bit n is capability n; `None`: as abide has it.
    pub capabilities: Option<u64>,
    /// Capabilities that it has although it is not root: bit n is capability n; `None`: as abide has them.
    pub ambient_capabilities: Option<u64>,
    /// The root of its file system.
    pub chroot: Option<String>,
    /// A `/tmp` and `/var/tmp` of its own, in memory and empty at each start.
    pub private_tmp: bool,
    /// Paths that it cannot write to.
    pub read_only_paths: Vec<String>,
    /// Paths that it cannot look into: a directory is empty, a file as `/dev/null`.
    pub inaccessible_paths: Vec<String>,
    /// A network of its own, with nothing but a loopback.
    pub private_network: bool,
    /// A host name of its own.
    pub hostname: Option<String>,
}

impl Security {
    /// The same with each text expanded by `expand`.
    pub fn expanded<E>(&self, expand: impl Fn(&String) -> Result<String, E>) -> Result<Self, E> {
        let all = |texts: &[String]| texts.iter().map(&expand).collect::<Result<_, _>>();
        Ok(Self {
            chroot: self.chroot.as_ref().map(&expand).transpose()?,
            read_only_paths: all(&self.read_only_paths)?,
            inaccessible_paths: all(&self.inaccessible_paths)?,
            hostname: self.hostname.as_ref().map(&expand).transpose()?,
            ..self.clone()
        })
    }

    /// Its texts.
    pub fn texts(&self) -> impl Iterator<Item = &String> {
        self.chroot.iter().chain(&self.read_only_paths).chain(&self.inaccessible_paths).chain(&self.hostname)
    }

    /// The path that keeps it from seeing `path`, which lies below that. By name alone: links are not followed.
    pub fn hides(&self, path: &Path) -> Option<&str> {
        let own: &[&str] = if self.private_tmp { &PRIVATE } else { &[] };
        let hidden = own.iter().copied().chain(self.inaccessible_paths.iter().map(String::as_str));
        hidden.into_iter().find(|hidden| path != Path::new(hidden) && path.starts_with(hidden))
    }

    /// Whether it needs mounts of its own.
    pub fn has_mounts(&self) -> bool {
        self.private_tmp || !self.read_only_paths.is_empty() || !self.inaccessible_paths.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_below_is_hidden_and_the_place_itself_is_not() {
        let security = Security { inaccessible_paths: vec!["/srv/x".into()], private_tmp: true, ..Security::default() };
        let hides = |path: &str| security.hides(Path::new(path));
        assert_eq!(
            (hides("/tmp/a"), hides("/srv/x/b"), hides("/var/tmp/c/d")),
            (Some("/tmp"), Some("/srv/x"), Some("/var/tmp"))
        );
        assert_eq!((hides("/tmp"), hides("/srv/xy"), hides("/tmpfs/x")), (None, None, None));
    }
}
