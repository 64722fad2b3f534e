//! Verbs: what to do about it. Decides and never does.
//!
//! Pure: imports `model` only; no clock, no file, no thread, no async, no logging. Time comes in
//! with each call, chance from a seed.

pub mod event;
pub mod effect;
pub mod diff;
pub mod plan;
pub mod fleet;
mod align;
mod autostart;
mod backlog;
mod backoff;
mod care;
mod directed;
mod down;
mod ended;
mod errands;
mod findings;
mod guard;
mod health;
mod holds;
mod instance;
mod intake;
pub mod judge;
mod launch;
mod log_commands;
mod member;
mod obey;
mod operator;
mod order;
mod ordered;
mod pending;
mod phase;
mod queue;
mod readiness;
pub mod records;
pub mod recover;
mod reload;
mod renames;
mod restarts;
mod rollback;
mod rollout;
mod select;
mod standing;
mod stopping;
mod supervised;
mod timers;
pub mod view;
#[cfg(test)]
pub(crate) mod samples;
