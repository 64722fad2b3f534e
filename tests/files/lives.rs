//! What a file says of how its service lives: type, readiness, health, commands, ends.

use super::{load_with, machine};
use abide::model::check::{Check, HttpCheck, OnFailure};
use abide::model::diagnostic::Code;
use abide::model::policy::{OnChange, ReloadBy, RestartWhen, ServiceType};
use abide::model::service::Service;
use abide::model::signal::Signal;
use abide::source::config::Config;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn plain(text: &str) -> Service {
    let text = format!("command = [\"/bin/true\"]\n{text}");
    let entry = load_with(&machine(), &Config::default(), text.as_bytes(), &[]);
    assert!(entry.diagnostics.is_empty(), "{:?}", entry.diagnostics);
    entry.service.expect("it is good").service.clone()
}

fn codes(text: &str) -> Vec<Code> {
    let text = format!("command = [\"/bin/true\"]\n{text}");
    let entry = load_with(&machine(), &Config::default(), text.as_bytes(), &[]);
    entry.diagnostics.iter().map(|finding| finding.code).collect()
}

#[test]
fn who_says_nothing_of_it_gets_nothing_of_it() {
    let service = plain("");
    assert_eq!(service.service_type, ServiceType::Simple);
    assert!(service.ready.is_none() && service.health.is_none() && service.hooks.is_none() && service.reload.is_none());
    assert!(service.restart.exits.is_none() && service.restart.max_age.is_none());
    assert!(service.stop.command.is_none() && service.stop.steps.is_empty());
}

#[test]
fn every_way_to_be_ready_is_read() {
    let ready = |text: &str| plain(&format!("[ready]\n{text}\n")).ready.expect("it was declared");
    assert_eq!(ready("notify = true").check, Check::Notify);
    assert_eq!(ready("fd = 3").check, Check::Descriptor(3));
    assert_eq!(ready("tcp = \"[::1]:80\"").check, Check::Tcp("[::1]:80".to_owned()));
    let http = HttpCheck { url: "http://h/x?y".to_owned(), status: Some(204), body: Some("ok".to_owned()) };
    assert_eq!(ready("http = \"http://h/x?y\"\nstatus = 204\nbody = \"ok\"").check, Check::Http(http));
    assert_eq!(ready("exec = \"true --now\"").check, Check::Exec(vec!["true".to_owned(), "--now".to_owned()]));
    assert_eq!(ready("log = '^ready$'").check, Check::Log("^ready$".to_owned()));
    let delayed = ready("delay = \"90s\"");
    assert_eq!((delayed.check, delayed.timeout), (Check::After(90 * SECOND), 180 * SECOND));
    let usual = ready("notify = true");
    assert_eq!((usual.timeout, usual.interval), (60 * SECOND, SECOND));
    let own = ready("notify = true\ntimeout = \"5s\"\ninterval = \"100ms\"");
    assert_eq!((own.timeout, own.interval), (5 * SECOND, SECOND / 10));
}

#[test]
fn a_template_in_a_check_is_looked_at_as_in_a_command() {
    let around = "[ready]\ntcp = \"127.0.0.1:${PORT:-80}\"\n";
    assert_eq!(plain(around).ready.map(|ready| ready.check), Some(Check::Tcp("127.0.0.1:${PORT:-80}".to_owned())));
    assert_eq!(codes("[ready]\ntcp = \"127.0.0.1:${PORT}\"\n"), [Code::BadTemplate]);
    assert_eq!(codes("[ready]\ntcp = \"127.0.0.1:${PORT:-x}\"\n"), [Code::BadValue]);
}

#[test]
fn health_has_defaults_and_a_watchdog_is_one_interval() {
    let health = |text: &str| plain(&format!("[health]\n{text}\n")).health.expect("it was declared");
    let usual = health("tcp = \"localhost:80\"");
    assert_eq!((usual.interval, usual.timeout, usual.failures), (10 * SECOND, 5 * SECOND, 3));
    assert_eq!(usual.on_failure, OnFailure::Restart);
    assert_eq!(health("notify = true").failures, 1);
    assert_eq!(health("exec = [\"true\"]\non_failure = \"report\"").on_failure, OnFailure::Report);
}

#[test]
fn types_have_what_belongs_to_them() {
    let forking = plain("type = \"forking\"\npid_file = \"/run/web.pid\"\n[ready]\ntimeout = \"5s\"\n");
    assert_eq!(forking.service_type, ServiceType::Forking { pid_file: Some("/run/web.pid".to_owned()) });
    let ready = forking.ready.expect("a time is declared");
    assert_eq!((ready.check, ready.timeout), (Check::After(Duration::ZERO), 5 * SECOND));
    let oneshot = plain("type = \"oneshot\"\n");
    assert_eq!(oneshot.service_type, ServiceType::Oneshot { remain: true });
    assert_eq!(oneshot.restart.when, RestartWhen::OnFailure);
    let never = plain("type = \"oneshot\"\nremain = false\n[restart]\npolicy = \"never\"\n");
    assert_eq!(never.service_type, ServiceType::Oneshot { remain: false });
    assert_eq!(never.restart.when, RestartWhen::Never);
}

#[test]
fn commands_around_a_life_and_ways_down_are_read() {
    let service = plain(
        "[start]\nbefore = [[\"/bin/true\", \"a\"], [\"true\"]]\nafter = [[\"true\"]]\ntimeout = \"3s\"\n\
         [stop]\ncommand = \"true $${x}\"\nsteps = [[\"TERM\", \"10s\"], [2, \"5s\"]]\nafter = [[\"true\"]]\n",
    );
    let hooks = service.hooks.expect("there are some");
    assert_eq!(hooks.start_before, [vec!["/bin/true", "a"], vec!["true"]]);
    assert_eq!((hooks.start_after.len(), hooks.stop_after.len()), (1, 1));
    assert_eq!((hooks.start_timeout, hooks.stop_timeout), (3 * SECOND, 10 * SECOND));
    assert_eq!(service.stop.command, Some(vec!["true".to_owned(), "$${x}".to_owned()]));
    assert_eq!(service.stop.steps, [(Signal::TERM, 10 * SECOND), (Signal::INT, 5 * SECOND)]);
}

#[test]
fn a_reload_is_a_signal_or_a_command() {
    let reload = |text: &str| plain(&format!("[reload]\n{text}\n")).reload.expect("it was declared");
    let by_signal = reload("signal = \"HUP\"\nwatch = [\"/etc/web/*.conf\"]");
    assert_eq!((by_signal.how, by_signal.on_change), (ReloadBy::Signal(Signal::HUP), OnChange::Reload));
    assert_eq!(by_signal.watch, ["/etc/web/*.conf"]);
    assert_eq!(reload("command = [\"true\"]").how, ReloadBy::Command(vec!["true".to_owned()]));
    assert_eq!(reload("on_change = \"restart\"\nwatch = [\"/etc/web.conf\"]").on_change, OnChange::Restart);
}

#[test]
fn ends_are_codes_and_signals_in_one_list() {
    let restart = plain(
        "[restart]\nsuccess = [3, \"SIGTERM\", \"int\"]\nnever_on = [100]\nmax_age = \"24h\"\nmax_memory = \"512MiB\"\n",
    )
    .restart;
    let exits = restart.exits.expect("there are some");
    assert_eq!((exits.success_codes, exits.never_on), (vec![3], vec![100]));
    assert_eq!(exits.success_signals, [Signal::TERM, Signal::INT]);
    assert_eq!((restart.max_age, restart.max_memory), (Some(86_400 * SECOND), Some(512 << 20)));
}
