//! Services whose process goes into the background, and those that name another.

use crate::rig::{Rig, define, instance};
use crate::stage::script;
use crate::{holds, wait_for};
use abide::decide::effect::Effect;
use abide::decide::event::{Event, RunId};
use abide::host::proc;
use abide::model::desired::Definition;
use abide::model::name::ServiceName;
use abide::model::outcome::Exit;
use abide::model::policy::{ServiceType, StopScope};
use abide::model::signal::Signal;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

const TERM: Exit = Exit::Signal { signal: Signal::TERM, core: false };
const KILL: Exit = Exit::Signal { signal: Signal::KILL, core: false };

/// A daemon in a session of its own, which writes `$$` to its pid file, and a launcher that ends.
fn daemon(rig: &Rig, name: &str, text: &str, pid_file: bool) -> Arc<Definition> {
    let mut service = script(text);
    service.name = ServiceName::new(name).unwrap();
    service.directory = rig.place.display().to_string();
    let pid_file = pid_file.then(|| "${ABIDE_INSTANCE}.pid".to_owned());
    service.service_type = ServiceType::Forking { pid_file };
    define(service)
}

const TEXT: &str = "setsid sh -c 'echo $$ > 0.pid; exec sleep 1000' & while ! test -s 0.pid; do sleep 0.01; done";

fn pid_file(rig: &Rig) -> PathBuf {
    rig.place.join("0.pid")
}

fn is_alive(pid: i32) -> bool {
    proc::stat(pid).is_some_and(|stat| !stat.has_ended())
}

pub(crate) fn forking(mut rig: Rig) {
    let web = daemon(&rig, "web", TEXT, true);
    rig.spawn(1, &web);
    assert_eq!(rig.exited(1), (Exit::Code(0), true), "its daemon is left");
    let pid = rig.find_main(1, &web, None).unwrap();
    assert_eq!(std::fs::read_to_string(pid_file(&rig)).unwrap().trim(), pid.to_string());
    rig.signal(1, &web, Signal::TERM, StopScope::Process);
    assert_eq!(rig.exited(1), (TERM, false), "as the end of any other main process");
    assert!(rig.find_main(1, &web, None).unwrap_err().contains("its run is over"));

    // What the file names may be anything.
    std::fs::remove_file(pid_file(&rig)).unwrap();
    rig.spawn(2, &web);
    rig.exited(2);
    let own = std::fs::read_to_string(pid_file(&rig)).unwrap();
    let mut stranger = Command::new("sleep");
    stranger.arg("1000").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let mut stranger = stranger.spawn().unwrap();
    let mut other = script("exec sleep 1000");
    other.name = ServiceName::new("other").unwrap();
    let other_pid = rig.spawn(3, &define(other));
    let us = std::process::id().cast_signed();
    for foreign in [stranger.id().cast_signed(), other_pid, us, nix::unistd::getppid().as_raw(), 1] {
        std::fs::write(pid_file(&rig), foreign.to_string()).unwrap();
        let refused = rig.find_main(2, &web, None).unwrap_err();
        assert!(refused.contains(&format!("process {foreign} is none of this service")), "{refused}");
    }
    std::fs::write(pid_file(&rig), "rubbish").unwrap();
    assert!(rig.find_main(2, &web, None).unwrap_err().contains("does not begin with a pid"));
    std::fs::remove_file(pid_file(&rig)).unwrap();
    assert!(rig.find_main(2, &web, None).unwrap_err().contains("does not exist"));
    std::fs::write(pid_file(&rig), own).unwrap();
    let pid = rig.find_main(2, &web, None).unwrap();
    rig.signal(2, &web, Signal::KILL, StopScope::Tree);
    assert_eq!(rig.exited(2), (KILL, false));
    assert!(!is_alive(pid) && is_alive(stranger.id().cast_signed()) && is_alive(other_pid), "none of the others");
    stranger.kill().unwrap();
    stranger.wait().unwrap();

    // Without a file: the one that has been there for longest.
    std::fs::remove_file(pid_file(&rig)).unwrap();
    let plain = daemon(&rig, "plain", &format!("{TEXT}; sleep 0.05; setsid sleep 1000 &"), false);
    rig.spawn(4, &plain);
    assert_eq!(rig.exited(4), (Exit::Code(0), true));
    let found = rig.find_main(4, &plain, None).unwrap();
    assert_eq!(std::fs::read_to_string(pid_file(&rig)).unwrap().trim(), found.to_string());
    rig.host.perform(Effect::Measure { instance: instance(&plain), run: RunId(4) });
    let memory = rig.event("its memory", |event| match event {
        Event::Measured { run: RunId(4), memory, .. } => Some(*memory),
        _ => None,
    });
    assert!((100 << 10..100 << 20).contains(&memory), "{memory} bytes for two sleepers");
    rig.signal(4, &plain, Signal::KILL, StopScope::Process);
    assert_eq!(rig.exited(4), (KILL, true), "the other is left");
    rig.signal(4, &plain, Signal::KILL, StopScope::Tree);
    rig.event("the end of all of it", |event| matches!(event, Event::TreeEmpty { run: RunId(4), .. }).then_some(()));

    // One that leaves nothing.
    let empty = daemon(&rig, "empty", "true", false);
    rig.spawn(5, &empty);
    assert_eq!(rig.exited(5), (Exit::Code(0), false));
    assert!(rig.find_main(5, &empty, None).unwrap_err().contains("pid_file"));
    assert_eq!(rig.host.take_troubles(), []);
}

#[test]
fn a_daemon_is_found_by_its_pid_file_or_in_its_tree_and_no_stranger_is_taken_for_it() {
    holds("forking");
}

pub(crate) fn successors(mut rig: Rig) {
    // The successor is a child of the main process first, and an orphan later.
    let text =
        "setsid sh -c '(echo $PPID > parent.pid; exec sleep 1000) & echo $! > child.pid; sleep 0.3' & exec sleep 1000";
    let mut service = script(text);
    service.directory = rig.place.display().to_string();
    let web = define(service);
    let first = rig.spawn(1, &web);
    let second: i32 =
        wait_for("its successor", || std::fs::read_to_string(rig.place.join("child.pid")).ok()?.trim().parse().ok());
    let early = rig.find_main(1, &web, Some(second));
    assert!(early.as_ref().is_err_and(|why| why.contains("is a child of process")), "{early:?}");
    let keeper = nix::unistd::getppid().as_raw();
    wait_for("the end of its parent", || (proc::stat(second)?.parent == keeper).then_some(()));
    assert_eq!(rig.find_main(1, &web, Some(second)), Ok(second));
    assert_eq!(rig.find_main(1, &web, Some(second)), Ok(second), "once more changes nothing");
    assert_eq!(rig.table.running(1, 1), Some(second));

    // The former is one of many now: its end is not the end of the run.
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(first), nix::sys::signal::Signal::SIGKILL).unwrap();
    wait_for("its end", || (!is_alive(first)).then_some(()));
    rig.turn();
    assert_eq!(rig.table.running(1, 1), Some(second));
    assert!(rig.find_main(1, &web, Some(first)).unwrap_err().contains("there is no process"));
    rig.signal(1, &web, Signal::TERM, StopScope::Tree);
    assert_eq!(rig.exited(1).0, TERM);
}

#[test]
fn a_process_that_a_service_names_takes_the_place_of_its_main_one() {
    holds("successors");
}
