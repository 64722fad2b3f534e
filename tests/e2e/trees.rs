//! Whatever a service starts ends with it, in a cgroup of its own and where none can be had.

use super::process::{alive, cgroup_of, has_cgroups, send};
use super::world::{Start, World, service};
use abide::model::status::State;
use nix::sys::signal::Signal;
use std::path::Path;

/// Both ways of keeping a tree together: with cgroups, where there are any, and without.
fn both(test: impl Fn(&mut World, &[(&str, &str)])) {
    let mut world = World::empty();
    test(&mut world, &[("ABIDE_CGROUPS", "off")]);
    drop(world);
    let mut world = World::empty();
    test(&mut world, &[]);
}

fn start(world: &mut World, variables: &[(&str, &str)]) {
    world.start_as(&Start { variables, ..Start::default() });
}

/// A variable that everything which a service starts inherits, and by which it is found.
fn mark(world: &World, name: &str) -> String {
    format!("TREE_TEST={}-{name}", world.root().file_name().expect("it has a name").to_string_lossy())
}

/// A script under that mark.
fn marked(world: &World, name: &str, script: &str, more: &str) -> String {
    let mark = mark(world, name);
    let (_, value) = mark.split_once('=').expect("it is a variable");
    format!("script = '''\n{script}\n'''\nenvironment.TREE_TEST = \"{value}\"\n{more}\n")
}

/// Everything that bears the mark and lives.
fn bearers(mark: &str) -> Vec<i32> {
    let all = std::fs::read_dir("/proc").expect("it is mounted").flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let bears = |pid: &i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
    };
    pids.filter(|pid| bears(pid) && alive(*pid)).collect()
}

/// Hard to end, each in its way; how many processes there are when it is complete.
const HARD: [(&str, &str, &str, usize); 6] = [
    ("daemon", "(setsid sh -c 'setsid sleep 86400 & exec sleep 86400' &)\nexec sleep 86400", "", 3),
    ("pipeline", "sleep 86400 | cat | cat", "", 4),
    ("deaf", "trap '' TERM\n(setsid sleep 86400 &)\nwhile :; do sleep 1; done", "[stop]\ntimeout = \"1s\"", 3),
    ("brood", "while :; do setsid sleep 86400 & sleep 0.02; done", "[stop]\ntimeout = \"1s\"", 12),
    ("stopped", "(setsid sh -c 'kill -STOP $$' &)\nkill -STOP $$\nsleep 86400", "", 2),
    (
        "deaf-brood",
        "trap '' TERM HUP\nwhile :; do (setsid sleep 86400 &) ; sleep 0.02; done",
        "[stop]\ntimeout = \"1s\"",
        12,
    ),
];

#[test]
fn nothing_of_a_removed_service_lives_however_it_forks_and_whatever_it_ignores() {
    both(|world, variables| {
        world.believe_removals();
        for (name, script, more, _) in HARD {
            world.drop_file(&format!("{name}.toml"), &marked(world, name, script, more));
        }
        start(world, variables);
        for (name, _, _, complete) in HARD {
            let mark = mark(world, name);
            world.until_true(&format!("{name} is complete"), || bearers(&mark).len() >= complete);
        }
        for (name, ..) in HARD {
            world.remove(&format!("{name}.toml"));
        }
        for (name, ..) in HARD {
            world.gone(name);
            assert_eq!(bearers(&mark(world, name)), [0; 0], "{name} {variables:?}\n{}", world.story());
        }
    });
}

#[test]
fn a_daemon_that_a_crash_leaves_is_ended_before_the_next_start() {
    both(|world, variables| {
        let script = "(setsid sh -c 'trap \"\" TERM; sleep 86400' &)\necho up\nexec sleep 86400";
        world.drop_file("a.toml", &marked(world, "a", script, ""));
        start(world, variables);
        let (pid, mark) = (world.pid("a"), mark(world, "a"));
        world.until_true("it is complete", || bearers(&mark).len() == 3);
        let first = bearers(&mark);
        send(pid, Signal::SIGKILL);
        world.pid_after("a", pid);
        assert!(first.iter().all(|pid| !alive(*pid)), "{variables:?}\n{}", world.story());
    });
}

#[test]
fn a_daemon_of_who_has_ended_long_ago_is_no_service_and_is_ended() {
    both(|world, variables| {
        let script = "(setsid sleep 86400 &)\nsleep 0.2\nexit 3";
        world.drop_file("a.toml", &marked(world, "a", script, "[restart]\npolicy = \"never\""));
        start(world, variables);
        world.until("it is done", |status| {
            service(status, "a").is_some_and(|it| it.state == State::Stopped && it.instances[0].last_exit.is_some())
        });
        assert_eq!(bearers(&mark(world, "a")), [0; 0], "{variables:?}\n{}", world.story());
    });
}

#[test]
fn what_forks_away_outlives_a_service_whose_scope_is_narrower() {
    both(|world, variables| {
        world.believe_removals();
        for scope in ["group", "process"] {
            let more = format!("[stop]\nscope = \"{scope}\"");
            let script = "(setsid sleep 86400 &)\nexec sleep 86400";
            world.drop_file(&format!("{scope}.toml"), &marked(world, scope, script, &more));
        }
        start(world, variables);
        for scope in ["group", "process"] {
            let (pid, mark) = (world.pid(scope), mark(world, scope));
            world.until_true("it is complete", || bearers(&mark).len() == 2);
            world.remove(&format!("{scope}.toml"));
            world.gone(scope);
            let left = bearers(&mark);
            assert!(left.len() == 1 && !left.contains(&pid), "{scope} {variables:?}: {left:?}");
            send(left[0], Signal::SIGKILL);
            world.until_true("it is gone", || !alive(left[0]));
        }
    });
}

#[test]
fn what_a_killed_supervisor_had_started_ends_whole_under_the_next() {
    both(|world, variables| {
        world.believe_removals();
        for (name, script, more, _) in HARD {
            world.drop_file(&format!("{name}.toml"), &marked(world, name, script, more));
        }
        start(world, variables);
        for (name, _, _, complete) in HARD {
            let mark = mark(world, name);
            world.until_true(&format!("{name} is complete"), || bearers(&mark).len() >= complete);
        }
        let supervisor = world.status().expect("it runs").abide.supervisor_pid;
        send(supervisor, Signal::SIGKILL);
        world.until("another one", |status| status.abide.supervisor_pid != supervisor);
        for (name, ..) in HARD {
            world.remove(&format!("{name}.toml"));
        }
        for (name, ..) in HARD {
            world.gone(name);
            assert_eq!(bearers(&mark(world, name)), [0; 0], "{name} {variables:?}\n{}", world.story());
        }
    });
}

#[test]
fn what_a_dead_keeper_leaves_ends_whole_under_the_next() {
    let mut world = World::empty();
    let script = "(setsid sh -c 'trap \"\" TERM; sleep 86400' &)\nexec sleep 86400";
    world.drop_file("a.toml", &marked(&world, "a", script, "[stop]\ntimeout = '1s'\n"));
    world.start();
    if !has_cgroups(&world) {
        return;
    }
    let mark = mark(&world, "a");
    world.until_true("it is complete", || bearers(&mark).len() == 3);
    let pid = world.pid("a");
    world.signal(Signal::SIGKILL);
    world.ended();
    world.start();
    assert_eq!(world.pid("a"), pid, "{}", world.story());
    world.remove("a.toml");
    world.gone("a");
    assert_eq!(bearers(&mark), [0; 0], "who ignores TERM and is no child of ours\n{}", world.story());
}

#[test]
fn each_service_has_a_cgroup_of_its_own_for_as_long_as_it_is_there() {
    let mut world =
        World::with(&[("a", super::world::SLEEPER), ("b", "command = \"/bin/sleep 86400\"\ninstances = 2\n")]);
    if !has_cgroups(&world) {
        return;
    }
    let status = world.status().expect("it runs");
    let base = status.abide.cgroups.directory.expect("there are cgroups");
    let base = Path::new(&base);
    let a = world.pid("a");
    assert!(cgroup_of(a).ends_with("/s.a"), "{}", cgroup_of(a));
    world.until("both of b run", |status| {
        service(status, "b").is_some_and(|b| b.instances.iter().all(|it| it.pid.is_some()))
    });
    assert!(base.join("s.b").is_dir() && base.join("s.b@1").is_dir());
    world.drop_file("b.toml", "command = \"/bin/sleep 86400\"\ninstances = 1\n");
    world.until_true("the second is gone", || !base.join("s.b@1").exists());
    world.remove("b.toml");
    world.until_true("so is the first", || !base.join("s.b").exists());
    assert!(base.join("s.a").is_dir());
    world.signal(Signal::SIGTERM);
    assert_eq!(world.ended().code(), Some(0));
    assert!(!base.exists(), "nothing is left of abide");
}

#[test]
fn a_frozen_group_of_an_earlier_start_does_not_freeze_the_next() {
    let world = World::with_sleepers("a");
    if !has_cgroups(&world) {
        return;
    }
    let base = world.status().and_then(|status| status.abide.cgroups.directory).expect("there are cgroups");
    let pid = world.pid("a");
    std::fs::write(Path::new(&base).join("s.a/cgroup.freeze"), "1").expect("the kernel can freeze");
    send(pid, Signal::SIGKILL);
    world.pid_after("a", pid);
    let frozen = std::fs::read_to_string(Path::new(&base).join("s.a/cgroup.events")).expect("it is there");
    assert!(frozen.contains("frozen 0"), "{frozen}");
}
