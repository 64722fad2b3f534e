//! The table of routes: all that is served, group by group.

mod doctor;
mod env;
mod events;
mod findings;
mod history;
mod log_level;
mod logs;
pub(super) mod looks;
mod orders;
mod reconciling;
mod plan;
pub(super) mod page;
mod status;
mod metrics;
mod tree;
mod usage;
mod wait;
mod whoami;

use super::doors::Doors;
use super::openapi;
use super::problem::Problem;
use super::route::{Gives, Route, Verb};
use super::rpc;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// All that is served.
const TABLE: &[&[Route]] = &[
    status::ROUTES,
    findings::ROUTES,
    orders::ROUTES,
    reconciling::ROUTES,
    history::ROUTES,
    events::ROUTES,
    logs::ROUTES,
    log_level::ROUTES,
    wait::ROUTES,
    plan::ROUTES,
    looks::ROUTES,
    whoami::ROUTES,
    OF_ITSELF,
];

const OF_ITSELF: &[Route] = &[Route {
    verb: Verb::Get,
    path: "/v1/openapi.json",
    id: "openapi",
    title: "This document",
    about: "The OpenAPI 3.1 document of the API, made from the code that serves it.",
    query: None,
    body: None,
    gives: Gives::Json(|_| true.into()),
    refuses: &[],
    example: ("/v1/openapi.json", ""),
    serve: || get(async || document(&openapi::document())),
}];

/// Every row.
pub(super) fn all() -> impl Iterator<Item = &'static Route> {
    TABLE.iter().copied().flatten()
}

/// Everything that is served.
pub(super) fn router(doors: Doors) -> Router {
    let routed =
        all().fold(page::router().merge(rpc::router()), |router, route| router.route(route.path, (route.serve)()));
    routed.fallback(nothing_here).method_not_allowed_fallback(no_such_method).with_state(doors)
}

async fn nothing_here() -> Problem {
    let detail = "nothing is served at this path";
    Problem::new(StatusCode::NOT_FOUND, "no-such-path", "no such path", detail)
        .hint("/v1/openapi.json lists all that is")
}

async fn no_such_method() -> Problem {
    let detail = "this path is not served with this method";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "no-such-method", "no such method", detail)
        .hint("/v1/openapi.json lists the methods of each path")
}

/// A JSON document.
fn json(body: impl Into<axum::body::Body>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.into()).into_response()
}

/// A value as a JSON document.
fn document(value: &impl serde::Serialize) -> Response {
    json(serde_json::to_vec(value).expect("string keys only, and memory does not fail to write"))
}
