//! Whether anybody else holds a file open: asked of the kernel by a lease that is given back at
//! once. May touch the descriptor that it is given, nothing else.
#![expect(unsafe_code, reason = "nix has neither F_SETLEASE nor F_SETSIG")]

use std::os::fd::{AsRawFd, BorrowedFd};

/// `fcntl`'s number for choosing the signal of a lease, the same on all that abide runs on; libc lacks it.
const F_SETSIG: libc::c_int = 10;

/// What the kernel says of a file's writers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// Nobody holds it open for writing.
    None,
    /// Somebody does.
    Some,
    /// No lease can be had: a foreign file, or a file system without leases.
    Unknown,
}

/// Asks who may still write to `file`, which must be open for reading only.
pub fn writers(file: BorrowedFd<'_>) -> Writers {
    let fd = file.as_raw_fd();
    // A writer that opens the file during the lease makes the kernel signal us: SIGIO, whose
    // default ends the process, unless another is chosen. SIGURG is ignored by default.
    // SAFETY: F_SETSIG and F_SETLEASE take an integer and touch no memory; `file` is open.
    let signal = unsafe { libc::fcntl(fd, F_SETSIG, libc::SIGURG) };
    if signal != 0 {
        return Writers::Unknown;
    }
    // SAFETY: as above.
    if unsafe { libc::fcntl(fd, libc::F_SETLEASE, libc::F_RDLCK) } == 0 {
        // At once, before the read: a writer waits for it.
        // SAFETY: as above.
        unsafe { libc::fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK) };
        return Writers::None;
    }
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::EAGAIN) => Writers::Some,
        _ => Writers::Unknown,
    }
}

/// Whether nobody else has `file`, which must be open for writing, open in any way. Where that
/// cannot be told: no.
pub fn is_alone(file: BorrowedFd<'_>) -> bool {
    let fd = file.as_raw_fd();
    // SAFETY: F_SETSIG and F_SETLEASE take an integer and touch no memory; `file` is open.
    unsafe {
        // See `writers` for the signal.
        libc::fcntl(fd, F_SETSIG, libc::SIGURG) == 0
            && libc::fcntl(fd, libc::F_SETLEASE, libc::F_WRLCK) == 0
            && libc::fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::time::{Duration, Instant};

    /// Looks until what is found is what was waited for, but not for ever.
    fn settled<T>(look: impl Fn() -> T, is_it: impl Fn(&T) -> bool) -> T {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let found = look();
            if is_it(&found) || Instant::now() >= deadline {
                return found;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_reader_is_seen_until_it_closes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        let writer = std::fs::File::create(&path).unwrap();
        let before = is_alone(writer.as_fd());
        let reader = std::fs::File::open(&path).unwrap();
        assert!(!is_alone(writer.as_fd()));
        drop(reader);
        let alone = settled(|| is_alone(writer.as_fd()), |alone| *alone == before);
        assert_eq!(alone, before, "alone again, or never known");
    }

    #[test]
    fn a_writer_is_seen_until_it_closes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        let writer = std::fs::File::create(&path).unwrap();
        let reader = std::fs::File::open(&path).unwrap();
        let open = writers(reader.as_fd());
        drop(writer);
        // A child that another test forks just now has it too, until it executes.
        let closed = settled(|| writers(reader.as_fd()), |found| *found != Writers::Some);
        assert!(
            matches!((open, closed), (Writers::Some, Writers::None) | (Writers::Unknown, Writers::Unknown)),
            "{open:?} {closed:?}"
        );
    }
}
