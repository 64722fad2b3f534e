//! A file appears, changes, breaks, is mended and goes.

use super::process::{alive, is_root};
use super::world::{SLEEPER, World, service};
use abide::model::status::{ConditionKind, State};

const LONGER: &str = "command = [\"/bin/sleep\", \"90000\"]\n";

#[test]
fn a_dropped_file_runs() {
    let world = World::with(&[]);
    world.drop_file("web.toml", SLEEPER);
    let pid = world.pid("web");
    assert_eq!(super::process::arguments(pid)[..2], ["/bin/sleep", "86400"]);
}

#[test]
fn an_edited_command_restarts_the_service_with_it_and_nothing_else() {
    let world = World::with_sleepers("ab");
    let (a, b) = (world.pid("a"), world.pid("b"));
    world.drop_file("a.toml", LONGER);
    let new = world.pid_after("a", a);
    assert_eq!(super::process::arguments(new)[1], "90000");
    assert!(!alive(a), "the old process is gone before the new one starts");
    assert_eq!(world.pid("b"), b);
}

#[test]
fn a_deleted_file_stops_its_service_after_the_grace_and_no_other() {
    let world = World::with_sleepers("ab");
    let (a, b) = (world.pid("a"), world.pid("b"));
    let removed = std::time::Instant::now();
    world.remove("a.toml");
    world.until_true("a has ended", || !alive(a));
    assert!(removed.elapsed().as_millis() >= 1900, "it ended before the grace was over");
    world.gone("a");
    assert_eq!(world.pid("b"), b);
}

#[test]
fn what_changes_nothing_that_matters_restarts_nothing() {
    let world = World::with_sleepers("abc");
    let before = ["a", "b", "c"].map(|name| world.pid(name));
    super::process::shell("touch a.toml; cp b.toml ../b; cp ../b b.toml", &world.services());
    world.drop_file("c.toml", &format!("# a comment\ndescription = \"words\"\n{SLEEPER}\n[restart]\ndelay = \"3s\"\n"));
    world.until("the description is taken", |status| {
        service(status, "c").is_some_and(|it| it.description.as_deref() == Some("words"))
    });
    world.fence();
    assert_eq!(["a", "b", "c"].map(|name| world.pid(name)), before);
    assert_eq!(world.starts("a") + world.starts("b") + world.starts("c"), 3);
}

#[test]
fn each_broken_edit_keeps_the_service_running_and_says_where() {
    let breaks = [
        ("syntax", "command = [\"/bin/sleep\", \"1\"]\nuser = = 5\n", ":2:"),
        ("unknown-key", "command = [\"/bin/sleep\", \"1\"]\nrestrat = true\n", ":2:1"),
        ("no-program", "\ncommand = [\"/bin/no-such-program\"]\n", ":2:"),
        ("wrong-type", "command = 7\n", ":1:11"),
        ("bad-duration", "command = [\"/bin/sleep\", \"1\"]\n[stop]\ntimeout = 10\n", ":3:11"),
        ("unknown-user", "command = [\"/bin/sleep\", \"1\"]\nuser = \"nobody-of-that-name\"\n", ":2:"),
    ];
    let world = World::with_sleepers("a");
    let pid = world.pid("a");
    for (code, text, place) in breaks {
        world.drop_file("a.toml", text);
        let error = world.error("a", code);
        assert!(error.contains("a.toml") && error.contains(place), "{code}: {error}");
        assert_eq!(world.pid_now("a"), Some(pid), "{code}: the last good version goes on");
        let status = world.status().expect("it runs");
        let it = service(&status, "a").expect("it is there");
        assert!(!it.as_desired && it.conditions.iter().any(|c| c.kind == ConditionKind::ConfigValid), "{code}");
        let check = world.abide(&["check", "services.d"]);
        assert_eq!(super::world::code(&check), 1, "{code}");
        assert!(super::world::said(&check).contains(place), "{code}: {}", super::world::said(&check));
    }
    let placed =
        |event: &serde_json::Value| event["code"] == "unknown-key" && event["line"] == 2 && event["column"] == 1;
    let complaints = || world.events().into_iter().filter(placed).count();
    world.until_true("the log names the error too, and where", || complaints() > 0);
    assert_eq!(complaints(), 1, "once");
    world.drop_file("a.toml", SLEEPER);
    world.mended("a");
    assert_eq!(world.pid("a"), pid, "and the mended file means what runs already");
}

#[test]
fn a_mended_file_is_taken_up_at_once() {
    let world = World::with_sleepers("a");
    let pid = world.pid("a");
    world.drop_file("a.toml", "command = [");
    world.error("a", "syntax");
    world.drop_file("a.toml", LONGER);
    world.pid_after("a", pid);
    world.mended("a");
}

#[test]
fn a_new_file_that_is_broken_starts_nothing_until_it_is_mended() {
    let world = World::with(&[("a", SLEEPER)]);
    world.drop_file("b.toml", "command = [\"/bin/sleep\", \"1\"]\nuser = 5.5\n");
    world.error("b", "wrong-type");
    assert_eq!(world.pid_now("b"), None);
    world.drop_file("b.toml", SLEEPER);
    world.pid("b");
}

#[test]
fn what_was_mended_around_a_file_is_found_when_the_file_is_touched() {
    let world = World::with(&[("a", SLEEPER)]);
    let place = tempfile::tempdir().expect("a directory");
    let missing = place.path().join("work");
    let text = format!("directory = {missing:?}\n{SLEEPER}");
    world.drop_file("b.toml", &text);
    world.error("b", "no-directory");
    std::fs::create_dir(&missing).expect("a new directory");
    world.drop_file("b.toml", &text);
    world.pid("b");
}

#[test]
fn a_disabled_service_stops_and_comes_back() {
    let world = World::with_sleepers("a");
    let pid = world.pid("a");
    world.drop_file("a.toml", &format!("enabled = false\n{SLEEPER}"));
    world.until("a is stopped, as desired", |status| {
        service(status, "a").is_some_and(|it| it.state == State::Stopped && it.as_desired)
    });
    assert!(!alive(pid));
    world.drop_file("a.toml", SLEEPER);
    world.pid_after("a", pid);
}

#[test]
fn a_drop_in_is_merged_over_its_file() {
    let world = World::with_sleepers("a");
    let pid = world.pid("a");
    std::fs::create_dir(world.file("a.toml.d")).expect("it is new");
    world.drop_file("a.toml.d/10-longer.toml", LONGER);
    let new = world.pid_after("a", pid);
    assert_eq!(super::process::arguments(new)[1], "90000");
    world.remove("a.toml.d/10-longer.toml");
    world.pid_after("a", new);
}

#[test]
fn an_edited_default_restarts_those_that_it_reaches_and_no_other() {
    let mut world = World::empty();
    let config = world.root().join("abide.toml");
    world.replace(&config, "[defaults]\ndirectory = \"/\"\n");
    world.drop_file("a.toml", SLEEPER);
    world.drop_file("b.toml", &format!("directory = \"/\"\n{SLEEPER}"));
    world.drop_file("c.toml", &format!("{SLEEPER}[stop]\ntimeout = \"3s\"\n"));
    world.start();
    let before = ["a", "b", "c"].map(|name| world.pid(name));
    let at = |pid: i32| std::fs::read_link(format!("/proc/{pid}/cwd")).ok();
    world.replace(&config, "[defaults]\ndirectory = \"/usr\"\n");
    for (name, old) in [("a", before[0]), ("c", before[2])] {
        let new = world.pid_after(name, old);
        assert_eq!(at(new), Some("/usr".into()));
    }
    world.replace(&config, "[defaults]\ndirectory = \"/usr\"\nstop.timeout = \"4s\"\n");
    world.fence();
    assert_eq!(world.pid("b"), before[1], "it says itself where it runs");
    assert_eq!(["a", "b", "c"].map(|name| world.starts(name)), [2, 1, 2], "and what is live restarts nothing");
}

#[test]
fn a_legacy_directory_runs_and_its_edited_script_restarts_it() {
    let world = World::with(&[]);
    let stage = world.root().join("old");
    super::process::shell(
        "mkdir old; printf '#!/bin/sh\\nexec sleep 86400\\n' >old/run; chmod 755 old/run",
        world.root(),
    );
    std::fs::rename(&stage, world.file("old")).expect("one file system");
    let pid = world.pid("old");
    super::process::shell(
        "printf '#!/bin/sh\\nexec sleep 90000\\n' >../run; chmod 755 ../run; mv ../run old/run",
        &world.services(),
    );
    let new = world.pid_after("old", pid);
    world.until_true("the new script runs", || super::process::arguments(new).last().is_some_and(|it| it == "90000"));
    std::fs::write(world.file("old/down"), "").expect("it is ours");
    world.until("a `down` file stops it", |status| service(status, "old").is_some_and(|it| it.state == State::Stopped));
}

#[test]
fn the_environment_is_clean_but_for_what_the_file_asks_for() {
    let script = "script = 'env; echo complete; exec sleep 86400'\n";
    let mut world = World::empty();
    world.drop_file("clean.toml", script);
    world.drop_file("heir.toml", &format!("inherit_environment = [\"E2E_GIVEN\"]\n{script}"));
    let variables = &[("E2E_GIVEN", "given"), ("E2E_KEPT", "kept")];
    world.start_as(&super::world::Start { variables, ..Default::default() });
    let clean = world.logged("clean", "complete");
    let heir = world.logged("heir", "complete");
    assert!(clean.contains("PATH=") && !clean.contains("E2E_"), "{clean}");
    assert!(heir.contains("E2E_GIVEN=given") && !heir.contains("E2E_KEPT"), "{heir}");
}

#[test]
fn a_directory_that_is_not_there_is_made_at_a_first_start() {
    let mut world = World::empty();
    std::fs::remove_dir(world.services()).expect("it is empty");
    world.start();
    world.until_true("the directory was made", || world.services().is_dir());
    world.until_true("it says so", || {
        let created = |event: &serde_json::Value| event["message"].as_str().is_some_and(|it| it.contains("created"));
        world.events().iter().any(created)
    });
    world.drop_file("a.toml", SLEEPER);
    world.pid("a");
}

#[test]
fn a_service_runs_as_its_user() {
    if !is_root() {
        return super::process::skip_for_users("only root can become somebody else");
    }
    let nobody = nix::unistd::User::from_name("nobody").ok().flatten().expect("every system has nobody");
    let world = World::with(&[("a", &format!("user = \"nobody\"\ndirectory = \"/\"\n{SLEEPER}"))]);
    assert_eq!(super::process::uid(world.pid("a")), Some(nobody.uid.as_raw()));
}

#[test]
fn a_broken_abide_toml_at_a_first_start_is_exit_78_and_later_keeps_the_last_good_one() {
    let mut world = World::empty();
    let config = world.root().join("abide.toml");
    world.drop_file("a.toml", SLEEPER);
    world.replace(&config, "[defaults]\nlimits = 7\n");
    world.launch(&super::world::Start::default());
    assert_eq!(world.ended().code(), Some(78));
    world.replace(&config, "[defaults.limits]\ncore = 0\n");
    world.start();
    let pid = world.pid("a");
    world.replace(&config, "[defaults\n");
    world.until("the problem is shown", |status| status.problems.iter().any(|it| it.file.contains("abide.toml")));
    assert_eq!(world.pid("a"), pid);
    assert_eq!(super::process::limit(pid, "Max core file size").map(|it| it.0), Some("0".into()));
}
