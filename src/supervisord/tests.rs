use super::*;

mod properties;

/// A machine with a root, a daemon and a `/tmp`.
pub(super) struct Machine(BTreeMap<String, String>);

impl Machine {
    pub(super) fn new() -> Self {
        let env = [("X", "x-of-env"), ("TMPDIR", "/nowhere")];
        Self(env.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }
}

impl Around for Machine {
    fn env(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    fn host(&self) -> &'static str {
        "node"
    }

    fn working_directory(&self) -> &'static str {
        "/work"
    }

    fn home(&self, user: Option<&str>) -> Option<String> {
        matches!(user, None | Some("root")).then(|| "/root".to_owned())
    }

    fn user(&self, name: &str) -> Option<(u32, u32)> {
        match name {
            "root" | "0" => Some((0, 0)),
            "daemon" | "1" => Some((1, 2)),
            _ => None,
        }
    }

    fn group(&self, name: &str) -> Option<u32> {
        matches!(name, "root" | "0").then_some(0)
    }

    fn is_directory(&self, path: &str) -> bool {
        matches!(path, "/" | "/tmp" | "/root" | "/etc/conf.d")
    }
}

fn source(path: &str, text: &str) -> Source {
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory).to_owned();
    Source { path: path.to_owned(), directory, text: text.to_owned() }
}

fn daemon(text: &str) -> Reading {
    read(&[source("/etc/s.conf", &format!("[supervisord]\n{text}"))], &Machine::new(), Way::Daemon)
}

fn watched(text: &str) -> Reading {
    read(&[source("/etc/s.conf", text)], &Machine::new(), Way::Watched)
}

fn good(text: &str) -> Reading {
    let reading = daemon(text);
    assert_eq!(reading.faults, []);
    reading
}

/// The first fault, and the text that it points at.
fn fault(text: &str) -> (Fault, String) {
    let full = format!("[supervisord]\n{text}");
    let fault = daemon(text).faults.into_iter().next().expect("it is refused");
    let part = full[fault.span.clone()].to_owned();
    (fault, part)
}

fn names(reading: &Reading) -> Vec<String> {
    let name = |group: &Group, process: &Process| format!("{}:{}", group.name, process.name);
    reading.groups.iter().flat_map(|group| group.processes.iter().map(|process| name(group, process))).collect()
}

#[test]
fn a_program_with_its_defaults() {
    let reading = good("[program:x]\ncommand=/bin/x -a 'b c'\n");
    let [group] = reading.groups.as_slice() else { panic!("there is one group") };
    assert_eq!((group.name.as_str(), group.priority, &group.kind), ("x", 999, &GroupKind::Plain));
    let [process] = group.processes.as_slice() else { panic!("there is one process") };
    assert_eq!((process.name.as_str(), process.program.as_str()), ("x", "program:x"));
    assert_eq!(process.words, Ok(["/bin/x", "-a", "b c"].map(str::to_owned).into()));
    assert_eq!((process.autostart, process.autorestart), (true, Autorestart::Unexpected));
    assert_eq!((process.startsecs, process.startretries, process.stopsignal, process.stopwaitsecs), (1, 3, 15, 10));
    assert_eq!((process.stopasgroup, process.killasgroup, process.redirect_stderr), (false, false, false));
    assert_eq!(process.exitcodes, [0]);
    let stream = Stream {
        logfile: LogFile::Auto,
        maxbytes: 50 << 20,
        backups: 10,
        capture_maxbytes: 0,
        events_enabled: false,
        syslog: false,
    };
    assert_eq!((&process.stdout, &process.stderr), (&stream, &stream));
    let daemon = reading.daemon.expect("it is good");
    assert_eq!((daemon.umask, daemon.childlogdir.as_str(), daemon.loglevel), (0o022, "/tmp", LogLevel::Info));
}

#[test]
fn several_processes_each_with_its_number() {
    let text = "[program:x]\ncommand=x %(process_num)d/%(numprocs)d\nprocess_name=%(program_name)s_%(process_num)02d\n\
                numprocs=2\nnumprocs_start=9\n";
    let reading = good(text);
    assert_eq!(names(&reading), ["x:x_09", "x:x_10"]);
    assert_eq!(reading.groups[0].processes[1].command, "x 10/2");
    assert!(fault("[program:x]\ncommand=x\nnumprocs=2\n").0.message.contains("process_num"));
    assert!(fault("[program:x]\ncommand=x\nnumprocs=999999999999\n").0.message.contains("numprocs"));
}

#[test]
fn environment_is_merged_and_known_by_its_names() {
    let text = "environment=A=1,B=\"%%%%\"\n[program:x]\nenvironment=C=\"%(ENV_A)s%(ENV_X)s\",A=2\n\
                command=%(ENV_C)s %(ENV_A)s\n";
    let reading = good(text);
    let process = &reading.groups[0].processes[0];
    let all: Vec<_> = process.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(all, ["A=2", "B=%", "C=1x-of-env"]);
    assert_eq!(process.command, "1x-of-env 2");
}

#[test]
fn logs() {
    let text = "[program:x]\ncommand=x\nstdout_logfile=/tmp/%%%%a\nstderr_logfile=/tmp/b\nredirect_stderr=true\n";
    let reading = good(text);
    let process = &reading.groups[0].processes[0];
    assert_eq!(process.stdout.logfile, LogFile::Path("/tmp/%a".to_owned()));
    assert_eq!(process.stderr.logfile, LogFile::Off);
    assert_eq!(reading.notes.iter().filter(|note| note.level == Level::Warning).count(), 1);
    let reading = good("[program:x]\ncommand=x\nstdout_logfile=syslog\nstderr_logfile=OFF\n");
    let process = &reading.groups[0].processes[0];
    assert_eq!((&process.stdout.logfile, process.stdout.syslog), (&LogFile::Off, true));
    assert_eq!((&process.stderr.logfile, process.stderr.syslog), (&LogFile::Off, false));
    assert!(fault("[program:x]\ncommand=x\nstdout_logfile=/nowhere/y\n").0.message.contains("/nowhere/y"));
}

#[test]
fn a_group_takes_its_programs() {
    let text = "[program:x]\ncommand=x\n[program:y]\ncommand=y\npriority=1\n[group:g]\nprograms=x, y\n\
                [group:h]\nprograms=x\npriority=5\n[program:z]\ncommand=z\n";
    assert_eq!(names(&good(text)), ["h:x", "g:y", "g:x", "z:z"]);
    let (fault, part) = fault("[group:g]\nprograms=q\n");
    assert!(fault.message.contains("[group:g]") && fault.message.contains("'q'"));
    assert_eq!(part, "q");
}

#[test]
fn listeners_and_fcgi_programs() {
    let text =
        "[eventlistener:e]\ncommand=e\nevents=tick_5,EVENT\n[fcgi-program:f]\ncommand=f\nsocket=unix:///tmp/../s\n";
    let reading = good(text);
    assert_eq!(names(&reading), ["e:e", "f:f"]);
    assert_eq!((reading.groups[0].priority, reading.groups[0].processes[0].priority), (-1, 999));
    let GroupKind::Listener { events, buffer_size: 10, .. } = &reading.groups[0].kind else { panic!("it listens") };
    assert_eq!(events, &["EVENT", "TICK_5"]);
    let GroupKind::Fcgi { socket, .. } = &reading.groups[1].kind else { panic!("it has a socket") };
    assert_eq!(socket.url(), "unix:///s");
    let grouped = good(&format!("{text}[group:g]\nprograms=f\n"));
    assert_eq!(grouped.groups[1].kind, GroupKind::Plain);
    let head = "[eventlistener:e]\ncommand=e\nevents=";
    assert_eq!(fault(&format!("{head}TICK_6\n")).0.help, "did you mean TICK_5?");
    assert!(fault(&format!("{head}\n")).0.message.contains("events"));
    assert!(fault(&format!("{head}TICK\nredirect_stderr=1\n")).0.message.contains("redirect_stderr"));
    for socket in ["x", "tcp://h:0", "unix://x", "tcp://h:1\nsocket_mode=0700", "tcp://h:1\nsocket_owner=root"] {
        assert_eq!(fault(&format!("[fcgi-program:f]\ncommand=f\nsocket={socket}\n")).0.key.as_deref(), Some("socket"));
    }
}

#[test]
fn servers_and_plugins() {
    let text = "[unix_http_server]\nfile=%(here)s/x/../s\nchown=daemon:root\n[inet_http_server:b]\nport=Host:1\n\
                username=u\npassword=p:%%\n[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=m:c\na=%(here)s\n\
                [supervisorctl]\nserverurl=unix:///s\n";
    let reading = good(text);
    let [inet, unix] = reading.servers.as_slice() else { panic!("there are two") };
    assert_eq!(inet.endpoint, Endpoint::Inet { host: "host".to_owned(), port: 1 });
    assert_eq!(inet.credentials, Some(("u".to_owned(), "p:%".to_owned())));
    let chown = Some(Owner { uid: 1, gid: Some(0) });
    assert_eq!(unix.endpoint, Endpoint::Unix { file: "/etc/s".to_owned(), chmod: 0o700, chown });
    assert_eq!(reading.rpc_interfaces[0].extra["a"], "/etc");
    assert_eq!(reading.ctl.map(|ctl| ctl.serverurl).as_deref(), Some("unix:///s"));
    assert!(fault("[inet_http_server]\nport=1\nusername=u\n").0.message.contains("[inet_http_server]"));
    let reading = good("[supervisorctl]\nserverurl=%(nope)s\n");
    assert_eq!((reading.ctl, reading.ctl_faults.len()), (None, 1));
}

#[test]
fn faults_say_where_and_what() {
    let (fault, part) = fault("[program:x]\ncommand=x\n  10% y\n");
    assert_eq!(part, "% y");
    assert!(fault.message.contains("program:x.command") && fault.message.contains("badly formatted"));
    assert!(fault.message.ends_with(" in section 'program:x' (file: '/etc/s.conf')"));
    assert_eq!(fault.key.as_deref(), Some("command"));
    let (fault, part) = self::fault("[program:x]\ncommand=x %(nope)s\n");
    assert_eq!(part, "%(nope)");
    assert!(fault.message.contains("'nope'") && fault.message.contains("ENV_TMPDIR, ENV_X, group_name, here"));
    let (fault, part) = self::fault("[program:x]\nautostart=1\n");
    assert!(part == "[program:x]" && fault.message.contains("command"));
    assert_eq!(self::fault("[program:x]\ncommand=x\nautostart=maybe\n").1, "maybe");
    assert_eq!(self::fault("[program:x]\ncommand=x\nenvironment=A=1,\n  B=x=y,C=1\n").1, "y,C");
}

#[test]
fn all_faults_of_a_section_are_found() {
    let keys: Vec<_> = daemon("[program:x]\nautostart=q\nstartsecs=q\ndirectory=%\n").faults;
    let keys: Vec<_> = keys.into_iter().filter_map(|fault| fault.key).collect();
    assert_eq!(keys, ["autostart", "startsecs", "directory", "command"]);
}

#[test]
fn supervisords_own_file_needs_its_section() {
    let text = "[program:x]\ncommand=x\n";
    let reading = read(&[source("s.conf", text)], &Machine::new(), Way::Daemon);
    assert!(reading.faults[0].message.contains("supervisord section"));
    assert_eq!(names(&watched(text)), ["x:x"]);
}

#[test]
fn in_a_watched_file_a_fault_harms_its_own_groups() {
    let text = "[program:a]\ncommand=a\n[program:b]\nlost\ncommand=b\n[program:c]\ncommand=c\numask=9\n[program:d]\n\
                command=d\n[group:g]\nprograms=d,nope\n";
    let reading = watched(text);
    assert_eq!(names(&reading), ["a:a"]);
    let sections: Vec<_> = reading.faults.iter().map(|fault| fault.section.as_str()).collect();
    assert_eq!(sections, ["program:b", "group:g", "program:c"]);
    // Without what it should give them, no program is as it should be.
    assert!(watched("[supervisord]\nenvironment=A\n[program:a]\ncommand=a\n").groups.is_empty());
}

#[test]
fn included_files() {
    let main = "[supervisord]\n[include]\nfiles=conf.d/*.conf\n  %(here)s/%(host_node_name)s /x/%(ENV_X)s\n\
                [program:x]\ncommand=%(here)s\n";
    let main = source("/etc/s.conf", main);
    let globs = includes(&main, &Machine::new());
    assert_eq!(globs, Ok(["/etc/conf.d/*.conf", "/etc/node", "/x/x-of-env"].map(str::to_owned).into()));
    let more = "[program:x]\ndirectory=%(here)s\n[program:y]\nautostart=q\n[include]\nfiles=%(nope)s\n";
    let sources = [main, source("/etc/conf.d/a.conf", more)];
    let reading = read(&sources, &Machine::new(), Way::Daemon);
    let process = &reading.groups[0].processes[0];
    assert_eq!((process.command.as_str(), process.directory.as_deref()), ("/etc", Some("/etc/conf.d")));
    let fault = &reading.faults[0];
    assert_eq!((fault.file, &more[fault.span.clone()]), (1, "q"));
    assert!(fault.message.ends_with("(file: '/etc/conf.d/a.conf')"));
    assert_eq!(reading.notes[0].message, "Included extra file \"/etc/conf.d/a.conf\" during parsing");
    for text in ["[include]\n", "[include]\nfiles=%(program_name)s", "[include]\nfiles\n"] {
        assert!(includes(&source("/etc/s.conf", text), &Machine::new()).is_err(), "{text}");
    }
    assert_eq!(includes(&source("s", "[supervisord]\n"), &Machine::new()), Ok(Vec::new()));
}

#[test]
fn what_is_not_known_is_noted() {
    let reading = good("[programm:x]\n[program:y]\ncommand=y\nautostrt=1\n[DEFAULT]\nq=1\n");
    let said: Vec<_> = reading.notes.iter().map(|note| note.message.rsplit("; ").next().unwrap_or_default()).collect();
    assert_eq!(said, ["did you mean [program:x]?", "did you mean autostart?"]);
    assert_eq!(reading.groups[0].processes[0].extra["autostrt"], "1");
}

#[test]
fn what_makes_a_group_another() {
    let group = |text: &str| good(text).groups.remove(0);
    let one = group("[program:x]\ncommand=x\n");
    assert!(one.is_same(&group("; moved\n\n[program:x]\nSTARTSECS = 1\ncommand : x ; y\nmine=2\n")));
    let others = [
        "command=y",
        "command=x\npriority=1",
        "command=x\nuser=root",
        "command=x\nstdout_logfile=off",
        "command=x\numask=022",
    ];
    for other in others {
        assert!(!one.is_same(&group(&format!("[program:x]\n{other}\n"))), "{other}");
    }
    assert!(!one.is_same(&group("environment=A=1\n[program:x]\ncommand=x\n")));
    let fcgi = |more: &str| group(&format!("[fcgi-program:f]\ncommand=f\nsocket=unix:///{more}\n"));
    assert!(fcgi("s").is_same(&fcgi("s\nsocket_mode=0777\nsocket_backlog=9")) && !fcgi("s").is_same(&fcgi("t")));
    let listener = |more: &str| group(&format!("[eventlistener:e]\ncommand=e\nevents={more}\n"));
    assert!(!listener("TICK").is_same(&listener("TICK\nbuffer_size=3")));
    assert!(listener("TICK,EVENT").is_same(&listener("event,tick")));
}

#[test]
fn twins_are_kept_and_noted() {
    let reading = good("[program:x]\ncommand=x\npriority=2\n[eventlistener:x]\ncommand=e\nevents=TICK\n");
    assert_eq!(reading.groups.len(), 2);
    assert!(reading.notes.iter().any(|note| note.message.contains("another group 'x'")));
}
