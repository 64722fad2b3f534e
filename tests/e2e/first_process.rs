//! abide as the first process of a container, and what its end tells whoever started it.

use super::process::{alive, children, skip, stat};
use super::world::{DEADLINE, SLEEPER, Start, World, running};
use nix::sys::signal::Signal;
use std::process::Command;

/// Whether a pid namespace can be made here; says so aloud if not.
fn can_be_contained() -> bool {
    let tried = Command::new("unshare").args(["--fork", "--pid", "--mount-proc", "true"]).output();
    let can = tried.is_ok_and(|tried| tried.status.success());
    if !can && super::process::is_root() {
        skip("no pid namespace can be made");
    } else if !can {
        super::process::skip_for_users("a normal user cannot make a pid namespace");
    }
    can
}

/// Outside of a namespace, and inside of one where it can be had.
fn everywhere() -> impl Iterator<Item = bool> {
    std::iter::once(false).chain(can_be_contained().then_some(true))
}

fn world(services: &[(&str, &str)]) -> World {
    let world = World::empty();
    for (name, text) in services {
        world.drop_file(&format!("{name}.toml"), text);
    }
    world
}

#[test]
fn the_first_process_reaps_whom_others_left() {
    for contained in everywhere() {
        // Each loses its parent, and leaves its session: nothing says whose it was.
        let orphans = "script = '''
            n=0; while [ $n -lt 1000 ]; do (setsid sleep 0.3 &); n=$((n + 1)); done
            echo all are left; exec sleep 86400'''\n";
        let mut world = world(&[("a", orphans)]);
        world.start_as(&Start { contained, ..Start::default() });
        world.logged("a", "all are left");
        let keeper = world.keeper();
        // Supervisor, logger and the service; a zombie would be one more.
        world.until_true("nobody else is left, dead or alive", || children(keeper).len() == 3);
        let states = children(keeper).into_iter().filter_map(|pid| stat(pid)?.into_iter().next());
        assert!(!states.into_iter().any(|state| state == "Z"));
    }
}

#[test]
fn asked_by_term_or_by_the_signal_of_a_power_failure_it_ends_all_in_order() {
    for (contained, signal) in everywhere().flat_map(|it| [(it, Signal::SIGTERM), (it, Signal::SIGPWR)]) {
        let polite = "script = '''trap 'echo asked; exit 0' TERM\necho ready\nwhile :; do sleep 0.05; done'''\n";
        let mut world = world(&[("a", SLEEPER), ("b", polite)]);
        world.start_as(&Start { contained, ..Start::default() });
        world.until("both run", |status| running(status) == 2);
        world.logged("b", "ready");
        let services = children(world.keeper());
        world.signal(signal);
        assert_eq!(world.ended().code(), Some(0), "{signal}\n{}", world.story());
        world.logged("b", "asked");
        assert!(!services.into_iter().any(alive));
    }
}

#[test]
fn the_end_of_the_service_that_it_exits_with_is_handed_on() {
    for contained in everywhere() {
        for (end, code) in [("exit 7", 7), ("exit 0", 0), ("kill -SEGV $$", 139)] {
            let main = format!("script = '''sleep 0.2; {end}'''\n");
            let mut world = world(&[("a", SLEEPER), ("main", &main)]);
            world.launch(&Start { contained, options: &["--exit-with", "main"], ..Start::default() });
            assert_eq!(world.ended().code(), Some(code), "{end}\n{}", world.story());
            assert!(!world.runtime().join("table").exists(), "the end was orderly");
        }
    }
}

#[test]
fn a_service_to_exit_with_that_is_not_there_yet_is_waited_for() {
    let mut world = world(&[("a", SLEEPER)]);
    world.start_as(&Start { options: &["--exit-with", "main"], ..Start::default() });
    let told = |event: &serde_json::Value| event["service"] == "main" && event.to_string().contains("waits for one");
    world.until_true("the log tells that it waits", || world.events().iter().any(told));
    world.drop_file("main.toml", SLEEPER);
    let first = world.pid("main");
    // An end that abide asked for is none.
    world.drop_file("main.toml", "command = [\"sleep\", \"86399\"]\n");
    let pid = world.pid_after("main", first);
    super::process::send(pid, Signal::SIGKILL);
    assert_eq!(world.ended_within(DEADLINE).code(), Some(137), "{}", world.story());
}
