//! What is mounted over a watched directory, taken away from it, or changes without an event; and kernels that give none.
//!
//! The numbers are those of the scenarios in the design's page on watching. Each test has a mount namespace of its own.

use super::given::SYS_ADMIN;
use super::process::{alive, has_capability, is_root, send, shell, skip_for_users, wanted};
use super::world::{LONGER, SLEEPER, Start, World, service};
use abide::model::status::{Mechanism, SourceState, SourceStatus, Status};
use nix::sys::signal::Signal;

fn may_mount() -> bool {
    let may = is_root() && has_capability(SYS_ADMIN);
    if !may {
        skip_for_users("only who may mount can mount over a directory");
    }
    may
}

/// `a` to `e`, running in a mount namespace of their own in which `script` was run; the pid of each.
fn five(script: &str) -> (World, Vec<(String, i32)>) {
    let mut world = World::empty();
    for letter in 'a'..='e' {
        world.drop_file(&format!("{letter}.toml"), SLEEPER);
    }
    let script = format!("mount --make-rprivate /; cd {}; {script}\nexec \"$@\"", world.root().display());
    world.start_as(&Start { wrapper: &["unshare", "-m", "/bin/sh", "-ec", &script, "sh"], ..Start::default() });
    world.until("all run", |status| status.summary.running == 5);
    let pids = ('a'..='e').map(|letter| (letter.to_string(), world.pid(&letter.to_string()))).collect();
    (world, pids)
}

/// Runs a script in the mount namespace of the world, in its root.
fn inside(world: &World, script: &str) {
    let enter = format!("nsenter -t {} -m /bin/sh -ec 'cd {}; {script}'", world.keeper(), world.root().display());
    shell(&enter, world.root());
}

fn all_run_on(world: &World, pids: &[(String, i32)]) {
    for (name, pid) in pids {
        assert_eq!(world.pid_now(name), Some(*pid), "{name} was not to be touched\n{}", world.story());
        assert!(alive(*pid));
    }
}

fn source(status: &Status) -> &SourceStatus {
    status.sources.first().expect("one directory")
}

fn until_source(world: &World, state: SourceState) -> Status {
    world.until(&format!("the directory is {state:?}"), |status| source(status).state == state)
}

#[test]
fn s19_what_is_mounted_over_the_directory_stops_nothing_and_goes_without_a_restart() {
    if !may_mount() {
        return;
    }
    let (world, pids) = five("");
    inside(&world, "mount -t tmpfs -o mode=755 tmpfs services.d");
    let status = until_source(&world, SourceState::Suspect);
    assert!(source(&status).reason.as_ref().is_some_and(|why| why.contains("empty directory")), "{status:?}");
    all_run_on(&world, &pids);
    inside(&world, "umount services.d");
    until_source(&world, SourceState::Ok);
    world.fence();
    all_run_on(&world, &pids);
    // One that has something to say is taken at its word, but for the guard.
    inside(
        &world,
        "mount -t tmpfs -o mode=755 tmpfs services.d; echo \"command = [\\\"/bin/sleep\\\", \\\"9\\\"]\" >services.d/k.toml",
    );
    world.pid("k");
    world.until("the others are held", |status| status.withheld.guard.removals.len() == 6);
    all_run_on(&world, &pids);
    inside(&world, "umount services.d");
    world.until("they are back", |status| status.withheld.guard.removals.is_empty());
    all_run_on(&world, &pids);
}

#[test]
fn a_mounted_directory_that_is_unmounted_stops_nothing() {
    if !may_mount() {
        return;
    }
    let (world, pids) =
        five("cp -a services.d kept; mount -t tmpfs -o mode=755 tmpfs services.d; cp kept/* services.d");
    inside(&world, "rm services.d/e.toml");
    world.gone("e");
    // What is below is empty.
    std::fs::remove_dir_all(world.services()).expect("nobody uses it");
    std::fs::create_dir(world.services()).expect("it is gone");
    let after: Vec<(String, i32)> = pids[..4].to_vec();
    inside(&world, "umount -l services.d || true");
    world.until("it is suspect, or not there", |status| source(status).state != SourceState::Ok);
    all_run_on(&world, &after);
    // Mounted again, with the files.
    inside(&world, "mount -t tmpfs -o mode=755 tmpfs services.d; cp kept/[a-d].toml services.d");
    until_source(&world, SourceState::Ok);
    world.until("all is as desired", |status| status.summary.as_desired == 4);
    all_run_on(&world, &after);
}

#[test]
fn s18_a_file_that_is_replaced_behind_its_bind_mount_is_warned_of() {
    if !may_mount() {
        return;
    }
    let script = "cp services.d/a.toml host.toml; mount --bind host.toml services.d/a.toml";
    let (world, pids) = five(script);
    std::fs::write(world.root().join("new.toml"), LONGER).expect("the world is writable");
    shell("mv new.toml host.toml", world.root());
    // No event tells of that.
    world.signal(Signal::SIGHUP);
    world.until_true("it is warned of", || world.story().contains("replaced-behind-mount"));
    all_run_on(&world, &pids);
}

#[test]
fn s32_what_changes_below_an_overlay_is_found_and_then_looked_for() {
    if !may_mount() {
        return;
    }
    let mut world = World::empty();
    let script = "mount -t tmpfs -o mode=755 tmpfs lower; mkdir lower/l lower/u lower/w; cp files/* lower/l; \
                  mount -t overlay overlay -o lowerdir=lower/l,upperdir=lower/u,workdir=lower/w services.d";
    shell("mkdir lower files", world.root());
    std::fs::write(world.root().join("files/a.toml"), SLEEPER).expect("the world is writable");
    world.replace(&world.root().join("abide.toml"), "[watch]\nrescan = \"1s\"\n");
    let script = format!("mount --make-rprivate /; cd {}; {script}\nexec \"$@\"", world.root().display());
    world.start_as(&Start { wrapper: &["unshare", "-m", "/bin/sh", "-ec", &script, "sh"], ..Start::default() });
    world.pid("a");
    inside(&world, "cp files/a.toml lower/l/b.toml");
    world.pid("b");
    world.until("it was counted", |status| source(status).missed_by_watch == 1);
    // The scan after that finds nothing; two in a row do.
    inside(
        &world,
        "(while sleep 0.2; do i=$((i + 1)); cp files/a.toml lower/l/c$i.toml; done) >/dev/null 2>&1 & echo $! >lower/pid",
    );
    let status = until_source(&world, SourceState::Degraded);
    inside(&world, "kill $(cat lower/pid)");
    assert_eq!(source(&status).mechanism, Mechanism::Poll);
    assert!(source(&status).reason.as_ref().is_some_and(|why| why.contains("no event had told")), "{status:?}");
    inside(&world, "cp files/a.toml lower/l/late.toml");
    world.pid("late");
}

#[test]
fn s33_on_fuse_changes_that_no_event_tells_are_looked_for() {
    if !may_mount() || wanted("bindfs").is_none() {
        return;
    }
    let mut world = World::empty();
    std::fs::create_dir(world.root().join("behind")).expect("the world is ours");
    std::fs::write(world.root().join("behind/a.toml"), SLEEPER).expect("the world is ours");
    let root = world.root().display();
    // It ends with its mount, and that with the last process of the namespace.
    let script = format!(
        "mount --make-rprivate /; bindfs -f {root}/behind {root}/services.d & echo $! >{root}/fuse; \
                          while ! mountpoint -q {root}/services.d; do sleep 0.05; done; exec \"$@\""
    );
    world.start_as(&Start { wrapper: &["unshare", "-m", "/bin/sh", "-ec", &script, "sh"], ..Start::default() });
    world.pid("a");
    let status = until_source(&world, SourceState::Degraded);
    assert_eq!(source(&status).mechanism, Mechanism::Poll);
    assert!(source(&status).reason.as_ref().is_some_and(|why| why.contains("FUSE")), "{status:?}");
    // Past the mount, so that nothing is told.
    let behind = world.root().join("behind");
    world.replace(&behind.join("b.toml"), SLEEPER);
    let before = world.pid("b");
    world.replace(&behind.join("b.toml"), LONGER);
    world.pid_after("b", before);
    world.signal(Signal::SIGTERM);
    world.ended();
    let fuse = std::fs::read_to_string(world.root().join("fuse")).expect("it was written");
    let fuse: i32 = fuse.trim().parse().expect("a pid");
    send(fuse, Signal::SIGTERM);
    world.until_true("the file system has ended", || !alive(fuse));
}

#[test]
fn s31_without_watches_it_starts_and_polls_and_says_why() {
    if !is_root() {
        return skip_for_users("in a user namespace of a normal user nobody trusted owns the root directory");
    }
    let mut world = World::empty();
    world.drop_file("a.toml", SLEEPER);
    let rows = ["max_inotify_instances", "max_inotify_watches"];
    for (index, name) in rows.into_iter().enumerate() {
        let script = format!("echo 0 >/proc/sys/user/{name}; exec \"$@\"");
        let possible =
            std::process::Command::new("unshare").args(["-U", "-r", "/bin/sh", "-ec", &script, "sh", "true"]).status();
        if !possible.is_ok_and(|status| status.success()) {
            return skip_for_users("a user namespace of one's own is not to be had here");
        }
        world.start_as(&Start {
            wrapper: &["unshare", "-U", "-r", "/bin/sh", "-ec", &script, "sh"],
            ..Start::default()
        });
        let status = until_source(&world, SourceState::Degraded);
        assert_eq!(source(&status).mechanism, Mechanism::Poll);
        assert!(
            source(&status).reason.as_ref().is_some_and(|why| why.contains("fs.inotify.max_user_")),
            "{name}: {status:?}"
        );
        let before = world.pid("a");
        world.drop_file("a.toml", &format!("command = [\"/bin/sleep\", \"9000{index}\"]\n"));
        world.pid_after("a", before);
        world.signal(Signal::SIGTERM);
        world.ended();
        std::fs::remove_dir_all(world.runtime()).expect("it is ours");
    }
}

#[test]
fn s30_a_reader_that_is_stopped_while_thousands_of_files_come_misses_none() {
    let mut world = World::empty();
    world.drop_file("a.toml", SLEEPER);
    world.start();
    world.pid("a");
    let supervisor = world.status().expect("it runs").abide.supervisor_pid;
    send(supervisor, Signal::SIGSTOP);
    let most =
        std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").ok().and_then(|it| it.trim().parse().ok());
    let count: usize = most.unwrap_or(16_384).min(20_000);
    for index in 0..count {
        let file = world.file(&format!("n{index}.toml"));
        std::fs::write(&file, "command = [\"/bin/true\"]\nenabled = false\n").expect("the world is writable");
        if index >= 50 {
            std::fs::remove_file(&file).expect("it was there");
        }
    }
    send(supervisor, Signal::SIGCONT);
    let status = world
        .until("all that is left is known", |status| source(status).entries == 51 && source(status).overflows >= 1);
    assert_eq!(status.services.len(), 51);
    assert!(service(&status, "n49").is_some() && service(&status, "n50").is_none());
}

#[test]
fn s21_a_directory_that_may_not_be_read_any_more_stops_nothing() {
    if is_root() && has_capability(1) {
        return skip_for_users("root may read whatever its mode says; the tests of a normal user look at this");
    }
    let world = World::with_sleepers("abc");
    let pids: Vec<(String, i32)> = ["a", "b", "c"].map(|name| (name.to_owned(), world.pid(name))).to_vec();
    shell("chmod 000 services.d", world.root());
    until_source(&world, SourceState::Suspect);
    all_run_on(&world, &pids);
    shell("chmod 755 services.d", world.root());
    until_source(&world, SourceState::Ok);
    all_run_on(&world, &pids);
}
