//! How the kernel schedules a new process.

#![expect(unsafe_code, reason = "the child's system calls")]

use super::{Failed, check};
use crate::model::outcome::Step;
use std::ffi::{CStr, c_int, c_long};

/// How it is scheduled; what is not named stays as ours.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scheduling<'a> {
    /// The text for `/proc/self/oom_score_adj`.
    pub oom_score: Option<&'a CStr>,
    /// Whether our memory must be made dumpable for that, which is a copy then: the files of an
    /// undumpable process are root's.
    pub own_files: bool,
    /// The nice value.
    pub nice: Option<c_int>,
    /// As `ioprio_set(2)` has it.
    pub io: Option<c_int>,
    /// One bit for each processor.
    pub cpus: Option<&'a [u64]>,
    /// `SCHED_FIFO` or `SCHED_RR`, and the priority.
    pub realtime: Option<(c_int, c_int)>,
}

/// Words of a mask of processors: more than any kernel has.
const CPU_WORDS: usize = 8192 / 64;

pub(super) fn oom_score(scheduling: &Scheduling<'_>) -> Result<(), Failed> {
    let Some(score) = scheduling.oom_score else { return Ok(()) };
    let dumpable = |on: c_int| -> c_long {
        // SAFETY: takes a number.
        unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_DUMPABLE, on, 0, 0, 0) }
    };
    if scheduling.own_files {
        check(dumpable(1), Step::OomScore)?;
    }
    // SAFETY: the strings outlive the calls; the descriptor is ours.
    let written = unsafe {
        let path = c"/proc/self/oom_score_adj".as_ptr();
        let file = libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path, libc::O_WRONLY | libc::O_CLOEXEC);
        check(file, Step::OomScore)?;
        let written = check(libc::syscall(libc::SYS_write, file, score.as_ptr(), score.count_bytes()), Step::OomScore);
        libc::syscall(libc::SYS_close, file);
        written
    };
    if scheduling.own_files {
        check(dumpable(0), Step::OomScore)?;
    }
    written
}

pub(super) fn schedule(scheduling: &Scheduling<'_>) -> Result<(), Failed> {
    // SAFETY (this function): numbers, and pointers to words that outlive the calls; 0 is this thread alone.
    if let Some(nice) = scheduling.nice {
        check(unsafe { libc::syscall(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, nice) }, Step::Nice)?;
    }
    if let Some(io) = scheduling.io {
        const WHO_PROCESS: c_int = 1;
        check(unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, io) }, Step::IoClass)?;
    }
    if let Some(cpus) = scheduling.cpus {
        keep_to(cpus)?;
    }
    if let Some((policy, priority)) = scheduling.realtime {
        let set = unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const priority) };
        check(set, Step::Realtime)?;
    }
    Ok(())
}

/// The kernel takes those that the cpuset allows and is silent about the others: asks what came of it.
fn keep_to(cpus: &[u64]) -> Result<(), Failed> {
    let mut now = [0_u64; CPU_WORDS];
    // SAFETY: both masks are as long as is said.
    unsafe {
        let set = libc::syscall(libc::SYS_sched_setaffinity, 0, size_of_val(cpus), cpus.as_ptr());
        check(set, Step::Affinity)?;
        let got = libc::syscall(libc::SYS_sched_getaffinity, 0, size_of_val(&now), now.as_mut_ptr());
        check(got, Step::Affinity)?;
    }
    let same = now.iter().enumerate().all(|(word, bits)| cpus.get(word).copied().unwrap_or(0) == *bits);
    if same { Ok(()) } else { Err((Step::Affinity, libc::EINVAL, 0)) }
}
