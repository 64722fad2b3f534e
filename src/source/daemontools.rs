//! A legacy directory with an executable `run`: as svscan and supervise would treat it.

use super::config::Config;
use super::environment;
use super::identity;
use super::load::delegated;
use super::logging::{log_policy, templates_and_log};
use super::merge::Stack;
use super::toml::reader;
use super::toml::shape::ServiceFile;
use super::{Surroundings, Text, preflight};
use crate::model::desired::{Definition, Entry};
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::name::ServiceName;
use crate::model::policy::{RestartPolicy, ServiceType, StopPolicy};
use crate::model::service::{Environment, Kind, Run, Service, Version};
use std::path::Path;
use std::sync::Arc;

/// The entry of the directory `directory`, shown as `shown`. Of the defaults only `limits` and `log` apply.
pub(super) fn load(
    around: &Surroundings,
    config: &Config,
    name: &ServiceName,
    (shown, directory): (&Path, &Path),
    down: bool,
    run: &Text,
) -> Entry {
    let mut findings = Vec::new();
    let defaults = super::load::defaults(around, config);
    let stack = Stack::new(&run.path, defaults.as_deref().into_iter().collect());
    let defaults = stack.merged();
    let defaults = ServiceFile { limits: defaults.limits, log: defaults.log, ..ServiceFile::default() };
    let limits = defaults.limits.as_ref().map(super::toml::shape::Limits::to_model).unwrap_or_default();
    let person = identity::own(around);
    let base = match around.delegation {
        None => environment::whole(around),
        Some(_) => environment::base(around, &stack, &defaults, &person, false, &mut findings),
    };
    if around.preflight && !down {
        preflight::limits(around, &stack, &limits, &mut findings);
    }
    templates_and_log(&stack, &defaults, &base, !around.preflight, &mut findings);
    let Some(path) = directory.to_str() else {
        let message = "the directory's path is not UTF-8";
        findings
            .push(Diagnostic::error(shown, Code::BadName, message).help("rename it, or one of those that it lies in"));
        return entry(around, shown, run, None, findings);
    };
    let service = Service {
        name: name.clone(),
        kind: Kind::Daemontools,
        description: None,
        enabled: !down,
        instances: 1,
        run: Run::Command(vec!["./run".to_owned()]),
        content: Some(Version::of(&run.bytes)),
        // A template like any other: a dollar in the path is to be taken as it is.
        directory: path.replace('$', "$$"),
        identity: person.identity,
        delegated: delegated(around),
        service_type: ServiceType::default(),
        stdin: None,
        reads: None,
        order: super::order::order(name, &defaults),
        ready: None,
        health: None,
        hooks: None,
        reload: None,
        resources: None,
        update: None,
        schedule: None,
        security: None,
        umask: 0o022,
        base,
        environment: Environment::new(),
        restart: RestartPolicy::daemontools(),
        stop: StopPolicy::default(),
        limits,
        log: log_policy(&defaults),
    };
    entry(around, shown, run, Some(service), findings)
}

fn entry(
    around: &Surroundings,
    shown: &Path,
    run: &Text,
    service: Option<Service>,
    findings: Vec<Diagnostic>,
) -> Entry {
    let good = !findings.iter().any(Diagnostic::is_error);
    Entry {
        file: shown.to_owned(),
        drop_ins: Vec::new(),
        kind: Kind::Daemontools,
        file_hash: Some(Version::of(&run.bytes)),
        service: service.filter(|_| good).map(|service| Arc::new(Definition::from(service))),
        diagnostics: reader::bounded(findings),
        inputs: Vec::new(),
        delegated: delegated(around),
    }
}
