//! To which service a process belongs that says so, or is said to.

use crate::host::proc;
use crate::table::{Role, Table};
use nix::unistd::{Pid, getpgid, getsid};
use std::ffi::OsString;
use std::path::Path;

/// So many generations are looked back at most.
const GENERATIONS: usize = 64;

/// The slot whose process is `pid`, or began its session or group, or is among its ancestors. `None` where nothing
/// of the kind can be told: it is a stranger, or gone.
pub(super) fn slot_of(table: &Table, pid: i32) -> Option<usize> {
    let keeper = table.role(Role::Keeper).0;
    let mut pid = pid;
    for _ in 0..GENERATIONS {
        if pid <= 1 || pid == keeper {
            return None;
        }
        if let Some(slot) = related(table, pid) {
            return Some(slot);
        }
        pid = proc::stat(pid)?.parent;
    }
    None
}

/// The real uid of a process.
pub(super) fn uid_of(pid: i32) -> Option<u32> {
    let status = proc::read(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_ascii_whitespace().next()?.parse().ok()
}

/// The name of the cgroup of v2 that a process is in: the last part of its path.
pub(super) fn group_of(pid: i32) -> Option<OsString> {
    let groups = proc::read(format!("/proc/{pid}/cgroup")).ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    Path::new(path).file_name().map(ToOwned::to_owned)
}

fn related(table: &Table, pid: i32) -> Option<usize> {
    let of = |leader: i32| table.slot_of(leader).or_else(|| table.slot_of_group(leader));
    let session = || getsid(Some(Pid::from_raw(pid))).ok().and_then(|session| of(session.as_raw()));
    let group = || getpgid(Some(Pid::from_raw(pid))).ok().and_then(|group| of(group.as_raw()));
    table.slot_of(pid).or_else(session).or_else(group)
}
