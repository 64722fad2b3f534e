//! How the keeper lives with its roles, and how each of them may die.

use crate::stage::{Stage, command, script};
use crate::{Kept, command as keeper_command, holds, start, wait_for};
use abide::host::proc;
use abide::keeper::role::{self, SupervisorEnds};
use abide::model::service::Service;
use abide::table::Role;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::Path;
use std::process::{Command, Stdio};

/// The exit code of the supervisor; `None`: not one of these.
pub(crate) fn scenario(name: &str, place: &Path, ends: &SupervisorEnds) -> Option<i32> {
    let say = |name: &str, text: &str| {
        std::fs::write(place.join(name), format!("{text}\n")).unwrap();
    };
    match name {
        "quits-78" => Some(78),
        "obeys" | "deaf" => listen(|signal| {
            match signal {
                "" => say("ready", "yes"),
                "HUP" => say("rescanned", "yes"),
                _ => return name == "obeys",
            }
            false
        }),
        "listens-late" => {
            say("begun", "yes");
            wait_for("a signal", || {
                let status = std::fs::read_to_string("/proc/self/status").unwrap();
                status.contains("ShdPnd:\t0000000000004001").then_some(())
            });
            let mut heard = 0;
            listen(|signal| {
                heard += i32::from(!signal.is_empty());
                heard == 2
            })
        }
        "loses-its-logger" => {
            let (first, _) = ends.table.role(Role::Logger);
            for _ in 0..2 {
                let (pid, _) = ends.table.role(Role::Logger);
                kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
                wait_for("another logger", || {
                    let (now, _) = ends.table.role(Role::Logger);
                    (now > 0 && now != pid).then_some(())
                });
            }
            assert_ne!(ends.table.role(Role::Logger).0, first);
            Some(0)
        }
        _ => None,
    }
}

/// Gives `hear` first nothing, then each signal; ends well once it says so.
fn listen(mut hear: impl FnMut(&str) -> bool) -> Option<i32> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut hang_up = signal(SignalKind::hangup()).unwrap();
        let mut terminate = signal(SignalKind::terminate()).unwrap();
        role::listen().unwrap();
        hear("");
        loop {
            let heard = tokio::select! {
                _ = hang_up.recv() => "HUP",
                _ = terminate.recv() => "TERM",
            };
            if hear(heard) {
                return Some(0);
            }
        }
    })
}

/// A scenario on the stage: starts services, says their pids, and then `end`s.
fn with_services(stage: &Stage, second: Service, end: impl FnOnce()) {
    let services = [command(&["sleep", "300"]), second, script("sleep 301 & exit 0")];
    let mut pids = Vec::new();
    for (slot, service) in (1..).zip(services) {
        pids.push(stage.spawn(slot, slot as u64, service).result.unwrap().pid);
    }
    stage.exit(3, 3);
    let text = pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    std::fs::write(stage.place.join("pids"), format!("{text}\n")).unwrap();
    end();
}

pub(crate) fn crash(stage: &Stage) {
    with_services(stage, script("trap '' TERM HUP; sleep 300 & wait; wait; wait"), || std::process::abort());
}

pub(crate) fn linger(stage: &Stage) {
    with_services(stage, script("sleep 300"), || {
        loop {
            nix::unistd::pause();
        }
    });
}

fn groups_left(pids: &str) -> usize {
    let groups: Vec<i32> = pids.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    let all = proc::processes().unwrap();
    all.iter().filter(|stat| groups.contains(&stat.group) && !stat.has_ended()).count()
}

#[test]
fn the_supervisors_own_exit_codes_are_passed_on_and_the_table_goes() {
    let kept = Kept::start("quits-78");
    let run = kept.place.path().join("run");
    let place = run.parent().unwrap().to_owned();
    let child = kept;
    wait_for("the table", || run.join("lock").exists().then_some(()));
    let (code, said) = child.output_keeping(|| assert!(!run.join("table").exists()));
    assert_eq!(code, Some(78), "{said} {}", place.display());
}

#[test]
fn a_second_abide_is_refused_and_names_the_first() {
    let kept = Kept::start("obeys");
    kept.word("ready");
    let second = start(&mut keeper_command(kept.place.path(), "obeys")).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1));
    assert!(said.contains(&format!("already runs in {}", kept.place.path().join("run").display())), "{said}");
    assert!(said.contains(&format!("as process {};", kept.pid())), "{said}");
    kept.signal(Signal::SIGHUP);
    kept.word("rescanned");
    kept.signal(Signal::SIGUSR1);
    kept.signal(Signal::SIGTERM);
    let (code, said) = kept.output();
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn what_comes_before_the_supervisor_listens_waits_for_it() {
    let kept = Kept::start("listens-late");
    kept.word("begun");
    kept.signal(Signal::SIGHUP);
    kept.signal(Signal::SIGTERM);
    let (code, said) = kept.output();
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_keeper_whose_words_nobody_reads_goes_on() {
    let place = tempfile::tempdir().unwrap();
    let (_reader, full) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
    let status = fcntl(&full, FcntlArg::F_GETFL).map(OFlag::from_bits_retain).unwrap();
    fcntl(&full, FcntlArg::F_SETFL(status | OFlag::O_NONBLOCK)).unwrap();
    while nix::unistd::write(&full, &[b'x'; 4096]).is_ok() {}
    fcntl(&full, FcntlArg::F_SETFL(status)).unwrap();
    let mut child = start(keeper_command(place.path(), "loses-its-logger").stderr(full));
    let code = wait_for("its end", || child.try_wait().unwrap()).code();
    assert_eq!(code, Some(0));
}

#[test]
fn a_third_signal_ends_a_supervisor_that_does_not_listen() {
    let kept = Kept::start("deaf");
    kept.word("ready");
    let pending = || std::fs::read_to_string(format!("/proc/{}/status", kept.pid())).unwrap();
    for _ in 0..3 {
        kept.signal(Signal::SIGTERM);
        // Two of a kind are one while the first waits to be read.
        wait_for("it to be read", || pending().contains("ShdPnd:\t0000000000000000").then_some(()));
    }
    let (code, said) = kept.output();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the supervisor crashed (SIGKILL)"), "{said}");
}

#[test]
fn a_dead_logger_is_replaced() {
    holds("loses-its-logger");
}

#[test]
fn a_crash_of_the_supervisor_ends_every_service_and_abide() {
    let kept = Kept::start("crash");
    let pids = kept.word("pids");
    assert!(groups_left(&pids) > 0);
    // The one that ignores TERM is worth a hurry.
    wait_for("the polite ones to end", || (groups_left(&pids) <= 2).then_some(()));
    kept.signal(Signal::SIGTERM);
    let (code, said) = kept.output();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the supervisor crashed"), "{said}");
    assert_eq!(groups_left(&pids), 0);
}

#[test]
fn what_a_killed_keeper_left_is_ended_before_anything_starts() {
    let mut kept = Kept::start("linger");
    let pids = kept.word("pids");
    kept.kill();
    assert!(groups_left(&pids) > 0, "services outlive their keeper");
    let second = start(&mut keeper_command(kept.place.path(), "quits-78")).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(78), "{said}");
    assert!(said.contains("ending them first"), "{said}");
    assert_eq!(groups_left(&pids), 0, "{said}");
}

#[test]
fn a_directory_that_others_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().unwrap();
    let run = place.path().join("run");
    std::fs::create_dir(&run).unwrap();
    std::fs::set_permissions(&run, PermissionsExt::from_mode(0o777)).unwrap();
    let (code, said) = Kept::start_at(place, "quits-78").output();
    assert_eq!(code, Some(1));
    assert!(said.contains("nobody else may write it"), "{said}");
}

#[test]
fn an_abide_that_cannot_start_its_roles_leaves_nothing() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let place = tempfile::tempdir().unwrap();
    let program = place.path().join("program");
    std::fs::write(&program, "no program").unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = keeper_command(place.path(), "quits-78");
    let output = start(command.env(crate::PROGRAM, &program)).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("abide's own program"), "{said}");
    assert!(!place.path().join("run/table").exists());
    let run = std::fs::metadata(place.path().join("run")).unwrap();
    let group = format!("abide.{:x}-{:x}", run.dev(), run.ino());
    let ground = abide::host::cgroup::ground::Ground::find();
    assert!(ground.unified.is_none_or(|ground| !ground.join(group).exists()), "nor a cgroup");
}

#[test]
fn everything_works_as_the_first_process_of_a_container_too() {
    let inside = ["--pid", "--fork", "--mount-proc"];
    let allowed = Command::new("unshare").args(inside).arg("true").output();
    if !allowed.is_ok_and(|tried| tried.status.success()) {
        println!("skipped: no pid namespace can be made here");
        return;
    }
    for scenario in ["leftovers", "exits", "quits-78"] {
        let place = tempfile::tempdir().unwrap();
        let keeper = keeper_command(place.path(), scenario);
        let mut container = Command::new("unshare");
        container.args(inside).arg(keeper.get_program()).args(keeper.get_args());
        container.envs(keeper.get_envs().filter_map(|(name, value)| Some((name, value?))));
        container.stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = start(&mut container).wait_with_output().unwrap();
        let expected = if scenario == "quits-78" { 78 } else { 0 };
        assert_eq!(output.status.code(), Some(expected), "{scenario}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
