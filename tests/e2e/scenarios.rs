//! What comes into a directory in other ways than by one good edit: tools that deploy, bad files, files that are no
//! files, and what changes around them.
//!
//! The numbers are those of the scenarios in the design's page on watching.

use super::process::{alive, arguments, is_root, send, shell, skip_for_users, wanted};
use super::world::{LONGER, SLEEPER, Start, World, others_run_on, service, ten};
use abide::model::status::{ConditionKind, SourceState, State, Status};
use nix::sys::signal::Signal;

/// A script changes `a` so that it sleeps for 90000 seconds: one restart, and no error flashes.
fn restarts_a_once(prepare: &str, script: &str) {
    let (world, pids) = ten();
    std::fs::write(world.root().join("new"), LONGER).expect("the world is writable");
    shell(prepare, world.root());
    shell(script, &world.services());
    let new = world.pid_after("a", pids[0].1);
    world.fence();
    assert_eq!(arguments(new)[1], "90000");
    assert_eq!(world.starts("a"), 2, "one restart:\n{}", world.story());
    assert!(!world.story().contains("\"level\":\"ERROR\""), "{}", world.story());
    others_run_on(&world, &pids, &["a"]);
}

#[test]
fn s07_emacs_and_nano_are_one_restart_or_none() {
    let change =
        "(progn (goto-char 1) (while (search-forward \"86400\" nil t) (replace-match \"90000\")) (save-buffer))";
    if let Some(emacs) = wanted("emacs") {
        for copying in ["nil", "t"] {
            let set = format!("(setq make-backup-files t backup-by-copying {copying} backup-inhibited nil)");
            restarts_a_once("true", &format!("{emacs} -Q --batch a.toml --eval '{set}' --eval '{change}' 2>/dev/null"));
        }
    }
    if let (Some(nano), Some(_)) = (wanted("nano"), wanted("script")) {
        // The line is cut and typed anew; then it is written, and left.
        let keys = "\\013command = [\"/bin/sleep\", \"90000\"]\\r\\017\\r\\030";
        let run = |keys: &str| {
            format!(
                "(sleep 0.3; printf '{keys}'; sleep 0.5) | TERM=xterm script -qec '{nano} -I a.toml' /dev/null >/dev/null"
            )
        };
        restarts_a_once("true", &run(keys));
        let (world, pids) = ten();
        shell(&run("\\017\\r\\030"), &world.services());
        world.fence();
        others_run_on(&world, &pids, &[]);
    }
}

#[test]
fn s09_rsync_of_many_changed_files_is_bounded_and_the_second_run_does_nothing() {
    let Some(rsync) = wanted("rsync") else { return };
    let mut world = World::empty();
    world.replace(&world.root().join("abide.toml"), "[rollout]\nmax_parallel = 10\n");
    shell("mkdir next", world.root());
    for index in 0..50 {
        world.drop_file(&format!("s{index}.toml"), SLEEPER);
        std::fs::write(world.root().join(format!("next/s{index}.toml")), LONGER).expect("the world is writable");
    }
    world.start();
    world.until("all run", |status| status.summary.running == 50);
    let copy = format!("{rsync} -a --checksum ../next/ .");
    shell(&copy, &world.services());
    world.until("all were restarted", |status| {
        status.summary.as_desired == 50 && (0..50).all(|index| world.starts(&format!("s{index}")) == 2)
    });
    shell(&copy, &world.services());
    world.fence();
    assert!((0..50).all(|index| world.starts(&format!("s{index}")) == 2));
}

#[test]
fn s11_ansible_changes_what_changed_and_no_error_flashes() {
    let Some(ansible) = wanted("ansible") else { return };
    let (world, pids) = ten();
    let owner = if is_root() { " owner=root" } else { "" };
    let run = |module: &str, arguments: &str| {
        let command = format!(
            "ANSIBLE_LOCALHOST_WARNING=0 ANSIBLE_HOME={0}/ansible ANSIBLE_REMOTE_TEMP={0}/ansible/tmp {ansible} localhost \
             -i localhost, -c local -m {module} -a '{arguments}' >/dev/null",
            world.root().display()
        );
        shell(&command, &world.services());
    };
    std::fs::write(world.root().join("a.j2"), "command = [\"/bin/sleep\", \"{{ 45000 * 2 }}\"]\n").expect("writable");
    let template = format!("src={0}/a.j2 dest={0}/services.d/a.toml mode=0644{owner}", world.root().display());
    run("template", &template);
    let new = world.pid_after("a", pids[0].1);
    run("template", &template);
    std::fs::write(world.root().join("k"), SLEEPER).expect("the world is writable");
    run("copy", &format!("src={0}/k dest={0}/services.d/k.toml mode=0600 backup=yes{owner}", world.root().display()));
    world.pid("k");
    run("copy", &format!("src={0}/k dest={0}/services.d/b.toml mode=0600 backup=yes{owner}", world.root().display()));
    world.fence();
    assert_eq!((world.pid("a"), world.starts("a")), (new, 2));
    assert!(!world.story().contains("\"level\":\"ERROR\""), "{}", world.story());
    others_run_on(&world, &pids, &["a"]);
}

#[test]
fn s17_what_is_edited_through_a_hard_link_is_found_by_the_next_scan() {
    let mut world = World::empty();
    world.drop_file("a.toml", SLEEPER);
    world.replace(&world.root().join("abide.toml"), "[watch]\nrescan = \"1s\"\n");
    world.start();
    let before = world.pid("a");
    shell("ln services.d/a.toml other; cat >other <<X\ncommand = [\"/bin/sleep\", \"90000\"]\nX", world.root());
    world.pid_after("a", before);
    world.until("it was counted", |status| status.sources[0].missed_by_watch >= 1);
}

/// Shifts the clock on the wall, and no other, by as many seconds as a file says. A well-known library for that shifts
/// timers of the kernel too, which no step of a real clock does.
const SHIFTED: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, clock, now);
    const char *path = getenv("SHIFTED_BY");
    FILE *file = clock == CLOCK_REALTIME && path ? fopen(path, "re") : NULL;
    long by = 0;
    if (file && fscanf(file, "%ld", &by) == 1) now->tv_sec += by;
    if (file) fclose(file);
    return result;
}
"#;

#[test]
fn s29_steps_of_the_clock_restart_nothing_and_move_no_timer() {
    let Some(cc) = wanted("cc") else { return };
    let mut world = World::empty();
    world.drop_file("a.toml", SLEEPER);
    world.drop_file("b.toml", "command = [\"/bin/false\"]\n[restart]\ndelay = \"300ms\"\nfactor = 1\n");
    std::fs::write(world.root().join("shifted.c"), SHIFTED).expect("the world is writable");
    shell(&format!("{cc} -shared -fPIC -o shifted.so shifted.c"), world.root());
    let (clock, library) = (world.root().join("clock"), world.root().join("shifted.so"));
    world.replace(&clock, "0");
    let variables = [("LD_PRELOAD", &*library.to_string_lossy()), ("SHIFTED_BY", &*clock.to_string_lossy())];
    world.start_as(&Start { variables: &variables, ..Start::default() });
    let pid = world.pid("a");
    for step in [-3600, 86_400, 0] {
        world.replace(&clock, &step.to_string());
        let before = world.starts("b");
        world.until_true("it is tried again and again", || world.starts("b") >= before + 3);
        let status = world.status().expect("it runs");
        let now = abide::host::clock::now().wall.0 / 1_000_000 + step;
        let written = status.abide.written_at.0 / 1_000_000;
        assert!((written - now).abs() < 30, "the wall clock is shifted: {written} is not {now}");
        let next = service(&status, "b").and_then(|it| it.instances[0].next_attempt_at);
        assert!(next.is_none_or(|next| (next.0 / 1_000_000 - now).abs() < 30), "times in the status are sane");
        assert_eq!(world.pid_now("a"), Some(pid), "{step}");
        assert!(alive(pid));
    }
}

#[test]
fn s34_and_s35_a_file_that_others_may_write_is_refused_and_cleared_without_a_restart() {
    let (world, pids) = ten();
    shell("chmod 666 a.toml", &world.services());
    let told = world.error("a", "untrusted");
    assert!(told.contains("can be written by everybody") && told.contains("chmod go-w"), "{told}");
    others_run_on(&world, &pids, &["a"]);
    assert_eq!(world.pid_now("a"), Some(pids[0].1));
    shell("chmod 644 a.toml", &world.services());
    world.mended("a");
    if is_root() {
        shell("chown 54321 b.toml", &world.services());
        let told = world.error("b", "untrusted");
        assert!(told.contains("belongs to uid 54321"), "{told}");
        shell("chown root b.toml", &world.services());
        world.mended("b");
    } else {
        skip_for_users("only root gives files away");
    }
    others_run_on(&world, &pids, &[]);
}

#[test]
fn s36_three_good_edits_and_a_broken_one() {
    let script = "for i in a b c; do cp ../new $i.toml; done; cp ../broken d.toml";
    let (world, pids) = ten();
    let write = |world: &World| {
        std::fs::write(world.root().join("new"), LONGER).expect("the world is writable");
        std::fs::write(world.root().join("broken"), "command = [\n").expect("the world is writable");
    };
    write(&world);
    shell(script, &world.services());
    for (name, pid) in &pids[..3] {
        world.pid_after(name, *pid);
    }
    world.error("d", "syntax");
    others_run_on(&world, &pids[4..], &[]);
    assert_eq!(world.pid_now("d"), Some(pids[3].1));

    // As one: none, until the broken one is mended.
    let mut world = World::empty();
    for letter in 'a'..='e' {
        world.drop_file(&format!("{letter}.toml"), SLEEPER);
    }
    world.replace(&world.root().join("abide.toml"), "batch = \"atomic\"\n");
    world.start();
    world.until("all run", |status| status.summary.running == 5);
    let pids: Vec<(String, i32)> = ('a'..='e').map(|it| (it.to_string(), world.pid(&it.to_string()))).collect();
    write(&world);
    shell(script, &world.services());
    world.error("d", "syntax");
    let status = world.until("the others wait", |status| {
        status.withheld.batch.as_ref().is_some_and(|batch| batch.waiting.len() == 3)
    });
    let batch = status.withheld.batch.as_ref().expect("just seen");
    assert!(batch.files[0].ends_with("d.toml"), "{batch:?}");
    let a = service(&status, "a").expect("it runs");
    let condition = a.conditions.iter().find(|it| it.kind == ConditionKind::InSync).expect("it is out of sync");
    assert_eq!(condition.reason, "BatchIncomplete");
    for (name, pid) in &pids {
        assert_eq!(world.pid_now(name), Some(*pid));
    }
    world.drop_file("d.toml", LONGER);
    for (name, pid) in &pids[..4] {
        world.pid_after(name, *pid);
    }
    assert_eq!(world.pid("e"), pids[4].1);
}

#[test]
fn s37_the_edit_that_closes_a_circle_is_the_error_and_the_rest_is_applied() {
    let (world, pids) = ten();
    world.drop_file("a.toml", &format!("after = [\"b\"]\n{SLEEPER}"));
    world.fence();
    world.drop_file("b.toml", &format!("after = [\"a\"]\n{LONGER}"));
    world.drop_file("c.toml", LONGER);
    world.error("b", "cycle");
    world.pid_after("c", pids[2].1);
    others_run_on(&world, &pids[3..], &[]);
    assert_eq!(world.pid_now("b"), Some(pids[1].1));
}

#[test]
fn s38_a_second_file_of_a_name_is_the_error_and_never_restarts_the_first() {
    let (world, pids) = ten();
    shell("mkdir a; printf '#!/bin/sh\\nexec sleep 5\\n' >a/run; chmod +x a/run", &world.services());
    world.until("the second is an error", |status| status.problems.iter().any(|it| it.code == "duplicate-name"));
    others_run_on(&world, &pids, &[]);
    shell("rm -r a", &world.services());
    world.until("it is gone", |status| status.problems.is_empty());
    others_run_on(&world, &pids, &[]);
}

#[test]
fn s41_an_edit_while_the_last_one_still_stops_ends_in_the_newest_and_never_in_two() {
    let slow = |time: u32| {
        format!(
            "script = \"\"\"\ntrap 'sleep 0.5; exit 0' TERM\necho begins {time}\nwhile :; do sleep 0.05; done\n\"\"\"\n\
             environment.TIME = \"{time}\"\n"
        )
    };
    let world = World::with(&[("a", &slow(1))]);
    let first = world.pid("a");
    world.drop_file("a.toml", &slow(2));
    world.until("it stops", |status| service(status, "a").is_some_and(|it| it.state == State::Stopping));
    world.drop_file("a.toml", &slow(3));
    let last = world.pid_after("a", first);
    world.fence();
    assert_eq!(world.pid("a"), last);
    world.logged("a", "begins 3");
    assert_eq!(world.starts("a"), 2, "{}", world.story());
    assert!(!alive(first));
}

#[test]
fn s45_what_is_no_regular_file_blocks_nobody() {
    let (world, pids) = ten();
    shell("rm a.toml; mkfifo a.toml", &world.services());
    let told = world.error("a", "not-a-file");
    assert!(told.contains("FIFO"), "{told}");
    shell("rm b.toml; mkdir b.toml", &world.services());
    world.error("b", "not-a-file");
    shell("rm c.toml; truncate -s 100M c.toml", &world.services());
    let status =
        world.until("the large one is an error", |status| service(status, "c").is_some_and(|it| !it.errors.is_empty()));
    assert_eq!(status.sources[0].state, SourceState::Ok);
    if is_root() {
        shell("rm d.toml; mknod d.toml c 1 3", &world.services());
        world.error("d", "not-a-file");
    }
    for (name, pid) in &pids {
        assert_eq!(world.pid_now(name), Some(*pid), "{name}");
    }
    world.drop_file("k.toml", SLEEPER);
    world.pid("k");
}

#[test]
fn s46_strange_names_are_errors_or_ignored_and_quoted() {
    let (world, pids) = ten();
    let long = "n".repeat(250);
    shell(&format!("touch -- 'x\ny.toml' 'ü.toml' '-rf.toml' '-rf' '{long}.toml'"), &world.services());
    world.until("they are told", |status| status.problems.len() == 4 && status.ignored.len() == 1);
    assert!(world.story().contains("x\\\\ny.toml"), "{}", world.story());
    others_run_on(&world, &pids, &[]);
}

#[test]
fn s49_an_environment_file_that_changes_is_acted_on_and_one_that_goes_is_an_error() {
    let mut world = World::empty();
    let file = |dash: &str| format!("{SLEEPER}environment_files = [\"{dash}{}/env\"]\n", world.root().display());
    let (must, may) = (file(""), file("-"));
    std::fs::write(world.root().join("env"), "A=1\n").expect("the world is writable");
    world.drop_file("must.toml", &must);
    world.drop_file("may.toml", &may);
    world.replace(&world.root().join("abide.toml"), "[watch]\nrescan = \"1s\"\n");
    world.start();
    let (first_must, first_may) = (world.pid("must"), world.pid("may"));
    world.replace(&world.root().join("env"), "A=2\n");
    let (second_must, second_may) = (world.pid_after("must", first_must), world.pid_after("may", first_may));
    std::fs::remove_file(world.root().join("env")).expect("it was there");
    world.error("must", "environment-file");
    world.pid_after("may", second_may);
    assert_eq!(world.pid_now("must"), Some(second_must));
    std::fs::write(world.root().join("env"), "A=2\n").expect("the world is writable");
    world.mended("must");
    assert_eq!(world.pid("must"), second_must);
}

#[test]
fn a_file_that_gets_its_name_while_it_is_open_is_taken_once_it_is_closed() {
    use std::io::Write;
    let world = World::with(&[]);
    for (name, unlinked_first) in [("a", false), ("b", true)] {
        let new = world.file(".new");
        let mut file = std::fs::File::create(&new).expect("the world is writable");
        file.write_all(SLEEPER.as_bytes()).expect("the world is writable");
        std::fs::hard_link(&new, world.file(&format!("{name}.toml"))).expect("it is new");
        if unlinked_first {
            std::fs::remove_file(&new).expect("it is ours");
        }
        // Long enough for a look that finds it open, whichever comes first.
        world.fence();
        drop(file);
        if !unlinked_first {
            std::fs::remove_file(&new).expect("it is ours");
        }
        world.pid(name);
    }
}

#[test]
fn s50_a_legacy_directory_is_treated_as_a_file_is() {
    let world = World::with(&[("a", SLEEPER)]);
    let run = |time: u32| format!("#!/bin/sh\nexec sleep {time}\n");
    shell("mkdir old", &world.services());
    let write = |time: u32| {
        std::fs::write(world.file("old/.new"), run(time)).expect("the world is writable");
        shell("chmod +x old/.new; mv old/.new old/run", &world.services());
    };
    write(86_400);
    let first = world.pid("old");
    write(90_000);
    let second = world.pid_after("old", first);
    assert_eq!(arguments(second)[1], "90000");
    shell("chmod -x old/run", &world.services());
    world.error("old", "no-program");
    assert_eq!(world.pid_now("old"), Some(second));
    shell("chmod +x old/run", &world.services());
    world.mended("old");
    assert_eq!(world.pid("old"), second);
    shell("touch old/down", &world.services());
    world.until("it is down", |status| service(status, "old").is_some_and(|it| it.state == State::Stopped));
    shell("rm old/down", &world.services());
    world.pid_after("old", second);
}

#[test]
fn s52_a_supervisor_that_starts_while_somebody_writes_waits_for_the_end_of_it() {
    for _ in 0..3 {
        let mut world = World::empty();
        let services = world.services();
        let script = "(printf 'command = [\"/bin/sleep\",'; sleep 0.7; echo ' \"90000\"]') >a.toml";
        let writer = std::thread::spawn(move || shell(script, &services));
        world.until_true("somebody writes", || world.file("a.toml").exists());
        world.start();
        let pid = world.pid("a");
        writer.join().expect("it ends");
        assert_eq!(arguments(pid)[1], "90000");
        assert!(!world.story().contains("\"level\":\"ERROR\""), "{}", world.story());
        send(world.keeper(), Signal::SIGTERM);
        world.ended();
    }
}

#[test]
fn a_git_repository_of_five_hundred_services_restarts_exactly_what_differs() {
    let Some(git) = wanted("git") else { return };
    let git = format!("{git} -c user.name=x -c user.email=x@example.org -c commit.gpgsign=false");
    let mut world = World::empty();
    for index in 0..500 {
        world.drop_file(&format!("s{index}.toml"), SLEEPER);
    }
    world.replace(&world.root().join("abide.toml"), "[rollout]\nmax_parallel = 25\n");
    let prepare = format!(
        "{git} init -q .; {git} add .; {git} commit -qm one; {git} branch two
         {git} worktree add -q ../elsewhere two; cd ../elsewhere
         for i in $(seq 100 149); do echo 'command = [\"/bin/sleep\", \"90000\"]' >s$i.toml; done
         {git} commit -qam two; cd -; {git} worktree remove ../elsewhere"
    );
    shell(&prepare, &world.services());
    world.start();
    world.until("all run", |status| status.summary.as_desired == 500);
    let pids = |world: &World| -> Vec<Option<i32>> {
        let status = world.until("all is as desired", |status| status.summary.as_desired == 500);
        (0..500).map(|index| service(&status, &format!("s{index}")).and_then(|it| it.instances[0].pid)).collect()
    };
    let mut before = pids(&world);
    for branch in ["two", "-", "two"] {
        shell(&format!("{git} checkout -q {branch}"), &world.services());
        let other = |status: &Status| -> Vec<usize> {
            let pid = |index: usize| service(status, &format!("s{index}")).and_then(|it| it.instances[0].pid);
            (0..500).filter(|index| pid(*index) != before[*index]).collect()
        };
        let status =
            world.until("fifty were restarted", |status| status.summary.as_desired == 500 && other(status).len() >= 50);
        assert_eq!(other(&status), (100..150).collect::<Vec<_>>(), "{branch}");
        before = pids(&world);
    }
    // A checkout that changes nothing, and a touch of all that it would have changed.
    shell(&format!("{git} checkout -q -b again; {git} checkout -q two; touch s*.toml"), &world.services());
    world.fence();
    let status = world.status().expect("it runs");
    let now = (0..500).map(|index| service(&status, &format!("s{index}")).and_then(|it| it.instances[0].pid));
    assert!(now.eq(before), "nothing was to be restarted");
}

#[test]
fn a_deploy_script_waits_for_its_own_file() {
    let world = World::with(&[("web", SLEEPER)]);
    let before = world.pid("web");
    world.overwrite("web.toml", LONGER);
    let hash = shell("sha256sum <web.toml", &world.services()).stdout;
    let hash = String::from_utf8_lossy(&hash).split_whitespace().next().unwrap_or_default().to_owned();
    let out = world.abide(&["wait", "web", "--for", "in-sync", "--hash", &hash, "--timeout", "20s"]);
    assert!(out.status.success(), "{}", super::world::said(&out));
    let pid = world.pid_after("web", before);
    assert_eq!(arguments(pid)[1], "90000");
    let other = hash.replace(|_| true, "0");
    let out = world.abide(&["wait", "web", "--for", "in-sync", "--hash", &other, "--timeout", "200ms"]);
    assert_eq!(out.status.code(), Some(124), "{}", super::world::said(&out));
    let out = world.abide(&["wait", "web", "--for", "in-sync", "--hash", "abc"]);
    assert!(super::world::said(&out).contains("sha256sum"), "{}", super::world::said(&out));
    // One that is rolled back never comes to that.
    world.overwrite("web.toml", "command = [\"/bin/false\"]\n");
    world.until("it went back", |status| status.summary.rolled_back == 1);
    let out = world.abide(&["wait", "web", "--for", "in-sync", "--timeout", "20s"]);
    assert_eq!(out.status.code(), Some(1), "{}", super::world::said(&out));
    assert!(super::world::said(&out).contains("went back to an earlier version"), "{}", super::world::said(&out));
}

#[test]
fn what_root_runs_and_others_may_change_is_a_condition() {
    if !is_root() {
        return skip_for_users("only root runs what is dangerous to root");
    }
    let world = World::with(&[]);
    shell("mkdir open tight; cp /bin/sleep open; cp /bin/sleep tight; chmod 777 open", world.root());
    let file = |directory: &str| {
        format!("command = [\"{}/{directory}/sleep\", \"86400\"]\nuser = \"root\"\n", world.root().display())
    };
    world.drop_file("a.toml", &file("open"));
    world.drop_file("b.toml", &file("tight"));
    let trusted = |name: &str| {
        let status = world.until(&format!("{name} runs"), |status| {
            service(status, name).is_some_and(|it| it.state == State::Running)
        });
        let found = service(&status, name).map(|it| it.conditions.clone()).unwrap_or_default();
        found.into_iter().find(|it| it.kind == ConditionKind::SourceTrusted)
    };
    let condition = trusted("a").expect("others may write");
    assert_eq!(condition.reason, "ExecutableWritable");
    assert!(condition.message.contains("can be written by everybody"), "{}", condition.message);
    assert_eq!(trusted("b"), None);
    let check = super::world::said(&world.abide(&["check", "services.d"]));
    assert!(check.contains("warning[executable-writable]"), "{check}");
}

#[test]
fn a_group_that_abide_toml_trusts_may_write() {
    if !is_root() {
        return skip_for_users("only root gives files to any group");
    }
    let (world, pids) = ten();
    shell("chgrp 54321 a.toml; chmod 664 a.toml", &world.services());
    let told = world.error("a", "untrusted");
    assert!(told.contains("by the group gid 54321") && told.contains("trusted_groups"), "{told}");
    let config = world.root().join("abide.toml");
    world.replace(&config, "trusted_groups = [54321]\n");
    world.mended("a");
    shell("chgrp 54321 .; chmod 775 .", &world.services());
    world.fence();
    assert_eq!(world.status().expect("it runs").sources[0].state, SourceState::Ok);
    // Who says whom to trust is trusted by itself alone.
    shell(
        "chgrp 54321 abide.toml; chmod 664 abide.toml; echo 'trusted_groups = [54321, 54322]' >abide.toml",
        world.root(),
    );
    world.until("it is not taken", |status| status.problems.iter().any(|it| it.code == "untrusted"));
    world.replace(&config, "");
    world.until("the directory is not believed", |status| status.sources[0].state == SourceState::Suspect);
    for (name, pid) in &pids {
        assert_eq!(world.pid_now(name), Some(*pid));
    }
}
