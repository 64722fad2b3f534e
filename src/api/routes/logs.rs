//! What a service says: its log, and what comes to it.

use super::status::fragment;
use crate::api::asked::{Asked, Named, bad};
use crate::api::doors::Doors;
use crate::api::logs::From;
use crate::api::pieces::pieces;
use crate::api::problem::Problem;
use crate::api::rights::Visitor;
use crate::api::route::{FORBIDDEN, Gives, NO_SUCH, Route, Verb, inline};
use crate::host::look::log::{For, Reading};
use crate::model::access::Right;
use crate::model::status::{InstanceStatus, ServiceStatus};
use crate::model::time::Wall;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::Path;

const TEXT: &str = "text/plain; charset=utf-8";
/// So many lines are given where nobody says how many.
const LINES: u64 = 100;

pub(super) const ROUTES: &[Route] = &[Route {
    verb: Verb::Get,
    path: "/v1/services/{name}/logs",
    id: "logs",
    title: "What a service says",
    about: "The last lines of a service's output, byte by byte as they stand in its log: of `current`, and of the files rotated \
            before it where that has not as many. With `follow=true` it goes on without end, line by line as they are written, \
            across rotation. Who reads slowly reads at their own pace from the files, and misses only what is deleted before they \
            have come to it.",
    query: Some(inline::<LogsQuery>),
    body: None,
    gives: Gives::Text(TEXT),
    refuses: &[FORBIDDEN, NO_SUCH, (409, "The log cannot be read.")],
    example: ("/v1/services/web/logs?lines=10", ""),
    serve: || get(logs),
}];

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LogsQuery {
    /// How many lines at first; 100, if it is left out.
    lines: Option<u32>,
    /// From the first line of that time on, as RFC 3339 has it, in place of a number of lines.
    since: Option<String>,
    /// Whether it goes on with what comes.
    #[serde(default)]
    follow: bool,
    /// Of which instance, where there are several.
    instance: Option<u32>,
}

async fn logs(
    State(doors): State<Doors>,
    who: Visitor,
    Named(name): Named,
    Asked(query): Asked<LogsQuery>,
) -> Result<Response, Problem> {
    who.may(Right::Read, &name)?;
    let snapshot = doors.statuses.now().await?;
    let service = serde_json::from_slice::<ServiceStatus>(fragment(&who, &snapshot, &name)?);
    drop(snapshot);
    let service = service.map_err(|error| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "bug", "abide made a mistake", error.to_string())
    })?;
    let instance = chosen(&service, query.instance)?;
    let Some(log) = &instance.log else {
        let detail = format!("the output of {name} is not kept by abide: its log command takes it, or nobody does");
        let hint = format!("if it has one, ask for the log of {name}.log");
        return Err(Problem::new(StatusCode::NOT_FOUND, "no-log", "there is no log", detail).hint(hint));
    };
    let reading = Reading::of(Path::new(&log.path), log.owner.map_or(For::Others, For::User));
    let from = match query.since.as_deref() {
        None => From::Last(query.lines.map_or(LINES, u64::from)),
        Some(text) => {
            let hint = "write it as 2026-11-22T05:14:02Z".to_owned();
            let at = Wall::parse(text).map_err(|error| bad(format!("`since` is no time: {error}"), hint))?;
            From::Time(at.0)
        }
    };
    let reader = doors.logs.open(reading, from).await?;
    let (out, body) = pieces();
    tokio::spawn(reader.send(query.follow, out));
    Ok(([(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, "no-store")], body).into_response())
}

/// The instance that is meant; of several it has to be said which.
fn chosen(service: &ServiceStatus, index: Option<u32>) -> Result<&InstanceStatus, Problem> {
    let (name, count) = (&service.name, service.instances.len());
    match (index, service.instances.as_slice()) {
        (None, [one]) => Ok(one),
        (None, [first, ..]) => {
            Err(bad(format!("{name} has {count} instances"), format!("say which: instance={}", first.id)))
        }
        (index, all) => all.iter().find(|it| Some(it.id) == index).ok_or_else(|| {
            let detail =
                index.map_or_else(|| format!("{name} has no instance"), |it| format!("{name} has no instance {it}"));
            let hint = format!("`abide status {name}` lists its instances");
            Problem::new(StatusCode::NOT_FOUND, "no-such-service", "no such service", detail).hint(hint)
        }),
    }
}
