//! Definitions for histories.

use abide::model::limits::{Bound, Limit, LimitKind, Limits};
use abide::model::logging::LogPolicy;
use abide::model::name::ServiceName;
use abide::model::policy::{RestartPolicy, ServiceType, StopPolicy, UpdatePolicy};
use abide::model::service::{Environment, Identity, Kind, Run, Service};
use std::sync::Arc;

/// abide's own uid in the pretended world.
pub(crate) const UID: u32 = 1000;

pub(crate) fn name(text: &str) -> ServiceName {
    ServiceName::new(text).expect("legal")
}

/// A service of defaults.
pub(crate) fn service(text: &str) -> Service {
    Service {
        name: name(text),
        kind: Kind::Toml,
        description: None,
        enabled: true,
        instances: 1,
        content: None,
        run: Run::Command(vec!["/bin/serve".to_owned()]),
        directory: "/".to_owned(),
        identity: Identity { uid: UID, gid: UID, groups: Vec::new(), change: false, user: "me".to_owned() },
        service_type: ServiceType::default(),
        stdin: None,
        reads: None,
        order: None,
        ready: None,
        health: None,
        hooks: None,
        reload: None,
        resources: None,
        // What it is rolled back from has tests of its own.
        update: Some(Box::new(UpdatePolicy { rollback: false, ..UpdatePolicy::default() })),
        schedule: None,
        security: None,
        program: None,
        delegated: None,
        umask: 0o022,
        base: Arc::new(Environment::new()),
        environment: Environment::new(),
        restart: RestartPolicy { jitter: 0.0, ..RestartPolicy::default() },
        stop: StopPolicy::default(),
        limits: Limits::new(),
        log: LogPolicy::default(),
    }
}

pub(crate) fn running(text: &str, command: &str) -> Service {
    Service { run: Run::Command(vec![command.to_owned()]), ..service(text) }
}

pub(crate) fn open_files(number: u64) -> Limits {
    Limits::from([(LimitKind::OpenFiles, Limit { soft: Bound(number), hard: Bound(number) })])
}
