//! The operator's hand on reconciling itself: what waits for a yes, and what is to wait. Without services in the path
//! an order is about all of them, and needs the right to operate all.

use super::orders::{NoMore, give, obey, order, reason};
use crate::api::asked::{Meant, Told};
use crate::api::doors::Doors;
use crate::api::problem::Problem;
use crate::api::rights::Visitor;
use crate::api::route::{Route, schema};
use crate::model::access::Right;
use crate::model::order::Act;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) const ROUTES: &[Route] = &[
    Route {
        example: ("/v1/confirm", ""),
        serve: || post(confirm_all),
        ..order(
            "/v1/confirm",
            "confirm-all",
            "Let all removals go ahead that wait",
            "Stops every service whose file is gone and that runs on because too many went at once.",
        )
    },
    Route {
        example: ("/v1/services/web/confirm", ""),
        serve: || post(confirm),
        ..order(
            "/v1/services/{selectors}/confirm",
            "confirm",
            "Let removals go ahead that wait",
            "Stops these services, whose files are gone and that run on because too many went at once.",
        )
    },
    Route {
        body: Some(schema::<Suspend>),
        example: ("/v1/suspend", "{\"reason\":\"no changes over the holidays\"}"),
        serve: || post(suspend_all),
        ..order(
            "/v1/suspend",
            "suspend-all",
            "Act on no file that changes",
            "Freezes reconciling: whatever changes in the files waits until it is resumed. What runs is supervised as \
             ever.",
        )
    },
    Route {
        body: Some(schema::<Suspend>),
        example: ("/v1/services/web/suspend", "{\"reason\":\"being debugged\"}"),
        serve: || post(suspend),
        ..order(
            "/v1/services/{selectors}/suspend",
            "suspend",
            "Act on no change of these files",
            "Freezes reconciling of these services: whatever changes in their files waits until it is resumed.",
        )
    },
    Route {
        example: ("/v1/resume", ""),
        serve: || post(resume_all),
        ..order(
            "/v1/resume",
            "resume-all",
            "Act on files again",
            "Ends all that was suspended by an order, and acts on what changed meanwhile, as one batch.",
        )
    },
    Route {
        example: ("/v1/services/web/resume", ""),
        serve: || post(resume),
        ..order(
            "/v1/services/{selectors}/resume",
            "resume",
            "Act on these files again",
            "Ends that these services are suspended, and acts on what changed meanwhile.",
        )
    },
];

/// Why reconciling is suspended.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Suspend {
    /// Why, for those who look at the status.
    reason: Option<String>,
}

impl Suspend {
    fn act(self) -> Result<Act, Problem> {
        Ok(Act::Suspend { reason: reason(self.reason)? })
    }
}

async fn confirm(doors: State<Doors>, who: Visitor, meant: Meant, _: Told<NoMore>) -> Result<Response, Problem> {
    give(doors, who, meant, Act::Confirm).await
}

async fn confirm_all(doors: State<Doors>, who: Visitor, _: Told<NoMore>) -> Result<Response, Problem> {
    give_of_all(doors, who, Act::Confirm).await
}

async fn suspend(
    doors: State<Doors>,
    who: Visitor,
    meant: Meant,
    Told(how): Told<Suspend>,
) -> Result<Response, Problem> {
    give(doors, who, meant, how.act()?).await
}

async fn suspend_all(doors: State<Doors>, who: Visitor, Told(how): Told<Suspend>) -> Result<Response, Problem> {
    give_of_all(doors, who, how.act()?).await
}

async fn resume(doors: State<Doors>, who: Visitor, meant: Meant, _: Told<NoMore>) -> Result<Response, Problem> {
    give(doors, who, meant, Act::Resume).await
}

async fn resume_all(doors: State<Doors>, who: Visitor, _: Told<NoMore>) -> Result<Response, Problem> {
    give_of_all(doors, who, Act::Resume).await
}

/// Rights → the order itself, about everything.
async fn give_of_all(State(doors): State<Doors>, who: Visitor, act: Act) -> Result<Response, Problem> {
    who.may_of_all(Right::Operate)?;
    obey(&doors, &who, act, Vec::new()).await
}
