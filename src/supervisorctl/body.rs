//! An answer of HTTP/1.1, bytes in, body out. Pure.

/// The longest head, or line between chunks.
const MAX_HEAD: usize = 64 * 1024;

/// What stands before the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) reason: String,
    /// The connection serves no other request.
    pub(super) closes: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Head,
    /// So many bytes.
    Length(u64),
    /// The line with the size of a chunk.
    Size,
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The end of the line after a chunk.
    AfterChunk,
    /// The lines after the last chunk.
    Trailer,
    /// All until the connection closes.
    Rest,
    Done,
}

/// Takes an answer apart, in whatever pieces it comes.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    stage: Stage,
    head: Option<Head>,
    pending: Vec<u8>,
}

impl Decoder {
    pub(super) fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    pub(super) fn take_head(self) -> Option<Head> {
        self.head
    }

    pub(super) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Takes what has come; gives what of it is body.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        self.pending.extend_from_slice(bytes);
        let mut body = Vec::new();
        while self.step(&mut body)? {}
        Ok(body)
    }

    /// The connection has closed.
    pub(super) fn end(&mut self) -> Result<(), String> {
        match self.stage {
            Stage::Rest | Stage::Done => {
                self.stage = Stage::Done;
                Ok(())
            }
            _ => Err("the connection has closed amid an answer".to_owned()),
        }
    }

    /// One step; whether there may be another.
    fn step(&mut self, body: &mut Vec<u8>) -> Result<bool, String> {
        match self.stage {
            Stage::Head => return self.read_head(),
            Stage::Size => {
                let Some(line) = self.line()? else { return Ok(false) };
                let digits = line.split(';').next().unwrap_or_default().trim();
                let size = u64::from_str_radix(digits, 16).map_err(|_| format!("{line:?} is no size of a chunk"))?;
                self.stage = if size == 0 { Stage::Trailer } else { Stage::Chunk(size) };
            }
            Stage::Chunk(left) => return Ok(self.take(left, body, Stage::Chunk, Stage::AfterChunk)),
            Stage::Length(left) => return Ok(self.take(left, body, Stage::Length, Stage::Done)),
            Stage::AfterChunk => {
                let Some(line) = self.line()? else { return Ok(false) };
                if !line.is_empty() {
                    return Err("a chunk is longer than its size".to_owned());
                }
                self.stage = Stage::Size;
            }
            Stage::Trailer => {
                let Some(line) = self.line()? else { return Ok(false) };
                if line.is_empty() {
                    self.stage = Stage::Done;
                }
            }
            Stage::Rest => {
                body.append(&mut self.pending);
                return Ok(false);
            }
            Stage::Done => return Ok(false),
        }
        Ok(true)
    }

    /// Up to `left` bytes of body; `then` when they are all there.
    fn take(&mut self, left: u64, body: &mut Vec<u8>, more: fn(u64) -> Stage, then: Stage) -> bool {
        let n = self.pending.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        body.extend(self.pending.drain(..n));
        let left = left - n as u64;
        self.stage = if left == 0 { then } else { more(left) };
        left == 0
    }

    fn line(&mut self) -> Result<Option<String>, String> {
        let Some(at) = self.pending.iter().position(|&byte| byte == b'\n') else {
            return if self.pending.len() > MAX_HEAD { Err("a line does not end".to_owned()) } else { Ok(None) };
        };
        let line: Vec<u8> = self.pending.drain(..=at).collect();
        Ok(Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()))
    }

    fn read_head(&mut self) -> Result<bool, String> {
        let end = |mark: &[u8]| self.pending.windows(mark.len()).position(|w| w == mark).map(|at| at + mark.len());
        let Some(end) = end(b"\r\n\r\n").into_iter().chain(end(b"\n\n")).min() else {
            return if self.pending.len() > MAX_HEAD { Err("its head does not end".to_owned()) } else { Ok(false) };
        };
        let bytes: Vec<u8> = self.pending.drain(..end).collect();
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        let mut words = first.splitn(3, ' ');
        let version = words.next().unwrap_or_default();
        let status = words.next().and_then(|word| word.parse().ok()).filter(|_| version.starts_with("HTTP/1."));
        let Some(status) = status else { return Err(format!("{first:?} is no status line of HTTP/1.1")) };
        // 100 Continue and the like: the answer is yet to come.
        if (100..200).contains(&status) {
            return Ok(true);
        }
        let fields: Vec<_> = lines.filter_map(|line| line.split_once(':')).collect();
        let field = |name: &str| {
            fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
        };
        let chunked = field("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        let length = field("content-length").map(|value| value.parse().map_err(|_| format!("{value:?} is no length")));
        self.stage = match length.transpose()? {
            _ if chunked => Stage::Size,
            Some(0) => Stage::Done,
            _ if status == 204 => Stage::Done,
            Some(length) => Stage::Length(length),
            None => Stage::Rest,
        };
        let connection = field("connection").unwrap_or_default();
        let keeps = connection.eq_ignore_ascii_case("keep-alive");
        let closes = connection.eq_ignore_ascii_case("close") || (version == "HTTP/1.0" && !keeps);
        let closes = closes || self.stage == Stage::Rest;
        self.head = Some(Head { status, reason: words.next().unwrap_or_default().to_owned(), closes });
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(answer: &[u8], at_once: usize) -> Result<(Head, Vec<u8>, bool), String> {
        let mut decoder = Decoder::default();
        let mut body = Vec::new();
        for piece in answer.chunks(at_once) {
            body.extend(decoder.push(piece)?);
        }
        let done = decoder.is_done();
        Ok((decoder.take_head().ok_or("no head")?, body, done))
    }

    #[test]
    fn bodies_are_found_in_any_pieces() {
        let head = |closes| Head { status: 200, reason: "All right".to_owned(), closes };
        for at_once in 1..20 {
            let long = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 All right\r\nContent-length: 3\r\n\r\nabcd";
            assert_eq!(all(long, at_once), Ok((head(false), b"abc".to_vec(), true)));
            let chunked = b"HTTP/1.1 200 All right\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nA: b\r\n\r\n";
            assert_eq!(all(chunked, at_once), Ok((head(false), b"abc".to_vec(), true)));
            let open = b"HTTP/1.0 200 All right\r\n\r\nabc";
            assert_eq!(all(open, at_once), Ok((head(true), b"abc".to_vec(), false)));
        }
        assert!(all(b"SSH-2.0\r\n\r\n", 9).is_err());
        assert!(all(b"HTTP/1.1 200 All right\r\ntransfer-encoding: chunked\r\n\r\nx\r\n", 9).is_err());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(tail in prop::collection::vec(any::<u8>(), 0..99), cut in 1..50usize) {
            let _ = all(&tail, cut);
            let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            chunked.extend(tail);
            let _ = all(&chunked, cut);
        }
    }
}
