//! Histories of daemons that fork away, of jobs, and of what an end means.

use crate::behaviour::{Behaviour, GOOD};
use crate::invariants;
use crate::services::{name, service};
use crate::tasks::{GOOD_TASKS, Tasks, Way};
use crate::traits::{command, ready, seconds, tcp};
use crate::world::{World, instance_status, state, tasked, world_with};
use abide::decide::event::Event;
use abide::model::check::{Check, Sign};
use abide::model::outcome::Exit;
use abide::model::policy::{ExitRules, Hooks, Order, RestartWhen, ServiceType};
use abide::model::service::{Run, Service};
use abide::model::signal::Signal;
use abide::model::status::{Desired, State};

fn forking() -> Service {
    Service { service_type: ServiceType::Forking { pid_file: None }, ..service("web") }
}

fn job(remain: bool) -> Service {
    let mut job = Service { service_type: ServiceType::Oneshot { remain }, ..service("web") };
    job.restart.when = RestartWhen::OnFailure;
    job
}

#[test]
fn the_daemon_that_a_launcher_leaves_is_found_and_watched() {
    let mut world = tasked(forking(), |tasks| tasks.daemon = 250);
    world.pass(200);
    assert_eq!(state(&world, "web"), State::Starting);
    let reason = instance_status(&world, "web").reason;
    assert_eq!(reason.as_deref(), Some("its process is not found yet: no pid file"));
    world.pass(3000);
    assert_eq!(instance_status(&world, "web").pid, Some(1001));
    assert_eq!(world.fleet.next_deadline(), None);
    world.crash("web", Exit::from_wait_status(11));
    world.pass(1000);
    world.remove("web");
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.308 web: starting -> running: process 1001 is the service
    3.200 web: running -> starting: SIGSEGV, restarted at once
    3.508 web: starting -> running: process 1002 is the service
    4.200 web: running -> stopping: removed
    4.202 web: stopping -> stopped: SIGTERM
    4.202 closed web@0
    ");
}

#[test]
fn a_process_that_only_led_to_the_daemon_is_no_end_of_it() {
    let mut world = tasked(Service { ready: ready(tcp()), ..forking() }, |_| ());
    world.pass(20);
    assert_eq!(state(&world, "web"), State::Ready);
    for process in world.processes.values_mut() {
        process.rest = true;
    }
    world.crash("web", Exit::Code(0));
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.006 web: starting -> running: process 1001 is the service
    0.007 web: running -> ready: ready after 6 ms
    0.020 web: ready -> starting: what was taken for it has ended, and left others: it is looked for again
    0.021 web: starting -> running: process 1001 is the service
    0.022 web: running -> ready: ready after 21 ms
    ");
}

#[test]
fn a_daemon_can_be_ready_later_than_found() {
    let mut world = tasked(Service { ready: ready(tcp()), ..forking() }, |tasks| tasks.ready = Some(700));
    world.pass(3000);
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.006 web: starting -> running: process 1001 is the service
    1.038 web: running -> ready: ready after 1037 ms
    ");
}

#[test]
fn a_launcher_that_fails_is_a_failed_start() {
    let mut world = world_with(Behaviour { life: Some(5), exit: Exit::Code(1), ..GOOD }, forking());
    world.pass(1000);
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.005 web: starting -> backoff: exit code 1, next attempt in 0.5 s
    0.505 web: backoff -> starting: next attempt
    0.510 web: starting -> backoff: exit code 1, next attempt in 1.0 s
    ");
}

#[test]
fn a_launcher_that_leaves_nothing_to_be_found_is_given_up_with_its_tree() {
    let tasks = Tasks { daemon: 1 << 40, ..GOOD_TASKS };
    let mut world =
        world_with(Behaviour { tasks, ..GOOD }, Service { ready: ready(Check::After(seconds(0))), ..forking() });
    world.pass(10_600);
    insta::assert_snapshot!(world.told(), @r"
     0.000 web: stopped -> starting: new
    10.001 web: starting -> stopping: its process was not found within 10 s: no pid file, next attempt in 0.5 s
    10.003 web: stopping -> backoff: its process was not found within 10 s: no pid file, next attempt in 0.5 s
    10.501 web: backoff -> starting: next attempt
    ");
    let none = Behaviour { life: Some(3), exit: Exit::Code(0), ..GOOD };
    let mut world = world_with(none, forking());
    world.pass(5000);
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    1.508 web: starting -> backoff: what it started has ended, next attempt in 0.5 s
    2.008 web: backoff -> starting: next attempt
    3.516 web: starting -> backoff: what it started has ended, next attempt in 1.0 s
    4.516 web: backoff -> starting: next attempt
    ");
}

#[test]
fn removed_while_its_daemon_is_looked_for_it_leaves_nothing() {
    let mut world = tasked(forking(), |tasks| tasks.daemon = 5000);
    world.pass(100);
    world.remove("web");
    world.settle();
    invariants::converged(&world);
    assert!(world.processes.values().all(|process| !process.main && !process.rest));
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.100 web: starting -> stopping: removed
    0.102 web: stopping -> stopped: removed
    0.102 closed web@0
    ");
}

#[test]
fn a_service_can_name_another_process_of_its_own() {
    let mut world = tasked(Service { ready: ready(Check::Notify), ..service("web") }, |_| ());
    world.pass(100);
    world.sign("web", Sign::Main(77));
    world.pass(5);
    assert!(world.told().contains("the process that it named is not watched: no pid file"));
    assert_eq!(state(&world, "web"), State::Ready);
}

#[test]
fn a_job_that_has_succeeded_is_up_and_taken_down_by_its_commands() {
    let mut keeps = job(true);
    keeps.stop.command = Some(command("/bin/undo"));
    keeps.hooks =
        Some(Box::new(Hooks { stop_after: vec![command("/bin/clean")], stop_timeout: seconds(2), ..Hooks::default() }));
    let mut world = tasked(keeps.clone(), |_| ());
    world.pass(3);
    assert_eq!(state(&world, "web"), State::Starting);
    world.pass(1000);
    let status = &world.fragments[&name("web")];
    assert_eq!((status.state, status.as_desired, status.desired), (State::Ready, true, Desired::Running));
    assert_eq!((world.fleet.summary().running, world.fleet.summary().ready), (1, 1));
    world.write(Service { run: Run::Command(command("/bin/other")), ..keeps });
    world.pass(1000);
    world.deliver(Event::Shutdown);
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.005 web: starting -> ready: exit code 0, done
    1.003 web: ready -> stopping: command changed
    1.003 web runs Stop ABIDE_EXIT_CODE=0
    1.006 web runs Stopped(0) ABIDE_EXIT_CODE=0
    1.009 web: stopping -> starting: command changed
    1.014 web: starting -> ready: exit code 0, done
    2.003 web: ready -> stopping: abide is ending
    2.003 web runs Stop ABIDE_EXIT_CODE=0
    2.006 web runs Stopped(0) ABIDE_EXIT_CODE=0
    2.009 web: stopping -> stopped: abide is ending
    2.009 finished
    ");
}

#[test]
fn a_job_that_is_not_to_remain_is_forgotten() {
    let mut world = tasked(job(false), |_| ());
    world.pass(1000);
    let status = &world.fragments[&name("web")];
    assert_eq!((status.state, status.as_desired), (State::Stopped, true));
    world.write(job(true));
    world.pass(10);
    assert_eq!(state(&world, "web"), State::Ready);
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.005 web: starting -> stopped: exit code 0, done
    ");
}

#[test]
fn a_job_that_fails_is_tried_again_however_long_it_took() {
    let mut world = world_with(Behaviour { life: Some(5000), exit: Exit::Code(1), ..GOOD }, job(true));
    world.pass(6000);
    world.behaviours.insert(name("web"), GOOD);
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
     0.000 web: stopped -> starting: new
     5.000 web: starting -> backoff: exit code 1, next attempt in 0.5 s
     5.500 web: backoff -> starting: next attempt
    10.500 web: starting -> backoff: exit code 1, next attempt in 1.0 s
    11.500 web: backoff -> starting: next attempt
    11.505 web: starting -> ready: exit code 0, done
    ");
}

#[test]
fn a_job_that_takes_too_long_has_failed_where_its_file_says_how_long() {
    let bounded = Service { ready: ready(Check::After(seconds(0))), ..job(true) };
    let mut world = world_with(Behaviour { life: Some(60_000), ..GOOD }, bounded);
    world.pass(10_300);
    insta::assert_snapshot!(world.told(), @r"
     0.000 web: stopped -> starting: new
    10.001 web: starting -> stopping: did not end within 10 s, next attempt in 0.5 s
    10.003 web: stopping -> backoff: did not end within 10 s, next attempt in 0.5 s
    ");
}

#[test]
fn ends_mean_what_the_file_says() {
    let rules = ExitRules {
        success_codes: vec![3],
        success_signals: vec![Signal::INT],
        never_on: vec![100],
        ..ExitRules::default()
    };
    let mut strict = service("web");
    strict.restart.when = RestartWhen::OnFailure;
    strict.restart.exits = Some(Box::new(rules));
    let after = |exit: Exit| {
        let mut world: World = tasked(strict.clone(), |_| ());
        world.pass(10);
        world.crash("web", exit);
        world.pass(10);
        (state(&world, "web"), instance_status(&world, "web").reason.unwrap_or_default())
    };
    assert_eq!(after(Exit::Code(3)).0, State::Stopped);
    assert_eq!(after(Exit::from_wait_status(2)).0, State::Stopped);
    assert_eq!(after(Exit::Code(4)).0, State::Backoff);
    let never = after(Exit::Code(100));
    assert_eq!(never, (State::Failed, "exit code 100, after which it is never restarted".to_owned()));
}

fn after(name_of: &str, first: &str) -> Service {
    let order = Order { requires: vec![name(first)], ..Order::default() };
    Service { order: Some(Box::new(order)), ..service(name_of) }
}

#[test]
fn who_comes_after_another_starts_when_that_is_ready_and_stops_before_it() {
    let mut first = Service { ready: ready(tcp()), ..service("db") };
    first.hooks =
        Some(Box::new(Hooks { stop_after: vec![command("/bin/clean")], stop_timeout: seconds(2), ..Hooks::default() }));
    let mut world = World::new();
    let tasks = Tasks { ready: Some(3000), ..GOOD_TASKS };
    world.behaviours.insert(name("db"), Behaviour { tasks, ..GOOD });
    world.write_all([first, after("web", "db")]);
    world.pass(10_000);
    world.deliver(Event::Shutdown);
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
     0.000 db: stopped -> starting: new
     0.000 web: stopped -> waiting: waits for db, which is starting
     0.001 db: starting -> running: started
     3.035 db: running -> ready: ready after 3034 ms
     3.035 web: waiting -> starting: what it waited for is there
     3.036 web: starting -> running: started
    10.000 web: running -> stopping: abide is ending
    10.002 web: stopping -> stopped: SIGTERM
    10.002 db: ready -> stopping: abide is ending
    10.004 db runs Stopped(0) ABIDE_EXIT_SIGNAL=SIGTERM
    10.007 db: stopping -> stopped: abide is ending
    10.007 finished
    ");
}

#[test]
fn a_job_lets_those_after_it_go_once_it_has_succeeded_and_takes_them_along() {
    let mut migrate = Service { name: name("migrate"), ..job(true) };
    migrate.stop.command = Some(command("/bin/undo"));
    let mut world = World::new();
    world.behaviours.insert(name("migrate"), Behaviour { life: Some(500), exit: Exit::Code(0), ..GOOD });
    world.write_all([migrate.clone(), after("web", "migrate")]);
    world.pass(5000);
    assert_eq!(state(&world, "web"), State::Running);
    world.write(Service { enabled: false, ..migrate });
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
    0.000 migrate: stopped -> starting: new
    0.000 web: stopped -> waiting: waits for migrate, which is starting
    0.500 migrate: starting -> ready: exit code 0, done
    0.500 web: waiting -> starting: what it waited for is there
    0.501 web: starting -> running: started
    5.000 web: running -> stopping: requires migrate, which is not enabled
    5.002 web: stopping -> waiting: requires migrate, which is not enabled
    5.002 migrate: ready -> stopping: disabled
    5.002 migrate runs Stop ABIDE_EXIT_CODE=0
    5.005 migrate: stopping -> stopped: disabled
    ");
}

#[test]
fn a_job_that_requires_what_goes_is_undone_and_done_again() {
    let mut migrate = Service { order: after("x", "db").order, name: name("migrate"), ..job(true) };
    migrate.stop.command = Some(command("/bin/undo"));
    let mut world = World::new();
    world.write_all([service("db"), migrate]);
    world.pass(5000);
    assert_eq!(state(&world, "migrate"), State::Ready);
    world.write(Service { enabled: false, ..service("db") });
    world.pass(5000);
    assert_eq!((state(&world, "migrate"), state(&world, "db")), (State::Waiting, State::Stopped));
    world.write(service("db"));
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
     0.000 db: stopped -> starting: new
     0.000 migrate: stopped -> waiting: waits for db, which is starting
     0.001 db: starting -> running: started
     1.001 migrate: waiting -> starting: what it waited for is there
     1.006 migrate: starting -> ready: exit code 0, done
     5.000 migrate: ready -> stopping: requires db, which is not enabled
     5.000 migrate runs Stop ABIDE_EXIT_CODE=0
     5.003 migrate: stopping -> waiting: requires db, which is not enabled
     5.003 db: running -> stopping: disabled
     5.005 db: stopping -> stopped: SIGTERM
    10.000 db: stopped -> starting: enabled
    10.001 db: starting -> running: started
    11.001 migrate: waiting -> starting: what it waited for is there
    11.006 migrate: starting -> ready: exit code 0, done
    ");
}

#[test]
fn who_is_being_prepared_does_not_start_on_what_has_gone() {
    let mut web = after("web", "db");
    web.hooks = Some(Box::new(Hooks {
        start_before: vec![command("/bin/slow")],
        start_timeout: seconds(9),
        ..Hooks::default()
    }));
    let mut world = World::new();
    let tasks = Tasks { commands: Way::Well(2000), ..GOOD_TASKS };
    world.behaviours.insert(name("web"), Behaviour { tasks, ..GOOD });
    world.write_all([service("db"), web]);
    world.pass(2000);
    world.write(Service { enabled: false, ..service("db") });
    world.settle();
    invariants::converged(&world);
    assert!(world.tasks.is_empty());
    insta::assert_snapshot!(world.told(), @r"
    0.000 db: stopped -> starting: new
    0.000 web: stopped -> waiting: waits for db, which is starting
    0.001 db: starting -> running: started
    1.001 web: waiting -> starting: what it waited for is there
    1.001 web runs Before(0)
    2.000 db: running -> stopping: disabled
    2.001 web: starting -> waiting: requires db, which is not enabled
    2.002 db: stopping -> stopped: SIGTERM
    ");
}
