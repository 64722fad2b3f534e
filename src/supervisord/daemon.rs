//! `[supervisord]`.

use super::keys::Keys;
use super::sections::{Findings, Scene};
use super::shape::{Daemon, LogLevel, MainLog};
use super::{Fault, Way, values};
use std::collections::BTreeMap;

/// Reads the section. What every child gets is kept in the scene.
pub(super) fn read(scene: &mut Scene<'_>, way: Way, findings: &mut Findings) -> Option<Daemon> {
    let Some(section) = scene.section("supervisord") else {
        if way == Way::Daemon {
            findings.fault(none(scene));
        }
        return None;
    };
    let mut keys = Keys::new(scene, section);
    let mut daemon = settings(&mut keys);
    let good = keys.close(findings);
    let mut keys = Keys::new(scene, section);
    keys.know_host();
    let text = keys.text_twice("environment").unwrap_or_default();
    daemon.environment = keys.variables(&text);
    let has_environment = keys.close(findings);
    scene.without_environment = !has_environment;
    scene.know(&daemon.environment);
    scene.environment.clone_from(&daemon.environment);
    (good && has_environment).then_some(daemon)
}

fn none(scene: &Scene<'_>) -> Fault {
    let path = scene.sources.first().map_or("", |source| source.path.as_str());
    Fault {
        file: 0,
        span: 0..0,
        section: String::new(),
        key: None,
        message: format!("there is no supervisord section in {}", super::quoted(path)),
        help: "write [supervisord] on a line of its own; it may be empty".to_owned(),
    }
}

/// All but the environment, in the order in which the reference reads them.
fn settings(keys: &mut Keys<'_>) -> Daemon {
    let around = keys.scene.around;
    let minfds = keys.read("minfds", 1024, values::integer);
    let minprocs = keys.read("minprocs", 200, values::integer);
    let directory = keys.optional("directory", |text| values::directory(text, around));
    let user = keys.text("user");
    let umask = keys.read("umask", 0o022, values::octal);
    let logfile = keys.read("logfile", "supervisord.log".to_owned(), |text| values::path(text, around));
    let logfile_maxbytes = keys.read("logfile_maxbytes", 50 << 20, values::byte_size);
    let logfile_backups = keys.read("logfile_backups", 10, values::integer);
    let loglevel = keys.read("loglevel", LogLevel::Info, values::log_level);
    let pidfile = keys.read("pidfile", "supervisord.pid".to_owned(), |text| values::path(text, around));
    let identifier = keys.text("identifier").unwrap_or_else(|| "supervisor".to_owned());
    let nodaemon = keys.read("nodaemon", false, values::boolean);
    let silent = keys.read("silent", false, values::boolean);
    let temporary = around.env().get("TMPDIR").filter(|path| around.is_directory(path));
    let temporary = temporary.map_or("/tmp", String::as_str).to_owned();
    let childlogdir = keys.read("childlogdir", temporary, |text| values::directory(text, around));
    let nocleanup = keys.read("nocleanup", false, values::boolean);
    let strip_ansi = keys.read("strip_ansi", false, values::boolean);
    Daemon {
        place: keys.section.place.clone(),
        logfile: if logfile == "syslog" { MainLog::Syslog } else { MainLog::File(logfile) },
        logfile_maxbytes,
        logfile_backups,
        loglevel,
        pidfile,
        umask,
        nodaemon,
        silent,
        minfds,
        minprocs,
        nocleanup,
        childlogdir,
        user,
        directory,
        strip_ansi,
        environment: BTreeMap::new(),
        identifier,
    }
}

/// Looks whether the daemon's user exists.
pub(super) fn with_user(scene: &Scene<'_>, daemon: Option<Daemon>, findings: &mut Findings) -> Option<Daemon> {
    let (daemon, section) = (daemon?, scene.section("supervisord")?);
    let mut keys = Keys::new(scene, section);
    if let Some(user) = &daemon.user {
        let found = values::user(user, scene.around);
        keys.taken("user", found);
    }
    keys.close(findings).then_some(daemon)
}
