//! The real supervisord and supervisorctl, to compare with.

#![allow(dead_code, reason = "each test takes what it needs")]

pub(crate) mod fake;
pub(crate) mod pair;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A Python that has supervisor. `None`: there is none, which is said aloud, and an error where all must be tested.
pub(crate) fn python() -> Option<PathBuf> {
    let asked = std::env::var_os("SUPERVISOR_PYTHON").map(PathBuf::from);
    let python = asked.unwrap_or_else(|| "python3".into());
    let has = Command::new(&python).args(["-c", "import supervisor"]).stderr(Stdio::null()).status();
    if has.is_ok_and(|status| status.success()) {
        return Some(python);
    }
    assert!(std::env::var_os("CI").is_none(), "supervisor 4.3.0 is needed: set SUPERVISOR_PYTHON");
    eprintln!("SKIPPED: no supervisor to compare with; set SUPERVISOR_PYTHON to a Python that has it");
    None
}

/// One of the two clients.
#[derive(Clone, Copy)]
pub(crate) enum Client<'a> {
    Real(&'a Path),
    Ours,
}

impl Client<'_> {
    pub(crate) fn command(self) -> Command {
        match self {
            Self::Real(python) => {
                let mut command = Command::new(python);
                command.args(["-m", "supervisor.supervisorctl"]);
                command
            }
            Self::Ours => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_abide"));
                command.arg("supervisorctl");
                command
            }
        }
    }

    /// Runs it with these words and this input.
    pub(crate) fn run(self, words: &[&str], input: &str) -> Output {
        let mut command = self.command();
        command.args(words).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the client runs");
        let mut stdin = child.stdin.take().expect("it is piped");
        // Whoever reads nothing is content with less.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().expect("it ends")
    }

    /// Runs it, waits until it has written `until`, and presses Ctrl-C.
    pub(crate) fn interrupt(self, words: &[&str], until: &str) -> Output {
        use std::io::Read as _;

        let mut command = self.command();
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the client runs");
        let pid = Pid::from_raw(child.id().cast_signed());
        let mut stdout = child.stdout.take().expect("it is piped");
        let mut seen = Vec::new();
        let mut byte = [0];
        while !String::from_utf8_lossy(&seen).ends_with(until) && stdout.read(&mut byte).is_ok_and(|n| n == 1) {
            seen.push(byte[0]);
        }
        let mut ended = || !matches!(child.try_wait(), Ok(None));
        // Python misses a signal that comes just before it begins to read.
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(300));
            if ended() {
                break;
            }
            kill(pid, Signal::SIGINT).expect("it is our child");
            let until = Instant::now() + Duration::from_secs(3);
            while Instant::now() < until && !ended() {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        // At the end of its input it ends in any case.
        drop(child.stdin.take());
        stdout.read_to_end(&mut seen).expect("it is readable");
        let mut output = child.wait_with_output().expect("it ends");
        output.stdout = seen;
        output
    }
}

/// A real supervisord, which ends with this.
pub(crate) struct Daemon {
    process: Child,
    directory: tempfile::TempDir,
}

impl Daemon {
    pub(crate) fn start(python: &Path, configuration: &str) -> Self {
        let directory = tempfile::tempdir().expect("there is room");
        std::fs::write(directory.path().join("c"), configuration).expect("there is room");
        let mut command = Command::new(python);
        command.args(["-m", "supervisor.supervisord", "-n", "-s", "-c", "c"]).current_dir(directory.path());
        let process = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        let daemon = Self { process, directory };
        wait_for(|| daemon.answers());
        daemon
    }

    /// Whether it does its work.
    fn answers(&self) -> bool {
        use std::io::Read as _;

        let Ok(mut socket) = std::os::unix::net::UnixStream::connect(self.path("s")) else { return false };
        let asked = socket.write_all(b"GET /ok.html HTTP/1.0\r\n\r\n");
        asked.and_then(|()| socket.read(&mut [0; 16])).is_ok_and(|count| count > 0)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.path("s").display())
    }

    pub(crate) fn configure(&self, configuration: &str) {
        std::fs::write(self.path("c"), configuration).expect("there is room");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.process.id().cast_signed());
        let _ = kill(pid, Signal::SIGTERM);
        let until = Instant::now() + Duration::from_secs(15);
        while Instant::now() < until && matches!(self.process.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn wait_for(mut what: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !what() {
        assert!(Instant::now() < until, "it does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What a client has written, without what differs from run to run.
pub(crate) fn normal(output: &Output, url: &str) -> String {
    let text = String::from_utf8_lossy(&output.stdout).replace(url, "URL");
    let directory = url.strip_prefix("unix://").and_then(|path| path.strip_suffix("/s")).unwrap_or("\0");
    let text = text.replace(directory, "DIR");
    let mut lines: Vec<String> = Vec::new();
    for line in text.split('\n') {
        // The real one adds to this what it could not parse.
        let told = lines.last().is_some_and(|line| line.ends_with("Server requires authentication"));
        if !(told && line.starts_with("error: ")) {
            lines.push(normal_line(line));
        }
    }
    format!("{}\n[{}]", lines.join("\n"), output.status.code().unwrap_or(-1))
}

fn normal_line(line: &str) -> String {
    for sign in ["error: ", "ERROR: "] {
        let Some(rest) = line.strip_prefix(sign) else { continue };
        let fault = rest.split_once("Fault ").and_then(|(_, rest)| rest.split_once(':'));
        match fault {
            Some((number, _)) if number.parse::<i32>().is_ok() => return format!("{sign}Fault {number}"),
            _ if sign == "error: " => return sign.to_owned(),
            _ => {}
        }
    }
    if !line.is_empty() && line.chars().all(|c| c.is_ascii_digit()) && line != "0" {
        return "PID".to_owned();
    }
    let Some((name, state)) = [" RUNNING ", " STOPPED ", " EXITED ", " BACKOFF ", " STARTING "]
        .iter()
        .find_map(|state| line.split_once(state).map(|(name, _)| (name, *state)))
    else {
        return line.to_owned();
    };
    let description = &line[name.len() + state.len()..];
    match state {
        // It is tried again and again.
        " BACKOFF " | " STARTING " => format!("{name} BACKOFF"),
        " RUNNING " => format!("{name} RUNNING {}", masked(description)),
        _ if description.ends_with('M') => format!("{name}{state}{}", masked(&description[..description.len() - 1])),
        _ => line.to_owned(),
    }
}

/// Digits and names of months masked; a run of digits is one.
fn masked(text: &str) -> String {
    let mut masked = String::new();
    for c in text.chars() {
        let c = if c.is_ascii_digit() { '#' } else { c };
        if !(c == '#' && masked.ends_with('#')) {
            masked.push(c);
        }
    }
    masked
}
