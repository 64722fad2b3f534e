//! What a service's processes may do, and what they see of the machine.

use serde::Serialize;

/// `[security]`. Texts are templates, as in `command`; with a `chroot` all paths are those within it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
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

    /// Whether it needs mounts of its own.
    pub fn has_mounts(&self) -> bool {
        self.private_tmp || !self.read_only_paths.is_empty() || !self.inaccessible_paths.is_empty()
    }
}
