//! The ends: of the supervisor, after which another one comes; of abide, in order; and of abide where there is no
//! supervisor to see to that.

use super::{Chain, Keeper, Phase, after};
use crate::host::stderr::say;
use crate::host::sys::process::kill;
use crate::host::{proc, tree};
use crate::model::outcome::Exit;
use crate::model::signal::Signal;
use crate::table::{Mode, Role};
use std::os::fd::AsFd;
use std::time::Duration;

/// How long what a crashed supervisor leaves may take to obey.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait for the effect of KILL, or for the logger to write what is left.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// The supervisor's own words beside an orderly end: wrong usage, a configuration that cannot be used.
const PASSED_ON: [i32; 2] = [64, 78];

/// The supervisor's word that it leaves everything as it is, for another one (`EX_TEMPFAIL`).
const LEFT: i32 = 75;

/// So often a supervisor may crash while it is ending everything.
const CRASHES_AT_END: u32 = 2;

impl Keeper {
    /// Goes on where time or an exit allows it; abide's exit code when all is done.
    pub(super) fn step(&mut self, now: u64) -> Option<i32> {
        self.watch_trial(now);
        self.start_logger_if_due(now);
        match self.phase {
            Phase::Serving { asked } => {
                self.attend(now);
                if let Some(status) = self.supervisor_status.take() {
                    self.supervisor_ended(status, asked, now);
                    return self.step(now);
                }
                self.start_supervisor_if_due(asked, now);
                if asked > 0 && !self.troupe.is_on(Role::Supervisor) {
                    // Nobody is there who could do it in order.
                    let code = i32::from(self.table.mode() != Mode::Detached);
                    self.end_all(asked, code, now);
                    return self.step(now);
                }
                None
            }
            Phase::Ending { until, killing, code } => {
                let left = self.services_left();
                if left == 0 {
                    self.drain(code, false, now);
                    return self.step(now);
                }
                if now >= until && killing {
                    say(format_args!("{left} processes cannot be killed and are left behind"));
                    self.drain(1, false, now);
                } else if now >= until {
                    self.phase = Phase::Ending { until: after(now, LAST_WAIT), killing: true, code };
                }
                if matches!(self.phase, Phase::Ending { killing: true, .. }) {
                    // Each time: what the dead leave behind becomes ours only as they die.
                    self.end_services(libc::SIGKILL);
                }
                None
            }
            Phase::Draining { code, until, .. } => {
                if !self.troupe.is_on(Role::Logger) {
                    return Some(code);
                }
                if now < until {
                    return None;
                }
                // A disk that does not answer: what its pipes hold is lost, and that is all.
                self.troupe.signal(Role::Logger, libc::SIGKILL);
                Some(code)
            }
        }
    }

    /// What the end of the supervisor means.
    fn supervisor_ended(&mut self, status: i32, asked: u32, now: u64) {
        let exit = Exit::from_wait_status(status);
        match exit {
            // Of one that never did its work it says nothing.
            Exit::Code(0) if self.attendance.has_signed_in() => {
                return self.drain(self.table.exit_code().map_or(0, i32::from), true, now);
            }
            // Its own words at a first start. Later there are services that are not to end with it.
            Exit::Code(code) if PASSED_ON.contains(&code) && !self.succeeded => return self.drain(code, true, now),
            _ => {}
        }
        self.succeeded = true;
        self.herald.unsupervised();
        if self.table.mode() == Mode::Detached {
            return self.give_up_upgrade();
        }
        if self.left_for_another() || exit == Exit::Code(LEFT) {
            return self.supervisors.at_once(now);
        }
        self.table.count_crash();
        self.crashed_at_end += u32::from(asked > 0);
        if asked >= 3 || self.crashed_at_end >= CRASHES_AT_END {
            say(format_args!("the supervisor crashed ({exit}); ending what it supervised, and abide with it"));
            return self.end_all(asked, 1, now);
        }
        if self.was_killed(exit) {
            say(format_args!("the supervisor was killed; another one takes over, and services go on"));
            // From outside: nothing that it did will kill the next one too, the text least of all that it just read.
            self.table.end_loading();
            if self.attendance.has_signed_in() {
                self.supervisors.at_once(now);
            } else {
                self.supervisors.soon(now);
            }
            return;
        }
        say(format_args!("the supervisor crashed ({exit}); another one takes over, and services go on"));
        if self.supervisors.crashed(now) && self.table.mode() == Mode::Normal {
            say(format_args!("that was the third time within a minute: it now reads no files (safe mode)"));
            self.table.set_mode(Mode::Safe);
        }
        self.supervisors.ended(now, &self.timing);
    }

    /// Whether somebody else has killed it.
    fn was_killed(&self, exit: Exit) -> bool {
        matches!(exit, Exit::Signal { signal: Signal::KILL, .. }) && !self.attendance.is_ending()
    }

    fn start_supervisor_if_due(&mut self, asked: u32, now: u64) {
        if !self.supervisors.is_due(now) || self.troupe.is_on(Role::Supervisor) {
            return;
        }
        let candidate = self.next_program().and_then(|program| program.try_clone_to_owned().ok());
        match self.start(Role::Supervisor, candidate.as_ref().map(AsFd::as_fd)) {
            // It takes over, and then ends all in order.
            Ok(()) if asked > 0 => self.troupe.signal(Role::Supervisor, libc::SIGTERM),
            Ok(()) => {}
            Err(error) => {
                say(format_args!("{}", Chain(&error)));
                self.troupe.forget(Role::Supervisor, &self.table);
                self.left_for_another();
                self.supervisors.later(now, &self.timing);
            }
        }
    }

    fn start_logger_if_due(&mut self, now: u64) {
        if self.loggers.is_due(now)
            && let Err(error) = self.start(Role::Logger, None)
        {
            say(format_args!("{}", Chain(&error)));
            self.troupe.forget(Role::Logger, &self.table);
            self.loggers.later(now, &self.timing);
        }
    }

    /// Without a supervisor: everybody gets TERM, and some time.
    fn end_all(&mut self, asked: u32, code: i32, now: u64) {
        self.supervisors.cancel();
        self.end_services(libc::SIGTERM);
        let until = if asked >= 3 { now } else { after(now, PATIENCE) };
        self.phase = Phase::Ending { until, killing: false, code };
    }

    fn drain(&mut self, code: i32, orderly: bool, now: u64) {
        self.loggers.cancel();
        // It writes what the pipes hold, and ends.
        self.troupe.signal(Role::Logger, libc::SIGTERM);
        self.phase = Phase::Draining { code, orderly, until: after(now, LAST_WAIT) };
    }

    /// Whether nothing is left to find, whatever the exit code.
    pub(super) fn is_orderly(&self) -> bool {
        matches!(self.phase, Phase::Draining { orderly: true, .. })
    }

    /// Sends `signal` to the group of every slot and to every other child.
    fn end_services(&self, signal: i32) {
        for slot in 1..self.table.used() {
            if let Some((pid, ..)) = self.table.resident(slot) {
                if self.fosters.has_ended(slot) {
                    continue;
                }
                // Unreaped as long as the table names it, so it is ours. Without a group yet it is alone.
                if kill(-pid, signal).is_err() {
                    let _ = kill(pid, signal);
                }
                let _ = kill(-pid, libc::SIGCONT);
            } else if let Some(group) = self.table.group(slot).filter(|group| tree::is_left(*group)) {
                let _ = kill(-group, signal);
                let _ = kill(-group, libc::SIGCONT);
            }
        }
        if signal == libc::SIGKILL {
            self.place.base().kill();
        }
        for pid in self.strays() {
            let _ = kill(pid, signal);
            let _ = kill(pid, libc::SIGCONT);
        }
    }

    fn services_left(&self) -> usize {
        let slots = 1..self.table.used();
        let named = slots
            .filter(|slot| self.table.resident(*slot).is_some() || self.table.group(*slot).is_some_and(tree::is_left));
        match named.count() {
            // Only then: it walks all of /proc.
            0 => self.strays().len().max(self.place.base().members().len()),
            count => count,
        }
    }

    /// Our children that are neither a role nor in the table: orphans that services left.
    fn strays(&self) -> Vec<i32> {
        let us = std::process::id() as i32;
        let ours = |stat: &proc::Stat| {
            stat.parent == us
                && !stat.has_ended()
                && !self.troupe.is_one(stat.pid)
                && self.table.slot_of(stat.pid).is_none()
        };
        let all = proc::processes().unwrap_or_default();
        all.into_iter().filter(ours).map(|stat| stat.pid).collect()
    }
}
