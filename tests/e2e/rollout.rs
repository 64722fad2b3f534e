//! Restarts that follow from edits, a few at a time: services of a batch, and processes of a service.

use super::process::arguments;
use super::world::{World, service};
use abide::model::status::{ConditionKind, RolloutState, ServiceStatus, State, Status};
use std::collections::BTreeSet;

/// A service that is ready when the file of that name is there.
fn gated(world: &World, name: &str, time: u32) -> String {
    format!(
        "command = [\"/bin/sleep\", \"{time}\"]\nready.exec = [\"/bin/sh\", \"-c\", \"test -e {}/{name}-{time}\"]\n\
         ready.interval = \"20ms\"\nupdate.settle = \"200ms\"\n",
        world.root().display()
    )
}

fn open_gate(world: &World, name: &str, time: u32) {
    std::fs::write(world.root().join(format!("{name}-{time}")), "").expect("the world is writable");
}

fn names() -> Vec<String> {
    ('a'..='f').map(|letter| letter.to_string()).collect()
}

/// `a` to `f`, ready, with this `abide.toml`.
fn six(config: &str) -> World {
    let mut world = World::empty();
    world.replace(&world.root().join("abide.toml"), config);
    for name in names() {
        open_gate(&world, &name, 86_400);
        world.drop_file(&format!("{name}.toml"), &gated(&world, &name, 86_400));
    }
    world.start();
    world.until("all are ready", |status| status.summary.ready == 6);
    world
}

fn reason(it: &ServiceStatus) -> Option<String> {
    it.conditions.iter().find(|it| it.kind == ConditionKind::InSync).map(|it| it.reason.clone())
}

fn queued(status: &Status) -> usize {
    status.services.iter().filter(|it| reason(it).as_deref() == Some("Queued")).count()
}

/// Those that run the new version.
fn changed(world: &World) -> BTreeSet<String> {
    let new = |name: &String| {
        world.pid_now(name).is_some_and(|pid| arguments(pid).get(1).is_some_and(|time| time == "86401"))
    };
    names().into_iter().filter(new).collect()
}

#[test]
fn s48_a_change_of_the_defaults_goes_in_waves_and_pauses_when_services_fail() {
    let world = six("[rollout]\nmax_parallel = 2\n");
    let script = "[rollout]\nmax_parallel = 2\n[defaults]\numask = \"0077\"\n";
    world.replace(&world.root().join("abide.toml"), script);
    // Two at a time, and the gates are open: all of it goes through.
    world.until("all have it", |status| {
        status.withheld.rollout.state == RolloutState::Idle
            && status.services.iter().all(|it| it.as_desired && it.state == State::Ready)
            && names().iter().all(|name| world.starts(name) == 2)
    });
    // Now new versions that are not ready.
    for name in names() {
        world.drop_file(&format!("{name}.toml"), &(gated(&world, &name, 86_401) + "ready.timeout = \"60s\"\n"));
    }
    let status = world.until("two are under way", |status| queued(status) == 4 && status.summary.ready == 4);
    assert_eq!(status.withheld.rollout.state, RolloutState::Rolling);
    assert_eq!(status.withheld.rollout.total, 6);
    world.until_true("they run", || changed(&world).len() == 2);
    let first = changed(&world);
    let one = first.first().expect("two");
    open_gate(&world, one, 86_401);
    world.until("the next has its turn", |status| queued(status) == 3 && status.summary.ready == 4);
    world.until_true("it runs", || changed(&world).len() == 3);
    for name in names() {
        open_gate(&world, &name, 86_401);
    }
    world.until("it is over", |status| {
        status.summary.as_desired == 6 && status.withheld.rollout.state == RolloutState::Idle
    });
    assert_eq!(changed(&world).len(), 6);
}

#[test]
fn after_failures_the_others_wait_until_somebody_says_so_or_it_is_mended() {
    let world = six("[rollout]\nmax_parallel = 1\npause_on_failures = 1\n");
    for name in names() {
        world.drop_file(&format!("{name}.toml"), &(gated(&world, &name, 86_401) + "ready.timeout = \"300ms\"\n"));
    }
    let status = world.until("it pauses", |status| status.withheld.rollout.state == RolloutState::Paused);
    assert_eq!((status.withheld.rollout.failed.len(), status.withheld.rollout.done), (1, 1));
    world.until("the failed one is back", |status| status.summary.ready == 6 && status.summary.rolled_back == 1);
    assert_eq!(queued(&world.status().expect("it runs")), 5);
    // Something new is no restart, and starts at once.
    world.drop_file("k.toml", super::world::SLEEPER);
    world.pid("k");
    // Mended: that one goes past the pause, and the others follow.
    let failed = status.withheld.rollout.failed[0].to_string();
    for name in names() {
        open_gate(&world, &name, 86_401);
    }
    world.drop_file(
        &format!("{failed}.toml"),
        &(gated(&world, &failed, 86_401) + "ready.timeout = \"5s\"\numask = \"0077\"\n"),
    );
    world.until("all have it", |status| status.summary.as_desired == 7 && queued(status) == 0);
    assert_eq!(changed(&world).len(), 6);
}

#[test]
fn a_paused_rollout_is_waved_on_and_outlives_the_supervisor() {
    let world = six("[rollout]\nmax_parallel = 1\npause_on_failures = 1\n");
    let bad = names()[0].clone();
    for name in names().iter().skip(1) {
        open_gate(&world, name, 86_401);
    }
    world.drop_file(&format!("{bad}.toml"), &(gated(&world, &bad, 86_401) + "ready.timeout = \"300ms\"\n"));
    world.until_true("it is tried", || world.starts(&bad) >= 2);
    for name in names().iter().skip(1) {
        world.drop_file(&format!("{name}.toml"), &gated(&world, name, 86_401));
    }
    let status =
        world.until("it pauses", |status| status.withheld.rollout.state == RolloutState::Paused && queued(status) == 5);
    super::process::send(status.abide.supervisor_pid, nix::sys::signal::Signal::SIGKILL);
    world.until("the next goes on", |now| {
        now.abide.supervisor_pid != status.abide.supervisor_pid && now.summary.as_desired == 5 && queued(now) == 0
    });
    assert_eq!(changed(&world).len(), 5);
    // One more time, with a word instead of a crash.
    for name in names() {
        world.drop_file(&format!("{name}.toml"), &(gated(&world, &name, 86_402) + "ready.timeout = \"300ms\"\n"));
    }
    world.until("it pauses", |status| status.withheld.rollout.state == RolloutState::Paused);
    for name in names() {
        open_gate(&world, &name, 86_402);
    }
    let out = world.abide(&["resume"]);
    assert!(String::from_utf8_lossy(&out.stdout).contains("go on"), "{}", super::world::said(&out));
    world.until("all but the failed ones have it", |status| queued(status) == 0 && status.summary.as_desired >= 4);
}

#[test]
fn rolling_changes_one_process_at_a_time_and_stops_at_the_first_that_does_not_come_up() {
    let mut world = World::empty();
    let file =
        // A version is the good one as soon as it is up: the next edit comes at once.
        |time: u32, more: &str| gated(&world, "web", time).replace("200ms", "1ms") + "update.strategy = \"rolling\"\ninstances = 4\n" + more;
    let (good, next, bad) = (file(86_400, ""), file(86_401, ""), file(86_403, "ready.timeout = \"300ms\"\n"));
    let worse = file(86_404, "ready.timeout = \"300ms\"\nupdate.rollback = false\n");
    open_gate(&world, "web", 86_400);
    open_gate(&world, "web", 86_401);
    world.drop_file("web.toml", &good);
    world.start();
    let ready = |status: &Status| {
        let instances = service(status, "web").map_or(Vec::new(), |it| it.instances.clone());
        instances.iter().filter(|it| it.state == State::Ready).count()
    };
    world.until("all are ready", |status| ready(status) == 4);
    let watched = |edit: &dyn Fn(), claim: &str, holds: &dyn Fn(&Status) -> bool| {
        edit();
        let least = std::cell::Cell::new(4);
        world.until(claim, |status| {
            least.set(least.get().min(ready(status)));
            holds(status)
        });
        assert!(least.get() >= 3, "{claim}: only {} were up", least.get());
    };
    let times = || -> Vec<String> {
        let instances = world.status().and_then(|status| service(&status, "web").map(|it| it.instances.clone()));
        let pids = instances.unwrap_or_default().into_iter().filter_map(|it| it.pid);
        pids.filter_map(|pid| arguments(pid).get(1).cloned()).collect()
    };
    let done = |status: &Status| service(status, "web").is_some_and(|it| it.as_desired) && ready(status) == 4;
    watched(&|| world.drop_file("web.toml", &next), "all have it", &|status| done(status) && times() == ["86401"; 4]);
    assert_eq!(world.starts("web"), 8);

    // One tries, fails, and goes back; no other is touched.
    watched(&|| world.drop_file("web.toml", &bad), "it went back", &|status| {
        status.summary.rolled_back == 1 && ready(status) == 4
    });
    assert_eq!((world.starts("web"), times()), (10, vec!["86401".to_owned(); 4]));

    // Without a way back it stops there, and says so.
    watched(&|| world.drop_file("web.toml", &worse), "it stops", &|status| {
        service(status, "web").is_some_and(|it| reason(&it.clone()).as_deref() == Some("RollingStopped"))
    });
    world.fence();
    assert_eq!(times().iter().filter(|time| *time == "86401").count(), 3);
    open_gate(&world, "web", 86_404);
    let out = world.abide(&["retry", "web"]);
    assert!(String::from_utf8_lossy(&out.stdout).contains("goes on"), "{}", super::world::said(&out));
    world.until("all have it", |status| done(status) && times() == ["86404"; 4]);

    // An operator restarts in the same way.
    let before = world.starts("web");
    watched(&|| drop(world.abide(&["restart", "--rolling", "--no-wait", "web"])), "all were restarted", &|status| {
        done(status) && world.starts("web") == before + 4
    });
}
