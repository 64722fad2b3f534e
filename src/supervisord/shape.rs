//! What a configuration says, as plain data.

use super::Place;
use std::collections::BTreeMap;

/// `[supervisord]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a key of its own")]
pub struct Daemon {
    /// Where its section is.
    pub place: Place,
    /// The main log.
    pub logfile: MainLog,
    /// The size at which it is rotated; 0 is never.
    pub logfile_maxbytes: i64,
    /// How many old ones are kept; 0 empties it in place.
    pub logfile_backups: i64,
    /// The least that it has.
    pub loglevel: LogLevel,
    /// The file with the daemon's pid, as written but for `~`.
    pub pidfile: String,
    /// The umask when it becomes a daemon.
    pub umask: u32,
    /// Whether it stays in the foreground.
    pub nodaemon: bool,
    /// Whether nothing goes to stdout even there.
    pub silent: bool,
    /// The least limit of open files.
    pub minfds: i64,
    /// The least limit of processes.
    pub minprocs: i64,
    /// Whether old AUTO logs are left alone.
    pub nocleanup: bool,
    /// Where AUTO logs are.
    pub childlogdir: String,
    /// The user to become.
    pub user: Option<String>,
    /// Where to go when it becomes a daemon.
    pub directory: Option<String>,
    /// Whether colours are taken out of what children say.
    pub strip_ansi: bool,
    /// What every child gets.
    pub environment: BTreeMap<String, String>,
    /// The name of this daemon.
    pub identifier: String,
}

/// Where the main log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MainLog {
    /// To syslog.
    Syslog,
    /// To this file, as written but for `~`.
    File(String),
}

/// What the main log has: this and all before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// `CRIT`.
    Critical,
    /// `ERRO`.
    Error,
    /// `WARN`.
    Warn,
    /// `INFO`.
    Info,
    /// `DEBG`.
    Debug,
    /// `TRAC`.
    Trace,
    /// `BLAT`.
    Blather,
}

/// An HTTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its section.
    pub section: String,
    /// Where that is.
    pub place: Place,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// User name and password. An empty user name asks for nothing.
    pub credentials: Option<(String, String)>,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// On TCP.
    Inet {
        /// The host in lower case; empty is every interface.
        host: String,
        /// The port.
        port: u16,
    },
    /// On a unix socket.
    Unix {
        /// Its absolute path.
        file: String,
        /// Its mode.
        chmod: u32,
        /// Whom it is given to.
        chown: Option<Owner>,
    },
}

/// The owner of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group; it stays as it is if there is none.
    pub gid: Option<u32>,
}

/// A user and the group that is the user's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// `[rpcinterface:NAME]` or `[ctlplugin:NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    /// Its name.
    pub name: String,
    /// Where its section is.
    pub place: Place,
    /// `module:callable` of Python.
    pub factory: String,
    /// The other keys of its section, expanded. Those of `[DEFAULT]` are not among them.
    pub extra: BTreeMap<String, String>,
}

/// `[supervisorctl]` and `[ctlplugin:NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ctl {
    /// Where the server is.
    pub serverurl: String,
    /// What to give the server.
    pub username: Option<String>,
    /// What to give the server.
    pub password: Option<String>,
    /// What stands before each command.
    pub prompt: String,
    /// Where the commands are kept.
    pub history_file: Option<String>,
    /// More commands.
    pub plugins: Vec<Plugin>,
}

/// Processes that are started, stopped and changed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Where its section is.
    pub place: Place,
    /// Lower starts earlier and stops later.
    pub priority: i64,
    /// What sort it is.
    pub kind: GroupKind,
    /// Its processes by priority and name.
    pub processes: Vec<Process>,
}

impl Group {
    /// Whether a running group need not be changed to be like `other`. Where it is written does not matter.
    pub fn is_same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.priority == other.priority
            && self.kind.is_same(&other.kind)
            && self.processes.len() == other.processes.len()
            && self.processes.iter().zip(&other.processes).all(|(one, two)| one.is_same(two))
    }
}

/// What sort of group it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupKind {
    /// `[program:NAME]` or `[group:NAME]`.
    Plain,
    /// `[fcgi-program:NAME]`.
    Fcgi {
        /// What all processes have as descriptor 0.
        socket: Socket,
        /// The length of the queue, if it is not the system's own.
        backlog: Option<u16>,
        /// The user of the program, who owns a unix socket without an owner.
        user: Option<Identity>,
    },
    /// `[eventlistener:NAME]`.
    Listener {
        /// The types of events that it wants, sorted, each once.
        events: Vec<String>,
        /// How many events wait at most.
        buffer_size: i64,
        /// `module:callable` of Python.
        result_handler: String,
    },
}

impl GroupKind {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fcgi { socket: one, .. }, Self::Fcgi { socket: two, .. }) => one.url() == two.url(),
            _ => self == other,
        }
    }
}

/// The socket of an fcgi-program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Socket {
    /// `tcp://host:port`.
    Tcp {
        /// The host in lower case.
        host: String,
        /// The port.
        port: u16,
    },
    /// `unix:///path`.
    Unix {
        /// Its absolute path.
        path: String,
        /// Its mode.
        mode: u32,
        /// Whom it is given to.
        owner: Option<Owner>,
    },
}

impl Socket {
    /// How it is written.
    pub fn url(&self) -> String {
        match self {
            Self::Tcp { host, port } => format!("tcp://{host}:{port}"),
            Self::Unix { path, .. } => format!("unix://{path}"),
        }
    }
}

/// When a process that ended by itself is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Autorestart {
    /// Always.
    Always,
    /// Never.
    Never,
    /// If its exit code is not an expected one.
    Unexpected,
}

/// Where the output of a process goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogFile {
    /// Nowhere.
    Off,
    /// To a file with a generated name.
    Auto,
    /// To this file, as written but for `~`.
    Path(String),
}

/// The keys of stdout or of stderr.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Where it goes.
    pub logfile: LogFile,
    /// The size at which that is rotated; 0 is never.
    pub maxbytes: i64,
    /// How many old ones are kept; 0 empties it in place.
    pub backups: i64,
    /// The most that is kept between the marks of an event; 0 is no capture.
    pub capture_maxbytes: i64,
    /// Whether each piece of it is an event.
    pub events_enabled: bool,
    /// Whether it goes to syslog too.
    pub syslog: bool,
}

/// One process of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a key of its own")]
pub struct Process {
    /// Its name.
    pub name: String,
    /// The name of its section.
    pub program: String,
    /// Where that is.
    pub place: Place,
    /// The command as it is shown.
    pub command: String,
    /// Its words, or why there are none.
    pub words: Result<Vec<String>, String>,
    /// Where it runs.
    pub directory: Option<String>,
    /// Its umask.
    pub umask: Option<u32>,
    /// Lower starts earlier and stops later.
    pub priority: i64,
    /// Whether it is started with its group.
    pub autostart: bool,
    /// When it is started again.
    pub autorestart: Autorestart,
    /// The seconds that it has to stay up to count as started.
    pub startsecs: i64,
    /// The tries after the first.
    pub startretries: i64,
    /// Its stdout.
    pub stdout: Stream,
    /// Its stderr.
    pub stderr: Stream,
    /// The number of the signal that stops it.
    pub stopsignal: i32,
    /// The seconds until it is killed.
    pub stopwaitsecs: i64,
    /// Whether its process group gets the stop signal.
    pub stopasgroup: bool,
    /// Whether its process group is killed.
    pub killasgroup: bool,
    /// The expected exit codes.
    pub exitcodes: Vec<u8>,
    /// Whether stderr goes where stdout goes.
    pub redirect_stderr: bool,
    /// What it gets over the daemon's own environment: that of `[supervisord]` and its own.
    pub environment: BTreeMap<String, String>,
    /// The value of `SUPERVISOR_SERVER_URL`; none is found by itself.
    pub serverurl: Option<String>,
    /// Whom it runs as.
    pub user: Option<Identity>,
    /// Where the value of each key of its section stands.
    pub places: BTreeMap<String, Place>,
    /// The keys that supervisord does not know, as written.
    pub extra: BTreeMap<String, String>,
}

impl Process {
    /// Whether a running process need not be changed to be like `other`. Where it is written does not matter, nor do
    /// keys that supervisord does not know.
    pub fn is_same(&self, other: &Self) -> bool {
        self.essence() == other.essence()
    }

    fn essence(&self) -> impl PartialEq + '_ {
        (
            (&self.name, self.user.map(|user| user.uid), &self.command, &self.directory, self.umask, self.priority),
            (self.autostart, self.autorestart, self.startsecs, self.startretries, &self.stdout, &self.stderr),
            (self.stopsignal, self.stopwaitsecs, self.stopasgroup, self.killasgroup, &self.exitcodes),
            (self.redirect_stderr, &self.environment, &self.serverurl),
        )
    }
}
