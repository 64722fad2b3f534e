//! All processes of the machine at one moment, and who of them belongs to whom where no cgroup lists it.

use super::part::{self, Part};
use std::collections::HashSet;
use std::path::Path;

/// Everybody, in the orders in which they are asked for: one tree costs by its size and not by the machine's.
#[derive(Debug, Default)]
pub(super) struct Everybody {
    sessions: Vec<Part>,
    groups: Vec<Part>,
    parents: Vec<Part>,
    /// With the cgroup of each, where that is of interest.
    cgroups: Vec<(String, Part)>,
}

impl Everybody {
    /// Looks at every process; at its cgroup only where that is asked for.
    pub(super) fn look(with_cgroups: bool) -> Self {
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let all: Vec<Part> = pids.filter_map(part::read).collect();
        let with_group = |part: &Part| Some((super::cgroup(part.stat.pid)?, *part));
        let cgroups = if with_cgroups { all.iter().filter_map(with_group).collect() } else { Vec::new() };
        Self::new(all, cgroups)
    }

    fn new(mut all: Vec<Part>, mut cgroups: Vec<(String, Part)>) -> Self {
        let sorted = |key: fn(&Part) -> i32| {
            let mut parts = all.clone();
            parts.sort_unstable_by_key(key);
            parts
        };
        let (sessions, groups) = (sorted(session), sorted(group));
        all.sort_unstable_by_key(parent);
        cgroups.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        Self { sessions, groups, parents: all, cgroups }
    }

    /// The tree of `leader`: its session, its group, its cgroup, and who descends from any of those.
    pub(super) fn tree(&self, leader: Part, cgroup: Option<&str>) -> Vec<Part> {
        let pid = leader.stat.pid;
        let mut seen = HashSet::from([pid]);
        let mut tree = vec![leader];
        let alike = [alike(&self.sessions, pid, session), alike(&self.groups, pid, group)].concat();
        let within = cgroup.into_iter().flat_map(|cgroup| self.within(cgroup)).copied();
        tree.extend(alike.into_iter().chain(within).filter(|part| seen.insert(part.stat.pid)));
        let mut next = 0;
        while let Some(pid) = tree.get(next).map(|part: &Part| part.stat.pid) {
            let children = self::alike(&self.parents, pid, parent);
            tree.extend(children.iter().copied().filter(|part| seen.insert(part.stat.pid)));
            next += 1;
        }
        tree
    }

    /// Who is in `cgroup` or below it.
    fn within(&self, cgroup: &str) -> impl Iterator<Item = &Part> {
        let from = self.cgroups.partition_point(|(path, _)| path.as_str() < cgroup);
        let alike = self.cgroups[from..].iter().take_while(move |(path, _)| path.starts_with(cgroup));
        alike.filter(move |(path, _)| Path::new(path).starts_with(cgroup)).map(|(_, part)| part)
    }
}

fn session(part: &Part) -> i32 {
    part.stat.session
}

fn group(part: &Part) -> i32 {
    part.stat.group
}

fn parent(part: &Part) -> i32 {
    part.stat.parent
}

/// Those of `parts`, sorted by `key`, whose key is `wanted`.
fn alike(parts: &[Part], wanted: i32, key: fn(&Part) -> i32) -> &[Part] {
    let from = parts.partition_point(|part| key(part) < wanted);
    let many = parts[from..].partition_point(|part| key(part) == wanted);
    &parts[from..from + many]
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::super::{Tree, Usage, page};
    use super::*;
    use std::time::Duration;

    fn part(pid: i32, parent: i32, session: i32, cpu_ticks: u64) -> Part {
        let line = format!("{pid} (a) S {parent} {pid} {session} 0 -1 0 0 0 0 0 {cpu_ticks} 1 2 3 20 0 1 0 5 9 7 0\n");
        Part::parse(line.as_bytes()).unwrap()
    }

    #[test]
    fn a_tree_is_the_session_the_cgroup_and_who_descends_from_them() {
        let all = vec![
            part(13, 12, 13, 1), // before its parent, in a session of its own
            part(12, 10, 12, 1),
            part(10, 2, 10, 1),
            part(11, 1, 10, 1), // its parent is gone
            part(20, 2, 20, 1), // another service
            part(21, 1, 21, 1),
        ];
        let cgroups = [("/a/b/c", all[5]), ("/a/bc", all[4]), ("/a/b", all[2])];
        let cgroups = cgroups.map(|(path, part)| (path.to_owned(), part)).to_vec();
        let everybody = Everybody::new(all.clone(), cgroups);
        let mut pids: Vec<i32> = everybody.tree(all[2], Some("/a/b")).iter().map(|part| part.stat.pid).collect();
        assert_eq!(pids[0], 10, "its leader first");
        pids.sort_unstable();
        assert_eq!(pids, [10, 11, 12, 13, 21]);
        let tree = Tree { parts: everybody.tree(all[2], Some("/a/b")), counted: None };
        let used = Usage { processes: 5, cpu: Duration::from_millis(350), resident_bytes: 5 * 7 * page() };
        assert_eq!(tree.usage(), used);
        assert_eq!(everybody.tree(all[2], None).len(), 4);
    }
}
