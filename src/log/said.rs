//! What a service has said, out of the lines of its log file: the bytes as it wrote them. Pure.

use super::entry::Entry;
use super::format::Stream;

/// Which of a service's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// All that stands there.
    Any,
    /// Its stdout.
    Out,
    /// Its stderr.
    Err,
}

impl Way {
    fn is_of(self, stream: Option<Stream>) -> bool {
        match (self, stream) {
            (_, Some(Stream::Abide)) | (Self::Out, Some(Stream::Err)) => false,
            (Self::Any | Self::Out, _) => true,
            (Self::Err, stream) => stream == Some(Stream::Err),
        }
    }
}

/// What `file`, whole lines of a log in any form that has a time, holds of that output. A line that is being written is left
/// out.
pub fn said(file: &[u8], way: Way) -> Vec<u8> {
    let mut out = Vec::with_capacity(file.len());
    let whole = memchr::memrchr(b'\n', file).map_or(0, |end| end + 1);
    for line in file[..whole].split_inclusive(|byte| *byte == b'\n') {
        let entry = Entry::of(line.strip_suffix(b"\n").unwrap_or(line));
        if way.is_of(entry.stream) {
            out.extend_from_slice(&entry.text);
            if !entry.partial {
                out.push(b'\n');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_output_is_read_back_as_it_was_written() {
        let file = b"2026-11-22T05:14:02.004123Z out one\n\
            2026-11-22T05:14:02.004124Z err two+\n\
            2026-11-22T05:14:02.004125Z abide it was rotated\n\
            2026-11-22T05:14:02.004126Z out+ thr\n\
            2026-11-22T05:14:02.004127Z out ee\n\
            2026-11-22T05:14:02.004128Z out half";
        assert_eq!(said(file, Way::Out), b"one\nthree\n");
        assert_eq!(said(file, Way::Err), b"two+\n");
        assert_eq!(said(file, Way::Any), b"one\ntwo+\nthree\n");
        assert_eq!(said(b"half", Way::Any), b"");
    }
}
