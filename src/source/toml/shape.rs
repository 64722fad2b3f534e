//! The service file: every key once, with the paragraph that explains it.
//!
//! What stands here is the one source of what is read, of the JSON Schema, of the reference and of
//! "did you mean". Every field is an `Option`: what a file does not say, another may.

mod life;
mod limits;
mod resources;
mod schedule;
mod security;

pub use life::{Health, Ready, Reload, Start, Update};
pub use limits::Limits;
pub use resources::Resources;
pub use schedule::Schedule;
pub use security::{Input, Security};

use super::life::{Codes, Commands, Ends, Steps, TypeWord};
use super::names::Names;
use super::select::{Patterns, RateText, To};
use super::table::table;
use super::values::{
    Account, ChoiceOf, CommandLine, Count, DurationText, Factor, Files, Instances, Mask, RotateText, Share, SignalText,
    Size,
};
use super::variables::{Inherit, Variables};
use crate::model::logging::{Compress, LogFormat, OnFull, RotateEvery, StderrTo};
use crate::model::name::ServiceName;
use crate::model::policy::{RestartWhen, StopScope};
use crate::model::select::{Ansi, Rate};
use crate::model::signal::Signal;
use schemars::JsonSchema;
use std::time::Duration;

table! {
    /// A service of abide: one file, one service.
    ServiceFile {
        /// The program and its arguments: a list of words, or one string that is split as a shell would,
        /// with no shell run. `${VAR}` and `${VAR:-default}` are expanded, `$$` is a dollar sign. A first
        /// word with a `/` is relative to `directory`; another is searched in the service's own PATH.
        command: CommandLine,
        /// Instead of `command`: a text run by `/bin/sh -e`. abide expands nothing in it.
        script: String,
        /// What `command` is: "simple" (its process is the service), "forking" (it leaves the service in the background and
        /// ends) or "oneshot" (it does one thing and ends; with success it counts as up, and its state is `ready`; what it
        /// leaves behind is ended). Until a forking one's process is found and while a oneshot runs, the state is
        /// `starting`. A failing oneshot is tried again, as `[restart]` has it. Default: "simple".
        #[schemars(with = "Option<ChoiceOf<TypeWord>>")]
        r#type: TypeWord,
        /// With `type = "forking"`: the file that then holds the pid of the service's process; `${VAR}` is expanded. It must
        /// be a process of the service. Default: the process is told from what is left.
        pid_file: String,
        /// With `type = "oneshot"`: whether it stays up once it has succeeded; false: its state is then `stopped`. When it is
        /// stopped, `[stop] command` and `after` are run. Default: true.
        remain: bool,
        /// For people: shown by `abide status`.
        description: String,
        /// Whether it should run at all. Default: true.
        enabled: bool,
        /// How many processes of it run. Each has its index, from 0, in ABIDE_INSTANCE. Default: 1.
        instances: Instances,
        /// The working directory, absolute; `${VAR}` is expanded. Default: the user's
        /// home; `/` for root, and for who has none (`/nonexistent`).
        directory: String,
        /// The user that it runs as: a name or a number. Default: the one that abide runs as.
        user: Account,
        /// Its primary group. Default: that of `user`.
        group: Account,
        /// Supplementary groups beside those that `user` is in.
        groups: Vec<Account>,
        /// File mode creation mask, octal and in quotes. Default: "0022".
        umask: Mask,
        /// Variables for its processes: text, numbers, true or false. `${VAR}` refers to the base, inherited
        /// and `environment_files` variables, never to others of this table.
        environment: Variables,
        /// Files of `NAME=value` lines, read in order; a path that begins with `-` may be missing. Quotes, comments
        /// and `export` are as in a shell; nothing in them is expanded.
        environment_files: Vec<String>,
        /// What of abide's own environment it gets: true (all), false (nothing), or a list of names. Default:
        /// false, and true where abide is PID 1. Always set: PATH (the usual directories), HOME, USER, LOGNAME and SHELL
        /// (of the service's user), LANG (abide's own, else C.UTF-8), ABIDE_INSTANCE and ABIDE_RUN, a mark by which abide
        /// knows its processes again. What is meant for abide alone (NOTIFY_SOCKET,
        /// WATCHDOG_*, LISTEN_*, ABIDE_*) is never handed on.
        inherit_environment: Inherit,
        /// Services that come first: it starts once each of these is ready, or has come to rest otherwise (failed for
        /// good, not enabled, done); it stops before those of them that stop too. One that is restarted meanwhile is
        /// no reason to touch it. Without `[ready]`, a service is ready when it has run for a second.
        after: Names,
        /// Services that it cannot do without: in order as `after`, and it runs only while each of these is up. When one
        /// is stopped, removed, or has failed for good, it is stopped before it, waits, and is started again once that
        /// one is up; a crash of it that is made good, and a restart after an edit, are none of these.
        requires: Names,
        /// As `after`, and a service of that name need not exist.
        wants: Names,
        /// When and how fast it is restarted after it ended by itself.
        restart: Restart,
        /// How it is stopped.
        stop: Stop,
        /// Commands around its start.
        start: Start,
        /// How one finds out that it is ready.
        ready: Ready,
        /// How one finds out that it is well.
        health: Health,
        /// How it takes up a change of its own configuration.
        reload: Reload,
        /// How a new version takes its place.
        update: Update,
        /// Resource limits, one key per RLIMIT of Linux: a number (soft and hard), a size or duration where it is
        /// one, "unlimited", or { soft, hard }. One that cannot be had keeps the service from starting.
        limits: Limits,
        /// What all its processes together may use.
        resources: Resources,
        /// What becomes of its output.
        log: Log,
        /// Its standard input: "null" (`/dev/null`), or "file:" and the absolute path of a file that it can read;
        /// `${VAR}` is expanded. Default: "null".
        stdin: Input,
        /// How the kernel schedules its processes.
        schedule: Schedule,
        /// What its processes may do, and what they see of the machine.
        security: Security,
    }
    later &[
        "before", "socket", "exit",
    ]
}

table! {
    /// When and how fast a service is restarted after it ended by itself. A run of at least `reset_after` was
    /// good: the restart after it is immediate. Else the delay doubles (`factor`) with each attempt. A run that never became
    /// ready, where `[ready]` says when that is, was not good. Where all that would let a service that fails at once start
    /// without a pause and without end, its starts are kept 100ms apart.
    Restart {
        /// "always", "on-failure" (a code other than 0, a signal, or unknown) or "never". Default: "always"; of a oneshot
        /// "on-failure".
        #[schemars(with = "Option<ChoiceOf<RestartWhen>>")]
        policy: RestartWhen,
        /// The first delay after a run that was not good. Default: "500ms".
        #[schemars(with = "Option<DurationText>")]
        delay: Duration,
        /// The longest delay. Default: "1m".
        #[schemars(with = "Option<DurationText>")]
        max_delay: Duration,
        /// By what the delay grows with each attempt. Default: 2.
        factor: Factor,
        /// How much the delay is spread: 0.1 is between 90 % and 110 %. Default: 0.1.
        jitter: Share,
        /// How long a run must last to count as good. Default: "2s".
        #[schemars(with = "Option<DurationText>")]
        reset_after: Duration,
        /// Give up (state `failed`) after more than `count` restarts within `window`. Default: never.
        limit: RestartLimit,
        /// Ends that are a success beside code 0: codes as numbers, signals by name. Default: none.
        success: Ends,
        /// Codes after which it is never restarted: its state is `failed` until its file changes. Default: none.
        never_on: Codes,
        /// The name of another service, which is started while this one is given up (state `failed`), even where its
        /// own file says `enabled = false`.
        #[schemars(with = "Option<String>")]
        on_give_up: ServiceName,
        /// It is restarted when it has run for so long: stopped as after an edit, and started. Default: never.
        #[schemars(with = "Option<DurationText>")]
        max_age: Duration,
        /// It is restarted in the same way when its processes use more memory than this, which is looked at every 30
        /// seconds. Default: none.
        max_memory: Size,
    }
    later &["schedule"]
}

table! {
    /// How many restarts within what time are too many.
    RestartLimit {
        /// So many restarts are still all right.
        count: Count,
        /// Within this time.
        #[schemars(with = "Option<DurationText>")]
        window: Duration,
    }
    later &[]
}

table! {
    /// How a service is stopped: the signal (then CONT), so long, then KILL. A `command` comes before all of that.
    Stop {
        /// The polite signal, by name or number. Default: "TERM".
        #[schemars(with = "Option<SignalText>")]
        signal: Signal,
        /// How long it may take before KILL. Default: "10s".
        #[schemars(with = "Option<DurationText>")]
        timeout: Duration,
        /// What is reached: "tree" (all that it started: its cgroup, or what can be told to be its), "group" (its
        /// process group) or "process". Default: "tree".
        #[schemars(with = "Option<ChoiceOf<StopScope>>")]
        scope: StopScope,
        /// Run first, written as `command` is, with MAINPID the service's process. What still lives when it has ended, or
        /// after `timeout`, is sent the signals.
        command: CommandLine,
        /// In place of `signal`: signals one after the other, each with the time until the next, then KILL.
        steps: Steps,
        /// Run one after the other once all of it has ended, before it rests or starts again: as the service runs, for at most
        /// `timeout` each, also when a start has failed. ABIDE_EXIT_CODE or ABIDE_EXIT_SIGNAL (such as "SIGTERM")
        /// tells how it ended; a shell reads it where `$$ABIDE_EXIT_CODE` is written.
        after: Commands,
    }
    later &["before"]
}

table! {
    /// What becomes of a service's output.
    Log {
        /// The directory that holds `NAME/current`, absolute; `${VAR}` is expanded. Default: abide's log directory.
        directory: String,
        /// "file", or in place of that the log of another: "journald", "journald:NAMESPACE", "syslog" (as syslog(3), to
        /// /dev/log), or RFC 5424: "syslog:/PATH", "syslog:HOST:PORT" (over TCP). Default: "file".
        to: To,
        /// A program that gets the output in its standard input, in place of a file: a list of words, or a line as for a shell.
        /// It is a service of its own, `NAME.log`, with this one's user, directory and variables.
        command: CommandLine,
        /// The form of a line: "text" (time, stream, line), "json" (one object a line; a line that is an object itself is
        /// kept as one under `data`), "tai64n" (as `multilog t` writes it), or "plain" (the bytes as they come);
        /// or "multilog": as "tai64n", and the files as multilog has them (`@LABEL.s`, `state`, `lock`), uncompressed.
        /// Default: "text".
        #[schemars(with = "Option<ChoiceOf<LogFormat>>")]
        format: LogFormat,
        /// "merge": in one pipe with stdout, in the exact order of both, stream `-`. "separate": a pipe of its own, each line
        /// marked `out` or `err`. "discard": nobody reads it. Default: "merge".
        #[schemars(with = "Option<ChoiceOf<StderrTo>>")]
        stderr: StderrTo,
        /// Longer lines are split, and the parts marked. From "64B" to "16KiB". Default: "16KiB".
        max_line: Size,
        /// What becomes of lines that cannot be written, on a full disk say: "drop" loses and counts them, "block" leaves them
        /// in the pipe, and the service waits once that is full. Default: "drop".
        #[schemars(with = "Option<ChoiceOf<OnFull>>")]
        on_full: OnFull,
        /// So many lines of an instance are written in a time: "1000/s", "100/min", "50/10s". Those above it are left out
        /// and counted, and the log says how many. Default: as many as come.
        #[schemars(with = "Option<RateText>")]
        rate_limit: Rate,
        /// Regular expressions: a line is kept if one of them matches. Default: all are kept.
        include: Patterns,
        /// Regular expressions: a line is left out, uncounted, if one of them matches.
        exclude: Patterns,
        /// Regular expressions of secrets: `[redacted]` stands in the file for what their groups match, or for the whole
        /// match, such as `password=(\S+)`.
        redact: Patterns,
        /// What becomes of the escape sequences that colour a terminal: "keep" or "strip". Default: "keep".
        #[schemars(with = "Option<ChoiceOf<Ansi>>")]
        ansi: Ansi,
        /// `current` is rotated before it grows beyond this. Default: "10MiB".
        max_size: Size,
        /// When it is rotated besides: "hourly", "daily" (at midnight UTC), or a time such as "6h". With the first line
        /// after that, so a silent service makes no files. Default: by size alone.
        #[schemars(with = "Option<RotateText>")]
        rotate: RotateEvery,
        /// How many rotated files are kept. Default: 5.
        max_files: Files,
        /// How long rotated files are kept, such as "30d". Checked at each rotation. Default: without bound.
        #[schemars(with = "Option<DurationText>")]
        max_age: Duration,
        /// How many bytes of rotated files are kept, as they are on disk. Default: without bound.
        max_total: Size,
        /// How rotated files are compressed, seconds after the rotation and at the lowest priority: "zstd", "gzip" or "none".
        /// `abide logs` reads them all. Default: "zstd".
        #[schemars(with = "Option<ChoiceOf<Compress>>")]
        compress: Compress,
    }
    later &[]
}

/// What other supervisors call some of our keys.
const SYNONYMS: [(&str, &str); 36] = [
    ("cmd", "command"),
    ("exec", "command"),
    ("exec_start", "command"),
    ("run", "command"),
    ("program", "command"),
    ("cwd", "directory"),
    ("workdir", "directory"),
    ("working_directory", "directory"),
    ("dir", "directory"),
    ("env", "environment"),
    ("env_file", "environment_files"),
    ("environment_file", "environment_files"),
    ("autostart", "enabled"),
    ("disabled", "enabled"),
    ("numprocs", "instances"),
    ("replicas", "instances"),
    ("nofile", "open_files"),
    ("nproc", "processes"),
    ("fsize", "file_size"),
    ("memlock", "memory_lock"),
    ("when", "policy"),
    ("kill_timeout", "timeout"),
    ("pidfile", "pid_file"),
    ("success_codes", "success"),
    ("exitcodes", "success"),
    ("max_memory_restart", "max_memory"),
    ("remain_after_exit", "remain"),
    ("no_new_privs", "no_new_privileges"),
    ("capability_bounding_set", "capabilities"),
    ("root_directory", "chroot"),
    ("read_only_directories", "read_only_paths"),
    ("inaccessible_directories", "inaccessible_paths"),
    ("oom_score_adj", "oom_score_adjust"),
    ("ionice", "io_class"),
    ("affinity", "cpu_affinity"),
    ("standard_input", "stdin"),
];

/// The key among `keys` that is `word` in another supervisor's language.
pub(super) fn synonym(word: &str, keys: &[&str]) -> Option<&'static str> {
    let found = SYNONYMS.iter().find(|(other, _)| *other == word)?.1;
    keys.contains(&found).then_some(found)
}

/// Where `key`, unknown in the table `path`, belongs instead.
pub(super) fn misplaced(path: &str, key: &str) -> Option<String> {
    // `nice` is a limit too: who writes it at the top means the value.
    let tables = [
        ("restart", Restart::KEYS),
        ("stop", Stop::KEYS),
        ("schedule", Schedule::KEYS),
        ("security", Security::KEYS),
        ("limits", Limits::KEYS),
        ("resources", Resources::KEYS),
        ("log", Log::KEYS),
        ("ready", Ready::KEYS),
        ("health", Health::KEYS),
        ("reload", Reload::KEYS),
        ("update", Update::KEYS),
    ];
    if !path.is_empty() && path != "defaults" {
        let of_service = path.split('.').all(|part| ServiceFile::KEYS.contains(&part) || part == "defaults");
        // Of a table's name, such as `log`, a key of another table is meant.
        let is_table = tables.iter().any(|(table, _)| *table == key) || key == "start";
        return (of_service && ServiceFile::KEYS.contains(&key) && !is_table)
            .then(|| "move it above the first `[table]`".to_owned());
    }
    let table = tables.into_iter().find(|(_, keys)| keys.contains(&key))?.0;
    let dot = if path.is_empty() { "" } else { "." };
    Some(format!("move it below `[{path}{dot}{table}]`"))
}
