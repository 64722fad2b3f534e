//! What happens, as it happens: server-sent events.

use crate::api::asked::{Asked, bad, names};
use crate::api::doors::Doors;
use crate::api::pieces::pieces;
use crate::api::problem::Problem;
use crate::api::rights::Visitor;
use crate::api::ring::{Cursor, EventData, Filter};
use crate::api::route::{FORBIDDEN, Gives, Route, Verb, inline, schema};
use crate::model::access::Right;
use crate::model::selector::Selector;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;
use tokio::sync::mpsc::Sender;

/// After so long without an event a comment is sent, so that nothing on the way takes the stream for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// About so much is sent at once.
const PIECE: usize = 32 << 10;

pub(super) const ROUTES: &[Route] = &[Route {
    verb: Verb::Get,
    path: "/v1/events",
    id: "events",
    title: "What happens, as it happens",
    about: "Server-sent events, without end. `event` is the kind, `data` one JSON object, `id` where to resume: send the last \
            one as `Last-Event-ID`, as browsers do, or as `since`. Without either the stream begins with what happens next; \
            a block with an `id` and no `data` says at once where that is. The last 1,024 events since somebody first asked \
            abide anything are kept. Who resumes too late, or reads too slowly, gets an event `missed` that says how many are \
            missing, as does who resumes at another supervisor. A comment comes every 15 seconds where nothing else does. \
            By `@failed` events are meant in which an instance comes into that state.",
    query: Some(inline::<EventsQuery>),
    body: None,
    gives: Gives::Events(schema::<EventData>),
    refuses: &[FORBIDDEN],
    example: ("/v1/events?names=web", ""),
    serve: || get(events),
}];

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EventsQuery {
    /// About which services, with commas between them: `web,db*,@failed`. All, if it is left out.
    names: Option<String>,
    /// The id of the last event that you know.
    since: Option<String>,
}

async fn events(
    State(doors): State<Doors>,
    who: Visitor,
    Asked(query): Asked<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let names = names(query.names.as_deref())?;
    let since = match headers.get("last-event-id") {
        Some(id) => Some(id.to_str().map_err(|_| bad("Last-Event-ID is no text", "send the `id` of the last event"))?),
        None => query.since.as_deref(),
    };
    let cursor = match since.filter(|id| !id.is_empty()) {
        Some(id) => doors.ring.since(id)?,
        None => doors.ring.now(),
    };
    let (out, body) = pieces();
    tokio::spawn(tell(doors, who, names, cursor, out));
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, body).into_response())
}

/// Tells one reader, at its own pace, until it goes.
async fn tell(doors: Doors, who: Visitor, names: Option<Vec<Selector>>, mut cursor: Cursor, out: Sender<Bytes>) {
    let may = |service: Option<&str>| match service {
        Some(service) => who.has(Right::Read, service),
        None => who.has_of_all(Right::Read),
    };
    let filter = Filter { names: names.as_deref(), may: &may };
    let mut newest = doors.ring.watch();
    let position = |cursor: &Cursor| Bytes::from(format!(":\nid: {}\n\n", doors.ring.id(cursor)));
    let mut piece = position(&cursor);
    // Whose rights are taken away is not left waiting for what will never come.
    while !who.is_stranger() && out.send(piece).await.is_ok() {
        piece = loop {
            newest.mark_unchanged();
            let news = doors.ring.read(&mut cursor, &filter, PIECE);
            if !news.is_empty() {
                break news;
            }
            tokio::select! {
                changed = newest.changed() => if changed.is_err() { return },
                () = out.closed() => return,
                () = tokio::time::sleep(KEEP_ALIVE) => break position(&cursor),
            }
        };
    }
}
