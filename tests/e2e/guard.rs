//! What a directory says and abide does not do at once: too many removals, and whatever changes while it is suspended.
//!
//! The numbers are those of the scenarios in the design's page on watching.

use super::process::{alive, shell};
use super::world::{LONGER, SLEEPER, World, service, ten};
use abide::model::status::{ConditionKind, GuardState, ServiceStatus, SourceState, Status};

fn all_run_on(world: &World, pids: &[(String, i32)]) {
    for (name, pid) in pids {
        assert_eq!(world.pid_now(name), Some(*pid), "{name} was not to be touched\n{}", world.story());
        assert!(alive(*pid));
    }
}

/// Waits until so many removals are held.
fn held(world: &World, count: usize) -> Status {
    let claim = format!("{count} removals are held");
    world.until(&claim, |status| status.withheld.guard.removals.len() == count)
}

fn clear(world: &World) {
    world.until("the guard is clear", |status| status.withheld.guard.state == GuardState::Clear);
}

fn why(status: &Status, name: &str) -> (String, String) {
    let found = |it: &ServiceStatus| it.conditions.iter().find(|it| it.kind == ConditionKind::InSync).cloned();
    let condition = service(status, name).and_then(found).expect("it is out of sync");
    (condition.reason, condition.message)
}

fn says(world: &World, words: &[&str]) -> (i32, String) {
    let out = world.abide(words);
    let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    (out.status.code().unwrap_or(-1), text)
}

#[test]
fn s24_removing_all_is_held_until_it_is_confirmed() {
    let (world, pids) = ten();
    shell("rm *.toml", &world.services());
    let status = held(&world, 10);
    assert_eq!(status.withheld.guard.state, GuardState::Holding);
    assert!(status.withheld.guard.since.is_some());
    let (reason, message) = why(&status, "a");
    assert_eq!(reason, "RemovalHeld");
    assert!(message.contains("with those of 9 others") && message.contains("`abide confirm`"), "{message}");
    all_run_on(&world, &pids);
    assert!(world.story().contains("held back: the files of a, b, c, d and 6 more are gone"), "the log tells of it");
    let (code, plan) = says(&world, &["plan"]);
    assert_eq!(code, 2, "{plan}");
    assert!(plan.contains("removed (held back: its file is gone"), "{plan}");
    let (code, told) = says(&world, &["confirm", "a"]);
    assert_eq!((code, told.as_str()), (0, "a: is stopped, since its file is gone\n"), "{told}");
    world.gone("a");
    held(&world, 9);
    let (code, told) = says(&world, &["confirm"]);
    assert_eq!(code, 0, "{told}");
    for (name, _) in &pids {
        world.gone(name);
    }
    clear(&world);
    assert_eq!(says(&world, &["confirm"]), (0, "reconciling: no removal waits to be confirmed\n".to_owned()));
    // What an operator has said yes to counts for nothing.
    world.drop_file("a.toml", SLEEPER);
    world.pid("a");
    let (code, told) = says(&world, &["confirm", "a"]);
    assert_eq!((code, told.as_str()), (0, "a: has no removal that waits to be confirmed: its file is there\n"));
    world.remove("a.toml");
    world.gone("a");
}

#[test]
fn s24_the_files_return_ends_it_with_no_restart() {
    let (world, pids) = ten();
    shell("mkdir ../aside && mv *.toml ../aside", &world.services());
    held(&world, 10);
    shell("mv ../aside/*.toml .", &world.services());
    clear(&world);
    world.until("all is as desired", |status| status.summary.as_desired == 10);
    all_run_on(&world, &pids);
    assert!(pids.iter().all(|(name, _)| world.starts(name) == 1));
}

#[test]
fn s24_what_is_held_outlives_the_supervisor() {
    let (world, pids) = ten();
    shell("rm *.toml", &world.services());
    let before = held(&world, 10);
    super::process::send(before.abide.supervisor_pid, nix::sys::signal::Signal::SIGKILL);
    let status = world.until("another supervisor holds them", |status| {
        status.abide.supervisor_pid != before.abide.supervisor_pid && status.withheld.guard.removals.len() == 10
    });
    assert_eq!(why(&status, "j").0, "RemovalHeld");
    all_run_on(&world, &pids);
}

#[test]
fn s25_a_slow_loop_of_removals_is_held_by_the_window() {
    let (world, pids) = ten();
    for letter in 'a'..='e' {
        world.remove(&format!("{letter}.toml"));
        world.gone(&letter.to_string());
    }
    // Five of ten are no more than half.
    for letter in 'f'..='j' {
        world.remove(&format!("{letter}.toml"));
    }
    held(&world, 5);
    all_run_on(&world, &pids[5..]);
}

#[test]
fn s26_half_of_many_is_held_by_the_count() {
    let mut world = World::empty();
    for index in 0..40 {
        world.drop_file(&format!("s{index}.toml"), SLEEPER);
    }
    world.start();
    world.until("all run", |status| status.summary.running == 40);
    shell("rm s1?.toml", &world.services());
    world.gone("s10");
    clear(&world);
    shell("rm s2?.toml s3.toml", &world.services());
    held(&world, 11);
    // Within the window one more is too many, too.
    world.remove("s4.toml");
    held(&world, 12);
}

#[test]
fn s13_a_pull_that_removes_most_is_held_and_what_it_adds_runs() {
    let (world, pids) = ten();
    let script = "rm a.toml b.toml c.toml d.toml e.toml f.toml; cp ../k.toml k.toml; cp ../k.toml g.toml";
    std::fs::write(world.root().join("k.toml"), LONGER).expect("the world is writable");
    shell(script, &world.services());
    world.pid("k");
    world.pid_after("g", pids[6].1);
    held(&world, 6);
    all_run_on(&world, &pids[..6]);
}

#[test]
fn a_file_lists_what_may_go_and_each_use_is_one() {
    let (world, pids) = ten();
    shell("rm *.toml", &world.services());
    held(&world, 10);
    world.drop_file(".abide-allow-removals", "# the old ones\na\nb.toml\n");
    world.gone("a");
    world.gone("b");
    let status = held(&world, 8);
    assert!(status.ignored.is_empty() && status.problems.is_empty(), "{status:?}");
    all_run_on(&world, &pids[2..]);
    let prom = std::fs::read_to_string(world.runtime().join("status.prom")).expect("it is there");
    assert!(prom.contains("\nabide_guard_held_removals 8\n"), "{prom}");
    // The same file does not do it again, under the next supervisor neither, and another one does.
    super::process::send(status.abide.supervisor_pid, nix::sys::signal::Signal::SIGKILL);
    world.until("another supervisor", |now| {
        now.abide.supervisor_pid != status.abide.supervisor_pid && now.withheld.guard.removals.len() == 8
    });
    std::fs::write(world.root().join("new"), SLEEPER).expect("the world is writable");
    shell("for i in a b; do cp ../new $i.toml; done", &world.services());
    let again = world.pid("a");
    world.pid("b");
    shell("rm a.toml b.toml", &world.services());
    held(&world, 10);
    assert!(alive(again));
    world.drop_file(".abide-allow-removals", "a\nb\n");
    world.gone("a");
    world.gone("b");
    held(&world, 8);
}

#[test]
fn a_renamed_file_is_one_plan_and_is_never_held() {
    let (world, _) = ten();
    shell("for i in *.toml; do mv $i x-$i; done", &world.services());
    world.until("all run under their new names", |status| {
        status.summary.running == 10 && status.services.iter().all(|it| it.name.as_str().starts_with("x-"))
    });
    clear(&world);
    let story = world.story();
    assert!(story.contains("renamed to x-a") && story.contains("renamed from a"), "{story}");
}

#[test]
fn the_thresholds_are_set_in_abide_toml() {
    let (world, _) = ten();
    world.replace(&world.root().join("abide.toml"), "[guard]\nmax_removals = 2\n");
    world.fence();
    shell("rm a.toml b.toml c.toml", &world.services());
    held(&world, 3);
    world.replace(&world.root().join("abide.toml"), "[guard]\nwindow = 0\n");
    world.fence();
    shell("rm d.toml e.toml f.toml g.toml h.toml i.toml", &world.services());
    world.gone("i");
    held(&world, 3);
}

#[test]
fn s47_a_hold_file_keeps_all_edits_and_its_end_is_one_plan() {
    let (world, pids) = ten();
    shell("echo 'moving to the new rack' >.abide-hold", &world.services());
    world.drop_file("a.toml", LONGER);
    world.drop_file("k.toml", SLEEPER);
    world.remove("b.toml");
    let status = world.until("all of it waits", |status| {
        status.withheld.suspended.first().is_some_and(|it| it.waiting.len() == 3 && it.hold.reason.is_some())
    });
    let suspended = &status.withheld.suspended[0];
    assert_eq!(suspended.hold.reason.as_deref(), Some("moving to the new rack"));
    assert_eq!(suspended.directory.as_deref(), status.sources.first().map(|source| source.path.as_str()));
    assert_eq!(status.sources[0].state, SourceState::Ok);
    assert_eq!(why(&status, "a").0, "Suspended");
    all_run_on(&world, &pids);
    let (code, told) = says(&world, &["resume"]);
    assert_eq!(code, 1);
    assert!(told.contains(".abide-hold"), "{told}");
    world.remove(".abide-hold");
    world.pid_after("a", pids[0].1);
    world.pid("k");
    world.gone("b");
    all_run_on(&world, &pids[2..]);
    world.until("nothing waits", |status| status.withheld.suspended.is_empty());
}

#[test]
fn an_operator_suspends_and_resumes_all_or_one() {
    let (world, pids) = ten();
    let (code, told) = says(&world, &["suspend", "--reason", "holidays"]);
    assert_eq!(code, 0, "{told}");
    world.drop_file("a.toml", LONGER);
    world.drop_file("b.toml", LONGER);
    let status =
        world.until("both wait", |status| status.withheld.suspended.first().is_some_and(|it| it.waiting.len() == 2));
    assert!(why(&status, "a").1.contains(": holidays; `abide resume` ends that"), "{}", why(&status, "a").1);
    assert!(status.withheld.suspended[0].hold.by.uid.is_some());
    // What runs is supervised as ever.
    super::process::send(pids[2].1, nix::sys::signal::Signal::SIGKILL);
    world.pid_after("c", pids[2].1);
    let (code, plan) = says(&world, &["plan"]);
    assert_eq!(code, 2);
    assert!(plan.contains("command changed (held back: an edit of its files waits: suspended by"), "{plan}");
    // It outlives a restart of abide, with what waits.
    super::process::send(status.abide.supervisor_pid, nix::sys::signal::Signal::SIGKILL);
    world.until("the next supervisor knows", |now| {
        now.abide.supervisor_pid != status.abide.supervisor_pid
            && now.withheld.suspended.first().is_some_and(|it| it.waiting.len() == 2)
    });
    assert_eq!((world.pid_now("a"), world.pid_now("b")), (Some(pids[0].1), Some(pids[1].1)));
    let (code, told) = says(&world, &["resume"]);
    assert_eq!(code, 0, "{told}");
    world.pid_after("a", pids[0].1);
    world.pid_after("b", pids[1].1);

    let (code, told) = says(&world, &["suspend", "d"]);
    assert_eq!((code, told.contains("until `abide resume d`")), (0, true), "{told}");
    world.drop_file("d.toml", LONGER);
    world.drop_file("e.toml", LONGER);
    world.pid_after("e", pids[4].1);
    assert_eq!(world.pid_now("d"), Some(pids[3].1));
    let (code, told) = says(&world, &["resume", "d", "e"]);
    assert_eq!((code, told.as_str()), (0, "d: is not suspended any more\ne: is not suspended\n"));
    world.pid_after("d", pids[3].1);
}
