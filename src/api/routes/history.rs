//! What a service was: its versions, what differs between two, and the way back to one.

use super::document;
use super::orders::{NoMore, give, obey, order, told};
use crate::api::asked::{Asked, Meant, Named, Told, bad};
use crate::api::call::{Between, Call};
use crate::api::doors::Doors;
use crate::api::problem::Problem;
use crate::api::rights::Visitor;
use crate::api::route::{FORBIDDEN, Gives, NO_SUCH, Route, Verb, inline, schema};
use crate::model::access::Right;
use crate::model::history::{Difference, History, NoVersion};
use crate::model::name::ServiceName;
use crate::model::order::Act;
use crate::model::selector::Selector;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;

const ONE: &str = "name one service, such as web";
const UNKNOWN: (u16, &str) = (409, "The version is not known, or versions cannot be read.");

pub(super) const ROUTES: &[Route] = &[
    Route {
        verb: Verb::Get,
        path: "/v1/services/{name}/history",
        id: "history",
        title: "The versions of a service",
        about: "Those that were in force, the newest last, as far as they are kept: twenty of each service.",
        query: None,
        body: None,
        gives: Gives::Json(schema::<History>),
        refuses: &[FORBIDDEN, NO_SUCH, UNKNOWN],
        example: ("/v1/services/web/history", ""),
        serve: || get(history),
    },
    Route {
        verb: Verb::Get,
        path: "/v1/services/{name}/diff",
        id: "diff",
        title: "What differs between two versions",
        about: "Key by key, with what each difference costs. Without `to` it is the version in force, without `from` the one \
                before `to`.",
        query: Some(inline::<Wish>),
        body: None,
        gives: Gives::Json(schema::<Difference>),
        refuses: &[FORBIDDEN, NO_SUCH, UNKNOWN],
        example: ("/v1/services/web/diff", ""),
        serve: || get(difference),
    },
    Route {
        body: Some(schema::<Back>),
        example: ("/v1/services/web/rollback", ""),
        serve: || post(rollback),
        ..order(
            "/v1/services/{selectors}/rollback",
            "rollback",
            "Go back to an earlier version",
            "Puts an earlier version in force, until a key of the file changes that matters. What the file says is then not \
             tried again until that, or until a retry.",
        )
    },
    Route {
        example: ("/v1/services/web/retry", ""),
        serve: || post(retry),
        ..order(
            "/v1/services/{selectors}/retry",
            "retry",
            "Try again what was rolled back",
            "Puts in force again what the file says, where it was rolled back or gone back from.",
        )
    },
];

/// Which versions.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// The digest of one, or how it begins.
    from: Option<String>,
    /// The digest of the other.
    to: Option<String>,
}

/// Which version.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Back {
    /// Its digest, or how that begins; without it the one before.
    to: Option<String>,
}

async fn history(State(doors): State<Doors>, who: Visitor, Named(name): Named) -> Result<Response, Problem> {
    let service = readable(&who, &name)?;
    let history = doors.caller.ask(|answer| Call::History(service.clone(), answer)).await??;
    if history.versions.is_empty() {
        // Never heard of, or nothing of it was ever good: that it exists is known to the status.
        let selector = one(&name)?;
        doors.caller.ask(|answer| Call::Select(vec![selector], answer)).await??;
    }
    Ok(document(&history))
}

async fn difference(
    State(doors): State<Doors>,
    who: Visitor,
    Named(name): Named,
    Asked(wish): Asked<Wish>,
) -> Result<Response, Problem> {
    let service = readable(&who, &name)?;
    let between = Between { from: wish.from, to: wish.to };
    let found = doors.caller.ask(|answer| Call::Difference(service, between, answer)).await??;
    Ok(document(&found))
}

async fn retry(doors: State<Doors>, who: Visitor, meant: Meant, _: Told<NoMore>) -> Result<Response, Problem> {
    give(doors, who, meant, Act::Retry).await
}

async fn rollback(
    State(doors): State<Doors>,
    who: Visitor,
    Meant(names): Meant,
    Told(Back { to }): Told<Back>,
) -> Result<Response, Problem> {
    let act = Act::Rollback { to: to.clone(), versions: Vec::new() };
    let targets = told(&doors, &who, names, &act).await?;
    let services: BTreeSet<ServiceName> = targets.iter().map(|target| target.service.clone()).collect();
    let mut versions = Vec::with_capacity(services.len());
    for service in services {
        let found = doors.caller.ask(|answer| Call::Earlier(service.clone(), to.clone(), answer)).await?;
        versions.push((service, found.map_err(|NoVersion(why)| why)));
    }
    obey(&doors, &who, Act::Rollback { to, versions }, targets).await
}

/// The service that a path names, if its versions may be read.
fn readable(who: &Visitor, name: &str) -> Result<ServiceName, Problem> {
    who.may(Right::Read, name)?;
    ServiceName::new(name).map_err(|_| bad(format!("{name:?} is no name of a service"), ONE))
}

fn one(name: &str) -> Result<Selector, Problem> {
    name.parse().map_err(|_| bad(format!("{name:?} is no name of a service"), ONE))
}

impl From<NoVersion> for Problem {
    fn from(NoVersion(why): NoVersion) -> Self {
        Self::new(StatusCode::CONFLICT, "no-version", "there is no such version", why)
            .hint("`abide history` lists them")
    }
}
