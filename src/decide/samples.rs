//! Definitions for the tests of this room, and of those that carry out what it wants.

use crate::model::limits::Limits;
use crate::model::logging::LogPolicy;
use crate::model::name::ServiceName;
use crate::model::policy::{RestartPolicy, ServiceType, StopPolicy};
use crate::model::service::{Environment, Identity, Kind, Run, Service};
use std::sync::Arc;

/// A service of defaults that runs as uid 1000.
pub(crate) fn service(name: &str) -> Service {
    Service {
        name: ServiceName::new(name).expect("legal"),
        kind: Kind::Toml,
        description: None,
        enabled: true,
        instances: 1,
        content: None,
        run: Run::Command(vec!["/bin/serve".to_owned()]),
        directory: "/".to_owned(),
        identity: Identity { uid: 1000, gid: 1000, groups: Vec::new(), change: false, user: "me".to_owned() },
        service_type: ServiceType::default(),
        stdin: None,
        reads: None,
        order: None,
        ready: None,
        health: None,
        hooks: None,
        reload: None,
        resources: None,
        update: None,
        schedule: None,
        security: None,
        program: None,
        delegated: None,
        umask: 0o022,
        base: Arc::new(Environment::new()),
        environment: Environment::new(),
        restart: RestartPolicy::default(),
        stop: StopPolicy::default(),
        limits: Limits::new(),
        log: LogPolicy::default(),
    }
}
