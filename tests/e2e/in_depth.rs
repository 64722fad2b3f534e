//! Real daemons in depth: from the start to being ready, a reload, and the end of the whole tree.

use super::process::{alive, children, is_root, shell, skip_for_users, wanted};
use super::servers::{ask, free_port, home, postgresql, user_line};
use super::world::{World, service};
use abide::model::status::State;
use std::path::Path;

/// Waits until the service is ready, as it says itself or as a check found; its main process.
fn ready(world: &World, name: &str) -> i32 {
    let status = world.until(&format!("{name} is ready"), |status| {
        service(status, name).is_some_and(|it| it.state == State::Ready && it.as_desired)
    });
    service(&status, name).and_then(|it| it.instances[0].pid).expect("what is ready has a process")
}

/// Removes the file and sees that nothing of the tree is left.
fn ends_whole(world: &World, name: &str, main: i32) {
    let family = children(main);
    world.remove(&format!("{name}.toml"));
    world.gone(name);
    assert!(!alive(main) && !family.into_iter().any(alive), "{name} ended with its whole tree");
}

/// nginx's own configuration: what it answers is told apart by `word`.
fn nginx_conf(home: &str, port: u16, word: &str) -> String {
    let temporary: String =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|it| format!("{it}_temp_path {home}/{it};")).concat();
    let user = if user_line("www-data").is_empty() { "" } else { "user www-data;" };
    format!(
        "{user} pid {home}/pid; error_log {home}/error.log; worker_processes 2; events {{ worker_connections 64; }}
         http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port}; return 200 \"{word}\"; }} }}"
    )
}

/// It forks away, is found by its pid file, ready once its port answers, and reloads when its own
/// configuration is edited, as the same process.
#[test]
fn nginx_forks_is_found_reloads_with_its_configuration_and_ends_whole() {
    let Some(nginx) = wanted("nginx") else { return };
    let world = World::with(&[]);
    let (home, port) = (home(&world, "nginx-home", "www-data"), free_port());
    let conf = format!("{home}/nginx.conf");
    std::fs::write(&conf, nginx_conf(&home, port, "one")).expect("the world is writable");
    world.drop_file(
        "nginx.toml",
        &format!(
            "type = \"forking\"
             pid_file = \"{home}/pid\"
             command = [\"{nginx}\", \"-p\", \"{home}\", \"-e\", \"{home}/error.log\", \"-c\", \"{conf}\"]
             [ready]
             tcp = \"127.0.0.1:{port}\"
             [reload]
             signal = \"HUP\"
             watch = [\"{home}/*.conf\"]
             [stop]
             signal = \"QUIT\"\n"
        ),
    );
    let main = ready(&world, "nginx");
    let named = std::fs::read_to_string(format!("{home}/pid")).expect("nginx wrote it");
    assert_eq!(named.trim().parse(), Ok(main), "the process of the pid file is the one that is watched");
    let question = b"GET / HTTP/1.0\r\n\r\n";
    assert!(ask(port, question).ends_with("one"));

    world.replace(Path::new(&conf), &nginx_conf(&home, port, "two"));
    world.until_true("the new configuration answers", || ask(port, question).ends_with("two"));
    assert_eq!(ready(&world, "nginx"), main, "a reload is no restart");
    ends_whole(&world, "nginx", main);
}

/// Started by `pg_ctl`, which ends; reloaded by a command; its children overwrite their environment.
#[test]
fn postgresql_started_by_pg_ctl_is_followed_reloaded_and_ended() {
    let Some(bin) = postgresql() else { return };
    let world = World::with(&[]);
    let (home, port) = (home(&world, "postgres-home", "postgres"), free_port());
    let become_it = if is_root() { "setpriv --reuid=postgres --regid=postgres --init-groups " } else { "" };
    shell(&format!("{become_it}{bin}/initdb -D '{home}/data' -A trust -N >/dev/null"), Path::new("/"));
    let user = user_line("postgres");
    world.drop_file(
        "postgres.toml",
        &format!(
            "{user}type = \"forking\"
             pid_file = \"{home}/data/postmaster.pid\"
             directory = \"{home}\"
             command = [\"{bin}/pg_ctl\", \"-D\", \"{home}/data\", \"-l\", \"{home}/log\", \"-W\", \"-o\",
                        \"-k {home} -p {port} -c listen_addresses=127.0.0.1 -c fsync=off\", \"start\"]
             [ready]
             exec = [\"{bin}/pg_isready\", \"-q\", \"-h\", \"{home}\", \"-p\", \"{port}\"]
             [reload]
             command = [\"{bin}/pg_ctl\", \"-D\", \"{home}/data\", \"reload\"]
             watch = [\"{home}/data/postgresql.auto.conf\"]
             [stop]
             signal = \"INT\"
             scope = \"process\"\n"
        ),
    );
    let main = ready(&world, "postgres");
    let query =
        |sql: &str| shell_out(&format!("{become_it}{bin}/psql -h '{home}' -p {port} -d postgres -Atc \"{sql}\""));
    assert_eq!(query("show work_mem"), "4MB");
    query("alter system set work_mem = '8MB'");
    world.until_true("the edit of its configuration is in force", || query("show work_mem") == "8MB");
    assert_eq!(ready(&world, "postgres"), main, "a reload is no restart");
    ends_whole(&world, "postgres", main);
}

/// It says itself when it is ready.
#[test]
fn redis_says_itself_that_it_is_ready() {
    let Some(redis) = wanted("redis-server") else { return };
    let world = World::with(&[]);
    let (home, port) = (home(&world, "redis-home", "redis"), free_port());
    let user = user_line("redis");
    world.drop_file(
        "redis.toml",
        &format!(
            "{user}directory = \"{home}\"
             command = [\"{redis}\", \"--port\", \"{port}\", \"--bind\", \"127.0.0.1\", \"--save\", \"\", \"--supervised\", \"systemd\"]
             [ready]
             notify = true\n"
        ),
    );
    let main = ready(&world, "redis");
    assert!(ask(port, b"PING\r\n").starts_with("+PONG"), "ready means that it answers");
    let status = world.status().expect("there is one");
    let instance = &service(&status, "redis").expect("it is there").instances[0];
    assert!(instance.ready_at.is_some(), "{instance:?}");
    ends_whole(&world, "redis", main);
}

/// Its HUP is a new execution of itself under the same pid.
#[test]
fn sshd_in_the_foreground_is_ready_reloads_and_ends() {
    // sshd executes itself again and so wants its whole path.
    let Some(sshd) = wanted("sshd") else { return };
    let Some(_) = wanted("ssh-keygen") else { return };
    if nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().is_none() {
        return skip_for_users("sshd and its tools run for known users only");
    }
    let world = World::with(&[]);
    let (home, port) = (home(&world, "sshd-home", "root"), free_port());
    if is_root() {
        std::fs::create_dir_all("/run/sshd").expect("root may");
    }
    shell(&format!("ssh-keygen -q -t ed25519 -N '' -f '{home}/key'"), Path::new("/"));
    let conf = format!("{home}/sshd_config");
    let text = format!("Port {port}\nListenAddress 127.0.0.1\nHostKey {home}/key\nPidFile none\nStrictModes no\n");
    std::fs::write(&conf, &text).expect("the world is writable");
    world.drop_file(
        "sshd.toml",
        &format!(
            "command = [\"{sshd}\", \"-D\", \"-e\", \"-f\", \"{conf}\"]
             [ready]
             tcp = \"127.0.0.1:{port}\"
             [reload]
             signal = \"HUP\"
             watch = [\"{conf}\"]\n"
        ),
    );
    let main = ready(&world, "sshd");
    assert!(ask(port, b"\r\n").starts_with("SSH-2.0"));
    std::fs::write(&conf, format!("{text}VersionAddendum reloaded\n")).expect("the world is writable");
    world.until_true("sshd has taken up the edit", || ask(port, b"\r\n").contains("reloaded"));
    assert_eq!(ready(&world, "sshd"), main, "a reload is no restart");
    ends_whole(&world, "sshd", main);
}

/// What a shell command prints; empty where it fails.
fn shell_out(command: &str) -> String {
    let output = std::process::Command::new("/bin/sh").args(["-c", command]).current_dir("/").output();
    output.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned()).unwrap_or_default()
}
