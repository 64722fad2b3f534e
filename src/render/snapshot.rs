//! `status.json`, put together from what did not change and what did. Pure.
//!
//! A service is serialised once per change of it, into a fragment; the file is a fresh head, the
//! fragments in order of name, and a tail. So one change among a thousand costs one service's
//! serialisation and the copying of bytes.

use crate::model::status::{AbideStatus, FileError, IgnoredEntry, SCHEMA, ServiceStatus, SourceStatus, Summary};
use crate::model::time::Wall;
use serde::Serialize;
use std::io::{self, Write};

/// Above so many services `services` lists only those that are not as desired.
pub const WHOLE: usize = 2_000;

/// The file beside `status.json` that then lists all of them, one JSON object a line.
pub const INDEX: &str = "services.jsonl";

/// All of the snapshot but the services.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// About abide itself. `snapshot_seq`, `written_at`, `monotonic_ns` and `truncated` are filled
    /// in by who writes.
    pub abide: AbideStatus,
    /// Counts over all services.
    pub summary: Summary,
    /// As in [`crate::model::status::Status`].
    pub generation: u64,
    /// As in [`crate::model::status::Status`].
    pub observed_generation: u64,
    /// One a watched directory.
    pub sources: Vec<SourceStatus>,
    /// Errors that belong to no service.
    pub problems: Vec<FileError>,
    /// Entries that are nothing to abide.
    pub ignored: Vec<IgnoredEntry>,
    /// When a change of the files was last carried out without an error. Only in the metrics.
    pub last_apply_success: Option<Wall>,
}

/// The part of [`crate::model::status::Status`] that stands before `services`, in its order.
#[derive(Serialize)]
struct Head<'a> {
    schema: u32,
    abide: &'a AbideStatus,
    summary: &'a Summary,
    generation: u64,
    observed_generation: u64,
    sources: &'a [SourceStatus],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    problems: &'a [FileError],
}

/// The part after it.
#[derive(Serialize)]
struct Tail<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    services_index: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    ignored: &'a [IgnoredEntry],
}

/// Appends one service as compact JSON to `buffer`.
pub fn fragment(service: &ServiceStatus, buffer: &mut Vec<u8>) {
    serde_json::to_writer(buffer, service).expect("the model has string keys only, and memory does not fail to write");
}

/// Writes the whole file. `envelope.abide.truncated` says that `fragments` are not all services.
pub fn write<'a>(
    out: &mut impl Write,
    envelope: &Envelope,
    fragments: impl Iterator<Item = &'a [u8]>,
) -> io::Result<()> {
    let head = Head {
        schema: SCHEMA,
        abide: &envelope.abide,
        summary: &envelope.summary,
        generation: envelope.generation,
        observed_generation: envelope.observed_generation,
        sources: &envelope.sources,
        problems: &envelope.problems,
    };
    let head = serde_json::to_vec(&head)?;
    out.write_all(head.strip_suffix(b"}").unwrap_or(&head))?;
    out.write_all(b",\"services\":[")?;
    let mut separator: &[u8] = b"";
    for fragment in fragments {
        out.write_all(separator)?;
        out.write_all(fragment)?;
        separator = b",";
    }
    out.write_all(b"]")?;
    let tail = Tail { services_index: envelope.abide.truncated.then_some(INDEX), ignored: &envelope.ignored };
    let tail = serde_json::to_vec(&tail)?;
    if tail != b"{}" {
        out.write_all(b",")?;
    }
    out.write_all(tail.strip_prefix(b"{").unwrap_or(&tail))
}
