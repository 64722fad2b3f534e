//! The small programs.

use std::process::{Command, Stdio};

use super::reference::{python, wait_for};

fn tool(name: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_abide"));
    command.args(["tool", name]);
    command
}

/// Reads a file as supervisord does and writes what it has read; with every `;` before a key taken away if asked.
const READ: &str = "import sys, supervisor.options as o
options = o.ServerOptions()
options.realize(['-c', sys.argv[1]])
print(len(options.process_group_configs))";

#[test]
fn the_sample_is_accepted() {
    let Some(python) = python() else { return };
    let sample = tool("echo_supervisord_conf").arg("ignored").output().unwrap();
    assert!(sample.status.success());
    let sample = String::from_utf8(sample.stdout).unwrap();
    let theirs = Command::new(&python).args(["-c", "import supervisor.confecho as c; c.main()"]).output().unwrap();
    let theirs = String::from_utf8(theirs.stdout).unwrap();
    let keys = |text: &str| -> Vec<(bool, String)> {
        let key = |line: &str| {
            let bare = line.strip_prefix(';').unwrap_or(line);
            let is_key = bare.starts_with(|c: char| c.is_ascii_lowercase()) && bare.contains('=');
            let name = bare.split(['=', ' ']).next().unwrap_or_default();
            let section = bare.starts_with('[');
            let name = if section { bare.split_once(']').map_or(bare, |(head, _)| head) } else { name };
            (is_key || section).then(|| (line.starts_with(';'), name.to_owned()))
        };
        text.lines().filter_map(key).collect()
    };
    assert_eq!(keys(&sample), keys(&theirs));

    let directory = tempfile::tempdir().unwrap();
    let accepted = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        let read = Command::new(&python).args(["-c", READ]).arg(path).output().unwrap();
        String::from_utf8_lossy(&read.stdout).into_owned() + &String::from_utf8_lossy(&read.stderr)
    };
    assert_eq!(accepted("sample", &sample), "0\n");
    // With all of it in use, but for what this machine need not have.
    let used = sample.lines().map(|line| line.strip_prefix(';').filter(|rest| !rest.starts_with(' ')).unwrap_or(line));
    let absent = ["user=", "chown=", "programs=", "directory=", "[include]", "files"];
    let used: Vec<&str> = used.filter(|line| !absent.iter().any(|key| line.starts_with(key))).collect();
    assert_eq!(accepted("used", &used.join("\n")), "3\n");
}

#[test]
fn pidproxy_passes_signals_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let script =
        "trap 'echo HUP >> out' HUP; trap 'echo TERM >> out; exit' TERM; echo $$ > pid; while :; do sleep 0.05; done";
    let mut proxy = tool("pidproxy");
    proxy.arg(path("pid")).args(["/bin/sh", "-c", script]).current_dir(directory.path()).stdout(Stdio::null());
    let mut proxy = proxy.spawn().unwrap();
    let pid = nix::unistd::Pid::from_raw(proxy.id().cast_signed());
    wait_for(|| std::fs::read_to_string(path("pid")).is_ok_and(|text| text.ends_with('\n')));
    nix::sys::signal::kill(pid, nix::sys::signal::SIGHUP).unwrap();
    wait_for(|| std::fs::read_to_string(path("out")).is_ok_and(|text| text == "HUP\n"));
    nix::sys::signal::kill(pid, nix::sys::signal::SIGTERM).unwrap();
    assert_eq!(proxy.wait().unwrap().code(), Some(0));
    wait_for(|| std::fs::read_to_string(path("out")).is_ok_and(|text| text == "HUP\nTERM\n"));
}

#[test]
fn pidproxy_ends_as_it_should() {
    let ended = |words: &[&str]| {
        let output = tool("pidproxy").args(words).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(ended(&["/nonexistent", "/bin/sh", "-c", "exit 3"]).0, Some(0));
    let (code, text) = ended(&["/nonexistent"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("<pidfile name> <command>"), "{text}");
    assert_eq!(
        ended(&["/nonexistent", "/bin/sh", "-c", "kill -TERM $PPID; sleep 5"]),
        (Some(0), "Can't read child pidfile /nonexistent!\n".to_owned())
    );
    assert_eq!(ended(&["/nonexistent", "/nonexistent/x"]).0, Some(1));
}
