//! What is wrong with a file, and what to do.

use super::name::ServiceName;
use super::time::Wall;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Said, and nothing more.
    Warning,
    /// The file is not taken.
    Error,
}

/// One finding in one file. Values, not errors: a file can have many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// What kind.
    pub code: Code,
    /// One sentence, lower case, without a full stop: what is wrong.
    pub message: String,
    /// What to do, beginning with a verb.
    pub help: Option<String>,
    /// The file as people named it: relative to where they stand, or absolute.
    pub file: PathBuf,
    /// Where in it; `None` when the whole file is meant.
    pub place: Option<Place>,
}

/// A finding that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFinding {
    /// Of which service; `None`: of none, as what is wrong with `abide.toml`.
    pub service: Option<ServiceName>,
    /// When it was first reported, of an error.
    pub first_seen: Option<Wall>,
    /// What.
    pub finding: Diagnostic,
}

/// A place in a text, for people and for drawing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// The column after the last marked character, on the same line.
    pub end_column: u32,
    /// The source line itself. May be a secret: never in a world-readable file.
    pub source: String,
}

impl Place {
    /// The place of the bytes `span` in `text`; what spans several lines is marked on its first.
    pub fn of(text: &str, span: std::ops::Range<usize>) -> Self {
        let floor = |mut at: usize| {
            at = at.min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let (start, end) = (floor(span.start), floor(span.end.max(span.start)));
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let columns = |to: usize| text[line_start..to].chars().count() as u32 + 1;
        let source = text[line_start..line_end].trim_end_matches('\r').to_owned();
        let column = columns(start);
        Self {
            line: text[..start].matches('\n').count() as u32 + 1,
            column,
            end_column: columns(end.min(line_end)).max(column + 1),
            source,
        }
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// The kind of a finding: a word that programs can match and the reference explains.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum Code {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $name,)+
        }

        impl Code {
            /// All of them with their paragraph for the reference.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$name, concat!($($doc),+)),)+];

            /// The word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

codes! {
    /// The text is no TOML.
    Syntax = "syntax",
    /// The file is not UTF-8, or holds a NUL byte.
    NotText = "not-text",
    /// The file is larger than 1 MiB and is not read.
    TooLarge = "too-large",
    /// The entry is no regular file: a FIFO, socket, device or directory of that name.
    NotAFile = "not-a-file",
    /// The file, or the link that stands for it, cannot be read.
    Unreadable = "unreadable",
    /// abide died while it read this text, and does not read it again.
    Poison = "poison",
    /// No key of that name exists here.
    UnknownKey = "unknown-key",
    /// A key that a later release will have and this one does not.
    NotYet = "not-yet",
    /// The value has the wrong type.
    WrongType = "wrong-type",
    /// The value is of the right type and means nothing here.
    BadValue = "bad-value",
    /// A duration that cannot be read; `"10s"` can.
    BadDuration = "bad-duration",
    /// A size that cannot be read; `"10MiB"` can.
    BadSize = "bad-size",
    /// Neither `command` nor `script`, both, or an empty one.
    NoCommand = "no-command",
    /// A `${VAR}` that cannot be expanded.
    BadTemplate = "bad-template",
    /// A service of that name is needed, and there is none; or it is the service itself.
    UnknownService = "unknown-service",
    /// `after`, `requires` and `wants` lead in a circle: none of those in it could be the first to start.
    Cycle = "cycle",
    /// The name of the entry, or a name in a file, can be no name of a service.
    BadName = "bad-name",
    /// Another entry has the same name and comes first.
    DuplicateName = "duplicate-name",
    /// No such user.
    UnknownUser = "unknown-user",
    /// No such group.
    UnknownGroup = "unknown-group",
    /// abide does not run as root and cannot become that user or group.
    CannotBecome = "cannot-become",
    /// The program is not there, or cannot be executed.
    NoProgram = "no-program",
    /// The directory is not there.
    NoDirectory = "no-directory",
    /// A path that the service is to be given, or kept from, is not there or is of the wrong kind.
    NoFile = "no-file",
    /// abide lacks a right (a capability of the kernel's) that the key needs.
    MissingRight = "missing-right",
    /// An environment file is missing, unreadable or malformed.
    EnvironmentFile = "environment-file",
    /// A limit above what can be had here.
    LimitAboveHard = "limit-above-hard",
    /// A value of `[resources]` for which there is no cgroup controller here.
    NoController = "no-controller",
    /// More services, instances or files than a delegated source was granted.
    OverQuota = "over-quota",
    /// Owner or mode let somebody else change what abide would do.
    Untrusted = "untrusted",
    /// The service runs as root, and others may change its program, the interpreter of that, or a directory on the way.
    ExecutableWritable = "executable-writable",
    /// The file was replaced behind the bind mount that shows it: its old content is read for ever.
    ReplacedBehindMount = "replaced-behind-mount",
    /// The service runs as root and its files do not say that it is meant to.
    RunsAsRoot = "runs-as-root",
    /// An address that others can reach, without TLS: tokens would travel in clear text.
    ClearText = "clear-text",
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Diagnostic {
    /// An error about a whole file.
    pub fn error(file: impl Into<PathBuf>, code: Code, message: impl Into<String>) -> Self {
        let (file, message) = (file.into(), message.into());
        Self { severity: Severity::Error, code, message, help: None, file, place: None }
    }

    /// A warning about a whole file.
    pub fn warning(file: impl Into<PathBuf>, code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(file, code, message) }
    }

    /// The same at a place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// The same with what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Whether it keeps the file from being taken.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl std::fmt::Display for Diagnostic {
    /// `file:line:column: message; help`, in one line and fit for any terminal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:", escaped(&self.file.to_string_lossy()))?;
        if let Some(place) = &self.place {
            write!(f, "{}:{}:", place.line, place.column)?;
        }
        write!(f, " {}", escaped(&self.message))?;
        if let Some(help) = &self.help {
            write!(f, "; {}", escaped(help))?;
        }
        Ok(())
    }
}

/// Whether `c` could disturb a terminal, or change how others are shown: control characters,
/// direction marks, zero widths.
pub fn disturbs(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// `text` with whatever could disturb a terminal escaped.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if disturbs(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let text = "a = 1\nü = \"x\"\r\nlast";
        let place = Place::of(text, 11..14);
        assert_eq!((place.line, place.column, place.end_column), (2, 5, 8));
        assert_eq!(place.source, "ü = \"x\"");
        let end = Place::of(text, 400..500);
        assert_eq!((end.line, end.column, end.end_column), (3, 5, 6));
        assert_eq!(Place::of("", 0..0).column, 1);
    }

    #[test]
    fn no_control_character_of_a_file_or_its_name_is_shown_raw() {
        let finding = Diagnostic::error("a\nb.toml", Code::Syntax, "\u{1b}[31m and ü").help("\u{202e}no\r");
        assert_eq!(finding.to_string(), "a\\nb.toml: \\u{1b}[31m and ü; \\u{202e}no\\r");
    }
}
