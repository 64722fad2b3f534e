//! Delegated sources: directories that `abide.toml` hands to one user, and the machine as that user has it.
//!
//! What their files cause happens as that user. Nearly all of it follows from one thing: they are read and understood as
//! an abide would that the user had started, with the user's rights and limits and with nothing of abide's own
//! environment. So what needs root is an error of the file, by the same rules and with the same words.

use super::Surroundings;
use super::identity::{Person, memberships, person};
use crate::model::desired::Entry;
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::limits::{Bound, Ceilings, LimitKind, Limits, Rights};
use crate::model::resources::Resources;
use crate::model::service::Delegated;
use nix::unistd::{Uid, User};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory that is handed to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    /// Absolute, as it was said.
    pub path: PathBuf,
    /// As whom everything happens.
    pub(super) person: Person,
    /// How much of it.
    pub caps: Caps,
}

/// How much a delegated source may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caps {
    /// Services.
    pub services: u32,
    /// Instances of all its services.
    pub instances: u32,
    /// Bytes of all files that are read for it.
    pub files: u64,
    /// What a service may ask for in `[limits]`; where nothing is said, abide's own hard limits.
    pub each: Limits,
    /// What all its services together may use.
    pub together: Resources,
}

impl Default for Caps {
    fn default() -> Self {
        let (each, together) = (Limits::default(), Resources::default());
        Self { services: 100, instances: 1000, files: 64 << 20, each, together }
    }
}

/// How much of its caps is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) services: u32,
    pub(super) instances: u32,
    pub(super) bytes: u64,
}

impl Spent {
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            services: self.services.saturating_add(other.services),
            instances: self.instances.saturating_add(other.instances),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

impl Delegation {
    /// To the user of this name or number; `None`: there is none of this name. Who is not in the user database has no
    /// groups but the one of the same number.
    pub fn new(path: &Path, run_as: &str, caps: Caps) -> Option<Self> {
        let number = run_as.parse().ok();
        let user = match number {
            Some(uid) => User::from_uid(Uid::from_raw(uid)),
            None => User::from_name(run_as),
        };
        let user = user.ok().flatten();
        let uid = user.as_ref().map(|user| user.uid.as_raw()).or(number)?;
        let gid = user.as_ref().map_or(uid, |user| user.gid.as_raw());
        let mut person = person(uid, gid, memberships(user.as_ref(), gid), user.as_ref());
        person.identity.change = true;
        Some(Self { path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()), person, caps })
    }

    /// As whom everything happens.
    pub fn identity(&self) -> &crate::model::service::Identity {
        &self.person.identity
    }

    /// How its services are known as its.
    pub fn mark(&self) -> Delegated {
        Delegated { source: self.path.display().to_string() }
    }

    /// Whether it is about the directory that was given as `path`.
    pub fn is_of(&self, path: &Path) -> bool {
        std::path::absolute(path).is_ok_and(|path| path == self.path)
    }

    /// The machine as an abide would find it that the user had started.
    pub fn surroundings(self: &Arc<Self>, around: &Surroundings) -> Surroundings {
        let lang = around.environment.get_key_value("LANG");
        Surroundings {
            ceilings: self.ceilings(&around.ceilings),
            environment: lang.map(|(name, value)| (name.clone(), value.clone())).into_iter().collect(),
            uid: self.person.identity.uid,
            umask: 0o022,
            is_init: false,
            preflight: around.preflight,
            advise: around.advise,
            delegation: Some(Arc::clone(self)),
        }
    }

    fn ceilings(&self, own: &Ceilings) -> Ceilings {
        let highest = |kind: LimitKind| {
            let granted = self.caps.each.get(&kind).map(|limit| limit.hard.min(own.highest(kind)));
            granted.unwrap_or_else(|| own.hard.get(&kind).copied().unwrap_or(Bound::UNLIMITED))
        };
        let rights = Rights {
            effective: 0,
            permitted: 0,
            nice: own.rights.nice.max(0),
            nice_limit: 0,
            realtime_limit: 0,
            oom_score_adjust: own.rights.oom_score_adjust.max(0),
            ..own.rights.clone()
        };
        Ceilings {
            soft: own.soft.clone(),
            hard: LimitKind::ALL.into_iter().map(|kind| (kind, highest(kind))).collect(),
            may_raise: false,
            nr_open: own.nr_open,
            uid: self.person.identity.uid,
            cgroups: own.cgroups.clone(),
            rights,
        }
    }

    /// Refuses `entry`, which costs `cost`, if with `others` it is more than was granted.
    pub(super) fn ration(&self, entry: &mut Entry, others: Spent, cost: Spent) {
        if let Some(finding) = self.over(&entry.file, others.plus(cost)) {
            entry.service = None;
            entry.diagnostics.push(finding);
        }
    }

    /// Why nothing more is even read, where `others` have taken all that was granted.
    pub(super) fn full(&self, file: &Path, others: Spent) -> Option<Diagnostic> {
        self.over(file, others.plus(Spent { services: 1, instances: 0, bytes: 0 }))
    }

    fn over(&self, file: &Path, sum: Spent) -> Option<Diagnostic> {
        let all = [
            ("services", u64::from(sum.services), u64::from(self.caps.services)),
            ("instances", u64::from(sum.instances), u64::from(self.caps.instances)),
            ("files", sum.bytes, self.caps.files),
        ];
        let (key, asked, most) = all.into_iter().find(|(_, asked, most)| asked > most)?;
        let what = if key == "files" { "bytes of files" } else { key };
        let path = self.path.display();
        let message = format!("with it there would be {asked} {what} in {path}, of which {most} are granted");
        let help = format!("remove others, or have `{key}` raised below `[source.limits]` in abide.toml");
        Some(Diagnostic::error(file, Code::OverQuota, message).help(help))
    }
}

/// The lines that would hand `path` to the user `run_as`.
pub(super) fn lines(path: &Path, run_as: &str) -> String {
    format!("[[source]]\npath = {:?}\nrun_as = {run_as:?}", path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn delegation(caps: Caps) -> Arc<Delegation> {
        Arc::new(Delegation::new(Path::new("/srv/x"), "54321", caps).expect("a number is somebody"))
    }

    #[test]
    fn who_is_in_no_database_has_the_group_of_the_same_number() {
        let identity = delegation(Caps::default()).person.identity.clone();
        assert_eq!((identity.uid, identity.gid, identity.groups.as_slice()), (54_321, 54_321, &[54_321][..]));
        assert!(identity.change);
        assert_eq!(Delegation::new(Path::new("/x"), "no-such-user-there", Caps::default()), None);
    }

    #[test]
    fn its_machine_has_no_rights_no_secrets_and_only_granted_limits() {
        let hard = BTreeMap::from([(LimitKind::OpenFiles, Bound(4096)), (LimitKind::Core, Bound(10))]);
        let own =
            Ceilings { hard, may_raise: true, nr_open: 1 << 20, ..crate::host::limits::ceilings_of(None).unwrap() };
        let environment = [("LANG", "de"), ("SECRET", "x")].map(|(name, value)| (name.into(), value.into()));
        let around = Surroundings {
            ceilings: own,
            environment: environment.into(),
            uid: 0,
            umask: 0o022,
            is_init: true,
            preflight: true,
            advise: false,
            delegation: None,
        };
        let limit = crate::model::limits::Limit { soft: Bound(65_536), hard: Bound(65_536) };
        let caps = Caps { each: [(LimitKind::OpenFiles, limit)].into(), ..Caps::default() };
        let seen = delegation(caps).surroundings(&around);
        assert_eq!(seen.environment.keys().collect::<Vec<_>>(), ["LANG"]);
        assert_eq!(seen.ceilings.highest(LimitKind::OpenFiles), Bound(65_536));
        assert_eq!(seen.ceilings.highest(LimitKind::Core), Bound(10), "the hard limit, which is not raised");
        assert!((0..64).all(|capability| !seen.ceilings.rights.has(capability)));
        assert!(!seen.is_init && seen.uid == 54_321);
    }

    #[test]
    fn what_is_more_than_was_granted_is_refused_with_the_key_to_raise() {
        let delegation = delegation(Caps { services: 2, ..Caps::default() });
        let mut entry = Entry {
            file: "/srv/x/a.toml".into(),
            drop_ins: Vec::new(),
            kind: crate::model::service::Kind::Toml,
            file_hash: None,
            service: None,
            diagnostics: Vec::new(),
            inputs: Vec::new(),
            delegated: None,
        };
        let one = Spent { services: 1, instances: 1, bytes: 10 };
        delegation.ration(&mut entry, one, one);
        assert_eq!(entry.diagnostics, []);
        delegation.ration(&mut entry, Spent { services: 2, ..one }, one);
        let said = entry.diagnostics[0].to_string();
        assert!(
            said.contains("3 services") && entry.diagnostics[0].help.as_ref().unwrap().contains("`services`"),
            "{said}"
        );
    }
}
