//! The doors, as `curl --unix-socket` sees them: plain HTTP over the control socket.

use super::http::{Stream, ask, get, post};
use super::world::{SLEEPER, World, said_in, service};
use nix::sys::signal::Signal;
use std::fs;

/// The kind of a problem document, and what it says to do.
fn problem(answer: &(u16, serde_json::Value)) -> (u16, String, String) {
    let word = |field: &str| answer.1[field].as_str().unwrap_or_default().to_owned();
    (answer.0, word("type").replace("urn:abide:problem:", ""), word("hint"))
}

#[test]
fn the_status_is_of_this_moment_and_of_those_that_are_meant() {
    let world = World::with_sleepers("ab");
    let (code, all) = get(&world, "/v1/status");
    assert_eq!((code, &all["summary"]["running"]), (200, &2.into()));
    assert_eq!(all["services"].as_array().map(Vec::len), Some(2));
    serde_json::from_value::<abide::model::status::Status>(all).expect("as in status.json");
    let (code, one) = get(&world, "/v1/services/b");
    assert_eq!((code, &one["name"], &one["state"]), (200, &"b".into(), &"running".into()));
    let missing = problem(&get(&world, "/v1/services/bb"));
    assert_eq!(missing, (404, "no-such-service".into(), "did you mean b?".into()));
}

#[test]
fn what_cannot_be_meant_is_answered_with_what_to_do() {
    let world = World::with_sleepers("a");
    for (path, hint) in [
        ("/v1/status?names=a/b", "name services (web)"),
        ("/v1/status?name=a", "the only parameter is names"),
        ("/v1/services/%FF", "encode what is no letter"),
        ("/v1/events?since=yesterday", "give the `id` of the last event"),
        ("/v1/events?names=@nowhere", "name services (web)"),
    ] {
        let (code, kind, said) = problem(&get(&world, path));
        assert_eq!((code, kind.as_str()), (400, "bad-request"), "{path}");
        assert!(said.contains(hint), "{path}: {said}");
    }
    for (path, body, hint) in [
        ("/v1/services/a/stop", "{\"for\":\"2\"}", "write \"2s\" for seconds"),
        ("/v1/services/a/stop", "{\"reasons\":\"x\"}", "the fields are for, reason"),
        ("/v1/services/a/stop", "[\"x\"]", "the fields are for, reason"),
        ("/v1/services/a/start", "{\"now\":true}", "it takes no fields"),
        ("/v1/services/a/signal", "{\"signal\":\"HOP\"}", "did you mean HUP?"),
        ("/v1/services/a/signal", "", "the only field is signal"),
        ("/v1/services/a,/restart", "", "name services (web)"),
    ] {
        let (code, kind, said) = problem(&post(&world, path, body));
        assert_eq!((code, kind.as_str()), (400, "bad-request"), "{path} {body}");
        assert!(said.contains(hint), "{path} {body}: {said}");
    }
    assert_eq!(problem(&get(&world, "/v1/nowhere")).1, "no-such-path");
    assert_eq!(problem(&post(&world, "/v1/status", "")).1, "no-such-method");
}

#[test]
fn events_come_as_they_happen_and_go_on_behind_the_last_that_was_got() {
    let world = World::with_sleepers("ab");
    let mut stream = Stream::open(&world, "/v1/events?names=a", None);
    stream.until("\nid: ");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(world.pid("b")), Signal::SIGKILL).expect("it runs");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(world.pid("a")), Signal::SIGKILL).expect("it runs");
    let heard = stream.until("\"to\":\"running\"");
    assert!(heard.contains("event: transition") && heard.contains("\"service\":\"a\""), "{heard}");
    assert!(!heard.contains("\"service\":\"b\""), "{heard}");
    let id = heard.lines().find_map(|line| line.strip_prefix("id: ")).expect("each has an id").to_owned();
    drop(stream);
    let first = Stream::open(&world, "/v1/events?names=a", Some(&id)).until("\"to\":\"running\"");
    let again = Stream::open(&world, &format!("/v1/events?names=a&since={id}"), None).until("\"to\":\"running\"");
    assert_eq!(first, again);
    assert!(!first.contains(&format!("id: {id}\nevent")), "{first}");
    let other = Stream::open(&world, "/v1/events", Some("00000000-7")).until("event: missed\n");
    assert!(other.contains(&id[..8]), "{other}");
}

#[test]
fn a_bad_file_is_an_event_of_its_service() {
    let world = World::with_sleepers("a");
    let mut stream = Stream::open(&world, "/v1/events?names=a", None);
    stream.until("\nid: ");
    world.drop_file("a.toml", "command = ");
    let heard = stream.until("event: file\n");
    let heard = heard + &stream.until("\n\n");
    assert!(heard.contains("\"service\":\"a\"") && heard.contains("\"code\":\"syntax\""), "{heard}");
    world.drop_file("a.toml", SLEEPER);
    stream.until("event: mended\n");
    assert!(fs::read_to_string(world.file("a.toml")).is_ok_and(|text| text == SLEEPER));
}

#[test]
fn names_mean_patterns_instances_and_states() {
    let world = World::with_sleepers("abc");
    let listed = |names: &str| {
        let (code, status) = get(&world, &format!("/v1/status?names={names}"));
        assert_eq!(code, 200, "{status}");
        let services = status["services"].as_array().expect("a list").clone();
        services.iter().map(|it| it["name"].as_str().expect("a name").to_owned()).collect::<String>()
    };
    assert_eq!(
        (listed("a,c"), listed("*"), listed("@running"), listed("@failed")),
        ("ac".into(), "abc".into(), "abc".into(), String::new())
    );
    assert_eq!(problem(&get(&world, "/v1/status?names=a,nothing")).0, 404);
}

/// The numbers of the lines `line N`, which must follow each other.
fn numbers(text: &str) -> Vec<u32> {
    let numbers: Vec<u32> =
        said_in(text).lines().map(|line| line.strip_prefix("line ").expect(text).parse().expect(text)).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{text}");
    numbers
}

#[test]
fn a_log_is_followed_across_rotation_and_no_line_is_lost_or_doubled() {
    let talks = "script = '''i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo line $i; sleep 0.002; done; sleep 86400'''\n\
                 log = { max_size = \"4KiB\", max_files = 200 }\n";
    let world = World::with(&[("talks", talks)]);
    world.logged("talks", "line 20\n");
    let (code, head, body) = ask(&world, "GET", "/v1/services/talks/logs?lines=5", "");
    assert_eq!((code, head.contains("text/plain; charset=utf-8")), (200, true), "{head}");
    assert_eq!(numbers(&String::from_utf8_lossy(&body)).len(), 5);
    let mut streams: Vec<Stream> =
        (0..3).map(|n| Stream::open(&world, &format!("/v1/services/talks/logs?follow=true&lines={n}"), None)).collect();
    for stream in &mut streams {
        let told = numbers(&stream.until("line 1000\n"));
        assert!(told[0] > 10 && told.last() == Some(&1000), "{told:?}");
    }
    drop(streams);
    let (_, _, body) = ask(&world, "GET", "/v1/services/talks/logs?lines=900", "");
    assert_eq!(numbers(&String::from_utf8_lossy(&body)).len(), 900, "of rotated files too");
}

#[test]
fn a_log_that_is_not_there_yet_is_waited_for_and_its_bytes_are_left_as_they_are() {
    let late = "script = '''while [ ! -e go ]; do sleep 0.02; done; printf 'caf\\351\\n'; sleep 86400'''\n";
    let mut world = World::empty();
    world.drop_file("late.toml", &format!("{late}directory = {:?}\n", world.root()));
    world.start();
    world.until("it is known", |status| service(status, "late").is_some());
    let mut stream = Stream::open(&world, "/v1/services/late/logs?follow=true", None);
    fs::write(world.root().join("go"), "").expect("the world is writable");
    stream.until("caf");
    let (_, _, body) = ask(&world, "GET", "/v1/services/late/logs", "");
    assert!(body.ends_with(b" - caf\xe9\n"), "{body:?}");
    for (path, kind) in [
        ("/v1/services/late/logs?instance=3", "no-such-service"),
        ("/v1/services/later/logs", "no-such-service"),
        ("/v1/services/late/logs?lines=many", "bad-request"),
    ] {
        assert_eq!(problem(&get(&world, path)).1, kind, "{path}");
    }
}

/// How waiting ended, and why.
fn waited(world: &World, query: &str) -> (String, String) {
    let (code, answer) = get(world, &format!("/v1/wait?{query}"));
    assert_eq!(code, 200, "{answer}");
    (answer["outcome"].as_str().expect("a word").to_owned(), answer["why"].as_str().expect("a sentence").to_owned())
}

#[test]
fn waiting_ends_when_it_has_come_to_that_or_cannot_any_more_or_the_time_is_over() {
    let world = World::with_sleepers("a");
    std::thread::scope(|scope| {
        let ready = scope.spawn(|| waited(&world, "names=late&for=ready&timeout=20s"));
        world.drop_file("late.toml", "script = \"sleep 0.3; touch up; sleep 86400\"\nready = { exec = [\"test\", \"-e\", \"up\"], interval = \"50ms\" }\n".replace("touch up", &format!("touch {}/up", world.root().display())).replace("\"up\"", &format!("\"{}/up\"", world.root().display())).as_str());
        assert_eq!(ready.join().expect("it answers"), ("reached".to_owned(), String::new()));
    });
    assert!(world.root().join("up").exists());
    assert_eq!(waited(&world, "names=a&for=stopped&timeout=50ms").0, "timeout");
    world.drop_file("a.toml", "command = ");
    let never = waited(&world, "names=a&for=in-sync&timeout=20s");
    assert_eq!(never.0, "never", "{}", never.1);
    assert_eq!(waited(&world, "names=a&for=running").0, "reached", "the last good version runs");
    world.drop_file("a.toml", "# another\ncommand = [\"/bin/sleep\", \"86401\"]\n");
    assert_eq!(waited(&world, "names=a&for=in-sync&timeout=20s").0, "reached");
    let (_, status) = get(&world, "/v1/services/a");
    let pid = status["instances"][0]["pid"].as_i64().expect("it runs");
    let words = fs::read(format!("/proc/{pid}/cmdline")).expect("it runs");
    assert!(String::from_utf8_lossy(&words).contains("86401"), "what was written just before runs");
    let missing = problem(&get(&world, "/v1/wait?names=aa&for=running&timeout=1s"));
    assert_eq!(missing, (404, "no-such-service".to_owned(), "did you mean a?".to_owned()));
    assert_eq!(problem(&get(&world, "/v1/wait?names=a&for=better")).1, "bad-request");
}

#[test]
fn orders_are_obeyed_and_told_and_waiting_sees_them() {
    let world = World::with_sleepers("ab");
    let mut stream = Stream::open(&world, "/v1/events?names=a", None);
    stream.until("\nid: ");
    let (code, came) = post(&world, "/v1/services/a/stop", "{\"reason\":\"a test\"}");
    assert_eq!((code, &came["act"], &came["targets"][0]["target"]), (200, &"stop".into(), &"a".into()), "{came}");
    let told = stream.until("event: order\n") + &stream.until("\n\n");
    assert!(told.contains("\"act\":\"stop\""), "{told}");
    assert_eq!(waited(&world, "names=a&for=stopped&timeout=20s").0, "reached");
    let (outcome, why) = waited(&world, "names=a,b&for=running&timeout=20s");
    assert!(outcome == "never" && why.contains("abide start a"), "{why}");
    assert_eq!(post(&world, "/v1/services/a/start", "").0, 200);
    assert_eq!(waited(&world, "names=a,b&for=running&timeout=20s").0, "reached");
    let (code, came) = post(&world, "/v1/services/a,b/reload", "");
    assert_eq!((code, &came["targets"][1]["refused"]), (409, &true.into()), "{came}");
    assert_eq!(problem(&post(&world, "/v1/services/nothing/start", "")).1, "no-such-service");
}

#[test]
fn a_plan_says_what_would_change_and_what_is_wrong() {
    let world = World::with_sleepers("ab");
    let new = world.root().join("new.d");
    fs::create_dir(&new).expect("the world is writable");
    fs::write(new.join("a.toml"), "command = [\"/bin/sleep\", \"1\"]\n").expect("the world is writable");
    fs::write(new.join("c.toml"), "command = \n").expect("the world is writable");
    let (code, plan) = get(&world, &format!("/v1/plan?directory={}", new.display()));
    assert_eq!(code, 200, "{plan}");
    let steps: Vec<_> =
        plan["steps"].as_array().expect("a list").iter().map(|step| (&step["service"], &step["action"])).collect();
    assert_eq!(steps[..2], [(&"a".into(), &"restart".into()), (&"b".into(), &"stop".into())], "{plan}");
    assert_eq!(plan["diagnostics"][0]["code"], "syntax", "{plan}");
    let (code, plan) = get(&world, "/v1/plan");
    assert_eq!((code, plan["steps"].as_array().map(Vec::len)), (200, Some(0)), "{plan}");
    assert_eq!(problem(&get(&world, "/v1/plan?directory=new.d")).1, "bad-request");
    assert_eq!(problem(&get(&world, "/v1/plan?directory=/no/where")).0, 409);
}

#[test]
fn every_example_of_the_document_works() {
    let file = |time: u32| format!("command = [\"/bin/sleep\", \"{time}\"]\nreload = {{ signal = \"CONT\" }}\n");
    let world = World::with(&[("web", &file(86_400))]);
    let first = world.pid("web");
    // There is something to go back to.
    world.drop_file("web.toml", &file(86_401));
    world.pid_after("web", first);
    let document = abide::api::openapi::document();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let example = &operation["x-example"];
            let (request, body) = (example["path"].as_str().expect(path), example["body"].as_str().unwrap_or_default());
            if operation["responses"]["200"]["content"]["text/event-stream"].is_object() {
                Stream::open(&world, request, None).until("\nid: ");
                continue;
            }
            let (code, head, said) = ask(&world, &method.to_uppercase(), request, body);
            assert_eq!(code, 200, "{request} {body}: {}", String::from_utf8_lossy(&said));
            let media = operation["responses"]["200"]["content"].as_object().and_then(|it| it.keys().next().cloned());
            assert!(head.contains(&format!("content-type: {}", media.expect("one"))), "{request}: {head}");
            if method == "post" {
                post(&world, "/v1/services/web/start", "");
                assert_eq!(waited(&world, "names=web&for=running&timeout=20s").0, "reached");
            }
        }
    }
}
