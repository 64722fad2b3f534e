//! Processes of a keeper that died: no children of ours, so `wait(2)` tells nothing of them. Each is watched by a pidfd,
//! and where the kernel hands out the status of a stranger (Linux 6.15), its end is told as that of any other.

use super::place::{living, start_of};
use super::{Deadline, Timing, after};
use crate::host::sys::process::{pidfd_exit, pidfd_open};
use crate::table::{Ending, Fate, Table, UNKNOWN};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// One of them.
struct Foster {
    slot: usize,
    process: OwnedFd,
    /// It has ended; until then its status is waited for, which is there once its parent has reaped it.
    ended: Option<Deadline>,
}

pub(super) struct Fosters {
    epoll: Epoll,
    all: Vec<Option<Foster>>,
    waiting: usize,
}

/// What one look came to: how many ends were noted.
impl Fosters {
    /// Takes what a dead keeper has left in `table`: who lives is watched, and the end of all others is noted. Who has a
    /// number that the table names, and is another process, is never touched.
    pub(super) fn take(table: &Table, now: Deadline) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut fosters = Self { epoll, all: Vec::new(), waiting: 0 };
        for slot in 1..table.used() {
            table.tell_marked(slot);
            if table.resident(slot).is_some() {
                fosters.take_one(table, slot, now)?;
            }
        }
        Ok(fosters)
    }

    fn take_one(&mut self, table: &Table, slot: usize, now: Deadline) -> io::Result<()> {
        let Some((pid, start, armed)) = table.resident(slot) else { return Ok(()) };
        if is_child(pid, start) {
            // This keeper is the one before it, in a new program; one that has ended is still to be reaped.
            return Ok(());
        }
        let process = pidfd_open(pid).ok();
        // Looked at once more when its pidfd is there: by then the number cannot go to another any more.
        let Some(process) = process.filter(|_| is_same(pid, start, armed)) else {
            end(table, slot, UNKNOWN, now);
            return Ok(());
        };
        if start == 0 {
            table.set_start(slot, start_of(pid));
        }
        let event = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, self.all.len() as u64);
        self.epoll.add(&process, event)?;
        self.all.push(Some(Foster { slot, process, ended: None }));
        Ok(())
    }

    /// Readable when one of them ended or was reaped.
    pub(super) fn watched(&self) -> Option<BorrowedFd<'_>> {
        (!self.all.is_empty()).then(|| self.epoll.0.as_fd())
    }

    /// When the status of one is waited for no longer.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        if self.waiting == 0 {
            return None;
        }
        self.all.iter().flatten().filter_map(|foster| foster.ended).min()
    }

    /// Notes the ends of those that have ended; how many.
    pub(super) fn look(&mut self, table: &Table, now: Deadline, timing: &Timing) -> usize {
        let mut events = [EpollEvent::empty(); 32];
        let mut noted = 0;
        while let Ok(count @ 1..) = self.epoll.wait(&mut events, EpollTimeout::ZERO) {
            for event in &events[..count] {
                noted += self.look_at(event.data() as usize, table, now, timing);
            }
        }
        for index in 0..if self.waiting > 0 { self.all.len() } else { 0 } {
            if self.all[index].as_ref().and_then(|foster| foster.ended).is_some_and(|until| until <= now) {
                noted += self.note(index, UNKNOWN, table, now);
            }
        }
        noted
    }

    fn look_at(&mut self, index: usize, table: &Table, now: Deadline, timing: &Timing) -> usize {
        let Some(foster) = self.all.get_mut(index).and_then(Option::as_mut) else { return 0 };
        if let Some(status) = pidfd_exit(foster.process.as_fd()) {
            return self.note(index, status, table, now);
        }
        if foster.ended.is_none() {
            foster.ended = Some(after(now, timing.status));
            self.waiting += 1;
        }
        0
    }

    fn note(&mut self, index: usize, status: i32, table: &Table, now: Deadline) -> usize {
        let Some(foster) = self.all.get_mut(index).and_then(Option::take) else { return 0 };
        self.waiting -= usize::from(foster.ended.is_some());
        end(table, foster.slot, status, now);
        1
    }

    /// Whether the process of `slot` is one of these, and has ended.
    pub(super) fn has_ended(&self, slot: usize) -> bool {
        self.all.iter().flatten().any(|foster| foster.slot == slot && foster.ended.is_some())
    }
}

fn end(table: &Table, slot: usize, status: i32, now: Deadline) {
    if let Some(run) = table.run(slot)
        && let Fate::Process(_) = table.fate(slot, run)
    {
        table.mark_exited(slot, &Ending { status, exited_at: now, ..Ending::default() });
        table.mark_reaped(slot);
    }
}

/// Whether `pid` is the process that the table speaks of. Between the clone and the note of its start, it is at most five
/// seconds younger than the order.
fn is_same(pid: i32, start: u64, armed: u64) -> bool {
    if start > 0 { living((pid, start)).is_some() } else { (armed..armed + 500).contains(&start_of(pid)) }
}

fn is_child(pid: i32, start: u64) -> bool {
    let ours = |stat: &crate::host::proc::Stat| stat.parent == std::process::id() as i32;
    crate::host::proc::stat(pid).is_some_and(|stat| ours(&stat) && (start == 0 || stat.start_ticks == start))
}
