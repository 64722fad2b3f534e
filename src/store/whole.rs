//! One small file of the state directory, written whole and read whole.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Writes `value` to `name` in `state`, or removes the file where there is nothing to say; it is on the disk when this
/// returns.
pub(super) fn write<T: Serialize>(state: &Path, name: &str, value: Option<&T>) -> io::Result<()> {
    let path = state.join(name);
    let Some(value) = value else {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => File::open(state)?.sync_all(),
        };
    };
    DirBuilder::new().recursive(true).mode(0o700).create(state)?;
    let fresh = state.join(format!(".{name}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(&serde_json::to_vec_pretty(value)?)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&fresh, &path)?;
    File::open(state)?.sync_all()
}

/// What `name` in `state` says; `None`: there is no such file. In words, what is wrong with it: it is left as it is.
pub(super) fn read<T: DeserializeOwned>(state: &Path, name: &str) -> Result<Option<T>, String> {
    match fs::read(state.join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| error.to_string()),
    }
}
