//! The loop: gathers events, lets `decide` decide, performs effects, publishes.

pub mod publish;
pub mod trace;
