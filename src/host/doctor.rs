//! What this machine and these rights allow, and what to do where that is not enough. Facts are read in `machine` and
//! `disks` and judged, purely, in `judge` and `rights`. Writes nothing.
//!
//! All that is said of limits and rights is what this process has: in the supervisor what its services get, on a
//! command line what an abide would have that was started there.

mod disks;
mod judge;
mod machine;
mod rights;

use crate::model::look::{Finding, Level};
use crate::model::resources::Cgroups;
use crate::model::status::{SourceStatus, Status};
use machine::Machine;
use std::path::PathBuf;

/// Where abide keeps what is its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// Snapshot and sockets.
    pub runtime: PathBuf,
    /// What outlives a boot.
    pub state: PathBuf,
    /// Output of services.
    pub log: PathBuf,
}

/// What a running abide knows of itself.
#[derive(Debug, Clone)]
pub struct Running {
    /// Its keeper.
    keeper: i32,
    cgroups: Cgroups,
    sources: Vec<SourceStatus>,
    /// How many instances there are.
    instances: u64,
}

impl Running {
    /// As its snapshot has it, with the number of its instances.
    pub fn of(status: Status, instances: u64) -> Self {
        let Status { abide, sources, .. } = status;
        Self { keeper: abide.pid, cgroups: abide.cgroups, sources, instances }
    }
}

/// Looks at everything but what lies on disks. `None`: no abide runs.
pub fn look(running: Option<&Running>) -> Vec<Finding> {
    let machine = Machine::read(running);
    let sources = running.map_or(&[][..], |running| running.sources.as_slice());
    judged(&machine).chain(sources.iter().map(judge::source)).collect()
}

fn judged(machine: &Machine) -> impl Iterator<Item = Finding> {
    let here = [judge::kernel(machine), judge::processes(machine)];
    let place = judge::place(machine).into_iter().chain([judge::cgroups(machine)]);
    let limits = [rights::open_files(machine), rights::user_processes(machine), rights::pipes(machine)];
    let rest = [judge::inotify(machine), judge::dumpable(machine), judge::clock(machine)];
    here.into_iter().chain(place).chain(rights::capabilities(machine)).chain(limits).chain(rest)
}

/// Looks at what lies on disks. May hang as long as one of them does.
pub fn look_at_disks(directories: &Directories) -> Vec<Finding> {
    let Directories { runtime, state, log } = directories;
    let all = [("runtime directory", "--runtime-dir", runtime), ("state directory", "--state-dir", state)];
    let all = all.into_iter().chain([("log directory", "--log-dir", log)]);
    all.map(|(what, option, path)| disks::directory(what, option, path)).collect()
}

/// What is said where that takes too long.
pub fn disks_hang() -> Finding {
    Finding::amiss(
        "file systems",
        Level::Error,
        "a file system that holds abide's directories does not answer: what is to be written there waits",
        "look at `dmesg` and at the server of a network file system; `mount` tells which it is",
    )
}

#[cfg(test)]
mod tests;
