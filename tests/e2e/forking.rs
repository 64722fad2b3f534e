//! Daemons that go into the background by themselves, with cgroups and without.

use super::process::{alive, children, is_root, send, shell, wanted};
use super::ready::{in_state, why};
use super::servers::{ask, free_port, home, postgresql, user_line};
use super::world::{Start, World};
use abide::model::status::State;
use nix::sys::signal::Signal;
use nix::unistd::User;
use std::path::Path;
use std::process::{Command, Stdio};

/// With cgroups, where there are any, and without.
pub(crate) fn both(test: impl Fn(&World)) {
    for variables in [&[("ABIDE_CGROUPS", "off")][..], &[]] {
        let mut world = World::empty();
        world.start_as(&Start { variables, ..Start::default() });
        test(&world);
    }
}

fn pid_in(file: &Path) -> Option<i32> {
    std::fs::read_to_string(file).ok()?.lines().next()?.trim().parse().ok()
}

/// It runs as the process that its pid file names, comes back after `kill -9`, and ends whole.
fn lives_in_the_background(world: &World, name: &str, pid_file: &Path, answers: &dyn Fn() -> bool) {
    let pid = world.pid(name);
    world.until_true("it answers", answers);
    assert_eq!(pid_in(pid_file), Some(pid), "{name}");
    let keeper = world.keeper();
    assert!(children(keeper).contains(&pid), "{name} is the keeper's child");
    world.until_true("its children", || !children(pid).is_empty());
    let family = children(pid);
    send(pid, Signal::SIGKILL);
    let again = world.pid_after(name, pid);
    world.until_true("it answers again", answers);
    world.until_true("those it left are gone", || !family.iter().any(|pid| alive(*pid)));
    let family = children(again);
    world.remove(&format!("{name}.toml"));
    world.gone(name);
    assert!(!alive(again) && !family.into_iter().any(alive), "{name} ended whole");
    assert!(!answers());
}

#[test]
fn an_nginx_in_the_background_is_supervised() {
    let Some(nginx) = wanted("nginx") else { return };
    both(|world| {
        let (home, port) = (home(world, "nginx-home", "www-data"), free_port());
        let user =
            if is_root() && User::from_name("www-data").ok().flatten().is_some() { "user www-data;" } else { "" };
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|it| format!("{it}_temp_path {home}/{it};"))
            .concat();
        let conf = format!(
            "{user} daemon on; pid {home}/pid; error_log {home}/errors; worker_processes 2; events {{ worker_connections 64; }}
             http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port}; return 200 \"abide\"; }} }}"
        );
        std::fs::write(format!("{home}/conf"), conf).expect("the world is writable");
        let file = format!(
            "type = \"forking\"\npid_file = \"{home}/pid\"\ncommand = [\"{nginx}\", \"-p\", \"{home}\", \"-e\", \"{home}/errors\", \"-c\", \"{home}/conf\"]\n"
        );
        world.drop_file("nginx.toml", &file);
        let answers = || ask(port, b"GET / HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 200");
        lives_in_the_background(world, "nginx", Path::new(&format!("{home}/pid")), &answers);
    });
}

#[test]
fn a_postgresql_in_the_background_is_supervised() {
    let Some(bin) = postgresql() else { return };
    both(|world| {
        let (home, port) = (home(world, "postgres-home", "postgres"), free_port());
        let become_it = if is_root() { "setpriv --reuid=postgres --regid=postgres --init-groups " } else { "" };
        shell(&format!("{become_it}{bin}/initdb -D '{home}/data' -A trust -N >/dev/null"), Path::new("/"));
        let options = format!("-k {home} -p {port} -c listen_addresses=127.0.0.1 -c fsync=off");
        let file = format!(
            "{}type = \"forking\"\npid_file = \"{home}/data/postmaster.pid\"\ndirectory = \"{home}\"\n\
             command = [\"{bin}/pg_ctl\", \"start\", \"-W\", \"-D\", \"{home}/data\", \"-l\", \"{home}/log\", \"-o\", \"{options}\"]\n\
             [stop]\ncommand = [\"{bin}/pg_ctl\", \"stop\", \"-m\", \"fast\", \"-D\", \"{home}/data\"]\ntimeout = \"20s\"\n",
            user_line("postgres")
        );
        world.drop_file("postgres.toml", &file);
        let answers = || ask(port, &[0, 0, 0, 8, 4, 210, 22, 47]).starts_with('N');
        lives_in_the_background(world, "postgres", Path::new(&format!("{home}/data/postmaster.pid")), &answers);
    });
}

#[test]
fn a_daemon_without_a_pid_file_is_told_from_its_tree() {
    both(|world| {
        let named = world.root().join("named");
        let script = format!(
            "setsid sh -c '(echo $$ > {0}.new; mv {0}.new {0}; exec sleep 86400)' & while ! test -e {0}; do sleep 0.01; done",
            named.display()
        );
        world.drop_file("daemon.toml", &format!("type = \"forking\"\nscript = \"\"\"\n{script}\n\"\"\"\n"));
        let pid = world.pid("daemon");
        world.remove("daemon.toml");
        world.gone("daemon");
        assert!(!alive(pid));
        let _ = std::fs::remove_file(named);
    });
}

#[test]
fn a_pid_file_that_names_a_stranger_harms_nobody() {
    both(|world| {
        let mut stranger = Command::new("sleep");
        stranger.arg("86400").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut stranger = stranger.spawn().expect("sleep is there");
        let file = world.root().join("pid");
        std::fs::write(&file, stranger.id().to_string()).expect("the world is writable");
        let text = format!(
            "type = \"forking\"\npid_file = \"{}\"\nscript = \"setsid sleep 86400 &\"\n[ready]\ntimeout = \"600ms\"\n",
            file.display()
        );
        world.drop_file("web.toml", &text);
        let failed = why(&in_state(world, "web", State::Backoff));
        let word = format!("process {} is none of this service", stranger.id());
        assert!(failed.contains(&word), "{failed}");
        world.remove("web.toml");
        world.gone("web");
        assert!(matches!(stranger.try_wait(), Ok(None)), "it was let be");
        stranger.kill().and_then(|()| stranger.wait()).expect("it is ours");
    });
}
