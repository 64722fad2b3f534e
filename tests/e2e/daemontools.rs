//! Directories of daemontools under abide, with the real clients: Debian's `svc`, `svstat`, `svok`, `multilog`,
//! `supervise`, and runit's `sv`.

use super::process::{alive, arguments, is_root, send, shell, skip_for_users, uid, wanted};
use super::world::{Start, World, binary, service};
use abide::model::status::State;
use nix::sys::signal::Signal;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A directory with a script `run`, outside of the watched one; links come later.
pub(crate) fn put(world: &World, name: &str, run: &str) {
    let directory = world.root().join("sv").join(name);
    fs::create_dir_all(&directory).expect("the world is writable");
    fs::write(directory.join("run"), format!("#!/bin/sh\n{run}\n")).expect("the world is writable");
    shell("chmod 755 run", &directory);
}

pub(crate) fn link(world: &World, name: &str) {
    std::os::unix::fs::symlink(world.root().join("sv").join(name), world.file(name)).expect("it is new");
}

/// What `program` prints of it, less the name and the time.
fn stat(world: &World, svstat: &str, name: &str) -> String {
    let output = Command::new(svstat).arg(name).current_dir(world.services()).output().expect("it is there");
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).expect("it is text");
    let text = text.trim_end().strip_prefix(&format!("{name}: ")).expect("its name comes first");
    let is_time = |word: &str| word.parse::<u64>().is_ok();
    let words: Vec<&str> = text.split(' ').filter(|word| !is_time(word)).collect();
    words.join(" ").replace("seconds", "s")
}

/// Waits until `svstat` says this of it: `up` stands for a process, whichever it is.
pub(crate) fn until(world: &World, svstat: &str, name: &str, wanted: &str) {
    let seen = || {
        let said = stat(world, svstat, name);
        match (said.find("(pid "), said.find(')')) {
            (Some(from), Some(to)) => format!("{}{}", &said[..from], &said[to + 2..]),
            _ => said,
        }
    };
    world.until_true(&format!("{name} is {wanted:?}, as svstat sees it: {:?}", seen()), || seen() == wanted);
}

pub(crate) fn command(world: &World, svc: &str, letters: &str, name: &str) {
    let output = Command::new(svc).args([letters, name]).current_dir(world.services()).output().expect("it is there");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

fn ok(world: &World, name: &str) -> bool {
    let svok = wanted("svok").expect("it comes with svc");
    Command::new(svok).arg(name).current_dir(world.services()).status().expect("it is there").success()
}

/// Clients: the real ones, and abide's own.
pub(crate) fn clients(world: &World) -> Vec<[String; 2]> {
    let own = world.root().join("own");
    let made = Command::new(binary()).arg("links").arg(&own).output().expect("it runs");
    assert!(made.status.success());
    let own = |name: &str| own.join(name).to_str().expect("it is text").to_owned();
    let mut clients = vec![[own("svc"), own("svstat")]];
    clients.extend(wanted("svc").zip(wanted("svstat")).map(|(svc, svstat)| [svc, svstat]));
    clients
}

pub(crate) const SLEEPER: &str = "exec sleep 86400";

#[test]
fn the_walk_through_two_services_a_kill_svc_and_the_end_of_a_link() {
    let world = World::with(&[]);
    world.believe_removals();
    for [svc, svstat] in clients(&world) {
        for name in ["one", "two"] {
            put(&world, name, SLEEPER);
            link(&world, name);
            until(&world, &svstat, name, "up s");
        }
        let (one, two) = (world.pid("one"), world.pid("two"));
        send(one, Signal::SIGKILL);
        world.pid_after("one", one);
        until(&world, &svstat, "one", "up s");
        assert_eq!(world.pid("two"), two);
        command(&world, &svc, "-d", "two");
        until(&world, &svstat, "two", "down s, normally up");
        assert!(!alive(two));
        command(&world, &svc, "-u", "two");
        until(&world, &svstat, "two", "up s");
        world.remove("one");
        world.gone("one");
        // As one is used to; there is nobody left to hear it.
        let one = world.root().join("sv/one");
        let output = Command::new(&svc).arg("-dx").arg(&one).output().expect("it is there");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.contains("supervise not running"), "{said}");
        world.remove("two");
        world.gone("two");
    }
}

#[test]
fn every_letter_does_what_it_does_under_supervise() {
    let world = World::with(&[]);
    world.believe_removals();
    for [svc, svstat] in clients(&world) {
        put(
            &world,
            "web",
            "trap 'echo HUP >>said' HUP; trap 'echo INT >>said' INT; trap 'echo ALRM >>said' ALRM\n\
            echo begun >>said; while :; do sleep 0.05; done",
        );
        link(&world, "web");
        let said = world.root().join("sv/web/said");
        let has = |word: &str| fs::read_to_string(&said).is_ok_and(|text| text.lines().any(|line| line == word));
        world.until_true("it has begun", || has("begun"));
        for (letter, word) in [("-h", "HUP"), ("-i", "INT"), ("-a", "ALRM")] {
            command(&world, &svc, letter, "web");
            world.until_true(word, || has(word));
        }
        command(&world, &svc, "-p", "web");
        until(&world, &svstat, "web", "up s, paused");
        command(&world, &svc, "-c", "web");
        until(&world, &svstat, "web", "up s");
        let first = world.pid("web");
        command(&world, &svc, "-t", "web");
        let second = world.pid_after("web", first);
        command(&world, &svc, "-o", "web");
        until(&world, &svstat, "web", "up s");
        command(&world, &svc, "-k", "web");
        until(&world, &svstat, "web", "down s, normally up");
        assert!(!alive(second));
        // `down` counts at once, as abide's directories do; a letter counts more.
        fs::write(world.root().join("sv/web/down"), "").expect("it is ours");
        until(&world, &svstat, "web", "down s");
        // svstat looks for the file itself.
        world.fence();
        command(&world, &svc, "-u", "web");
        until(&world, &svstat, "web", "up s, normally down");
        command(&world, &svc, "-x", "web");
        command(&world, &svc, "-d", "web");
        until(&world, &svstat, "web", "supervise not running");
        assert!(!ok(&world, "web"));
        // Still there, it is found again, as its file `down` has it.
        until(&world, &svstat, "web", "down s");
        assert!(ok(&world, "web"));
        shell("rm -r web ../sv/web", &world.services());
        world.gone("web");
    }
}

#[test]
fn what_it_prints_goes_to_log_run_and_either_side_restarts_without_a_loss() {
    let world = World::with(&[]);
    put(&world, "web", "echo oops >&2; i=0; while :; do i=$((i + 1)); echo $$ $i; sleep 0.01; done");
    put(&world, "web/log", "exec multilog ./main");
    link(&world, "web");
    let lines = || {
        let mut files: Vec<_> =
            fs::read_dir(world.root().join("sv/web/log/main")).into_iter().flatten().flatten().collect();
        files.retain(|file| ["@", "c"].iter().any(|first| file.file_name().to_string_lossy().starts_with(first)));
        // `current` comes last.
        files.sort_by_key(fs::DirEntry::file_name);
        files.iter().map(|file| fs::read_to_string(file.path()).unwrap_or_default()).collect::<String>()
    };
    let has = |more: usize| {
        let before = lines().lines().count();
        world.until_true("it is logged", || lines().lines().count() >= before + more);
    };
    has(10);
    assert!(world.said("web").contains("oops"), "what it says on standard error is not logged there");
    let first = world.pid("web");
    for times in 0..4 {
        let log = world.pid("web.log");
        send(log, if times % 2 == 0 { Signal::SIGKILL } else { Signal::SIGTERM });
        world.pid_after("web.log", log);
        has(10);
    }
    let status = world.status().expect("it runs");
    send(status.abide.supervisor_pid, Signal::SIGKILL);
    has(10);
    world.until("another supervisor", |now| now.abide.supervisor_pid != status.abide.supervisor_pid);
    assert_eq!(world.pid("web"), first, "nothing happened to the writer");
    send(first, Signal::SIGKILL);
    world.pid_after("web", first);
    has(10);
    world.remove("web");
    world.gone("web.log");
    let text = lines();
    let mut last = std::collections::BTreeMap::new();
    for line in text.lines() {
        let (pid, number) = line.split_once(' ').unwrap_or_else(|| panic!("{line:?} of {text}"));
        let number: u64 = number.parse().unwrap_or_else(|_| panic!("{line:?}"));
        let before = last.insert(pid.to_owned(), number).unwrap_or(0);
        // A multilog that is killed may have read what it had not written: that is its own affair.
        assert!(number > before && number < before + 200, "{before} before {line:?}");
    }
    assert_eq!(last.len(), 2);
}

#[test]
fn a_log_that_comes_later_is_taken_up_and_the_service_runs_on() {
    let world = World::with(&[]);
    put(&world, "web", "echo begun; exec sleep 86400");
    link(&world, "web");
    let pid = world.pid("web");
    put(&world, "web/log", "exec cat >>said");
    world.pid("web.log");
    assert_eq!(world.pid("web"), pid);
    send(pid, Signal::SIGKILL);
    world.pid_after("web", pid);
    let said = world.root().join("sv/web/log/said");
    world.until_true("it is logged there", || fs::read_to_string(&said).is_ok_and(|text| text == "begun\n"));
    // Without it the service cannot go on as it does.
    fs::rename(world.root().join("sv/web/log"), world.root().join("gone")).expect("it is ours");
    world.gone("web.log");
    world.until("it writes to abide", |status| service(status, "web").is_some_and(|it| it.state == State::Running));
    world.logged("web", "begun");
}

#[test]
fn two_never_supervise_one_directory() {
    let Some(supervise) = wanted("supervise") else { return };
    let svstat = wanted("svstat").expect("it comes with supervise");
    let world = World::with(&[]);
    put(&world, "web", SLEEPER);
    put(&world, "other", SLEEPER);
    link(&world, "web");
    until(&world, &svstat, "web", "up s");
    let output = Command::new(&supervise).arg("web").current_dir(world.services()).output().expect("it is there");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said, "supervise: fatal: unable to acquire web/supervise/lock: temporary failure\n");
    let other = world.root().join("sv/other");
    let mut real = Command::new(&supervise).arg(&other).spawn().expect("it is there");
    world.until_true("the real one has it", || other.join("supervise/status").exists());
    link(&world, "other");
    let held = world.until("it is let be", |status| {
        let instance = service(status, "other").and_then(|it| it.instances.first());
        instance.and_then(|it| it.reason.as_ref()).is_some_and(|reason| reason.contains("another supervises it"))
    });
    assert_eq!(service(&held, "other").and_then(|it| it.instances[0].pid), None);
    shell("svc -dx ../sv/other", &world.services());
    real.wait().expect("it is ours");
    // From then on it is ours.
    world.pid("other");
}

#[test]
fn all_die_but_the_services_and_who_comes_next_supervises_them() {
    let mut world = World::empty();
    for name in ["one", "two"] {
        put(&world, name, SLEEPER);
        put(&world, &format!("{name}/log"), "exec multilog ./main");
        link(&world, name);
    }
    world.start();
    let names = ["one", "one.log", "two", "two.log"];
    let before = names.map(|name| world.pid(name));
    let supervisor = world.status().expect("it runs").abide.supervisor_pid;
    send(world.keeper(), Signal::SIGKILL);
    world.ended();
    world.until_true("the supervisor is gone", || !alive(supervisor));
    // Started otherwise, as init would after a crash: that is no reason to touch them.
    world.start_as(&Start { variables: &[("INVOCATION_ID", "another")], ..Start::default() });
    world.until("another supervisor", |status| status.abide.supervisor_pid != supervisor);
    assert_eq!(names.map(|name| world.pid(name)), before);
    if let Some(svstat) = wanted("svstat") {
        until(&world, &svstat, "one", "up s");
        until(&world, &svstat, "one/log", "up s");
    }
    world.fence();
    assert_eq!(names.map(|name| world.pid(name)), before);
}

#[test]
fn runits_client_reads_the_status_and_drives_the_service() {
    let Some(sv) = wanted("sv") else { return };
    let world = World::with(&[]);
    put(&world, "web", SLEEPER);
    put(&world, "web/log", "exec cat");
    link(&world, "web");
    let first = world.pid("web");
    world.pid("web.log");
    let place = world.file("web");
    let sv = |words: &[&str]| {
        let output = Command::new(&sv).args(words).arg(&place).output().expect("it is there");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, said) = sv(&["status"]);
    assert!(code == Some(0) && said.starts_with("run: ") && said.contains("; run: log: (pid "), "{said}");
    assert_eq!(sv(&["-v", "down"]).0, Some(0));
    assert!(!alive(first));
    assert!(sv(&["status"]).1.starts_with("down: "));
    assert_eq!(sv(&["-v", "up"]).0, Some(0));
    let second = world.pid_after("web", first);
    let (code, said) = sv(&["-v", "restart"]);
    assert!(code == Some(0) && said.starts_with("ok: run: "), "{said}");
    world.pid_after("web", second);
}

#[test]
fn finish_is_told_how_it_ended_in_the_way_of_runit_or_of_s6() {
    let world = World::with(&[]);
    let finish = |name: &str, more: &str| {
        let directory = world.root().join("sv").join(name);
        fs::write(directory.join("finish"), format!("#!/bin/sh\necho $@ >>told\n{more}\n")).expect("it is ours");
        shell("chmod 755 finish", &directory);
    };
    let told = |name: &str, wanted: &str| {
        let file = world.root().join("sv").join(name).join("told");
        let read = || fs::read_to_string(&file).unwrap_or_default();
        world.until_true(&format!("{name}: {wanted:?}, not {:?}", read()), || read().starts_with(wanted));
    };
    put(&world, "code", "test -e told && exec sleep 86400; exit 3");
    finish("code", "");
    put(&world, "signal", "test -e told && exec sleep 86400; kill -TERM $$");
    finish("signal", "");
    put(&world, "s6", "test -e told && exec sleep 86400; echo $$ >pid; kill -TERM $$");
    finish("s6", "");
    fs::write(world.root().join("sv/s6/timeout-finish"), "1000\n").expect("it is ours");
    put(&world, "over", "exit 1");
    finish("over", "exit 125");
    fs::write(world.root().join("sv/over/max-death-tally"), "3\n").expect("it is ours");
    for name in ["code", "signal", "s6", "over"] {
        link(&world, name);
    }
    told("code", "3 0\n");
    told("signal", "-1 15\n");
    told("s6", "256 15 s6 ");
    let pid = fs::read_to_string(world.root().join("sv/s6/pid")).expect("it was written");
    told("s6", &format!("256 15 s6 {pid}"));
    told("over", "1 0 over ");
    world.until("it has failed for good", |status| service(status, "over").is_some_and(|it| it.state == State::Failed));
    for name in ["code", "signal", "s6"] {
        world.pid(name);
    }
}

#[test]
fn while_finish_runs_runits_client_says_so() {
    let Some(sv) = wanted("sv") else { return };
    let world = World::with(&[]);
    put(&world, "web", SLEEPER);
    let directory = world.root().join("sv/web");
    fs::write(directory.join("finish"), "#!/bin/sh\nwhile ! test -e go; do sleep 0.05; done\n").expect("it is ours");
    shell("chmod 755 finish", &directory);
    link(&world, "web");
    let pid = world.pid("web");
    let said = || {
        let output = Command::new(&sv).arg("status").arg(world.file("web")).output().expect("it is there");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    send(pid, Signal::SIGKILL);
    world.until_true("finish runs", || said().starts_with("finish: "));
    fs::write(directory.join("go"), "").expect("it is ours");
    world.until_true("it runs again", || said().starts_with("run: "));
    world.pid_after("web", pid);
}

#[test]
fn what_s6_and_runit_say_of_readiness_and_of_the_end_is_honoured() {
    let world = World::with(&[]);
    put(&world, "told", "while test ! -e go; do sleep 0.05; done; echo >&3; exec sleep 86400");
    fs::write(world.root().join("sv/told/notification-fd"), "3\n").expect("it is ours");
    put(&world, "checked", SLEEPER);
    fs::write(world.root().join("sv/checked/check"), "#!/bin/sh\ntest -e go\n").expect("it is ours");
    shell("chmod 755 sv/checked/check", world.root());
    put(&world, "stubborn", "trap '' TERM; trap 'echo INT >said' INT; while :; do sleep 0.05; done");
    fs::write(world.root().join("sv/stubborn/down-signal"), "INT\n").expect("it is ours");
    fs::write(world.root().join("sv/stubborn/timeout-kill"), "300\n").expect("it is ours");
    for name in ["told", "checked", "stubborn"] {
        link(&world, name);
    }
    let is = |name: &str, state: State| {
        world
            .until(&format!("{name} is {state:?}"), |status| service(status, name).is_some_and(|it| it.state == state));
    };
    for name in ["told", "checked"] {
        is(name, State::Running);
        fs::write(world.root().join("sv").join(name).join("go"), "").expect("it is ours");
        is(name, State::Ready);
    }
    let pid = world.pid("stubborn");
    for [svc, svstat] in clients(&world).into_iter().take(1) {
        command(&world, &svc, "-d", "stubborn");
        until(&world, &svstat, "stubborn", "down s, normally up");
    }
    assert!(!alive(pid) && world.root().join("sv/stubborn/said").exists());
}

#[test]
fn a_machine_without_daemontools_has_its_commands_all_the_same() {
    let mut world = World::empty();
    // All that there is on this machine, as far as services see.
    shell("mkdir bin; for it in sh sleep cat id env; do ln -s \"$(command -v $it)\" bin/; done", world.root());
    put(&world, "web", "exec envdir ./env softlimit -o 77 sh -c 'ulimit -n; echo $WORD; exec sleep 86400'");
    shell("mkdir env; echo hello >env/WORD", &world.root().join("sv/web"));
    put(&world, "web/log", "exec multilog t ./main");
    link(&world, "web");
    let bin = world.root().join("bin");
    world.start_as(&Start { variables: &[("PATH", bin.to_str().expect("it is text"))], ..Start::default() });
    let current = world.root().join("sv/web/log/main/current");
    let read = || fs::read_to_string(&current).unwrap_or_default();
    world.until_true("it is logged", || read().lines().count() == 2);
    let lines: Vec<String> = read().lines().map(|line| line.split_once(' ').expect("a label").1.to_owned()).collect();
    assert_eq!(lines, ["77", "hello"]);
    assert!(read().starts_with('@'));
    assert_eq!(arguments(world.pid("web.log"))[0], "multilog");
    // A service file finds them too.
    world.drop_file("also.toml", "command = \"softlimit -o 78 sh -c 'ulimit -n; exec sleep 86400'\"\n");
    world.logged("also", "78");
}

#[test]
fn setuidgid_makes_it_another_users() {
    if !is_root() {
        return skip_for_users("only root can become another user");
    }
    let world = World::with(&[]);
    put(&world, "web", "exec setuidgid nobody sleep 86400");
    link(&world, "web");
    let nobody = nix::unistd::User::from_name("nobody").ok().flatten().expect("every machine has one").uid.as_raw();
    world.until_true("it is nobody's", || world.pid_now("web").and_then(uid) == Some(nobody));
}

#[test]
fn where_supervise_cannot_be_the_service_runs_without() {
    let world = World::with(&[]);
    put(&world, "web", SLEEPER);
    fs::write(world.root().join("sv/web/supervise"), "in the way").expect("it is ours");
    link(&world, "web");
    world.pid("web");
    let log = world.logs().join("abide.log");
    let said = || fs::read_to_string(&log).unwrap_or_default();
    world.until_true("it is said", || said().contains("svc and svstat cannot reach the service"));
    assert_eq!(said().matches("svc and svstat cannot reach").count(), 1);
    assert_eq!(fs::read(world.root().join("sv/web/supervise")).expect("it is there"), b"in the way");
}

#[test]
fn the_binary_is_every_command_by_its_name() {
    let world = World::empty();
    let made = world.root().join("links");
    let links = |more: &[&str]| Command::new(binary()).arg("links").arg(&made).args(more).output().expect("it runs");
    assert!(links(&[]).status.success());
    let run =
        |name: &str, words: &[&str]| Command::new(made.join(name)).args(words).output().expect("it runs").status.code();
    assert_eq!((run("svok", &[]), run("envdir", &[]), run("setlock", &[])), (Some(100), Some(111), Some(100)));
    fs::remove_file(made.join("svc")).expect("it is ours");
    fs::write(made.join("svc"), "mine").expect("it is ours");
    let refused = links(&["--force"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("svc"), "{refused:?}");
    assert_eq!(fs::read(made.join("svc")).expect("it is there"), b"mine");
    assert!(Path::new(&made.join("multilog")).exists());
}

#[test]
fn where_it_is_so_wished_a_link_that_goes_stops_nothing() {
    let Some(svstat) = wanted("svstat") else { return };
    let mut world = World::empty();
    world.replace(&world.root().join("abide.toml"), "[legacy]\non_remove = \"keep\"\n");
    put(&world, "web", SLEEPER);
    put(&world, "web/log", "exec cat");
    link(&world, "web");
    world.start();
    let pid = world.pid("web");
    world.remove("web");
    world.fence_removals();
    assert_eq!(world.pid_now("web"), Some(pid));
    // It is supervised as ever, also by who comes next.
    let supervisor = world.status().expect("it runs").abide.supervisor_pid;
    send(supervisor, Signal::SIGKILL);
    world.until("another supervisor", |status| status.abide.supervisor_pid != supervisor);
    world.fence_removals();
    send(pid, Signal::SIGKILL);
    let pid = world.pid_after("web", pid);
    let here = world.root().join("sv/web");
    shell(&format!("svc -dx {0} {0}/log", here.display()), world.root());
    world.gone("web");
    world.gone("web.log");
    assert!(!alive(pid));
    let said = Command::new(svstat).arg(&here).output().expect("it is there").stdout;
    assert!(String::from_utf8_lossy(&said).contains("supervise not running"), "{said:?}");
}

#[test]
fn a_second_name_of_one_directory_is_an_error_until_the_first_is_gone() {
    let world = World::with(&[("other", super::world::SLEEPER)]);
    world.believe_removals();
    put(&world, "web", SLEEPER);
    link(&world, "web");
    let first = world.pid("web");
    std::os::unix::fs::symlink(world.root().join("sv/web"), world.file("alias")).expect("it is new");
    let said = world.error("alias", "duplicate-name");
    assert!(said.contains("the directory of the service web already"), "{said}");
    world.overwrite("other.toml", super::world::LONGER);
    world.fence();
    assert_eq!((world.pid_now("alias"), world.pid_now("web")), (None, Some(first)));
    // It is a rename in two steps, then.
    world.remove("web");
    assert_eq!(world.pid("alias"), first);
    world.gone("web");
}
