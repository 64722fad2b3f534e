//! Which lines of output are written, and what of them. Pure.
//!
//! A line is judged by its first part, as it came but for its colours if those are stripped; that judgement holds for
//! the rest of it. What `redact` finds is taken out of what is left, and only then is a line written.

use super::lines::{self, Piece};
use crate::model::pattern::{Pattern, compile};
use crate::model::select::{Ansi, Rate, Selection};
use memchr::memchr;
use regex::bytes::Captures;
use std::borrow::Cow;

/// What stands where something was taken out.
pub const REDACTED: &[u8] = b"[redacted]";

/// Control sequences as ECMA-48 has them (5.4: CSI; 5.6: strings; 5.5 and 5.3: others), and the `OSC … BEL` of xterm.
const ESCAPES: &str = r"(?x-u)\x1b (?:
    \[ [0-?]* [\ -/]* [@-~]
  | \] [^\x07\x1b]* (?: \x07 | \x1b\\ )
  | [PX^_] [^\x1b]* \x1b\\
  | [\ -/]* [0-OQ-WYZ\\`a-~] )";

/// The patterns of a [`Selection`], ready for use.
#[derive(Debug)]
pub struct Sieve {
    escapes: Option<Pattern>,
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
    redact: Vec<Pattern>,
    rate: Option<Rate>,
}

/// Output that is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// So many bytes,
    pub bytes: u64,
    /// so many newlines among them.
    pub lines: u64,
}

/// What a sieve has to remember from one piece to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gate {
    /// Within a line: what became of its first part.
    pub within: Option<Verdict>,
    /// How many lines may be written now.
    pub bucket: Bucket,
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is written.
    Written,
    /// It was not asked for.
    LeftOut,
    /// It is one too many.
    Limited,
}

/// Lines that may be written, as a bucket that fills with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bucket {
    /// What is missing in it: microseconds of the time of the rate, times lines.
    missing: u128,
    /// When that was so, microseconds.
    at: i64,
}

impl Bucket {
    /// Whether one line more may be written at that time.
    fn take(&mut self, rate: Rate, now: i64) -> bool {
        let lines = u128::from(rate.lines);
        let line = rate.per.as_micros();
        // A clock that is set back gives nothing.
        let passed = u128::try_from(now.saturating_sub(self.at)).unwrap_or(0);
        self.missing = self.missing.saturating_sub(passed.saturating_mul(lines));
        self.at = now;
        let room = self.missing + line <= line * lines;
        self.missing += if room { line } else { 0 };
        room
    }
}

impl Sieve {
    /// `None`: all is written as it is. Fails with a pattern that is none.
    pub fn new(selection: &Selection) -> Result<Option<Self>, String> {
        if *selection == Selection::default() {
            return Ok(None);
        }
        let all = |patterns: &[String]| patterns.iter().map(|text| compile(text)).collect::<Result<Vec<_>, _>>();
        Ok(Some(Self {
            escapes: (selection.ansi == Ansi::Strip).then(|| compile(ESCAPES)).transpose()?,
            include: all(&selection.include)?,
            exclude: all(&selection.exclude)?,
            redact: all(&selection.redact)?,
            rate: selection.rate_limit,
        }))
    }

    /// The rate over which lines are left out.
    pub fn rate(&self) -> Option<Rate> {
        self.rate
    }

    /// The first piece of `bytes`, as [`lines::first`] has it; but nothing that is to be taken out is cut in two.
    pub fn first<'a>(&self, bytes: &'a [u8], max_line: usize, all: bool) -> Option<Piece<'a>> {
        let piece = lines::first(bytes, max_line, all)?;
        let cut = piece.text.len();
        if self.redact.is_empty() || piece.ended || cut == bytes.len() {
            return Some(piece);
        }
        let reach = &bytes[..bytes.len().min(2 * max_line)];
        let end = memchr(b'\n', reach);
        if end.is_none() && reach.len() < 2 * max_line && !all {
            // What there is to take out may still be on its way.
            return None;
        }
        let line = &reach[..end.unwrap_or(reach.len())];
        let found = self.redact.iter().flat_map(|pattern| pattern.find_iter(line));
        let across = found.filter(|found| found.start() > 0 && found.start() < cut && found.end() > cut);
        let cut = across.map(|found| found.start()).min().unwrap_or(cut);
        Some(Piece { text: &bytes[..cut], ended: false })
    }

    /// What becomes of the next piece at that time, microseconds; and what of it is written.
    pub fn judge<'a>(&self, piece: Piece<'a>, now: i64, gate: &mut Gate) -> (Verdict, Cow<'a, [u8]>) {
        let text = self.stripped(piece.text);
        let verdict = gate.within.unwrap_or_else(|| self.verdict(&text, now, &mut gate.bucket));
        gate.within = (!piece.ended).then_some(verdict);
        if verdict == Verdict::Written { (verdict, self.redacted(text)) } else { (verdict, text) }
    }

    fn verdict(&self, text: &[u8], now: i64, bucket: &mut Bucket) -> Verdict {
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.is_match(text));
        if (!self.include.is_empty() && !any(&self.include)) || any(&self.exclude) {
            Verdict::LeftOut
        } else if self.rate.is_none_or(|rate| bucket.take(rate, now)) {
            Verdict::Written
        } else {
            Verdict::Limited
        }
    }

    fn stripped<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        match &self.escapes {
            Some(escapes) if memchr(0x1b, text).is_some() => escapes.replace_all(text, &b""[..]),
            _ => text.into(),
        }
    }

    fn redacted<'a>(&self, mut text: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
        for pattern in &self.redact {
            if let Cow::Owned(less) = pattern.replace_all(&text, taken_out) {
                text = Cow::Owned(less);
            }
        }
        text
    }
}

/// What is left of a match: what its groups found is taken out, or all of it, if it has none.
fn taken_out(found: &Captures<'_>) -> Vec<u8> {
    let Some(whole) = found.get(0) else { return Vec::new() };
    let mut groups: Vec<_> = found.iter().skip(1).flatten().map(|group| group.range()).collect();
    if groups.is_empty() {
        groups.push(whole.range());
    }
    groups.sort_by_key(|range| range.start);
    let (mut left, mut at) = (Vec::new(), whole.start());
    for range in groups {
        // One group may stand within another.
        if range.start >= at && !range.is_empty() {
            left.extend_from_slice(&whole.as_bytes()[at - whole.start()..range.start - whole.start()]);
            left.extend_from_slice(REDACTED);
            at = range.end;
        }
    }
    left.extend_from_slice(&whole.as_bytes()[at - whole.start()..]);
    left
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests;
