//! What runs between clone and exec: a list of steps over what was prepared before. In the child
//! nothing allocates, locks or panics: it may share our memory while our thread stands still.

#![expect(unsafe_code, reason = "the child's system calls")]

mod descriptors;
mod identity;
mod isolation;
mod scheduling;
mod signals;
mod strings;

pub use super::clone::Nursery;
pub use identity::{Becomes, Privileges};
pub use isolation::Isolation;
pub use scheduling::Scheduling;
pub use strings::Strings;

use super::clone::{Call, Manner, Report, call, make};
use crate::model::outcome::Step;
use signals::{bit, swap_mask};
use std::ffi::{CStr, c_int, c_long, c_void};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};

/// What to execute.
#[derive(Debug, Clone, Copy)]
pub enum Program<'a> {
    /// A path, looked up after the change of directory.
    Path(&'a CStr),
    /// A file held open, wherever its path leads by now.
    Held(BorrowedFd<'a>),
}

/// Everything that the child does. Every process gets a session of its own and default signal
/// dispositions.
#[derive(Debug)]
pub struct Plan<'a> {
    /// What to execute.
    pub program: Program<'a>,
    /// Its arguments, sealed.
    pub argv: &'a Strings,
    /// Its environment, sealed.
    pub environment: &'a Strings,
    /// From where to where; a source is never one of the targets.
    pub descriptors: &'a [(RawFd, RawFd)],
    /// Descriptors from here on are closed, but for the last of those above, if it is one of them.
    pub close_from: RawFd,
    /// Number of `RLIMIT_…`, soft, hard.
    pub limits: &'a [(u32, u64, u64)],
    /// File mode creation mask.
    pub umask: Option<u32>,
    /// As whom; `None`: as we are.
    pub becomes: Option<Becomes<'a>>,
    /// What it may do.
    pub privileges: Privileges,
    /// What it is kept from seeing; `None`: it sees what we see.
    pub isolation: Option<Isolation<'a>>,
    /// How it is scheduled.
    pub scheduling: Scheduling<'a>,
    /// Where.
    pub directory: Option<&'a CStr>,
    /// The file that is its standard input, if it is none of `descriptors`; opened as the user.
    pub input: Option<&'a CStr>,
    /// Signals that wait until the program asks for them; no others are blocked.
    pub blocked: &'a [i32],
    /// The child of this process dies with it.
    pub dies_with: Option<i32>,
    /// Whether it becomes our sibling, a child of our parent.
    pub sibling: bool,
    /// Whether it must not share our memory before it executes.
    pub copy_memory: bool,
    /// The directory of the cgroup (v2) that it is born in, or joins first where that cannot be.
    pub cgroup: Option<RawFd>,
    /// Directories of other cgroups (v1) that it joins first.
    pub joins: &'a [RawFd],
}

/// A child that executes its program.
#[derive(Debug, Clone, Copy)]
pub struct Born {
    /// Its pid.
    pub pid: i32,
    /// CLOCK_BOOTTIME at its first step, nanoseconds.
    pub at: u64,
}

/// A child that does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// What went wrong.
    pub step: Step,
    /// Why.
    pub errno: i32,
    /// For `Limits` the number of `RLIMIT_…`, for capabilities theirs, for paths which of the list.
    pub detail: u32,
    /// Whether there was a process at all, whose end is seen like any other.
    pub had_process: bool,
}

/// Carries out `plan`. Blocks until the child executes or is gone; the kernel writes its pid to `pid`.
pub fn start(plan: &Plan<'_>, nursery: &mut Nursery, pid: &AtomicI32) -> Result<Born, Refusal> {
    start_by(call(), plan, nursery, pid)
}

fn start_by(call: Call, plan: &Plan<'_>, nursery: &mut Nursery, pid: &AtomicI32) -> Result<Born, Refusal> {
    let report = nursery.report();
    report.step.store(0, Relaxed);
    report.born.store(0, Relaxed);
    let mask = swap_mask(u64::MAX);
    let cgroup = plan.cgroup.filter(|_| call == Call::Clone3 && !DIES_AT_BIRTH.load(Relaxed));
    let mut manner = Manner { call, sibling: plan.sibling, shares_memory: !plan.copy_memory, cgroup };
    let made = loop {
        let born_in_cgroup = manner.cgroup.is_some();
        let scene = Scene { plan, report: ptr::from_ref(nursery.report()), call: manner.call, born_in_cgroup };
        let argument = ptr::from_ref(&scene).cast_mut().cast::<c_void>();
        // SAFETY: `child` keeps the promise; `scene` lives until the child executes or is gone.
        match unsafe { make(manner, nursery, pid, child, argument) } {
            Err(refused) => match (refused.raw_os_error(), manner) {
                // Before Linux 5.7, or not to be cloned into; joining it will say why.
                (
                    Some(libc::E2BIG | libc::EINVAL | libc::EACCES | libc::EOPNOTSUPP),
                    Manner { cgroup: Some(_), .. },
                ) => {
                    manner.cgroup = None;
                }
                // A filter may let through less than it answered to the question: ask for less.
                (Some(libc::ENOSYS | libc::EPERM), Manner { call: Call::Clone3, .. }) => {
                    (manner.call, manner.cgroup) = (Call::Clone, None);
                }
                (Some(libc::ENOSYS | libc::EPERM | libc::EINVAL), Manner { shares_memory: true, .. }) => {
                    manner.shares_memory = false;
                }
                _ => break Err(refused),
            },
            Ok(pid) => break Ok(pid),
        }
    };
    swap_mask(mask);
    let errno = |error: &std::io::Error| error.raw_os_error().unwrap_or(libc::EIO);
    let pid = made.map_err(|e| Refusal { step: Step::Clone, errno: errno(&e), detail: 0, had_process: false })?;
    let report = nursery.report();
    match Step::from_number(report.step.load(Relaxed)) {
        None if manner.cgroup.is_some() && report.born.load(Relaxed) == 0 => {
            DIES_AT_BIRTH.store(true, Relaxed);
            Err(Refusal { step: Step::Cgroup, errno: libc::EINTR, detail: 0, had_process: true })
        }
        None => Ok(Born { pid, at: report.born.load(Relaxed) }),
        Some(step) => {
            let (errno, detail) = (report.errno.load(Relaxed), report.detail.load(Relaxed));
            Err(Refusal { step, errno, detail, had_process: true })
        }
    }
}

/// A child was killed before its first step. Linux 6.14 and later do that where its new group was killed
/// as a whole more or less often than that of its parent (`kill_seq` in `cgroup_css_set_fork`).
/// From then on children join their group instead.
static DIES_AT_BIRTH: AtomicBool = AtomicBool::new(false);

struct Scene<'a> {
    plan: &'a Plan<'a>,
    report: *const Report,
    call: Call,
    born_in_cgroup: bool,
}

/// The step that failed, why, and a number to go with it.
type Failed = (Step, i32, u32);

extern "C" fn child(scene: *mut c_void) -> c_int {
    // SAFETY: `start` passes a `Scene` that outlives us, for it stands still until we execute or end.
    let (scene, report) = unsafe {
        let scene = &*scene.cast::<Scene<'_>>();
        (scene, &*scene.report)
    };
    report.born.store(boot_nanoseconds(), Relaxed);
    let Err((step, errno, detail)) = steps(scene.plan, scene.call, scene.born_in_cgroup);
    report.errno.store(errno, Relaxed);
    report.detail.store(detail, Relaxed);
    report.step.store(step as u32, Relaxed);
    // SAFETY: ends this process; nothing of ours is flushed or unwound.
    unsafe {
        libc::syscall(libc::SYS_exit_group, 127);
        std::hint::unreachable_unchecked()
    }
}

enum Never {}

fn steps(plan: &Plan<'_>, call: Call, born_in_cgroup: bool) -> Result<Never, Failed> {
    join_groups(plan, born_in_cgroup)?;
    sessions(plan)?;
    signals::dispositions(call)?;
    // While `/proc` is what it was, and before the limits, which may leave no descriptor to open it with.
    scheduling::oom_score(&plan.scheduling)?;
    if let Some(isolation) = &plan.isolation {
        isolation::separate(isolation)?;
    }
    // SAFETY (this function): plain system calls on this process alone; the pointers lead to strings
    // and slices of the plan, which outlives us.
    for (resource, soft, hard) in plan.limits {
        let limit = [*soft, *hard];
        let none = ptr::null::<u64>();
        let set = unsafe { libc::syscall(libc::SYS_prlimit64, 0, *resource, limit.as_ptr(), none) };
        check(set, Step::Limits).map_err(|(step, errno, _)| (step, errno, *resource))?;
    }
    // After the limits, two of which allow it.
    scheduling::schedule(&plan.scheduling)?;
    if let Some(mask) = plan.umask {
        unsafe { libc::umask(mask) };
    }
    descriptors::place(plan.descriptors)?;
    if let Some(root) = plan.isolation.as_ref().and_then(|isolation| isolation.root) {
        isolation::enter(root)?;
    }
    identity::assume(plan.becomes, plan.privileges)?;
    if let Some(directory) = plan.directory {
        check(c_long::from(unsafe { libc::chdir(directory.as_ptr()) }), Step::Directory)?;
    }
    descriptors::close_from(plan, plan.close_from)?;
    if let Some(file) = plan.input {
        descriptors::input(file)?;
    }
    // Last, so that no signal finds a handler or half a process.
    swap_mask(plan.blocked.iter().fold(0, |mask, signal| mask | bit(*signal)));
    execute(plan)
}

/// First of all: what is limited there counts from here on.
fn join_groups(plan: &Plan<'_>, born_in_cgroup: bool) -> Result<(), Failed> {
    let own = plan.cgroup.as_ref().filter(|_| !born_in_cgroup);
    for group in own.into_iter().chain(plan.joins) {
        // SAFETY: plain system calls; the strings are constants.
        unsafe {
            let flags = libc::O_WRONLY | libc::O_CLOEXEC;
            let list = libc::syscall(libc::SYS_openat, *group, c"cgroup.procs".as_ptr(), flags, 0);
            check(list, Step::Cgroup)?;
            // "0" is who writes.
            check(libc::syscall(libc::SYS_write, list, c"0".as_ptr(), 1), Step::Cgroup)?;
            libc::syscall(libc::SYS_close, list);
        }
    }
    Ok(())
}

fn sessions(plan: &Plan<'_>) -> Result<(), Failed> {
    // SAFETY: plain system calls on this process alone.
    check(unsafe { libc::syscall(libc::SYS_setsid) }, Step::Session)?;
    let Some(parent) = plan.dies_with else { return Ok(()) };
    // SAFETY: as above.
    let (set, now) = unsafe {
        let set = libc::syscall(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        (set, libc::syscall(libc::SYS_getppid))
    };
    check(set, Step::Session)?;
    // It died before we asked to be told.
    if now == c_long::from(parent) { Ok(()) } else { Err((Step::Session, libc::ESRCH, 0)) }
}

fn execute(plan: &Plan<'_>) -> Result<Never, Failed> {
    let (argv, environment) = (plan.argv.pointers.as_ptr(), plan.environment.pointers.as_ptr());
    // SAFETY: both are null-terminated and, like the path, outlive this call.
    let returned = unsafe {
        match plan.program {
            Program::Path(path) => libc::syscall(libc::SYS_execve, path.as_ptr(), argv, environment),
            Program::Held(file) => {
                let (fd, flags) = (file.as_raw_fd(), libc::AT_EMPTY_PATH);
                libc::syscall(libc::SYS_execveat, fd, c"".as_ptr(), argv, environment, flags)
            }
        }
    };
    check(returned, Step::Exec)?;
    Err((Step::Exec, libc::EIO, 0))
}

fn check(returned: c_long, step: Step) -> Result<(), Failed> {
    // SAFETY: errno of this thread; the parent's is the same word, and the parent stands still.
    if returned < 0 { Err((step, unsafe { *libc::__errno_location() }, 0)) } else { Ok(()) }
}

/// CLOCK_BOOTTIME, which `/proc/PID/stat` counts starts by.
pub fn boot_nanoseconds() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes a timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::host::cgroup::group::{self, Scratch};
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::Pid;

    fn start_one(call: Call, copy_memory: bool, program: &CStr) -> (Result<Born, Refusal>, i32) {
        start_in(call, copy_memory, program, "test \"$A\" = b && exit 5", None)
    }

    fn start_in(
        call: Call,
        copy_memory: bool,
        program: &CStr,
        script: &str,
        cgroup: Option<RawFd>,
    ) -> (Result<Born, Refusal>, i32) {
        let mut argv = Strings::default();
        argv.push(&[b"sh"]);
        argv.push(&[b"-c"]);
        argv.push(&[script.as_bytes()]);
        let mut environment = Strings::default();
        environment.push(&[b"A", b"=", b"b"]);
        let plan = Plan {
            program: Program::Path(program),
            argv: &argv.seal(),
            environment: &environment.seal(),
            descriptors: &[],
            close_from: 3,
            limits: &[(libc::RLIMIT_CORE, 0, 0)],
            umask: None,
            becomes: None,
            privileges: Privileges::default(),
            isolation: None,
            scheduling: Scheduling::default(),
            directory: Some(c"/"),
            input: None,
            blocked: &[],
            dies_with: None,
            sibling: false,
            copy_memory,
            cgroup,
            joins: &[],
        };
        let pid = AtomicI32::new(0);
        let born = start_by(call, &plan, &mut Nursery::new().unwrap(), &pid);
        (born, pid.load(Relaxed))
    }

    #[test]
    fn a_child_is_in_its_cgroup_from_the_start_also_where_the_kernel_kills_who_is_born_there() {
        let Some(scratch) = Scratch::new("born") else { return };
        let name = scratch.0.file_name().unwrap().to_str().unwrap();
        let script = format!("grep -q '{name}$' /proc/self/cgroup && exit 5");
        let group = std::fs::File::open(&scratch.0).unwrap();
        let start = |call, copy_memory| start_in(call, copy_memory, c"/bin/sh", &script, Some(group.as_raw_fd()));
        let wait = |pid: i32| waitpid(Pid::from_raw(pid), None).unwrap();
        let ways = [(Call::Clone3, false), (Call::Clone3, true), (Call::Clone, false), (Call::Clone, true)];
        for (call, copy_memory) in ways {
            let pid = start(call, copy_memory).0.unwrap().pid;
            assert_eq!(wait(pid), WaitStatus::Exited(Pid::from_raw(pid), 5), "{call:?} {copy_memory}");
        }
        group::kill(&scratch.0).unwrap();
        if let (Err(refusal), pid) = start(Call::Clone3, false) {
            assert_eq!((refusal.step, refusal.errno, refusal.had_process), (Step::Cgroup, libc::EINTR, true));
            assert!(matches!(wait(pid), WaitStatus::Signaled(..)));
        }
        let pid = start(Call::Clone3, false).0.unwrap().pid;
        assert_eq!(wait(pid), WaitStatus::Exited(Pid::from_raw(pid), 5));
    }

    #[test]
    fn every_way_to_make_a_child_executes_or_says_why_not() {
        let again = [(Call::Clone3, false), (Call::Clone3, true), (Call::Clone, false), (Call::Clone, true)];
        for (call, copy_memory) in again {
            let (born, noted) = start_one(call, copy_memory, c"/bin/sh");
            let born = born.unwrap();
            assert_eq!(born.pid, noted, "{call:?} {copy_memory}");
            assert_ne!(born.at, 0);
            let pid = Pid::from_raw(born.pid);
            assert_eq!(waitpid(pid, None), Ok(WaitStatus::Exited(pid, 5)));

            let (refused, noted) = start_one(call, copy_memory, c"/no/such/program");
            let expected = Refusal { step: Step::Exec, errno: libc::ENOENT, detail: 0, had_process: true };
            assert_eq!(refused.unwrap_err(), expected, "{call:?} {copy_memory}");
            let pid = Pid::from_raw(noted);
            assert_eq!(waitpid(pid, None), Ok(WaitStatus::Exited(pid, 127)));
        }
    }
}
