//! Until a supervisor can take over from a dead one, its end is the end of all.

use super::process::alive;
use super::world::World;
use nix::sys::signal::Signal;
use std::time::Duration;

#[test]
fn a_killed_supervisor_ends_every_service_and_the_keeper_exits_1() {
    let mut world = World::with(&[
        ("a", super::world::SLEEPER),
        ("b", "script = 'sleep 86401 & sleep 86402 & echo complete; wait'\n"),
    ]);
    let a = world.pid("a");
    let b = world.pid("b");
    world.logged("b", "complete");
    let family = super::process::children(b);
    let supervisor = world.status().expect("it runs").abide.supervisor_pid;
    super::process::send(supervisor, Signal::SIGKILL);
    assert_eq!(world.ended_within(Duration::from_secs(25)).code(), Some(1));
    assert!(![a, b].into_iter().chain(family).any(alive));
    let said = std::fs::read_to_string(world.root().join("stderr")).expect("it is written");
    assert!(said.contains("supervisor"), "the keeper says what happened: {said}");
    world.start();
    world.pid_after("a", a);
}

#[test]
fn a_killed_logger_is_replaced_and_no_service_notices() {
    let world =
        World::with(&[("a", "script = 'trap \"echo asked\" USR1; echo ready; while :; do sleep 0.05; done'\n")]);
    let pid = world.pid("a");
    world.logged("a", "ready");
    let status = world.status().expect("it runs");
    let supervisor = status.abide.supervisor_pid;
    let logger = super::process::children(world.keeper())
        .into_iter()
        .find(|child| {
            *child != supervisor && super::process::arguments(*child).iter().any(|word| word.contains("logger"))
        })
        .expect("the keeper has a logger");
    super::process::send(logger, Signal::SIGKILL);
    world.until_true("it is gone", || !alive(logger));
    super::process::send(pid, Signal::SIGUSR1);
    world.logged("a", "asked");
    assert_eq!(world.pid("a"), pid);
}
