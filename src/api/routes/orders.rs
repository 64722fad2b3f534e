//! The operator's hand: start, stop, restart, reload, signal.

use super::document;
use crate::api::asked::{Meant, Told, bad, duration};
use crate::api::call::Call;
use crate::api::doors::Doors;
use crate::api::problem::Problem;
use crate::api::rights::Visitor;
use crate::api::route::{FORBIDDEN, Gives, NO_SUCH, Route, Verb, schema};
use crate::model::order::{Act, Done, LogAct, Order};
use crate::model::selector::{Selector, Target};
use crate::model::signal::Signal;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) const REFUSED: (u16, &str) =
    (409, "At least one target could not obey; the body says of each what came of it.");

/// What all orders have in common; `serve` is that of the first, and each other names its own.
pub(super) const fn order(path: &'static str, id: &'static str, title: &'static str, about: &'static str) -> Route {
    Route {
        verb: Verb::Post,
        path,
        id,
        title,
        about,
        query: None,
        body: Some(schema::<NoMore>),
        gives: Gives::Json(schema::<Came>),
        refuses: &[FORBIDDEN, NO_SUCH, REFUSED],
        example: ("", ""),
        serve: || post(start),
    }
}

pub(super) const ROUTES: &[Route] = &[
    Route {
        example: ("/v1/services/web/start", ""),
        ..order(
            "/v1/services/{selectors}/start",
            "start",
            "Start what rests",
            "Lifts holds, and starts what rests: what was given up, or waits for its next attempt, too. The answer comes \
             when the order is taken, not when the services run: `/v1/wait` waits for that.",
        )
    },
    Route {
        body: Some(schema::<Stop>),
        example: ("/v1/services/web/stop", "{\"reason\":\"disk is being replaced\",\"for\":\"2h\"}"),
        serve: || post(stop),
        ..order(
            "/v1/services/{selectors}/stop",
            "stop",
            "Stop, and hold stopped",
            "Stops services and holds them stopped, until somebody starts them or the time is over. A hold outlives a \
             restart of abide, and an edit of the file does not lift it.",
        )
    },
    Route {
        body: Some(schema::<Anew>),
        example: ("/v1/services/web/restart", ""),
        serve: || post(restart),
        ..order(
            "/v1/services/{selectors}/restart",
            "restart",
            "Stop and start anew",
            "Stops what runs and starts it in its newest version; starts what rests. A hold is lifted.",
        )
    },
    Route {
        example: ("/v1/services/web/reload", ""),
        serve: || post(reload),
        ..order(
            "/v1/services/{selectors}/reload",
            "reload",
            "Have the configuration taken up",
            "Has the running processes take up their configuration, as `[reload]` of the service file has it.",
        )
    },
    Route {
        body: Some(schema::<Sent>),
        example: ("/v1/services/web/signal", "{\"signal\":\"CONT\"}"),
        serve: || post(signal),
        ..order(
            "/v1/services/{selectors}/signal",
            "signal",
            "Send a signal",
            "Sends a signal to the processes that abide watches, and to no others.",
        )
    },
    Route {
        example: ("/v1/services/web/rotate", ""),
        serve: || post(rotate),
        ..order(
            "/v1/services/{selectors}/rotate",
            "rotate",
            "Rotate the log",
            "Gives the file `current` of each log its rotated name, if there is anything in it, and begins a new one.",
        )
    },
    Route {
        example: ("/v1/services/web/reopen", ""),
        serve: || post(reopen),
        ..order(
            "/v1/services/{selectors}/reopen",
            "reopen",
            "Open the log anew",
            "Closes the file of each log, so that what comes goes to what then is called `current`: for those who have moved \
             it away, as logrotate does.",
        )
    },
];

/// The body of an order that needs none: an empty object, or nothing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NoMore {}

/// How to restart.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Anew {
    /// The processes of a service one after the other, each up before the next.
    #[serde(default)]
    rolling: bool,
}

/// How to stop.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Stop {
    /// Why, for those who look at the status.
    reason: Option<String>,
    /// After so long the hold lifts itself and the service starts: `2h`.
    #[serde(rename = "for")]
    lasts: Option<String>,
}

/// What to send.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sent {
    /// Which signal: `HUP`, `SIGHUP`, `1`, `RTMIN+1`.
    signal: String,
}

/// What came of an order.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Came {
    /// Which it was: `start`, `stop`, `restart`, `reload`, `signal`, `rotate`, `reopen`, `confirm`, `suspend`, `resume`, `retry`, `rollback`.
    pub(super) act: &'static str,
    /// What came of it for each service, or instance, that it named.
    pub(super) targets: Vec<Done>,
}

/// More is a novel, and stands in every snapshot.
const LONGEST_REASON: usize = 1000;

async fn start(doors: State<Doors>, who: Visitor, meant: Meant, _: Told<NoMore>) -> Result<Response, Problem> {
    give(doors, who, meant, Act::Start).await
}

async fn stop(doors: State<Doors>, who: Visitor, meant: Meant, Told(how): Told<Stop>) -> Result<Response, Problem> {
    give(doors, who, meant, how.act()?).await
}

async fn restart(doors: State<Doors>, who: Visitor, meant: Meant, Told(how): Told<Anew>) -> Result<Response, Problem> {
    give(doors, who, meant, if how.rolling { Act::RestartRolling } else { Act::Restart }).await
}

async fn reload(doors: State<Doors>, who: Visitor, meant: Meant, _: Told<NoMore>) -> Result<Response, Problem> {
    give(doors, who, meant, Act::Reload).await
}

async fn signal(doors: State<Doors>, who: Visitor, meant: Meant, Told(what): Told<Sent>) -> Result<Response, Problem> {
    give(doors, who, meant, what.act()?).await
}

async fn rotate(doors: State<Doors>, who: Visitor, meant: Meant, _: Told<NoMore>) -> Result<Response, Problem> {
    give(doors, who, meant, Act::Log(LogAct::Rotate)).await
}

async fn reopen(doors: State<Doors>, who: Visitor, meant: Meant, _: Told<NoMore>) -> Result<Response, Problem> {
    give(doors, who, meant, Act::Log(LogAct::Reopen)).await
}

/// A reason as it stands in the status: one line of a length that can be read.
pub(super) fn reason(given: Option<String>) -> Result<Option<String>, Problem> {
    let reason = given.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    let long = reason.as_ref().is_some_and(|reason| reason.chars().nth(LONGEST_REASON).is_some());
    if long || reason.as_ref().is_some_and(|reason| reason.contains(char::is_control)) {
        let detail = format!("reason: it is more than a line of {LONGEST_REASON} characters");
        return Err(bad(detail, "write one short line"));
    }
    Ok(reason)
}

impl Stop {
    fn act(self) -> Result<Act, Problem> {
        let reason = reason(self.reason)?;
        let lasts = self.lasts.map(|text| duration("for", &text)).transpose()?;
        if lasts.is_some_and(|lasts| lasts.is_zero()) {
            return Err(bad("for: a hold of no time holds nothing", "write how long, such as \"2h\", or restart it"));
        }
        Ok(Act::Stop { reason, lasts })
    }
}

impl Sent {
    fn act(&self) -> Result<Act, Problem> {
        let shown: String = self.signal.chars().take(30).collect();
        let unknown = |()| {
            let near = crate::model::nearest::nearest(&shown.to_ascii_uppercase(), Signal::names().iter().copied());
            let meant = near.map_or_else(String::new, |near| format!("did you mean {near}? "));
            bad(format!("signal: there is no signal {shown:?}"), format!("{meant}write it like HUP, SIGHUP or 1"))
        };
        self.signal.parse().map(Act::Signal).map_err(unknown)
    }
}

/// Names → exact targets → rights → the order itself: what is told is what was allowed.
pub(super) async fn give(
    State(doors): State<Doors>,
    who: Visitor,
    Meant(names): Meant,
    act: Act,
) -> Result<Response, Problem> {
    let targets = told(&doors, &who, names, &act).await?;
    obey(&doors, &who, act, targets).await
}

/// Who is meant by an order, if each of them may be told that.
pub(super) async fn told(
    doors: &Doors,
    who: &Visitor,
    names: Vec<Selector>,
    act: &Act,
) -> Result<Vec<Target>, Problem> {
    // Who may not even know whether there is such a service is told the same, whether there is or not.
    who.may_tell(act, names.iter().filter(|name| name.is_exact()).map(|name| name.names.as_str()))?;
    let targets = doors.caller.ask(|answer| Call::Select(names, answer)).await??;
    who.may_tell(act, targets.iter().map(|target| target.service.as_str()))?;
    Ok(targets)
}

/// Gives the order, which is allowed.
pub(super) async fn obey(doors: &Doors, who: &Visitor, act: Act, targets: Vec<Target>) -> Result<Response, Problem> {
    let word = act.word();
    let order = Order { act, targets, author: who.author() };
    let targets = doors.caller.ask(|answer| Call::Order(order, answer)).await?;
    let status = if targets.iter().any(|done| done.refused) { StatusCode::CONFLICT } else { StatusCode::OK };
    Ok((status, document(&Came { act: word, targets })).into_response())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use std::time::Duration;

    fn stop(reason: Option<&str>, lasts: Option<&str>) -> Result<Act, String> {
        let stop = Stop { reason: reason.map(str::to_owned), lasts: lasts.map(str::to_owned) };
        stop.act().map_err(|problem| format!("{} {}", problem.detail, problem.hint.unwrap()))
    }

    #[test]
    fn a_stop_has_a_reason_and_a_time_or_neither() {
        let lasts = Some(Duration::from_secs(7200));
        assert_eq!(stop(Some(" disk "), Some("2h")), Ok(Act::Stop { reason: Some("disk".into()), lasts }));
        assert_eq!(stop(Some(" "), None), Ok(Act::Stop { reason: None, lasts: None }));
        assert_eq!(stop(None, Some("2")), Err("for: a duration needs a unit write \"2s\" for seconds".into()));
        assert!(stop(None, Some("0s")).unwrap_err().contains("\"2h\""));
        assert!(stop(Some("a\nb"), None).unwrap_err().contains("one short line"));
        assert!(stop(Some(&"é".repeat(1001)), None).is_err() && stop(Some(&"é".repeat(1000)), None).is_ok());
    }

    #[test]
    fn a_signal_that_there_is_not_is_answered_with_the_nearest() {
        let act = |signal: &str| Sent { signal: signal.to_owned() }.act().map_err(|problem| problem.hint.unwrap());
        assert_eq!(act("hup"), Ok(Act::Signal(Signal::HUP)));
        assert_eq!(act("HOP"), Err("did you mean HUP? write it like HUP, SIGHUP or 1".into()));
        assert_eq!(act("0"), Err("write it like HUP, SIGHUP or 1".into()));
    }
}
