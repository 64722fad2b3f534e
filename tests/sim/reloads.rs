//! Histories of ways down, and of a service's own configuration.

use crate::behaviour::{Behaviour, GOOD};
use crate::invariants;
use crate::services::{name, service};
use crate::tasks::{GOOD_TASKS, Tasks, Way};
use crate::traits::{command, ready, seconds};
use crate::world::{instance_status, state, tasked, world_with};
use abide::model::check::{Check, Sign};
use abide::model::outcome::Exit;
use abide::model::policy::{OnChange, ReloadBy, ReloadPolicy, RestartLimit};
use abide::model::service::Service;
use abide::model::signal::Signal;
use abide::model::status::{ConditionKind, State, Worst};

fn reloads(how: ReloadBy, on_change: OnChange) -> Service {
    let policy = ReloadPolicy { how, watch: Vec::new(), on_change, timeout: seconds(3) };
    Service { reload: Some(Box::new(policy)), ..service("web") }
}

#[test]
fn a_reload_that_is_due_while_it_reloads_of_its_own_will_comes_after_that() {
    let mut world = world_with(GOOD, reloads(ReloadBy::Signal(Signal::HUP), OnChange::Reload));
    world.pass(1);
    world.change_files("web");
    world.sign("web", Sign::Reloading);
    world.pass(2_000);
    assert!(!world.told().contains("SIGHUP sent"), "{}", world.told());
    world.sign("web", Sign::Ready);
    world.settle();
    invariants::converged(&world);
    assert!(world.told().contains("SIGHUP sent"), "{}", world.told());
}

#[test]
fn a_command_stops_it_and_signals_only_what_still_lives() {
    let mut commanded = service("web");
    commanded.stop.command = Some(command("/bin/stop"));
    let mut world = tasked(commanded.clone(), |_| ());
    world.pass(10);
    world.write(Service { umask: 0, ..commanded });
    world.pass(100);
    for process in world.processes.values_mut() {
        process.behaviour.obeys = false;
    }
    world.remove("web");
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
     0.000 web: stopped -> starting: new
     0.001 web: starting -> running: started
     0.010 web: running -> stopping: umask changed
     0.010 web runs Stop
     0.013 SIGTERM to web
     0.013 web: stopping -> starting: umask changed
     0.014 web: starting -> running: started
     0.110 web: running -> stopping: removed
     0.110 web runs Stop
     0.113 SIGTERM to web
    10.113 SIGKILL to web
    10.113 web: stopping -> stopping: did not end in time, killed
    10.114 web: stopping -> stopped: SIGKILL
    10.114 closed web@0
    ");
}

#[test]
fn a_stop_command_that_hangs_is_killed_and_signals_follow() {
    let mut commanded = service("web");
    commanded.stop.command = Some(command("/bin/stop"));
    commanded.stop.timeout = seconds(2);
    let mut world = tasked(commanded, |tasks| tasks.commands = Way::Hangs);
    world.pass(10);
    world.remove("web");
    world.settle();
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.001 web: starting -> running: started
    0.010 web: running -> stopping: removed
    0.010 web runs Stop
    2.010 web: stopping -> stopping: `[stop] command` did not end in time, killed
    2.010 SIGTERM to web
    2.012 web: stopping -> stopped: SIGTERM
    2.012 closed web@0
    ");
}

#[test]
fn steps_are_climbed_one_by_one_and_time_is_given_who_asks() {
    let mut stepped = service("web");
    stepped.stop.steps = vec![(Signal::INT, seconds(1)), ("QUIT".parse().expect("a signal"), seconds(2))];
    let mut world = tasked(stepped, |_| ());
    world.pass(10);
    world.remove("web");
    world.pass(500);
    world.sign("web", Sign::Extend(seconds(4)));
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.001 web: starting -> running: started
    0.010 web: running -> stopping: removed
    0.010 SIGINT to web
    4.510 SIGQUIT to web
    6.510 SIGKILL to web
    6.510 web: stopping -> stopping: did not end in time, killed
    6.511 web: stopping -> stopped: SIGKILL
    6.511 closed web@0
    ");
}

#[test]
fn changed_files_are_taken_up_by_a_signal_once_it_can_be_taken() {
    let mut world = tasked(reloads(ReloadBy::Signal(Signal::HUP), OnChange::Reload), |_| ());
    world.pass(300);
    world.change_files("web");
    world.change_files("web");
    world.pass(5000);
    world.change_files("web");
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.001 web: starting -> running: started
    1.001 web: running -> running: web.conf changed; SIGHUP sent
    5.300 web: running -> running: web.conf changed; SIGHUP sent
    ");
}

#[test]
fn a_reload_by_command_is_over_when_that_has_ended() {
    let mut world = tasked(reloads(ReloadBy::Command(command("/bin/reload")), OnChange::Reload), |tasks| {
        tasks.commands = Way::Well(500);
    });
    world.pass(2000);
    world.change_files("web");
    world.pass(100);
    assert_eq!((state(&world, "web"), world.fragments[&name("web")].as_desired), (State::Reloading, true));
    world.change_files("web");
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.001 web: starting -> running: started
    2.000 web runs Reload
    2.000 web: running -> reloading: web.conf changed
    2.500 web: reloading -> running: reloaded
    2.500 web runs Reload
    2.500 web: running -> reloading: web.conf changed
    3.000 web: reloading -> running: reloaded
    ");
}

#[test]
fn a_reload_that_fails_is_said_and_the_service_goes_on() {
    let mut world = tasked(reloads(ReloadBy::Command(command("/bin/reload")), OnChange::Reload), |tasks| {
        tasks.commands = Way::Fails;
    });
    world.pass(2000);
    let pid = instance_status(&world, "web").pid;
    world.change_files("web");
    world.pass(100);
    let status = &world.fragments[&name("web")];
    assert_eq!((status.state, instance_status(&world, "web").pid), (State::Running, pid));
    assert_eq!(status.conditions[0].kind, ConditionKind::Reloaded);
    assert_eq!(world.fleet.summary().worst, Worst::Warning);
    world.mend();
    world.change_files("web");
    world.settle();
    invariants::converged(&world);
    assert!(world.fragments[&name("web")].conditions.is_empty());
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.001 web: starting -> running: started
    2.000 web runs Reload
    2.000 web: running -> reloading: web.conf changed
    2.001 web: reloading -> running: the reload failed: exit code 1
    2.100 web runs Reload
    2.100 web: running -> reloading: web.conf changed
    2.103 web: reloading -> running: reloaded
    ");
}

#[test]
fn who_says_that_it_reloads_is_reloading_until_it_says_that_it_is_ready() {
    let notifies = Service { ready: ready(Check::Notify), ..reloads(ReloadBy::Signal(Signal::HUP), OnChange::Reload) };
    let mut world = tasked(notifies, |_| ());
    world.pass(100);
    world.change_files("web");
    world.sign("web", Sign::Reloading);
    world.pass(1000);
    world.sign("web", Sign::Ready);
    world.pass(1000);
    world.sign("web", Sign::Reloading);
    world.settle();
    assert_eq!(state(&world, "web"), State::Ready);
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.001 web: starting -> running: started
    0.005 web: running -> ready: ready after 4 ms
    0.100 web: ready -> ready: web.conf changed; SIGHUP sent
    0.100 web: ready -> reloading: it says that it reloads
    1.100 web: reloading -> ready: reloaded
    2.100 web: ready -> reloading: it says that it reloads
    5.100 web: reloading -> ready: the reload failed: it did not become ready again in time
    ");
}

#[test]
fn where_a_change_is_a_restart_it_is_one_and_no_crash() {
    let mut world = tasked(reloads(ReloadBy::Signal(Signal::HUP), OnChange::Restart), |_| ());
    world.pass(3000);
    world.change_files("web");
    world.settle();
    invariants::converged(&world);
    assert_eq!(instance_status(&world, "web").restarts, 0);
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.001 web: starting -> running: started
    3.000 web: running -> stopping: web.conf changed
    3.002 web: stopping -> starting: web.conf changed
    3.003 web: starting -> running: started
    ");
}

#[test]
fn a_changed_configuration_is_a_new_chance_for_what_was_given_up() {
    let mut flaky = reloads(ReloadBy::Signal(Signal::HUP), OnChange::Reload);
    flaky.restart.limit = Some(RestartLimit { count: 1, window: seconds(60) });
    let tasks = Tasks { ..GOOD_TASKS };
    let mut world = world_with(Behaviour { life: Some(10), exit: Exit::Code(1), tasks, ..GOOD }, flaky);
    world.settle();
    assert_eq!(state(&world, "web"), State::Failed);
    world.mend();
    world.change_files("web");
    world.settle();
    invariants::converged(&world);
    assert_eq!(state(&world, "web"), State::Running);
}
