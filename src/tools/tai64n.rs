//! tai64n: puts a TAI64N label before each line.

use std::ffi::OsString;
use std::time::{SystemTime, UNIX_EPOCH};

use super::filter;
use crate::model::time::TAI64_OF_1970;

/// `@` and 24 hexadecimal digits.
pub(super) type Label = [u8; 25];

fn label(seconds: u64, nanoseconds: u32) -> Label {
    let mut label = [b'@'; 25];
    let digits = (0..16).map(|digit| seconds >> (60 - 4 * digit));
    let digits = digits.chain((0..8).map(|digit| u64::from(nanoseconds) >> (28 - 4 * digit)));
    for (place, digit) in label[1..].iter_mut().zip(digits) {
        *place = b"0123456789abcdef"[(digit & 15) as usize];
    }
    label
}

/// The label of now. The clock counts as one of microseconds, each labelled by its middle.
pub(super) fn now() -> Label {
    let (seconds, micros) = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => (TAI64_OF_1970.wrapping_add(since.as_secs()), since.subsec_micros()),
        Err(_) => (TAI64_OF_1970, 0),
    };
    label(seconds, micros * 1000 + 500)
}

/// Appends `input` with a label before each line; `within` tells whether a line is open, before and after.
fn stamp(within: &mut bool, input: &[u8], out: &mut Vec<u8>, mut now: impl FnMut() -> [u8; 25]) {
    for line in input.split_inclusive(|&byte| byte == b'\n') {
        if !*within {
            out.extend_from_slice(&now());
            out.push(b' ');
        }
        out.extend_from_slice(line);
        *within = !line.ends_with(b"\n");
    }
}

/// The tool.
pub(super) fn run(_words: &[OsString]) -> u8 {
    let mut within = false;
    filter::run(|input, out| stamp(&mut within, input, out, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_labels() {
        assert_eq!(&label(TAI64_OF_1970, 0), b"@400000000000000a00000000");
        assert_eq!(&label(TAI64_OF_1970 + 935_467_445, 787_492_500), b"@4000000037c219bf2ef02e94");
        assert_eq!(&label(TAI64_OF_1970 - 11, 1), b"@3fffffffffffffff00000001");
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(text in "[ab\n]{0,40}", cut in 0..40_usize) {
            let text = text.as_bytes();
            let (start, end) = text.split_at(cut.min(text.len()));
            let mut out = Vec::new();
            let mut within = false;
            stamp(&mut within, start, &mut out, || [b'@'; 25]);
            stamp(&mut within, end, &mut out, || [b'@'; 25]);
            let stamped = text.split_inclusive(|&byte| byte == b'\n');
            let expected: Vec<u8> = stamped.flat_map(|line| [&[b'@'; 25], &b" "[..], line].concat()).collect();
            prop_assert_eq!(out, expected);
        }
    }
}
