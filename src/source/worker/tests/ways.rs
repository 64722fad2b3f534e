//! What leads to a file: directories that come and go, links, `abide.toml` beside others' files.

use super::bench::{Bench, write};
use super::*;
use crate::model::status::{Mechanism, SourceState};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};

/// Appends to a log of somebody else's, as a service does.
fn append(path: &std::path::Path, times: usize) {
    for _ in 0..times {
        fs::File::options().append(true).create(true).open(path).unwrap().write_all(b"line\n").unwrap();
    }
}

#[test]
fn editing_the_target_of_a_link_is_noticed() {
    let mut bench = Bench::new();
    let target = bench.root.path().join("target");
    write(&target, "1");
    bench.start();
    symlink(&target, bench.path("a.toml")).unwrap();
    bench.until_says("a", "1");
    write(&target, "2");
    bench.until_says("a", "2");
}

#[test]
fn a_configmap_swap_is_one_generation() {
    let mut bench = Bench::new();
    let fill = |version: &str, texts: [&str; 2]| {
        fs::create_dir(bench.path(version)).unwrap();
        bench.put(&format!("{version}/a.toml"), texts[0]);
        bench.put(&format!("{version}/b.toml"), texts[1]);
        symlink(version, bench.path("..data_tmp")).unwrap();
        fs::rename(bench.path("..data_tmp"), bench.path("..data")).unwrap();
    };
    fill("..v1", ["a1", "b1"]);
    symlink("..data/a.toml", bench.path("a.toml")).unwrap();
    symlink("..data/b.toml", bench.path("b.toml")).unwrap();
    let (services, root) = (bench.path(""), bench.root.path().to_owned());
    bench.start();
    bench.until_says("b", "b1");
    fs::create_dir(services.join("..v2")).unwrap();
    write(&services.join("..v2/a.toml"), "a2");
    write(&services.join("..v2/b.toml"), "b2");
    symlink("..v2", services.join("..data_tmp")).unwrap();
    fs::rename(services.join("..data_tmp"), services.join("..data")).unwrap();
    fs::remove_dir_all(services.join("..v1")).unwrap();
    bench.until_says("a", "a2");
    assert_eq!(bench.says("b").unwrap(), "b2", "both in one delta");
    assert!(root.exists());
}

#[test]
fn a_swapped_directory_link_leads_to_the_new_tree() {
    let mut bench = Bench::new();
    let root = bench.root.path().to_owned();
    for (version, text) in [("v1", "1"), ("v2", "2")] {
        fs::create_dir(root.join(version)).unwrap();
        write(&root.join(version).join("a.toml"), text);
        write(&root.join(version).join("same.toml"), "same");
    }
    symlink("v1", root.join("current")).unwrap();
    bench.start_with(vec![root.join("current")], None, Watch::new);
    bench.until_says("same", "same");
    symlink("v2", root.join("next")).unwrap();
    fs::rename(root.join("next"), root.join("current")).unwrap();
    bench.until_says("a", "2");
    write(&root.join("v2/a.toml"), "3");
    bench.until_says("a", "3");
    assert_eq!(bench.count("same"), 1);
}

#[test]
fn a_directory_that_goes_away_stops_nothing_and_is_taken_up_again() {
    let mut bench = Bench::new();
    bench.put("a.toml", "1");
    bench.put("b.toml", "2");
    bench.start();
    bench.until_says("b", "2");
    let (services, away) = (bench.path(""), bench.root.path().join("away"));
    fs::rename(&services, &away).unwrap();
    bench.until("absent", |bench| bench.sources[0].state == SourceState::Absent);
    fs::create_dir(&services).unwrap();
    bench.until("suspect", |bench| bench.sources[0].state == SourceState::Suspect);
    bench.stays_quiet(Duration::from_secs(1));
    bench.put("a.toml", "1");
    bench.put("b.toml", "3");
    bench.until_says("b", "3");
    bench.until("well again", |bench| bench.sources[0].state == SourceState::Ok);
    assert_eq!(bench.count("a"), 1);
    bench.settle("probe");
    fs::remove_dir_all(&services).unwrap();
    bench.until("absent", |bench| bench.sources[0].state == SourceState::Absent);
    bench.stays_quiet(Duration::from_secs(1));
    assert_eq!(bench.desired.len(), 3);
}

#[test]
fn a_missing_directory_is_made_unless_something_was_accepted_from_it() {
    let mut bench = Bench::new();
    let services = bench.path("");
    fs::remove_dir(&services).unwrap();
    bench.start();
    assert!(services.is_dir());
    bench.settle("a");
    bench.deltas = None;
    fs::remove_dir_all(&services).unwrap();
    bench.start();
    assert!(!services.exists());
    assert_eq!(bench.sources[0].state, SourceState::Absent);
    fs::create_dir(&services).unwrap();
    bench.until("there again", |bench| bench.sources[0].state == SourceState::Ok);
}

#[test]
fn a_path_that_is_a_file_or_untrusted_is_suspect_and_others_go_on() {
    let mut bench = Bench::new();
    let root = bench.root.path().to_owned();
    write(&root.join("file"), "x");
    fs::create_dir(root.join("open")).unwrap();
    fs::set_permissions(root.join("open"), fs::Permissions::from_mode(0o777)).unwrap();
    bench.put("a.toml", "1");
    bench.start_with(vec![root.join("file"), root.join("open"), root.join("services")], None, Watch::new);
    bench.until_says("a", "1");
    assert_eq!(bench.sources[0].state, SourceState::Suspect);
    assert!(bench.sources[0].reason.as_ref().unwrap().contains("not a directory"));
    assert_eq!(bench.sources[1].state, SourceState::Suspect);
    assert!(bench.sources[1].reason.as_ref().unwrap().contains("chmod go-w"), "{:?}", bench.sources[1]);
    assert_eq!(bench.sources[2].state, SourceState::Ok);
}

#[test]
fn without_events_changes_are_found_by_polling() {
    let mut bench = Bench::new();
    bench.put("a.toml", "1");
    let directories = vec![bench.path("")];
    bench.start_with(directories, None, |mailbox| Watch::polled(mailbox, "no events today"));
    bench.until_says("a", "1");
    assert_eq!((bench.sources[0].state, bench.sources[0].mechanism), (SourceState::Degraded, Mechanism::Poll));
    bench.put("a.toml", "2");
    bench.until_says("a", "2");
    fs::remove_file(bench.path("a.toml")).unwrap();
    bench.until("gone", |bench| bench.desired.is_empty());
}

#[test]
fn a_safety_scan_finds_and_counts_what_no_event_told() {
    let mut bench = Bench::new();
    let elsewhere = bench.root.path().join("elsewhere");
    bench.put("a.toml", "1");
    fs::hard_link(bench.path("a.toml"), &elsewhere).unwrap();
    let directories = vec![bench.path("")];
    bench.start_with(directories, Some(Duration::from_millis(500)), Watch::new);
    bench.until_says("a", "1");
    write(&elsewhere, "2");
    bench.until_says("a", "2");
    assert_eq!(bench.sources[0].missed_by_watch, 1);
}

#[test]
fn abide_toml_changes_what_everything_means_and_a_broken_one_does_not() {
    let mut bench = Bench::new();
    let config = bench.root.path().join("abide.toml");
    write(&config, "");
    bench.put("a.toml", "1");
    bench.start();
    bench.until_says("a", "1");
    write(&config, "hello ");
    bench.until_says("a", "hello 1");
    write(&config, "bad");
    bench.until("named", |bench| bench.problems.len() == 1);
    assert_eq!(bench.says("a").unwrap(), "hello 1");
    write(&config, "hello ");
    bench.until("mended", |bench| bench.problems.is_empty());
    fs::remove_file(&config).unwrap();
    bench.until("gone is a problem", |bench| bench.problems.len() == 1);
    assert_eq!(bench.count("a"), 2);
}

#[test]
fn ten_thousand_writes_beside_the_directory_turn_nothing() {
    let mut bench = Bench::new();
    let services = bench.path("");
    fs::create_dir(services.join("old")).unwrap();
    bench.put("old/run", "#!1");
    bench.start();
    bench.until_says("old", "#!1");
    bench.settle("before");
    bench.stays_quiet(Duration::from_millis(300));
    let turns = |bench: &Bench| bench.deltas.as_ref().unwrap().0.mailbox.turns();
    let before = turns(&bench);
    for log in ["../log", "x.log", "a.toml~", ".b.toml.swp", "old/log"] {
        let log = services.join(log);
        append(&log, 1);
        let mut log = fs::File::options().append(true).open(log).unwrap();
        (0..10_000).for_each(|_| log.write_all(b"line\n").unwrap());
    }
    append(&services.join("../log"), 2_000);
    bench.settle("after");
    let after = turns(&bench);
    assert!(after - before < 10, "{} turns", after - before);
}

#[test]
fn what_matters_is_seen_beside_a_busy_writer() {
    let mut bench = Bench::new();
    let (root, services) = (bench.root.path().to_owned(), bench.path(""));
    let config = root.join("abide.toml");
    bench.put("a.toml", "1");
    bench.start();
    bench.until_says("a", "1");
    let busy = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let (go_on, log) = (Arc::clone(&busy), root.join("log"));
    let writer = std::thread::spawn(move || {
        while go_on.load(std::sync::atomic::Ordering::Relaxed) {
            append(&log, 1);
        }
    });
    write(&config, "made ");
    bench.until_says("a", "made 1");
    write(&config, "edited ");
    bench.until_says("a", "edited 1");
    write(&root.join("new"), "renamed ");
    fs::rename(root.join("new"), &config).unwrap();
    bench.until_says("a", "renamed 1");
    fs::rename(&services, root.join("away")).unwrap();
    bench.until("absent", |bench| bench.sources[0].state == SourceState::Absent);
    symlink("away", services.as_os_str().to_str().unwrap().trim_end_matches('/')).unwrap();
    bench.until("a link to it", |bench| bench.sources[0].state == SourceState::Ok);
    fs::create_dir(root.join("other")).unwrap();
    write(&root.join("other/a.toml"), "2");
    symlink("other", root.join("next")).unwrap();
    fs::rename(root.join("next"), root.join("services")).unwrap();
    bench.until_says("a", "renamed 2");
    write(&root.join("other/a.toml"), "3");
    bench.until_says("a", "renamed 3");
    busy.store(false, std::sync::atomic::Ordering::Relaxed);
    writer.join().unwrap();
}
