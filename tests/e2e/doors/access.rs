//! Who may what over the control socket.

use super::http::{User, as_user, get, over_tcp, post};
use super::{MEMBER, OPERATOR, READER, STRANGER, can_be_another, names, world_with};
use crate::process::is_root;
use crate::world::{SLEEPER, World};
use serde_json::json;

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

/// A door over which one of the visitors asks.
type Ask<'a> = &'a (dyn Fn(&str, &str) -> u16 + Sync);

/// What each visitor may, act by act and service by service.
#[test]
fn each_may_what_the_rules_say_and_nothing_else() {
    if !can_be_another() {
        return;
    }
    let world = world_with(RULES);
    world.drop_file("mine.toml", &format!("{SLEEPER}user = 54001\ngroup = 54001\ndirectory = \"/\"\n"));
    for name in ["web", "web2", "db", "mine"] {
        world.pid(name);
    }
    let root: Ask = &|method, path| asked(&world, method, path);
    let as_other = |user: User, method: &str, path: &str| as_user(user, || asked(&world, method, path));
    let (member, operator) = (|m: &str, p: &str| as_other(MEMBER, m, p), |m: &str, p: &str| as_other(OPERATOR, m, p));
    let (reader, stranger) = (|m: &str, p: &str| as_other(READER, m, p), |m: &str, p: &str| as_other(STRANGER, m, p));
    // The owner of mine's user is the stranger.
    let visitors: [(&str, Ask, &[&str], &[&str]); 5] = [
        ("root", root, &["web", "web2", "db", "mine"], &["web", "web2", "db", "mine"]),
        ("member", &member, &["web", "web2", "db", "mine"], &["web", "web2", "db", "mine"]),
        ("operator", &operator, &["web", "web2"], &["web", "web2"]),
        ("reader", &reader, &["web", "web2", "db"], &[]),
        ("owner of mine", &stranger, &["mine"], &[]),
    ];
    for (who, ask, reads, operates) in visitors {
        for service in ["web", "web2", "db", "mine"] {
            for path in ["", "/tree", "/env"] {
                let status = ask("GET", &format!("/v1/services/{service}{path}"));
                let expected = if reads.contains(&service) { 200 } else { 403 };
                assert_eq!(status, expected, "{who} reads {service}{path}");
            }
            for act in ["signal", "stop", "start", "restart", "reload"] {
                let status = ask("POST", &format!("/v1/services/{service}/{act}"));
                // What has no [reload] cannot obey, which is another matter.
                let expected: &[u16] = if operates.contains(&service) { &[200, 409] } else { &[403] };
                assert!(expected.contains(&status), "{who} does {act} with {service}: {status}");
            }
        }
        // All or none, and a pattern gives nothing away.
        let both = ask("POST", "/v1/services/web,db/start");
        assert_eq!(both == 200, operates.contains(&"db"), "{who}: {both}");
        let everything = ask("POST", "/v1/services/*/start");
        assert_eq!(everything == 200, operates.len() == 4, "{who}: {everything}");
    }
}

/// The reader reads all but mine, the operator operates web*.
const RULES: &str = "[control]\ngroup = 54100\n\
    [[access]]\nusers = [54002]\nmay = \"read\"\nservices = [\"web*\", \"db\"]\n\
    [[access]]\nusers = [54003]\nmay = \"operate\"\nservices = [\"web*\"]\n";

/// The status of the answer.
fn asked(world: &World, method: &str, path: &str) -> u16 {
    let signal = if path.ends_with("/signal") { "{\"signal\":\"CONT\"}" } else { "" };
    if method == "GET" { get(world, path).status } else { post(world, path, signal).status }
}

#[test]
fn what_a_refusal_names_lets_one_do_it() {
    if !can_be_another() {
        return;
    }
    let world = world_with("");
    let restart = || as_user(OPERATOR, || post(&world, "/v1/services/web,db/restart", ""));
    let refused = restart();
    assert_eq!(refused.status, 403, "{refused:?}");
    world.replace(&world.root().join("abide.toml"), &refused.hint());
    world.until_true("the lines work", || restart().status == 200);
    assert_eq!(as_user(OPERATOR, || post(&world, "/v1/services/web2/restart", "")).status, 403);
}

#[test]
fn who_did_what_stands_in_the_log_and_so_does_who_tried() {
    let world = world_with(RULES);
    let done = post(&world, "/v1/services/web/stop", "{\"reason\":\"disk\"}");
    assert_eq!(done.status, 200, "{done:?}");
    let uid = nix::unistd::geteuid().as_raw();
    let is_ours = |event: &serde_json::Value| {
        event["message"] == "order"
            && event["act"] == "stop"
            && event["uid"] == uid
            && event["by_pid"] == std::process::id()
            && event["command"].as_str().is_some_and(|line| line.contains("e2e"))
            && event["outcome"].as_str().is_some_and(|outcome| outcome.starts_with("web: "))
    };
    world.until_true("the stop is written down", || world.events().iter().any(is_ours));
    if !can_be_another() {
        return;
    }
    assert_eq!(as_user(READER, || post(&world, "/v1/services/web/start", "")).status, 403);
    let is_refusal = |event: &serde_json::Value| {
        let message = event["message"].as_str().unwrap_or_default();
        event["uid"] == READER.uid && message == "order refused: the user 54002 (uid 54002) may not operate web"
    };
    world.until_true("the attempt is written down", || world.events().iter().any(is_refusal));
}

#[test]
fn no_path_of_the_api_is_open_to_a_stranger() {
    let port = super::http::free_port();
    let mut world = World::empty();
    world.replace(&world.root().join("abide.toml"), &format!("[http]\nlisten = {port}\n"));
    world.drop_file("web.toml", SLEEPER);
    world.start();
    let document = get(&world, "/v1/openapi.json").json();
    world.until_true("it listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let paths = document["paths"].as_object().expect("paths").clone();
    assert!(paths.len() > 10, "{paths:?}");
    for (path, methods) in paths {
        for method in methods.as_object().expect("methods").keys().filter(|key| ["get", "post"].contains(&key.as_str()))
        {
            let (path, method) = (path.replace("{name}", "web").replace("{selectors}", "web"), method.to_uppercase());
            let refused = over_tcp(port, &method, &path, &[]).status;
            assert_eq!(refused, 401, "{method} {path} without a token");
            if is_root() && !["/v1/whoami", "/v1/openapi.json"].contains(&path.as_str()) {
                let ask = || if method == "GET" { get(&world, &path) } else { post(&world, &path, "") };
                assert_eq!(as_user(STRANGER, ask).status, 403, "{method} {path} as a stranger");
            }
        }
    }
}
