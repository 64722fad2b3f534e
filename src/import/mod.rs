//! Services of other supervisors to service files of abide's: values to values.
//!
//! Pure: what is read of a machine comes as values, and nothing is written. What is not understood for
//! certain is not translated: [`Left`] says which line it was, and why.

mod chain;
mod commands;
pub mod daemontools;
mod draft;
mod logger;
mod options;
mod script;
mod shell;
pub mod supervisord;
#[cfg(test)]
mod tests;

use crate::model::limits::{Bound, LimitKind};
use std::collections::BTreeMap;

/// What has to be known of the machine.
pub struct Machine<'a> {
    /// The account of a name, if there is one.
    pub account: &'a dyn Fn(&str) -> Option<Account>,
    /// The hard limits that a service begins with.
    pub hard: BTreeMap<LimitKind, Bound>,
}

/// An account of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub uid: u32,
    /// Whether it is in other groups than its primary one.
    pub is_in_more_groups: bool,
}

/// A service file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The text of `NAME.toml`.
    pub text: String,
    /// What is not quite as it was, or could not be said by a key: a sentence each. They stand in the text too.
    pub remarks: Vec<String>,
}

/// Why a service was left as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {why}", file, .line.map_or_else(String::new, |line| format!(", line {line}")))]
pub struct Left {
    /// The file within the service's directory.
    pub file: &'static str,
    /// The line, from 1, where it is one.
    pub line: Option<usize>,
    /// What was not understood, and why.
    pub why: String,
}

impl Left {
    fn of(file: &'static str, why: impl Into<String>) -> Self {
        Self { file, line: None, why: why.into() }
    }
}
