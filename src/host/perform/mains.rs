//! Main processes that abide has not made itself: the daemon that its launcher left, or the successor that a service
//! names. And to whom any process belongs.
//!
//! Only a child of the keeper is taken, since only of that one the end is told, with its status, and its number not
//! given to another before. One whose parent is still there is refused with words, and looked for again by the core:
//! a daemon's parent has ended a moment later. (systemd takes such a one, and says that it will most likely not notice
//! its end.)

use super::Host;
use crate::decide::event::{Event, RunId};
use crate::host::cgroup::group;
use crate::host::chores::Told;
use crate::host::proc::{self, Stat};
use crate::host::seat::Run;
use crate::host::sys::process::{Whom, pidfd_open, pidfd_signal};
use crate::host::tree::{self, Census, Reach};
use crate::host::{owner, pid_file};
use crate::model::desired::Definition;
use crate::model::launch::expand_for;
use crate::model::name::InstanceId;
use crate::model::outcome::Exit;
use crate::model::policy::ServiceType;
use crate::table::{Role, Table};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the keeper may take for one child: it does nothing in between but what the kernel does at once.
const KEEPERS_TIME: Duration = Duration::from_millis(100);

impl Host {
    /// Finds the process that is the service from now on, and takes it.
    pub(super) fn find_main(&mut self, instance: InstanceId, run: RunId, definition: &Definition, named: Option<i32>) {
        let service = &definition.service;
        let uid = service.identity.uid;
        let file = match &service.service_type {
            ServiceType::Forking { pid_file: Some(file) } if named.is_none() => file,
            _ => return self.found(instance, run, uid, Ok(named)),
        };
        let expand = |text: &str| expand_for(service, instance.index, text).map_err(|bad| bad.to_string());
        let root = service.security.as_deref().and_then(|security| security.chroot.as_deref());
        let place = || Ok((root.map(expand).transpose()?, Path::new(&expand(&service.directory)?).join(expand(file)?)));
        let eyes = service.delegated.is_some().then(|| service.identity.clone());
        match place() {
            Err(bad) => self.found(instance, run, uid, Err(bad)),
            Ok((root, path)) => self.readings.order(move || {
                let pid = pid_file::read(root.as_deref().map(Path::new), &path, eyes.as_ref());
                Told::PidFile { instance, run, uid, pid }
            }),
        }
    }

    /// Takes the process that was named, or the oldest of the tree.
    pub(super) fn found(&mut self, instance: InstanceId, run: RunId, uid: u32, pid: Result<Option<i32>, String>) {
        let outcome = pid.and_then(|pid| self.main_of(&instance, run, uid, pid));
        self.events.push_back(Event::MainFound { instance, run, outcome });
    }

    fn main_of(&mut self, instance: &InstanceId, run: RunId, uid: u32, pid: Option<i32>) -> Result<(i32, u64), String> {
        let seat = self.seats.get(instance).filter(|seat| seat.run.id() == Some(run));
        let slot = match seat {
            Some(seat) if matches!(seat.run, Run::Living { .. } | Run::Leftovers { .. }) => seat.slot,
            _ => return Err("its run is over".to_owned()),
        };
        // What was seen of orphans may be older than this one.
        self.strays.look(&self.table);
        let pid = pid.map_or_else(|| self.oldest(instance, slot), Ok)?;
        let found = proc::stat(pid).filter(|found| !found.has_ended());
        let found = found.ok_or_else(|| format!("there is no process {pid}"))?;
        if !self.may_be_main(instance, slot, &found, uid) {
            return Err(format!("process {pid} is none of this service: it is let be"));
        }
        self.take(instance, slot, run, &found)
    }

    /// The process of the tree that has been there for longest.
    fn oldest(&mut self, instance: &InstanceId, slot: u32) -> Result<i32, String> {
        let members = self.members(instance, slot);
        let mut there: Vec<Stat> =
            members.into_iter().filter_map(proc::stat).filter(|stat| !stat.has_ended()).collect();
        there.sort_unstable_by_key(|stat| (stat.start_ticks, stat.pid));
        let first = there.first().map(|stat| stat.pid);
        first.ok_or_else(|| {
            "none of its processes is there, or can be told to be its own: name its `pid_file`".to_owned()
        })
    }

    /// Everybody of the tree of `slot` but errands.
    pub(super) fn members(&mut self, instance: &InstanceId, slot: u32) -> Vec<i32> {
        let main = self.table.resident(slot as usize).map(|(pid, ..)| pid);
        let leader = main.or_else(|| self.table.group(slot as usize)).unwrap_or(0);
        let path = self.groups.path(instance);
        let census;
        let reach = if let Some(path) = &path {
            Reach::Cgroup(path)
        } else {
            census = Census::take(&self.table, &mut self.strays).unwrap_or_default();
            Reach::Census(&census)
        };
        let others = tree::members(reach, leader, slot as usize);
        let own = |pid: &i32| owner::slot_of(&self.table, *pid).is_none_or(|of| of == slot as usize);
        main.into_iter().chain(others.into_iter().filter(own)).collect()
    }

    /// Whether a process may be the main one of `slot`: it is known to be of its tree; or it is an orphan of nobody
    /// else, no older than the run, and of the user that the service runs as, so that a signal to it is no more than
    /// the service itself could send. (nginx and PostgreSQL overwrite the mark that would tell.)
    fn may_be_main(&mut self, instance: &InstanceId, slot: u32, stat: &Stat, uid: u32) -> bool {
        if let Some(of) = self.slot_of(stat.pid) {
            return of == slot;
        }
        let roles = [Role::Supervisor, Role::Logger].map(|role| self.table.role(role).0);
        let orphan = stat.parent == self.keeper() && !roles.contains(&stat.pid);
        // Where groups tell, one that is in none of them is a stranger.
        let told = self.groups.path(instance).is_some();
        orphan
            && !told
            && stat.start_ticks >= self.table.armed_at(slot as usize)
            && (uid == 0 || owner::uid_of(stat.pid) == Some(uid))
    }

    fn keeper(&self) -> i32 {
        self.table.role(Role::Keeper).0
    }

    /// The slot of the service, or of the errand, that a process is known to belong to.
    pub(super) fn slot_of(&mut self, pid: i32) -> Option<u32> {
        if let Some(slot) = owner::slot_of(&self.table, pid) {
            return Some(slot as u32);
        }
        if let Some(slot) = self.slot_by_group(pid) {
            return Some(slot);
        }
        let known = |host: &Self| host.strays.all(&host.table).find(|(_, of)| *of == pid).map(|(slot, _)| slot as u32);
        // An orphan that came after the last look. Nobody else is worth one.
        if known(self).is_none() && proc::stat(pid)?.parent == self.keeper() {
            self.strays.look(&self.table);
        }
        known(self)
    }

    fn slot_by_group(&self, pid: i32) -> Option<u32> {
        let name = owner::group_of(pid)?;
        let mut seats = self.seats.each();
        seats.find_map(|(instance, seat)| {
            let path = self.groups.path(instance)?;
            let named = path.file_name().is_some_and(|own| *own == *name);
            (named && group::members(&path).contains(&pid)).then_some(seat.slot)
        })
    }

    /// Takes a process for the main one of `run`.
    fn take(&mut self, instance: &InstanceId, slot: u32, run: RunId, found: &Stat) -> Result<(i32, u64), String> {
        let (pid, since) = (found.pid, found.start_ticks);
        let former = self.table.running(slot as usize, run.0);
        if former == Some(pid) {
            return Ok((pid, since));
        }
        let process = pidfd_open(pid).map_err(|_| format!("process {pid} has ended"))?;
        // Of this very process, and not of the one that had its number when it was judged.
        let now = proc::stat(pid).filter(|now| now.start_ticks == since && !now.has_ended());
        let parent = now.ok_or_else(|| format!("process {pid} has ended"))?.parent;
        if parent != self.keeper() {
            return Err(format!("process {pid} is a child of process {parent}: abide would not be told of its end"));
        }
        let fate = match former {
            None => adopt(&self.table, slot, run, found, &process),
            Some(former) => self.replace(instance, slot, run, former, found, &process),
        };
        fate?;
        if let Some(seat) = self.seats.get_mut(instance) {
            seat.run = Run::Living { run };
        }
        self.no_longer_awaited(slot);
        Ok((pid, since))
    }

    /// The former main process lives, and another takes its place.
    fn replace(
        &mut self,
        instance: &InstanceId,
        slot: u32,
        run: RunId,
        former: i32,
        found: &Stat,
        process: &OwnedFd,
    ) -> Result<(), String> {
        let gone = || format!("process {} has ended", found.pid);
        let over = || format!("the process before it, {former}, has just ended");
        let held = pidfd_open(former).map_err(|_| over())?;
        if !self.table.replace(slot as usize, run.0, former, found.pid, found.start_ticks) {
            return Err(over());
        }
        self.await_keeper(former);
        match fate(&self.table, slot, run, found.pid, process) {
            // Then it was the former whose end is told as the end of the run.
            Fate::Told if lives(process) => Err(over()),
            Fate::Named | Fate::Told => Ok(()),
            Fate::Lost => {
                // Back to the former, if that is still there.
                let since = proc::stat(former).map_or(0, |former| former.start_ticks);
                let back = self.table.adopt(slot as usize, run.0, former, since);
                if !back || matches!(fate(&self.table, slot, run, former, &held), Fate::Lost) {
                    self.ended(instance, run, Exit::Unknown);
                }
                Err(gone())
            }
        }
    }

    fn await_keeper(&self, pid: i32) {
        await_keeper(&self.table, pid);
    }
}

/// What became of a process that was named in a slot.
enum Fate {
    /// It lives, and its end will be told.
    Named,
    /// The end of the run is told, or will be.
    Told,
    /// It was reaped before the keeper could see it in its slot, which is free of it again.
    Lost,
}

fn adopt(table: &Table, slot: u32, run: RunId, found: &Stat, process: &OwnedFd) -> Result<(), String> {
    let gone = || format!("process {} has ended", found.pid);
    if !table.adopt(slot as usize, run.0, found.pid, found.start_ticks) {
        return Err("its run is over".to_owned());
    }
    match fate(table, slot, run, found.pid, process) {
        Fate::Named | Fate::Told => Ok(()),
        Fate::Lost => Err(gone()),
    }
}

fn fate(table: &Table, slot: u32, run: RunId, pid: i32, process: &OwnedFd) -> Fate {
    await_keeper(table, pid);
    let slot = slot as usize;
    if table.is_over(slot, run.0) {
        Fate::Told
    } else if lives(process) {
        Fate::Named
    } else if table.disown(slot, run.0) {
        Fate::Lost
    } else {
        Fate::Told
    }
}

/// Not reaped, that is.
fn lives(process: &OwnedFd) -> bool {
    pidfd_signal(process.as_fd(), 0, Whom::Process).is_ok()
}

/// Until the keeper is through with a child, if it has just that one in hand.
fn await_keeper(table: &Table, pid: i32) {
    let deadline = Instant::now() + KEEPERS_TIME;
    while table.is_taking_leave_of(pid) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_micros(50));
    }
}
