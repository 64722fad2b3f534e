//! A lookout for one line in a stream that comes in pieces. Pure.

use regex::bytes::Regex;

/// Of a longer line only the beginning is looked at.
const MAX_LINE: usize = 16 << 10;

/// Looks for a line that matches. Keeps what is there of a line until its end comes.
#[derive(Debug)]
pub struct Lookout {
    pattern: Regex,
    line: Vec<u8>,
}

impl Lookout {
    /// For lines that match `pattern`, from here on.
    pub fn new(pattern: Regex) -> Self {
        Self { pattern, line: Vec::new() }
    }

    /// Takes the next bytes. Whether a line that ends in them matches: then there is nothing more to look for.
    pub fn sees(&mut self, bytes: &[u8]) -> bool {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, whole) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let room = MAX_LINE - self.line.len();
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if whole {
                let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
                let found = self.pattern.is_match(line);
                self.line.clear();
                if found {
                    return true;
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pattern::compile;
    use proptest::prelude::*;

    fn lookout(pattern: &str) -> Lookout {
        Lookout::new(compile(pattern).unwrap())
    }

    proptest! {
        #[test]
        fn a_line_is_seen_however_it_is_cut(before in "[a-c\n]{0,40}", after in "[a-c\n]{0,9}", cuts in prop::collection::vec(0_usize..60, 0..6)) {
            let text = format!("{before}\nready\n{after}");
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mut lookout = lookout("^ready$");
            prop_assert!(cuts.windows(2).any(|cut| lookout.sees(&text.as_bytes()[cut[0]..cut[1]])));
        }

        #[test]
        fn any_bytes_are_survived(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let mut lookout = lookout("^x+$");
            for piece in pieces {
                lookout.sees(&piece);
            }
        }
    }

    #[test]
    fn only_whole_lines_count() {
        let mut lookout = lookout("^ready$");
        assert!(!lookout.sees(b"not ready\nready"));
        assert!(!lookout.sees(b" yet\n"));
        assert!(lookout.sees(b"ready\r\n"));
    }

    #[test]
    fn a_line_without_end_takes_no_more_memory_than_the_beginning_of_it() {
        let mut lookout = lookout("^x{9}");
        for _ in 0..1000 {
            assert!(!lookout.sees(&[b'x'; 4 << 10]));
        }
        assert!(lookout.line.capacity() <= 2 * MAX_LINE);
        assert!(lookout.sees(b"\n"));
    }
}
