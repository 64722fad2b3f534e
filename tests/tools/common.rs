//! Running a tool and its rival in the same way, and comparing what comes of it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use proptest::test_runner::Config;
use tempfile::TempDir;

/// What came of a run.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "code {:?}, signal {:?}\n--- stdout\n", self.code, self.signal)?;
        write!(f, "{}\n--- stderr\n{}", self.stdout.escape_ascii(), self.stderr.escape_ascii())
    }
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        let Output { status, stdout, stderr } = output;
        Outcome { stdout, stderr, code: status.code(), signal: status.signal() }
    }
}

/// A tool and its rival, ready to be run any number of times.
pub(crate) struct Pair {
    name: &'static str,
    ours: PathBuf,
    theirs: PathBuf,
    /// Holds the link that `ours` is.
    _links: TempDir,
}

impl Pair {
    /// `None`, after a word on standard error, if the rival is not installed.
    pub(crate) fn find(name: &'static str) -> Option<Pair> {
        let theirs = installed(name)?;
        let links = scratch();
        let ours = links.path().join(name);
        symlink(env!("CARGO_BIN_EXE_abide"), &ours).expect("a new directory takes a link");
        Some(Pair { name, ours, theirs, _links: links })
    }

    /// Both programs, the rival first.
    pub(crate) fn programs(&self) -> [&Path; 2] {
        [&self.theirs, &self.ours]
    }

    /// Runs both and wants the same from them; gives it.
    pub(crate) fn same(&self, run: &Run) -> Outcome {
        let theirs = run.outcome(&self.theirs, self.name);
        let ours = run.outcome(&self.ours, self.name);
        assert_eq!(ours, theirs, "{} with {:?}", self.name, run.words);
        theirs
    }

    /// Runs both, the rival first.
    pub(crate) fn run(&self, run: &Run) -> [Outcome; 2] {
        self.programs().map(|program| run.outcome(program, self.name))
    }
}

/// How a tool is run.
#[derive(Default)]
pub(crate) struct Run {
    words: Vec<OsString>,
    dir: Option<PathBuf>,
    environment: Option<Vec<(OsString, OsString)>>,
    input: Vec<u8>,
    before: Option<&'static str>,
}

impl Run {
    pub(crate) fn new<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> Self {
        Run { words: words.into_iter().map(|word| word.as_ref().to_owned()).collect(), ..Run::default() }
    }

    /// In this directory.
    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.dir = Some(dir.to_owned());
        self
    }

    /// In this environment and no other.
    pub(crate) fn environment<N: AsRef<OsStr>>(mut self, variables: &[(N, N)]) -> Self {
        let own = |text: &N| text.as_ref().to_owned();
        self.environment = Some(variables.iter().map(|(name, value)| (own(name), own(value))).collect());
        self
    }

    /// With this on standard input.
    pub(crate) fn input(mut self, input: &[u8]) -> Self {
        input.clone_into(&mut self.input);
        self
    }

    /// By a shell that has done this before, as `exec "$0" "$@"`.
    pub(crate) fn before(mut self, script: &'static str) -> Self {
        self.before = Some(script);
        self
    }

    pub(crate) fn command(&self, program: &Path, name: &str) -> Command {
        let mut command = Command::new(if self.before.is_some() { Path::new("/bin/sh") } else { program });
        if let Some(script) = self.before {
            command.arg("-c").arg(script).arg(program);
        } else {
            command.arg0(name);
        }
        command.args(&self.words);
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        if let Some(environment) = &self.environment {
            command.env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
        }
        command
    }

    pub(crate) fn outcome(&self, program: &Path, name: &str) -> Outcome {
        let mut input = tempfile::tempfile().expect("temporary files can be made");
        input.write_all(&self.input).and_then(|()| input.rewind()).expect("a temporary file can be written");
        let output = self.command(program, name).stdin(Stdio::from(input)).output();
        output.expect("the tool can be started").into()
    }
}

/// Where PATH has the program; if nowhere, says so.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file());
    if found.is_none() {
        skipped(&format!("{name} is not installed"));
    }
    found
}

/// Says that a test cannot be done here, which must not happen where everything should be there.
pub(crate) fn skipped(reason: &str) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    assert_ne!(env::var_os("CI").as_deref(), Some(OsStr::new("true")), "{name} cannot be done: {reason}");
    // Not by eprintln, which the test harness would keep.
    let _ = io::stderr().write_all(format!("SKIPPED in {name}: {reason}\n").as_bytes());
}

/// Whether we are root; if not, says what is left out.
pub(crate) fn root_for(what: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        let name = std::thread::current().name().unwrap_or("a test").to_owned();
        let _ = io::stderr().write_all(format!("SKIPPED in {name}: only root can {what}\n").as_bytes());
    }
    root
}

/// `ABIDE_CASES` generated cases, or `few`.
pub(crate) fn cases(few: u32) -> Config {
    let cases = env::var("ABIDE_CASES").ok().and_then(|number| number.parse().ok()).unwrap_or(few);
    Config { cases, failure_persistence: None, ..Config::default() }
}

pub(crate) fn scratch() -> TempDir {
    tempfile::tempdir().expect("temporary directories can be made")
}

/// Writes a file with this mode.
pub(crate) fn file(path: &Path, content: impl AsRef<[u8]>, mode: u32) {
    fs::write(path, content).expect("a new file can be written");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the mode of one's own file can be set");
}

pub(crate) fn fifo(path: &Path) {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).expect("a new FIFO can be made");
}

/// Waits until it is so.
pub(crate) fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !so() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn os(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}
