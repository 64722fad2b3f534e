//! A child on a stack of its own, sharing our memory until it executes: clone3, else clone.

#![expect(unsafe_code, reason = "system calls that no crate wraps, and the stack of the child")]

use std::ffi::{c_int, c_long, c_void};
use std::io;
use std::os::fd::RawFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering::Relaxed};

/// What runs in the child: executes a program or exits, never returns.
pub(super) type Entry = extern "C" fn(*mut c_void) -> c_int;

const CLEAR_SIGHAND: u64 = 0x1_0000_0000;
/// Linux 5.7. libc's constant is an `int` and overflows to 0.
const INTO_CGROUP: u64 = 0x2_0000_0000;
const GUARD: usize = 4096;
const STACK: usize = 64 << 10;

/// What the child says before its program: all zero where nothing went wrong. Shared memory, so
/// that it reaches the parent also where the child has a copy of everything else.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Report {
    pub(super) step: AtomicU32,
    pub(super) errno: AtomicI32,
    pub(super) detail: AtomicU32,
    /// Nanoseconds of CLOCK_BOOTTIME at the child's first step.
    pub(super) born: AtomicU64,
}

/// The stack that a child runs on until it executes, and its report. One child at a time.
#[derive(Debug)]
pub struct Nursery(NonNull<c_void>);

// SAFETY: the mapping belongs to this value alone and moves with it; use needs `&mut`.
unsafe impl Send for Nursery {}

impl Nursery {
    /// Maps it.
    pub fn new() -> io::Result<Self> {
        let size = GUARD + STACK + size_of::<Report>();
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing of ours.
        let base = unsafe {
            let shared = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
            libc::mmap(ptr::null_mut(), size, libc::PROT_READ | libc::PROT_WRITE, shared, -1, 0)
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the first page of what was just mapped; an overflow then faults in the child.
        unsafe { libc::mprotect(base, GUARD, libc::PROT_NONE) };
        NonNull::new(base).map(Self).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))
    }

    fn bottom(&self) -> *mut u8 {
        // SAFETY: within the mapping.
        unsafe { self.0.as_ptr().cast::<u8>().add(GUARD) }
    }

    pub(super) fn report(&self) -> &Report {
        // SAFETY: within the mapping, aligned since both sizes before it are whole pages, atomics only.
        unsafe { &*self.0.as_ptr().byte_add(GUARD + STACK).cast::<Report>() }
    }
}

impl Drop for Nursery {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this size; no child runs on it, since making one blocks until it executes.
        unsafe { libc::munmap(self.0.as_ptr(), GUARD + STACK + size_of::<Report>()) };
    }
}

/// Which call makes children here. Docker's filter answers clone3 with ENOSYS, older ones with EPERM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Clone3,
    Clone,
}

/// Asks once, by a call that cannot succeed: EINVAL says that clone3 is there.
pub(super) fn call() -> Call {
    static KNOWN: AtomicU32 = AtomicU32::new(0);
    match KNOWN.load(Relaxed) {
        1 => return Call::Clone3,
        2 => return Call::Clone,
        _ => {}
    }
    // SAFETY: no arguments are read, for the size is refused first.
    unsafe { libc::syscall(libc::SYS_clone3, ptr::null::<c_void>(), 0) };
    let there = io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL);
    KNOWN.store(if there { 1 } else { 2 }, Relaxed);
    if there { Call::Clone3 } else { Call::Clone }
}

/// Whether the newer of the two is there.
pub fn has_clone3() -> bool {
    call() == Call::Clone3
}

/// How the child is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub(super) call: Call,
    /// It becomes our sibling: the keeper's child.
    pub(super) sibling: bool,
    /// It shares our memory until it executes; else it has a copy, which costs with our size.
    pub(super) shares_memory: bool,
    /// It is born in the cgroup of this directory; clone alone cannot do that.
    pub(super) cgroup: Option<RawFd>,
}

/// `struct clone_args` of Linux 5.7, its first 88 bytes.
#[repr(C, align(8))]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// What Linux 5.5 knew of it: all that is needed where there is no cgroup to be born in.
const SIZE_WITHOUT_CGROUP: usize = 64;

/// Makes the child and waits until it executes or ends. The kernel writes its pid to `pid` before it runs.
///
/// # Safety
/// `entry(argument)` runs in a child that may share our memory while this thread stands still: it
/// may neither allocate, nor lock, nor panic, nor return.
pub(super) unsafe fn make(
    manner: Manner,
    nursery: &mut Nursery,
    pid: &AtomicI32,
    entry: Entry,
    argument: *mut c_void,
) -> io::Result<i32> {
    let mut flags = libc::CLONE_VFORK | libc::CLONE_PARENT_SETTID;
    flags |= if manner.sibling { libc::CLONE_PARENT } else { 0 };
    flags |= if manner.shares_memory { libc::CLONE_VM } else { 0 };
    let made = match manner.call {
        Call::Clone3 => {
            let args = CloneArgs {
                // Without CLEAR_SIGHAND a handler of ours could run in the child, in our memory.
                flags: flags as u64 | CLEAR_SIGHAND,
                parent_tid: pid.as_ptr() as u64,
                // A sibling takes ours: SIGCHLD, as the keeper made us.
                exit_signal: if manner.sibling { 0 } else { libc::SIGCHLD as u64 },
                stack: nursery.bottom() as u64,
                stack_size: STACK as u64,
                ..CloneArgs::default()
            };
            let (args, size) = match manner.cgroup {
                None => (args, SIZE_WITHOUT_CGROUP),
                Some(group) => {
                    let flags = args.flags | INTO_CGROUP;
                    (CloneArgs { flags, cgroup: group as u64, ..args }, size_of::<CloneArgs>())
                }
            };
            // SAFETY: the stack is the nursery's and free, `pid` outlives the call, the rest is the caller's promise.
            unsafe { clone3(&args, size, entry, argument) }
        }
        Call::Clone => {
            let flags = flags | if manner.sibling { 0 } else { libc::SIGCHLD };
            // SAFETY: as above; glibc's wrapper takes the end of the stack and aligns it.
            let made = unsafe {
                let top = nursery.bottom().add(STACK).cast::<c_void>();
                libc::clone(entry, top, flags, argument, pid.as_ptr())
            };
            if made < 0 { Err(io::Error::last_os_error()) } else { Ok(c_long::from(made)) }
        }
    };
    made.map(|pid| pid as i32)
}

fn result(returned: c_long) -> io::Result<c_long> {
    if returned < 0 { Err(io::Error::from_raw_os_error(-returned as i32)) } else { Ok(returned) }
}

/// # Safety
/// As [`make`].
#[cfg(target_arch = "x86_64")]
unsafe fn clone3(args: &CloneArgs, size: usize, entry: Entry, argument: *mut c_void) -> io::Result<c_long> {
    let returned: c_long;
    // SAFETY: the kernel keeps all registers but rax, rcx and r11. The child comes back on its own stack
    // with rax = 0 and leaves by `entry`; only the parent reaches the end.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp", // the end of the chain of frames
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => returned,
            in("rdi") args,
            in("rsi") size,
            in("r12") argument,
            in("r13") entry,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result(returned)
}

/// # Safety
/// As [`make`].
#[cfg(target_arch = "aarch64")]
unsafe fn clone3(args: &CloneArgs, size: usize, entry: Entry, argument: *mut c_void) -> io::Result<c_long> {
    let returned: c_long;
    // SAFETY: the kernel keeps all registers but x0. The child comes back on its own stack with
    // x0 = 0 and leaves by `entry`; only the parent reaches the end.
    unsafe {
        std::arch::asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x29, xzr", // the end of the chain of frames
            "mov x0, x20",
            "blr x21",
            "brk #1",
            "2:",
            inlateout("x0") args => returned,
            in("x1") size,
            in("x8") libc::SYS_clone3,
            in("x20") argument,
            in("x21") entry,
        );
    }
    result(returned)
}

/// Elsewhere nobody asks for it: [`call`] is then overruled.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("abide runs on x86_64 and aarch64");
