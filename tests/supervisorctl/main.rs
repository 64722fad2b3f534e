//! supervisord's client and small programs against the real ones: the same words, the same output and exit code.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should not")]

mod answers;
mod commands;
mod reference;
mod small;
