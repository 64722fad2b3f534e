//! The keys of a program, whatever sort it is, to its processes.

use super::expand::Datum;
use super::keys::Keys;
use super::sections::{Findings, Scene, Section};
use super::shape::{Autorestart, Process};
use super::stream::{self, Channel};
use super::values::{self, Refusal};
use super::{groups, known, quoted, words};

/// The most processes of a program: more is a mistake, and would take all memory before anybody noticed.
const MOST_PROCESSES: i64 = 10_000;

/// The processes of `section` as members of `group`, by priority and name, if all of it is good.
pub(super) fn processes(
    scene: &Scene<'_>,
    section: &Section,
    group: &str,
    findings: &mut Findings,
) -> Option<Vec<Process>> {
    let mut keys = Keys::new(scene, section);
    let name = groups::own_name(&mut keys);
    keys.know("program_name", &name);
    keys.know("group_name", group);
    keys.know_host();
    let program = Program::new(&mut keys);
    let names = keys.names.clone();
    let mut processes = Vec::new();
    for number in 0..program.count {
        keys.names.clone_from(&names);
        let made = keys.scene.made.get() + 1;
        keys.scene.made.set(made);
        if made > MOST_PROCESSES {
            let message = format!("numprocs: there are more than {MOST_PROCESSES} processes in all");
            keys.refuse("numprocs", message, "write a smaller number");
            break;
        }
        processes.push(program.process(&mut keys, program.first.saturating_add(number)));
        if !keys.is_good() {
            // The others have the same.
            break;
        }
    }
    processes.sort_by(|one, two| (one.priority, &one.name).cmp(&(two.priority, &two.name)));
    keys.close(findings).then_some(processes)
}

/// What all processes of a program have alike.
struct Program {
    count: i64,
    first: i64,
    /// A process without what may differ.
    common: Process,
}

impl Program {
    /// Reads the keys in the order in which the reference does.
    fn new(keys: &mut Keys<'_>) -> Self {
        let around = keys.scene.around;
        let priority = keys.read("priority", 999, values::integer);
        let autostart = keys.read("autostart", true, values::boolean);
        let autorestart = keys.read("autorestart", Autorestart::Unexpected, autorestart);
        let startsecs = keys.read("startsecs", 1, values::integer);
        let startretries = keys.read("startretries", 3, values::integer);
        let stopsignal = keys.read("stopsignal", 15, values::signal);
        let stopwaitsecs = keys.read("stopwaitsecs", 10, values::integer);
        let stopasgroup = keys.read("stopasgroup", false, values::boolean);
        let killasgroup = keys.read("killasgroup", stopasgroup, values::boolean);
        let exitcodes = keys.read("exitcodes", vec![0], values::exit_codes);
        let redirect_stderr = keys.read("redirect_stderr", false, values::boolean);
        let count = keys.read("numprocs", 1, values::integer);
        let first = keys.read("numprocs_start", 0, values::integer);
        let stdout = stream::common(keys, Channel::Stdout);
        let stderr = stream::common(keys, Channel::Stderr);
        let serverurl = keys.text("serverurl").filter(|url| !is_auto(url));
        let user = keys.optional("user", |text| values::user(text, around));
        let umask = keys.optional("umask", values::octal);
        let common = Process {
            name: String::new(),
            program: keys.section.name.clone(),
            place: keys.section.place.clone(),
            command: String::new(),
            words: Ok(Vec::new()),
            directory: None,
            umask,
            priority,
            autostart,
            autorestart,
            startsecs,
            startretries,
            stdout,
            stderr,
            stopsignal,
            stopwaitsecs,
            stopasgroup,
            killasgroup,
            exitcodes,
            redirect_stderr,
            environment: keys.scene.environment.clone(),
            serverurl,
            user,
            places: keys.section.places(),
            extra: known::extra(keys.section),
        };
        let program = Self { count, first, common };
        program.look(keys);
        program
    }

    /// Looks whether what is good by itself is good together.
    fn look(&self, keys: &mut Keys<'_>) {
        if self.count > MOST_PROCESSES {
            let message = format!("numprocs: {} is more than {MOST_PROCESSES}", self.count);
            keys.refuse("numprocs", message, "write a smaller number");
        }
        let raw = keys.value("process_name").map_or("%(program_name)s", |value| value.text.as_str());
        keys.taken("process_name", values::name(raw));
        if self.count > 1 && !raw.contains("%(process_num)") {
            let message = format!("process_name: {} has no %(process_num) in it, and numprocs > 1", quoted(raw));
            keys.refuse("process_name", message, "write process_name=%(program_name)s_%(process_num)02d");
        }
        if self.common.stopasgroup && !self.common.killasgroup {
            let message = "stopasgroup=true and killasgroup=false do not go together".to_owned();
            keys.refuse("killasgroup", message, "take one of them out: a group that is stopped is killed too");
        }
    }

    fn process(&self, keys: &mut Keys<'_>, number: i64) -> Process {
        keys.names.insert("process_num".to_owned(), Datum::Number(number));
        keys.names.insert("numprocs".to_owned(), Datum::Number(self.count));
        let own = keys.text("environment").unwrap_or_default();
        let own = keys.variables(&own);
        for (name, value) in &own {
            keys.know(&format!("ENV_{name}"), value);
        }
        let mut process = self.common.clone();
        process.environment.extend(own);
        let size = process.environment.iter().map(|(name, value)| name.len() + value.len()).sum();
        keys.spend("environment", size);
        process.directory = keys.text("directory");
        stream::rest(keys, Channel::Stdout, &mut process.stdout, false);
        stream::rest(keys, Channel::Stderr, &mut process.stderr, process.redirect_stderr);
        if !keys.has("command") {
            keys.missing("command", "write command=/path/to/program and its arguments");
        }
        process.command = keys.text("command").unwrap_or_default();
        process.words = words::split(&process.command);
        process.name = name(keys);
        process
    }
}

/// The name of one process.
fn name(keys: &mut Keys<'_>) -> String {
    let name = if keys.has("process_name") {
        keys.text("process_name")
    } else {
        keys.expand("process_name", "%(program_name)s")
    };
    name.and_then(|name| keys.taken("process_name", values::name(&name))).unwrap_or_default()
}

fn is_auto(url: &str) -> bool {
    url.trim_matches(super::ini::is_space).eq_ignore_ascii_case("auto")
}

fn autorestart(text: &str) -> Result<Autorestart, Refusal> {
    if text.to_lowercase() == "unexpected" {
        return Ok(Autorestart::Unexpected);
    }
    match values::boolean(text) {
        Ok(true) => Ok(Autorestart::Always),
        Ok(false) => Ok(Autorestart::Never),
        Err(_) => Err(Refusal {
            message: format!("{} is neither a boolean nor 'unexpected'", quoted(text)),
            help: "write true, false or unexpected".to_owned(),
        }),
    }
}
