//! What all routes have in common that look at processes and files: who is looked at, and how much looking there may
//! be at once. All of it is done on threads that may block, never on that of the doors and never on the loop.

use super::{doctor, env, metrics, tree, usage};
use crate::api::asked::{self, bad};
use crate::api::call::{Call, Caller, Facts, Snapshot};
use crate::api::fresh::Fresh;
use crate::api::problem::Problem;
use crate::api::rights::Visitor;
use crate::api::route::{FORBIDDEN, Gives, NO_SUCH, Route, Verb, inline, schema};
use crate::api::statuses::Statuses;
use crate::model::access::Right;
use crate::model::look::{Environment, Findings, Trees, Usage};
use crate::model::name::ServiceName;
use crate::model::selector::{NoSuch, Selector, Target};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Files may lie on a disk that hangs: so long they are waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the routes share.
pub(in crate::api) struct Looks {
    pub(super) caller: Caller,
    pub(super) statuses: Statuses,
    /// What everybody uses.
    pub(super) usages: Fresh<Usage>,
    pub(super) scrapes: Fresh<metrics::Scrape>,
    pub(super) totals: Mutex<metrics::Totals>,
    /// Held while files are looked at: one look that hangs is enough.
    files: Arc<Semaphore>,
    /// Whether it took too long the last time, and still does.
    hangs: Arc<AtomicBool>,
}

const NEVER_GOOD: (u16, &str) = (409, "Its file was never good, or what it says cannot be had.");

pub(super) const ROUTES: &[Route] = &[
    Route {
        verb: Verb::Get,
        path: "/v1/services/{name}/tree",
        id: "tree",
        title: "The processes of a service",
        about: "Each process of each instance, with who its parent is and what it uses.",
        query: None,
        body: None,
        gives: Gives::Json(schema::<Trees>),
        refuses: &[FORBIDDEN, NO_SUCH, NEVER_GOOD],
        example: ("/v1/services/web/tree", ""),
        serve: || get(tree::tree),
    },
    Route {
        verb: Verb::Get,
        path: "/v1/services/{name}/env",
        id: "env",
        title: "The environment of a service",
        about: "What the process of an instance really gets. What looks like a secret is masked.",
        query: Some(inline::<env::Wish>),
        body: None,
        gives: Gives::Json(schema::<Environment>),
        refuses: &[FORBIDDEN, NO_SUCH, NEVER_GOOD],
        example: ("/v1/services/web/env", ""),
        serve: || get(env::env),
    },
    Route {
        verb: Verb::Get,
        path: "/v1/usage",
        id: "usage",
        title: "What services use",
        about: "Processes, processor time, memory and kept output of each instance, measured when it is asked.",
        query: Some(inline::<usage::Names>),
        body: None,
        gives: Gives::Json(schema::<Usage>),
        refuses: &[FORBIDDEN, NO_SUCH],
        example: ("/v1/usage?names=web", ""),
        serve: || get(usage::usage),
    },
    Route {
        verb: Verb::Get,
        path: "/v1/doctor",
        id: "doctor",
        title: "What the machine allows",
        about: "The kernel, cgroups, limits, inotify, rights, file systems and the clock: what was found, what it means \
                for who uses abide, and what to do.",
        query: None,
        body: None,
        gives: Gives::Json(schema::<Findings>),
        refuses: &[FORBIDDEN],
        example: ("/v1/doctor", ""),
        serve: || get(doctor::doctor),
    },
    Route {
        verb: Verb::Get,
        path: "/metrics",
        id: "metrics",
        title: "Metrics for Prometheus",
        about: "The series of `status.prom`, of this very moment, and of each service that has its own series: \
                processor time, resident memory, processes and kept output.",
        query: None,
        body: None,
        gives: Gives::Text(metrics::FORMAT),
        refuses: &[FORBIDDEN],
        example: ("/metrics", ""),
        serve: || get(metrics::metrics),
    },
];

impl Looks {
    pub(in crate::api) fn new(caller: Caller, statuses: Statuses) -> Arc<Self> {
        Arc::new(Self {
            caller,
            statuses,
            usages: Fresh::default(),
            scrapes: Fresh::default(),
            totals: Mutex::default(),
            files: Arc::new(Semaphore::new(1)),
            hangs: Arc::default(),
        })
    }

    /// What `names` of a query mean to a visitor; `None`: everything, since it says nothing.
    pub(super) async fn selected(&self, who: &Visitor, names: Option<&str>) -> Result<Option<Vec<Target>>, Problem> {
        let Some(names) = asked::names(names)? else { return Ok(None) };
        who.meant(&self.caller, Right::Read, names).await.map(Some)
    }

    /// What is known of the service that a path names.
    pub(super) async fn facts(&self, visitor: &Visitor, name: &str) -> Result<(ServiceName, Facts), Problem> {
        visitor.may(Right::Read, name)?;
        let one = "name one service, such as web";
        let selector = name.parse::<Selector>().map_err(|error| bad(error.to_string(), one))?;
        let Ok(service) = ServiceName::new(name) else { return Err(NoSuch(vec![(selector, None)]).into()) };
        if let Some(facts) = self.caller.ask(|answer| Call::Facts(service.clone(), answer)).await? {
            return Ok((service, facts));
        }
        // Why not: the nearest name helps, where it is not the file that is to blame.
        visitor.meant(&self.caller, Right::Read, vec![selector]).await?;
        let detail = format!("nothing of {service} has ever run: its file was never good");
        let hint = format!("`abide status {service}` says what is wrong with it");
        Err(Problem::new(StatusCode::CONFLICT, "never-good", "the service has no definition", detail).hint(hint))
    }

    /// Does something that reads files which may hang; `None`: it took too long, or another still does.
    pub(super) async fn reading<T: Send + 'static>(&self, read: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        if self.hangs.load(Ordering::Relaxed) {
            return None;
        }
        let reading = async {
            let place = Arc::clone(&self.files).acquire_owned().await.ok()?;
            let hangs = Arc::clone(&self.hangs);
            let read = move || {
                let read = read();
                hangs.store(false, Ordering::Relaxed);
                drop(place);
                read
            };
            tokio::task::spawn_blocking(read).await.ok()
        };
        let read = tokio::time::timeout(PATIENCE, reading).await;
        self.hangs.store(read.is_err(), Ordering::Relaxed);
        read.ok()?
    }
}

/// Does something that may take milliseconds and does not hang.
pub(super) async fn blocking<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(look).await.map_err(|error| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "bug", "abide made a mistake", error.to_string())
    })
}

pub(super) fn json(body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("the model has string keys only");
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// The pid of the keeper: we are the supervisor, and end when it does.
pub(super) fn keeper() -> i32 {
    std::os::unix::process::parent_id() as i32
}

/// Whom targets mean: of each service all instances (`None`) or those of some numbers.
pub(super) struct Meant<'a>(HashMap<&'a ServiceName, Vec<Option<u32>>>);

impl<'a> Meant<'a> {
    pub(super) fn new(targets: &'a [Target]) -> Self {
        let mut meant: HashMap<_, Vec<_>> = HashMap::with_capacity(targets.len());
        for target in targets {
            meant.entry(&target.service).or_default().push(target.index);
        }
        Self(meant)
    }

    pub(super) fn has(&self, service: &ServiceName, index: u32) -> bool {
        self.0.get(service).is_some_and(|all| all.iter().any(|it| it.is_none_or(|it| it == index)))
    }
}

/// One instance, as far as it is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) service: ServiceName,
    pub(super) index: u32,
    pub(super) process: Option<(i32, Option<u64>)>,
    pub(super) log: Option<PathBuf>,
}

/// Those instances of the snapshot that `targets` name. The loop has them as text already: so the question costs it
/// no more than a reference to each.
pub(super) fn seen(snapshot: &Snapshot, targets: Option<&[Target]>) -> Vec<Seen> {
    #[derive(Deserialize)]
    struct Service {
        instances: Vec<Instance>,
    }
    #[derive(Deserialize)]
    struct Instance {
        id: u32,
        pid: Option<i32>,
        start_ticks: Option<u64>,
        log: Option<Log>,
    }
    #[derive(Deserialize)]
    struct Log {
        path: PathBuf,
    }
    let meant = targets.map(Meant::new);
    let mut all = Vec::new();
    for (name, json) in &snapshot.services {
        if meant.as_ref().is_some_and(|meant| !meant.0.contains_key(name)) {
            continue;
        }
        let Ok(service) = serde_json::from_slice::<Service>(json) else { continue };
        let is_meant = |instance: &Instance| meant.as_ref().is_none_or(|meant| meant.has(name, instance.id));
        all.extend(service.instances.into_iter().filter(is_meant).map(|instance| Seen {
            service: name.clone(),
            index: instance.id,
            process: instance.pid.map(|pid| (pid, instance.start_ticks)),
            log: instance.log.map(|log| log.path),
        }));
    }
    all
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot {
        let service = |name: &str, json: &str| (ServiceName::new(name).unwrap(), Arc::from(json.as_bytes()));
        let two = r#"{"instances":[{"id":0,"pid":7,"start_ticks":9,"log":{"path":"/l/b@0/current"}},{"id":1,"state":"failed"}]}"#;
        let services = vec![service("a", r#"{"instances":[{"id":0}]}"#), service("b", two)];
        Snapshot { head: Vec::new(), services, tail: Vec::new() }
    }

    #[test]
    fn the_snapshot_tells_who_is_to_be_looked_at() {
        let all = seen(&snapshot(), None);
        let names: Vec<_> = all.iter().map(|seen| (seen.service.as_str(), seen.index)).collect();
        assert_eq!(names, [("a", 0), ("b", 0), ("b", 1)]);
        assert_eq!((all[0].process, all[1].process), (None, Some((7, Some(9)))));
        assert_eq!(all[1].log.as_deref(), Some(std::path::Path::new("/l/b@0/current")));
    }

    #[test]
    fn who_is_named_is_looked_at_and_nobody_else() {
        let target = |name: &str, index| Target { service: ServiceName::new(name).unwrap(), index };
        let of = |targets: &[Target]| -> Vec<(String, u32)> {
            seen(&snapshot(), Some(targets)).into_iter().map(|seen| (seen.service.to_string(), seen.index)).collect()
        };
        assert_eq!(of(&[target("b", Some(1))]), [("b".to_owned(), 1)]);
        assert_eq!(of(&[target("b", None), target("b", Some(0))]).len(), 2);
        assert_eq!(of(&[]), []);
    }
}
