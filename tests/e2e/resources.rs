//! `[resources]`: set before the start, changed live, and said where they cannot be had.

use super::process::{alive, group_file, has_cgroups};
use super::world::{SLEEPER, Start, World, code, said, service};
use abide::model::resources::{Cgroups, Controller, ResourceKind};
use abide::model::status::{ConditionKind, State, Status};
use nix::sys::signal::Signal;

fn asks(values: &str) -> String {
    format!("{SLEEPER}\n[resources]\n{values}\n")
}

/// A world with these services, if `kinds` can be had here.
fn able(services: &[(&str, &str)], kinds: &[ResourceKind]) -> Option<World> {
    let world = World::with(services);
    if !has_cgroups(&world) {
        return None;
    }
    let cgroups = world.status().map(|status| status.abide.cgroups).unwrap_or_default();
    match kinds.iter().find_map(|kind| cgroups.place(*kind).err()) {
        None => Some(world),
        Some(why) => {
            super::process::skip_for_users(&why);
            None
        }
    }
}

fn is_v1(world: &World, controller: Controller) -> bool {
    world.status().is_some_and(|status| status.abide.cgroups.v1.contains(&controller))
}

fn unmet(status: &Status, name: &str) -> Option<String> {
    let found = service(status, name)?.conditions.iter().find(|it| it.kind == ConditionKind::LimitsMet)?;
    Some(found.message.clone())
}

/// What the kernel has for `memory_max` of a process.
fn memory_max(world: &World, pid: i32) -> String {
    let file = if is_v1(world, Controller::Memory) { "memory.limit_in_bytes" } else { "memory.max" };
    group_file(pid, "memory", file)
}

#[test]
fn values_are_in_force_before_the_program_runs_and_change_with_the_same_pid() {
    let text = asks("memory_max = \"64MiB\"\npids_max = 30\ncpu_max = \"150%\"\ncpu_weight = 200");
    let kinds = [ResourceKind::MemoryMax, ResourceKind::PidsMax, ResourceKind::CpuMax, ResourceKind::CpuWeight];
    let Some(world) = able(&[("a", &text)], &kinds) else { return };
    let pid = world.pid("a");
    assert_eq!(memory_max(&world, pid), (64 << 20).to_string());
    assert_eq!(group_file(pid, "pids", "pids.max"), "30");
    if is_v1(&world, Controller::Cpu) {
        let cpu = ["cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.shares"].map(|file| group_file(pid, "cpu", file));
        assert_eq!(cpu, ["150000", "100000", "2048"]);
    } else {
        assert_eq!(["cpu.max", "cpu.weight"].map(|file| group_file(pid, "cpu", file)), ["150000 100000", "200"]);
    }
    world.drop_file("a.toml", &asks("memory_max = \"48MiB\"\npids_max = \"unlimited\"\ncpu_max = 0.5"));
    world.until_true("the kernel has the new ones", || memory_max(&world, pid) == (48 << 20).to_string());
    world.until_true("and none where none is asked", || group_file(pid, "pids", "pids.max") == "max");
    let status = world.until("a is in sync", |status| {
        service(status, "a").is_some_and(|it| it.instances[0].in_sync && it.instances[0].pid == Some(pid))
    });
    assert_eq!(unmet(&status, "a"), None);
    // And a start after that has what was last asked.
    super::process::send(pid, Signal::SIGKILL);
    let next = world.pid_after("a", pid);
    assert_eq!(memory_max(&world, next), (48 << 20).to_string());
    assert_ne!(group_file(next, "pids", "pids.max"), "30");
}

#[test]
fn a_value_that_comes_later_reaches_all_that_already_runs() {
    let text = "script = '''\nsleep 86400 &\n(setsid sleep 86400 &)\necho up\nwait\n'''\n";
    let Some(world) = able(&[("a", text)], &[ResourceKind::MemoryMax]) else { return };
    let pid = world.pid("a");
    world.logged("a", "up");
    let group = super::process::group_of(pid, "");
    let all = || -> Vec<i32> {
        let list = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        list.lines().filter_map(|pid| pid.parse().ok()).collect()
    };
    world.until_true("it is complete", || all().len() == 3);
    world.drop_file("a.toml", &format!("{text}\n[resources]\nmemory_max = \"64MiB\"\n"));
    for pid in all() {
        world.until_true("it is bounded", || memory_max(&world, pid) == (64 << 20).to_string());
    }
    assert_eq!(world.pid("a"), pid);
}

#[test]
fn who_eats_more_than_its_memory_is_killed_and_that_is_said() {
    let Some(shell) = super::process::wanted("python3") else { return };
    let text = format!(
        "command = [\"{shell}\", \"-c\", \"x = b'x' * (300 << 20)\"]\n[resources]\nmemory_max = \"32MiB\"\n[restart]\npolicy = \"on-failure\"\nlimit = {{ count = 1, window = \"1h\" }}\n"
    );
    let Some(world) = able(&[("a", &text)], &[ResourceKind::MemoryMax]) else { return };
    let status =
        world.until("it has given up", |status| service(status, "a").is_some_and(|it| it.state == State::Failed));
    let a = &service(&status, "a").expect("it is there").instances[0];
    let last = a.last_exit.as_ref().expect("it has ended");
    assert!(last.oom && last.signal.as_deref() == Some("SIGKILL"), "{last:?}");
    assert_eq!(a.restarts_by.get("oom"), Some(&1), "{:?}", a.restarts_by);
    let reason = a.reason.as_deref().unwrap_or_default();
    assert!(reason.contains("want of memory") && reason.contains("32MiB"), "{reason}");
    let page = said(&world.abide(&["status", "a"]));
    assert!(page.contains("want of memory"), "{page}");
}

#[test]
fn an_end_by_anybodys_kill_is_no_want_of_memory() {
    let Some(world) = able(&[("a", &asks("memory_max = \"64MiB\""))], &[ResourceKind::MemoryMax]) else { return };
    let pid = world.pid("a");
    super::process::send(pid, Signal::SIGKILL);
    world.pid_after("a", pid);
    let status = world.status().expect("it runs");
    let a = &service(&status, "a").expect("it is there").instances[0];
    assert_eq!((a.last_exit.as_ref().map(|last| last.oom), a.restarts_by.get("signal")), (Some(false), Some(&1)));
}

#[test]
fn pids_max_holds_a_fork_bomb_and_removal_ends_it() {
    let bomb = "bomb() { bomb | bomb & }\nbomb\nsleep 86400\n";
    let text = format!("script = '''\n{bomb}'''\n[resources]\npids_max = 40\n[stop]\ntimeout = \"1s\"\n");
    let Some(world) = able(&[("a", &text)], &[ResourceKind::PidsMax]) else { return };
    let pid = world.pid("a");
    let group = super::process::group_of(pid, "pids");
    let most = || std::fs::read_to_string(group.join("pids.events")).unwrap_or_default();
    world.until_true("the kernel has refused some", || {
        most().lines().any(|line| line.starts_with("max ") && line != "max 0")
    });
    let current = std::fs::read_to_string(group.join("pids.current")).expect("it is there");
    assert!(current.trim().parse::<u32>().is_ok_and(|count| count <= 40), "{current}");
    world.remove("a.toml");
    world.gone("a");
    assert!(!alive(pid) && !group.exists(), "nobody is left in it");
}

#[test]
fn a_value_that_cannot_be_had_starts_nothing_and_is_said_beforehand() {
    let mut world = World::empty();
    world.drop_file("web.toml", &asks("memory_max = \"64MiB\""));
    world.start_as(&Start { variables: &[("ABIDE_CGROUPS", "off")], ..Start::default() });
    let error = world.error("web", "no-controller");
    assert!(error.contains(":4:14") && error.contains("ABIDE_CGROUPS=off"), "{error}");
    assert_eq!(world.pid_now("web"), None);
    // What the supervisor has counts, not what this process could have.
    let check = world.abide(&["check", "services.d"]);
    assert!(code(&check) == 1 && said(&check).contains("memory_max"), "{}", said(&check));
    assert_eq!(world.status().map(|status| status.abide.cgroups.directory), Some(None));
}

#[test]
fn a_live_value_that_the_kernel_refuses_is_a_condition() {
    let greedy = "x = bytearray(40 << 20)\nimport time\nprint('full', flush=True)\ntime.sleep(86400)";
    let Some(python) = super::process::wanted("python3") else { return };
    let text =
        |values: &str| format!("command = [\"{python}\", \"-c\", \"\"\"{greedy}\"\"\"]\n[resources]\n{values}\n");
    let Some(world) = able(&[("a", &text("memory_max = \"200MiB\""))], &[ResourceKind::MemoryMax]) else { return };
    if !is_v1(&world, Controller::Memory) {
        return super::process::skip_for_users("cgroup v2 does not refuse: it reclaims, and kills");
    }
    let pid = world.pid("a");
    world.logged("a", "full");
    world.drop_file("a.toml", &text("memory_max = \"8MiB\""));
    let status = world.until("it says so", |status| unmet(status, "a").is_some());
    let message = unmet(&status, "a").unwrap_or_default();
    assert!(message.contains("memory_max = 8MiB") && message.contains("in use"), "{message}");
    assert_eq!(world.pid_now("a"), Some(pid), "it runs on");
    world.drop_file("a.toml", &text("memory_max = \"300MiB\""));
    world.until("and is mended", |status| unmet(status, "a").is_none());
    assert_eq!((world.pid("a"), memory_max(&world, pid)), (pid, (300 << 20).to_string()));
}

#[test]
fn what_abide_has_stands_in_the_status() {
    let world = World::with(&[]);
    let cgroups = world.status().map(|status| status.abide.cgroups).unwrap_or_default();
    assert_ne!(cgroups, Cgroups::default(), "a directory, or why there is none");
    assert!(cgroups.directory.is_some() || cgroups.note.is_some(), "{cgroups:?}");
}
