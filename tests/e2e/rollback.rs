//! A bad edit and the way back from it; the versions that are kept for that.

use super::process::{alive, arguments, has_capability, is_root, send, skip_for_users};
use super::world::{SLEEPER, Start, World, service};
use abide::model::history::{Difference, History};
use abide::model::status::{ConditionKind, ServiceStatus, State, Status};
use nix::sys::signal::Signal;

const GOOD: &str = "command = [\"/bin/sleep\", \"86400\"]\nupdate.settle = \"1s\"\n";
const FAILS: &str = "command = [\"/bin/sh\", \"-c\", \"exit 3\"]\n";

fn text(world: &World, words: &[&str]) -> (i32, String) {
    let out = world.abide(words);
    let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    (out.status.code().unwrap_or(-1), text)
}

/// Waits until the service went back for this cause; its status.
fn rolled_back(world: &World, name: &str, cause: &str) -> ServiceStatus {
    let claim = format!("{name} is rolled back: {cause}");
    let back = |it: &ServiceStatus| it.rollback.as_ref().is_some_and(|it| it.cause.contains(cause)) && runs(it);
    let status = world.until(&claim, |status| service(status, name).is_some_and(back));
    assert_eq!(status.summary.rolled_back, 1);
    service(&status, name).expect("just seen").clone()
}

fn runs(it: &ServiceStatus) -> bool {
    it.instances.first().is_some_and(|it| it.pid.is_some() && matches!(it.state, State::Running | State::Ready))
}

fn is_back(status: &Status, name: &str) -> bool {
    service(status, name).is_some_and(|it| it.rollback.is_none())
}

#[test]
fn an_edit_that_fails_at_once_is_rolled_back_and_only_a_real_edit_tries_again() {
    let world = World::with(&[("web", GOOD)]);
    let first = world.pid("web");
    world.drop_file("web.toml", FAILS);
    let it = rolled_back(&world, "web", "exit code 3");
    let second = it.instances[0].pid.expect("it runs");
    assert_ne!(second, first);
    assert_eq!(arguments(second)[1], "86400");
    let rollback = it.rollback.expect("just seen");
    assert_eq!(it.accepted_hash.as_ref(), Some(&rollback.to_hash));
    assert_eq!(it.desired_hash.as_ref(), Some(&rollback.from_hash));
    assert!(!it.as_desired && it.errors.is_empty() && !it.instances[0].in_sync);
    let condition = it.conditions.iter().find(|it| it.kind == ConditionKind::InSync).expect("it is out of sync");
    assert_eq!(condition.reason, "RolledBack");
    // A comment and a description are nothing to try it again for.
    world.drop_file("web.toml", &format!("# a comment\ndescription = \"the web\"\n{FAILS}"));
    world.fence();
    assert_eq!(world.pid_now("web"), Some(second));
    assert_eq!(world.starts("web"), 3, "{}", world.story());
    // An operator may.
    let (code, told) = text(&world, &["retry", "web"]);
    assert_eq!((code, told.as_str()), (0, "web: is tried again in the version that its file has\n"));
    world.until_true("it was tried again", || world.starts("web") == 5);
    rolled_back(&world, "web", "exit code 3");
    // And a better version is taken.
    world.drop_file("web.toml", &GOOD.replace("86400", "90000"));
    world.until("the better version is in force", |status| is_back(status, "web"));
    let third = world.pid("web");
    assert_eq!(arguments(third)[1], "90000");
    let (code, told) = text(&world, &["retry", "web"]);
    assert_eq!((code, told.contains("nothing to try again")), (0, true), "{told}");
}

#[test]
fn s44_a_version_that_never_gets_ready_is_rolled_back() {
    let ready =
        "ready.exec = [\"/bin/sh\", \"-c\", \"test -e ok\"]\nready.interval = \"50ms\"\nready.timeout = \"400ms\"\n";
    let mut world = World::empty();
    let file = |command: &str| {
        format!(
            "command = [\"/bin/sleep\", \"{command}\"]\ndirectory = \"{}\"\nupdate.settle = \"1s\"\n{ready}",
            world.root().display()
        )
    };
    let (one, two, three) = (file("86400"), file("86401"), file("86402"));
    std::fs::write(world.root().join("ok"), "").expect("the world is writable");
    world.drop_file("web.toml", &one);
    world.start();
    world.until("it is ready", |status| service(status, "web").is_some_and(|it| it.state == State::Ready));
    std::fs::remove_file(world.root().join("ok")).expect("it was there");
    world.drop_file("web.toml", &two);
    world.until("it went back", |status| service(status, "web").is_some_and(|it| it.rollback.is_some()));
    std::fs::write(world.root().join("ok"), "").expect("the world is writable");
    let it = rolled_back(&world, "web", "ready");
    assert_eq!(arguments(it.instances[0].pid.expect("it runs"))[1], "86400");
    world.drop_file("web.toml", &three);
    world.until("the next is taken", |status| {
        is_back(status, "web") && service(status, "web").is_some_and(|it| it.as_desired && it.state == State::Ready)
    });
}

#[test]
fn an_edit_that_fails_later_than_it_settled_is_a_crash_like_any_other() {
    let world = World::with(&[("web", GOOD)]);
    world.pid("web");
    world.drop_file("web.toml", "command = [\"/bin/sh\", \"-c\", \"sleep 1.5; exit 3\"]\nupdate.settle = \"500ms\"\n");
    world.until("it has crashed", |status| {
        service(status, "web").is_some_and(|it| it.instances[0].restarts >= 1 && it.rollback.is_none())
    });
    world.fence();
    assert!(is_back(&world.status().expect("it runs"), "web"));
}

#[test]
fn what_was_never_good_is_nothing_to_go_back_to_and_roll_back_can_be_turned_off() {
    let world = World::with(&[("bad", FAILS), ("off", GOOD)]);
    world.pid("off");
    let failing = |status: &Status, name: &str| service(status, name).is_some_and(|it| it.state == State::Backoff);
    world.until("it fails", |status| failing(status, "bad"));
    world.drop_file("bad.toml", &FAILS.replace('3', "4"));
    world.drop_file("off.toml", &format!("{FAILS}update.rollback = false\n"));
    world.until("both fail", |status| failing(status, "bad") && failing(status, "off"));
    world.fence();
    let status = world.status().expect("it runs");
    assert!(is_back(&status, "bad") && is_back(&status, "off"), "{}", world.story());
}

#[test]
fn a_trial_outlives_the_supervisor() {
    let world = World::with(&[("web", GOOD)]);
    world.pid("web");
    world.drop_file(
        "web.toml",
        "command = [\"/bin/sh\", \"-c\", \"trap 'exit 3' USR1; while :; do sleep 0.1; done\"]\n",
    );
    let pid = world.pid_after("web", world.pid_now("web").unwrap_or(0));
    let supervisor = world.status().expect("it runs").abide.supervisor_pid;
    send(supervisor, Signal::SIGKILL);
    world.until("another one", |status| status.abide.supervisor_pid != supervisor && status.summary.running == 1);
    world.until_true("the same process", || world.pid_now("web") == Some(pid));
    send(pid, Signal::SIGUSR1);
    let it = rolled_back(&world, "web", "exit code 3");
    assert_eq!(arguments(it.instances[0].pid.expect("it runs"))[1], "86400");
    // So does what came of it.
    let supervisor = world.status().expect("it runs").abide.supervisor_pid;
    send(supervisor, Signal::SIGKILL);
    world.until("another one", |status| status.abide.supervisor_pid != supervisor && status.summary.rolled_back == 1);
}

#[test]
fn s39_a_supervisor_that_starts_with_a_broken_file_goes_on_with_the_last_good_version() {
    let world = World::with(&[("web", GOOD)]);
    let pid = world.pid("web");
    world.drop_file("web.toml", "cmmand = 1\n");
    world.error("web", "unknown-key");
    let supervisor = world.status().expect("it runs").abide.supervisor_pid;
    send(supervisor, Signal::SIGKILL);
    world.until("another one has the error, too", |status| {
        status.abide.supervisor_pid != supervisor && service(status, "web").is_some_and(|it| !it.errors.is_empty())
    });
    assert_eq!(world.pid_now("web"), Some(pid));
    assert!(alive(pid));
}

#[test]
fn s40_a_machine_that_boots_with_broken_and_rejected_files_starts_the_last_good_versions() {
    let mut world = World::with(&[("web", GOOD), ("db", GOOD), ("new", SLEEPER)]);
    world.pid("web");
    world.pid("db");
    world.pid("new");
    world.drop_file("db.toml", FAILS);
    rolled_back(&world, "db", "exit code 3");
    world.signal(Signal::SIGTERM);
    world.ended();
    std::fs::remove_dir_all(world.runtime()).expect("a reboot empties it");
    world.drop_file("web.toml", "cmmand = 1\n");
    world.drop_file("other.toml", "cmmand = 1\n");
    world.start();
    let runs = |status: &Status, name: &str| service(status, name).is_some_and(runs);
    let status = world.until("all run but what never did", |status| {
        ["web", "db", "new"].iter().all(|name| runs(status, name)) && service(status, "other").is_some()
    });
    let web = service(&status, "web").expect("just seen");
    assert!(!web.errors.is_empty() && !web.as_desired);
    assert_eq!(web.conditions[0].kind, ConditionKind::ConfigValid);
    assert_eq!(arguments(web.instances[0].pid.expect("it runs"))[1], "86400");
    assert!(service(&status, "db").expect("just seen").rollback.is_some());
    assert!(service(&status, "other").expect("just seen").instances.is_empty());
    world.drop_file("web.toml", GOOD);
    world.mended("web");
    assert_eq!(world.starts("web"), 2, "the mended file restarts nothing");
}

#[test]
fn versions_are_listed_compared_and_gone_back_to() {
    let world = World::with(&[("web", GOOD)]);
    let first = world.pid("web");
    world.drop_file("web.toml", &GOOD.replace("86400", "90000"));
    let second = world.pid_after("web", first);
    let listed = |world: &World| -> History {
        let (code, json) = text(world, &["history", "--json", "web"]);
        assert_eq!(code, 0, "{json}");
        serde_json::from_str(&json).expect("JSON")
    };
    world.until_true("both are listed", || listed(&world).versions.len() == 2);
    let history = listed(&world);
    let fields: Vec<&str> = history.versions[1].changes.iter().map(|change| change.field.as_str()).collect();
    assert_eq!((fields, history.versions[0].in_force, history.versions[1].in_force), (vec!["command"], false, true));
    let (code, json) = text(&world, &["diff", "web", "--json"]);
    let found: Difference = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        (code, found.from.as_str(), found.to.as_str()),
        (2, &*history.versions[0].version, &*history.versions[1].version)
    );
    let (code, told) = text(&world, &["diff", "web"]);
    assert!(code == 2 && told.contains("command  /bin/sleep 86400 → /bin/sleep 90000"), "{told}");
    let (code, told) = text(&world, &["rollback", "web", "--to", "ffff"]);
    assert!(code == 1 && told.contains("no version is known that begins with \"ffff\""), "{told}");
    let (code, told) = text(&world, &["rollback", "web", "--to", &history.versions[0].version[..6]]);
    assert!(code == 0 && told.contains("until its file changes or `abide retry web`"), "{told}");
    let third = world.pid_after("web", second);
    assert_eq!(arguments(third)[1], "86400");
    rolled_back(&world, "web", "by ");
    let (code, _) = text(&world, &["retry", "web"]);
    assert_eq!(code, 0);
    let fourth = world.pid_after("web", third);
    assert_eq!(arguments(fourth)[1], "90000");
    let (code, told) = text(&world, &["history", "nobody"]);
    assert!(code == 1 && told.contains("nobody"), "{told}");
}

#[test]
fn s51_a_version_that_cannot_be_recorded_is_applied_and_said_so() {
    if !is_root() || !has_capability(super::given::SYS_ADMIN) {
        return skip_for_users("only who may mount has a disk that is full");
    }
    let mut world = World::empty();
    world.drop_file("web.toml", GOOD);
    let state = world.state();
    let script = format!("mount -t tmpfs -o size=64k tmpfs {}; exec \"$@\"", state.display());
    world.start_as(&Start { wrapper: &["unshare", "-m", "/bin/sh", "-ec", &script, "sh"], ..Start::default() });
    let first = world.pid("web");
    let keeper = world.keeper();
    let inside = format!("/proc/{keeper}/root{}", state.display());
    let _ = std::fs::write(format!("{inside}/full"), vec![0; 128 << 10]);
    // More than what is left of a page.
    let more = format!("environment.MORE = \"{}\"\n", "x".repeat(8000));
    world.drop_file("web.toml", &(GOOD.replace("86400", "90000") + &more));
    let second = world.pid_after("web", first);
    assert_eq!(arguments(second)[1], "90000");
    let note = |status: &Status| status.abide.notes.iter().any(|note| note.contains("cannot be recorded"));
    world.until("the status says that it is not recorded", note);
    std::fs::remove_file(format!("{inside}/full")).expect("it was there");
    world.drop_file("web.toml", &GOOD.replace("86400", "90001"));
    world.pid_after("web", second);
    world.until("it is recorded again", |status| !note(status));
}

#[test]
fn a_machine_that_boots_while_files_are_held_back_starts_the_last_good_versions() {
    for atomic in [false, true] {
        let mut world = World::empty();
        if atomic {
            world.replace(&world.root().join("abide.toml"), "batch = \"atomic\"\n");
        }
        world.drop_file("web.toml", GOOD);
        world.drop_file("db.toml", GOOD);
        world.start();
        world.pid("web");
        world.pid("db");
        if !atomic {
            assert_eq!(text(&world, &["suspend", "--reason", "holidays"]).0, 0);
        }
        world.signal(Signal::SIGTERM);
        world.ended();
        std::fs::remove_dir_all(world.runtime()).expect("a reboot empties it");
        world.drop_file("web.toml", &GOOD.replace("86400", "90000"));
        world.drop_file("new.toml", SLEEPER);
        if atomic {
            world.drop_file("bad.toml", "cmmand = 1\n");
        }
        world.start();
        let up = |status: &Status, name: &str| service(status, name).is_some_and(runs);
        let status = world.until("both run", |status| up(status, "web") && up(status, "db"));
        let web = service(&status, "web").expect("just seen");
        assert_eq!(arguments(web.instances[0].pid.expect("it runs"))[1], "86400", "what is held back is not in force");
        world.until("the new one waits", |status| {
            service(status, "new").is_some_and(|it| it.instances.is_empty() && !it.as_desired)
        });
        // What held it back ends.
        if atomic {
            world.remove("bad.toml");
        } else {
            assert_eq!(text(&world, &["resume"]).0, 0);
        }
        let pid = world.pid_after("web", web.instances[0].pid.expect("it runs"));
        assert_eq!(arguments(pid)[1], "90000");
        world.pid("new");
    }
}

#[test]
fn a_batch_that_waits_stops_nothing_when_the_supervisor_is_another() {
    let mut world = World::empty();
    world.replace(&world.root().join("abide.toml"), "batch = \"atomic\"\n[guard]\nwindow = 0\n");
    for name in ["a", "b", "c"] {
        world.drop_file(&format!("{name}.toml"), GOOD);
    }
    world.start();
    let pids = ["a", "b", "c"].map(|name| world.pid(name));
    // Somebody writes to a file of the batch for as long as this lasts.
    let mut writer = std::process::Command::new("/bin/sh")
        .args(["-c", "exec 3>slow.toml; echo writing; read x"])
        .current_dir(world.services())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("sh is there");
    let mut line = String::new();
    let out = writer.stdout.take().expect("it is a pipe");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).expect("it says so");
    let supervisor = world.status().expect("it runs").abide.supervisor_pid;
    send(supervisor, Signal::SIGKILL);
    world.until("another one has looked", |status| {
        status.abide.supervisor_pid != supervisor && status.sources.iter().any(|it| it.last_full_scan_at.is_some())
    });
    // A second look at all of it, and an answer that comes after that.
    world.signal(Signal::SIGHUP);
    assert_eq!(text(&world, &["plan"]).0, 0, "{}", world.story());
    drop(writer.stdin.take());
    writer.wait().expect("it ends");
    world.drop_file("slow.toml", GOOD);
    world.pid("slow");
    assert_eq!(["a", "b", "c"].map(|name| world.pid(name)), pids, "nothing was to be touched");
}

#[test]
fn going_back_twice_does_not_forget_what_was_rejected_first() {
    let world = World::with(&[("web", GOOD)]);
    let first = world.pid("web");
    world.drop_file("web.toml", &GOOD.replace("86400", "86401"));
    let second = world.pid_after("web", first);
    // Past its trial, it is what one goes back to.
    world.drop_file("web.toml", FAILS);
    let it = rolled_back(&world, "web", "exit code 3");
    let rejected = it.rollback.expect("just seen").from_hash;
    assert_ne!(it.instances[0].pid, Some(second));
    let history: History = serde_json::from_str(&text(&world, &["history", "--json", "web"]).1).expect("JSON");
    let oldest = history.versions[0].version.clone();
    let (code, told) = text(&world, &["rollback", "web", "--to", &oldest]);
    assert_eq!(code, 0, "{told}");
    let status = world.until("it is the oldest", |status| {
        service(status, "web").is_some_and(|it| it.accepted_hash.as_ref() == Some(&oldest) && runs(it))
    });
    let it = service(&status, "web").expect("just seen");
    assert_eq!(it.rollback.as_ref().map(|it| it.from_hash.clone()), Some(rejected));
    // So a comment tries nothing again.
    let starts = world.starts("web");
    world.drop_file("web.toml", &format!("# a comment\n{FAILS}"));
    world.fence();
    assert_eq!(world.starts("web"), starts);
}
