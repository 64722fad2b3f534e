//! The doors: who may what, over the control socket and over TCP, and what hostile clients cannot do.

pub(crate) mod http;

use crate::process::{is_root, skip_for_users};
use crate::world::{SLEEPER, World};
use http::{User, as_user, free_port, get, over_tcp};
use serde_json::json;

/// Users that no system has.
const STRANGER: User = User { uid: 54_001, groups: &[] };
const READER: User = User { uid: 54_002, groups: &[] };
const OPERATOR: User = User { uid: 54_003, groups: &[] };
const MEMBER: User = User { uid: 54_004, groups: &[54_100] };

/// Whether this test can be somebody else.
fn can_be_another() -> bool {
    if !is_root() {
        skip_for_users("only root becomes another user");
    }
    is_root()
}

/// A world of web, web2 and db, with this `abide.toml`.
fn world_with(config: &str) -> World {
    let mut world = World::empty();
    world.replace(&world.root().join("abide.toml"), config);
    for name in ["web", "web2", "db"] {
        world.drop_file(&format!("{name}.toml"), SLEEPER);
    }
    world.start();
    world
}

/// The names in a snapshot.
fn names(answer: &http::Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let services = answer.json()["services"].as_array().cloned().unwrap_or_default();
    services.iter().filter_map(|service| service["name"].as_str().map(str::to_owned)).collect()
}

#[test]
fn who_runs_abide_may_everything() {
    let world = world_with("");
    assert_eq!(names(&get(&world, "/v1/status")), ["db", "web", "web2"]);
    let who = get(&world, "/v1/whoami").json();
    assert_eq!(who["uid"], nix::unistd::geteuid().as_raw());
    assert_eq!(who["rights"], json!([{ "may": "all", "services": "*" }]));
}

#[test]
fn a_stranger_may_nothing_but_hear_which_lines_are_missing_and_these_lines_work_at_once() {
    if !can_be_another() {
        return;
    }
    let world = world_with("");
    let refused = as_user(STRANGER, || get(&world, "/v1/status"));
    assert_eq!((refused.status, refused.problem().as_str()), (403, "forbidden"), "{refused:?}");
    let who = as_user(STRANGER, || get(&world, "/v1/whoami"));
    assert_eq!(who.json(), json!({ "name": "54001", "uid": 54_001, "rights": [] }));
    for path in ["/v1/services/web", "/v1/services/nothing", "/v1/usage", "/nowhere"] {
        assert_eq!(as_user(STRANGER, || get(&world, path)).status, 403, "{path}");
    }
    world.replace(&world.root().join("abide.toml"), &refused.hint());
    world.until_true("the lines work", || as_user(STRANGER, || get(&world, "/v1/status")).status == 200);
    // What is taken away is gone at once, too.
    world.replace(&world.root().join("abide.toml"), "");
    world.until_true("they are gone", || as_user(STRANGER, || get(&world, "/v1/status")).status == 403);
}

#[test]
fn a_reader_reads_what_the_rule_names() {
    if !can_be_another() {
        return;
    }
    let world = world_with(
        "[control]\ngroup = 54100\n[[access]]\nusers = [54002]\nmay = \"read\"\nservices = [\"web*\"]\n\
         [[access]]\nusers = [54003]\nmay = \"operate\"\nservices = [\"web\"]\n",
    );
    assert_eq!(names(&as_user(READER, || get(&world, "/v1/status"))), ["web", "web2"]);
    assert_eq!(names(&as_user(OPERATOR, || get(&world, "/v1/status"))), ["web"]);
    assert_eq!(names(&as_user(MEMBER, || get(&world, "/v1/status"))), ["db", "web", "web2"]);
    let refused = as_user(READER, || get(&world, "/v1/services/db"));
    assert_eq!(refused.status, 403);
    assert!(refused.hint().ends_with("users = [54002]\nmay = \"read\"\nservices = [\"db\"]\n"), "{refused:?}");
}

#[test]
fn the_owner_of_a_services_user_reads_it() {
    if !can_be_another() {
        return;
    }
    let world = world_with("");
    world.drop_file("mine.toml", &format!("{SLEEPER}user = 54001\ngroup = 54001\ndirectory = \"/\"\n"));
    world.pid("mine");
    assert_eq!(names(&as_user(STRANGER, || get(&world, "/v1/status"))), ["mine"]);
    assert_eq!(as_user(STRANGER, || get(&world, "/v1/services/mine")).status, 200);
    assert_eq!(as_user(STRANGER, || get(&world, "/v1/services/web")).status, 403);
    assert_eq!(as_user(READER, || get(&world, "/v1/services/mine")).status, 403);
}

/// `[http]` at that port, with tokens: "reader" and "boss", whose texts are their names.
fn http_config(port: u16) -> String {
    // printf reader | sha256sum
    let reader = "3d0941964aa3ebdcb00ccef58b1bb399f9f898465e9886d5aec7f31090a0fb30";
    let boss = "a5e7c002443743c5836758c7d1cd8ddefd9fcf2061daa0efaac683fb99966057";
    format!(
        "[http]\nlisten = {port}\nhosts = [\"abide.example.org\"]\n[[http.token]]\nname = \"reader\"\nsha256 = \"{reader}\"\n\
         may = \"read\"\nservices = [\"web*\"]\n[[http.token]]\nname = \"boss\"\nsha256 = \"{boss}\"\nmay = \"full\"\n"
    )
}

const AS_READER: &str = "authorization: Bearer reader";
const AS_BOSS: &str = "authorization: Bearer boss";

#[test]
fn over_tcp_a_token_is_needed_and_gives_what_it_says() {
    let port = free_port();
    let world = world_with(&http_config(port));
    world.until_true("it listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    for path in ["/", "/v1/status", "/v1/whoami", "/v1/openapi.json", "/metrics", "/nowhere"] {
        let refused = over_tcp(port, "GET", path, &[]);
        assert_eq!((refused.status, refused.problem().as_str()), (401, "unauthorized"), "{path}: {refused:?}");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"abide\""));
    }
    for wrong in ["Bearer nobody", "Bearer", "Basic cmVhZGVyOg==", "Bearer reader reader"] {
        let line = format!("authorization: {wrong}");
        assert_eq!(over_tcp(port, "GET", "/v1/status", &[&line]).status, 401, "{wrong}");
    }
    assert_eq!(names(&over_tcp(port, "GET", "/v1/status", &[AS_READER])), ["web", "web2"]);
    assert_eq!(names(&over_tcp(port, "GET", "/v1/status", &[AS_BOSS])), ["db", "web", "web2"]);
    let refused = over_tcp(port, "GET", "/v1/services/db", &[AS_READER]);
    assert_eq!(refused.hint().lines().nth(2), Some("tokens = [\"reader\"]"), "{refused:?}");
    let who = over_tcp(port, "GET", "/v1/whoami", &[AS_READER]).json();
    assert_eq!(who, json!({ "name": "token reader", "rights": [{ "may": "read", "services": "web*" }] }));
}

#[test]
fn a_name_that_is_not_ours_and_a_page_of_another_site_are_refused() {
    let port = free_port();
    let world = world_with(&http_config(port));
    world.until_true("it listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let status = |lines: &[&str]| {
        let answer = over_tcp(port, "GET", "/v1/status", &[&[AS_BOSS], lines].concat());
        (answer.status, if answer.status == 200 { String::new() } else { answer.problem() })
    };
    for good in ["host: abide.example.org", "host: 127.0.0.1:1", "host: LOCALHOST"] {
        assert_eq!(status(&[good]).0, 200, "{good}");
    }
    assert_eq!(status(&["host: evil.example"]), (403, "bad-host".to_owned()));
    let own = format!("origin: http://localhost:{port}");
    assert_eq!(status(&[&own]).0, 200);
    for bad in
        ["origin: http://evil.example", "origin: null", "sec-fetch-site: cross-site", "sec-fetch-site: same-site"]
    {
        assert_eq!(status(&[bad]), (403, "bad-origin".to_owned()), "{bad}");
    }
}

#[test]
fn ports_open_and_close_as_abide_toml_says_and_a_taken_one_is_told() {
    let (port, other) = (free_port(), std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free"));
    let taken = other.local_addr().expect("it is bound").port();
    let world = world_with("");
    let listens = |port: u16| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
    let config = world.root().join("abide.toml");
    world.replace(
        &config,
        &http_config(port).replace(&format!("listen = {port}"), &format!("listen = [{port}, {taken}]")),
    );
    world.until_true("it listens", || listens(port));
    let trouble = format!("cannot listen at 127.0.0.1:{taken}: address already in use");
    world.until("the status has a note of the other", |status| status.abide.notes == [trouble.as_str()]);
    // Free, and asked to try again.
    drop(other);
    world.signal(nix::sys::signal::Signal::SIGHUP);
    world.until_true("it listens there, too", || listens(taken));
    world.until("the note is gone", |status| status.abide.notes.is_empty());
    world.replace(&config, "");
    world.until_true("nothing listens", || !listens(port) && !listens(taken));
}
