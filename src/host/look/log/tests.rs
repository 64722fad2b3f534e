use super::*;
use crate::log::rotate::{Form, LogFile};
use std::fs;

fn reading(directory: &tempfile::TempDir) -> Reading {
    Reading::of(&directory.path().canonicalize().unwrap().join("current"), For::Others)
}

/// All there is from where it stands.
fn rest(reading: &mut Reading, follow: bool) -> String {
    let mut all = Vec::new();
    while let Some(piece) = reading.next(follow).unwrap() {
        all.extend(piece);
    }
    String::from_utf8(all).unwrap()
}

fn last(directory: &tempfile::TempDir, lines: u64, reach: u64) -> String {
    let mut reading = reading(directory);
    reading.last(lines, reach).unwrap();
    rest(&mut reading, false)
}

#[test]
fn the_last_lines_are_those_of_the_newest_file_and_of_as_many_before_it_as_it_takes() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    assert_eq!(last(&directory, 3, u64::MAX), "");
    write(&LogFile::Current.rotated(1, Form::Plain), "a\nb\n");
    write(&LogFile::Current.rotated(2, Form::Plain), "c\n");
    write("@keep-me", "not ours\n");
    assert_eq!(last(&directory, 2, u64::MAX), "b\nc\n");
    write("current", "d\n\ne");
    for (lines, expected) in
        [(0, "e"), (1, "e"), (2, "\ne"), (4, "c\nd\n\ne"), (5, "b\nc\nd\n\ne"), (99, "a\nb\nc\nd\n\ne")]
    {
        assert_eq!(last(&directory, lines, u64::MAX), expected, "{lines}");
    }
    write("current", "d\ne\n");
    assert_eq!((last(&directory, 0, u64::MAX), last(&directory, 1, u64::MAX)), (String::new(), "e\n".into()));
}

#[test]
fn lines_are_found_however_long_they_and_the_file_are() {
    let directory = tempfile::tempdir().unwrap();
    let line = |n: usize| format!("{n} {}\n", "x".repeat(n * 7919 % 100_000));
    let text: String = (0..40).map(line).collect();
    fs::write(directory.path().join("current"), &text).unwrap();
    for lines in [1, 2, 17, 39, 40, 41] {
        let expected: String = (40_usize.saturating_sub(lines)..40).map(line).collect();
        assert!(last(&directory, lines as u64, u64::MAX) == expected, "{lines}");
    }
    assert_eq!(last(&directory, 10, 1000).len(), 1000, "the end of a line that is longer than the reach");
}

#[test]
fn who_follows_gets_whole_lines_and_who_does_not_what_there_is() {
    let directory = tempfile::tempdir().unwrap();
    let current = directory.path().join("current");
    let mut follower = reading(&directory);
    follower.last(0, u64::MAX).unwrap();
    assert_eq!(rest(&mut follower, true), "");
    fs::write(&current, "one\ntw").unwrap();
    assert_eq!(rest(&mut follower, true), "one\n");
    fs::write(&current, "one\ntwo\n").unwrap();
    assert_eq!(rest(&mut follower, true), "two\n");
    fs::write(&current, "").unwrap();
    assert_eq!(rest(&mut follower, true), "");
    fs::write(&current, "new\n").unwrap();
    assert_eq!((rest(&mut follower, true), last(&directory, 9, u64::MAX)), ("new\n".into(), "new\n".into()));
}

#[test]
fn what_was_rotated_before_the_first_look_is_not_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let mut follower = reading(&directory);
    follower.last(5, u64::MAX).unwrap();
    fs::write(directory.path().join(LogFile::Current.rotated(7, Form::Plain)), "1\n").unwrap();
    fs::write(directory.path().join(LogFile::Current.rotated(8, Form::Plain)), "2\n").unwrap();
    fs::write(directory.path().join("current"), "3\n").unwrap();
    assert_eq!(rest(&mut follower, true), "1\n2\n3\n");
}

#[test]
fn of_a_file_that_others_moved_away_all_is_read_and_nothing_twice() {
    let directory = tempfile::tempdir().unwrap();
    let (current, old) = (directory.path().join("current"), LogFile::Current.rotated(1, Form::Plain));
    fs::write(directory.path().join(old), "0\n").unwrap();
    fs::write(&current, "1\n2").unwrap();
    let mut follower = reading(&directory);
    follower.last(1, u64::MAX).unwrap();
    fs::rename(&current, directory.path().join("taken")).unwrap();
    assert_eq!(rest(&mut follower, true), "", "perhaps more of it is written");
    fs::write(&current, "3\n").unwrap();
    assert_eq!(rest(&mut follower, true), "23\n");
}

#[test]
fn what_is_no_file_of_ours_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let current = directory.path().join("current");
    nix::unistd::mkfifo(&current, Mode::S_IRUSR).unwrap();
    let said = |whose| Reading::of(&current, whose).last(1, 1).unwrap_err().to_string();
    assert!(said(For::Ourselves).contains("no regular file") && said(For::Others).contains("no regular file"));
    fs::remove_file(&current).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &current).unwrap();
    assert!(said(For::Others).contains("no regular file"));
}

#[test]
fn changes_of_many_logs_come_by_one_descriptor() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    let watch = Watch::new().unwrap();
    let mut reading = Reading::of(&root.join("web/current"), For::Others);
    let (above, whole) = reading.watch(&watch).unwrap();
    assert!(!whole);
    fs::create_dir(root.join("web")).unwrap();
    assert_eq!(watch.changed().unwrap(), Some(Changed::These(vec![above])));
    let (own, whole) = reading.watch(&watch).unwrap();
    assert!(whole && own != above);
    watch.forget(above);
    while watch.changed().unwrap().is_some() {}
    fs::write(root.join("web/current"), "x").unwrap();
    assert_eq!(watch.changed().unwrap(), Some(Changed::These(vec![own])));
    assert_eq!(watch.changed().unwrap(), None);
}

/// A log whose rotated files have numbers.
struct Numbered(tempfile::TempDir);

impl Numbered {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// As a rotation with two backups does it.
    fn rotate(&self, text: &str) {
        for (from, to) in [("web.log.1", "web.log.2"), ("web.log", "web.log.1")] {
            // At first there are not as many.
            let _ = fs::rename(self.path(from), self.path(to));
        }
        self.write("web.log", text);
    }

    fn reading(&self, whose: For) -> Reading {
        Reading::of(&self.path("web.log"), whose)
    }
}

#[test]
fn numbered_files_are_read_from_the_highest_on() {
    let log = Numbered(tempfile::tempdir().unwrap());
    let last = |lines| {
        let mut reading = log.reading(For::Others);
        reading.last(lines, u64::MAX).unwrap();
        rest(&mut reading, false)
    };
    assert_eq!(last(3), "");
    log.write("web.log.10", "a\nb\n");
    log.write("web.log.2", "c\n");
    log.write("web.log.x", "not ours\n");
    assert_eq!(last(2), "b\nc\n");
    log.write("web.log", "d\ne");
    assert_eq!((last(1), last(3), last(9)), ("e".into(), "c\nd\ne".into(), "a\nb\nc\nd\ne".into()));
}

#[test]
fn who_follows_numbered_files_gets_each_line_once_whatever_their_numbers_become() {
    let log = Numbered(tempfile::tempdir().unwrap());
    log.write("web.log", "1\n");
    let mut follower = log.reading(For::Others);
    follower.last(9, u64::MAX).unwrap();
    assert_eq!(rest(&mut follower, true), "1\n");
    for (text, expected) in [("2\n", "2\n"), ("3\n", "3\n")] {
        log.rotate(text);
        assert_eq!(rest(&mut follower, true), expected);
    }
    // Twice between two looks.
    log.rotate("4\n");
    log.rotate("5\n");
    assert_eq!(rest(&mut follower, true), "4\n5\n");
    // So often that the one that it has is gone.
    for text in ["6\n", "7\n", "8\n", "9\n"] {
        std::thread::sleep(std::time::Duration::from_millis(15));
        log.rotate(text);
    }
    assert_eq!(rest(&mut follower, true), "7\n8\n9\n");
    // Deleted and made anew: what is older is not told again.
    fs::remove_file(log.path("web.log")).unwrap();
    log.write("web.log", "10\n");
    assert_eq!(rest(&mut follower, true), "10\n");
}

#[test]
fn a_numbered_file_is_read_for_others_only_where_nobody_can_have_put_another_there() {
    let log = Numbered(tempfile::tempdir().unwrap());
    log.write("real", "real\n");
    std::os::unix::fs::symlink("real", log.path("web.log")).unwrap();
    let read = |whose| {
        let mut reading = log.reading(whose);
        reading.last(1, u64::MAX).map(|()| rest(&mut reading, false)).map_err(|error| error.to_string())
    };
    assert_eq!(read(For::Others), Ok("real\n".to_owned()), "a link of our own");
    fs::hard_link(log.path("real"), log.path("second")).unwrap();
    assert!(read(For::Others).unwrap_err().contains("no regular file"));
    assert_eq!(read(For::Ourselves), Ok("real\n".to_owned()));
    nix::unistd::mkfifo(&log.path("fifo"), Mode::S_IRUSR).unwrap();
    let mut fifo = Reading::of(&log.path("fifo"), For::Ourselves);
    assert!(fifo.last(1, u64::MAX).unwrap_err().to_string().contains("no regular file"));
}
