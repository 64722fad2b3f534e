//! A process of supervisord as a service: what its keys are called in TOML, and what TOML has no word for.

use super::Machine;
use crate::model::desired::Definition;
use crate::model::diagnostic::{Code, Diagnostic, Place};
use crate::model::limits::{Bound, Limit, LimitKind};
use crate::model::log_command;
use crate::model::logging::{LogWay, NamedFiles};
use crate::model::name::ServiceName;
use crate::model::policy::{ExitRules, RestartPolicy, RestartWhen, StopScope};
use crate::model::program::Program;
use crate::model::service::{Kind, Service};
use crate::model::signal::Signal;
use crate::source::load::{Lowering, environment_files};
use crate::source::merge::Stack;
use crate::source::order;
use crate::source::toml::bounds::CountLimit;
use crate::source::toml::reader::Layer;
use crate::source::toml::shape::{self, ServiceFile};
use crate::source::toml::values::{Account, CommandLine, Mask};
use crate::source::toml::variables::Variables;
use crate::source::{Surroundings, Text, environment};
use crate::supervisord::{Around, Autorestart, Group, Process, Reading, Source};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The least time from start to start: under supervisord a program that ends at once is started again at once, without
/// end.
const LEAST_PAUSE: Duration = Duration::from_millis(100);

/// Keys of supervisord, and what they are called in TOML.
const KEYS: [(&str, &str); 11] = [
    ("command", "command"),
    ("directory", "directory"),
    ("user", "user"),
    ("umask", "umask"),
    ("environment", "environment"),
    ("autorestart", "restart.policy"),
    ("exitcodes", "restart.success"),
    ("startsecs", "ready.delay"),
    ("stopsignal", "stop.signal"),
    ("stopwaitsecs", "stop.timeout"),
    ("stopasgroup", "stop.scope"),
];

/// What all processes of a file have in common.
pub(super) struct Lower<'a> {
    around: &'a Surroundings,
    directory: String,
    texts: &'a [Text],
    /// Their texts, once more, as layers have them.
    shared: Vec<Arc<str>>,
    /// Of the defaults, what may hold for others than TOML files.
    defaults: Option<Layer<ServiceFile>>,
    /// The least limits that `[supervisord]` asks for.
    least: Vec<(LimitKind, u64)>,
    strip_ansi: bool,
}

impl<'a> Lower<'a> {
    pub(super) fn new(
        around: &'a Surroundings,
        machine: &Machine,
        (texts, sources): (&'a [Text], &[Source]),
        defaults: Option<&Layer<ServiceFile>>,
        reading: &Reading,
    ) -> Self {
        let defaults = defaults.map(|layer| {
            let said = &layer.file;
            let (limits, resources, log) = (said.limits.clone(), said.resources.clone(), said.log.clone());
            Layer { file: ServiceFile { limits, resources, log, ..ServiceFile::default() }, ..layer.clone() }
        });
        let daemon = reading.daemon.as_ref();
        let least = daemon.map(|it| vec![(LimitKind::OpenFiles, it.minfds), (LimitKind::Processes, it.minprocs)]);
        let least = least.into_iter().flatten().filter_map(|(kind, least)| Some((kind, u64::try_from(least).ok()?)));
        Self {
            around,
            directory: machine.working_directory().replace('$', "$$"),
            texts,
            shared: sources.iter().map(|source| source.text.as_str().into()).collect(),
            defaults,
            least: least.collect(),
            strip_ansi: daemon.is_some_and(|daemon| daemon.strip_ansi),
        }
    }

    /// The service of `process`, with `over` laid over it; anything, if something is wrong.
    pub(super) fn service(
        &self,
        name: &ServiceName,
        group: &Group,
        process: &Process,
        over: &[&Layer<ServiceFile>],
        (findings, inputs): (&mut Vec<Diagnostic>, &mut Vec<PathBuf>),
    ) -> Option<Definition> {
        let said = |path: &str| over.iter().any(|layer| layer.places.contains_key(path));
        let own = self.layers(group, process, &said, findings)?;
        let layers = self.defaults.iter().chain(&own).chain(over.iter().copied()).collect();
        let stack = Stack::new(&self.texts[process.place.file].path, layers);
        let mut lowering = Lowering::new(self.around, &stack, findings);
        lowering.base = self.around.delegation.is_none().then(|| environment::whole(self.around));
        let unnamed = lowering.file.user.is_none();
        let named = order::named(name, &stack, &lowering.file, lowering.findings);
        inputs.extend(environment_files(&lowering.file));
        let service = lowering.service(name);
        let service = self.ended(process, service, &said, findings);
        let service = Service {
            kind: Kind::Supervisord,
            restart: restart(process, service.restart.clone(), &said),
            program: Some(Box::new(program(group, process))),
            ..service
        };
        let unnamed_root = unnamed && service.identity.uid == 0;
        Some(Definition { named, unnamed_root, ..Definition::from(service) })
    }

    /// How it is stopped, and where its output goes.
    fn ended(
        &self,
        process: &Process,
        mut service: Service,
        said: &dyn Fn(&str) -> bool,
        findings: &mut Vec<Diagnostic>,
    ) -> Service {
        let kills_group = process.killasgroup && !process.stopasgroup && !said("stop.scope");
        service.stop.kill_scope = kills_group.then_some(StopScope::Group);
        if said("log") {
            return service;
        }
        let directory = self.directory.replace("$$", "$");
        let unmet = super::logs::put_on(process, &directory, self.strip_ansi, &mut service.log);
        findings.extend(unmet.iter().map(|(key, what)| self.about(process, key, what, Diagnostic::warning)));
        let files = service.log.files().into_iter().flat_map(NamedFiles::each).flatten();
        // What is written for a user is written with that user's rights, and nowhere else.
        for file in files.filter(|_| self.around.delegation.is_some()) {
            if file.standard().is_some() {
                let what = "abide's own output is nothing for a file of this directory; name a file";
                findings.push(self.about(process, "stdout_logfile", what, Diagnostic::error));
            } else if !file.path.starts_with('/') {
                let what = "where one of the two has a file, name one for the other too, or NONE";
                findings.push(self.about(process, "stdout_logfile", what, Diagnostic::error));
            }
        }
        if let Some(LogWay::Ship { .. }) = service.log.way.as_deref() {
            let order = service.order.get_or_insert_default();
            order.wants.extend(log_command::name(&service.name));
        }
        service
    }

    /// What there is to say of a key.
    fn about(
        &self,
        process: &Process,
        key: &str,
        what: &str,
        how: fn(PathBuf, Code, String) -> Diagnostic,
    ) -> Diagnostic {
        let place = process.places.get(key).unwrap_or(&process.place);
        let finding = how(self.texts[place.file].path.clone(), Code::NotYet, format!("{key}: {what}"));
        finding.at(Place::of(&self.shared[place.file], place.span.clone()))
    }

    /// What its keys say, each at its place: a layer for each file that says something. `None`: its command cannot be
    /// split.
    fn layers(
        &self,
        group: &Group,
        process: &Process,
        said: &dyn Fn(&str) -> bool,
        findings: &mut Vec<Diagnostic>,
    ) -> Option<Vec<Layer<ServiceFile>>> {
        let mut layers: Vec<Layer<ServiceFile>> = Vec::new();
        for (index, (text, shared)) in self.texts.iter().zip(&self.shared).enumerate() {
            let of_file = |key: &str| process.places.get(key).filter(|place| place.file == index);
            let place = |(key, path): &(&str, &str)| Some(((*path).to_owned(), of_file(key)?.span.clone()));
            let places: BTreeMap<_, _> = KEYS.iter().filter_map(place).collect();
            let path: PathBuf = text.path.clone();
            layers.push(Layer { path, text: shared.clone(), file: ServiceFile::default(), places });
        }
        let places = &mut layers[process.place.file].places;
        if said("ready") {
            places.remove("ready.delay");
        } else {
            // That of a program that says nothing of it stands in its section.
            places.entry("ready.delay".to_owned()).or_insert(process.place.span.clone());
        }
        let stack = Stack::new(&self.texts[process.place.file].path, layers.iter().collect());
        match &process.words {
            Ok(words) => layers[process.place.file].file = self.file(group, process, words, said),
            Err(why) => {
                let message = format!("the command cannot be split into words: {why}");
                let help =
                    "close the quote, or put a backslash before it; a comment begins at ` ;` and ` #` also in quotes";
                findings.push(stack.error("command", Code::NoCommand, message).help(help));
                return None;
            }
        }
        Some(layers)
    }

    fn file(&self, group: &Group, process: &Process, words: &[String], said: &dyn Fn(&str) -> bool) -> ServiceFile {
        // A dollar is no more than that.
        let plain = |text: &String| text.replace('$', "$$");
        let seconds = |count: i64| Duration::from_secs(u64::try_from(count).unwrap_or(0));
        let mut words: Vec<String> = words.iter().map(plain).collect();
        if let Some(program) = words.first_mut().filter(|word| word.contains('/') && !word.starts_with('/')) {
            // Relative to where the daemon is, and not to `directory`.
            *program = format!("{}/{program}", self.directory);
        }
        let ready = (process.startsecs > 0 && !said("ready"))
            .then(|| shape::Ready { delay: Some(seconds(process.startsecs)), ..shape::Ready::default() });
        let when = match process.autorestart {
            Autorestart::Always => RestartWhen::Always,
            Autorestart::Unexpected => RestartWhen::OnFailure,
            Autorestart::Never => RestartWhen::Never,
        };
        let scope = if process.stopasgroup { StopScope::Group } else { StopScope::Process };
        ServiceFile {
            command: Some(CommandLine { words, line: Some(process.command.clone()) }),
            directory: Some(process.directory.as_ref().map_or_else(|| self.directory.clone(), plain)),
            user: process.user.map(|user| Account(user.uid.to_string())),
            umask: Some(Mask(process.umask.unwrap_or(self.around.umask))),
            environment: Some(Variables(given(group, process).into_iter().collect())),
            restart: Some(shape::Restart { policy: Some(when), ..shape::Restart::default() }),
            ready,
            stop: Some(shape::Stop {
                signal: Signal::from_number(process.stopsignal),
                timeout: Some(seconds(process.stopwaitsecs)),
                scope: Some(scope),
                ..shape::Stop::default()
            }),
            limits: self.limits(),
            ..ServiceFile::default()
        }
    }

    /// Those that `[supervisord]` asks for and that a process has not by itself.
    fn limits(&self) -> Option<shape::Limits> {
        let ceilings = &self.around.ceilings;
        let lacks = |kind: LimitKind, least: u64| ceilings.soft.get(&kind).is_some_and(|soft| *soft < Bound(least));
        let wanted = |kind: LimitKind| {
            let (_, least) = self.least.iter().find(|(of, least)| *of == kind && lacks(kind, *least))?;
            let hard = ceilings.hard.get(&kind).copied().unwrap_or(Bound::UNLIMITED);
            Some(CountLimit(Limit { soft: Bound(*least), hard: hard.max(Bound(*least)) }))
        };
        let (open_files, processes) = (wanted(LimitKind::OpenFiles), wanted(LimitKind::Processes));
        let some = open_files.is_some() || processes.is_some();
        some.then(|| shape::Limits { open_files, processes, ..shape::Limits::default() })
    }
}

/// What supervisord tells every process; its own variables count more.
fn given(group: &Group, process: &Process) -> Vec<(String, String)> {
    let url = process.serverurl.as_ref().map(|url| ("SUPERVISOR_SERVER_URL", url.as_str()));
    let given = [
        ("SUPERVISOR_ENABLED", "1"),
        ("SUPERVISOR_GROUP_NAME", group.name.as_str()),
        ("SUPERVISOR_PROCESS_NAME", process.name.as_str()),
    ];
    let all = given.into_iter().chain(url).chain(process.environment.iter().map(|(name, value)| (&**name, &**value)));
    // Nothing in it is a template of abide's.
    all.map(|(name, value)| (name.to_owned(), value.replace('$', "$$"))).collect()
}

/// When it is restarted: as supervisord counts, unless a drop-in says how.
fn restart(process: &Process, policy: RestartPolicy, said: &dyn Fn(&str) -> bool) -> RestartPolicy {
    let counts = ["delay", "max_delay", "factor", "jitter", "reset_after", "limit"];
    let is_counted = counts.iter().any(|key| said(&format!("restart.{key}")));
    let ends = !said("restart.success") && !said("restart.never_on");
    let rules = ExitRules {
        success_codes: process.exitcodes.iter().map(|code| i32::from(*code)).collect(),
        only_those: true,
        ..ExitRules::default()
    };
    let retries = u32::try_from(process.startretries.max(0)).unwrap_or(u32::MAX);
    RestartPolicy {
        retries: (!is_counted).then_some(retries),
        spacing: policy.spacing.max(LEAST_PAUSE),
        exits: if ends { Some(Box::new(rules)) } else { policy.exits },
        ..policy
    }
}

fn program(group: &Group, process: &Process) -> Program {
    Program {
        group: group.name.clone(),
        process: process.name.clone(),
        section: process.program.clone(),
        group_priority: group.priority,
        priority: process.priority,
        autostart: process.autostart,
        command: process.command.clone(),
        directory: process.directory.clone(),
        uid: process.user.map(|user| user.uid),
        umask: process.umask,
        exit_codes: process.exitcodes.iter().map(|code| i32::from(*code)).collect(),
        start_seconds: u32::try_from(process.startsecs.max(0)).unwrap_or(u32::MAX),
    }
}
