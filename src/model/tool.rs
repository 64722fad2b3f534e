//! The commands of daemontools and supervisord that abide is under their own names.

/// All of them, by name.
pub const NAMES: [&str; 20] = [
    "echo_supervisord_conf",
    "envdir",
    "envuidgid",
    "fghack",
    "multilog",
    "pgrphack",
    "pidproxy",
    "readproctitle",
    "setlock",
    "setuidgid",
    "softlimit",
    "supervise",
    "supervisorctl",
    "svc",
    "svok",
    "svscan",
    "svscanboot",
    "svstat",
    "tai64n",
    "tai64nlocal",
];
