//! What the stream of events tells: each a fact that happened once, in the words of the log.

use super::order::{Author, Done};
use super::status::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum News {
    /// An instance went from one state to another; or, where both are the same, something went wrong that no state tells.
    Transition {
        /// Of which service.
        service: String,
        /// Which, where there is more than one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instance: Option<u32>,
        /// Before.
        from: State,
        /// After.
        to: State,
        /// Why.
        reason: String,
        /// Its process.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pid: Option<i32>,
        /// How it ended, in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exit: Option<String>,
        /// Whether it is trouble.
        grave: bool,
    },
    /// A step of a plan is carried out.
    Plan {
        /// For which service.
        service: String,
        /// `start`, `stop`, `restart`, `live` or `nothing`.
        action: String,
        /// Why.
        reason: String,
    },
    /// A file is wrong, or worth a warning.
    File {
        /// Of which service, if of one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<String>,
        /// Which file.
        file: String,
        /// Where.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<u32>,
        /// Where in the line.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        column: Option<u32>,
        /// What kind of finding; see the reference.
        code: String,
        /// A sentence.
        message: String,
        /// What to do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        help: Option<String>,
        /// Whether it is an error; else a warning.
        error: bool,
    },
    /// What was wrong with a file is mended.
    Mended {
        /// Of which service, if of one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<String>,
        /// Which file.
        file: String,
    },
    /// An operator gave an order.
    Order {
        /// `start`, `stop`, `restart`, `reload` or `signal`.
        act: String,
        /// What came of it.
        targets: Vec<Done>,
        /// Who.
        author: Author,
    },
    /// This reader was too slow, or asked for what is not kept any more: so much is missing here.
    Missed {
        /// How many; `None`: nobody knows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        count: Option<u64>,
        /// Why, in words.
        why: String,
    },
}

impl News {
    /// The name of its kind, which is the name of the event in the stream.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Transition { .. } => "transition",
            Self::Plan { .. } => "plan",
            Self::File { .. } => "file",
            Self::Mended { .. } => "mended",
            Self::Order { .. } => "order",
            Self::Missed { .. } => "missed",
        }
    }

    /// The services that it is about.
    pub fn services(&self) -> Vec<&str> {
        match self {
            Self::Transition { service, .. } | Self::Plan { service, .. } => vec![service],
            Self::File { service, .. } | Self::Mended { service, .. } => service.iter().map(String::as_str).collect(),
            Self::Order { targets, .. } => {
                targets.iter().map(|done| done.target.split('@').next().unwrap_or_default()).collect()
            }
            Self::Missed { .. } => Vec::new(),
        }
    }
}
