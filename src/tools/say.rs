//! Messages on standard error, one line each. Nothing is allocated: softlimit has to be able to speak under
//! its own limits.

use std::ffi::OsStr;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::os::unix::ffi::OsStrExt;

/// A piece of a message; names come out as they are, also when they are no UTF-8.
pub(super) type Part<'a> = &'a dyn AsRef<OsStr>;

/// Exit code for wrong usage.
pub(super) const USAGE: u8 = 100;
/// Exit code for everything else that fails.
pub(super) const FAILED: u8 = 111;

const MOST_PARTS: usize = 12;

/// Says why `tool` cannot go on; gives the exit code for it.
pub(super) fn fatal(tool: &str, parts: &[Part]) -> u8 {
    line(&[&tool, &": fatal: "], parts);
    FAILED
}

/// Says what went wrong while `tool` goes on.
pub(super) fn warning(tool: &str, parts: &[Part]) {
    line(&[&tool, &": warning: "], parts);
}

/// Says how a tool is used (or anything else that is a line of its own); gives the exit code for wrong usage.
pub(super) fn usage(text: &str) -> u8 {
    line(&[&text], &[]);
    USAGE
}

/// Writes one line. There is nowhere to report to if that fails.
pub(super) fn line(start: &[Part], end: &[Part]) {
    let mut slices = [IoSlice::new(b""); MOST_PARTS];
    let parts = start.iter().chain(end).map(|part| (*part).as_ref().as_bytes()).chain([&b"\n"[..]]);
    let mut count = 0;
    for (slice, part) in slices.iter_mut().zip(parts) {
        *slice = IoSlice::new(part);
        count += 1;
    }
    write(&mut slices[..count]);
}

fn write(mut slices: &mut [IoSlice]) {
    // Also drops empty parts at the front, which could else look like a full disk.
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match io::stderr().write_vectored(slices) {
            Ok(0) => return,
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
