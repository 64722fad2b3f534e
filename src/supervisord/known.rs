//! The sections and keys that supervisord knows. It ignores others without a word; here they are noted.

use super::quoted;
use super::sections::{Findings, Scene, Section};
use super::{Level, Note};
use crate::model::nearest::nearest;
use std::collections::BTreeMap;

const SECTIONS: [&str; 11] = [
    "supervisord",
    "supervisorctl",
    "include",
    "unix_http_server",
    "inet_http_server",
    "program:",
    "fcgi-program:",
    "eventlistener:",
    "group:",
    "rpcinterface:",
    "ctlplugin:",
];
const DAEMON: &str = "logfile logfile_maxbytes logfile_backups loglevel pidfile umask nodaemon silent minfds minprocs \
                      nocleanup childlogdir user directory strip_ansi environment identifier";
const CTL: &str = "serverurl username password prompt history_file";
const UNIX: &str = "file chmod chown username password";
const INET: &str = "port username password";
const PROGRAM: &str = "command process_name numprocs numprocs_start priority autostart startsecs startretries \
                       autorestart exitcodes stopsignal stopwaitsecs stopasgroup killasgroup user redirect_stderr \
                       stdout_logfile stdout_logfile_maxbytes stdout_logfile_backups stdout_capture_maxbytes \
                       stdout_events_enabled stdout_syslog stderr_logfile stderr_logfile_maxbytes \
                       stderr_logfile_backups stderr_capture_maxbytes stderr_events_enabled stderr_syslog \
                       environment directory umask serverurl";
const FCGI: &str = "socket socket_owner socket_mode socket_backlog";
const LISTENER: &str = "events buffer_size result_handler";

/// Keys of a section of that name; nothing if any may be there, or if there is no such section.
fn keys(section: &str) -> Option<Vec<&'static str>> {
    let kind = section.split_once(':').map_or(section, |(kind, _)| kind);
    let lists: &[&'static str] = match kind {
        "supervisord" => &[DAEMON],
        "supervisorctl" => &[CTL],
        "include" => &["files"],
        "group" => &["programs priority"],
        "program" => &[PROGRAM],
        "fcgi-program" => &[PROGRAM, FCGI],
        "eventlistener" => &[PROGRAM, LISTENER],
        _ if kind.starts_with("unix_http_server") => &[UNIX],
        _ if kind.starts_with("inet_http_server") => &[INET],
        _ => return None,
    };
    Some(lists.iter().flat_map(|list| list.split_whitespace()).collect())
}

/// Whether supervisord looks at a section of that name.
fn is_section(name: &str) -> bool {
    SECTIONS.iter().any(|known| {
        let begins = known.ends_with(':') || known.ends_with("server");
        name == *known || (begins && name.starts_with(known))
    })
}

/// The keys of a section that supervisord does not know, as written.
pub(super) fn extra(section: &Section) -> BTreeMap<String, String> {
    let known = keys(&section.name).unwrap_or_default();
    let unknown = section.keys.iter().filter(|(key, _)| !known.contains(&key.as_str()));
    unknown.map(|(key, value)| (key.clone(), value.text.clone())).collect()
}

/// Notes all that is not known.
pub(super) fn look(scene: &Scene<'_>, findings: &mut Findings) {
    for section in &scene.sections {
        let name = &section.name;
        let note = |file, span, key: Option<&String>, message| {
            let (section, key) = (name.clone(), key.cloned());
            Note { level: Level::Hint, file, span, section, key, message }
        };
        if !is_section(name) {
            let message = format!("[{name}] is not a section of supervisord and is ignored{}", meant_section(name));
            findings.note(note(section.place.file, section.place.span.clone(), None, message));
            continue;
        }
        let Some(known) = keys(name) else { continue };
        for (key, value) in section.keys.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            let meant = nearest(key, known.iter().copied()).map(|near| format!("; did you mean {near}?"));
            let message = format!("{} in [{name}] is not a key of supervisord and is ignored", quoted(key));
            let message = message + &meant.unwrap_or_default();
            findings.note(note(value.file, value.span(), Some(key), message));
        }
    }
}

fn meant_section(name: &str) -> String {
    let (kind, own) = name.split_once(':').map_or((name, None), |(kind, own)| (kind, Some(own)));
    let kinds = SECTIONS.iter().map(|known| known.trim_end_matches(':'));
    let Some(near) = nearest(&kind.to_lowercase(), kinds) else { return String::new() };
    let needs_name = SECTIONS.contains(&format!("{near}:").as_str());
    match own {
        Some(own) => format!("; did you mean [{near}:{own}]?"),
        None if needs_name => format!("; did you mean [{near}:NAME]?"),
        None => format!("; did you mean [{near}]?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections() {
        assert!(is_section("program:x") && is_section("unix_http_server:a") && !is_section("programm:x"));
        assert_eq!(meant_section("programm:x"), "; did you mean [program:x]?");
        assert_eq!(meant_section("program"), "; did you mean [program:NAME]?");
    }
}
