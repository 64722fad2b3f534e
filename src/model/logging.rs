//! Where a service's output goes, and in which form.

use super::select::Selection;
use super::service::Service;
use super::units;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// The form that a line of output has in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Time, stream, line.
    #[default]
    Text,
    /// One object a line.
    Json,
    /// A TAI64N label and the line, as `multilog t` writes it.
    Tai64n,
    /// The bytes as they come.
    Plain,
    /// As [`Self::Tai64n`], in a directory that multilog could have written.
    Multilog,
}

/// What becomes of what a service writes to its stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StderrTo {
    /// It goes the way of stdout, in the exact order of both.
    #[default]
    Merge,
    /// It has a pipe of its own; each line says which it came by.
    Separate,
    /// Nobody reads it.
    Discard,
}

/// What becomes of output that cannot be written for want of room, or for any other reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFull {
    /// It is lost, and counted.
    #[default]
    Drop,
    /// It waits in the pipe, and who writes it waits with it once that is full.
    Block,
}

/// How rotated files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compress {
    /// As zstd does at its own default level.
    #[default]
    Zstd,
    /// As gzip does.
    Gzip,
    /// Not at all.
    None,
}

/// When a file is rotated, however small it is. Counted from midnight UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RotateEvery {
    /// With the first line of each hour.
    Hourly,
    /// With the first line of each day.
    Daily,
    /// With the first line of each such span since 1970.
    Span(Duration),
}

/// How much of an instance's output is kept, where, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogPolicy {
    /// The directory that holds `NAME/current`: a template (`${VAR}` allowed). `None`: abide's own log directory.
    pub directory: Option<String>,
    /// The form of its lines.
    pub format: LogFormat,
    /// What becomes of stderr.
    pub stderr: StderrTo,
    /// Longer lines are split, bytes.
    pub max_line: u64,
    /// What becomes of what cannot be written.
    pub on_full: OnFull,
    /// What takes it in place of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way: Option<Box<LogWay>>,
    /// Which lines are kept, if not all as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selection: Option<Box<Selection>>,
    /// `current` is rotated before it grows beyond this many bytes,
    pub max_size: u64,
    /// and at such times.
    pub rotate: Option<RotateEvery>,
    /// How many rotated files are kept beside `current`,
    pub max_files: u32,
    /// how long,
    pub max_age: Option<Duration>,
    /// and how many bytes of them on disk.
    pub max_total: Option<u64>,
    /// How they are compressed.
    pub compress: Compress,
}

/// A quarter of a pipe: a line must be seen whole to be written whole.
pub const MOST_A_LINE: u64 = 16 << 10;

/// What takes a service's output in place of a file of abide's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogWay {
    /// One that the file names, and its arguments: templates.
    Command(Vec<String>),
    /// Abide's own, which sends it to the log of another.
    Ship {
        /// To which, as [`super::log_to::LogTo`] reads it.
        to: String,
        /// Where abide's own program is.
        program: String,
    },
    /// The service in `log/` of a legacy directory; takes stdout alone.
    Directory(Box<Service>),
    /// None: it goes where abide's own does, as under svscan.
    Inherit,
    /// None: abide's logger writes it, byte by byte, to files by names of somebody's choice, as supervisord does.
    Files(Box<NamedFiles>),
}

/// The files that take a service's output as it comes. What has no file is read and thrown away, so that who writes it
/// neither stands still nor dies.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NamedFiles {
    /// Of stdout, or of both where stderr goes its way.
    pub out: Option<NamedFile>,
    /// Of stderr, where that has a way of its own. It may be the same one.
    pub err: Option<NamedFile>,
}

/// One of them. What is no regular file there is written to, and neither rotated nor emptied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedFile {
    /// Where it is; no template. Its directory has to be there. A relative one lies in abide's own log directory of the
    /// service, which is made.
    pub path: String,
    /// It is rotated once it has so many bytes; 0: never.
    pub max_size: u64,
    /// How many are kept beside it, as `PATH.1` and so on; 0: none, it is emptied.
    pub backups: u32,
    /// Whether what only colours and moves on a terminal is left out.
    pub strip_ansi: bool,
    /// Whether its directory is made where it is missing: said to the logger alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_our_directory: bool,
}

impl Default for LogPolicy {
    /// Text, 10 MiB × 5.
    fn default() -> Self {
        Self {
            directory: None,
            format: LogFormat::default(),
            stderr: StderrTo::default(),
            max_line: MOST_A_LINE,
            on_full: OnFull::default(),
            way: None,
            selection: None,
            max_size: 10 << 20,
            rotate: None,
            max_files: 5,
            max_age: None,
            max_total: None,
            compress: Compress::default(),
        }
    }
}

impl LogPolicy {
    /// Whether the service has the standard descriptors that abide itself has, all but its stdout where `log/` takes that.
    pub fn inherits(&self) -> bool {
        match self.way.as_deref() {
            Some(LogWay::Inherit) => true,
            Some(LogWay::Directory(reader)) => reader.log.inherits(),
            _ => false,
        }
    }

    /// The files that it goes to, where somebody has named them.
    pub fn files(&self) -> Option<&NamedFiles> {
        match self.way.as_deref() {
            Some(LogWay::Files(files)) => Some(files),
            _ => None,
        }
    }

    /// Whether it is written by abide's logger.
    pub fn is_logged(&self) -> bool {
        self.way.is_none() || self.files().is_some()
    }
}

impl NamedFiles {
    /// The one that people mean by the log of a service.
    pub fn first(&self) -> Option<&NamedFile> {
        self.out.as_ref().or(self.err.as_ref())
    }

    /// Both, by the number of the stream.
    pub fn each(&self) -> [Option<&NamedFile>; 2] {
        [self.out.as_ref(), self.err.as_ref()]
    }
}

impl NamedFile {
    /// The descriptor of the standard stream of abide itself that it means, if it means one.
    pub fn standard(&self) -> Option<i32> {
        match self.path.as_str() {
            "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1" => Some(1),
            "/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2" => Some(2),
            _ => None,
        }
    }
}

impl fmt::Display for NamedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if self.max_size > 0 {
            write!(f, ", {} × {}", units::size(self.max_size), u64::from(self.backups) + 1)?;
        }
        f.write_str(if self.strip_ansi { ", without ANSI sequences" } else { "" })
    }
}

impl LogFormat {
    /// As files and people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Tai64n => "tai64n",
            Self::Plain => "plain",
            Self::Multilog => "multilog",
        }
    }
}

impl StderrTo {
    /// As files and people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Separate => "separate",
            Self::Discard => "discard",
        }
    }
}

impl OnFull {
    /// As files and people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Block => "block",
        }
    }
}

impl fmt::Display for OnFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Compress {
    /// As files and people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::None => "none",
        }
    }

    /// What it puts behind the name of a file.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
            Self::None => "",
        }
    }
}

impl fmt::Display for Compress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl RotateEvery {
    /// The number of the span that a time lies in: another number, another file. In microseconds since 1970.
    pub fn span_of(self, micros: i64) -> i64 {
        let length = match self {
            Self::Hourly => 3_600_000_000,
            Self::Daily => 86_400_000_000,
            Self::Span(span) => i64::try_from(span.as_micros()).unwrap_or(i64::MAX).max(1),
        };
        micros.div_euclid(length)
    }
}

impl fmt::Display for RotateEvery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hourly => f.write_str("hourly"),
            Self::Daily => f.write_str("daily"),
            Self::Span(span) => write!(f, "{}", humantime::format_duration(*span)),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for StderrTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
