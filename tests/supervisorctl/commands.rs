//! Our supervisorctl against the real one: the same words, the same output and exit code.

use std::path::Path;

use super::reference::pair::Pair;
use super::reference::{Client, Daemon, python, wait_for};

const HEAD: &str = "
[unix_http_server]
file=%(here)s/s
[supervisord]
logfile=%(here)s/log
pidfile=%(here)s/pid
childlogdir=%(here)s
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://%(here)s/s
";

const PROGRAMS: &str = "
[program:run]
command=sh -c 'echo hello; exec sleep 1000'
[program:stopped]
command=sleep 1000
autostart=false
[program:fatal]
command=/nonexistent/x
startretries=0
[program:backoff]
command=/nonexistent/y
startretries=100
[program:exited]
command=sh -c 'sleep 1.5'
autorestart=false
[program:pair]
command=sleep 1000
numprocs=2
process_name=%(program_name)s_%(process_num)02d
[program:a_rather_long_name_of_more_than_thirty_letters]
command=sleep 1000
[program:cat]
command=cat
[program:quick]
command=true
autostart=false
startretries=0
startsecs=4
[program:nolog]
command=sleep 1000
stdout_logfile=NONE
stderr_logfile=NONE
[program:g1]
command=sleep 1000
[program:g2]
command=sleep 1000
autostart=false
[group:both]
programs=g1,g2
";

/// Lines that change nothing.
const QUESTIONS: &str = "
status
status run
status both:*
status both:
status nope
status nope:*
status both:nope
status run nope stopped run
status all nope
status :
status 'run
help
help help
help nope
help start stop
?
? start
!ls
nope a b
start:run
RUN
tail run
tail -3 run
tail run stderr
tail run STDOUT
tail run foo
tail run stdout x
tail -f
tail -x run
tail - run
tail -5
tail
tail -f run stdout x
tail nope
tail nolog
tail both:*
tail -f nope
tail -f nolog
maintail -x
maintail 20
maintail x y
maintail -f5
pid
pid run
pid run nope stopped
pid stopped nope
pid both:*
pid all
version
version x
avail
avail x
reread
reread x
update
update x
update run
add
add nope
add run nope
remove
remove run
remove nope run
shutdown x
reload x
fg
fg nope
fg stopped
fg a b
fg both:*
open
open x
open a b
open unix:///nonexistent
open http://127.0.0.1:1
quit
exit x
EOF
";

/// Each line is run after those before it.
const ORDERS: &str = "
start
stop
restart
signal
signal HUP
clear
start run
start nope
start nope:*
start fatal
start quick
start stopped
start nope quick
start quick nope
start both:*
start both:
start nope:* nolog
start fatal nope nope:*
start both:nope
stop stopped
stop stopped
stop both:*
stop nope
stop nope:* nope
stop run nope both:nope
restart run
restart nope:* nope
restart both:* run
signal HUP nope
signal NOPE run
signal NOPE pair:*
signal NOPE stopped
signal CONT run
signal CONT pair:*
signal CONT nope:*
signal CONT stopped nope
signal CONT nope stopped
signal CONT all
signal 18 run
clear run
clear nope
clear run nope stopped
clear nope:*
clear both:*
clear all
stop all
stop all
start all
status run
stop run nope
remove fatal
remove quick exited nope
avail
reread
update fatal
update all
";

/// Waits until every process is in the state where it stays.
fn settle(python: &Path, daemon: &Daemon) {
    wait_for(|| {
        let status = Client::Real(python).run(&["-s", &daemon.url(), "status"], "");
        let status = String::from_utf8_lossy(&status.stdout).into_owned();
        status.contains("EXITED") && status.matches("RUNNING").count() == 7 && status.contains("BACKOFF")
    });
}

#[test]
fn questions_are_answered_the_same() {
    same(QUESTIONS);
}

#[test]
fn orders_are_carried_out_the_same() {
    same(ORDERS);
}

fn same(lines: &str) {
    let Some(python) = python() else { return };
    let configuration = [HEAD, PROGRAMS].concat();
    let daemons = [(); 2].map(|()| Daemon::start(&python, &configuration));
    for daemon in &daemons {
        settle(&python, daemon);
    }
    let mut pair = Pair::new(&python, daemons[0].url(), daemons[1].url());
    let lines: Vec<&str> = lines.lines().filter(|line| !line.is_empty()).collect();
    pair.lines(&lines);
    pair.end();
}

#[test]
fn changes_of_the_file_are_the_same() {
    let Some(python) = python() else { return };
    let program = |name: &str, more: &str| format!("[program:{name}]\ncommand=sleep 1000\n{more}\n");
    let before =
        [HEAD, &program("a", ""), &program("b", ""), &program("c", "numprocs=2\nprocess_name=%(process_num)d")]
            .concat();
    let after = [
        HEAD,
        &program("a", "priority=5"),
        &program("c", "numprocs=3\nprocess_name=%(process_num)d"),
        &program("d", ""),
    ]
    .concat();
    let daemons = [(); 2].map(|()| Daemon::start(&python, &before));
    let mut pair = Pair::new(&python, daemons[0].url(), daemons[1].url());
    let configure = |text: &str| daemons.each_ref().map(|daemon| daemon.configure(text));
    configure(&after);
    pair.lines(&["reread", "avail", "update nope c", "update d", "update", "update", "avail"]);
    configure(&[HEAD, "[program:x]\nnothing=1\n"].concat());
    pair.lines(&["reread", "update", "update x", "update all"]);
    configure(&before);
    pair.lines(&["update b a", "update", "shutdown"]);
    wait_for(|| daemons.iter().all(|daemon| !daemon.path("s").exists()));
    pair.lines(&["shutdown", "status", "version", "start", "avail", "reload"]);
    pair.end();
}

#[test]
fn typing_is_the_same() {
    let Some(python) = python() else { return };
    let configuration = [HEAD, "[program:cat]\ncommand=cat\n[program:z]\ncommand=true\nautostart=false\n"].concat();
    let daemons = [(); 2].map(|()| Daemon::start(&python, &configuration));
    let mut pair = Pair::new(&python, daemons[0].url(), daemons[1].url());
    wait_for(|| {
        let running = |daemon: &Daemon| Client::Ours.run(&["-s", &daemon.url(), "status", "cat"], "").status.success();
        daemons.iter().all(running)
    });
    std::thread::sleep(std::time::Duration::from_millis(1500));
    for input in [
        "",
        "version\n",
        "version",
        "\n\n",
        "quit\nversion\n",
        "exit\n",
        "EOF\n",
        "help\n? stop\n",
        "nope\n!x\n;x\n",
        "start nope\n\nstatus z\n",
        "shutdown\nn\nversion\n",
        "shutdown\n\nversion\n",
        "reload\nx\n",
        "open unix:///nonexistent\nversion\n",
        "open x\nopen http://127.0.0.1:1\nadd\n",
        "version x\n",
        "tail -f nope\nversion\n",
    ] {
        pair.typed(input);
    }
    pair.compare("^C at the prompt", |client, url| client.interrupt(&["-s", url], "supervisor> "));
    pair.compare("^C in maintail -f", |client, url| {
        let mut output = client.interrupt(&["-s", url, "maintail", "-f"], "==> Press Ctrl-C to exit <==\n");
        // What is in the log is not the same.
        output.stdout.truncate(29);
        output
    });
    pair.end();
}

#[test]
fn fg_sends_and_shows() {
    use std::io::{Read as _, Write as _};
    use std::process::Stdio;

    let Some(python) = python() else { return };
    let daemon = Daemon::start(&python, &[HEAD, "[program:cat]\ncommand=cat\n"].concat());
    let url = daemon.url();
    wait_for(|| Client::Ours.run(&["-s", &url, "pid", "cat"], "").status.success());
    wait_for(|| {
        let status = Client::Ours.run(&["-s", &url, "status", "cat"], "");
        String::from_utf8_lossy(&status.stdout).contains("RUNNING")
    });
    let mut command = Client::Ours.command();
    command.args(["-s", &url, "fg", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut fg = command.spawn().unwrap();
    let (mut stdin, mut stdout) = (fg.stdin.take().unwrap(), fg.stdout.take().unwrap());
    let mut expect = |text: &str| {
        let mut got = vec![0; text.len()];
        stdout.read_exact(&mut got).unwrap();
        assert_eq!(String::from_utf8_lossy(&got), text);
    };
    expect("==> Press Ctrl-C to exit <==\n");
    stdin.write_all(b"one\ntw").unwrap();
    expect("one\n");
    stdin.write_all("o \u{e9}\n".as_bytes()).unwrap();
    expect("two \u{e9}\n");
    assert!(Client::Ours.run(&["-s", &url, "stop", "cat"], "").status.success());
    stdin.write_all(b"three\n").unwrap();
    expect("Process got killed\nExiting foreground\n");
    assert!(fg.wait().unwrap().success());
    let tail = Client::Ours.run(&["-s", &url, "tail", "cat"], "");
    assert_eq!(String::from_utf8_lossy(&tail.stdout), "one\ntwo \u{e9}\n\n");
    // Stopped or not, what there is is shown, until Ctrl-C.
    let tail = Client::Ours.interrupt(&["-s", &url, "tail", "-f", "cat"], "two \u{e9}\n");
    assert_eq!(String::from_utf8_lossy(&tail.stdout), "==> Press Ctrl-C to exit <==\none\ntwo \u{e9}\n\n");
    assert_eq!(tail.status.code(), Some(0));
    assert!(Client::Ours.run(&["-s", &url, "start", "cat"], "").status.success());
    let fg = Client::Ours.interrupt(&["-s", &url, "fg", "cat"], "two \u{e9}\n");
    assert_eq!(
        String::from_utf8_lossy(&fg.stdout),
        "==> Press Ctrl-C to exit <==\none\ntwo \u{e9}\nExiting foreground\n"
    );
    assert_eq!(fg.status.code(), Some(0));
}

#[test]
fn options_are_the_same() {
    let Some(python) = python() else { return };
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let none = write("none", "[supervisord]\n");
    let bad = write("bad", "[supervisorctl]\nserverurl=foo\n");
    let unknown = write("unknown", "[supervisorctl]\nserverurl=unix://%(nope)s/s\n");
    let percent = write("percent", "[supervisorctl]\nserverurl=unix:///nonexistent\nusername=a%b\n");
    let good = write("good", "[supervisorctl]\nserverurl=unix:///nonexistent ; x\nprompt=a%%b\n");
    let mut pair = Pair::new(&python, "-".to_owned(), "-".to_owned());
    for words in [
        &["-x"][..],
        &["--nope", "status"],
        &["-c", "/nonexistent", "status"],
        &["-c"],
        &["-s", "foo", "status"],
        &["-s", "http://127.0.0.1:1", "status"],
        &["-s", "http://127.0.0.1:1", "version"],
        &["-s", "ftp://x", "version"],
        &["-s", "unix:///nonexistent", "version"],
        &["-s", "unix:///nonexistent", "status"],
        &["-s", "unix:///nonexistent", "start"],
        &["-s", "http://127.0.0.1:1", "avail"],
        &["-s", "http://127.0.0.1:1", "shutdown"],
        &["-s", "http://127.0.0.1:1", "reload"],
        &["-s", "http://127.0.0.1:1", "help"],
        &["-s", "http://127.0.0.1:1", "nope"],
        &["-s", "http://127.0.0.1:1", "tail", "-f"],
        &["-s", "unix:///a", "-s", "unix:///a", "help"],
        &["-i", "-i"],
        &["--username"],
        &["--h"],
        &["--interactive=x"],
        &["-s", "unix:///a", "--", "help"],
        &["-s", "unix:///a", ""],
        &["-s", "unix:///a", " "],
        &["-iversion"],
        &["-v"],
        &["-c", &none, "help"],
        &["-c", &bad, "help"],
        &["-c", &bad, "version"],
        &["-c", &unknown, "help"],
        &["-c", &percent, "help"],
        &["-c", &good, "version"],
        &["-c", &good],
        &["-c", &good, "-i", "help"],
        &["-c", "/", "help"],
        &["-s", "http://nonexistent.invalid:1", "version"],
    ] {
        pair.compare(&words.join(" "), |client, _| client.run(words, ""));
    }
    pair.end();
}

#[test]
fn passwords_are_the_same() {
    let Some(python) = python() else { return };
    let locked = HEAD.replace("file=%(here)s/s\n", "file=%(here)s/s\nusername=u\npassword=p:q\n");
    let daemons = [(); 2].map(|()| Daemon::start(&python, &locked));
    let mut pair = Pair::new(&python, daemons[0].url(), daemons[1].url());
    pair.lines(&["version", "status", "avail", "update", "tail -f x", "shutdown", "-u u version", "-u u -p x version"]);
    pair.lines(&["-u u -p p:q version", "-u u -p p:q tail -f nope"]);
    pair.end();
    let typed = Client::Ours.run(&["-s", &daemons[1].url()], "u\np:q\nversion\n");
    assert_eq!(
        String::from_utf8_lossy(&typed.stdout),
        "Server requires authentication\nUsername:Password:\nsupervisor> 4.3.0\nsupervisor> \n"
    );
}
