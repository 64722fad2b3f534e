//! Two definitions of a service → the fields that differ, and what each difference costs.
//!
//! Every struct is taken apart without `..`: a new field does not compile before it has a price.

mod life;
mod order;
mod program;
mod resources;
mod security;

use crate::model::limits::{Limit, LimitKind, Limits};
use crate::model::logging::{LogPolicy, LogWay, NamedFile, NamedFiles, RotateEvery};
use crate::model::name::ServiceName;
use crate::model::plan::{Change, Price};
use crate::model::policy::{RestartLimit, RestartPolicy, RestartWhen, StopPolicy, StopScope};
use crate::model::select::{Rate, Selection};
use crate::model::service::{Delegated, Environment, Identity, Kind, Run, Service};
use crate::model::signal::Signal;
use std::collections::BTreeSet;
use std::time::Duration;

/// What abide may do to processes that run already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Powers {
    /// Whether it has `CAP_SYS_RESOURCE`: may raise hard limits, and set limits of anybody's process.
    pub may_raise: bool,
    /// Its effective uid.
    pub uid: u32,
}

/// The fields in which `new` differs from `old`, in the order of the reference.
///
/// `enabled` and `instances` stand here as [`Price::Live`]: no process that stays is touched;
/// which ones come and go is the plan's business.
pub fn diff(old: &Service, new: &Service, powers: &Powers) -> Vec<Change> {
    let Service {
        name: _, // the same by definition: two names are two services
        kind,
        description,
        enabled,
        instances,
        run,
        content,
        directory,
        identity,
        umask,
        base,
        environment,
        restart,
        stop,
        limits,
        log,
        service_type: _, // this, and what else says how it lives, in `life`
        stdin,
        reads,
        order,
        ready: _,
        health: _,
        hooks: _,
        reload: _,
        update: _,
        resources,
        schedule,
        security,
        program,
        delegated,
    } = old;
    let mut found = Changes(Vec::new());
    let source = |delegated: &Option<Box<Delegated>>| delegated.as_ref().map(|it| it.source.clone());
    found.texts("source", source(delegated), source(&new.delegated), Price::Restart);
    found.field("kind", *kind, new.kind, kind_word, Price::Restart);
    found.texts("description", description.clone(), new.description.clone(), Price::Nothing);
    found.field("enabled", *enabled, new.enabled, |on| on.to_string(), Price::Live);
    found.field("instances", *instances, new.instances, |n| n.to_string(), Price::Live);
    diff_run(&mut found, run, &new.run);
    found.field(
        "run",
        *content,
        new.content,
        |digest| digest.map_or_else(String::new, |d| d.to_string()),
        Price::Restart,
    );
    found.texts("directory", Some(directory.clone()), Some(new.directory.clone()), Price::Restart);
    diff_identity(&mut found, identity, &new.identity);
    // That of abide itself is nothing that the files say.
    let price = if kind.inherits() { Price::Live } else { Price::Restart };
    found.field("umask", *umask, new.umask, |mask| format!("{mask:04o}"), price);
    diff_environment(&mut found, environment, &new.environment);
    diff_base(&mut found, base, &new.base, *kind);
    order::diff(&mut found, order.as_deref(), new.order.as_deref());
    diff_restart(&mut found, restart, &new.restart);
    diff_stop(&mut found, stop, &new.stop);
    life::diff_life(&mut found, old, new);
    diff_limits(&mut found, limits, &new.limits, runs_within_reach(identity, *powers), powers.may_raise);
    resources::diff(&mut found, resources.as_deref(), new.resources.as_deref());
    diff_log(&mut found, log, &new.log);
    let name = |name: &Option<ServiceName>| name.as_ref().map(ToString::to_string);
    found.texts("reads", name(reads), name(&new.reads), Price::Restart);
    found.field("stdin", stdin.as_ref(), new.stdin.as_ref(), security::input, Price::Restart);
    security::schedule(&mut found, schedule.as_deref(), new.schedule.as_deref());
    security::security(&mut found, security.as_deref(), new.security.as_deref());
    program::diff(&mut found, program.as_deref(), new.program.as_deref());
    found.0
}

/// The dearest of the prices; [`Price::Nothing`] for no change at all.
pub fn dearest(changes: &[Change]) -> Price {
    changes.iter().map(|change| change.price).max().unwrap_or(Price::Nothing)
}

struct Changes(Vec<Change>);

impl Changes {
    fn push(&mut self, field: impl Into<String>, from: Option<String>, to: Option<String>, price: Price) {
        self.0.push(Change { field: field.into(), from, to, price, why: None });
    }

    fn field<T: PartialEq>(&mut self, field: &str, old: T, new: T, show: impl Fn(T) -> String, price: Price) {
        if old != new {
            self.push(field, Some(show(old)), Some(show(new)), price);
        }
    }

    fn texts(&mut self, field: &str, old: Option<String>, new: Option<String>, price: Price) {
        if old != new {
            self.push(field, old, new, price);
        }
    }
}

fn diff_run(found: &mut Changes, old: &Run, new: &Run) {
    // A script's text is long and may hold a secret in a line of its own: that it changed is enough.
    let shown = |run: &Run| match run {
        Run::Command(words) => shell_words::join(words),
        Run::Script(_) => "script".to_owned(),
    };
    match (old, new) {
        _ if old == new => {}
        (Run::Script(_), Run::Script(_)) => {
            found.push("script", Some("set".to_owned()), Some("changed".to_owned()), Price::Restart);
        }
        _ => found.push("command", Some(shown(old)), Some(shown(new)), Price::Restart),
    }
}

fn diff_identity(found: &mut Changes, old: &Identity, new: &Identity) {
    let Identity { uid, gid, groups, change, user } = old;
    if (uid, user, change) != (&new.uid, &new.user, &new.change) {
        let (from, to) = if user == &new.user {
            (format!("{user} ({uid})"), format!("{} ({})", new.user, new.uid))
        } else {
            (user.clone(), new.user.clone())
        };
        found.push("user", Some(from), Some(to), Price::Restart);
    }
    found.field("group", *gid, new.gid, |gid| gid.to_string(), Price::Restart);
    let list = |groups: &Vec<u32>| groups.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    found.field("groups", groups, &new.groups, list, Price::Restart);
}

/// Values of variables are often secrets: only that they differ is told.
fn diff_environment(found: &mut Changes, old: &Environment, new: &Environment) {
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let (from, to) = match (old.get(name), new.get(name)) {
            (Some(before), Some(after)) if before == after => continue,
            (Some(_), Some(_)) => (Some("set"), Some("changed")),
            (before, after) => (before.map(|_| "set"), after.map(|_| "set")),
        };
        found.push(format!("environment.{name}"), from.map(str::to_owned), to.map(str::to_owned), Price::Restart);
    }
}

fn diff_base(found: &mut Changes, old: &Environment, new: &Environment, kind: Kind) {
    let mut words = Vec::new();
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        match (old.get(name), new.get(name)) {
            (Some(before), Some(after)) if before == after => {}
            (Some(_), Some(_)) => words.push(format!("{name} changed")),
            (Some(_), None) => words.push(format!("{name} removed")),
            (None, _) => words.push(format!("{name} added")),
        }
    }
    if !words.is_empty() {
        // The one that abide was started with is nothing that the files say.
        let price = if kind.inherits() { Price::Live } else { Price::Restart };
        found.push("base environment", None, Some(words.join(", ")), price);
    }
}

fn diff_restart(found: &mut Changes, old: &RestartPolicy, new: &RestartPolicy) {
    let RestartPolicy {
        when,
        delay,
        max_delay,
        factor,
        jitter,
        reset_after,
        limit,
        spacing,
        retries,
        exits,
        on_give_up,
        max_age,
        max_memory,
    } = old;
    let number = |value: f64| value.to_string();
    found.field("restart.policy", *when, new.when, when_word, Price::Live);
    found.field("restart.delay", *delay, new.delay, duration, Price::Live);
    found.field("restart.max_delay", *max_delay, new.max_delay, duration, Price::Live);
    found.field("restart.factor", *factor, new.factor, number, Price::Live);
    found.field("restart.jitter", *jitter, new.jitter, number, Price::Live);
    found.field("restart.reset_after", *reset_after, new.reset_after, duration, Price::Live);
    let shown = |RestartLimit { count, window }: RestartLimit| format!("{count} in {}", duration(window));
    found.texts("restart.limit", limit.map(shown), new.limit.map(shown), Price::Live);
    let named = |name: &Option<ServiceName>| name.as_ref().map(ToString::to_string);
    found.texts("restart.on_give_up", named(on_give_up), named(&new.on_give_up), Price::Live);
    found.field("restart.spacing", *spacing, new.spacing, duration, Price::Live);
    let retries_of = |retries: &Option<u32>| retries.map(|retries| retries.to_string());
    found.texts("restart.retries", retries_of(retries), retries_of(&new.retries), Price::Live);
    life::diff_exits(found, exits.as_deref(), new.exits.as_deref());
    found.texts("restart.max_age", max_age.map(duration), new.max_age.map(duration), Price::Live);
    found.texts("restart.max_memory", max_memory.map(size), new.max_memory.map(size), Price::Live);
}

fn diff_stop(found: &mut Changes, old: &StopPolicy, new: &StopPolicy) {
    let StopPolicy { signal, timeout, scope, kill_scope, command, steps, patient: _ } = old; // that follows from `timeout-kill`
    found.field("stop.signal", *signal, new.signal, Signal::name, Price::Live);
    found.field("stop.timeout", *timeout, new.timeout, duration, Price::Live);
    found.field("stop.scope", *scope, new.scope, scope_word, Price::Live);
    found.texts("stop.kill_scope", kill_scope.map(scope_word), new.kill_scope.map(scope_word), Price::Live);
    life::diff_way_down(found, (command.as_ref(), steps), (new.command.as_ref(), &new.steps));
}

fn diff_selection(found: &mut Changes, old: Option<&Selection>, new: Option<&Selection>) {
    let none = Selection::default();
    let (Selection { include, exclude, redact, ansi, rate_limit }, new) = (old.unwrap_or(&none), new.unwrap_or(&none));
    let patterns = |patterns: &Vec<String>| format!("{patterns:?}");
    // Who looks for a secret may have written it down.
    let number = |patterns: &Vec<String>| format!("{} patterns", patterns.len());
    let rate = |rate: &Option<Rate>| rate.map_or_else(|| "none".to_owned(), |rate| rate.to_string());
    found.texts("log.include", Some(patterns(include)), Some(patterns(&new.include)), Price::Live);
    found.texts("log.exclude", Some(patterns(exclude)), Some(patterns(&new.exclude)), Price::Live);
    if *redact != new.redact {
        found.push("log.redact", Some(number(redact)), Some(number(&new.redact)), Price::Live);
    }
    found.field("log.ansi", *ansi, new.ansi, |ansi| ansi.to_string(), Price::Live);
    found.field("log.rate_limit", *rate_limit, new.rate_limit, |it| rate(&it), Price::Live);
}

fn diff_log(found: &mut Changes, old: &LogPolicy, new: &LogPolicy) {
    let LogPolicy {
        directory,
        way,
        format,
        stderr,
        max_line,
        on_full,
        selection,
        max_size,
        rotate,
        max_files,
        max_age,
        max_total,
        compress,
    } = old;
    // Which program that is does not matter to the service: only whose pipe it is. All files are the logger's.
    let program = |log: &LogPolicy| log.way.clone().filter(|_| !log.is_logged());
    let price = match (program(old).as_deref(), program(new).as_deref()) {
        // One that runs writes where it did until it is started again, as under svscan.
        (None, Some(LogWay::Directory(_))) => Price::Live,
        (None, Some(_)) | (Some(_), None) => Price::Restart,
        _ => Price::Live,
    };
    let words = |way: &Option<Box<LogWay>>| match way.as_deref()? {
        LogWay::Command(words) => Some(shell_words::join(words)),
        LogWay::Directory(service) => Some(format!("{}/run", service.directory)),
        LogWay::Ship { .. } | LogWay::Inherit | LogWay::Files(_) => None,
    };
    // The path of abide's own program is no news to anybody.
    let to = |way: &Option<Box<LogWay>>| match way.as_deref() {
        Some(LogWay::Ship { to, .. }) => Some(to.clone()),
        Some(LogWay::Command(_) | LogWay::Directory(_)) => None,
        Some(LogWay::Inherit) => Some("abide's own stdout".to_owned()),
        None => Some("file".to_owned()),
        Some(LogWay::Files(_)) => Some("named files".to_owned()),
    };
    found.texts("log.command", words(way), words(&new.way), price);
    found.texts("log.to", to(way), to(&new.way), price);
    diff_files(found, old.files(), new.files());
    found.texts("log.directory", directory.clone(), new.directory.clone(), Price::Live);
    found.field("log.format", *format, new.format, |format| format.to_string(), Price::Live);
    // Where its descriptors lead is settled when a process is made.
    found.field("log.stderr", *stderr, new.stderr, |stderr| stderr.to_string(), Price::Restart);
    found.field("log.max_line", *max_line, new.max_line, size, Price::Live);
    found.field("log.on_full", *on_full, new.on_full, |what| what.to_string(), Price::Live);
    diff_selection(found, selection.as_deref(), new.selection.as_deref());
    found.field("log.max_size", *max_size, new.max_size, size, Price::Live);
    let time = |time: &Option<Duration>| time.map_or_else(|| "none".to_owned(), duration);
    let total = |bytes: &Option<u64>| bytes.map_or_else(|| "none".to_owned(), size);
    let every = |every: &Option<RotateEvery>| every.map_or_else(|| "none".to_owned(), |every| every.to_string());
    found.field("log.rotate", *rotate, new.rotate, |it| every(&it), Price::Live);
    found.field("log.max_age", *max_age, new.max_age, |it| time(&it), Price::Live);
    found.field("log.max_total", *max_total, new.max_total, |it| total(&it), Price::Live);
    found.field("log.compress", *compress, new.compress, |how| how.to_string(), Price::Live);
    found.field("log.max_files", *max_files, new.max_files, |n| n.to_string(), Price::Live);
}

fn diff_files(found: &mut Changes, old: Option<&NamedFiles>, new: Option<&NamedFiles>) {
    let shown = |files: Option<&NamedFiles>| {
        files.map_or([None, None], NamedFiles::each).map(|it| it.map(NamedFile::to_string))
    };
    let [old_out, old_err] = shown(old);
    let [new_out, new_err] = shown(new);
    found.texts("log.stdout_file", old_out, new_out, Price::Live);
    found.texts("log.stderr_file", old_err, new_err, Price::Live);
}

/// Whether `prlimit(2)` may touch the service's process at all.
fn runs_within_reach(identity: &Identity, powers: Powers) -> bool {
    powers.may_raise || !identity.change || identity.uid == powers.uid
}

fn diff_limits(found: &mut Changes, old: &Limits, new: &Limits, reach: bool, may_raise: bool) {
    let mut changes = Vec::new();
    for kind in LimitKind::ALL {
        let (from, to) = (old.get(&kind), new.get(&kind));
        if from != to {
            changes.push((kind, from, to, why_not_live(from, to, reach, may_raise)));
        }
    }
    // One that needs a restart takes the others with it; each then says its price as if alone.
    for (kind, from, to, why) in changes {
        let price = if why.is_some() { Price::Restart } else { Price::Live };
        let shown = |limit: Option<&Limit>| limit.map(Limit::to_string);
        let field = format!("limits.{}", kind.key());
        found.0.push(Change { field, from: shown(from), to: shown(to), price, why });
    }
}

fn why_not_live(from: Option<&Limit>, to: Option<&Limit>, reach: bool, may_raise: bool) -> Option<String> {
    match (from, to) {
        _ if !reach => Some("the process runs as another user, and abide lacks CAP_SYS_RESOURCE".to_owned()),
        (_, None) => Some("what it was before is known only to a new process".to_owned()),
        (Some(from), Some(to)) if to.hard > from.hard && !may_raise => {
            Some("raising a running process's hard limit needs CAP_SYS_RESOURCE".to_owned())
        }
        // Not set before: the process has what abide was started with, which the load has measured.
        _ => None,
    }
}

fn kind_word(kind: Kind) -> String {
    match kind {
        Kind::Toml => "toml",
        Kind::Daemontools => "daemontools",
        Kind::Supervisord => "supervisord",
    }
    .to_owned()
}

fn when_word(when: RestartWhen) -> String {
    match when {
        RestartWhen::Always => "always",
        RestartWhen::OnFailure => "on-failure",
        RestartWhen::Never => "never",
    }
    .to_owned()
}

fn scope_word(scope: StopScope) -> String {
    match scope {
        StopScope::Tree => "tree",
        StopScope::Group => "group",
        StopScope::Process => "process",
    }
    .to_owned()
}

fn duration(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

fn size(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((unit, word)) => format!("{}{word}", bytes / unit),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
#[path = "diff/tests.rs"]
mod tests;
