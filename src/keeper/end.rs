//! The ends: an orderly one, and the one after a crash of the supervisor.

use super::{Keeper, Phase, after};
use crate::host::stderr::say;
use crate::host::sys::process::kill;
use crate::host::{proc, tree};
use crate::model::outcome::Exit;
use crate::table::Role;
use std::time::Duration;

/// How long what a crashed supervisor leaves may take to obey.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait for the effect of KILL, or for the logger to write what is left.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// The supervisor's own words beside an orderly end: wrong usage, a configuration that cannot be used.
const PASSED_ON: [i32; 2] = [64, 78];

impl Keeper {
    /// Goes on where time or an exit allows it; abide's exit code when all is done.
    pub(super) fn step(&mut self, now: u64) -> Option<i32> {
        self.troupe.restart_logger_if_due(now, &self.table);
        match self.phase {
            Phase::Serving { asked } => {
                let status = self.supervisor_status.take()?;
                match Exit::from_wait_status(status) {
                    Exit::Code(0) => self.drain(self.table.exit_code().map_or(0, i32::from), true, now),
                    Exit::Code(code) if PASSED_ON.contains(&code) => self.drain(code, true, now),
                    exit => {
                        self.report_crash(exit);
                        self.end_services(libc::SIGTERM);
                        let until = if asked >= 3 { now } else { after(now, PATIENCE) };
                        self.phase = Phase::Ending { until, killing: false };
                    }
                }
                self.step(now)
            }
            Phase::Ending { until, killing } => {
                let left = self.services_left();
                if left == 0 {
                    self.drain(1, false, now);
                    return self.step(now);
                }
                if now >= until && killing {
                    say(format_args!("{left} processes cannot be killed and are left behind"));
                    self.drain(1, false, now);
                } else if now >= until {
                    self.phase = Phase::Ending { until: after(now, LAST_WAIT), killing: true };
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

    fn drain(&mut self, code: i32, orderly: bool, now: u64) {
        self.troupe.dismiss_logger();
        self.phase = Phase::Draining { code, orderly, until: after(now, LAST_WAIT) };
    }

    /// Whether nothing is left to find, whatever the exit code.
    pub(super) fn is_orderly(&self) -> bool {
        matches!(self.phase, Phase::Draining { orderly: true, .. })
    }

    fn report_crash(&self, exit: Exit) {
        let left = self.services_left();
        say(format_args!(
            "the supervisor crashed ({exit}); ending what it supervised ({left} running) and abide with it"
        ));
    }

    /// Sends `signal` to the group of every slot and to every other child.
    fn end_services(&self, signal: i32) {
        for slot in 1..self.table.used() {
            if let Some((pid, ..)) = self.table.resident(slot) {
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
                && self.troupe.role_of(stat.pid).is_none()
                && self.table.slot_of(stat.pid).is_none()
        };
        let all = proc::processes().unwrap_or_default();
        all.into_iter().filter(ours).map(|stat| stat.pid).collect()
    }
}
