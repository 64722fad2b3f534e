//! How the keeper lives with its roles, and how each of them may die.

use crate::stage::{Stage, command, script};
use crate::{Kept, command as keeper_command, holds, start, wait_for};
use abide::host::proc;
use abide::keeper::role::SupervisorEnds;
use abide::table::Role;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::Path;

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
fn with_services(stage: &Stage, end: impl FnOnce()) {
    let services = [
        command(&["sleep", "300"]),
        script("trap '' TERM HUP; sleep 300 & wait; wait; wait"),
        script("sleep 301 & exit 0"),
    ];
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
    with_services(stage, || std::process::abort());
}

pub(crate) fn linger(stage: &Stage) {
    with_services(stage, || {
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
