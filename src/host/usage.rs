//! What the processes of a service use at the moment: a pure sum, and one reader of `/proc`. For who
//! looks once; nothing here is asked at rest.

use super::proc::{self, Stat};
use nix::unistd::{SysconfVar, sysconf};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a tree of processes uses together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// How many processes there are.
    pub processes: u64,
    /// Processor time in user space and in the kernel, with that of children that were waited for.
    pub cpu: Duration,
    /// Resident memory; what several share counts for each.
    pub resident_bytes: u64,
}

/// One process, with what it uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    stat: Stat,
    cpu_ticks: u64,
    resident_pages: u64,
    /// It is in the cgroup of the process in question, and that one is not abide's.
    is_in_group: bool,
}

impl Part {
    /// Reads a line of `/proc/PID/stat`.
    fn parse(line: &[u8]) -> Option<Self> {
        let stat = Stat::parse(line)?;
        let close = line.iter().rposition(|byte| *byte == b')')?;
        let mut fields = str::from_utf8(&line[close + 1..]).ok()?.split_ascii_whitespace();
        // Fields 14 to 17 (utime, stime, cutime, cstime) and 24 (rss); field 3 is next.
        let times = fields.by_ref().skip(11).take(4).map(|field| field.parse::<u64>().ok());
        let cpu_ticks = times.sum::<Option<u64>>()?;
        let resident_pages = fields.nth(6)?.parse().ok()?;
        Some(Self { stat, cpu_ticks, resident_pages, is_in_group: false })
    }
}

/// The processes of the tree of `leader`: its session, its group, its cgroup, and who descends from any of those.
fn tree(mut all: Vec<Part>, leader: i32) -> Vec<Part> {
    let belongs = |part: &Part| part.stat.session == leader || part.stat.group == leader || part.is_in_group;
    let mut tree: Vec<Part> = Vec::new();
    let mut pids = HashSet::from([leader]);
    loop {
        let is_of = |part: &mut Part| belongs(part) || pids.contains(&part.stat.parent) || part.stat.pid == leader;
        let found: Vec<Part> = all.extract_if(.., is_of).collect();
        if found.is_empty() {
            return tree;
        }
        pids.extend(found.iter().map(|part| part.stat.pid));
        tree.extend(found);
    }
}

fn sum(tree: &[Part], ticks_a_second: u64, page: u64) -> Usage {
    let living = tree.iter().filter(|part| !part.stat.has_ended());
    let ticks: u64 = tree.iter().map(|part| part.cpu_ticks).sum();
    Usage {
        processes: living.count() as u64,
        cpu: Duration::from_millis(ticks.saturating_mul(1000) / ticks_a_second.max(1)),
        resident_bytes: tree.iter().map(|part| part.resident_pages).sum::<u64>().saturating_mul(page),
    }
}

/// Measures the tree of process `pid` that started at `start_ticks`, one of those of the abide whose
/// keeper is `keeper`. `None`: it is gone.
pub fn of(pid: i32, start_ticks: Option<u64>, keeper: i32) -> Option<Usage> {
    let leader = proc::stat(pid)?;
    if start_ticks.is_some_and(|ticks| ticks != leader.start_ticks) {
        return None;
    }
    let group = cgroup(pid).filter(|group| {
        let abide = cgroup(keeper).unwrap_or_default();
        !Path::new(&abide).starts_with(group)
    });
    // A group lists its own; without one everybody is asked.
    let listed = group.as_deref().and_then(|group| members(group, pid));
    let pids = listed.clone().or_else(everybody)?;
    let read = |pid: i32| {
        let line = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        let mut part = Part::parse(&line)?;
        part.is_in_group = listed.is_some() || group.as_ref().is_some_and(|group| is_within(pid, group));
        Some(part)
    };
    let all: Vec<Part> = pids.into_iter().filter_map(read).collect();
    let number = |variable| sysconf(variable).ok().flatten().and_then(|number| u64::try_from(number).ok());
    let (ticks, page) = (number(SysconfVar::CLK_TCK).unwrap_or(100), number(SysconfVar::PAGE_SIZE).unwrap_or(4096));
    Some(sum(&tree(all, pid), ticks, page))
}

fn everybody() -> Option<Vec<i32>> {
    let entries = std::fs::read_dir("/proc").ok()?.flatten();
    Some(entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

/// All processes in `group` and below it, where that is mounted at the usual places and `leader` is among them.
fn members(group: &str, leader: i32) -> Option<Vec<i32>> {
    let roots = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
    roots.into_iter().find_map(|root| {
        let mut directories = vec![PathBuf::from(format!("{root}{group}"))];
        let mut pids: Vec<i32> = Vec::new();
        while let Some(directory) = directories.pop() {
            let listed = proc::read(directory.join("cgroup.procs")).ok()?;
            pids.extend(listed.lines().filter_map(|line| line.parse::<i32>().ok()));
            let below = std::fs::read_dir(&directory).ok()?.flatten();
            let is_directory = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
            directories.extend(below.filter(is_directory).map(|entry| entry.path()));
        }
        pids.contains(&leader).then_some(pids)
    })
}

/// Where a process is in the unified hierarchy.
fn cgroup(pid: i32) -> Option<String> {
    let text = proc::read(format!("/proc/{pid}/cgroup")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
}

fn is_within(pid: i32, group: &str) -> bool {
    cgroup(pid).is_some_and(|own| Path::new(&own).starts_with(group))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn part(pid: i32, parent: i32, session: i32, cpu_ticks: u64) -> Part {
        let line =
            format!("{pid} (a) b) S {parent} {pid} {session} 0 -1 0 0 0 0 0 {cpu_ticks} 1 2 3 20 0 1 0 5 9 7 0\n");
        Part::parse(line.as_bytes()).unwrap()
    }

    #[test]
    fn a_line_gives_times_with_those_of_children_and_resident_pages() {
        let part = part(7, 1, 7, 10);
        assert_eq!((part.cpu_ticks, part.resident_pages, part.stat.start_ticks), (16, 7, 5));
        assert_eq!(Part::parse(b"7 (a) S 1 7 7 0 -1 0 0 0 0 0 1 1 2 3 20 0 1 0 5 9"), None);
    }

    #[test]
    fn a_tree_is_the_session_the_cgroup_and_who_descends_from_them() {
        let mut all = vec![
            part(13, 12, 13, 1), // before its parent, in a session of its own
            part(12, 10, 12, 1),
            part(10, 2, 10, 1),
            part(11, 1, 10, 1), // its parent is gone
            part(20, 2, 20, 1), // another service
            part(21, 1, 21, 1),
        ];
        all[5].is_in_group = true;
        let mut pids: Vec<i32> = tree(all.clone(), 10).iter().map(|part| part.stat.pid).collect();
        pids.sort_unstable();
        assert_eq!(pids, [10, 11, 12, 13, 21]);
        let used = sum(&tree(all, 10), 100, 4096);
        assert_eq!(used, Usage { processes: 5, cpu: Duration::from_millis(350), resident_bytes: 5 * 7 * 4096 });
    }

    #[test]
    fn we_use_something() {
        let us = std::process::id() as i32;
        let used = of(us, None, us).unwrap();
        assert!(used.processes >= 1 && used.resident_bytes > 1 << 20, "{used:?}");
        assert_eq!(of(us, Some(1), us), None, "another process of that number");
    }
}
