//! Keys and values worth trying. Good ones are good by themselves; together they may be refused.

/// A key and its values.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) good: &'static [&'static str],
    pub(crate) bad: &'static [&'static str],
    /// Whether a section without it is refused or makes little sense.
    pub(crate) needed: bool,
    /// Whether any text is good.
    pub(crate) free: bool,
}

const fn key(name: &'static str, good: &'static [&'static str], bad: &'static [&'static str]) -> Key {
    Key { name, good, bad, needed: false, free: false }
}

const fn needed(key: Key) -> Key {
    Key { needed: true, ..key }
}

const fn free(key: Key) -> Key {
    Key { free: true, ..key }
}

const INTEGERS: &[&str] = &["0", "1", "7", " 10 ", "+3", "1_0", "%(ENV_TEN)s", "007"];
const NO_INTEGERS: &[&str] = &["", "x", "1.5", "0x1", "%(ENV_V)s", "%(nope)s", "1 2", "_1", "10%"];
const BOOLEANS: &[&str] = &["true", "No", "ON", "0", "1", "yes", "off"];
const NO_BOOLEANS: &[&str] = &["", "2", "y", "%(ENV_V)s", "true false", "%"];
const SIZES: &[&str] = &["0", "50MB", "1 kb", "2Gb", "%(ENV_TEN)sKB"];
const NO_SIZES: &[&str] = &["", "1K", "1.5MB", "MB", "%(x"];
const OCTALS: &[&str] = &["022", "0770", "0o22", "7"];
const NO_OCTALS: &[&str] = &["", "9", "rwx", "0x1"];
const LOGS: &[&str] = &["AUTO", "none", "Off", "/tmp/x.log", "~/y", "z.log", "/tmp/%(program_name)s", "/tmp/%%%%a", ""];
const NO_LOGS: &[&str] = &["/nowhere/x", "/tmp/%%", "~nobody99/x", "%(ENV_PERCENT)s", "%(ENV_NOPE)s"];
const SYSLOG: &[&str] = &["syslog", "SYSLOG", "/tmp/%(process_num)02d.log", "%(here)s/l", "/tmp/%%(program_name)s"];
const ENVIRONMENTS: &[&str] = &[
    "A=1",
    "A=\"1\",B='2'",
    "A=b c",
    "A=\"a,b=c\", B=x,",
    "A=~/x",
    "A=\"\"",
    "A=\"it's\"",
    "A-B=1,C=x:y",
    "A=ab\"cd\"",
    "A=\"a\"\"b\"",
    "A = 1 , B = 2",
    "A='%(ENV_V)s',B=%(ENV_TEN)s",
    "A=\"%(here)s\"",
    "A=\"%(ENV_HASH)s\"",
    "A=%(ENV_HASH)s",
    "A=%(ENV_COMMA)s",
    "A='1',B=''2'',C='''3",
    "",
    "A=b#c",
    "PATH=\"/bin:%(ENV_PATH)s\",V=w",
    "A=\\x",
];
const NO_ENVIRONMENTS: &[&str] =
    &["A", "A=", "A=x=y", "A=a@b", "A=b c,D=e", "A=${H}", "A='x", "A=é", "A=%(ENV_QUOTE)s", "A=1,,B=2", "=A", "A=100%"];
const OWNERS: &[&str] = &["root", "root:root", "0", "0:0", "daemon:root"];
const NO_OWNERS: &[&str] = &["", "nobody99", "root:", ":root", "root:nogroup99", "99999"];

/// What means something somewhere, or is white space to one reader and not to another.
pub(crate) const MARKS: &[&str] = &[
    " ", "\t", "=", ":", ",", ";", " ;", "#", " #", "'", "\"", "\\", "%%", "%%%%", "(", ")", "[", "]", "$", "~", "é",
    "\u{b}", "\u{c}", "\u{1c}", "\u{85}", "\u{a0}", "\u{2028}", "%",
];

pub(crate) const DEFAULT: &[Key] = &[key("command", &["default"], &[]), key("autostart", BOOLEANS, NO_BOOLEANS)];

pub(crate) const INCLUDE: &[Key] = &[needed(key(
    "files",
    &["d/*.conf", "d/a.conf", "%(here)s/d/b.conf none/*", "d/b.conf d/*.conf", "", "%(ENV_V)s/%(host_node_name)s d/*"],
    &["%(program_name)s", "d/%"],
))];

pub(crate) const DAEMON: &[Key] = &[
    key("logfile", &["syslog", "/tmp/s.log", "~/s.log", "s.log"], &["/nowhere/s.log"]),
    key("logfile_maxbytes", SIZES, NO_SIZES),
    key("logfile_backups", INTEGERS, NO_INTEGERS),
    key(
        "loglevel",
        &["critical", "ERROR", "warn", "Info", "debug", "trace", "blather"],
        &["warning", "crit", "", "10"],
    ),
    key("pidfile", &["/tmp/p", "%(here)s/p"], &["/nowhere/p", "%(host_node_name)s"]),
    key("umask", OCTALS, NO_OCTALS),
    key("nodaemon", BOOLEANS, NO_BOOLEANS),
    key("minfds", INTEGERS, NO_INTEGERS),
    key("nocleanup", BOOLEANS, NO_BOOLEANS),
    key("childlogdir", &["/tmp", "~", "%(here)s"], &["/nowhere", "", "~nobody99"]),
    key("user", &["root", "0"], &["nobody99", "99999", ""]),
    key("directory", &["/", "~"], &["/nowhere", ""]),
    key("strip_ansi", BOOLEANS, NO_BOOLEANS),
    key(
        "environment",
        &["A=1,Q=2", "S=\"%%%%\"", "A='%(ENV_V)s',B=%%(ENV_TEN)s", "H=%%(host_node_name)s", "V=new"],
        NO_ENVIRONMENTS,
    ),
    free(key("identifier", &["super", "%(ENV_V)s", ""], &["%(nope)s"])),
    key("silent", BOOLEANS, NO_BOOLEANS),
];

pub(crate) const SECTIONS: &[(&str, &[Key])] = &[
    ("program:", PROGRAM),
    ("program:", PROGRAM),
    ("program:", PROGRAM),
    ("program:", PROGRAM),
    ("group:", GROUP),
    ("group:", GROUP),
    ("eventlistener:", LISTENER),
    ("fcgi-program:", FCGI),
    ("inet_http_server", INET),
    ("unix_http_server", UNIX),
    ("rpcinterface:", RPC),
    ("supervisorctl", CTL),
    ("unknown:", GROUP),
];

const GROUP: &[Key] = &[
    needed(key("programs", &["x", "y", "x,y", "x , x", "z,", ""], &["nope", "x;y", "%(group_name)s", "x y"])),
    key("priority", INTEGERS, NO_INTEGERS),
];

const COMMAND: Key = needed(free(key(
    "command",
    &[
        "/bin/x -a",
        "sh -c 'x ; y'",
        "sh -c \"a \\\" b\" \\\\ \\x",
        "x %(ENV_V)s %(program_name)s-%(process_num)03d/%(numprocs)d",
        "x %(here)s %(group_name)s %(host_node_name)s",
        "date +%%s",
        "x %(ENV_A)s",
        "echo it's",
        "x a#b c;d #e",
        "x \"%(ENV_BLANK)s\" %(ENV_HASH)s '' é",
        "x %(process_num)5d|%(process_num)-5d|%(process_num)x|%(process_num)+.3d|%(numprocs)#o",
        "x %(program_name)5s|%(program_name)-5.1s|%(program_name)r|%(program_name)a|%(numprocs)s",
        "x %(numprocs)f %(numprocs).2e %(numprocs)G %(process_num)08.2f %(numprocs)#.3g",
        "x %(program_name)% %(numprocs) i %(numprocs)hX %(numprocs)+u",
        "",
        "x \\",
    ],
    &["x %(nope)s", "x 10%", "x %(program_name)d", "x %(ENV_NOPE)s", "x %z", "x %(program_name)", "x %(numprocs)*d"],
)));

macro_rules! program {
    ($($more:expr,)*) => {
        &[
            COMMAND,
            $($more,)*
            key(
                "process_name",
                &["p", "%(program_name)s", "%(program_name)s_%(process_num)02d", "%(group_name)s-%(process_num)d"],
                &["a b", "a:b", "%(process_num) d", "%(nope)s", "a/%(process_num)d"],
            ),
            key("numprocs", &["0", "1", "2", "3", "-1"], NO_INTEGERS),
            key("numprocs_start", &["0", "1", "-1", "10"], NO_INTEGERS),
            key("priority", INTEGERS, NO_INTEGERS),
            key("autostart", BOOLEANS, NO_BOOLEANS),
            key("startsecs", INTEGERS, NO_INTEGERS),
            key("startretries", INTEGERS, NO_INTEGERS),
            key("autorestart", &["true", "UNEXPECTED", "0", "Unexpected"], NO_BOOLEANS),
            key("exitcodes", &["", "0", "0,2", "1, 255", "%(ENV_TEN)s"], &[",", "0,", "256", "-1", "a", "0;1"]),
            key("stopsignal", &["TERM", "sigint", "9", "SigUsr1", "KILL", "HUP", "34"], &["", "FOO", "99", "33", "-1"]),
            key("stopwaitsecs", INTEGERS, NO_INTEGERS),
            key("stopasgroup", BOOLEANS, NO_BOOLEANS),
            key("killasgroup", &["true", "1"], &["0", "maybe"]),
            key("user", &["root", "daemon", "0", "1"], &["nobody99", "99999", "", "root:root"]),
            key("stdout_logfile", LOGS, NO_LOGS),
            key("stdout_logfile", SYSLOG, NO_LOGS),
            key("stderr_logfile", LOGS, NO_LOGS),
            key("stdout_logfile_maxbytes", SIZES, NO_SIZES),
            key("stderr_logfile_maxbytes", SIZES, NO_SIZES),
            key("stdout_logfile_backups", &["1", "%(process_num)d"], NO_INTEGERS),
            key("stdout_capture_maxbytes", SIZES, NO_SIZES),
            key("stderr_events_enabled", BOOLEANS, NO_BOOLEANS),
            key("stderr_syslog", BOOLEANS, NO_BOOLEANS),
            free(key("environment", ENVIRONMENTS, NO_ENVIRONMENTS)),
            free(key("directory", &["/tmp", "~/x", "%(here)s", "", "%(ENV_V)s/%(process_num)d"], &["%(nope)s", "%"])),
            key("umask", OCTALS, &["", "9", "%(process_num)d"]),
            free(key("serverurl", &["AUTO", " auto", "http://x:1", "", "%(ENV_V)s"], &["%(process_num)d", "%%%"])),
        ]
    };
}

const PROGRAM: &[Key] = program![key("redirect_stderr", BOOLEANS, NO_BOOLEANS),];

const LISTENER: &[Key] = program![
    needed(key(
        "events",
        &["TICK_5", "process_state, EVENT", "TICK,tick", "PROCESS_GROUP_ADDED"],
        &["", "NOPE", "TICK,"]
    )),
    key("buffer_size", &["1", "10"], &["0", "-1", "x", "%(program_name)s"]),
    key("redirect_stderr", &["false"], &["true", "x"]),
    key("result_handler", &["supervisor.dispatchers:default_handler"], &[]),
];

const FCGI: &[Key] = program![
    needed(key(
        "socket",
        &["unix:///tmp/../x//%(program_name)s.sock", "unix:///tmp/%(ENV_V)s", "tcp://Host:9000", "tcp://a:1"],
        &[
            "",
            "tcp://h",
            "tcp://h:0",
            "tcp://h:99999",
            "unix://x",
            "http://h:1",
            "tcp://:1",
            "%(process_num)d",
            "tcp://h:1 x"
        ],
    )),
    key("socket_owner", OWNERS, NO_OWNERS),
    key("socket_mode", OCTALS, NO_OCTALS),
    key("socket_backlog", &["1", "65535"], &["0", "65536", "-1", "x"]),
    key("redirect_stderr", BOOLEANS, NO_BOOLEANS),
];

const INET: &[Key] = &[
    needed(key(
        "port",
        &["9001", ":9001", "*:9001", "LocalHost: 80", "a:b:1", "[::1]:2"],
        &["", "0", "65536", ":", "x", "h:"],
    )),
    free(key("username", &["u", "%(ENV_V)s"], &["%(host_node_name)s"])),
    free(key("password", &["p", "{SHA}82ab876d1387bfafe46cc1c8a2ef074eae50cb1d", ""], &["%"])),
];

const UNIX: &[Key] = &[
    needed(free(key("file", &["/tmp/s", "~/s", "x/../s", "%(here)s/./s", "//a/..//b", "/../c/"], &["%(nope)s"]))),
    key("chmod", OCTALS, NO_OCTALS),
    key("chown", OWNERS, NO_OWNERS),
    free(key("username", &["u"], &[])),
    free(key("password", &["p"], &[])),
];

const RPC: &[Key] = &[
    needed(key("supervisor.rpcinterface_factory", &["supervisor.rpcinterface:make_main_rpcinterface"], &[])),
    free(key("retries", &["1", "%(ENV_V)s", "%%"], &["%", "%(nope)s"])),
];

const CTL: &[Key] =
    &[key("serverurl", &["http://localhost:9001", "nonsense", "%(nope)s"], &[]), key("prompt", &["x"], &[])];
