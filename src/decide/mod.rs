//! Verbs: what to do about it. Decides and never does.
//!
//! Pure: imports `model` only; no clock, no file, no thread, no async, no logging.

pub mod effect;
pub mod event;
