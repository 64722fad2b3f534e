#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use crate::model::name::ServiceName;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;
use tokio::sync::mpsc::unbounded_channel;

fn now<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limited = async { tokio::time::timeout(Duration::from_secs(20), future).await };
    let answer = runtime.block_on(limited).expect("an answer in time");
    runtime.shutdown_background();
    answer
}

/// Answers one request with these bytes; its port, and what it was asked.
fn server(answer: impl Into<Vec<u8>>) -> (u16, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (port, answer) = (listener.local_addr().unwrap().port(), answer.into());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        let mut piece = [0; 1024];
        while !asked.ends_with(b"\r\n\r\n") {
            let count = stream.read(&mut piece).unwrap();
            asked.extend_from_slice(&piece[..count]);
        }
        // Who asked may have heard enough.
        let _ = stream.write_all(&answer);
        String::from_utf8(asked).unwrap()
    });
    (port, thread)
}

fn asked(answer: &str, status: Option<u16>, body: Option<&str>) -> Result<(), String> {
    let (port, thread) = server(answer);
    let at = Endpoint::http(&format!("http://127.0.0.1:{port}/health?x")).unwrap();
    let body = body.map(str::to_owned);
    let answer = now(Question::Http { at, status, body }.ask());
    let asked = thread.join().unwrap();
    assert!(asked.starts_with("GET /health?x HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains(&format!("host: 127.0.0.1:{port}\r\n")), "{asked}");
    answer
}

fn reply(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn an_answer_is_judged_by_its_status() {
    assert_eq!(asked(&reply("200 OK", ""), None, None), Ok(()));
    assert_eq!(asked(&reply("302 Found", ""), None, None), Ok(()));
    assert_eq!(asked(&reply("503 No", ""), Some(503), None), Ok(()));
    assert_eq!(asked(&reply("503 No", ""), Some(200), None), Err("status 503 instead of 200".into()));
    assert_eq!(asked(&reply("404 No", ""), None, None), Err("status 404 instead of 200 to 399".into()));
}

#[test]
fn an_answer_is_judged_by_its_body() {
    assert_eq!(asked(&reply("200 OK", "all is ok here"), None, Some("ok")), Ok(()));
    let no = Err("the body does not contain \"ok\"".to_owned());
    assert_eq!(asked(&reply("200 OK", "all is well"), None, Some("ok")), no);
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nis \r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n";
    assert_eq!(asked(chunked, None, Some("is ok")), Ok(()));
    assert_eq!(asked("HTTP/1.0 200 OK\r\n\r\nuntil the end: ok", None, Some("ok")), Ok(()));
    let long = format!("{}ok", "x".repeat(MOST_BODY));
    let no = Err("the first 64 KiB of the body do not contain \"ok\"".to_owned());
    assert_eq!(asked(&reply("200 OK", &long), None, Some("ok")), no);
}

#[test]
fn what_is_no_answer_is_told_in_words() {
    for answer in ["", "SSH-2.0-OpenSSH_9\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nshort"] {
        let (port, thread) = server(answer);
        let at = Endpoint::http(&format!("http://127.0.0.1:{port}")).unwrap();
        let error = now(Question::Http { at, status: None, body: Some("ok".into()) }.ask()).unwrap_err();
        thread.join().unwrap();
        assert!(error.starts_with(&format!("no proper answer from 127.0.0.1:{port}: ")), "{error}");
    }
}

#[test]
fn a_port_is_open_or_the_reason_why_not_is_told() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    for host in ["127.0.0.1", "localhost", "LOCALHOST"] {
        let at = Endpoint::tcp(&format!("{host}:{port}")).unwrap();
        assert_eq!(now(Question::Tcp(at).ask()), Ok(()), "{host}");
    }
    drop(listener);
    let at = Endpoint::tcp(&format!("localhost:{port}")).unwrap();
    assert_eq!(now(Question::Tcp(at).ask()), Err(format!("connection refused by 127.0.0.1:{port}")));
    let at = Endpoint::tcp("no-such-host.invalid:1").unwrap();
    let error = now(Question::Tcp(at).ask()).unwrap_err();
    assert!(error.starts_with("could not find the address of no-such-host.invalid: "), "{error}");
}

#[test]
fn the_answer_of_a_dropped_probe_never_comes() {
    now(async {
        let (letters, mut inbox) = unbounded_channel();
        let mut probes = Probes::new(letters);
        let instance = InstanceId::new(ServiceName::new("web").unwrap(), 0);
        let mut service = crate::decide::samples::service("web");
        // A listener that never accepts nor answers.
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}/", silent.local_addr().unwrap());
        let (timeout, interval) = (Duration::from_secs(1), Duration::from_secs(1));
        let check = Check::Http(HttpCheck { url, status: None, body: None });
        service.ready = Some(Box::new(crate::model::check::Ready { check, timeout, interval }));
        let hanging = Definition::from(service.clone());
        service.ready = None;
        let without = Definition::from(service);
        probes.start(instance.clone(), RunId(1), Which::Ready, &hanging);
        probes.start(instance, RunId(2), Which::Health, &without);
        let Some(Letter::Probed { run: RunId(2), outcome: Err(_), .. }) = inbox.recv().await else {
            panic!("the other")
        };
        assert!(probes.answered(RunId(2)));
        probes.stop(RunId(1));
        probes.stop(RunId(1));
        assert!(!probes.answered(RunId(1)));
        tokio::task::yield_now().await;
        assert!(inbox.try_recv().is_err());
        drop(silent);
    });
}
