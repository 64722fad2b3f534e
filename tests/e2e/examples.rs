//! What the README promises, of the examples and of the service file.

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
    for name in ["clock", "worker", "limited", "legacy"] {
        world.pid(name);
    }
    world.logged("clock", "all is well");
    world.logged("worker@3", "worker 3 listens on jobs-3");
    world.logged("limited", "soft limit 256, hard limit 512");
    world.logged("legacy", "the old ways still work");
    world.until("flaky backs off", |status| service(status, "flaky").is_some_and(|it| it.state == State::Backoff));
    let text = said(&world.abide(&["status"]));
    for word in ["clock", "worker@0", "worker@3", "flaky", "backoff", "limited", "legacy"] {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
}

/// The README's fenced blocks of this language.
fn blocks(language: &str) -> Vec<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(readme).expect("it is there");
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).filter_map(|rest| rest.split("```").next().map(str::to_owned)).collect()
}

#[test]
fn every_key_that_the_readme_shows_is_one() {
    let world = World::empty();
    let blocks = blocks("toml");
    for (number, text) in blocks.iter().enumerate() {
        let is_config = text.contains("[defaults]");
        let file = if is_config { "abide.toml".to_owned() } else { format!("services.d/block{number}.toml") };
        world.replace(&world.root().join(file), text);
    }
    assert!(blocks.len() >= 3, "{blocks:?}");
    let output = world.abide(&["check", "--json", "services.d"]);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    // That its user and program are not here is no fault of the README.
    let absent = [
        "no-program",
        "no-directory",
        "unknown-user",
        "unknown-group",
        "cannot-become",
        "environment-file",
        "limit-above-hard",
    ];
    let faults: Vec<_> =
        found.as_array().expect("a list").iter().filter(|it| !absent.iter().any(|code| it["code"] == *code)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}
