//! `status.json`, put together from what did not change and what did. Pure.
//!
//! A service is serialised once per change of it, into a fragment; the file is a fresh head, the
//! fragments in order of name, and a tail. So one change among a thousand costs one service's
//! serialisation.

use crate::model::status::{
    AbideState, AbideStatus, FileError, IgnoredEntry, SCHEMA, ServiceStatus, SourceStatus, Summary, Withheld,
};
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
    /// What the files say and abide does not do yet.
    pub withheld: Withheld,
    /// Entries that are nothing to abide.
    pub ignored: Vec<IgnoredEntry>,
    /// When a change of the files was last carried out without an error. Only in the metrics.
    pub last_apply_success: Option<Wall>,
}

/// What of an [`Envelope`] changes while abide runs, as it now stands.
#[derive(Debug)]
pub struct News<'a> {
    /// What abide is doing.
    pub state: AbideState,
    /// What is to be said of abide itself.
    pub notes: &'a [String],
    /// As in [`Envelope`], like all that follows.
    pub summary: Summary,
    /// Also the one observed.
    pub generation: u64,
    /// One a watched directory.
    pub sources: &'a [SourceStatus],
    /// Errors that belong to no service.
    pub problems: &'a [FileError],
    /// What the files say and abide does not do yet.
    pub withheld: &'a Withheld,
    /// Entries that are nothing to abide.
    pub ignored: &'a [IgnoredEntry],
    /// When that is.
    pub now: Wall,
}

impl Envelope {
    /// Whether all of `news` but its time is known.
    pub fn says(&self, news: &News<'_>) -> bool {
        (self.abide.state, self.generation, &self.summary) == (news.state, news.generation, &news.summary)
            && (self.abide.notes.as_slice(), self.sources.as_slice()) == (news.notes, news.sources)
            && (self.problems.as_slice(), self.ignored.as_slice()) == (news.problems, news.ignored)
            && self.withheld == *news.withheld
    }

    /// Takes `news` over; a new generation without an error is one that was carried out.
    pub fn renew(&mut self, news: &News<'_>) {
        if self.generation != news.generation && news.summary.config_invalid == 0 && news.problems.is_empty() {
            self.last_apply_success = Some(news.now);
        }
        self.abide.state = news.state;
        (self.generation, self.observed_generation) = (news.generation, news.generation);
        self.summary = news.summary;
        renew(&mut self.abide.notes, news.notes);
        renew(&mut self.sources, news.sources);
        renew(&mut self.problems, news.problems);
        renew(&mut self.ignored, news.ignored);
        if self.withheld != *news.withheld {
            self.withheld.clone_from(news.withheld);
        }
    }
}

/// Nothing is copied that is as it was.
fn renew<T: Clone + PartialEq>(told: &mut Vec<T>, now: &[T]) {
    if *told != now {
        now.clone_into(told);
    }
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
    #[serde(flatten)]
    withheld: &'a Withheld,
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
        withheld: &envelope.withheld,
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
