//! Named histories, as an operator would read them in the log.

use crate::behaviour::{Behaviour, GOOD, Start};
use crate::invariants;
use crate::services::{name, open_files, running, service};
use crate::world::{World, state, world_with};
use abide::decide::event::Event;
use abide::model::outcome::Exit;
use abide::model::policy::{RestartLimit, RestartPolicy, RestartWhen, StopScope};
use abide::model::resources::Resources;
use abide::model::service::{Kind, Service};
use abide::model::status::{ConditionKind, State, Worst};
use abide::model::time::Now;
use std::time::Duration;

#[test]
fn a_file_appears_changes_and_goes() {
    let mut world = world_with(GOOD, running("web", "/bin/a"));
    world.pass(1000);
    world.write(running("web", "/bin/b"));
    world.pass(1000);
    world.remove("web");
    world.settle();
    invariants::converged(&world);
    assert!(world.fragments.is_empty());
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.001 web: starting -> running: started
    1.000 web: running -> stopping: command changed
    1.002 web: stopping -> starting: command changed
    1.003 web: starting -> running: started
    2.000 web: running -> stopping: removed
    2.002 web: stopping -> stopped: SIGTERM
    2.002 closed web@0
    ");
}

#[test]
fn a_crash_after_a_good_run_is_made_good_at_once_and_then_ever_slower() {
    let mut world = world_with(Behaviour { life: Some(100), ..GOOD }, service("web"));
    world.pass(2);
    world.behaviours.insert(name("web"), GOOD);
    world.pass(1000);
    world.behaviours.insert(name("web"), Behaviour { life: Some(10), ..GOOD });
    world.pass(2000);
    world.crash("web", Exit::from_wait_status(11));
    world.pass(2500);
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.001 web: starting -> running: started
    0.100 web: running -> backoff: exit code 1, next attempt in 0.5 s
    0.600 web: backoff -> starting: next attempt
    0.601 web: starting -> running: started
    3.002 web: running -> starting: SIGSEGV, restarted at once
    3.003 web: starting -> running: started
    3.012 web: running -> backoff: exit code 1, next attempt in 0.5 s
    3.512 web: backoff -> starting: next attempt
    3.513 web: starting -> running: started
    3.522 web: running -> backoff: exit code 1, next attempt in 1.0 s
    4.522 web: backoff -> starting: next attempt
    4.523 web: starting -> running: started
    4.532 web: running -> backoff: exit code 1, next attempt in 2.0 s
    ");
    let status = &world.fragments[&name("web")].instances[0];
    assert_eq!(status.restarts_by["signal"], 1);
    assert!(status.next_attempt_at.is_some());
}

#[test]
fn a_broken_edit_harms_nothing_and_is_taken_up_once_mended() {
    let mut world = world_with(GOOD, running("web", "/bin/a"));
    world.pass(10);
    let before = world.fragments[&name("web")].instances.clone();
    world.break_file("web");
    world.settle();
    let status = &world.fragments[&name("web")];
    assert_eq!(before[0].pid, status.instances[0].pid);
    assert_eq!(status.conditions[0].kind, ConditionKind::ConfigValid);
    assert_eq!((status.errors.len(), status.as_desired, &status.desired_hash), (1, false, &None));
    assert_eq!(world.fleet.summary().worst, Worst::Warning);
    world.write(running("web", "/bin/b"));
    world.settle();
    invariants::converged(&world);
    assert!(world.told().contains("mended: services.d/web.toml"));
}

#[test]
fn the_status_tells_all_of_this_and_nothing_that_goes_without_saying() {
    let mut world = world_with(GOOD, Service { limits: open_files(4096), ..service("web") });
    world.pass(3000);
    world.behaviours.insert(name("web"), Behaviour { start: Start::Fails, ..GOOD });
    world.crash("web", Exit::from_wait_status(11));
    world.break_file("web");
    world.pass(10);
    let mut status = world.fragments[&name("web")].clone();
    (status.desired_hash, status.accepted_hash) = (None, None);
    let json = serde_json::to_string_pretty(&status).expect("plain values");
    insta::assert_snapshot!(json, @r#"
    {
      "name": "web",
      "source": {
        "file": "services.d/web.toml",
        "kind": "toml"
      },
      "generation": 2,
      "observed_generation": 2,
      "desired": "running",
      "state": "backoff",
      "as_desired": false,
      "conditions": [
        {
          "type": "ConfigValid",
          "status": "false",
          "reason": "Syntax",
          "since": "2026-11-22T15:06:43.000Z",
          "observed_generation": 2,
          "message": "this is no TOML"
        }
      ],
      "errors": [
        {
          "file": "services.d/web.toml",
          "code": "syntax",
          "message": "this is no TOML",
          "hint": "close the string",
          "first_seen": "2026-11-22T15:06:43.000Z"
        }
      ],
      "instances": [
        {
          "id": 0,
          "state": "backoff",
          "reason": "/bin/serve does not exist",
          "in_sync": false,
          "restarts": 1,
          "restarts_by": {
            "signal": 1
          },
          "last_restart": "signal",
          "next_attempt_at": "2026-11-22T15:06:43.501Z",
          "attempt": 1,
          "last_exit": {
            "at": "2026-11-22T15:06:43.000Z",
            "kind": "signal",
            "signal": "SIGSEGV",
            "asked": false,
            "ran_ms": 2999
          },
          "log": {
            "path": "web@0/false"
          }
        }
      ]
    }
    "#);
}

#[test]
fn a_new_file_that_is_bad_starts_nothing_and_is_forgotten_when_it_goes() {
    let mut world = World::new();
    world.break_file("web");
    world.settle();
    assert_eq!(state(&world, "web"), State::Stopped);
    world.remove("web");
    assert!(world.fragments.is_empty());
    assert_eq!(world.fleet.summary().worst, Worst::Ok);
}

#[test]
fn what_ignores_the_polite_signal_is_killed_with_its_tree_before_the_next_start() {
    let mut world = world_with(Behaviour { obeys: false, leaves: true, ..GOOD }, running("web", "/bin/a"));
    world.pass(10);
    world.write(running("web", "/bin/b"));
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
     0.000 web: stopped -> starting: new
     0.001 web: starting -> running: started
     0.010 web: running -> stopping: command changed
    10.010 web: stopping -> stopping: did not end in time, killed
    10.011 web: stopping -> starting: command changed
    10.012 web: starting -> running: started
    ");
}

#[test]
fn what_a_crash_leaves_behind_is_ended_before_the_next_attempt() {
    let mut world = world_with(Behaviour { leaves: true, ..GOOD }, service("web"));
    world.pass(10);
    world.crash("web", Exit::Code(3));
    world.settle();
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.001 web: starting -> running: started
    0.010 web: running -> stopping: exit code 3; ending what it left behind
    0.011 web: stopping -> backoff: exit code 3, next attempt in 0.5 s
    0.510 web: backoff -> starting: next attempt
    0.511 web: starting -> running: started
    ");
}

#[test]
fn an_edit_is_a_new_chance_while_leftovers_are_ended_and_while_a_start_is_under_way() {
    let mut world = world_with(Behaviour { leaves: true, immortal: true, ..GOOD }, running("web", "/bin/a"));
    world.pass(10);
    world.crash("web", Exit::Code(3));
    world.pass(1);
    assert_eq!(state(&world, "web"), State::Stopping);
    world.write(running("web", "/bin/b"));
    world.behaviours.insert(name("web"), Behaviour { start: Start::Hangs, ..GOOD });
    world.pass(1);
    world.told();
    world.free_the_unkillable();
    world.pass(100);
    assert_eq!(state(&world, "web"), State::Starting);
    world.write(running("web", "/bin/c"));
    world.behaviours.insert(name("web"), GOOD);
    world.pass(5000);
    assert_eq!(world.fragments[&name("web")].instances[0].attempt, 0);
    insta::assert_snapshot!(world.told(), @r"
    0.017 web: stopping -> starting: command changed
    5.018 web: starting -> starting: was not executing after 5 s and was killed; command changed
    5.019 web: starting -> running: started
    ");
}

#[test]
fn dropped_output_stands_in_the_status() {
    let mut world = world_with(GOOD, service("web"));
    world.pass(10);
    let instance = abide::model::name::InstanceId::new(name("web"), 0);
    world.deliver(Event::LogDropped { instance, bytes: 4096, lines: 7 });
    let status = &world.fragments[&name("web")];
    assert_eq!(status.conditions[0].kind, ConditionKind::LogsFlowing);
    assert_eq!(status.instances[0].log.as_ref().map(|log| log.dropped_lines), Some(7));
}

#[test]
fn what_cannot_be_killed_never_gets_a_second_copy() {
    let mut world = world_with(Behaviour { immortal: true, ..GOOD }, running("web", "/bin/a"));
    world.pass(10);
    world.write(running("web", "/bin/b"));
    world.settle();
    assert_eq!(world.fleet.next_deadline(), None);
    let status = &world.fragments[&name("web")].instances[0];
    assert_eq!((status.state, status.reason.as_deref()), (State::Stopping, Some("cannot be killed")));
    world.mend();
    world.settle();
    invariants::converged(&world);
}

#[test]
fn edits_while_it_stops_end_in_the_newest_with_one_start() {
    let mut world = world_with(Behaviour { obeys: false, ..GOOD }, running("web", "/bin/a"));
    world.pass(10);
    for command in ["/bin/b", "/bin/c", "/bin/d"] {
        world.write(running("web", command));
        world.pass(10);
    }
    world.settle();
    invariants::converged(&world);
    assert_eq!(world.told().matches("-> starting").count(), 2);
}

#[test]
fn scaling_touches_only_the_extras_and_renames_the_log() {
    let many = |instances| Service { instances, ..service("web") };
    let mut world = world_with(GOOD, many(1));
    world.pass(10);
    world.told();
    world.write(many(3));
    world.pass(10);
    world.write(many(1));
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
    0.010 log of web@0, numbered: true
    0.010 web@1: stopped -> starting: instances changed
    0.010 web@2: stopped -> starting: instances changed
    0.011 web@1: starting -> running: started
    0.011 web@2: starting -> running: started
    0.020 log of web@0, numbered: false
    0.020 web@1: running -> stopping: instances changed
    0.020 web@2: running -> stopping: instances changed
    0.022 web@1: stopping -> stopped: SIGTERM
    0.022 closed web@1
    0.022 web@2: stopping -> stopped: SIGTERM
    0.022 closed web@2
    ");
}

#[test]
fn limits_that_prlimit_can_set_are_set_live_and_others_restart() {
    let limited = |number| Service { limits: open_files(number), ..service("web") };
    let mut world = world_with(GOOD, limited(4096));
    world.pass(10);
    let pid = world.fragments[&name("web")].instances[0].pid;
    world.write(limited(1024));
    world.settle();
    let lowered = &world.fragments[&name("web")].instances[0];
    assert_eq!((lowered.pid, lowered.in_sync, lowered.limits["open_files"].soft), (pid, true, Some(1024)));
    world.write(limited(2048));
    world.settle();
    assert_ne!(world.fragments[&name("web")].instances[0].pid, pid);
    world.limits_fail = true;
    world.write(limited(512));
    world.settle();
    let status = &world.fragments[&name("web")];
    assert!(!status.instances[0].in_sync);
    assert!(status.conditions.iter().any(|condition| condition.kind == ConditionKind::LimitsMet));
}

#[test]
fn a_change_of_resources_reaches_what_runs_and_one_that_is_refused_is_a_condition() {
    let bounded = |bytes| {
        let resources = Resources { memory_max: Some(bytes), ..Resources::default() };
        Service { resources: Some(Box::new(resources)), ..running("web", "/bin/a") }
    };
    let mut world = World::new();
    world.write(running("web", "/bin/a"));
    world.settle();
    world.write(bounded(1 << 30));
    world.settle();
    let (instances, unmet) = {
        let status = &world.fragments[&name("web")];
        (status.instances.clone(), status.conditions.iter().any(|it| it.kind == ConditionKind::LimitsMet))
    };
    assert!(instances[0].in_sync && instances[0].restarts == 0 && !unmet);
    assert_eq!(world.heard.iter().filter(|event| matches!(event, Event::ResourcesSet { .. })).count(), 1);
    world.limits_fail = true;
    world.write(bounded(1 << 20));
    world.settle();
    let status = &world.fragments[&name("web")];
    assert!(!status.instances[0].in_sync && status.instances[0].pid == instances[0].pid);
    assert!(status.conditions.iter().any(|it| it.kind == ConditionKind::LimitsMet && it.message == "not permitted"));
}

#[test]
fn an_end_for_want_of_memory_is_told_and_counted_as_such() {
    let resources = Resources { memory_max: Some(64 << 20), ..Resources::default() };
    let mut world = World::new();
    world.write(Service { resources: Some(Box::new(resources)), ..running("web", "/bin/a") });
    world.settle();
    world.starve("web");
    world.settle();
    let status = &world.fragments[&name("web")].instances[0];
    assert_eq!((status.restarts, status.restarts_by.get("oom")), (1, Some(&1)));
    assert!(status.last_exit.as_ref().is_some_and(|last| last.oom));
    let told = "killed by the kernel for want of memory (memory_max = 64MiB)";
    assert!(world.transcript.iter().any(|line| line.contains(told)), "{:?}", world.transcript);
}

#[test]
fn more_restarts_than_the_limit_end_in_failed_until_an_edit() {
    let limit = Some(RestartLimit { count: 2, window: Duration::from_secs(60) });
    let restart = RestartPolicy { limit, jitter: 0.0, ..RestartPolicy::default() };
    let flaky = Service { restart, ..running("web", "/bin/a") };
    let mut world = world_with(Behaviour { life: Some(10), ..GOOD }, flaky.clone());
    world.settle();
    assert_eq!(state(&world, "web"), State::Failed);
    assert_eq!(world.fleet.summary().worst, Worst::Critical);
    let reason = world.fragments[&name("web")].instances[0].reason.clone();
    assert_eq!(reason.as_deref(), Some("has used up its 2 restarts within 60 s; last: exit code 1"));
    world.mend();
    world.write(Service { umask: 0, ..flaky });
    world.settle();
    assert_eq!(state(&world, "web"), State::Running);
}

#[test]
fn a_job_that_is_done_stays_done_through_an_edit_that_only_concerns_its_log() {
    let mut job = running("web", "/bin/a");
    job.restart.when = RestartWhen::OnFailure;
    let mut world = world_with(Behaviour { life: Some(10), exit: Exit::Code(0), ..GOOD }, job.clone());
    world.settle();
    let status = &world.fragments[&name("web")];
    assert_eq!((status.state, status.as_desired, status.instances[0].in_sync), (State::Stopped, true, true));
    world.told();
    job.log.max_files = 9;
    world.write(job.clone());
    world.settle();
    assert_eq!(world.told(), "  0.010 log of web@0, numbered: false");
    job.restart.when = RestartWhen::Always;
    world.write(job);
    world.pass(5);
    assert_eq!(state(&world, "web"), State::Running);
}

#[test]
fn a_start_that_hangs_is_abandoned_and_one_that_fails_backs_off() {
    let mut world = world_with(Behaviour { start: Start::Hangs, ..GOOD }, service("web"));
    world.pass(4999);
    assert_eq!(state(&world, "web"), State::Starting);
    world.pass(10);
    assert_eq!(state(&world, "web"), State::Backoff);
    world.behaviours.insert(name("web"), Behaviour { start: Start::Fails, ..GOOD });
    world.pass(1000);
    let reason = world.fragments[&name("web")].instances[0].reason.clone();
    assert_eq!(reason.as_deref(), Some("/bin/serve does not exist"));
}

#[test]
fn who_finds_no_descriptor_waits_and_starts_when_one_is_free() {
    let mut world = World::new();
    world.slots = 2;
    world.write_all(["a", "b", "c", "d"].map(service));
    world.pass(10);
    assert_eq!((state(&world, "c"), state(&world, "d")), (State::Waiting, State::Waiting));
    world.pass(600_000);
    let said = world.told();
    assert_eq!(said.matches("c: starting -> waiting: waits for a free descriptor").count(), 1, "{said}");
    world.remove("a");
    world.remove("b");
    world.settle();
    invariants::converged(&world);
    assert_eq!((state(&world, "c"), state(&world, "d")), (State::Running, State::Running));
}

#[test]
fn whose_output_nobody_can_read_is_ended_and_waits() {
    let mut world = world_with(GOOD, service("web"));
    world.pass(100);
    world.told();
    world.deafen("web");
    world.pass(500);
    assert_eq!(state(&world, "web"), State::Waiting);
    world.pass(1000);
    assert_eq!(state(&world, "web"), State::Running);
    insta::assert_snapshot!(world.told(), @r"
    0.101 web: running -> stopping: waits for a free descriptor; raise the limit of open files of abide
    0.103 web: stopping -> waiting: waits for a free descriptor; raise the limit of open files of abide
    1.104 web: starting -> running: started
    ");
}

#[test]
fn a_shutdown_ends_all_at_once_and_a_second_one_hurries() {
    let mut world = world_with(Behaviour { obeys: false, ..GOOD }, service("stubborn"));
    world.write(service("web"));
    world.pass(100);
    world.told();
    world.deliver(Event::Shutdown);
    world.pass(1000);
    world.write(service("late"));
    world.deliver(Event::Shutdown);
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
    0.100 stubborn: running -> stopping: abide is ending
    0.100 web: running -> stopping: abide is ending
    0.102 web: stopping -> stopped: SIGTERM
    1.100 stubborn: stopping -> stopping: killed in haste
    1.101 stubborn: stopping -> stopped: SIGKILL
    1.101 finished
    ");
}

#[test]
fn a_legacy_service_is_a_second_from_start_to_start() {
    let restart = RestartPolicy::daemontools();
    let legacy = Service { kind: Kind::Daemontools, restart, ..service("web") };
    let mut world = world_with(Behaviour { life: Some(100), ..GOOD }, legacy);
    world.pass(2050);
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.001 web: starting -> running: started
    0.100 web: running -> backoff: exit code 1, next attempt in 0.9 s
    1.000 web: backoff -> starting: next attempt
    1.001 web: starting -> running: started
    1.100 web: running -> backoff: exit code 1, next attempt in 0.9 s
    2.000 web: backoff -> starting: next attempt
    2.001 web: starting -> running: started
    ");
}

#[test]
fn a_file_that_comes_back_while_its_process_stops_starts_it_once_that_is_gone() {
    let mut world = world_with(Behaviour { obeys: false, ..GOOD }, service("web"));
    world.pass(10);
    world.remove("web");
    world.pass(10);
    assert_eq!(state(&world, "web"), State::Stopping);
    world.write(service("web"));
    world.settle();
    invariants::converged(&world);
}

#[test]
fn a_scope_of_one_process_lets_be_what_it_started() {
    let mut alone = service("web");
    alone.stop.scope = StopScope::Process;
    let mut world = world_with(Behaviour { leaves: true, ..GOOD }, alone);
    world.pass(3000);
    world.crash("web", Exit::Code(0));
    world.pass(2);
    assert_eq!(state(&world, "web"), State::Running);
}

#[test]
fn ten_thousand_services_start_and_one_event_costs_no_look_at_the_others() {
    let mut fleet = abide::decide::fleet::Fleet::new(crate::world::POWERS, 1);
    let definition = std::sync::Arc::new(abide::model::desired::Definition::from(service("x")));
    let entry = abide::model::desired::Entry {
        file: "x.toml".into(),
        drop_ins: Vec::new(),
        kind: Kind::Toml,
        file_hash: None,
        service: Some(definition),
        diagnostics: Vec::new(),
        inputs: Vec::new(),
        delegated: None,
    };
    let changes = (0..10_000).map(|n| (name(&format!("s{n}")), Some(entry.clone()))).collect();
    let delta = abide::model::desired::Delta { changes, generation: 1, ..Default::default() };
    fleet.handle(Now::default(), Event::Delta(delta));
    assert_eq!(fleet.take_changed().len(), 10_000);
    assert_eq!(fleet.summary().desired, 10_000);
    let instance = abide::model::name::InstanceId::new(name("s7"), 0);
    fleet.handle(Now::default(), Event::LogDropped { instance, bytes: 1, lines: 1 });
    assert_eq!(fleet.take_changed(), [name("s7")]);
}
