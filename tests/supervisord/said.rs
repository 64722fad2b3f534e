//! What was read, as the helper would say it.

use abide::supervisord::{
    Autorestart, Daemon, Endpoint, Group, GroupKind, Level, LogFile, LogLevel, MainLog, Owner, Process, Reading,
    Server, Socket, Stream,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

pub(crate) fn all(reading: &Reading, unmatched: &[String], uid: u64) -> Value {
    let of = |level| reading.notes.iter().filter(move |note| note.level == level);
    let warnings = of(Level::Warning).count() + unmatched.iter().collect::<BTreeSet<_>>().len();
    let rpc: Vec<_> = reading.rpc_interfaces.iter().map(|one| json!([one.name, one.extra])).collect();
    json!({
        "groups": reading.groups.iter().map(|one| group(one, uid)).collect::<Vec<_>>(),
        "servers": reading.servers.iter().map(server).collect::<Vec<_>>(),
        "daemon": reading.daemon.as_ref().map(daemon),
        "rpc": rpc,
        "warnings": warnings,
        "infos": of(Level::Info).map(|note| &note.message).collect::<Vec<_>>(),
    })
}

/// Warnings are in other words, so only their number counts, and each but once. Keys of `[DEFAULT]` are none of a
/// plugin's here. The processes of a group are in order here, and there in that of its programs.
pub(crate) fn tidy(theirs: &mut Value) {
    let texts = theirs["warnings"].as_array().into_iter().flatten().map(ToString::to_string);
    theirs["warnings"] = json!(texts.collect::<BTreeSet<_>>().len());
    for group in theirs["groups"].as_array_mut().into_iter().flatten() {
        let Some(processes) = group["processes"].as_array_mut() else { continue };
        processes.sort_by_key(|process| (process["priority"].as_i64(), process["name"].as_str().map(str::to_owned)));
    }
    for extra in theirs["rpc"].as_array_mut().into_iter().flatten().filter_map(|plugin| plugin[1].as_object_mut()) {
        extra.retain(|key, _| !matches!(key.as_str(), "command" | "autostart"));
    }
}

/// The place of the first difference, and both sides of it.
pub(crate) fn first_difference(at: &str, ours: &Value, theirs: &Value) -> Option<String> {
    match (ours, theirs) {
        (Value::Object(one), Value::Object(two)) => {
            let keys: BTreeSet<_> = one.keys().chain(two.keys()).collect();
            let nothing = Value::Null;
            let side = |map: &Map<String, Value>, key: &String| map.get(key).unwrap_or(&nothing).clone();
            keys.into_iter().find_map(|key| first_difference(&format!("{at}.{key}"), &side(one, key), &side(two, key)))
        }
        (Value::Array(one), Value::Array(two)) if one.len() == two.len() => {
            let mut pairs = one.iter().zip(two).enumerate();
            pairs.find_map(|(number, (one, two))| first_difference(&format!("{at}[{number}]"), one, two))
        }
        _ => (ours != theirs).then(|| format!("{at} is {ours} and should be {theirs}")),
    }
}

fn group(group: &Group, uid: u64) -> Value {
    let mut said = json!({
        "name": group.name,
        "priority": group.priority,
        "processes": group.processes.iter().map(process).collect::<Vec<_>>(),
    });
    match &group.kind {
        GroupKind::Plain => said["kind"] = json!("ProcessGroupConfig"),
        GroupKind::Listener { events, buffer_size, .. } => {
            said["kind"] = json!("EventListenerPoolConfig");
            said["events"] = json!(events);
            said["buffer_size"] = json!(buffer_size);
        }
        GroupKind::Fcgi { socket, backlog, user } => {
            said["kind"] = json!("FastCGIGroupConfig");
            let (mode, owner) = match socket {
                Socket::Tcp { .. } => (None, None),
                Socket::Unix { mode, owner, .. } => (Some(mode), *owner),
            };
            let is_unix = mode.is_some();
            let users = user.filter(|user| is_unix && u64::from(user.uid) != uid);
            let owner = owner.or(users.map(|user| Owner { uid: user.uid, gid: Some(user.gid) }));
            said["socket"] = json!({"url": socket.url(), "backlog": backlog, "mode": mode, "owner": owner.map(pair)});
        }
    }
    said
}

fn pair(owner: Owner) -> Value {
    json!([owner.uid, owner.gid.map_or(-1, i64::from)])
}

fn process(process: &Process) -> Value {
    let mut said = json!({
        "name": process.name,
        "uid": process.user.map(|user| user.uid),
        "command": process.command,
        "directory": process.directory,
        "umask": process.umask,
        "priority": process.priority,
        "autostart": process.autostart,
        "autorestart": match process.autorestart {
            Autorestart::Always => json!(true),
            Autorestart::Never => json!(false),
            Autorestart::Unexpected => json!("unexpected"),
        },
        "startsecs": process.startsecs,
        "startretries": process.startretries,
        "stopsignal": process.stopsignal,
        "stopwaitsecs": process.stopwaitsecs,
        "stopasgroup": process.stopasgroup,
        "killasgroup": process.killasgroup,
        "exitcodes": process.exitcodes,
        "redirect_stderr": process.redirect_stderr,
        "environment": process.environment,
        "serverurl": process.serverurl,
        "words": process.words.as_ref().ok(),
    });
    for (name, stream) in [("stdout", &process.stdout), ("stderr", &process.stderr)] {
        add_stream(&mut said, name, stream);
    }
    said
}

fn add_stream(said: &mut Value, name: &str, stream: &Stream) {
    said[format!("{name}_logfile")] = match &stream.logfile {
        LogFile::Off => Value::Null,
        LogFile::Auto => json!("auto"),
        LogFile::Path(path) => json!(path),
    };
    said[format!("{name}_logfile_maxbytes")] = json!(stream.maxbytes);
    said[format!("{name}_logfile_backups")] = json!(stream.backups);
    said[format!("{name}_capture_maxbytes")] = json!(stream.capture_maxbytes);
    said[format!("{name}_events_enabled")] = json!(stream.events_enabled);
    said[format!("{name}_syslog")] = json!(stream.syslog);
}

fn server(server: &Server) -> Value {
    let (name, password) = server.credentials.clone().unzip();
    let mut said = json!({"section": server.section, "username": name, "password": password});
    match &server.endpoint {
        Endpoint::Inet { host, port } => {
            said["host"] = json!(host);
            said["port"] = json!(port);
        }
        Endpoint::Unix { file, chmod, chown } => {
            said["file"] = json!(file);
            said["chmod"] = json!(chmod);
            said["chown"] = chown.map_or(json!([-1, -1]), pair);
        }
    }
    said
}

fn daemon(daemon: &Daemon) -> Value {
    json!({
        "directory": daemon.directory,
        "umask": daemon.umask,
        "logfile": match &daemon.logfile {
            MainLog::Syslog => "syslog",
            MainLog::File(path) => path,
        },
        "logfile_maxbytes": daemon.logfile_maxbytes,
        "logfile_backups": daemon.logfile_backups,
        "loglevel": match daemon.loglevel {
            LogLevel::Critical => 50,
            LogLevel::Error => 40,
            LogLevel::Warn => 30,
            LogLevel::Info => 20,
            LogLevel::Debug => 10,
            LogLevel::Trace => 5,
            LogLevel::Blather => 3,
        },
        "pidfile": daemon.pidfile,
        "nodaemon": daemon.nodaemon,
        "silent": daemon.silent,
        "minfds": daemon.minfds,
        "minprocs": daemon.minprocs,
        "nocleanup": daemon.nocleanup,
        "childlogdir": daemon.childlogdir,
        "user": daemon.user,
        "strip_ansi": daemon.strip_ansi,
        "environment": daemon.environment,
        "identifier": daemon.identifier,
    })
}
