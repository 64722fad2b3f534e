//! Any way of writing works: what editors, copiers and publishers really do to files.
//!
//! The numbers are those of the scenarios in the design's page on watching.

use super::process::{alive, arguments, shell, wanted};
use super::world::{LONGER, SLEEPER, World, others_run_on, service, ten};
use abide::model::status::SourceState;
use std::time::{Duration, Instant};

fn pid_of(pids: &[(String, i32)], name: &str) -> i32 {
    pids.iter().find(|it| it.0 == name).expect("one of the ten").1
}

/// Does something to `a` in a shell in the directory; `a` is restarted with it, once, and no other.
fn restarts_a_once(script: &str) {
    let (world, pids) = ten();
    std::fs::write(world.root().join("new"), LONGER).expect("the world is writable");
    shell(script, &world.services());
    let new = world.pid_after("a", pid_of(&pids, "a"));
    world.fence();
    assert_eq!(world.pid("a"), new);
    assert_eq!(arguments(new).get(1).map(String::as_str), Some("90000"));
    assert_eq!(world.starts("a"), 2, "one restart:\n{}", world.story());
    world.mended("a");
    others_run_on(&world, &pids, &["a"]);
}

#[test]
fn s01_a_file_moved_in_runs_at_once() {
    let (world, pids) = ten();
    let begun = Instant::now();
    world.drop_file("k.toml", SLEEPER);
    world.pid("k");
    // The status is written within 250 ms; the process itself is measured by the benches.
    assert!(begun.elapsed() < Duration::from_secs(5));
    others_run_on(&world, &pids, &[]);
}

#[test]
fn s02_cp_over_a_file_is_one_restart() {
    restarts_a_once("cp ../new a.toml");
}

#[test]
fn s03_a_slow_writer_is_waited_for() {
    let (world, pids) = ten();
    let a = pid_of(&pids, "a");
    std::thread::scope(|scope| {
        let services = world.services();
        let writer = scope.spawn(move || {
            shell("(printf 'command = [\"/bin/sleep\",'; sleep 2; echo ' \"90000\"]') >a.toml", &services)
        });
        while !writer.is_finished() {
            let status = world.status().expect("it runs");
            let it = service(&status, "a").expect("it is there");
            assert!(it.errors.is_empty(), "half a file is no error yet: {:?}", it.errors);
            assert_eq!(it.instances[0].pid, Some(a), "and nothing to act on");
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    world.pid_after("a", a);
    assert_eq!(world.starts("a"), 2);
    others_run_on(&world, &pids, &["a"]);
}

#[test]
fn s04_a_cut_file_that_is_completed_within_a_second_is_never_seen() {
    let (world, pids) = ten();
    let a = pid_of(&pids, "a");
    for cut in (0..LONGER.len()).step_by(7) {
        world.overwrite("a.toml", &LONGER[..cut]);
        std::thread::sleep(Duration::from_millis(5)); // closed, and soon opened again
    }
    world.overwrite("a.toml", LONGER);
    world.pid_after("a", a);
    world.mended("a");
    assert_eq!(world.starts("a"), 2);
}

#[test]
fn s05_a_writer_that_dies_half_way_leaves_the_last_good_version_and_an_error() {
    let (world, pids) = ten();
    world.overwrite("a.toml", "command = [\"/bin/sleep\",");
    let error = world.error("a", "syntax");
    assert!(error.contains(":1:"), "{error}");
    others_run_on(&world, &pids, &["a"]);
    assert_eq!(world.pid_now("a"), Some(pid_of(&pids, "a")));
}

#[test]
fn s06_vim_writes_and_it_is_one_restart_or_none() {
    let Some(vim) = wanted("vim") else { return };
    restarts_a_once(&format!("{vim} -Nu NONE -n -es -c '%s/86400/90000/' -c wq a.toml </dev/null"));
    restarts_a_once(&format!(
        "{vim} -Nu NONE -es -c 'set backup backupcopy=no backupskip=' -c '%s/86400/90000/' -c wq a.toml </dev/null"
    ));
    restarts_a_once(&format!(
        "{vim} -Nu NONE -es -c 'set backupcopy=yes' -c '%s/86400/90000/' -c wq a.toml </dev/null"
    ));
    let (world, pids) = ten();
    shell(
        &format!("{vim} -Nu NONE -es -c 'set backup backupcopy=no backupskip=' -c wq a.toml </dev/null"),
        &world.services(),
    );
    world.fence();
    others_run_on(&world, &pids, &[]);
}

#[test]
fn s07_sed_perl_install_and_friends_are_one_restart() {
    restarts_a_once("sed -i s/86400/90000/ a.toml");
    restarts_a_once("install -m 644 ../new a.toml");
    restarts_a_once("cp --remove-destination ../new a.toml");
    if let Some(perl) = super::process::program("perl") {
        restarts_a_once(&format!("{perl} -pi -e s/86400/90000/ a.toml"));
    }
}

#[test]
fn s08_what_editors_leave_behind_is_no_service_and_makes_no_noise() {
    let (world, pids) = ten();
    let names = [
        "a.toml~",
        ".a.toml.swp",
        "#a.toml#",
        ".#a.toml",
        "a.toml.bak",
        "a.toml.orig",
        "a.toml.rpmnew",
        "a.toml.dpkg-new",
        "_x.toml",
        ".hidden.toml",
    ];
    for name in names {
        world.overwrite(name, LONGER);
    }
    world.overwrite("README", "to be named after five seconds");
    let status = world.until("a name that means nothing is named", |status| {
        status.ignored.iter().any(|entry| entry.path.ends_with("README"))
    });
    assert_eq!(status.ignored.len(), 1, "{:?}", status.ignored);
    assert_eq!(status.services.len(), 10);
    assert!(status.problems.is_empty(), "{:?}", status.problems);
    others_run_on(&world, &pids, &[]);
}

#[test]
fn s10_rsync_in_place_and_by_rename_is_one_restart() {
    let Some(rsync) = wanted("rsync") else { return };
    restarts_a_once(&format!("{rsync} -a --inplace --ignore-times ../new a.toml"));
    restarts_a_once(&format!("{rsync} -a --ignore-times ../new a.toml"));
}

#[test]
fn s12_a_git_checkout_restarts_what_changed_and_only_that() {
    let Some(git) = wanted("git") else { return };
    let (world, pids) = ten();
    let git = format!("{git} -c user.name=x -c user.email=x@example.org -c commit.gpgsign=false");
    // The second branch is made in a tree elsewhere, so that the watched one sees one checkout.
    let prepare = format!(
        "{git} init -q .; {git} add .; {git} commit -qm one; {git} branch two; {git} worktree add -q ../elsewhere two
         cd ../elsewhere
         for name in a b c k l; do echo 'command = [\"/bin/sleep\", \"90000\"]' >$name.toml; done; rm d.toml
         {git} add -A; {git} commit -qm two; cd -; {git} worktree remove ../elsewhere"
    );
    shell(&prepare, &world.services());
    shell(&format!("{git} checkout -q two"), &world.services());
    for name in ["a", "b", "c"] {
        world.pid_after(name, pid_of(&pids, name));
        assert_eq!(world.starts(name), 2, "{name}");
    }
    world.pid("k");
    world.pid("l");
    world.gone("d");
    others_run_on(&world, &pids, &["a", "b", "c", "d"]);
}

/// Two trees, and `current`, a link to the first; the second differs in `a`, and has `c` for `b`.
fn publish(world: &World) {
    shell(
        "mkdir -p one two
         for f in a b; do echo 'command = [\"/bin/sleep\", \"86400\"]' >one/$f.toml; done
         echo 'command = [\"/bin/sleep\", \"90000\"]' >two/a.toml; cp one/b.toml two/b.toml; cp one/b.toml two/c.toml
         ln -s one current",
        world.root(),
    );
}

#[test]
fn s14_a_swapped_directory_link_is_one_generation() {
    let mut world = World::empty();
    publish(&world);
    let directories = Some(vec![world.root().join("current")]);
    world.start_as(&super::world::Start { directories, ..Default::default() });
    let (a, b) = (world.pid("a"), world.pid("b"));
    shell("ln -s two next; mv -T next current", world.root());
    world.pid_after("a", a);
    world.pid("c");
    assert_eq!(world.pid("b"), b, "what is the same runs on");
    // And the new tree is watched from now on.
    world.replace(&world.root().join("two/d.toml"), SLEEPER);
    world.pid("d");
}

#[test]
fn s15_a_config_map_update_is_one_generation_without_errors() {
    let world = World::with(&[]);
    let steps = "
        mkdir ..one; for f in a b; do echo 'command = [\"/bin/sleep\", \"86400\"]' >..one/$f.toml; done
        ln -s ..one ..data_tmp; mv -T ..data_tmp ..data
        for f in a b; do ln -s ..data/$f.toml $f.toml; done";
    shell(steps, &world.services());
    let (a, b) = (world.pid("a"), world.pid("b"));
    let update = "
        mkdir ..two; echo 'command = [\"/bin/sleep\", \"90000\"]' >..two/a.toml; cp ..one/b.toml ..two/b.toml
        ln -s ..two ..data_tmp; mv -T ..data_tmp ..data; rm -r ..one";
    shell(update, &world.services());
    world.pid_after("a", a);
    world.fence_errors();
    assert_eq!(world.pid("b"), b);
    let complaint = |event: &&serde_json::Value| {
        (event["level"] == "ERROR" || event["level"] == "WARN") && !event.to_string().contains("zz-error")
    };
    assert_eq!(world.events().iter().filter(complaint).count(), 0, "{}", world.story());
}

#[test]
fn s16_a_linked_file_follows_its_target() {
    let world = World::with(&[]);
    let target = world.root().join("elsewhere");
    std::fs::create_dir(&target).expect("it is new");
    std::fs::write(target.join("real.toml"), SLEEPER).expect("the world is writable");
    shell("ln -s ../elsewhere/real.toml a.toml", &world.services());
    let pid = world.pid("a");
    world.replace(&target.join("real.toml"), LONGER);
    world.pid_after("a", pid);
}

#[test]
fn s20_a_directory_that_goes_stops_nothing_and_is_picked_up_when_it_returns() {
    let (world, pids) = ten();
    shell("mv services.d away", world.root());
    world.until("the directory is missed", |status| status.sources[0].state != SourceState::Ok);
    shell("mkdir new.d; cp -p away/*.toml new.d; mv new.d services.d", world.root());
    world.until("it is back", |status| status.sources[0].state == SourceState::Ok);
    world.fence_removals();
    others_run_on(&world, &pids, &[]);
    world.drop_file("a.toml", LONGER);
    world.pid_after("a", pid_of(&pids, "a"));
}

#[test]
fn s22_one_removed_file_stops_one_service() {
    let (world, pids) = ten();
    world.remove("a.toml");
    world.gone("a");
    world.fence_removals();
    others_run_on(&world, &pids, &["a"]);
}

#[test]
fn s23_a_file_that_returns_within_the_grace_was_never_gone() {
    let (world, pids) = ten();
    shell("cp a.toml ../kept; rm a.toml; sleep 0.5; cp ../kept a.toml", &world.services());
    world.fence_removals();
    others_run_on(&world, &pids, &[]);
    assert_eq!(world.starts("a"), 1);
}

#[test]
fn s27_touch_chmod_and_an_equal_copy_restart_nothing_and_log_nothing() {
    let (world, pids) = ten();
    world.fence();
    let before = world.events().len();
    shell("touch a.toml; chmod 600 b.toml; cp c.toml ../c; cp ../c c.toml; cat d.toml >/dev/null", &world.services());
    world.fence();
    others_run_on(&world, &pids, &[]);
    let about = |event: &&serde_json::Value| ["a", "b", "c", "d"].iter().any(|name| event["service"] == *name);
    let noise = world.events().iter().skip(before).filter(about).filter(|event| event["level"] != "DEBUG").count();
    assert_eq!(noise, 0, "{}", world.story());
}

#[test]
fn s28_a_change_that_hides_behind_size_and_time_is_applied() {
    restarts_a_once(
        "touch -r a.toml ../stamp; sed s/86400/90000/ a.toml >../same; touch -r ../stamp ../same; cp -p ../same a.toml",
    );
    restarts_a_once("touch -r a.toml ../stamp; sed -i s/86400/90000/ a.toml; touch -r ../stamp a.toml");
}

#[test]
fn s42_fifty_edits_end_in_the_last_one_with_few_restarts() {
    let (world, pids) = ten();
    let begun = Instant::now();
    for number in 0..50 {
        world.overwrite("a.toml", &format!("command = [\"/bin/sleep\", \"{}\"]\n", 90_001 + number));
        std::thread::sleep(Duration::from_millis(10));
    }
    world.until_true("the last one runs", || {
        world.pid_now("a").is_some_and(|pid| arguments(pid).get(1).map(String::as_str) == Some("90050"))
    });
    // One at once, and then at most one in each quiet window.
    let most = 7 + begun.elapsed().as_secs() as usize;
    assert!(world.starts("a") <= most, "{} starts", world.starts("a"));
    others_run_on(&world, &pids, &["a"]);
}

#[test]
fn s43_an_edit_reverted_within_the_quiet_window_restarts_nothing() {
    let (world, pids) = ten();
    world.overwrite("a.toml", LONGER);
    world.overwrite("a.toml", SLEEPER);
    world.fence();
    others_run_on(&world, &pids, &[]);
    assert_eq!(world.starts("a"), 1);
}

#[test]
fn a_renamed_file_stops_the_old_service_before_the_new_one_starts() {
    let (world, pids) = ten();
    shell("mv a.toml k.toml", &world.services());
    world.pid("k");
    world.gone("a");
    let planned = |service: &str, action: &str| -> Option<jiff::Timestamp> {
        let events = world.events();
        let found = events.iter().rfind(|it| it["service"] == service && it["action"] == action)?;
        found["timestamp"].as_str()?.parse().ok()
    };
    let both = || planned("a", "stop").zip(planned("k", "start"));
    world.until_true("the log has the plan", || both().is_some());
    let (stop, start) = both().expect("just seen");
    let between = stop.duration_since(start).unsigned_abs();
    assert!(between < Duration::from_millis(1500), "the return of its content ended the grace: {between:?}");
    assert!(!alive(pid_of(&pids, "a")));
    others_run_on(&world, &pids, &["a"]);
}
