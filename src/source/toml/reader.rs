//! Reads one TOML text into a shape: every mistake with its place, and a value whenever one can be had.

use crate::model::diagnostic::{Code, Diagnostic, Place};
use crate::source::Text;
use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// A value of the text, with its span.
pub type Node<'i> = Spanned<DeValue<'i>>;

/// The largest file that is looked at.
pub const MAX_BYTES: usize = 1 << 20;
/// No more findings than this are kept of one text.
const MAX_FINDINGS: usize = 64;
/// No more syntax errors than this are said of one text: the parser's later ones follow from its first.
const MAX_SYNTAX: usize = 3;

/// What a key can hold.
pub trait Value: Sized {
    /// Reads `node`, the value of `path`; tells `reader` what is wrong with it.
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self>;

    /// This one where both speak; tables go key by key, all others replace.
    #[must_use]
    fn over(self, _under: Self) -> Self {
        self
    }
}

/// One text, read: what it says and where it says it.
#[derive(Debug, Clone)]
pub struct Layer<T> {
    /// The file, as shown to people.
    pub path: PathBuf,
    /// Its text.
    pub text: Arc<str>,
    /// What it says.
    pub file: T,
    /// The span of each value by its path (`limits.open_files`, `command.1`), also of bad ones.
    pub places: BTreeMap<String, Range<usize>>,
}

impl<T> Layer<T> {
    /// A finding about `span` of this text.
    pub fn finding(&self, span: Range<usize>, code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(&self.path, code, message).at(Place::of(&self.text, span))
    }
}

/// The text being read, and what has been found so far.
pub struct Reader<'t> {
    path: PathBuf,
    text: &'t str,
    /// What stands behind the first syntax error cannot be trusted and is not judged.
    horizon: usize,
    places: BTreeMap<String, Range<usize>>,
    findings: Vec<Diagnostic>,
    more: usize,
}

/// Reads `text` as a `T`. With a finding that [is an error](Diagnostic::is_error) the value is
/// partial: good for finding more mistakes, for nothing else. `None`: nothing could be read.
pub fn read<T: Value>(text: &Text) -> (Option<Layer<T>>, Vec<Diagnostic>) {
    let source = match readable(text) {
        Ok(source) => source,
        Err(finding) => return (None, vec![finding]),
    };
    let (table, errors) = DeTable::parse_recoverable(source);
    let mut reader = Reader {
        path: text.path.clone(),
        text: source,
        horizon: usize::MAX,
        places: BTreeMap::new(),
        findings: Vec::new(),
        more: 0,
    };
    reader.syntax(&errors);
    let (span, table) = (table.span(), table.into_inner());
    let file = T::read(&mut reader, "", &Spanned::new(span, DeValue::Table(table)));
    let Reader { places, mut findings, more, .. } = reader;
    findings.sort_by_key(|finding| finding.place.as_ref().map(|place| (place.line, place.column)));
    if more > 0 {
        let message = format!("there are {more} more errors in this file");
        findings.push(Diagnostic::error(&text.path, Code::BadValue, message).help("mend the ones above first"));
    }
    // What follows from a text that is no TOML would only confuse.
    let file = file.filter(|_| errors.is_empty());
    (file.map(|file| Layer { path: text.path.clone(), text: source.into(), file, places }), findings)
}

/// The text, if it is one.
fn readable(text: &Text) -> Result<&str, Diagnostic> {
    if text.bytes.len() > MAX_BYTES {
        let message = format!("the file has {} bytes, more than 1 MiB, and is not read", text.bytes.len());
        return Err(
            Diagnostic::error(&text.path, Code::TooLarge, message).help("move what is large into files of its own")
        );
    }
    let valid = match std::str::from_utf8(&text.bytes) {
        Ok(valid) => valid,
        Err(error) => {
            let (good, _) = text.bytes.split_at(error.valid_up_to());
            let line = good.split(|byte| *byte == b'\n').count();
            let message = format!("line {line} is not UTF-8");
            return Err(Diagnostic::error(&text.path, Code::NotText, message).help("save the file as UTF-8"));
        }
    };
    match valid.find('\0') {
        None => Ok(valid),
        Some(at) => {
            let line = valid[..at].matches('\n').count() + 1;
            let message = format!("line {line} holds a NUL byte");
            Err(Diagnostic::error(&text.path, Code::NotText, message).help("write the file as plain text"))
        }
    }
}

impl Reader<'_> {
    /// Says what the parser found: the first of each line, a few in all.
    fn syntax(&mut self, errors: &[::toml::de::Error]) {
        let mut lines: Vec<Range<usize>> = Vec::new();
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            self.horizon = self.horizon.min(span.start);
            if lines.len() >= MAX_SYNTAX || lines.iter().any(|line| line.contains(&span.start)) {
                continue;
            }
            let at =
                (0..=span.start.min(self.text.len())).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0);
            let start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
            let end = self.text[at..].find('\n').map_or(self.text.len(), |newline| at + newline);
            lines.push(start..end + 1);
            let place = Place::of(self.text, span);
            let (message, help) = plain_words(error.message());
            self.findings.push(Diagnostic::error(&self.path, Code::Syntax, message).at(place).help(help));
        }
        // A mistake may begin well before the place where the parser stumbles over it.
        self.horizon = self.text.get(..self.horizon).and_then(|text| text.rfind('\n')).unwrap_or(match errors {
            [] => usize::MAX,
            _ => 0,
        });
    }

    /// Notes an error at `span`.
    pub fn wrong(&mut self, span: Range<usize>, code: Code, message: impl Into<String>, help: impl Into<String>) {
        if span.start >= self.horizon {
            return;
        }
        if self.findings.len() >= MAX_FINDINGS {
            self.more += 1;
            return;
        }
        let finding = Diagnostic::error(&self.path, code, message).at(Place::of(self.text, span)).help(help);
        self.findings.push(finding);
    }

    /// Notes that `node` has the wrong type; `wanted` names the right one, `like` shows it.
    pub fn wrong_type(&mut self, path: &str, node: &Node<'_>, wanted: &str, like: &str) {
        let message = format!("`{}` wants {wanted}, this is {}", shown(path), type_name(node.get_ref()));
        self.wrong(node.span(), Code::WrongType, message, format!("write it like {like}"));
    }

    /// Notes where the value of `path` stands.
    pub fn place(&mut self, path: &str, span: Range<usize>) {
        self.places.insert(path.to_owned(), span);
    }

    /// The string in `node`, without NUL.
    pub fn string(&mut self, path: &str, node: &Node<'_>) -> Option<String> {
        let DeValue::String(text) = node.get_ref() else {
            self.wrong_type(path, node, "a string", "\"text\"");
            return None;
        };
        if text.contains('\0') {
            let message = format!("`{}` holds a NUL byte, which no process can be given", shown(path));
            self.wrong(node.span(), Code::BadValue, message, "remove `\\u0000`");
            return None;
        }
        Some(text.clone().into_owned())
    }

    /// The strings in `node`, an array; each one's place is noted.
    pub fn strings(&mut self, path: &str, node: &Node<'_>, like: &str) -> Option<Vec<String>> {
        let DeValue::Array(array) = node.get_ref() else {
            self.wrong_type(path, node, "a list of strings", like);
            return None;
        };
        let mut whole = true;
        let mut strings = Vec::with_capacity(array.len());
        for (index, element) in array.iter().enumerate() {
            self.place(&format!("{path}.{index}"), element.span());
            match element.get_ref() {
                DeValue::String(_) => match self.string(path, element) {
                    Some(text) => strings.push(text),
                    None => whole = false,
                },
                other => {
                    whole = false;
                    if self.findings.len() >= MAX_FINDINGS {
                        self.more += 1;
                        continue;
                    }
                    let message = format!("`{}` is a list of strings, this is {}", shown(path), type_name(other));
                    self.wrong(element.span(), Code::WrongType, message, "put it in quotes");
                }
            }
        }
        whole.then_some(strings)
    }

    /// Says that `key` is none of `keys`, or one that a later release will have.
    pub fn unknown(&mut self, path: &str, key: &str, span: Range<usize>, keys: &[&str], later: &[&str]) {
        if self.findings.len() >= MAX_FINDINGS {
            return self.wrong(span, Code::UnknownKey, "", "");
        }
        let inside = if path.is_empty() { String::new() } else { format!(" in `{}`", shown(path)) };
        if later.contains(&key) {
            let message = format!("`{key}`{inside} is not in this release of abide");
            return self.wrong(span, Code::NotYet, message, "remove it until a release has it");
        }
        let near = super::shape::synonym(key, keys).or_else(|| nearest(key, keys));
        if let Some(near) = near {
            // It was most probably meant: nobody need be told that it is missing as well.
            self.places.entry(super::table::join(path, near)).or_insert_with(|| span.clone());
        }
        let help = match (near, super::shape::misplaced(path, key)) {
            (_, Some(elsewhere)) => elsewhere,
            (Some(near), None) => format!("did you mean `{near}`?"),
            (None, None) => format!("use one of: {}", keys.join(", ")),
        };
        self.wrong(span, Code::UnknownKey, format!("unknown key `{}`{inside}", clipped(key)), help);
    }
}

/// No message, help or source line is kept longer than so many characters: findings are held as long as they stand.
const MAX_TEXT: usize = 1000;

/// Cuts what a hostile file made long.
pub fn bounded(mut findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let cut = |text: &mut String| {
        if let Some((at, _)) = text.char_indices().nth(MAX_TEXT) {
            text.truncate(at);
            text.push('…');
            text.shrink_to_fit();
        }
    };
    for finding in &mut findings {
        cut(&mut finding.message);
        let source = finding.place.as_mut().map(|place| &mut place.source);
        finding.help.iter_mut().chain(source).for_each(cut);
    }
    findings
}

/// A path as a person would name it: without the table of defaults, and without numbers that people do not write.
pub(super) fn shown(path: &str) -> String {
    let path = path.strip_prefix("defaults.").unwrap_or(path);
    let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    path.split('.').filter(|part| !is_number(part)).collect::<Vec<_>>().join(".")
}

/// The one of `known` that `word` most probably means.
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    crate::model::nearest::nearest(word, known.iter().copied())
}

/// A text of unknown length as part of a sentence.
pub fn clipped(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    let escaped = short.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'");
    if short.len() < text.len() { format!("{escaped}…") } else { escaped }
}

/// The type of a value, with its article.
pub fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The parser's message for people, and what to do.
fn plain_words(message: &str) -> (String, &'static str) {
    let help = if message.contains("visible characters") {
        "write a control character as an escape, such as `\\t` or `\\u001b`"
    } else if message.contains("quote") || message.contains("string values") {
        "put the value in double quotes"
    } else if message.contains("duplicate") {
        "keep one of the two"
    } else if message.contains("array") {
        "close the list with `]`, and put `,` between its elements"
    } else if message.contains("table") {
        "write a table's head as `[name]` on a line of its own"
    } else {
        "write `key = value`, one on a line, with strings in double quotes"
    };
    (message.to_owned(), help)
}
