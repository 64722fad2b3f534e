//! Whatever lies in a watched directory: one clear error, and everything else goes on.

use super::process::{is_root, shell};
use super::world::{SLEEPER, Start, World, running};
use abide::model::status::{ServiceStatus, SourceState, State, Status};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;

/// A world with one service that must not notice anything.
fn with_bystander() -> (World, i32) {
    let world = World::with_sleepers("a");
    let pid = world.pid("a");
    (world, pid)
}

/// Everything that the snapshot complains about, in one text.
fn complaints(status: &Status) -> String {
    let errors = status.services.iter().flat_map(|it| &it.errors).chain(&status.problems);
    let errors = errors.map(|error| format!("{} {} {}", error.file, error.code, error.message));
    let ignored = status.ignored.iter().map(|it| format!("{} {}", it.path, it.reason));
    errors.chain(ignored).collect::<Vec<_>>().join("\n")
}

fn complains(world: &World, words: &[&str]) {
    let claim = format!("a complaint with {words:?}");
    world.until(&claim, |status| {
        let text = complaints(status);
        text.lines().any(|line| words.iter().all(|word| line.contains(word)))
    });
    let told = |event: &serde_json::Value| words.iter().all(|word| event.to_string().contains(word));
    world.until_true(&format!("the log tells of it: {words:?}"), || world.events().iter().any(told));
}

#[test]
fn a_huge_file_is_refused_by_its_size() {
    let (world, pid) = with_bystander();
    let stage = world.root().join("huge");
    std::fs::File::create(&stage).and_then(|file| file.set_len(100 << 20)).expect("a sparse file costs nothing");
    std::fs::rename(&stage, world.file("huge.toml")).expect("one file system");
    complains(&world, &["huge.toml", "too-large"]);
    assert_eq!(world.pid("a"), pid);
}

#[test]
fn what_is_no_text_is_refused() {
    let (world, pid) = with_bystander();
    for (name, bytes) in
        [("utf8", &b"command = [\"/bin/sleep\", \"\xff\xfe\"]\n"[..]), ("nul", b"command = \"/bin/sleep 1\0\"\n")]
    {
        let stage = world.root().join(name);
        std::fs::write(&stage, bytes).expect("the world is writable");
        std::fs::rename(&stage, world.file(&format!("{name}.toml"))).expect("one file system");
        complains(&world, &[&format!("{name}.toml"), "not-text"]);
    }
    assert_eq!(world.pid("a"), pid);
}

#[test]
fn what_is_no_file_is_never_waited_for() {
    let (world, pid) = with_bystander();
    shell("mkfifo fifo.toml; mkdir directory.toml; ln -s /dev/zero device.toml", &world.services());
    let socket = std::os::unix::net::UnixListener::bind(world.file("socket.toml"));
    for name in ["fifo", "directory", "device"].into_iter().chain(socket.is_ok().then_some("socket")) {
        complains(&world, &[&format!("{name}.toml")]);
    }
    world.fence();
    assert_eq!(world.pid("a"), pid);
}

#[test]
fn a_file_that_becomes_something_else_keeps_its_service_running() {
    let (world, pid) = with_bystander();
    shell("mkfifo ../fifo; mv ../fifo a.toml", &world.services());
    complains(&world, &["a.toml", "not-a-file"]);
    assert_eq!(world.pid_now("a"), Some(pid));
    world.drop_file("a.toml", SLEEPER);
    world.mended("a");
    assert_eq!(world.pid("a"), pid);
}

#[test]
fn symlink_loops_and_dangling_links_are_errors() {
    let (world, pid) = with_bystander();
    shell("ln -s loop2.toml loop1.toml; ln -s loop1.toml loop2.toml; ln -s nowhere dangling.toml", &world.services());
    for name in ["loop1.toml", "loop2.toml", "dangling.toml"] {
        complains(&world, &[name]);
    }
    assert_eq!(world.pid("a"), pid);
}

#[test]
fn names_that_are_no_names_are_errors_and_shown_escaped() {
    let (world, pid) = with_bystander();
    let mut names: Vec<Vec<u8>> = vec![
        b"with space.toml".to_vec(),
        b"with\nnewline.toml".to_vec(),
        b"\xff\xfe.toml".to_vec(),
        "gr\u{fc}n.toml".into(),
    ];
    names.push([&b"x".repeat(250)[..], b".toml"].concat());
    for name in &names {
        let _ = std::fs::write(world.services().join(std::ffi::OsStr::from_bytes(name)), SLEEPER);
    }
    complains(&world, &["with space.toml"]);
    complains(&world, &["newline.toml"]);
    complains(&world, &["xxxxxxxxxx"]);
    let status = world.status().expect("it runs");
    assert!(!complaints(&status).contains("with\nnewline"), "a newline in a name does not forge a line");
    let table = world.abide(&["status"]);
    assert!(!super::world::said(&table).contains("with\nnewline"));
    assert_eq!((world.pid("a"), running(&status)), (pid, 1));
}

#[test]
fn two_entries_for_one_name_are_said_and_the_first_runs() {
    let (world, pid) = with_bystander();
    shell(
        "mkdir ../a; printf '#!/bin/sh\\nexec sleep 1\\n' >../a/run; chmod 755 ../a/run; mv ../a a",
        &world.services(),
    );
    complains(&world, &["duplicate-name"]);
    assert_eq!(world.pid("a"), pid, "a late-comer never touches the winner");
}

#[test]
fn a_watched_path_that_is_a_file_is_suspect_and_the_other_directory_works() {
    let mut world = World::empty();
    let file = world.root().join("a-file");
    std::fs::write(&file, "no directory").expect("the world is writable");
    world.drop_file("a.toml", SLEEPER);
    let directories = Some(vec![world.services(), file]);
    world.start_as(&Start { directories, ..Start::default() });
    world.pid("a");
    world.until("the file is told from a directory", |status| {
        status
            .sources
            .iter()
            .any(|source| source.path.ends_with("a-file") && source.state != SourceState::Ok && source.reason.is_some())
    });
}

#[test]
fn a_directory_without_permission_is_suspect_and_stops_nothing() {
    if is_root() {
        return super::process::skip_for_users("nothing is forbidden to root");
    }
    let (world, pid) = with_bystander();
    let mode =
        |mode| std::fs::set_permissions(world.services(), std::fs::Permissions::from_mode(mode)).expect("it is ours");
    mode(0o000);
    world.until("it is suspect", |status| status.sources[0].state != SourceState::Ok);
    assert_eq!(world.pid_now("a"), Some(pid));
    mode(0o755);
    world.until("it is fine again", |status| status.sources[0].state == SourceState::Ok);
    assert_eq!(world.pid("a"), pid);
}

#[test]
fn a_file_that_others_may_write_is_refused_and_the_last_good_goes_on() {
    let (world, pid) = with_bystander();
    std::fs::set_permissions(world.file("a.toml"), std::fs::Permissions::from_mode(0o666)).expect("it is ours");
    complains(&world, &["a.toml", "untrusted"]);
    assert_eq!(world.pid_now("a"), Some(pid));
    std::fs::set_permissions(world.file("a.toml"), std::fs::Permissions::from_mode(0o644)).expect("it is ours");
    world.mended("a");
    assert_eq!(world.pid("a"), pid);
}

#[test]
fn many_files_of_which_some_are_broken_are_each_for_itself() {
    let many = super::world::number("ABIDE_MANY_FILES", 2_000) as usize;
    let mut world = World::empty();
    for number in 0..many {
        let broken = number % 10 == 0;
        world.drop_file(&format!("s{number}.toml"), if broken { "command = [" } else { SLEEPER });
    }
    // More than there are descriptors for, too.
    world.start_as(&Start { open_files: Some((512, 512)), ..Start::default() });
    let (good, broken) = (many - many.div_ceil(10), many.div_ceil(10));
    let status = world.until("the good ones run or wait, the bad ones are named", |status| {
        let run = running(status);
        run > 300 && run + waiting(status).count() == good && status.summary.config_invalid == broken as u64
    });
    let errors = status.services.iter().filter(|it| it.errors.iter().any(|error| error.code == "syntax")).count();
    assert_eq!(errors, broken, "each has an error of its own");
    let waits: Vec<_> = waiting(&status).map(|it| it.name.as_str().to_owned()).collect();
    let mut said: Vec<_> = world.events().iter().filter(|it| it["to"] == "waiting").map(owner).collect();
    let times = said.len();
    said.sort_unstable();
    said.dedup();
    assert_eq!(said.len(), times, "that it waits is said once of each");
    assert!(waits.iter().all(|name| said.binary_search(name).is_ok()), "and of all that wait");
    // One that runs makes room for one that waits.
    let runs = status.services.iter().find(|it| it.state == State::Running).expect("many do");
    let before = waits.len();
    world.remove(&format!("{}.toml", runs.name));
    world.until("one of them follows", |status| waiting(status).count() == before - 1);
}

/// The service that an event of the log is about.
fn owner(event: &serde_json::Value) -> String {
    event["service"].as_str().unwrap_or_default().to_owned()
}

/// What waits for a descriptor.
fn waiting(status: &Status) -> impl Iterator<Item = &ServiceStatus> {
    status.services.iter().filter(|it| it.state == State::Waiting)
}

#[test]
fn more_services_than_descriptors_wait_and_say_so() {
    let mut world = World::empty();
    for number in 0..150 {
        world.drop_file(&format!("s{number}.toml"), SLEEPER);
    }
    world.start_as(&Start { open_files: Some((96, 96)), ..Start::default() });
    let status = world.until("some run and the rest waits", |status| {
        let waiting = waiting(status).count();
        waiting > 0 && running(status) > 10 && waiting + running(status) == 150
    });
    let reason = waiting(&status).next().and_then(|it| it.instances[0].reason.clone()).unwrap_or_default();
    assert!(reason.contains("descriptor"), "{reason}");
}

#[test]
fn what_runs_is_heard_however_few_descriptors_there_are() {
    let mut world = World::empty();
    for number in 0..120 {
        // Says something every now and then, so that its file is open.
        world.drop_file(&format!("s{number}.toml"), "script = 'while :; do echo here; sleep 0.5; done'\n");
    }
    // Pipes and the files that they go to are more than this together.
    world.start_as(&Start { open_files: Some((160, 160)), ..Start::default() });
    let settled = |status: &Status| running(status) > 80 && running(status) + waiting(status).count() == 120;
    let status = world.until("most run and the rest waits", settled);
    for it in status.services.iter().filter(|it| it.state == State::Running) {
        world.logged(it.name.as_str(), "here");
    }
    assert!(!world.events().iter().any(|it| it.to_string().contains("cannot")), "nothing was lost on the way");
}
