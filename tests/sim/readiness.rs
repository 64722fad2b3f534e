//! Histories of becoming ready.

use crate::behaviour::{Behaviour, GOOD, Start};
use crate::invariants;
use crate::services::{name, service};
use crate::tasks::GOOD_TASKS;
use crate::traits::{command, ready, seconds, tcp};
use crate::world::{instance, instance_status, state, tasked, world_with};
use abide::model::check::{Check, Sign};
use abide::model::outcome::Exit;
use abide::model::service::Service;
use abide::model::status::State;

fn readied(check: Check) -> Service {
    Service { ready: ready(check), ..service("web") }
}

#[test]
fn who_listens_soon_is_known_to_be_ready_soon() {
    let mut world = tasked(readied(tcp()), |tasks| tasks.ready = Some(3));
    world.pass(2);
    assert_eq!((state(&world, "web"), world.fleet.summary().ready), (State::Running, 0));
    world.pass(3000);
    assert_eq!(world.fleet.next_deadline(), None);
    assert_eq!((state(&world, "web"), world.fleet.summary().ready), (State::Ready, 1));
    let status = instance_status(&world, "web");
    assert_eq!((status.ready_ms, status.ready_at.is_some()), (Some(4), true));
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.001 web: starting -> running: started
    0.005 web: running -> ready: ready after 4 ms
    ");
}

#[test]
fn who_is_not_ready_in_time_is_stopped_and_tried_again_ever_more_slowly() {
    let mut world = tasked(readied(tcp()), |tasks| tasks.ready = None);
    world.pass(9_000);
    let status = instance_status(&world, "web");
    assert_eq!(status.reason.as_deref(), Some("not ready yet: connection refused"));
    world.pass(23_000);
    assert_eq!(instance_status(&world, "web").restarts_by["start_timeout"], 2);
    insta::assert_snapshot!(world.told(), @r"
     0.000 web: stopped -> starting: new
     0.001 web: starting -> running: started
    10.001 web: running -> stopping: did not become ready within 10 s: connection refused, next attempt in 0.5 s
    10.003 web: stopping -> backoff: did not become ready within 10 s: connection refused, next attempt in 0.5 s
    10.501 web: backoff -> starting: next attempt
    10.502 web: starting -> running: started
    20.502 web: running -> stopping: did not become ready within 10 s: connection refused, next attempt in 1.0 s
    20.504 web: stopping -> backoff: did not become ready within 10 s: connection refused, next attempt in 1.0 s
    21.502 web: backoff -> starting: next attempt
    21.503 web: starting -> running: started
    31.503 web: running -> stopping: did not become ready within 10 s: connection refused, next attempt in 2.0 s
    31.505 web: stopping -> backoff: did not become ready within 10 s: connection refused, next attempt in 2.0 s
    ");
}

#[test]
fn who_says_that_it_is_ready_can_ask_for_time_and_say_what_it_does() {
    let mut world = tasked(readied(Check::Notify), |tasks| tasks.ready = None);
    world.pass(9_000);
    world.sign("web", Sign::Status("warming the cache".to_owned()));
    world.sign("web", Sign::Extend(seconds(20)));
    world.pass(15_000);
    assert_eq!(state(&world, "web"), State::Running);
    assert_eq!(instance_status(&world, "web").status_text.as_deref(), Some("warming the cache"));
    world.sign("web", Sign::Ready);
    world.settle();
    invariants::converged(&world);
    assert_eq!(instance_status(&world, "web").ready_ms, Some(23_999));
}

#[test]
fn what_is_said_before_the_start_is_told_counts() {
    let mut world = tasked(readied(Check::Descriptor(3)), |tasks| tasks.ready = Some(0));
    world.pass(5);
    assert_eq!(state(&world, "web"), State::Ready);
}

#[test]
fn a_run_that_never_became_ready_was_no_good_run() {
    let behaviour = Behaviour { life: Some(5000), tasks: crate::tasks::Tasks { ready: None, ..GOOD_TASKS }, ..GOOD };
    let mut world = world_with(behaviour, readied(tcp()));
    world.pass(12_000);
    insta::assert_snapshot!(world.told(), @r"
     0.000 web: stopped -> starting: new
     0.001 web: starting -> running: started
     5.000 web: running -> backoff: exit code 1 before it was ready, next attempt in 0.5 s
     5.500 web: backoff -> starting: next attempt
     5.501 web: starting -> running: started
    10.500 web: running -> backoff: exit code 1 before it was ready, next attempt in 1.0 s
    11.500 web: backoff -> starting: next attempt
    11.501 web: starting -> running: started
    ");
}

#[test]
fn a_probe_without_an_answer_is_dropped_and_the_next_may_have_one() {
    let mut world = tasked(readied(tcp()), |tasks| tasks.deaf = true);
    world.pass(3000);
    assert_eq!(world.probes.len(), 1);
    for process in world.processes.values_mut() {
        process.behaviour.tasks.deaf = false;
    }
    world.pass(3000);
    assert_eq!((state(&world, "web"), world.probes.len()), (State::Ready, 0));
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.001 web: starting -> running: started
    5.004 web: running -> ready: ready after 5003 ms
    ");
}

#[test]
fn a_check_that_hangs_is_ended_and_never_runs_twice() {
    let mut world = tasked(readied(Check::Exec(command("/bin/look"))), |tasks| tasks.deaf = true);
    world.pass(7000);
    assert_eq!(world.tasks.len(), 1);
    world.pass(3500);
    assert_eq!(world.tasks.len(), 0);
    insta::assert_snapshot!(world.told(), @r"
     0.000 web: stopped -> starting: new
     0.001 web: starting -> running: started
    10.001 web: running -> stopping: did not become ready within 10 s: the check did not end in time, next attempt in 0.5 s
    10.003 web: stopping -> backoff: did not become ready within 10 s: the check did not end in time, next attempt in 0.5 s
    ");
    world.mend();
    world.settle();
    invariants::converged(&world);
}

#[test]
fn an_edit_of_how_one_finds_out_leaves_alone_who_is_ready() {
    let mut world = tasked(readied(tcp()), |_| ());
    world.pass(100);
    let pid = instance_status(&world, "web").pid;
    world.write(readied(Check::Exec(command("/bin/look"))));
    world.settle();
    assert_eq!((instance_status(&world, "web").pid, state(&world, "web")), (pid, State::Ready));
    world.write(service("web"));
    world.settle();
    assert_eq!((instance_status(&world, "web").pid, state(&world, "web")), (pid, State::Running));
    world.write(readied(Check::Notify));
    world.settle();
    assert_ne!(instance_status(&world, "web").pid, pid);
    // There and back: each step is held against the one before, as `abide plan` shows it.
    let pid = instance_status(&world, "web").pid;
    world.write(service("web"));
    world.settle();
    assert_eq!((instance_status(&world, "web").pid, state(&world, "web")), (pid, State::Running));
    world.write(readied(Check::Notify));
    world.settle();
    assert_ne!(instance_status(&world, "web").pid, pid);
}

#[test]
fn a_mended_check_saves_who_waits_for_it() {
    let mut world = tasked(readied(tcp()), |tasks| tasks.ready = None);
    world.pass(5000);
    for process in world.processes.values_mut() {
        process.behaviour.tasks.ready = Some(0);
    }
    world.write(readied(Check::Exec(command("/bin/look"))));
    world.pass(10);
    assert_eq!(state(&world, "web"), State::Ready);
    assert_eq!(world.told().matches("-> starting").count(), 1);
}

#[test]
fn removed_while_it_is_asked_it_goes_without_a_trace() {
    let mut world = tasked(readied(tcp()), |tasks| tasks.deaf = true);
    world.pass(100);
    world.remove("web");
    world.settle();
    assert!(world.probes.is_empty() && world.fragments.is_empty());
    invariants::converged(&world);
}

#[test]
fn a_start_that_fails_has_no_readiness() {
    let mut world = world_with(Behaviour { start: Start::Fails, ..GOOD }, readied(tcp()));
    world.pass(100);
    assert_eq!(state(&world, "web"), State::Backoff);
    world.crash("web", Exit::Code(0));
    assert!(world.living(&instance("web")).next().is_none());
    assert!(world.fragments[&name("web")].instances[0].ready_at.is_none());
}
