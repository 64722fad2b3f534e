//! What must outlive the supervisor, as records: by key, and written down before anything is done that follows from
//! it. Who comes next reads them and goes on where this one stopped: `recover`.
//!
//! - `d/NAME`: the definition of a service in force;
//! - `h/TARGET`: how it is held, or that it is not any more, until that is on the disk;
//! - `p/used`: what files that list removals were used for, each use being one;
//! - `i/NAME@n`: an instance: where it is in its life, what was ordered, when what is due.

use super::backoff::Backoff;
use super::care::Care;
use super::fleet::Fleet;
use super::instance::Instance;
use super::member::Kept;
use super::phase::{Ended, Fit, Phase, Process};
use super::restarts::{Cause, Restarts};
use super::supervised::Supervised;
use crate::model::desired::{Definition, Home};
use crate::model::name::{InstanceId, ServiceName};
use crate::model::order::Hold;
use crate::model::policy::StopScope;
use crate::model::selector::Target;
use crate::model::service::{Kind, Service, Version};
use crate::model::signal::Signal;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

/// A record: its key, and its text; `None`: there is none any more.
pub type Change = (String, Option<Vec<u8>>);

/// The definition of a service in force, and where it comes from.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeptService<'a> {
    pub(super) file: Cow<'a, Path>,
    pub(super) kind: Kind,
    pub(super) service: Cow<'a, Service>,
    /// Its files are gone, and it waits for a yes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) guarded: bool,
    /// What is in force waits for its turn, with all its processes or some.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) queued: bool,
    /// The last good version, while it is not known whether this one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_good: Option<Cow<'a, Service>>,
    /// Which directory it is, if it is a legacy one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) home: Option<Box<Home>>,
}

/// An instance: all that is not to be had from the definition in force, nor from the world.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeptInstance<'a> {
    pub(super) phase: Phase,
    /// What it was begun with, where that is not in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) service: Option<Cow<'a, Service>>,
    pub(super) why: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub(super) cause: Cow<'a, str>,
    /// Want, hold, numbered, opened, starved: in this order.
    pub(super) claims: [bool; 5],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) process: Option<Cow<'a, Process>>,
    #[serde(default = "met", skip_serializing_if = "is_met")]
    pub(super) fit: Cow<'a, Fit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last: Option<Ended>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) backoff: Cow<'a, Backoff>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) restarts: Cow<'a, Restarts>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) dropped: Cow<'a, (u64, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) owed: Option<Cause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) care: Option<Cow<'a, Care>>,
    #[serde(default)]
    pub(super) signals: u32,
    /// The last of these signals, which may not have been sent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) sending: Cow<'a, [(Signal, StopScope)]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) supervised: Option<Cow<'a, Supervised>>,
}

fn met() -> Cow<'static, Fit> {
    Cow::Owned(Fit::Met)
}

fn is_met(fit: &Fit) -> bool {
    *fit == Fit::Met
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What was last written down of a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) version: Option<Version>,
    pub(super) guarded: bool,
    pub(super) queued: bool,
    pub(super) last_good: Option<Version>,
}

/// The key of a service.
pub(super) fn key_of_service(name: &ServiceName) -> String {
    format!("d/{name}")
}

/// The key of an instance.
pub(super) fn key_of_instance(instance: &InstanceId) -> String {
    format!("i/{instance}")
}

/// That `target` is held, or not any more.
pub(super) fn hold_record(target: &Target, hold: Option<&Hold>) -> Change {
    let text = serde_json::to_vec(&hold).expect("strings, numbers and maps with string keys always serialise");
    (format!("h/{target}"), Some(text))
}

/// What files that list removals were used for: the file, and the service.
pub(super) fn used_record(used: &BTreeSet<(String, ServiceName)>) -> Change {
    let text = serde_json::to_vec(used).expect("strings, numbers and maps with string keys always serialise");
    ("p/used".to_owned(), Some(text))
}

/// What a key is about.
#[derive(Debug)]
pub(super) enum Key {
    Used,
    Service(ServiceName),
    Instance(InstanceId),
    Hold(Target),
}

/// Reads a key; `None`: it is nothing of ours.
pub(super) fn read_key(key: &str) -> Option<Key> {
    let (kind, rest) = key.split_once('/')?;
    match kind {
        "p" => (rest == "used").then_some(Key::Used),
        "d" => ServiceName::new(rest).ok().map(Key::Service),
        "i" => {
            let (name, index) = rest.rsplit_once('@')?;
            Some(Key::Instance(InstanceId::new(ServiceName::new(name).ok()?, index.parse().ok()?)))
        }
        "h" => {
            // No name of a service has an @ in it.
            let (name, index) = rest.split_once('@').map_or((rest, None), |(name, index)| (name, Some(index)));
            let index = index.map(str::parse).transpose().ok()?;
            Some(Key::Hold(Target { service: ServiceName::new(name).ok()?, index }))
        }
        _ => None,
    }
}

impl Instance {
    /// Its record; `accepted`: the definition in force.
    fn record(&self, accepted: Option<&Definition>) -> Vec<u8> {
        let in_force = accepted.is_some_and(|accepted| accepted.version == self.current.version);
        let kept = KeptInstance {
            phase: self.phase,
            service: (!in_force).then(|| Cow::Borrowed(&self.current.service)),
            why: Cow::Borrowed(&self.why),
            cause: Cow::Borrowed(&self.cause),
            claims: [self.want, self.on_hold, self.numbered, self.opened, self.starved],
            process: self.process.as_ref().map(Cow::Borrowed),
            fit: Cow::Borrowed(&self.fit),
            last: self.last,
            backoff: Cow::Borrowed(&self.backoff),
            restarts: Cow::Borrowed(&self.restarts),
            dropped: Cow::Borrowed(&self.dropped),
            owed: self.owed,
            care: self.care.as_deref().map(Cow::Borrowed),
            signals: self.signals,
            sending: Cow::Borrowed(self.sending.as_slice()),
            supervised: self.supervised.as_deref().map(Cow::Borrowed),
        };
        serde_json::to_vec(&kept).expect("strings, numbers and maps with string keys always serialise")
    }
}

impl Fleet {
    /// What is to be written down before anything is done that [`Self::take_effects`] gives: what changed since this
    /// was asked last.
    pub fn take_records(&mut self) -> Vec<Change> {
        let mut changes = std::mem::take(&mut self.struck);
        for name in std::mem::take(&mut self.unwritten) {
            let Some(member) = self.members.get_mut(&name) else { continue };
            let accepted = member.accepted.clone();
            let version = accepted.as_ref().map(|definition| definition.version);
            let guarded = member.kept == Some(Kept::Guarded);
            let last_good = member.trial.as_ref().map(|trial| trial.last_good.clone());
            let queued = member.queued || member.rolling.is_some();
            let now = Written { version, guarded, queued, last_good: last_good.as_ref().map(|it| it.version) };
            if member.written != now {
                member.written = now;
                let text = accepted.as_ref().map(|definition| {
                    let (file, kind) = (Cow::Borrowed(member.file.as_path()), member.kind);
                    let kept = KeptService {
                        file,
                        kind,
                        service: Cow::Borrowed(&definition.service),
                        guarded,
                        queued,
                        last_good: last_good.as_ref().map(|it| Cow::Borrowed(&it.service)),
                        home: definition.home.clone(),
                    };
                    serde_json::to_vec(&kept).expect("strings, numbers and maps with string keys always serialise")
                });
                changes.push((key_of_service(&name), text));
            }
            for instance in member.instances.iter_mut().filter(|instance| instance.noted.fresh) {
                instance.noted.fresh = false;
                let text = instance.record(accepted.as_deref());
                instance.sending.clear();
                let digest = digest(&text);
                if instance.noted.written != Some(digest) {
                    instance.noted.written = Some(digest);
                    changes.push((key_of_instance(&instance.id), Some(text)));
                }
            }
        }
        changes
    }
}

impl Fleet {
    /// What was written down is lost: all of it is to be written anew.
    pub fn write_all_anew(&mut self) {
        for (name, member) in &mut self.members {
            member.written = Written::default();
            for instance in &mut member.instances {
                (instance.noted.fresh, instance.noted.written) = (true, None);
            }
            self.unwritten.insert(name.clone());
        }
    }
}

/// FNV-1a: tells whether a record is as it was, which is all that it is for.
fn digest(text: &[u8]) -> u64 {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    text.iter().fold(0xcbf2_9ce4_8422_2325, fold)
}
