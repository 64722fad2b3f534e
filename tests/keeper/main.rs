//! Real keepers with real roles and real services.
//!
//! A keeper takes over the process that it runs in, so each test starts this binary anew as one
//! (`as_keeper`), which starts it again as its roles (`as_role`). What a test wants from inside the
//! supervisor is a scenario: a function that panics when it is not so, which the keeper then
//! reports as a crash.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic, and its name is its documentation")]

mod errands;
mod forking;
mod hosts;
mod lives;
mod rig;
mod signs;
mod spawns;
mod stage;

use abide::host::cgroup::base::Base;
use abide::host::cgroup::ground::Ground;
use abide::host::pipe;
use abide::host::sys::socket;
use abide::keeper::role::SupervisorEnds;
use abide::keeper::{self, Setup, Timing, role};
use abide::table::Table;
use nix::sys::signal::{SigSet, SigmaskHow};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const SCENARIO: &str = "ABIDE_TEST_SCENARIO";
const PLACE: &str = "ABIDE_TEST_PLACE";
/// What plays the roles instead of this binary.
const PROGRAM: &str = "ABIDE_TEST_PROGRAM";

/// Whether the keeper waits for less long.
pub(crate) const QUICK: &str = "ABIDE_TEST_QUICK";

/// More than enough for anything here, on a busy machine too.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

fn play(test: &str) -> [&str; 5] {
    [test, "--exact", "--ignored", "--nocapture", "--test-threads=1"]
}

#[test]
#[ignore = "not a test: the keeper of one"]
fn as_keeper() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let arguments = play("as_role").map(Into::into).to_vec();
    let program = std::env::var_os(PROGRAM).map_or_else(|| std::env::current_exe().unwrap(), PathBuf::from);
    let program = Some(program);
    let directory = PathBuf::from(place).join("run");
    let timing = timing();
    std::process::exit(keeper::run(&Setup { directory, arguments, terminal: false, program, timing, guise: None }));
}

#[test]
#[ignore = "not a test: the roles of one"]
fn as_role() {
    let Some(place) = std::env::var_os(PLACE).map(PathBuf::from) else { return };
    match std::env::args().nth(1).as_deref() {
        Some(role::SUPERVISOR) => {
            let ends = role::enter_supervisor().unwrap();
            let scenario = std::env::var(SCENARIO).unwrap();
            if !scenario.starts_with("unsigned") {
                ends.table.sign_in(abide::table::Role::Supervisor);
            }
            // A scenario that does not hold is no crash, after which another supervisor would come.
            let played = catch_unwind(AssertUnwindSafe(|| scenario_of(&scenario, &place, ends)));
            std::process::exit(played.unwrap_or(64));
        }
        Some(role::LOGGER) => {
            let _ends = role::enter_logger().unwrap();
            role::listen().unwrap();
            // Until it is told to end.
            loop {
                nix::unistd::pause();
            }
        }
        _ => {}
    }
}

fn scenario_of(scenario: &str, place: &Path, ends: SupervisorEnds) -> i32 {
    if let Some(code) = lives::scenario(scenario, place, &ends) {
        return code;
    }
    match scenario {
        "another-logger" => hosts::another_logger(rig::Rig::new(place, ends)),
        "notify" => signs::notify(rig::Rig::new(place, ends)),
        "line" => signs::line(rig::Rig::new(place, ends)),
        "descriptor" => signs::descriptor(rig::Rig::new(place, ends)),
        "forking" => forking::forking(rig::Rig::new(place, ends)),
        "successors" => forking::successors(rig::Rig::new(place, ends)),
        "errands" => errands::errands(rig::Rig::new(place, ends)),
        _ => spawns::scenario(scenario, &stage::Stage::new(place, ends)),
    }
    0
}

/// What would take long, in less time.
fn timing() -> Timing {
    let quick = Duration::from_millis(500);
    let patient = std::env::var_os(QUICK).is_none();
    if patient { Timing::default() } else { Timing { sign_in: quick, obey: quick, ..Timing::default() } }
}

/// A keeper in a process of its own, ended with the test.
pub(crate) struct Kept {
    pub place: tempfile::TempDir,
    child: Option<Child>,
}

impl Kept {
    pub(crate) fn start(scenario: &str) -> Self {
        Self::start_at(tempfile::tempdir().unwrap(), scenario)
    }

    pub(crate) fn start_at(place: tempfile::TempDir, scenario: &str) -> Self {
        let child = start(&mut command(place.path(), scenario));
        Self { place, child: Some(child) }
    }

    /// One that waits for less long.
    pub(crate) fn start_quick(scenario: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let child = start(command(place.path(), scenario).env(QUICK, "1"));
        Self { place, child: Some(child) }
    }

    pub(crate) fn table(&self) -> Table {
        let file = std::fs::File::options().read(true).write(true).open(self.place.path().join("run/table"));
        Table::open(file.unwrap().into()).unwrap()
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.as_ref().unwrap().id() as i32
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid()), signal).unwrap();
    }

    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits for its end.
    pub(crate) fn output(self) -> (Option<i32>, String) {
        self.output_keeping(|| ())
    }

    /// Waits for its end, and looks at what it leaves.
    pub(crate) fn output_keeping(mut self, look: impl FnOnce()) -> (Option<i32>, String) {
        let Output { status, stdout, stderr } = self.child.take().unwrap().wait_with_output().unwrap();
        look();
        (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
    }

    /// Waits for a file that a scenario writes, and reads it.
    pub(crate) fn word(&self, name: &str) -> String {
        wait_for(name, || {
            std::fs::read_to_string(self.place.path().join(name)).ok().filter(|text| text.ends_with('\n'))
        })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        sweep(&self.place.path().join("run"));
    }
}

/// Ends what a keeper has left: the next one would take it over.
fn sweep(run: &Path) {
    if let Ok(file) = std::fs::File::options().read(true).write(true).open(run.join("table"))
        && let Ok(table) = Table::open(file.into())
    {
        for slot in 1..table.used() {
            let leader = table.resident(slot).map(|(pid, ..)| pid);
            for group in leader.into_iter().chain(table.group(slot)) {
                let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(group), nix::sys::signal::Signal::SIGKILL);
            }
        }
    }
    let directory = std::fs::File::open(run).ok();
    if let Some(base) = directory.and_then(|directory| Base::on(&Ground::find(), directory).ok()) {
        base.kill();
        base.clear();
    }
}

/// Starts a keeper with all signals blocked, as it wants them: the test runner's main thread would
/// take those that the thread of the keeper waits for.
pub(crate) fn start(command: &mut Command) -> Child {
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK).unwrap();
    let child = command.spawn();
    before.thread_set_mask().unwrap();
    child.unwrap()
}

pub(crate) fn command(place: &Path, scenario: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(play("as_keeper")).env(PLACE, place).env(SCENARIO, scenario);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// How many this process has open, but for the few pipes that it holds until they are enough for a
/// message to the keeper.
pub(crate) fn descriptors() -> usize {
    let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let links = open.filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok());
    let is_pipe = |link: &PathBuf| link.parent().is_some_and(|directory| directory.ends_with(pipe::DIRECTORY));
    let (pipes, others): (Vec<_>, Vec<_>) = links.partition(is_pipe);
    assert!(pipes.len() < socket::MOST, "{pipes:?}");
    others.len()
}

/// Runs a scenario that must hold.
pub(crate) fn holds(scenario: &str) {
    let (code, said) = Kept::start(scenario).output();
    assert_eq!(code, Some(0), "{scenario}: {said}");
}
