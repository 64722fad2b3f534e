//! The end of a log file, read without the daemon.

use crate::log::rotate::LogFile;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How much of the end of a file is read at least;
const REACH: u64 = 64 << 10;
/// and at most, for many lines.
const FAR: u64 = 16 << 20;

/// The last `count` lines of what goes to the file `current`: those of the file before it too, where
/// it was rotated a moment ago.
pub(crate) fn last_lines(current: &Path, count: usize) -> io::Result<Vec<String>> {
    let mut lines = match tail(current, count) {
        // Nothing was said yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        lines => lines?,
    };
    if lines.len() < count
        && let Some(before) = latest_rotated(current)
    {
        let mut earlier = tail(&before, count - lines.len())?;
        earlier.append(&mut lines);
        lines = earlier;
    }
    Ok(lines)
}

fn latest_rotated(current: &Path) -> Option<PathBuf> {
    let directory = current.parent()?;
    let names = directory.read_dir().ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let latest = names.filter_map(|name| Some((LogFile::Current.rotated_at(&name)?, name))).max()?;
    Some(directory.join(latest.1))
}

/// The last `count` lines of a file, as far as they lie within reach of its end.
fn tail(path: &Path, count: usize) -> io::Result<Vec<String>> {
    // Whatever was put in its place is not waited for.
    let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut reach = REACH;
    loop {
        let (text, whole) = end_of(&mut file, reach)?;
        let lines = text.strip_suffix('\n').unwrap_or(&text).split('\n');
        let mut last: Vec<String> = lines.rev().take(count).filter(|_| !text.is_empty()).map(str::to_owned).collect();
        if last.len() == count || whole || reach >= FAR {
            last.reverse();
            return Ok(last);
        }
        reach *= 4;
    }
}

/// What is in reach, without the line that begins before it, unless that is all; and whether it is the whole file.
fn end_of(file: &mut File, reach: u64) -> io::Result<(String, bool)> {
    let length = file.seek(SeekFrom::End(0))?;
    let from = length.saturating_sub(reach);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(reach).read_to_end(&mut bytes)?;
    let begins = bytes[..bytes.len().saturating_sub(1)].iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let shown = if from > 0 { &bytes[begins..] } else { &bytes[..] };
    Ok((String::from_utf8_lossy(shown).into_owned(), from == 0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_those_of_the_file_and_of_the_one_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let current = directory.path().join("current");
        let last = |count| last_lines(&current, count).unwrap();
        assert_eq!(last(3), [""; 0]);
        std::fs::write(&current, "").unwrap();
        assert_eq!(last(3), [""; 0]);
        std::fs::write(directory.path().join(LogFile::Current.rotated(1)), "older\n").unwrap();
        std::fs::write(directory.path().join(LogFile::Current.rotated(2)), "1\n2\n").unwrap();
        assert_eq!(last(3), ["1", "2"]);
        std::fs::write(&current, "3\n\n4").unwrap();
        assert_eq!(last(2), ["", "4"]);
        assert_eq!(last(4), ["2", "3", "", "4"]);
    }

    #[test]
    fn of_a_large_file_only_the_end_is_read_and_of_a_long_line_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let current = directory.path().join("current");
        let many: Vec<String> = (0..100_000).map(|n| format!("line {n}\n")).collect();
        std::fs::write(&current, many.concat()).unwrap();
        assert_eq!(last_lines(&current, 2).unwrap(), ["line 99998", "line 99999"]);
        assert_eq!(last_lines(&current, 50_000).unwrap().len(), 50_000, "of many it is read further back");
        std::fs::write(&current, [vec![b'\xff'; 200_000], b"end\n".to_vec()].concat()).unwrap();
        let lines = last_lines(&current, 2).unwrap();
        assert!(lines.len() == 1 && lines[0].ends_with("end"));
    }

    #[test]
    fn what_is_no_file_is_said_and_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("current");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert!(last_lines(&fifo, 2).unwrap_err().to_string().contains("no regular file"));
    }
}
