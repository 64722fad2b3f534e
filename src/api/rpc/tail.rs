//! A log as it grows: its last bytes, and what comes, until the visitor goes.

use super::fleet::Fleet;
use super::reading::Source;
use crate::api::doors::Doors;
use crate::api::logs::From;
use crate::api::pieces::pieces;
use crate::api::problem::Problem;
use crate::api::rights::Visitor;
use crate::log::said::said;
use crate::supervisord::rpc::target;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::sync::mpsc::channel;

/// So many bytes come first, at most.
const FIRST: u64 = 1024;

/// That of a process: `NAME`, `NAME/stdout` or `NAME/stderr`.
pub(super) async fn of_process(
    State(doors): State<Doors>,
    who: Visitor,
    Path(rest): Path<String>,
) -> Result<Response, Problem> {
    let fleet = Fleet::of(&doors, &who).await?;
    let rest = format!("/{rest}");
    let source = target(&rest).and_then(|target| {
        let process = fleet.view.find_process(target.namespec).ok()?;
        Source::of(&fleet, &process.name, target.channel)
    });
    follow(&doors, source).await
}

/// abide's own.
pub(super) async fn of_abide(State(doors): State<Doors>, who: Visitor) -> Result<Response, Problem> {
    let fleet = Fleet::of(&doors, &who).await?;
    follow(&doors, Source::of_abide(&fleet)).await
}

async fn follow(doors: &Doors, source: Option<Source>) -> Result<Response, Problem> {
    let source = source.ok_or_else(|| {
        let detail = "there is no such process, or its output is in no file";
        Problem::new(StatusCode::NOT_FOUND, "no-log", "there is no log", detail)
            .hint("name it as `supervisorctl status` does: NAME, or GROUP:NAME")
    })?;
    let reader = doors.logs.open(source.reading(), From::Near(FIRST)).await?;
    let (out, body) = pieces();
    match source.way {
        None => drop(tokio::spawn(reader.send(true, out))),
        Some(way) => {
            let (lines, mut come) = channel::<Bytes>(1);
            tokio::spawn(reader.send(true, lines));
            tokio::spawn(async move {
                while let Some(piece) = tokio::select! { piece = come.recv() => piece, () = out.closed() => None } {
                    let said = said(&piece, way);
                    if !said.is_empty() && out.send(said.into()).await.is_err() {
                        break;
                    }
                }
            });
        }
    }
    let kind = (header::CONTENT_TYPE, "text/plain;charset=utf-8");
    Ok(([kind, (HeaderName::from_static("x-accel-buffering"), "no")], body).into_response())
}
