//! What those find who come after the dead: what became of each run that was ordered.

use super::layout::{ARMED, EXITED, FREE, REAPED, TAKEN};
use super::{Ending, Table};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};

/// The status of a process of which nobody knows how it ended. No `wait(2)` gives it.
pub const UNKNOWN: i32 = 0x7f;

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It never had a process, or its slot has gone to another run.
    Nothing,
    /// Its process was named and has not been marked as ended.
    Process(i32),
    /// Its process ended and is reaped, or about to be.
    Ended {
        /// The pid that it had.
        pid: i32,
        /// How.
        ending: Ending,
    },
}

impl Table {
    /// What became of `run`, which was to be in `slot`.
    pub fn fate(&self, slot: usize, run: u64) -> Fate {
        let Some(cell) = self.cells().slots.get(slot).filter(|cell| cell.run.load(Relaxed) == run) else {
            return Fate::Nothing;
        };
        match cell.state.load(Acquire) {
            FREE => Fate::Nothing,
            ARMED => match self.cells().pids[slot].load(Acquire) {
                // Armed, and no child was made.
                0 => Fate::Nothing,
                pid => Fate::Process(pid),
            },
            _ => {
                let ending = Ending {
                    status: cell.status.load(Relaxed),
                    user_us: cell.user_us.load(Relaxed),
                    system_us: cell.system_us.load(Relaxed),
                    max_rss_kib: cell.max_rss_kib.load(Relaxed),
                    exited_at: cell.exited_at.load(Relaxed),
                };
                Fate::Ended { pid: self.cells().groups[slot].load(Relaxed), ending }
            }
        }
    }

    /// How `run` ended, as `wait(2)` encodes it, if that was told to a supervisor.
    pub fn told(&self, slot: usize, run: u64) -> Option<i32> {
        let cell = self.cells().slots.get(slot)?;
        let told = cell.run.load(Relaxed) == run && cell.state.load(Acquire) == TAKEN;
        told.then(|| cell.status.load(Relaxed))
    }

    /// The digest of the name of whom `slot` was armed for last; 0: nobody.
    pub fn owner(&self, slot: usize) -> u64 {
        self.cells().owners[slot].load(Relaxed)
    }

    /// Whom `slot` was armed for has another name from now on.
    pub fn set_owner(&self, slot: usize, owner: u64) {
        self.cells().owners[slot].store(owner, Relaxed);
    }

    /// The `nth` signal is about to go to the run of `slot`; false: it has gone already. Said before it goes: who comes
    /// after us rather leaves one out than sends it twice.
    pub fn begin_signal(&self, slot: usize, nth: u32) -> bool {
        self.cells().signals[slot].fetch_max(nth, AcqRel) < nth
    }

    /// For a supervisor that comes after another: an end that was told and not taken is told again. The other one may
    /// have died over the taking.
    pub fn remind(&self) {
        for slot in 1..self.used() {
            if self.cells().slots[slot].state.load(Acquire) == REAPED {
                self.mark_dirty(slot);
            }
        }
    }

    /// For a keeper that finds the table of a dead one: an end that was marked and not told is told.
    pub fn tell_marked(&self, slot: usize) {
        let state = &self.cells().slots[slot].state;
        if state.compare_exchange(EXITED, REAPED, Release, Relaxed).is_ok() {
            self.mark_dirty(slot);
        }
    }
}
