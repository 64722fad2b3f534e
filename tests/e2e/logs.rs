//! What services say is kept.

use super::world::{SLEEPER, World, said_in, service};
use std::path::PathBuf;

fn rotated(world: &World, service: &str) -> Vec<PathBuf> {
    let directory = world.logs().join(service);
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.retain(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with('@')));
    files.sort();
    files
}

#[test]
fn stdout_and_stderr_go_to_current() {
    let world = World::with(&[("a", "script = 'echo out; echo err >&2; exec sleep 86400'\n")]);
    world.pid("a");
    let text = world.logged("a", "err");
    assert_eq!(text, "out\nerr\n");
    let status = world.status().expect("it runs");
    let log = service(&status, "a").and_then(|it| it.instances[0].log.clone()).expect("it has a log");
    assert!(log.path.ends_with("/a/current"), "{}", log.path);
}

#[test]
fn each_instance_has_a_log_and_a_number() {
    let text = "instances = 3\nenvironment = { QUEUE = \"q${ABIDE_INSTANCE}\" }\nscript = 'echo \"$ABIDE_INSTANCE on $QUEUE\"; exec sleep 86400'\n";
    let world = World::with(&[("a", text)]);
    world.pid("a");
    for number in 0..3 {
        world.logged(&format!("a@{number}"), &format!("{number} on q{number}"));
    }
    assert!(!world.logs().join("a").exists(), "none without a number");
}

#[test]
fn more_instances_start_beside_those_that_run_and_fewer_leave_them() {
    let world = World::with(&[("a", SLEEPER)]);
    let first = world.pid("a");
    world.drop_file("a.toml", &format!("instances = 3\n{SLEEPER}"));
    let status = world.until("three run", |status| {
        service(status, "a").is_some_and(|it| it.instances.iter().filter(|i| i.pid.is_some()).count() == 3)
    });
    assert_eq!(service(&status, "a").and_then(|it| it.instances[0].pid), Some(first));
    world.drop_file("a.toml", SLEEPER);
    world.until("one is left", |status| {
        service(status, "a").is_some_and(|it| it.instances.len() == 1 && it.instances[0].pid == Some(first))
    });
}

#[test]
fn from_one_instance_to_many_the_log_directory_is_renamed_and_nothing_restarts() {
    let text = "script = 'trap \"echo asked\" USR1; echo begun; while :; do sleep 0.05; done'\n";
    let world = World::with(&[("a", text)]);
    let pid = world.pid("a");
    world.logged("a", "begun");
    for (instances, directory, former) in [(2, "a@0", "a"), (1, "a", "a@0")] {
        world.drop_file("a.toml", &format!("instances = {instances}\n{text}"));
        world.logged(directory, "begun\n");
        assert!(!world.logs().join(former).exists(), "the same directory under another name");
        world.until("all of them run, and no more", |status| {
            service(status, "a").is_some_and(|it| {
                it.instances.len() == instances && it.instances.iter().all(|one| one.pid.is_some() && one.in_sync)
            })
        });
        let before = world.logged(directory, "begun").matches("asked").count();
        super::process::send(pid, nix::sys::signal::Signal::SIGUSR1);
        world.until_true("it writes on where it was", || {
            world.logged(directory, "begun").matches("asked").count() == before + 1
        });
        assert_eq!(world.pid_now("a"), Some(pid));
    }
}

#[test]
fn logs_are_rotated_by_size_and_number_and_no_line_is_cut() {
    let text = r#"
script = '''
i=0
while [ $i -lt 4000 ]; do i=$((i+1)); echo "line $i of many that fill the file"; done
echo finished
exec sleep 86400
'''
[log]
max_size = "16KiB"
max_files = 3
"#;
    let world = World::with(&[("a", text)]);
    world.pid("a");
    world.logged("a", "finished");
    world.until_true("three rotated files are left", || rotated(&world, "a").len() == 3);
    let mut files = rotated(&world, "a");
    for file in &files {
        let size = std::fs::metadata(file).expect("it is there").len();
        assert!(size <= 16 << 10, "{} has {size} bytes", file.display());
    }
    files.push(world.logs().join("a/current"));
    let text: String = files.iter().map(|file| said_in(&std::fs::read_to_string(file).expect("text"))).collect();
    let numbers: Vec<u32> = text
        .lines()
        .filter(|line| *line != "finished")
        .map(|line| {
            line.strip_prefix("line ")
                .and_then(|rest| rest.split(' ').next()?.parse().ok())
                .unwrap_or_else(|| panic!("cut: {line:?}"))
        })
        .collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "in order, none missing");
    assert_eq!(numbers.last(), Some(&4000));
}

#[test]
fn the_last_words_of_a_service_are_kept() {
    let world = World::with(&[(
        "a",
        "script = 'i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo word $i; done; exit 0'\n[restart]\npolicy = \"never\"\n",
    )]);
    let text = world.logged("a", "word 500\n");
    assert_eq!(text.lines().count(), 500);
}

#[test]
fn a_log_directory_of_its_own_is_used() {
    let world = World::with(&[]);
    let directory = world.root().join("elsewhere");
    world.drop_file(
        "a.toml",
        &format!("script = 'echo here; exec sleep 86400'\n[log]\ndirectory = {:?}\n", directory.display().to_string()),
    );
    world.pid("a");
    world.until_true("its log is there", || {
        std::fs::read_to_string(directory.join("a/current")).is_ok_and(|text| said_in(&text) == "here\n")
    });
}

#[test]
fn every_transition_is_one_event_with_its_fields() {
    let world = World::with(&[("a", "script = 'exit 3'\n[restart]\ndelay = \"1h\"\nmax_delay = \"1h\"\n")]);
    world.until("it waits", |status| service(status, "a").is_some_and(|it| it.instances[0].next_attempt_at.is_some()));
    let find = || world.events().into_iter().find(|event| event["service"] == "a" && event["to"] == "backoff");
    world.until_true("the event is written", || find().is_some());
    let event = find().expect("just seen");
    for field in ["from", "to", "reason", "pid", "exit"] {
        assert!(!event[field].is_null(), "{field} is missing in {event}");
    }
}
