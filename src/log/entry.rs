//! A line of a log file read back, whatever form it has. Pure.

use super::format::Stream;
use super::stamp::Civil;
use crate::model::time::TAI64_OF_1970;
use serde_json::Value;
use std::borrow::Cow;

/// What a line of a log file says.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<'a> {
    /// When it was read, microseconds since 1970; `None`: its form has no time.
    pub at: Option<i64>,
    /// Which way it came, where that is known.
    pub stream: Option<Stream>,
    /// Whether it goes on in the next one of that stream.
    pub partial: bool,
    /// What was said.
    pub text: Cow<'a, [u8]>,
    /// Whether it was an object of JSON, which `text` is then.
    pub object: bool,
}

impl<'a> Entry<'a> {
    /// Of a line without its newline.
    pub fn of(line: &'a [u8]) -> Self {
        let plain = || Self { at: None, stream: None, partial: false, text: Cow::Borrowed(line), object: false };
        match line.first() {
            Some(b'{') => Self::of_json(line).unwrap_or_else(plain),
            Some(b'@') => Self::of_tai64n(line).unwrap_or_else(plain),
            Some(b'0'..=b'9') => Self::of_text(line).unwrap_or_else(plain),
            _ => plain(),
        }
    }

    fn of_text(line: &'a [u8]) -> Option<Self> {
        let mut parts = line.splitn(3, |byte| *byte == b' ');
        let (stamp, way, said) = (parts.next()?, parts.next()?, parts.next()?);
        let at = Civil::parse_rfc3339(std::str::from_utf8(stamp).ok()?)?;
        let way = std::str::from_utf8(way).ok()?;
        let (way, partial) = way.strip_suffix('+').map_or((way, false), |way| (way, true));
        let stream = Some(Stream::of(way)?);
        Some(Self { at: Some(at), stream, partial, text: Cow::Borrowed(said), object: false })
    }

    fn of_tai64n(line: &'a [u8]) -> Option<Self> {
        let (label, rest) = line.split_at_checked(25)?;
        let hex = |from: usize, to: usize| u64::from_str_radix(std::str::from_utf8(&label[from..to]).ok()?, 16).ok();
        let seconds = hex(1, 17)?.checked_sub(TAI64_OF_1970)?;
        let micros = i64::try_from(seconds).ok()?.checked_mul(1_000_000)?.checked_add((hex(17, 25)? / 1000) as i64)?;
        let said = rest.strip_prefix(b" ").or(rest.is_empty().then_some(rest))?;
        Some(Self { at: Some(micros), stream: None, partial: false, text: Cow::Borrowed(said), object: false })
    }

    fn of_json(line: &'a [u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(line).ok()?;
        let at = Civil::parse_rfc3339(value.get("ts")?.as_str()?)?;
        let stream = Some(Stream::of(value.get("stream")?.as_str()?)?);
        let partial = value.get("partial").and_then(Value::as_bool).unwrap_or(false);
        let bytes = value.get("bytes").and_then(Value::as_str).and_then(super::format::bytes_of);
        let (text, object) = match (value.get("data"), value.get("msg").and_then(Value::as_str), bytes) {
            (Some(data), _, _) => (data.to_string().into_bytes(), true),
            (None, _, Some(bytes)) => (bytes, false),
            (None, Some(said), None) => (said.as_bytes().to_vec(), false),
            (None, None, None) => return None,
        };
        Some(Self { at: Some(at), stream, partial, text: Cow::Owned(text), object })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::format::{Formatter, Whose};
    use crate::log::select::Gate;
    use crate::model::logging::LogFormat;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_in_any_form_is_read_back(
            lines in prop::collection::vec(prop::collection::vec(any::<u8>().prop_filter("one line", |byte| *byte != b'\n'), 0..30), 1..5),
            at in 0_i64..4_000_000_000_000_000,
            format in prop_oneof![Just(LogFormat::Text), Just(LogFormat::Json), Just(LogFormat::Tai64n)],
            stream in prop_oneof![Just(Stream::Both), Just(Stream::Out), Just(Stream::Err), Just(Stream::Abide)],
        ) {
            let mut out = Vec::new();
            let whose = Whose { service: "web", instance: 0, pid: 42 };
            let said = lines.iter().flat_map(|line| line.iter().copied().chain([b'\n'])).collect::<Vec<u8>>();
            Formatter::new(format, 100, whose, stream, at).write(&said, true, u64::MAX, true, &mut Gate::default(), &mut out);
            let read: Vec<&[u8]> = out.strip_suffix(b"\n").unwrap().split(|byte| *byte == b'\n').collect();
            prop_assert_eq!(read.len(), lines.len());
            for (read, line) in read.into_iter().zip(&lines) {
                let entry = Entry::of(read);
                prop_assert_eq!(entry.at, Some(at));
                prop_assert_eq!(&*entry.text, &line[..]);
                prop_assert_eq!(entry.stream, (format != LogFormat::Tai64n).then_some(stream));
            }
        }

        #[test]
        fn any_line_is_survived(line in prop::collection::vec(any::<u8>(), 0..60), start in "(\\{|@|2026-)?") {
            let line = [start.as_bytes(), &line].concat();
            let _ = Entry::of(&line);
        }
    }

    #[test]
    fn what_has_no_form_of_ours_is_plain() {
        for line in ["hello", "", "2026-11-22 hello", "@home", "{\"ts\":1}", "2026-11-22T05:14:02.004123Z what now"] {
            let entry = Entry::of(line.as_bytes());
            assert_eq!((entry.at, &*entry.text), (None, line.as_bytes()));
        }
        let entry = Entry::of(b"2026-11-22T05:14:02.004123Z err+ oh ");
        assert_eq!((entry.at, entry.stream, entry.partial), (Some(1_795_324_442_004_123), Some(Stream::Err), true));
        assert_eq!(&*entry.text, b"oh ");
    }
}
