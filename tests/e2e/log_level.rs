//! abide's own log: how much it tells is changed while it runs, and what belongs to one change of the files stands together.

use super::world::{World, code, said};
use std::fs;

fn own_log(world: &World) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(world.logs().join("abide.log")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn it_tells_more_or_less_as_it_is_told() {
    let world = World::with(&[("web", "command = \"sleep 86400\"\n")]);
    let pid = world.pid("web");
    assert_eq!(said(&world.abide(&["log-level"])).trim(), "info");
    assert_eq!(said(&world.abide(&["log-level", "warn"])).trim(), "warn");
    world.abide(&["restart", "web"]);
    let pid = world.pid_after("web", pid);
    assert_eq!(said(&world.abide(&["log-level", "info"])).trim(), "info");
    world.abide(&["restart", "web"]);
    let third = world.pid_after("web", pid);
    let tells_of = |pid: i32| own_log(&world).iter().any(|line| line["pid"] == pid && line["to"] == "running");
    world.until_true("it tells of the third", || tells_of(third));
    assert!(!tells_of(pid), "of the second nothing was to be told");
    let refused = world.abide(&["log-level", "info,=x="]);
    assert_eq!(code(&refused), 1, "{}", said(&refused));
    assert_eq!(said(&world.abide(&["log-level"])).trim(), "info");
}

#[test]
fn a_change_of_the_files_is_one_span_with_its_plan() {
    let secret = "hunter2-in-the-environment";
    let file = |n: u32| format!("command = \"sleep 8640{n}\"\n[environment]\nPASSWORD = \"{secret}{n}\"\n");
    let world = World::with(&[("a", &file(0)), ("b", &file(0))]);
    let (a, b) = (world.pid("a"), world.pid("b"));
    world.abide(&["log-level", "trace"]);
    world.drop_file("a.toml", &file(1));
    world.pid_after("a", a);
    let steps = |line: &serde_json::Value| line["message"] == "plan" && line["service"] == "a";
    world.until_true("both plans are told", || own_log(&world).iter().filter(|line| steps(line)).count() == 2);
    let lines = own_log(&world);
    let plans: Vec<_> = lines.iter().filter(|line| line["message"] == "plan").collect();
    assert_eq!(plans.len(), 3);
    let span = &plans[2]["span"];
    assert_eq!((&span["name"], &span["steps"]), (&"reconcile".into(), &1.into()));
    // What came of it at once stands in the same span; nothing of it is a secret.
    let within = lines.iter().filter(|line| line["span"] == *span).count();
    assert!(within >= 2, "{lines:?}");
    assert_eq!(world.pid("b"), b);
    let all = fs::read_to_string(world.logs().join("abide.log")).expect("it is there");
    assert!(!all.contains(secret), "{all}");
}
