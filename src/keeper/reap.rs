//! Exits: into the slot, then reaped, then told. The only way an exit goes, on all kernels.

use super::{Keeper, Phase};
use crate::host::clock;
use crate::host::stderr::say;
use crate::host::sys::process::{self, Ended};
use crate::model::outcome::Exit;
use crate::model::signal::Signal;
use crate::table::{Ending, Role};
use nix::unistd::{Pid, getpgid};

/// So many exits are told with one ring of the bell.
const BATCH: usize = 64;

impl Keeper {
    /// Takes note of every child that ended.
    pub(super) fn reap(&mut self) {
        let mut untold = 0;
        while let Ok(Some(ended)) = process::peek_ended() {
            untold += usize::from(self.note(&ended));
            if untold >= BATCH {
                self.ring();
                untold = 0;
            }
        }
        if untold > 0 {
            self.ring();
        }
    }

    pub(super) fn ring(&self) {
        // Full: then it rings already.
        let _ = self.bell.write(1);
    }

    /// Notes one, and lets it go. Whether the supervisor has something to look at.
    fn note(&mut self, ended: &Ended) -> bool {
        let pid = ended.pid;
        // Said before its slot is looked for: the supervisor may adopt it in this very moment.
        self.table.take_leave(pid);
        let told = self.note_and_reap(ended);
        self.table.left();
        told
    }

    fn note_and_reap(&mut self, ended: &Ended) -> bool {
        let Ended { pid, status, user_us, system_us, max_rss_kib } = *ended;
        if let Some(slot) = self.table.slot_of(pid) {
            let exited_at = clock::now().mono.0;
            // Marked before it is reaped: who sees it unmarked may signal its number. Told after,
            // when the number no longer hides whether its group is empty.
            self.table.mark_exited(slot, &Ending { status, user_us, system_us, max_rss_kib, exited_at });
            process::reap(pid);
            self.table.mark_reaped(slot);
            return true;
        }
        match self.troupe.role_of(pid) {
            Some(Role::Supervisor) => {
                self.supervisor_status = Some(status);
                self.attend(clock::now().mono.0);
            }
            Some(Role::Logger) => self.logger_ended(status),
            Some(Role::Keeper) | None => {}
        }
        // A stray keeps its group until it is reaped.
        let group = getpgid(Some(Pid::from_raw(pid))).map_or(0, Pid::as_raw);
        process::reap(pid);
        if self.troupe.end_trial(pid) {
            self.tried(status);
            return false;
        }
        if let Some(role) = self.troupe.role_of(pid) {
            self.troupe.forget(role, &self.table);
            return false;
        }
        let slot = if group > 0 { self.table.slot_of_group(group) } else { None };
        // Of a group of its own: whose it was, only the supervisor may know.
        let slot = slot.or_else(|| self.table.orphans_awaited().then_some(0));
        slot.inspect(|slot| self.table.mark_dirty(*slot)).is_some()
    }

    fn logger_ended(&mut self, status: i32) {
        let now = clock::now().mono.0;
        if matches!(self.phase, Phase::Draining { .. }) {
            return;
        }
        if self.logger_left_for_another() {
            return self.loggers.at_once(now);
        }
        let exit = Exit::from_wait_status(status);
        say(format_args!("the logger ended ({exit}); it is started again"));
        let killed = matches!(exit, Exit::Signal { signal: Signal::KILL, .. });
        if killed && self.table.is_signed_in(Role::Logger) {
            // From outside: nothing that it did will kill the next one too.
            return self.loggers.at_once(now);
        }
        self.loggers.ended(now, &self.timing);
    }
}
