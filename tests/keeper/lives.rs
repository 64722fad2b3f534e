//! How the keeper lives with its roles, and how each of them may die.

use crate::stage::{Stage, command, script};
use crate::{Kept, command as keeper_command, holds, start, wait_for};
use abide::host::pipe::KeeperOrder;
use abide::host::proc;
use abide::host::sys::socket;
use abide::keeper::role::{self, SupervisorEnds};
use abide::model::service::Service;
use abide::table::{Mode, Request, Role, UNKNOWN};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::os::fd::AsFd;
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
        "stands-still" => {
            if place.join("still").exists() {
                say("again", "yes");
                return Some(0);
            }
            ends.table.set_watchdog_ms(100);
            signed_in(ends);
            say("still", "yes");
            loop {
                nix::unistd::pause();
            }
        }
        "unsigned" => {
            if place.join("first").exists() {
                ends.table.sign_in(Role::Supervisor);
                return Some(0);
            }
            say("first", "yes");
            loop {
                nix::unistd::pause();
            }
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

fn signed_in(ends: &SupervisorEnds) {
    socket::send(ends.keeper.as_fd(), &KeeperOrder::SignedIn.encode(), &[]).unwrap();
}

/// Starts services, and goes for good; again when somebody wants it back.
pub(crate) fn detaches(stage: &Stage) {
    let say = |name: &str, text: &str| std::fs::write(stage.place.join(name), format!("{text}\n")).unwrap();
    say("supervisor", &std::process::id().to_string());
    if stage.place.join("pids").exists() {
        stage.inherit(1, 1);
        say("again", "yes");
    } else {
        with_services(stage, script("trap '' TERM HUP; sleep 300 & wait; wait; wait"), || ());
    }
    stage.table.set_request(Request::Detach);
    kill(Pid::from_raw(stage.table.role(Role::Keeper).0), Signal::SIGUSR1).unwrap();
    // Killed, since it does not listen.
    loop {
        nix::unistd::pause();
    }
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

/// Its first life ends in a crash, its second finds what the first has left.
pub(crate) fn crash(stage: &Stage) {
    if !stage.place.join("pids").exists() {
        with_services(stage, script("trap '' TERM HUP; sleep 300 & wait; wait; wait"), || std::process::abort());
    }
    stage.inherit(1, 1);
    stage.inherit(2, 2);
    assert_eq!(stage.table.crashes(), 1);
    std::fs::write(stage.place.join("again"), "yes\n").unwrap();
    stage.end_all();
}

/// It finds what a dead keeper has left: who lives, how the others ended.
pub(crate) fn heir(stage: &Stage) {
    let pid = stage.inherit(1, 1);
    stage.inherit(2, 2);
    let gone = stage.ended(4, 4).1.status;
    assert_eq!(gone, UNKNOWN, "it ended while nobody could know");
    let stranger = stage.ended(5, 5).1.status;
    assert_eq!(stranger, UNKNOWN);
    kill(Pid::from_raw(pid), Signal::SIGUSR1).unwrap();
    let status = stage.ended(1, 1).1.status;
    assert!([libc::SIGUSR1, UNKNOWN].contains(&status), "never invented: {status}");
    stage.end_all();
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
fn after_a_crash_another_supervisor_finds_every_service_as_it_was() {
    let kept = Kept::start("crash");
    let pids = kept.word("pids");
    kept.word("again");
    let (code, said) = kept.output();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("another one takes over, and services go on"), "{said}");
    assert_eq!(groups_left(&pids), 0);
}

#[test]
fn what_a_killed_keeper_left_goes_on_under_the_next() {
    let mut kept = Kept::start("linger");
    let pids = kept.word("pids");
    kept.kill();
    let left = groups_left(&pids);
    assert!(left > 0, "services outlive their keeper");
    {
        let table = kept.table();
        // One that has ended meanwhile, and one whose number has gone to a stranger: to this very process.
        for (slot, pid) in [(4, 0x3fff_fff0), (5, std::process::id() as i32)] {
            table.arm(slot, slot as u64, 1, 1);
            table.pid_cell(slot).store(pid, std::sync::atomic::Ordering::Relaxed);
            table.set_start(slot, 1);
        }
    }
    let heir = start(&mut keeper_command(kept.place.path(), "heir")).wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&heir.stdout), String::from_utf8_lossy(&heir.stderr));
    assert_eq!(heir.status.code(), Some(0), "{said}");
    assert_eq!(groups_left(&pids), 0, "{said}");
}

#[test]
fn a_table_of_another_version_is_refused_and_nothing_is_touched() {
    use std::io::Write;
    let mut kept = Kept::start("linger");
    let pids = kept.word("pids");
    kept.kill();
    let before = groups_left(&pids);
    let path = kept.place.path().join("run/table");
    let mut bytes = std::fs::read(&path).unwrap();
    let magic = u64::from_ne_bytes(bytes[..8].try_into().unwrap());
    let mut write = |word: u64| {
        bytes[..8].copy_from_slice(&word.to_ne_bytes());
        std::fs::File::options().write(true).open(&path).unwrap().write_all(&bytes[..8]).unwrap();
    };
    write(magic | 0xff);
    let refused = start(&mut keeper_command(kept.place.path(), "heir")).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("another version of abide (layout 255, and this one knows"), "{said}");
    assert_eq!(groups_left(&pids), before);
    write(magic);
}

#[test]
fn a_supervisor_that_stands_still_is_replaced() {
    let kept = Kept::start_quick("stands-still");
    kept.word("still");
    kept.word("again");
    let (code, said) = kept.output();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("the supervisor stands still"), "{said}");
}

#[test]
fn a_supervisor_that_does_not_begin_its_work_is_replaced() {
    let kept = Kept::start_quick("unsigned");
    let (code, said) = kept.output();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("did not begin its work within 0.5 s"), "{said}");
}

#[test]
fn where_nobody_could_end_services_in_order_the_keeper_does() {
    let kept = Kept::start_quick("detaches");
    let pids = kept.word("pids");
    let supervisor: i32 = kept.word("supervisor").trim().parse().unwrap();
    wait_for("the supervisor to go", || proc::stat(supervisor).is_none().then_some(()));
    assert!(groups_left(&pids) > 0, "services stay");
    // Somebody wants one again.
    kept.table().set_request(Request::Attach);
    kept.signal(Signal::SIGUSR1);
    kept.word("again");
    wait_for("the supervisor to go", || proc::stat(supervisor).is_none().then_some(()));
    wait_for("the mode", || (kept.table().mode() == Mode::Detached).then_some(()));
    wait_for("nobody", || (kept.table().role(Role::Supervisor).0 == 0).then_some(()));
    kept.signal(Signal::SIGTERM);
    // The one that ignores TERM is worth a hurry.
    wait_for("the polite ones to end", || (groups_left(&pids) <= 2).then_some(()));
    kept.signal(Signal::SIGTERM);
    let (code, said) = kept.output();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(groups_left(&pids), 0);
}

#[test]
fn who_started_it_is_told_how_it_is() {
    let place = tempfile::tempdir().unwrap();
    let socket = std::os::unix::net::UnixDatagram::bind(place.path().join("init")).unwrap();
    socket.set_read_timeout(Some(crate::DEADLINE)).unwrap();
    let mut command = keeper_command(place.path(), "stands-still");
    command.env(crate::QUICK, "1").env("NOTIFY_SOCKET", place.path().join("init")).env("WATCHDOG_USEC", "200000");
    let child = start(&mut command);
    let mut said = Vec::new();
    let mut buffer = [0; 512];
    while !said.last().is_some_and(|last: &String| last.contains("no supervisor")) {
        let length = socket.recv(&mut buffer).unwrap();
        said.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    assert!(said[0].starts_with("READY=1"), "{said:?}");
    assert!(said.iter().filter(|text| *text == "WATCHDOG=1").count() < 5, "a stalled loop starves it: {said:?}");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
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
