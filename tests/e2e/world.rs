//! One watched directory, one supervisor, and an end to both.

use super::process::{alive, children, has_capability, is_root, send};
use abide::model::status::{ServiceStatus, SourceState, SourceStatus, State, Status};
use nix::sys::signal::Signal;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine before a test says that it does not happen.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// How often a condition is looked at again.
const GLANCE: Duration = Duration::from_millis(5);

/// A service that does nothing for long.
pub(crate) const SLEEPER: &str = "command = [\"/bin/sleep\", \"86400\"]\n";

/// The same, for longer: another version.
pub(crate) const LONGER: &str = "command = [\"/bin/sleep\", \"90000\"]\n";

/// Four directories below one of its own, and what runs on them.
pub(crate) struct World {
    root: tempfile::TempDir,
    keeper: Option<Child>,
    fences: AtomicU32,
    /// Runs in a pid namespace: its numbers are not ours.
    contained: bool,
}

/// How the supervisor of a world is started.
#[derive(Default)]
pub(crate) struct Start<'a> {
    /// Soft and hard limit of open files that it is started with; it then may not raise the hard one.
    pub(crate) open_files: Option<(u64, u64)>,
    /// Directories to watch instead of `services.d`.
    pub(crate) directories: Option<Vec<PathBuf>>,
    /// Variables to set for it.
    pub(crate) variables: &'a [(&'a str, &'a str)],
    /// Words before the binary: a program that executes what follows them.
    pub(crate) wrapper: &'a [&'a str],
    /// Further options of `abide run`.
    pub(crate) options: &'a [&'a str],
    /// As the first process of a pid namespace.
    pub(crate) contained: bool,
}

impl World {
    /// Directories, and nothing in them.
    pub(crate) fn empty() -> Self {
        let root = tempfile::Builder::new().prefix("abide-e2e-").tempdir().expect("a directory for temporary files");
        let world = Self { root, keeper: None, fences: AtomicU32::new(0), contained: false };
        // Servers under users of their own must reach what is theirs.
        fs::set_permissions(world.root(), Permissions::from_mode(0o755)).expect("the directory is ours");
        for directory in [world.services(), world.runtime(), world.state(), world.logs()] {
            fs::create_dir(&directory).expect("the parent is new");
            fs::set_permissions(&directory, Permissions::from_mode(0o755)).expect("the directory is ours");
        }
        world
    }

    /// With these services, and a supervisor that has looked at them.
    pub(crate) fn with(services: &[(&str, &str)]) -> Self {
        let mut world = Self::empty();
        for (name, text) in services {
            world.drop_file(&format!("{name}.toml"), text);
        }
        world.start();
        world
    }

    /// With `letters` as names of sleepers, all running.
    pub(crate) fn with_sleepers(letters: &str) -> Self {
        let mut world = Self::empty();
        for letter in letters.chars() {
            world.drop_file(&format!("{letter}.toml"), SLEEPER);
        }
        world.start();
        let all = letters.len();
        world.until("all run", |status| running(status) == all);
        world
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }
    /// The watched directory.
    pub(crate) fn services(&self) -> PathBuf {
        self.root().join("services.d")
    }
    pub(crate) fn runtime(&self) -> PathBuf {
        self.root().join("runtime")
    }
    pub(crate) fn state(&self) -> PathBuf {
        self.root().join("state")
    }
    pub(crate) fn logs(&self) -> PathBuf {
        self.root().join("log")
    }
    /// A file of the watched directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.services().join(name)
    }

    // --- writing ---

    /// Puts a file into the watched directory as careful writers do: whole, by rename.
    pub(crate) fn drop_file(&self, name: &str, text: &str) {
        self.replace(&self.file(name), text);
    }

    /// Replaces any file by rename.
    pub(crate) fn replace(&self, file: &Path, text: &str) {
        let name = file.file_name().expect("a file has a name").to_string_lossy().into_owned();
        let stage = self.root().join(format!(".stage-{name}"));
        fs::write(&stage, text).expect("the world is writable");
        fs::rename(&stage, file).expect("one file system");
    }

    /// Overwrites a file in place, as `cp` does.
    pub(crate) fn overwrite(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).expect("the world is writable");
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.file(name)).expect("the file was there");
    }

    /// Every removal is believed: what is taken away here is meant.
    pub(crate) fn believe_removals(&self) {
        self.replace(&self.root().join("abide.toml"), "[guard]\nwindow = 0\n");
    }

    // --- running ---

    /// Starts the supervisor and waits for its first snapshot.
    pub(crate) fn start(&mut self) {
        self.start_as(&Start::default());
    }

    /// The same, in other circumstances.
    pub(crate) fn start_as(&mut self, how: &Start) {
        self.launch(how);
        let keeper = if self.contained { 1 } else { self.keeper() };
        self.until("the first look at the directories", |status| {
            let looked = |source: &SourceStatus| source.last_full_scan_at.is_some() || source.state != SourceState::Ok;
            status.abide.pid == keeper && !status.sources.is_empty() && status.sources.iter().all(looked)
        });
    }

    /// Starts the supervisor and waits for nothing.
    pub(crate) fn launch(&mut self, how: &Start) {
        let directories = how.directories.clone().unwrap_or_else(|| vec![self.services()]);
        let mut words: Vec<OsString> = Vec::new();
        if let Some((soft, hard)) = how.open_files {
            if is_root() && has_capability(24) {
                words.extend(["setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource"].map(Into::into));
            }
            let script = format!("ulimit -Sn {soft}; ulimit -Hn {hard}; exec \"$@\"");
            words.extend(["/bin/sh", "-ec", &script, "sh"].map(Into::into));
        }
        words.extend(how.wrapper.iter().map(Into::into));
        self.contained = how.contained;
        if how.contained {
            words.extend(["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"].map(Into::into));
        }
        words.extend([binary().into(), "run".into()]);
        words.extend(self.paths());
        words.extend(how.options.iter().map(Into::into));
        words.extend(directories.into_iter().map(Into::into));
        let complaints = File::create(self.root().join("stderr")).expect("the world is writable");
        let child = Command::new(&words[0])
            .args(&words[1..])
            .envs(how.variables.iter().copied())
            .env_remove("ABIDE_LOG")
            .stdin(Stdio::null())
            .stdout(complaints.try_clone().expect("a descriptor is free"))
            .stderr(complaints)
            .spawn();
        self.keeper = Some(child.expect("the binary is there"));
    }

    fn paths(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = Vec::new();
        for (option, directory) in
            [("--runtime-dir", self.runtime()), ("--state-dir", self.state()), ("--log-dir", self.logs())]
        {
            words.extend([option.into(), directory.into()]);
        }
        words
    }

    /// Runs a command of abide to its end, in the world's root, with the world's directories.
    pub(crate) fn abide(&self, words: &[&str]) -> Output {
        let (command, rest) = words.split_first().expect("a command");
        let mut run = Command::new(binary());
        run.arg(command);
        let elsewhere = ["schema", "completions", "man", "token"];
        // A plan between two directories asks nobody.
        if !elsewhere.contains(command) && !rest.contains(&"--from") {
            run.args(["--runtime-dir".into(), self.runtime().into_os_string()]);
        }
        // Where the table of a normal user is.
        if ["run", "upgrade", "detach", "attach"].contains(command) {
            run.args(["--state-dir".into(), self.state().into_os_string()]);
        }
        if *command == "run" {
            run.args(["--log-dir".into(), self.logs().into_os_string()]);
        }
        run.args(rest).current_dir(self.root()).env("NO_COLOR", "1").env("COLUMNS", "160");
        run.stdin(Stdio::null()).output().expect("the binary is there")
    }

    /// Runs abide with a configuration that it refuses: it only clears up what one before it has left.
    fn run_in_vain(&self) {
        // What it has left is ended by now, and is not to be taken over.
        let boot = abide::daemon::paths::boot_id().unwrap_or_default();
        for place in [self.runtime(), self.state().join(boot)] {
            let _ = fs::remove_file(place.join("table"));
        }
        let directory = self.root().join("refused");
        let _ = fs::create_dir(&directory).and_then(|()| fs::write(directory.join("abide.toml"), "]"));
        self.abide(&["run", &directory.to_string_lossy()]);
    }

    /// The keeper, which is what init would see.
    pub(crate) fn keeper(&self) -> i32 {
        let child = self.keeper.as_ref().expect("the supervisor was started").id() as i32;
        let inside = if self.contained { children(child).first().copied() } else { None };
        inside.unwrap_or(child)
    }

    /// Signals the keeper.
    pub(crate) fn signal(&self, signal: Signal) {
        send(self.keeper(), signal);
    }

    /// Waits until the keeper has ended.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.ended_within(DEADLINE)
    }

    /// The same, with a time of its own.
    pub(crate) fn ended_within(&mut self, time: Duration) -> ExitStatus {
        let until = Instant::now() + time;
        loop {
            let child = self.keeper.as_mut().expect("the supervisor was started");
            if let Some(status) = child.try_wait().expect("it is our child") {
                self.keeper = None;
                return status;
            }
            assert!(Instant::now() < until, "abide does not end\n{}", self.story());
            std::thread::sleep(GLANCE);
        }
    }

    // --- looking ---

    /// The snapshot, as it now stands.
    pub(crate) fn status(&self) -> Option<Status> {
        serde_json::from_str(&fs::read_to_string(self.runtime().join("status.json")).ok()?).ok()
    }

    /// Waits until the snapshot of a running supervisor says what is claimed.
    pub(crate) fn until(&self, claim: &str, holds: impl Fn(&Status) -> bool) -> Status {
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.status().filter(|status| holds(status)) {
                return status;
            }
            assert!(Instant::now() < until, "not seen: {claim}\n{}", self.story());
            std::thread::sleep(GLANCE);
        }
    }

    /// Waits until anything holds.
    pub(crate) fn until_true(&self, claim: &str, holds: impl Fn() -> bool) {
        let until = Instant::now() + DEADLINE;
        while !holds() {
            assert!(Instant::now() < until, "not seen: {claim}\n{}", self.story());
            std::thread::sleep(GLANCE);
        }
    }

    /// Waits until the service runs, and is in sync; its first instance's pid.
    pub(crate) fn pid(&self, name: &str) -> i32 {
        let status = self.until(&format!("{name} runs"), |status| {
            service(status, name).is_some_and(|it| it.state == State::Running && it.instances.iter().all(|i| i.in_sync))
        });
        service(&status, name).and_then(|it| it.instances.first()?.pid).expect("what runs has a pid")
    }

    /// The pid of the service's first instance, as the snapshot has it now.
    pub(crate) fn pid_now(&self, name: &str) -> Option<i32> {
        service(&self.status()?, name)?.instances.first()?.pid
    }

    /// Waits until the service runs as another process than `old`.
    pub(crate) fn pid_after(&self, name: &str, old: i32) -> i32 {
        let other = |it: &ServiceStatus| {
            it.state == State::Running && it.instances[0].pid.is_some_and(|pid| pid != old && alive(pid))
        };
        let claim = format!("{name} runs as another process than {old}");
        let status = self.until(&claim, |status| service(status, name).is_some_and(other));
        service(&status, name).and_then(|it| it.instances[0].pid).expect("what runs has a pid")
    }

    /// Waits until the service has an error of this code; its message, place and hint in one line.
    pub(crate) fn error(&self, name: &str, code: &str) -> String {
        let found = |status: &Status| service(status, name)?.errors.iter().find(|it| it.code == code).cloned();
        let status = self.until(&format!("{name} has the error {code}"), |status| found(status).is_some());
        let error = found(&status).expect("just seen");
        let place = error.line.zip(error.column).map_or(String::new(), |(line, column)| format!(":{line}:{column}"));
        format!("{}{place}: {} {}", error.file, error.message, error.hint.unwrap_or_default())
    }

    /// Waits until the service has no error and is as it should be.
    pub(crate) fn mended(&self, name: &str) {
        self.until(&format!("{name} is mended"), |status| {
            service(status, name).is_some_and(|it| it.errors.is_empty() && it.as_desired)
        });
    }

    /// Waits until the service is gone from the status.
    pub(crate) fn gone(&self, name: &str) {
        self.until(&format!("{name} is gone"), |status| service(status, name).is_none());
    }

    /// Waits until abide has acted on all that was written before: a file written now, in the way
    /// that takes longest to settle, runs.
    pub(crate) fn fence(&self) {
        let name = format!("zz-fence-{}", self.fences.fetch_add(1, Ordering::Relaxed));
        self.overwrite(&format!("{name}.toml"), SLEEPER);
        self.pid(&name);
    }

    /// Waits until abide has acted on all that vanished before: a file removed now is gone.
    pub(crate) fn fence_removals(&self) {
        let name = format!("zz-removal-{}", self.fences.fetch_add(1, Ordering::Relaxed));
        self.drop_file(&format!("{name}.toml"), SLEEPER);
        self.pid(&name);
        self.remove(&format!("{name}.toml"));
        self.gone(&name);
    }

    /// Waits until abide has reported all errors that were written before.
    pub(crate) fn fence_errors(&self) {
        let name = format!("zz-error-{}", self.fences.fetch_add(1, Ordering::Relaxed));
        self.overwrite(&format!("{name}.toml"), "command = ");
        self.error(&name, "syntax");
        self.remove(&format!("{name}.toml"));
    }

    /// abide's own log, event by event; a line that is no JSON is a failure.
    pub(crate) fn events(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.logs().join("abide.log")).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    }

    /// How often any instance of the service came to run, by abide's own log; which goes through
    /// the logger and so may come after the snapshot: the start of what now runs is waited for.
    pub(crate) fn starts(&self, name: &str) -> usize {
        let is_start = |event: &serde_json::Value| event["service"] == name && event["to"] == "running";
        self.until_true(&format!("the log tells of the start of {name}"), || {
            self.pid_now(name).is_none_or(|pid| self.events().iter().any(|it| is_start(it) && it["pid"] == pid))
        });
        self.events().iter().filter(|event| is_start(event)).count()
    }

    /// What a service has said, without what stands before its lines in its log.
    pub(crate) fn said(&self, service: &str) -> String {
        let file = self.logs().join(service).join("current");
        said_in(&String::from_utf8_lossy(&fs::read(file).unwrap_or_default()))
    }

    /// Waits until a service has said `words`; all that it has said.
    pub(crate) fn logged(&self, service: &str, words: &str) -> String {
        let file = self.logs().join(service).join("current");
        let read = || self.said(service);
        self.until_true(&format!("{words:?} in {}", file.display()), || read().contains(words));
        read()
    }

    /// Everything that helps to understand a failed test.
    pub(crate) fn story(&self) -> String {
        let mut story = String::new();
        for file in [self.root().join("stderr"), self.runtime().join("status.json"), self.logs().join("abide.log")] {
            let mut text = Vec::new();
            let _ = File::open(&file).and_then(|file| file.take(60_000).read_to_end(&mut text));
            let _ = writeln!(story, "--- {}\n{}", file.display(), String::from_utf8_lossy(&text));
        }
        story
    }
}

impl Drop for World {
    /// Orderly, then in a hurry, then by force: no test leaves a process or a cgroup behind.
    fn drop(&mut self) {
        let status = self.status();
        let groups = status.as_ref().and_then(|status| status.abide.cgroups.directory.clone()).map(PathBuf::from);
        // Those of a namespace end with its first process, and their numbers are somebody else's here.
        let status = status.filter(|_| !self.contained);
        let pids = status.map(|status| pids(&status)).unwrap_or_default();
        let keeper_pid = self.keeper.as_ref().map_or(0, |_| self.keeper());
        if let Some(mut keeper) = self.keeper.take() {
            let patience = [Signal::SIGTERM, Signal::SIGTERM, Signal::SIGTERM, Signal::SIGKILL];
            for signal in patience {
                send(keeper_pid, signal);
                let until = Instant::now() + Duration::from_secs(2);
                while Instant::now() < until && matches!(keeper.try_wait(), Ok(None)) {
                    std::thread::sleep(GLANCE);
                }
                if !matches!(keeper.try_wait(), Ok(None)) {
                    break;
                }
            }
        }
        let left: Vec<i32> = pids.into_iter().filter(|pid| alive(*pid)).collect();
        for pid in &left {
            send(-*pid, Signal::SIGKILL);
        }
        assert!(left.is_empty() || std::thread::panicking(), "abide ended and left {left:?} behind");
        let Some(groups) = groups.filter(|groups| groups.exists()) else { return };
        // One that was killed could not clear up: that is for the next one here.
        let killed = self.runtime().join("table").exists();
        if killed {
            self.run_in_vain();
        }
        assert!(!groups.exists() || std::thread::panicking(), "abide left {} (killed: {killed})", groups.display());
    }
}

/// The binary under test.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("ABIDE_BIN").map_or_else(|| env!("CARGO_BIN_EXE_abide").into(), Into::into)
}

/// The service of that name.
pub(crate) fn service<'a>(status: &'a Status, name: &str) -> Option<&'a ServiceStatus> {
    status.services.iter().find(|it| it.name.as_str() == name)
}

/// How many services run, all instances of them.
pub(crate) fn running(status: &Status) -> usize {
    status.services.iter().filter(|it| it.state == State::Running).count()
}

/// Every pid that the snapshot knows.
pub(crate) fn pids(status: &Status) -> Vec<i32> {
    status.services.iter().flat_map(|it| &it.instances).filter_map(|instance| instance.pid).collect()
}

/// What a command said, both ways.
pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The exit code of a command that ended by itself.
pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().expect("it ended by itself")
}

/// A number from the environment.
pub(crate) fn number(variable: &str, default: u32) -> u32 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// `a` to `j`, running; the pid of each.
pub(crate) fn ten() -> (World, Vec<(String, i32)>) {
    let world = World::with_sleepers("abcdefghij");
    let pids = ('a'..='j').map(|letter| (letter.to_string(), world.pid(&letter.to_string()))).collect();
    (world, pids)
}

/// Nothing but `except` was restarted, or stopped.
pub(crate) fn others_run_on(world: &World, pids: &[(String, i32)], except: &[&str]) {
    for (name, pid) in pids.iter().filter(|(name, _)| !except.contains(&name.as_str())) {
        assert_eq!(world.pid(name), *pid, "{name} was not to be touched");
        assert!(alive(*pid));
    }
}

/// Without the time and the stream that stand before each line of a log.
pub(crate) fn said_in(log: &str) -> String {
    let line = |line: &str| {
        let mut parts = line.splitn(3, ' ');
        let (time, stream, said) = (parts.next()?, parts.next()?, parts.next()?);
        let is_ours = time.len() == 27
            && time.ends_with('Z')
            && matches!(stream.trim_end_matches('+'), "-" | "out" | "err" | "abide");
        is_ours.then(|| format!("{said}\n"))
    };
    // What is being written just now has no end yet.
    let whole = &log[..log.rfind('\n').map_or(0, |end| end + 1)];
    whole.lines().map(|text| line(text).unwrap_or_else(|| panic!("no time or stream: {text:?}"))).collect()
}
