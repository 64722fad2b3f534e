//! Histories of what is watched while a service is up.

use crate::invariants;
use crate::services::{name, service};
use crate::traits::{command, health, http, ready, seconds, tcp};
use crate::world::{World, instance_status, state, tasked};
use abide::model::check::{Check, OnFailure, Sign};
use abide::model::service::Service;
use abide::model::status::{ConditionKind, HealthState, State, Worst};

fn watched(check: Check, on_failure: OnFailure) -> Service {
    Service { health: health(check, on_failure), ..service("web") }
}

fn turn(world: &mut World, well: bool) {
    for process in world.processes.values_mut() {
        process.behaviour.tasks.well = well;
    }
}

#[test]
fn who_fails_too_often_in_a_row_is_restarted_after_a_delay() {
    let mut world = tasked(watched(tcp(), OnFailure::Restart), |_| ());
    world.pass(20_000);
    let status = instance_status(&world, "web").health.expect("it is watched");
    assert_eq!((status.status, status.failures), (HealthState::Healthy, 0));
    turn(&mut world, false);
    world.pass(6_000);
    let status = instance_status(&world, "web").health.expect("it is watched");
    assert_eq!((status.status, status.failures), (HealthState::Healthy, 1));
    world.pass(10_000);
    assert_eq!(instance_status(&world, "web").restarts_by["health"], 1);
    insta::assert_snapshot!(world.told(), @r"
     0.000 web: stopped -> starting: new
     0.001 web: starting -> running: started
    32.005 web: running -> stopping: is not well: connection refused, next attempt in 0.5 s
    32.007 web: stopping -> backoff: is not well: connection refused, next attempt in 0.5 s
    32.505 web: backoff -> starting: next attempt
    32.506 web: starting -> running: started
    ");
}

#[test]
fn where_it_is_only_to_be_said_it_is_said_and_taken_back() {
    let mut world = tasked(watched(Check::Exec(command("/bin/look")), OnFailure::Report), |tasks| tasks.well = false);
    world.pass(20_000);
    let status = &world.fragments[&name("web")];
    let condition = &status.conditions[0];
    assert_eq!((condition.kind, condition.message.as_str()), (ConditionKind::Healthy, "is not well: exit code 1"));
    assert_eq!((status.as_desired, world.fleet.summary().worst), (false, Worst::Critical));
    turn(&mut world, true);
    world.pass(20_000);
    assert!(world.fragments[&name("web")].conditions.is_empty());
    insta::assert_snapshot!(world.told(), @r"
     0.000 web: stopped -> starting: new
     0.001 web: starting -> running: started
    16.003 web: running -> running: is not well: exit code 1
    24.004 web: running -> running: is well again
    ");
}

#[test]
fn a_check_that_hangs_has_failed_and_there_is_one_at_a_time() {
    let mut world = tasked(watched(http(), OnFailure::Report), |tasks| tasks.deaf = true);
    for _ in 0..40 {
        world.pass(1000);
        assert!(world.probes.len() <= 1);
    }
    let status = instance_status(&world, "web").health.expect("it is watched");
    assert_eq!((status.status, status.message.as_deref()), (HealthState::Unhealthy, Some("no answer in time")));
    assert!(status.failures >= 3, "{status:?}");
}

#[test]
fn a_watchdog_that_is_not_fed_ends_it() {
    let mut world = tasked(watched(Check::Notify, OnFailure::Restart), |_| ());
    world.pass(100_000);
    assert_eq!(state(&world, "web"), State::Running);
    turn(&mut world, false);
    world.pass(20_000);
    insta::assert_snapshot!(world.told(), @r"
      0.000 web: stopped -> starting: new
      0.001 web: starting -> running: started
    115.001 web: running -> stopping: is not well: gave no sign of life for 8s, next attempt in 0.5 s
    115.003 web: stopping -> backoff: is not well: gave no sign of life for 8s, next attempt in 0.5 s
    115.501 web: backoff -> starting: next attempt
    115.502 web: starting -> running: started
    ");
}

#[test]
fn who_says_itself_that_it_is_not_well_is_taken_at_its_word() {
    let mut world = tasked(watched(Check::Notify, OnFailure::Restart), |_| ());
    world.pass(5000);
    world.sign("web", Sign::Unwell);
    world.pass(1000);
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.001 web: starting -> running: started
    5.000 web: running -> stopping: is not well: it says so itself, next attempt in 0.5 s
    5.002 web: stopping -> backoff: is not well: it says so itself, next attempt in 0.5 s
    5.500 web: backoff -> starting: next attempt
    5.501 web: starting -> running: started
    ");
}

#[test]
fn health_begins_once_it_is_ready() {
    let both = Service { ready: ready(tcp()), ..watched(tcp(), OnFailure::Restart) };
    let mut world = tasked(both, |tasks| (tasks.ready, tasks.well) = (Some(9_000), false));
    world.pass(16_000);
    assert_eq!(state(&world, "web"), State::Ready);
    assert_eq!(instance_status(&world, "web").health.map(|health| health.status), Some(HealthState::Unknown));
}

#[test]
fn an_edit_begins_and_ends_it_without_a_restart() {
    let mut world = tasked(service("web"), |_| ());
    world.pass(1000);
    let pid = instance_status(&world, "web").pid;
    world.write(watched(tcp(), OnFailure::Restart));
    world.pass(20_000);
    assert!(instance_status(&world, "web").health.is_some());
    world.write(service("web"));
    world.settle();
    assert_eq!((instance_status(&world, "web").pid, world.fleet.next_deadline()), (pid, None));
    invariants::converged(&world);
}

#[test]
fn who_has_run_long_enough_or_grown_too_large_is_renewed_and_that_is_no_crash() {
    let mut old = service("web");
    old.restart.max_age = Some(seconds(100));
    let mut large = service("db");
    large.restart.max_memory = Some(1 << 25);
    let mut world = tasked(old, |_| ());
    world.behaviours.insert(name("db"), crate::behaviour::GOOD);
    world.write(large);
    world.pass(95_000);
    for process in world.processes.values_mut() {
        process.behaviour.tasks.memory = 1 << 30;
    }
    world.pass(35_000);
    let (web, db) = (instance_status(&world, "web"), instance_status(&world, "db"));
    assert_eq!((web.restarts_by["age"], web.attempt), (1, 0));
    assert_eq!((db.restarts_by["memory"], db.attempt), (1, 0));
    insta::assert_snapshot!(world.told(), @r"
      0.000 web: stopped -> starting: new
      0.000 db: stopped -> starting: new
      0.001 web: starting -> running: started
      0.001 db: starting -> running: started
    100.001 web: running -> stopping: has run for 1m40s
    100.003 web: stopping -> starting: has run for 1m40s
    100.004 web: starting -> running: started
    120.002 db: running -> stopping: uses 1024 MiB of memory, more than 32MiB
    120.004 db: stopping -> starting: uses 1024 MiB of memory, more than 32MiB
    120.005 db: starting -> running: started
    ");
}
