//! What does not go well: kills, full disks, failing processors, directories that cannot be used.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::scene::{Program, Scene, mask, original, put, skip_for_want_of_rights, until};
use super::{BOTH, cases, words};

/// The lines of a log, in their order, the old files first.
fn lines(directory: &Path) -> Vec<u8> {
    let entries = fs::read_dir(directory).expect("the log is there");
    let mut names: Vec<_> = entries.map(|entry| entry.expect("it can be read on").file_name()).collect();
    names.retain(|name| name != "lock" && name != "state");
    // `@` comes before `current`, and that before `previous`, which only a kill leaves.
    names.sort();
    if let Ok(previous) = fs::metadata(directory.join("previous")) {
        names.retain(|name| name != "previous");
        // A kill may also come when it has got its new name and not yet lost the old one.
        if previous.nlink() == 1 {
            let current = names.iter().position(|name| name == "current").unwrap_or(names.len());
            names.insert(current, "previous".into());
        }
    }
    names.iter().flat_map(|name| fs::read(directory.join(name)).expect("the file can be read")).collect()
}

/// Lines of nine digits.
fn numbered(numbers: std::ops::Range<u32>) -> String {
    numbers.fold(String::new(), |text, number| text + &format!("{number:09}\n"))
}

/// Starts, feeds and kills again and again, over one pipe. What was written must be there, once.
fn kills(program: Program, script: &[String], pauses: &[u64]) -> Result<(), TestCaseError> {
    let scene = Scene::new();
    let log = scene.path().join("m");
    let mut running = scene.start(program, script);
    running.settle();
    let (mut number, mut before) = (0, Vec::new());
    for pause in pauses {
        let text: String = numbered(number..number + 500);
        number += 500;
        running.write(text.as_bytes());
        // Not a guess: every moment will do.
        std::thread::sleep(std::time::Duration::from_micros(*pause));
        running.signal(Signal::SIGKILL);
        let (_, pipe) = running.wait();
        let after = lines(&log);
        prop_assert!(after.starts_with(&before), "something written before was lost");
        before = after;
        running = scene.start_on(program, script, pipe);
        running.settle();
    }
    prop_assert_eq!(running.close().code(), Some(0));
    let all = lines(&log);
    prop_assert!(all.starts_with(&before));
    let numbers = all.split(|byte| *byte == b'\n').filter(|line| line.len() == 9);
    let numbers: Vec<u32> = numbers.filter_map(|line| std::str::from_utf8(line).ok()?.parse().ok()).collect();
    prop_assert!(numbers.is_sorted_by(|one, next| one < next), "something is there twice");
    Ok(())
}

#[test]
fn a_kill_loses_nothing_that_was_written() {
    let config = Config { cases: cases::count() / 6 + 1, failure_persistence: None, ..Config::default() };
    let script = words(&["s4096", "n1000", "./m"]);
    let pauses = proptest::collection::vec(0..2500_u64, 1..12);
    let result = TestRunner::new(config).run(&pauses, |pauses| kills(Program::Ours, &script, &pauses));
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// A file system of 64 KiB, gone with the test.
struct Small(PathBuf);

impl Small {
    fn mount(path: PathBuf) -> nix::Result<Small> {
        fs::create_dir_all(&path).expect("a directory can be made");
        mount(Some("tmpfs"), &path, Some("tmpfs"), MsFlags::empty(), Some("size=64k"))?;
        Ok(Small(path))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

fn fill_up(program: Program) -> Option<(String, Vec<u8>)> {
    let scene = Scene::new();
    let small = Small::mount(scene.path().join("m")).ok()?;
    put(&small.0.join("ballast"), 0o644, &b"x".repeat(40 << 10));
    let mut running = scene.start(program, &words(&["s65536", "./m"]));
    running.settle();
    let text: String = numbered(0..5000);
    running.write(text.as_bytes());
    until("the disk is full", || !scene.errors().is_empty());
    fs::remove_file(small.0.join("ballast")).expect("it can be removed");
    let code = running.close().code();
    assert_eq!(code, Some(0), "{program:?}");
    let content = fs::read(small.0.join("current")).expect("current is there");
    assert_eq!(content, text.as_bytes(), "{program:?}");
    Some((String::from_utf8_lossy(&scene.errors()).into_owned(), content))
}

#[test]
fn a_full_disk_is_waited_for() {
    const NAME: &str = "multilog::a_full_disk_is_waited_for";
    if !geteuid().is_root() {
        return skip_for_want_of_rights(NAME, "only root can mount");
    }
    let programs = if original(NAME).is_some() { &BOTH[..] } else { &BOTH[..1] };
    let runs: Vec<_> = programs.iter().map(|program| std::thread::spawn(|| fill_up(*program))).collect();
    let outcomes: Vec<_> = runs.into_iter().map(|run| run.join().expect("it did not panic")).collect();
    if outcomes.contains(&None) {
        return skip_for_want_of_rights(NAME, "nothing can be mounted");
    }
    let (errors, _) = outcomes[0].as_ref().expect("it was mounted");
    assert!(errors.starts_with("multilog: warning: unable to write to ./m/current, pausing: out of disk space\n"));
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
}

/// Exit code, standard error, and names, modes and contents of files.
type Leavings = (Option<i32>, String, Vec<(String, u32, Vec<u8>)>);

/// Everything that one run over a file leaves, with labels masked.
fn leavings(program: Program, script: &[&str], prepare: fn(&Path)) -> Leavings {
    let scene = Scene::new();
    prepare(&scene.path());
    let code = scene.run(program, &words(script), &[b"xxxxxxxxx\n".repeat(300), b"yyy\n".to_vec()].concat());
    let tree = scene.tree().into_iter().map(|(name, (mode, content))| (name, mode, mask(&content)));
    (code, String::from_utf8_lossy(&scene.errors()).into_owned(), tree.collect())
}

/// Runs both at the same time, as some of these runs wait.
fn alike(test: &str, script: &'static [&'static str], prepare: fn(&Path)) {
    if original(test).is_none() {
        return;
    }
    let [ours, original] = BOTH.map(|program| std::thread::spawn(move || leavings(program, script, prepare)));
    let (ours, original) = (ours.join().expect("no panic"), original.join().expect("no panic"));
    assert_eq!(ours, original);
}

#[test]
fn directories_that_cannot_be_used_end_it() {
    const NAME: &str = "multilog::directories_that_cannot_be_used_end_it";
    alike(NAME, &["./m"], |path| put(&path.join("m"), 0o644, b""));
    alike(NAME, &["./m", "./m"], |_| {});
    alike(NAME, &["./m/n"], |_| {});
    alike(NAME, &["=no/such", "./m"], |_| {});
    alike(NAME, &["=m/current", "./m"], |path| put(&path.join("m/current/x"), 0o644, b""));
    alike(NAME, &["./m"], |path| put(&path.join("m/lock/x"), 0o644, b""));
    alike(NAME, &["./m"], |path| put(&path.join("m/state/x"), 0o644, b""));
    alike(NAME, &["./m"], |path| put(&path.join("m/current"), 0o744, b"old, without state\n"));
    alike(NAME, &[], |_| {});
}

#[test]
fn a_processor_is_run_until_it_succeeds() {
    const NAME: &str = "multilog::a_processor_is_run_until_it_succeeds";
    let script = &["s4096", "!cat; test -e tried || { touch tried; exit 3; }", "./m"];
    alike(NAME, script, |_| {});
}

#[test]
fn a_processor_that_crashes_has_failed() {
    const NAME: &str = "multilog::a_processor_that_crashes_has_failed";
    if original(NAME).is_none() {
        return;
    }
    let script = &["s4096", "!cat; test -e tried || { touch tried; kill -9 $$; }", "./m"];
    let runs = BOTH.map(|program| std::thread::spawn(move || leavings(program, script, |_| {})));
    let [ours, original] = runs.map(|run| run.join().expect("no panic"));
    // The error that the original gives has no meaning.
    let first = |errors: &str| {
        let (line, rest) = errors.split_once('\n').expect("a line");
        format!("{}\n{rest}", line.rsplit_once(": ").expect("an error").0)
    };
    assert_eq!(first(&ours.1), first(&original.1));
    assert_eq!((ours.0, ours.2), (original.0, original.2));
}

#[test]
fn a_processor_finds_what_it_finds_with_the_original() {
    const NAME: &str = "multilog::a_processor_finds_what_it_finds_with_the_original";
    // Signals, descriptors, arguments; the mask of the test makes no difference to bits that are not set.
    let script = &[
        "s4096",
        "!grep -E 'Sig(Blk|Ign)' /proc/self/status | tr 0-9 g-p; umask | tr 0-9 g-p; echo \"$0 $#\"; \
         for fd in 0 1 4 5; do readlink /proc/$$/fd/$fd | sed 's,.*/,,'; done; \
         for fd in 3 6 7 8; do test -e /proc/$$/fd/$fd && echo open; done; :",
        "./m",
    ];
    alike(NAME, script, |_| {});
}

#[test]
fn nobody_need_read_standard_error() {
    let scene = Scene::new();
    let words = words(&["e", "./m"]);
    let mut command = scene.command(Program::Ours, &words);
    let (reader, writer) = std::io::pipe().expect("a pipe can be made");
    drop(reader);
    let input = scene.path().join("input");
    fs::write(&input, "x\n".repeat(1000)).expect("the input can be written");
    let input = fs::File::open(input).expect("the input can be read");
    let code = command.stdin(input).stderr(writer).status().expect("the program can be run").code();
    assert_eq!(code, Some(0));
    assert_eq!(scene.tree()["m/current"].1.len(), 2000);
}
