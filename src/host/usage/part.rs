//! One process, with what it uses: a line of `/proc/PID/stat`.

use crate::host::proc::Stat;
use std::fs::File;
use std::io::Read;
use std::time::Duration;

/// One process, with what it uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Who it is.
    pub stat: Stat,
    /// Processor time with that of children that were waited for, in hundredths of a second.
    cpu_ticks: u64,
    /// How many threads it has.
    pub threads: u64,
    pub(super) resident_pages: u64,
}

impl Part {
    /// Reads a line of `/proc/PID/stat`.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let stat = Stat::parse(line)?;
        let close = line.iter().rposition(|byte| *byte == b')')?;
        let mut fields = str::from_utf8(&line[close + 1..]).ok()?.split_ascii_whitespace();
        // Field 3 is next. Wanted: 14 to 17 (utime, stime, cutime, cstime), 20 (num_threads), 24 (rss).
        let times = fields.by_ref().skip(11).take(4).map(|field| field.parse::<u64>().ok());
        let cpu_ticks = times.sum::<Option<u64>>()?;
        let threads = fields.nth(2)?.parse().ok()?;
        let resident_pages = fields.nth(3)?.parse().ok()?;
        Some(Self { stat, cpu_ticks, threads, resident_pages })
    }

    /// Processor time in user space and in the kernel, with that of children that were waited for.
    pub fn cpu(&self) -> Duration {
        // The kernel reports hundredths on every machine.
        Duration::from_millis(self.cpu_ticks.saturating_mul(10))
    }

    /// Resident memory, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        self.resident_pages.saturating_mul(super::page())
    }
}

/// What `/proc` says of `pid`; `None` if it is gone.
pub(super) fn read(pid: i32) -> Option<Part> {
    let mut line = [0; 1024];
    let length = File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut line).ok()?;
    Part::parse(&line[..length])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_line_gives_times_with_those_of_children_threads_and_resident_pages() {
        let part = Part::parse(b"7 (a) b) S 1 7 7 0 -1 0 0 0 0 0 10 1 2 3 20 0 4 0 5 9 7 0\n").unwrap();
        assert_eq!(part.cpu(), Duration::from_millis(160));
        assert_eq!((part.threads, part.resident_pages, part.stat.start_ticks), (4, 7, 5));
        assert_eq!(Part::parse(b"7 (a) S 1 7 7 0 -1 0 0 0 0 0 1 1 2 3 20 0 1 0 5 9"), None);
    }
}
