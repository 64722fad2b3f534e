//! Who of abide dies, and that nobody notices.

use super::process::{alive, send};
use super::world::{Start, World, service};
use abide::model::status::{State, Status};
use nix::sys::signal::Signal;

/// Counts, a line each, and says when it is asked to end.
const COUNTER: &str =
    "script = 'trap \"echo asked; exit 7\" TERM; i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done'\n";

fn supervisor(world: &World) -> i32 {
    world.status().expect("it runs").abide.supervisor_pid
}

/// Kills the supervisor, and waits for the next one to have taken over.
fn kill_supervisor(world: &World) {
    let pid = supervisor(world);
    send(pid, Signal::SIGKILL);
    world.until("another supervisor", |status| status.abide.supervisor_pid != pid);
}

/// Kills the keeper, and all else of abide with it.
fn kill_all(world: &mut World) {
    let (keeper, supervisor) = (world.keeper(), supervisor(world));
    world.signal(Signal::SIGKILL);
    world.ended();
    world.until_true("the roles are gone too", || !alive(supervisor));
    assert!(!alive(keeper));
}

/// What a counter has written, which must be all from 1 on.
fn counted(world: &World, name: &str) -> usize {
    let text = world.said(name);
    let numbers: Vec<usize> = text.lines().filter_map(|line| line.parse().ok()).collect();
    assert!(numbers.iter().copied().eq(1..=numbers.len()), "{name} has a gap\n{}", world.story());
    numbers.len()
}

fn goes_on(world: &World, name: &str) {
    let before = counted(world, name);
    world.until_true("it goes on counting", || counted(world, name) > before + 3);
}

fn restarts(status: &Status, name: &str) -> u64 {
    service(status, name).map_or(0, |it| it.instances[0].restarts)
}

#[test]
fn a_killed_supervisor_is_replaced_and_no_service_notices() {
    let world = World::with(&[("a", COUNTER), ("b", super::world::SLEEPER)]);
    let pids = (world.pid("a"), world.pid("b"));
    for _ in 0..3 {
        kill_supervisor(&world);
        assert_eq!((world.pid("a"), world.pid("b")), pids);
        goes_on(&world, "a");
    }
    let status = world.until("all is well", |status| status.summary.as_desired == 2);
    assert_eq!(status.abide.adopted, 2);
    assert!(service(&status, "a").is_some_and(|it| it.instances[0].adopted));
    let said = std::fs::read_to_string(world.root().join("stderr")).expect("it is written");
    assert!(
        said.contains("the supervisor was killed; another one takes over, and services go on"),
        "the keeper says what happened: {said}"
    );
    // And it is supervised as before: its end is seen, an edit comes through, a removal ends it.
    send(pids.1, Signal::SIGKILL);
    let second = world.pid_after("b", pids.1);
    world.drop_file("b.toml", "command = [\"/bin/sleep\", \"86401\"]\n");
    world.pid_after("b", second);
    world.remove("a.toml");
    world.gone("a");
    assert!(!alive(pids.0));
}

#[test]
fn what_a_killed_keeper_leaves_goes_on_under_the_next() {
    let mut world = World::with(&[("a", COUNTER), ("b", super::world::SLEEPER)]);
    let pids = (world.pid("a"), world.pid("b"));
    for _ in 0..2 {
        kill_all(&mut world);
        assert!(alive(pids.0) && alive(pids.1), "services live on");
        world.start();
        assert_eq!((world.pid("a"), world.pid("b")), pids);
        goes_on(&world, "a");
    }
    // No children of this keeper: their ends are seen all the same.
    send(pids.1, Signal::SIGKILL);
    world.pid_after("b", pids.1);
    let status = world.status().expect("it runs");
    let exit = service(&status, "b").and_then(|it| it.instances[0].last_exit.clone());
    println!("the end of a process of a dead keeper is told as {exit:?}");
    world.remove("a.toml");
    world.until_true("it ends", || !alive(pids.0));
    world.gone("a");
}

#[test]
fn what_changed_while_nobody_looked_is_made_good_and_no_more() {
    let mut world = World::with(&[
        ("edited", super::world::SLEEPER),
        ("broken", super::world::SLEEPER),
        ("removed", super::world::SLEEPER),
        ("ended", super::world::SLEEPER),
        ("same", super::world::SLEEPER),
    ]);
    let pids = ["edited", "broken", "removed", "ended", "same"].map(|name| world.pid(name));
    kill_all(&mut world);
    world.drop_file("edited.toml", "command = [\"/bin/sleep\", \"86401\"]\n");
    world.drop_file("broken.toml", "command = [\"/bin/sleep\"\n");
    world.drop_file("new.toml", super::world::SLEEPER);
    world.remove("removed.toml");
    send(pids[3], Signal::SIGKILL);
    world.until_true("it is gone", || !alive(pids[3]));
    world.start();
    world.pid("new");
    world.pid_after("edited", pids[0]);
    world.pid_after("ended", pids[3]);
    world.gone("removed");
    assert!(!world.error("broken", "syntax").is_empty());
    let now = (world.pid_now("broken"), world.pid_now("same"));
    assert_eq!(now, (Some(pids[1]), Some(pids[4])), "{}", world.story());
    assert!(!alive(pids[0]) && !alive(pids[2]));
}

#[test]
fn a_stop_under_way_goes_on_and_asks_nobody_twice() {
    let stubborn =
        "script = 'trap \"echo asked\" TERM; echo ready; while :; do sleep 0.05; done'\n[stop]\ntimeout = '3s'\n";
    let world = World::with(&[("a", stubborn)]);
    let pid = world.pid("a");
    world.logged("a", "ready");
    world.remove("a.toml");
    world.logged("a", "asked");
    kill_supervisor(&world);
    kill_supervisor(&world);
    world.until("it is stopping", |status| {
        service(status, "a").is_none_or(|it| it.instances.iter().all(|it| it.state == State::Stopping))
    });
    world.until_true("it is killed when its time is up", || !alive(pid));
    world.gone("a");
    let text = world.logged("a", "asked");
    assert_eq!(text.matches("asked").count(), 1, "{text}");
}

#[test]
fn backoff_counts_and_limits_go_on_where_they_were() {
    let failing =
        "script = 'exit 3'\n[restart]\ndelay = '100ms'\nfactor = 1\njitter = 0\nlimit = { count = 3, window = '1h' }\n";
    let world = World::with(&[("a", failing), ("b", super::world::SLEEPER)]);
    world.until("it has been restarted", |status| restarts(status, "a") >= 1);
    kill_supervisor(&world);
    let status = world.until("it has failed for good", |status| {
        service(status, "a").is_some_and(|it| it.instances[0].state == State::Failed)
    });
    assert_eq!(restarts(&status, "a"), 3, "{}", world.story());
    kill_supervisor(&world);
    let status = world.until("all is read", |status| service(status, "b").is_some_and(|it| it.instances[0].adopted));
    let a = service(&status, "a").expect("it is there");
    assert_eq!((a.instances[0].state, restarts(&status, "a")), (State::Failed, 3), "{}", world.story());
    assert_eq!(world.starts("a"), 4);
}

#[test]
fn commands_beside_a_service_are_not_run_twice() {
    let text =
        "command = ['/bin/sleep', '86400']\n[start]\nbefore = [['/bin/sh', '-c', 'echo begun; sleep 1; echo done']]\n";
    let world = World::with(&[("b", super::world::SLEEPER)]);
    world.drop_file("a.toml", text);
    world.logged("a", "begun");
    kill_supervisor(&world);
    world.pid("a");
    let said = world.logged("a", "done");
    assert_eq!((said.matches("begun").count(), said.matches("done").count()), (1, 1), "{said}");
}

#[test]
fn readiness_is_heard_whoever_listens() {
    let speaks = "script = 'sleep 1; systemd-notify --ready 2>/dev/null || python3 -c \"import os,socket; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b\\\"READY=1\\\", os.environ[\\\"NOTIFY_SOCKET\\\"])\"; exec sleep 86400'\n[ready]\nnotify = true\ntimeout = '20s'\n";
    let writes = "script = 'sleep 1; echo >&5; exec 5>&-; exec sleep 86400'\n[ready]\nfd = 5\ntimeout = '20s'\n";
    let says = "script = 'sleep 1; echo I am up; exec sleep 86400'\n[ready]\nlog = 'I am up'\ntimeout = '20s'\n";
    let world = World::with(&[]);
    for (name, text) in [("speaks", speaks), ("writes", writes), ("says", says)] {
        world.drop_file(&format!("{name}.toml"), text);
    }
    let names = ["speaks", "writes", "says"];
    let pids = names.map(|name| world.pid(name));
    kill_supervisor(&world);
    world.until("all are ready", |status| status.summary.ready == 3);
    assert_eq!(names.map(|name| world.pid_now(name)), pids.map(Some), "{}", world.story());
    kill_supervisor(&world);
    let status = world.until("all are ready", |status| status.summary.ready == 3);
    assert_eq!(status.abide.adopted, 3);
}

#[test]
fn who_ends_by_itself_while_there_is_no_supervisor_is_known_by_its_code() {
    let text = "script = 'while [ ! -e GO ]; do sleep 0.02; done; exit 42'\n[restart]\npolicy = 'never'\n";
    let world = World::with(&[]);
    let go = world.root().join("go");
    world.drop_file("a.toml", &text.replace("GO", &go.display().to_string()));
    let pid = world.pid("a");
    assert!(world.abide(&["detach"]).status.success());
    std::fs::write(&go, "").expect("it is written");
    world.until_true("it has ended", || !alive(pid));
    assert!(world.abide(&["attach"]).status.success());
    let status = world
        .until("its end is told", |status| service(status, "a").is_some_and(|it| it.instances[0].last_exit.is_some()));
    let last = service(&status, "a").and_then(|it| it.instances[0].last_exit.clone()).expect("it is there");
    assert_eq!(last.code, Some(42), "{last:?}");
}

#[test]
fn an_upgrade_touches_no_service_and_one_that_fails_changes_nothing() {
    let world = World::with(&[("a", COUNTER), ("b", super::world::SLEEPER)]);
    let pids = (world.pid("a"), world.pid("b"));
    let keeper = world.keeper();
    for words in [&["upgrade"][..], &["upgrade", "--keeper"], &["upgrade"]] {
        let before = supervisor(&world);
        let output = world.abide(words);
        assert!(output.status.success(), "{words:?}: {output:?}\n{}", world.story());
        world.until("the new one", |status| status.abide.supervisor_pid != before);
        assert_eq!((world.pid("a"), world.pid("b"), world.keeper()), (pids.0, pids.1, keeper));
        goes_on(&world, "a");
    }
    let before = supervisor(&world);
    for (program, says) in [("/bin/false", "not fit"), ("/bin/true", "did not come up")] {
        let output = world.abide(&["upgrade", "--program", program]);
        assert_eq!(super::world::code(&output), 1);
        assert!(super::world::said(&output).contains(says), "{output:?}\n{}", world.story());
        world.until("it is supervised", |status| status.summary.as_desired == 2);
        assert_eq!((world.pid("a"), world.pid("b"), world.keeper()), (pids.0, pids.1, keeper));
        goes_on(&world, "a");
    }
    assert_ne!(supervisor(&world), before);
    send(pids.1, Signal::SIGKILL);
    world.pid_after("b", pids.1);
}

#[test]
fn a_killed_logger_is_replaced_and_no_service_notices() {
    let world =
        World::with(&[("a", "script = 'trap \"echo asked\" USR1; echo ready; while :; do sleep 0.05; done'\n")]);
    let pid = world.pid("a");
    world.logged("a", "ready");
    let status = world.status().expect("it runs");
    let supervisor = status.abide.supervisor_pid;
    let logger = super::process::children(world.keeper())
        .into_iter()
        .find(|child| {
            *child != supervisor && super::process::arguments(*child).iter().any(|word| word.contains("logger"))
        })
        .expect("the keeper has a logger");
    send(logger, Signal::SIGKILL);
    world.until_true("it is gone", || !alive(logger));
    send(pid, Signal::SIGUSR1);
    world.logged("a", "asked");
    assert_eq!(world.pid("a"), pid);
}

#[test]
fn a_keeper_that_became_another_program_gives_the_limits_that_it_was_started_with() {
    let mut world = World::empty();
    world.drop_file("a.toml", super::world::SLEEPER);
    world.drop_file("ends.toml", "script = 'sleep 0.05; exit 7'\n[restart]\ndelay = '20ms'\nfactor = 1\n");
    world.start_as(&Start { open_files: Some((512, 2048)), ..Start::default() });
    let pid = world.pid("a");
    for _ in 0..3 {
        let output = world.abide(&["upgrade", "--keeper"]);
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(world.pid("a"), pid);
    send(pid, Signal::SIGKILL);
    let next = world.pid_after("a", pid);
    let limit = super::process::limit(next, "Max open files");
    assert_eq!(limit, Some(("512".to_owned(), "2048".to_owned())), "{}", world.story());
    let log = std::fs::read_to_string(world.logs().join("abide.log")).expect("it is written");
    assert!(!log.contains("unknown exit"), "no exit is lost over it: {}", world.story());
}

#[test]
fn a_text_over_which_abide_died_is_not_read_again() {
    use abide::source::{Material, Text};
    let world = World::with(&[("a", super::world::SLEEPER), ("b", super::world::SLEEPER)]);
    let pids = (world.pid("a"), world.pid("b"));
    let path = world.file("a.toml");
    let main = Text { path, bytes: super::world::SLEEPER.into() };
    let digest = Material::Toml { main, drop_ins: Vec::new() }.digest();
    // As if it had been at it when it died.
    let crash = || {
        let pid = supervisor(&world);
        table(&world).begin_loading("a", digest);
        send(pid, Signal::SIGABRT);
        world.until("another supervisor", |status| status.abide.supervisor_pid != pid);
    };
    // A kill from outside says nothing against the text.
    table(&world).begin_loading("a", digest);
    kill_supervisor(&world);
    world.until("all is read", |status| status.summary.as_desired == 2);
    crash();
    let message = world.error("a", "poison");
    assert!(message.contains("abide died while it read this text"), "{message}");
    assert_eq!((world.pid_now("a"), world.pid("b")), (Some(pids.0), pids.1));
    kill_supervisor(&world);
    assert!(!world.error("a", "poison").is_empty(), "the next one knows too");
    world.drop_file("a.toml", "# mended\ncommand = [\"/bin/sleep\", \"86400\"]\n");
    world.mended("a");
    assert_eq!(world.pid("a"), pids.0);
}

#[test]
fn a_supervisor_that_crashes_again_and_again_reads_no_files_until_it_is_told_to() {
    let world = World::with(&[("a", COUNTER), ("b", super::world::SLEEPER)]);
    let pids = (world.pid("a"), world.pid("b"));
    for _ in 0..3 {
        let pid = supervisor(&world);
        send(pid, Signal::SIGABRT);
        world.until("another supervisor", |status| status.abide.supervisor_pid != pid);
    }
    let status = world.until("it says so", |status| status.abide.notes.iter().any(|note| note.contains("safe mode")));
    assert_eq!(status.abide.adopted, 2);
    world.drop_file("b.toml", "command = [\"/bin/sleep\", \"86401\"]\n");
    goes_on(&world, "a");
    send(pids.1, Signal::SIGKILL);
    let second = world.pid_after("b", pids.1);
    let arguments = super::process::arguments(second);
    assert_eq!(arguments.last().map(String::as_str), Some("86400"), "what was accepted goes on");
    world.signal(Signal::SIGHUP);
    world.until("that is over", |status| status.abide.notes.is_empty());
    world.pid_after("b", second);
    assert_eq!(world.pid("a"), pids.0);
}

#[test]
fn a_configuration_that_broke_while_nobody_looked_is_the_last_good_one() {
    let mut world = World::empty();
    let config = world.root().join("abide.toml");
    world.replace(&config, "[status]\nheartbeat = '7s'\n");
    world.drop_file("a.toml", super::world::SLEEPER);
    world.start();
    let pid = world.pid("a");
    kill_all(&mut world);
    world.replace(&config, "[status\n");
    world.start();
    let status = world.until("it is told", |status| !status.problems.is_empty());
    assert_eq!(status.abide.heartbeat_interval_ms, 7000);
    assert_eq!(world.pid_now("a"), Some(pid));
}

#[test]
fn without_records_or_with_broken_ones_what_runs_is_found_by_the_table() {
    let mut world = World::with(&[("a", COUNTER), ("b", "command = ['/bin/sleep', '86400']\ninstances = 2\n")]);
    let status = world.until("all run", |status| status.summary.as_desired == 2);
    let pids = (world.pid("a"), super::world::pids(&status));
    for broken in [false, true] {
        kill_all(&mut world);
        let ledger = beside_the_table(&world).join("ledger");
        if broken {
            std::fs::write(&ledger, "no ledger").expect("it is written");
        } else {
            std::fs::remove_file(&ledger).expect("it was there");
        }
        world.start();
        let status = world.until("all run", |status| super::world::running(status) == 2);
        let mut now = super::world::pids(&status);
        let mut before = pids.1.clone();
        now.sort_unstable();
        before.sort_unstable();
        assert_eq!(now, before, "{}", world.story());
        goes_on(&world, "a");
        let told = status.abide.notes.iter().any(|note| note.contains("it is kept as ledger.bad-1"));
        assert_eq!(told, broken, "{:?}", status.abide.notes);
    }
    // And a service whose file has gone with the records ends.
    kill_all(&mut world);
    std::fs::remove_file(beside_the_table(&world).join("ledger")).expect("it was there");
    world.remove("a.toml");
    world.start();
    world.until_true("it is told to end", || !alive(pids.0));
}

fn beside_the_table(world: &World) -> std::path::PathBuf {
    let boot = abide::daemon::paths::boot_id().expect("it is told");
    let places = [world.runtime(), world.state().join(boot)];
    places.into_iter().find(|place| place.join("table").exists()).expect("there is a table")
}

fn table(world: &World) -> abide::table::Table {
    let path = beside_the_table(world).join("table");
    let file = std::fs::File::options().read(true).write(true).open(path).expect("it is there");
    abide::table::Table::open(file.into()).expect("it is one")
}
