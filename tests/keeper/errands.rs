//! Errands: a service's other commands, run as the service is.

use crate::rig::{Rig, define, instance};
use crate::stage::script;
use crate::{holds, wait_for};
use abide::decide::effect::{Effect, Errand, Which};
use abide::decide::event::RunId;
use abide::host::proc;
use abide::log::order::Report;
use abide::model::check::{Check, Ready};
use abide::model::outcome::{Exit, Failure};
use abide::model::policy::{Hooks, OnChange, ReloadBy, ReloadPolicy};
use abide::model::service::Service;
use abide::model::signal::Signal;
use std::time::Duration;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn shell(text: &str) -> Vec<String> {
    words(&["/bin/sh", "-c", text])
}

fn service() -> Service {
    let mut service = script("echo main; exec sleep 1000");
    // `$$` is a `$` of the shell.
    let before =
        "echo $$GREETING $$EXTRA ${ABIDE_INSTANCE} $${MAINPID:-none}; pwd; ps -o pid=,pgid=,sid=,ppid= -p $$$$";
    service.directory = "/usr".into();
    service.hooks = Some(Box::new(Hooks {
        start_before: vec![shell(before), shell("exit 3"), words(&["no-such-program-anywhere"])],
        start_after: vec![shell(&format!("sleep {} & sleep {}", nap(1), nap(2)))],
        stop_after: vec![shell(&format!("sleep {} & echo left", nap(3)))],
        ..Hooks::default()
    }));
    service.stop.command = Some(shell("echo stop $$MAINPID"));
    let how = ReloadBy::Command(words(&["/"]));
    let (watch, on_change, timeout) = (Vec::new(), OnChange::Reload, Duration::from_secs(1));
    service.reload = Some(Box::new(ReloadPolicy { how, watch, on_change, timeout }));
    let (timeout, interval) = (Duration::from_secs(1), Duration::from_secs(1));
    service.ready = Some(Box::new(Ready { check: Check::Exec(shell("kill -TERM $$$$")), timeout, interval }));
    service
}

/// A time that no other test sleeps for.
fn nap(number: u32) -> u32 {
    100_000 + std::process::id() * 10 + number
}

/// How many processes sleep for [`nap`] of this number.
fn sleepers(number: u32) -> usize {
    let seconds = nap(number);
    let sleeps = |stat: &proc::Stat| {
        let line = std::fs::read(format!("/proc/{}/cmdline", stat.pid)).unwrap_or_default();
        line == format!("sleep\0{seconds}\0").as_bytes()
    };
    proc::processes().unwrap().iter().filter(|stat| sleeps(stat)).count()
}

pub(crate) fn errands(mut rig: Rig) {
    let definition = define(service());
    let instance = instance(&definition);

    // Before the first start: the seat is taken and the pipe made by it.
    rig.errand(1, Errand::Before(0), &definition);
    assert_eq!(rig.errand_ended(1), Ok(Exit::Code(0)));
    assert_eq!(rig.logger.orders(), [1]);
    let said = rig.output(1);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[..2], ["hello 0 more 0 none", "/usr"], "{said}");
    let ids: Vec<i32> = lines[2].split_whitespace().map(|id| id.parse().unwrap()).collect();
    let [pid, group, session, parent] = ids[..] else { panic!("{said}") };
    assert_eq!((group, session, parent), (pid, pid, nix::unistd::getppid().as_raw()));

    rig.errand(2, Errand::Before(1), &definition);
    assert_eq!(rig.errand_ended(2), Ok(Exit::Code(3)));
    rig.errand(3, Errand::Before(2), &definition);
    assert!(matches!(rig.errand_ended(3), Err(Failure::NoProgram { .. })));
    rig.errand(4, Errand::Reload, &definition);
    assert!(matches!(rig.errand_ended(4), Err(Failure::Unrunnable { .. })), "a directory is no program");
    rig.errand(5, Errand::Before(7), &definition);
    assert!(matches!(rig.errand_ended(5), Err(Failure::Prepare(_))));
    rig.errand(6, Errand::Check(Which::Ready), &definition);
    assert_eq!(rig.errand_ended(6), Ok(Exit::Signal { signal: Signal::TERM, core: false }));

    // Beside the service, into the same pipe.
    let main = rig.spawn(10, &definition);
    rig.errand(11, Errand::Stop, &definition);
    assert_eq!(rig.errand_ended(11), Ok(Exit::Code(0)));
    wait_for("what the errand says", || rig.output(1).contains(&format!("stop {main}\n")).then_some(()));

    // One that never ends is ended with its group; one that ends takes its group along.
    rig.errand(12, Errand::After(0), &definition);
    wait_for("its processes", || {
        rig.turn();
        (sleepers(1) + sleepers(2) == 2).then_some(())
    });
    rig.host.perform(Effect::EndErrand { instance: instance.clone(), run: RunId(12) });
    assert_eq!(rig.errand_ended(12), Ok(Exit::Signal { signal: Signal::KILL, core: false }));
    wait_for("their end", || (sleepers(1) + sleepers(2) == 0).then_some(()));
    rig.errand(13, Errand::Stopped(0), &definition);
    assert_eq!(rig.errand_ended(13), Ok(Exit::Code(0)));
    wait_for("the end of what it left", || (sleepers(3) == 0).then_some(()));
    assert!(nix::sys::signal::kill(nix::unistd::Pid::from_raw(main), None).is_ok(), "the service is let be");

    // Closed while one is being made and one runs: both are ended, and then the pipe is given up, once.
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(main), nix::sys::signal::Signal::SIGKILL).unwrap();
    rig.exited(10);
    rig.errand(14, Errand::After(0), &definition);
    wait_for("its processes", || {
        rig.turn();
        (sleepers(2) == 1).then_some(())
    });
    rig.errand(15, Errand::After(0), &definition);
    rig.host.perform(Effect::Close { instance });
    rig.errand_ended(14).unwrap();
    let ended = rig.errand_ended(15);
    assert!(matches!(ended, Err(Failure::SpawnTimeout(_)) | Ok(Exit::Signal { .. })), "{ended:?}");
    assert_eq!(rig.logger.orders(), [-1]);
    rig.logger.report(&Report::Detached { slot: 1 });
    rig.turn();
    assert_eq!((1..9).filter(|slot| rig.table.resident(*slot).is_some()).count(), 0);
    assert_eq!(rig.host.take_troubles(), []);
    wait_for("the end of all", || (sleepers(1) + sleepers(2) == 0).then_some(()));
}

#[test]
fn errands_run_as_their_service_does_and_none_outlives_its_end() {
    holds("errands");
}
