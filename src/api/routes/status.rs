//! How all stands, and how one service stands.

use super::json;
use crate::api::asked::{Asked, Named, names};
use crate::api::call::Snapshot;
use crate::api::doors::Doors;
use crate::api::problem::Problem;
use crate::api::rights::Visitor;
use crate::api::route::{FORBIDDEN, Gives, NO_SUCH, Route, Verb, inline, schema};
use crate::api::statuses::Document;
use crate::model::access::Right;
use crate::model::selector::Target;
use crate::model::status::{ServiceStatus, Status};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;

pub(super) const ROUTES: &[Route] = &[
    Route {
        verb: Verb::Get,
        path: "/v1/status",
        id: "status",
        title: "How all stands",
        about: "The snapshot, as `status.json` has it, but of this very moment, and with every service that you may read, \
                however many there are. `summary` counts all services.",
        query: Some(inline::<StatusQuery>),
        body: None,
        gives: Gives::Json(schema::<Status>),
        refuses: &[FORBIDDEN, NO_SUCH],
        example: ("/v1/status?names=web", ""),
        serve: || get(status),
    },
    Route {
        verb: Verb::Get,
        path: "/v1/services/{name}",
        id: "service",
        title: "How one service stands",
        about: "One entry of the snapshot's `services`.",
        query: None,
        body: None,
        gives: Gives::Json(schema::<ServiceStatus>),
        refuses: &[FORBIDDEN, NO_SUCH],
        example: ("/v1/services/web", ""),
        serve: || get(service),
    },
];

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StatusQuery {
    /// Which services, with commas between them: `web,db*,@failed`. All, if it is left out.
    names: Option<String>,
}

async fn status(
    State(doors): State<Doors>,
    who: Visitor,
    Asked(query): Asked<StatusQuery>,
) -> Result<Response, Problem> {
    let meant = match names(query.names.as_deref())? {
        None => None,
        Some(names) => {
            let targets = who.meant(&doors.caller, Right::Read, names).await?;
            Some(targets.into_iter().map(|target: Target| target.service.as_str().to_owned()).collect::<BTreeSet<_>>())
        }
    };
    let snapshot = doors.statuses.now().await?;
    let shown = |name: &str| meant.as_ref().is_none_or(|meant| meant.contains(name)) && who.has(Right::Read, name);
    let document = Document::new(snapshot, shown);
    Ok(json(axum::body::Body::new(document)))
}

async fn service(State(doors): State<Doors>, who: Visitor, Named(name): Named) -> Result<Response, Problem> {
    who.may(Right::Read, &name)?;
    let snapshot = doors.statuses.now().await?;
    Ok(json(fragment(&who, &snapshot, &name)?.to_vec()))
}

/// One service of a snapshot, as it is written. Of a name that there is not, one that `who` may read is suggested.
pub(super) fn fragment<'a>(who: &Visitor, snapshot: &'a Snapshot, name: &str) -> Result<&'a [u8], Problem> {
    snapshot.service(name).ok_or_else(|| {
        let shown: String = name.chars().take(130).collect();
        let known = snapshot.services.iter().map(|(known, _)| known.as_str());
        let near = crate::model::nearest::nearest(&shown, known.filter(|known| who.has(Right::Read, known)));
        let hint = near.map_or("`abide status` lists what there is".to_owned(), |near| format!("did you mean {near}?"));
        let detail = format!("there is no service {shown}");
        Problem::new(StatusCode::NOT_FOUND, "no-such-service", "no such service", detail).hint(hint)
    })
}
