//! Who may what over TCP, with tokens, names, pages of other sites and TLS.

use super::http::{Answer, free_port, over_tcp};
use super::{names, world_with};
use crate::process::{shell, wanted};
use nix::sys::signal::Signal;
use serde_json::json;
use std::net::TcpStream;
use std::process::Command;

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
    world.until_true("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    for path in ["/", "/v1/status", "/v1/whoami", "/v1/openapi.json", "/metrics", "/nowhere"] {
        let refused = over_tcp(port, "GET", path, &[]);
        assert_eq!((refused.status, refused.problem().as_str()), (401, "unauthorized"), "{path}: {refused:?}");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"abide\""));
    }
    for wrong in ["Bearer nobody", "Bearer", "Basic cmVhZGVyOg==", "Bearer reader reader"] {
        let line = format!("authorization: {wrong}");
        assert_eq!(over_tcp(port, "GET", "/v1/status", &[&line]).status, 401, "{wrong}");
    }
    let unknown = |event: &serde_json::Value| {
        event["message"] == "a token was shown that is not known"
            && event["from"].as_str().is_some_and(|from| from.starts_with("127.0.0.1:"))
    };
    world.until_true("it stands in the log", || world.events().iter().any(unknown));
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
    world.until_true("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
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
    let listens = |port: u16| TcpStream::connect(("127.0.0.1", port)).is_ok();
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
    world.signal(Signal::SIGHUP);
    world.until_true("it listens there, too", || listens(taken));
    world.until("the note is gone", |status| status.abide.notes.is_empty());
    world.replace(&config, "");
    world.until_true("nothing listens", || !listens(port) && !listens(taken));
}

#[test]
fn a_token_that_reads_does_nothing_and_one_that_is_full_does_all() {
    let port = free_port();
    let world = world_with(&http_config(port));
    world.until_true("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let restart = |token: &str, service: &str| -> Answer {
        over_tcp(port, "POST", &format!("/v1/services/{service}/restart"), &[token])
    };
    assert_eq!(restart(AS_READER, "web").status, 403);
    assert_eq!(restart(AS_BOSS, "web,db").status, 200);
    let by_boss = |event: &serde_json::Value| event["message"] == "order" && event["by"] == "token boss";
    world.until_true("it is written down", || world.events().iter().any(by_boss));
    // Taken away in the middle.
    world.replace(&world.root().join("abide.toml"), &format!("[http]\nlisten = {port}\n"));
    world.until_true("the token is not known any more", || restart(AS_BOSS, "web").status == 401);
}

/// Makes a certificate for localhost in the world's root; `None`: openssl is not there.
fn certificate(world: &crate::world::World, name: &str) -> Option<()> {
    wanted("openssl")?;
    let script = format!(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -addext subjectAltName=DNS:localhost \
         -keyout {name}.key -out {name}.pem 2>/dev/null"
    );
    shell(&script, world.root());
    Some(())
}

/// What curl says to `/v1/whoami` with the certificate of that name as the root of all trust.
fn by_curl(world: &crate::world::World, curl: &str, port: u16, trusted: &str) -> String {
    let output = Command::new(curl)
        .args(["-sS", "--max-time", "20", "--cacert", trusted, "-H", "authorization: Bearer boss"])
        .arg(format!("https://localhost:{port}/v1/whoami"))
        .current_dir(world.root())
        .output()
        .expect("curl is there");
    crate::world::said(&output)
}

#[test]
fn with_a_certificate_it_speaks_tls_and_takes_a_new_one_on_sighup() {
    let Some(curl) = wanted("curl") else { return };
    let port = free_port();
    let world = world_with("");
    let (Some(()), Some(())) = (certificate(&world, "one"), certificate(&world, "two")) else { return };
    let in_use = world.root().join("cert.pem");
    shell("cp one.pem cert.pem; cp one.key key.pem", world.root());
    let tls = "tls = { certificate = \"cert.pem\", key = \"key.pem\" }\n[[http.token]]";
    world.replace(&world.root().join("abide.toml"), &http_config(port).replacen("[[http.token]]", tls, 1));
    world.until_true("it speaks TLS", || by_curl(&world, &curl, port, "one.pem").contains("token boss"));
    assert!(!by_curl(&world, &curl, port, "two.pem").contains("token boss"));
    assert_eq!(over_tcp(port, "GET", "/v1/whoami", &[AS_BOSS]).status, 0, "nothing is said in clear text");
    shell("cp two.pem cert.pem; cp two.key key.pem", world.root());
    world.signal(Signal::SIGHUP);
    world.until_true("the new one is in use", || by_curl(&world, &curl, port, "two.pem").contains("token boss"));
    // A wrong one is told, and the last good one goes on.
    shell("cp one.key key.pem", world.root());
    world.signal(Signal::SIGHUP);
    let key = world.root().canonicalize().expect("it is there").join("key.pem");
    let trouble = format!("{}: it is not the key of the certificate in {}", key.display(), in_use.display());
    world.until("the status has a note", |status| status.abide.notes.iter().any(|note| note.starts_with(&trouble)));
    assert!(by_curl(&world, &curl, port, "two.pem").contains("token boss"));
}

#[test]
fn without_a_good_certificate_nothing_is_said_in_clear_text() {
    let port = free_port();
    let tls = "tls = { certificate = \"/nowhere.pem\", key = \"/nowhere.key\" }\n[[http.token]]";
    let world = world_with(&http_config(port).replacen("[[http.token]]", tls, 1));
    let trouble = "/nowhere.pem: it cannot be read: no such file or directory; no TCP port is open";
    world.until("the status has a note", |status| status.abide.notes == [trouble]);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_new_token_is_let_in_by_the_lines_that_come_with_it() {
    let port = free_port();
    let world = world_with("");
    let output = world.abide(&["token", "ci", "--may", "full", "-s", "web*"]);
    let text = String::from_utf8(output.stdout).expect("text");
    let token = text.lines().next().expect("a token").to_owned();
    let lines = &text[text.find("[[http.token]]").expect("lines")..];
    assert!(!lines.contains(&token));
    world.replace(&world.root().join("abide.toml"), &format!("[http]\nlisten = {port}\n{lines}"));
    world.until_true("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let bearer = format!("authorization: Bearer {token}");
    let who = over_tcp(port, "GET", "/v1/whoami", &[&bearer]).json();
    assert_eq!(who, json!({ "name": "token ci", "rights": [{ "may": "all", "services": "web*" }] }));
    assert_eq!(crate::world::code(&world.abide(&["token", "a b"])), 64);
}
