//! Resource limits: what can be had, and setting them on a running process.

use crate::host::proc;
use crate::host::sys::process::prlimit;
use crate::model::limits::{Bound, Ceilings, Limit, LimitKind, Limits};
use crate::model::outcome::{Failure, Step};
use crate::model::resources::Cgroups;
use crate::table::Table;
use std::io;

/// What the process `pid` (`None`: this one) can give to the services that it starts.
pub fn ceilings_of(pid: Option<i32>) -> io::Result<Ceilings> {
    let directory = pid.map_or_else(|| "/proc/self".to_owned(), |pid| format!("/proc/{pid}"));
    let limits = proc::parse_limits(&proc::read(format!("{directory}/limits"))?);
    let broken = || io::Error::new(io::ErrorKind::InvalidData, format!("{directory}/status has no Uid and CapEff"));
    let rights = proc::Rights::parse(&proc::read(format!("{directory}/status"))?).ok_or_else(broken)?;
    let nr_open = proc::read("/proc/sys/fs/nr_open").ok().and_then(|text| text.trim().parse().ok());
    Ok(Ceilings {
        hard: limits.into_iter().map(|(kind, limit)| (kind, limit.hard)).collect(),
        may_raise: rights.has_sys_resource(),
        // The kernel's own default, where /proc/sys is hidden.
        nr_open: nr_open.unwrap_or(1 << 20),
        uid: rights.uid,
        cgroups: Cgroups::default(),
    })
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
