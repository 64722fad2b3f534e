//! The doors: HTTP over the control socket, and over TCP where `abide.toml` says so.
//!
//! A thread of its own with a small runtime, made when the first visitor knocks: who asks much can slow down
//! the doors and nobody's supervision. It has no state of the fleet: what it wants to know or to have done it
//! asks of the loop by a [`call::Call`], and what happens it is told by [`feed::Feed`].

mod asked;
mod audit;
pub mod call;
pub mod client;
mod doors;
pub mod feed;
mod fresh;
mod guard;
mod hall;
mod listen;
mod logs;
pub mod openapi;
mod origin;
mod patient;
mod pieces;
pub mod problem;
mod rights;
mod ring;
mod route;
mod routes;
mod rpc;
pub mod server;
pub mod socket;
mod statuses;
mod tls;
pub mod token;
mod veil;
mod wait;
