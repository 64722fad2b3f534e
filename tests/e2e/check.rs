//! `abide check`: the same errors without a supervisor, or measured against one.

use super::process::shell;
use super::world::{SLEEPER, World, code, said};

#[test]
fn clean_files_are_0() {
    let world = World::empty();
    world.drop_file("a.toml", SLEEPER);
    let output = world.abide(&["check", "services.d"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert_eq!(code(&world.abide(&["check", "services.d/a.toml"])), 0);
}

#[test]
fn every_error_of_every_file_has_its_place_and_source_line() {
    let world = World::empty();
    world.drop_file(
        "a.toml",
        "command = [\"/bin/sleep\", \"1\"]\nrestrat = true\n[stop]\ntimeout = 10\nsignal = \"NOPE\"\n",
    );
    world.drop_file("b.toml", "instances = -1\ncommand = \"\"\n");
    let output = world.abide(&["check", "services.d"]);
    let text = said(&output);
    assert_eq!(code(&output), 1, "{text}");
    for words in [
        "services.d/a.toml:2:1",
        "restrat = true",
        "restart",
        "services.d/a.toml:4:11",
        "\"10s\"",
        "services.d/a.toml:5:10",
        "services.d/b.toml:1:13",
        "services.d/b.toml:2:11",
    ] {
        assert!(text.contains(words), "{words} is missing in\n{text}");
    }
}

#[test]
fn an_error_is_drawn_with_its_line_and_the_way_out() {
    let world = World::empty();
    world.drop_file("a.toml", "command = [\"/bin/sleep\", \"1\"]\nrestrat = true\n");
    let text = said(&world.abide(&["check", "services.d"]));
    let drawn = "\
error[unknown-key]: unknown key `restrat`
 --> services.d/a.toml:2:1
  |
2 | restrat = true
  | ^^^^^^^
  |
  = help: did you mean `restart`?";
    assert!(text.contains(drawn), "{text}");
}

#[test]
fn keys_of_later_releases_are_told_from_misspelt_ones() {
    let world = World::empty();
    world.drop_file("a.toml", "command = [\"/bin/sleep\", \"1\"]\nexit = {}\n[[socket]]\nname = \"web\"\n");
    let output = world.abide(&["check", "--format", "json", "services.d"]);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let text = found.to_string();
    assert_eq!(text.matches("not-yet").count(), 2, "{text}");
    assert_eq!(code(&output), 1);
}

#[test]
fn json_and_github_are_for_programs() {
    let world = World::empty();
    world.drop_file("a.toml", "command = [\"/bin/sleep\", \"1\"]\nrestrat = true\n");
    let json = world.abide(&["check", "--json", "services.d"]);
    let found: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    let first = &found[0];
    assert_eq!((&first["line"], &first["column"], &first["code"]), (&2.into(), &1.into(), &"unknown-key".into()));
    let github = said(&world.abide(&["check", "--format", "github", "services.d"]));
    assert!(github.starts_with("::error file=services.d/a.toml,line=2,col=1"), "{github}");
    assert_eq!(code(&json), 1);
}

#[test]
fn it_says_against_what_it_measured() {
    let world = World::with_sleepers("a");
    let text = said(&world.abide(&["check", "services.d"]));
    let supervisor = world.status().expect("it runs").abide.supervisor_pid;
    let pids = [supervisor, world.keeper()].map(|pid| pid.to_string());
    assert!(pids.iter().any(|pid| text.contains(pid)), "the running one's pid is named: {text}");
    let alone = World::empty();
    alone.drop_file("a.toml", SLEEPER);
    let text = said(&alone.abide(&["check", "services.d"]));
    assert!(text.contains("this process") || text.contains("own process"), "{text}");
}

#[test]
fn what_is_not_there_is_one_sentence() {
    let world = World::empty();
    let output = world.abide(&["check", "no-such-directory"]);
    let text = said(&output);
    assert!(code(&output) != 0 && text.contains("no-such-directory"), "{text}");
    assert!(!text.contains("Os {") && !text.contains("Error {"), "no debug dump: {text}");
}

#[test]
fn offline_nothing_of_this_machine_counts_and_every_error_of_the_text_does() {
    let world = World::empty();
    let text = "command = [\"/no/such/program\"]\nuser = \"nobody-here\"\nlimits.open_files = 99999999\nenvironment_files = [\"/no/such/file\"]\n";
    world.drop_file("a.toml", text);
    world.drop_file("b.toml", "command = [\"/bin/true\"]\nrequires = [\"c\"]\n");
    shell("chmod 666 services.d/a.toml; printf '[control]\\ngroup = \"nobody-here\"\\n' >abide.toml", world.root());
    let here = world.abide(&["check", "services.d"]);
    assert_eq!(code(&here), 1);
    let there = world.abide(&["check", "--offline", "--format", "github", "services.d"]);
    let text = said(&there);
    assert_eq!(text.matches("::error").count(), 1, "{text}");
    assert!(
        text.contains("file=services.d/b.toml") && text.contains("names the service `c`, and there is none"),
        "{text}"
    );
    world.drop_file("c.toml", "command = [\"/bin/true\"]\n");
    let there = world.abide(&["check", "--offline", "services.d"]);
    assert_eq!(code(&there), 0, "{}", said(&there));
    assert!(said(&there).contains("nothing of this machine was looked at"), "{}", said(&there));
}
