//! When a service is ready, and whether it is well: each way to find out, with real programs.

use super::forking::both;
use super::process::{alive, children, program, send, wanted};
use super::servers::{ask, free_port, home, user_line};

use super::world::{World, service};
use abide::model::status::{InstanceStatus, ServiceStatus, State, Status};
use nix::sys::signal::Signal;
use std::os::unix::net::UnixDatagram;

pub(crate) fn first<'a>(status: &'a Status, name: &str) -> Option<&'a InstanceStatus> {
    service(status, name)?.instances.first()
}

/// Waits until the service has this state; its first instance.
pub(crate) fn in_state(world: &World, name: &str, state: State) -> InstanceStatus {
    let in_sync = |instance: &InstanceStatus| instance.in_sync || state == State::Backoff;
    let is = |it: &ServiceStatus| it.state == state && it.instances.iter().all(in_sync);
    let claim = format!("{name} is {}", state.as_str());
    let status = world.until(&claim, |status| service(status, name).is_some_and(is));
    first(&status, name).expect("just seen").clone()
}

/// Why it is in its state.
pub(crate) fn why(instance: &InstanceStatus) -> String {
    instance.reason.clone().unwrap_or_default()
}

/// Its state at present.
fn state(world: &World, name: &str) -> Option<State> {
    Some(service(&world.status()?, name)?.state)
}

#[test]
fn a_redis_says_itself_when_it_is_ready() {
    let Some(redis) = wanted("redis-server") else { return };
    let world = World::with(&[]);
    let (home, user, port) = (home(&world, "redis-home", "redis"), user_line("redis"), free_port());
    let file = format!(
        "{user}directory = \"{home}\"\ncommand = [\"{redis}\", \"--port\", \"{port}\", \"--bind\", \"127.0.0.1\", \"--save\", \"\", \
         \"--dir\", \"{home}\", \"--supervised\", \"systemd\"]\n[ready]\nnotify = true\ntimeout = \"20s\"\n"
    );
    world.drop_file("redis.toml", &file);
    let redis = in_state(&world, "redis", State::Ready);
    assert!(ask(port, b"PING\r\n").starts_with("+PONG"), "ready is ready");
    assert_eq!(redis.status_text.as_deref(), Some("Ready to accept connections"));
    assert!(redis.ready_ms.is_some() && redis.ready_at.is_some());

    // Who is no part of it has no say, whoever he is.
    let stranger = UnixDatagram::unbound().expect("sockets are to be had");
    let socket = world.runtime().join("notify");
    stranger.send_to(b"STATUS=stolen\nMAINPID=1", &socket).expect("anybody may send");
    let refused = format!("process {} of uid", std::process::id());
    world.until_true("a stranger's message is refused", || {
        world.events().iter().any(|event| event.to_string().contains(&refused))
    });
    let now = world.status().expect("a snapshot");
    let now = first(&now, "redis").expect("it is there");
    assert_eq!((now.pid, now.status_text.as_deref()), (redis.pid, Some("Ready to accept connections")));
    assert!(children(world.keeper()).contains(&redis.pid.expect("it runs")));
}

/// Where it is answered with what a server says: `python3 -m http.server` over a directory of its own.
fn http_server(world: &World, python: &str, port: u16) -> String {
    let directory = world.root().join("htdocs");
    std::fs::create_dir_all(&directory).expect("the world is writable");
    std::fs::write(directory.join("health"), "all is well\n").expect("the world is writable");
    format!(
        "command = [\"{python}\", \"-m\", \"http.server\", \"--bind\", \"127.0.0.1\", \"{port}\"]\ndirectory = \"{}\"\n",
        directory.display()
    )
}

#[test]
fn an_http_server_is_ready_when_it_answers_as_it_should() {
    let Some(python) = wanted("python3") else { return };
    let world = World::with(&[]);
    let (good, bad) = (free_port(), free_port());
    let server = http_server(&world, &python, good);
    let ready = format!("[ready]\nhttp = \"http://localhost:{good}/health\"\nstatus = 200\nbody = \"is well\"\n");
    world.drop_file("good.toml", &format!("{server}{ready}"));
    let server = http_server(&world, &python, bad);
    let ready = format!("[ready]\nhttp = \"http://localhost:{bad}/nothing\"\ntimeout = \"3s\"\n");
    world.drop_file("bad.toml", &format!("{server}{ready}"));
    in_state(&world, "good", State::Ready);
    assert!(ask(good, b"GET /health HTTP/1.0\r\n\r\n").contains("200 OK"));
    let bad = in_state(&world, "bad", State::Backoff);
    assert!(why(&bad).contains("status 404 instead of 200 to 399"), "{}", why(&bad));
    world.until("it is tried again", |status| {
        first(status, "bad").is_some_and(|bad| bad.restarts_by.get("start_timeout") >= Some(&1))
    });
}

#[test]
fn each_way_to_be_ready_is_seen_and_none_before_its_time() {
    let world = World::with(&[]);
    let (go, port) = (world.root().join("go"), free_port());
    let shown = go.display();
    let wait = format!("while ! test -e {shown}; do sleep 0.02; done");
    let script = |text: &str, ready: &str| format!("script = '''\n{text}\n'''\n[ready]\n{ready}\ntimeout = \"15s\"\n");
    let mut ways = vec![
        (
            "line",
            script(
                &format!("echo soon ready; {wait}; printf rea; sleep 0.05; echo 'dy on 80'; exec sleep 86400"),
                "log = '^ready on \\d+$'",
            ),
        ),
        ("newline", script(&format!("printf well >&5; {wait}; echo >&5; exec sleep 86400"), "fd = 5")),
        ("command", script("exec sleep 86400", &format!("exec = [\"test\", \"-e\", \"{shown}\"]"))),
    ];
    if let Some(python) = program("python3") {
        let listen = format!("{wait}; exec {python} -m http.server --bind 127.0.0.1 {port}");
        ways.push(("port", script(&listen, &format!("tcp = \"127.0.0.1:{port}\""))));
    }
    for (name, text) in &ways {
        world.drop_file(&format!("{name}.toml"), text);
    }
    for (name, _) in &ways {
        in_state(&world, name, State::Running);
    }
    world.fence();
    for (name, _) in &ways {
        assert_eq!(state(&world, name), Some(State::Running), "{name} is not ready yet");
    }
    std::fs::write(&go, "").expect("the world is writable");
    for (name, _) in &ways {
        in_state(&world, name, State::Ready);
    }
}

#[test]
fn what_an_earlier_run_said_makes_no_later_one_ready() {
    let world = World::with(&[]);
    let said = world.root().join("said");
    let script =
        format!("if test -e {0}; then exec sleep 86400; fi\ntouch {0}\necho ready\nexec sleep 86400", said.display());
    // Stopped, the logger leaves what the first run says in the pipe.
    world.drop_file("web.toml", &format!("script = '''\n{script}\n'''\n[ready]\nlog = '^ready$'\ntimeout = \"10m\"\n"));
    let before = in_state(&world, "web", State::Ready).pid.expect("it runs");
    send(before, Signal::SIGKILL);
    let later = world.until("another process", |status| {
        first(status, "web").is_some_and(|web| web.pid.is_some_and(|pid| pid != before && alive(pid)))
    });
    assert_ne!(first(&later, "web").expect("just seen").state, State::Ready);
    world.fence();
    assert_eq!(state(&world, "web"), Some(State::Running));
}

#[test]
fn another_logger_looks_for_the_line_too() {
    let world = World::with(&[]);
    let go = world.root().join("go");
    let script = format!("while ! test -e {}; do sleep 0.02; done; echo ready; exec sleep 86400", go.display());
    world.drop_file("web.toml", &format!("script = '''\n{script}\n'''\n[ready]\nlog = '^ready$'\n"));
    in_state(&world, "web", State::Running);
    let logger = || {
        let is_logger = |pid: &i32| super::process::arguments(*pid).get(1).is_some_and(|role| role == "role-logger");
        children(world.keeper()).into_iter().find(is_logger)
    };
    let old = logger().expect("there is one");
    send(old, Signal::SIGKILL);
    world.until_true("another logger", || logger().is_some_and(|new| new != old));
    std::fs::write(&go, "").expect("the world is writable");
    in_state(&world, "web", State::Ready);
}

#[test]
fn a_check_that_hangs_is_ended_and_bad_health_restarts() {
    let world = World::with(&[]);
    let bad = world.root().join("bad");
    let nap = 200_000 + std::process::id();
    let check = format!("test ! -e {} || exec sleep {nap}", bad.display());
    let health = format!(
        "[health]\nexec = [\"/bin/sh\", \"-c\", \"{check}\"]\ninterval = \"50ms\"\ntimeout = \"200ms\"\nfailures = 2\n"
    );
    world.drop_file("web.toml", &format!("command = [\"/bin/sleep\", \"86400\"]\n{health}"));
    let pid = world.pid("web");
    std::fs::write(&bad, "").expect("the world is writable");
    let status = world.until("a restart for its health", |status| {
        first(status, "web").is_some_and(|web| web.restarts_by.get("health") >= Some(&1))
    });
    std::fs::remove_file(&bad).expect("it is there");
    assert!(!alive(pid) || first(&status, "web").is_some_and(|web| web.pid != Some(pid)));
    let hanging = || {
        let sleeps = |pid: &i32| super::process::arguments(*pid).last().is_some_and(|word| *word == nap.to_string());
        children(world.keeper()).into_iter().filter(sleeps).count()
    };
    world.until_true("no check is left hanging", || hanging() == 0);
    world.pid_after("web", pid);
}

#[test]
fn whoever_the_service_started_may_speak_for_it() {
    let Some(python) = wanted("python3") else { return };
    both(|world| {
        let say = world.root().join("say.py");
        let lines = [
            "import os, socket, time",
            "to = os.environ['NOTIFY_SOCKET']",
            "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'READY=1\\nSTATUS=away', to)",
            "time.sleep(86400)",
        ];
        std::fs::write(&say, lines.join("\n")).expect("the world is writable");
        // In a session of its own, and an orphan.
        let script = format!("(setsid {python} {} &)\nexec sleep 86400", say.display());
        world.drop_file("web.toml", &format!("script = '''\n{script}\n'''\n[ready]\nnotify = true\n"));
        assert_eq!(in_state(world, "web", State::Ready).status_text.as_deref(), Some("away"));
        world.remove("web.toml");
        world.gone("web");
    });
}
