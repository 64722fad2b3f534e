//! All services at one moment, looked up once for all who ask at that moment: who asks on and on costs the loop no more than
//! [`Statuses`](crate::api::statuses::Statuses) allows.

use crate::api::call::{Call, Ending, Facts, Snapshot};
use crate::api::doors::Doors;
use crate::model::name::ServiceName;
use crate::model::status::{AbideStatus, ServiceStatus, Status};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Mutex;

/// So long it is kept for others who got the same snapshot.
const KEPT: Duration = Duration::from_secs(1);

/// The latest one.
#[derive(Debug, Clone, Default)]
pub(in crate::api) struct Census(Arc<Mutex<Option<Latest>>>);

#[derive(Debug)]
struct Latest {
    /// Of which moment it is.
    of: Weak<Snapshot>,
    everybody: Arc<Everybody>,
}

/// What is known of all.
#[derive(Debug)]
pub(super) struct Everybody {
    /// Of abide itself.
    pub(super) abide: Option<AbideStatus>,
    /// Its own log.
    pub(super) log: PathBuf,
    /// By name.
    pub(super) services: Vec<Seen>,
}

/// One service.
#[derive(Debug)]
pub(super) struct Seen {
    /// How it stands.
    pub(super) status: ServiceStatus,
    /// `None`: its file was never good.
    pub(super) facts: Option<Arc<Facts>>,
}

impl Census {
    /// How all stand: not before this was called.
    pub(super) async fn now(&self, doors: &Doors) -> Result<Arc<Everybody>, Ending> {
        let snapshot = doors.statuses.now().await?;
        let mut latest = self.0.lock().await;
        if let Some(Latest { of, everybody }) = &*latest
            && std::ptr::eq(of.as_ptr(), Arc::as_ptr(&snapshot))
        {
            return Ok(Arc::clone(everybody));
        }
        let all = doors.caller.ask(Call::AllFacts).await?;
        let log = doors.caller.ask(Call::Directories).await?.log.join("abide.log");
        let everybody = Arc::new(Everybody::of(&snapshot, all, log));
        let now = Latest { of: Arc::downgrade(&snapshot), everybody: Arc::clone(&everybody) };
        if latest.replace(now).is_none() {
            tokio::spawn(self.clone().forget());
        }
        Ok(everybody)
    }

    async fn forget(self) {
        tokio::time::sleep(KEPT).await;
        self.0.lock().await.take();
    }
}

impl Everybody {
    fn of(snapshot: &Snapshot, all: Vec<Facts>, log: PathBuf) -> Self {
        let mut all: BTreeMap<ServiceName, Arc<Facts>> =
            all.into_iter().map(|facts| (facts.definition.service.name.clone(), Arc::new(facts))).collect();
        let status: Option<Status> = serde_json::from_slice(&snapshot.json(|_| false)).ok();
        let seen = |(name, json): &(ServiceName, Arc<[u8]>)| {
            let facts = all.remove(name);
            Some(Seen { status: serde_json::from_slice(json).ok()?, facts })
        };
        Self {
            abide: status.map(|status| status.abide),
            log,
            services: snapshot.services.iter().filter_map(seen).collect(),
        }
    }
}
