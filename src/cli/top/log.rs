//! The log that is followed: lines kept, the place that is looked at, what is searched. Pure.

use crate::render::status::clean;
use std::collections::VecDeque;

/// So many lines are kept, and so many bytes of them.
const LINES: usize = 20_000;
const BYTES: usize = 8 << 20;
/// What is longer is cut.
const LONGEST: usize = 16 << 10;

/// Bytes to lines, without what would drive a terminal.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    line: Vec<u8>,
}

impl Splitter {
    /// Takes bytes in; the lines that are whole by them.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, whole) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let room = LONGEST.saturating_sub(self.line.len());
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if whole {
                lines.push(plain(&String::from_utf8_lossy(&std::mem::take(&mut self.line))));
            }
        }
        lines
    }
}

/// Without colours and cursor movements, tabs as spaces, other control characters visible.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.trim_end_matches('\r').chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\x1b', Some('[')) => {
                chars.next();
                while chars.next().is_some_and(|c| !('\x40'..='\x7e').contains(&c)) {}
            }
            ('\x1b', Some(']')) => while chars.next().is_some_and(|c| c != '\x07' && c != '\x1b') {},
            ('\t', _) => out.push_str(&"    "[out.chars().count() % 4..]),
            _ => out.push(c),
        }
    }
    clean(&out).into_owned()
}

/// A log that is followed.
#[derive(Debug, Default)]
pub(super) struct Log {
    lines: VecDeque<String>,
    bytes: usize,
    /// How many lines have gone from the front.
    gone: usize,
    /// The number of the topmost line, where it is not the end that is looked at.
    paused: Option<usize>,
    /// How many lines there were when it was paused.
    seen: usize,
    /// Columns to the left of the screen.
    pub(super) left: usize,
    /// What is searched for.
    pub(super) search: String,
    /// Why no more comes.
    pub(super) ended: Option<String>,
}

impl Log {
    /// Takes lines in.
    pub(super) fn push(&mut self, lines: Vec<String>) {
        for line in lines {
            self.bytes += line.len();
            self.lines.push_back(line);
        }
        while self.lines.len() > LINES || self.bytes > BYTES {
            let Some(line) = self.lines.pop_front() else { break };
            self.bytes -= line.len();
            self.gone += 1;
        }
    }

    fn count(&self) -> usize {
        self.gone + self.lines.len()
    }

    /// Whether new lines are shown as they come.
    pub(super) fn is_following(&self) -> bool {
        self.paused.is_none()
    }

    /// Whether nothing has come yet.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// How many lines have come since it was paused.
    pub(super) fn unseen(&self) -> usize {
        if self.paused.is_some() { self.count() - self.seen.min(self.count()) } else { 0 }
    }

    /// The number of the topmost line on a screen of `height`.
    fn top(&self, height: usize) -> usize {
        let last = self.count().saturating_sub(height).max(self.gone);
        self.paused.map_or(last, |at| at.clamp(self.gone, last.max(self.gone)))
    }

    /// What is shown on a screen of `height`.
    pub(super) fn shown(&self, height: usize) -> impl Iterator<Item = &str> {
        let from = self.top(height) - self.gone;
        self.lines.iter().skip(from).take(height).map(String::as_str)
    }

    fn pause_at(&mut self, top: usize) {
        if self.paused.is_none() {
            self.seen = self.count();
        }
        self.paused = Some(top);
    }

    /// Goes up (negative) or down; at the end it follows again.
    pub(super) fn scroll(&mut self, by: isize, height: usize) {
        let top = self.top(height).saturating_add_signed(by);
        if by > 0 && top + height >= self.count() {
            self.paused = None;
        } else if by < 0 || self.paused.is_some() {
            self.pause_at(top.max(self.gone));
        }
    }

    /// Stops where it is, or follows again.
    pub(super) fn toggle(&mut self, height: usize) {
        match self.paused {
            Some(_) => self.paused = None,
            None => self.pause_at(self.top(height)),
        }
    }

    /// To the first line that is kept.
    pub(super) fn begin(&mut self) {
        self.pause_at(self.gone);
    }

    /// To the end, following.
    pub(super) fn end(&mut self) {
        self.paused = None;
    }

    /// To the next line that has what is searched for, up or down; whether there is one.
    pub(super) fn find(&mut self, up: bool, height: usize) -> bool {
        if self.search.is_empty() {
            return false;
        }
        let search = self.search.to_lowercase();
        let top = self.top(height) - self.gone;
        let has = |at: &usize| self.lines[*at].to_lowercase().contains(&search);
        let found = if up {
            (0..top).rev().find(has)
        } else {
            // From the end the last one on the screen is as good as any below it.
            (top + 1..self.lines.len()).find(has)
        };
        if let Some(at) = found {
            self.pause_at(at + self.gone);
        }
        found.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(count: usize) -> Log {
        let mut log = Log::default();
        log.push((0..count).map(|n| format!("line {n}")).collect());
        log
    }

    fn first(log: &Log) -> &str {
        log.shown(10).next().unwrap_or_default()
    }

    #[test]
    fn it_follows_until_one_scrolls_up_and_again_at_the_end() {
        let mut log = numbered(100);
        assert_eq!((first(&log), log.is_following()), ("line 90", true));
        log.scroll(-5, 10);
        log.push(vec!["new".into()]);
        assert_eq!((first(&log), log.is_following(), log.unseen()), ("line 85", false, 1));
        log.scroll(100, 10);
        assert_eq!((first(&log), log.is_following()), ("line 91", true));
        log.begin();
        assert_eq!(first(&log), "line 0");
    }

    #[test]
    fn what_is_kept_is_bounded_and_a_paused_place_that_went_is_the_first_kept() {
        let mut log = numbered(LINES);
        log.begin();
        log.push((0..500).map(|n| format!("more {n}")).collect());
        assert_eq!((first(&log), log.lines.len()), ("line 500", LINES));
        log.push(vec!["x".repeat(BYTES)]);
        assert!(log.bytes <= BYTES);
    }

    #[test]
    fn a_word_is_found_up_and_down() {
        let mut log = numbered(100);
        log.search = "LINE 4".into();
        assert!(log.find(true, 10));
        assert_eq!(first(&log), "line 49");
        assert!(log.find(true, 10));
        assert_eq!(first(&log), "line 48");
        assert!(log.find(false, 10));
        assert_eq!(first(&log), "line 49");
        assert!(!log.find(false, 10), "there is none below");
    }

    #[test]
    fn lines_are_plain_text_whatever_the_service_says() {
        let mut splitter = Splitter::default();
        assert!(splitter.take(b"\x1b[31mre").is_empty());
        assert_eq!(splitter.take(b"d\x1b[0m\tx\x07\r\n\x1b]0;title\x07y\xff\n"), ["red x\\u{7}", "y\u{fffd}"]);
        assert_eq!(splitter.take(&[vec![b'a'; 100_000], vec![b'\n']].concat())[0].len(), LONGEST);
    }
}
