//! What the processes of services use at the moment, and which those are. For who looks once; nothing here is asked
//! at rest. However many services are asked for: what has a cgroup of its own is listed by that, and `/proc` is walked
//! once for all others together.

mod everybody;
mod part;

pub use part::Part;

use super::proc;
use everybody::Everybody;
use nix::unistd::{SysconfVar, sysconf};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a tree of processes uses together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// How many processes there are.
    pub processes: u64,
    /// Processor time in user space and in the kernel. What a cgroup has used in all, where it has one; else that of
    /// those that live, with that of children that were waited for.
    pub cpu: Duration,
    /// Resident memory; what several share counts for each.
    pub resident_bytes: u64,
}

/// The process that began a tree, or that stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Main {
    /// Its pid.
    pub pid: i32,
    /// Its start in clock ticks since boot, by which it is told from a later one of that number.
    pub start_ticks: Option<u64>,
}

/// All processes of one tree, the first one first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Who is in it, those included that ended and were not waited for yet.
    pub parts: Vec<Part>,
    /// What its cgroup has used.
    counted: Option<Duration>,
}

impl Tree {
    /// What all of it uses.
    pub fn usage(&self) -> Usage {
        let living = self.parts.iter().filter(|part| !part.stat.has_ended());
        let pages: u64 = self.parts.iter().map(|part| part.resident_pages).sum();
        Usage {
            processes: living.count() as u64,
            cpu: self.counted.unwrap_or_else(|| self.parts.iter().map(Part::cpu).sum()),
            resident_bytes: pages.saturating_mul(page()),
        }
    }
}

/// A page, in bytes.
pub fn page() -> u64 {
    let size = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    size.and_then(|size| u64::try_from(size).ok()).unwrap_or(4096)
}

/// Measures the tree of process `pid` that started at `start_ticks`, one of those of the abide whose
/// keeper is `keeper`. `None`: it is gone.
pub fn of(pid: i32, start_ticks: Option<u64>, keeper: i32) -> Option<Usage> {
    let tree = trees(&[Main { pid, start_ticks }], keeper).pop()??;
    Some(tree.usage())
}

/// The tree of each of `mains`, which are those of the abide whose keeper is `keeper`. `None`: it is gone.
pub fn trees(mains: &[Main], keeper: i32) -> Vec<Option<Tree>> {
    let abide = cgroup(keeper).unwrap_or_default();
    let mut found = Vec::with_capacity(mains.len());
    // Whom no list tells of: the place in `found`, the process, its cgroup.
    let mut unlisted = Vec::new();
    for main in mains {
        let leader = part::read(main.pid).filter(|it| main.start_ticks.is_none_or(|at| at == it.stat.start_ticks));
        let tree = leader.and_then(|leader| {
            let group = cgroup(main.pid).filter(|group| !Path::new(&abide).starts_with(group));
            let listed = group.as_deref().and_then(|group| listed(group, leader));
            if listed.is_none() {
                unlisted.push((found.len(), leader, group));
            }
            listed
        });
        found.push(tree);
    }
    if !unlisted.is_empty() {
        let everybody = Everybody::look(unlisted.iter().any(|(.., group)| group.is_some()));
        for (at, leader, group) in unlisted {
            found[at] = Some(Tree { parts: everybody.tree(leader, group.as_deref()), counted: None });
        }
    }
    found
}

/// Everybody in `group` and below it, where that is mounted at one of the usual places and `leader` is among them.
fn listed(group: &str, leader: Part) -> Option<Tree> {
    let roots = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
    roots.into_iter().find_map(|root| {
        let top = PathBuf::from(format!("{root}{group}"));
        let pids = members(&top).filter(|pids| pids.contains(&leader.stat.pid))?;
        let others = pids.into_iter().filter(|pid| *pid != leader.stat.pid).filter_map(part::read);
        Some(Tree { parts: std::iter::once(leader).chain(others).collect(), counted: counted(&top) })
    })
}

fn members(top: &Path) -> Option<Vec<i32>> {
    let mut directories = vec![top.to_owned()];
    let mut pids = Vec::new();
    while let Some(directory) = directories.pop() {
        let listed = proc::read(directory.join("cgroup.procs")).ok()?;
        pids.extend(listed.lines().filter_map(|line| line.parse::<i32>().ok()));
        let below = std::fs::read_dir(&directory).ok()?.flatten();
        let is_directory = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
        directories.extend(below.filter(is_directory).map(|entry| entry.path()));
    }
    Some(pids)
}

/// What a group has used in all, those below it and those that ended included: of every group of the unified
/// hierarchy, without a controller.
fn counted(group: &Path) -> Option<Duration> {
    let text = proc::read(group.join("cpu.stat")).ok()?;
    let micros = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
    micros.trim().parse().ok().map(Duration::from_micros)
}

/// Where a process is in the unified hierarchy.
fn cgroup(pid: i32) -> Option<String> {
    let text = proc::read(format!("/proc/{pid}/cgroup")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn we_use_something() {
        let us = std::process::id() as i32;
        let used = of(us, None, us).unwrap();
        assert!(used.processes >= 1 && used.resident_bytes > 1 << 20, "{used:?}");
        assert_eq!(of(us, Some(1), us), None, "another process of that number");
    }

    #[test]
    fn each_that_is_asked_for_has_an_answer_in_its_place() {
        let us = Main { pid: std::process::id() as i32, start_ticks: None };
        let nobody = Main { pid: us.pid, start_ticks: Some(1) };
        let found = trees(&[nobody, us, nobody], us.pid);
        assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(found[1].as_ref().unwrap().parts[0].stat.pid, us.pid);
    }
}
