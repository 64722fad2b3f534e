//! Which part of a log is meant by an offset and a length.

use std::ops::Range;

/// A part of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// As the read methods have it.
    Read {
        /// From here; or, below zero, so many bytes from the end.
        offset: i64,
        /// So many bytes; zero: to the end.
        length: i64,
    },
    /// As the tail methods have it.
    Tail {
        /// What the client has seen.
        offset: i64,
        /// The most bytes that it wants.
        length: i64,
    },
}

impl Window {
    /// Whether offset and length are at odds: BAD_ARGUMENTS. Such a window is empty.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Read { offset, length } if length < 0 || (offset < 0 && length != 0))
    }

    /// The bytes of a file of `size` bytes. They always lie within it.
    pub fn range(self, size: u64) -> Range<u64> {
        match self {
            _ if self.is_bad() => 0..0,
            Self::Read { offset, .. } if offset < 0 => size.saturating_sub(offset.unsigned_abs())..size,
            Self::Read { offset, length } => {
                let start = offset.unsigned_abs().min(size);
                let end = if length == 0 { size } else { start.saturating_add(length.unsigned_abs()).min(size) };
                start..end
            }
            Self::Tail { offset, .. } if !self.overflows(size) && i128::from(offset) >= i128::from(size) => size..size,
            Self::Tail { length, .. } => size.saturating_sub(u64::try_from(length).unwrap_or(0))..size,
        }
    }

    /// Whether a client that reads on by tail missed some bytes.
    pub fn overflows(self, size: u64) -> bool {
        match self {
            Self::Read { .. } => false,
            Self::Tail { offset, length } => i128::from(size) > i128::from(offset) + i128::from(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LOG: &str = "0123456789\n";

    fn part(window: Window) -> &'static str {
        let range = window.range(LOG.len() as u64);
        &LOG[range.start as usize..range.end as usize]
    }

    #[test]
    fn reading() {
        for (offset, length, expected) in [
            (0, 0, Some(LOG)),
            (5, 0, Some("56789\n")),
            (0, 5, Some("01234")),
            (3, 4, Some("3456")),
            (11, 0, Some("")),
            (50, 5, Some("")),
            (10, 5, Some("\n")),
            (-3, 0, Some("89\n")),
            (-50, 0, Some(LOG)),
            (-3, 2, None),
            (0, -1, None),
            (-1, -1, None),
        ] {
            let window = Window::Read { offset, length };
            assert_eq!((!window.is_bad()).then(|| part(window)), expected, "{offset} {length}");
        }
    }

    #[test]
    fn tailing() {
        for (offset, length, expected, overflow) in [
            (0, 0, "", true),
            (0, 5, "6789\n", true),
            (3, 4, "789\n", true),
            (11, 0, "", false),
            (50, 5, "", false),
            (10, 5, "6789\n", false),
            (-3, 2, "9\n", true),
            (0, -1, "", true),
            (0, 50, LOG, false),
        ] {
            let window = Window::Tail { offset, length };
            assert_eq!((part(window), window.overflows(11)), (expected, overflow), "{offset} {length}");
        }
    }

    proptest! {
        #[test]
        fn a_range_lies_within_the_file(offset: i64, length: i64, size: u64) {
            for window in [Window::Read { offset, length }, Window::Tail { offset, length }] {
                let range = window.range(size);
                prop_assert!(range.start <= range.end && range.end <= size);
            }
        }
    }
}
