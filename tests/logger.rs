//! The logger as a process, with real pipes, files and disks.
//!
//! The process is this very test binary, which plays the role where [`PIPES`] is set; its end of the
//! socket is its standard input. SIGTERM comes blocked, since the test harness has a thread that would die of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should not")]

use abide::host::pipe::witness;
use abide::log::order::{Destination, Order, Report};
use abide::log::rotate::LogFile;
use abide::model::logging::{Compress, LogFormat, LogPolicy};
use abide::table::{LANES, Machine, Table};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::socket::{AddressFamily, MsgFlags, Shutdown, SockFlag, SockType, recv, send, shutdown, socketpair};
use nix::sys::stat::Mode;
use nix::unistd::Pid;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[path = "logger/named.rs"]
mod named;

const PIPES: &str = "ABIDE_TEST_PIPES";
const FILE_SIZE: &str = "ABIDE_TEST_FILE_SIZE";
const OPEN_FILES: &str = "ABIDE_TEST_OPEN_FILES";
const PATIENCE: Duration = Duration::from_secs(20);

/// No test, but the process that the others test.
#[test]
fn role() {
    let Some(pipes) = std::env::var_os(PIPES) else { return };
    if let Ok(size) = std::env::var(FILE_SIZE) {
        let size = size.parse().unwrap();
        setrlimit(Resource::RLIMIT_FSIZE, size, size).unwrap();
    }
    if let Ok(count) = std::env::var(OPEN_FILES) {
        let count = count.parse().unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, count, count).unwrap();
    }
    let control = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    let pipes = Path::new(&pipes);
    let table = File::options().read(true).write(true).open(pipes.with_file_name("table")).unwrap();
    let table = Arc::new(Table::open(table.into()).unwrap());
    std::process::exit(abide::logger::run(control, pipes, &table));
}

/// A place with pipes and logs.
struct Place {
    _temp: tempfile::TempDir,
    root: PathBuf,
    /// As the keeper holds them.
    _witnesses: Vec<File>,
}

impl Place {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        fs::create_dir(root.join("pipes")).unwrap();
        let machine = Machine { boot_id: [1, 2], pid_namespace: 3, init_start: 4 };
        let table = File::options().read(true).write(true).create_new(true).open(root.join("table")).unwrap();
        Table::create(table, machine).unwrap();
        let witnesses = (0..LANES).map(|lane| made_pipe(&root.join("pipes").join(witness(lane)))).collect();
        Self { _temp: temp, root, _witnesses: witnesses }
    }

    /// Makes a slot's pipe. Held open as the keeper would.
    fn pipe(&self, slot: u32) -> File {
        made_pipe(&self.root.join("pipes").join(slot.to_string()))
    }

    fn directory(&self, name: &str) -> PathBuf {
        self.root.join("log").join(name)
    }

    fn to(&self, name: &str, max_size: u64, max_files: u32) -> Destination {
        let (format, compress) = (LogFormat::Plain, Compress::None);
        let policy = LogPolicy { format, compress, max_size, max_files, ..LogPolicy::default() };
        let (directory, service) = (self.directory(name), name.to_owned());
        Destination { directory, file: LogFile::Current, policy, service, instance: 0, owner: None }
    }
}

fn made_pipe(path: &Path) -> File {
    nix::unistd::mkfifo(path, Mode::S_IRWXU).unwrap();
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

/// A running logger.
struct Logger {
    child: Child,
    control: OwnedFd,
}

impl Logger {
    fn start(place: &Place) -> Self {
        Self::start_with(place, &[])
    }

    fn start_with(place: &Place, environment: &[(&str, &str)]) -> Self {
        let ends = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        Self::start_on(place, environment, ends)
    }

    fn start_on(place: &Place, environment: &[(&str, &str)], ends: (OwnedFd, OwnedFd)) -> Self {
        Self::start_into(place, environment, ends, Stdio::null())
    }

    fn start_into(
        place: &Place,
        environment: &[(&str, &str)],
        (control, theirs): (OwnedFd, OwnedFd),
        stdout: Stdio,
    ) -> Self {
        let mut term = SigSet::empty();
        term.add(Signal::SIGTERM);
        term.thread_block().unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "role", "--nocapture"])
            .env(PIPES, place.root.join("pipes"))
            .envs(environment.iter().copied())
            .stdin(Stdio::from(theirs))
            .stdout(stdout)
            .spawn()
            .unwrap();
        let logger = Self { child, control };
        assert_eq!(logger.report(), Report::Hello);
        logger
    }

    fn order(&self, order: &Order) {
        send(self.control.as_raw_fd(), &order.encode(), MsgFlags::MSG_NOSIGNAL).unwrap();
    }

    fn attach(&self, slot: u32, to: Destination) {
        self.order(&Order::Attach { slot, to, rename_from: None });
    }

    fn report(&self) -> Report {
        let mut fds = [PollFd::new(self.control.as_fd(), PollFlags::POLLIN)];
        let ready = poll(&mut fds, PollTimeout::try_from(PATIENCE).unwrap()).unwrap();
        assert_eq!(ready, 1, "the logger reports nothing");
        let mut packet = [0; 2048];
        let count = recv(self.control.as_raw_fd(), &mut packet, MsgFlags::empty()).unwrap();
        Report::decode(&packet[..count]).unwrap()
    }

    /// The next report that is no news of losses.
    fn report_but_drops(&self) -> Report {
        loop {
            match self.report() {
                Report::Dropped { .. } => {}
                other => return other,
            }
        }
    }

    fn detach(&self, slot: u32) {
        self.order(&Order::Detach { slot });
        while self.report() != (Report::Detached { slot }) {}
    }

    fn finish(mut self) {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn until(what: &str, mut claim: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !claim() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The files of a log, oldest first, `current` last.
fn files(directory: &Path) -> Vec<Vec<u8>> {
    let mut names: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn text(directory: &Path) -> String {
    fs::read_to_string(directory.join("current")).unwrap_or_default()
}

#[test]
fn the_lines_of_fifty_writers_arrive_whole_and_in_order() {
    let place = Place::new();
    let logger = Logger::start(&place);
    let lines = |slot: u32| (0..2_000).map(move |number| format!("{slot}: line {number}\n"));
    let mut pipes: Vec<File> = (1..=50).map(|slot| place.pipe(slot)).collect();
    std::thread::scope(|scope| {
        for (pipe, slot) in pipes.iter_mut().zip(1..) {
            logger.attach(slot, place.to(&slot.to_string(), 20_000, 100));
            scope.spawn(move || lines(slot).for_each(|line| pipe.write_all(line.as_bytes()).unwrap()));
        }
    });
    logger.finish();
    for slot in 1..=50 {
        let files = files(&place.directory(&slot.to_string()));
        assert_eq!(String::from_utf8(files.concat()).unwrap(), lines(slot).collect::<String>());
        assert!(files.len() > 1);
        for file in files {
            assert!(file.len() <= 20_000 && file.ends_with(b"\n"));
        }
    }
}

#[test]
fn only_so_many_rotated_files_are_kept() {
    let place = Place::new();
    let logger = Logger::start(&place);
    let mut pipe = place.pipe(1);
    logger.attach(1, place.to("web", 1_000, 3));
    for number in 0..1_000 {
        writeln!(pipe, "{number:09}").unwrap();
    }
    logger.detach(1);
    // What is too many is deleted away from who writes; the end waits for that.
    logger.finish();
    let files = files(&place.directory("web"));
    assert_eq!(files.len(), 4);
    let kept = String::from_utf8(files.concat()).unwrap();
    let kept: Vec<u32> = kept.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(kept, (kept[0]..1_000).collect::<Vec<_>>());
    for name in fs::read_dir(place.directory("web")).unwrap() {
        let name = name.unwrap().file_name().into_string().unwrap();
        assert!(name == "current" || LogFile::Current.rotated_at(&name).is_some(), "{name}");
    }
}

#[test]
fn a_detached_slot_is_read_to_its_end_and_its_number_is_free() {
    let place = Place::new();
    let logger = Logger::start(&place);
    for (round, name) in ["web", "db"].into_iter().enumerate() {
        let mut pipe = place.pipe(1);
        logger.attach(1, place.to(name, 1 << 20, 1));
        pipe.write_all(&b"x".repeat(60_000)).unwrap();
        logger.detach(1);
        assert_eq!(text(&place.directory(name)).len(), 60_000, "round {round}");
        fs::remove_file(place.root.join("pipes/1")).unwrap();
    }
    logger.detach(77);
}

#[test]
fn a_pipe_that_cannot_be_opened_is_refused_and_can_be_given_again() {
    let place = Place::new();
    let logger = Logger::start(&place);
    logger.attach(1, place.to("web", 1 << 20, 3));
    assert!(matches!(logger.report(), Report::Refused { slot: 1, .. }));
    let mut pipe = place.pipe(1);
    logger.attach(1, place.to("web", 1 << 20, 3));
    pipe.write_all(b"not lost\n").unwrap();
    until("it is read", || text(&place.directory("web")).ends_with("not lost\n"));
    logger.detach(1);
    logger.finish();
}

#[test]
fn what_was_said_to_the_logger_before_is_void() {
    let place = Place::new();
    let ends = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
    let stale = Order::Detach { slot: 9 }.encode();
    send(ends.0.as_raw_fd(), &stale, MsgFlags::empty()).unwrap();
    let logger = Logger::start_on(&place, &[], ends);
    logger.order(&Order::Detach { slot: 8 });
    assert_eq!(logger.report(), Report::Detached { slot: 8 });
    logger.finish();
}

#[test]
fn a_silent_slot_makes_no_directory_and_the_first_byte_does() {
    let place = Place::new();
    let logger = Logger::start(&place);
    let mut pipe = place.pipe(1);
    logger.attach(1, place.to("web", 1 << 20, 1));
    logger.order(&Order::Detach { slot: 99 });
    assert_eq!(logger.report(), Report::Detached { slot: 99 });
    assert!(!place.root.join("log").exists());
    pipe.write_all(b"hello\n").unwrap();
    until("the line is written", || text(&place.directory("web")) == "hello\n");
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(place.directory("web")) & 0o027 & !0o050, 0);
    assert_eq!(mode(place.directory("web").join("current")) & 0o137 & !0o040, 0);
}

#[test]
fn an_idle_file_is_closed_and_then_nothing_wakes() {
    let place = Place::new();
    let logger = Logger::start(&place);
    let mut pipe = place.pipe(1);
    logger.attach(1, place.to("web", 1 << 20, 1));
    pipe.write_all(b"hello\n").unwrap();
    let proc = PathBuf::from(format!("/proc/{}", logger.child.id()));
    let is_open = || {
        let mut fds = fs::read_dir(proc.join("fd")).unwrap().flatten();
        fds.any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target.ends_with("web/current")))
    };
    until("the file is opened", is_open);
    until("the file is closed", || !is_open());
    let wakes = || -> Vec<String> {
        let tasks = fs::read_dir(proc.join("task")).unwrap().flatten();
        let status = tasks.map(|task| fs::read_to_string(task.path().join("status")).unwrap());
        status.map(|status| status.lines().filter(|line| line.contains("ctxt_switches")).collect()).collect()
    };
    until("the worker waits again", || {
        let before = wakes();
        std::thread::sleep(Duration::from_millis(50));
        before == wakes()
    });
    let before = wakes();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(wakes(), before, "at rest nothing wakes");
    // logrotate's way: moved aside while closed, made anew with the next line.
    fs::rename(place.directory("web").join("current"), place.directory("web").join("old")).unwrap();
    pipe.write_all(b"again\n").unwrap();
    until("a new file is made", || text(&place.directory("web")) == "again\n");
}

#[test]
fn what_stands_in_the_pipe_survives_the_loggers_death() {
    let place = Place::new();
    let mut pipe = place.pipe(1);
    let mut logger = Logger::start(&place);
    logger.attach(1, place.to("web", 1 << 20, 1));
    pipe.write_all(b"one\n").unwrap();
    until("the first line is written", || text(&place.directory("web")) == "one\n");
    logger.child.kill().unwrap();
    logger.child.wait().unwrap();
    pipe.write_all(b"two\n").unwrap();
    let next = Logger::start(&place);
    next.attach(1, place.to("web", 1 << 20, 1));
    next.finish();
    assert_eq!(text(&place.directory("web")), "one\ntwo\n");
}

#[test]
fn a_logger_whose_supervisor_is_gone_writes_on() {
    let place = Place::new();
    let mut pipe = place.pipe(1);
    let logger = Logger::start(&place);
    logger.attach(1, place.to("web", 1 << 20, 1));
    shutdown(logger.control.as_raw_fd(), Shutdown::Both).unwrap();
    pipe.write_all(b"alone\n").unwrap();
    until("the line is written", || text(&place.directory("web")) == "alone\n");
    pipe.write_all(b"to the end\n").unwrap();
    logger.finish();
    assert_eq!(text(&place.directory("web")), "alone\nto the end\n");
}

#[test]
fn a_packet_that_is_no_order_harms_nothing() {
    let place = Place::new();
    let mut pipe = place.pipe(1);
    let logger = Logger::start(&place);
    send(logger.control.as_raw_fd(), b"nonsense", MsgFlags::MSG_NOSIGNAL).unwrap();
    logger.attach(2, place.to("nowhere", 1 << 20, 1));
    let Report::Refused { slot: 2, message } = logger.report() else { panic!("not refused") };
    assert!(message.starts_with("cannot read the log pipe 2: No such file or directory"), "{message}");
    logger.attach(1, place.to("web", 1 << 20, 1));
    pipe.write_all(b"still here\n").unwrap();
    logger.finish();
    assert_eq!(text(&place.directory("web")), "still here\n");
}

#[test]
fn an_order_given_again_changes_where_and_may_rename() {
    let place = Place::new();
    let logger = Logger::start(&place);
    let mut pipe = place.pipe(1);
    logger.attach(1, place.to("web", 1 << 20, 1));
    pipe.write_all(b"one\n").unwrap();
    until("the first line is written", || text(&place.directory("web")) == "one\n");
    let rename_from = Some(place.directory("web"));
    logger.order(&Order::Attach { slot: 1, to: place.to("web@0", 1 << 20, 1), rename_from });
    until("the directory is renamed", || !place.directory("web").exists());
    pipe.write_all(b"two\n").unwrap();
    until("the second line is written", || text(&place.directory("web@0")) == "one\ntwo\n");
    logger.attach(1, place.to("elsewhere", 1 << 20, 1));
    logger.attach(1, place.to("elsewhere", 1 << 20, 1));
    logger.order(&Order::Detach { slot: 99 });
    assert_eq!(logger.report(), Report::Detached { slot: 99 });
    pipe.write_all(b"three\n").unwrap();
    logger.finish();
    assert_eq!(text(&place.directory("web@0")), "one\ntwo\n");
    assert_eq!(text(&place.directory("elsewhere")), "three\n");
}

#[test]
fn the_own_log_is_rotated_beside_its_file() {
    let place = Place::new();
    let logger = Logger::start(&place);
    let mut pipe = place.pipe(0);
    logger.attach(0, Destination { file: LogFile::Own, ..place.to("", 100, 2) });
    for number in 0..30 {
        writeln!(pipe, "{number:09}").unwrap();
    }
    logger.finish();
    let mut names: Vec<_> = fs::read_dir(place.root.join("log"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names[0], "abide.log");
    assert!(names.len() == 3 && names[1..].iter().all(|name| LogFile::Own.rotated_at(name).is_some()), "{names:?}");
}

#[test]
fn a_directory_that_others_may_write_is_refused_until_it_is_mended() {
    let place = Place::new();
    let logger = Logger::start(&place);
    let mut pipe = place.pipe(1);
    let directory = place.directory("web");
    fs::create_dir_all(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
    logger.attach(1, place.to("web", 1 << 20, 1));
    pipe.write_all(b"one\ntwo\nthr").unwrap();
    let Report::Trouble { slot: 1, message: Some(message) } = logger.report() else { panic!("no trouble") };
    assert!(message.contains("others may write it (mode 0777)"), "{message}");
    assert_eq!(logger.report(), Report::Dropped { slot: 1, bytes: 8, lines: 2 });
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o750)).unwrap();
    pipe.write_all(b"ee\n").unwrap();
    assert_eq!(logger.report(), Report::Trouble { slot: 1, message: None });
    logger.finish();
    let owned_up = "2 lines of output (8 bytes) could not be written here, and are lost\n";
    assert_eq!(text(&directory), format!("{owned_up}three\n"), "what had no end yet waited");
}

#[test]
fn losses_are_told_in_total_and_at_most_once_a_second() {
    let place = Place::new();
    let logger = Logger::start(&place);
    let mut pipe = place.pipe(1);
    fs::create_dir_all(place.directory("")).unwrap();
    fs::write(place.directory("web"), "no directory").unwrap();
    logger.attach(1, place.to("web", 1 << 20, 1));
    pipe.write_all(b"first\n").unwrap();
    assert!(matches!(logger.report(), Report::Trouble { slot: 1, message: Some(_) }));
    assert_eq!(logger.report(), Report::Dropped { slot: 1, bytes: 6, lines: 1 });
    let told = Instant::now();
    for _ in 0..10 {
        pipe.write_all(b"more\n").unwrap();
    }
    assert_eq!(logger.report(), Report::Dropped { slot: 1, bytes: 56, lines: 11 });
    assert!(told.elapsed() > Duration::from_millis(900));
}

/// Writes numbered lines until the logger reports a loss; the bytes written, and what was lost at last.
fn flood(logger: &Logger, pipe: &mut File, slot: u32) -> (u64, u64) {
    let line = [&b"x".repeat(99)[..], b"\n"].concat();
    for _ in 0..5_000 {
        // Never blocks: the logger reads on, whatever the disk does.
        pipe.write_all(&line).unwrap();
    }
    logger.order(&Order::Detach { slot });
    let mut lost = 0;
    loop {
        match logger.report() {
            Report::Detached { .. } => return (500_000, lost),
            Report::Dropped { bytes, .. } => lost = bytes,
            _ => {}
        }
    }
}

#[test]
fn a_limit_on_file_sizes_drops_whole_lines_and_counts_to_the_byte() {
    let place = Place::new();
    let logger = Logger::start_with(&place, &[(FILE_SIZE, "100050")]);
    let mut pipe = place.pipe(1);
    logger.attach(1, place.to("web", 1 << 20, 1));
    let (written, lost) = flood(&logger, &mut pipe, 1);
    assert_eq!(text(&place.directory("web")).len(), 100_000);
    assert_eq!(lost, written - 100_000);
    logger.finish();
}

/// A mounted file system, gone with the test: else its directory could not be removed.
struct Disk(PathBuf);

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(&self.0, nix::mount::MntFlags::MNT_DETACH);
    }
}

/// A place whose logs lie on a file system of that size, for this thread and the loggers that it starts. `None`: said aloud.
fn place_on_small_disk(size: &str) -> Option<(Place, Disk)> {
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};
    let nothing = None::<&str>;
    if unshare(CloneFlags::CLONE_NEWNS).is_err() {
        eprintln!("skipped: a small disk needs root");
        return None;
    }
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).unwrap();
    let place = Place::new();
    let disk = Disk(place.root.join("log"));
    fs::create_dir(&disk.0).unwrap();
    let options = format!("size={size},mode=755");
    mount(Some("tmpfs"), &disk.0, Some("tmpfs"), MsFlags::empty(), Some(options.as_str())).unwrap();
    Some((place, disk))
}

#[test]
fn a_full_disk_drops_and_counts_and_goes_on_when_there_is_room() {
    let Some((place, disk)) = place_on_small_disk("128k") else { return };
    let logger = Logger::start(&place);
    let (mut small, mut large) = (place.pipe(1), place.pipe(2));
    logger.attach(1, place.to("web", 1 << 20, 1));
    let elsewhere = Destination { directory: place.root.join("elsewhere"), ..place.to("", 1 << 20, 1) };
    logger.attach(2, elsewhere);
    let (written, lost) = flood(&logger, &mut small, 1);
    assert_eq!(text(&place.directory("web")).len() as u64 + lost, written);
    assert!(lost > 300_000, "{lost}");
    large.write_all(b"another disk\n").unwrap();
    until("another disk is written", || text(&place.root.join("elsewhere")) == "another disk\n");
    fs::remove_file(place.directory("web").join("current")).unwrap();
    // Who was just started by another test may hold what was open here until it executes its program.
    until("the disk has room", || nix::sys::statvfs::statvfs(&disk.0).unwrap().blocks_free() > 0);
    fs::remove_file(place.root.join("pipes/1")).unwrap();
    let mut again = place.pipe(1);
    logger.attach(1, place.to("web", 1 << 20, 1));
    again.write_all(b"room\n").unwrap();
    until("there is room", || text(&place.directory("web")) == "room\n");
    logger.finish();
}

#[test]
fn what_a_full_disk_loses_is_owned_up_to_in_the_log_exact_to_the_line() {
    let Some((place, disk)) = place_on_small_disk("2m") else { return };
    let ballast = disk.0.join("ballast");
    let mut logger = Logger::start(&place);
    let mut pipe = place.pipe(1);
    let to = place.to("web", 8 << 20, 1);
    let to = Destination { policy: LogPolicy { format: LogFormat::Text, ..to.policy.clone() }, ..to };
    logger.attach(1, to.clone());
    let (mut said, mut all) = (0, 0);
    let mut say = |count: u64| {
        for number in said..said + count {
            pipe.write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        said += count;
        said
    };
    for round in 0..3 {
        fs::write(&ballast, vec![b'x'; 4 << 20]).unwrap_err();
        say(20_000);
        // Also those that a logger has lost which is dead are on record.
        if round == 1 {
            logger.child.kill().unwrap();
            logger.child.wait().unwrap();
            logger = Logger::start(&place);
            logger.attach(1, to.clone());
        }
        fs::remove_file(&ballast).unwrap();
        all = say(10);
        let last = format!(" {}\n", all - 1);
        until("there is room", || text(&place.directory("web")).ends_with(&last));
    }
    logger.finish();
    let (mut next, mut lost) = (0, 0);
    for line in text(&place.directory("web")).lines() {
        let mut parts = line.splitn(3, ' ');
        let (_time, stream, words) = (parts.next(), parts.next().unwrap(), parts.next().unwrap());
        if stream == "abide" {
            let count: u64 = words.split(' ').next().unwrap().parse().unwrap();
            (next, lost) = (next + count, lost + count);
        } else {
            assert_eq!(words.parse(), Ok(next), "after {lost} lost ones");
            next += 1;
        }
    }
    assert_eq!(next, all);
    assert!(lost > 10_000, "{lost}");
}

#[test]
fn a_slot_moves_to_another_disk_without_losing_its_pipe() {
    let place = Place::new();
    let shm = Path::new("/dev/shm");
    let Ok(other) = tempfile::tempdir_in(shm) else {
        eprintln!("skipped: no second file system at /dev/shm");
        return;
    };
    let logger = Logger::start(&place);
    let mut pipe = place.pipe(1);
    logger.attach(1, place.to("web", 1 << 20, 1));
    pipe.write_all(b"one\n").unwrap();
    until("the first line is written", || text(&place.directory("web")) == "one\n");
    logger.attach(1, Destination { directory: other.path().join("web"), ..place.to("", 1 << 20, 1) });
    logger.order(&Order::Detach { slot: 99 });
    assert_eq!(logger.report_but_drops(), Report::Detached { slot: 99 });
    pipe.write_all(b"two\n").unwrap();
    logger.finish();
    let both = text(&place.directory("web")) + &text(&other.path().join("web"));
    assert_eq!(both, "one\ntwo\n");
}

/// Figures for the closing note, not claims: run with `--ignored --nocapture`, optimised.
#[test]
#[ignore = "measures"]
fn cost_of_a_thousand_slots() {
    let place = Place::new();
    let logger = Logger::start(&place);
    let cpu = || -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", logger.child.id())).unwrap().flatten();
        let used = tasks.map(|task| fs::read_to_string(task.path().join("schedstat")).unwrap());
        used.map(|used| used.split(' ').next().unwrap().parse::<u64>().unwrap()).sum::<u64>() / 1_000
    };
    let mut pipes: Vec<File> = (0..1_000).map(|slot| place.pipe(slot)).collect();
    let before = cpu();
    for slot in 0..1_000 {
        logger.attach(slot, place.to(&format!("web{slot}"), 1 << 20, 1));
    }
    logger.detach(9_999);
    println!("attach: {} us for 1,000", cpu() - before);
    let memory = fs::read_to_string(format!("/proc/{}/smaps_rollup", logger.child.id())).unwrap();
    println!("{}", memory.lines().find(|line| line.starts_with("Pss:")).unwrap());
    let before = cpu();
    for _ in 0..3 {
        for pipe in &mut pipes[..1] {
            for _ in 0..1_000 {
                pipe.write_all(&[b'x'; 300]).unwrap();
                std::thread::sleep(Duration::from_micros(100));
            }
        }
    }
    println!("own log: {} us for 3,000 lines, one by one", cpu() - before);
    let before = cpu();
    for pipe in &mut pipes {
        pipe.write_all(b"hello\n").unwrap();
    }
    until("all are written", || place.directory("web999").join("current").exists());
    println!("first line: {} us for 1,000", cpu() - before);
}

#[test]
fn open_files_make_room_for_pipes_and_what_finds_none_is_refused_and_can_come_again() {
    let place = Place::new();
    let logger = Logger::start_with(&place, &[(OPEN_FILES, "48")]);
    let to = |slot: u32| place.to(&format!("s{slot}"), 1 << 20, 3);
    let says = |pipe: &mut File, slot: u32| {
        pipe.write_all(b"said\n").unwrap();
        until("it is written", || text(&to(slot).directory) == "said\n");
    };
    // Pipe and file of each are more than there are descriptors; the pipes alone are not.
    let mut pipes = Vec::new();
    for slot in 0..22 {
        pipes.push(place.pipe(slot));
        logger.attach(slot, to(slot));
        says(&mut pipes[slot as usize], slot);
    }
    // Now there are more pipes than descriptors.
    for slot in 22..60 {
        pipes.push(place.pipe(slot));
        logger.attach(slot, to(slot));
    }
    let Report::Refused { slot: refused, message } = logger.report() else { panic!("something else than refused") };
    assert!(refused >= 22 && message.contains("Raise the limit"), "{message}");
    for slot in (0..10).chain([refused]) {
        logger.detach(slot);
    }
    logger.attach(refused, to(refused));
    says(&mut pipes[refused as usize], refused);
}

#[test]
fn a_line_is_looked_for_from_the_order_on_however_it_comes() {
    let place = Place::new();
    let logger = Logger::start(&place);
    let watch = |run, pattern: Option<&str>, fresh| {
        logger.order(&Order::Watch { slot: 1, run, pattern: pattern.map(str::to_owned), fresh });
    };
    watch(1, Some("ready"), true);
    assert_eq!(logger.report(), Report::Watching { slot: 1, run: 1 }, "nobody waits for a slot that is not read");

    let mut pipe = place.pipe(1);
    pipe.write_all(b"ready, says the run before\nhalf a line of it, ").unwrap();
    logger.attach(1, place.to("web", 1 << 20, 3));
    watch(2, Some("^ready on port \\d+$"), true);
    assert_eq!(logger.report(), Report::Watching { slot: 1, run: 2 });
    assert!(text(&place.directory("web")).ends_with("half a line of it, "), "it is written before the answer");
    for piece in ["ready soon\nrea", "dy on po", "rt 80"] {
        pipe.write_all(piece.as_bytes()).unwrap();
        until("the piece is written", || text(&place.directory("web")).ends_with(piece));
    }
    pipe.write_all(b"80\nready on port 9\n").unwrap();
    assert_eq!(logger.report(), Report::Matched { slot: 1, run: 2 });
    assert!(text(&place.directory("web")).contains("\nready on port 8080\n"), "it stands in the log by then");

    // Once; and what is not looked for any more is not found.
    watch(3, Some("^never mind"), false);
    watch(3, None, false);
    watch(4, Some("("), true);
    let Report::Trouble { slot: 1, message: Some(message) } = logger.report() else { panic!("a broken pattern") };
    assert!(message.contains("`(`"), "{message}");
    assert_eq!(logger.report(), Report::Watching { slot: 1, run: 4 });
    pipe.write_all(b"never mind\nready on port 1\n").unwrap();
    until("it is written", || text(&place.directory("web")).ends_with("port 1\n"));
    watch(5, Some("^so"), true);
    assert_eq!(logger.report(), Report::Watching { slot: 1, run: 5 });
    pipe.write_all(b"so\n").unwrap();
    assert_eq!(logger.report(), Report::Matched { slot: 1, run: 5 });
    logger.finish();
}

#[test]
fn a_line_that_the_pipe_holds_already_is_found_by_who_is_told_of_it_first() {
    let place = Place::new();
    let logger = Logger::start(&place);
    let mut pipe = place.pipe(1);
    pipe.write_all(b"ready\n").unwrap();
    logger.order(&Order::Watch { slot: 1, run: 7, pattern: Some("^ready$".to_owned()), fresh: false });
    logger.attach(1, place.to("web", 1 << 20, 3));
    assert_eq!(logger.report(), Report::Matched { slot: 1, run: 7 });
    logger.finish();
}

/// How much is done in the long form (`ABIDE_CHAOS=long`), and in the short one.
fn long_or_short<T>(long: T, short: T) -> T {
    if std::env::var("ABIDE_CHAOS").is_ok_and(|form| form == "long") { long } else { short }
}

#[test]
fn every_line_is_there_once_and_in_order_however_often_the_logger_is_killed() {
    const WRITERS: u32 = 10;
    let lines = long_or_short(1_000_000_u64, 30_000);
    let kills = long_or_short(1_000, 25);
    let place = Place::new();
    let pipes: Vec<File> = (1..=WRITERS).map(|slot| place.pipe(slot)).collect();
    let to = |slot: u32| {
        let to = place.to(&slot.to_string(), lines * 40 / 100, 1_000);
        Destination { policy: LogPolicy { format: LogFormat::Text, ..to.policy }, ..to }
    };
    let mut logger = Logger::start(&place);
    std::thread::scope(|scope| {
        for (mut pipe, slot) in pipes.into_iter().zip(1_u32..) {
            scope.spawn(move || {
                for number in 0..lines {
                    pipe.write_all(format!("{slot} {number}\n").as_bytes()).unwrap();
                }
                // Held open for as long as the keeper would.
                std::mem::forget(pipe);
            });
        }
        for kill in 0..kills {
            (1..=WRITERS).for_each(|slot| logger.attach(slot, to(slot)));
            // Not for anything to happen: at another moment each time.
            std::thread::sleep(Duration::from_micros(500 + kill * 7_919 % 20_000));
            logger.child.kill().unwrap();
            logger.child.wait().unwrap();
            logger = Logger::start(&place);
        }
        (1..=WRITERS).for_each(|slot| logger.attach(slot, to(slot)));
    });
    logger.finish();
    for slot in 1..=WRITERS {
        let files = files(&place.directory(&slot.to_string()));
        assert!(files.len() > 50, "{} rotations", files.len());
        let text = String::from_utf8(files.concat()).unwrap();
        let mut next = 0;
        for line in text.lines() {
            let said = line.splitn(3, ' ').nth(2).unwrap_or_else(|| panic!("torn: {line:?}"));
            assert_eq!(said, format!("{slot} {next}"));
            next += 1;
        }
        assert_eq!(next, lines);
    }
}

/// What `strace` is told to kill a logger at: its calls while it writes and rotates, and which occurrence of each.
const CALLS: [&str; 14] = [
    "epoll_wait",
    "tee",
    "read",
    "openat",
    "fstat",
    "newfstatat",
    "write",
    "splice",
    "getdents64",
    "renameat",
    "lseek",
    "close",
    "ioctl",
    "futex",
];

/// A `strace` that kills a logger as it enters the `nth` call of that name, in any of its threads.
struct Assassin(Child);

impl Assassin {
    fn wait_for(logger: &Logger, call: &str, nth: u32) -> Self {
        let pid = logger.child.id();
        let inject = format!("inject={call}:signal=KILL:when={nth}");
        let trace = format!("trace={call}");
        let options = ["-f", "-qq", "-p", &pid.to_string(), "-e", &trace, "-e", &inject, "-o", "/dev/null"];
        let child = Command::new("strace").args(options).stderr(Stdio::null()).spawn().unwrap();
        // Or has done its work already.
        until("strace is there", || {
            let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
            let mut statuses = tasks.map(|task| fs::read_to_string(task.path().join("status")).unwrap_or_default());
            statuses.all(|status| status.contains("State:\tZ") || !status.contains("TracerPid:\t0\n"))
        });
        Self(child)
    }
}

impl Drop for Assassin {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What is in all files of a log, bytes; while they are rotated, too.
fn written(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(entry.metadata().ok()?.len() as usize)).sum()
}

#[test]
fn each_line_is_there_once_wherever_in_a_rotation_the_logger_dies() {
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI=true and strace is missing");
        return eprintln!("SKIPPED: strace is not installed");
    }
    let occurrences: &[u32] = long_or_short(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25], &[1, 3]);
    let mut deaths = std::collections::BTreeSet::new();
    for (call, nth) in CALLS.iter().flat_map(|call| occurrences.iter().map(move |nth| (*call, *nth))) {
        let place = Place::new();
        let mut pipe = place.pipe(1);
        let to = || place.to("web", 400, 1_000);
        let mut logger = Logger::start(&place);
        logger.attach(1, to());
        let assassin = Assassin::wait_for(&logger, call, nth);
        // Ten lines a file, so that in these there are rotations enough.
        let mut said = 0;
        let mut say = |pipe: &mut File| {
            said += 1;
            pipe.write_all(format!("line {said:030}\n").as_bytes()).unwrap();
            format!("line {said:030}\n")
        };
        let mut all = String::new();
        for _ in 0..60 {
            all += &say(&mut pipe);
            let seen = || written(&place.directory("web")) >= all.len();
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
        for _ in 0..30 {
            all += &say(&mut pipe);
        }
        until("all is written", || written(&place.directory("web")) >= all.len());
        logger.finish();
        let found = String::from_utf8(files(&place.directory("web")).concat()).unwrap();
        assert_eq!(found, all, "killed at {call} {nth}");
    }
    // Some of these calls it does not make; of the rotation itself it must have died at each.
    for call in ["openat", "renameat", "getdents64", "write", "splice", "tee"] {
        assert!(deaths.contains(call), "never killed at {call}: {deaths:?}");
    }
}
