//! What was rejected, on disk: one file, written whole.

use super::whole;
use crate::model::history::Rollbacks;
use std::io;
use std::path::{Path, PathBuf};

/// The file, in the state directory.
const FILE: &str = "rollbacks.json";

/// What was rejected is not recorded.
#[derive(Debug, thiserror::Error)]
#[error("what was rolled back cannot be recorded, and is tried again after a reboot: {source} ({})", path.display())]
pub struct NotKept {
    path: PathBuf,
    source: io::Error,
}

/// Writes down all that was rejected; it is on the disk when this returns.
pub fn keep(state: &Path, all: &Rollbacks) -> Result<(), NotKept> {
    let said = Some(all).filter(|all| !all.is_empty());
    whole::write(state, FILE, said).map_err(|source| NotKept { path: state.join(FILE), source })
}

/// All that is on record; or in words why it cannot be read: that is left as it is.
pub fn read(state: &Path) -> Result<Rollbacks, String> {
    let wrong = |why| {
        let path = state.join(FILE);
        format!("what was rolled back cannot be read, and is tried again: {why} ({}); remove it", path.display())
    };
    whole::read(state, FILE).map(Option::unwrap_or_default).map_err(wrong)
}
