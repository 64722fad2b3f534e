//! The form that a line has in its file. Pure.
//!
//! | form | a line |
//! | --- | --- |
//! | text | `2026-11-22T05:14:02.004123Z - listening` |
//! | json | `{"ts":"2026-11-22T05:14:02.004123Z","service":"web","instance":0,"pid":42,"stream":"-","msg":"listening"}` |
//! | tai64n | `@400000006b027a24003ee978 listening` |
//! | plain | `listening` |
//!
//! What stands between time and line in text is the stream, then `+` if the line goes on in the next line of that
//! stream: it was too long, or its end did not come in time. In JSON that is `"partial":true`.

use super::lines::{self, Piece};
use super::select::{Gate, Sieve, Tally, Verdict};
use super::stamp::Civil;
use crate::model::logging::LogFormat;
use crate::model::time::TAI64_OF_1970;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use memchr::{memchr_iter, memrchr};
use serde::de::IgnoredAny;
use std::fmt::Write as _;

/// No character is longer in UTF-8, bytes.
const LONGEST_CHARACTER: usize = 4;

/// Which way a line came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// stdout and stderr in one.
    Both,
    /// stdout alone.
    Out,
    /// stderr alone.
    Err,
    /// It is no output: abide itself has something to say.
    Abide,
}

impl Stream {
    /// As it stands in the files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Both => "-",
            Self::Out => "out",
            Self::Err => "err",
            Self::Abide => "abide",
        }
    }

    /// The one that is written so.
    pub fn of(text: &str) -> Option<Self> {
        [Self::Both, Self::Out, Self::Err, Self::Abide].into_iter().find(|stream| stream.as_str() == text)
    }
}

/// Whose output it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whose<'a> {
    /// The service.
    pub service: &'a str,
    /// Its instance.
    pub instance: u32,
    /// Its main process; 0: none.
    pub pid: i32,
}

/// Writes lines of one stream, read at one time.
#[derive(Debug)]
pub struct Formatter<'a> {
    format: LogFormat,
    max_line: usize,
    micros: i64,
    sieve: Option<&'a Sieve>,
    /// What stands before a line, and before a part of one.
    whole: Vec<u8>,
    part: Vec<u8>,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taken {
    /// So many bytes of output.
    pub bytes: usize,
    /// So many newlines among them.
    pub lines: u64,
    /// What of these was not asked for,
    pub left_out: Tally,
    /// and what came faster than it may.
    pub limited: Tally,
    /// Whether the next piece did not fit.
    pub full: bool,
}

impl<'a> Formatter<'a> {
    /// For lines that were read at `micros` since 1970.
    pub fn new(format: LogFormat, max_line: u64, whose: Whose<'_>, stream: Stream, micros: i64) -> Self {
        let max_line = usize::try_from(max_line).unwrap_or(usize::MAX).max(LONGEST_CHARACTER);
        let (mut ended, mut begun, mut stamp) = (String::new(), String::new(), String::new());
        // Writing to a string cannot fail.
        let _ = Civil::new(micros).rfc3339(&mut stamp);
        match format {
            LogFormat::Text => {
                let stream = stream.as_str();
                let _ = write!(ended, "{stamp} {stream} ");
                let _ = write!(begun, "{stamp} {stream}+ ");
            }
            LogFormat::Json => {
                let Whose { service, instance, pid } = whose;
                let stream = stream.as_str();
                // A service's name needs no escaping, whatever its letters: no quote, backslash or control is in it.
                let _ = write!(
                    ended,
                    "{{\"ts\":\"{stamp}\",\"service\":\"{service}\",\"instance\":{instance},\"pid\":{pid},\"stream\":\"{stream}\","
                );
                let _ = write!(begun, "{ended}\"partial\":true,");
            }
            LogFormat::Tai64n | LogFormat::Multilog => {
                let (seconds, micros) = (micros.max(0) as u64 / 1_000_000, micros.max(0) as u64 % 1_000_000);
                let _ = write!(ended, "@{:016x}{:08x} ", TAI64_OF_1970 + seconds, micros * 1000);
                begun.clone_from(&ended);
            }
            LogFormat::Plain => {}
        }
        Self { format, max_line, micros, sieve: None, whole: ended.into_bytes(), part: begun.into_bytes() }
    }

    /// Writes only what that lets through.
    #[must_use]
    pub fn through(self, sieve: Option<&'a Sieve>) -> Self {
        Self { sieve, ..self }
    }

    /// Writes to `out` what there is of `bytes`, as far as that has at most `room` bytes in its form; the first piece
    /// whatever its length, if `at_least_one`. With `all` the unfinished line at the end as well. `gate`: how far its
    /// sieve is, if it has one.
    pub fn write(
        &self,
        bytes: &[u8],
        all: bool,
        room: u64,
        at_least_one: bool,
        gate: &mut Gate,
        out: &mut Vec<u8>,
    ) -> Taken {
        if self.is_verbatim() && bytes.len() as u64 <= room {
            return self.copy(bytes, all, out);
        }
        let mut batch = Batch { begun: out.len(), room, at_least_one, taken: Taken::default(), out };
        if let Some(sieve) = self.sieve {
            return self.sift(sieve, bytes, all, gate, batch);
        }
        // By all newlines at once, since most lines are short.
        for end in memchr_iter(b'\n', bytes) {
            while end - batch.taken.bytes > self.max_line {
                let Some(part) = lines::first(&bytes[batch.taken.bytes..], self.max_line, all) else { break };
                if !batch.push(self, part) {
                    return batch.taken;
                }
            }
            if !batch.push(self, Piece { text: &bytes[batch.taken.bytes..end], ended: true }) {
                return batch.taken;
            }
        }
        while let Some(part) = lines::first(&bytes[batch.taken.bytes..], self.max_line, all) {
            if !batch.push(self, part) {
                break;
            }
        }
        batch.taken
    }

    /// The same, of what the sieve lets through.
    fn sift(&self, sieve: &Sieve, bytes: &[u8], all: bool, gate: &mut Gate, mut batch: Batch<'_>) -> Taken {
        while let Some(piece) = sieve.first(&bytes[batch.taken.bytes..], self.max_line, all) {
            let before = *gate;
            let (verdict, text) = sieve.judge(piece, self.micros, gate);
            let left = match verdict {
                Verdict::Written if batch.push(self, Piece { text: &text, ..piece }) => {
                    // What was taken out of it is taken all the same.
                    batch.taken.bytes += piece.text.len();
                    batch.taken.bytes -= text.len();
                    continue;
                }
                Verdict::Written => {
                    *gate = before;
                    break;
                }
                Verdict::LeftOut => &mut batch.taken.left_out,
                Verdict::Limited => &mut batch.taken.limited,
            };
            let lines = u64::from(piece.ended);
            *left = Tally { bytes: left.bytes + piece.length() as u64, lines: left.lines + lines };
            batch.taken.bytes += piece.length();
            batch.taken.lines += lines;
        }
        batch.taken
    }

    /// Whether a line stands in its file as it came.
    pub fn is_verbatim(&self) -> bool {
        self.format == LogFormat::Plain && self.sieve.is_none()
    }

    /// What [`Self::write`] would take of lines that stay as they are. Lines are not counted.
    pub fn measure(&self, bytes: &[u8], all: bool, room: u64, at_least_one: bool) -> Taken {
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        if bytes.len() <= room {
            return Taken { bytes: self.complete(bytes, all), ..Taken::default() };
        }
        if let Some(newline) = memrchr(b'\n', &bytes[..room]) {
            return Taken { bytes: newline + 1, full: true, lines: 0, ..Taken::default() };
        }
        let first = lines::first(bytes, self.max_line, all).map(Piece::length);
        let count = first.filter(|_| at_least_one).unwrap_or(0);
        Taken { bytes: count, full: first.is_some() && count == 0, lines: 0, ..Taken::default() }
    }

    /// How much of `bytes` is complete.
    fn complete(&self, bytes: &[u8], all: bool) -> usize {
        let ended = memrchr(b'\n', bytes).map_or(0, |newline| newline + 1);
        if all || bytes.len() - ended > self.max_line { bytes.len() } else { ended }
    }

    /// All whole lines at once.
    fn copy(&self, bytes: &[u8], all: bool, out: &mut Vec<u8>) -> Taken {
        let count = self.complete(bytes, all);
        out.extend_from_slice(&bytes[..count]);
        Taken { bytes: count, lines: memchr_iter(b'\n', &bytes[..count]).count() as u64, ..Taken::default() }
    }

    fn piece(&self, piece: Piece<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(if piece.ended { &self.whole } else { &self.part });
        match self.format {
            LogFormat::Json => value(piece.text, out),
            LogFormat::Plain if !piece.ended => return out.extend_from_slice(piece.text),
            LogFormat::Text | LogFormat::Tai64n | LogFormat::Multilog | LogFormat::Plain => {
                out.extend_from_slice(piece.text);
            }
        }
        out.push(b'\n');
    }
}

/// What is being written.
struct Batch<'a> {
    begun: usize,
    room: u64,
    at_least_one: bool,
    taken: Taken,
    out: &'a mut Vec<u8>,
}

impl Batch<'_> {
    /// False: there is no room for it.
    fn push(&mut self, formatter: &Formatter<'_>, piece: Piece<'_>) -> bool {
        let mark = self.out.len();
        formatter.piece(piece, self.out);
        if (self.out.len() - self.begun) as u64 > self.room && !(self.at_least_one && mark == self.begun) {
            self.out.truncate(mark);
            self.taken.full = true;
            return false;
        }
        self.taken.bytes += piece.length();
        self.taken.lines += u64::from(piece.ended);
        true
    }
}

/// A line of JSON stays what it is; any other is a string; what is no text is kept beside the nearest text.
fn value(text: &[u8], out: &mut Vec<u8>) {
    let Ok(readable) = std::str::from_utf8(text) else {
        out.extend_from_slice(b"\"msg\":");
        string(&String::from_utf8_lossy(text), out);
        out.extend_from_slice(b",\"bytes\":\"");
        out.extend_from_slice(BASE64_STANDARD.encode(text).as_bytes());
        return out.extend_from_slice(b"\"}");
    };
    let object = readable.trim_ascii();
    if object.starts_with('{') && object.ends_with('}') && serde_json::from_str::<IgnoredAny>(object).is_ok() {
        out.extend_from_slice(b"\"data\":");
        out.extend_from_slice(object.as_bytes());
    } else {
        out.extend_from_slice(b"\"msg\":");
        string(readable, out);
    }
    out.push(b'}');
}

/// What stands under `bytes`; `None`: it is not of our form.
pub(super) fn bytes_of(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text).ok()
}

fn string(text: &str, out: &mut Vec<u8>) {
    // A string is always JSON, and a vector takes all.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    const AT: i64 = 1_795_324_442_004_123;
    const WEB: Whose<'_> = Whose { service: "web", instance: 1, pid: 42 };

    fn formatted(format: LogFormat, stream: Stream, bytes: &[u8]) -> String {
        let mut out = Vec::new();
        Formatter::new(format, 16, WEB, stream, AT).write(bytes, true, u64::MAX, true, &mut Gate::default(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_form_is_as_described() {
        let line = b"listening\n";
        assert_eq!(formatted(LogFormat::Text, Stream::Both, line), "2026-11-22T05:14:02.004123Z - listening\n");
        assert_eq!(formatted(LogFormat::Tai64n, Stream::Both, line), "@400000006b027a24003ee978 listening\n");
        assert_eq!(formatted(LogFormat::Plain, Stream::Err, line), "listening\n");
        let json = formatted(LogFormat::Json, Stream::Err, line);
        assert_eq!(
            json,
            "{\"ts\":\"2026-11-22T05:14:02.004123Z\",\"service\":\"web\",\"instance\":1,\"pid\":42,\"stream\":\"err\",\"msg\":\"listening\"}\n"
        );
    }

    #[test]
    fn parts_of_lines_are_marked() {
        let text = formatted(LogFormat::Text, Stream::Out, b"0123456789abcdefgh\nxyz");
        let stamp = "2026-11-22T05:14:02.004123Z";
        assert_eq!(text, format!("{stamp} out+ 0123456789abcdef\n{stamp} out gh\n{stamp} out+ xyz\n"));
        assert_eq!(formatted(LogFormat::Plain, Stream::Out, b"0123456789abcdefgh\nxyz"), "0123456789abcdefgh\nxyz");
        let json = formatted(LogFormat::Json, Stream::Out, b"xyz");
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["partial"], true);
    }

    #[test]
    fn objects_stay_objects_and_bytes_are_not_lost() {
        let data = |line: &[u8]| serde_json::from_str::<Value>(&formatted(LogFormat::Json, Stream::Out, line)).unwrap();
        assert_eq!(data(b" {\"a\": [1]} \n")["data"]["a"][0], 1);
        assert_eq!(data(b"{\"a\": [1}\n")["msg"], "{\"a\": [1}");
        assert_eq!(data(b"\"a\" \x1b\n")["msg"], "\"a\" \u{1b}");
        let bytes = data(b"a\xffb\n");
        assert_eq!(bytes["msg"], "a\u{fffd}b");
        assert_eq!(BASE64_STANDARD.decode(bytes["bytes"].as_str().unwrap()).unwrap(), b"a\xffb");
    }

    proptest! {
        #[test]
        fn what_does_not_fit_is_left_for_the_next_file(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), any::<u8>()], 0..200),
            room in 0_u64..200,
            format in prop_oneof![Just(LogFormat::Text), Just(LogFormat::Json), Just(LogFormat::Tai64n), Just(LogFormat::Plain)],
        ) {
            let formatter = Formatter::new(format, 16, WEB, Stream::Both, AT);
            let (mut whole, mut parts, mut rest) = (Vec::new(), Vec::new(), &bytes[..]);
            let all = formatter.write(&bytes, true, u64::MAX, true, &mut Gate::default(), &mut whole);
            prop_assert_eq!(all.bytes, bytes.len());
            prop_assert_eq!(all.lines as usize, memchr_iter(b'\n', &bytes).count());
            while !rest.is_empty() {
                let before = parts.len();
                let mut taken = formatter.write(rest, true, room, false, &mut Gate::default(), &mut parts);
                prop_assert!((parts.len() - before) as u64 <= room);
                if taken.bytes == 0 {
                    prop_assert!(taken.full && parts.len() == before);
                    taken = formatter.write(rest, true, room, true, &mut Gate::default(), &mut parts);
                }
                prop_assert!(taken.bytes > 0);
                rest = &rest[taken.bytes..];
            }
            prop_assert_eq!(parts, whole);
        }

        #[test]
        fn what_stays_as_it_is_may_be_measured_alone(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'a')], 0..200),
            room in 0_u64..200,
            (all, at_least_one) in any::<(bool, bool)>(),
        ) {
            let formatter = Formatter::new(LogFormat::Plain, 300, WEB, Stream::Both, AT);
            let mut out = Vec::new();
            let written = formatter.write(&bytes, all, room, at_least_one, &mut Gate::default(), &mut out);
            let measured = formatter.measure(&bytes, all, room, at_least_one);
            prop_assert_eq!(measured.bytes, written.bytes);
            prop_assert_eq!(&out[..], &bytes[..measured.bytes]);
            // Where there is no more, there is nothing that does not fit.
            prop_assert!(measured.full == written.full || written.bytes > 0);
        }

        #[test]
        fn each_line_of_json_is_an_object(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut out = Vec::new();
            Formatter::new(LogFormat::Json, 16, WEB, Stream::Both, AT).write(&bytes, true, u64::MAX, true, &mut Gate::default(), &mut out);
            for line in out.split_inclusive(|byte| *byte == b'\n') {
                prop_assert!(serde_json::from_slice::<Value>(line).unwrap().is_object());
            }
        }
    }
}
