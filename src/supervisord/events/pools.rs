//! All pools, and the numbers of events. This is what has to outlive the daemon.

use super::{Action, Event, Pool, Settings};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All pools. What each call returns has to be done in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pools {
    identifier: String,
    /// The number of the next event that some pool takes.
    serial: u64,
    by_name: BTreeMap<String, Pool>,
}

impl Pools {
    /// No pools; of the daemon of this identifier.
    pub fn new(identifier: impl Into<String>) -> Self {
        Self { identifier: identifier.into(), ..Self::default() }
    }

    /// The daemon starts over: all pools go, the numbers go on.
    pub fn start_over(&mut self, identifier: impl Into<String>) {
        self.identifier = identifier.into();
        self.by_name.clear();
    }

    /// Adds a pool, which collects events from now on. The listeners are in the order in which they are asked.
    pub fn add(&mut self, name: &str, settings: Settings, listeners: Vec<String>) {
        self.by_name.insert(name.to_owned(), Pool::new(name.to_owned(), settings, listeners));
    }

    /// Removes a pool and what waits in it.
    pub fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    /// A pool.
    pub fn pool(&self, name: &str) -> Option<&Pool> {
        self.by_name.get(name)
    }

    /// Something happened.
    pub fn publish(&mut self, event: &Event) -> Vec<Action> {
        let (kind, mut actions) = (event.kind(), Vec::new());
        let mut takers = self.by_name.values_mut().filter(|pool| pool.wants(kind)).peekable();
        if takers.peek().is_none() {
            return actions;
        }
        let payload = event.payload();
        for pool in takers {
            pool.offer(self.serial, kind, payload.clone(), &mut actions);
            pool.dispatch(&self.identifier, &mut actions);
        }
        self.serial = self.serial.wrapping_add(1);
        actions
    }

    /// A process of the pool was spawned: it has to say anew that it is ready.
    pub fn spawned(&mut self, pool: &str, listener: &str) -> Vec<Action> {
        self.with(pool, |pool, actions| pool.begin_again(listener, actions))
    }

    /// A process of the pool came to RUNNING (and gets events from now on), or left it.
    pub fn set_running(&mut self, pool: &str, listener: &str, running: bool) -> Vec<Action> {
        self.with(pool, |pool, _| pool.set_running(listener, running))
    }

    /// A process of the pool wrote these bytes to its standard output.
    pub fn heard(&mut self, pool: &str, listener: &str, bytes: &[u8]) -> Vec<Action> {
        self.with(pool, |pool, actions| pool.hear(listener, bytes, actions))
    }

    /// A process of the pool cannot be written to any more.
    pub fn refused(&mut self, pool: &str, listener: &str) -> Vec<Action> {
        self.with(pool, |pool, actions| pool.refused(listener, actions))
    }

    /// A process of the pool ended. Its output has to be heard first.
    pub fn ended(&mut self, pool: &str, listener: &str) -> Vec<Action> {
        self.with(pool, |pool, actions| pool.begin_again(listener, actions))
    }

    fn with(&mut self, name: &str, change: impl FnOnce(&mut Pool, &mut Vec<Action>)) -> Vec<Action> {
        let mut actions = Vec::new();
        if let Some(pool) = self.by_name.get_mut(name) {
            change(pool, &mut actions);
            pool.dispatch(&self.identifier, &mut actions);
        }
        actions
    }
}

#[cfg(test)]
mod tests;
