//! How lines are shown, and where: on a terminal page by page, as git does.

use super::merge::Source;
use crate::cli::args::look::LogsForm;
use crate::log::entry::Entry;
use crate::log::format::Stream;
use crate::log::stamp::Civil;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::{Child, Command, Stdio};

/// How a line becomes what is shown.
#[derive(Debug)]
pub(super) struct Show {
    form: LogsForm,
    coloured: bool,
    /// `None`: there is only one, and it needs no name.
    width: Option<usize>,
}

impl Show {
    pub(super) fn new(form: LogsForm, coloured: bool, sources: &[Source]) -> Self {
        let width = sources.iter().map(|source| source.label.len()).max().filter(|_| sources.len() > 1);
        Self { form, coloured, width }
    }

    /// A line with what stands around it.
    pub(super) fn line(&self, source: &Source, line: &[u8]) -> Vec<u8> {
        let entry = Entry::of(line);
        match self.form {
            LogsForm::Json => json_line(source, &entry),
            LogsForm::Cat => {
                let end: &[u8] = if entry.partial { b"" } else { b"\n" };
                [&entry.text, end].concat()
            }
            LogsForm::Text => self.text_line(source, &entry),
        }
    }

    fn text_line(&self, source: &Source, entry: &Entry<'_>) -> Vec<u8> {
        let mut out = String::new();
        if let Some(width) = self.width {
            // A colour for a name is the same each time, and says no more than the name does.
            let colour = 31 + source.label.bytes().map(u32::from).sum::<u32>() % 6;
            let (on, off) = if self.coloured { (format!("\x1b[{colour}m"), "\x1b[0m") } else { (String::new(), "") };
            // Writing to a string cannot fail.
            let _ = write!(out, "{on}{:width$} |{off} ", source.label);
        }
        if let Some(at) = entry.at {
            let stream = entry.stream.map_or("-", Stream::as_str);
            let more = if entry.partial { "+" } else { "" };
            let _ = Civil::new(at).rfc3339(&mut out);
            let _ = write!(out, " {stream}{more} ");
        }
        [out.as_bytes(), &entry.text, b"\n"].concat()
    }
}

fn json_line(source: &Source, entry: &Entry<'_>) -> Vec<u8> {
    let said = String::from_utf8_lossy(&entry.text);
    let mut value = json!({ "service": source.service, "instance": source.index, "line": said });
    if let Some(at) = entry.at {
        let mut stamp = String::new();
        let _ = Civil::new(at).rfc3339(&mut stamp);
        value["ts"] = stamp.into();
    }
    if let Some(stream) = entry.stream {
        value["stream"] = stream.as_str().into();
    }
    if entry.partial {
        value["partial"] = true.into();
    }
    if entry.object {
        value["data"] = serde_json::from_str(&said).unwrap_or(Value::Null);
    }
    format!("{value}\n").into_bytes()
}

/// Where lines go.
pub(super) enum Out {
    Straight(io::BufWriter<io::Stdout>),
    Pager(Child),
}

impl Out {
    /// Page by page, if that is wanted and there is a pager.
    pub(super) fn new(by_pages: bool) -> Self {
        let pager = std::env::var("ABIDE_PAGER").or_else(|_| std::env::var("PAGER")).unwrap_or_else(|_| "less".into());
        let mut words = pager.split_whitespace();
        let child = words.next().filter(|_| by_pages).and_then(|program| {
            let mut command = Command::new(program);
            // As git has it: what fits is only shown, colours stay, and nothing is cleared away.
            let command = command.args(words).stdin(Stdio::piped());
            if std::env::var_os("LESS").is_none() {
                command.env("LESS", "FRX");
            }
            command.spawn().ok()
        });
        child.map_or_else(|| Self::Straight(io::BufWriter::new(io::stdout())), Self::Pager)
    }

    /// False: nobody reads any more.
    pub(super) fn write(&mut self, bytes: &[u8]) -> bool {
        let written = match self {
            Self::Straight(out) => out.write_all(bytes),
            Self::Pager(child) => child.stdin.as_mut().map_or(Ok(()), |stdin| stdin.write_all(bytes)),
        };
        written.is_ok()
    }

    /// What was written is there now.
    pub(super) fn flush(&mut self) -> bool {
        match self {
            Self::Straight(out) => out.flush().is_ok(),
            Self::Pager(_) => true,
        }
    }

    /// All is written: waits until it is read.
    pub(super) fn end(mut self) {
        self.flush();
        if let Self::Pager(mut child) = self {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}
