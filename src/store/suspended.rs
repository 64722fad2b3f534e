//! What is suspended, on disk: one file, written whole.

use crate::model::name::ServiceName;
use crate::model::order::Hold;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
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
    let path = state.join(FILE);
    let done = if all.is_empty() { remove(state, &path) } else { write(state, &path, all) };
    done.map_err(|source| NotKept { path, source })
}

fn write(state: &Path, path: &Path, all: &All) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(state)?;
    let lines: Vec<Line> =
        all.iter().map(|(service, hold)| Line { service: service.clone(), hold: hold.clone() }).collect();
    let fresh = state.join(".suspended.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(&serde_json::to_vec_pretty(&lines)?)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(state)?.sync_all()
}

fn remove(state: &Path, path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => File::open(state)?.sync_all(),
    }
}

/// All that is on record; or in words why it cannot be read: that is left as it is.
pub fn read(state: &Path) -> Result<All, String> {
    let path = state.join(FILE);
    let text = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(All::new()),
        text => text.map_err(|error| error.to_string()),
    };
    let lines: Result<Vec<Line>, String> =
        text.and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()));
    let wrong = |error| {
        let path = path.display();
        format!(
            "what is suspended cannot be read, and is not in force: {error} ({path}); mend or remove it, and start abide \
             again"
        )
    };
    lines.map(|lines| lines.into_iter().map(|line| (line.service, line.hold)).collect()).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::order::Author;
    use crate::model::time::Wall;

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
