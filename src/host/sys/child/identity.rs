//! As whom a new process runs, and with which capabilities.

#![expect(unsafe_code, reason = "the child's system calls")]

use super::{Failed, check};
use crate::model::outcome::Step;
use std::ffi::{c_int, c_long};

/// As whom.
#[derive(Debug, Clone, Copy)]
pub struct Becomes<'a> {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: &'a [u32],
}

/// What it may do.
#[derive(Debug, Clone, Copy, Default)]
pub struct Privileges {
    /// The bounding set: bit n is capability n; `None`: ours.
    pub bounding: Option<u64>,
    /// The ambient set; `None`: ours, as far as becoming another user leaves it.
    pub ambient: Option<u64>,
    /// Whether no program that it executes gains rights.
    pub no_new: bool,
}

/// Becomes whom it shall be, with what it may do.
pub(super) fn assume(becomes: Option<Becomes<'_>>, privileges: Privileges) -> Result<(), Failed> {
    if let Some(kept) = privileges.bounding {
        bound(kept)?;
    }
    // A set of its own, or bounds: what of ours is ambient must not slip past them.
    let ambient = privileges.ambient.or(privileges.bounding.map(|_| 0));
    if ambient.is_some() && becomes.is_some() {
        // Undone by exec, so that no securebits are left behind.
        check(prctl(libc::PR_SET_KEEPCAPS, 1, 0), Step::Capabilities)?;
    }
    if let Some(becomes) = becomes {
        become_user(becomes)?;
    }
    if let Some(ambient) = ambient {
        hand_on(ambient, becomes.is_some_and(|becomes| becomes.uid != 0))?;
    }
    if privileges.no_new {
        check(prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0), Step::NoNewPrivileges)?;
    }
    Ok(())
}

fn prctl(option: c_int, argument: u64, further: u64) -> c_long {
    // SAFETY: all that are used here take numbers, and concern this process alone.
    unsafe { libc::syscall(libc::SYS_prctl, option, argument, further, 0, 0) }
}

/// Takes away what is not in `kept`, whatever the kernel knows.
fn bound(kept: u64) -> Result<(), Failed> {
    for capability in 0..64 {
        match prctl(libc::PR_CAPBSET_READ, capability, 0) {
            1 if kept >> capability & 1 == 0 => {
                let dropped = check(prctl(libc::PR_CAPBSET_DROP, capability, 0), Step::Bounding);
                dropped.map_err(|(step, errno, _)| (step, errno, capability as u32))?;
            }
            0 | 1 => {}
            _ => break,
        }
    }
    Ok(())
}

/// Raw calls: glibc's wrappers tell every thread of the memory they run in, which may be our parent's.
fn become_user(becomes: Becomes<'_>) -> Result<(), Failed> {
    let Becomes { uid, gid, groups } = becomes;
    // SAFETY: plain system calls on this process alone; `groups` outlives us.
    unsafe {
        check(libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()), Step::Groups)?;
        check(libc::syscall(libc::SYS_setresgid, gid, gid, gid), Step::Group)?;
        check(libc::syscall(libc::SYS_setresuid, uid, uid, uid), Step::User)
    }
}

/// `capget(2)` and `capset(2)` of version 3: what is for whom, and two halves of three sets.
#[repr(C)]
struct Header {
    version: u32,
    pid: c_int,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Makes `ambient`, and nothing else, ambient. Where root was given up with its capabilities kept, `only` these stay.
fn hand_on(ambient: u64, only: bool) -> Result<(), Failed> {
    let mut header = Header { version: 0x2008_0522, pid: 0 };
    let mut halves = [Half { effective: 0, permitted: 0, inheritable: 0 }; 2];
    // SAFETY: both are as the kernel's structures of this version.
    check(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, halves.as_mut_ptr()) }, Step::Capabilities)?;
    for (half, wanted) in halves.iter_mut().zip([ambient as u32, (ambient >> 32) as u32]) {
        half.inheritable = wanted;
        if only {
            half.permitted &= wanted;
            half.effective = 0;
        }
    }
    // SAFETY: as above.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, halves.as_ptr()) }, Step::Capabilities)?;
    check(prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as u64, 0), Step::Capabilities)?;
    for capability in (0..64).filter(|capability| ambient >> capability & 1 == 1) {
        let raised = check(prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE as u64, capability), Step::Ambient);
        raised.map_err(|(step, errno, _)| (step, errno, capability as u32))?;
    }
    Ok(())
}
