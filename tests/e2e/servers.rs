//! Real servers, from a file to an answer.

use super::process::{alive, children, is_root, send, shell, wanted};
use super::world::World;
use nix::sys::signal::Signal;
use nix::unistd::User;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

/// A port that nobody has at the moment.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port is free").port()
}

/// What a server answers to `question`; empty while there is none.
pub(crate) fn ask(port: u16, question: &[u8]) -> String {
    let talk = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(question)?;
        let mut answer = vec![0; 512];
        let length = stream.read(&mut answer)?;
        answer.truncate(length);
        Ok(answer)
    };
    String::from_utf8_lossy(&talk().unwrap_or_default()).into_owned()
}

/// One kind of server: how its file looks on a port, and how it shows that it is there.
pub(super) struct Server<'a> {
    pub(super) name: &'a str,
    pub(super) file: &'a dyn Fn(u16) -> String,
    pub(super) question: &'a [u8],
    pub(super) answer: &'a str,
    pub(super) has_children: bool,
}

/// Answers; moves with its port; comes back after `kill -9`; ends whole with its file.
pub(super) fn lives_a_whole_life(world: &World, server: &Server) {
    let (name, file) = (server.name, format!("{}.toml", server.name));
    let answers = |port: u16| {
        world
            .until_true(&format!("{name} answers on {port}"), || ask(port, server.question).starts_with(server.answer));
    };
    let (first, second) = (free_port(), free_port());
    world.drop_file(&file, &(server.file)(first));
    answers(first);
    let pid = world.pid(name);

    world.drop_file(&file, &(server.file)(second));
    answers(second);
    let moved = world.pid_after(name, pid);
    assert!(ask(first, server.question).is_empty(), "{name} left its old port");

    send(moved, Signal::SIGKILL);
    world.pid_after(name, moved);
    answers(second);

    let complete = |pid: i32| alive(pid) && (!server.has_children || !children(pid).is_empty());
    world.until_true(&format!("{name} is whole again"), || world.pid_now(name).is_some_and(complete));
    let back = world.pid_now(name).expect("just seen");
    let family = children(back);
    world.remove(&file);
    world.gone(name);
    assert!(!alive(back) && !family.into_iter().any(alive), "{name} ended with its whole group");
}

/// `user = "NAME"` for root where there is such a user.
pub(crate) fn user_line(name: &str) -> String {
    let known = is_root() && User::from_name(name).ok().flatten().is_some();
    if known { format!("user = \"{name}\"\n") } else { String::new() }
}

/// A directory of the server's own.
pub(crate) fn home(world: &World, name: &str, user: &str) -> String {
    let directory = world.root().join(name);
    std::fs::create_dir(&directory).expect("it is new");
    if let Some(user) = User::from_name(user).ok().flatten().filter(|_| is_root()) {
        std::os::unix::fs::chown(&directory, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("root may");
    }
    directory.display().to_string()
}

#[test]
fn nginx_runs() {
    let Some(nginx) = wanted("nginx") else { return };
    let world = World::with(&[]);
    let home = home(&world, "nginx-home", "www-data");
    let user = if is_root() && User::from_name("www-data").ok().flatten().is_some() { "user www-data;" } else { "" };
    let temporary: String =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|it| format!("{it}_temp_path {home}/{it};")).concat();
    let file = |port: u16| {
        let conf = format!(
            "{user} daemon off; pid {home}/pid; error_log stderr; worker_processes 2; events {{ worker_connections 64; }}
             http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port}; return 200 \"abide\"; }} }}"
        );
        std::fs::write(format!("{home}/{port}.conf"), conf).expect("the world is writable");
        format!(
            "command = [\"{nginx}\", \"-p\", \"{home}\", \"-e\", \"stderr\", \"-c\", \"{home}/{port}.conf\"]\n[stop]\nsignal = \"QUIT\"\n"
        )
    };
    let question = b"GET / HTTP/1.0\r\n\r\n";
    lives_a_whole_life(
        &world,
        &Server { name: "nginx", file: &file, question, answer: "HTTP/1.1 200", has_children: true },
    );
}

#[test]
fn redis_runs() {
    let Some(redis) = wanted("redis-server") else { return };
    let world = World::with(&[]);
    let home = home(&world, "redis-home", "redis");
    let user = user_line("redis");
    let file = |port: u16| {
        format!(
            "{user}directory = \"{home}\"\ncommand = [\"{redis}\", \"--port\", \"{port}\", \"--bind\", \"127.0.0.1\", \"--save\", \"\", \"--dir\", \"{home}\"]\n"
        )
    };
    lives_a_whole_life(
        &world,
        &Server { name: "redis", file: &file, question: b"PING\r\n", answer: "+PONG", has_children: false },
    );
}

#[test]
fn postgresql_runs() {
    let Some(bin) = postgresql() else { return };
    let world = World::with(&[]);
    let home = home(&world, "postgres-home", "postgres");
    let become_it = if is_root() { "setpriv --reuid=postgres --regid=postgres --init-groups " } else { "" };
    shell(&format!("{become_it}{bin}/initdb -D '{home}/data' -A trust -N >/dev/null"), Path::new("/"));
    let user = user_line("postgres");
    let file = |port: u16| {
        format!(
            "{user}directory = \"{home}\"\ncommand = \"{bin}/postgres -D {home}/data -k {home} -p {port} -c listen_addresses=127.0.0.1 -c fsync=off\"\n[stop]\nsignal = \"INT\"\nscope = \"process\"\n"
        )
    };
    // "May I speak TLS?": one letter; a fresh PostgreSQL says no.
    let question = [0, 0, 0, 8, 4, 210, 22, 47];
    lives_a_whole_life(
        &world,
        &Server { name: "postgres", file: &file, question: &question, answer: "N", has_children: true },
    );
}

/// Where PostgreSQL's programs lie, the newest first.
pub(crate) fn postgresql() -> Option<String> {
    let entries = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<_> =
        entries.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("initdb").is_file()).collect();
    versions.sort();
    let found = versions.pop().map(|bin| bin.display().to_string());
    if found.is_none() {
        super::process::skip("PostgreSQL is not installed");
    } else if is_root() && User::from_name("postgres").ok().flatten().is_none() {
        super::process::skip("there is no user postgres");
        return None;
    }
    found
}

#[test]
fn a_python_http_server_runs() {
    let Some(python) = wanted("python3") else { return };
    let world = World::with(&[]);
    let file = |port: u16| {
        format!("command = [\"{python}\", \"-m\", \"http.server\", \"--bind\", \"127.0.0.1\", \"{port}\"]\n")
    };
    let question = b"GET / HTTP/1.0\r\n\r\n";
    lives_a_whole_life(
        &world,
        &Server { name: "python", file: &file, question, answer: "HTTP/1.0 200", has_children: false },
    );
}
