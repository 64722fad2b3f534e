//! Who may make abide do what: owner and mode to a verdict. Pure but for looking up the names of
//! users and groups when a verdict needs them.
//!
//! Only own sources are known: as root what root alone can write, as a user what root and the user
//! alone can write; and the groups that `abide.toml` trusts.

use nix::unistd::{Gid, Group, Uid, User};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A directory that is passed on the way.
    Way,
    /// The directory whose entries count.
    Directory,
    /// A file that is read.
    File,
    /// A symbolic link that is followed.
    Link,
}

/// Owner, group and mode as one descriptor reported them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// `st_mode`.
    pub mode: u32,
}

/// Why something is not trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What.
    pub path: PathBuf,
    /// As what it was looked at.
    pub role: Role,
    /// Its owner, group and mode.
    pub facts: Facts,
    /// One clause: who could write there.
    pub why: String,
    /// What to do.
    pub help: String,
}

/// Whom abide trusts with its files.
#[derive(Debug)]
pub struct Trust {
    uid: u32,
    everyone: bool,
    /// Groups that may write, too.
    groups: Vec<u32>,
    private: RefCell<HashMap<(u32, u32), bool>>,
}

impl Trust {
    /// Trusts root and `uid`, which is abide's own.
    pub fn new(uid: u32) -> Self {
        Self { uid, everyone: false, groups: Vec::new(), private: RefCell::default() }
    }

    /// The same, and whoever is in one of these groups.
    #[must_use]
    pub fn with_groups(self, groups: &[u32]) -> Self {
        Self { groups: groups.to_vec(), ..self }
    }

    /// Like this one, and whoever is in one of these groups.
    #[must_use]
    pub fn widened(&self, groups: &[u32]) -> Self {
        Self { everyone: self.everyone, ..Self::new(self.uid).with_groups(groups) }
    }

    /// Trusts everybody: for commands that look at files and make nothing run.
    pub fn everyone() -> Self {
        Self { everyone: true, ..Self::new(0) }
    }

    /// Whether what `facts` describe can be written by nobody but those trusted.
    pub fn judge(&self, path: &Path, role: Role, facts: Facts) -> Result<(), Refusal> {
        let owned = facts.uid == 0 || facts.uid == self.uid;
        if self.everyone {
            return Ok(());
        }
        if role == Role::Link && owned {
            return Ok(()); // a link has no mode
        }
        let sticky_way = role == Role::Way && facts.mode & 0o1000 != 0;
        if owned && (sticky_way || facts.mode & 0o022 == 0) {
            return Ok(());
        }
        let group_only = facts.mode & 0o002 == 0;
        if owned && group_only && (self.groups.contains(&facts.gid) || self.is_private(facts.uid, facts.gid)) {
            return Ok(());
        }
        Err(self.refusal(path, role, facts, owned))
    }

    /// Whom it trusts beside root.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Asks anew who is in which group: that may change while abide runs.
    pub fn refresh(&self) {
        self.private.borrow_mut().clear();
    }

    /// A group that is nobody's but its owner's, as systems with umask 002 give to each user.
    fn is_private(&self, uid: u32, gid: u32) -> bool {
        *self.private.borrow_mut().entry((uid, gid)).or_insert_with(|| {
            let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
            let group = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
            user.zip(group).is_some_and(|(user, group)| {
                group.name == user.name && group.mem.iter().all(|member| *member == user.name)
            })
        })
    }

    fn refusal(&self, path: &Path, role: Role, facts: Facts, owned: bool) -> Refusal {
        let us = user_name(self.uid);
        let place = super::entry::shown(path.as_os_str());
        let mode = facts.mode & 0o7777;
        let what = match role {
            Role::Way | Role::Directory => "directory",
            Role::File => "file",
            Role::Link => "link",
        };
        let holder = user_name(facts.uid);
        let (why, help) = if !owned {
            let trusted = if self.uid == 0 { "root".to_owned() } else { format!("{us} or root") };
            let why = format!("the {what} {place} belongs to {holder} (mode {mode:04o}), not to {trusted}");
            let only = if role == Role::Link { "-h " } else { "" };
            (why, format!("run `chown {only}{us} {place}`, or run abide as {holder}"))
        } else if facts.mode & 0o002 != 0 {
            let why = format!("the {what} {place} (owner {holder}, mode {mode:04o}) can be written by everybody");
            (why, format!("run `chmod go-w {place}`"))
        } else {
            let group = group_name(facts.gid);
            let why =
                format!("the {what} {place} (owner {holder}, mode {mode:04o}) can be written by the group {group}");
            // Who says whom to trust is trusted by itself alone.
            let or = if path.ends_with("abide.toml") {
                String::new()
            } else {
                format!(", or say trusted_groups = [{}] in abide.toml", group_in_toml(facts.gid))
            };
            (why, format!("run `chmod g-w {place}`{or}"))
        };
        Refusal { path: path.to_owned(), role, facts, why, help }
    }
}

pub(super) fn user_name(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        _ => format!("uid {uid}"),
    }
}

/// A group as it is written in `abide.toml`.
fn group_in_toml(gid: u32) -> String {
    match Group::from_gid(Gid::from_raw(gid)) {
        Ok(Some(group)) => format!("\"{}\"", group.name),
        _ => gid.to_string(),
    }
}

fn group_name(gid: u32) -> String {
    match Group::from_gid(Gid::from_raw(gid)) {
        Ok(Some(group)) => group.name,
        _ => format!("gid {gid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRANGER: u32 = 54_321;

    fn judge(us: u32, role: Role, uid: u32, gid: u32, mode: u32) -> Result<(), String> {
        Trust::new(us).judge(Path::new("/x"), role, Facts { uid, gid, mode }).map_err(|refusal| refusal.why)
    }

    #[test]
    fn root_trusts_root_alone() {
        assert_eq!(judge(0, Role::File, 0, STRANGER, 0o100_644), Ok(()));
        assert!(judge(0, Role::File, STRANGER, 0, 0o100_644).unwrap_err().contains("belongs to uid 54321"));
        assert!(judge(0, Role::File, 0, 0, 0o100_646).unwrap_err().contains("by everybody"));
        assert!(judge(0, Role::File, 0, STRANGER, 0o100_664).unwrap_err().contains("group gid 54321"));
        assert!(judge(0, Role::Link, STRANGER, 0, 0o120_777).is_err());
        assert_eq!(judge(0, Role::Link, 0, 0, 0o120_777), Ok(()));
    }

    #[test]
    fn a_user_trusts_itself_and_root() {
        assert_eq!(judge(1000, Role::File, 0, 0, 0o100_644), Ok(()));
        assert_eq!(judge(1000, Role::File, 1000, STRANGER, 0o100_600), Ok(()));
        assert!(judge(1000, Role::File, 1001, 1001, 0o100_600).is_err());
    }

    #[test]
    fn a_trusted_group_may_write_and_everybody_never() {
        let trust = Trust::new(0).with_groups(&[STRANGER]);
        let judge = |mode| trust.judge(Path::new("/x"), Role::File, Facts { uid: 0, gid: STRANGER, mode });
        assert_eq!(judge(0o100_664), Ok(()));
        assert!(judge(0o100_666).is_err());
        let other = Facts { uid: 0, gid: STRANGER + 1, mode: 0o100_664 };
        assert!(trust.judge(Path::new("/x"), Role::File, other).is_err());
        let help = Trust::new(0).judge(Path::new("/x"), Role::File, other).unwrap_err().help;
        assert!(help.contains("trusted_groups = [54322]"), "{help}");
    }

    #[test]
    fn sticky_directories_are_fine_on_the_way_only() {
        assert_eq!(judge(1000, Role::Way, 0, 0, 0o041_777), Ok(()));
        assert!(judge(1000, Role::Directory, 0, 0, 0o041_777).is_err());
        assert!(judge(1000, Role::Way, 0, 0, 0o040_777).is_err());
        assert!(judge(1000, Role::Way, STRANGER, 0, 0o041_777).is_err());
    }

    #[test]
    fn the_owners_private_group_may_write() {
        let root = Group::from_gid(Gid::from_raw(0)).unwrap().unwrap();
        let private = root.name == "root" && root.mem.iter().all(|member| member == "root");
        assert_eq!(judge(0, Role::File, 0, 0, 0o100_664).is_ok(), private);
        assert!(judge(0, Role::File, 0, 0, 0o100_666).is_err());
    }
}
