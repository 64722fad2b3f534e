//! Who belongs to whom where no cgroup tells: sessions, parents, and orphans by their marks.

use super::strays::Strays;
use crate::host::proc;
use crate::table::Table;
use nix::unistd::{Pid, getpgid, getsid};
use std::collections::HashSet;
use std::io;

/// A process, and by what it is told from a later one of the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Member {
    pub(super) pid: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    /// Known only of processes in sessions that no service began.
    pub(super) parent: i32,
}

/// All processes that can belong to a service, as they were at one moment: taken once for all that
/// is signalled in one turn, since reading `/proc` costs by the number of all processes. Asking it
/// costs by the size of the tree asked for: else the end of all services would cost their number squared.
#[derive(Debug, Default)]
pub struct Census {
    by_session: Vec<Member>,
    by_parent: Vec<Member>,
    /// Orphans that are known to be somebody's, with the slot.
    orphans: Vec<(usize, i32)>,
}

impl Census {
    /// Looks at every process. Kernel threads have no session and are left out; of those in the
    /// session of a service's main process two cheap calls tell all; only the others are read.
    pub fn take(table: &Table, strays: &mut Strays) -> io::Result<Self> {
        let mains: HashSet<i32> =
            (0..table.used()).filter_map(|slot| table.resident(slot)).map(|(pid, ..)| pid).collect();
        let mut members = Vec::new();
        for entry in std::fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
            let Ok(session) = getsid(Some(Pid::from_raw(pid))).map(Pid::as_raw) else { continue };
            if session == 0 {
                continue;
            }
            if mains.contains(&session) {
                let Ok(group) = getpgid(Some(Pid::from_raw(pid))).map(Pid::as_raw) else { continue };
                members.push(Member { pid, group, session, parent: 0 });
            } else if let Some(stat) = proc::stat(pid).filter(|stat| !stat.has_ended()) {
                members.push(Member { pid, group: stat.group, session, parent: stat.parent });
            }
        }
        strays.look(table);
        Ok(Self { orphans: strays.all(table).collect(), ..Self::new(members) })
    }

    fn new(mut members: Vec<Member>) -> Self {
        let mut by_parent: Vec<Member> = members.iter().copied().filter(|member| member.parent != 0).collect();
        by_parent.sort_unstable_by_key(|member| member.parent);
        members.sort_unstable_by_key(|member| member.session);
        Self { by_session: members, by_parent, orphans: Vec::new() }
    }

    /// All that descend from `leader`, are in its session or are known to be orphans of `slot`, and
    /// all that descend from those; the leader left out.
    pub(super) fn of(&self, leader: i32, slot: usize) -> Vec<Member> {
        let mut seen = HashSet::from([leader]);
        let mut found = alike(&self.by_session, leader, |member| member.session).to_vec();
        // Few, if any.
        let orphans = self.orphans.iter().filter(|(whose, _)| *whose == slot);
        found.extend(orphans.filter_map(|(_, pid)| self.by_parent.iter().find(|member| member.pid == *pid)));
        found.retain(|member| seen.insert(member.pid));
        let mut next = 0;
        let mut parent = Some(leader);
        while let Some(pid) = parent {
            let children = alike(&self.by_parent, pid, |member| member.parent);
            found.extend(children.iter().copied().filter(|member| seen.insert(member.pid)));
            parent = found.get(next).map(|member| member.pid);
            next += 1;
        }
        found
    }
}

/// Those of `members`, sorted by `key`, whose key is `wanted`.
fn alike(members: &[Member], wanted: i32, key: fn(&Member) -> i32) -> &[Member] {
    let from = members.partition_point(|member| key(member) < wanted);
    let many = members[from..].partition_point(|member| key(member) == wanted);
    &members[from..from + many]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(pid: i32, session: i32, parent: i32) -> Member {
        Member { pid, group: pid, session, parent }
    }

    #[test]
    fn a_tree_is_the_session_of_its_leader_its_orphans_and_who_descends_from_anybody_of_them() {
        let census = Census::new(vec![
            member(10, 10, 0),
            member(11, 10, 0),  // in the session
            member(12, 12, 11), // a child of that one with a session of its own
            member(13, 12, 12), // and its child
            member(14, 14, 10),
            member(20, 20, 0), // another service
            member(21, 20, 0),
            member(22, 22, 21),
            member(40, 40, 1), // an orphan
            member(41, 41, 40),
            member(50, 50, 1), // and one of nobody
        ]);
        let census = Census { orphans: vec![(2, 40)], ..census };
        let pids = |leader, slot| {
            let mut pids: Vec<i32> = census.of(leader, slot).iter().map(|member| member.pid).collect();
            pids.sort_unstable();
            pids
        };
        assert_eq!(pids(10, 1), [11, 12, 13, 14]);
        assert_eq!(pids(20, 2), [21, 22, 40, 41]);
        assert_eq!(pids(30, 3), [0; 0]);
    }
}
