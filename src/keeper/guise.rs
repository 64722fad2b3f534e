//! The keeper where abide stands in for svscan or supervise: what ends those ends it, and how it says that it cannot begin.

use super::{Chain, Refused};
use crate::host::proc;
use crate::model::guise::Guise;
use nix::sys::signal::{SigSet, Signal};
use std::io::Write;

/// The exit code of daemontools for what failed.
const FAILED: i32 = 111;

/// The signals that end it by their default action; not those that it was started to ignore, as by nohup.
pub(super) fn deadly() -> SigSet {
    let status = proc::read("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let all = [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
        Signal::SIGPWR,
        Signal::SIGALRM,
        Signal::SIGUSR2,
    ];
    all.into_iter().filter(|signal| ignored >> (*signal as i32 - 1) & 1 == 0).collect()
}

/// Says why it cannot begin; gives the exit code.
pub(super) fn refuse(guise: &Guise, error: &Refused) -> i32 {
    let name = guise.name();
    let why = match error {
        Refused::AlreadyRunning { pid, .. } if *pid > 0 => format!("process {pid} is {name} here already"),
        Refused::AlreadyRunning { .. } => format!("another {name} is here already"),
        error => Chain(error).to_string(),
    };
    // Nobody is left to tell if this fails.
    let _ = writeln!(std::io::stderr(), "{name}: fatal: {why}");
    FAILED
}
