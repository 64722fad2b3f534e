//! Each field alone: what it is called and what it costs.

use super::*;
use crate::decide::samples::service;
use crate::model::check::{Check, Health, OnFailure, Ready};
use crate::model::limits::Bound;
use crate::model::policy::{ExitRules, Hooks, OnChange, Order, ReloadBy, ReloadPolicy, ServiceType};
use crate::model::resources::Resources;
use crate::model::schedule::{IoClass, Realtime, Schedule};
use crate::model::security::Security;
use crate::model::signal::Signal;
use std::sync::Arc;

const ME: Powers = Powers { may_raise: false, uid: 1000 };

fn limit(number: u64) -> Limits {
    Limits::from([(LimitKind::OpenFiles, Limit { soft: Bound(number), hard: Bound(number) })])
}

fn variables(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const SECOND: Duration = Duration::from_secs(1);

fn words() -> Vec<String> {
    vec!["/bin/a".to_owned(), "x y".to_owned()]
}

#[expect(clippy::unnecessary_wraps, reason = "as the field is")]
fn exits(success_codes: Vec<i32>, never_on: Vec<i32>) -> Option<Box<ExitRules>> {
    Some(Box::new(ExitRules { success_codes, never_on, ..ExitRules::default() }))
}

#[expect(clippy::unnecessary_wraps, reason = "as the field is")]
fn files(out: Option<NamedFile>) -> Option<Box<LogWay>> {
    Some(Box::new(LogWay::Files(Box::new(NamedFiles { out, err: None }))))
}

#[expect(clippy::unnecessary_wraps, reason = "as the field is")]
fn ready(check: Check) -> Option<Box<Ready>> {
    Some(Box::new(Ready { check, timeout: SECOND, interval: SECOND }))
}

#[expect(clippy::unnecessary_wraps, reason = "as the field is")]
fn health(check: Check) -> Option<Box<Health>> {
    let on_failure = OnFailure::Restart;
    Some(Box::new(Health { check, interval: SECOND, timeout: SECOND, failures: 3, on_failure }))
}

#[expect(clippy::unnecessary_wraps, reason = "as the field is")]
fn hooks(alter: impl FnOnce(&mut Hooks)) -> Option<Box<Hooks>> {
    let mut hooks = Hooks::default();
    alter(&mut hooks);
    Some(Box::new(hooks))
}

#[expect(clippy::unnecessary_wraps, reason = "as the field is")]
fn reload(watch: &[&str]) -> Option<Box<ReloadPolicy>> {
    let watch = watch.iter().map(|path| (*path).to_owned()).collect();
    let how = ReloadBy::Signal(Signal::HUP);
    Some(Box::new(ReloadPolicy { how, watch, on_change: OnChange::Reload, timeout: SECOND }))
}

#[test]
fn what_a_process_was_told_at_its_start_cannot_be_told_it_later() {
    let price = |old: Option<Box<Health>>, new: Option<Box<Health>>, readied: bool| {
        let old = Service { health: old, ready: readied.then(|| ready(Check::Notify)).flatten(), ..service("web") };
        let new = Service { health: new, ..old.clone() };
        dearest(&diff(&old, &new, &ME))
    };
    let slower = |mut health: Option<Box<Health>>| {
        if let Some(health) = &mut health {
            health.interval = 9 * SECOND;
        }
        health
    };
    assert_eq!(price(health(Check::Notify), slower(health(Check::Notify)), true), Price::Restart);
    assert_eq!(price(health(Check::Notify), None, true), Price::Live);
    assert_eq!(price(None, health(Check::Notify), true), Price::Restart);
    let tcp = || health(Check::Tcp("localhost:1".into()));
    assert_eq!(price(tcp(), slower(tcp()), false), Price::Live);
    // A socket that is there already serves for both.
    let watched = Service { health: health(Check::Notify), ..service("web") };
    let both = Service { ready: ready(Check::Notify), ..watched.clone() };
    assert_eq!(dearest(&diff(&watched, &both, &ME)), Price::Live);
}

/// Alters one field and gives the only change that follows.
fn altered(alter: impl FnOnce(&mut Service)) -> Change {
    let old = Service { limits: limit(1024), ..service("web") };
    let mut new = old.clone();
    alter(&mut new);
    let mut changes = diff(&old, &new, &ME);
    assert_eq!(changes.len(), 1, "{changes:?}");
    changes.remove(0)
}

fn schedule(service: &mut Service) -> &mut Schedule {
    service.schedule.get_or_insert_default()
}

fn security(service: &mut Service) -> &mut Security {
    service.security.get_or_insert_default()
}

#[test]
fn equal_services_do_not_differ() {
    assert_eq!(diff(&service("web"), &service("web"), &ME), []);
}

#[test]
fn every_field_alone_has_its_name_and_its_price() {
    use Price::{Live, Nothing, Restart};
    type Alter = fn(&mut Service);
    let cases: Vec<(Alter, &str, Price)> = vec![
        (|s| s.kind = Kind::Daemontools, "kind", Restart),
        (|s| s.description = Some("d".into()), "description", Nothing),
        (|s| s.enabled = false, "enabled", Live),
        (|s| s.instances = 3, "instances", Live),
        (|s| s.run = Run::Command(vec!["/bin/other".into()]), "command", Restart),
        (|s| s.run = Run::Script("true".into()), "command", Restart),
        (|s| s.directory = "/tmp".into(), "directory", Restart),
        (|s| s.identity.uid = 7, "user", Restart),
        (|s| s.identity.user = "other".into(), "user", Restart),
        (|s| s.identity.change = true, "user", Restart),
        (|s| s.identity.gid = 7, "group", Restart),
        (|s| s.identity.groups = vec![7], "groups", Restart),
        (|s| s.umask = 0o077, "umask", Restart),
        (|s| s.environment = variables(&[("PORT", "1")]), "environment.PORT", Restart),
        (|s| s.base = Arc::new(variables(&[("LANG", "C")])), "base environment", Restart),
        (
            |s| s.resources = Some(Box::new(Resources { cpu_max: Some(150), ..Resources::default() })),
            "resources.cpu_max",
            Live,
        ),
        (
            |s| s.resources = Some(Box::new(Resources { io_weight: Some(9), ..Resources::default() })),
            "resources.io_weight",
            Live,
        ),
        (|s| s.restart.when = RestartWhen::Never, "restart.policy", Live),
        (|s| s.restart.delay = Duration::from_secs(9), "restart.delay", Live),
        (|s| s.restart.max_delay = Duration::from_secs(9), "restart.max_delay", Live),
        (|s| s.restart.factor = 3.0, "restart.factor", Live),
        (|s| s.restart.jitter = 0.5, "restart.jitter", Live),
        (|s| s.restart.reset_after = Duration::from_secs(9), "restart.reset_after", Live),
        (|s| s.restart.limit = Some(RestartLimit { count: 1, window: Duration::from_secs(1) }), "restart.limit", Live),
        (|s| s.restart.spacing = Duration::from_secs(9), "restart.spacing", Live),
        (|s| s.stop.signal = Signal::INT, "stop.signal", Live),
        (|s| s.stop.timeout = Duration::from_secs(9), "stop.timeout", Live),
        (|s| s.stop.scope = StopScope::Process, "stop.scope", Live),
        (|s| s.limits = limit(512), "limits.open_files", Live),
        (|s| s.log.directory = Some("/logs".into()), "log.directory", Live),
        (|s| s.log.way = files(None), "log.to", Live),
        (|s| s.log.max_size = 1 << 30, "log.max_size", Live),
        (|s| s.log.max_files = 9, "log.max_files", Live),
        (|s| s.stdin = Some("/f".into()), "stdin", Restart),
        (|s| schedule(s).nice = Some(5), "schedule.nice", Restart),
        (|s| schedule(s).io = Some(IoClass::Idle), "schedule.io_class", Restart),
        (|s| schedule(s).cpu_affinity = Some(vec![0]), "schedule.cpu_affinity", Restart),
        (|s| schedule(s).oom_score_adjust = Some(5), "schedule.oom_score_adjust", Restart),
        (|s| schedule(s).realtime = Some(Realtime::Fifo(5)), "schedule.realtime", Restart),
        (|s| security(s).no_new_privileges = true, "security.no_new_privileges", Restart),
        (|s| security(s).capabilities = Some(0), "security.capabilities", Restart),
        (|s| security(s).ambient_capabilities = Some(1), "security.ambient_capabilities", Restart),
        (|s| security(s).chroot = Some("/jail".into()), "security.chroot", Restart),
        (|s| security(s).private_tmp = true, "security.private_tmp", Restart),
        (|s| security(s).read_only_paths = vec!["/".into()], "security.read_only_paths", Restart),
        (|s| security(s).inaccessible_paths = vec!["/home".into()], "security.inaccessible_paths", Restart),
        (|s| security(s).private_network = true, "security.private_network", Restart),
        (|s| security(s).hostname = Some("h".into()), "security.hostname", Restart),
    ];
    for (alter, field, price) in cases {
        let change = altered(alter);
        assert_eq!((change.field.as_str(), change.price), (field, price));
    }
}

#[test]
fn every_key_of_how_it_lives_has_its_name_and_its_price() {
    use Price::{Live, Restart};
    type Alter = fn(&mut Service);
    let cases: Vec<(Alter, &str, Price)> = vec![
        (|s| s.stop.command = Some(words()), "stop.command", Live),
        (|s| s.stop.steps = vec![(Signal::INT, SECOND)], "stop.steps", Live),
        (|s| s.restart.exits = exits(vec![3], Vec::new()), "restart.success", Live),
        (|s| s.restart.exits = exits(Vec::new(), vec![100]), "restart.never_on", Live),
        (|s| s.restart.max_age = Some(SECOND), "restart.max_age", Live),
        (|s| s.restart.max_memory = Some(1 << 30), "restart.max_memory", Live),
        (|s| s.service_type = ServiceType::Forking { pid_file: None }, "type", Restart),
        (|s| s.ready = ready(Check::Tcp("localhost:1".into())), "ready", Live),
        (|s| s.ready = ready(Check::Notify), "ready", Restart),
        (|s| s.ready = ready(Check::Descriptor(3)), "ready", Restart),
        (|s| s.health = health(Check::Exec(words())), "health", Live),
        (|s| s.health = health(Check::Notify), "health", Restart),
        (|s| s.hooks = hooks(|h| h.start_before.push(words())), "start.before", Live),
        (|s| s.hooks = hooks(|h| h.start_after.push(words())), "start.after", Live),
        (|s| s.hooks = hooks(|h| h.stop_after.push(words())), "stop.after", Live),
        (|s| s.reload = reload(&[]), "reload", Live),
    ];
    for (alter, field, price) in cases {
        let change = altered(alter);
        assert_eq!((change.field.as_str(), change.price), (field, price));
    }
}

#[test]
fn values_read_as_people_write_them() {
    let shown = |change: Change| format!("{} -> {}", change.from.expect("was set"), change.to.expect("is set"));
    assert_eq!(shown(altered(|s| s.log.max_size = 64 << 10)), "10MiB -> 64KiB");
    assert_eq!(shown(altered(|s| s.stop.timeout = Duration::from_millis(1500))), "10s -> 1s 500ms");
    assert_eq!(shown(altered(|s| s.umask = 0o27)), "0022 -> 0027");
    assert_eq!(
        shown(altered(|s| s.run = Run::Command(vec!["/bin/a".into(), "x y".into()]))),
        "/bin/serve -> /bin/a 'x y'"
    );
}

#[test]
fn values_of_variables_are_never_told() {
    let old = Service { environment: variables(&[("A", "secret1"), ("B", "secret2")]), ..service("web") };
    let new = Service {
        environment: variables(&[("A", "secret3"), ("C", "secret4")]),
        base: Arc::new(variables(&[("D", "secret5")])),
        ..service("web")
    };
    let changes = diff(&old, &new, &ME);
    assert!(!format!("{changes:?}").contains("secret"));
    let words: Vec<_> = changes.iter().map(|c| (c.field.as_str(), c.from.as_deref(), c.to.as_deref())).collect();
    assert_eq!(
        words,
        [
            ("environment.A", Some("set"), Some("changed")),
            ("environment.B", Some("set"), None),
            ("environment.C", None, Some("set")),
            ("base environment", None, Some("D added")),
        ]
    );
}

#[test]
fn a_limit_is_live_exactly_where_prlimit_can_set_it() {
    let price = |from: Limits, to: Limits, change: bool, powers: Powers| {
        let mut old = Service { limits: from, ..service("web") };
        (old.identity.change, old.identity.uid) = (change, if change { 7 } else { 1000 });
        let new = Service { limits: to, ..old.clone() };
        let changes = diff(&old, &new, &powers);
        assert_eq!(changes[0].price == Price::Restart, changes[0].why.is_some());
        dearest(&changes)
    };
    let root = Powers { may_raise: true, uid: 0 };
    assert_eq!(price(limit(2048), limit(1024), false, ME), Price::Live);
    assert_eq!(price(limit(1024), limit(2048), false, ME), Price::Restart);
    assert_eq!(price(limit(2048), limit(1024), true, ME), Price::Restart);
    assert_eq!(price(limit(1024), limit(2048), true, root), Price::Live);
    assert_eq!(price(Limits::new(), limit(1024), false, ME), Price::Live);
    assert_eq!(price(limit(1024), Limits::new(), true, root), Price::Restart);
}

#[test]
fn order_concerns_the_running_process_only_through_what_it_requires() {
    let names = |texts: &[&str]| texts.iter().map(|text| ServiceName::new(text).expect("legal")).collect::<Vec<_>>();
    let old = service("web");
    let mut new = old.clone();
    new.order = Some(Box::new(Order { requires: names(&["db", "cache"]), ..Order::default() }));
    new.restart.on_give_up = names(&["alarm"]).pop();
    let found = diff(&old, &new, &ME);
    let words: Vec<_> = found.iter().map(|c| (c.field.as_str(), c.from.as_deref(), c.to.as_deref())).collect();
    assert_eq!(words, [("requires", None, Some("db, cache")), ("restart.on_give_up", None, Some("alarm"))]);
    assert_eq!(dearest(&found), Price::Live);
}

#[test]
fn files_that_somebody_has_named_are_shown_with_how_much_is_kept() {
    let file = |max_size| NamedFile {
        path: "/log/web".to_owned(),
        max_size,
        backups: 2,
        strip_ansi: max_size > 0,
        in_our_directory: false,
    };
    let changes = |old, new| {
        let policy = |file| LogPolicy { way: files(file), ..LogPolicy::default() };
        let mut found = Changes(Vec::new());
        diff_log(&mut found, &policy(old), &policy(new));
        found.0.into_iter().map(|it| (it.field, it.from, it.to, it.price)).collect::<Vec<_>>()
    };
    let text = |text: &str| Some(text.to_owned());
    let field = "log.stdout_file".to_owned();
    assert_eq!(changes(None, Some(file(0))), [(field.clone(), None, text("/log/web"), Price::Live)]);
    let bounded = text("/log/web, 1MiB × 3, without ANSI sequences");
    assert_eq!(changes(Some(file(0)), Some(file(1 << 20))), [(field, text("/log/web"), bounded, Price::Live)]);
}
