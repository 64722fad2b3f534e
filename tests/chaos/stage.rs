//! An abide in directories of its own, and what there is to be seen of it.

use abide::model::status::{State, Status};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(60);

/// Chance, from a seed (an LCG of Knuth's).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

pub(crate) struct Stage {
    place: tempfile::TempDir,
    keeper: Option<Child>,
}

pub(crate) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn alive(pid: i32) -> bool {
    abide::host::proc::stat(pid).is_some_and(|stat| !stat.has_ended())
}

/// Whether a program is there; that it is not is said, and in CI it is a failure.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| directory.join(program).is_file());
    assert!(found || std::env::var_os("CI").is_none(), "{program} is missing in CI");
    if !found {
        println!("skipped: there is no {program}");
    }
    found
}

impl Stage {
    pub(crate) fn new() -> Self {
        let place = tempfile::Builder::new().prefix("abide-chaos-").tempdir().unwrap();
        fs::create_dir(place.path().join("services.d")).unwrap();
        Self { place, keeper: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// What the environment of a service's processes says.
    pub(crate) fn mark(&self, name: &str) -> String {
        format!("{}/{name}", self.place.path().display())
    }

    /// A program of the stage, by its path.
    pub(crate) fn script(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        if !path.exists() {
            fs::write(&path, text).unwrap();
        }
        path.display().to_string()
    }

    fn command(&self, word: &str) -> Command {
        let binary = std::env::var_os("ABIDE_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_abide").into());
        let mut command = Command::new(binary);
        command.arg(word);
        for option in ["runtime", "state", "log"] {
            command.arg(format!("--{option}-dir")).arg(self.path(option));
        }
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn start(&mut self) {
        let said = fs::File::options().create(true).append(true).open(self.path("stderr")).unwrap();
        let mut command = self.command("run");
        command.arg(self.path("services.d")).stdout(said.try_clone().unwrap()).stderr(said);
        self.keeper = Some(command.spawn().unwrap());
    }

    pub(crate) fn abide(&self, words: &[&str]) -> Output {
        self.command(words[0]).args(&words[1..]).output().unwrap()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let fresh = self.path("services.d").join(format!(".{name}"));
        fs::write(&fresh, text).unwrap();
        fs::rename(fresh, self.path("services.d").join(format!("{name}.toml"))).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        let _ = fs::remove_file(self.path("services.d").join(format!("{name}.toml")));
    }

    pub(crate) fn status(&self) -> Option<Status> {
        serde_json::from_slice(&fs::read(self.path("runtime").join("status.json")).ok()?).ok()
    }

    fn keeper(&self) -> i32 {
        self.keeper.as_ref().unwrap().id() as i32
    }

    pub(crate) fn role(&self, role: &str) -> i32 {
        let mut found = 0;
        wait_for(role, || {
            let all = abide::host::proc::processes().unwrap();
            let plays = |pid: i32| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|text| contains(&text, role));
            let one = all.iter().find(|stat| stat.parent == self.keeper() && !stat.has_ended() && plays(stat.pid));
            found = one.map_or(0, |stat| stat.pid);
            found > 0
        });
        found
    }

    pub(crate) fn kill_role(&self, role: &str) {
        let _ = kill(Pid::from_raw(self.role(role)), Signal::SIGKILL);
    }

    pub(crate) fn signal_keeper(&mut self, signal: Signal) {
        kill(Pid::from_raw(self.keeper()), signal).unwrap();
        if signal == Signal::SIGKILL {
            self.keeper.take().unwrap().wait().unwrap();
        }
    }

    /// The keeper and, with it or a moment later, the others.
    pub(crate) fn kill_all(&mut self) {
        self.kill_role("role-supervisor");
        self.signal_keeper(Signal::SIGKILL);
    }

    /// Waits for a supervisor that does its work.
    pub(crate) fn await_supervisor(&self) {
        let pid = self.role("role-supervisor");
        wait_for("the supervisor", || self.status().is_some_and(|status| status.abide.supervisor_pid == pid));
    }

    /// Waits for all to be as the files say.
    pub(crate) fn settle(&self) {
        self.await_supervisor();
        let well = |status: &Status| {
            let others = status.services.iter().filter(|service| !service.name.as_str().starts_with("ends"));
            others.clone().count() > 0 && others.clone().all(|service| service.as_desired)
        };
        wait_for("all to be as desired", || self.status().is_some_and(|status| well(&status)));
    }

    pub(crate) fn pid(&self, name: &str) -> i32 {
        let mut found = 0;
        wait_for(name, || {
            let status = self.status();
            let service = status.as_ref().and_then(|it| it.services.iter().find(|it| it.name.as_str() == name));
            let running = service.and_then(|it| it.instances.first()).filter(|it| it.state == State::Running);
            found = running.and_then(|it| it.pid).unwrap_or(0);
            found > 0
        });
        found
    }

    /// All processes of a service.
    pub(crate) fn living(&self, name: &str) -> Vec<i32> {
        let mark = format!("CHAOS={}\0", self.mark(name));
        let all = abide::host::proc::processes().unwrap();
        let bears = |pid: i32| fs::read(format!("/proc/{pid}/environ")).is_ok_and(|text| contains(&text, &mark));
        let own = all.into_iter().filter(|stat| !stat.has_ended() && bears(stat.pid));
        // What forked a moment ago and has not executed, nor ended, is a part of the other.
        let own: Vec<_> = own.collect();
        own.iter().filter(|one| !own.iter().any(|other| other.pid == one.parent)).map(|stat| stat.pid).collect()
    }

    pub(crate) fn await_one(&self, name: &str) {
        wait_for(&format!("one process of {name}"), || self.living(name) == [self.pid(name)]);
    }

    pub(crate) fn await_at_most_one(&self, name: &str) {
        wait_for(&format!("no second process of {name}"), || self.living(name).len() <= 1);
    }

    /// How many lines are missing of those that the processes of a counter wrote; none may be out of order or twice.
    pub(crate) fn missing(&self, name: &str) -> usize {
        let mut text = Vec::new();
        let directory = self.path("log").join(name);
        let mut files: Vec<PathBuf> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        // Rotated ones first, by their times; `current` is the last.
        files.sort_by_key(|path| (path.ends_with("current"), path.clone()));
        for file in files {
            text.extend(fs::read(file).unwrap());
        }
        let mut last: BTreeMap<i32, usize> = BTreeMap::new();
        let mut missing = 0;
        for line in String::from_utf8(text).unwrap().lines() {
            let said = line.splitn(3, ' ').nth(2).and_then(|said| said.split_once(' '));
            let numbers = said.and_then(|(pid, n)| Some((pid.parse().ok()?, n.parse::<usize>().ok()?)));
            let Some((pid, number)) = numbers else { panic!("{name}: a torn line: {line:?}") };
            let before = last.insert(pid, number).unwrap_or(0);
            assert!(number > before, "{name}: {number} after {before}");
            missing += number - before - 1;
        }
        assert!(!last.is_empty(), "{name} wrote nothing");
        missing
    }

    /// Every exit that was told is the right one, or unknown; how many are unknown.
    pub(crate) fn check_exits(&self, kind: &str, count: usize, code: impl Fn(usize) -> usize) -> usize {
        let log = fs::read_to_string(self.path("log").join("abide.log")).unwrap();
        let mut unknown = 0;
        for index in 0..count {
            let (name, right) = (format!("\"service\":\"{kind}{index}\""), format!("exit code {},", code(index)));
            let ends = log.lines().filter(|line| line.contains(&name) && line.contains("\"from\":\"running\""));
            for line in ends.filter(|line| line.contains("\"to\":\"backoff\"") || line.contains("\"to\":\"starting\""))
            {
                unknown += usize::from(line.contains("unknown exit"));
                assert!(line.contains(&right) || line.contains("unknown exit"), "invented: {line}");
            }
        }
        unknown
    }

    pub(crate) fn no_zombies(&self) {
        let zombies = || {
            let all = abide::host::proc::processes().unwrap();
            all.into_iter().filter(|stat| stat.parent == self.keeper() && stat.has_ended()).count()
        };
        wait_for("no zombie", || zombies() == 0);
    }

    pub(crate) fn stop(&mut self) {
        kill(Pid::from_raw(self.keeper()), Signal::SIGTERM).unwrap();
        let status = self.keeper.take().unwrap().wait().unwrap();
        assert_eq!(status.code(), Some(0), "{}", self.said());
    }

    fn said(&self) -> String {
        fs::read_to_string(self.path("stderr")).unwrap_or_default()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = self.said();
            let tail: Vec<&str> = text.lines().rev().take(30).collect();
            println!("{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
        if let Some(mut keeper) = self.keeper.take() {
            for _ in 0..3 {
                let _ = kill(Pid::from_raw(keeper.id() as i32), Signal::SIGTERM);
                std::thread::sleep(Duration::from_millis(200));
            }
            let _ = keeper.wait();
        }
        let mark = format!("CHAOS={}/", self.place.path().display());
        for stat in abide::host::proc::processes().unwrap_or_default() {
            if fs::read(Path::new("/proc").join(stat.pid.to_string()).join("environ"))
                .is_ok_and(|text| contains(&text, &mark))
            {
                let _ = kill(Pid::from_raw(stat.pid), Signal::SIGKILL);
            }
        }
    }
}

fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}
