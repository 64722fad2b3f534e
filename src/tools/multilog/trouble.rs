//! What multilog says when something fails, and how it goes on.

use nix::errno::Errno;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use crate::tools::{errno, say};

const NAME: &str = "multilog";

/// Says why multilog cannot start; the answer is its exit code.
pub(super) fn fatal(parts: &[&[u8]], error: Errno) -> u8 {
    say::fatal(NAME, &[&text(parts), &": ", &errno::text(error)])
}

/// Warns, and waits a while before the next try.
pub(super) fn pause(parts: &[&[u8]], error: Option<Errno>) {
    let error = error.map_or_else(String::new, |error| format!(": {}", errno::text(error)));
    say::warning(NAME, &[&text(parts), &", pausing", &error]);
    std::thread::sleep(Duration::from_secs(5));
}

fn text(parts: &[&[u8]]) -> OsString {
    OsString::from_vec(parts.concat())
}

/// Tries until it succeeds.
pub(super) fn insist<T>(parts: &[&[u8]], mut attempt: impl FnMut() -> nix::Result<T>) -> T {
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(error) => pause(parts, Some(error)),
        }
    }
}
