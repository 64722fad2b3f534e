//! `status.json`, put together from what did not change and what did. Pure.
//!
//! A service is serialised once per change of it, into a fragment; the file is a fresh head, the
//! fragments in order of name, and a tail. So one change among a thousand costs one service's
//! serialisation.

use crate::model::status::{AbideStatus, FileError, IgnoredEntry, SCHEMA, ServiceStatus, SourceStatus, Summary};
use crate::model::time::Wall;
use serde::Serialize;

/// Above so many services `services` lists only those that are not as desired.
pub const WHOLE: usize = 2_000;

/// The file beside `status.json` that then lists all of them, one JSON object a line.
pub const INDEX: &str = "services.jsonl";

const INFALLIBLE: &str = "the model has string keys only, and memory does not fail to write";

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
    serde_json::to_writer(buffer, service).expect(INFALLIBLE);
}

/// What stands before the services and the `[` that begins them.
pub fn head(envelope: &Envelope) -> Vec<u8> {
    let head = Head {
        schema: SCHEMA,
        abide: &envelope.abide,
        summary: &envelope.summary,
        generation: envelope.generation,
        observed_generation: envelope.observed_generation,
        sources: &envelope.sources,
        problems: &envelope.problems,
    };
    let mut head = json(&head);
    head.pop();
    head.extend_from_slice(b",\"services\":");
    head
}

/// What stands after the last service, from the `]` on. `envelope.abide.truncated` says that they are not all.
pub fn tail(envelope: &Envelope) -> Vec<u8> {
    let tail = Tail { services_index: envelope.abide.truncated.then_some(INDEX), ignored: &envelope.ignored };
    let mut text = b"]".to_vec();
    match json(&tail).strip_prefix(b"{") {
        Some(b"}") | None => text.push(b'}'),
        Some(members) => {
            text.push(b',');
            text.extend_from_slice(members);
        }
    }
    text
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect(INFALLIBLE)
}
