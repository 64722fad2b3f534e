//! Which events wake the worker, with the kernel's own.

use super::*;
use crate::source::catalogue::Key;
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

struct Bench {
    root: tempfile::TempDir,
    mailbox: Arc<Mailbox>,
    watch: Watch,
}

impl Bench {
    fn new() -> Self {
        let mailbox = Arc::new(Mailbox::default());
        let watch = Watch::new(Arc::clone(&mailbox));
        Self { root: tempfile::tempdir().unwrap(), mailbox, watch }
    }

    fn want(&mut self, target: Target, names: &[&str]) -> bool {
        let directory = self.root.path().canonicalize().unwrap();
        let wants = names.iter().map(|name| (directory.clone(), Which::One(OsString::from(name))));
        self.watch.want(target, wants.collect())
    }

    /// Who hears something before the deadline.
    fn heard(&self) -> HashSet<Target> {
        let noticed = self.mailbox.wait(Some(Instant::now() + Duration::from_secs(10)));
        noticed.dirty.into_keys().map(|(target, _)| target).collect()
    }

    fn log(&self) {
        let mut log = fs::File::create(self.root.path().join("log")).unwrap();
        (0..10_000).for_each(|_| log.write_all(b"line\n").unwrap());
    }
}

const CONFIG: Target = Target::Candidate(Key::CONFIG);

#[test]
fn a_name_is_heard_of_and_its_neighbours_are_not() {
    let mut bench = Bench::new();
    assert!(bench.want(Target::Source(0), &["services"]));
    assert!(bench.want(CONFIG, &["abide.toml"]));
    assert!(!bench.want(CONFIG, &["abide.toml"]));
    bench.log();
    fs::write(bench.root.path().join("other.toml"), "").unwrap();
    fs::create_dir(bench.root.path().join("services")).unwrap();
    // Events keep their order: whatever the log had caused would have been heard before.
    assert_eq!(bench.heard(), HashSet::from([Target::Source(0)]));
    assert_eq!(bench.mailbox.turns(), 1);
    fs::write(bench.root.path().join("abide.toml"), "").unwrap();
    assert_eq!(bench.heard(), HashSet::from([CONFIG]));
}

#[test]
fn a_directory_that_is_watched_whole_for_a_while_is_heard_of_throughout() {
    let mut bench = Bench::new();
    let directory = bench.root.path().canonicalize().unwrap();
    bench.want(CONFIG, &["abide.toml"]);
    assert!(bench.watch.want(Target::Entries(0), vec![(directory, Which::All)]));
    fs::write(bench.root.path().join("abide.toml"), "").unwrap();
    assert!(bench.heard().contains(&CONFIG));
    bench.watch.want(Target::Entries(0), Vec::new());
    fs::rename(bench.root.path().join("abide.toml"), bench.root.path().join("gone")).unwrap();
    assert!((0..3).any(|_| bench.heard().contains(&CONFIG)));
    bench.want(CONFIG, &[]);
    assert!(bench.watch.watched.is_empty());
    assert!(bench.watch.names.is_none(), "nothing needs the instance");
}

#[test]
fn a_directory_that_was_made_anew_is_watched_anew() {
    let mut bench = Bench::new();
    let (directory, away) = (bench.root.path().join("d"), bench.root.path().join("away"));
    let want = vec![(directory.clone(), Which::One(OsString::from("x")))];
    fs::create_dir(&directory).unwrap();
    assert!(bench.watch.want(CONFIG, want.clone()));
    fs::rename(&directory, &away).unwrap();
    assert_eq!(bench.heard(), HashSet::from([CONFIG]));
    fs::create_dir(&directory).unwrap();
    assert!(bench.watch.want(CONFIG, want.clone()));
    fs::write(directory.join("x"), "").unwrap();
    assert_eq!(bench.heard(), HashSet::from([CONFIG]));
    fs::remove_dir_all(&directory).unwrap();
    assert_eq!(bench.heard(), HashSet::from([CONFIG]));
    fs::create_dir(&directory).unwrap();
    // The rest of the removal may arrive between; the next look watches again.
    bench.watch.want(CONFIG, want.clone());
    fs::write(directory.join("x"), "").unwrap();
    assert_eq!(bench.heard(), HashSet::from([CONFIG]));
}

#[test]
fn what_nobody_can_have_been_told_must_be_looked_for() {
    let mut bench = Bench::new();
    let directory = bench.root.path().join("d");
    let want = |name: &str| vec![(directory.clone(), Which::One(OsString::from(name)))];
    assert!(bench.watch.want(CONFIG, want("x")), "it went before it was watched");
    assert!(bench.watch.want(CONFIG, want("x")), "and it is not watched yet");
    fs::create_dir(&directory).unwrap();
    assert!(bench.watch.want(CONFIG, want("x")), "now it is");
    assert!(!bench.watch.want(CONFIG, want("x")));
    assert!(bench.watch.want(Target::Source(0), want("y")), "nobody wanted that name until now");
    assert!(!bench.watch.want(Target::Source(0), want("y")));
    assert!(!bench.watch.want(CONFIG, Vec::new()), "who wants nothing looks for nothing");
}

#[test]
fn what_a_watch_had_still_to_tell_is_lost_on_nobody() {
    for came_back in [false, true] {
        let mut bench = Bench::new();
        let directory = bench.root.path().join("d");
        fs::create_dir(&directory).unwrap();
        let want = |name: &str| vec![(directory.clone(), Which::One(OsString::from(name)))];
        bench.watch.want(CONFIG, want("x"));
        bench.watch.want(Target::Source(0), want("y"));
        // As if whoever reads the events had no time to.
        bench.watch.names = None;
        fs::rename(&directory, bench.root.path().join("away")).unwrap();
        if came_back {
            fs::create_dir(&directory).unwrap();
        }
        assert!(bench.watch.want(CONFIG, want("x")));
        assert_eq!(bench.heard(), HashSet::from([Target::Source(0)]));
    }
}

#[test]
fn what_cannot_matter_in_a_watched_directory_wakes_nobody() {
    let mut bench = Bench::new();
    let directory = bench.root.path().canonicalize().unwrap();
    bench.watch.want(Target::Entries(0), vec![(directory.clone(), Which::All)]);
    for debris in ["x~", ".x.toml.swp", "#x#"] {
        fs::write(directory.join(debris), "x").unwrap();
        fs::read(directory.join(debris)).unwrap();
        fs::remove_file(directory.join(debris)).unwrap();
    }
    fs::write(directory.join("x.toml"), "x").unwrap();
    let noticed = bench.mailbox.wait(Some(Instant::now() + Duration::from_secs(10)));
    let names: Vec<_> = noticed.dirty.into_keys().filter_map(|(_, name)| name).collect();
    assert_eq!(names, ["x.toml"]);
    assert_eq!(bench.mailbox.turns(), 1);
}
