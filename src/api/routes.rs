//! Path and method → question to the loop; its answer → response.

mod env;
mod looks;
pub(super) mod page;
mod tree;
mod usage;
mod whoami;

use super::call::{Call, Caller};
use super::problem::Problem;
use super::rights::Visitor;
use crate::model::access::Right;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// Everything that is served.
pub(super) fn router(caller: Caller) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/services/{name}", get(service))
        .route("/v1/whoami", get(whoami::whoami))
        .fallback(nothing_here)
        .with_state(caller.clone())
        .merge(looks::router(caller))
        .merge(page::router())
}

async fn status(State(caller): State<Caller>, visitor: Visitor) -> Result<Response, Problem> {
    let snapshot = caller.ask(Call::Status).await?;
    Ok(json(snapshot.json(|name| visitor.has(Right::Read, name.as_str()))))
}

async fn service(
    State(caller): State<Caller>,
    visitor: Visitor,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    visitor.may(Right::Read, &name)?;
    let snapshot = caller.ask(Call::Status).await?;
    let service = snapshot.service(&name).map(<[u8]>::to_vec);
    service.map(json).ok_or_else(|| {
        let detail = format!("there is no service {name}");
        Problem::new(StatusCode::NOT_FOUND, "no-such-service", "no such service", detail)
            .hint("`abide status` lists what there is")
    })
}

async fn nothing_here() -> Problem {
    let detail = "nothing is served at this path";
    Problem::new(StatusCode::NOT_FOUND, "no-such-path", "no such path", detail)
        .hint("/v1/openapi.json lists all that is")
}

fn json(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
