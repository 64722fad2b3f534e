//! What stands before a program: `setuidgid`, `softlimit`, `envdir` and the like, each of which does something and
//! executes the rest. What a key of the service file says as well becomes that key, from the left to the right;
//! from the first that no key does for, everything stays in the command.

use super::Machine;
use super::options::options;
use super::script::{Change, Script};
use crate::model::limits::{Bound, LimitKind};
use std::collections::BTreeMap;

/// A program, and what was said by words before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) user: Option<String>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) limits: Vec<(LimitKind, Change)>,
    pub(super) nice: Option<i32>,
    /// The command: what stays before the program, the program, its arguments.
    pub(super) command: Vec<String>,
    pub(super) remarks: Vec<String>,
}

/// Where the programs of daemontools, runit and s6 are.
const PLACES: [&str; 8] = [
    "/command",
    "/bin",
    "/usr/bin",
    "/usr/local/bin",
    "/sbin",
    "/usr/sbin",
    "/usr/local/sbin",
    "/package/admin/daemontools/command",
];

/// What the key `user` does and `setuidgid` does not.
const USER: &str = "HOME, USER, LOGNAME and SHELL are those of `user`; setuidgid leaves them as they are";

/// The program that `word` names, if it is one by its bare name or in a usual place.
pub(super) fn program(word: &str) -> &str {
    match word.rsplit_once('/') {
        Some((place, name)) if PLACES.contains(&place) => name,
        _ => word,
    }
}

/// Divides the words of `script`. `may_change_user`: whether the key `user` may be used at all; a reason if not.
/// `None`: there is no program at their end.
pub(super) fn divide(script: &Script, machine: &Machine<'_>, may_change_user: Result<(), &str>) -> Option<Chain> {
    let mut walk = Walk { machine, may_change_user, chain: Chain::default(), kept: Vec::new(), rest: &script.words };
    while walk.step() {}
    let Walk { mut chain, kept, rest, .. } = walk;
    if rest.is_empty() {
        return None;
    }
    chain.command = kept;
    chain.command.extend_from_slice(rest);
    Some(chain)
}

/// Whether neither `next` nor, where that becomes keys, the program behind it is looked for along PATH.
fn is_found_without_path(next: &str, rest: &[String]) -> bool {
    if program(next) != "softlimit" {
        return true;
    }
    let behind = options(&rest[1..], LETTERS, "").and_then(|(_, at)| rest.get(1 + at));
    behind.is_some_and(|program| program.contains('/'))
}

struct Walk<'a> {
    machine: &'a Machine<'a>,
    may_change_user: Result<(), &'a str>,
    chain: Chain,
    /// What stays in the command although something after it becomes a key.
    kept: Vec<String>,
    rest: &'a [String],
}

impl Walk<'_> {
    /// Takes one program and its options off; whether there may be another.
    fn step(&mut self) -> bool {
        let Some((first, rest)) = self.rest.split_first() else { return false };
        let taken = match program(first) {
            "setuidgid" => self.setuidgid(rest),
            "s6-setuidgid" => self.s6_setuidgid(rest),
            "softlimit" => self.softlimit(rest),
            "chpst" => self.chpst(rest),
            // abide starts each service in a session of its own.
            "pgrphack" => self.kept.is_empty().then_some(0),
            "nice" => self.nice(rest),
            "env" => self.env(rest),
            "envuidgid" | "envdir" => self.keep(rest),
            _ => None,
        };
        let Some(taken) = taken else { return false };
        self.rest = rest.get(taken..).unwrap_or_default();
        true
    }

    /// `envdir DIR` and `envuidgid USER` stay, since no key does what they do. Limits, which change nothing for them, may still
    /// become keys.
    fn keep(&mut self, rest: &[String]) -> Option<usize> {
        let first = self.rest.first()?;
        if program(first) == "envdir" && rest.get(1).is_none_or(|next| !is_found_without_path(next, &rest[1..])) {
            // It may set another PATH, by which what follows is found only by who is started with it.
            return None;
        }
        self.kept.extend([first.clone(), rest.first()?.clone()]);
        Some(1)
    }

    fn account(&mut self, word: &str, name: &str, all_groups: bool) -> bool {
        if self.chain.user.is_some() || !self.kept.is_empty() && self.kept.iter().any(|word| program(word) == "envdir")
        {
            return false;
        }
        if let Err(why) = self.may_change_user {
            self.chain.remarks.push(format!("{word} stays in the command: {why}"));
            return false;
        }
        let is_number = name.chars().all(|c| c.is_ascii_digit());
        let Some(account) = (self.machine.account)(name).filter(|_| !is_number) else {
            self.chain.remarks.push(format!("{word} stays in the command: {name} is no user of this machine"));
            return false;
        };
        if account.is_in_more_groups && !all_groups {
            let why = format!("{word} stays in the command: {name} is in further groups, which {word} takes away");
            self.chain.remarks.push(format!("{why} and `user` would not"));
            return false;
        }
        self.chain.user = Some(name.to_owned());
        if account.uid != 0 {
            self.chain.remarks.push(USER.replace("setuidgid", word));
        }
        true
    }

    fn setuidgid(&mut self, rest: &[String]) -> Option<usize> {
        let name = rest.first()?;
        self.account("setuidgid", name, false).then_some(1)
    }

    /// As `setuidgid`, with all groups of the user.
    fn s6_setuidgid(&mut self, rest: &[String]) -> Option<usize> {
        let name = rest.first().filter(|name| !name.starts_with('-') && !name.contains(':'))?;
        self.account("s6-setuidgid", name, true).then_some(1)
    }

    fn softlimit(&mut self, rest: &[String]) -> Option<usize> {
        let (given, taken) = options(rest, LETTERS, "")?;
        let limits: Vec<_> =
            given.into_iter().map(|(letter, value)| limits_of(letter, value?)).collect::<Option<_>>()?;
        self.chain.limits.extend(limits.into_iter().flatten());
        Some(taken)
    }

    /// chpst of runit, as long as all of its options are keys.
    fn chpst(&mut self, rest: &[String]) -> Option<usize> {
        let (given, taken) = options(rest, "umdoprtcfn", "P")?;
        if !self.kept.is_empty() || taken == rest.len() {
            return None;
        }
        let before = self.chain.clone();
        // It sets limits and priority before it becomes another user, in whichever order its options stand.
        let (users, others): (Vec<_>, Vec<_>) = given.into_iter().partition(|(letter, _)| *letter == 'u');
        let mut all = others.into_iter().all(|(letter, value)| match (letter, value) {
            ('P', _) => true,
            ('n', Some(value)) => self.set_nice(value),
            (letter, Some(value)) => limits_of(letter, value).map(|limits| self.chain.limits.extend(limits)).is_some(),
            _ => false,
        });
        all &= users.len() < 2
            && users.into_iter().all(|(_, name)| name.is_some_and(|name| self.account("chpst -u", name, false)));
        if !all {
            let remarks = std::mem::take(&mut self.chain.remarks);
            self.chain = Chain { remarks, ..before };
        }
        all.then_some(taken)
    }

    fn nice(&mut self, rest: &[String]) -> Option<usize> {
        let (value, taken) = match rest {
            [option, value, ..] if option == "-n" => (value.as_str(), 2),
            [option, ..] if option.starts_with("-n") => (&option[2..], 1),
            [option, ..] if option.starts_with("--adjustment=") => (option.split_once('=')?.1, 1),
            [option, ..] if option.starts_with('-') => (&option[1..], 1),
            _ => ("10", 0),
        };
        (self.kept.is_empty() && self.set_nice(value)).then_some(taken)
    }

    /// A second one adds to the first, and who is no longer root can have no lower one: these stay as they are.
    fn set_nice(&mut self, value: &str) -> bool {
        let least = if self.chain.user.is_some() { 0 } else { -20 };
        let value = value.parse::<i32>().ok().filter(|value| (least..=19).contains(value));
        let is_first = self.chain.nice.is_none() && value.is_some();
        if is_first {
            self.chain.nice = value;
        }
        is_first
    }

    fn env(&mut self, rest: &[String]) -> Option<usize> {
        let pairs = rest.iter().map_while(|word| word.split_once('='));
        let pairs: Vec<(String, String)> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let is_legal = |(name, _): &(String, String)| super::shell::is_name(name) && !name.starts_with("ABIDE_");
        if !self.kept.is_empty() || pairs.is_empty() || !pairs.iter().all(is_legal) {
            return None;
        }
        let taken = pairs.len();
        if taken == rest.len() {
            return None;
        }
        self.chain.environment.extend(pairs);
        Some(taken)
    }
}

/// The options of `softlimit`; each takes a value.
const LETTERS: &str = "acdflmoprst";

/// The limits that an option of `softlimit` or `chpst` sets, in their order.
fn limits_of(letter: char, value: &str) -> Option<Vec<(LimitKind, Change)>> {
    if !value.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let bound = if value.is_empty() { Bound(0) } else { Bound(value.parse().ok()?) };
    let kinds: &[LimitKind] = match letter {
        'a' => &[LimitKind::AddressSpace],
        'c' => &[LimitKind::Core],
        'd' => &[LimitKind::Data],
        'f' => &[LimitKind::FileSize],
        'l' => &[LimitKind::MemoryLock],
        'm' => &[LimitKind::Data, LimitKind::Stack, LimitKind::MemoryLock, LimitKind::AddressSpace],
        'o' => &[LimitKind::OpenFiles],
        'p' => &[LimitKind::Processes],
        'r' => &[LimitKind::ResidentSet],
        's' => &[LimitKind::Stack],
        't' => &[LimitKind::CpuTime],
        _ => return None,
    };
    Some(kinds.iter().map(|kind| (*kind, Change::Soft(bound))).collect())
}
