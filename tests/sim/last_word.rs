//! `--exit-with`: the end of one service is the end of all.

use crate::services::{name, service};
use crate::world::{Behaviour, GOOD, World};
use abide::decide::event::Event;
use abide::model::outcome::Exit;

fn world_that_ends_with_web(web: Behaviour, db: Behaviour) -> World {
    let mut world = World::new();
    world.fleet.end_with(name("web"));
    world.behaviours.insert(name("web"), web);
    world.behaviours.insert(name("db"), db);
    world.write_all([service("db"), service("web")]);
    world
}

#[test]
fn an_end_of_its_own_is_the_end_of_all_whatever_its_policy() {
    let web = Behaviour { life: Some(100), exit: Exit::Code(3), leaves: true, ..GOOD };
    let mut world = world_that_ends_with_web(web, GOOD);
    world.settle();
    assert!(world.finished);
    assert_eq!(world.fleet.last_word().map(Exit::code), Some(3));
    insta::assert_snapshot!(world.told(), @r"
    0.000 db: stopped -> starting: new
    0.000 web: stopped -> starting: new
    0.001 db: starting -> running: started
    0.001 web: starting -> running: started
    0.100 web: running -> stopping: exit code 3; ending what it left behind
    0.100 db: running -> stopping: abide is ending
    0.101 web: stopping -> stopped: exit code 3; abide ends with it
    0.102 db: stopping -> stopped: SIGTERM
    0.102 finished
    ");
}

#[test]
fn an_end_that_was_asked_for_is_none() {
    let mut world = world_that_ends_with_web(GOOD, GOOD);
    world.pass(1000);
    world.write(crate::services::running("web", "/bin/other"));
    world.pass(1000);
    world.remove("web");
    world.settle();
    assert!(!world.finished && world.fleet.last_word().is_none());
    world.write(service("web"));
    world.pass(1000);
    world.crash("web", Exit::from_wait_status(9));
    world.settle();
    assert!(world.finished);
    assert_eq!(world.fleet.last_word().map(Exit::code), Some(137));
}

#[test]
fn the_first_request_to_end_after_it_hurries_nobody() {
    let stubborn = Behaviour { obeys: false, ..GOOD };
    let mut world = world_that_ends_with_web(Behaviour { life: Some(100), ..GOOD }, stubborn);
    world.pass(1000);
    world.deliver(Event::Shutdown);
    world.pass(1000);
    assert!(!world.finished, "the one that does not obey has its time");
    world.deliver(Event::Shutdown);
    world.pass(1000);
    assert!(world.finished);
    assert_eq!(world.fleet.last_word().map(Exit::code), Some(1));
}
