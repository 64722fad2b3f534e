//! The files thread in real directories, with the kernel's events: what people and programs do to
//! files, and the deltas that must come of it.

pub(super) mod bench;
mod reloads;
mod ways;

use super::*;
use crate::model::diagnostic::Code;
use crate::model::status::{Mechanism, SourceState};
use bench::{Bench, write};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

#[test]
fn what_is_there_comes_with_the_first_delta() {
    let mut bench = Bench::new();
    bench.put("a.toml", "1");
    bench.put("b.toml", "2");
    bench.put("c.toml~", "debris");
    bench.start();
    bench.until_says("a", "1");
    bench.until_says("b", "2");
    assert_eq!(bench.sources[0].state, SourceState::Ok);
    assert_eq!(bench.sources[0].mechanism, Mechanism::Inotify);
    assert_eq!(bench.desired.len(), 2);
    let mut empty = Bench::new();
    empty.start();
    assert_eq!(empty.last.generation, 0);
    assert_eq!(empty.sources.len(), 1);
}

#[test]
fn a_rename_into_place_is_told_at_once_and_a_copy_soon() {
    let mut bench = Bench::new();
    bench.start();
    bench.rename_in("a.toml", "1");
    bench.until_says("a", "1");
    bench.put("a.toml", "2");
    bench.until_says("a", "2");
    assert_eq!(bench.count("a"), 2);
    assert_eq!(bench.sources[0].entries, 1);
}

#[test]
fn a_touch_or_an_equal_copy_says_nothing() {
    let mut bench = Bench::new();
    bench.put("a.toml", "1");
    bench.start();
    bench.until_says("a", "1");
    bench.put("a.toml", "1");
    bench.rename_in("a.toml", "1");
    fs::set_permissions(bench.path("a.toml"), fs::Permissions::from_mode(0o600)).unwrap();
    bench.settle("probe");
    bench.settle("probe2");
    assert_eq!(bench.count("a"), 1);
}

#[test]
fn a_slow_writer_is_read_once_it_closes() {
    let mut bench = Bench::new();
    bench.start();
    let mut writer = fs::File::create(bench.path("slow.toml")).unwrap();
    writer.write_all(b"half").unwrap();
    bench.stays_quiet(Duration::from_millis(500));
    writer.write_all(b" and half").unwrap();
    drop(writer);
    bench.until_says("slow", "half and half");
    assert_eq!(bench.count("slow"), 1);
}

#[test]
fn a_writer_at_work_when_abide_starts_is_waited_for() {
    let mut bench = Bench::new();
    bench.put("a.toml", "1");
    let mut writer = fs::File::create(bench.path("slow.toml")).unwrap();
    writer.write_all(b"half").unwrap();
    bench.start();
    bench.until_says("a", "1");
    assert_eq!(bench.desired.len(), 1);
    writer.write_all(b" and half").unwrap();
    drop(writer);
    bench.until_says("slow", "half and half");
}

#[test]
fn a_removed_file_is_gone_after_its_grace_and_one_that_returns_is_not() {
    let mut bench = Bench::new();
    bench.put("a.toml", "1");
    bench.put("b.toml", "2");
    bench.start();
    bench.until_says("b", "2");
    fs::remove_file(bench.path("a.toml")).unwrap();
    fs::remove_file(bench.path("b.toml")).unwrap();
    bench.put("b.toml", "2");
    bench.until("a is gone", |bench| !bench.desired.contains_key("a"));
    bench.stays_quiet(Duration::from_secs(1));
    assert_eq!(bench.count("b"), 1);
}

#[test]
fn a_renamed_file_stops_one_and_starts_the_other_in_one_delta() {
    let mut bench = Bench::new();
    bench.put("a.toml", "1");
    bench.start();
    bench.until_says("a", "1");
    fs::rename(bench.path("a.toml"), bench.path("b.toml")).unwrap();
    bench.until_says("b", "1");
    let names: Vec<_> = bench.last.changes.iter().map(|(name, entry)| (name.as_str(), entry.is_some())).collect();
    assert_eq!(names, [("a", false), ("b", true)]);
}

#[test]
fn a_renamed_directory_is_told_from_one_that_is_alike_and_gone() {
    let mut bench = Bench::new();
    for name in ["a", "b"] {
        fs::create_dir(bench.path(name)).unwrap();
        bench.put(&format!("{name}/run"), "#!1");
        fs::set_permissions(bench.path(name).join("run"), PermissionsExt::from_mode(0o755)).unwrap();
    }
    bench.start();
    bench.until_says("b", "#!1");
    fs::rename(bench.path("a"), bench.path(".a")).unwrap();
    fs::rename(bench.path("b"), bench.path("x-b")).unwrap();
    bench.until("the new name is there", |bench| bench.desired.contains_key("x-b"));
    let renamed: Vec<_> = bench.last.renamed.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    assert_eq!(renamed, [("b", "x-b")]);
    let gone: Vec<_> = bench.last.changes.iter().filter(|(_, entry)| entry.is_none()).map(|(name, _)| name).collect();
    assert_eq!(gone.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn of_many_that_are_alike_each_takes_the_place_of_its_own_and_the_rest_are_gone() {
    let mut bench = Bench::new();
    for name in ["a.toml", "b.toml", "c.toml", "d.toml"] {
        bench.put(name, "1");
    }
    bench.start();
    bench.until_says("d", "1");
    // All are absent when one comes back, and it is not the one that is looked at first.
    for name in ["a", "b", "c", "d"] {
        fs::rename(bench.path(&format!("{name}.toml")), bench.path(&format!(".{name}"))).unwrap();
    }
    fs::rename(bench.path(".c"), bench.path("x-c.toml")).unwrap();
    bench.until("the new name is there", |bench| bench.desired.contains_key("x-c"));
    let renamed: Vec<_> = bench.last.renamed.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    assert_eq!(renamed, [("c", "x-c")]);
    assert!(
        bench.last.changes.iter().all(|(name, _)| matches!(name.as_str(), "c" | "x-c")),
        "{:?}",
        bench.last.changes
    );
    bench.until("the others are gone after their grace", |bench| bench.desired.len() == 1);
    assert!(bench.last.renamed.is_empty());
}

#[test]
fn an_error_is_told_after_a_second_and_its_mending_at_once() {
    let mut bench = Bench::new();
    bench.put("a.toml", "1");
    bench.start();
    bench.until_says("a", "1");
    let before = Instant::now();
    bench.rename_in("a.toml", "bad");
    bench.until("a is bad", |bench| bench.desired["a"].is_err());
    assert!(before.elapsed() >= Duration::from_millis(950));
    bench.rename_in("a.toml", "1");
    bench.until_says("a", "1");
    bench.rename_in("a.toml", "bad again");
    bench.rename_in("a.toml", "2");
    bench.until_says("a", "2");
    assert_eq!(bench.count("a"), 4, "an error that was mended within its second is not told");
}

#[test]
fn what_others_may_write_is_refused_and_taken_once_they_may_not() {
    let mut bench = Bench::new();
    bench.put("a.toml", "1");
    bench.start();
    bench.until_says("a", "1");
    fs::set_permissions(bench.path("a.toml"), fs::Permissions::from_mode(0o666)).unwrap();
    bench.until("refused", |bench| bench.desired["a"] == Err(vec![Code::Untrusted]));
    fs::set_permissions(bench.path("a.toml"), fs::Permissions::from_mode(0o644)).unwrap();
    bench.until_says("a", "1");
}

#[test]
fn odd_things_are_errors_of_their_own_and_block_nothing() {
    let mut bench = Bench::new();
    nix::unistd::mkfifo(&bench.path("fifo.toml"), nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    fs::create_dir(bench.path("directory.toml")).unwrap();
    fs::File::create(bench.path("large.toml")).unwrap().set_len(100 << 20).unwrap();
    symlink("circle.toml", bench.path("circle.toml")).unwrap();
    symlink("/nowhere/at/all", bench.path("dangling.toml")).unwrap();
    bench.put("with space.toml", "x");
    bench.put("with\nnewline.toml", "x");
    bench.put(&format!("{}.toml", "n".repeat(250)), "x");
    bench.put("README", "x");
    bench.start();
    bench.until("all are named", |bench| bench.desired.len() == 5 && bench.problems.len() == 3);
    let code = |name: &str| bench.desired[name].clone().unwrap_err()[0];
    assert_eq!(code("fifo"), Code::NotAFile);
    assert_eq!(code("directory"), Code::NotAFile);
    assert_eq!(code("large"), Code::TooLarge);
    assert_eq!(code("circle"), Code::Unreadable);
    assert_eq!(code("dangling"), Code::Unreadable);
    assert!(bench.problems.iter().any(|problem| problem.file.ends_with("with\\nnewline.toml")), "{:?}", bench.problems);
    assert!(bench.ignored.is_empty(), "strays are named after five seconds");
    bench.until("README is named", |bench| bench.ignored.len() == 1);
    bench.settle("fine");
}

#[test]
fn of_two_entries_for_one_name_the_first_wins_and_the_loser_touches_nothing() {
    let mut bench = Bench::new();
    bench.put("web.toml", "toml");
    bench.start();
    bench.until_says("web", "toml");
    fs::create_dir(bench.path("web")).unwrap();
    bench.put("web/run", "#!legacy");
    bench.until("named", |bench| bench.problems.iter().any(|problem| problem.code == Code::DuplicateName));
    assert_eq!(bench.count("web"), 1);
    fs::remove_file(bench.path("web.toml")).unwrap();
    bench.until_says("web", "#!legacy");
    bench.until("no more duplicate", |bench| bench.problems.is_empty());
    assert_eq!(bench.count("web"), 2, "it never was without an entry");
}

#[test]
fn legacy_directories_follow_their_run_and_down() {
    let mut bench = Bench::new();
    let stage = bench.root.path().join("old");
    fs::create_dir(&stage).unwrap();
    write(&stage.join("run"), "#!1");
    bench.start();
    symlink(&stage, bench.path("old")).unwrap();
    bench.until_says("old", "#!1");
    write(&stage.join("down"), "");
    bench.until_says("old", "#!1 (down)");
    fs::remove_file(stage.join("down")).unwrap();
    bench.until_says("old", "#!1");
    write(&stage.join("run"), "#!2");
    bench.until_says("old", "#!2");
    fs::set_permissions(stage.join("run"), fs::Permissions::from_mode(0o644)).unwrap();
    bench.until("not executable", |bench| bench.desired["old"] == Err(vec![Code::NoProgram]));
    fs::set_permissions(stage.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    bench.until_says("old", "#!2");
    fs::remove_file(stage.join("run")).unwrap();
    bench.until("gone", |bench| bench.desired.is_empty());
}

#[test]
fn drop_ins_are_laid_over_their_file() {
    let mut bench = Bench::new();
    bench.put("a.toml", "1");
    fs::create_dir(bench.path("a.toml.d")).unwrap();
    bench.put("a.toml.d/20.toml", "+20");
    bench.start();
    bench.until_says("a", "1+20");
    bench.put("a.toml.d/10.toml", "+10");
    bench.until_says("a", "1+10+20");
    fs::remove_dir_all(bench.path("a.toml.d")).unwrap();
    bench.until_says("a", "1");
    fs::create_dir(bench.path("a.toml.d")).unwrap();
    bench.put("a.toml.d/30.toml", "+30");
    bench.until_says("a", "1+30");
}

#[test]
fn ways_of_writing_end_in_one_change_each() {
    let mut bench = Bench::new();
    bench.put("a.toml", "1");
    bench.start();
    bench.until_says("a", "1");
    let services = bench.path("");
    let scripts =
        ["sed -i s/1/2/ a.toml", "printf 3 > a.toml; printf 4 >> a.toml", "cp --remove-destination src a.toml"];
    write(&services.join("_src"), "5");
    for (script, says) in scripts.iter().zip(["2", "34", "5"]) {
        let script = script.replace("src", "_src");
        let status = Command::new("sh").arg("-c").arg(&script).current_dir(&services).status().unwrap();
        assert!(status.success());
        bench.until_says("a", says);
    }
    assert_eq!(bench.count("a"), 4);
    // Renames the old one away, writes a new one, removes the old one.
    let vim =
        "vim -u NONE -es -c 'set backup writebackup backupcopy=no backupskip= backupdir=.' -c '%s/5/6/' -c wq a.toml";
    let has_vim = Command::new("sh").args(["-c", "command -v vim >/dev/null"]).status().is_ok_and(|it| it.success());
    if has_vim && Command::new("sh").args(["-c", vim]).current_dir(&services).status().unwrap().success() {
        bench.until("vim's", |bench| bench.says("a").is_some_and(|said| said.trim() == "6"));
        assert_eq!(bench.count("a"), 5);
    }
}

#[test]
fn ten_thousand_files_at_once_are_all_read() {
    let mut bench = Bench::new();
    bench.start();
    for number in 0..10_000 {
        bench.put(&format!("n{number}.toml"), "x");
    }
    bench.until("all", |bench| bench.desired.len() == 10_000);
    let (handle, _) = bench.deltas.as_ref().unwrap();
    handle.rescan();
    bench.settle("probe");
    assert_eq!(bench.count("n77"), 1);
}

#[test]
fn a_safety_scan_that_finds_nothing_new_says_nothing() {
    let mut bench = Bench::new();
    bench.put("a.toml", "1");
    bench.put("bad.toml", "bad");
    bench.put("with space.toml", "x");
    bench.put("stray", "x");
    fs::create_dir(bench.path("a.toml.d")).unwrap();
    bench.put("a.toml.d/1.toml", "+1");
    fs::create_dir(bench.path("a")).unwrap();
    bench.put("a/run", "#!1");
    symlink("/nowhere", bench.path("dangling.toml")).unwrap();
    let directories = vec![bench.path(""), bench.root.path().join("none/at/all")];
    bench.start_with(directories, Some(Duration::from_millis(100)), Watch::new);
    bench.until("all is said", |bench| {
        bench.ignored.len() == 1 && bench.problems.len() == 2 && bench.desired.len() == 3
    });
    let turns = |bench: &Bench| bench.deltas.as_ref().unwrap().0.mailbox.turns();
    let before = turns(&bench);
    assert!(!bench.next(Duration::from_secs(1)), "{:?}", bench.last);
    assert!(turns(&bench) > before + 3, "it did scan");
    assert_eq!(bench.sources[0].missed_by_watch, 0);
}

#[test]
fn two_directories_are_one_desired_state() {
    let mut bench = Bench::new();
    let other = bench.root.path().join("other");
    fs::create_dir(&other).unwrap();
    bench.put("a.toml", "a");
    bench.put("both.toml", "first");
    write(&other.join("both.toml"), "second");
    write(&other.join("b.toml"), "b");
    bench.start_with(vec![bench.path(""), other.clone()], None, Watch::new);
    bench.until("all", |bench| bench.desired.len() == 3 && bench.problems.len() == 1);
    assert_eq!(bench.says("both").unwrap(), "first");
    fs::rename(bench.path("a.toml"), other.join("a.toml")).unwrap();
    bench.settle("probe");
    bench.stays_as("a", Duration::from_secs(1));
    fs::remove_file(bench.path("both.toml")).unwrap();
    bench.until_says("both", "second");
    fs::remove_dir_all(&other).unwrap();
    bench.until("absent", |bench| bench.sources[1].state == SourceState::Absent);
    write(&bench.path("c.toml"), "c");
    bench.until_says("c", "c");
    bench.stays_quiet(Duration::from_secs(1));
    assert_eq!((bench.says("b").unwrap().as_str(), bench.says("both").unwrap().as_str()), ("b", "second"));
}
