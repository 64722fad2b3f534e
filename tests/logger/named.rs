//! Files that somebody has named, as supervisord's `stdout_logfile` does: raw, rotated by numbers, or no files at all.

use super::*;
use abide::model::logging::{LogWay, NamedFile, NamedFiles, OnFull, StderrTo};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, symlink};

fn file(path: &Path, max_size: u64, backups: u32) -> NamedFile {
    NamedFile { path: path.to_str().unwrap().to_owned(), max_size, backups, strip_ansi: false, in_our_directory: false }
}

impl Place {
    fn named(&self, name: &str, max_size: u64, backups: u32) -> NamedFile {
        file(&self.root.join(name), max_size, backups)
    }

    fn second_pipe(&self, slot: u32) -> File {
        made_pipe(&self.root.join("pipes").join(format!("{slot}.err")))
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.root.join(name)).unwrap_or_default()).into_owned()
    }
}

fn to(out: Option<NamedFile>, err: Option<NamedFile>) -> Destination {
    let stderr = if err.is_some() { StderrTo::Separate } else { StderrTo::Merge };
    let files = NamedFiles { out, err };
    let directory = files.first().and_then(|file| Path::new(&file.path).parent()).unwrap_or(Path::new("/")).to_owned();
    let policy = LogPolicy { way: Some(Box::new(LogWay::Files(Box::new(files)))), stderr, ..LogPolicy::default() };
    Destination { directory, file: LogFile::Current, policy, service: "web".to_owned(), instance: 0, owner: None }
}

#[test]
fn each_stream_has_its_file_byte_by_byte_and_without_waiting_for_a_lines_end() {
    let place = Place::new();
    let logger = Logger::start(&place);
    let (mut out, mut err) = (place.pipe(1), place.second_pipe(1));
    logger.attach(1, to(Some(place.named("out.log", 0, 0)), Some(place.named("err.log", 0, 0))));
    until("both are there before anything is said", || {
        place.root.join("out.log").exists() && place.root.join("err.log").exists()
    });
    assert_eq!(fs::metadata(place.root.join("out.log")).unwrap().mode() & 0o7777 & !0o644, 0);
    out.write_all(b"no end, \xff\x00\xfe").unwrap();
    err.write_all(b"\x1b[31mbad").unwrap();
    let begun = Instant::now();
    until("both are written", || place.read("err.log") == "\x1b[31mbad" && place.read("out.log").len() > 9);
    assert!(begun.elapsed() < Duration::from_millis(900), "an end of the line was waited for");
    assert_eq!(fs::read(place.root.join("out.log")).unwrap(), b"no end, \xff\x00\xfe");
    // What another one wrote before stands before it.
    logger.attach(1, to(Some(place.named("out.log", 0, 0)), Some(place.named("out.log", 0, 0))));
    logger.order(&Order::Detach { slot: 99 });
    assert_eq!(logger.report(), Report::Detached { slot: 99 });
    out.write_all(b"1").unwrap();
    until("the first is written", || place.read("out.log").ends_with('1'));
    err.write_all(b"2").unwrap();
    until("both are in one file", || place.read("out.log").ends_with("12"));
    assert_eq!(place.read("err.log"), "\x1b[31mbad");
    logger.finish();
}

#[test]
fn full_files_get_numbers_and_the_oldest_is_overwritten() {
    let place = Place::new();
    let logger = Logger::start(&place);
    let mut pipe = place.pipe(1);
    logger.attach(1, to(Some(place.named("web.log", 100, 3)), None));
    // Each write is a rotation, since one batch is never divided.
    for number in 0..6 {
        let batch = format!("{number}{}\n", "x".repeat(150));
        pipe.write_all(batch.as_bytes()).unwrap();
        until("it is rotated", || place.read("web.log.1") == batch && place.read("web.log").is_empty());
    }
    pipe.write_all(b"small").unwrap();
    until("it is written", || place.read("web.log") == "small");
    for (file, number) in [("web.log.1", '5'), ("web.log.2", '4'), ("web.log.3", '3')] {
        assert!(place.read(file).starts_with(number), "{file}");
    }
    assert!(!place.root.join("web.log.4").exists());
    // To order as well; an empty one is not.
    for number in 1..=2 {
        logger.order(&Order::Tend { slot: 1, rotate: true, number });
        assert_eq!(logger.report(), Report::Tended { slot: 1, number });
        assert_eq!((place.read("web.log.1"), place.read("web.log")), ("small".into(), String::new()));
    }
    logger.finish();
}

#[test]
fn without_backups_a_full_file_is_emptied_and_without_a_size_none_is_full() {
    let place = Place::new();
    let logger = Logger::start(&place);
    let (mut first, mut second) = (place.pipe(1), place.pipe(2));
    logger.attach(1, to(Some(place.named("emptied.log", 100, 0)), None));
    logger.attach(2, to(Some(place.named("grows.log", 0, 3)), None));
    first.write_all(&[b'x'; 99]).unwrap();
    until("it is written", || place.read("emptied.log").len() == 99);
    first.write_all(b"xx").unwrap();
    until("it is emptied", || place.read("emptied.log").is_empty());
    second.write_all(&b"x".repeat(60_000)).unwrap();
    until("it has grown", || place.read("grows.log").len() == 60_000);
    logger.finish();
    let mut there: Vec<_> = fs::read_dir(&place.root).unwrap().map(|it| it.unwrap().file_name()).collect();
    there.retain(|name| name.to_string_lossy().contains(".log"));
    assert_eq!(there.len(), 2, "{there:?}");
}

#[test]
fn what_has_no_file_is_read_and_gone_and_so_is_what_goes_to_nowhere() {
    let place = Place::new();
    let logger = Logger::start(&place);
    let (mut out, mut err, mut null) = (place.pipe(1), place.second_pipe(1), place.pipe(2));
    logger.attach(1, to(None, Some(place.named("err.log", 0, 0))));
    logger.attach(2, to(Some(file(Path::new("/dev/null"), 10, 3)), None));
    // More than the pipes hold: who writes them does not stand still.
    for _ in 0..50 {
        out.write_all(&[b'x'; 9_000]).unwrap();
        null.write_all(&[b'x'; 9_000]).unwrap();
    }
    err.write_all(b"said").unwrap();
    logger.detach(2);
    until("the other stream is written", || place.read("err.log") == "said");
    logger.order(&Order::Detach { slot: 1 });
    assert_eq!(logger.report(), Report::Detached { slot: 1 }, "nothing is lost");
    assert!(!Path::new("/dev/null.1").exists());
    logger.finish();
}

#[test]
fn a_fifo_without_a_reader_loses_and_one_whose_reader_is_slow_is_waited_for() {
    let place = Place::new();
    let logger = Logger::start(&place);
    let mut pipe = place.pipe(1);
    let path = place.root.join("fifo");
    nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
    logger.attach(1, to(Some(file(&path, 10, 3)), None));
    pipe.write_all(b"to nobody\n").unwrap();
    let Report::Trouble { slot: 1, message: Some(message) } = logger.report() else { panic!("no trouble") };
    assert!(message.contains("fifo: No such device or address. Start who reads it"), "{message}");
    assert_eq!(logger.report(), Report::Dropped { slot: 1, bytes: 10, lines: 1 });
    // Both ways, so that it is not waited for who writes.
    let mut reader = OpenOptions::new().read(true).write(true).open(&path);
    let said: Vec<u8> = (0..400_000_u32).map(|number| (number % 251) as u8).collect();
    let heard = std::thread::scope(|scope| {
        scope.spawn(|| pipe.write_all(&said).unwrap());
        let reader = reader.as_mut().unwrap();
        let mut heard = vec![0; said.len()];
        let (first, rest) = heard.split_at_mut(100);
        reader.read_exact(first).unwrap();
        // Now both pipes are full, and the service waits.
        std::thread::sleep(Duration::from_millis(300));
        let begun = Instant::now();
        reader.read_exact(rest).unwrap();
        assert!(begun.elapsed() < Duration::from_millis(900), "it goes on at once, and not by the clock");
        heard
    });
    assert!(heard == said);
    assert_eq!(logger.report(), Report::Trouble { slot: 1, message: None });
    logger.detach(1);
    assert!(!place.root.join("fifo.1").exists());
    logger.finish();
}

#[test]
fn a_standard_stream_is_that_of_the_logger_whatever_it_is() {
    let ends = || socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
    let place = Place::new();
    let stdout = File::create(place.root.join("stdout")).unwrap();
    let (from_pipe, into_pipe) = std::io::pipe().unwrap();
    let (from_socket, into_socket) =
        socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC).unwrap();
    let readers: [Option<File>; 3] = [None, Some(OwnedFd::from(from_pipe).into()), Some(from_socket.into())];
    let streams = [Stdio::from(stdout), Stdio::from(into_pipe), Stdio::from(into_socket)];
    for (slot, (stream, reader)) in (1..).zip(streams.into_iter().zip(readers)) {
        let mut pipe = place.pipe(slot);
        let logger = Logger::start_into(&place, &[], ends(), stream);
        logger.attach(slot, to(Some(file(Path::new("/dev/stdout"), 10, 3)), None));
        pipe.write_all(b"said to all\n").unwrap();
        logger.detach(slot);
        logger.finish();
        let heard = reader.map_or_else(
            || place.read("stdout"),
            |mut reader| {
                let mut heard = String::new();
                reader.read_to_string(&mut heard).unwrap();
                heard
            },
        );
        // The test harness talks there, too.
        assert!(heard.ends_with("said to all\n"), "{heard:?}");
    }
}

#[test]
fn a_file_that_is_deleted_is_made_anew_and_one_that_is_moved_away_once_it_is_opened_again() {
    let place = Place::new();
    let logger = Logger::start(&place);
    let mut pipe = place.pipe(1);
    logger.attach(1, to(Some(place.named("web.log", 0, 0)), None));
    pipe.write_all(b"one").unwrap();
    until("it is written", || place.read("web.log") == "one");
    fs::remove_file(place.root.join("web.log")).unwrap();
    pipe.write_all(b"two").unwrap();
    until("a new one is made", || place.read("web.log") == "two");
    fs::rename(place.root.join("web.log"), place.root.join("moved")).unwrap();
    pipe.write_all(b"three").unwrap();
    until("the one that is open is written", || place.read("moved") == "twothree");
    logger.order(&Order::Tend { slot: 1, rotate: false, number: 1 });
    assert_eq!(logger.report(), Report::Tended { slot: 1, number: 1 });
    pipe.write_all(b"four").unwrap();
    until("a new one is made", || place.read("web.log") == "four");
    logger.finish();
}

#[test]
fn links_are_followed_and_a_directory_is_not_made() {
    let place = Place::new();
    let logger = Logger::start(&place);
    let (mut linked, mut nowhere) = (place.pipe(1), place.pipe(2));
    symlink("real.log", place.root.join("web.log")).unwrap();
    logger.attach(1, to(Some(place.named("web.log", 0, 0)), None));
    linked.write_all(b"through").unwrap();
    until("it is written", || place.read("real.log") == "through");
    assert!(place.root.join("web.log").is_symlink());
    logger.attach(2, to(Some(place.named("none/web.log", 0, 0)), None));
    let Report::Trouble { slot: 2, message: Some(message) } = logger.report() else { panic!("no trouble") };
    assert!(message.ends_with("none/web.log: No such file or directory. Make its directory, or name another file"));
    fs::create_dir(place.root.join("none")).unwrap();
    nowhere.write_all(b"now").unwrap();
    assert_eq!(logger.report(), Report::Trouble { slot: 2, message: None });
    until("it is written", || place.read("none/web.log") == "now");
    logger.finish();
}

#[test]
fn in_a_directory_of_others_files_are_written_and_links_are_not_followed() {
    if !nix::unistd::geteuid().is_root() {
        return eprintln!("skipped: only root can make directories of others");
    }
    let place = Place::new();
    let logger = Logger::start(&place);
    let (mut written, mut refused) = (place.pipe(1), place.pipe(2));
    let directory = place.root.join("theirs");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("web.log"), "before, ").unwrap();
    symlink(place.root.join("target"), directory.join("link.log")).unwrap();
    for path in [directory.join("web.log"), directory] {
        std::os::unix::fs::chown(path, Some(12_345), None).unwrap();
    }
    logger.attach(1, to(Some(place.named("theirs/web.log", 0, 0)), None));
    written.write_all(b"after").unwrap();
    until("it is written", || place.read("theirs/web.log") == "before, after");
    logger.attach(2, to(Some(place.named("theirs/link.log", 0, 0)), None));
    refused.write_all(b"lost").unwrap();
    let Report::Trouble { slot: 2, message: Some(message) } = logger.report() else { panic!("no trouble") };
    assert!(message.contains("it is a link, and it or its directory belongs to uid 12345"), "{message}");
    assert!(!place.root.join("target").exists());
    logger.finish();
}

#[test]
fn two_files_fare_each_for_itself_and_what_is_lost_is_counted_and_not_written() {
    let place = Place::new();
    let logger = Logger::start(&place);
    let (mut out, mut err) = (place.pipe(1), place.second_pipe(1));
    fs::create_dir(place.root.join("out.log")).unwrap();
    logger.attach(1, to(Some(place.named("out.log", 0, 0)), Some(place.named("err.log", 0, 0))));
    out.write_all(b"lost\nlost").unwrap();
    let Report::Trouble { slot: 1, message: Some(message) } = logger.report() else { panic!("no trouble") };
    assert!(message.contains("out.log: Is a directory. Name another file"), "{message}");
    assert_eq!(logger.report(), Report::Dropped { slot: 1, bytes: 9, lines: 1 });
    err.write_all(b"written").unwrap();
    until("the other is written", || place.read("err.log") == "written");
    fs::remove_dir(place.root.join("out.log")).unwrap();
    out.write_all(b"again").unwrap();
    assert_eq!(logger.report(), Report::Trouble { slot: 1, message: None }, "which the other has not said");
    until("it is written", || place.read("out.log") == "again");
    logger.finish();
}

#[test]
fn a_limit_on_file_sizes_loses_to_the_byte_or_holds_back() {
    let place = Place::new();
    let logger = Logger::start_with(&place, &[(FILE_SIZE, "50")]);
    let (mut drops, mut blocks) = (place.pipe(1), place.pipe(2));
    logger.attach(1, to(Some(place.named("drops.log", 0, 0)), None));
    drops.write_all(&[b'x'; 70]).unwrap();
    let Report::Trouble { slot: 1, message: Some(message) } = logger.report() else { panic!("no trouble") };
    assert!(message.contains("Raise the limit on file sizes, or have it rotated earlier"), "{message}");
    assert_eq!(logger.report(), Report::Dropped { slot: 1, bytes: 20, lines: 0 });
    let mut policy = to(Some(place.named("blocks.log", 0, 0)), None);
    policy.policy.on_full = OnFull::Block;
    logger.attach(2, policy);
    blocks.write_all(&[b'x'; 70]).unwrap();
    assert!(matches!(logger.report(), Report::Trouble { slot: 2, message: Some(_) }));
    assert_eq!(place.read("blocks.log").len(), 50);
    fs::remove_file(place.root.join("blocks.log")).unwrap();
    assert_eq!(logger.report(), Report::Trouble { slot: 2, message: None });
    assert_eq!(place.read("blocks.log").len(), 20, "the rest was still there");
    logger.finish();
}

#[test]
fn colours_are_left_out_however_they_are_cut() {
    let place = Place::new();
    let logger = Logger::start(&place);
    let mut pipe = place.pipe(1);
    logger.attach(1, to(Some(NamedFile { strip_ansi: true, ..place.named("web.log", 0, 0) }), None));
    pipe.write_all(b"\x1b[31mred\x1b[").unwrap();
    until("what is no sequence is written", || place.read("web.log") == "red");
    pipe.write_all(b"0m and \x1b").unwrap();
    until("the rest of it is known", || place.read("web.log") == "red and ");
    until("one that does not go on is none", || place.read("web.log") == "red and \x1b");
    logger.finish();
}

/// What a logger of such files is killed at.
const CALLS: [&str; 10] =
    ["epoll_wait", "tee", "openat", "fstat", "newfstatat", "write", "splice", "renameat", "readlink", "close"];

/// What all files of a log hold, oldest first.
fn all_of(place: &Place, name: &str) -> String {
    let numbers = (1..2_000).take_while(|number| place.root.join(format!("{name}.{number}")).exists()).count();
    let rotated = (1..=numbers).rev().map(|number| place.read(&format!("{name}.{number}")));
    rotated.chain([place.read(name)]).collect()
}

#[test]
fn each_byte_is_there_once_wherever_in_a_numbered_rotation_the_logger_dies() {
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI=true and strace is missing");
        return eprintln!("SKIPPED: strace is not installed");
    }
    let occurrences: &[u32] = long_or_short(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25], &[2, 5]);
    let mut deaths = std::collections::BTreeSet::new();
    for (call, nth) in CALLS.iter().flat_map(|call| occurrences.iter().map(move |nth| (*call, *nth))) {
        let place = Place::new();
        let (mut out, mut err) = (place.pipe(1), place.second_pipe(1));
        // One of them behind a link, at first: it is cut back all the same.
        symlink("real.log", place.root.join("err.log")).unwrap();
        let to = || to(Some(place.named("out.log", 100, 1_000)), Some(place.named("err.log", 150, 1_000)));
        let mut logger = Logger::start(&place);
        logger.attach(1, to());
        until("it begins", || place.root.join("out.log").exists());
        let assassin = Assassin::wait_for(&logger, call, nth);
        let (mut said, mut length) = (String::new(), 0);
        let mut say = |number: u32, both: &mut [&mut File; 2]| {
            let text = format!("<{number:020}>");
            for pipe in both.iter_mut() {
                pipe.write_all(text.as_bytes()).unwrap();
            }
            length += text.len();
            said += &text;
            length
        };
        let there = |name| all_of(&place, name).len();
        for number in 0..30 {
            let length = say(number, &mut [&mut out, &mut err]);
            let seen = || there("out.log") >= length && there("err.log") >= length;
            until("it is written, or the logger is dead", || seen() || logger.child.try_wait().unwrap().is_some());
            if logger.child.try_wait().unwrap().is_some() {
                deaths.insert(call);
                break;
            }
        }
        drop(assassin);
        let _ = logger.child.kill();
        let _ = logger.child.wait();
        let logger = Logger::start(&place);
        logger.attach(1, to());
        let last = (100..110).map(|number| say(number, &mut [&mut out, &mut err])).last().unwrap();
        until("all is written", || there("out.log") >= last && there("err.log") >= last);
        logger.finish();
        assert_eq!(all_of(&place, "out.log"), said, "killed at {call} {nth}");
        assert_eq!(all_of(&place, "err.log"), said, "killed at {call} {nth}");
    }
    for call in ["openat", "renameat", "write", "splice", "tee"] {
        assert!(deaths.contains(call), "never killed at {call}: {deaths:?}");
    }
}
