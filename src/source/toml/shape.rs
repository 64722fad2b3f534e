//! The service file: every key once, with the paragraph that explains it.
//!
//! What stands here is the one source of what is read, of the JSON Schema, of the reference and of
//! "did you mean". Every field is an `Option`: what a file does not say, another may.

use super::bounds::{CountLimit, MicrosLimit, SecondsLimit, SizeLimit};
use super::reader::Value;
use super::values::{
    Account, ChoiceOf, CommandLine, Count, DurationText, Factor, Files, Instances, Mask, Share, SignalText, Size,
};
use super::variables::{Inherit, Variables};
use crate::model::limits::{LimitKind, Limits as ModelLimits};
use crate::model::policy::{RestartWhen, StopScope};
use crate::model::signal::Signal;
use schemars::JsonSchema;
use std::time::Duration;

/// Declares a table: its keys with their types and, after `later`, the keys that a later release will have.
macro_rules! table {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $key:ident: $type:ty,)+ } later $later:expr) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub struct $name {
            $($(#[$doc])* pub $key: Option<$type>,)+
        }

        impl $name {
            /// Its keys.
            pub const KEYS: &'static [&'static str] = &[$(stringify!($key)),+];
        }

        impl $crate::source::toml::reader::Value for $name {
            fn read(
                reader: &mut $crate::source::toml::reader::Reader<'_>,
                path: &str,
                node: &$crate::source::toml::reader::Node<'_>,
            ) -> Option<Self> {
                let ::toml::de::DeValue::Table(table) = node.get_ref() else {
                    reader.wrong_type(path, node, "a table", &format!("[{path}]"));
                    return None;
                };
                let mut read = Self::default();
                for (key, node) in table {
                    let inner = $crate::source::toml::shape::join(path, key.get_ref());
                    match key.get_ref().as_ref() {
                        $(stringify!($key) => {
                            let span = if node.get_ref().is_table() { key.span() } else { node.span() };
                            reader.place(&inner, span);
                            read.$key = $crate::source::toml::reader::Value::read(reader, &inner, node);
                        })+
                        other => reader.unknown(path, other, key.span(), Self::KEYS, $later),
                    }
                }
                Some(read)
            }

            fn over(self, under: Self) -> Self {
                Self { $($key: $crate::source::toml::shape::over(self.$key, under.$key),)+ }
            }
        }
    };
}
pub(crate) use table;

/// `key` inside the table `path`.
pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The upper one, completed by the lower one.
pub(crate) fn over<T: Value>(upper: Option<T>, under: Option<T>) -> Option<T> {
    match (upper, under) {
        (Some(upper), Some(under)) => Some(upper.over(under)),
        (upper, under) => upper.or(under),
    }
}

table! {
    /// A service of abide: one file, one service.
    ServiceFile {
        /// The program and its arguments: a list of words, or one string that is split as a shell would,
        /// with no shell run. `${VAR}` and `${VAR:-default}` are expanded, `$$` is a dollar sign. A first
        /// word with a `/` is relative to `directory`; another is searched in the service's own PATH.
        command: CommandLine,
        /// Instead of `command`: a text run by `/bin/sh -e`. abide expands nothing in it.
        script: String,
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
        /// (of the service's user) and LANG (abide's own, else C.UTF-8). What is meant for abide alone (NOTIFY_SOCKET,
        /// WATCHDOG_*, LISTEN_*, ABIDE_*) is never handed on.
        inherit_environment: Inherit,
        /// When and how fast it is restarted after it ended by itself.
        restart: Restart,
        /// How it is stopped.
        stop: Stop,
        /// Resource limits, one key per RLIMIT of Linux: a number (soft and hard), a size or duration where it is
        /// one, "unlimited", or { soft, hard }. One that cannot be had keeps the service from starting.
        limits: Limits,
        /// What becomes of its output.
        log: Log,
    }
    later &[
        "after", "requires", "wants", "before", "reload", "resources", "schedule", "security", "socket", "ready", "health",
        "update", "type", "start", "stdin", "pid_file", "remain", "exit", "chroot",
    ]
}

table! {
    /// When and how fast a service is restarted after it ended by itself. A run of at least `reset_after` was
    /// good: the restart after it is immediate. Else the delay doubles (`factor`) with each attempt. Where that
    /// would let a service that fails at once start without a pause and without end, its starts are kept 100ms apart.
    Restart {
        /// "always", "on-failure" (a code other than 0, a signal, or unknown) or "never". Default: "always".
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
    }
    later &["success", "success_codes", "never_on", "on_give_up", "max_age", "max_memory", "schedule"]
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
    /// How a service is stopped: the signal (then CONT), so long, then KILL.
    Stop {
        /// The polite signal, by name or number. Default: "TERM".
        #[schemars(with = "Option<SignalText>")]
        signal: Signal,
        /// How long it may take before KILL. Default: "10s".
        #[schemars(with = "Option<DurationText>")]
        timeout: Duration,
        /// What is reached: "tree" (all that it started), "group" (its process group) or "process". Default: "tree".
        #[schemars(with = "Option<ChoiceOf<StopScope>>")]
        scope: StopScope,
    }
    later &["command", "after", "steps", "before"]
}

table! {
    /// Resource limits (`setrlimit(2)`).
    Limits {
        /// Open file descriptors (RLIMIT_NOFILE).
        open_files: CountLimit,
        /// Processes and threads of the user (RLIMIT_NPROC).
        processes: CountLimit,
        /// Size of a core file (RLIMIT_CORE); 0 for none.
        core: SizeLimit,
        /// Size of a file that it writes (RLIMIT_FSIZE).
        file_size: SizeLimit,
        /// Size of the stack (RLIMIT_STACK).
        stack: SizeLimit,
        /// Memory locked into RAM (RLIMIT_MEMLOCK).
        memory_lock: SizeLimit,
        /// Address space (RLIMIT_AS).
        address_space: SizeLimit,
        /// Data segment and heap (RLIMIT_DATA).
        data: SizeLimit,
        /// Resident set (RLIMIT_RSS); Linux ignores it.
        resident_set: SizeLimit,
        /// CPU time (RLIMIT_CPU): seconds, or a duration.
        cpu_time: SecondsLimit,
        /// Ceiling of the nice value (RLIMIT_NICE): the kernel's number, 20 minus nice.
        nice: CountLimit,
        /// Ceiling of the real-time priority (RLIMIT_RTPRIO).
        realtime_priority: CountLimit,
        /// CPU time of a real-time process without a blocking call (RLIMIT_RTTIME): microseconds, or a duration.
        realtime_cpu: MicrosLimit,
        /// Queued signals (RLIMIT_SIGPENDING).
        pending_signals: CountLimit,
        /// Bytes in POSIX message queues (RLIMIT_MSGQUEUE).
        message_queue: SizeLimit,
        /// File locks (RLIMIT_LOCKS); Linux ignores it.
        locks: CountLimit,
    }
    later &[]
}

impl Limits {
    /// By kind.
    pub fn to_model(&self) -> ModelLimits {
        let of = |kind: LimitKind| match kind {
            LimitKind::OpenFiles => self.open_files.map(|limit| limit.0),
            LimitKind::Processes => self.processes.map(|limit| limit.0),
            LimitKind::Core => self.core.map(|limit| limit.0),
            LimitKind::FileSize => self.file_size.map(|limit| limit.0),
            LimitKind::Stack => self.stack.map(|limit| limit.0),
            LimitKind::MemoryLock => self.memory_lock.map(|limit| limit.0),
            LimitKind::AddressSpace => self.address_space.map(|limit| limit.0),
            LimitKind::Data => self.data.map(|limit| limit.0),
            LimitKind::ResidentSet => self.resident_set.map(|limit| limit.0),
            LimitKind::CpuTime => self.cpu_time.map(|limit| limit.0),
            LimitKind::Nice => self.nice.map(|limit| limit.0),
            LimitKind::RealtimePriority => self.realtime_priority.map(|limit| limit.0),
            LimitKind::RealtimeCpu => self.realtime_cpu.map(|limit| limit.0),
            LimitKind::PendingSignals => self.pending_signals.map(|limit| limit.0),
            LimitKind::MessageQueue => self.message_queue.map(|limit| limit.0),
            LimitKind::Locks => self.locks.map(|limit| limit.0),
        };
        LimitKind::ALL.into_iter().filter_map(|kind| Some((kind, of(kind)?))).collect()
    }
}

table! {
    /// What becomes of a service's output.
    Log {
        /// The directory that holds `NAME/current`, absolute; `${VAR}` is expanded. Default: abide's log directory.
        directory: String,
        /// `current` is rotated before it grows beyond this. Default: "10MiB".
        max_size: Size,
        /// How many rotated files are kept. Default: 5.
        max_files: Files,
    }
    later &["format", "max_age", "max_total", "compress", "stderr", "on_full", "max_line", "rate_limit"]
}

/// What other supervisors call some of our keys.
const SYNONYMS: [(&str, &str); 22] = [
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
];

/// The key among `keys` that is `word` in another supervisor's language.
pub(super) fn synonym(word: &str, keys: &[&str]) -> Option<&'static str> {
    let found = SYNONYMS.iter().find(|(other, _)| *other == word)?.1;
    keys.contains(&found).then_some(found)
}

/// Where `key`, unknown in the table `path`, belongs instead.
pub(super) fn misplaced(path: &str, key: &str) -> Option<String> {
    if !path.is_empty() && path != "defaults" {
        let of_service = path.split('.').all(|part| ServiceFile::KEYS.contains(&part) || part == "defaults");
        return (of_service && ServiceFile::KEYS.contains(&key))
            .then(|| "move it above the first `[table]`".to_owned());
    }
    let tables = [("restart", Restart::KEYS), ("stop", Stop::KEYS), ("limits", Limits::KEYS), ("log", Log::KEYS)];
    let table = tables.into_iter().find(|(_, keys)| keys.contains(&key))?.0;
    let dot = if path.is_empty() { "" } else { "." };
    Some(format!("move it below `[{path}{dot}{table}]`"))
}

/// The JSON Schema (draft 7) of the service file, for editors.
pub fn schema() -> serde_json::Value {
    schema_of::<ServiceFile>()
}

/// The same of any table.
pub fn schema_of<T: JsonSchema>() -> serde_json::Value {
    let generator = schemars::generate::SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    without_null(&mut schema);
    schema
}

/// TOML has no null: an optional key is one that may be absent, not one that may hold nothing.
fn without_null(value: &mut serde_json::Value) {
    use serde_json::Value as Json;
    match value {
        Json::Array(elements) => elements.iter_mut().for_each(without_null),
        Json::Object(map) => {
            if let Some(Json::Array(types)) = map.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [one] = types.as_slice() {
                    let one = one.clone();
                    map.insert("type".to_owned(), one);
                }
            }
            if let Some(Json::Array(choices)) = map.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
                // One choice is none; a reference stays wrapped, since draft 7 ignores what stands beside it.
                if let [Json::Object(only)] = choices.as_slice()
                    && !only.contains_key("$ref")
                {
                    let only = only.clone();
                    map.remove("anyOf");
                    map.extend(only);
                }
            }
            if let Some(Json::Array(words)) = map.get_mut("enum") {
                words.retain(|word| !word.is_null());
            }
            map.retain(|key, value| key != "default" || !value.is_null());
            map.values_mut().for_each(without_null);
        }
        _ => {}
    }
}
