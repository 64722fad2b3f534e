//! strip_ansi: colours and cursor movements of a terminal are no part of a log.

use serde::{Deserialize, Serialize};

const ESCAPE: u8 = 0x1b;
/// The letters that end a sequence which is removed. Any other sequence stays as it is.
const LAST: &[u8] = b"HfABCDRsuJKhlpm";
/// No sequence is longer.
const LONGEST: usize = 64;

/// One output of a process from which sequences are removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ansi {
    /// A sequence that was begun.
    held: Vec<u8>,
}

impl Ansi {
    /// What is left of what was read.
    pub fn strip(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut kept = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            let goes_on = match self.held.len() {
                0 => byte == ESCAPE,
                1 => byte == b'[',
                held => matches!(byte, b' '..=b'?') && held < LONGEST,
            };
            if goes_on {
                self.held.push(byte);
            } else if self.held.len() > 1 && LAST.contains(&byte) {
                self.held.clear();
            } else {
                kept.append(&mut self.held);
                if byte == ESCAPE { &mut self.held } else { &mut kept }.push(byte);
            }
        }
        kept
    }

    /// The output is at its end: a sequence that was only begun is none.
    pub fn end(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stripped<'a>(reads: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut ansi = Ansi::default();
        let mut kept: Vec<u8> = reads.into_iter().flat_map(|bytes| ansi.strip(bytes)).collect();
        kept.extend(ansi.end());
        kept
    }

    #[test]
    fn sequences_of_the_list_go() {
        for (text, left) in [
            ("1\x1b[31mred\x1b[0m 2\x1b[2J 3\x1b[1;2Hx", "1red 2 3x"),
            ("4\x1b]0;t\x07 5\x1b(B \x1b7", "4\x1b]0;t\x07 5\x1b(B \x1b7"),
            ("6\x1b[?25lq 9\x1b[6nq 10\x1b[31mE", "6q 9\x1b[6nq 10E"),
            ("\x1b\x1b[m\x1b", "\x1b\x1b"),
            ("\x1b[3\x1b[4mx", "\x1b[3x"),
        ] {
            assert_eq!(stripped([text.as_bytes()]), left.as_bytes(), "{text:?}");
        }
        let endless = [b"\x1b[".as_slice(), &vec![b'1'; 1000]].concat();
        assert_eq!(stripped([&endless[..]]), endless);
    }

    proptest! {
        #[test]
        fn reads_may_be_of_any_length(text in "[\x1b\\[0-9;mHnx]{0,60}", at in 0..60_usize) {
            let (a, b) = text.as_bytes().split_at(at.min(text.len()));
            prop_assert_eq!(stripped([a, b]), stripped([text.as_bytes()]));
        }
    }
}
