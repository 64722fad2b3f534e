//! A directory of daemontools under another name: what runs goes on.

use super::daemontools::{SLEEPER, clients, command, link, put, until};
use super::process::{alive, cgroup_of, has_cgroups, send, shell};
use super::world::World;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;
use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Prints numbers, which are easily missed.
const COUNTER: &str = "i=0; while :; do i=$((i + 1)); echo $i; sleep 0.005; done";

fn kill_the_supervisor(world: &World) {
    let before = world.status().expect("it runs").abide.supervisor_pid;
    send(before, Signal::SIGKILL);
    world.until("another supervisor", |now| now.abide.supervisor_pid != before);
}

/// Whether another could supervise the directory just now.
fn is_free(directory: &Path) -> bool {
    let lock = File::options().append(true).open(directory.join("supervise/lock")).expect("it is there");
    Flock::lock(lock, FlockArg::LockExclusiveNonblock).is_ok()
}

/// Until `act` is through, nobody else could supervise these.
fn held_throughout(directories: &[&Path], act: impl FnOnce()) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let seen = scope.spawn(|| {
            let mut looks = 0;
            while !over.load(Relaxed) {
                looks += 1;
                if directories.iter().any(|directory| is_free(directory)) {
                    return Err(looks);
                }
                std::thread::sleep(std::time::Duration::from_micros(300));
            }
            Ok(looks)
        });
        act();
        over.store(true, Relaxed);
        assert!(seen.join().expect("it only looks").is_ok(), "somebody else could have had it");
    });
}

/// What was printed is there, line by line and once.
fn assert_whole(text: &str) {
    let numbers: Vec<u64> = text.lines().map(|line| line.parse().unwrap_or_else(|_| panic!("{line:?}"))).collect();
    let all: Vec<u64> = (1..=numbers.len() as u64).collect();
    assert!(numbers == all, "{numbers:?}");
}

#[test]
fn a_renamed_link_keeps_its_process_its_log_and_its_lock() {
    let world = World::with(&[]);
    world.believe_removals();
    let [svc, svstat] = clients(&world).remove(0);
    put(&world, "real", COUNTER);
    put(&world, "real/log", "exec cat >>said");
    link(&world, "real");
    let before = ["real", "real.log"].map(|name| world.pid(name));
    let (directory, log) = (world.root().join("sv/real"), world.root().join("sv/real/log"));
    until(&world, &svstat, "real", "up s");
    until(&world, &svstat, "real/log", "up s");
    held_throughout(&[&directory, &log], || {
        for [from, to] in [["real", "a"], ["a", "b"]] {
            shell(&format!("mv {from} {to}"), &world.services());
            world.gone(from);
            world.gone(&format!("{from}.log"));
            assert_eq!([to, &format!("{to}.log")].map(|name| world.pid(name)), before);
            until(&world, &svstat, to, "up s");
        }
    });
    assert_eq!(world.starts("real"), 1);
    kill_the_supervisor(&world);
    assert_eq!(["b", "b.log"].map(|name| world.pid(name)), before);
    until(&world, &svstat, "b", "up s");
    command(&world, &svc, "-d", "b");
    until(&world, &svstat, "b", "down s, normally up");
    assert!(!alive(before[0]) && alive(before[1]));
    // What is wished goes along.
    shell("mv b c", &world.services());
    world.gone("b");
    until(&world, &svstat, "c", "down s, normally up");
    assert_eq!(world.pid("c.log"), before[1]);
    let stopped = world.abide(&["stop", "c.log"]);
    assert!(stopped.status.success(), "{stopped:?}");
    assert_whole(&fs::read_to_string(log.join("said")).expect("it is there"));
}

#[test]
fn a_renamed_directory_keeps_its_process_and_its_log() {
    let world = World::with(&[]);
    put(&world, "web", COUNTER);
    shell("mv ../sv/web a", &world.services());
    let pid = world.pid("a");
    let [_, svstat] = clients(&world).remove(0);
    world.logged("a", "100");
    shell("mv a b", &world.services());
    world.gone("a");
    assert_eq!(world.pid("b"), pid, "{}", world.story());
    until(&world, &svstat, "b", "up s");
    world.logged("b", "200");
    kill_the_supervisor(&world);
    world.logged("b", "300");
    assert_eq!(world.pid("b"), pid);
    let stopped = world.abide(&["stop", "b"]);
    assert!(stopped.status.success() && !alive(pid), "{stopped:?}");
    assert_whole(&world.said("b"));
    assert!(!world.logs().join("a").exists(), "all that it ever said is in one place");
    // A hold is about the service, whatever that is called.
    shell("mv b c", &world.services());
    world.gone("b");
    world.fence();
    assert_eq!(world.pid_now("c"), None);
    let started = world.abide(&["start", "c"]);
    assert!(started.status.success(), "{started:?}");
    world.pid("c");
}

#[test]
fn one_that_comes_under_the_old_name_is_another() {
    let world = World::with(&[]);
    world.believe_removals();
    for name in ["web", "other"] {
        put(&world, name, "sleep 86400 & exec sleep 86400");
    }
    link(&world, "web");
    let first = world.pid("web");
    shell("mv web site; ln -s ../sv/other web", &world.services());
    world.until_true("it has another process", || world.pid_now("web").is_some_and(|pid| pid != first));
    let second = world.pid("web");
    assert_eq!(world.pid("site"), first);
    kill_the_supervisor(&world);
    assert_eq!(["site", "web"].map(|name| world.pid(name)), [first, second]);
    if has_cgroups(&world) {
        assert_ne!(cgroup_of(first), cgroup_of(second));
    }
    world.remove("site");
    world.gone("site");
    assert!(!alive(first) && alive(second));
    send(second, Signal::SIGKILL);
    world.pid_after("web", second);
    world.remove("web");
    world.gone("web");
}

#[test]
fn the_same_script_in_another_directory_is_another_service() {
    let world = World::with(&[]);
    world.believe_removals();
    put(&world, "web", SLEEPER);
    shell("cp -r ../sv/web a", &world.services());
    let first = world.pid("a");
    shell("cp -al a b; rm -r a", &world.services());
    world.gone("a");
    world.until_true("it has a process of its own", || world.pid_now("b").is_some_and(|pid| pid != first));
    assert!(!alive(first));
}
