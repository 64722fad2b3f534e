//! Services in order: started one after the other, stopped in reverse, and taken along.

use super::world::{World, code, said, service};
use abide::model::status::{ConditionKind, State, Worst};
use nix::sys::signal::Signal;
use std::fs;
use std::time::Duration;

/// Writes down when it starts and when it is asked to end.
fn witness(world: &World, name: &str, keys: &str) -> String {
    let trace = world.root().join("trace");
    let trace = trace.display();
    format!(
        "{keys}\nscript = '''\nsay() {{ echo \"$(date +%s%N) $1 {name}\" >> {trace}; }}\n\
         trap 'say down; exit 0' TERM\nsay up\nwhile :; do sleep 0.02; done\n'''\n"
    )
}

/// Time and words of each line, in the order in which they were written.
fn trace(world: &World) -> Vec<(u64, String)> {
    let text = fs::read_to_string(world.root().join("trace")).unwrap_or_default();
    let parsed = |line: &str| line.split_once(' ').map(|(at, words)| (at.parse().unwrap_or(0), words.to_owned()));
    text.lines().filter_map(parsed).collect()
}

fn words(world: &World) -> Vec<String> {
    trace(world).into_iter().map(|(_, words)| words).collect()
}

/// `web` after `app`, which requires `db`; in the directory in the order of their names.
fn stack() -> World {
    let mut world = World::empty();
    for (name, keys) in [("app", "requires = [\"db\"]"), ("db", ""), ("web", "after = [\"app\"]")] {
        world.drop_file(&format!("{name}.toml"), &witness(&world, name, keys));
    }
    world.start();
    world
}

#[test]
fn a_stack_starts_in_order_a_second_apart_and_stops_in_reverse() {
    let mut world = stack();
    world.until("app waits for db", |status| {
        let app = service(status, "app");
        app.is_some_and(|it| it.state == State::Waiting && it.conditions[0].kind == ConditionKind::DependenciesMet)
    });
    world.until_true("all have started", || words(&world).len() == 3);
    world.signal(Signal::SIGTERM);
    world.ended();
    let trace = trace(&world);
    let said: Vec<&str> = trace.iter().map(|(_, words)| words.as_str()).collect();
    assert_eq!(said, ["up db", "up app", "up web", "down web", "down app", "down db"]);
    for pair in trace[..3].windows(2) {
        let apart = Duration::from_nanos(pair[1].0 - pair[0].0);
        assert!(apart >= Duration::from_millis(900), "{apart:?} from start to start");
    }
}

#[test]
fn what_is_required_takes_along_and_brings_back_and_a_crash_of_it_does_neither() {
    let world = stack();
    world.until_true("all have started", || words(&world).len() == 3);
    let app = world.pid("app");
    let db = world.pid("db");
    super::process::send(db, Signal::SIGKILL);
    world.pid_after("db", db);
    world.fence();
    assert_eq!(world.pid("app"), app, "the crash was made good");
    let off = witness(&world, "db", "enabled = false");
    world.drop_file("db.toml", &off);
    let status = world.until("app waits, db is down", |status| {
        let state = |name| service(status, name).map(|it| it.state);
        state("app") == Some(State::Waiting) && state("db") == Some(State::Stopped)
    });
    let reason = service(&status, "app").and_then(|it| it.instances[0].reason.clone());
    assert_eq!(reason.as_deref(), Some("requires db, which is not enabled"));
    assert_eq!(status.summary.worst, Worst::Critical);
    let said = words(&world);
    assert_eq!(said[said.len() - 2..], ["down app", "down db"]);
    let table = super::world::said(&world.abide(&["status"]));
    assert!(table.contains("requires db, which is not enabled") && !table.contains("descriptor"), "{table}");
    world.drop_file("db.toml", &witness(&world, "db", ""));
    world.until_true("db is up again, and then app", || {
        words(&world).ends_with(&["up db".to_owned(), "up app".to_owned()])
    });
}

#[test]
fn a_name_that_is_missing_is_an_error_until_its_file_is_there() {
    let world = World::with(&[("web", "command = \"sleep 60\"\nafter = [\n  \"cache\"\n]\n")]);
    let message = world.error("web", "unknown-service");
    assert!(message.contains("web.toml:3:3: `after` names the service `cache`, and there is none"), "{message}");
    let status = world.status().expect("it is written");
    let error = &service(&status, "web").expect("it is there").errors[0];
    assert_eq!((error.line, error.column), (Some(3), Some(3)));
    world.drop_file("cache.toml", super::world::SLEEPER);
    world.until("web runs", |status| service(status, "web").is_some_and(|it| it.state == State::Running));
    world.mended("web");
}

#[test]
fn check_and_plan_judge_what_files_say_of_each_other() {
    let world = World::empty();
    world.drop_file("a.toml", "command = \"sleep 60\"\nrequires = [\"b\"]\n");
    world.drop_file("b.toml", "command = \"sleep 60\"\nwants = [\"a\"]\n");
    let output = world.abide(&["check", "services.d"]);
    let text = said(&output);
    assert_eq!(code(&output), 1, "{text}");
    assert!(
        text.contains("its order leads in a circle: a → b → a") && text.contains("services.d/a.toml:2:13"),
        "{text}"
    );
    assert_eq!(text.matches("error[cycle]").count(), 2, "each of them is charged\n{text}");
    let alone = world.abide(&["check", "services.d/a.toml"]);
    assert_eq!(code(&alone), 0, "a file alone is judged against the names beside it\n{}", said(&alone));
    let old = world.root().join("old");
    fs::create_dir(&old).expect("the directory is ours");
    fs::write(old.join("a.toml"), "command = \"sleep 60\"\n").expect("writable");
    fs::write(old.join("b.toml"), "command = \"sleep 60\"\n").expect("writable");
    world.drop_file("b.toml", "command = \"sleep 60\"\n");
    let plan = world.abide(&["plan", "services.d", "--from", "old"]);
    let text = said(&plan);
    assert!(code(&plan) == 2 && text.contains("requires") && !text.contains("restart"), "{text}");
}
