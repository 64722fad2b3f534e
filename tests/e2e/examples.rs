//! What the README promises of the examples.

use super::world::{World, code, said, service};
use abide::model::status::State;
use std::path::Path;

/// A copy of the examples, as a user would make one: the checkout may belong to somebody else.
fn copied() -> World {
    let world = World::empty();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/services.d");
    super::process::shell(&format!("cp -r '{}'/. .; chmod -R go-w .", examples.display()), &world.services());
    world
}

#[test]
fn the_examples_check_clean() {
    let world = copied();
    let output = world.abide(&["check", "services.d"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
}

#[test]
fn the_examples_run_as_they_tell() {
    let mut world = copied();
    world.start();
    for name in ["clock", "worker", "limited", "legacy", "shop"] {
        world.pid(name);
    }
    world.logged("clock", "all is well");
    world.logged("worker@3", "worker 3 listens on jobs-3");
    world.logged("limited", "soft limit 256, hard limit 512");
    world.logged("legacy", "the old ways still work");
    world.logged("shop", "the door is unlocked");
    world.until("the store is ready", |status| service(status, "store").is_some_and(|it| it.state == State::Ready));
    world.until("flaky backs off", |status| service(status, "flaky").is_some_and(|it| it.state == State::Backoff));
    let text = said(&world.abide(&["status"]));
    for word in ["clock", "worker@0", "worker@3", "flaky", "backoff", "limited", "legacy", "shop", "store", "ready"] {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
}
