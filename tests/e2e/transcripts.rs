//! A walk through every command against a living abide, word by word as an operator sees it (`BLESS=1` writes
//! `tests/golden/transcripts` anew), and every example of every `--help`, run.

use super::process::is_root;
use super::world::{SLEEPER, World, binary, service};
use abide::model::status::{State, Status};
use regex::Regex;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A service that says something, and knows a reload.
const WEB: &str = "description = \"the shop\"\nreload.signal = \"HUP\"\n\
    command = [\"/bin/sh\", \"-c\", \"trap 'echo reloaded' HUP; echo hello; while :; do sleep 0.1; done\"]\n";

/// A world in which something is well, something has failed, and a file is wrong.
fn stage() -> World {
    let mut world = World::empty();
    if is_root() {
        // What root is warned of, users are not.
        world.replace(&world.root().join("abide.toml"), "[defaults]\nuser = \"root\"\n");
    }
    world.drop_file("web.toml", WEB);
    world.drop_file("db.toml", SLEEPER);
    world.drop_file("worker.toml", &format!("{SLEEPER}instances = 3\n"));
    world.drop_file("job.toml", "command = [\"/bin/false\"]\nrestart.limit = { count = 1, window = \"1h\" }\n");
    world.drop_file("typo.toml", "comand = \"sleep 1\"\n");
    std::fs::create_dir(world.root().join("next.d")).expect("new");
    for name in ["web", "worker", "job"] {
        let from = world.file(&format!("{name}.toml"));
        std::fs::copy(from, world.root().join(format!("next.d/{name}.toml"))).expect("new");
    }
    std::fs::write(
        world.root().join("next.d/db.toml"),
        format!("{SLEEPER}nice = 5\n").replace("nice", "schedule.nice"),
    )
    .expect("new");
    std::fs::create_dir(world.root().join("bin")).expect("new");
    std::os::unix::fs::symlink(binary(), world.root().join("bin/abide")).expect("new");
    world.start();
    world.until("all are where they should be", |status| {
        let is = |name: &str, state: State| service(status, name).is_some_and(|it| it.state == state);
        let settled = is("web", State::Running) && is("db", State::Running) && is("worker", State::Running);
        settled && is("job", State::Failed) && service(status, "typo").is_some_and(|it| !it.errors.is_empty())
    });
    world.logged("web", "hello");
    world
}

/// A line of a shell in the world's root.
fn shell(world: &World, line: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    let path = format!("{}:{}", world.root().join("bin").display(), std::env::var("PATH").unwrap_or_default());
    command.args(["-c", line]).current_dir(world.root()).env("PATH", path).env("HOME", world.root());
    command.env("ABIDE_RUNTIME_DIR", world.runtime()).env("ABIDE_STATE_DIR", world.state());
    command.env("ABIDE_LOG_DIR", world.logs()).env("LC_ALL", "C.UTF-8").env("SHELL", "/bin/sh").env_remove("ABIDE_LOG");
    command.stdin(Stdio::null());
    command
}

/// What a command says, as a terminal would show it one after the other, and its exit code.
fn told(world: &World, line: &str) -> String {
    let output = shell(world, line).output().expect("a shell");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let code = output.status.code().expect("it ended by itself");
    let code = if code == 0 { String::new() } else { format!("[exit code {code}]\n") };
    format!("$ {line}\n{}{code}\n", masked(world, &format!("{out}{err}")))
}

/// Without what differs from run to run: places, users, times, numbers of processes, and the blanks that follow.
fn masked(world: &World, text: &str) -> String {
    let root = world.root().display().to_string();
    let user =
        nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map_or_else(String::new, |user| user.name);
    // Where this machine has an abide of its own.
    let text = text.replace("that of the machine has --runtime-dir /run/abide", "or say where with --runtime-dir");
    let mut text = text.replace(&root, "/ROOT");
    for (what, with) in [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
        (r"\b(sha256:)?[0-9a-f]{12,64}\b", "DIGEST"),
        (r"\b[0-9a-f]{8}-\d+\b", "ID"),
        (r"(pid|process) \d+", "$1 PID"),
        (r#"("pid"): ?\d+"#, "$1:PID"),
        (r"(● \w+ +)\d+\b", "$1 PID"),
        (r"(\d+d\d\dh|\d+h\d\dm|\d+m\d\ds|\d+ms|\d+(\.\d+)?s)\b", "AGE"),
        (r"\d+(\.\d)? [KM]iB", "SIZE"),
        (r"\d+ process(es)?,", "N processes,"),
        (r"(?m)^  +\d{2,} ", "  PID "),
        (r"abide \d+\.\d+\.\d+", "abide VERSION"),
        (r"uid \d+", "USER"),
    ] {
        text = Regex::new(what).expect("a pattern").replace_all(&text, with).into_owned();
    }
    let by = Regex::new(&format!(r"\bby {}\b", if user.is_empty() { "nobody-of-this-name" } else { &user }))
        .expect("a name");
    text = by.replace_all(&text, "by USER").into_owned();
    let blanks = Regex::new(r"(\S) {2,}").expect("a pattern");
    text.lines().map(|line| blanks.replace_all(line, "$1  ").trim_end().to_owned() + "\n").collect()
}

/// Compares with the golden file, or writes it.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/transcripts/{name}.txt"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the checkout is writable");
        std::fs::write(&path, text).expect("the checkout is writable");
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == text, "{} differs (BLESS=1 writes it):\n{}", path.display(), difference(&expected, text));
}

fn difference(expected: &str, text: &str) -> String {
    let mut out = String::new();
    let (before, after): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), text.lines().collect());
    for at in 0..before.len().max(after.len()) {
        let (old, new) = (before.get(at).copied().unwrap_or(""), after.get(at).copied().unwrap_or(""));
        if old != new {
            let _ = writeln!(out, "{}\n- {old}\n+ {new}", at + 1);
        }
    }
    out
}

fn walk(name: &str, world: &World, lines: &[&str]) {
    let text: String = lines.iter().map(|line| told(world, line)).collect();
    golden(name, &text);
}

#[test]
fn a_look_at_what_runs_reads_as_it_always_did() {
    let world = stage();
    walk(
        "looking",
        &world,
        &[
            "abide status",
            "abide status web",
            "abide status 'w*' db",
            "abide status @failed",
            "abide status @starting",
            "abide status wbe 'x*' web@9",
            "abide status --nagios",
            "abide status web --json | grep -o '\"state\":\"[a-z]*\"' | head -n 1",
            "abide check services.d",
            "abide plan next.d --from services.d",
            "abide logs web",
            "abide logs web worker@1",
            "abide logs web --json -n 1",
            "abide logs nothing",
            "abide plan",
            "abide plan next.d",
            "abide plan nowhere.d",
            "abide wait web --timeout 10s",
            "abide wait web --for in-sync",
            "abide wait job --for running --timeout 10s",
            "abide wait db --for stopped --timeout 10ms",
            "abide tree db",
            "abide env db | grep -o 'ABIDE[A-Z_]*' | sort -u",
            "abide man | head -n 3 | tail -n 1",
            "abide completions fish",
            "abide schema --status | head -n 3",
        ],
    );
}

#[test]
fn the_operators_hand_says_what_came_of_each_order() {
    let world = stage();
    let mut text = String::new();
    let mut say = |line: &str| text.push_str(&told(&world, line));
    say("abide stop web --reason 'the disk is full' --for 2h");
    say("abide status web worker");
    say("abide stop web");
    say("abide stop 'w*' --json | tr , '\\n' | grep target");
    say("abide start web");
    say("abide start 'w*'");
    say("abide start web");
    say("abide restart web worker@1");
    world.until("all run again", |status: &Status| {
        ["web", "worker"].iter().all(|name| service(status, name).is_some_and(|it| it.state == State::Running))
    });
    say("abide reload web");
    say("abide reload db");
    say("abide signal USR1 db --no-wait");
    say("abide signal CONT db");
    say("abide signal db cont");
    say("abide signal db web");
    say("abide start job");
    say("abide start typo");
    say("abide stop nothing");
    say("abide stop a/b");
    say("abide restart");
    say("abide events db | cut -d ' ' -f 2-");
    golden("hand", &text);
}

#[test]
fn on_a_terminal_it_is_asked_once_whether_those_are_meant_that_a_pattern_stands_for() {
    if !has_script() {
        return;
    }
    let world = stage();
    let pids = |world: &World| ["web", "db"].map(|name| world.pid_now(name));
    let before = pids(&world);
    let on_a_terminal = |answer: &str, line: &str| {
        let script = format!("printf '{answer}\\n' | script -qec \"{line}\" /dev/null");
        let output = shell(&world, &script).output().expect("a shell");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).replace('\r', ""))
    };
    let (code, text) = on_a_terminal("n", "abide restart '[dw]*'");
    assert_eq!(code, Some(64), "a set of letters is no pattern: {text}");
    let (code, text) = on_a_terminal("n", "abide stop '*b*'");
    assert!(code == Some(1) && text.contains("stop 3 services: db, job, web?\n"), "{code:?} {text}");
    assert!(text.contains("nothing was done") && pids(&world) == before, "{text}");
    let (code, text) = on_a_terminal("y", "abide stop '?eb' '?b'");
    assert!(code == Some(0) && text.contains("web: stopped and held"), "{code:?} {text}");
    let (code, text) = on_a_terminal("n", "abide start web db");
    assert!(code == Some(0) && !text.contains("[y/N]"), "who starts is not asked: {text}");
    let (code, text) = on_a_terminal("n", "abide stop web db");
    assert!(code == Some(0) && !text.contains("[y/N]"), "nor who writes each name: {text}");
}

/// Whether `script` of util-linux, which makes a terminal, is there; else it is said.
fn has_script() -> bool {
    let there = Command::new("script").arg("--version").output().is_ok();
    assert!(there || std::env::var_os("CI").is_none(), "CI=true promises script");
    if !there {
        eprintln!("NOT CHECKED: script is not installed");
    }
    there
}

#[test]
fn where_no_abide_runs_each_command_says_so_and_what_to_do() {
    let mut world = stage();
    world.signal(nix::sys::signal::Signal::SIGTERM);
    world.ended();
    walk(
        "nobody",
        &world,
        &[
            "abide status",
            "abide start web",
            "abide stop web",
            "abide restart web",
            "abide reload web",
            "abide signal HUP web",
            "abide wait web",
            "abide plan",
            "abide events",
            "abide logs web | cut -d ' ' -f 2-",
            "abide logs web -f | cut -d ' ' -f 2-",
            "abide --runtime-dir x status",
        ],
    );
}

/// The examples of every `--help`: the command without its explanation.
fn examples() -> Vec<String> {
    use clap::CommandFactory;
    let cli = abide::cli::args::Cli::command();
    let mut all = Vec::new();
    for command in cli.get_subcommands().filter(|it| !it.is_hide_set()) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let lines = help.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| line.contains("abide "));
        all.extend(lines.map(|line| line.split("  ").next().unwrap_or_default().to_owned()));
    }
    all
}

#[test]
fn every_example_of_every_help_runs() {
    let world = stage();
    let root = world.root().to_owned();
    world.drop_file("web.toml", &format!("{WEB}instances = 3\n"));
    world.until("web has three", |status| {
        service(status, "web").is_some_and(|it| it.instances.len() == 3 && it.state == State::Running)
    });
    for directory in [
        "new/services.d",
        "old",
        "etc/abide/services.d",
        "srv/d",
        "services",
        "tmp",
        ".local/share/bash-completion/completions",
        ".zfunc",
        ".config/fish/completions",
    ] {
        std::fs::create_dir_all(root.join(directory)).expect("new");
    }
    std::fs::create_dir_all(root.join("service/web")).expect("new");
    super::process::shell("printf '#!/bin/sh\nexec sleep 1000\n' >run; chmod +x run", &root.join("service/web"));
    for example in examples() {
        // What lies at a fixed place lies below the world's root here.
        let mut line = example.clone();
        for place in ["/etc/", "/srv/", "/service", "/tmp/"] {
            line = line.replace(&format!(" {place}"), &format!(" {}{place}", root.display()));
        }
        // The hash of a file that is here.
        if let Some((before, hash)) = line.clone().split_once("--hash ") {
            assert_eq!(hash.len(), 64, "{line}");
            line = format!("{before}--hash $(sha256sum <services.d/web.toml | cut -c 1-64)");
        }
        if line.contains("abide run") {
            runs(&world, &line);
        } else if [" -f", "--watch", "abide top"].iter().any(|word| line.contains(word)) {
            goes_on(&world, &line);
        } else {
            let output = shell(&world, &line).output().expect("a shell");
            let text = super::world::said(&output);
            let code = output.status.code();
            // That something is not as desired, that a plan is not empty, and that none has failed are answers.
            // supervisord's client has more: that some are stopped, and that no supervisord answers.
            let is_answer =
                matches!(code, Some(0..=2)) || line.contains("supervisorctl") && matches!(code, Some(3..=7));
            assert!(is_answer, "{example}: {code:?} {text}\n{}", world.story());
            if line.contains("abide rollback") {
                world.abide(&["retry", "web"]);
            }
            assert!(!text.contains("panicked") && !text.contains("nothing is served"), "{example}: {text}");
        }
    }
}

/// A supervisor of its own, until its first snapshot is there.
fn runs(world: &World, line: &str) {
    let other = tempfile::Builder::new().prefix("abide-example-").tempdir().expect("a directory");
    let place = |name: &str| -> PathBuf { other.path().join(name) };
    let mut command = shell(world, &format!("exec env {line}"));
    command
        .env("ABIDE_RUNTIME_DIR", place("run"))
        .env("ABIDE_STATE_DIR", place("state"))
        .env("ABIDE_LOG_DIR", place("log"));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a shell");
    world.until_true(&format!("`{line}` has looked"), || place("run/status.json").exists());
    super::process::send(child.id() as i32, nix::sys::signal::Signal::SIGTERM);
    let status = child.wait().expect("our child");
    assert_eq!(status.code(), Some(0), "{line}");
}

/// It says something and goes on, until it is interrupted; or says that it cannot.
fn goes_on(world: &World, line: &str) {
    let mut child =
        shell(world, &format!("exec {line}")).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a shell");
    let mut first = [0];
    let read = child.stdout.take().expect("piped").read(&mut first).expect("readable");
    super::process::send(child.id() as i32, nix::sys::signal::Signal::SIGINT);
    let status = child.wait().expect("our child");
    assert!(read == 1 || line.contains("abide top"), "{line} says nothing: {status:?}");
}
