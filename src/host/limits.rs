//! Resource limits: what can be had, and setting them on a running process.

use crate::host::proc;
use crate::host::sys::process::prlimit;
use crate::model::capability;
use crate::model::limits::{Bound, Ceilings, Limit, LimitKind, Limits, Rights};
use crate::model::outcome::{Failure, Step};
use crate::model::resources::Cgroups;
use crate::model::schedule::parse_ranges;
use crate::table::Table;
use std::io;

/// What the process `pid` (`None`: this one) can give to the services that it starts.
pub fn ceilings_of(pid: Option<i32>) -> io::Result<Ceilings> {
    let directory = pid.map_or_else(|| "/proc/self".to_owned(), |pid| format!("/proc/{pid}"));
    let limits = proc::parse_limits(&proc::read(format!("{directory}/limits"))?);
    let broken = || io::Error::new(io::ErrorKind::InvalidData, format!("{directory}/status has no Uid and CapEff"));
    let status = proc::read(format!("{directory}/status"))?;
    let credentials = proc::Credentials::parse(&status).ok_or_else(broken)?;
    let rights = rights(pid, &directory, &limits, credentials);
    Ok(Ceilings {
        // The kernel's own default, where /proc/sys is hidden.
        nr_open: number_in("/proc/sys/fs/nr_open").unwrap_or(1 << 20),
        soft: limits.iter().map(|(kind, limit)| (*kind, limit.soft)).collect(),
        hard: limits.into_iter().map(|(kind, limit)| (kind, limit.hard)).collect(),
        may_raise: rights.has(capability::SYS_RESOURCE),
        uid: credentials.uid,
        cgroups: Cgroups::default(),
        rights,
    })
}

fn rights(pid: Option<i32>, directory: &str, limits: &Limits, credentials: proc::Credentials) -> Rights {
    let soft = |kind| limits.get(&kind).map_or(0, |limit| limit.soft.0);
    let own = pid.unwrap_or(std::process::id() as i32);
    let online = proc::read("/sys/devices/system/cpu/online").unwrap_or_default();
    Rights {
        effective: credentials.effective,
        bounding: credentials.bounding,
        permitted: credentials.permitted,
        // Where /proc/sys is hidden: those that there are names for.
        last_capability: number_in("/proc/sys/kernel/cap_last_cap").unwrap_or(capability::NAMES.len() as u32 - 1),
        nice: proc::stat(own).map_or(0, |stat| stat.nice),
        nice_limit: soft(LimitKind::Nice),
        realtime_limit: soft(LimitKind::RealtimePriority),
        oom_score_adjust: number_in(&format!("{directory}/oom_score_adj")).unwrap_or(0),
        cpus: parse_ranges(online.trim(), u32::from(u16::MAX)).unwrap_or_default(),
    }
}

fn number_in<T: std::str::FromStr>(path: &str) -> Option<T> {
    proc::read(path).ok()?.trim().parse().ok()
}

/// Sets `limits` on the process of `run`; returns what the kernel then reports of them.
///
/// A run that ended meanwhile is no failure: its exit says so.
pub fn set(table: &Table, slot: usize, run: u64, limits: &Limits) -> Result<Limits, Failure> {
    let Some(pid) = table.running(slot, run) else { return Ok(Limits::new()) };
    for (kind, limit) in limits {
        let current = match prlimit(pid, kind.resource(), Some((limit.soft.0, limit.hard.0))) {
            Ok(_) => continue,
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(Limits::new()),
            Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
        };
        return Err(failure(*kind, *limit, current, || in_force(pid).get(kind).map(|limit| limit.hard)));
    }
    Ok(of(&in_force(pid), limits))
}

/// The failure that stands for `errno` of setting `kind`.
pub(crate) fn failure(kind: LimitKind, limit: Limit, errno: i32, hard: impl FnOnce() -> Option<Bound>) -> Failure {
    match errno {
        libc::EPERM => {
            let highest = hard().unwrap_or(Bound::UNLIMITED);
            Failure::Limit { kind, asked: limit.hard, highest }
        }
        errno => Failure::Step { step: Step::Limits, errno, subject: format!("({} = {limit})", kind.key()) },
    }
}

/// The limits of `pid` as the kernel reports them to everybody; none if it is gone.
pub fn in_force(pid: i32) -> Limits {
    proc::read(format!("/proc/{pid}/limits")).map(|text| proc::parse_limits(&text)).unwrap_or_default()
}

/// Those of `all` that `named` names.
pub fn of(all: &Limits, named: &Limits) -> Limits {
    all.iter().filter(|(kind, _)| named.contains_key(kind)).map(|(kind, limit)| (*kind, *limit)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn our_ceilings_are_our_hard_limits() {
        let ceilings = ceilings_of(None).unwrap();
        for kind in LimitKind::ALL {
            let (_, hard) = prlimit(0, kind.resource(), None).unwrap();
            assert_eq!(ceilings.hard[&kind], Bound(hard), "{}", kind.key());
        }
        assert_eq!(ceilings, ceilings_of(Some(std::process::id() as i32)).unwrap());
        assert!(ceilings.nr_open > 0);
    }
}
