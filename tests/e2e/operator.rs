//! The operator's hand: holds that outlive abide, and what orders do to real processes.

use super::http::{get, post};
use super::world::{SLEEPER, World};
use abide::model::status::{State, Status};
use nix::sys::signal::Signal;
use std::fs;

fn state_of(status: &Status, name: &str) -> Option<State> {
    status.services.iter().find(|service| service.name.as_str() == name).map(|service| service.state)
}

fn is_in(name: &'static str, state: State) -> impl Fn(&Status) -> bool {
    move |status| state_of(status, name) == Some(state)
}

/// The words of the first answer to an order.
fn told(world: &World, path: &str, body: &str) -> (u16, String) {
    let (code, answer) = post(world, path, body);
    (code, answer["targets"][0]["words"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned())
}

#[test]
fn a_hold_outlives_abide_an_edit_and_the_loss_of_the_file() {
    let mut world = World::with_sleepers("ab");
    let stopped = told(&world, "/v1/services/a/stop", "{\"reason\":\"the disk is full\"}");
    assert_eq!(stopped, (200, "stops and is held until `abide start a`".into()));
    world.until("a is held", is_in("a", State::Held));
    world.signal(Signal::SIGTERM);
    assert!(world.ended().success());
    let record = fs::read_to_string(world.state().join("holds/a.json")).expect("it is on record");
    assert!(record.contains("the disk is full"), "{record}");
    world.drop_file("a.toml", "command = [\"/bin/sleep\", \"86401\"]\n");
    world.start();
    let status = world.until("b runs", is_in("b", State::Running));
    let a = status.services.iter().find(|service| service.name.as_str() == "a").expect("it is known");
    assert_eq!((a.state, a.as_desired, status.summary.held), (State::Held, false, 1));
    let hold = a.hold.as_ref().expect("it is held");
    assert_eq!((hold.reason.as_deref(), hold.until, &hold.by.command), (Some("the disk is full"), None, &None));
    world.remove("a.toml");
    let status = world.until("the hold is about nothing", |status| !status.abide.notes.is_empty());
    assert!(status.abide.notes[0].contains("`abide start a` lifts that"), "{:?}", status.abide.notes);
    world.drop_file("a.toml", SLEEPER);
    world.until("a is held again", is_in("a", State::Held));
    assert_eq!(told(&world, "/v1/services/a/start", ""), (200, "starts".into()));
    world.until("a runs", |status| is_in("a", State::Running)(status) && status.abide.notes.is_empty());
    world.signal(Signal::SIGTERM);
    assert!(world.ended().success());
    assert!(!world.state().join("holds/a.json").exists());
}

#[test]
fn a_timed_hold_lifts_itself() {
    let world = World::with_sleepers("a");
    let before = world.pid("a");
    told(&world, "/v1/services/a/stop", "{\"for\":\"300ms\"}");
    world.pid_after("a", before);
    world.until("a is not held any more", |status| is_in("a", State::Running)(status) && status.summary.held == 0);
}

#[test]
fn a_record_that_cannot_be_read_is_told_and_one_that_cannot_be_made_too() {
    let mut world = World::empty();
    world.drop_file("a.toml", SLEEPER);
    let holds = world.state().join("holds");
    fs::create_dir(&holds).expect("the world is writable");
    fs::write(holds.join("a.json"), "{").expect("the world is writable");
    world.start();
    let status = world.until("a runs", is_in("a", State::Running));
    assert!(status.abide.notes.iter().any(|note| note.contains("a.json cannot be read")), "{:?}", status.abide.notes);
    fs::remove_dir_all(&holds).expect("it is ours");
    fs::write(&holds, "in the way").expect("the world is writable");
    told(&world, "/v1/services/a/stop", "");
    let is_told = |note: &String| note.contains("the hold of a cannot be recorded, and ends with abide");
    world.until("it is told", |status| status.abide.notes.iter().any(is_told));
}

#[test]
fn a_restart_of_one_of_three_leaves_two_alone_and_a_signal_reaches_one() {
    let world = World::with(&[("web", &format!("{SLEEPER}instances = 3\n"))]);
    world.until("three run", is_in("web", State::Running));
    let pids = || {
        let status = world.until("three run", |status| {
            status.services.iter().flat_map(|it| &it.instances).filter(|it| it.state == State::Running).count() == 3
        });
        status.services[0].instances.iter().map(|instance| instance.pid).collect::<Vec<_>>()
    };
    let before = pids();
    assert_eq!(told(&world, "/v1/services/web@1/restart", ""), (200, "restarts".into()));
    world.until("it is another", |status| {
        let web = &status.services[0].instances;
        web[1].state == State::Running && web[1].pid != before[1]
    });
    let after = pids();
    assert_eq!((before[0], before[2]), (after[0], after[2]));
    told(&world, "/v1/services/web@2/signal", "{\"signal\":\"KILL\"}");
    world.until("it is another", |status| {
        let web = &status.services[0].instances;
        web[2].state == State::Running && web[2].pid != after[2]
    });
    assert_eq!(pids()[0], before[0]);
    let (code, words) = told(&world, "/v1/services/web/reload", "");
    assert_eq!(code, 409);
    assert!(words.starts_with("has no [reload]"), "{words}");
    assert_eq!(get(&world, "/v1/status?names=@held").1["services"], serde_json::json!([]));
}
