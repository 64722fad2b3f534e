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
    let settled = |status: &Status| status.summary.running > 300 && status.summary.config_invalid as usize == broken;
    world.until("many run, the bad ones are counted", settled);
    // Of so many the snapshot may not list all; the log does.
    let named = |field: &'static str, key: &'static str, value: &'static str| {
        let found = world.events().into_iter().filter(|event| event[key] == value);
        let mut names: Vec<_> = found.map(|event| event[field].as_str().unwrap_or_default().to_owned()).collect();
        names.sort_unstable();
        names
    };
    let waiting = || named("service", "to", "waiting");
    let running = || named("service", "to", "running").len();
    world.until_true("all run or wait", || waiting().len() + running() >= good);
    world.fence_errors();
    world.until_true("the fence is told of", || named("file", "code", "syntax").len() > broken);
    for mut names in [waiting(), named("file", "code", "syntax")] {
        let times = names.len();
        names.dedup();
        assert_eq!(names.len(), times, "each is told once");
    }
    assert_eq!((waiting().len() + running(), named("file", "code", "syntax").len()), (good, broken + 1));
    // One that runs makes room for one that waits.
    let runs = named("service", "to", "running").swap_remove(0);
    let before = running();
    world.remove(&format!("{runs}.toml"));
    world.until_true("one of them follows", || running() == before + 1);
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
    assert!(reason.contains("descriptor") && reason.contains("raise the limit"), "{reason}");
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

/// Both a process slot's reason and the errors of a file, in one text.
fn reasons(status: &Status) -> String {
    let reasons = status.services.iter().flat_map(|it| &it.instances).filter_map(|instance| instance.reason.clone());
    reasons.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_program_that_cannot_be_executed_is_one_clear_error() {
    let (world, pid) = with_bystander();
    let programs = world.root().join("programs");
    std::fs::create_dir(&programs).expect("it is new");
    let make = |name: &str, bytes: &[u8], mode: u32| {
        std::fs::write(programs.join(name), bytes).expect("the world is writable");
        std::fs::set_permissions(programs.join(name), std::fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    let mut foreign = std::fs::read("/bin/sh").expect("there is a shell");
    // Another machine's number (e_machine): S/390, or x86 there.
    foreign[18..20].copy_from_slice(if cfg!(target_arch = "s390x") { &[0, 3] } else { &[22, 0] });
    make("plain", b"#!/bin/sh\n", 0o644);
    make("lost", b"#!/no/such/interpreter -x\n", 0o755);
    make("windows", b"#!/bin/sh\r\necho\r\n", 0o755);
    make("foreign", &foreign, 0o755);
    make("text", b"hello", 0o755);
    make("empty", b"", 0o755);
    std::fs::create_dir(programs.join("directory")).expect("it is new");
    let at_once = [("directory", "is a directory"), ("plain", "is not executable")];
    let at_the_start = [
        ("lost", "its interpreter /no/such/interpreter is not there"),
        ("windows", "carriage return"),
        ("foreign", "it is a program for"),
        ("text", "neither a program nor a script"),
        ("empty", "it is empty"),
    ];
    for (name, _) in at_once.iter().chain(&at_the_start) {
        let program = programs.join(name);
        world.drop_file(&format!("{name}.toml"), &format!("command = [\"{}\"]\n", program.display()));
    }
    for (name, words) in at_once {
        complains(&world, &[&format!("{name}.toml"), "no-program", words]);
    }
    for (name, words) in at_the_start {
        let says = |status: &Status| {
            let state = super::world::service(status, name).map(|it| it.state);
            state == Some(State::Backoff) && reasons(status).lines().any(|line| line.contains(words))
        };
        let status = world.until(&format!("{name} waits, and says {words:?}"), says);
        assert!(reasons(&status).lines().all(|line| line.starts_with("could not execute ")), "{}", reasons(&status));
    }
    // What is mended runs.
    make("lost", b"#!/bin/sh\nexec sleep 86400\n", 0o755);
    world.pid("lost");
    assert_eq!(world.pid("a"), pid);
}

#[test]
fn a_bad_environment_file_is_one_clear_error_with_its_line() {
    let (world, pid) = with_bystander();
    let huge = format!("BIG={}\n", "x".repeat(10 << 20));
    let cases = [
        ("huge", huge.as_bytes(), "larger than 1 MiB"),
        ("nul", b"A=1\nB=a\0b\n", "nul.env:2: a NUL byte"),
        ("no-equals", b"# fine\nA=1\nnothing\n", "no-equals.env:3: a line without `=`"),
        ("no-text", b"A=\xff\xfe\n", "not UTF-8"),
        ("no-name", b"=1\n", "no-name.env:1"),
        ("unclosed", b"A='1\n", "unclosed.env:1"),
    ];
    for (name, bytes, words) in cases {
        let file = world.root().join(format!("{name}.env"));
        std::fs::write(&file, bytes).expect("the world is writable");
        world.drop_file(&format!("{name}.toml"), &format!("environment_files = [\"{}\"]\n{SLEEPER}", file.display()));
        complains(&world, &[&format!("{name}.toml"), "environment-file", words]);
        std::fs::write(&file, "A=1\n").expect("the world is writable");
        shell(&format!("touch {name}.toml"), &world.services());
        world.pid(name);
    }
    assert_eq!(world.pid("a"), pid);
}
