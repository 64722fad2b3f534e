//! What is wrong with files, with the lines that are meant: the snapshot, which everybody can read, leaves them out.

use super::document;
use crate::api::asked::{Asked, names};
use crate::api::call::Call;
use crate::api::doors::Doors;
use crate::api::problem::Problem;
use crate::api::rights::Visitor;
use crate::api::route::{FORBIDDEN, Gives, NO_SUCH, Route, Verb, inline, schema};
use crate::api::veil::veiled;
use crate::model::access::Right;
use crate::model::diagnostic::{FileFinding, Place};
use crate::model::time::Wall;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

pub(super) const ROUTES: &[Route] = &[Route {
    verb: Verb::Get,
    path: "/v1/findings",
    id: "findings",
    title: "What is wrong with files",
    about: "Errors and warnings in the files of the services that you may read, each with its line; and, without `names` and for \
            who may read all services, those of `abide.toml` and of entries that are no services. Values that look like secrets are \
            hidden from who may not everything.",
    query: Some(inline::<FindingsQuery>),
    body: None,
    gives: Gives::Json(schema::<Findings>),
    refuses: &[FORBIDDEN, NO_SUCH],
    example: ("/v1/findings?names=web", ""),
    serve: || get(findings),
}];

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FindingsQuery {
    /// Of which services, with commas between them: `web,db*`. All, if it is left out.
    names: Option<String>,
}

/// What is wrong with files.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "FileFindings")]
struct Findings {
    /// Those of no service first, then by service.
    findings: Vec<Found>,
}

/// One thing that is wrong with a file, or worth a warning.
#[derive(Debug, Serialize, JsonSchema)]
struct Found {
    /// Of which service, if of one.
    service: Option<String>,
    /// `error`, for which the file is not taken, or `warning`.
    severity: &'static str,
    /// What kind: a word in the reference.
    code: &'static str,
    /// A sentence.
    message: String,
    /// What to do.
    help: Option<String>,
    /// The file.
    file: String,
    /// When it was first reported, of an error.
    first_seen: Option<Wall>,
    /// Where in the file, unless all of it is meant.
    place: Option<Spot>,
}

/// A place in a file.
#[derive(Debug, Serialize, JsonSchema)]
struct Spot {
    /// From 1.
    line: u32,
    /// From 1, in characters.
    column: u32,
    /// The column after the last marked character.
    end_column: u32,
    /// The line itself.
    source: String,
}

async fn findings(
    State(doors): State<Doors>,
    visitor: Visitor,
    Asked(query): Asked<FindingsQuery>,
) -> Result<Response, Problem> {
    let meant = match names(query.names.as_deref())? {
        None => None,
        Some(names) => {
            let targets = visitor.meant(&doors.caller, Right::Read, names).await?;
            Some(targets.into_iter().map(|target| target.service.as_str().to_owned()).collect::<BTreeSet<_>>())
        }
    };
    let all = doors.caller.ask(Call::Findings).await?;
    let shown = |found: &FileFinding| match &found.service {
        Some(service) => {
            meant.as_ref().is_none_or(|meant| meant.contains(service.as_str()))
                && visitor.has(Right::Read, service.as_str())
        }
        None => meant.is_none() && visitor.has_of_all(Right::Read),
    };
    let bare = visitor.has_of_all(Right::All);
    let findings = all.into_iter().filter(shown).map(|found| told(found, bare)).collect();
    Ok(document(&Findings { findings }))
}

fn told(found: FileFinding, bare: bool) -> Found {
    let FileFinding { service, first_seen, finding } = found;
    let spot = |Place { line, column, end_column, source }: Place| {
        let source = if bare { source } else { veiled(&source) };
        Spot { line, column, end_column, source }
    };
    Found {
        service: service.map(|service| service.to_string()),
        severity: if finding.is_error() { "error" } else { "warning" },
        code: finding.code.as_str(),
        message: finding.message,
        help: finding.help,
        file: finding.file.display().to_string(),
        first_seen,
        place: finding.place.map(spot),
    }
}
