//! `[log] command`: the output of a service is the input of another one, made from the same file.

use super::limits::Limits;
use super::logging::{LogPolicy, StderrTo};
use super::name::ServiceName;
use super::policy::{RestartPolicy, ServiceType, StopPolicy};
use super::service::{Run, Service};

/// What the name of a service gets to be that of its log command.
pub const SUFFIX: &str = ".log";

/// What the log command of `service` is called; `None`: that is no name, since it is too long.
pub fn name(service: &ServiceName) -> Option<ServiceName> {
    ServiceName::new(&format!("{service}{SUFFIX}")).ok()
}

impl Service {
    /// The service that takes its output, if one does: as this one's user, in its directory, with its variables. What it
    /// prints itself goes where the output of this one would.
    pub fn log_command(&self) -> Option<Self> {
        let words = self.log.command.as_ref()?;
        Some(Self {
            name: name(&self.name)?,
            kind: self.kind,
            description: Some(format!("takes the output of {}", self.name)),
            enabled: self.enabled,
            instances: self.instances,
            run: Run::Command(words.to_vec()),
            content: None,
            directory: self.directory.clone(),
            identity: self.identity.clone(),
            umask: self.umask,
            base: self.base.clone(),
            environment: self.environment.clone(),
            restart: RestartPolicy::default(),
            stop: StopPolicy::default(),
            limits: Limits::default(),
            log: LogPolicy { command: None, stderr: StderrTo::Merge, ..self.log.clone() },
            service_type: ServiceType::default(),
            stdin: None,
            reads: Some(self.name.clone()),
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
}
