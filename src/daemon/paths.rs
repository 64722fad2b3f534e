//! Where everything lies: the one list of locations (contract, section 6).

use crate::host::doctor::Directories;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What the command line and the environment say about locations.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--runtime-dir`
    pub runtime: Option<PathBuf>,
    /// `--state-dir`
    pub state: Option<PathBuf>,
    /// `--log-dir`
    pub log: Option<PathBuf>,
}

/// The locations in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// `abide.toml`, if named.
    pub config: Option<PathBuf>,
    /// Snapshot and sockets.
    pub runtime: PathBuf,
    /// What must outlive a boot.
    pub state: PathBuf,
    /// Output of services and abide's own log.
    pub log: PathBuf,
    /// Table, lock and FIFOs: must live exactly as long as the boot and its processes. As a user
    /// not under the runtime directory, which goes at the last log-out while services run on.
    pub table: PathBuf,
}

/// Why the locations cannot be settled.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// Neither HOME nor the password file knows where a user's state belongs.
    #[error("cannot tell your home directory: set HOME, or name --state-dir and --log-dir")]
    NoHome,
    /// The boot id cannot be read.
    #[error("cannot read the boot id from /proc: mount /proc")]
    BootId(#[source] io::Error),
    /// A directory cannot be made.
    #[error("cannot make the directory {path}: make it, or name another with {option}")]
    Make {
        /// Which one.
        path: PathBuf,
        /// The option that moves it.
        option: &'static str,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// A directory exists and belongs to somebody else.
    #[error("{path} belongs to uid {owner}, not to you: remove it, or name another with {option}")]
    Foreign {
        /// Which one.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The option that moves it.
        option: &'static str,
    },
}

impl Places {
    /// The locations for a process of this uid with this environment.
    pub fn resolve(wishes: Wishes, uid: u32, environment: impl Fn(&str) -> Option<String>) -> Result<Self, PathError> {
        let boot_id = boot_id().map_err(PathError::BootId)?;
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        let Wishes { config, runtime, state, log } = wishes;
        let (runtime, state, log) = (runtime.map(absolute), state.map(absolute), log.map(absolute));
        if uid == 0 {
            let runtime = runtime.unwrap_or_else(|| "/run/abide".into());
            let state = state.unwrap_or_else(|| "/var/lib/abide".into());
            let log = log.unwrap_or_else(|| "/var/log/abide".into());
            return Ok(Self { config, table: runtime.clone(), runtime, state, log });
        }
        let directory = |name: &str| environment(name).filter(|path| path.starts_with('/')).map(PathBuf::from);
        let runtime = runtime.unwrap_or_else(|| match directory("XDG_RUNTIME_DIR") {
            Some(base) => base.join("abide"),
            None => format!("/tmp/abide-{uid}").into(),
        });
        let state = match state {
            Some(state) => state,
            None => match directory("XDG_STATE_HOME") {
                Some(base) => base.join("abide"),
                None => home(uid, &environment).ok_or(PathError::NoHome)?.join(".local/state/abide"),
            },
        };
        let log = log.unwrap_or_else(|| state.join("log"));
        Ok(Self { config, table: state.join(boot_id), runtime, state, log })
    }

    /// Locations of its own for an abide in a guise: below the directory where an abide without one has its own, which is
    /// made if need be. Nothing of it is anybody else's, and all of it goes with the boot, as far as it goes by itself.
    pub fn apart(name: &str, uid: u32, environment: impl Fn(&str) -> Option<String>) -> Result<Self, PathError> {
        let named = environment("ABIDE_RUNTIME_DIR").filter(|path| !path.is_empty()).map(PathBuf::from);
        // The others are of no interest here, and it shall not matter that there is no HOME.
        let unused = Some(PathBuf::from("/"));
        let common = Wishes { runtime: named, state: unused.clone(), log: unused, ..Wishes::default() };
        let common = Self::resolve(common, uid, environment)?.runtime;
        make(&common, if uid == 0 { 0o755 } else { 0o700 }, uid, "ABIDE_RUNTIME_DIR")?;
        let own = common.join(name);
        let wishes = Wishes {
            config: Some(own.join("abide.toml")),
            state: Some(own.join("state")),
            log: Some(own.join("log")),
            runtime: Some(own),
        };
        Self::resolve(wishes, uid, |_| None)
    }

    /// Makes what is missing, and refuses what belongs to somebody else.
    pub fn make(&self, uid: u32) -> Result<(), PathError> {
        make(&self.runtime, if uid == 0 { 0o755 } else { 0o700 }, uid, "--runtime-dir")?;
        make(&self.state, 0o700, uid, "--state-dir")?;
        make(&self.log, 0o750, uid, "--log-dir")?;
        make(&self.table, if self.table == self.runtime { 0o755 } else { 0o700 }, uid, "--state-dir")?;
        self.forget_earlier_boots();
        Ok(())
    }

    /// The lock that the keeper holds for as long as it lives.
    pub fn lock(&self) -> PathBuf {
        self.table.join("lock")
    }

    /// Those that users see.
    pub fn directories(&self) -> Directories {
        Directories { runtime: self.runtime.clone(), state: self.state.clone(), log: self.log.clone() }
    }

    /// One FIFO a slot.
    pub fn pipes(&self) -> PathBuf {
        self.table.join("pipes")
    }

    /// A user's tables are named by boot; those of earlier boots tell nothing any more and hold
    /// preallocated space. That one cannot be removed does no harm.
    fn forget_earlier_boots(&self) {
        let Some(current) = self.table.file_name().filter(|_| self.table != self.runtime) else { return };
        let Ok(entries) = std::fs::read_dir(&self.state) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let is_boot_id = name.len() == 36 && name.to_str().is_some_and(|n| n.split('-').count() == 5);
            if is_boot_id && name != current && entry.path().join("lock").exists() {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// The id of this boot, as `/proc/sys/kernel/random/boot_id` has it.
pub fn boot_id() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

fn home(uid: u32, environment: &impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let named = environment("HOME").filter(|home| home.starts_with('/')).map(PathBuf::from);
    named.or_else(|| Some(nix::unistd::User::from_uid(uid.into()).ok()??.dir)).filter(|home| home.is_absolute())
}

fn make(path: &Path, mode: u32, uid: u32, option: &'static str) -> Result<(), PathError> {
    let failed = |source| PathError::Make { path: path.to_owned(), option, source };
    match std::fs::DirBuilder::new().mode(mode).create(path) {
        // The umask may have taken bits that monitoring needs.
        Ok(()) => return std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // In /proc nothing can be made, and the kernel's word for that is "not found".
            let parent = match path.parent() {
                Some(parent) if !parent.is_dir() => parent,
                _ => return Err(failed(error)),
            };
            std::fs::DirBuilder::new().recursive(true).mode(0o755).create(parent).map_err(failed)?;
            return make(path, mode, uid, option);
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    let found = std::fs::symlink_metadata(path).map_err(failed)?;
    // A link in place of the directory is judged by what it leads to, as the administrator's choice,
    // except under a directory that everybody may write, where it could be anybody's.
    let found = if found.is_symlink() && found.uid() == uid { std::fs::metadata(path).map_err(failed)? } else { found };
    if !found.is_dir() {
        return Err(failed(io::Error::from(io::ErrorKind::NotADirectory)));
    }
    if found.uid() != uid {
        return Err(PathError::Foreign { path: path.to_owned(), owner: found.uid(), option });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        move |name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
    }

    #[test]
    fn root_has_the_system_places_and_a_user_the_xdg_ones() {
        let root = Places::resolve(Wishes::default(), 0, environment(&[])).expect("resolves");
        assert_eq!((root.runtime.as_path(), root.table.as_path()), (Path::new("/run/abide"), Path::new("/run/abide")));
        let variables = &[("XDG_RUNTIME_DIR", "/run/user/7"), ("XDG_STATE_HOME", "/s"), ("HOME", "/h")];
        let user = Places::resolve(Wishes::default(), 7, environment(variables)).expect("resolves");
        assert_eq!(user.runtime, Path::new("/run/user/7/abide"));
        assert_eq!(user.log, Path::new("/s/abide/log"));
        assert!(user.table.starts_with("/s/abide") && user.table != user.state);
        let bare = Places::resolve(Wishes::default(), 7, environment(&[("HOME", "/h")])).expect("resolves");
        assert_eq!(bare.runtime, Path::new("/tmp/abide-7"));
        assert_eq!(bare.state, Path::new("/h/.local/state/abide"));
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_an_error_that_names_the_option() {
        let error = make(Path::new("/proc/abide"), 0o755, 0, "--runtime-dir").expect_err("nobody can");
        assert!(error.to_string().contains("--runtime-dir"), "{error}");
    }

    #[test]
    fn options_move_each_place_and_the_log_follows_a_users_state() {
        let wishes = Wishes { state: Some("/x".into()), ..Wishes::default() };
        let user = Places::resolve(wishes, 7, environment(&[("HOME", "/h")])).expect("resolves");
        assert_eq!((user.state.as_path(), user.log.as_path()), (Path::new("/x"), Path::new("/x/log")));
    }
}
