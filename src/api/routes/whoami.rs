//! `GET /v1/whoami`: as whom abide knows a visitor, and what it lets them do. The one answer that everybody gets.

use super::document;
use crate::api::rights::Visitor;
use crate::api::route::{Gives, Route, Verb, schema};
use crate::model::access::Who;
use axum::response::Response;
use axum::routing::get;
use schemars::JsonSchema;
use serde::Serialize;

pub(super) const ROUTES: &[Route] = &[Route {
    verb: Verb::Get,
    path: "/v1/whoami",
    id: "whoami",
    title: "Who you are",
    about: "As whom abide knows you, and what it lets you do. Everybody may ask this.",
    query: None,
    body: None,
    gives: Gives::Json(schema::<WhoAmI>),
    refuses: &[],
    example: ("/v1/whoami", ""),
    serve: || get(whoami),
}];

/// A visitor.
#[derive(Debug, Serialize, JsonSchema)]
struct WhoAmI {
    /// The user's name, or `token NAME`.
    name: String,
    /// The uid, of who came over the unix socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    /// What they may; empty: nothing.
    rights: Vec<May>,
}

/// One thing that they may.
#[derive(Debug, Serialize, JsonSchema)]
struct May {
    /// `read`, `operate` (which includes it) or `all`.
    may: &'static str,
    /// With the services whose names match this pattern.
    services: String,
}

async fn whoami(visitor: Visitor) -> Response {
    let (name, uid) = match visitor.who() {
        Who::User { name, uid, .. } => (name.clone(), Some(*uid)),
        Who::Token(name) => (format!("token {name}"), None),
        Who::Nobody => ("nobody".to_owned(), None),
    };
    let rights = visitor.rights().into_iter().map(|(right, services)| May { may: right.as_str(), services });
    document(&WhoAmI { name, uid, rights: rights.collect() })
}
