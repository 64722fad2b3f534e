//! supervisord's clients at the control socket: the real supervisorctl, python's xmlrpc.client, and whoever means harm.

use super::doors::http::{User, as_user, over_tcp};
use super::http::{Stream, ask};
use super::process::{alive, is_root, skip_for_users, wanted};
use super::ready::in_state;
use super::world::{DEADLINE, SLEEPER, World, binary};
use abide::model::status::State;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Output};

/// Programs for all states.
const PROGRAMS: &str = "[program:cat]\n\
    command=/bin/cat\n\
    process_name=%(program_name)s_%(process_num)02d\n\
    numprocs=2\n\
    startsecs=0\n\
    [program:talk]\n\
    command=/bin/sh -c 'echo out; echo err >&2; exec sleep 86400'\n\
    startsecs=0\n\
    stdout_logfile=%(here)s/../talk.out\n\
    stderr_logfile=%(here)s/../talk.err\n\
    [program:slow]\n\
    command=/bin/sleep 86400\n\
    startsecs=1\n\
    autostart=false\n\
    [program:once]\n\
    command=/bin/sh -c 'exit 7'\n\
    startsecs=0\n\
    exitcodes=7\n\
    [program:broken]\n\
    command=/bin/sh -c 'exit 3'\n\
    startretries=0\n";

/// They, and two services that supervisord's files know nothing of, all where they are to be.
fn programs() -> World {
    let world = World::with(&[("db", &format!("instances = 2\n{SLEEPER}"))]);
    world.drop_file("web.conf", PROGRAMS);
    for name in ["cat:cat_00", "cat:cat_01", "talk", "db"] {
        world.pid(name);
    }
    in_state(&world, "slow", State::Held);
    in_state(&world, "once", State::Stopped);
    world.until("it has failed", |status| {
        super::world::service(status, "broken").is_some_and(|it| it.state == State::Failed)
    });
    world.until_true("it has spoken", || fs::read(world.root().join("talk.err")).is_ok_and(|it| it == b"err\n"));
    world
}

/// abide's own client, and the real one where it is installed.
fn clients() -> Vec<Vec<String>> {
    let own = vec![binary().display().to_string(), "supervisorctl".to_owned()];
    let real = std::env::var("SUPERVISORCTL").ok().or_else(|| wanted("supervisorctl"));
    [Some(own), real.map(|program| vec![program])].into_iter().flatten().collect()
}

/// Runs a client: what it prints, and its exit code.
fn ctl(client: &[String], world: &World, words: &[&str]) -> (String, i32) {
    let url = format!("unix://{}/control.sock", world.runtime().display());
    let output = Command::new(&client[0]).args(&client[1..]).args(["-s", &url]).args(words).output();
    let output = output.expect("it is there");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (said, output.status.code().unwrap_or(-1))
}

#[test]
fn supervisorctl_sees_all_services_and_tells_them_what_to_do() {
    for client in clients() {
        sees_all_and_tells_what_to_do(&client);
    }
}

fn sees_all_and_tells_what_to_do(client: &[String]) {
    let world = programs();
    let ctl = |words: &[&str]| ctl(client, &world, words);
    let said = |words: &[&str]| ctl(words).0;
    let (status, code) = ctl(&["status"]);
    let words: Vec<(&str, &str)> =
        status.lines().filter_map(|line| line.split_once(' ')).map(|(name, rest)| (name, rest.trim())).collect();
    let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["broken", "cat:cat_00", "cat:cat_01", "db:db_0", "db:db_1", "once", "slow", "talk"]);
    assert_eq!(code, 3, "not all run");
    let of = |name: &str| words.iter().find(|(known, _)| *known == name).expect("it is listed").1;
    assert!(of("broken").starts_with("FATAL     did not start"), "{status}");
    assert!(of("cat:cat_00").starts_with(&format!("RUNNING   pid {}, uptime 0:", world.pid("cat:cat_00"))), "{status}");
    assert!(of("once").starts_with("EXITED ") && of("once").ends_with('M'), "{status}");
    assert_eq!(of("slow"), "STOPPED   Not started");
    assert_eq!(said(&["pid"]), format!("{}\n", world.keeper()));
    assert_eq!(said(&["pid", "talk"]), format!("{}\n", world.pid("talk")));
    assert!(
        said(&["avail"]).contains("slow                             in use    manual    999:999"),
        "{}",
        said(&["avail"])
    );
    assert_eq!(said(&["start", "slow"]), "slow: started\n");
    in_state(&world, "slow", State::Ready);
    assert_eq!(said(&["start", "slow"]), "slow: ERROR (already started)\n");
    let before = world.pid("talk");
    assert_eq!(said(&["restart", "talk"]), "talk: stopped\ntalk: started\n");
    assert!(world.pid_after("talk", before) != before && !alive(before));
    let (stopped, started) = (said(&["stop", "cat:*"]), said(&["start", "cat:*"]));
    let both = |word: &str| ["cat_00", "cat_01"].map(|name| format!("cat:{name}: {word}"));
    assert!(both("stopped").iter().all(|line| stopped.contains(line)), "{stopped}");
    assert!(both("started").iter().all(|line| started.contains(line)), "{started}");
    assert_eq!(said(&["stop", "db:db_1"]), "db:db_1: stopped\n");
    assert_eq!(said(&["status", "db:db_1"]).split_whitespace().nth(1), Some("STOPPED"));
    assert_eq!(said(&["stop", "db:db_1"]), "db:db_1: ERROR (not running)\n");
    assert_eq!(said(&["start", "broken"]), "broken: ERROR (spawn error)\n");
    assert_eq!(said(&["start", "once"]), "once: started\n");
    assert_eq!(said(&["start", "none"]), "none: ERROR (no such process)\n");
    assert_eq!(said(&["signal", "WINCH", "talk"]), "talk: signalled\n");
    assert_eq!(said(&["signal", "FOO", "talk"]), "talk: ERROR (bad signal name)\n");
    let by = world.events().into_iter().find(|it| it["act"] == "stop").expect("it is written down who stopped it");
    assert!(by["command"].as_str().is_some_and(|command| command.contains("restart talk")), "{by}");
}

#[test]
fn supervisorctl_reads_logs_and_finds_nothing_to_reread() {
    for client in clients() {
        reads_logs_and_finds_nothing_to_reread(&client);
    }
}

fn reads_logs_and_finds_nothing_to_reread(client: &[String]) {
    let world = programs();
    let said = |words: &[&str]| ctl(client, &world, words).0;
    assert_eq!(said(&["tail", "talk"]), "out\n\n");
    assert_eq!(said(&["tail", "talk", "stderr"]), "err\n\n");
    assert_eq!(said(&["clear", "talk"]), "talk: cleared\n");
    assert_eq!(said(&["tail", "talk"]), "\n");
    assert!(said(&["maintail"]).contains("\"service\""));
    assert_eq!(said(&["reread"]), "No config updates to processes\n");
    assert_eq!(said(&["update"]), "");
    assert_eq!(said(&["add", "cat"]), "ERROR: process group already active\n");
    assert_eq!(said(&["add", "none"]), "ERROR: no such process/group: none\n");
    assert_eq!(said(&["remove", "talk"]), "ERROR: process/group still running: talk\n");
    assert!(said(&["remove", "slow"]).contains("out of the watched directory"));
    assert!(said(&["reload"]).contains("abide upgrade"));
    // An edit needs none of that.
    world.overwrite(
        "web.conf",
        &PROGRAMS.replace("[program:once]", "[program:more]\ncommand=/bin/cat\nstartsecs=0\n[program:once]"),
    );
    world.pid("more");
    assert_eq!(said(&["status", "more"]).split_whitespace().nth(1), Some("RUNNING"));
}

/// What a client in python prints, which has `server`, and `fault(method, ...)` that gives code and words of a fault.
fn python(program: &str, world: &World, script: &str) -> Output {
    const CLIENT: &str = "import http.client, socket, sys, xmlrpc.client
class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(sys.argv[1])
class Transport(xmlrpc.client.Transport):
    def make_connection(self, host):
        return Connection('localhost')
all = xmlrpc.client.ServerProxy('http://localhost/RPC2', Transport())
server, system = all.supervisor, all.system
def fault(method, *args):
    try:
        return method(*args)
    except xmlrpc.client.Fault as fault:
        return f'{fault.faultCode} {fault.faultString}'
def eventually(look):
    import time
    for _ in range(200):
        found = look()
        if found: return found
        time.sleep(0.1)
    raise SystemExit('never')
";
    let socket = world.runtime().join("control.sock");
    Command::new(program).args(["-c", &format!("{CLIENT}{script}")]).arg(socket).output().expect("it is there")
}

/// The same, which has to be these lines.
fn prints(world: &World, script: &str, expected: &[&str]) {
    let Some(program) = wanted("python3") else { return };
    let output = python(&program, world, script);
    let lines = String::from_utf8_lossy(&output.stdout);
    assert_eq!(lines.lines().collect::<Vec<_>>(), expected, "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_is_sent_to_a_process_is_read_by_it_however_much_it_is() {
    let world = programs();
    let script = "
print(repr(server.readProcessStdoutLog('cat:cat_00', 0, 0)))
print(server.sendProcessStdin('cat:cat_00', 'gr\u{fc}n\\n'))
print(eventually(lambda: server.readProcessStdoutLog('cat:cat_00', 0, 0)).strip())
many = ''.join(f'{n:07}\\n' for n in range(40000))
print(server.sendProcessStdin('cat:cat_01', many), server.sendProcessStdin('cat:cat_01', 'end\\n'))
size = len(many) + 4
print(eventually(lambda: server.tailProcessStdoutLog('cat:cat_01', 0, 12)[1] == size))
print(server.tailProcessStdoutLog('cat:cat_01', 0, 12))
print(server.readProcessStdoutLog('cat:cat_01', 8, 8).strip(), server.readProcessStdoutLog('cat:cat_01', -4, 0).strip())
print(fault(server.sendProcessStdin, 'db:db_0', 'x'))
print(fault(server.sendProcessStdin, 'slow', 'x'))
print(fault(server.sendProcessStdin, 'talk', 5))
";
    let expected = [
        "''",
        "True",
        "gr\u{fc}n",
        "True True",
        "True",
        "['0039999\\nend\\n', 320004, True]",
        "0000001 end",
        "20 NO_FILE: db:db_0",
        "70 NOT_RUNNING: slow",
        "2 INCORRECT_PARAMETERS: 5",
    ];
    prints(&world, script, &expected);
}

#[test]
fn methods_answer_and_fail_as_those_of_supervisord_do() {
    let world = programs();
    let script = "
info = server.getProcessInfo('talk')
print(sorted(info))
print(info['group'], info['state'], info['statename'], info['now'] - info['start'] < 60, info['stop'], info['spawnerr'] == '')
print(info['stdout_logfile'] == info['logfile'], open(info['stderr_logfile']).read().strip())
print(server.getProcessInfo('once')['exitstatus'], server.getProcessInfo('slow')['start'])
print([p['group'] + ':' + p['name'] for p in server.getAllProcessInfo()])
print([(c['name'], c['autostart'], c['inuse']) for c in server.getAllConfigInfo() if c['group'] in ('slow', 'db')])
print(server.getState(), server.getAPIVersion(), server.getIdentification(), server.getSupervisorVersion().split('+')[0])
print(fault(server.getProcessInfo, 'cat:*'), fault(server.getProcessInfo), fault(server.nothing))
print(fault(server.readProcessStdoutLog, 'talk', -1, 1), fault(server.tailProcessStderrLog, 'slow', 0, 9))
print(fault(server.signalProcess, 'talk', 'FOO'), fault(server.stopProcess, 'once'), fault(server.stopProcess, 'x:y'))
print(fault(server.startProcess, 'broken').split(':')[0], fault(server.restart).split(':')[0], server.clearProcessLogs('talk'))
print(server.reloadConfig(), server.sendRemoteCommEvent('a', 'b'), fault(server.clearLog).split(':')[0])
results = server.stopProcessGroup('cat')
print(sorted((r['name'], r['status'], r['description']) for r in results), server.getProcessInfo('cat:cat_00')['statename'])
call = lambda name, *args: {'methodName': name, 'params': list(args)}
print(system.multicall([call('supervisor.startProcess', 'cat:cat_00'), call('supervisor.stopProcess', 'cat:cat_00'), call('a.b')]))
print(len(system.listMethods()), system.methodSignature('supervisor.startProcess'))
";
    let names =
        "['broken:broken', 'cat:cat_00', 'cat:cat_01', 'db:db_0', 'db:db_1', 'once:once', 'slow:slow', 'talk:talk']";
    let fields = "['description', 'exitstatus', 'group', 'logfile', 'name', 'now', 'pid', 'spawnerr', 'start', 'state', \
                  'statename', 'stderr_logfile', 'stdout_logfile', 'stop']";
    let methods = abide::supervisord::rpc::METHODS.len();
    let expected = [
        fields,
        "talk 20 RUNNING True 0 True",
        "True err",
        "7 0",
        names,
        "[('db_0', True, True), ('db_1', True, True), ('slow', False, True)]",
        "{'statecode': 1, 'statename': 'RUNNING'} 3.0 supervisor 4.3.0",
        "10 BAD_NAME: cat:* 2 INCORRECT_PARAMETERS 1 UNKNOWN_METHOD",
        "3 BAD_ARGUMENTS ['', 0, False]",
        "11 BAD_SIGNAL: FOO 70 NOT_RUNNING: once 10 BAD_NAME: x:y",
        "50 SPAWN_ERROR 30 FAILED True",
        "[[[], [], []]] True 30 FAILED",
        "[('cat_00', 80, 'OK'), ('cat_01', 80, 'OK')] STOPPED",
        "[True, True, {'faultCode': 1, 'faultString': 'UNKNOWN_METHOD'}]",
        &format!("{methods} ['boolean', 'string', 'boolean']"),
    ];
    prints(&world, script, &expected);
}

#[test]
fn a_process_finds_who_runs_it_and_a_shutdown_is_the_orderly_end() {
    let mut world = programs();
    let environment = fs::read(format!("/proc/{}/environ", world.pid("talk"))).expect("it lives");
    let url = format!("SUPERVISOR_SERVER_URL=unix://{}/control.sock", world.runtime().display());
    assert!(environment.split(|byte| *byte == 0).any(|it| it == url.as_bytes()));
    let talk = world.pid("talk");
    prints(&world, "print(server.shutdown())", &["True"]);
    assert_eq!(world.ended().code(), Some(0));
    assert!(!alive(talk));
}

#[test]
fn a_log_is_followed_as_it_grows() {
    let world = World::with(&[]);
    let line = "while read -r line; do echo \"$line\"; done";
    world.drop_file("web.conf", &format!("[program:web]\ncommand=/bin/sh -c '{line}'\nstartsecs=0\n"));
    world.drop_file(
        "own.toml",
        &format!("command = [\"/bin/sh\", \"-c\", \"echo one; sleep 1; echo two; {}\"]\n", "exec sleep 86400"),
    );
    world.pid("web");
    let call = |text: &str| {
        let param = |text: &str| format!("<param><value>{text}</value></param>");
        let method = "<methodName>supervisor.sendProcessStdin</methodName>";
        let body = format!("<methodCall>{method}<params>{}{}</params></methodCall>", param("web"), param(text));
        let (code, _, answer) = ask(&world, "POST", "/RPC2", &body);
        assert!(code == 200 && String::from_utf8_lossy(&answer).contains("<boolean>1"));
    };
    call("first\n");
    let mut follows = Stream::open(&world, "/logtail/web", None);
    follows.until("first\n");
    call("second\n");
    follows.until("second\n");
    assert_eq!(
        Stream::open(&world, "/logtail/own/stdout", None).until("two\n"),
        "one\ntwo\n",
        "without what abide puts before"
    );
    Stream::open(&world, "/mainlogtail", None).until("\"service\"");
    for path in ["/logtail/none", "/logtail/web/other", "/logtail/"] {
        assert_eq!(ask(&world, "GET", path, "").0, 404, "{path}");
    }
}

#[test]
fn who_may_only_look_changes_nothing() {
    let mut world = World::empty();
    let port = super::doors::http::free_port();
    let sha256 = abide::model::service::Version::of(b"reader").to_string().replace("sha256:", "");
    let rules = format!(
        "[http]\nlisten = {port}\n[[http.token]]\nname = \"reader\"\nsha256 = \"{sha256}\"\nmay = \"read\"\nservices = [\"web\"]\n\
         [[access]]\nusers = [54003]\nmay = \"operate\"\nservices = [\"web\"]\n"
    );
    world.replace(&world.root().join("abide.toml"), &rules);
    for name in ["web", "db"] {
        world.drop_file(&format!("{name}.toml"), SLEEPER);
    }
    world.start();
    let web = world.pid("web");
    assert_eq!(over_tcp(port, "GET", "/logtail/web", &[]).status, 401);
    assert_eq!(over_tcp(port, "GET", "/mainlogtail", &["authorization: Bearer reader"]).status, 404);
    if !is_root() {
        return skip_for_users("only root becomes another user");
    }
    let call = |method: &str, params: &[&str]| {
        let param = |text: &&str| format!("<param><value>{text}</value></param>");
        let params = params.iter().map(param).collect::<Vec<_>>().concat();
        let body = format!("<methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>");
        let user = User { uid: 54_003, groups: &[] };
        let (code, _, answer) = as_user(user, || ask(&world, "POST", "/RPC2", &body));
        (code, String::from_utf8_lossy(&answer).into_owned())
    };
    let (code, all) = call("supervisor.getAllProcessInfo", &[]);
    assert!(code == 200 && all.contains("<string>web") && !all.contains("<string>db"), "{all}");
    assert!(call("supervisor.stopProcess", &["db"]).1.contains("BAD_NAME: db"));
    assert!(call("supervisor.shutdown", &[]).1.contains("may not do everything"));
    assert!(call("supervisor.readLog", &["0", "0"]).1.contains("INCORRECT_PARAMETERS"));
    assert!(call("supervisor.stopProcess", &["web"]).1.contains("<boolean>1"));
    assert!(!alive(web));
    world.replace(&world.root().join("abide.toml"), &rules.replace("operate", "read"));
    world
        .until_true("it may only look", || call("supervisor.startProcess", &["web"]).1.contains("may not operate web"));
    assert!(call("supervisor.reloadConfig", &[]).1.contains("may only look"));
}

/// Sends all that is taken of it, and reads until the other end closes.
fn raw(world: &World, request: &[u8]) -> String {
    let mut stream = UnixStream::connect(world.runtime().join("control.sock")).expect("abide listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a time");
    let _ = stream.write_all(request);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn nothing_that_is_sent_does_harm() {
    let world = World::with_sleepers("a");
    let body = |inner: &str| format!("<methodCall><methodName>supervisor.getState</methodName>{inner}</methodCall>");
    let param = |value: &str| body(&format!("<params><param><value>{value}</value></param></params>"));
    let entity = |(to, of): (char, char)| format!("<!ENTITY {to} \"{}\">", format!("&{of};").repeat(10));
    let entities = ('b'..'k').zip('a'..'j').map(entity).collect::<Vec<_>>().concat();
    let nested = |open: &str, close: &str, count: usize| format!("{}1{}", open.repeat(count), close.repeat(count));
    for (what, sent) in [
        ("a bomb", format!("<!DOCTYPE a [<!ENTITY a \"aaaaaaaaaa\">{entities}]>{}", param("&j;"))),
        ("a file of this machine", format!("<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>{}", param("&x;"))),
        ("nested arrays", param(&nested("<array><data><value>", "</value></data></array>", 3000))),
        ("nested structs", param(&nested("<struct><member><name>a</name><value>", "</value></member></struct>", 3000))),
        ("nested elements", "<a>".repeat(300_000)),
        ("many attributes", format!("<a {}/>", "a='' ".repeat(80_000))),
        ("many namespaces", "<a xmlns:b='c'>".repeat(60_000)),
        ("no number", param("<int>99999999999</int>")),
        ("no type", param("<nil/>")),
        ("nothing", String::new()),
        ("half of a body", body("")[..40].to_owned()),
        ("no method", "<methodCall/>".to_owned()),
        ("JSON", "{}".to_owned()),
    ] {
        assert_eq!(ask(&world, "POST", "/RPC2", &sent).0, 400, "{what}");
    }
    for sent in [
        param("1"),
        param("<struct/>"),
        body("").replace("getState", "getProcessInfo"),
        body("").replace("getState", "_x"),
    ] {
        let (code, _, answer) = ask(&world, "POST", "/RPC2", &sent);
        let answer = String::from_utf8_lossy(&answer);
        assert!(code == 200 && answer.contains("faultCode"), "{sent}: {code} {answer}");
    }
    let head = |length: usize| {
        format!("POST /RPC2 HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n")
    };
    let huge = [head(100 << 20).into_bytes(), vec![b'x'; 100 << 20]].concat();
    let answer = raw(&world, &huge);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    let answer = raw(&world, format!("{}<methodCall>", head(500)).as_bytes());
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert!(raw(&world, b"POST /RPC2 HTT").is_empty() || raw(&world, b"POST /RPC2 HTT").starts_with("HTTP/1.1 400"));
    assert_eq!(ask(&world, "GET", "/RPC2", "").0, 400);
    let (code, _, answer) = ask(&world, "POST", "/RPC2/", &body(""));
    assert!(code == 200 && String::from_utf8_lossy(&answer).contains("RUNNING"), "it goes on as before");
}
