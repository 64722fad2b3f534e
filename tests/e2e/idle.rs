//! With nothing happening, nothing happens.
//!
//! `ABIDE_IDLE_SERVICES` and `ABIDE_IDLE_SECONDS` make the proof larger: 1,000 and 120, say.

use super::process::{children, switches, wanted};
use super::world::{SLEEPER, World, number, running};
use std::time::{Duration, Instant};

/// A world at rest: many services, no heartbeat, no scan.
fn at_rest() -> World {
    at_rest_but("0")
}

/// The same with a heartbeat.
fn at_rest_but(heartbeat: &str) -> World {
    let mut world = World::empty();
    let config = format!("[status]\nheartbeat = {heartbeat}\n[watch]\nrescan = 0\n");
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

/// What `strace` sees of the processes of a world: calls other than the waiting one, and all. `None`,
/// said aloud: it cannot be had here.
fn trace(world: &World, seconds: u32) -> Option<(Vec<String>, usize)> {
    let strace = wanted("strace")?;
    if !super::process::is_root() {
        super::process::skip_for_users("only root can trace a process that cannot be dumped");
        return None;
    }
    let attach = processes(world).iter().map(|pid| format!("-p {pid}")).collect::<Vec<_>>().join(" ");
    // Not beside the watched directory: the parent is watched too, and would tell of the trace.
    let place = tempfile::tempdir().expect("a directory for temporary files");
    let script =
        format!("timeout -s INT {seconds} {strace} -f -qq -o trace {attach} 2>complaints || true; cat complaints >&2");
    let output = super::process::shell(&script, place.path());
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    if complaints.contains("Operation not permitted") {
        super::process::skip_for_users("this machine lets nobody trace");
        return None;
    }
    let text = std::fs::read_to_string(place.path().join("trace")).expect("strace wrote it");
    // A call that strace finds under way is the waiting one, shown as unfinished, resumed or restarted.
    let waiting = |line: &&str| {
        ["epoll_", "poll(", "ppoll", "futex", "read(", "recv", "restart_syscall", "strace:", "detached", "resumed"]
            .iter()
            .any(|call| line.contains(call))
    };
    let others = text.lines().filter(|line| !waiting(line)).map(str::to_owned).collect();
    Some((others, text.lines().count()))
}

#[test]
fn at_rest_there_is_no_system_call_but_the_waiting_one() {
    let world = at_rest();
    let pids = processes(&world);
    quiet_for(&world, &pids, Duration::from_secs(3));
    let Some((others, lines)) = trace(&world, number("ABIDE_IDLE_SECONDS", 4)) else { return };
    assert!(others.is_empty(), "{others:#?}");
    assert!(lines <= pids.len() * 8, "each thread waits once and goes on waiting: {lines} lines");
}

#[test]
fn a_heartbeat_is_one_touch_of_each_of_the_two_files() {
    let world = at_rest_but("\"2s\"");
    let supervisor = world.status().expect("it runs").abide.supervisor_pid;
    // The logger closes its file, and no more is written.
    let others: Vec<_> = processes(&world).into_iter().filter(|pid| *pid != supervisor).collect();
    quiet_for(&world, &others, Duration::from_secs(3));
    let written = world.status().expect("it runs").abide.snapshot_seq;
    let Some((calls, _)) = trace(&world, 7) else { return };
    assert_eq!(world.status().expect("it runs").abide.snapshot_seq, written, "nothing was written");
    // The alarm is set for the next one.
    let calls = calls.into_iter().filter(|line| !line.contains("timerfd_settime("));
    let (touches, others): (Vec<_>, Vec<_>) = calls.partition(|line| line.contains("utimensat("));
    assert!(others.is_empty(), "{others:#?}");
    assert!((3..=8).contains(&touches.len()), "{touches:#?}");
}

#[test]
fn an_idle_service_costs_the_supervisor_no_descriptor_and_keeper_and_logger_one_each() {
    let world = World::with_sleepers("ab");
    world.fence();
    let supervisor = world.status().expect("it runs").abide.supervisor_pid;
    let of = |pid: i32| std::fs::read_dir(format!("/proc/{pid}/fd")).map(Iterator::count);
    if of(supervisor).is_err() {
        return super::process::skip_for_users("only root sees the descriptors of a process that cannot be dumped");
    }
    let logger = processes(&world).into_iter().find(|pid| ![world.keeper(), supervisor].contains(pid));
    let all = [world.keeper(), logger.expect("there are three"), supervisor];
    // abide's own log is closed once nothing comes any more.
    let descriptors = || {
        quiet_for(&world, &all[..2], Duration::from_millis(2500));
        all.map(|pid| of(pid).expect("it lives"))
    };
    let before = descriptors();
    for number in 0..20 {
        world.drop_file(&format!("more{number}.toml"), SLEEPER);
    }
    world.until("all run", |status| running(status) == 23);
    let after = descriptors();
    let ([keeper_before, logger_before, before], [keeper, logger, after]) = (before, after);
    assert_eq!(logger, logger_before + 20);
    // The keeper takes eight at a time; one more may be open for a moment.
    let both = keeper + after - keeper_before - before;
    assert!((20..=21).contains(&both), "{both} of keeper and supervisor");
    assert!(after <= before + 8, "of the supervisor: {before} before, {after} after");
}
