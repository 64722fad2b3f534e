//! Everything that a service started: signals that reach the right processes, and whether any is left.

mod census;
mod strays;

pub use census::Census;
pub use strays::{MARK, Strays, mark};

use crate::host::cgroup::group;
use crate::host::sys::process::{Whom, pidfd_open, pidfd_signal};
use crate::model::policy::StopScope;
use crate::model::signal::Signal;
use crate::table::Table;
use census::Member;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{Pid, getpgid, getsid};
use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// How a signal finds those that it is for.
#[derive(Debug, Clone, Copy)]
pub enum Reach<'a> {
    /// The main process alone.
    Process,
    /// Its process group.
    Group,
    /// The group, and all that the census knows as descendants: taken before anybody of the tree may
    /// react to a signal, since who loses its parent can no longer be told.
    Census(&'a Census),
    /// The group, and everybody in the cgroup of this path.
    Cgroup(&'a Path),
}

impl Reach<'_> {
    /// How far that is.
    pub fn scope(&self) -> StopScope {
        match self {
            Self::Process => StopScope::Process,
            Self::Group => StopScope::Group,
            Self::Census(_) | Self::Cgroup(_) => StopScope::Tree,
        }
    }
}

/// Sends `signal` to what is left of `run`, as far as `reach` goes. Who is gone needs none: that is
/// no error.
pub fn signal(table: &Table, reach: Reach<'_>, slot: usize, run: u64, signal: Signal) -> io::Result<()> {
    if let (Reach::Cgroup(path), Signal::KILL) = (reach, signal) {
        // One write for all of them, whoever they fork meanwhile.
        return group::kill(path).or_else(|error| not_found_is_fine(error, path));
    }
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
            signal_running(reach, &process, pid, slot, signal)
        }
        None => match (table.group(slot), reach) {
            (_, Reach::Cgroup(path)) => signal_cgroup(path, 0, signal),
            (Some(group), Reach::Group | Reach::Census(_)) => signal_leftovers(reach, group, slot, signal),
            // Nobody of the group, so orphans alone, if any.
            (None, Reach::Census(_)) => signal_others(reach, 0, slot, signal),
            _ => Ok(()),
        },
    }
}

fn not_found_is_fine(error: io::Error, path: &Path) -> io::Result<()> {
    if path.exists() { Err(error) } else { Ok(()) }
}

fn signal_running(reach: Reach<'_>, process: &OwnedFd, pid: i32, slot: usize, signal: Signal) -> io::Result<()> {
    if reach.scope() == StopScope::Process {
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
    match reach {
        Reach::Cgroup(path) => signal_cgroup(path, pid, signal),
        _ => signal_others(reach, pid, slot, signal),
    }
}

fn signal_leftovers(reach: Reach<'_>, group: i32, slot: usize, signal: Signal) -> io::Result<()> {
    // No process has the number: then nobody can have taken group and session over.
    if kill(Pid::from_raw(group), None) == Err(Errno::ESRCH) {
        if is_left(group) {
            signal_group(group, signal)?;
        }
        return signal_others(reach, group, slot, signal);
    }
    // Else both are gone, for they kept it taken; orphans of other groups may be left.
    signal_others(reach, 0, slot, signal)
}

/// Who belongs to the tree and is not in the group of `leader`, which has its signal already.
fn signal_others(reach: Reach<'_>, leader: i32, slot: usize, signal: Signal) -> io::Result<()> {
    let Reach::Census(census) = reach else { return Ok(()) };
    let others = census.of(leader, slot);
    signal_each(others.into_iter().filter(|member| member.group != leader), signal)
}

/// Everybody that `reach` knows of the tree of `slot`, whose main process is or was `leader`; itself left out.
pub fn members(reach: Reach<'_>, leader: i32, slot: usize) -> Vec<i32> {
    match reach {
        Reach::Process | Reach::Group => Vec::new(),
        Reach::Census(census) => census.of(leader, slot).into_iter().map(|member| member.pid).collect(),
        Reach::Cgroup(path) => group::members(path).into_iter().filter(|pid| *pid != leader).collect(),
    }
}

/// Everybody in the cgroup but those in the process group of `leader`, which has its signal already.
fn signal_cgroup(path: &Path, leader: i32, signal: Signal) -> io::Result<()> {
    let others = || group::members(path).into_iter().filter(|pid| *pid != leader);
    let mut first = Ok(());
    // Few at a time: each takes a descriptor.
    let before: Vec<i32> = others().collect();
    for some in before.chunks(SOME) {
        let in_group = |pid: i32| getpgid(Some(Pid::from_raw(pid))).is_ok_and(|group| group.as_raw() == leader);
        let held: Vec<(i32, OwnedFd)> =
            some.iter().filter(|pid| !in_group(**pid)).filter_map(|pid| Some((*pid, pidfd_open(*pid).ok()?))).collect();
        if held.is_empty() {
            continue;
        }
        // The number may have passed to another before the descriptor was made: who is still listed is right.
        let now: HashSet<i32> = others().collect();
        for (_, process) in held.iter().filter(|(pid, _)| now.contains(pid)) {
            first = first.and(gone_is_fine(pidfd_signal(process.as_fd(), signal.number(), Whom::Process)));
        }
    }
    first
}

/// How many processes are held at once.
const SOME: usize = 64;

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

fn signal_each(members: impl Iterator<Item = Member>, signal: Signal) -> io::Result<()> {
    let mut first = Ok(());
    for member in members {
        first = first.and(signal_one(member, signal));
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
