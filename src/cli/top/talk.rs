//! What goes in and out: inputs, what the daemon says, wishes. Plain data.

use super::sse::Told;
use crate::model::look::Usage;
use crate::model::name::ServiceName;
use crate::model::order::Done;
use crate::model::selector::Target;
use crate::model::status::Status;
use crossterm::event::{KeyEvent, MouseEvent};
use serde::Deserialize;

/// What has happened to it.
#[derive(Debug)]
pub enum Input {
    /// A key.
    Key(KeyEvent),
    /// The mouse.
    Mouse(MouseEvent),
    /// Text from the clipboard.
    Paste(String),
    /// The terminal has another size.
    Resize(u16, u16),
    /// The time that [`super::Top::deadline`] told has come.
    Wake,
    /// abide says.
    Said(Said),
}

/// What the daemon says, or the way to it.
#[derive(Debug)]
pub enum Said {
    /// Events come from now on.
    Listening,
    /// It answers and has no events for us: who wants to know must ask.
    Deaf(Refusal),
    /// Nobody is there.
    Lost(String),
    /// Something happened.
    News(Told),
    /// How all stands, or only those who were asked for.
    Status(Option<Vec<ServiceName>>, Result<Box<Status>, Refusal>),
    /// What services use.
    Usage(Result<Usage, Refusal>),
    /// Who we are and what we may; `None`: it does not say.
    Rights(Option<Rights>),
    /// What is not yet as the files say.
    Plan(Result<Vec<Step>, Refusal>),
    /// What came of an order.
    Acted(Verb, Result<Vec<Done>, Refusal>),
    /// Lines of the log that is followed, by the number of the request.
    Lines(u64, Vec<String>),
    /// No more of it comes.
    LogEnded(u64, String),
}

/// What it wants to have done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Leave.
    Quit,
    /// Stop, as Ctrl-Z does.
    Suspend,
    /// Draw everything anew.
    Clear,
    /// Ask how these services stand; `None`: all.
    Status(Option<Vec<ServiceName>>),
    /// Ask what they use.
    Usage,
    /// Ask what we may.
    Rights,
    /// Ask what is pending.
    Plan,
    /// Tell abide to do something.
    Act {
        /// What.
        verb: Verb,
        /// With which.
        targets: Vec<Target>,
        /// Why.
        reason: Option<String>,
        /// For how long.
        lasts: Option<String>,
    },
    /// Follow a log; the number stands in what comes of it.
    Follow(u64, Target),
    /// Follow none.
    Unfollow,
}

/// What can be told from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "as the commands")]
pub enum Verb {
    Start,
    Stop,
    Restart,
    Reload,
    Retry,
    Confirm,
    Suspend,
    Resume,
}

impl Verb {
    /// The word, as in the path and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Reload => "reload",
            Self::Retry => "retry",
            Self::Confirm => "confirm",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
        }
    }
}

/// Why something was refused, in the words of the problem document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    /// The kind of problem in words.
    #[serde(default)]
    pub title: String,
    /// What happened, and to what.
    pub detail: String,
    /// What to do next.
    #[serde(default)]
    pub hint: Option<String>,
    /// The HTTP status; 0 where there was no answer.
    #[serde(default)]
    pub status: u16,
}

/// The answer to `GET /v1/whoami`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Rights {
    /// Who we are to it.
    pub name: String,
    /// What we may.
    pub rights: Vec<Right>,
}

/// One right.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Right {
    /// `all`, `operate` or `read`.
    pub may: String,
    /// With which services: a pattern.
    pub services: String,
}

/// A step of what is pending, as far as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Step {
    /// For which service.
    pub service: ServiceName,
    /// What is to be done.
    pub action: String,
    /// Why, or why not yet.
    pub reason: String,
    /// Field by field.
    #[serde(default)]
    pub changes: Vec<Change>,
}

/// One changed field.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "as in model::plan")]
pub struct Change {
    pub field: String,
    pub from: Option<String>,
    pub to: Option<String>,
    pub why: Option<String>,
}
