//! The loop: gathers events, lets `decide` decide, performs effects, publishes.
//!
//! The only room that knows tokio. [`run`] boots, turns until told to stop, and leaves.

mod alarm;
mod answer;
mod boot;
mod claim;
mod door;
mod files;
mod guise;
pub mod paths;
mod past;
mod planner;
mod poison;
mod probe;
pub mod publish;
mod records;
mod report;
pub mod trace;
mod turn;

pub use boot::run;
