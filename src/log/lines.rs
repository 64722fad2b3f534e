//! Where a look at a pipe is divided into lines, and where a line is too long. Pure.

use memchr::memchr;

/// A piece of output: a line, or a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Without its newline.
    pub text: &'a [u8],
    /// Whether the line ends with it. If not, the rest comes as the next piece.
    pub ended: bool,
}

impl Piece<'_> {
    /// How many bytes of output it is.
    pub fn length(self) -> usize {
        self.text.len() + usize::from(self.ended)
    }
}

/// The first piece of `bytes`; no part of a line is longer than `max_line`, which is at least 4.
///
/// `None`: nothing is there but the beginning of a line whose end may still come. With `all` that is a piece too.
pub fn first(bytes: &[u8], max_line: usize, all: bool) -> Option<Piece<'_>> {
    let reach = bytes.len().min(max_line + 1);
    if let Some(end) = memchr(b'\n', &bytes[..reach]) {
        return Some(Piece { text: &bytes[..end], ended: true });
    }
    let length = if bytes.len() > max_line { whole_characters(&bytes[..max_line]) } else { bytes.len() };
    let cut = bytes.len() > max_line || (all && !bytes.is_empty());
    cut.then(|| Piece { text: &bytes[..length], ended: false })
}

/// How many of the bytes there are without a character of UTF-8 that is cut at their end.
fn whole_characters(bytes: &[u8]) -> usize {
    let back = bytes.iter().rev().take(4).position(|byte| *byte & 0xc0 != 0x80);
    let Some(start) = back.map(|back| bytes.len() - 1 - back) else { return bytes.len() };
    match std::str::from_utf8(&bytes[start..]) {
        Err(error) if error.error_len().is_none() && start > 0 => start,
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces(mut bytes: &[u8], max_line: usize, all: bool) -> Vec<Piece<'_>> {
        let mut found = Vec::new();
        while let Some(piece) = first(bytes, max_line, all) {
            assert!(piece.length() > 0);
            bytes = &bytes[piece.length()..];
            found.push(piece);
        }
        found
    }

    proptest! {
        #[test]
        fn pieces_put_together_are_the_output(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>(), Just(0xe2)], 0..300), max_line in 4_usize..40) {
            let all = pieces(&bytes, max_line, true);
            let mut whole = Vec::new();
            for piece in &all {
                prop_assert!(piece.text.len() <= max_line && !piece.text.contains(&b'\n'));
                whole.extend_from_slice(piece.text);
                whole.extend(piece.ended.then_some(b'\n'));
            }
            prop_assert_eq!(&whole, &bytes);
            // What stays for later is less than a line may be, and the rest is the same.
            let some = pieces(&bytes, max_line, false);
            let left = bytes.len() - some.iter().map(|piece| piece.length()).sum::<usize>();
            prop_assert!(left <= max_line);
            prop_assert_eq!(&all[..some.len()], &some[..]);
        }

        #[test]
        fn no_character_is_cut(text in "[aä€😀]{1,80}", max_line in 4_usize..20) {
            for piece in pieces(text.as_bytes(), max_line, true) {
                prop_assert!(std::str::from_utf8(piece.text).is_ok());
                prop_assert!(piece.text.len() + 3 >= max_line || piece.text.len() <= max_line);
            }
        }
    }

    #[test]
    fn a_line_of_just_the_greatest_length_is_whole() {
        assert_eq!(pieces(b"abcd\n", 4, false), [Piece { text: b"abcd", ended: true }]);
        assert_eq!(
            pieces(b"abcde\n", 4, false),
            [Piece { text: b"abcd", ended: false }, Piece { text: b"e", ended: true }]
        );
        assert_eq!(pieces(b"abcd", 4, false), []);
    }
}
