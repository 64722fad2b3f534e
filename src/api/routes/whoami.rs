//! `GET /v1/whoami`: as whom abide knows a visitor, and what it lets them do. The one answer that everybody gets.

use crate::api::rights::Visitor;
use crate::model::access::Who;
use axum::Json;
use schemars::JsonSchema;
use serde::Serialize;

/// A visitor.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct WhoAmI {
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

pub(super) async fn whoami(visitor: Visitor) -> Json<WhoAmI> {
    let (name, uid) = match visitor.who() {
        Who::User { name, uid, .. } => (name.clone(), Some(*uid)),
        Who::Token(name) => (format!("token {name}"), None),
        Who::Nobody => ("nobody".to_owned(), None),
    };
    let rights = visitor.rights().into_iter().map(|(right, services)| May { may: right.as_str(), services });
    Json(WhoAmI { name, uid, rights: rights.collect() })
}
