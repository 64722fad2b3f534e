//! What would change.

use super::document;
use crate::api::asked::{Asked, bad};
use crate::api::call::{Call, Planned};
use crate::api::doors::Doors;
use crate::api::problem::Problem;
use crate::api::rights::Visitor;
use crate::api::route::{FORBIDDEN, Gives, Route, Verb, inline, schema};
use crate::api::veil::veiled;
use crate::model::access::Right;
use crate::model::plan::Step;
use crate::render;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

pub(super) const ROUTES: &[Route] = &[Route {
    verb: Verb::Get,
    path: "/v1/plan",
    id: "plan",
    title: "What would change",
    about: "With `directory`, which only those may name who may everything: what would happen if the watched directories said \
            what this one says. Without it: what is not yet as the files say, and why. Steps are those of the services that you \
            may read; `diagnostics`, in the form of `abide check --json`, are for those who may read all.",
    query: Some(inline::<PlanQuery>),
    body: None,
    gives: Gives::Json(schema::<Plan>),
    refuses: &[FORBIDDEN, (409, "The directory cannot be read.")],
    example: ("/v1/plan", ""),
    serve: || get(plan),
}];

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PlanQuery {
    /// A directory of service files, from the root.
    directory: Option<String>,
}

/// What would change.
#[derive(Debug, Serialize, JsonSchema)]
struct Plan {
    /// One step a service, by name; services about which nothing changes are left out.
    steps: Vec<Step>,
    /// What is wrong with the files.
    diagnostics: Vec<serde_json::Value>,
}

async fn plan(State(doors): State<Doors>, who: Visitor, Asked(query): Asked<PlanQuery>) -> Result<Response, Problem> {
    let directory = query.directory.map(PathBuf::from);
    if let Some(directory) = &directory {
        who.may_of_all(Right::All)?;
        if !directory.is_absolute() || directory.as_os_str().as_encoded_bytes().contains(&0) {
            return Err(bad("directory: it is no path from the root", "write it whole, such as /etc/abide/services.d"));
        }
    }
    let planned = doors.caller.ask(|answer| Call::Plan(directory, answer)).await?;
    let Planned { plan, mut findings } = planned.map_err(|why| {
        Problem::new(StatusCode::CONFLICT, "no-plan", "there is no plan", why).hint("name a directory of service files")
    })?;
    if !who.has_of_all(Right::Read) {
        findings.clear();
    }
    if !who.has_of_all(Right::All) {
        for place in findings.iter_mut().filter_map(|finding| finding.place.as_mut()) {
            place.source = veiled(&place.source);
        }
    }
    let steps = plan.steps.into_iter().filter(|step| who.has(Right::Read, step.service.as_str())).collect();
    Ok(document(&Plan { steps, diagnostics: render::diagnostic::values(&findings) }))
}
