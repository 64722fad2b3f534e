//! How the kernel schedules a service's processes.

use serde::{Deserialize, Serialize};
use std::fmt;

/// `[schedule]`: what is not named stays as abide has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// −20 (first) to 19 (last).
    pub nice: Option<i32>,
    /// Class of the disk scheduler, and the level within it.
    pub io: Option<IoClass>,
    /// The processors it may run on, sorted.
    pub cpu_affinity: Option<Vec<u32>>,
    /// −1000 (never) to 1000 (first) for the kernel that runs out of memory.
    pub oom_score_adjust: Option<i32>,
    /// A real-time policy.
    pub realtime: Option<Realtime>,
}

/// `ioprio_set(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IoClass {
    /// Before all others, level 0 (first) to 7.
    Realtime(u8),
    /// As usual, level 0 (first) to 7.
    BestEffort(u8),
    /// Only when nobody else wants the disk.
    Idle,
}

/// `sched_setscheduler(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Realtime {
    /// SCHED_FIFO with this priority, 1 to 99.
    Fifo(u8),
    /// SCHED_RR with this priority, 1 to 99.
    RoundRobin(u8),
}

impl fmt::Display for IoClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Realtime(level) => write!(f, "realtime:{level}"),
            Self::BestEffort(level) => write!(f, "best-effort:{level}"),
            Self::Idle => f.write_str("idle"),
        }
    }
}

impl fmt::Display for Realtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fifo(priority) => write!(f, "fifo:{priority}"),
            Self::RoundRobin(priority) => write!(f, "round-robin:{priority}"),
        }
    }
}

/// Processors as people write them: `0-3,8`.
pub fn ranges(cpus: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for cpu in cpus {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*cpu) => *last = *cpu,
            _ => runs.push((*cpu, *cpu)),
        }
    }
    let words =
        runs.iter().map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") });
    words.collect::<Vec<_>>().join(",")
}

/// Reads what [`ranges`] writes, sorted; `None` where it is something else, or names a processor above `highest`.
pub fn parse_ranges(text: &str, highest: u32) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last || last > highest {
            return None;
        }
        cpus.extend(first..=last);
        if cpus.len() > 2 * (highest as usize + 1) {
            return None;
        }
    }
    cpus.sort_unstable();
    cpus.dedup();
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_read_as_they_are_written() {
        assert_eq!(parse_ranges("8, 0-3,2", 8), Some(vec![0, 1, 2, 3, 8]));
        assert_eq!(ranges(&[0, 1, 2, 3, 8]), "0-3,8");
        for wrong in ["", "x", "3-1", "9", "1-", "0-4294967295"] {
            assert_eq!(parse_ranges(wrong, 8), None, "{wrong}");
        }
    }
}
