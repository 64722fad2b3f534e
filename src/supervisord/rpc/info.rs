//! What is told of processes and of their configuration.

use super::{Config, LogFile, Process, View, description};
use crate::supervisord::xmlrpc::Value;

/// What getProcessInfo tells.
pub(super) fn process_info(process: &Process, now: i64) -> Value {
    let log = |path: &Option<String>| Value::string(path.as_deref().unwrap_or_default());
    Value::members([
        ("name", Value::string(&process.name.process)),
        ("group", Value::string(&process.name.group)),
        ("start", Value::number(process.start)),
        ("stop", Value::number(process.stop.map_or(0, |stop| stop.seconds))),
        ("now", Value::number(now)),
        ("state", Value::Int(process.state.code())),
        ("statename", Value::string(process.state.name())),
        ("spawnerr", Value::string(&process.spawn_error)),
        ("exitstatus", Value::Int(process.exit_status)),
        ("logfile", log(&process.stdout_log)),
        ("stdout_logfile", log(&process.stdout_log)),
        ("stderr_logfile", log(&process.stderr_log)),
        ("pid", Value::Int(process.pid)),
        ("description", Value::Text(description(process, now))),
    ])
}

/// What getAllProcessInfo tells.
pub(super) fn all_process_info(view: &View) -> Value {
    let mut all: Vec<_> = view.groups.iter().flat_map(|group| &group.processes).collect();
    all.sort_by_key(|process| &process.name);
    Value::Array(all.into_iter().map(|process| process_info(process, view.now)).collect())
}

/// What getAllConfigInfo tells.
pub(super) fn all_config_info(view: &View) -> Value {
    let mut all: Vec<_> = view.configs.iter().collect();
    all.sort_by_key(|config| &config.name.process);
    Value::Array(all.into_iter().map(|config| config_info(config, view)).collect())
}

fn config_info(config: &Config, view: &View) -> Value {
    let group = view.group(&config.name.group);
    let process = group.and_then(|group| group.processes.iter().find(|process| process.name == config.name));
    let (stdout, stderr) = (&config.stdout, &config.stderr);
    let stdout_log = log_of(&stdout.logfile, process.map(|process| &process.stdout_log));
    let stderr_log = log_of(&stderr.logfile, process.map(|process| &process.stderr_log));
    let codes = config.exitcodes.iter().map(|code| Value::Int(*code));
    Value::members([
        ("autostart", Value::Bool(config.autostart)),
        ("directory", given(config.directory.as_deref())),
        ("uid", config.uid.map_or_else(|| given(None), Value::number)),
        ("command", Value::string(&config.command)),
        ("exitcodes", Value::Array(codes.collect())),
        ("group", Value::string(&config.name.group)),
        ("group_prio", Value::number(config.group_priority)),
        ("inuse", Value::Bool(group.is_some())),
        ("killasgroup", Value::Bool(config.killasgroup)),
        ("name", Value::string(&config.name.process)),
        ("process_prio", Value::number(config.priority)),
        ("redirect_stderr", Value::Bool(config.redirect_stderr)),
        ("startretries", Value::number(config.startretries)),
        ("startsecs", Value::number(config.startsecs)),
        ("stdout_capture_maxbytes", Value::number(stdout.capture)),
        ("stdout_events_enabled", Value::Bool(stdout.events)),
        ("stdout_logfile", stdout_log),
        ("stdout_logfile_backups", Value::number(stdout.backups)),
        ("stdout_logfile_maxbytes", Value::number(stdout.maxbytes)),
        ("stdout_syslog", Value::Bool(stdout.syslog)),
        ("stopsignal", Value::Int(config.stopsignal)),
        ("stopwaitsecs", Value::number(config.stopwaitsecs)),
        ("stderr_capture_maxbytes", Value::number(stderr.capture)),
        ("stderr_events_enabled", Value::Bool(stderr.events)),
        ("stderr_logfile", stderr_log),
        ("stderr_logfile_backups", Value::number(stderr.backups)),
        ("stderr_logfile_maxbytes", Value::number(stderr.maxbytes)),
        ("stderr_syslog", Value::Bool(stderr.syslog)),
        ("serverurl", given(config.serverurl.as_deref())),
    ])
}

fn given(value: Option<&str>) -> Value {
    Value::string(value.unwrap_or("none"))
}

/// The log of the file; one of the daemon's choice has a path once the process is there.
fn log_of(file: &LogFile, active: Option<&Option<String>>) -> Value {
    match (file, active) {
        (LogFile::None, _) => given(None),
        (LogFile::Path(path), _) | (LogFile::Auto, Some(Some(path))) => Value::string(path),
        (LogFile::Auto, _) => Value::string("auto"),
    }
}
