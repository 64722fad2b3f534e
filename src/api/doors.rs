//! What all visitors share.

use super::call::Caller;
use super::logs::Logs;
use super::ring::Ring;
use super::statuses::Statuses;
use std::sync::Arc;

/// Whom to ask, and what is kept for all.
#[derive(Debug, Clone)]
pub(super) struct Doors {
    /// Asks the loop.
    pub(super) caller: Caller,
    /// How all stands, asked once for many.
    pub(super) statuses: Statuses,
    /// What has happened.
    pub(super) ring: Arc<Ring>,
    /// Who reads logs.
    pub(super) logs: Logs,
}

impl Doors {
    /// For the supervisor of this `instance_id`.
    pub(super) fn new(caller: Caller, instance_id: &str) -> Self {
        let statuses = Statuses::new(caller.clone());
        Self { caller, statuses, ring: Arc::new(Ring::new(instance_id)), logs: Logs::default() }
    }
}
