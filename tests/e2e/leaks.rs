//! Nothing is left of what came and went: thousands of starts and crashes cost no descriptor, no
//! zombie, no cgroup and no memory. `ABIDE_CRASHES` sets how many; the figures are printed.

use super::process::{children, stat};
use super::world::{DEADLINE, World, number, service};
use abide::model::status::{State, Status};
use std::path::Path;
use std::time::{Duration, Instant};

const INSTANCES: usize = 50;

/// What one of abide's own processes holds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Held {
    name: &'static str,
    /// `None`: not ours to see. The supervisor keeps what it has from all but root.
    descriptors: Option<usize>,
    threads: u64,
    resident_kib: u64,
}

fn held(name: &'static str, pid: i32) -> Held {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line =
        |key: &str| status.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse().ok());
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).ok().map(Iterator::count);
    let (threads, resident_kib) = (line("Threads:").expect("it has some"), line("VmRSS:").expect("it has some"));
    Held { name, descriptors, threads, resident_kib }
}

/// Whether the process has a file open below the directory; no where that is not ours to see.
fn holds_below(pid: i32, directory: &Path) -> bool {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.filter_map(|it| std::fs::read_link(it.path()).ok()).any(|file| file.starts_with(directory))
}

/// The whole of abide at rest.
#[derive(Debug)]
struct Figures {
    held: [Held; 3],
    zombies: usize,
    cgroups: usize,
    restarts: u64,
}

fn figures(world: &World) -> Figures {
    let abide = world.status().expect("it runs").abide;
    let family = children(abide.pid);
    let is_logger = |pid: &&i32| super::process::arguments(**pid).get(1).is_some_and(|role| role.contains("logger"));
    let logger = *family.iter().find(is_logger).expect("the keeper has a logger");
    // It closes a file some time after the last line.
    world.until_true("the logger has closed all files", || !holds_below(logger, &world.logs()));
    let is_zombie = |pid: &&i32| stat(**pid).is_some_and(|fields| fields[0] == "Z");
    Figures {
        held: [held("keeper", abide.pid), held("supervisor", abide.supervisor_pid), held("logger", logger)],
        zombies: family.iter().filter(is_zombie).count(),
        cgroups: abide.cgroups.directory.map_or(0, |path| directories(Path::new(&path))),
        restarts: restarts(&world.status().expect("it runs")),
    }
}

fn directories(path: &Path) -> usize {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter(|it| it.path().is_dir()).map(|it| 1 + directories(&it.path())).sum()
}

fn restarts(status: &Status) -> u64 {
    service(status, "a").map_or(0, |it| it.instances.iter().map(|instance| instance.restarts).sum())
}

/// Lets the service crash until that happened so often, then lets it be, and looks.
fn after_crashes(world: &World, crashes: u64) -> Figures {
    let text = |command: &str| {
        format!(
            "command = [{command}]\ninstances = {INSTANCES}\nupdate.rollback = false\n[restart]\ndelay = \"0s\"\nmax_delay = \"0s\"\n"
        )
    };
    let before = world.status().map_or(0, |status| restarts(&status));
    world.drop_file("a.toml", &text("\"/bin/sh\", \"-c\", \"echo here; exit 1\""));
    let until = Instant::now() + DEADLINE + Duration::from_millis(20 * crashes);
    while world.status().is_none_or(|status| restarts(&status) < before + crashes) {
        assert!(Instant::now() < until, "it does not crash so often\n{}", world.story());
        std::thread::sleep(Duration::from_millis(20));
    }
    world.drop_file("a.toml", &text("\"/bin/sleep\", \"86400\""));
    world.until("all run and are let be", |status| {
        service(status, "a").is_some_and(|it| it.as_desired && it.state == State::Running)
    });
    world.fence();
    figures(world)
}

#[test]
fn thousands_of_crashes_leave_nothing_behind() {
    let crashes = u64::from(number("ABIDE_CRASHES", 2_000));
    let world = World::with(&[]);
    // Once through all that is made at the first need.
    let before = after_crashes(&world, crashes / 4);
    let after = after_crashes(&world, crashes);
    println!("before: {before:?}\nafter: {after:?}");
    assert!(after.restarts >= before.restarts + crashes);
    // The second fence is a service more, with its cgroup, its pipe and its log.
    assert_eq!(after.zombies, 0);
    assert!(after.cgroups <= before.cgroups + 1, "{before:?} {after:?}");
    for (before, after) in before.held.iter().zip(&after.held) {
        let one_more = before.descriptors.map(|count| count + 2);
        assert!(after.descriptors <= one_more, "{before:?} {after:?}");
        assert!(after.threads <= before.threads + 1, "{before:?} {after:?}");
        assert!(after.resident_kib <= before.resident_kib + 1024, "{before:?} {after:?}");
    }
}
