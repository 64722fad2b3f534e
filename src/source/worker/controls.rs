//! Files in a watched directory that say how its changes are to be taken: `.abide-hold` and `.abide-allow-removals`.
//!
//! A hold counts from the moment that its name is there: what is written after it must not overtake it. That it is gone
//! settles as any absence does: an editor that saves it anew lets nothing through.

use super::Worker;
use crate::model::desired::Permit;
use crate::model::name::ServiceName;
use crate::model::order::{Author, Hold};
use crate::model::service::Version;
use crate::source::catalogue::Key;
use crate::source::entry::{Control, Naming};
use crate::source::root::wall;
use crate::source::trust::user_name;
use std::ffi::OsStr;

/// More of a reason is a novel, and stands in every snapshot.
const LONGEST_REASON: usize = 1000;

impl<C> Worker<C> {
    /// A file `.abide-hold` is there, whatever it says.
    pub(super) fn hold_seen(&mut self, source: usize, name: &OsStr) {
        let root = &mut self.roots[source];
        if root.hold.is_some() {
            return;
        }
        let Some(stat) = root.directory.as_ref().and_then(|directory| directory.lstat(name)) else { return };
        let by = Author { name: user_name(stat.st_uid), uid: Some(stat.st_uid), ..Author::default() };
        root.hold = Some(Hold { by, reason: None, since: wall(), until: None });
    }

    /// What such a file says, once it is written.
    pub(super) fn control_said(&mut self, key: Key, bytes: &[u8]) {
        let Some(candidate) = self.catalogue.get(key) else { return };
        let (source, name) = (candidate.source, candidate.name.clone());
        let Naming::Control(control) = candidate.naming else { return };
        let text = String::from_utf8_lossy(bytes);
        match control {
            Control::Hold => {
                self.hold_seen(source, &name);
                if let Some(hold) = &mut self.roots[source].hold {
                    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
                    let shown = |line: &str| line.chars().filter(|it| !it.is_control()).take(LONGEST_REASON).collect();
                    hold.reason = line.map(shown);
                }
            }
            Control::AllowRemovals => {
                let inode =
                    self.roots[source].directory.as_ref().and_then(|it| it.stat(&name)).map_or(0, |it| it.st_ino);
                let id = format!("{inode}:{}", digest(bytes));
                let words = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
                let names = words.filter_map(|word| ServiceName::new(word.trim_end_matches(".toml")).ok()).collect();
                let delegated = self.roots[source].delegation().map(|delegation| delegation.mark());
                self.roots[source].permit = Some(Permit { id, names, delegated });
            }
        }
    }

    /// Such a file is gone.
    pub(super) fn control_gone(&mut self, source: usize, control: Control) {
        match control {
            Control::Hold => self.roots[source].hold = None,
            Control::AllowRemovals => self.roots[source].permit = None,
        }
    }

    /// All files that say what may be removed, if anything about one changed.
    pub(super) fn take_permits(&mut self) -> Option<Vec<Permit>> {
        let permits: Vec<Permit> = self.roots.iter().filter_map(|root| root.permit.clone()).collect();
        (permits != self.told_permits).then(|| {
            self.told_permits.clone_from(&permits);
            permits
        })
    }
}

fn digest(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Version(Sha256::digest(bytes).into()).short()
}
