//! What is suspended, on disk: one file, written whole.

use super::whole;
use crate::model::name::ServiceName;
use crate::model::order::Hold;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// The file, in the state directory.
const FILE: &str = "suspended.json";

/// Services, or by `None` all, and by whom.
pub type All = Vec<(Option<ServiceName>, Hold)>;

/// One of them.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<ServiceName>,
    hold: Hold,
}

/// What is suspended is not recorded.
#[derive(Debug, thiserror::Error)]
#[error("what is suspended cannot be recorded, and is forgotten when abide starts anew: {source} ({})", path.display())]
pub struct NotKept {
    path: PathBuf,
    source: io::Error,
}

/// Writes down all that is suspended; it is on the disk when this returns.
pub fn keep(state: &Path, all: &All) -> Result<(), NotKept> {
    let line = |(service, hold): &(Option<ServiceName>, Hold)| Line { service: service.clone(), hold: hold.clone() };
    let lines: Vec<Line> = all.iter().map(line).collect();
    let said = Some(&lines).filter(|lines| !lines.is_empty());
    whole::write(state, FILE, said).map_err(|source| NotKept { path: state.join(FILE), source })
}

/// All that is on record; or in words why it cannot be read: that is left as it is.
pub fn read(state: &Path) -> Result<All, String> {
    let wrong = |why| {
        let path = state.join(FILE);
        format!(
            "what is suspended cannot be read, and is not in force: {why} ({}); mend or remove it, and start abide again",
            path.display()
        )
    };
    let lines: Vec<Line> = whole::read(state, FILE).map(Option::unwrap_or_default).map_err(wrong)?;
    Ok(lines.into_iter().map(|line| (line.service, line.hold)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::order::Author;
    use crate::model::time::Wall;
    use std::fs;

    #[test]
    fn what_is_suspended_is_read_again_and_a_broken_record_is_told() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(read(state.path()), Ok(All::new()));
        let by = Author { name: "root".to_owned(), uid: Some(0), ..Author::default() };
        let hold = Hold { by, reason: Some("holidays".to_owned()), since: Wall(1_000_000), until: None };
        let all = vec![(None, hold.clone()), (ServiceName::new("web").ok(), hold)];
        keep(state.path(), &all).unwrap();
        assert_eq!(read(state.path()), Ok(all));
        keep(state.path(), &All::new()).unwrap();
        assert_eq!(read(state.path()), Ok(All::new()));
        fs::write(state.path().join(FILE), "[{").unwrap();
        assert!(read(state.path()).unwrap_err().contains("is not in force"));
        assert!(state.path().join(FILE).exists());
    }
}
