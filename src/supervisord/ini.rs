//! The text of a file to sections and keys, line by line, as Python's `RawConfigParser` takes it when it is not strict
//! and has inline comments.
//!
//! A value may go on over several lines, so each of its pieces knows where it stands in the file.

use super::quoted::quoted;
use std::ops::Range;

/// The section whose keys are those of every other.
pub(super) const DEFAULT: &str = "DEFAULT";

/// What was read of a file, in the order of its lines. A section that is there twice is here twice.
#[derive(Debug, Default)]
pub(super) struct Ini {
    pub(super) sections: Vec<Section>,
    pub(super) unclear: Vec<Unclear>,
    /// What stands after the `]` of a header, and is ignored.
    pub(super) ignored: Vec<Range<usize>>,
}

/// A section header and what follows it.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) header: Range<usize>,
    pub(super) keys: Vec<(String, Value)>,
}

/// A line that means nothing here.
#[derive(Debug)]
pub(super) struct Unclear {
    pub(super) span: Range<usize>,
    /// The section that it is in.
    pub(super) section: Option<String>,
    pub(super) message: String,
    pub(super) help: String,
}

/// A value, and where in which file it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) file: usize,
    /// Its lines without comments, joined by newlines.
    pub(super) text: String,
    key: Range<usize>,
    /// Where each line of it begins in `text`, and where in the file it stands.
    pieces: Vec<(usize, Range<usize>)>,
}

impl Value {
    /// All of it, or its key if it is empty.
    pub(super) fn span(&self) -> Range<usize> {
        let mut full = self.pieces.iter().map(|(_, span)| span).filter(|span| !span.is_empty());
        match (full.next(), full.next_back()) {
            (Some(first), Some(last)) => first.start..last.end,
            (Some(only), None) => only.clone(),
            _ => self.key.clone(),
        }
    }

    /// Where the bytes `part` of `text` stand in the file.
    pub(super) fn within(&self, part: &Range<usize>) -> Range<usize> {
        if self.text.is_empty() {
            return self.key.clone();
        }
        let start = self.place(part.start);
        start..self.place(part.end).max(start)
    }

    fn place(&self, at: usize) -> usize {
        let piece = self.pieces.iter().rev().find(|(start, _)| *start <= at);
        piece.map_or(self.key.start, |(start, span)| (span.start + at - start).min(span.end))
    }

    fn push(&mut self, line: &str, span: Range<usize>) {
        self.text.push('\n');
        self.pieces.push((self.text.len(), span));
        self.text.push_str(line);
    }

    /// Lines of nothing at the end are no part of it.
    fn close(&mut self) {
        self.text.truncate(self.text.trim_end_matches(is_space).len());
        self.pieces.retain(|(start, _)| *start <= self.text.len());
    }
}

/// What Python takes for white space.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// Reads `text`, which is file number `file` and is called `path`.
pub(super) fn parse(text: &str, file: usize, path: &str) -> Ini {
    let mut parser = Parser { file, path, ini: Ini::default(), open: false, indent: 0 };
    for (number, (start, line)) in lines(text).enumerate() {
        parser.line(number + 1, start, line);
    }
    for (_, value) in parser.ini.sections.iter_mut().flat_map(|section| &mut section.keys) {
        value.close();
    }
    parser.ini
}

/// The lines without their ends, which are of any of the three sorts, each with where it begins.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let length = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let end = if rest[length..].starts_with("\r\n") { 2 } else { 1 };
        let line = (at, &rest[..length]);
        at += length + end;
        Some(line)
    })
}

/// Where the comment in `line` begins.
///
/// The first of each mark is looked at, then the second of each and so on until one of them begins a comment. So one
/// that stands further left, but is a later one of its sort, is not seen.
fn comment(line: &str) -> Option<usize> {
    if line.trim_start_matches(is_space).starts_with(['#', ';']) {
        return Some(0);
    }
    let begins = |at: usize| line[..at].chars().next_back().is_none_or(is_space);
    let mut semicolons = line.match_indices(';').map(|(at, _)| at);
    let mut hashes = line.match_indices('#').map(|(at, _)| at);
    loop {
        let marks = [semicolons.next(), hashes.next()];
        if marks == [None, None] {
            return None;
        }
        if let Some(at) = marks.into_iter().flatten().filter(|&at| begins(at)).min() {
            return Some(at);
        }
    }
}

struct Parser<'a> {
    file: usize,
    path: &'a str,
    ini: Ini,
    /// Whether a line further in goes on with the last value.
    open: bool,
    /// How far in the last line was that was not such a one.
    indent: usize,
}

impl Parser<'_> {
    fn line(&mut self, number: usize, start: usize, line: &str) {
        let comment = comment(line);
        let uncommented = &line[..comment.unwrap_or(line.len())];
        let content = uncommented.trim_matches(is_space);
        let lead = uncommented.len() - uncommented.trim_start_matches(is_space).len();
        let span = start + lead..start + lead + content.len();
        if content.is_empty() {
            if comment.is_none()
                && let Some(value) = self.value()
            {
                value.push("", start..start);
            }
            return;
        }
        let indent = line.chars().take_while(|&c| is_space(c)).count();
        if indent > self.indent
            && let Some(value) = self.value()
        {
            value.push(content, span);
            return;
        }
        self.indent = indent;
        if let Some((name, rest)) = header(content) {
            self.section(name, rest, &span);
        } else if self.ini.sections.is_empty() {
            self.before_all(number, content, span);
        } else {
            self.key(number, content, span);
        }
    }

    /// The value that a line further in goes on with.
    fn value(&mut self) -> Option<&mut Value> {
        let last = self.ini.sections.last_mut()?.keys.last_mut()?;
        self.open.then_some(&mut last.1)
    }

    fn section(&mut self, name: &str, rest: &str, span: &Range<usize>) {
        self.open = false;
        let end = span.end - rest.len();
        if !rest.is_empty() {
            self.ini.ignored.push(end..span.end);
        }
        self.ini.sections.push(Section { name: name.to_owned(), header: span.start..end, keys: Vec::new() });
    }

    fn before_all(&mut self, number: usize, content: &str, span: Range<usize>) {
        if !self.ini.unclear.is_empty() {
            return;
        }
        let message =
            format!("file {}, line {number}: {} stands before any section", quoted(self.path), quoted(content));
        let help = "write the header of its section above it, such as [supervisord] or [program:NAME]".to_owned();
        self.ini.unclear.push(Unclear { span, section: None, message, help });
    }

    fn key(&mut self, number: usize, content: &str, span: Range<usize>) {
        let Some(at) = content.find(['=', ':']).filter(|&at| at > 0) else {
            return self.unclear(number, content, span);
        };
        let key = content[..at].trim_end_matches(is_space);
        let text = content[at + 1..].trim_start_matches(is_space);
        let value = Value {
            file: self.file,
            text: text.to_owned(),
            key: span.start..span.start + key.len(),
            pieces: vec![(0, span.end - text.len()..span.end)],
        };
        let Some(section) = self.ini.sections.last_mut() else { return };
        section.keys.push((key.to_lowercase(), value));
        self.open = true;
    }

    fn unclear(&mut self, number: usize, content: &str, span: Range<usize>) {
        let help = if content.starts_with('[') {
            "a section header is a name in brackets: [program:NAME]"
        } else if content.starts_with(['=', ':']) {
            "write the name of the key before it"
        } else {
            "write key=value; a line that goes on with the value above it must be indented further than its key"
        };
        let message = format!(
            "file {}, line {number}: {} is neither a section nor key=value",
            quoted(self.path),
            quoted(content)
        );
        let section = self.ini.sections.last().map(|section| section.name.clone());
        self.ini.unclear.push(Unclear { span, section, message, help: help.to_owned() });
    }
}

/// The name in a section header and what follows the header. The last `]` of the line ends the name.
fn header(content: &str) -> Option<(&str, &str)> {
    let (name, rest) = content.strip_prefix('[')?.rsplit_once(']')?;
    (!name.is_empty()).then_some((name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(String, String)> {
        let ini = parse(text, 0, "f");
        assert!(ini.unclear.is_empty(), "{:?}", ini.unclear);
        ini.sections.into_iter().flat_map(|s| s.keys).map(|(key, value)| (key, value.text)).collect()
    }

    fn only(line: &str) -> String {
        values(&format!("[s]\n{line}\n")).pop().expect("there is a key").1
    }

    #[test]
    fn comments_begin_after_white_space_even_in_quotes() {
        assert_eq!(only("a=b;c"), "b;c");
        assert_eq!(only("a=b ;c"), "b");
        assert_eq!(only("a=b#c"), "b#c");
        assert_eq!(only("a=b\t#c"), "b");
        assert_eq!(only("command=sh -c 'x ; y'"), "sh -c 'x");
    }

    #[test]
    fn a_mark_that_is_a_later_one_of_its_sort_is_not_seen_before_the_first_of_another() {
        assert_eq!(only("a=x;y ;z #c"), "x;y ;z");
    }

    #[test]
    fn values_go_on_over_lines() {
        let text = "[s]\nA : 1\n  2 ; no\n  # no\n\n  3\n\nb=\n x\n\n[t]\nc=\n";
        let all = [("a", "1\n2\n\n3"), ("b", "\nx"), ("c", "")];
        let all: Vec<_> = all.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        assert_eq!(values(text), all);
        assert_eq!(values(&text.replace('\n', "\r\n")), all);
    }

    #[test]
    fn a_part_of_a_value_is_found_again() {
        let text = "[s]\na = one\n   two ; c\n";
        let ini = parse(text, 0, "f");
        let value = &ini.sections[0].keys[0].1;
        assert_eq!(&text[value.span()], "one\n   two");
        let at = value.text.find("wo").expect("it is there");
        assert_eq!(&text[value.within(&(at..at + 2))], "wo");
    }

    #[test]
    fn lines_that_mean_nothing_are_pointed_at() {
        let text = "[s]\nkey\n=x\n[]\nb=1\n";
        let ini = parse(text, 0, "f");
        let spans: Vec<_> = ini.unclear.iter().map(|unclear| &text[unclear.span.clone()]).collect();
        assert_eq!(spans, ["key", "=x", "[]"]);
        let ini = parse("a=1\nb=2\n[s]\n", 0, "f");
        assert_eq!((ini.unclear.len(), ini.sections.len()), (1, 1));
    }

    #[test]
    fn headers() {
        let ini = parse("[a] junk\n[b]c]\n", 0, "f");
        let names: Vec<_> = ini.sections.iter().map(|section| section.name.as_str()).collect();
        assert_eq!(names, ["a", "b]c"]);
        assert_eq!(ini.ignored.len(), 1);
    }
}
