//! A closer look at one instance: how much of its output is kept.

use crate::log::rotate::LogFile;
use std::io;
use std::path::Path;

/// The size of the file `current` and of those that were rotated before it: what is there of the output. Others in
/// the directory are nobody's of ours.
pub fn log_bytes(current: &Path) -> io::Result<u64> {
    let Some(directory) = current.parent() else { return Ok(0) };
    let entries = match directory.read_dir() {
        // Nothing was said yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let is_ours = |name: &str| name == LogFile::Current.name() || LogFile::Current.rotated_at(name).is_some();
    let ours = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_ours));
    // One that is deleted meanwhile has no size.
    let sizes = ours.filter_map(|entry| entry.metadata().ok()).filter(std::fs::Metadata::is_file);
    Ok(sizes.map(|found| found.len()).sum())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_the_file_and_those_before_it_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let current = directory.path().join("web/current");
        assert_eq!(log_bytes(&current).unwrap(), 0);
        std::fs::create_dir(directory.path().join("web")).unwrap();
        std::fs::write(&current, "12345").unwrap();
        std::fs::write(current.with_file_name(LogFile::Current.rotated(1)), "123").unwrap();
        std::fs::write(current.with_file_name("notes"), "1234567").unwrap();
        assert_eq!(log_bytes(&current).unwrap(), 8);
    }
}
