//! What runs between clone and exec: a list of steps over what was prepared before. In the child
//! nothing allocates, locks or panics: it may share our memory while our thread stands still.

#![expect(unsafe_code, reason = "the child's system calls")]

pub use super::clone::Nursery;
use super::clone::{Call, Manner, Report, call, make};
use crate::model::outcome::Step;
use std::ffi::{CStr, c_char, c_int, c_long, c_void};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};

/// Strings as `execve(2)` takes them, in one piece of memory.
#[derive(Debug, Default)]
pub struct Strings {
    bytes: Vec<u8>,
    starts: Vec<usize>,
    pointers: Vec<*const c_char>,
}

// SAFETY: the pointers lead into `bytes` of the same value and are only read.
unsafe impl Send for Strings {}

impl Strings {
    /// Room for so many strings of so many bytes in all.
    pub fn with_capacity(strings: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), starts: Vec::with_capacity(strings), pointers: Vec::new() }
    }

    /// Adds the string that `parts` make, up to its first NUL.
    pub fn push(&mut self, parts: &[&[u8]]) {
        self.starts.push(self.bytes.len());
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.bytes.push(0);
    }

    /// No more are added: now they have addresses.
    #[must_use]
    pub fn seal(mut self) -> Self {
        self.pointers.reserve_exact(self.starts.len() + 1);
        for start in &self.starts {
            self.pointers.push(self.bytes[*start..].as_ptr().cast());
        }
        self.pointers.push(ptr::null());
        self
    }
}

/// What to execute.
#[derive(Debug, Clone, Copy)]
pub enum Program<'a> {
    /// A path, looked up after the change of directory.
    Path(&'a CStr),
    /// A file held open, wherever its path leads by now.
    Held(BorrowedFd<'a>),
}

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
    /// Where.
    pub directory: Option<&'a CStr>,
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
    /// For `Limits`, the number of `RLIMIT_…`.
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
    dispositions(call)?;
    // SAFETY (this function): plain system calls on this process alone; the pointers lead to strings
    // and slices of the plan, which outlives us.
    for (resource, soft, hard) in plan.limits {
        let limit = [*soft, *hard];
        let none = ptr::null::<u64>();
        let set = unsafe { libc::syscall(libc::SYS_prlimit64, 0, *resource, limit.as_ptr(), none) };
        check(set, Step::Limits).map_err(|(step, errno, _)| (step, errno, *resource))?;
    }
    if let Some(mask) = plan.umask {
        unsafe { libc::umask(mask) };
    }
    for (from, to) in plan.descriptors {
        let step = match *to {
            0 => Step::Input,
            1 | 2 => Step::Output,
            _ => Step::Readiness,
        };
        check(c_long::from(unsafe { libc::dup2(*from, *to) }), step)?;
    }
    if let Some(becomes) = plan.becomes {
        become_user(becomes)?;
    }
    if let Some(directory) = plan.directory {
        check(c_long::from(unsafe { libc::chdir(directory.as_ptr()) }), Step::Directory)?;
    }
    close_from(plan, plan.close_from)?;
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

/// Every disposition is the default one. clone3 was told to drop handlers, and drops no ignored
/// signal; clone keeps both, and a handler must not run here.
fn dispositions(call: Call) -> Result<(), Failed> {
    let default = [0_u64; 4];
    let mut signal = 1;
    while signal <= 64 {
        let mut old = [0_u64; 4];
        let fixed = signal == libc::SIGKILL || signal == libc::SIGSTOP;
        if !fixed && (call == Call::Clone || MAY_BE_IGNORED & (1 << (signal - 1)) != 0) {
            // SAFETY: both are at least as large as the kernel's struct sigaction, whose zero is "default".
            let set = unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), old.as_mut_ptr(), 8) };
            check(set, Step::Signals)?;
        }
        signal += 1;
    }
    Ok(())
}

/// The keeper resets all dispositions before it makes the roles, so that what can be ignored in
/// them is what Rust's start-up ignores, and what a tool or test in our place might.
const MAY_BE_IGNORED: u64 =
    bit(libc::SIGPIPE) | bit(libc::SIGHUP) | bit(libc::SIGINT) | bit(libc::SIGQUIT) | bit(libc::SIGCHLD);

const fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
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

fn close_from(plan: &Plan<'_>, first: RawFd) -> Result<(), Failed> {
    // A held program is needed for one call more: it closes itself on exec.
    let held = match (plan.program, plan.descriptors.last()) {
        (Program::Held(file), _) => file.as_raw_fd(),
        (Program::Path(_), Some((_, last))) => *last,
        (Program::Path(_), None) => -1,
    };
    let close = |from: RawFd, to: u32| -> c_long {
        // SAFETY: our own descriptors; the table of them is not shared.
        unsafe { libc::syscall(libc::SYS_close_range, from, to, 0) }
    };
    let closed = if held >= first {
        let below = if held > first { close(first, held as u32 - 1) } else { 0 };
        below.min(close(held + 1, u32::MAX))
    } else {
        close(first, u32::MAX)
    };
    match check(closed, Step::CloseDescriptors) {
        // A filter: one by one then. All of ours close on exec anyway, this is the second lock.
        Err((_, libc::ENOSYS | libc::EPERM, _)) => {
            // SAFETY: as above.
            (first..1 << 16).filter(|fd| *fd != held).for_each(|fd| unsafe {
                libc::syscall(libc::SYS_close, fd);
            });
            Ok(())
        }
        other => other,
    }
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

/// Sets the signal mask, all 64 of them (glibc hides two), and returns the one before.
fn swap_mask(mask: u64) -> u64 {
    let mut old = 0_u64;
    // SAFETY: both words are of the size that is named.
    unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const mask, &raw mut old, 8);
    }
    old
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
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::Pid;

    fn start_one(call: Call, copy_memory: bool, program: &CStr) -> (Result<Born, Refusal>, i32) {
        let mut argv = Strings::default();
        argv.push(&[b"sh"]);
        argv.push(&[b"-c"]);
        argv.push(&[b"test ", b"\"$A\" = b && exit 5"]);
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
            directory: Some(c"/"),
            blocked: &[],
            dies_with: None,
            sibling: false,
            copy_memory,
            cgroup: None,
            joins: &[],
        };
        let pid = AtomicI32::new(0);
        let born = start_by(call, &plan, &mut Nursery::new().unwrap(), &pid);
        (born, pid.load(Relaxed))
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
