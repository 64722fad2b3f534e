//! What all visitors share.

use super::call::Caller;
use super::logs::Logs;
use super::ring::Ring;
use super::routes::looks::Looks;
use super::rpc::{Census, Inputs};
use super::statuses::Statuses;
use axum::extract::FromRef;
use std::sync::Arc;

/// Whom to ask, and what is kept for all.
#[derive(Clone)]
pub(super) struct Doors {
    /// Asks the loop.
    pub(super) caller: Caller,
    /// How all stands, asked once for many.
    pub(super) statuses: Statuses,
    /// What has happened.
    pub(super) ring: Arc<Ring>,
    /// Who reads logs.
    pub(super) logs: Logs,
    /// All services, for clients of supervisord.
    pub(super) census: Census,
    /// What processes have still to be given to read.
    pub(super) inputs: Arc<Inputs>,
    /// Who looks at processes and files.
    pub(super) looks: Arc<Looks>,
}

impl Doors {
    /// For the supervisor of this `instance_id`.
    pub(super) fn new(caller: Caller, instance_id: &str) -> Self {
        let statuses = Statuses::new(caller.clone());
        let looks = Looks::new(caller.clone(), statuses.clone());
        Self {
            caller,
            statuses,
            ring: Arc::new(Ring::new(instance_id)),
            logs: Logs::default(),
            census: Census::default(),
            inputs: Arc::default(),
            looks,
        }
    }
}

impl FromRef<Doors> for Arc<Looks> {
    fn from_ref(doors: &Doors) -> Self {
        Self::clone(&doors.looks)
    }
}
