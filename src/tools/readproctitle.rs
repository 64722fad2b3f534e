//! readproctitle: shows the end of its input in `ps`.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::unistd;

use super::say;
use crate::host::sys::inherited;

/// Dots at the start that stay.
const FIXED: usize = 3;

/// Moves `text`, which is long enough, in from the right. NUL would end the argument and is left out.
fn shift(title: &mut [u8], text: &[u8]) {
    let moving = &mut title[FIXED..];
    for &byte in text.iter().filter(|&&byte| byte != 0) {
        moving.copy_within(1.., 0);
        if let Some(last) = moving.last_mut() {
            *last = byte;
        }
    }
}

/// The tool.
pub(super) fn run(words: &[OsString]) -> u8 {
    let length = words.iter().skip(1).last().map_or(0, |last| last.as_bytes().len());
    if length > 0 {
        inherited::overwrite_last_argument(&vec![b'.'; length]);
    }
    if length < 5 {
        return say::USAGE;
    }
    let mut title = vec![b'.'; length];
    let mut input = [0; 512];
    let stdin = io::stdin();
    loop {
        match unistd::read(&stdin, &mut input) {
            Ok(0) => return 0,
            Ok(length) => shift(&mut title, &input[..length]),
            Err(Errno::EINTR) => continue,
            Err(_) => return say::FAILED,
        }
        inherited::overwrite_last_argument(&title);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_end_of_the_text_is_shown(length in 5..20_usize, text in prop::collection::vec(0..4_u8, 0..40)) {
            let mut title = vec![b'.'; length];
            shift(&mut title, &text);
            let mut expected = vec![b'.'; length];
            expected.extend(text.iter().filter(|&&byte| byte != 0));
            prop_assert_eq!(&title[..FIXED], b"...");
            prop_assert_eq!(&title[FIXED..], &expected[expected.len() - (length - FIXED)..]);
        }
    }
}
