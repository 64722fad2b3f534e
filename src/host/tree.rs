//! Everything that a service started: signals that reach the right processes, and whether any is left.

use crate::host::proc;
use crate::host::sys::process::{Whom, pidfd_open, pidfd_signal};
use crate::model::policy::StopScope;
use crate::model::signal::Signal;
use crate::table::Table;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd;

/// Sends `signal` to what is left of `run`, as far as `scope` reaches. Who is gone needs none:
/// that is no error.
pub fn signal(table: &Table, slot: usize, run: u64, signal: Signal, scope: StopScope) -> io::Result<()> {
    match table.running(slot, run) {
        Some(pid) => signal_running(table, slot, run, pid, signal, scope),
        None => match (table.group(slot), scope) {
            (Some(group), StopScope::Group | StopScope::Tree) => signal_leftovers(group, signal, scope),
            _ => Ok(()),
        },
    }
}

fn signal_running(table: &Table, slot: usize, run: u64, pid: i32, signal: Signal, scope: StopScope) -> io::Result<()> {
    let process = match pidfd_open(pid) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(()),
        other => other?,
    };
    // Still not marked as ended, so not reaped when the descriptor was made: it is the right one.
    if table.running(slot, run) != Some(pid) {
        return Ok(());
    }
    // The tree is looked up before anybody in it may react.
    let others = if scope == StopScope::Tree { members(pid)? } else { BTreeSet::new() };
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
    signal_each(others.into_iter().filter(|(other, _, group)| *other != pid && *group != pid), signal)
}

fn signal_leftovers(group: i32, signal: Signal, scope: StopScope) -> io::Result<()> {
    // A process of this number: then group and session of old are gone, for they kept it taken.
    if kill(Pid::from_raw(group), None) != Err(Errno::ESRCH) {
        return Ok(());
    }
    // Before the group goes: who is in the session but in another group.
    let others = if scope == StopScope::Tree { members(group)? } else { BTreeSet::new() };
    if is_left(group) {
        signal_group(group, signal)?;
    }
    signal_each(others.into_iter().filter(|(_, _, of)| *of != group), signal)
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

/// A process by pid, start and group.
type Member = (i32, u64, i32);

/// All that descend from `leader` or are in its session: one walk of `/proc`, so only for stopping.
fn members(leader: i32) -> io::Result<BTreeSet<Member>> {
    let all = proc::processes()?;
    let mut pids = BTreeSet::from([leader]);
    loop {
        let before = pids.len();
        let belongs =
            |stat: &&proc::Stat| stat.session == leader || stat.group == leader || pids.contains(&stat.parent);
        let found: Vec<i32> = all.iter().filter(belongs).map(|stat| stat.pid).collect();
        pids.extend(found);
        if pids.len() == before {
            break;
        }
    }
    let living = all.iter().filter(|stat| pids.contains(&stat.pid) && !stat.has_ended());
    Ok(living.map(|stat| (stat.pid, stat.start_ticks, stat.group)).collect())
}

fn signal_each(members: impl Iterator<Item = Member>, signal: Signal) -> io::Result<()> {
    let mut first = Ok(());
    for (pid, start_ticks, _) in members {
        let sent = signal_one(pid, start_ticks, signal);
        if first.is_ok() {
            first = sent;
        }
    }
    first
}

fn signal_one(pid: i32, start_ticks: u64, signal: Signal) -> io::Result<()> {
    let Ok(process) = pidfd_open(pid) else { return Ok(()) };
    // The number may have passed to another between the walk and the descriptor.
    if proc::stat(pid).is_none_or(|stat| stat.start_ticks != start_ticks) {
        return Ok(());
    }
    gone_is_fine(pidfd_signal(process.as_fd(), signal.number(), Whom::Process))
}
