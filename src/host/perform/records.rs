//! What must outlive us is written down, one record after the other, on a thread that may wait for the disk.

use super::{Host, Trouble};
use crate::decide::effect::Effect;
use crate::decide::event::Event;
use crate::host::chores::Told;
use crate::model::desired::Definition;
use crate::model::history::{KeptVersion, Rollbacks};
use crate::model::name::ServiceName;
use crate::model::order::Hold;
use crate::model::selector::Target;
use crate::model::service::Version;
use crate::model::time::Wall;
use crate::store::{holds, rollbacks, suspended, versions};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// So long a disk may take for the last records when abide ends.
const PATIENCE: Duration = Duration::from_secs(5);

impl Host {
    /// Carries out an effect that is about what must outlive us; all others are the loop's own business.
    pub(super) fn keep(&mut self, effect: Effect) {
        match effect {
            Effect::KeepHold { target, hold } => self.keep_hold(target, hold),
            Effect::KeepSuspended(all) => self.keep_suspended(all),
            Effect::KeepRollbacks(all) => self.keep_rollbacks(all),
            Effect::KeepVersion { at, cause, file, file_hash, definition } => {
                self.keep_version(at, cause, file, file_hash, definition);
            }
            Effect::Recall { service } => self.recall(service),
            Effect::RetireVersions { service } => self.retire_versions(service),
            _ => {}
        }
    }

    pub(super) fn keep_hold(&mut self, target: Target, hold: Option<Hold>) {
        let state = self.state.clone();
        self.records.order(move || {
            let outcome = holds::keep(&state, &target, hold.as_ref()).map_err(|error| error.to_string());
            Told::Kept { what: format!("hold {target}"), outcome }
        });
    }

    pub(super) fn keep_suspended(&mut self, all: suspended::All) {
        let state = self.state.clone();
        self.records.order(move || {
            let outcome = suspended::keep(&state, &all).map_err(|error| error.to_string());
            Told::Kept { what: "suspended".to_owned(), outcome }
        });
    }

    pub(super) fn keep_rollbacks(&mut self, all: Rollbacks) {
        let state = self.state.clone();
        self.records.order(move || {
            let outcome = rollbacks::keep(&state, &all).map_err(|error| error.to_string());
            Told::Kept { what: "rollbacks".to_owned(), outcome }
        });
    }

    pub(super) fn keep_version(
        &mut self,
        at: Wall,
        cause: String,
        file: PathBuf,
        file_hash: Option<Version>,
        definition: Arc<Definition>,
    ) {
        let state = self.state.clone();
        self.records.order(move || {
            let (version, service) = (definition.version, definition.service.clone());
            let kind = service.kind;
            let kept = KeptVersion { at, version, cause, file, kind, file_hash, service };
            let outcome = versions::keep(&state, &kept).map_err(|error| error.to_string());
            Told::Kept { what: format!("version {}", kept.service.name), outcome }
        });
    }

    pub(super) fn retire_versions(&mut self, service: ServiceName) {
        let state = self.state.clone();
        self.records.order(move || {
            let outcome = versions::retire(&state, &service).map_err(|error| error.to_string());
            Told::Kept { what: format!("version {service}"), outcome }
        });
    }

    pub(super) fn recall(&mut self, service: ServiceName) {
        let state = self.state.clone();
        self.records.order(move || {
            let version = versions::read(&state, &service).ok().and_then(|mut known| known.pop()).map(Box::new);
            Told::Event(Event::Recalled { service, version })
        });
    }

    pub(super) fn kept(&mut self, what: String, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.unkept_changed |= self.unkept.remove(&what).is_some(),
            Err(message) => {
                self.troubles.push(Trouble { instance: None, numbered: false, message: message.clone() });
                self.unkept.insert(what, message);
                self.unkept_changed = true;
            }
        }
    }

    /// What could not be written down, in words.
    pub fn unkept(&self) -> impl Iterator<Item = &String> {
        self.unkept.values()
    }

    /// Whether that is other than when this was asked last.
    pub fn take_unkept_changed(&mut self) -> bool {
        std::mem::take(&mut self.unkept_changed)
    }

    /// The end: waits for the last records, but not for a disk that hangs. Blocks.
    pub fn finish_records(&mut self) {
        self.records.finish(PATIENCE);
    }
}
