//! Leaving out what only colours and moves on a terminal: `ESC [`, parameters, and one of certain letters. Pure.
//!
//! What looks like the beginning of such a sequence stays where it is until its end comes, so that it is known however
//! it was cut into pieces.

/// What such a sequence begins with.
const BEGIN: &[u8] = b"\x1b[";
/// What it ends with; others do things that are no decoration, and stay.
const ENDS: &[u8] = b"HfABCDRsuJKhlpm";
/// A longer one is none.
const LONGEST: usize = 64;

/// How a piece of output begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    /// With a sequence of so many bytes.
    Sequence(usize),
    /// With so many bytes that stay.
    Text(usize),
    /// With what may become a sequence.
    Unfinished,
}

/// Writes to `out` what stays of `bytes`, at most `room` bytes of it. What may be a sequence that goes on is left, unless
/// with `all`. How many of `bytes` are taken.
pub fn strip(bytes: &[u8], all: bool, room: usize, out: &mut Vec<u8>) -> usize {
    let (begun, mut taken) = (out.len(), 0);
    while taken < bytes.len() {
        let rest = &bytes[taken..];
        match head(rest) {
            Head::Sequence(length) => taken += length,
            Head::Unfinished if !all => break,
            head => {
                let length = if let Head::Text(length) = head { length } else { rest.len() };
                let length = length.min(room - (out.len() - begun));
                if length == 0 {
                    break;
                }
                out.extend_from_slice(&rest[..length]);
                taken += length;
            }
        }
    }
    taken
}

/// Of what is not empty.
fn head(bytes: &[u8]) -> Head {
    let Some(behind) = bytes.strip_prefix(BEGIN) else {
        // An escape that is the last byte may begin one.
        if bytes == &BEGIN[..1] {
            return Head::Unfinished;
        }
        let next = memchr::memchr(BEGIN[0], &bytes[1..]);
        return Head::Text(next.map_or(bytes.len(), |at| at + 1));
    };
    let is_inner = |byte: &&u8| matches!(byte, 0x20..=0x3f);
    let inner = behind.iter().take(LONGEST).take_while(is_inner).count();
    match behind.get(inner) {
        Some(end) if ENDS.contains(end) => Head::Sequence(BEGIN.len() + inner + 1),
        None if inner < LONGEST => Head::Unfinished,
        _ => Head::Text(BEGIN.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stripped(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        assert_eq!(strip(bytes, true, usize::MAX, &mut out), bytes.len());
        out
    }

    #[test]
    fn colours_and_movements_go_and_all_else_stays() {
        assert_eq!(stripped(b"\x1b[1;31mred\x1b[0m \x1b[2J\x1b[?25hdone\n"), b"red done\n");
        for same in [&b"\x1b]0;title\x07"[..], b"\x1b[2q", b"\x1b[", b"\x1b", b"a\x1b\x1b", b"[31m", b"\xff\x00\n"] {
            assert_eq!(stripped(same), same);
        }
        assert_eq!(stripped(b"\x1b\x1b[m!"), b"\x1b!");
        let long = [b"\x1b[", &[b'1'; 100][..], b"m"].concat();
        assert_eq!(stripped(&long), long, "no terminal takes as many parameters");
    }

    fn output() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"\x1b[31m".to_vec()),
            Just(b"\x1b[".to_vec()),
            prop::collection::vec(prop_oneof![Just(0x1b), Just(b'['), Just(b'm'), Just(b'1'), any::<u8>()], 0..6),
        ];
        prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_it_comes_in_pieces_nor_how_much_is_written_at_once(
            bytes in output(),
            pieces in prop::collection::vec(1_usize..9, 1..40),
            room in 1_usize..20,
        ) {
            let (mut out, mut from, mut there) = (Vec::new(), 0, 0);
            for piece in pieces.iter().cycle().take(bytes.len() * 2 + 2) {
                there = (there + piece).min(bytes.len());
                from += strip(&bytes[from..there], false, room, &mut out);
            }
            while from < bytes.len() {
                let taken = strip(&bytes[from..], true, room, &mut out);
                prop_assert!(taken > 0);
                from += taken;
            }
            prop_assert_eq!(out, stripped(&bytes));
        }

        #[test]
        fn what_stays_is_no_more_than_what_came(bytes in output(), room in 0_usize..50, all in any::<bool>()) {
            let mut out = b"before".to_vec();
            let taken = strip(&bytes, all, room, &mut out);
            prop_assert!(taken <= bytes.len() && out.len() - 6 <= room.min(taken));
            prop_assert!(out.starts_with(b"before"));
        }
    }
}
