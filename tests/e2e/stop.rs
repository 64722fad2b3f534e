//! Services end whole, politely first; so does abide.

use super::process::{alive, children};
use super::world::{World, service};
use abide::model::status::{AbideState, State};
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};

/// Starts two children and waits.
const FAMILY: &str = r#"
script = """
sleep 86401 &
sleep 86402 &
echo "family is complete"
wait
"""
"#;

/// Ignores TERM, and its children inherit that.
fn stubborn(timeout: &str) -> String {
    format!("script = '''\ntrap '' TERM\necho deaf\nwhile :; do sleep 1; done\n'''\n[stop]\ntimeout = \"{timeout}\"\n")
}

#[test]
fn a_stop_ends_the_whole_group() {
    let world = World::with(&[("a", FAMILY)]);
    let pid = world.pid("a");
    world.logged("a", "complete");
    let family = children(pid);
    assert_eq!(family.len(), 2, "{family:?}");
    world.remove("a.toml");
    world.gone("a");
    assert!(!alive(pid) && family.iter().all(|child| !alive(*child)));
}

#[test]
fn what_a_crash_leaves_behind_is_ended_before_the_next_start() {
    let world = World::with(&[("a", FAMILY)]);
    let pid = world.pid("a");
    world.logged("a", "complete");
    let family = children(pid);
    super::process::send(pid, Signal::SIGKILL);
    world.pid_after("a", pid);
    assert!(family.iter().all(|child| !alive(*child)), "the first run's children are gone");
}

#[test]
fn who_ignores_term_is_killed_after_the_timeout() {
    let world = World::with(&[("a", &stubborn("1s"))]);
    let pid = world.pid("a");
    world.logged("a", "deaf");
    world.remove("a.toml");
    world.until("it is stopping", |status| service(status, "a").is_some_and(|it| it.state == State::Stopping));
    let begun = Instant::now();
    world.gone("a");
    assert!(!alive(pid));
    assert!(begun.elapsed() < Duration::from_secs(8), "a second was enough");
}

#[test]
fn the_signal_of_the_file_is_the_one_that_is_sent() {
    let text = "script = '''\ntrap 'echo asked by HUP; exit 0' HUP\necho ready\nwhile :; do sleep 0.05; done\n'''\n[stop]\nsignal = \"HUP\"\nscope = \"process\"\n";
    let world = World::with(&[("a", text)]);
    world.pid("a");
    world.logged("a", "ready");
    world.remove("a.toml");
    world.logged("a", "asked by HUP");
    world.gone("a");
}

#[test]
fn a_stopped_process_can_obey() {
    let world = World::with_sleepers("a");
    let pid = world.pid("a");
    super::process::send(pid, Signal::SIGSTOP);
    world.remove("a.toml");
    let begun = Instant::now();
    world.gone("a");
    assert!(begun.elapsed() < Duration::from_secs(8), "TERM and CONT were enough, no KILL after 10 s");
}

#[test]
fn term_ends_everything_in_order_and_stopped_is_the_last_word() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut world = World::with(&[("a", FAMILY), ("b", super::world::SLEEPER), ("c", super::world::SLEEPER)]);
        let pids = ["a", "b", "c"].map(|name| world.pid(name));
        world.signal(signal);
        assert_eq!(world.ended().code(), Some(0), "{}", world.story());
        assert!(pids.iter().all(|pid| !alive(*pid)));
        let last = world.status().expect("the last word stays");
        assert_eq!(last.abide.state, AbideState::Stopped);
        assert!(super::world::pids(&last).is_empty(), "and names no process");
    }
}

#[test]
fn a_second_signal_hurries() {
    let mut world = World::with(&[("a", &stubborn("1h"))]);
    let pid = world.pid("a");
    world.logged("a", "deaf");
    world.signal(Signal::SIGTERM);
    world.until("abide is stopping", |status| status.abide.state == AbideState::Stopping);
    assert!(alive(pid));
    world.signal(Signal::SIGTERM);
    assert_eq!(world.ended().code(), Some(0));
    assert!(!alive(pid));
}

#[test]
fn services_stop_in_parallel() {
    let mut world = World::empty();
    let names: Vec<_> = ('a'..='o').map(String::from).collect();
    for name in &names {
        world.drop_file(&format!("{name}.toml"), &stubborn("1s"));
    }
    world.start();
    for name in &names {
        world.pid(name);
        world.logged(name, "deaf");
    }
    let begun = Instant::now();
    world.signal(Signal::SIGTERM);
    world.ended();
    assert!(begun.elapsed() < Duration::from_secs(10), "one second each, at the same time");
}
