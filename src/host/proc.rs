//! `/proc` records: pure codecs and one reader.

use crate::model::limits::{Bound, Limit, LimitKind, Limits};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

/// What we use of `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// The pid.
    pub pid: i32,
    /// One letter; `Z` and `X` are processes that ended.
    pub state: u8,
    /// Its parent.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// Its session.
    pub session: i32,
    /// `PF_…` of the kernel's `sched.h`.
    pub flags: u32,
    /// Its nice value.
    pub nice: i32,
    /// Its start in clock ticks since boot.
    pub start_ticks: u64,
}

impl Stat {
    /// Reads one line. The name may hold anything, spaces and parentheses too: fields are counted
    /// from the last `)`.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let open = line.iter().position(|byte| *byte == b'(')?;
        let close = line.iter().rposition(|byte| *byte == b')')?;
        let pid = str::from_utf8(&line[..open]).ok()?.trim().parse().ok()?;
        let mut fields = str::from_utf8(line.get(close + 1..)?).ok()?.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let mut number = || fields.next()?.parse().ok();
        let (parent, group, session) = (number()?, number()?, number()?);
        // Field 7 is next, the flags are field 9, nice is field 19, the start is field 22.
        let flags = fields.nth(2)?.parse().ok()?;
        let nice = fields.nth(9)?.parse().ok()?;
        let start_ticks = fields.nth(2)?.parse().ok()?;
        Some(Self { pid, state, parent, group, session, flags, nice, start_ticks })
    }

    /// Whether it ended and only waits to be reaped.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X')
    }

    /// Whether it executes a program of its own, and not yet, or no more than, what it was cloned from.
    pub fn has_executed(&self) -> bool {
        const PF_FORKNOEXEC: u32 = 0x40;
        self.flags & PF_FORKNOEXEC == 0
    }
}

/// The limits of `/proc/PID/limits`.
pub fn parse_limits(text: &str) -> Limits {
    let bound = |word: &str| match word {
        "unlimited" => Some(Bound::UNLIMITED),
        number => number.parse().ok().map(Bound),
    };
    let line = |kind: LimitKind| {
        let rest = text.lines().find_map(|line| line.strip_prefix(kind.proc_name()))?;
        let mut words = rest.split_ascii_whitespace();
        Some((kind, Limit { soft: bound(words.next()?)?, hard: bound(words.next()?)? }))
    };
    LimitKind::ALL.into_iter().filter_map(line).collect()
}

/// What we use of `/proc/PID/status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    /// Effective uid.
    pub uid: u32,
    /// Effective capabilities: bit n is capability n.
    pub effective: u64,
    /// Permitted capabilities.
    pub permitted: u64,
    /// The bounding set.
    pub bounding: u64,
}

impl Credentials {
    /// Reads the lines `Uid:`, `CapEff:`, `CapPrm:` and `CapBnd:`.
    pub fn parse(status: &str) -> Option<Self> {
        let line = |key| status.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
        let mask = |key| u64::from_str_radix(line(key)?, 16).ok();
        let uid = line("Uid:")?.split_ascii_whitespace().nth(1)?.parse().ok()?;
        Some(Self { uid, effective: mask("CapEff:")?, permitted: mask("CapPrm:")?, bounding: mask("CapBnd:")? })
    }
}

/// Reads a file of `/proc` whole.
pub fn read(path: impl AsRef<Path>) -> io::Result<String> {
    let mut text = String::with_capacity(2048);
    File::open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// Reads a file of `/proc` that may hold anything, up to `most` bytes of it.
pub fn read_bytes(path: impl AsRef<Path>, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What `/proc` says of `pid`; `None` if it is gone.
pub fn stat(pid: i32) -> Option<Stat> {
    // Bytes, since a process may name itself what it likes.
    let mut line = [0; 1024];
    let length = File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut line).ok()?;
    Stat::parse(&line[..length])
}

/// The reading end of the pipe to which `pid` writes by the descriptor `number`, non-blocking.
pub fn reading_end(pid: i32, number: i32) -> Option<OwnedFd> {
    use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
    let path = format!("/proc/{pid}/fd/{number}");
    // What it has put there since may be anything.
    let is_pipe = std::fs::metadata(&path).is_ok_and(|file| file.file_type().is_fifo());
    let mut options = std::fs::OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    options.open(path).ok().filter(|_| is_pipe).map(OwnedFd::from)
}

/// Resident pages of `pid`, and how many of them are of files or shared memory; `None` if it is gone.
pub fn resident(pid: i32) -> Option<(u64, u64)> {
    let text = read(format!("/proc/{pid}/statm")).ok()?;
    let mut numbers = text.split_ascii_whitespace().skip(1).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Every process, as far as `/proc` is whole while it is read.
pub fn processes() -> io::Result<Vec<Stat>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        all.extend(stat(pid));
    }
    Ok(all)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_reads_whatever_the_process_calls_itself() {
        let tail = "S 12 34 56 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2 3";
        for name in ["cat", "a) R 1 1 1", "((", "two words", "\u{fffd}"] {
            let stat = Stat::parse(format!("77 ({name}) {tail}\n").as_bytes()).unwrap();
            let (pid, state, flags, start_ticks) = (77, b'S', 0x0040_0100, 987_654);
            let expected = Stat { pid, state, parent: 12, group: 34, session: 56, flags, nice: 0, start_ticks };
            assert_eq!(stat, expected, "{name}");
            assert!(stat.has_executed() && !Stat { flags: flags | 0x40, ..stat }.has_executed());
        }
    }

    #[test]
    fn broken_stat_lines_are_none_and_never_a_panic() {
        for line in ["", "7", "7 (x", "7 (x)", ")7(", "7 (x) S", "x (x) S 1 1 1", "7 (x) S 1 2 3 4 5 6 7"] {
            assert_eq!(Stat::parse(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn our_own_records_read() {
        let us = std::process::id() as i32;
        let stat = stat(us).unwrap();
        assert_eq!((stat.pid, stat.parent), (us, nix::unistd::getppid().as_raw()));
        assert!(processes().unwrap().iter().any(|other| other.pid == us));
        assert_eq!(parse_limits(&read("/proc/self/limits").unwrap()).len(), LimitKind::ALL.len());
        let credentials = Credentials::parse(&read("/proc/self/status").unwrap()).unwrap();
        assert_eq!(credentials.uid, nix::unistd::geteuid().as_raw());
        let (resident, shared) = resident(us).unwrap();
        assert!(resident >= shared && shared > 0);
    }

    #[test]
    fn limits_read_as_the_kernel_prints_them() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max cpu time              unlimited            unlimited            seconds   \n\
                    Max open files            1024                 20000                files     \n";
        let limits = parse_limits(text);
        assert_eq!(limits[&LimitKind::OpenFiles], Limit { soft: Bound(1024), hard: Bound(20_000) });
        assert_eq!(limits[&LimitKind::CpuTime].soft, Bound::UNLIMITED);
        assert_eq!(limits.len(), 2);
    }
}
