//! A position in one file of a log, and how it moves.

use super::{Id, PIECE};
use crate::log::entry::Entry;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// A file in which somebody reads.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) file: File,
    pub(super) id: Id,
    /// The time in its name, if it was rotated when it was opened.
    pub(super) at: Option<i64>,
    pub(super) position: u64,
}

impl Open {
    /// What comes next, as far as one piece reaches.
    pub(super) fn read(&mut self) -> io::Result<Vec<u8>> {
        let length = self.file.metadata()?.len();
        if length < self.position {
            // Somebody has emptied it.
            self.position = length;
        }
        let mut piece = vec![0; PIECE.min(usize::try_from(length - self.position).unwrap_or(PIECE))];
        let mut filled = 0;
        while filled < piece.len() {
            match self.file.read_at(&mut piece[filled..], self.position + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        piece.truncate(filled);
        Ok(piece)
    }

    /// Passes over the first `count` bytes of what was read, and gives them.
    pub(super) fn take(&mut self, mut piece: Vec<u8>, count: usize) -> Vec<u8> {
        piece.truncate(count);
        self.position += count as u64;
        piece
    }

    /// Goes to the first line of that time or later, by halves.
    pub(super) fn seek(&mut self, at: i64) -> io::Result<()> {
        let (mut early, mut late) = (0, self.file.metadata()?.len());
        while late - early > PIECE as u64 {
            let middle = early + (late - early) / 2;
            self.position = middle;
            let piece = self.read()?;
            // A line with its time, somewhere after the middle.
            let lines = piece.split_inclusive(|byte| *byte == b'\n').scan(middle, |start, line| {
                let begun = *start;
                *start += line.len() as u64;
                Some((begun, Entry::of(line.strip_suffix(b"\n").unwrap_or(line)).at))
            });
            match lines.skip(1).find_map(|(start, time)| Some((start, time?))) {
                Some((start, time)) if time < at => early = start,
                Some(_) => late = middle,
                None => break,
            }
        }
        self.position = early;
        loop {
            let piece = self.read()?;
            let before = self.position;
            for line in piece.split_inclusive(|byte| *byte == b'\n') {
                let whole = line.strip_suffix(b"\n");
                if whole.is_none_or(|line| Entry::of(line).at.is_none_or(|time| time >= at)) {
                    return Ok(());
                }
                self.position += line.len() as u64;
            }
            if self.position == before {
                return Ok(());
            }
        }
    }

    /// Goes to the last `lines` lines, as far as they lie within `reach`; how many that are. Of a line that begins
    /// before that only the end is taken, and only if there is nothing else.
    pub(super) fn back(&mut self, lines: u64, reach: u64) -> io::Result<u64> {
        let length = self.file.metadata()?.len();
        let floor = length.saturating_sub(reach);
        // Newlines from the end: that of the last line begins none.
        let (mut wanted, mut unfinished, mut earliest, mut seen) = (lines.max(1), true, None, 0);
        let mut end = length;
        while end > floor {
            let start = end.saturating_sub(PIECE as u64).max(floor);
            let mut piece = vec![0; (end - start) as usize];
            self.file.read_exact_at(&mut piece, start)?;
            for at in (0..piece.len()).rev().filter(|at| piece[*at] == b'\n') {
                let behind = start + at as u64 + 1;
                if behind == length {
                    unfinished = false;
                    wanted = lines + 1;
                }
                seen += 1;
                if seen == wanted {
                    self.position = behind;
                    return Ok(lines);
                }
                if behind < length {
                    earliest = Some(behind);
                }
            }
            end = start;
        }
        if floor > 0 {
            self.position = earliest.unwrap_or(floor);
            return Ok(lines);
        }
        self.position = 0;
        Ok((seen + u64::from(unfinished && length > 0)).min(lines))
    }
}
