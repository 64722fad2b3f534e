//! Asking the daemon: answers as values, refusals as one sentence and an exit code.

use super::exit;
use crate::api::client::{Client, Lines, NoAnswer, Refused, Reply, encoded};
use crate::daemon::paths::{PathError, Places, Wishes};
use crate::model::selector::Selector;
use crate::model::status::Status;
use serde::de::DeserializeOwned;
use std::io::Write;
use std::time::{Duration, Instant};

/// The snapshot follows within this time, unless it cannot be written.
const CATCH_UP: Duration = Duration::from_secs(1);
const GLANCE: Duration = Duration::from_millis(10);

/// Why a command did not get what it asked for. Each is a sentence that says what to do next.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The locations cannot be settled.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Nobody answers.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// The daemon says no.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// This process lacks something.
    #[error("could not begin to ask: {0}; try again")]
    Unable(#[from] std::io::Error),
}

impl Refusal {
    /// Whether no daemon runs at all.
    pub(super) fn is_absence(&self) -> bool {
        matches!(self, Self::NoAnswer(NoAnswer::NoDaemon { .. }))
    }

    /// The exit code that it comes to.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::NoAnswer(NoAnswer::Barred { .. }) | Self::Path(_) | Self::Refused(_) | Self::Unable(_) => {
                exit::ERRORS
            }
            Self::NoAnswer(_) => exit::NO_DAEMON,
        }
    }

    /// Says it on stderr, in the name of `command`; the exit code.
    pub(super) fn told(&self, command: &str) -> u8 {
        complain(command, &self.to_string());
        self.code()
    }
}

/// A sentence on stderr, in the name of `command`.
pub(super) fn complain(command: &str, sentence: &str) {
    let _ = writeln!(std::io::stderr(), "abide {command}: {sentence}");
}

/// The daemon of some runtime directory.
#[derive(Debug)]
pub(super) struct Talk {
    pub(super) places: Places,
    client: Client,
}

impl Talk {
    /// With the daemon that `wishes` mean.
    pub(super) fn new(wishes: impl Into<Wishes>) -> Result<Self, Refusal> {
        let places = super::run::places(wishes.into())?;
        let client = Client::new(&places.runtime)?;
        Ok(Self { places, client })
    }

    /// With so much more time for an answer.
    pub(super) fn patient(self, more: Duration) -> Self {
        Self { client: self.client.patient(more), ..self }
    }

    /// `GET path`.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Refusal> {
        self.taken(&self.client.get(path)?, false)
    }

    /// `POST path`, of which an answer of 409 is an answer too.
    pub(super) fn post<T: DeserializeOwned>(&self, path: &str, body: &serde_json::Value) -> Result<T, Refusal> {
        self.taken(&self.client.post(path, body.to_string().as_bytes())?, true)
    }

    fn taken<T: DeserializeOwned>(&self, reply: &Reply, conflict_is_answer: bool) -> Result<T, Refusal> {
        let is_answer = reply.status < 400 || (conflict_is_answer && reply.status == 409);
        if let (true, Some(answer)) = (is_answer, reply.json()) {
            return Ok(answer);
        }
        Err(reply.refused().map_or_else(|| self.strange(), Refusal::Refused))
    }

    /// That an answer is not what it should be.
    pub(super) fn strange(&self) -> Refusal {
        self.client.strange().into()
    }

    /// `GET path`, line by line.
    pub(super) fn lines(&self, path: &str) -> Result<Lines<'_>, Refusal> {
        let refused = |reply: Reply| reply.refused().map_or_else(|| self.strange(), Refusal::Refused);
        self.client.lines(path)?.map_err(refused)
    }
}

/// Waits a moment for the snapshot file to show what the daemon has answered: who looks at the status next shall not
/// see what was before. It is written a little later than the daemon knows, and not at all where it cannot be.
pub(super) fn until_shown(talk: &Talk, shows: impl Fn(&Status) -> bool) {
    let until = Instant::now() + CATCH_UP;
    while Instant::now() < until {
        match super::status::read(&talk.places.runtime, None) {
            Ok(reading) if !shows(&reading.status) => std::thread::sleep(GLANCE),
            _ => return,
        }
    }
}

/// Names as a part of a path or of a query.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a Selector>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| encoded(&name.to_string())).collect();
    names.join(",")
}
