//! `/v1/log-level`: what abide's own log tells, asked and changed while it runs.

use super::document;
use crate::api::asked::{Told, bad};
use crate::api::call::Call;
use crate::api::doors::Doors;
use crate::api::problem::Problem;
use crate::api::rights::Visitor;
use crate::api::route::{FORBIDDEN, Gives, Route, Verb, schema};
use crate::model::access::Right;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) const ROUTES: &[Route] = &[
    Route {
        verb: Verb::Get,
        path: "/v1/log-level",
        id: "log-level",
        title: "What abide's own log tells",
        about: "From which level on abide's own log tells of what happens.",
        query: None,
        body: None,
        gives: Gives::Json(schema::<Level>),
        refuses: &[FORBIDDEN],
        example: ("/v1/log-level", ""),
        serve: || get(ask),
    },
    Route {
        verb: Verb::Post,
        path: "/v1/log-level",
        id: "set-log-level",
        title: "Have abide's own log tell more, or less",
        about: "From now on, until abide's supervisor starts anew: then it is what `ABIDE_LOG` says, or `info`.",
        query: None,
        body: Some(schema::<Level>),
        gives: Gives::Json(schema::<Level>),
        refuses: &[FORBIDDEN],
        example: ("/v1/log-level", "{\"filter\":\"debug\"}"),
        serve: || post(set),
    },
];

/// What the log tells.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Level {
    /// A level, `error`, `warn`, `info`, `debug`, `trace` or `off`; or several of parts of abide: `info,abide::host=debug`.
    filter: String,
}

async fn ask(State(doors): State<Doors>, who: Visitor) -> Result<Response, Problem> {
    who.may_of_all(Right::Read)?;
    level(&doors, None).await
}

async fn set(State(doors): State<Doors>, who: Visitor, Told(to): Told<Level>) -> Result<Response, Problem> {
    who.may_of_all(Right::Operate)?;
    level(&doors, Some(to.filter)).await
}

async fn level(doors: &Doors, to: Option<String>) -> Result<Response, Problem> {
    match doors.caller.ask(|answer| Call::LogLevel(to, answer)).await? {
        Ok(filter) => Ok(document(&Level { filter })),
        Err(why) => Err(bad(why, "write a level such as \"debug\", or \"info,abide::host=debug\"")),
    }
}
