//! What becomes of a service that ends by itself.

use super::process::send;
use super::world::{SLEEPER, World, service};
use abide::model::status::{ExitKind, State};
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};

fn script(body: &str, restart: &str) -> String {
    format!("script = '''\n{body}\n'''\n[restart]\n{restart}\n")
}

#[test]
fn a_killed_service_comes_back_at_once_after_a_good_run() {
    let world = World::with(&[(
        "a",
        &format!("{SLEEPER}\n[restart]\nreset_after = \"100ms\"\ndelay = \"1h\"\nmax_delay = \"1h\"\n"),
    )]);
    let pid = world.pid("a");
    std::thread::sleep(Duration::from_millis(150)); // what counts as a good run
    send(pid, Signal::SIGKILL);
    let new = world.pid_after("a", pid);
    let status = world.until("how it ended is told", |status| {
        service(status, "a").is_some_and(|it| it.instances[0].last_exit.is_some())
    });
    let instance = &service(&status, "a").expect("it is there").instances[0];
    let exit = instance.last_exit.as_ref().expect("just seen");
    assert_eq!((exit.kind, exit.signal.as_deref(), exit.asked), (ExitKind::Signal, Some("SIGKILL"), false));
    assert_eq!((instance.pid, instance.restarts), (Some(new), 1));
}

#[test]
fn a_service_that_keeps_failing_backs_off_and_says_when_it_tries_again() {
    let world = World::with(&[("a", &script("exit 7", "delay = \"50ms\"\nmax_delay = \"1h\"\nfactor = 4"))]);
    let status = world.until("the third wait", |status| {
        service(status, "a").is_some_and(|it| it.state == State::Backoff && it.instances[0].attempt >= 3)
    });
    let it = service(&status, "a").expect("it is there");
    let instance = &it.instances[0];
    assert!(!it.as_desired && instance.next_attempt_at.is_some());
    assert_eq!(instance.last_exit.as_ref().and_then(|exit| exit.code), Some(7));
    assert!(status.summary.backoff == 1);
}

#[test]
fn an_edit_of_a_service_in_backoff_is_tried_at_once() {
    let world = World::with(&[("a", &script("exit 1", "delay = \"1h\"\nmax_delay = \"1h\""))]);
    world.until("it waits", |status| service(status, "a").is_some_and(|it| it.state == State::Backoff));
    world.drop_file("a.toml", SLEEPER);
    world.pid("a");
}

#[test]
fn more_restarts_than_the_limit_is_failed_until_the_file_changes() {
    let limit = "delay = \"10ms\"\nfactor = 1\nlimit = { count = 3, window = \"1m\" }";
    let world = World::with(&[("a", &script("exit 1", limit))]);
    world.until("it has failed", |status| service(status, "a").is_some_and(|it| it.state == State::Failed));
    world.fence();
    assert_eq!(world.starts("a"), 4, "once, and three restarts");
    world.drop_file("a.toml", SLEEPER);
    world.pid("a");
}

#[test]
fn on_failure_leaves_success_alone_and_never_leaves_everything() {
    let world = World::with(&[
        ("done", &script("exit 0", "policy = \"on-failure\"")),
        ("bad", &script("exit 3", "policy = \"never\"")),
        ("again", &script("exit 3", "policy = \"on-failure\"\ndelay = \"10ms\"")),
    ]);
    for name in ["done", "bad"] {
        world.until(&format!("{name} is stopped, as desired"), |status| {
            service(status, name)
                .is_some_and(|it| it.state == State::Stopped && it.as_desired && it.instances[0].last_exit.is_some())
        });
    }
    world.until("a failure is tried again", |status| {
        service(status, "again").is_some_and(|it| it.instances[0].restarts >= 2)
    });
    assert_eq!((world.starts("done"), world.starts("bad")), (1, 1));
}

#[test]
fn a_service_that_ends_at_once_costs_no_storm() {
    let world = World::with(&[("a", "command = [\"/bin/false\"]\n")]);
    world.until("it waits", |status| service(status, "a").is_some_and(|it| it.state == State::Backoff));
    let begun = Instant::now();
    world.until("the third wait", |status| service(status, "a").is_some_and(|it| it.instances[0].attempt >= 3));
    assert!(
        begun.elapsed() >= Duration::from_secs(1),
        "0.5 s and 1 s, less jitter and the delay of the status, lie between"
    );
}

#[test]
fn a_program_that_vanishes_after_the_check_is_told_with_its_step() {
    let world = World::empty();
    let program = world.root().join("program");
    std::fs::copy("/bin/sleep", &program).expect("there is a sleep");
    world.drop_file("a.toml", &format!("command = [{:?}, \"86400\"]\n", program.display().to_string()));
    let mut world = world;
    world.start();
    let pid = world.pid("a");
    std::fs::remove_file(&program).expect("it was there");
    send(pid, Signal::SIGKILL);
    world.until("the reason names the program", |status| {
        let reason = service(status, "a").and_then(|it| it.instances[0].reason.clone());
        reason.is_some_and(|reason| reason.contains("program"))
    });
}
