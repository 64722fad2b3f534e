//! `[log] command`: the output of a service is the input of another one, made from the same file.

use super::limits::Limits;
use super::logging::{LogPolicy, LogWay, StderrTo};
use super::name::ServiceName;
use super::policy::{RestartPolicy, ServiceType, StopPolicy};
use super::service::{Run, Service};

/// What the name of a service gets to be that of its log command.
pub const SUFFIX: &str = ".log";

/// The variable by which `abide ship` is told what to select: a [`super::select::Selection`] as JSON.
pub const SELECTION: &str = "ABIDE_SELECTION";

/// What the log command of `service` is called; `None`: that is no name, since it is too long.
pub fn name(service: &ServiceName) -> Option<ServiceName> {
    ServiceName::new(&format!("{service}{SUFFIX}")).ok()
}

impl Service {
    /// What its log command is called, if it has one.
    pub fn log_command_name(&self) -> Option<ServiceName> {
        let is_none = self.log.is_logged() || self.log.way.as_deref() == Some(&LogWay::Inherit);
        if is_none { None } else { name(&self.name) }
    }

    /// The service that takes its output, if one does: as this one's user, in its directory, with its variables. What it
    /// prints itself goes where the output of this one would.
    pub fn log_command(&self) -> Option<Self> {
        let log = &self.log;
        let (words, selection) = match log.way.as_deref()? {
            LogWay::Command(words) => (words.clone(), None),
            LogWay::Ship { to, program } => (self.shipping(to, program), log.selection.as_ref()),
            LogWay::Directory(service) => return Some(Self::clone(service)),
            LogWay::Inherit | LogWay::Files(_) => return None,
        };
        // What a secret looks like is nothing for everybody's eyes.
        let selection = selection.and_then(|selection| serde_json::to_string(selection).ok());
        let selection = selection.map(|text| (SELECTION.to_owned(), text.replace('$', "$$")));
        Some(Self {
            name: name(&self.name)?,
            kind: self.kind,
            description: Some(format!("takes the output of {}", self.name)),
            enabled: self.enabled,
            instances: self.instances,
            run: Run::Command(words),
            content: None,
            directory: self.directory.clone(),
            identity: self.identity.clone(),
            umask: self.umask,
            base: self.base.clone(),
            environment: self.environment.clone().into_iter().chain(selection).collect(),
            restart: RestartPolicy::default(),
            stop: StopPolicy::default(),
            limits: Limits::default(),
            log: LogPolicy { way: None, selection: None, stderr: StderrTo::Merge, ..self.log.clone() },
            service_type: ServiceType::default(),
            stdin: None,
            reads: Some(self.name.clone()),
            program: None,
            order: None,
            ready: None,
            health: None,
            hooks: None,
            reload: None,
            update: None,
            resources: None,
            schedule: None,
            security: None,
            delegated: self.delegated.clone(),
        })
    }

    /// The command that sends what it reads to the log of another.
    fn shipping(&self, to: &str, program: &str) -> Vec<String> {
        let tag = if self.instances > 1 { format!("{}@${{ABIDE_INSTANCE}}", self.name) } else { self.name.to_string() };
        let words = [
            program,
            "ship",
            "--to",
            to,
            "--tag",
            &tag,
            "--max-line",
            &self.log.max_line.to_string(),
            "--on-full",
            self.log.on_full.as_str(),
        ];
        words.map(str::to_owned).to_vec()
    }
}
