//! A legacy directory with an executable `run`: as svscan and supervise would treat it.

use super::config::Config;
use super::environment;
use super::identity;
use super::load::delegated;
use super::logging::{log_policy, templates_and_log};
use super::merge::Stack;
use super::toml::reader;
use super::toml::shape::{self, ServiceFile};
use super::{ServiceDirectory, Surroundings, preflight};
use crate::model::check::{Check, Ready};
use crate::model::desired::{Definition, Entry};
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::log_command;
use crate::model::logging::{LogPolicy, LogWay, StderrTo};
use crate::model::name::ServiceName;
use crate::model::policy::{Finish, Hooks, Order, RestartPolicy, ServiceType, StopPolicy};
use crate::model::service::{Environment, Kind, Run, Service, Version};
use crate::model::signal::Signal;
use std::sync::Arc;
use std::time::Duration;

/// How long s6's `finish` may take where `timeout-finish` does not say, and runit's, which has no bound of its own.
const FINISH_S6: Duration = Duration::from_secs(5);
const FINISH_RUNIT: Duration = Duration::from_secs(60);
/// As good as for ever.
const NO_BOUND: Duration = Duration::from_secs(365 * 24 * 3600);
/// The highest number that `notification-fd` may be, as that of `[ready] fd`.
const MOST_DESCRIPTOR: i32 = 1023;
/// The pause between two runs of `check`, as `sv` has it.
const CHECK: Duration = Duration::from_millis(420);

/// The entry of a directory and of its `log/`. Of the defaults only `limits`, `resources` and `log` apply.
pub(super) fn load(
    around: &Surroundings,
    config: &Config,
    name: &ServiceName,
    main: &ServiceDirectory,
    log: Option<&ServiceDirectory>,
) -> Entry {
    let mut findings = Vec::new();
    let defaults = super::load::defaults(around, config);
    let stack = Stack::new(&main.run.path, defaults.as_deref().into_iter().collect());
    let said = stack.merged();
    let said = ServiceFile { limits: said.limits, resources: said.resources, log: said.log, ..ServiceFile::default() };
    let mut lowering = Lowering { around, stack: &stack, said: &said, findings: &mut findings };
    let service = lowering.service(name, main).and_then(|service| lowering.with_log(service, log));
    let findings = reader::bounded(findings);
    let service = service.map(|service| if config.guise.is_some() { as_under_svscan(service) } else { service });
    let good = !findings.iter().any(Diagnostic::is_error);
    Entry {
        file: main.run.path.clone(),
        drop_ins: Vec::new(),
        kind: Kind::Daemontools,
        file_hash: Some(Version::of(&main.run.bytes)),
        service: service.filter(|_| good).map(|service| {
            let home = Some(main.home.clone());
            Arc::new(Definition { home, ..Definition::from(service) })
        }),
        diagnostics: findings,
        inputs: Vec::new(),
        delegated: delegated(around),
    }
}

/// What is not abide's to choose is as abide itself has it.
fn as_under_svscan(service: Service) -> Service {
    let plain = |log: LogPolicy| LogPolicy { way: Some(Box::new(LogWay::Inherit)), ..log };
    let log = match service.log.way.map(|way| *way) {
        Some(LogWay::Directory(reader)) => {
            let reader = Service { content: None, log: plain(reader.log.clone()), ..*reader };
            LogPolicy { way: Some(Box::new(LogWay::Directory(Box::new(reader)))), ..service.log }
        }
        _ => plain(LogPolicy { way: None, ..service.log }),
    };
    Service { content: None, log, ..service }
}

/// A directory on its way to a service.
struct Lowering<'a> {
    around: &'a Surroundings,
    stack: &'a Stack<'a>,
    said: &'a ServiceFile,
    findings: &'a mut Vec<Diagnostic>,
}

impl Lowering<'_> {
    fn service(&mut self, name: &ServiceName, directory: &ServiceDirectory) -> Option<Service> {
        let (around, said) = (self.around, self.said);
        let limits = said.limits.as_ref().map(shape::Limits::to_model).unwrap_or_default();
        let resources = said.resources.as_ref().and_then(shape::Resources::to_model);
        let person = identity::own(around);
        let base = match around.delegation {
            None => environment::whole(around),
            Some(_) => environment::base(around, self.stack, said, &person, false, self.findings),
        };
        if around.preflight && !directory.down {
            preflight::limits(around, self.stack, &limits, self.findings);
            preflight::resources(around, self.stack, resources.as_deref(), self.findings);
        }
        templates_and_log(self.stack, said, &base, !around.preflight, self.findings);
        let Some(path) = directory.path.to_str() else {
            let message = "the directory's path is not UTF-8";
            let finding = Diagnostic::error(&directory.shown, Code::BadName, message);
            self.findings.push(finding.help("rename it, or one of those that it lies in"));
            return None;
        };
        let parts = self.parts(directory);
        Some(Service {
            name: name.clone(),
            kind: Kind::Daemontools,
            description: None,
            enabled: !directory.down,
            instances: 1,
            run: Run::Command(vec!["./run".to_owned()]),
            content: Some(Version::of(&directory.run.bytes)),
            // A template like any other: a dollar in the path is to be taken as it is.
            directory: path.replace('$', "$$"),
            identity: person.identity,
            delegated: delegated(around),
            service_type: ServiceType::default(),
            stdin: None,
            reads: None,
            order: super::order::order(name, said),
            ready: parts.ready,
            health: None,
            hooks: parts.hooks,
            reload: None,
            resources,
            update: None,
            schedule: None,
            security: None,
            program: None,
            umask: around.umask,
            base,
            environment: Environment::new(),
            restart: RestartPolicy::daemontools(),
            stop: parts.stop,
            limits,
            log: log_policy(said),
        })
    }

    /// `service` with its output going to what is run in `log`.
    fn with_log(&mut self, service: Service, log: Option<&ServiceDirectory>) -> Option<Service> {
        let Some(log) = log else { return Some(service) };
        let Some(name) = log_command::name(&service.name) else {
            let message = format!("{}.log, which takes its output, would have too long a name", service.name);
            self.findings.push(Diagnostic::error(&log.shown, Code::BadName, message).help("rename the directory"));
            return None;
        };
        let policy = LogPolicy { way: None, selection: None, stderr: StderrTo::Merge, ..service.log.clone() };
        let reader = self.service(&name, log)?;
        let description = Some(format!("takes the output of {}", service.name));
        let reads = Some(service.name.clone());
        let reader = Service { description, reads, order: None, log: policy.clone(), ..reader };
        let order = Order { wants: vec![name], ..Order::default() };
        let way = Some(Box::new(LogWay::Directory(Box::new(reader))));
        Some(Service { log: LogPolicy { way, ..policy }, order: Some(Box::new(order)), ..service })
    }

    /// What files of runit and s6 say.
    fn parts(&mut self, directory: &ServiceDirectory) -> Parts {
        let has = |name: &str| directory.parts.iter().any(|(known, _)| *known == name);
        // By whose presence a directory is one of s6.
        let finish = if S6.iter().any(|name| has(name)) { Finish::S6 } else { Finish::Runit };
        let time = |this: &mut Self, name| {
            this.number(directory, name).map(|milliseconds| match milliseconds {
                0 => NO_BOUND,
                _ => Duration::from_millis(milliseconds),
            })
        };
        let default_finish = if finish == Finish::S6 { FINISH_S6 } else { FINISH_RUNIT };
        let stop_timeout = time(self, "timeout-finish").unwrap_or(default_finish);
        let hooks = has("finish").then(|| {
            let stop_after = vec![vec!["./finish".to_owned()]];
            Box::new(Hooks { stop_after, stop_timeout, finish: Some(finish), ..Hooks::default() })
        });
        let descriptor = self.number(directory, "notification-fd").and_then(|number| {
            let descriptor = i32::try_from(number).ok().filter(|number| (3..=MOST_DESCRIPTOR).contains(number));
            if descriptor.is_none() {
                self.odd(directory, "notification-fd", &format!("a number from 3 to {MOST_DESCRIPTOR}"));
            }
            descriptor
        });
        let check = descriptor.map(Check::Descriptor);
        let check = check.or_else(|| has("check").then(|| Check::Exec(vec!["./check".to_owned()])));
        let ready = check.map(|check| Box::new(Ready { check, timeout: Duration::MAX, interval: CHECK }));
        let default = StopPolicy::default();
        let kill = time(self, "timeout-kill").filter(|time| *time != NO_BOUND);
        let stop = StopPolicy {
            signal: self.signal(directory).unwrap_or(default.signal),
            patient: kill.is_none(),
            timeout: kill.unwrap_or(default.timeout),
            ..default
        };
        Parts { hooks, ready, stop }
    }

    fn number(&mut self, directory: &ServiceDirectory, name: &'static str) -> Option<u64> {
        let number = line(directory, name)?.parse().ok();
        if number.is_none() {
            self.odd(directory, name, "a number");
        }
        number
    }

    fn signal(&mut self, directory: &ServiceDirectory) -> Option<Signal> {
        let signal = line(directory, "down-signal")?.parse().ok();
        if signal.is_none() {
            self.odd(directory, "down-signal", "a signal, such as SIGINT");
        }
        signal
    }

    fn odd(&mut self, directory: &ServiceDirectory, name: &str, wanted: &str) {
        let path = directory.shown.join(name);
        let finding = Diagnostic::warning(&path, Code::BadValue, format!("is not {wanted}: the default holds"));
        self.findings.push(finding.help(format!("write {wanted} into it, or remove it")));
    }
}

/// What such a file says in its first line.
fn line<'d>(directory: &'d ServiceDirectory, name: &str) -> Option<&'d str> {
    let (_, text) = directory.parts.iter().find(|(known, _)| *known == name)?;
    // What is no text is no number either, and no signal.
    Some(std::str::from_utf8(&text.bytes).unwrap_or("?").trim())
}

/// What files of runit and s6 come to.
struct Parts {
    hooks: Option<Box<Hooks>>,
    ready: Option<Box<Ready>>,
    stop: StopPolicy,
}

/// Files that only s6 has.
const S6: [&str; 7] =
    ["notification-fd", "timeout-finish", "timeout-kill", "down-signal", "max-death-tally", "lock-fd", "flag-newpidns"];
