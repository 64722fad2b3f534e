//! A service directory of daemontools to a service file.
//!
//! What supervise does and abide does otherwise by itself is said by keys: it restarts for ever, a second from start to start, signals
//! the one process and never kills it, hands its own environment on, and logs only what goes to stdout.

use super::chain::{self, Chain, program};
use super::draft::{Draft, list, string};
use super::logger::{self, Logger};
use super::script::{self, Change, Script, Stderr};
use super::{Imported, Left, Machine};
use crate::model::limits::{Bound, LimitKind};
use crate::model::name::ServiceName;
use std::collections::BTreeMap;

/// What a service directory holds.
#[derive(Debug, Clone)]
pub struct Directory {
    /// What the service is called.
    pub name: ServiceName,
    /// Where it is, absolute, links resolved.
    pub path: String,
    /// The script.
    pub run: Vec<u8>,
    /// Whether it is not started by itself.
    pub down: bool,
    /// The logger's script, if it has a logger.
    pub log: Option<Vec<u8>>,
    /// Whether the logger is not started by itself.
    pub log_is_down: bool,
    /// The names of all that is in it.
    pub entries: Vec<String>,
}

/// What makes it a service of runit or s6, which treat it in ways that supervise does not know.
const OF_OTHERS: [&str; 10] = [
    "finish",
    "check",
    "control",
    "notification-fd",
    "timeout-finish",
    "timeout-kill",
    "down-signal",
    "reload-signal",
    "max-death-tally",
    "type",
];

/// The service file that does what the directory does.
pub fn import(directory: &Directory, machine: &Machine<'_>) -> Result<Imported, Left> {
    if let Some(other) = OF_OTHERS.iter().find(|name| directory.entries.iter().any(|it| it == *name)) {
        return Err(Left::of(
            "run",
            format!("beside it is `{other}`, which runit or s6 acts on and daemontools does not"),
        ));
    }
    let path = directory.path.replace('$', "$$");
    let script = script::read("run", &directory.run, &path)?;
    let logger = match &directory.log {
        Some(_) if directory.log_is_down => {
            return Err(Left::of("log/down", "the logger is not started by itself, and a log of abide's always is"));
        }
        Some(bytes) => Some(logger::read(directory.name.as_str(), bytes, &format!("{path}/log"))?),
        None => None,
    };
    let (chain, logger) = divided(&script, logger, machine)?;
    let remarks = remarks(&script, &chain, logger.as_ref());
    let mut draft = Draft::default();
    draft.comment(&format!("By `abide import daemontools`, from {}", directory.path));
    for remark in &remarks {
        draft.comment(&format!("- {remark}"));
    }
    basics(&mut draft, directory, &script, &chain);
    tables(&mut draft, &script, &chain, machine);
    log(&mut draft, &script, logger.as_ref());
    Ok(Imported { text: draft.text(), remarks })
}

/// The command and its logger, under users that both can have: a log command has that of its service.
fn divided(script: &Script, logger: Option<Logger>, machine: &Machine<'_>) -> Result<(Chain, Option<Logger>), Left> {
    let missing = || Left { file: "run", line: Some(script.line), why: "there is no program at its end".into() };
    let may = match &script.stdin {
        Some(_) => Err("its standard input is opened before it becomes another user"),
        None => Ok(()),
    };
    let divide = |may| chain::divide(script, machine, may).ok_or_else(missing);
    let chain = divide(may)?;
    let (Some(user), Some(Logger::Command { before, words, processes })) = (&chain.user, &logger) else {
        return Ok((chain, logger));
    };
    // The same change of user is made once for both.
    let all_groups = (machine.account)(user).is_some_and(|account| account.is_in_more_groups);
    let changer = if all_groups { "s6-setuidgid" } else { "setuidgid" };
    match before.as_slice() {
        [first, name, rest @ ..] if program(first) == changer && name == user => {
            let logger = Logger::Command { before: rest.to_vec(), words: words.clone(), processes: *processes };
            Ok((chain, Some(logger)))
        }
        _ => Ok((divide(Err("the logger runs as another user, and a log command has that of its service"))?, logger)),
    }
}

fn remarks(script: &Script, chain: &Chain, logger: Option<&Logger>) -> Vec<String> {
    let mut remarks = chain.remarks.clone();
    remarks.dedup();
    if logger.is_some() && script.stderr == Stderr::Apart {
        let why = "run has no `exec 2>&1`: supervise logs no stderr, and here nobody reads it; leave `stderr` out to have it logged";
        remarks.push(why.to_owned());
    }
    match logger {
        Some(Logger::Own { .. }) => {
            remarks.push("lines of more than 16 KiB are cut in two, which multilog does not do".into());
        }
        Some(Logger::Command { processes: true, .. }) if !script.environment.is_empty() => {
            remarks.push("the commands of multilog (`!`) get the variables of the service, too".into());
        }
        _ => {}
    }
    remarks
}

/// The keys of no table.
fn basics(draft: &mut Draft, directory: &Directory, script: &Script, chain: &Chain) {
    draft.key("command", list(&chain.command));
    draft.key("directory", string(&script.directory));
    if directory.down {
        draft.comment("there is a file `down`");
        draft.key("enabled", false);
    }
    if let Some(user) = &chain.user {
        draft.key("user", string(user));
    }
    if let Some(mask) = script.umask {
        draft.key("umask", string(&format!("{mask:04o}")));
    }
    if let Some(file) = &script.stdin {
        draft.key("stdin", string(&format!("file:{file}")));
    }
    draft.key("inherit_environment", true);
}

fn tables(draft: &mut Draft, script: &Script, chain: &Chain, machine: &Machine<'_>) {
    draft.table("environment");
    // Shells set it, and what abide hands on would be where abide was started.
    let mut variables = BTreeMap::from([("PWD".to_owned(), script.directory.clone())]);
    variables.extend(script.environment.clone());
    variables.extend(chain.environment.clone());
    for (name, value) in &variables {
        draft.key(name, string(value));
    }
    draft.table("limits");
    let all: Vec<(LimitKind, Change)> = script.limits.iter().chain(&chain.limits).copied().collect();
    if all.iter().any(|(_, change)| matches!(change, Change::Soft(_))) {
        draft.comment(
            "softlimit sets the soft limits alone; the hard ones are those of the machine where this was imported",
        );
    }
    for (kind, (soft, hard)) in limits(&all, machine) {
        let value =
            if soft == hard { bound(soft) } else { format!("{{ soft = {}, hard = {} }}", bound(soft), bound(hard)) };
        draft.key(kind.key(), value);
    }
    draft.table("schedule");
    if let Some(nice) = chain.nice {
        draft.key("nice", nice);
    }
    draft.table("restart");
    draft.comment("as supervise: for ever, at once after a run of a second or more");
    draft.key("delay", string("1s"));
    draft.key("max_delay", string("1s"));
    draft.key("jitter", 0);
    draft.key("reset_after", string("1s"));
    draft.table("stop");
    draft.comment("as supervise: TERM and CONT to the one process, and never KILL (a century is as long as it gets)");
    draft.key("scope", string("process"));
    draft.key("timeout", string("36500d"));
}

/// What becomes of each limit, soft and hard.
fn limits(changes: &[(LimitKind, Change)], machine: &Machine<'_>) -> BTreeMap<LimitKind, (Bound, Bound)> {
    let mut limits: BTreeMap<LimitKind, (Bound, Bound)> = BTreeMap::new();
    for (kind, change) in changes {
        let of_machine = machine.hard.get(kind).copied().unwrap_or(Bound::UNLIMITED);
        let hard = limits.get(kind).map_or(of_machine, |(_, hard)| *hard);
        let both = match change {
            Change::Both(bound) => (*bound, *bound),
            Change::Soft(bound) => ((*bound).min(hard), hard),
        };
        limits.insert(*kind, both);
    }
    limits
}

fn bound(bound: Bound) -> String {
    match bound {
        Bound::UNLIMITED => string("unlimited"),
        // TOML's numbers end there.
        Bound(number) if i64::try_from(number).is_err() => string(&number.to_string()),
        Bound(number) => number.to_string(),
    }
}

fn log(draft: &mut Draft, script: &Script, logger: Option<&Logger>) {
    draft.table("log");
    match logger {
        Some(Logger::Own { directory, size, files }) => {
            draft.key("format", string("multilog"));
            draft.key("directory", string(directory));
            draft.key("max_size", size);
            draft.key("max_files", files);
            draft.comment("as multilog: where the disk is full, the service waits");
            draft.key("on_full", string("block"));
        }
        Some(Logger::Command { before, words, .. }) => {
            let words: Vec<String> = before.iter().chain(words).cloned().collect();
            draft.key("command", list(&words));
        }
        None => {}
    }
    let unread = script.stderr == Stderr::Discarded || logger.is_some() && script.stderr == Stderr::Apart;
    if unread {
        draft.key("stderr", string("discard"));
    }
}
