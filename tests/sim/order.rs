//! `after`, `requires`, `wants`, `on_give_up`: what must hold whatever happens, named histories, and
//! any sequence of edits of any graph.

use crate::behaviour::{Behaviour, GOOD, Process, Start};
use crate::invariants;
use crate::operator::{Hand, any_hand, stop};
use crate::services::{name, running, service};
use crate::tasks::{GOOD_TASKS, Tasks, Way};
use crate::world::{World, instance_status};
use abide::decide::effect::Effect;
use abide::decide::event::{Event, RunId};
use abide::decide::fleet::Fleet;
use abide::decide::view::Facts;
use abide::model::desired::Definition;
use abide::model::name::{InstanceId, ServiceName};
use abide::model::order::Act;
use abide::model::outcome::{Exit, Used};
use abide::model::policy::{Hooks, Order, RestartLimit, RestartWhen, ServiceType};
use abide::model::service::{Kind, Service};
use abide::model::signal::Signal;
use abide::model::status::{ServiceStatus, State};
use abide::model::time::{Mono, Now, Wall};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const FACTS: Facts<'static> = Facts { now: Now { mono: Mono(0), wall: Wall(0) }, log_path: &|_, _, _| None };
const SECOND: u64 = 1_000_000_000;

// What must hold.

fn status(world: &World, name: &ServiceName) -> Option<ServiceStatus> {
    world.fleet.service_status(name, &Facts { now: world.now(), log_path: &|_, _, _| None })
}

fn has_failed(world: &World, name: &ServiceName) -> bool {
    status(world, name).is_some_and(|it| it.instances.iter().any(|instance| instance.state == State::Failed))
}

/// Whether its file, or one that has given up, wants it.
fn asked(world: &World, name: &ServiceName) -> bool {
    let Some(definition) = world.accepted.get(name).filter(|it| it.service.instances > 0) else { return false };
    let calls = |(caller, it): (&ServiceName, &Arc<Definition>)| {
        it.service.restart.on_give_up.as_ref() == Some(name) && has_failed(world, caller)
    };
    let held = (0..definition.service.instances).all(|index| world.is_held(name, index));
    world.shutdowns == 0 && !held && (definition.service.enabled || world.accepted.iter().any(calls))
}

fn requires(world: &World, name: &ServiceName) -> Vec<ServiceName> {
    let order = world.accepted.get(name).and_then(|it| it.service.order.as_deref());
    order.map(|order| order.requires.clone()).unwrap_or_default()
}

fn is_moving(world: &World, name: &ServiceName) -> bool {
    let moves =
        |state| matches!(state, State::Starting | State::Running | State::Ready | State::Reloading | State::Stopping);
    status(world, name).is_some_and(|it| it.instances.iter().any(|instance| moves(instance.state)))
        // A start without a descriptor counts as waiting, with an answer still to come.
        || status(world, name).is_some_and(|it| it.state == State::Waiting)
}

/// It requires what is not up and not on its way.
fn is_lost(world: &World, name: &ServiceName) -> bool {
    requires(world, name)
        .iter()
        .any(|other| falls(world, other) || has_failed(world, other) || is_settled(world, other))
}

/// Ended as its policy lets it, without success.
fn is_settled(world: &World, name: &ServiceName) -> bool {
    let policy = world.accepted.get(name).map(|it| it.service.restart.when);
    let unhappy = |i: &abide::model::status::InstanceStatus| {
        i.state == State::Stopped && i.last_exit.as_ref().is_some_and(|exit| exit.code != Some(0))
    };
    policy == Some(RestartWhen::Never) && status(world, name).is_some_and(|it| it.instances.iter().any(unhappy))
}

/// It is to go down, or to stay there.
pub(crate) fn falls(world: &World, name: &ServiceName) -> bool {
    !asked(world, name) || is_lost(world, name)
}

fn is_up(world: &World, name: &ServiceName) -> bool {
    let Some(definition) = world.accepted.get(name).filter(|_| !falls(world, name)) else { return false };
    let Some(status) = status(world, name) else { return false };
    let now = world.now().mono.0;
    (0..definition.service.instances).filter(|index| !world.is_held(name, *index)).all(|index| {
        let id = InstanceId::new(name.clone(), index);
        let ripe = |since: u64| since + SECOND <= now;
        let state = status.instances.get(index as usize).map(|it| it.state);
        let declared = definition.service.ready.is_some();
        let ready = matches!(state, Some(State::Ready | State::Reloading));
        let long = |p: &Process| if declared { ready } else { p.since.is_some_and(ripe) };
        let runs = world.processes.values().any(|p| p.instance == id && p.main && long(p));
        let done = status.instances.get(index as usize).is_some_and(|it| {
            it.pid.is_none()
                && matches!(it.state, State::Stopped | State::Ready)
                && it.last_exit.as_ref().is_some_and(|exit| exit.code == Some(0))
        });
        runs || done
    })
}

/// No process is made before what it requires is up.
pub(crate) fn what_it_requires_is_up(world: &World, name: &ServiceName) {
    for other in requires(world, name) {
        assert!(is_up(world, &other), "{name} starts, {other} is not up\n{}", world.transcript.join("\n"));
    }
}

/// What goes down does so after those that come after it and go down as well.
pub(crate) fn those_after_it_are_down(world: &World, run: RunId) {
    let Some(process) = world.processes.get(&run).filter(|p| p.main && !p.asked) else { return };
    let own = &process.instance.service;
    let surplus = world.accepted.get(own).is_some_and(|it| process.instance.index >= it.service.instances);
    if world.shutdowns > 1 || !falls(world, own) || (surplus && !is_lost(world, own) && asked(world, own)) {
        return;
    }
    for (other, definition) in &world.last {
        let follows = definition.service.order.iter().any(|order| order.names().any(|it| it == own));
        // What one that is gone once said does not hold against what is in force.
        let contradicts = world.contradicted.contains(other);
        if !follows || !falls(world, other) || contradicts {
            continue;
        }
        let lives = world
            .processes
            .values()
            .find(|p| p.instance.service == *other && p.main && !p.hangs && !p.behaviour.immortal && p.since.is_some());
        assert!(lives.is_none(), "{own} goes down before {other}\n{}", world.transcript.join("\n"));
    }
}

pub(crate) fn comes_after(world: &World, name: &ServiceName, other: &ServiceName) -> bool {
    let (mut seen, mut todo) = (BTreeSet::new(), vec![name.clone()]);
    while let Some(next) = todo.pop() {
        let order = world.last.get(&next).and_then(|it| it.service.order.as_deref());
        for before in order.iter().flat_map(|order| order.names()) {
            if before == other {
                return true;
            }
            if seen.insert(before.clone()) {
                todo.push(before.clone());
            }
        }
    }
    false
}

/// After every step: who requires what has failed, or is not to run, is down or on its way there.
pub(crate) fn nobody_runs_on_what_is_lost(world: &World) {
    for process in world.processes.values().filter(|p| p.main && p.since.is_some() && !p.asked) {
        let own = &process.instance.service;
        if world.accepted.contains_key(own) && is_lost(world, own) {
            let waits = world.last.iter().any(|(other, definition)| {
                let follows = definition.service.order.iter().any(|order| order.names().any(|it| it == own));
                follows && is_moving(world, other)
            });
            assert!(waits, "{own} runs on, and requires what is lost\n{}", world.transcript.join("\n"));
        }
    }
}

/// Whether what an instance says that it waits for is in its order and not up.
pub(crate) fn waits_rightly(world: &World, name: &ServiceName, index: u32) -> bool {
    let Some(reason) = world.fragments[name].instances[index as usize].reason.clone() else { return false };
    let Some(order) = world.accepted[name].service.order.clone() else { return false };
    order.names().any(|other| {
        let named = ["requires", "waits for"].iter().any(|verb| reason.contains(&format!("{verb} {other}, ")));
        named && !is_up(world, other)
    })
}

/// What is in force leads in no circle, and what is refused has a name that is none or is in a circle.
pub(crate) fn the_judge_is_just(world: &World) {
    let exists = |name: &ServiceName| world.written.contains_key(name) || world.bad.contains(name);
    let before = |definition: &Arc<Definition>| -> Vec<ServiceName> {
        definition.service.order.iter().flat_map(|order| order.names()).cloned().collect()
    };
    let reaches_itself = |edges: &BTreeMap<ServiceName, Vec<ServiceName>>, name: &ServiceName| {
        let (mut seen, mut todo) = (BTreeSet::new(), edges.get(name).cloned().unwrap_or_default());
        while let Some(next) = todo.pop() {
            if next == *name {
                return true;
            }
            if seen.insert(next.clone()) {
                todo.extend(edges.get(&next).into_iter().flatten().cloned());
            }
        }
        false
    };
    let in_force: BTreeMap<_, _> = world.accepted.iter().map(|(name, it)| (name.clone(), before(it))).collect();
    for name in in_force.keys() {
        assert!(!reaches_itself(&in_force, name), "a circle through {name} is in force");
    }
    let mut all = in_force.clone();
    for (name, it) in &world.written {
        all.entry(name.clone()).or_default().extend(before(it));
    }
    let readers: BTreeSet<ServiceName> =
        world.written.values().filter_map(|it| Some(it.service.log_command()?.name)).collect();
    // Which of two of one name is refused is told elsewhere.
    let legacy = world.written.values().filter(|it| it.service.kind == Kind::Daemontools);
    let mut homes = BTreeSet::new();
    let is_twice = legacy.into_iter().any(|it| !homes.insert(&it.service.directory));
    if is_twice || readers.iter().any(|reader| world.written.contains_key(reader)) {
        return;
    }
    for (name, it) in &world.written {
        let order = it.service.order.as_deref().cloned().unwrap_or_default();
        let needed = order.after.iter().chain(&order.requires).chain(&it.service.restart.on_give_up);
        let complete = needed.into_iter().all(exists);
        let taken = world.accepted.get(name) == Some(it);
        assert!(
            taken || !complete || reaches_itself(&all, name),
            "{name} is refused for nothing: {:?}",
            it.service.order
        );
        let valid = status(world, name).is_some_and(|it| it.errors.is_empty());
        assert_eq!(valid, taken && complete, "{name}: what its status says of its file");
    }
}

// Named histories.

fn ordered(text: &str, after: &[&str], requires: &[&str]) -> Service {
    let list = |names: &[&str]| names.iter().map(|text| name(text)).collect();
    let order = Order { after: list(after), requires: list(requires), wants: Vec::new() };
    Service { order: Some(Box::new(order)), ..service(text) }
}

fn disabled(service: Service) -> Service {
    Service { enabled: false, ..service }
}

fn state(world: &World, text: &str) -> State {
    world.fragments[&name(text)].state
}

fn reason(world: &World, text: &str) -> String {
    world.fragments[&name(text)].instances[0].reason.clone().unwrap_or_default()
}

fn stack() -> [Service; 3] {
    [ordered("app", &[], &["db"]), service("db"), ordered("web", &["app"], &["app"])]
}

fn stack_up() -> World {
    let mut world = World::new();
    world.write_all(stack());
    world.pass(10_000);
    world.told();
    world
}

#[test]
fn a_stack_rises_in_order_and_falls_in_reverse() {
    let mut world = World::new();
    world.write_all(stack());
    world.pass(500);
    assert_eq!(
        (state(&world, "app"), reason(&world, "app").as_str()),
        (State::Waiting, "waits for db, which is not ready yet")
    );
    world.pass(9_500);
    world.deliver(Event::Shutdown);
    world.settle();
    insta::assert_snapshot!(world.told(), @r"
     0.000 db: stopped -> starting: new
     0.000 app: stopped -> waiting: waits for db, which is starting
     0.000 web: stopped -> waiting: waits for app, which itself waits for another
     0.001 db: starting -> running: started
     1.001 app: waiting -> starting: what it waited for is there
     1.002 app: starting -> running: started
     2.002 web: waiting -> starting: what it waited for is there
     2.003 web: starting -> running: started
    10.000 web: running -> stopping: abide is ending
    10.002 web: stopping -> stopped: SIGTERM
    10.002 app: running -> stopping: abide is ending
    10.004 app: stopping -> stopped: SIGTERM
    10.004 db: running -> stopping: abide is ending
    10.006 db: stopping -> stopped: SIGTERM
    10.006 finished
    ");
}

#[test]
fn what_is_required_takes_its_dependents_down_and_brings_them_back() {
    let mut world = stack_up();
    world.write(disabled(service("db")));
    world.pass(1000);
    assert_eq!(reason(&world, "app"), "requires db, which is not enabled");
    world.write(service("db"));
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
    10.000 web: running -> stopping: requires app, which itself requires what is not up
    10.002 web: stopping -> waiting: requires app, which itself requires what is not up
    10.002 app: running -> stopping: requires db, which is not enabled
    10.004 app: stopping -> waiting: requires db, which is not enabled
    10.004 db: running -> stopping: disabled
    10.006 db: stopping -> stopped: SIGTERM
    11.000 db: stopped -> starting: enabled
    11.001 db: starting -> running: started
    12.001 app: waiting -> starting: what it waited for is there
    12.002 app: starting -> running: started
    13.002 web: waiting -> starting: what it waited for is there
    13.003 web: starting -> running: started
    ");
}

#[test]
fn a_crash_that_is_made_good_and_a_restart_after_an_edit_leave_dependents_alone() {
    let mut world = stack_up();
    world.crash("db", Exit::from_wait_status(11));
    world.pass(10_000);
    world.write(running("db", "/bin/b"));
    world.settle();
    invariants::converged(&world);
    assert!(!world.told().contains("app"));
}

#[test]
fn one_that_is_given_up_takes_its_dependents_down_and_an_edit_brings_them_back() {
    let mut world = stack_up();
    let limit = Some(RestartLimit { count: 1, window: Duration::from_secs(60) });
    let mut few = service("db");
    few.restart.limit = limit;
    world.write(few.clone());
    world.behaviours.insert(name("db"), Behaviour { life: Some(10), ..GOOD });
    world.crash("db", Exit::Code(1));
    world.settle();
    assert_eq!(state(&world, "db"), State::Failed);
    assert_eq!(
        (reason(&world, "app").as_str(), state(&world, "web")),
        ("requires db, which has failed", State::Waiting)
    );
    assert_eq!(world.fleet.summary().worst, abide::model::status::Worst::Critical);
    world.mend();
    few.umask = 0;
    world.write(few);
    world.settle();
    invariants::converged(&world);
    assert_eq!(state(&world, "web"), State::Running);
}

#[test]
fn what_only_comes_after_starts_once_the_other_has_come_to_rest_however() {
    let mut world = World::new();
    let never = |text: &str| {
        let mut service = service(text);
        service.restart.when = RestartWhen::Never;
        service
    };
    world.behaviours.insert(name("job"), Behaviour { life: Some(300), exit: Exit::Code(3), ..GOOD });
    world.behaviours.insert(name("gone"), Behaviour { start: Start::Fails, ..GOOD });
    world.write_all([
        never("job"),
        never("gone"),
        disabled(service("off")),
        ordered("web", &["job", "gone", "off"], &[]),
        ordered("strict", &[], &["job"]),
    ]);
    world.settle();
    assert_eq!(state(&world, "web"), State::Running);
    assert_eq!(reason(&world, "strict"), "requires job, which has ended without success");
    insta::assert_snapshot!(world.told(), @r#"
    0.000 gone: stopped -> starting: new
    0.000 job: stopped -> starting: new
    0.000 strict: stopped -> waiting: waits for job, which is starting
    0.000 web: stopped -> waiting: waits for job, which is starting
    0.001 gone: starting -> failed: /bin/serve does not exist; not tried again under policy "never"
    0.001 job: starting -> running: started
    0.300 job: running -> stopped: exit code 3, not restarted by its policy
    0.300 web: waiting -> starting: what it waited for is there
    0.301 web: starting -> running: started
    "#);
}

#[test]
fn a_job_that_succeeded_counts_as_up() {
    let mut job = service("migrate");
    job.restart.when = RestartWhen::OnFailure;
    let mut world = World::new();
    world.behaviours.insert(name("migrate"), Behaviour { life: Some(300), exit: Exit::Code(0), ..GOOD });
    world.write_all([job, ordered("app", &[], &["migrate"])]);
    world.settle();
    insta::assert_snapshot!(world.told(), @r"
    0.000 migrate: stopped -> starting: new
    0.000 app: stopped -> waiting: waits for migrate, which is starting
    0.001 migrate: starting -> running: started
    0.300 migrate: running -> stopped: exit code 0, not restarted by its policy
    0.300 app: waiting -> starting: what it waited for is there
    0.301 app: starting -> running: started
    ");
}

#[test]
fn a_restart_of_a_dependent_waits_too_and_no_timer_is_armed_for_it() {
    let mut world = stack_up();
    world.behaviours.insert(name("db"), Behaviour { start: Start::Fails, ..GOOD });
    world.crash("db", Exit::Code(1));
    world.pass(100);
    world.crash("web", Exit::Code(1));
    world.pass(100);
    assert_eq!(state(&world, "web"), State::Running);
    world.crash("app", Exit::Code(1));
    world.pass(100);
    assert_eq!(
        (state(&world, "app"), reason(&world, "app").as_str()),
        (State::Waiting, "exit code 1; waits for db, which is in backoff")
    );
    world.mend();
    world.settle();
    invariants::converged(&world);
}

#[test]
fn a_running_service_that_is_given_a_requirement_stays_unless_that_is_not_up() {
    let mut world = World::new();
    world.write_all([service("db"), disabled(service("off")), service("web")]);
    world.pass(5000);
    world.told();
    world.write(ordered("web", &[], &["db"]));
    world.pass(5000);
    assert_eq!(world.told(), "");
    world.write(ordered("web", &[], &["off"]));
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
    10.000 web: running -> stopping: requires off, which is not enabled
    10.002 web: stopping -> waiting: requires off, which is not enabled
    ");
}

#[test]
fn a_required_one_that_is_removed_takes_its_dependent_down_whose_file_is_wrong_until_it_is_back() {
    let mut world = stack_up();
    world.remove("db");
    world.pass(5000);
    let status = &world.fragments[&name("app")];
    assert_eq!((status.state, status.errors.len(), status.accepted_hash.is_some()), (State::Waiting, 1, true));
    world.write(service("db"));
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
    10.000 web: running -> stopping: requires app, which itself requires what is not up
    10.000 found: services.d/app.toml: `requires` names the service `db`, and there is none; add its file, or remove the name
    10.002 web: stopping -> waiting: requires app, which itself requires what is not up
    10.002 app: running -> stopping: requires db, which is removed
    10.004 app: stopping -> waiting: requires db, which is removed
    10.004 db: running -> stopping: removed
    10.006 db: stopping -> stopped: SIGTERM
    10.006 closed db@0
    15.000 db: stopped -> starting: new
    15.000 mended: services.d/app.toml
    15.001 db: starting -> running: started
    16.001 app: waiting -> starting: what it waited for is there
    16.002 app: starting -> running: started
    17.002 web: waiting -> starting: what it waited for is there
    17.003 web: starting -> running: started
    ");
}

#[test]
fn a_broken_edit_of_what_is_required_harms_nobody() {
    let mut world = stack_up();
    world.break_file("db");
    world.settle();
    assert_eq!(
        world.told(),
        "  10.000 found: services.d/db.toml: this is no TOML; close the string".replace("  10", " 10")
    );
}

#[test]
fn files_that_name_each_other_in_one_delta_are_judged_together_and_a_later_file_mends_the_first() {
    let mut world = World::new();
    world.write(ordered("web", &[], &["db"]));
    world.pass(10);
    assert!(world.fragments[&name("web")].accepted_hash.is_none());
    world.write(service("db"));
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
    0.000 found: services.d/web.toml: `requires` names the service `db`, and there is none; add its file, or remove the name
    0.010 db: stopped -> starting: new
    0.010 web: stopped -> waiting: waits for db, which is starting
    0.010 mended: services.d/web.toml
    0.011 db: starting -> running: started
    1.011 web: waiting -> starting: what it waited for is there
    1.012 web: starting -> running: started
    ");
}

#[test]
fn a_circle_is_charged_to_the_edit_that_closes_it_and_at_a_first_load_to_each() {
    let mut world = World::new();
    world.write_all([ordered("a", &["b"], &[]), ordered("b", &[], &["c"]), ordered("c", &["a"], &[])]);
    world.pass(10);
    assert!(["a", "b", "c"].iter().all(|it| world.fragments[&name(it)].accepted_hash.is_none()));
    world.write(service("c"));
    world.pass(5000);
    assert!(["a", "b", "c"].iter().all(|it| state(&world, it) == State::Running));
    world.write(ordered("c", &["a"], &[]));
    world.pass(5000);
    let invalid = |it: &&&str| !world.fragments[&name(it)].errors.is_empty();
    assert_eq!(["a", "b", "c"].iter().filter(invalid).collect::<Vec<_>>(), [&"c"]);
    world.write(service("a"));
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
     0.000 found: services.d/a.toml: its order leads in a circle: a → b → c → a; remove one of these names from `after`, `requires` or `wants`
     0.000 found: services.d/b.toml: its order leads in a circle: b → c → a → b; remove one of these names from `after`, `requires` or `wants`
     0.000 found: services.d/c.toml: its order leads in a circle: c → a → b → c; remove one of these names from `after`, `requires` or `wants`
     0.010 c: stopped -> starting: new
     0.010 b: stopped -> waiting: waits for c, which is starting
     0.010 a: stopped -> waiting: waits for b, which itself waits for another
     0.010 mended: services.d/a.toml
     0.010 mended: services.d/b.toml
     0.010 mended: services.d/c.toml
     0.011 c: starting -> running: started
     1.011 b: waiting -> starting: what it waited for is there
     1.012 b: starting -> running: started
     2.012 a: waiting -> starting: what it waited for is there
     2.013 a: starting -> running: started
     5.010 found: services.d/c.toml: its order leads in a circle: c → a → b → c; remove one of these names from `after`, `requires` or `wants`
    10.010 mended: services.d/c.toml
    ");
}

#[test]
fn while_one_is_given_up_its_stand_in_runs() {
    let mut mail = service("mail");
    mail.restart.limit = Some(RestartLimit { count: 1, window: Duration::from_secs(60) });
    mail.restart.on_give_up = Some(name("alarm"));
    let mut world = World::new();
    world.behaviours.insert(name("mail"), Behaviour { life: Some(10), ..GOOD });
    world.write_all([mail.clone(), disabled(service("alarm"))]);
    world.settle();
    assert!(world.fragments[&name("alarm")].as_desired);
    let why = |who: &str| instance_status(&world, who).reason.unwrap_or_default();
    assert_eq!(why("alarm"), "runs in the place of mail, which has failed");
    assert!(why("mail").ends_with("exit code 1; alarm is started in its place"), "{}", why("mail"));
    world.mend();
    mail.umask = 0;
    world.write(mail);
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
    0.000 mail: stopped -> starting: new
    0.001 mail: starting -> running: started
    0.010 mail: running -> backoff: exit code 1, next attempt in 0.5 s
    0.510 mail: backoff -> starting: next attempt
    0.511 mail: starting -> running: started
    0.520 mail: running -> failed: has used up its 1 restart within 60 s; last: exit code 1
    0.520 alarm: stopped -> starting: mail has given up
    0.521 alarm: starting -> running: started
    0.521 mail: failed -> starting: umask changed
    0.521 alarm: running -> stopping: the one whose place it took is not failed any more
    0.522 mail: starting -> running: started
    0.523 alarm: stopping -> stopped: SIGTERM
    ");
}

#[test]
fn a_shutdown_waits_for_each_in_turn_and_a_second_one_for_nobody() {
    let mut world = stack_up();
    world.behaviours.insert(name("web"), Behaviour { obeys: false, ..GOOD });
    world.crash("web", Exit::Code(0));
    world.pass(2000);
    world.told();
    world.deliver(Event::Shutdown);
    world.pass(1000);
    assert_eq!((state(&world, "app"), reason(&world, "db").as_str()), (State::Running, "stops once app has stopped"));
    world.deliver(Event::Shutdown);
    world.settle();
    insta::assert_snapshot!(world.told(), @r"
    12.000 web: running -> stopping: abide is ending
    13.000 app: running -> stopping: abide is ending
    13.000 app: stopping -> stopping: killed in haste
    13.000 db: running -> stopping: abide is ending
    13.000 db: stopping -> stopping: killed in haste
    13.000 web: stopping -> stopping: killed in haste
    13.001 web: stopping -> stopped: SIGKILL
    13.002 app: stopping -> stopped: SIGTERM
    13.002 db: stopping -> stopped: SIGTERM
    13.002 finished
    ");
}

#[test]
fn a_shutdown_while_one_waits_ends_it_at_once() {
    let mut world = World::new();
    world.write_all(stack());
    world.pass(100);
    world.told();
    world.deliver(Event::Shutdown);
    world.settle();
    insta::assert_snapshot!(world.told(), @r"
    0.100 app: waiting -> stopped: abide is ending
    0.100 db: running -> stopping: abide is ending
    0.100 web: waiting -> stopped: abide is ending
    0.102 db: stopping -> stopped: SIGTERM
    0.102 finished
    ");
}

#[test]
fn what_cannot_be_killed_does_not_hold_the_others_for_ever() {
    let mut world = World::new();
    world.behaviours.insert(name("web"), Behaviour { immortal: true, ..GOOD });
    world.write_all([service("db"), ordered("web", &["db"], &[])]);
    world.pass(5000);
    world.deliver(Event::Shutdown);
    world.pass(14_000);
    assert_eq!(state(&world, "db"), State::Running);
    world.pass(2_000);
    assert!(!world.processes.values().any(|p| p.main && p.instance.service == name("db")));
}

#[test]
fn nobody_waits_for_a_service_that_nobody_names() {
    let mut world = World::new();
    world.write_all([service("db"), ordered("web", &["db"], &[]), service("alone")]);
    world.pass(5000);
    world.crash("alone", Exit::Code(0));
    world.pass(10);
    assert_eq!(world.fleet.next_deadline(), None);
    world.crash("db", Exit::Code(0));
    world.pass(10);
    assert_eq!(world.fleet.next_deadline(), None, "web runs: nobody waits");
}

#[test]
fn one_that_is_surplus_and_waits_for_others_to_stop_stops_too_when_its_service_is_raised_again_meanwhile() {
    let mut world = World::new();
    let two = Service { instances: 2, ..service("db") };
    world.write_all([two, ordered("web", &[], &["db"])]);
    world.pass(1100);
    world.order(stop(""), &["*"]);
    world.write(service("db"));
    world.order(Act::Restart, &["*"]);
    world.pass(5000);
    invariants::converged(&world);
    assert_eq!(world.processes.values().filter(|p| p.main && p.instance.service == name("db")).count(), 1);
}

#[test]
fn one_that_goes_down_after_others_is_not_restarted_ahead_of_them() {
    let mut world = World::new();
    world.write_all([service("db"), ordered("app", &[], &["db"]), ordered("web", &[], &["app"])]);
    world.pass(3000);
    world.order(stop(""), &["*"]);
    let done = world.order(Act::Restart, &["app"]);
    assert_eq!(done[0].words, "stops once web has stopped, and starts again as soon as it may");
    world.pass(5000);
    assert_eq!(reason(&world, "app"), "requires db, which is held");
    world.order(Act::Start, &["db"]);
    world.pass(5000);
    assert_eq!(state(&world, "app"), State::Running);
    invariants::converged(&world);
}

#[test]
fn one_edit_may_raise_the_last_of_a_chain_and_tie_a_running_service_to_its_first() {
    let mut world = World::new();
    world.write_all([service("app"), disabled(service("zone")), ordered("mesh", &[], &["zone"])]);
    world.pass(3000);
    let before = world.processes.keys().max().copied();
    world.write_all([ordered("app", &[], &["mesh"]), service("zone")]);
    world.pass(5000);
    invariants::converged(&world);
    let of_app = |p: &&Process| p.main && p.instance.service == name("app");
    assert_eq!(world.processes.values().filter(of_app).count(), 1);
    let run = world.processes.iter().find(|(_, p)| of_app(p)).map(|(run, _)| *run);
    assert_eq!(run, before, "it runs on: what it requires now is on its way");
}

/// Answers every order, until there are none left.
fn obey(fleet: &mut Fleet, now: u64) -> usize {
    let now = Now { mono: Mono(now), wall: Wall(0) };
    let mut spawned = 0;
    loop {
        let effects = fleet.take_effects();
        let mut answers = Vec::new();
        for effect in effects {
            match effect {
                Effect::Spawn { instance, run, .. } => {
                    spawned += 1;
                    let limits = abide::model::limits::Limits::new();
                    answers.push(Event::Spawned { instance, run, pid: 7, start_ticks: 7, limits });
                }
                Effect::Signal { instance, run, signal: Signal::TERM, .. } => {
                    let exit = Exit::Code(0);
                    answers.push(Event::Exited {
                        instance,
                        run,
                        exit,
                        leftovers: false,
                        oom: false,
                        used: Used::default(),
                    });
                }
                _ => {}
            }
        }
        if answers.is_empty() {
            return spawned;
        }
        for answer in answers {
            fleet.handle(now, answer);
        }
    }
}

#[test]
fn ten_thousand_that_come_after_one_rise_and_fall_at_a_cost_that_follows_the_change() {
    let mut fleet = Fleet::new(crate::world::POWERS, 1);
    let all = (0..10_000).map(|n| ordered(&format!("s{n}"), &[], &["base"])).chain([service("base")]);
    let entry = |service: Service| abide::model::desired::Entry {
        file: "x.toml".into(),
        drop_ins: Vec::new(),
        kind: service.kind,
        file_hash: None,
        service: Some(Arc::new(Definition::from(service))),
        diagnostics: Vec::new(),
        inputs: Vec::new(),
        delegated: None,
    };
    let changes = all.map(|service| (service.name.clone(), Some(entry(service)))).collect();
    let delta = abide::model::desired::Delta { changes, generation: 1, ..Default::default() };
    let began = std::time::Instant::now();
    fleet.handle(Now::default(), Event::Delta(delta));
    assert_eq!(obey(&mut fleet, 1), 1, "the first of them");
    assert_eq!(fleet.next_deadline(), Some(Mono(1 + SECOND)));
    fleet.handle_timeout(Now { mono: Mono(1 + SECOND), wall: Wall(0) });
    assert_eq!(obey(&mut fleet, 2 + SECOND), 10_000);
    fleet.handle(Now { mono: Mono(3 * SECOND), wall: Wall(0) }, Event::Shutdown);
    obey(&mut fleet, 3 * SECOND);
    assert!(fleet.service_status(&name("base"), &FACTS).is_some_and(|it| it.state == State::Stopped));
    // Were each end a look at all the others, it would be minutes.
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

// Any history.

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

#[derive(Debug, Clone)]
struct File {
    who: usize,
    enabled: bool,
    instances: u32,
    command: usize,
    when: RestartWhen,
    few: bool,
    /// Whom, and in which list: `after`, `requires`, `wants`, or `requires` again.
    ties: Vec<(usize, usize)>,
    stand_in: Option<usize>,
    /// How it lives: mostly a plain process.
    kind: usize,
}

impl File {
    /// `acyclic`: only those later in the alphabet are named.
    fn service(&self, acyclic: bool) -> Service {
        let mut service = running(NAMES[self.who], ["/bin/a", "/bin/b"][self.command]);
        (service.enabled, service.instances) = (self.enabled, self.instances);
        service.restart.when = self.when;
        service.restart.limit = self.few.then_some(RestartLimit { count: 1, window: Duration::from_secs(60) });
        service.stop.timeout = Duration::from_secs(2);
        let mut order = Order::default();
        for (other, list) in &self.ties {
            let Some(text) = NAMES.iter().chain(&["ghost"]).nth(*other) else { continue };
            if *other != self.who && (!acyclic || *other > self.who) {
                let lists = [&mut order.after, &mut order.requires, &mut order.wants];
                lists.into_iter().nth([0, 1, 2, 1][*list]).expect("one of three").push(name(text));
            }
        }
        match self.kind {
            3 => service.ready = crate::traits::ready(crate::traits::tcp()),
            4 => {
                service.service_type = ServiceType::Oneshot { remain: self.few };
                service.restart.when = RestartWhen::OnFailure;
                service.stop.command = Some(vec!["/bin/undo".to_owned()]);
            }
            5 => {
                let (start_before, stop_after) = (vec![vec!["/bin/one".to_owned()]], vec![vec!["/bin/two".to_owned()]]);
                let (start_timeout, stop_timeout) = (Duration::from_secs(1), Duration::from_secs(1));
                let start_after = Vec::new();
                let hooks = Hooks { start_before, start_after, stop_after, start_timeout, stop_timeout, finish: None };
                service.hooks = Some(Box::new(hooks));
            }
            _ => {}
        }
        service.order = (!order.is_empty()).then(|| Box::new(order));
        service.restart.on_give_up = self.stand_in.filter(|other| *other != self.who).map(|other| name(NAMES[other]));
        service
    }
}

#[derive(Debug, Clone)]
enum Op {
    Change(Vec<File>, Vec<usize>),
    Break(usize),
    Behave(usize, Behaviour),
    Crash(usize, Exit),
    Pass(u64),
    Echo(usize),
    Slots(usize),
    Order(Hand),
}

fn any_file() -> impl Strategy<Value = File> {
    let when =
        prop_oneof![4 => Just(RestartWhen::Always), 1 => Just(RestartWhen::OnFailure), 1 => Just(RestartWhen::Never)];
    let instances = prop_oneof![6 => Just(1_u32), 1 => Just(0), 1 => Just(2), 1 => Just(3)];
    let ties = prop::collection::vec((0..7_usize, 0..4_usize), 0..4);
    let shape = (0..6_usize, prop::bool::weighted(0.85), instances, 0..2_usize, when, prop::bool::weighted(0.3));
    let stand_in = prop::option::weighted(0.15, 0..6_usize);
    (shape, ties, stand_in, 0..6_usize).prop_map(
        |((who, enabled, instances, command, when, few), ties, stand_in, kind)| {
            let ties = ties.into_iter().filter(|(other, list)| *other < 6 || *list == 2 || who == 0).collect();
            File { who, enabled, instances, command, when, few, ties, stand_in, kind }
        },
    )
}

fn any_behaviour() -> impl Strategy<Value = Behaviour> {
    let start = prop_oneof![8 => Just(Start::Well), 1 => Just(Start::Fails), 1 => Just(Start::Hangs)];
    let life = prop_oneof![3 => Just(None), 1 => Just(Some(0)), 1 => Just(Some(300)), 1 => Just(Some(3000))];
    let exit = prop_oneof![Just(Exit::Code(0)), Just(Exit::Code(1))];
    let tasks = (
        prop_oneof![2 => Just(Some(5)), 1 => Just(Some(1500)), 1 => Just(None)],
        prop_oneof![2 => Just(Way::Well(3)), 1 => Just(Way::Well(700)), 1 => Just(Way::Fails), 1 => Just(Way::Hangs)],
    );
    (start, life, exit, any::<bool>(), any::<bool>(), prop::bool::weighted(0.05), tasks).prop_map(
        |(start, life, exit, obeys, leaves, immortal, (ready, commands))| {
            let tasks = Tasks { ready, commands, ..GOOD_TASKS };
            Behaviour { start, life, exit, obeys, leaves, immortal, tasks }
        },
    )
}

fn any_op() -> impl Strategy<Value = Op> {
    let who = || 0..NAMES.len();
    let change = (prop::collection::vec(any_file(), 0..4), prop::collection::vec(who(), 0..2));
    prop_oneof![
        8 => change.prop_map(|(files, gone)| Op::Change(files, gone)),
        1 => who().prop_map(Op::Break),
        4 => (who(), any_behaviour()).prop_map(|(who, behaviour)| Op::Behave(who, behaviour)),
        4 => (who(), prop_oneof![Just(Exit::Code(0)), Just(Exit::Code(1))]).prop_map(|(who, exit)| Op::Crash(who, exit)),
        10 => prop_oneof![Just(1), Just(3), Just(400), Just(1100), Just(2500), Just(20_000)].prop_map(Op::Pass),
        1 => (0..8_usize).prop_map(Op::Echo),
        1 => (2..8_usize).prop_map(Op::Slots),
        5 => any_hand(NAMES.len()).prop_map(Op::Order),
    ]
}

fn perform(world: &mut World, op: Op, acyclic: bool) {
    match op {
        Op::Change(files, gone) => {
            let gone: Vec<&str> = gone.into_iter().map(|who| NAMES[who]).collect();
            world.change(files.iter().map(|file| file.service(acyclic)), &gone);
        }
        Op::Break(who) => world.break_file(NAMES[who]),
        Op::Behave(who, behaviour) => drop(world.behaviours.insert(name(NAMES[who]), behaviour)),
        Op::Crash(who, exit) => world.crash(NAMES[who], exit),
        Op::Pass(time) => world.pass(time),
        Op::Echo(back) => {
            let again = world.heard.iter().rev().nth(back).cloned();
            if let Some(event) = again {
                world.deliver(event);
            }
        }
        Op::Slots(slots) => world.slots = slots,
        Op::Order(hand) => world.obey(hand, &NAMES),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases * 2,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_the_graph_once_all_is_well_each_runs_or_says_for_whom_it_waits(
        ops in prop::collection::vec(any_op(), 1..40),
        acyclic in any::<bool>(),
    ) {
        let mut world = World::new();
        for op in ops {
            perform(&mut world, op, acyclic);
        }
        world.mend();
        world.settle();
        invariants::converged(&world);
    }

    #[test]
    fn a_shutdown_ends_all_in_reverse(
        ops in prop::collection::vec(any_op(), 1..30),
        between in prop::collection::vec(any_op(), 0..6),
        hurry in any::<bool>(),
    ) {
        let mut world = World::new();
        for op in ops {
            perform(&mut world, op, false);
        }
        world.deliver(Event::Shutdown);
        for op in between {
            perform(&mut world, op, false);
        }
        if hurry {
            world.deliver(Event::Shutdown);
        }
        world.mend();
        world.settle();
        invariants::converged(&world);
        prop_assert!(world.processes.values().all(|process| !process.main));
    }
}
