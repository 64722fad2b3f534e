//! Log files, read without the daemon.

use crate::host::look::log::{For, Reading};
use std::io;
use std::path::Path;

/// How much of the end of a file is read at least,
const REACH: u64 = 64 << 10;
/// how much more for each line,
const LINE: u64 = 1 << 10;
/// and how much at most.
const FAR: u64 = 16 << 20;

/// The last `count` lines of what goes to the file `current`, with those of the files before it, where it was rotated
/// a moment ago; as far as they lie within reach.
pub(crate) fn last_lines(current: &Path, count: usize) -> io::Result<Vec<String>> {
    let mut reading = Reading::of(current, For::Ourselves);
    reading.last(count as u64, (count as u64).saturating_mul(LINE).clamp(REACH, FAR))?;
    let mut text = Vec::new();
    while let Some(piece) = reading.next(false)? {
        text.extend(piece);
    }
    let text = String::from_utf8_lossy(&text);
    let whole = text.strip_suffix('\n').unwrap_or(&text);
    Ok(whole.split('\n').filter(|_| !text.is_empty()).map(str::to_owned).collect())
}

/// Lines of what goes to the file `current` and of the files before it: the last `count`, or all from the first one of
/// the time `since` on, in microseconds since 1970.
pub(super) fn lines(
    current: &Path,
    since: Option<i64>,
    count: u64,
) -> io::Result<Box<dyn Iterator<Item = io::Result<Vec<u8>>>>> {
    let mut reading = Reading::of(current, For::Ourselves);
    match since {
        Some(at) => reading.since(at)?,
        None => reading.last(count, u64::MAX)?,
    }
    let (mut text, mut at) = (Vec::new(), 0);
    Ok(Box::new(std::iter::from_fn(move || {
        loop {
            if let Some(length) = memchr::memchr(b'\n', &text[at..]) {
                let line = text[at..at + length].to_vec();
                at += length + 1;
                return Some(Ok(line));
            }
            text.drain(..std::mem::take(&mut at));
            match reading.next(false) {
                Ok(Some(piece)) => text.extend(piece),
                Ok(None) if text.is_empty() => return None,
                Ok(None) => return Some(Ok(std::mem::take(&mut text))),
                Err(error) => return Some(Err(error)),
            }
        }
    })))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::log::rotate::Form;
    use crate::log::rotate::LogFile;

    #[test]
    fn the_last_lines_are_those_of_the_file_and_of_the_one_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let current = directory.path().join("current");
        let last = |count| last_lines(&current, count).unwrap();
        assert_eq!(last(3), [""; 0]);
        std::fs::write(&current, "").unwrap();
        assert_eq!(last(3), [""; 0]);
        std::fs::write(directory.path().join(LogFile::Current.rotated(1, Form::Plain)), "older\n").unwrap();
        std::fs::write(directory.path().join(LogFile::Current.rotated(2, Form::Plain)), "1\n2\n").unwrap();
        assert_eq!((last(2), last(3)), (vec!["1".into(), "2".into()], vec!["older".into(), "1".into(), "2".into()]));
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
