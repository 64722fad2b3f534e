//! Runs a multilog, ours or the original, in a directory of its own, and takes down what it left there.

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, pipe2};
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Ours,
    Original,
}

/// Where the original is, if it is installed. If not, that is said.
pub(super) fn original(test: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join("multilog")).find(|file| file.exists());
    if found.is_none() {
        skip(test, "multilog is not installed");
    }
    found
}

/// Says that a test needs rights that are not there. No failure anywhere: root runs it elsewhere.
pub(super) fn skip_for_want_of_rights(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED in {test}: {reason}");
}

/// Says that a test cannot run here.
pub(super) fn skip(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED in {test}: {reason}");
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{test}: {reason}");
}

/// Waits for something to come about.
pub(super) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// What a directory holds: names, modes and contents.
pub(super) type Tree = BTreeMap<String, (u32, Vec<u8>)>;

/// A directory to run in.
#[derive(Debug)]
pub(super) struct Scene {
    root: TempDir,
}

impl Scene {
    pub(super) fn new() -> Scene {
        Scene { root: TempDir::new().expect("a temporary directory can be made") }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// The command, ready but for its input.
    pub(super) fn command(&self, program: Program, words: &[String]) -> Command {
        let mut command = match program {
            Program::Ours => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_abide"));
                command.args(["tool", "multilog"]);
                command
            }
            Program::Original => Command::new("multilog"),
        };
        fs::create_dir_all(self.path()).expect("the work directory can be made");
        let errors = File::options().append(true).create(true).open(self.root.path().join("errors"));
        command.args(words).current_dir(self.path()).stdout(Stdio::null()).stderr(errors.expect("errors can be kept"));
        command
    }

    /// Runs over all of `input`, a file; the answer is the exit code.
    pub(super) fn run(&self, program: Program, words: &[String], input: &[u8]) -> Option<i32> {
        let path = self.root.path().join("input");
        fs::write(&path, input).expect("the input can be written");
        let input = File::open(&path).expect("the input can be read");
        let child = self.command(program, words).stdin(input).spawn().expect("the program can be run");
        let mut running = Running { program, child, pipe: Pipe::new() };
        until("it ends", || running.has_ended());
        running.child.wait().expect("it is a child").code()
    }

    /// Starts over a pipe.
    pub(super) fn start(&self, program: Program, words: &[String]) -> Running {
        self.start_on(program, words, Pipe::new())
    }

    /// Starts over a pipe that there is already.
    pub(super) fn start_on(&self, program: Program, words: &[String], pipe: Pipe) -> Running {
        let stdin = pipe.read.try_clone().expect("a pipe can be shared");
        let child = self.command(program, words).stdin(Stdio::from(stdin)).spawn().expect("the program can be run");
        Running { program, child, pipe }
    }

    /// Standard error of all that ran here.
    pub(super) fn errors(&self) -> Vec<u8> {
        fs::read(self.root.path().join("errors")).unwrap_or_default()
    }

    /// Everything below the working directory, with new names numbered.
    pub(super) fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        collect(&self.path(), "", &mut tree);
        tree
    }
}

fn collect(directory: &Path, prefix: &str, tree: &mut Tree) {
    let entries = fs::read_dir(directory).expect("the directory can be read");
    let mut names: Vec<_> = entries.map(|entry| entry.expect("it can be read on").file_name()).collect();
    names.sort();
    let mut new = 0;
    for name in names {
        let path = directory.join(&name);
        let mut name = name.into_string().expect("names are text");
        if name.starts_with("@4000000") {
            name = format!("@{new}{}", &name[25..]);
            new += 1;
        }
        let name = format!("{prefix}{name}");
        let facts = fs::metadata(&path).expect("the file is there");
        if facts.is_dir() {
            tree.insert(name.clone(), (facts.mode(), Vec::new()));
            collect(&path, &format!("{name}/"), tree);
        } else {
            tree.insert(name, (facts.mode(), fs::read(&path).expect("the file can be read")));
        }
    }
}

/// Makes labels alike: generated data have none of their bytes.
pub(super) fn mask(data: &[u8]) -> Vec<u8> {
    data.iter().map(|byte| if matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'@') { b'#' } else { *byte }).collect()
}

/// Both ends of a pipe.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) read: File,
    pub(super) write: File,
}

impl Pipe {
    fn new() -> Pipe {
        let (read, write) = pipe2(OFlag::O_CLOEXEC).expect("a pipe can be made");
        Pipe { read: read.into(), write: write.into() }
    }

    fn is_empty(&self) -> bool {
        let mut files = [PollFd::new(self.read.as_fd(), PollFlags::POLLIN)];
        poll(&mut files, PollTimeout::ZERO) == Ok(0)
    }

    /// What nobody has read.
    fn rest(self) -> Vec<u8> {
        drop(self.write);
        let mut rest = Vec::new();
        let mut read = self.read;
        read.read_to_end(&mut rest).expect("the pipe can be read");
        rest
    }
}

/// A multilog that is running.
#[derive(Debug)]
pub(super) struct Running {
    program: Program,
    pub(super) child: Child,
    pub(super) pipe: Pipe,
}

impl Running {
    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("the child was not waited for");
    }

    /// The fields of /proc/PID/status.
    fn status(&self, field: &str) -> String {
        let path = format!("/proc/{}/status", self.pid());
        let text = fs::read_to_string(path).expect("the child was not waited for");
        let line = text.lines().find_map(|line| line.strip_prefix(field));
        line.unwrap_or_default().trim_start_matches(':').trim().to_owned()
    }

    fn has_signal(&self, field: &str, signal: Signal) -> bool {
        let set = u64::from_str_radix(&self.status(field), 16).unwrap_or(0);
        set >> (signal as u32 - 1) & 1 == 1
    }

    pub(super) fn has_ended(&self) -> bool {
        self.status("State").starts_with('Z')
    }

    /// Whether it has read everything and waits for more.
    fn is_waiting(&self) -> bool {
        // The original takes signals only while it reads; ours takes them from a descriptor.
        let blocked = self.has_signal("SigBlk", Signal::SIGTERM);
        let reads = match self.program {
            Program::Ours => blocked,
            Program::Original => !blocked && self.has_signal("SigCgt", Signal::SIGTERM),
        };
        let pending = [Signal::SIGTERM, Signal::SIGALRM].iter().any(|signal| self.has_signal("ShdPnd", *signal));
        reads && !pending && self.pipe.is_empty() && self.status("State").starts_with('S')
    }

    /// Waits until everything is read, or the program has ended.
    pub(super) fn settle(&self) {
        until("it waits", || self.has_ended() || self.is_waiting());
    }

    /// Writes something that the pipe has room for.
    pub(super) fn write(&mut self, data: &[u8]) {
        self.pipe.write.write_all(data).expect("the test itself could read it");
    }

    /// Stops it until `now` has been done.
    pub(super) fn frozen(&mut self, now: impl FnOnce(&mut Running)) {
        self.signal(Signal::SIGSTOP);
        until("it stops", || self.status("State").starts_with('T'));
        now(self);
        self.signal(Signal::SIGCONT);
    }

    /// Waits for its end without closing the pipe; answers with what it left there.
    pub(super) fn wait(mut self) -> (ExitStatus, Pipe) {
        until("it ends", || self.has_ended());
        let status = self.child.wait().expect("it is a child");
        let (read, write) = (self.pipe.read.try_clone(), self.pipe.write.try_clone());
        let pipe = Pipe { read: read.expect("it can be shared"), write: write.expect("it can be shared") };
        (status, pipe)
    }

    /// Closes the pipe and waits for the end.
    pub(super) fn close(mut self) -> ExitStatus {
        self.pipe.write = File::open("/dev/null").expect("it is always there");
        self.child.wait().expect("it is a child")
    }

    /// Ends it by TERM; answers with its exit code and what it left in the pipe.
    pub(super) fn end(self) -> (Option<i32>, Vec<u8>) {
        let (status, pipe) = self.wait();
        (status.code(), pipe.rest())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Does nothing to a child that was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a file of an earlier time.
pub(super) fn put(path: &Path, mode: u32, content: &[u8]) {
    fs::create_dir_all(path.parent().expect("it is in a directory")).expect("the directory can be made");
    fs::write(path, content).expect("the file can be written");
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("the file is ours");
}
