//! What a configuration has beside its programs, and what becomes of that.

use super::{Host, raised};
use crate::model::limits::LimitKind;
use crate::supervisord::{Level, Reading};

/// Something that no service file has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The section that it stands in.
    pub section: String,
    /// The key, if it is not the whole section.
    pub key: Option<String>,
    /// Why.
    pub why: String,
}

/// What is otherwise with every program, whatever its keys say.
pub const OF_ALL: [&str; 4] = [
    "stdin is /dev/null, and no longer a pipe that nobody closes, for which no key stands: a program that reads it ends",
    "an end by an expected code within startsecs is an end, and no start that failed",
    "what was up and fell counts for `[restart] limit` too, if that happens as fast as starts that fail",
    "SUPERVISOR_SERVER_URL is set only where serverurl says it",
];

/// All that is lost of other sections than those of programs.
pub fn losses(reading: &Reading, host: &Host<'_>) -> Vec<Loss> {
    let mut losses = Vec::new();
    for (section, keys) in &reading.written {
        let mut lose = |key: Option<&str>, why: &str| {
            losses.push(Loss { section: section.clone(), key: key.map(str::to_owned), why: why.to_owned() });
        };
        match section.split(':').next().unwrap_or_default() {
            "supervisord" => {
                for key in keys {
                    if let Some(why) = of_daemon(key, reading, host) {
                        lose(Some(key), why);
                    }
                }
            }
            "group" if keys.contains("priority") => {
                lose(Some("priority"), "it only orders the starts; `after` and `requires` say who needs whom");
            }
            "unix_http_server" | "inet_http_server" => {
                lose(None, "no service has it: abide has an API of its own, see `[http]` of abide.toml");
            }
            "rpcinterface" => lose(None, "it belongs to the servers of supervisord"),
            "supervisorctl" | "ctlplugin" => lose(None, "supervisorctl alone reads it"),
            _ => {}
        }
    }
    // Of what belongs to a program there is a remark in its file.
    let of_others = reading.notes.iter().filter(|note| note.level == Level::Hint && !is_in_program(&note.section));
    losses.extend(of_others.map(|note| Loss {
        section: note.section.clone(),
        key: note.key.clone(),
        why: note.message.clone(),
    }));
    losses
}

/// Whether a section of that name makes processes.
pub fn is_of_programs(section: &str) -> bool {
    let kinds = ["program:", "group:", "fcgi-program:", "eventlistener:"];
    kinds.iter().any(|kind| section.starts_with(kind))
}

fn is_in_program(section: &str) -> bool {
    section.starts_with("program:")
}

/// Why a key of `[supervisord]` is not carried over, if it is not.
fn of_daemon(key: &str, reading: &Reading, host: &Host<'_>) -> Option<&'static str> {
    let is_raised = |kind| raised(reading, host).iter().any(|(raised, _)| *raised == kind);
    let in_foreground = reading.daemon.as_ref().is_some_and(|daemon| daemon.nodaemon);
    match key {
        "logfile" | "logfile_maxbytes" | "logfile_backups" | "loglevel" => {
            Some("abide has a log of its own, see `[log]` of abide.toml")
        }
        "pidfile" => Some("abide needs none: `abide status` finds it"),
        "nodaemon" | "silent" => Some("`abide run` stays in the foreground"),
        "childlogdir" | "nocleanup" => Some("AUTO logs are in abide's log directory, and stay there"),
        "identifier" => Some("it is in the names of AUTO logs and in events alone"),
        "umask" | "directory" if in_foreground => Some("with nodaemon it means nothing"),
        "minfds" if !is_raised(LimitKind::OpenFiles) => Some("a service of this machine may have as many open files"),
        "minprocs" if !is_raised(LimitKind::Processes) => Some("a service of this machine may have as many processes"),
        _ => None,
    }
}
