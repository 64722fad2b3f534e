//! Everything that a service started: signals that reach the right processes, and whether any is left.

use crate::host::proc;
use crate::host::sys::process::{Whom, pidfd_open, pidfd_signal};
use crate::model::policy::StopScope;
use crate::model::signal::Signal;
use crate::table::Table;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{Pid, getpgid, getsid};
use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Sends `signal` to what is left of `run`, as far as `scope` reaches. Who is gone needs none:
/// that is no error.
///
/// For [`StopScope::Tree`] `census` tells who belongs to it: taken before anybody of the tree may
/// react to a signal, since who loses its parent can no longer be told.
pub fn signal(
    table: &Table,
    census: &Census,
    slot: usize,
    run: u64,
    signal: Signal,
    scope: StopScope,
) -> io::Result<()> {
    match table.running(slot, run) {
        Some(pid) => {
            let process = match pidfd_open(pid) {
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(()),
                other => other?,
            };
            // Still not marked as ended, so not reaped when the descriptor was made: it is the right one.
            if table.running(slot, run) != Some(pid) {
                return Ok(());
            }
            signal_running(census, &process, pid, signal, scope)
        }
        None => match (table.group(slot), scope) {
            (Some(group), StopScope::Group | StopScope::Tree) => signal_leftovers(census, group, signal, scope),
            _ => Ok(()),
        },
    }
}

fn signal_running(census: &Census, process: &OwnedFd, pid: i32, signal: Signal, scope: StopScope) -> io::Result<()> {
    if scope == StopScope::Process {
        return gone_is_fine(pidfd_signal(process.as_fd(), signal.number(), Whom::Process));
    }
    match pidfd_signal(process.as_fd(), signal.number(), Whom::Group) {
        // Before Linux 6.9. The number is the group's as long as its leader is unreaped.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => signal_group(pid, signal)?,
        // It has not got as far as to lead a group.
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {
            gone_is_fine(pidfd_signal(process.as_fd(), signal.number(), Whom::Process))?;
        }
        sent => sent?,
    }
    signal_others(census, pid, signal, scope)
}

fn signal_leftovers(census: &Census, group: i32, signal: Signal, scope: StopScope) -> io::Result<()> {
    // A process of this number: then group and session of old are gone, for they kept it taken.
    if kill(Pid::from_raw(group), None) != Err(Errno::ESRCH) {
        return Ok(());
    }
    if is_left(group) {
        signal_group(group, signal)?;
    }
    signal_others(census, group, signal, scope)
}

/// Who belongs to the tree and is not in the group of `leader`, which has its signal already.
fn signal_others(census: &Census, leader: i32, signal: Signal, scope: StopScope) -> io::Result<()> {
    let others = if scope == StopScope::Tree { census.of(leader) } else { Vec::new() };
    signal_each(others.into_iter().filter(|member| member.group != leader), signal)
}

/// Whether any process of the group of an ended and reaped leader is left.
///
/// The number of a process stays taken while a group has it, so the group is ours as long as no
/// *process* has the number: then nobody can have taken it over.
pub fn is_left(group: i32) -> bool {
    kill(Pid::from_raw(group), None) == Err(Errno::ESRCH) && kill(Pid::from_raw(-group), None) != Err(Errno::ESRCH)
}

/// [`is_left`] of what the ended process of `slot` left behind; once nothing is, the slot forgets the group.
pub fn has_leftovers(table: &Table, slot: usize) -> bool {
    let Some(group) = table.group(slot) else { return false };
    let left = is_left(group);
    if !left {
        table.clear_group(slot);
    }
    left
}

fn signal_group(group: i32, signal: Signal) -> io::Result<()> {
    // Raw: nix knows no real-time signals.
    gone_is_fine(crate::host::sys::process::kill(-group, signal.number()))
}

fn gone_is_fine(sent: io::Result<()>) -> io::Result<()> {
    sent.or_else(|error| if error.raw_os_error() == Some(libc::ESRCH) { Ok(()) } else { Err(error) })
}

/// A process, and by what it is told from a later one of the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    pid: i32,
    group: i32,
    session: i32,
    /// Known only of processes in sessions that no service began.
    parent: i32,
}

/// All processes that can belong to a service, as they were at one moment: taken once for all that
/// is signalled in one turn, since reading `/proc` costs by the number of all processes. Asking it
/// costs by the size of the tree asked for: else the end of all services would cost their number squared.
#[derive(Debug, Default)]
pub struct Census {
    by_session: Vec<Member>,
    by_parent: Vec<Member>,
}

impl Census {
    /// Looks at every process. Kernel threads have no session and are left out; of those in the
    /// session of a service's main process two cheap calls tell all; only the others are read.
    pub fn take(table: &Table) -> io::Result<Self> {
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
        Ok(Self::new(members))
    }

    fn new(mut members: Vec<Member>) -> Self {
        let mut by_parent: Vec<Member> = members.iter().copied().filter(|member| member.parent != 0).collect();
        by_parent.sort_unstable_by_key(|member| member.parent);
        members.sort_unstable_by_key(|member| member.session);
        Self { by_session: members, by_parent }
    }

    /// All that descend from `leader` or are in its session, itself left out.
    fn of(&self, leader: i32) -> Vec<Member> {
        let mut seen = HashSet::from([leader]);
        let mut found = alike(&self.by_session, leader, |member| member.session).to_vec();
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

fn signal_each(members: impl Iterator<Item = Member>, signal: Signal) -> io::Result<()> {
    let mut first = Ok(());
    for member in members {
        let sent = signal_one(member, signal);
        if first.is_ok() {
            first = sent;
        }
    }
    first
}

fn signal_one(member: Member, signal: Signal) -> io::Result<()> {
    let Ok(process) = pidfd_open(member.pid) else { return Ok(()) };
    // The number may have passed to another since the census; nobody else can be in that session.
    if getsid(Some(Pid::from_raw(member.pid))).map(Pid::as_raw) != Ok(member.session) {
        return Ok(());
    }
    gone_is_fine(pidfd_signal(process.as_fd(), signal.number(), Whom::Process))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(pid: i32, session: i32, parent: i32) -> Member {
        Member { pid, group: pid, session, parent }
    }

    #[test]
    fn a_tree_is_the_session_of_its_leader_and_who_descends_from_anybody_in_it() {
        let census = Census::new(vec![
            member(10, 10, 0),
            member(11, 10, 0),  // in the session
            member(12, 12, 11), // a child of that one with a session of its own
            member(13, 12, 12), // and its child
            member(14, 14, 10),
            member(20, 20, 0), // another service
            member(21, 20, 0),
            member(22, 22, 21),
        ]);
        let pids = |leader| {
            let mut pids: Vec<i32> = census.of(leader).iter().map(|member| member.pid).collect();
            pids.sort_unstable();
            pids
        };
        assert_eq!(pids(10), [11, 12, 13, 14]);
        assert_eq!(pids(20), [21, 22]);
        assert_eq!(pids(30), [0; 0]);
    }
}
