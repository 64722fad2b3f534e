//! A service made ready to be executed as one instance.

use super::limits::Limits;
use super::outcome::Failure;
use super::schedule::Schedule;
use super::security::Security;
use super::service::{Environment, Identity, Run, Service};
use super::template::{BadTemplate, expand};

/// The variable that tells an instance its index.
pub const INSTANCE_VARIABLE: &str = "ABIDE_INSTANCE";

/// One command, ready but for finding its program: every template is expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Program and arguments, at least one.
    pub argv: Vec<String>,
    /// The whole environment.
    pub environment: Environment,
    /// The working directory, absolute.
    pub directory: String,
    /// As whom.
    pub identity: Identity,
    /// File mode creation mask.
    pub umask: u32,
    /// Limits to set; the others are those that abide was started with.
    pub limits: Limits,
    /// The file that is its standard input, absolute; `None`: `/dev/null`.
    pub stdin: Option<String>,
    /// How it is scheduled.
    pub schedule: Option<Box<Schedule>>,
    /// What it may do and see; texts are expanded.
    pub security: Option<Box<Security>>,
}

impl Launch {
    /// The launch of instance `index` of `service`.
    pub fn prepare(service: &Service, index: u32) -> Result<Self, Failure> {
        let argv = match &service.run {
            Run::Command(words) => expand_all(service, index, words)?,
            Run::Script(text) => ["/bin/sh", "-e", "-c", text, service.name.as_str()].map(str::to_owned).to_vec(),
        };
        Self::with(service, index, argv)
    }

    /// The launch of another command of `service` for its instance `index`: all is as for the service itself.
    pub fn errand(service: &Service, index: u32, words: &[String]) -> Result<Self, Failure> {
        Self::with(service, index, expand_all(service, index, words)?)
    }

    fn with(service: &Service, index: u32, argv: Vec<String>) -> Result<Self, Failure> {
        let directory =
            expand_for(service, index, &service.directory).map_err(|bad| Failure::Prepare(bad.to_string()))?;
        let mut environment = Environment::clone(&service.base);
        for (name, value) in &service.environment {
            let value = expand_for(service, index, value).map_err(|bad| Failure::Prepare(bad.to_string()))?;
            environment.insert(name.clone(), value);
        }
        environment.insert(INSTANCE_VARIABLE.to_owned(), index.to_string());
        let expanded =
            |text: &String| expand_for(service, index, text).map_err(|bad| Failure::Prepare(bad.to_string()));
        let stdin = service.stdin.as_ref().map(expanded).transpose()?;
        let security = service.security.as_ref().map(|security| security.expanded(expanded)).transpose()?;
        let confined = security.iter().flat_map(Security::texts);
        let strings = argv.iter().chain(environment.values()).chain([&directory]).chain(&stdin).chain(confined);
        if let Some(bad) = strings.into_iter().find(|text| text.contains('\0')) {
            return Err(Failure::Prepare(format!("{bad:?} has a NUL byte")));
        }
        Ok(Self {
            argv,
            environment,
            directory,
            identity: service.identity.clone(),
            umask: service.umask,
            limits: service.limits.clone(),
            stdin,
            schedule: service.schedule.clone(),
            security: security.map(Box::new),
        })
    }
}

fn expand_all(service: &Service, index: u32, words: &[String]) -> Result<Vec<String>, Failure> {
    let expanded = words.iter().map(|word| expand_for(service, index, word)).collect::<Result<_, _>>();
    expanded.map_err(|bad| Failure::Prepare(bad.to_string()))
}

/// Expands one template of `service` as its instance `index` sees it: over `base` and
/// `ABIDE_INSTANCE`, never over other entries of `environment`.
pub fn expand_for(service: &Service, index: u32, text: &str) -> Result<String, BadTemplate> {
    let number = index.to_string();
    let lookup = |name: &str| match name {
        INSTANCE_VARIABLE => Some(number.as_str()),
        _ => service.base.get(name).map(String::as_str),
    };
    expand(text, lookup)
}
