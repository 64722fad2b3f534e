//! A broken version of each kind, while a server answers requests all the time: either nobody notices, or the last good
//! version is back at once. How long it was away is printed.

use super::process::wanted;
use super::servers::free_port;
use super::world::{World, service};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Asks all the time, as one visitor; the longest time without an answer since it was last taken.
struct Visitor {
    port: u16,
    stop: AtomicBool,
    longest: Mutex<Duration>,
}

impl Visitor {
    fn ask(&self) -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.0 200"))
    }

    fn run(&self) {
        let mut last = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            if self.ask().unwrap_or(false) {
                let mut longest = self.longest.lock().expect("nobody panics with it");
                *longest = longest.max(last.elapsed());
                last = Instant::now();
            } else {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    fn take(&self) -> Duration {
        std::mem::take(&mut *self.longest.lock().expect("nobody panics with it"))
    }
}

#[test]
fn a_broken_version_of_each_kind_is_not_noticed_or_rolled_back() {
    let Some(python) = wanted("python3") else { return };
    let port = free_port();
    let head = |command: &str, more: &str| {
        format!(
            "command = {command}\ndirectory = \"/\"\nready.http = \"http://127.0.0.1:{port}/\"\nready.interval = \"20ms\"\n\
             ready.timeout = \"1s\"\nupdate.settle = \"1s\"\n{more}"
        )
    };
    let serve = format!("[\"{python}\", \"-m\", \"http.server\", \"--bind\", \"127.0.0.1\", \"{port}\"]");
    let good = head(&serve, "");
    let mut world = World::empty();
    world.drop_file("web.toml", &good.replace("ready.timeout = \"1s\"", "ready.timeout = \"20s\""));
    world.start();
    let ready = |claim: &str| {
        world.until(claim, |status| {
            service(status, "web").is_some_and(|it| it.state == abide::model::status::State::Ready)
        })
    };
    ready("it is ready");
    let visitor = Visitor { port, stop: AtomicBool::new(false), longest: Mutex::default() };
    std::thread::scope(|scope| {
        scope.spawn(|| visitor.run());
        let unnoticed = [
            ("a syntax error", "command = [\n".to_owned(), "syntax"),
            ("an unknown key", format!("{good}comand = 1\n"), "unknown-key"),
            ("no such program", head("[\"/no/such/program\"]", ""), "no-program"),
            ("no such user", format!("user = \"nobody-here\"\n{good}"), "unknown-user"),
            ("a limit that cannot be had", format!("{good}limits.open_files = 99999999999\n"), "limit-above-hard"),
        ];
        let pid = world.pid_now("web");
        for (what, text, code) in unnoticed {
            visitor.take();
            world.drop_file("web.toml", &text);
            world.error("web", code);
            assert_eq!(world.pid_now("web"), pid, "{what}");
            let away = visitor.take();
            println!("{what}: longest time without an answer {away:?}");
        }
        let noticed = [
            ("it ends at once", head("[\"/bin/sh\", \"-c\", \"exit 3\"]", "")),
            ("it listens elsewhere", head(&serve.replace(&port.to_string(), "0"), "")),
            ("it answers nothing", head("[\"/bin/sleep\", \"86400\"]", "")),
        ];
        for (what, text) in noticed {
            visitor.take();
            world.drop_file("web.toml", &text);
            world.until(&format!("{what}: it went back"), |status| status.summary.rolled_back == 1);
            ready("it is ready again");
            world.until_true("it answers", || visitor.ask().unwrap_or(false));
            let away = visitor.take();
            println!("{what}: away for {away:?}");
            world.drop_file("web.toml", &good.replace("ready.timeout = \"1s\"", "ready.timeout = \"20s\""));
            world.until("nothing is rolled back", |status| status.summary.rolled_back == 0);
        }
        visitor.stop.store(true, Ordering::Relaxed);
    });
}
