//! The snapshot and the command that reads it.

use super::world::{SLEEPER, World, code, said, service};
use abide::model::status::{AbideState, Status, Worst};
use nix::sys::signal::Signal;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn all_as_desired_is_0_something_else_1_and_nobody_there_3() {
    let mut world = World::with_sleepers("ab");
    assert_eq!(code(&world.abide(&["status"])), 0);
    assert_eq!(code(&world.abide(&["status", "a"])), 0);
    world.drop_file("b.toml", "command = [");
    world.error("b", "syntax");
    assert_eq!(code(&world.abide(&["status"])), 1);
    assert_eq!(code(&world.abide(&["status", "a"])), 0, "a is none the worse for it");
    assert_eq!(code(&world.abide(&["status", "b"])), 1);
    world.signal(Signal::SIGTERM);
    world.ended();
    let after = world.abide(&["status"]);
    assert_eq!(code(&after), 3, "{}", said(&after));
    let never = World::empty();
    assert_eq!(code(&never.abide(&["status"])), 3);
}

#[test]
fn a_stale_snapshot_is_3_although_it_says_that_all_is_well() {
    let mut world = World::with_sleepers("a");
    let file = world.runtime().join("status.json");
    let kept = std::fs::read(&file).expect("it is written");
    world.signal(Signal::SIGTERM);
    world.ended();
    std::fs::write(&file, kept).expect("the world is writable");
    super::process::shell("touch -d '10 minutes ago' status.json", &world.runtime());
    assert_eq!(code(&world.abide(&["status"])), 3);
}

#[test]
fn the_table_names_every_service_with_its_state_and_pid() {
    let world = World::with(&[("web", SLEEPER), ("many", &format!("instances = 3\n{SLEEPER}"))]);
    let pid = world.pid("web");
    world.pid("many");
    let text = said(&world.abide(&["status"]));
    for word in ["web", "running", &pid.to_string(), "many@0", "many@2"] {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "no colour in a pipe");
}

#[test]
fn the_page_of_a_service_has_its_last_words_and_what_its_processes_use() {
    let talks = "script = '''
        head -c 60000000 /dev/zero | tail >/dev/null # which keeps all of that one line
        sleep 86401 & sleep 86402 &
        i=0; while [ $i -lt 14 ]; do i=$((i + 1)); echo said $i; done
        printf 'rude \\033[2J\\n'; wait'''\n";
    let world = World::with(&[("a", talks)]);
    let pid = world.pid("a");
    world.logged("a", "rude");
    let text = said(&world.abide(&["status", "a"]));
    assert!(text.contains("uses        3 processes, ") && text.contains(" of memory"), "{text}");
    let quoted: Vec<_> = text.lines().filter(|line| line.contains("said ")).collect();
    assert!(quoted.len() == 9 && quoted[0].ends_with("said 6"), "ten lines, this one and the next: {text}");
    assert!(text.lines().last().is_some_and(|line| line.ends_with("rude \\u{1b}[2J")), "{text}");

    super::process::send(pid, Signal::SIGKILL);
    world.pid_after("a", pid);
    let status = world.status().expect("it runs");
    let last = service(&status, "a").and_then(|it| it.instances[0].last_exit.clone()).expect("it ended");
    assert_eq!(last.signal.as_deref(), Some("SIGKILL"));
    assert!(last.max_rss_bytes > 50_000_000, "{last:?}");
    let text = said(&world.abide(&["status", "a"]));
    assert!(text.contains("last end    SIGKILL") && text.contains("; it had used "), "{text}");
}

#[test]
fn json_is_the_snapshot_and_holds_no_secret() {
    let secret = "hunter2-in-the-environment";
    let argument = "hunter3-as-an-argument";
    let command = format!("[\"/bin/sh\", \"-c\", \"exec sleep 86400\", \"{argument}\"]");
    let text = format!("command = {command}\nenvironment = {{ PASSWORD = \"{secret}\" }}\n");
    let world = World::with(&[("a", &text)]);
    world.pid("a");
    world.drop_file("a.toml", &format!("{text}\npassword = \"{secret}\"\n"));
    world.error("a", "unknown-key");
    let output = world.abide(&["status", "--json"]);
    let status: Status = serde_json::from_slice(&output.stdout).expect("the snapshot's own schema");
    assert!(service(&status, "a").is_some());
    for name in ["status.json", "status.prom"] {
        let file = world.runtime().join(name);
        let text = std::fs::read_to_string(&file).expect("it is written");
        assert!(!text.contains(secret) && !text.contains(argument), "{name}");
        assert_eq!(std::fs::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o644);
    }
}

#[test]
fn nagios_reads_the_file_and_has_its_own_codes() {
    let mut world = World::with_sleepers("a");
    let fine = world.abide(&["status", "--nagios"]);
    assert_eq!(code(&fine), 0, "{}", said(&fine));
    assert!(said(&fine).starts_with("ABIDE OK"), "{}", said(&fine));
    world.drop_file("a.toml", "command = [");
    world.error("a", "syntax");
    assert_eq!(code(&world.abide(&["status", "--nagios"])), 1, "the last good version runs: a warning");
    world.drop_file("b.toml", "command = [\"/bin/false\"]\n");
    world.until("b is critical", |status| status.summary.worst == Worst::Critical && status.summary.backoff == 1);
    assert_eq!(code(&world.abide(&["status", "--nagios"])), 2);
    world.signal(Signal::SIGTERM);
    world.ended();
    assert_eq!(code(&world.abide(&["status", "--nagios"])), 3);
}

#[test]
fn the_heartbeat_touches_both_files_and_rewrites_neither() {
    let mut world = World::empty();
    std::fs::write(world.root().join("abide.toml"), "[status]\nheartbeat = \"1s\"\n").expect("it is ours");
    world.drop_file("a.toml", SLEEPER);
    world.start();
    world.pid("a");
    let stamp = |name: &str| std::fs::metadata(world.runtime().join(name)).and_then(|file| file.modified()).ok();
    for name in ["status.json", "status.prom"] {
        // Two beats between which nothing was written.
        world.until_true(&format!("{name} is touched without being written"), || {
            let (before, sequence) = (stamp(name), world.status().map(|status| status.abide.snapshot_seq));
            std::thread::sleep(std::time::Duration::from_millis(2500));
            stamp(name) > before && world.status().map(|status| status.abide.snapshot_seq) == sequence
        });
    }
}

#[test]
fn the_snapshot_tells_the_keeper_the_supervisor_and_what_happened() {
    let world = World::with_sleepers("a");
    let status = world.status().expect("it runs");
    assert_eq!((status.schema, status.abide.state), (1, AbideState::Running));
    assert_eq!(status.abide.pid, world.keeper());
    assert!(super::process::children(world.keeper()).contains(&status.abide.supervisor_pid));
    assert_eq!(status.generation, status.observed_generation);
    let it = service(&status, "a").expect("it is there");
    let sum = String::from_utf8(super::process::shell("sha256sum <a.toml", &world.services()).stdout).expect("hex");
    let hash = it.file_hash.as_deref().expect("the file was read");
    assert_eq!(hash.trim_start_matches("sha256:"), sum.split(' ').next().expect("a digest"));
    assert_eq!(it.accepted_hash, it.desired_hash);
    assert_eq!(it.instances[0].running_hash, it.accepted_hash);
}

#[test]
fn readers_never_see_half_a_snapshot() {
    let world = World::with_sleepers("abc");
    let file = world.runtime().join("status.json");
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            for _ in 0..2000 {
                let text = std::fs::read(&file).expect("it is always there");
                serde_json::from_slice::<Status>(&text).expect("it is always whole");
            }
        });
        while !reader.is_finished() {
            world.drop_file("d.toml", SLEEPER);
            world.drop_file("d.toml", "command = [\"/bin/sleep\", \"90000\"]\n");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    });
}

#[test]
fn the_schema_describes_the_snapshot() {
    let world = World::with_sleepers("a");
    let output = world.abide(&["schema", "--status"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let text = std::fs::read_to_string(world.runtime().join("status.json")).expect("it is written");
    let snapshot = serde_json::from_str(&text).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a legal schema");
    assert!(
        validator.is_valid(&snapshot),
        "{:?}",
        validator.iter_errors(&snapshot).map(|e| e.to_string()).collect::<Vec<_>>()
    );
}

#[test]
fn the_prometheus_twin_passes_promtool() {
    let Some(promtool) = super::process::wanted("promtool") else { return };
    let world = World::with_sleepers("ab");
    world.drop_file("b.toml", "command = [");
    world.error("b", "syntax");
    super::process::shell(&format!("{promtool} check metrics <status.prom"), &world.runtime());
}

#[test]
fn usage_errors_are_64() {
    let world = World::empty();
    for words in [&["status", "--no-such-option"][..], &["run"], &["no-such-command"], &["plan", "--from"], &["check"]]
    {
        let output = world.abide(words);
        assert_eq!(code(&output), 64, "{words:?}: {}", said(&output));
    }
}
