//! The ledger as the loop sees it: what is to outlive the supervisor, appended before anything is done that follows
//! from it.

use super::turn::Supervisor;
use crate::decide::recover::Foundling;
use crate::host::clock;
use crate::host::perform::Unrecorded;
use crate::model::desired::Delta;
use crate::model::name::InstanceId;
use crate::source::Text;
use crate::source::config::{self, Config};
use crate::store::ledger::Ledger;
use std::collections::BTreeMap;
use std::path::Path;

/// The key of the word that all marks of this table begin with.
const MARK: &str = "mark";

/// The key of the last good text of `abide.toml`.
const CONFIG: &str = "config";

/// What `abide.toml` last said that was good, as it is on record, and its text.
pub(super) fn config_in(records: &BTreeMap<String, Vec<u8>>, path: &Path) -> Option<(Config, Text)> {
    let text = Text { path: path.to_owned(), bytes: records.get(CONFIG)?.clone() };
    let (config, _) = config::parse(&text);
    Some((Config { text: Some(text.clone()), ..config? }, text))
}

/// The records, and whether they can be written.
#[derive(Debug)]
pub(super) struct Records {
    ledger: Option<Ledger>,
    /// Why they cannot be written at present.
    trouble: Option<String>,
}

/// What was there when we came.
pub(super) struct Inheritance {
    pub(super) records: BTreeMap<String, Vec<u8>>,
    /// What of it cannot be read, in words.
    pub(super) broken: Vec<String>,
    /// What the marks of processes begin with.
    pub(super) mark: String,
}

impl Records {
    /// Reads what there is in the directory of the table. `fresh_mark`: what marks begin with where none is on record.
    pub(super) fn open(directory: &Path, fresh_mark: &str) -> (Self, Inheritance) {
        let (ledger, records, mut broken, trouble) = match Ledger::open(directory) {
            Ok((ledger, found)) => (Some(ledger), found.records, found.set_aside.into_iter().collect(), None),
            Err(error) => (None, BTreeMap::new(), Vec::new(), Some(unwritten(&error.to_string()))),
        };
        broken.extend(trouble.clone());
        let known = records.get(MARK).and_then(|text| String::from_utf8(text.clone()).ok());
        let mut opened = Self { ledger, trouble };
        let mark = known.unwrap_or_else(|| {
            opened.keep(&[(MARK.to_owned(), Some(fresh_mark.as_bytes().to_vec()))]);
            fresh_mark.to_owned()
        });
        (opened, Inheritance { records, broken, mark })
    }

    /// Writes down what `abide.toml` says, or that there is none.
    pub(super) fn keep_config(&mut self, text: Option<&Text>) {
        self.keep(&[(CONFIG.to_owned(), text.map(|text| text.bytes.clone()))]);
    }

    /// Writes `changes` down, all or nothing; whether that could be done. All that there is has to be given after it
    /// could not.
    pub(super) fn keep(&mut self, changes: &[(String, Option<Vec<u8>>)]) -> bool {
        let Some(ledger) = &mut self.ledger else { return false };
        let changes = changes.iter().map(|(key, text)| (key.as_str(), text.as_deref()));
        let done = if self.trouble.is_some() { ledger.rewrite(changes) } else { ledger.append(changes) };
        let trouble = done.err().map(|error| unwritten(&error.to_string()));
        if let Some(trouble) = trouble.as_ref().filter(|trouble| self.trouble.as_ref() != Some(*trouble)) {
            tracing::error!("{trouble}");
        } else if trouble.is_none() && self.trouble.is_some() {
            tracing::info!("records are written again");
        }
        self.trouble = trouble;
        self.trouble.is_none()
    }

    /// Why they cannot be written, in words.
    pub(super) fn trouble(&self) -> Option<&String> {
        self.trouble.as_ref()
    }
}

fn unwritten(error: &str) -> String {
    format!("records cannot be written, so a supervisor that comes after a crash would not know all: {error}")
}

impl Supervisor {
    /// Writes down what changed. Must be done before what follows from it.
    pub(super) fn keep_records(&mut self) {
        let mut changes = self.fleet.take_records();
        changes.extend(self.host.take_records());
        if changes.is_empty() {
            return;
        }
        let before = self.records.trouble().is_some();
        if before {
            changes.push((MARK.to_owned(), Some(self.host.mark().as_bytes().to_vec())));
            let text = self.planner.config.text.as_ref();
            changes.push((CONFIG.to_owned(), text.map(|text| text.bytes.clone())));
        }
        if !self.records.keep(&changes) {
            self.fleet.write_all_anew();
            self.host.write_all_anew();
        }
        self.records_changed |= before != self.records.trouble().is_some();
    }

    /// Whose the processes are that no record speaks of, the files say, once they are read.
    pub(super) fn place_unrecorded(&mut self, delta: &Delta) {
        let mut left: BTreeMap<u64, Unrecorded> =
            std::mem::take(&mut self.unrecorded).into_iter().map(|found| (found.owner, found)).collect();
        let mut taken = Vec::new();
        for (name, entry) in &delta.changes {
            let Some(definition) = entry.as_ref().and_then(|entry| entry.service.clone()) else { continue };
            let numbered = definition.service.instances > 1;
            for index in 0..definition.service.instances {
                let instance = InstanceId::new(name.clone(), index);
                let Some(found) = left.remove(&instance.digest()) else { continue };
                self.host.seat_unrecorded(&instance, found, &definition, numbered);
                let Unrecorded { run, pid, start_ticks, .. } = found;
                tracing::warn!(service = %name, pid, "is taken over without a record");
                taken.push(Foundling { instance, definition: definition.clone(), run, pid, start_ticks });
            }
        }
        self.fleet.take_over(clock::now(), taken);
        for found in left.into_values() {
            self.host.end_unrecorded(found);
        }
    }
}
