//! `[log] to`: output in the log of another, with the real daemons at the other end.

use super::process::{skip, skip_for_users};
use super::world::World;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A daemon of somebody else, which ends with the test.
struct Peer(Child);

impl Peer {
    fn start(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it was there a moment ago"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn found(program: &str) -> bool {
    let there = Path::new(program).exists();
    if !there {
        skip(&format!("{program} is not installed"));
    }
    there
}

#[test]
fn a_real_syslog_daemon_gets_each_line_as_what_it_is() {
    let rsyslogd = "/usr/sbin/rsyslogd";
    if !found(rsyslogd) {
        return;
    }
    let mut world = World::empty();
    let at = |name: &str| world.root().join(name);
    let (socket, out, conf) = (at("syslog.socket"), at("messages"), at("rsyslog.conf"));
    let text = format!(
        "module(load=\"imuxsock\" SysSock.Use=\"off\")\n\
         input(type=\"imuxsock\" Socket=\"{}\" UseSpecialParser=\"off\" ParseHostname=\"on\")\n\
         template(name=\"t\" type=\"string\" string=\"%programname%|%pri%|%msg%\\n\")\n\
         *.* action(type=\"omfile\" file=\"{}\" template=\"t\")\n",
        socket.display(),
        out.display()
    );
    fs::write(&conf, text).expect("a new file");
    let options = ["-n", "-f", &conf.display().to_string(), "-i", &at("rsyslog.pid").display().to_string()];
    let _peer = Peer::start(Command::new(rsyslogd).args(options));
    let says = "script = \"echo ERROR broken; echo all is well; echo token=abc; exec sleep 86400\"\n[log]\n";
    world.drop_file("web.toml", &format!("{says}to = \"syslog:{}\"\nredact = ['token=(\\w+)']\n", socket.display()));
    world.start();
    let taken = || fs::read_to_string(&out).unwrap_or_default();
    world.until_true("rsyslog has them", || taken().contains("token"));
    let lines: Vec<String> = taken().lines().filter(|line| line.starts_with("web|")).map(str::to_owned).collect();
    assert_eq!(lines, ["web|27|ERROR broken", "web|30|all is well", "web|30|token=[redacted]"]);
}

#[test]
fn journald_gets_each_line_as_what_it_is() {
    let journald = "/lib/systemd/systemd-journald";
    if !nix::unistd::geteuid().is_root() {
        return skip_for_users("an instance of journald");
    }
    if !found(journald) {
        return;
    }
    // An instance of its own, of this name.
    let name = format!("abide-{}", std::process::id());
    let runtime = Path::new("/run/systemd").join(format!("journal.{name}"));
    fs::create_dir_all(&runtime).expect("root may");
    fs::set_permissions(&runtime, fs::Permissions::from_mode(0o755)).expect("ours");
    let peer = Peer::start(Command::new(journald).arg(&name));
    let says = "script = 'echo ERROR broken; printf \"caf\\\\351\\\\n\"; echo done; exec sleep 86400'\ninstances = 2\n";
    let world = World::with(&[("web", &format!("{says}[log]\nto = \"journald:{name}\"\n"))]);
    let shown = || {
        let command = [&format!("--namespace={name}"), "-t", "web@1", "-o", "json", "--no-pager"];
        let out = Command::new("journalctl").args(command).output().expect("journalctl is part of it");
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    world.until_true("the journal has them", || shown().contains("\"done\""));
    let entries: Vec<serde_json::Value> =
        shown().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let told: Vec<_> = entries.iter().map(|entry| (entry["PRIORITY"].clone(), entry["MESSAGE"].clone())).collect();
    let bytes = serde_json::json!([99, 97, 102, 233]);
    assert_eq!(told, [("3".into(), "ERROR broken".into()), ("6".into(), bytes), ("6".into(), "done".into())]);
    drop(world);
    drop(peer);
    for left in [runtime, Path::new("/run/log/journal").to_owned(), Path::new("/var/log/journal").to_owned()] {
        let of_ours = |path: &Path| path.to_string_lossy().ends_with(&name);
        let within = fs::read_dir(&left).into_iter().flatten().flatten().map(|entry| entry.path());
        for path in within.chain([left.clone()]).filter(|path| of_ours(path)) {
            let _ = fs::remove_dir_all(path);
        }
    }
}

#[test]
fn over_tcp_a_log_that_is_not_there_costs_lines_that_are_counted_and_nobody_waits() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let mut world = World::empty();
    let [through, go] = ["through", "go"].map(|name| world.root().join(name));
    // By the time that somebody listens, all of the flood may be lost: more comes then.
    let script = format!(
        "seq 20000; echo flooded; touch {}; while ! test -e {}; do sleep 0.05; done; \
         i=0; while :; do i=$((i + 1)); echo over $i; sleep 0.1; done",
        through.display(),
        go.display()
    );
    world.drop_file("web.toml", &format!("script = \"{script}\"\n[log]\nto = \"syslog:{address}\"\n"));
    world.start();
    world.pid("web.log");
    world.logged("web.log", "cannot be reached");
    // It writes more than the pipe holds, and still gets to its end.
    world.until_true("it is through", || through.exists());
    let listener = TcpListener::bind(address).expect("still free");
    fs::write(&go, "").expect("the world is writable");
    let (stream, _) = listener.accept().expect("it tries again");
    let mut stream = BufReader::new(stream);
    let (mut counted, mut lost, mut text) = (0, 0, String::new());
    while !text.starts_with("over ") {
        let mut length = Vec::new();
        stream.read_until(b' ', &mut length).expect("a length");
        let length: usize = String::from_utf8_lossy(&length).trim().parse().expect("a number");
        let mut message = vec![0; length];
        stream.read_exact(&mut message).expect("so many bytes");
        let message = String::from_utf8(message).expect("text");
        let (header, line) = message.split_once(" web - - - ").unwrap_or_else(|| panic!("{message}"));
        assert!(header.starts_with("<30>1 20"), "{header}");
        line.clone_into(&mut text);
        match line.split_once(" lines of output") {
            Some((number, _)) => lost += number.parse::<u32>().expect("a number"),
            None => counted += 1,
        }
    }
    let over: u32 = text["over ".len()..].parse().expect("a number");
    assert_eq!((counted + lost, lost > 0), (20_001 + over, true));
}

#[test]
fn a_socket_of_the_machine_may_be_of_either_kind() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("log");
    let ship = || {
        let (program, to) = (super::world::binary(), path.display());
        let command = format!("printf 'a\\nb' | {} ship --to syslog:{to} --tag t", program.display());
        assert!(Command::new("sh").args(["-c", &command]).status().expect("a shell").success());
    };
    let socket = UnixDatagram::bind(&path).expect("a socket");
    ship();
    let mut buffer = [0; 200];
    for end in ["t - - - a", "t - - - b"] {
        let count = socket.recv(&mut buffer).expect("a message");
        assert!(String::from_utf8_lossy(&buffer[..count]).ends_with(end));
    }
    fs::remove_file(&path).expect("ours");
    let listener = UnixListener::bind(&path).expect("a socket");
    ship();
    let mut text = String::new();
    listener.accept().expect("it came").0.read_to_string(&mut text).expect("text");
    let messages: Vec<&str> = text.split_terminator('\0').collect();
    assert!(messages.len() == 2 && messages[0].ends_with("t - - - a") && messages[1].ends_with("t - - - b"), "{text}");
}
