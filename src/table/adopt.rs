//! Another process for a slot than the one that was made in it: a daemon that its launcher left, or a successor that
//! a service named.
//!
//! The keeper may reap that very process at the same time, and must then either have seen it in its slot or not.
//! Both sides say what they are about before they look at what the other says, so at least one of them sees the
//! other: the keeper names the child that it takes leave of before it looks for its slot, and we name the child in the
//! slot before we look at whom the keeper takes leave of.

use super::Role;
use super::Table;
use super::layout::{ARMED, EXITED, REAPED, TAKEN};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU32, fence};

impl Table {
    fn leave(&self) -> &AtomicU32 {
        &self.cells().head.roles[Role::Keeper as usize].leave
    }

    /// The keeper is about to look for the slot of this child, and to reap it.
    pub fn take_leave(&self, pid: i32) {
        self.leave().store(pid as u32, Relaxed);
        // Said before anything is looked at.
        fence(SeqCst);
    }

    /// It has.
    pub fn left(&self) {
        self.leave().store(0, Release);
    }

    /// Whether the keeper is about to reap that child: whether its end will be told is then not to be known yet.
    pub fn is_taking_leave_of(&self, pid: i32) -> bool {
        self.leave().load(Acquire) == pid as u32
    }

    /// Names `pid`, a child of the keeper that is not reaped, as the process of `run`, whose process so far has ended
    /// and is taken note of. Whether it could be. The caller then waits until the keeper
    /// [takes no leave](Table::is_taking_leave_of) of it: if it is not reaped by then, its end will be told, else
    /// [`Table::disown`] knows.
    pub fn adopt(&self, slot: usize, run: u64, pid: i32, start_ticks: u64) -> bool {
        let cell = &self.cells().slots[slot];
        if cell.run.load(Relaxed) != run || cell.state.load(Acquire) != TAKEN {
            return false;
        }
        self.cells().groups[slot].store(0, Relaxed);
        cell.start_ticks.store(start_ticks, Relaxed);
        // Before the pid: the keeper marks what it finds by that.
        cell.state.store(ARMED, Release);
        self.cells().pids[slot].store(pid, Release);
        fence(SeqCst);
        true
    }

    /// Names `pid` in place of `former`, which lives on as one of many. The same holds, of both of them: if the former
    /// has been found to have ended by then, that is told as the end of the run.
    pub fn replace(&self, slot: usize, run: u64, former: i32, pid: i32, start_ticks: u64) -> bool {
        let cell = &self.cells().slots[slot];
        if cell.run.load(Relaxed) != run || cell.state.load(Acquire) != ARMED {
            return false;
        }
        let replaced = self.cells().pids[slot].compare_exchange(former, pid, AcqRel, Acquire).is_ok();
        if replaced {
            cell.start_ticks.store(start_ticks, Relaxed);
        }
        fence(SeqCst);
        replaced
    }

    /// The adopted process of `run` was found to be gone. True: the keeper did not see it in its slot, nobody will
    /// tell its end, and the slot is as before. False: its end is told as any other.
    pub fn disown(&self, slot: usize, run: u64) -> bool {
        let cell = &self.cells().slots[slot];
        let disowned =
            cell.run.load(Relaxed) == run && cell.state.compare_exchange(ARMED, TAKEN, AcqRel, Acquire).is_ok();
        if disowned {
            self.cells().pids[slot].store(0, Release);
        }
        disowned
    }

    /// When `slot` was armed last, in clock ticks since boot.
    pub fn armed_at(&self, slot: usize) -> u64 {
        self.cells().slots[slot].armed_ticks.load(Relaxed)
    }

    /// Whether the process of `run` has ended, and this is told or will be.
    pub fn is_over(&self, slot: usize, run: u64) -> bool {
        let cell = &self.cells().slots[slot];
        cell.run.load(Relaxed) != run || matches!(cell.state.load(Acquire), EXITED | REAPED | TAKEN)
    }
}
