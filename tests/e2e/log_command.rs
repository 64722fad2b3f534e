//! `[log] command`: another program takes the output, through everything that befalls the two.

use super::world::{World, pids, running, said, service};
use abide::model::status::Status;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;

/// Numbers as fast as they are taken.
fn counts(to: u32) -> String {
    format!("script = \"seq {to}; exec sleep 86400\"\n")
}

#[test]
fn every_line_gets_to_the_command_whoever_of_the_two_dies() {
    let mut world = World::empty();
    let file = world.root().join("taken");
    let taken = || fs::read_to_string(&file).unwrap_or_default();
    let command = format!("[log]\ncommand = [\"sh\", \"-c\", \"echo begun >&2; exec cat >>{}\"]\n", file.display());
    world.drop_file("web.toml", &format!("{}{command}", counts(1000)));
    world.start();
    let (web, reader) = (world.pid("web"), world.pid("web.log"));
    world.until_true("all is taken", || taken().ends_with("\n1000\n"));
    // What the command says of itself is in a log of its own, as any service's.
    world.logged("web.log", "begun");
    assert!(!world.logs().join("web/current").exists(), "nobody else reads it");
    // It is a service like any other: killed it comes again, and the pipe waits.
    kill(Pid::from_raw(reader), Signal::SIGKILL).expect("it lives");
    let reader = world.pid_after("web.log", reader);
    kill(Pid::from_raw(web), Signal::SIGKILL).expect("it lives");
    let web = world.pid_after("web", web);
    world
        .until_true("all is taken again", || taken().ends_with("\n1000\n") && taken().matches("\n1000\n").count() == 2);
    // A supervisor that dies is no news to either.
    let before = world.status().expect("it runs").abide.supervisor_pid;
    kill(Pid::from_raw(before), Signal::SIGKILL).expect("it lives");
    world.until("another one has come", |status| {
        status.abide.supervisor_pid != before
            && service(status, "web").and_then(|it| it.instances[0].pid) == Some(web)
            && service(status, "web.log").and_then(|it| it.instances[0].pid) == Some(reader)
    });
    // Both go together: first the service, then, at the end of its input, the command.
    world.remove("web.toml");
    world.gone("web");
    world.gone("web.log");
    assert!(taken().lines().count() == 2000 && taken().ends_with("\n1000\n"), "{}", taken().len());
    // By itself: nobody had to signal it.
    let log = fs::read_to_string(world.logs().join("abide.log")).expect("it is written");
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let mut ended = lines.filter(|line| line["service"] == "web.log" && line["to"] == "stopped");
    assert_eq!(ended.next_back().map(|line| line["exit"].clone()), Some("exit code 0".into()));
}

#[test]
fn a_log_command_is_a_service_that_people_can_see() {
    let world = World::with(&[("web", "command = \"sleep 86400\"\n[log]\ncommand = \"cat\"\n")]);
    world.pid("web.log");
    let out = world.abide(&["status", "web.log"]);
    assert!(said(&out).contains("takes the output of web"), "{}", said(&out));
    // Without it the service begins anew, with a file.
    let pid = world.pid("web");
    world.drop_file("web.toml", "script = \"echo in a file; exec sleep 86400\"\n");
    world.pid_after("web", pid);
    world.logged("web", "in a file");
    world.gone("web.log");
}

#[test]
fn a_supervisor_that_comes_after_another_misses_none_of_them() {
    let names: Vec<String> = (0..12).map(|n| format!("s{n}")).collect();
    let file = "command = \"sleep 86400\"\n[log]\ncommand = \"cat\"\n";
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), file)).collect();
    let world = World::with(&files);
    let before = world.until("all run", |status| running(status) == 24);
    kill(Pid::from_raw(before.abide.supervisor_pid), Signal::SIGKILL).expect("it lives");
    let settled = |status: &Status| status.abide.supervisor_pid != before.abide.supervisor_pid && running(status) == 24;
    world.until("another one has come", settled);
    // Those whose files are gone would be believed to be after a moment.
    world.fence_removals();
    let after = world.status().expect("it runs");
    assert_eq!((after.withheld.guard.removals.len(), pids(&after)), (0, pids(&before)));
}
