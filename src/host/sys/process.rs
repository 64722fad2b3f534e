//! Processes that exist: pidfds, limits of others, exits with what they used, our own marks.

#![expect(unsafe_code, reason = "system calls that no crate wraps")]

use std::ffi::{c_int, c_long};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

/// Whom a signal through a pidfd reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// The process.
    Process = 0,
    /// The process group that it leads (Linux 6.9; before: `EINVAL`).
    Group = 1 << 2,
}

fn outcome(returned: c_long) -> io::Result<c_long> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}

/// A descriptor of the process `pid`.
pub fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes numbers only; the descriptor that comes back is ours alone.
    unsafe { outcome(libc::syscall(libc::SYS_pidfd_open, pid, 0)).map(|fd| OwnedFd::from_raw_fd(fd as i32)) }
}

/// Signals the process of a pidfd.
pub fn pidfd_signal(process: BorrowedFd<'_>, signal: i32, whom: Whom) -> io::Result<()> {
    let no_info = ptr::null::<libc::siginfo_t>();
    // SAFETY: without siginfo it takes numbers only.
    let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal, no_info, whom as u32) };
    outcome(sent).map(drop)
}

/// `kill(2)`, for any signal number.
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: takes numbers only.
    outcome(c_long::from(unsafe { libc::kill(pid, signal) })).map(drop)
}

/// Sets the nice value of the calling thread, which Linux has for each thread; those that it starts inherit it.
pub fn set_nice(nice: i32) -> io::Result<()> {
    // SAFETY: takes numbers only; 0 is the calling thread.
    outcome(c_long::from(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) })).map(drop)
}

/// Soft and hard bound of the limit `resource` of process `pid` (0: our own); sets it first, if asked to.
pub fn prlimit(pid: i32, resource: u32, new: Option<(u64, u64)>) -> io::Result<(u64, u64)> {
    let new = new.map(|(soft, hard)| [soft, hard]);
    let new = new.as_ref().map_or(ptr::null(), |pair| pair.as_ptr());
    let mut old = [0_u64; 2];
    // SAFETY: both are two words, as the kernel's struct rlimit64.
    outcome(unsafe { libc::syscall(libc::SYS_prlimit64, pid, resource, new, old.as_mut_ptr()) })?;
    Ok((old[0], old[1]))
}

/// A child that ended and is not reaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its pid, taken until it is reaped.
    pub pid: i32,
    /// As `wait(2)` encodes it.
    pub status: i32,
    /// Processor time in user space, microseconds.
    pub user_us: u64,
    /// Processor time in the kernel, microseconds.
    pub system_us: u64,
    /// The largest resident set, KiB.
    pub max_rss_kib: u64,
}

/// Some child that ended, left unreaped. `None`: none did. `ECHILD`: there are no children.
pub fn peek_ended() -> io::Result<Option<Ended>> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let options = libc::WEXITED | libc::WNOWAIT | libc::WNOHANG | libc::__WALL;
    // SAFETY: the kernel fills both; zero is a legal value of both where it does not. The raw call
    // is the only one that reports what was used without reaping.
    let (info, usage) = unsafe {
        let any = libc::P_ALL;
        outcome(libc::syscall(libc::SYS_waitid, any, 0, info.as_mut_ptr(), options, usage.as_mut_ptr()))?;
        (info.assume_init(), usage.assume_init())
    };
    // SAFETY: waitid fills the fields of SIGCHLD, or leaves zeros.
    let (pid, value) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Ok(None);
    }
    let status = match info.si_code {
        libc::CLD_EXITED => (value & 0xff) << 8,
        libc::CLD_DUMPED => value & 0x7f | 0x80,
        _ => value & 0x7f,
    };
    let microseconds = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    Ok(Some(Ended {
        pid,
        status,
        user_us: microseconds(usage.ru_utime),
        system_us: microseconds(usage.ru_stime),
        max_rss_kib: usage.ru_maxrss as u64,
    }))
}

/// How a process that is no child of ours ended, as `wait(2)` encodes it, once its parent has reaped it. `None`: it has
/// not been, or the kernel does not tell (before Linux 6.15).
pub fn pidfd_exit(process: BorrowedFd<'_>) -> Option<i32> {
    /// `struct pidfd_info` of `linux/pidfd.h`, as it was first.
    #[repr(C)]
    struct Info {
        mask: u64,
        cgroup: u64,
        ids: [u32; 11],
        exit_code: i32,
    }
    const EXIT: u64 = 1 << 3;
    // _IOWR(0xff, 0x0b, struct pidfd_info)
    const GET_INFO: libc::c_ulong = 3 << 30 | (size_of::<Info>() as libc::c_ulong) << 16 | 0xff << 8 | 0x0b;
    let mut info = Info { mask: EXIT, cgroup: 0, ids: [0; 11], exit_code: 0 };
    // SAFETY: the kernel fills at most as many bytes as the number of the request says.
    let done = unsafe { libc::ioctl(process.as_raw_fd(), GET_INFO, &raw mut info) };
    (done == 0 && info.mask & EXIT != 0).then_some(info.exit_code)
}

/// Lets a child that ended go; its number is free from here on.
pub fn reap(pid: i32) {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: the kernel fills `info`, which nobody reads.
    unsafe { libc::waitid(libc::P_PID, pid as u32, info.as_mut_ptr(), libc::WEXITED | libc::WNOHANG | libc::__WALL) };
}

/// Every signal's disposition is the default one, whatever our parent left: handlers, which only
/// this program can have installed, are the caller's business to know of.
pub fn reset_dispositions() {
    let default = [0_u64; 4];
    for signal in (1..=64).filter(|signal| ![libc::SIGKILL, libc::SIGSTOP].contains(signal)) {
        let mut now = [0_u64; 4];
        // Raw, since glibc hides two signals of its own, which can be inherited as ignored all the same.
        // SAFETY: both are at least as large as the kernel's struct sigaction, whose zero is "default".
        unsafe {
            let none = ptr::null_mut::<u64>();
            libc::syscall(libc::SYS_rt_sigaction, signal, ptr::null::<u64>(), now.as_mut_ptr(), 8);
            if now[0] as usize == libc::SIG_IGN || ![32, 33].contains(&signal) {
                libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), none, 8);
            }
        }
    }
}

/// Whatever our parent left open without telling is not for the programs that we execute.
pub fn close_on_exec_from(first: i32) -> io::Result<()> {
    const CLOEXEC: u32 = 1 << 2;
    // SAFETY: sets a flag, closes nothing.
    if outcome(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, CLOEXEC) }).is_ok() {
        return Ok(());
    }
    // Before Linux 5.11, or a filter.
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let number = entry?.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(number) = number.filter(|number| *number >= first) else { continue };
        // SAFETY: as above; the listing's own descriptor is gone by then, or fails harmlessly.
        unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(())
}

/// A copy of `descriptor` with a number above `number`, closed on exec.
pub fn duplicate_above(descriptor: BorrowedFd<'_>, number: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes numbers only; the descriptor that comes back is ours alone.
    unsafe {
        let copy = libc::fcntl(descriptor.as_raw_fd(), libc::F_DUPFD_CLOEXEC, number + 1);
        outcome(c_long::from(copy)).map(|fd| OwnedFd::from_raw_fd(fd as i32))
    }
}

fn prctl(option: c_int, argument: u64) -> io::Result<()> {
    // SAFETY: the options below take a number, or a name of at most 16 bytes with its NUL.
    outcome(c_long::from(unsafe { libc::prctl(option, argument, 0, 0, 0) })).map(drop)
}

/// `ps` shows `abide`, also where the kernel took the name of a descriptor.
pub fn name_ourselves() {
    let name = c"abide";
    // A wrong name is a blemish, no failure.
    let _ = prctl(libc::PR_SET_NAME, name.as_ptr() as u64);
}

/// Nobody but root may trace us or read our memory, and no core of it is written: what we know
/// of the services' environments is theirs.
pub fn make_undumpable() -> io::Result<()> {
    prctl(libc::PR_SET_DUMPABLE, 0)
}

/// We are killed when our parent dies.
pub fn die_with_parent() -> io::Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64)
}

/// Takes over a descriptor that we were given by number; `None` if it is not open. It closes on exec.
///
/// Meant for the start of a role, once per number: the caller becomes its owner.
pub fn take_descriptor(number: i32) -> Option<OwnedFd> {
    // SAFETY: a number; fails where it is not open.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return None;
    }
    // SAFETY: it is open, and was passed to this process by number for it to own.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}
