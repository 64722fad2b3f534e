//! `GET /v1/doctor`: what the machine and the rights of abide allow.

use super::looks::{Looks, blocking, json};
use crate::api::call::{Call, Snapshot};
use crate::api::problem::Problem;
use crate::api::rights::Visitor;
use crate::host::doctor::{self, Running};
use crate::model::access::Right;
use crate::model::look::Findings;
use crate::model::status::Status;
use axum::extract::State;
use axum::response::Response;
use std::sync::Arc;

pub(super) async fn doctor(State(looks): State<Arc<Looks>>, visitor: Visitor) -> Result<Response, Problem> {
    visitor.may_of_all(Right::Read)?;
    let directories = looks.caller.ask(Call::Directories).await?;
    let snapshot = looks.statuses.now().await?;
    let mut findings = blocking(move || doctor::look(running(&snapshot).as_ref())).await?;
    let disks = looks.reading(move || doctor::look_at_disks(&directories)).await;
    findings.extend(disks.unwrap_or_else(|| vec![doctor::disks_hang()]));
    Ok(json(&Findings { findings }))
}

fn running(snapshot: &Snapshot) -> Option<Running> {
    let instances = super::looks::seen(snapshot, None).len() as u64;
    let status = serde_json::from_slice::<Status>(&snapshot.json(|_| false)).ok()?;
    Some(Running::of(status, instances))
}
