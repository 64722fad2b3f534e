use super::*;
use crate::host::look::log::{For, Reading};
use crate::host::pipe::witness;
use crate::log::rotate::LogFile;
use crate::logger::packer::pack_all;
use crate::model::logging::{Compress, LogFormat, LogPolicy, RotateEvery};
use crate::model::select::{Rate, Selection};
use crate::table::{Machine, Phase, Table};
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use proptest::prelude::*;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A service's pipe, its log, and a logger between them that can die.
struct Rig {
    temp: tempfile::TempDir,
    table: Arc<Table>,
    pipes: OwnedFd,
    /// As the keeper holds it.
    _witness: OwnedFd,
    pipe: OwnedFd,
    service: File,
    lane: Lane,
    packer: Packer,
    to: Destination,
    sink: Sink,
    books: Books,
    sieve: Option<Sieve>,
    scratch: Vec<u8>,
}

fn open(path: &Path, flags: OFlag) -> OwnedFd {
    nix::fcntl::open(path, flags | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC, Mode::empty()).unwrap()
}

impl Rig {
    fn new(policy: LogPolicy) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        let machine = Machine { boot_id: [1, 2], pid_namespace: 3, init_start: 4 };
        let file = File::options().read(true).write(true).create_new(true).open(root.join("table")).unwrap();
        let table = Arc::new(Table::create(file, machine).unwrap());
        for name in ["7".to_owned(), witness(0)] {
            mkfifo(&root.join(name), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        }
        let service = open(&root.join("7"), OFlag::O_RDWR).into();
        let held = open(&root.join(witness(0)), OFlag::O_RDWR);
        let pipes = open(&root, OFlag::O_RDONLY | OFlag::O_DIRECTORY);
        let lane = Lane::enter(table.clone(), 0, &pipes).unwrap();
        let (service_name, file) = ("web".to_owned(), LogFile::Current);
        let directory = root.join("web");
        let sieve = policy.selection.as_deref().and_then(|selection| Sieve::new(selection).unwrap());
        let to = Destination { directory, file, policy, service: service_name, instance: 0, owner: None };
        let pipe = open(&root.join("7"), OFlag::O_RDONLY);
        let (sink, scratch) = (Sink::default(), Vec::new());
        Self {
            temp,
            table,
            pipes,
            _witness: held,
            pipe,
            service,
            lane,
            packer: Packer::new(),
            to,
            sink,
            books: Books::default(),
            sieve,
            scratch,
        }
    }

    fn plain(max_size: u64, max_files: u32) -> Self {
        Self::new(LogPolicy { format: LogFormat::Plain, max_size, max_files, ..LogPolicy::default() })
    }

    fn say(&mut self, bytes: &[u8]) {
        self.service.write_all(bytes).unwrap();
    }

    /// One turn of the logger.
    fn turn(&mut self, all: bool) -> Outcome {
        let mut look = Vec::new();
        let count = self.lane.look(&self.pipe, &mut look).unwrap_or(0);
        let Self { lane, packer, pipe, to, sieve, .. } = self;
        let capture =
            Capture { lane, packer, slot: 7, pipe, stream: Stream::Both, to, sieve: sieve.as_ref(), pid: 42, all };
        capture.write(&look[..count], &mut self.sink, &mut self.books, &mut self.scratch)
    }

    fn capture(&mut self, bytes: &[u8]) {
        self.say(bytes);
        let outcome = self.turn(false);
        assert!(outcome.trouble.is_none(), "{:?}", outcome.trouble);
    }

    /// The logger dies, and another one comes.
    fn die(&mut self) {
        Lane::recover_all(&self.table, &self.pipes).unwrap();
        self.lane = Lane::enter(self.table.clone(), 0, &self.pipes).unwrap();
        self.sink = Sink::default();
        self.books.losses = self.table.losses(7);
    }

    /// The files of the log, oldest first, `current` last.
    fn files(&self) -> Vec<Vec<u8>> {
        self.packer.finish();
        let Ok(listed) = fs::read_dir(&self.to.directory) else { return Vec::new() };
        let mut names: Vec<_> = listed.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names.iter().map(|name| fs::read(self.to.directory.join(name)).unwrap()).collect()
    }

    fn reading(&self) -> Reading {
        let mut reading = Reading::of(&self.to.path(), For::Others);
        reading.last(0, u64::MAX).unwrap();
        reading
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_is_said_stands_there_whole_in_files_that_are_small_enough(
        batches in prop::collection::vec("[ab]{0,30}\n?[ab]{0,3}\n?", 1..30),
        max_size in 1_u64..60,
        reopened in any::<bool>(),
    ) {
        let mut rig = Rig::plain(max_size, 10_000);
        for batch in &batches {
            rig.capture(batch.as_bytes());
            if reopened {
                rig.sink.close();
            }
        }
        rig.turn(true);
        let files = rig.files();
        prop_assert_eq!(files.concat(), batches.concat().into_bytes());
        for file in files.iter().rev().skip(1) {
            prop_assert!(file.ends_with(b"\n"), "a line is cut: {:?}", file);
            let lines = memchr::memchr_iter(b'\n', file).count();
            prop_assert!(file.len() as u64 <= max_size || lines == 1);
        }
    }

    #[test]
    fn who_follows_gets_each_line_once_across_rotations(
        batches in prop::collection::vec(("([ab]{0,30}\n?){1,3}", 0_usize..4, prop::bool::weighted(0.2)), 1..30),
        max_size in 1_u64..60,
    ) {
        let mut rig = Rig::plain(max_size, 10_000);
        let mut reading = rig.reading();
        let (mut all, mut heard) = (Vec::new(), Vec::new());
        for (batch, looks, packs) in batches {
            rig.capture(batch.as_bytes());
            if packs {
                pack_all(&rig.to, i64::MAX).unwrap();
            }
            all.extend(batch.bytes());
            for _ in 0..looks {
                heard.extend(reading.next(true).unwrap().unwrap_or_default());
            }
            prop_assert!(all.starts_with(&heard));
        }
        while let Some(piece) = reading.next(true).unwrap() {
            heard.extend(piece);
        }
        let ended = all.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        prop_assert!(all.starts_with(&heard) && heard.len() >= ended, "{:?} {:?}", all, heard);
    }

    /// In every phase that there is, with the witness or without.
    #[test]
    fn a_logger_that_dies_anywhere_loses_nothing_and_writes_nothing_twice(
        batches in prop::collection::vec(("([a-z0-9]{1,9}\n){1,4}", 0_u8..6), 1..20),
        format in prop_oneof![Just(LogFormat::Text), Just(LogFormat::Plain)],
    ) {
        let mut rig = Rig::new(LogPolicy { format, max_size: 200, max_files: 10_000, ..LogPolicy::default() });
        let mut said = Vec::new();
        for (number, (batch, death)) in batches.iter().enumerate() {
            let batch = format!("{number} {batch}");
            said.extend_from_slice(batch.as_bytes());
            rig.say(batch.as_bytes());
            let mut look = Vec::new();
            let count = rig.lane.look(&rig.pipe, &mut look).unwrap();
            let place = rig.sink.place(&rig.to).unwrap();
            let intent = Intent { slot: 7, file: Some((place.id.0, place.id.1, place.size)), ..Intent::default() };
            rig.lane.speak_of(7, false, || rig.to.path());
            rig.lane.intend(&intent, &look[..count]);
            rig.scratch.clear();
            let formatter = Formatter::new(format, 100, Whose { service: "web", instance: 0, pid: 42 }, Stream::Both, 1);
            formatter.write(&look[..count], false, u64::MAX, true, &mut Gate::default(), &mut rig.scratch);
            let batch = rig.scratch.clone();
            let half = batch.len() / 2;
            match death {
                0 => {}
                1 => rig.sink.append(&rig.to, &batch[..half]).unwrap(),
                2 => rig.sink.append(&rig.to, &batch).unwrap(),
                _ => {
                    rig.sink.append(&rig.to, &batch).unwrap();
                    rig.table.set_phase(0, Phase::Taking);
                }
            }
            match death {
                4 => {
                    // Taken, and not noted.
                    rig.lane.take(&rig.pipe, &intent, count).unwrap();
                    rig.lane.intend(&intent, &look[..count]);
                    rig.table.set_phase(0, Phase::Clearing);
                }
                5 => {
                    // The keeper died too.
                    rig.table.count_witnesses();
                }
                _ => {}
            }
            rig.die();
            rig.turn(false);
        }
        rig.turn(true);
        let text = String::from_utf8(rig.files().concat()).unwrap();
        let heard: String = match format {
            LogFormat::Plain => text,
            _ => text.split_inclusive('\n').map(|line| line.splitn(3, ' ').nth(2).unwrap()).collect(),
        };
        prop_assert_eq!(heard.into_bytes(), said);
    }
}

#[test]
fn only_so_many_rotated_files_are_kept_and_no_others_touched() {
    let mut rig = Rig::plain(4, 2);
    fs::create_dir(&rig.to.directory).unwrap();
    fs::write(rig.to.directory.join("@keep-me"), "mine").unwrap();
    for line in ["1\n", "2\n", "3\n", "4\n", "5\n", "6\n", "7\n", "8\n", "9\n"] {
        rig.capture(line.as_bytes());
    }
    assert_eq!(rig.files(), [b"5\n6\n".to_vec(), b"7\n8\n".to_vec(), b"mine".to_vec(), b"9\n".to_vec()]);
}

#[test]
fn what_somebody_moved_away_is_not_rotated_again_and_what_was_deleted_is_made_anew() {
    let mut rig = Rig::plain(8, 5);
    rig.capture(b"one\n");
    fs::rename(rig.to.path(), rig.to.directory.join("taken")).unwrap();
    rig.capture(b"two\nthree\n");
    assert_eq!(fs::read(rig.to.directory.join("taken")).unwrap(), b"one\ntwo\n");
    assert_eq!(fs::read(rig.to.path()).unwrap(), b"three\n");
    fs::remove_file(rig.to.path()).unwrap();
    rig.capture(b"four\n");
    assert_eq!(fs::read(rig.to.path()).unwrap(), b"four\n");
}

#[test]
fn what_somebody_emptied_is_filled_anew_and_nothing_is_lost() {
    let mut rig = Rig::plain(12, 5);
    rig.capture(b"one\ntwo\nthr");
    fs::write(rig.to.path(), "").unwrap();
    rig.capture(b"ee\nfour\nfive\n");
    assert_eq!(rig.files(), [b"three\nfour\n".to_vec(), b"five\n".to_vec()]);
}

#[test]
fn what_is_written_when_rotating_fails_is_taken_and_only_the_rest_is_lost() {
    let mut rig = Rig::plain(10, 3);
    rig.capture(b"12345678\n");
    fs::set_permissions(&rig.to.directory, fs::Permissions::from_mode(0o777)).unwrap();
    rig.say(b"\n23456789\n3456789\n");
    let outcome = rig.turn(false);
    assert!(matches!(outcome.trouble, Some(Trouble::Writable { .. })), "{:?}", outcome.trouble);
    assert_eq!((outcome.taken, rig.books.losses.bytes), (18, 17));
    rig.say(b"next\n");
    assert_eq!(rig.lane.look(&rig.pipe, &mut Vec::new()), Ok(5), "what came later is untouched");
    assert_eq!(rig.files(), [b"12345678\n\n"]);
}

#[test]
fn a_link_or_fifo_in_place_of_the_file_is_refused_and_the_lines_are_counted() {
    let mut rig = Rig::plain(8, 5);
    fs::create_dir(&rig.to.directory).unwrap();
    std::os::unix::fs::symlink("/etc/motd", rig.to.path()).unwrap();
    rig.say(b"x\ny");
    let outcome = rig.turn(false);
    assert!(matches!(outcome.trouble, Some(Trouble::NotOurFile(_))) && outcome.taken == 2);
    assert_eq!((rig.books.losses.bytes, rig.books.losses.lines), (2, 1));
    fs::remove_file(rig.to.path()).unwrap();
    mkfifo(&rig.to.path(), Mode::S_IRWXU).unwrap();
    assert!(matches!(rig.turn(true).trouble, Some(Trouble::NotOurFile(_))));
    // What is lost is on record, and owned up to as soon as there is a place for that.
    fs::remove_file(rig.to.path()).unwrap();
    rig.die();
    rig.capture(b"z\n");
    let text = String::from_utf8(rig.files().concat()).unwrap();
    assert_eq!(text, "1 lines of output (3 bytes) could not be written here, and are lost\nz\n");
    assert_eq!(rig.table.losses(7).unowned(), (0, 0));
}

#[test]
fn rotated_files_are_compressed_whole_and_what_a_crash_left_is_cleared() {
    for (compress, suffix) in [(Compress::Zstd, ".zst"), (Compress::Gzip, ".gz")] {
        let policy = LogPolicy { format: LogFormat::Plain, max_size: 4, compress, ..LogPolicy::default() };
        let mut rig = Rig::new(policy);
        for line in ["1\n", "2\n", "3\n", "4\n", "5\n", "6\n", "7\n"] {
            rig.capture(line.as_bytes());
        }
        pack_all(&rig.to, i64::MAX).unwrap();
        let names = || -> Vec<String> {
            let listed = fs::read_dir(&rig.to.directory).unwrap();
            let mut names: Vec<_> = listed.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        let packed = names();
        assert!(packed.len() == 4 && packed[..3].iter().all(|name| name.ends_with(suffix)), "{packed:?}");
        let read = || {
            let mut reading = Reading::of(&rig.to.path(), For::Others);
            reading.last(100, u64::MAX).unwrap();
            let mut text = Vec::new();
            while let Some(piece) = reading.next(false).unwrap() {
                text.extend(piece);
            }
            String::from_utf8(text).unwrap()
        };
        assert_eq!(read(), "1\n2\n3\n4\n5\n6\n7\n");
        // Before the uncompressed one was deleted; and half-way through another.
        let plain = packed[0].strip_suffix(suffix).unwrap();
        fs::write(rig.to.directory.join(plain), "1\n2\n").unwrap();
        fs::write(rig.to.directory.join(format!(".{}.tmp", packed[1])), "half").unwrap();
        fs::write(rig.to.directory.join(packed[1].strip_suffix(suffix).unwrap()), "3\n4\n").unwrap();
        fs::remove_file(rig.to.directory.join(&packed[1])).unwrap();
        assert_eq!(read(), "1\n2\n3\n4\n5\n6\n7\n");
        pack_all(&rig.to, i64::MAX).unwrap();
        assert_eq!(names(), packed);
        assert_eq!(read(), "1\n2\n3\n4\n5\n6\n7\n");
    }
}

#[test]
fn a_new_day_begins_a_new_file() {
    let rotate = Some(RotateEvery::Daily);
    let mut rig = Rig::new(LogPolicy { format: LogFormat::Plain, rotate, ..LogPolicy::default() });
    rig.capture(b"today\n");
    rig.capture(b"today too\n");
    assert_eq!(rig.files().len(), 1);
    let yesterday = std::time::SystemTime::now() - Duration::from_secs(86_400);
    File::options().write(true).open(rig.to.path()).unwrap().set_modified(yesterday).unwrap();
    rig.capture(b"tomorrow\n");
    assert_eq!(rig.files(), [b"today\ntoday too\n".to_vec(), b"tomorrow\n".to_vec()]);
}

#[test]
fn with_block_what_cannot_be_written_stays() {
    let mut rig = Rig::new(LogPolicy { on_full: OnFull::Block, format: LogFormat::Plain, ..LogPolicy::default() });
    fs::create_dir(&rig.to.directory).unwrap();
    std::os::unix::fs::symlink("/etc/motd", rig.to.path()).unwrap();
    rig.say(b"x\n");
    let outcome = rig.turn(true);
    assert!(outcome.trouble.is_some() && outcome.taken == 0 && rig.books.losses == Losses::default());
    fs::remove_file(rig.to.path()).unwrap();
    rig.turn(false);
    assert_eq!(rig.files(), [b"x\n"]);
}

#[test]
fn who_follows_while_it_is_written_loses_no_line_and_gets_none_twice() {
    let mut rig = Rig::plain(2000, 10_000);
    let mut reading = rig.reading();
    let all: Vec<u8> = (0..20_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
    let writer = std::thread::spawn({
        let all = all.clone();
        move || {
            for batch in all.chunks(777) {
                rig.capture(batch);
            }
            rig
        }
    });
    let mut heard = Vec::new();
    while !writer.is_finished() {
        heard.extend(reading.next(true).unwrap().unwrap_or_default());
        assert!(all.starts_with(&heard));
    }
    let rig = writer.join().unwrap();
    while let Some(piece) = reading.next(true).unwrap() {
        heard.extend(piece);
    }
    assert!(heard == all, "{} of {}", heard.len(), all.len());
    drop(rig.temp);
}

#[test]
fn what_is_over_the_rate_is_counted_to_one_and_told_through_a_crash() {
    let rate_limit = Some(Rate { lines: 2, per: Duration::from_secs(86_400) });
    let selection = Some(Box::new(Selection { rate_limit, exclude: vec!["x".into()], ..Selection::default() }));
    let mut rig = Rig::new(LogPolicy { format: LogFormat::Plain, selection, ..LogPolicy::default() });
    rig.capture(b"a\nx\nb\nc\nd\n");
    assert_eq!(rig.table.losses(7).unowned_limited(), (4, 2));
    rig.die();
    rig.books.gate = Gate { within: None, ..rig.books.gate };
    rig.capture(b"x\ne\n");
    // It is told when that is due, not with each batch.
    assert_eq!(rig.files().concat(), b"a\nb\n");
    rig.books.tells_limited = true;
    let outcome = rig.turn(false);
    assert!(outcome.trouble.is_none() && !rig.books.tells_limited);
    let text = String::from_utf8(rig.files().concat()).unwrap();
    assert_eq!(text, "a\nb\n3 lines of output (6 bytes) over the rate limit of 2/day are left out\n");
    assert_eq!((rig.table.losses(7).total(), rig.table.losses(7).unowned_limited()), ((6, 3), (0, 0)));
}

#[test]
fn what_was_not_asked_for_is_not_lost_on_a_log_that_cannot_be_written() {
    let selection = Some(Box::new(Selection { include: vec!["a".into()], ..Selection::default() }));
    let mut rig = Rig::new(LogPolicy { format: LogFormat::Plain, selection, ..LogPolicy::default() });
    fs::create_dir(&rig.to.directory).unwrap();
    fs::create_dir(rig.to.path()).unwrap();
    rig.say(b"a1\nb2\na3\n");
    assert_eq!(rig.turn(false).taken, 9);
    assert_eq!((rig.books.losses.bytes, rig.books.losses.lines), (6, 2));
}

#[test]
fn a_directory_of_multilogs_is_what_a_real_one_would_have_left() {
    let policy = LogPolicy { format: LogFormat::Multilog, max_size: 60, max_files: 2, ..LogPolicy::default() };
    let mut rig = Rig::new(LogPolicy { compress: Compress::None, ..policy });
    fs::create_dir(&rig.to.directory).unwrap();
    for (name, text) in [("@4000000065a0c3d10f2b3c4d.s", "old\n"), ("previous", "@4000000065a0c3d20f2b3c4d cut off\n")]
    {
        fs::write(rig.to.directory.join(name), text).unwrap();
    }
    for line in ["one\n", "two\n", "three\n"] {
        rig.capture(line.as_bytes());
    }
    rig.packer.finish();
    let there = || -> Vec<(String, u32, usize)> {
        use std::os::unix::fs::MetadataExt;
        let entries = fs::read_dir(&rig.to.directory).unwrap().map(Result::unwrap);
        let facts = |it: &fs::DirEntry| (it.metadata().unwrap().mode() & 0o777, fs::read(it.path()).unwrap().len());
        let mut all: Vec<_> = entries.map(|it| (it.file_name().into_string().unwrap(), facts(&it))).collect();
        all.sort();
        all.into_iter().map(|(name, (mode, size))| (name, mode, size)).collect()
    };
    let found = there();
    let kind = |name: &str| name.rsplit_once('.').map_or_else(|| name.to_owned(), |(_, end)| end.to_owned());
    let kinds: Vec<_> = found.iter().map(|(name, mode, _)| (kind(name), *mode & !0o022)).collect();
    // The oldest went: of two that are kept one is what a multilog was interrupted at.
    let wanted = [("u", 0o644), ("s", 0o744), ("current", 0o644), ("lock", 0o600), ("state", 0o644)];
    assert_eq!(kinds, wanted.map(|(kind, mode)| (kind.to_owned(), mode)), "{found:?}");
    rig.sink.close();
    assert_eq!(there()[2].1, 0o744, "who comes next sees that it is whole");
    let text = String::from_utf8(rig.files().concat()).unwrap();
    assert!(text.contains(" cut off\n") && text.contains(" two\n") && text.ends_with(" three\n"), "{text}");
}
