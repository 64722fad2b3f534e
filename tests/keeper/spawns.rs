//! What a service finds when it starts, and what becomes of one that does not.

use crate::stage::{Stage, command, script};
use crate::{descriptors, holds, wait_for};
use abide::decide::event::RunId;
use abide::host::spawn::{Refused, SPAWN_TIMEOUT};
use abide::host::tree::{self, Census, Reach, Strays};
use abide::host::{limits, proc};
use abide::model::limits::{Bound, Limit, LimitKind, Limits};
use abide::model::outcome::{Exit, Failure, Step};
use abide::model::service::Identity;
use abide::model::signal::Signal;
use abide::table::{Notice, Role};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

pub(crate) fn scenario(name: &str, stage: &Stage) {
    match name {
        "fresh" => fresh(stage),
        "identity" => identity(stage),
        "refusals" => refusals(stage),
        "exits" => exits(stage),
        "thousand" => thousand(stage),
        "leftovers" => leftovers(stage),
        "limits" => set_limits(stage),
        "stuck" => stuck(stage),
        "crash" => crate::lives::crash(stage),
        "heir" => crate::lives::heir(stage),
        "detaches" => crate::lives::detaches(stage),
        "linger" => crate::lives::linger(stage),
        other => panic!("no scenario {other}"),
    }
}

fn census(stage: &Stage) -> Census {
    Census::take(&stage.table, &mut Strays::new(crate::stage::MARK.into())).unwrap()
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

#[test]
fn a_service_starts_with_nothing_of_ours_but_what_its_file_says() {
    holds("fresh");
}

fn fresh(stage: &Stage) {
    let mut service = script(
        "echo $GREETING; pwd; umask; ulimit -Sn; for fd in 0 1 2 3 4 5 6 7 8 9 10 11 12 20; do test -e /proc/$$/fd/$fd && printf '%s ' $fd; done; echo; cat /proc/$$/stat; readlink /proc/$$/fd/0; env",
    );
    service.directory = "/usr".into();
    service.umask = 0o027;
    let open_files = Limit { soft: Bound(64), hard: Bound(100) };
    service.limits = [(LimitKind::OpenFiles, open_files)].into();
    stage.order(5, 1, service.clone());
    let outcome = stage.outcomes.recv_timeout(crate::DEADLINE).unwrap();
    let started = outcome.result.unwrap();
    assert!(outcome.opened_pipe);
    stage.exit(5, 1);
    let said = stage.output(5);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[..4], ["hello 7", "/usr", "0027", "64"], "{said}");
    assert_eq!(lines[4], "0 1 2 ", "{said}");
    let stat = proc::Stat::parse(lines.iter().find(|line| line.contains("(sh)")).unwrap().as_bytes()).unwrap();
    assert_eq!((stat.pid, stat.group, stat.session), (started.pid, started.pid, started.pid));
    assert_eq!(stat.parent, nix::unistd::getppid().as_raw(), "the keeper's child");
    assert_eq!(stat.start_ticks, started.start_ticks);
    assert!(lines.contains(&"/dev/null"), "{said}");
    let variables = lines.iter().filter(|line| line.contains('=') && !line.starts_with("_=")).count();
    assert!(
        (5..=7).contains(&variables),
        "PATH HOME GREETING ABIDE_INSTANCE ABIDE_RUN, and the shell's PWD, OLDPWD: {said}"
    );
    assert_eq!(started.limits, [(LimitKind::OpenFiles, open_files)].into());

    // Asked of the process itself: a shell blocks signals for a moment now and then.
    let said = stage.says(6, 3, command(&["grep", "-E", "^Sig(Blk|Ign|Pnd)", "/proc/self/status"]));
    assert!(said.lines().count() == 3 && said.lines().all(|line| line.ends_with(":\t0000000000000000")), "{said}");

    // What abide raised for itself is not passed on, and the pipe is made once.
    service.limits = Limits::new();
    let original = stage.table.originals()[libc::RLIMIT_NOFILE as usize].0;
    let outcome = stage.spawn(5, 2, service);
    assert!(outcome.result.is_ok() && !outcome.opened_pipe);
    stage.exit(5, 2);
    assert_eq!(stage.output(5).lines().nth(3).unwrap(), original.to_string());
}

#[test]
fn a_service_becomes_its_user_and_can_open_its_own_output() {
    if is_root() {
        holds("identity");
    } else {
        println!("skipped: only root may become another user");
    }
}

fn identity(stage: &Stage) {
    let mut service = script("grep -E '^(Uid|Gid|Groups):' /proc/$$/status; echo again > /dev/stdout");
    service.identity = Identity { uid: 65_534, gid: 65_533, groups: vec![12, 34], change: true, user: "nobody".into() };
    let said = stage.says(1, 1, service);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "Uid:\t65534\t65534\t65534\t65534");
    assert_eq!(lines[1], "Gid:\t65533\t65533\t65533\t65533");
    assert_eq!(lines[2].trim_end(), "Groups:\t12 34");
    assert_eq!(lines[3], "again");
    assert!(nix::sys::prctl::get_dumpable().is_ok_and(|dumpable| !dumpable), "sharing memory changed nothing of ours");
}

#[test]
fn every_failing_step_says_what_it_was_and_its_process_ends_in_the_table() {
    holds("refusals");
}

fn refusals(stage: &Stage) {
    let mut run = 0;
    let mut refused = |service| {
        run += 1;
        let Refused { failure, had_process } = stage.spawn(2, run, service).result.unwrap_err();
        if had_process {
            assert_eq!(stage.exit(2, run), Exit::Code(127));
        } else {
            assert_eq!(stage.table.running(2, run), None);
        }
        (failure, had_process)
    };
    let nowhere = refused(command(&["no-such-program-anywhere"]));
    let (program, searched) = ("no-such-program-anywhere".into(), "/usr/bin:/bin".into());
    assert_eq!(nowhere, (Failure::NoProgram { program, searched }, false));
    let missing = refused(command(&["./no/such"]));
    assert_eq!(missing, (Failure::NoProgram { program: "./no/such".into(), searched: String::new() }, true));

    let plain = stage.place.join("plain");
    std::fs::write(&plain, "#!/no/such/interpreter\n").unwrap();
    let plain = plain.to_str().unwrap();
    let step = |step, errno, subject: &str| Failure::Step { step, errno, subject: subject.to_owned() };
    let unrunnable = |why: &str| Failure::Unrunnable { program: plain.to_owned(), why: why.to_owned() };
    assert_eq!(refused(command(&[plain])).0, unrunnable("it is not executable (chmod +x)"));
    std::fs::set_permissions(plain, PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(refused(command(&[plain])).0, unrunnable("its interpreter /no/such/interpreter is not there"));

    let mut homeless = command(&["true"]);
    homeless.directory = "/no/such/directory".into();
    homeless.run = abide::model::service::Run::Command(vec!["/bin/true".into()]);
    assert_eq!(refused(homeless).0, step(Step::Directory, libc::ENOENT, "/no/such/directory"));

    let mut unknown = command(&["true"]);
    unknown.environment.insert("A".into(), "${NO_SUCH_VARIABLE}".into());
    assert!(matches!(refused(unknown), (Failure::Prepare(_), false)));

    let highest = limits::ceilings_of(None).unwrap().highest(LimitKind::OpenFiles);
    let mut greedy = command(&["true"]);
    let asked = Bound(highest.0 + 1);
    greedy.limits = [(LimitKind::OpenFiles, Limit { soft: Bound(16), hard: asked })].into();
    let (failure, _) = refused(greedy);
    assert!(matches!(failure, Failure::Limit { kind: LimitKind::OpenFiles, asked: a, .. } if a == asked), "{failure}");

    let mut foreign = command(&["true"]);
    foreign.identity = Identity { uid: 1, gid: 1, groups: vec![], change: true, user: "daemon".into() };
    if !is_root() {
        // Its pipe cannot be given away either, which comes first.
        assert!(matches!(refused(foreign).0, Failure::Step { errno: libc::EPERM, .. }));
    }
}

#[test]
fn exits_are_told_with_their_status_and_what_was_used() {
    holds("exits");
}

fn exits(stage: &Stage) {
    stage.spawn(1, 1, script("exit 7"));
    assert_eq!(stage.exit(1, 1), Exit::Code(7));
    stage.spawn(1, 2, script("kill -9 $$"));
    assert_eq!(stage.exit(1, 2), Exit::Signal { signal: Signal::KILL, core: false });
    stage.spawn(1, 3, script("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"));
    let (_, ending) = stage.ended(1, 3);
    assert!(ending.user_us + ending.system_us > 1000 && ending.max_rss_kib > 100, "{ending:?}");
    // One that is gone before anybody could look is told all the same.
    stage.spawn(1, 4, command(&["/bin/true"]));
    assert_eq!(stage.exit(1, 4), Exit::Code(0));
    assert!(!tree::has_leftovers(&stage.table, 1));
}

#[test]
fn a_thousand_starts_leak_nothing() {
    holds("thousand");
}

fn thousand(stage: &Stage) {
    stage.says(1, 1, script("exit 0"));
    let before = descriptors();
    let start = std::time::Instant::now();
    for run in 0..1000 {
        let slot = 1 + run as usize % 50;
        let outcome = stage.spawn(slot, 10 + run, command(&["/bin/true"]));
        let started = outcome.result.unwrap();
        let (pid, _) = stage.ended(slot, 10 + run);
        assert_eq!(pid, started.pid);
    }
    println!("a thousand starts and exits: {:?}", start.elapsed());
    assert_eq!(descriptors(), before);
    assert_eq!(stage.table.take_exits(), []);
    let keeper = nix::unistd::getppid().as_raw();
    let children = proc::processes().unwrap().into_iter().filter(|stat| stat.parent == keeper).count();
    assert_eq!(children, 2, "supervisor and logger");
    assert_eq!(stage.table.role(Role::Keeper).0, keeper);
}

#[test]
fn what_a_main_process_leaves_is_found_signalled_and_its_end_told() {
    holds("leftovers");
}

fn leftovers(stage: &Stage) {
    stage.spawn(3, 1, script("sleep 300 & sleep 300 & exit 3"));
    assert_eq!(stage.exit(3, 1), Exit::Code(3));
    assert!(tree::has_leftovers(&stage.table, 3));
    tree::signal(&stage.table, Reach::Group, 3, 1, Signal::KILL).unwrap();
    while tree::has_leftovers(&stage.table, 3) {
        stage.notice(|notice| (*notice == Notice::Stray { slot: 3 }).then_some(()));
    }
    assert_eq!(stage.table.group(3), None);

    // The tree reaches whoever left the group or the session.
    let said = stage.place.join("away");
    let text = format!("setsid sh -c 'echo $$ > {}; exec sleep 300' & exec sleep 300", said.display());
    stage.spawn(4, 2, script(&text));
    let away: i32 = wait_for("the child", || std::fs::read_to_string(&said).ok()?.trim().parse().ok());
    tree::signal(&stage.table, Reach::Census(&census(stage)), 4, 2, Signal::TERM).unwrap();
    assert_eq!(stage.exit(4, 2), Exit::Signal { signal: Signal::TERM, core: false });
    wait_for("its end", || proc::stat(away).is_none_or(|stat| stat.has_ended()).then_some(()));

    // One process alone.
    let leader = stage.spawn(4, 3, script("trap '' TERM; sleep 300 & wait; wait")).result.unwrap().pid;
    let child = |stat: &proc::Stat| stat.group == leader && stat.pid != leader;
    wait_for("its child", || proc::processes().unwrap().iter().any(child).then_some(()));
    tree::signal(&stage.table, Reach::Process, 4, 3, Signal::KILL).unwrap();
    assert_eq!(stage.exit(4, 3), Exit::Signal { signal: Signal::KILL, core: false });
    assert!(tree::has_leftovers(&stage.table, 4));
    // Of a run that is over, and of another run: nobody.
    tree::signal(&stage.table, Reach::Process, 4, 2, Signal::KILL).unwrap();
    tree::signal(&stage.table, Reach::Census(&census(stage)), 4, 3, Signal::KILL).unwrap();
    wait_for("its end", || (!tree::has_leftovers(&stage.table, 4)).then_some(()));
}

#[test]
fn limits_of_a_running_service_change_or_say_why_not() {
    holds("limits");
}

fn set_limits(stage: &Stage) {
    stage.spawn(1, 1, command(&["sleep", "300"])).result.unwrap();
    let asked: Limits = [(LimitKind::OpenFiles, Limit { soft: Bound(50), hard: Bound(60) })].into();
    assert_eq!(limits::set(&stage.table, 1, 1, &asked), Ok(asked.clone()));
    assert_eq!(limits::set(&stage.table, 1, 99, &asked), Ok(Limits::new()), "another run is left alone");
    if !limits::ceilings_of(None).unwrap().may_raise {
        let higher: Limits = [(LimitKind::OpenFiles, Limit { soft: Bound(50), hard: Bound(70) })].into();
        let refused = Failure::Limit { kind: LimitKind::OpenFiles, asked: Bound(70), highest: Bound(60) };
        assert_eq!(limits::set(&stage.table, 1, 1, &higher), Err(refused));
    }
    tree::signal(&stage.table, Reach::Census(&census(stage)), 1, 1, Signal::KILL).unwrap();
    stage.exit(1, 1);
}

#[test]
fn a_child_stopped_before_its_program_holds_up_nobody_else() {
    holds("stuck");
}

fn stuck(stage: &Stage) {
    // Stopped in the window between clone and exec: it takes luck, so it is tried often.
    for run in 1..2000 {
        stage.order(1, run, command(&["/bin/sleep", "300"]));
        let pid = loop {
            match stage.table.pid_cell(1).load(std::sync::atomic::Ordering::Relaxed) {
                0 => std::hint::spin_loop(),
                pid => break pid,
            }
        };
        let pid = nix::unistd::Pid::from_raw(pid);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
        let caught = stage.outcomes.recv_timeout(Duration::from_millis(30)).is_err();
        if caught {
            stage.order(2, 10_000, command(&["/bin/true"]));
            stage.spawner.abandon(1, RunId(run));
            let both = [0, 1].map(|_| stage.outcomes.recv_timeout(crate::DEADLINE).unwrap());
            let of = |slot| both.iter().find(|outcome| outcome.slot == slot).unwrap();
            assert!(of(2).result.is_ok());
            let failure = Failure::SpawnTimeout(SPAWN_TIMEOUT);
            assert_eq!(of(1).result.as_ref().unwrap_err(), &Refused { failure, had_process: true });
            assert_eq!(stage.exit(1, run), Exit::Signal { signal: Signal::KILL, core: false });
            stage.spawner.abandon(1, RunId(run));
            assert!(stage.spawn(1, 10_001, command(&["/bin/true"])).result.is_ok(), "and goes on");
            println!("caught at try {run}");
            return;
        }
        tree::signal(&stage.table, Reach::Process, 1, run, Signal::KILL).unwrap();
        stage.exit(1, run);
    }
    println!("skipped: no child was stopped in time");
}
