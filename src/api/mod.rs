//! The doors: HTTP over the control socket, and over TCP where `abide.toml` says so.
//!
//! A thread of its own with a small runtime, made when the first visitor knocks: who asks much can slow down
//! the doors and nobody's supervision. It has no state of the fleet: what it wants to know or to have done it
//! asks of the loop by a [`call::Call`], and what happens it is told by [`feed::Feed`].

pub mod call;
pub mod client;
pub mod feed;
pub mod problem;
mod routes;
pub mod server;
