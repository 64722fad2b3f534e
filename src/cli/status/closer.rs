//! A closer look at one service: the end of its output, and what its processes use. Read by whoever
//! asks for its page, so that abide itself need not sample anything at rest.

use crate::host::look::log::{For, Reading};
use crate::host::usage::{self, Usage};
use crate::model::status::{InstanceStatus, ServiceStatus};
use crate::render::status::{Closer, Uses};
use std::io;
use std::path::Path;

/// How many lines of output a page shows.
const LINES: usize = 10;
/// How much of the end of a file is read for them.
const REACH: u64 = 64 << 10;

/// Looks at every instance of `service`, which the abide of `keeper` runs.
pub(super) fn look(service: &ServiceStatus, keeper: i32) -> Vec<Closer> {
    let lines = (LINES.div_ceil(service.instances.len().max(1))).max(2);
    service.instances.iter().map(|instance| look_at(instance, keeper, lines)).collect()
}

fn look_at(instance: &InstanceStatus, keeper: i32, lines: usize) -> Closer {
    let measured = instance.pid.and_then(|pid| usage::of(pid, instance.start_ticks, keeper));
    let uses = measured.map(|Usage { processes, cpu, resident_bytes }| Uses { processes, cpu, resident_bytes });
    let log = instance.log.as_ref().map_or(Ok(Vec::new()), |log| last_lines(Path::new(&log.path), lines));
    Closer { uses, log: log.map_err(|error| error.to_string()) }
}

/// The last `count` lines of what goes to the file `current`, with those of the file before it, where it was rotated
/// a moment ago; as far as they lie within reach.
fn last_lines(current: &Path, count: usize) -> io::Result<Vec<String>> {
    let mut reading = Reading::of(current, For::Ourselves);
    reading.last(count as u64, REACH)?;
    let mut text = Vec::new();
    while let Some(piece) = reading.next(false)? {
        text.extend(piece);
    }
    let text = String::from_utf8_lossy(&text);
    let whole = text.strip_suffix('\n').unwrap_or(&text);
    Ok(whole.split('\n').filter(|_| !text.is_empty()).map(str::to_owned).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::log::rotate::LogFile;

    #[test]
    fn the_last_lines_are_those_of_the_file_and_of_those_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let current = directory.path().join("current");
        let last = |count| last_lines(&current, count).unwrap();
        assert_eq!(last(3), [""; 0]);
        std::fs::write(&current, "").unwrap();
        assert_eq!(last(3), [""; 0]);
        std::fs::write(directory.path().join(LogFile::Current.rotated(1)), "older\n").unwrap();
        std::fs::write(directory.path().join(LogFile::Current.rotated(2)), "1\n2\n").unwrap();
        assert_eq!(
            (last(2), last(3)),
            (vec!["1".to_owned(), "2".to_owned()], vec!["older".to_owned(), "1".to_owned(), "2".to_owned()])
        );
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
        std::fs::write(&current, [vec![b'\xff'; 200_000], b"end\n".to_vec()].concat()).unwrap();
        let lines = last_lines(&current, 2).unwrap();
        assert!(lines.len() == 1 && lines[0].ends_with("end") && lines[0].chars().count() <= 64 << 10);
    }

    #[test]
    fn what_is_no_file_is_said_and_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("current");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert!(last_lines(&fifo, 2).unwrap_err().to_string().contains("no regular file"));
    }
}
