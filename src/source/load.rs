//! One name: what was read, with defaults and drop-ins, made a definition that is ready to start.

use super::config::Config;
use super::delegation::Delegation;
use super::identity::{self, Person};
use super::life::{Life, Programs};
use super::logging::{log_policy, templates_and_log};
use super::merge::Stack;
use super::toml::reader::{self, Layer};
use super::toml::shape::{self, Log, ServiceFile};
use super::words::Templates;
use super::{
    Loaded, Material, Surroundings, Text, confine, daemontools, environment, order, preflight, schedule, supervisord,
};
use crate::model::check::{Health, Ready};
use crate::model::desired::{Definition, Entry};
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::name::ServiceName;
use crate::model::policy::{
    Hooks, ReloadPolicy, RestartLimit, RestartPolicy, RestartWhen, ServiceType, StopPolicy, UpdatePolicy,
};
use crate::model::security::Security;
use crate::model::service::{Delegated, Environment, Kind, Run, Service, Version};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The least time from start to start where a policy knows no end and no pause: a service that fails
/// at once would else cost a whole processor.
const LEAST_PAUSE: Duration = Duration::from_millis(100);

/// [`load`] as whoever speaks in the source of what was read.
pub fn load_of<'a>(
    around: &'a Surroundings,
    config: &'a Config,
) -> impl FnMut(Option<&Arc<Delegation>>, &ServiceName, &Material) -> Loaded {
    move |from, name, material| {
        let theirs = from.map(|delegation| delegation.surroundings(around));
        load(theirs.as_ref().unwrap_or(around), config, name, material)
    }
}

/// What `material`, read from the files of `name`, amounts to. Without an error its services are there.
pub fn load(around: &Surroundings, config: &Config, name: &ServiceName, material: &Material) -> Loaded {
    let entry = match material {
        Material::Toml { main, drop_ins } => load_file(around, config, name, main, drop_ins),
        Material::Daemontools { service, log } => daemontools::load(around, config, name, service, log.as_ref()),
        Material::Supervisord(programs) => return supervisord::load(around, config, programs),
    };
    (name.clone(), entry).into()
}

/// What `NAME.toml` with its drop-ins amounts to. Without an error its service is there.
pub fn load_file(around: &Surroundings, config: &Config, name: &ServiceName, main: &Text, drop_ins: &[Text]) -> Entry {
    let mut findings = Vec::new();
    let defaults = defaults(around, config);
    let mut layers: Vec<Layer<ServiceFile>> = Vec::with_capacity(1 + drop_ins.len());
    for text in std::iter::once(main).chain(drop_ins) {
        let (layer, found) = reader::read(text);
        layers.extend(layer);
        findings.extend(found);
    }
    let mut service = None;
    let mut inputs = Vec::new();
    let mut named = Box::default();
    let mut unnamed = false;
    if layers.len() == 1 + drop_ins.len() {
        let all = defaults.as_deref().into_iter().chain(&layers).collect();
        let stack = Stack::new(&main.path, all);
        let lowering = Lowering::new(around, &stack, &mut findings);
        unnamed = lowering.file.user.is_none();
        named = order::named(name, &stack, &lowering.file, lowering.findings);
        inputs = environment_files(&lowering.file);
        service = Some(lowering.service(name));
        sort(&mut findings, main, drop_ins);
    }
    let good = !findings.iter().any(Diagnostic::is_error);
    Entry {
        file: main.path.clone(),
        drop_ins: drop_ins.iter().map(|text| text.path.clone()).collect(),
        kind: Kind::Toml,
        file_hash: Some(Version::of(&main.bytes)),
        service: service.filter(|_| good).map(|service| {
            let unnamed_root = unnamed && service.identity.uid == 0;
            Arc::new(Definition { named, unnamed_root, ..Definition::from(service) })
        }),
        diagnostics: reader::bounded(findings),
        inputs,
        delegated: delegated(around),
    }
}

/// Files that the meaning depends on.
pub(super) fn environment_files(file: &ServiceFile) -> Vec<PathBuf> {
    let files = file.environment_files.iter().flatten().map(|file| file.strip_prefix('-').unwrap_or(file));
    files.filter(|file| file.starts_with('/')).map(PathBuf::from).collect()
}

/// The `[defaults]` that hold for whoever speaks. In a delegated source none by which root would say more than the user
/// may, or than it may know.
pub(super) fn defaults(around: &Surroundings, config: &Config) -> Option<Arc<Layer<ServiceFile>>> {
    let defaults = config.defaults.clone()?;
    if around.delegation.is_none() {
        return Some(defaults);
    }
    let mut layer = Layer::clone(&defaults);
    let said = std::mem::take(&mut layer.file);
    layer.file = ServiceFile {
        umask: said.umask,
        restart: said.restart.map(|restart| shape::Restart { on_give_up: None, ..restart }),
        stop: said.stop,
        limits: said.limits,
        resources: said.resources,
        log: said.log.map(|log| Log { directory: None, ..log }),
        update: said.update,
        ..ServiceFile::default()
    };
    Some(Arc::new(layer))
}

/// In which delegated source whoever speaks does so.
pub(super) fn delegated(around: &Surroundings) -> Option<Box<Delegated>> {
    around.delegation.as_ref().map(|delegation| Box::new(delegation.mark()))
}

/// In the order in which a person reads: the file, its drop-ins, the defaults; each from top to bottom, advice last.
fn sort(findings: &mut [Diagnostic], main: &Text, drop_ins: &[Text]) {
    let file = |finding: &Diagnostic| {
        let mut files = std::iter::once(main).chain(drop_ins);
        files.position(|text| text.path == finding.file).unwrap_or(usize::MAX)
    };
    findings.sort_by_key(|finding| {
        let is_advice = finding.code == Code::RunsAsRoot;
        (file(finding), is_advice, finding.place.as_ref().map(|place| (place.line, place.column)))
    });
}

/// One service on its way from what its files say to what is meant.
pub(super) struct Lowering<'a> {
    around: &'a Surroundings,
    stack: &'a Stack<'a>,
    pub(super) file: ServiceFile,
    /// The variables that it gets first, if not those of any TOML file.
    pub(super) base: Option<Arc<Environment>>,
    /// Whether to look at the machine. What is not to run is not looked at, so that a service whose
    /// program is gone can still be disabled.
    look: bool,
    pub(super) findings: &'a mut Vec<Diagnostic>,
}

/// How it lives.
struct Lived {
    service_type: ServiceType,
    ready: Option<Box<Ready>>,
    health: Option<Box<Health>>,
    hooks: Option<Box<Hooks>>,
    reload: Option<Box<ReloadPolicy>>,
    update: Option<Box<UpdatePolicy>>,
    stop: StopPolicy,
}

impl<'a> Lowering<'a> {
    pub(super) fn new(around: &'a Surroundings, stack: &'a Stack<'a>, findings: &'a mut Vec<Diagnostic>) -> Self {
        let file = stack.merged();
        let runs = file.enabled.unwrap_or(true) && file.instances.is_none_or(|count| count.0 > 0);
        Self { around, stack, file, base: None, look: around.preflight && runs, findings }
    }

    pub(super) fn service(mut self, name: &ServiceName) -> Service {
        let person = identity::resolve(self.around, self.stack, &self.file, self.look, self.findings);
        if self.look && self.around.advise && person.identity.uid == 0 && self.file.user.is_none() {
            let finding = Diagnostic::warning(self.stack.main(), Code::RunsAsRoot, "the service runs as root");
            self.findings.push(finding.help("name the `user` that it needs, or say `user = \"root\"`"));
        }
        let base = environment::base(self.around, self.stack, &self.file, &person, self.look, self.findings);
        let base = self.base.take().unwrap_or(base);
        let run = self.run();
        let security = confine::security(self.stack, &self.file, self.findings);
        let stdin = confine::stdin(&self.file);
        let schedule = schedule::lower(&self.file);
        let directory = self.file.directory.clone().unwrap_or_else(|| default_directory(&person, security.as_deref()));
        let limits = self.file.limits.as_ref().map(shape::Limits::to_model).unwrap_or_default();
        let resources = self.file.resources.as_ref().and_then(shape::Resources::to_model);
        let variables = self.file.environment.clone().unwrap_or_default().0;
        let programs =
            self.preflight(&base, &run, &directory, (security.as_deref(), stdin.as_deref()), person.identity.uid == 0);
        if self.look {
            preflight::limits(self.around, self.stack, &limits, self.findings);
            let asked = schedule.as_deref().cloned().unwrap_or_default();
            schedule::check(self.around, self.stack, &asked, &limits, self.findings);
            preflight::resources(self.around, self.stack, resources.as_deref(), self.findings);
        }
        let mut restart = self.restart();
        let life = self.life(name, &base, programs, &mut restart);
        Service {
            name: name.clone(),
            kind: Kind::Toml,
            description: self.file.description.clone(),
            enabled: self.file.enabled.unwrap_or(true),
            instances: self.file.instances.map_or(1, |count| count.0),
            run,
            content: None,
            directory,
            service_type: life.service_type,
            stdin,
            reads: None,
            order: order::order(name, &self.file),
            ready: life.ready,
            health: life.health,
            hooks: life.hooks,
            reload: life.reload,
            update: life.update,
            resources,
            schedule,
            security,
            program: None,
            umask: self.file.umask.map_or(0o022, |mask| mask.0),
            base,
            environment: variables,
            restart,
            stop: life.stop,
            limits,
            log: log_policy(&self.file),
            identity: person.identity,
            delegated: delegated(self.around),
        }
    }

    fn life(
        &mut self,
        name: &ServiceName,
        base: &Environment,
        programs: Option<Programs>,
        restart: &mut RestartPolicy,
    ) -> Lived {
        let partial = !self.look && self.file.environment_files.is_some();
        let templates = Templates { stack: self.stack, base, partial };
        let (stack, file) = (self.stack, &self.file);
        let mut life = Life { stack, file, templates, programs, findings: self.findings };
        life.restart(restart);
        life.log_command(name);
        let stop = life.stop();
        Lived {
            service_type: life.service_type(),
            ready: life.ready(),
            health: life.health(),
            hooks: life.hooks(&stop),
            reload: life.reload(),
            update: life.update(),
            stop,
        }
    }

    fn error(&mut self, path: &str, code: Code, message: &str, help: &str) {
        self.findings.push(self.stack.error(path, code, message).help(help));
    }

    /// What is executed; anything, if that is an error.
    fn run(&mut self) -> Run {
        let (command, script) = (self.file.command.clone(), self.file.script.clone());
        let empty = Run::Script(String::new());
        match (command, script) {
            (Some(_), Some(_)) => {
                self.error("script", Code::NoCommand, "both `command` and `script` are given", "keep one of the two");
                empty
            }
            (None, None) => {
                // One that is there and could not be read has its own error.
                if !self.stack.names("command") && !self.stack.names("script") {
                    let help = "add `command = [\"/path/to/program\", \"argument\"]`";
                    self.error("command", Code::NoCommand, "the service has neither `command` nor `script`", help);
                }
                empty
            }
            (Some(command), None) => {
                if command.words.first().is_none_or(String::is_empty) {
                    self.error(
                        "command",
                        Code::NoCommand,
                        "the command is empty",
                        "write the program as its first word",
                    );
                }
                Run::Command(command.words)
            }
            (None, Some(script)) => {
                if script.trim().is_empty() {
                    self.error("script", Code::NoCommand, "the script is empty", "write what `/bin/sh -e` should run");
                }
                preflight::script(self.stack, &script, self.findings);
                Run::Script(script)
            }
        }
    }

    /// Checks all templates, and what they expand to against the machine; gives where programs are, if it looked.
    fn preflight(
        &mut self,
        base: &Environment,
        run: &Run,
        directory: &str,
        (security, stdin): (Option<&Security>, Option<&str>),
        as_root: bool,
    ) -> Option<Programs> {
        let partial = !self.look && self.file.environment_files.is_some();
        let templates = Templates { stack: self.stack, base, partial };
        templates_and_log(self.stack, &self.file, base, partial, self.findings);
        let (around, look) = (self.around, self.look);
        let mut check = confine::Check { around, templates: &templates, look, findings: self.findings };
        let root = check.all(security, stdin);
        let (root, look) = (root.as_deref(), check.look);
        let directory = match templates.check("directory", directory) {
            Ok(directory) if directory.starts_with('/') || (partial && directory.contains('$')) => Some(directory),
            Ok(directory) => {
                let message = format!("the working directory {directory:?} is not absolute");
                self.findings.push(self.stack.error("directory", Code::BadValue, message).help("begin it with `/`"));
                None
            }
            Err(finding) => {
                self.findings.push(finding);
                None
            }
        };
        let program = self.file.command.as_ref().filter(|_| matches!(run, Run::Command(_))).map(|command| {
            let words = templates.check_command(command);
            words.map_err(|found| self.findings.extend(found)).ok().and_then(|words| words.into_iter().next())
        });
        let directory = directory.filter(|_| look)?;
        preflight::directory(self.stack, root, &directory, self.findings);
        if let Some(security) = security {
            let word = program.as_ref().and_then(Option::as_deref);
            confine::visible(self.stack, security, (&directory, word), self.findings);
        }
        if root.is_some() && matches!(run, Run::Script(_)) {
            preflight::shell(self.stack, root, self.findings);
        }
        let own = self.file.environment.as_ref().and_then(|variables| variables.0.get("PATH"));
        let own = own.and_then(|path| templates.expand(path).ok());
        let search = own.or_else(|| base.get("PATH").cloned());
        if let Some(Some(program)) = program.filter(|word| word.as_ref().is_some_and(|word| !word.is_empty())) {
            let found = preflight::program(self.stack, &program, (root, &directory), search.as_deref(), self.findings);
            if let Some(found) = found.filter(|_| as_root && root.is_none()) {
                preflight::writable(self.stack, &found, self.findings);
            }
        }
        Some(Programs { root: root.map(Path::to_owned), directory, search })
    }

    fn restart(&mut self) -> RestartPolicy {
        let default = RestartPolicy::default();
        let Some(said) = self.file.restart.clone() else { return default };
        let delay = said.delay.unwrap_or(default.delay);
        // A long first delay alone is no contradiction.
        let max_delay = said.max_delay.unwrap_or(default.max_delay.max(delay));
        if delay > max_delay && said.delay.is_some() {
            let message = "`delay` is longer than `max_delay`";
            self.error("restart.delay", Code::BadValue, message, "lower `delay` or raise `max_delay`");
        }
        let limit = said.limit.and_then(|limit| match (limit.count, limit.window) {
            (Some(count), Some(window)) if !window.is_zero() => Some(RestartLimit { count: count.0, window }),
            (Some(_), Some(_)) => {
                self.error("restart.limit.window", Code::BadValue, "`window` is zero", "write a time, such as \"1m\"");
                None
            }
            (count, window) => {
                let complete = (count.is_some() || self.stack.names("restart.limit.count"))
                    && (window.is_some() || self.stack.names("restart.limit.window"));
                if !complete {
                    let message = "`limit` needs both `count` and `window`";
                    let help = "write limit = { count = 10, window = \"1m\" }";
                    self.error("restart.limit", Code::BadValue, message, help);
                }
                None
            }
        });
        let policy = RestartPolicy {
            when: said.policy.unwrap_or(default.when),
            delay: delay.min(max_delay),
            max_delay,
            factor: said.factor.map_or(default.factor, |factor| factor.0),
            jitter: said.jitter.map_or(default.jitter, |share| share.0),
            reset_after: said.reset_after.unwrap_or(default.reset_after),
            limit,
            spacing: default.spacing,
            on_give_up: said.on_give_up,
            ..default
        };
        let Some(hasty) = hasty(&policy) else { return policy };
        let message =
            format!("`{hasty}` lets a service that fails at once start without a pause; starts are kept 100ms apart");
        let finding = self.stack.warning(&format!("restart.{hasty}"), Code::BadValue, message);
        self.findings.push(finding.help(format!("write {hasty} = \"100ms\" or more, or set a `limit`")));
        RestartPolicy { spacing: LEAST_PAUSE, ..policy }
    }
}

/// The key by which `policy` would start a service that fails at once again and again, without a pause.
fn hasty(policy: &RestartPolicy) -> Option<&'static str> {
    if policy.when == RestartWhen::Never || policy.limit.is_some() {
        return None;
    }
    let grows = policy.factor > 1.0 && !policy.delay.is_zero();
    let keys = [
        ("reset_after", policy.reset_after),
        ("max_delay", policy.max_delay),
        ("delay", if grows { policy.max_delay } else { policy.delay }),
    ];
    keys.into_iter().find(|(_, time)| *time < LEAST_PAUSE).map(|(key, _)| key)
}

fn default_directory(person: &Person, security: Option<&Security>) -> String {
    if security.is_some_and(|security| security.chroot.is_some()) {
        return "/".to_owned();
    }
    // Distributions write `/nonexistent` for a user that has no home, such as nobody.
    let has_home = person.identity.uid != 0 && person.home != "/nonexistent";
    if has_home { person.home.replace('$', "$$") } else { "/".to_owned() }
}
