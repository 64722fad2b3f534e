//! Commands around a service's life: as it runs, in order, in its log, and none without end.

use super::given::SYS_ADMIN;
use super::process::{alive, arguments, children, has_capability, has_cgroups, is_root, send, skip_for_users, uid};
use super::ready::{first, in_state, why};
use super::world::{World, service};
use abide::model::status::State;
use nix::sys::signal::Signal;
use std::fmt::Write as _;
use std::path::Path;

/// What a service's log holds.
fn log(world: &World, name: &str) -> String {
    world.said(name)
}

#[test]
fn hooks_run_in_order_as_the_service_does_with_their_output_in_its_log() {
    let world = World::with(&[]);
    let user = if is_root() { "user = \"nobody\"\n" } else { "" };
    let say = |word: &str| format!("[\"/bin/sh\", \"-c\", \"echo {word} $$(id -u) $$(pwd) $$GREETING\"]");
    let mut file = format!("{user}directory = \"/usr\"\nenvironment.GREETING = \"hello\"\n");
    let _ = writeln!(file, "script = 'echo main; exec sleep 86400'");
    let _ = writeln!(file, "[start]\nbefore = [{}, {}]", say("one"), say("two"));
    // It begins as soon as the service does, which may not have said its word then.
    let said = "until grep -q sleep /proc/$$MAINPID/comm; do sleep 0.01; done";
    let _ = writeln!(file, "after = [[\"/bin/sh\", \"-c\", \"{said}; echo after $$MAINPID\"]]");
    let _ = writeln!(
        file,
        "[stop]\nafter = [[\"/bin/sh\", \"-c\", \"echo over $${{ABIDE_EXIT_CODE:-none}} $${{ABIDE_EXIT_SIGNAL:-none}}\"]]"
    );
    world.drop_file("web.toml", &file);
    world.until_true("what comes after", || log(&world, "web").contains("after "));
    let pid = world.pid("web");
    let own = uid(pid).expect("it runs");
    let expected = format!("one {own} /usr hello\ntwo {own} /usr hello\nmain\nafter {pid}\n");
    assert_eq!(log(&world, "web"), expected);
    if is_root() {
        assert_ne!(own, 0);
    }

    send(pid, Signal::SIGKILL);
    let again = world.pid_after("web", pid);
    world.until_true("its end and its second start", || log(&world, "web").matches("after ").count() == 2);
    let rest = log(&world, "web").split_off(expected.len());
    assert_eq!(rest, format!("over none SIGKILL\n{}", expected.replace(&pid.to_string(), &again.to_string())));
    world.remove("web.toml");
    world.gone("web");
    // What it wrote last is read from its pipe only then.
    world.until_true("its last words", || log(&world, "web").ends_with("over none SIGTERM\n"));
}

#[test]
fn a_start_whose_hook_fails_or_never_ends_fails_and_nothing_is_left_of_it() {
    let mut world = World::empty();
    world.believe_removals();
    world.start();
    let nap = 300_000 + std::process::id();
    let sleeping = || {
        let naps = |pid: &i32| arguments(*pid).last().is_some_and(|word| *word == nap.to_string());
        children(world.keeper()).into_iter().filter(naps).count()
    };
    world.drop_file(
        "fails.toml",
        "script = 'echo main; exec sleep 86400'\n[start]\nbefore = [[\"/bin/sh\", \"-c\", \"exit 7\"]]\n",
    );
    world.drop_file(
        "hangs.toml",
        &format!("script = 'echo main; exec sleep 86400'\n[start]\nbefore = [[\"/bin/sh\", \"-c\", \"sleep {nap} & sleep {nap}\"]]\ntimeout = \"300ms\"\n"),
    );
    for (name, word) in [("fails", "exit code 7"), ("hangs", "0.3 s")] {
        let failed = why(&in_state(&world, name, State::Backoff));
        assert!(failed.contains(word), "{name}: {failed}");
        assert!(!log(&world, name).contains("main"), "{name} never ran");
        world.remove(&format!("{name}.toml"));
        world.gone(name);
    }
    assert_eq!(sleeping(), 0);
}

/// Begins with somebody in a session of its own, and does not end.
fn hanging(nap: u32) -> String {
    format!(
        "script = 'exec sleep 86400'\n[start]\ntimeout = \"1h\"\n\
        before = [[\"/bin/sh\", \"-c\", \"setsid sleep {nap} & sleep {nap} & echo begun; wait\"]]\n"
    )
}

#[test]
fn an_end_during_a_hook_leaves_no_process_and_no_cgroup() {
    let mut world = World::with(&[]);
    if !has_cgroups(&world) {
        return;
    }
    let base = world.status().and_then(|status| status.abide.cgroups.directory).expect("there are cgroups");
    let base = Path::new(&base);
    let members = |name: &str| {
        let list = std::fs::read_to_string(base.join(name).join("cgroup.procs")).unwrap_or_default();
        list.lines().filter_map(|line| line.parse().ok()).collect::<Vec<i32>>()
    };
    for name in ["removed", "kept"] {
        world.drop_file(&format!("{name}.toml"), &hanging(86_403));
        world.logged(name, "begun");
    }
    let (removed, kept) = (members("s.removed"), members("s.kept"));
    assert_eq!((removed.len(), kept.len()), (3, 3));
    world.remove("removed.toml");
    world.gone("removed");
    world.until_true("its group is gone", || !base.join("s.removed").exists());
    assert!(!removed.into_iter().any(alive));
    world.signal(Signal::SIGTERM);
    assert_eq!(world.ended().code(), Some(0), "{}", world.story());
    assert!(!base.exists(), "nothing is left of abide");
    assert!(!kept.into_iter().any(alive));
}

#[test]
fn a_stop_command_ends_the_service_and_one_that_hangs_does_not_save_it() {
    let mut world = World::empty();
    world.believe_removals();
    world.start();
    let deaf = "trap '' TERM; trap 'echo asked; exit 0' USR1; echo deaf; while :; do sleep 0.05; done";
    let kind = format!(
        "script = \"{deaf}\"\n[stop]\ncommand = [\"/bin/sh\", \"-c\", \"kill -USR1 $$MAINPID\"]\ntimeout = \"10s\"\n"
    );
    world.drop_file("kind.toml", &kind);
    world.drop_file(
        "hangs.toml",
        "command = [\"/bin/sleep\", \"86400\"]\n[stop]\ncommand = [\"/bin/sleep\", \"86401\"]\ntimeout = \"300ms\"\n",
    );
    let pids = [world.pid("kind"), world.pid("hangs")];
    world.logged("kind", "deaf");
    for name in ["kind", "hangs"] {
        world.remove(&format!("{name}.toml"));
        world.gone(name);
    }
    world.until_true("it was asked", || log(&world, "kind").ends_with("asked\n"));
    assert!(pids.into_iter().all(|pid| !alive(pid)));
    let stuck = |pid: &i32| arguments(*pid).last().is_some_and(|word| word == "86401");
    assert!(!children(world.keeper()).iter().any(stuck));
    assert!(first(&world.status().expect("a snapshot"), "kind").is_none());
}

#[test]
fn what_runs_beside_a_service_sees_what_the_service_sees() {
    if !has_capability(SYS_ADMIN) {
        return skip_for_users("namespaces of a service's own need CAP_SYS_ADMIN");
    }
    let mut world = World::empty();
    world.drop_file(
        "apart.toml",
        "script = 'echo here >/tmp/abide-only-here; sleep 1000'\n\
         [security]\nprivate_tmp = true\nprivate_network = true\nhostname = \"apart\"\n\
         [ready]\nexec = [\"test\", \"-e\", \"/tmp/abide-only-here\"]\n\
         [start]\nafter = [[\"sh\", \"-c\", \"readlink /proc/$$MAINPID/ns/net /proc/$$$$/ns/net; uname -n\"]]\n",
    );
    world.start();
    world.until("it is ready", |status| service(status, "apart").is_some_and(|it| it.state == State::Ready));
    let log = world.logged("apart", "apart\n");
    let lines: Vec<&str> = log.lines().collect();
    assert!(matches!(lines[..], [a, b, "apart"] if a == b && a.starts_with("net:")), "{log}");
}
