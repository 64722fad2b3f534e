//! What this process was started with and std's start-up changes: the disposition of SIGPIPE, closed
//! descriptors 0 to 2; and the memory that holds the arguments.
//!
//! std ignores SIGPIPE and opens `/dev/null` for closed descriptors before `main`. A program that we become
//! has to find them as we did, so they are noted before std gets to run.
#![expect(unsafe_code, reason = "what came before std, and the memory of the arguments, which no library gives")]

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicUsize, Ordering::Relaxed};

use libc::{c_char, c_int};

static SIGPIPE_WAS_DEFAULT: AtomicBool = AtomicBool::new(false);
/// Bit N is set if descriptor N was closed.
static CLOSED: AtomicU8 = AtomicU8::new(0);
static ARGC: AtomicUsize = AtomicUsize::new(0);
static ARGV: AtomicPtr<*mut c_char> = AtomicPtr::new(ptr::null_mut());

// SAFETY: the section holds pointers to functions which the C start-up code calls once, on the only thread,
// before `main` and so before std's start. `record` needs nothing of std's start: it stores to atomics and
// makes two system calls. glibc passes argc, argv and envp; other C libraries pass nothing, and there the
// variant of `record` without arguments is taken.
#[used]
#[unsafe(link_section = ".init_array")]
#[cfg(target_env = "gnu")]
static RECORD: extern "C" fn(c_int, *mut *mut c_char) = record;

#[used]
#[unsafe(link_section = ".init_array")]
#[cfg(not(target_env = "gnu"))]
static RECORD: extern "C" fn() = record_surroundings;

#[cfg(target_env = "gnu")]
extern "C" fn record(count: c_int, words: *mut *mut c_char) {
    ARGC.store(usize::try_from(count).unwrap_or(0), Relaxed);
    ARGV.store(words, Relaxed);
    record_surroundings();
}

extern "C" fn record_surroundings() {
    let mut polled = [0, 1, 2].map(|fd| libc::pollfd { fd, events: 0, revents: 0 });
    // SAFETY: `sigaction` is plain data for which zeroes are valid; both calls only write to what they are
    // given, which lives until they return.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(libc::SIGPIPE, ptr::null(), &raw mut action) == 0 {
            SIGPIPE_WAS_DEFAULT.store(action.sa_sigaction == libc::SIG_DFL, Relaxed);
        }
        libc::poll(polled.as_mut_ptr(), 3, 0);
    }
    let closed = (0..3).filter(|&fd| polled[fd].revents & libc::POLLNVAL != 0).fold(0, |set, fd| set | 1 << fd);
    CLOSED.store(closed, Relaxed);
}

/// Undoes what std's start did to SIGPIPE and the descriptors 0 to 2. To be called before anything is opened;
/// a second call changes no descriptor.
pub fn restore() {
    if SIGPIPE_WAS_DEFAULT.load(Relaxed) {
        // SAFETY: the default disposition runs no code of ours.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    }
    let closed = CLOSED.swap(0, Relaxed);
    for fd in (0..3).filter(|fd| closed & 1 << fd != 0) {
        // SAFETY: it is std's `/dev/null`, which nothing owns; the swap makes sure it is closed only once.
        unsafe { libc::close(fd) };
    }
}

/// Overwrites the last argument in the memory that `ps` shows with the start of `text`, as far as there is room.
/// Does nothing where the C library does not tell where that memory is.
pub fn overwrite_last_argument(text: &[u8]) {
    let Some(last) = ARGC.load(Relaxed).checked_sub(1) else { return };
    let argv = ARGV.load(Relaxed);
    if argv.is_null() {
        return;
    }
    // SAFETY: argv holds ARGC pointers to strings of this process that end in NUL; the memory is writable and
    // never freed. Only bytes before the NUL are written. std reads the strings only while it copies them.
    unsafe {
        let start = *argv.add(last);
        let room = libc::strlen(start);
        ptr::copy(text.as_ptr().cast(), start, text.len().min(room));
    }
}
