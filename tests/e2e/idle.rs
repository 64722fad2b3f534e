//! With nothing happening, nothing happens.
//!
//! `ABIDE_IDLE_SERVICES` and `ABIDE_IDLE_SECONDS` make the proof larger: 1,000 and 120, say.

use super::process::{children, switches, wanted};
use super::world::{SLEEPER, World, running};
use std::time::{Duration, Instant};

/// A number from the environment.
fn number(variable: &str, default: u32) -> u32 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A world at rest: many services, no heartbeat, no scan.
fn at_rest() -> World {
    let mut world = World::empty();
    let config = "[status]\nheartbeat = 0\n[watch]\nrescan = 0\n";
    std::fs::write(world.root().join("abide.toml"), config).expect("it is ours");
    let services = number("ABIDE_IDLE_SERVICES", 50);
    for number in 0..services {
        world.drop_file(&format!("s{number}.toml"), SLEEPER);
    }
    world.start();
    world.until("all run", |status| running(status) == services as usize);
    world
}

/// Keeper, supervisor and logger.
fn processes(world: &World) -> Vec<i32> {
    let roles = children(world.keeper())
        .into_iter()
        .filter(|pid| super::process::arguments(*pid).iter().any(|word| word.starts_with("role-")));
    let all: Vec<_> = roles.chain([world.keeper()]).collect();
    assert_eq!(all.len(), 3, "{all:?}");
    all
}

/// Waits until none of the processes was put on a processor for this long.
fn quiet_for(world: &World, pids: &[i32], time: Duration) {
    let count = || -> u64 { pids.iter().map(|pid| switches(*pid)).sum() };
    let until = Instant::now() + Duration::from_secs(25) + time;
    loop {
        let before = count();
        std::thread::sleep(time); // the claim itself: nothing happens in this time
        let after = count();
        if before == after {
            return;
        }
        assert!(Instant::now() < until, "{} wake-ups in {time:?}\n{}", after - before, world.story());
    }
}

#[test]
fn at_rest_no_process_wakes_up() {
    let world = at_rest();
    let seconds = number("ABIDE_IDLE_SECONDS", 5);
    quiet_for(&world, &processes(&world), Duration::from_secs(seconds.into()));
}

#[test]
fn at_rest_there_is_no_system_call_but_the_waiting_one() {
    let Some(strace) = wanted("strace") else { return };
    if !super::process::is_root() {
        return super::process::skip_for_users("only root can trace a process that cannot be dumped");
    }
    let world = at_rest();
    let pids = processes(&world);
    quiet_for(&world, &pids, Duration::from_secs(3));
    let seconds = number("ABIDE_IDLE_SECONDS", 4);
    let attach = pids.iter().map(|pid| format!("-p {pid}")).collect::<Vec<_>>().join(" ");
    // Not beside the watched directory: the parent is watched too, and would tell of the trace.
    let place = tempfile::tempdir().expect("a directory for temporary files");
    let script =
        format!("timeout -s INT {seconds} {strace} -f -qq -o trace {attach} 2>complaints || true; cat complaints >&2");
    let output = super::process::shell(&script, place.path());
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    if complaints.contains("Operation not permitted") {
        return super::process::skip_for_users("this machine lets nobody trace");
    }
    let trace = std::fs::read_to_string(place.path().join("trace")).expect("strace wrote it");
    // A call that strace finds under way is the waiting one, shown as unfinished, resumed or restarted.
    let waiting = |line: &str| {
        ["epoll_", "poll(", "ppoll", "futex", "read(", "recv", "restart_syscall", "strace:", "detached", "resumed"]
            .iter()
            .any(|call| line.contains(call))
    };
    let others: Vec<_> = trace.lines().filter(|line| !waiting(line)).collect();
    assert!(others.is_empty(), "{others:#?}");
    let most = pids.len() * 8;
    assert!(trace.lines().count() <= most, "each thread waits once and goes on waiting:\n{trace}");
}

#[test]
fn an_idle_service_costs_the_supervisor_no_descriptor() {
    let world = World::with_sleepers("ab");
    world.fence();
    let descriptors = || {
        let status = world.status().expect("it runs");
        std::fs::read_dir(format!("/proc/{}/fd", status.abide.supervisor_pid)).map(Iterator::count)
    };
    let Ok(before) = descriptors() else {
        return super::process::skip_for_users("only root sees the descriptors of a process that cannot be dumped");
    };
    for number in 0..20 {
        world.drop_file(&format!("more{number}.toml"), SLEEPER);
    }
    world.until("all run", |status| running(status) == 23);
    world.fence();
    world.until_true("there are no more than before", || descriptors().is_ok_and(|now| now <= before + 1));
}
