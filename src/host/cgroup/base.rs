//! Where one abide keeps the groups of its services, and its own processes beside them.
//!
//! The name comes from the directory of the table, of which one abide at a time has the lock: no two
//! that live have the same, and the next one there finds what a dead one left.

use super::ground::Ground;
use super::group;
use crate::model::resources::Controller;
use nix::sys::stat::fstat;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

/// What the name of the group of our own processes ends with.
pub(super) const OWN: &str = ".own";

/// What all names of ours begin with.
pub(super) const PREFIX: &str = "abide.";

/// The paths; whether anything is there is another question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Base {
    /// Holds a group for each instance.
    pub unified: Option<PathBuf>,
    /// The same of v1, by controller: made when a service needs it.
    pub legacy: BTreeMap<Controller, PathBuf>,
    /// What the first lies in.
    ground: Option<PathBuf>,
}

impl Base {
    /// On this ground, for who has the lock of the directory `table`.
    pub fn on(ground: &Ground, table: impl AsFd) -> io::Result<Self> {
        let facts = fstat(table)?;
        let name = format!("{PREFIX}{:x}-{:x}", facts.st_dev, facts.st_ino);
        Ok(Self {
            unified: ground.unified.as_ref().map(|path| path.join(&name)),
            legacy: ground.legacy.iter().map(|(controller, path)| (*controller, path.join(&name))).collect(),
            ground: ground.unified.clone(),
        })
    }

    /// The group for our own processes: where there are controllers, a group with others below it
    /// may hold no process itself.
    fn own(&self) -> Option<PathBuf> {
        let base = self.unified.as_ref()?;
        Some(base.with_file_name(format!("{}{OWN}", base.file_name()?.to_str()?)))
    }

    /// Makes it, and moves this process out of the way if there are controllers to be had: so that
    /// our roles are made there too.
    pub fn settle(&self, has_controllers: bool) -> io::Result<()> {
        let (Some(base), Some(ground)) = (&self.unified, &self.ground) else { return Ok(()) };
        group::make(base)?;
        // The topmost group of all has no type, and may hold both.
        if !has_controllers || !ground.join("cgroup.type").exists() {
            return Ok(());
        }
        let Some(own) = self.own() else { return Ok(()) };
        group::make(&own)?;
        fs::write(own.join("cgroup.procs"), "0")
    }

    /// Who lives in it.
    pub fn members(&self) -> Vec<i32> {
        self.unified.as_deref().filter(|base| group::is_populated(base)).map(group::members).unwrap_or_default()
    }

    /// Ends all of them.
    pub fn kill(&self) {
        if let Some(base) = self.unified.as_ref().filter(|base| base.is_dir()) {
            // Refused: then they are still counted as living.
            let _ = group::kill(base);
        }
    }

    /// Removes what is empty. What a service was told to leave running stays where it is.
    pub fn clear(&self) {
        let groups = self.unified.iter().chain(self.legacy.values());
        for base in groups.filter(|base| base.is_dir()) {
            for entry in fs::read_dir(base).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    let _ = group::remove(&entry.path());
                }
            }
            let _ = fs::remove_dir(base);
        }
        let (Some(own), Some(ground)) = (self.own(), &self.ground) else { return };
        if own.is_dir() {
            // Ours is the last one left, if any: back to where it was found.
            for controller in Controller::ALL {
                let _ = fs::write(ground.join("cgroup.subtree_control"), format!("-{}", controller.name()));
            }
            if group::members(&own).contains(&(std::process::id() as i32)) {
                let _ = fs::write(ground.join("cgroup.procs"), "0");
            }
            let _ = fs::remove_dir(own);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_that_of_the_tables_directory_and_nobody_elses() {
        let ground = Ground { unified: Some("/g".into()), ..Ground::default() };
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let at = |place: &tempfile::TempDir| Base::on(&ground, fs::File::open(place.path()).unwrap()).unwrap();
        assert_eq!(at(&one), at(&one));
        assert_ne!(at(&one), at(&other));
        let (base, own) = (at(&one).unified.unwrap(), at(&one).own().unwrap());
        assert_eq!(format!("{}.own", base.display()), own.display().to_string());
        assert!(base.starts_with("/g") && base.to_str().unwrap().contains("/abide."));
    }
}
