//! Clients that mean harm, or are broken: nobody else notices.

use super::http::{as_user, get, knock};
use super::{READER, can_be_another, names, world_with};
use crate::process::is_root;
use crate::world::World;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// abide may grow by so much, in bytes, whatever they do.
const GROWTH: u64 = 48 << 20;

/// Does something as the reader, if this test can be another; else as itself.
fn as_attacker<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    if is_root() { as_user(READER, act) } else { act() }
}

/// Resident memory of the supervisor, in bytes.
fn resident(world: &World) -> u64 {
    let pid = world.status().expect("it runs").abide.supervisor_pid;
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}

/// Whoever else comes is served, a crash is followed by a restart, and abide has not grown.
fn nobody_notices(world: &World, before: u64) {
    let asked = Instant::now();
    assert_eq!(names(&get(world, "/v1/status")), ["db", "web", "web2"]);
    assert!(asked.elapsed() < Duration::from_secs(5), "an answer took {:?}", asked.elapsed());
    let old = world.pid("web");
    crate::process::send(old, nix::sys::signal::Signal::SIGKILL);
    world.pid_after("web", old);
    let grown = resident(world).saturating_sub(before);
    assert!(grown < GROWTH, "abide grew by {} MiB", grown >> 20);
}

/// A world in which the attacker may read.
fn world() -> World {
    let world = world_with(&format!("[[access]]\nusers = [{}]\nmay = \"read\"\n", READER.uid));
    get(&world, "/v1/status");
    world.pid("web");
    world
}

/// So many descriptors may this process have.
fn descriptors() -> usize {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("it has a limit");
    let most = hard.min(16_384);
    let _ = setrlimit(Resource::RLIMIT_NOFILE, most, hard);
    usize::try_from(most).unwrap_or(1024)
}

#[test]
fn ten_thousand_connections_that_say_nothing_harm_nobody() {
    let (world, room) = (world(), descriptors().saturating_sub(1_000));
    let before = resident(&world);
    let held: Vec<UnixStream> = as_attacker(|| {
        let mut held = std::collections::VecDeque::new();
        for _ in 0..10_000 {
            held.push_back(knock(&world));
            if held.len() > room {
                held.pop_front();
            }
        }
        held.into_iter().collect()
    });
    nobody_notices(&world, before);
    drop(held);
}

#[test]
fn half_a_request_harms_nobody_and_is_not_waited_for_for_ever() {
    let world = world();
    let before = resident(&world);
    let begun = Instant::now();
    let halves = [
        "GET /v1/status HTTP/1.1\r\nho",
        "POST /v1/services/web/stop HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{",
    ];
    let mut held: Vec<UnixStream> = as_attacker(|| {
        let half = |half: &str| {
            let mut stream = knock(&world);
            let _ = stream.write_all(half.as_bytes());
            stream
        };
        (0..300).map(|at| half(halves[at % 2])).collect()
    });
    nobody_notices(&world, before);
    let mut last = held.pop().expect("there are some");
    let mut said = String::new();
    let _ = last.read_to_string(&mut said);
    assert!(begun.elapsed() < Duration::from_secs(19), "half a request was waited for {:?}", begun.elapsed());
}

#[test]
fn a_stream_that_is_never_read_harms_nobody() {
    let world = world();
    let before = resident(&world);
    let held: Vec<UnixStream> = as_attacker(|| {
        let follow = |path: &str| {
            let mut stream = knock(&world);
            stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).expect("it is taken");
            stream
        };
        (0..60).flat_map(|_| [follow("/v1/events"), follow("/v1/status")]).collect()
    });
    // Something happens all the time.
    world.drop_file(
        "db.toml",
        "script = \"exit 1\"\nupdate.rollback = false\nrestart = { delay = \"100ms\", max_delay = \"100ms\" }\n",
    );
    world.until("it crashes and crashes", |status| {
        crate::world::service(status, "db").is_some_and(|db| db.instances.iter().any(|it| it.restarts > 20))
    });
    nobody_notices(&world, before);
    drop(held);
}

#[test]
fn a_crowd_of_one_user_leaves_room_for_root() {
    if !can_be_another() {
        return;
    }
    let world = world();
    let follow = || {
        let mut stream = knock(&world);
        // Some are cut off before they have spoken.
        let _ = stream.write_all(b"GET /v1/events HTTP/1.1\r\nhost: a\r\n\r\n");
        let mut answer = [0; 12];
        let answered = stream.read_exact(&mut answer).is_ok();
        (stream, if answered { String::from_utf8_lossy(&answer).into_owned() } else { String::new() })
    };
    let held: Vec<(UnixStream, String)> = as_user(READER, || (0..200).map(|_| follow()).collect());
    let served = held.iter().filter(|(_, answer)| answer == "HTTP/1.1 200").count();
    let refused = held.iter().filter(|(_, answer)| answer == "HTTP/1.1 503").count();
    assert_eq!(served, 128);
    assert!(refused >= 32, "only {refused} were told why");
    assert_eq!(get(&world, "/v1/status").status, 200);
}

#[test]
fn a_head_or_a_body_that_is_too_large_is_refused() {
    let world = world();
    let long = format!("x-long: {}", "x".repeat(20_000));
    let refused = super::http::talk(knock(&world), "GET", "/v1/status", &["host: a", &long], "");
    assert_eq!(refused.status, 431, "{refused:?}");
    let many: Vec<String> = (0..100).map(|n| format!("x-{n}: 1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(super::http::talk(knock(&world), "GET", "/v1/status", &many, "").status, 431);
    let body = format!("{{\"reason\":\"{}\"}}", "x".repeat(70_000));
    let refused = super::http::post(&world, "/v1/services/web/stop", &body);
    assert_eq!((refused.status, refused.problem().as_str()), (413, "too-large"), "{refused:?}");
}
