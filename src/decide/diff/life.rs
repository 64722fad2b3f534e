//! How a service lives: its type, readiness, health, commands and reloads. Nearly all of it holds for
//! what comes, and so costs nothing now; what a process is told at its start needs another one.

use super::{Changes, duration};
use crate::model::check::{Check, Health, OnFailure, Ready};
use crate::model::plan::{Change, Price};
use crate::model::policy::{ExitRules, Finish, Hooks, OnChange, ReloadBy, ReloadPolicy, ServiceType, UpdatePolicy};
use crate::model::service::Service;
use crate::model::signal::Signal;
use std::time::Duration;

/// All of it.
pub(super) fn diff_life(found: &mut Changes, old: &Service, new: &Service) {
    diff_type(found, &old.service_type, &new.service_type);
    diff_ready(found, old, new);
    diff_health(found, old, new);
    diff_hooks(found, old.hooks.as_deref(), new.hooks.as_deref());
    diff_reload(found, old.reload.as_deref(), new.reload.as_deref());
    diff_update(found, old.update.as_deref(), new.update.as_deref());
}

/// It holds for what comes next, and nothing is done for it.
fn diff_update(found: &mut Changes, old: Option<&UpdatePolicy>, new: Option<&UpdatePolicy>) {
    let default = UpdatePolicy::default();
    let (UpdatePolicy { rollback, settle, rolling, max_unavailable }, new) =
        (old.unwrap_or(&default), new.unwrap_or(&default));
    found.field("update.rollback", *rollback, new.rollback, |on| on.to_string(), Price::Nothing);
    found.field("update.settle", *settle, new.settle, duration, Price::Nothing);
    let word = |rolling| if rolling { "rolling" } else { "together" }.to_owned();
    found.field("update.strategy", *rolling, new.rolling, word, Price::Nothing);
    let number = |number: u32| number.to_string();
    found.field("update.max_unavailable", *max_unavailable, new.max_unavailable, number, Price::Nothing);
}

fn diff_type(found: &mut Changes, old: &ServiceType, new: &ServiceType) {
    match (old, new) {
        (ServiceType::Forking { pid_file: before }, ServiceType::Forking { pid_file: after }) => {
            found.texts("pid_file", before.clone(), after.clone(), Price::Live);
        }
        (ServiceType::Oneshot { remain: before }, ServiceType::Oneshot { remain: after }) => {
            found.field("remain", *before, *after, |on| on.to_string(), Price::Live);
        }
        _ => found.field("type", type_word(old), type_word(new), str::to_owned, Price::Restart),
    }
}

fn type_word(service_type: &ServiceType) -> &'static str {
    match service_type {
        ServiceType::Simple => "simple",
        ServiceType::Forking { .. } => "forking",
        ServiceType::Oneshot { .. } => "oneshot",
    }
}

fn check_words(check: &Check) -> String {
    match check {
        Check::Notify => "notify".to_owned(),
        Check::Descriptor(number) => format!("fd {number}"),
        Check::Tcp(address) => format!("tcp {address}"),
        Check::Http(http) => {
            let status = http.status.map(|status| format!(", status {status}")).unwrap_or_default();
            let body = http.body.as_ref().map(|body| format!(", body {body:?}")).unwrap_or_default();
            format!("http {}{status}{body}", http.url)
        }
        Check::Exec(words) => format!("exec {}", shell_words::join(words)),
        Check::Log(pattern) => format!("log {pattern}"),
        Check::After(time) => format!("delay {}", duration(*time)),
    }
}

/// Whether the service has a socket to say something to.
fn has_socket(service: &Service) -> bool {
    let speaks = |check: &Check| *check == Check::Notify;
    service.ready.as_ref().is_some_and(|ready| speaks(&ready.check))
        || service.health.as_ref().is_some_and(|health| speaks(&health.check))
}

fn diff_ready(found: &mut Changes, before: &Service, after: &Service) {
    let (old, new) = (before.ready.as_deref(), after.ready.as_deref());
    let check = |ready: Option<&Ready>| ready.map(|ready| check_words(&ready.check));
    let why = match new.map(|new| &new.check) {
        Some(Check::Notify) if !has_socket(before) => Some("the process was started without NOTIFY_SOCKET"),
        Some(new @ Check::Descriptor(_)) if old.is_none_or(|old| old.check != *new) => {
            Some("the process was started without this descriptor")
        }
        _ => None,
    };
    priced(found, "ready", check(old), check(new), why);
    let (Some(old), Some(new)) = (old, new) else { return };
    let Ready { check: _, timeout, interval } = old;
    found.field("ready.timeout", *timeout, new.timeout, duration, Price::Live);
    found.field("ready.interval", *interval, new.interval, duration, Price::Live);
}

fn diff_health(found: &mut Changes, before: &Service, after: &Service) {
    let (old, new) = (before.health.as_deref(), after.health.as_deref());
    let check = |health: Option<&Health>| health.map(|health| check_words(&health.check));
    let notifies = |health: Option<&Health>| health.is_some_and(|health| health.check == Check::Notify);
    let untold = (notifies(new) && !notifies(old)).then_some("the process was started without WATCHDOG_USEC");
    priced(found, "health", check(old), check(new), untold);
    let (Some(old), Some(new)) = (old, new) else { return };
    let Health { check: _, interval, timeout, failures, on_failure } = old;
    if *interval != new.interval {
        let told = notifies(Some(new)).then_some("the process knows it by WATCHDOG_USEC, which it was started with");
        priced(found, "health.interval", Some(duration(*interval)), Some(duration(new.interval)), told);
    }
    found.field("health.timeout", *timeout, new.timeout, duration, Price::Live);
    found.field("health.failures", *failures, new.failures, |n| n.to_string(), Price::Live);
    let word = |what: OnFailure| match what {
        OnFailure::Restart => "restart".to_owned(),
        OnFailure::Report => "report".to_owned(),
    };
    found.field("health.on_failure", *on_failure, new.on_failure, word, Price::Live);
}

/// Live, unless there is a reason why it cannot be.
fn priced(found: &mut Changes, field: &str, from: Option<String>, to: Option<String>, why: Option<&str>) {
    if from != to {
        let price = if why.is_some() { Price::Restart } else { Price::Live };
        found.0.push(Change { field: field.to_owned(), from, to, price, why: why.map(str::to_owned) });
    }
}

fn commands(list: &[Vec<String>]) -> Option<String> {
    let joined: Vec<String> = list.iter().map(shell_words::join).collect();
    (!joined.is_empty()).then(|| joined.join("; "))
}

fn diff_hooks(found: &mut Changes, old: Option<&Hooks>, new: Option<&Hooks>) {
    let none = Hooks::default();
    let (from, to) = (old.unwrap_or(&none), new.unwrap_or(&none));
    // `stop_timeout` is `stop.timeout`.
    let Hooks { start_before, start_after, stop_after, start_timeout, stop_timeout: _, finish } = from;
    found.texts("start.before", commands(start_before), commands(&to.start_before), Price::Live);
    found.texts("start.after", commands(start_after), commands(&to.start_after), Price::Live);
    if old.is_some() && new.is_some() {
        found.field("start.timeout", *start_timeout, to.start_timeout, duration, Price::Live);
    }
    found.texts("stop.after", commands(stop_after), commands(&to.stop_after), Price::Live);
    let finish_of = |finish: &Option<Finish>| finish.map(|finish| format!("{finish:?}").to_lowercase());
    found.texts("finish", finish_of(finish), finish_of(&to.finish), Price::Live);
}

fn diff_reload(found: &mut Changes, old: Option<&ReloadPolicy>, new: Option<&ReloadPolicy>) {
    let how = |reload: &ReloadPolicy| match &reload.how {
        ReloadBy::Signal(signal) => format!("signal {}", signal.name()),
        ReloadBy::Command(words) => format!("command {}", shell_words::join(words)),
    };
    found.texts("reload", old.map(how), new.map(how), Price::Live);
    let watch = |reload: &ReloadPolicy| Some(reload.watch.join(", ")).filter(|list| !list.is_empty());
    found.texts("reload.watch", old.and_then(watch), new.and_then(watch), Price::Live);
    let (Some(old), Some(new)) = (old, new) else { return };
    let ReloadPolicy { how: _, watch: _, on_change, timeout } = old;
    let word = |what: OnChange| match what {
        OnChange::Reload => "reload".to_owned(),
        OnChange::Restart => "restart".to_owned(),
    };
    found.field("reload.on_change", *on_change, new.on_change, word, Price::Live);
    found.field("reload.timeout", *timeout, new.timeout, duration, Price::Live);
}

/// What an end means.
pub(super) fn diff_exits(found: &mut Changes, old: Option<&ExitRules>, new: Option<&ExitRules>) {
    let none = ExitRules::default();
    let (old, new) = (old.unwrap_or(&none), new.unwrap_or(&none));
    let ExitRules { success_codes: _, only_those: _, success_signals: _, never_on } = old;
    let success = |rules: &ExitRules| {
        let codes = rules.success_codes.iter().map(i32::to_string);
        let all: Vec<String> = codes.chain(rules.success_signals.iter().copied().map(Signal::name)).collect();
        let only = if rules.only_those { "only " } else { "" };
        (!all.is_empty() || rules.only_those).then(|| format!("{only}{}", all.join(", ")))
    };
    found.texts("restart.success", success(old), success(new), Price::Live);
    let codes = |codes: &[i32]| {
        let all: Vec<String> = codes.iter().map(i32::to_string).collect();
        (!all.is_empty()).then(|| all.join(", "))
    };
    found.texts("restart.never_on", codes(never_on), codes(&new.never_on), Price::Live);
}

/// `[stop] command` and `steps`.
pub(super) fn diff_way_down(
    found: &mut Changes,
    (command, steps): (Option<&Vec<String>>, &[(Signal, Duration)]),
    (new_command, new_steps): (Option<&Vec<String>>, &[(Signal, Duration)]),
) {
    found.texts("stop.command", command.map(shell_words::join), new_command.map(shell_words::join), Price::Live);
    let shown = |steps: &[(Signal, Duration)]| {
        let all: Vec<String> =
            steps.iter().map(|(signal, time)| format!("{} {}", signal.name(), duration(*time))).collect();
        (!all.is_empty()).then(|| all.join(", "))
    };
    found.texts("stop.steps", shown(steps), shown(new_steps), Price::Live);
}
