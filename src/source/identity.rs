//! Names of users and groups to the numbers that a process is given.
//!
//! Looks into the system's user database, nothing else.

use super::Surroundings;
use super::merge::Stack;
use super::toml::reader::nearest;
use super::toml::shape::ServiceFile;
use super::toml::values::Account;
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::service::Identity;
use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, getgrouplist, getgroups};
use std::collections::BTreeSet;
use std::ffi::CString;
use std::sync::OnceLock;

/// As whom a service runs, and what its user's entry says besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) identity: Identity,
    /// Its home; `/` where nobody knows.
    pub(super) home: String,
    /// Its shell.
    pub(super) shell: String,
    /// Whether it is the one that abide runs as.
    pub(super) own: bool,
}

/// The person that abide itself is, as `surroundings` have it.
pub(super) fn own(surroundings: &Surroundings) -> Person {
    static OWN: OnceLock<Person> = OnceLock::new();
    if let Some(delegation) = &surroundings.delegation {
        return delegation.person.clone();
    }
    if let Some(own) = OWN.get().filter(|own| own.identity.uid == surroundings.uid) {
        return own.clone();
    }
    if Uid::from_raw(surroundings.uid) != geteuid() {
        // Somebody else's abide is asked about: what a login of that user would be.
        let user = User::from_uid(Uid::from_raw(surroundings.uid)).ok().flatten();
        let gid = user.as_ref().map_or(surroundings.uid, |user| user.gid.as_raw());
        let groups = memberships(user.as_ref(), gid);
        return person(surroundings.uid, gid, groups, user.as_ref());
    }
    let look = || {
        let user = User::from_uid(geteuid()).ok().flatten();
        let mut groups: Vec<u32> = getgroups().unwrap_or_default().into_iter().map(Gid::as_raw).collect();
        groups.sort_unstable();
        groups.dedup();
        person(surroundings.uid, getegid().as_raw(), groups, user.as_ref())
    };
    OWN.get_or_init(look).clone()
}

pub(super) fn person(uid: u32, gid: u32, groups: Vec<u32>, user: Option<&User>) -> Person {
    let name = user.map_or_else(|| uid.to_string(), |user| user.name.clone());
    let identity = Identity { uid, gid, groups, change: false, user: name };
    let (home, shell) = home_and_shell(user);
    Person { identity, home, shell, own: true }
}

fn home_and_shell(user: Option<&User>) -> (String, String) {
    let text = |path: &std::path::Path, default: &str| match path.to_str() {
        Some(text) if text.starts_with('/') => text.to_owned(),
        _ => default.to_owned(),
    };
    user.map_or(("/".into(), "/bin/sh".into()), |user| (text(&user.dir, "/"), text(&user.shell, "/bin/sh")))
}

/// The groups that the user database gives `user`, `gid` included, sorted.
pub(super) fn memberships(user: Option<&User>, gid: u32) -> Vec<u32> {
    let name = user.and_then(|user| CString::new(user.name.as_str()).ok());
    let groups = name.and_then(|name| getgrouplist(&name, Gid::from_raw(gid)).ok());
    let mut groups: Vec<u32> = groups.unwrap_or_default().into_iter().map(Gid::as_raw).chain([gid]).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// As whom the service that `file` describes runs. Unless not to `look` at all, what cannot be had is said; then the result is
/// good only for finding more mistakes.
pub(super) fn resolve(
    surroundings: &Surroundings,
    stack: &Stack<'_>,
    file: &ServiceFile,
    look: bool,
    findings: &mut Vec<Diagnostic>,
) -> Person {
    let own = own(surroundings);
    if file.user.is_none() && file.group.is_none() && file.groups.as_ref().is_none_or(Vec::is_empty) {
        return own;
    }
    let is_delegated = surroundings.delegation.is_some();
    let mut lookup = Lookup { look, is_delegated, stack, findings };
    let mut person = match &file.user {
        Some(account) => lookup.user(account, file.group.is_some(), &own),
        None => own.clone(),
    };
    if let Some(account) = &file.group {
        let gid = lookup.group("group", account);
        if person.identity.gid != gid {
            person.identity.groups.retain(|group| *group != person.identity.gid);
            person.identity.groups.push(gid);
            person.identity.gid = gid;
        }
    }
    let asked = file.groups.iter().flatten().enumerate();
    let asked: Vec<u32> = asked.map(|(index, account)| lookup.group(&format!("groups.{index}"), account)).collect();
    person.identity.groups.extend(&asked);
    person.identity.groups.sort_unstable();
    person.identity.groups.dedup();
    let same = person.identity.uid == own.identity.uid && person.identity.gid == own.identity.gid;
    if surroundings.uid != 0 {
        // What the database knows besides may be newer than abide's own process: only what is asked for counts.
        if same && asked.iter().all(|group| with_primary(&own.identity).contains(group)) {
            return Person { identity: own.identity.clone(), ..person };
        }
        if look && !lookup.findings.iter().any(|found| is_about_identity(found.code)) {
            lookup.cannot_become(&person, &own);
        }
    }
    // Spelling out what abide is anyway is no change, unless its own groups are fewer or more.
    person.identity.change =
        surroundings.delegation.is_some() || !(same && with_primary(&person.identity) == with_primary(&own.identity));
    person
}

/// All groups of `identity`: whether the primary one stands among the others makes no difference.
fn with_primary(identity: &Identity) -> BTreeSet<u32> {
    identity.groups.iter().copied().chain([identity.gid]).collect()
}

fn is_about_identity(code: Code) -> bool {
    matches!(code, Code::UnknownUser | Code::UnknownGroup)
}

/// What of an account's name is a number.
fn number(account: &Account) -> Option<u32> {
    account.0.parse().ok().filter(|number| *number != u32::MAX)
}

struct Lookup<'a> {
    look: bool,
    is_delegated: bool,
    stack: &'a Stack<'a>,
    findings: &'a mut Vec<Diagnostic>,
}

impl Lookup<'_> {
    fn say(&mut self, path: &str, code: Code, message: String, help: String) {
        if self.look {
            self.findings.push(self.stack.error(path, code, message).help(help));
        }
    }

    fn user(&mut self, account: &Account, has_group: bool, own: &Person) -> Person {
        let uid = number(account);
        let found = match uid {
            Some(uid) => User::from_uid(Uid::from_raw(uid)),
            None => User::from_name(&account.0),
        };
        let user = found.ok().flatten();
        match (&user, uid) {
            (None, None) => {
                let mut names = Vec::new();
                names.extend(names_in("/etc/passwd"));
                let known: Vec<&str> = names.iter().map(String::as_str).collect();
                let help = match nearest(&account.0, &known) {
                    Some(near) => {
                        format!("did you mean \"{near}\"? Else create the user: useradd --system {}", account.0)
                    }
                    None => format!("create it (useradd --system {}), or name another user", account.0),
                };
                self.say("user", Code::UnknownUser, format!("there is no user `{}` on this machine", account.0), help);
            }
            (None, Some(uid)) if !has_group && uid != own.identity.uid => {
                let message = format!("user {uid} is not in the user database, so its group is not known");
                self.say("user", Code::UnknownUser, message, "name its `group` too".to_owned());
            }
            _ => {}
        }
        let uid = user.as_ref().map(|user| user.uid.as_raw()).or(uid).unwrap_or(u32::MAX);
        let gid = user.as_ref().map_or(u32::MAX, |user| user.gid.as_raw());
        let gid = if gid == u32::MAX && uid == own.identity.uid { own.identity.gid } else { gid };
        let groups = memberships(user.as_ref(), gid);
        let name = user.as_ref().map_or_else(|| account.0.clone(), |user| user.name.clone());
        let (home, shell) = home_and_shell(user.as_ref());
        let own = uid == own.identity.uid;
        Person { identity: Identity { uid, gid, groups, change: true, user: name }, home, shell, own }
    }

    fn group(&mut self, path: &str, account: &Account) -> u32 {
        if let Some(gid) = number(account) {
            return gid;
        }
        if let Ok(Some(group)) = Group::from_name(&account.0) {
            return group.gid.as_raw();
        }
        let names = names_in("/etc/group");
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let help = match nearest(&account.0, &known) {
            Some(near) => format!("did you mean \"{near}\"? Else create the group: groupadd --system {}", account.0),
            None => format!("create it (groupadd --system {}), or name another group", account.0),
        };
        self.say(path, Code::UnknownGroup, format!("there is no group `{}` on this machine", account.0), help);
        u32::MAX
    }

    fn cannot_become(&mut self, person: &Person, own: &Person) {
        let (wanted, is) = (&person.identity, &own.identity);
        let (path, what) = if wanted.uid != is.uid {
            ("user", format!("user `{}`", wanted.user))
        } else if wanted.gid != is.gid {
            ("group", format!("group {}", wanted.gid))
        } else {
            ("groups", "these groups".to_owned())
        };
        let (message, way) = if self.is_delegated {
            let message = format!("everything in this directory runs as `{}`, and nothing of it as {what}", is.user);
            (message, "move the file to a directory of root's own")
        } else {
            (format!("abide runs as `{}` and cannot become {what}", is.user), "run abide as root")
        };
        self.say(path, Code::CannotBecome, message, format!("{way}, or remove `{path}`"));
    }
}

/// The first fields of a colon-separated file: names to suggest.
pub(super) fn names_in(path: &str) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| line.split(':').next()).map(str::to_owned).collect()
}
