//! Histories of commands around a service's life.

use crate::behaviour::{Behaviour, GOOD};
use crate::invariants;
use crate::services::service;
use crate::tasks::Way;
use crate::traits::{command, ready, seconds, tcp};
use crate::world::{World, instance_status, state, tasked};
use abide::decide::event::Event;
use abide::model::outcome::Exit;
use abide::model::policy::{Hooks, RestartWhen};
use abide::model::service::{Run, Service};
use abide::model::status::State;

fn hooked(before: usize, after: usize, stopped: usize) -> Service {
    let list = |count: usize| vec![command("/bin/hook"); count];
    let hooks = Hooks {
        finish: None,
        start_before: list(before),
        start_after: list(after),
        stop_after: list(stopped),
        start_timeout: seconds(3),
        stop_timeout: seconds(2),
    };
    Service { hooks: Some(Box::new(hooks)), ..service("web") }
}

fn fare(world: &mut World, way: Way) {
    let behaviour = world.behaviours.values_mut();
    behaviour.for_each(|behaviour| behaviour.tasks.commands = way);
    world.processes.values_mut().for_each(|process| process.behaviour.tasks.commands = way);
}

#[test]
fn commands_run_one_after_the_other_before_after_and_at_the_end() {
    let mut world = tasked(Service { ready: ready(tcp()), ..hooked(2, 1, 2) }, |_| ());
    world.pass(1000);
    world.crash("web", Exit::Code(7));
    world.pass(100);
    world.remove("web");
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.000 web runs Before(0)
    0.003 web runs Before(1)
    0.007 web: starting -> running: started
    0.016 web runs After(0)
    0.019 web: running -> ready: ready after 12 ms
    1.000 web: ready -> stopping: exit code 7, next attempt in 0.5 s
    1.000 web runs Stopped(0) ABIDE_EXIT_CODE=7
    1.003 web runs Stopped(1) ABIDE_EXIT_CODE=7
    1.006 web: stopping -> backoff: exit code 7, next attempt in 0.5 s
    1.100 web: backoff -> stopped: removed
    1.100 closed web@0
    ");
}

#[test]
fn a_command_before_the_start_that_fails_is_a_failed_start() {
    let mut world = tasked(hooked(2, 0, 1), |tasks| tasks.commands = Way::Fails);
    world.pass(100);
    assert!(world.processes.is_empty());
    assert_eq!(state(&world, "web"), State::Backoff);
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.000 web runs Before(0)
    0.001 web: starting -> stopping: `[start] before` (1 of 2) failed: exit code 1, next attempt in 0.5 s
    0.001 web runs Stopped(0)
    0.002 web: stopping -> stopping: `[stop] after` failed: exit code 1
    0.002 web: stopping -> backoff: `[start] before` (1 of 2) failed: exit code 1, next attempt in 0.5 s
    ");
    fare(&mut world, Way::Well(2));
    world.settle();
    invariants::converged(&world);
}

#[test]
fn one_that_hangs_is_killed_after_its_time() {
    let mut world = tasked(hooked(1, 0, 1), |tasks| tasks.commands = Way::Hangs);
    world.pass(2000);
    let reason = instance_status(&world, "web").reason;
    assert_eq!(reason.as_deref(), Some("`[start] before` is under way"));
    world.pass(4000);
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.000 web runs Before(0)
    3.001 web: starting -> stopping: `[start] before` failed: it did not end within 3 s, next attempt in 0.5 s
    3.001 web runs Stopped(0)
    5.001 web: stopping -> stopping: `[stop] after` did not end in time, killed
    5.002 web: stopping -> starting: `[start] before` failed: it did not end within 3 s, next attempt in 0.5 s
    5.002 web runs Before(0)
    ");
}

#[test]
fn under_policy_never_a_failed_preparation_is_final_until_an_edit() {
    let mut once = hooked(1, 0, 0);
    once.restart.when = RestartWhen::Never;
    let mut world = tasked(once.clone(), |tasks| tasks.commands = Way::Fails);
    world.settle();
    assert_eq!(state(&world, "web"), State::Failed);
    fare(&mut world, Way::Well(2));
    world.write(Service { umask: 0, ..once });
    world.settle();
    assert_eq!(state(&world, "web"), State::Running);
}

#[test]
fn a_command_after_the_start_that_fails_takes_the_service_with_it() {
    let mut world = tasked(hooked(0, 1, 0), |_| ());
    fare(&mut world, Way::Fails);
    world.write(Service { umask: 0, ..hooked(0, 1, 0) });
    world.pass(600);
    assert!(instance_status(&world, "web").restarts_by["start_after"] >= 1);
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.001 web: starting -> running: started
    0.001 web runs After(0)
    0.001 web: running -> stopping: umask changed
    0.003 web: stopping -> starting: umask changed
    0.004 web: starting -> running: started
    0.004 web runs After(0)
    0.005 web: running -> stopping: `[start] after` failed: exit code 1, next attempt in 0.5 s
    0.007 web: stopping -> backoff: `[start] after` failed: exit code 1, next attempt in 0.5 s
    0.505 web: backoff -> starting: next attempt
    0.506 web: starting -> running: started
    0.506 web runs After(0)
    0.507 web: running -> stopping: `[start] after` failed: exit code 1, next attempt in 1.0 s
    0.509 web: stopping -> backoff: `[start] after` failed: exit code 1, next attempt in 1.0 s
    ");
}

#[test]
fn a_shutdown_in_the_middle_of_a_preparation_ends_it_and_runs_what_cleans_up() {
    let mut world = tasked(hooked(1, 0, 1), |tasks| tasks.commands = Way::Well(500));
    world.pass(100);
    world.deliver(Event::Shutdown);
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.000 web runs Before(0)
    0.101 web: starting -> stopping: abide is ending
    0.101 web runs Stopped(0)
    0.601 web: stopping -> stopped: abide is ending
    0.601 finished
    ");
}

#[test]
fn in_haste_commands_are_ended_and_no_more_are_run() {
    let mut world = tasked(hooked(0, 0, 2), |tasks| tasks.commands = Way::Hangs);
    world.pass(100);
    world.deliver(Event::Shutdown);
    world.pass(10);
    assert_eq!(world.tasks.len(), 1);
    world.deliver(Event::Shutdown);
    world.pass(2);
    assert!(world.finished && world.tasks.is_empty());
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.001 web: starting -> running: started
    0.100 web: running -> stopping: abide is ending
    0.102 web runs Stopped(0) ABIDE_EXIT_SIGNAL=SIGTERM
    0.111 web: stopping -> stopped: abide is ending
    0.111 finished
    ");
}

#[test]
fn an_edit_in_the_middle_of_a_preparation_begins_it_anew() {
    let mut world = tasked(hooked(1, 0, 0), |tasks| tasks.commands = Way::Well(500));
    world.pass(100);
    world.write(Service { run: Run::Command(command("/bin/other")), ..hooked(1, 0, 0) });
    world.pass(1000);
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.000 web runs Before(0)
    0.101 web: starting -> starting: command changed
    0.101 web runs Before(0)
    0.602 web: starting -> running: started
    ");
}

#[test]
fn an_edit_that_costs_nothing_leaves_a_preparation_alone() {
    let mut world = tasked(hooked(1, 0, 0), |tasks| tasks.commands = Way::Well(500));
    world.pass(100);
    let mut later = hooked(1, 0, 0);
    later.stop.timeout = seconds(99);
    world.write(later);
    world.pass(1000);
    invariants::converged(&world);
    assert_eq!(world.told().matches("runs Before").count(), 1);
}

#[test]
fn nothing_starts_while_a_command_of_the_last_run_lives() {
    let mut world = tasked(hooked(0, 0, 1), |tasks| tasks.commands = Way::Hangs);
    world.pass(3000);
    world.crash("web", Exit::Code(1));
    world.pass(1000);
    assert_eq!(state(&world, "web"), State::Stopping);
    world.behaviours.insert(crate::services::name("web"), Behaviour { ..GOOD });
    world.pass(2000);
    assert_eq!(state(&world, "web"), State::Running);
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.001 web: starting -> running: started
    3.000 web: running -> stopping: exit code 1, restarted at once
    3.000 web runs Stopped(0) ABIDE_EXIT_CODE=1
    5.000 web: stopping -> stopping: `[stop] after` did not end in time, killed
    5.001 web: stopping -> starting: exit code 1, restarted at once
    5.002 web: starting -> running: started
    ");
}
