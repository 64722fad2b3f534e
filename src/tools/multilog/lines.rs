//! From what was read to what each log gets.
//!
//! The original reads pieces of 1024 bytes and flushes its buffers before each read. Larger pieces are
//! read here, so the places where it would have read again are found by counting.

use memchr::{memchr, memrchr};
use std::io::Write;

use super::cut::{Sink, Stream};
use super::script::{Action, Script, matches};
use super::status::Status;
use crate::tools::tai64n::Label;

/// What the original reads at a time.
pub(super) const PIECE: usize = 1024;
/// What the script sees of a line.
pub(super) const LINE: usize = 1000;
/// What it shows of it on standard error.
const SHOWN: usize = 200;
/// A label and a space.
const LABEL: usize = size_of::<Label>() + 1;

#[derive(Debug)]
pub(super) struct Lines<'a, S> {
    script: &'a Script<'a>,
    plain: bool,
    pub(super) logs: Vec<Stream<S>>,
    statuses: Vec<Status<'a>>,
    /// Where a line is put together with its label, which is there already.
    labelled: [u8; LINE],
    /// The script has seen the line that is being read; the rest of it goes to the logs at once.
    pub(super) overlong: bool,
}

impl<'a, S: Sink> Lines<'a, S> {
    pub(super) fn new(script: &'a Script<'a>, logs: Vec<Stream<S>>, statuses: Vec<Status<'a>>) -> Lines<'a, S> {
        let plain = script.is_plain();
        Lines { script, plain, logs, statuses, labelled: [b' '; LINE], overlong: false }
    }

    /// Whether lines get a label, so that the time is needed.
    pub(super) fn are_labelled(&self) -> bool {
        self.script.label
    }

    /// Takes what has been read. The first `held` bytes are the beginning of a line that an earlier call left;
    /// `now` is the label of lines that begin after them. The answer is how many bytes are done with;
    /// the rest, less than `LINE`, is to be held.
    pub(super) fn take(&mut self, data: &[u8], held: usize, now: &Label) -> usize {
        if held == 0 {
            self.set_label(now);
        }
        let (mut done, mut edge) = (0, held);
        while edge < data.len() {
            let far = if self.plain && !self.overlong { self.far(data.len(), done, edge) } else { edge };
            if far > edge {
                done += self.pass(&data[done..far]);
                edge = far;
            } else {
                edge = data.len().min(edge + PIECE);
            }
            done = self.lines(data, done, edge, now);
            for log in &mut self.logs {
                log.end_block();
            }
        }
        for log in &mut self.logs {
            log.flush();
        }
        done
    }

    /// The last edge of a piece before which no log can become full, or `edge`.
    fn far(&self, end: usize, done: usize, edge: usize) -> usize {
        let room = self.logs.iter().map(Stream::room).min().unwrap_or(usize::MAX);
        let reach = done.saturating_add(room);
        if reach >= end {
            return end;
        }
        edge + reach.saturating_sub(edge) / PIECE * PIECE
    }

    /// Passes on whole lines as they are. How the original would divide them into blocks does not
    /// matter where no file can end.
    fn pass(&mut self, data: &[u8]) -> usize {
        let len = memrchr(b'\n', data).map_or(0, |place| place + 1);
        if len > 0 {
            for log in &mut self.logs {
                log.whole(&data[..len]);
            }
        }
        len
    }

    /// Takes the lines from `at` as far as they are there before `end`; answers where it stopped.
    fn lines(&mut self, data: &[u8], mut at: usize, end: usize, now: &Label) -> usize {
        let limit = if self.script.label { LINE - LABEL } else { LINE };
        loop {
            let rest = &data[at..end];
            if self.overlong {
                let newline = memchr(b'\n', rest);
                let len = newline.map_or(rest.len(), |place| place + 1);
                self.add(&rest[..len]);
                at += len;
                if newline.is_none() {
                    return at;
                }
                self.overlong = false;
                continue;
            }
            let seen = &rest[..rest.len().min(limit)];
            if let Some(len) = memchr(b'\n', seen) {
                self.line(&seen[..len], now);
                self.add(b"\n");
                at += len + 1;
            } else if seen.len() == limit {
                self.line(seen, now);
                self.overlong = true;
                at += limit;
            } else {
                return at;
            }
        }
    }

    /// Ends a last line that has no newline.
    pub(super) fn finish(&mut self, held: &[u8]) {
        if !held.is_empty() {
            let unused = [b' '; size_of::<Label>()];
            self.line(held, &unused);
            self.overlong = true;
        }
        if self.overlong {
            self.add(b"\n");
            self.overlong = false;
        }
    }

    /// Runs the script for a line, as far as the script sees it. The line after it begins `now`.
    #[inline]
    fn line(&mut self, text: &[u8], now: &Label) {
        if self.script.label {
            let len = LABEL + text.len();
            self.labelled[LABEL..len].copy_from_slice(text);
            run(self.script, &mut self.logs, &self.statuses, &self.labelled[..len]);
            self.set_label(now);
        } else {
            run(self.script, &mut self.logs, &self.statuses, text);
        }
    }

    /// Appends to the logs that get this line.
    #[inline]
    fn add(&mut self, data: &[u8]) {
        for log in &mut self.logs {
            if log.selected {
                log.bytes(data);
            }
        }
    }

    fn set_label(&mut self, label: &Label) {
        self.labelled[..label.len()].copy_from_slice(label);
    }
}

/// Decides for every log whether it gets the line, and does what else the script says.
fn run<S: Sink>(script: &Script, logs: &mut [Stream<S>], statuses: &[Status], line: &[u8]) {
    let mut selected = true;
    for action in &script.actions {
        match action {
            Action::Select(pattern) => selected = selected || matches(pattern, line),
            Action::Deselect(pattern) => selected = selected && !matches(pattern, line),
            Action::Stderr if selected => show(line),
            Action::Status(number) if selected => statuses[*number].put(line),
            Action::Stderr | Action::Status(_) => {}
            Action::Log(number) => {
                let log = &mut logs[*number];
                log.selected = selected;
                if selected {
                    log.piece(line);
                }
            }
        }
    }
}

/// Prints what is shown of a line.
fn show(line: &[u8]) {
    let mut text = [0; SHOWN + 4];
    let len = line.len().min(SHOWN);
    text[..len].copy_from_slice(&line[..len]);
    let end: &[u8] = if line.len() > SHOWN { b"...\n" } else { b"\n" };
    text[len..len + end.len()].copy_from_slice(end);
    // Nobody may be there to read it.
    let _ = std::io::stderr().write_all(&text[..len + end.len()]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::ffi::OsString;

    /// Files in memory.
    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Files(Vec<Vec<u8>>);

    impl Sink for Files {
        fn write(&mut self, data: &[u8]) {
            self.0.last_mut().expect("there is always a file").extend_from_slice(data);
        }

        fn rotate(&mut self) {
            self.0.push(Vec::new());
        }
    }

    /// A log as the original has it, byte by byte.
    struct Simple {
        files: Vec<Vec<u8>>,
        buffer: Vec<u8>,
        size: usize,
    }

    impl Simple {
        fn put(&mut self, piece: &[u8]) {
            if piece.len() > 512 - self.buffer.len() {
                self.flush();
            }
            if piece.len() > 512 { self.write(piece) } else { self.buffer.extend_from_slice(piece) }
        }

        fn flush(&mut self) {
            let block = std::mem::take(&mut self.buffer);
            self.write(&block);
        }

        fn write(&mut self, mut block: &[u8]) {
            while !block.is_empty() {
                let mut file = self.files.last_mut().expect("there is always a file");
                if file.len() >= self.size {
                    self.files.push(Vec::new());
                    file = self.files.last_mut().expect("there is always a file");
                }
                let mut len = block.len().min(self.size - file.len());
                if file.len() + len >= self.size - 2000
                    && let Some(place) = block[..len].iter().rposition(|byte| *byte == b'\n')
                {
                    len = place + 1;
                }
                file.extend_from_slice(&block[..len]);
                if file.len() >= self.size - 2000 && file.ends_with(b"\n") {
                    self.files.push(Vec::new());
                }
                block = &block[len..];
            }
        }
    }

    fn original(reads: &[Vec<u8>], size: usize, label: Option<&Label>) -> Files {
        let mut log = Simple { files: vec![Vec::new()], buffer: Vec::new(), size };
        let (mut line, mut seen) = (Vec::new(), false);
        for byte in reads.iter().flat_map(|read| read.chunks(1024)).flat_map(|piece| {
            // `None`: the original reads again.
            piece.iter().map(|byte| Some(*byte)).chain([None])
        }) {
            let Some(byte) = byte else {
                log.flush();
                continue;
            };
            if let Some(label) = label.filter(|_| line.is_empty() && !seen) {
                line.extend_from_slice(label);
                line.push(b' ');
            }
            if byte == b'\n' || seen {
                log.put(&std::mem::take(&mut line));
                log.put(&[byte]);
                seen = byte != b'\n';
            } else {
                line.push(byte);
                if line.len() == 1000 {
                    log.put(&std::mem::take(&mut line));
                    seen = true;
                }
            }
        }
        if !line.is_empty() || seen {
            log.put(&line);
            log.put(b"\n");
            log.flush();
        }
        Files(log.files)
    }

    fn ours(reads: &[Vec<u8>], words: &[OsString], size: usize, label: &Label) -> Vec<Files> {
        let script = Script::parse(words);
        let logs = script.logs.iter().map(|_| Stream::new(Files(vec![Vec::new()]), size, 0)).collect();
        let mut lines = Lines::new(&script, logs, Vec::new());
        let mut held = Vec::new();
        for read in reads {
            let before = held.len();
            held.extend_from_slice(read);
            let done = lines.take(&held, before, label);
            held.drain(..done);
            assert!(held.len() < LINE);
        }
        lines.finish(&held);
        lines.logs.into_iter().map(Stream::finish).collect()
    }

    fn line() -> impl Strategy<Value = Vec<u8>> {
        let len = prop_oneof![
            8 => 0..4_usize,
            8 => 0..200_usize,
            4 => 480..520_usize,
            4 => 965..1030_usize,
            1 => 1000..7000_usize,
        ];
        len.prop_map(|len| [vec![b'x'; len], vec![b'\n']].concat())
    }

    fn reads() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let len = prop_oneof![1..40_usize, 1000..1050_usize, Just(1024), 1..9000_usize, Just(65_536)];
        (vec(line(), 0..300), vec(len, 1..30), 0..3_usize).prop_map(|(lines, lens, short)| {
            let mut data = lines.concat();
            data.truncate(data.len().saturating_sub(short));
            let mut reads = Vec::new();
            for len in lens.into_iter().cycle() {
                if data.is_empty() {
                    return reads;
                }
                reads.push(data.drain(..len.min(data.len())).collect());
            }
            reads
        })
    }

    proptest! {
        #[test]
        fn files_end_where_the_original_ends_them(reads in reads(), size in 4096..9000_usize, labelled: bool) {
            let label = [b'@'; 25];
            let expected = original(&reads, size, labelled.then_some(&label));
            let words: &[&str] = if labelled { &["t", "./a"] } else { &["./a", "-", "./b"] };
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            prop_assert_eq!(&ours(&reads, &words, size, &label)[0], &expected);
            if !labelled {
                // The way that does not look at lines.
                let words = [OsString::from("./a"), OsString::from("./b")];
                prop_assert_eq!(ours(&reads, &words, size, &label), vec![expected.clone(), expected]);
            }
        }
    }
}
