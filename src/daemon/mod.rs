//! The loop: gathers events, lets `decide` decide, performs effects, publishes.

pub mod trace;
