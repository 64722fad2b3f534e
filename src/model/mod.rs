//! Nouns: what is true, as plain values.
//!
//! Pure: no I/O, no clock, no thread, no async, no logging, and nothing of ours is imported. Every
//! other room speaks in these types.

pub mod access;
pub mod capability;
pub mod check;
pub mod desired;
pub mod diagnostic;
pub mod endpoint;
pub mod history;
pub mod guise;
pub mod launch;
pub mod limits;
pub mod log_command;
pub mod log_to;
pub mod logging;
pub mod look;
pub mod name;
pub mod nearest;
pub mod news;
pub mod order;
pub mod outcome;
pub mod pattern;
pub mod plan;
pub mod policy;
pub mod program;
pub mod resources;
pub mod rules;
pub mod schedule;
pub mod sd_notify;
pub mod secret;
pub mod select;
pub mod security;
pub mod selector;
pub mod service;
pub mod signal;
pub mod status;
pub mod supervise;
pub mod template;
pub mod time;
pub mod tool;
pub mod transition;
pub mod units;
