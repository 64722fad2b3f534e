//! `GET /v1/findings`: what is wrong with files, with their lines, for those who may read them.

use super::doors::http::{Answer, free_port, get, over_tcp};
use super::world::{SLEEPER, World};

const BOTH: &str = "command = [\"/bin/sleep\", \"9\"]\nenvironment = { DB_PASSWORD = \"hunter2\", PORT = [] }\n";

/// The findings: each its service, line and source.
fn told(answer: &Answer) -> Vec<(String, u64, String)> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let all = answer.json()["findings"].as_array().cloned().unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    // Of a service that runs as root and does not say so there is a warning, too.
    let errors = all.iter().filter(|one| one["severity"] == "error");
    let shown = errors
        .map(|one| (text(&one["service"]), one["place"]["line"].as_u64().unwrap_or(0), text(&one["place"]["source"])));
    shown.collect()
}

#[test]
fn lines_of_files_are_told_to_readers_and_their_secrets_only_to_who_may_everything() {
    let port = free_port();
    // printf reader | sha256sum
    let config = format!(
        "[http]\nlisten = \"127.0.0.1:{port}\"\n[[http.token]]\nname = \"reader\"\n\
         sha256 = \"3d0941964aa3ebdcb00ccef58b1bb399f9f898465e9886d5aec7f31090a0fb30\"\nmay = \"read\"\nservices = [\"web\"]\n"
    );
    let mut world = World::empty();
    let file = world.root().join("abide.toml");
    world.replace(&file, &config);
    world.drop_file("web.toml", BOTH);
    world.drop_file("db.toml", "comand = 1\n");
    world.drop_file("good.toml", SLEEPER);
    world.start();
    world.error("web", "wrong-type");
    world.error("db", "unknown-key");
    let bare = "environment = { DB_PASSWORD = \"hunter2\", PORT = [] }".to_owned();
    let all = told(&get(&world, "/v1/findings"));
    assert!(all.contains(&("web".into(), 2, bare.clone())) && all.iter().any(|one| one.0 == "db"), "{all:?}");
    let one = told(&get(&world, "/v1/findings?names=web"));
    assert!(!one.is_empty() && one.iter().all(|one| one.0 == "web"), "{one:?}");
    assert_eq!(get(&world, "/v1/findings?names=nothing").status, 404);

    world.until_true("it listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let read = || told(&over_tcp(port, "GET", "/v1/findings", &["authorization: Bearer reader"]));
    assert_eq!(read(), [("web".to_owned(), 2, bare.replace("hunter2", "*******"))]);

    // What belongs to no service is for those who may read all.
    world.replace(&file, &format!("{config}[watch]\nquiet = 1\n"));
    world.until_true("abide.toml has an error", || told(&get(&world, "/v1/findings"))[0].0.is_empty());
    assert_eq!(read().len(), 1);
}
