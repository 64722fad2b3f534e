//! `abide plan NEW --from OLD`: what would change, and at what price.

use super::world::{SLEEPER, World, code, said};
use std::os::unix::fs::PermissionsExt;

/// Two directories: `old` and `services.d`.
fn two() -> World {
    let world = World::empty();
    let old = world.root().join("old");
    std::fs::create_dir(&old).expect("it is new");
    for (name, text) in [("same", SLEEPER), ("gone", SLEEPER), ("edited", SLEEPER), ("live", SLEEPER)] {
        world.replace(&old.join(format!("{name}.toml")), text);
    }
    world.drop_file("same.toml", &format!("# only a comment more\n{SLEEPER}"));
    world.drop_file("edited.toml", "command = [\"/bin/sleep\", \"90000\"]\n");
    world.drop_file("live.toml", &format!("{SLEEPER}[stop]\ntimeout = \"3s\"\n"));
    world.drop_file("new.toml", SLEEPER);
    world
}

#[test]
fn a_plan_names_each_service_its_price_and_the_reason() {
    let world = two();
    let output = world.abide(&["plan", "services.d", "--from", "old"]);
    let text = said(&output);
    assert_eq!(code(&output), 2, "{text}");
    let line = |name: &str| {
        text.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name} is missing in\n{text}"))
    };
    assert!(line("new").contains("start"), "{text}");
    assert!(line("gone").contains("stop"), "{text}");
    assert!(line("edited").contains("restart"), "{text}");
    assert!(line("live").contains("live"), "{text}");
    assert!(text.contains("command changed") && text.contains("90000"), "{text}");
    assert!(!text.contains("same"), "what does not change is not shown\n{text}");
    assert!(!text.contains('\u{1b}'), "no colour in a pipe");
}

#[test]
fn json_is_the_same_plan() {
    let world = two();
    let output = world.abide(&["plan", "services.d", "--from", "old", "--json"]);
    assert_eq!(code(&output), 2);
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let steps = plan["steps"].as_array().or_else(|| plan.as_array()).expect("steps");
    let of = |name: &str| steps.iter().find(|step| step["service"] == name).map(|step| step["action"].clone());
    assert_eq!(of("new"), Some("start".into()));
    assert_eq!(of("gone"), Some("stop".into()));
    assert_eq!(of("edited"), Some("restart".into()));
    assert_eq!(of("live"), Some("live".into()));
    assert_eq!(of("same"), None);
}

#[test]
fn no_change_is_0_and_an_error_1() {
    let world = two();
    assert_eq!(code(&world.abide(&["plan", "old", "--from", "old"])), 0);
    world.drop_file("broken.toml", "command = [");
    let output = world.abide(&["plan", "services.d", "--from", "old"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
}

#[test]
fn of_whose_new_file_is_bad_the_old_one_stays_in_the_plan_as_it_will_in_abide() {
    let world = two();
    world.drop_file("edited.toml", "command = [\n");
    let output = world.abide(&["plan", "services.d", "--from", "old"]);
    let text = said(&output);
    assert_eq!(code(&output), 1, "{text}");
    let planned = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(planned.contains("gone") && !planned.contains("edited"), "{text}");
}

#[test]
fn where_the_trees_lie_is_no_change_of_a_legacy_directory() {
    let world = two();
    for tree in ["old", "services.d"] {
        let directory = world.root().join(tree).join("legacy");
        std::fs::create_dir(&directory).expect("it is new");
        world.replace(&directory.join("run"), "#!/bin/sh\nexec sleep 90000\n");
        std::fs::set_permissions(directory.join("run"), PermissionsExt::from_mode(0o755)).expect("it is ours");
    }
    let text = said(&world.abide(&["plan", "services.d", "--from", "old"]));
    assert!(text.contains("new") && !text.contains("legacy"), "{text}");
}

#[test]
fn environment_values_are_secrets() {
    let world = two();
    world.drop_file("edited.toml", &format!("{SLEEPER}environment = {{ PASSWORD = \"hunter2\" }}\n"));
    let text = said(&world.abide(&["plan", "services.d", "--from", "old"]));
    assert!(text.contains("PASSWORD") && !text.contains("hunter2"), "{text}");
}
