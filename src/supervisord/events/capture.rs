//! Capture: what a process writes between two tokens is no log but a message.

use memchr::memmem;
use serde::{Deserialize, Serialize};

const BEGIN: &[u8] = b"<!--XSUPERVISOR:BEGIN-->";
const END: &[u8] = b"<!--XSUPERVISOR:END-->";

/// A part of the output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Ordinary output.
    Log(Vec<u8>),
    /// What was between the tokens.
    Message(Vec<u8>),
}

/// One output of a process with capture on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// The most bytes of a message.
    limit: usize,
    /// What came since the token that begins a message, the last of it.
    message: Option<Vec<u8>>,
    /// Whether the beginning of the message is thrown away.
    cut: bool,
    /// What came and may be the start of a token.
    held: Vec<u8>,
}

impl Capture {
    /// Messages of at most `limit` bytes: of a longer one the oldest bytes go.
    pub fn new(limit: usize) -> Self {
        Self { limit, message: None, cut: false, held: Vec::new() }
    }

    /// Takes what was read. Only what may be the start of a token is held back.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Piece> {
        let (mut pieces, mut data) = (Vec::new(), std::mem::take(&mut self.held));
        data.extend(bytes);
        let mut rest = &data[..];
        loop {
            let token = if self.message.is_some() { END } else { BEGIN };
            let Some(at) = memmem::find(rest, token) else {
                let (now, later) = rest.split_at(rest.len() - start_of(token, rest));
                self.put(now, &mut pieces);
                self.held = later.to_vec();
                return pieces;
            };
            self.put(&rest[..at], &mut pieces);
            rest = &rest[at + token.len()..];
            match self.message.take() {
                Some(message) => pieces.push(Piece::Message(self.finish(message))),
                None => self.message = Some(Vec::new()),
            }
        }
    }

    /// The output is at its end. A message without an end was none: it is ordinary output, as far as it was kept.
    pub fn end(&mut self) -> Vec<Piece> {
        let mut left = Vec::new();
        if let Some(message) = self.message.take() {
            left.extend(BEGIN);
            left.extend(self.finish(message));
        }
        left.append(&mut self.held);
        if left.is_empty() { Vec::new() } else { vec![Piece::Log(left)] }
    }

    fn put(&mut self, bytes: &[u8], pieces: &mut Vec<Piece>) {
        let Some(message) = &mut self.message else {
            if !bytes.is_empty() {
                pieces.push(Piece::Log(bytes.to_vec()));
            }
            return;
        };
        message.extend(&bytes[bytes.len().saturating_sub(self.limit)..]);
        self.cut |= bytes.len() > self.limit;
        // Half of the bytes at once, so that each is moved once and not with every read.
        if message.len() > self.limit.saturating_mul(2) {
            message.drain(..message.len() - self.limit);
            self.cut = true;
        }
    }

    /// The last bytes of the message; not beginning within a character.
    fn finish(&mut self, mut message: Vec<u8>) -> Vec<u8> {
        let too_many = message.len().saturating_sub(self.limit);
        if std::mem::take(&mut self.cut) || too_many > 0 {
            let within = message[too_many..].iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
            message.drain(..too_many + within);
        }
        message
    }
}

/// How many of the last bytes may be the start of the token.
fn start_of(token: &[u8], bytes: &[u8]) -> usize {
    (1..token.len()).rev().find(|length| bytes.ends_with(&token[..*length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fed<'a>(limit: usize, reads: impl IntoIterator<Item = &'a [u8]>) -> Vec<Piece> {
        let mut capture = Capture::new(limit);
        let mut all: Vec<Piece> = reads.into_iter().flat_map(|bytes| capture.feed(bytes)).collect();
        all.extend(capture.end());
        joined(all)
    }

    /// Neighbours of the log are one.
    fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
        let mut joined: Vec<Piece> = Vec::new();
        for piece in pieces {
            match (joined.last_mut(), piece) {
                (Some(Piece::Log(before)), Piece::Log(bytes)) => before.extend(bytes),
                (_, piece) => joined.push(piece),
            }
        }
        joined
    }

    fn log(text: &str) -> Piece {
        Piece::Log(text.into())
    }

    fn message(text: &str) -> Piece {
        Piece::Message(text.into())
    }

    #[test]
    fn what_stands_between_the_tokens_is_a_message() {
        let text = "a<!--XSUPERVISOR:BEGIN-->b€<!--XSUPERVISOR:END-->c<!--XSUPERVISOR:END-->";
        assert_eq!(fed(99, [text.as_bytes()]), [log("a"), message("b€"), log("c<!--XSUPERVISOR:END-->")]);
        let text = "<!--XSUPERVISOR:BEGIN-->x<!--XSUPERVISOR:BEGIN-->y<!--XSUPERVISOR:END-->";
        assert_eq!(fed(99, [text.as_bytes()]), [message("x<!--XSUPERVISOR:BEGIN-->y")]);
    }

    #[test]
    fn only_what_may_be_a_token_is_held_back() {
        let mut capture = Capture::new(9);
        assert_eq!(capture.feed(b"short<!-"), [log("short")]);
        assert_eq!(capture.feed(b"- no"), [log("<!-- no")]);
        assert_eq!(capture.feed(b"<<!--XSUPERVISOR:BEGIN-->m<!--XSUPERVISOR:END--"), [log("<")]);
        assert_eq!(capture.feed(b">"), [message("m")]);
    }

    #[test]
    fn the_oldest_bytes_go_and_no_half_character_stays() {
        let text = "<!--XSUPERVISOR:BEGIN-->€012345678<!--XSUPERVISOR:END-->";
        assert_eq!(fed(9, [text.as_bytes()]), [message("012345678")]);
        assert_eq!(fed(10, [text.as_bytes()]), [message("012345678")]);
        assert_eq!(fed(12, [text.as_bytes()]), [message("€012345678")]);
    }

    #[test]
    fn a_message_that_never_ends_is_output() {
        assert_eq!(fed(9, [&b"a<!--XSUPERVISOR:BEGIN-->b<!--X"[..]]), [log("a<!--XSUPERVISOR:BEGIN-->b<!--X")]);
    }

    proptest! {
        #[test]
        fn reads_may_be_of_any_length(
            words in prop::collection::vec(prop_oneof![
                Just(BEGIN.to_vec()), Just(END.to_vec()), Just(b"<!--XSUPERVISOR:".to_vec()), Just(b"<".to_vec()),
                Just("€".as_bytes().to_vec()), any::<Vec<u8>>(),
            ], 0..12),
            cuts in prop::collection::vec(0..40_usize, 0..20),
            limit in 1..60_usize,
        ) {
            let whole = words.concat();
            let (mut reads, mut rest) = (Vec::new(), &whole[..]);
            for at in cuts {
                let (now, later) = rest.split_at(at.min(rest.len()));
                reads.push(now);
                rest = later;
            }
            reads.push(rest);
            let pieces = fed(limit, [&whole[..]]);
            prop_assert_eq!(&fed(limit, reads), &pieces);
            for piece in pieces {
                if let Piece::Message(bytes) = piece {
                    prop_assert!(bytes.len() <= limit);
                }
            }
        }
    }
}
