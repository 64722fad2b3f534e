//! `GET /v1/usage`: what services use, measured when somebody asks.
//!
//! Many who ask at once for everything get one measurement, begun after the last of them came; and there are at most so
//! many a second that `abide top` is served and supervision is not slowed down.

use super::looks::{Looks, Seen, blocking, json, keeper, seen};
use crate::api::asked::Asked;
use crate::api::problem::Problem;
use crate::api::rights::Visitor;
use crate::host::usage::{Main, Tree, trees};
use crate::host::{clock, look};
use crate::model::access::Right;
use crate::model::look::{InstanceUsage, Usage};
use crate::model::selector::Target;
use axum::extract::State;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Names {
    /// Of which services, with commas between them: `web,db*,@failed`. All, if it is left out.
    names: Option<String>,
}

pub(super) async fn usage(
    State(looks): State<Arc<Looks>>,
    visitor: Visitor,
    Asked(query): Asked<Names>,
) -> Result<Response, Problem> {
    let targets = looks.selected(&visitor, query.names.as_deref()).await?;
    let measured = looks.measured(targets.as_deref()).await?;
    if visitor.has_of_all(Right::Read) {
        return Ok(json(&*measured));
    }
    let mut seen = Usage::clone(&measured);
    seen.services.retain(|it| visitor.has(Right::Read, it.service.as_str()));
    Ok(json(&seen))
}

impl Looks {
    /// What those use that `targets` name, not measured before this was asked.
    pub(super) async fn measured(&self, targets: Option<&[Target]>) -> Result<Arc<Usage>, Problem> {
        let measure = async {
            let snapshot = self.statuses.now().await?;
            self.measure(seen(&snapshot, targets)).await
        };
        match targets {
            // Few, as a rule, and each asks for others.
            Some(_) => Ok(Arc::new(measure.await?)),
            None => self.usages.get(measure).await,
        }
    }

    async fn measure(&self, all: Vec<Seen>) -> Result<Usage, Problem> {
        let logs: Vec<_> = all.iter().map(|seen| seen.log.clone()).collect();
        let sizes = move || {
            let size = |log: Option<_>| log.map_or(Some(0), |log: std::path::PathBuf| look::log_bytes(&log).ok());
            logs.into_iter().map(size).collect::<Vec<_>>()
        };
        let mains: Vec<Option<Main>> =
            all.iter().map(|seen| seen.process.map(|(pid, start_ticks)| Main { pid, start_ticks })).collect();
        let at = clock::now().wall;
        let (trees, sizes) = tokio::join!(blocking(move || look_at(&mains)), self.reading(sizes));
        let sizes = sizes.unwrap_or_else(|| vec![None; all.len()]);
        let services = all.into_iter().zip(trees?).zip(sizes).map(|((seen, used), log_bytes)| InstanceUsage {
            service: seen.service,
            instance: seen.index,
            pid: seen.process.map(|(pid, _)| pid),
            processes: used.processes,
            cpu_ms: u64::try_from(used.cpu.as_millis()).unwrap_or(u64::MAX),
            resident_bytes: used.resident_bytes,
            log_bytes,
        });
        Ok(Usage { at, services: services.collect() })
    }
}

/// What each of `mains` uses; nothing where it is none or gone.
fn look_at(mains: &[Option<Main>]) -> Vec<crate::host::usage::Usage> {
    let there: Vec<Main> = mains.iter().copied().flatten().collect();
    let mut found = trees(&there, keeper()).into_iter();
    let used = |main: &Option<Main>| main.and_then(|_| found.next()?).as_ref().map(Tree::usage).unwrap_or_default();
    mains.iter().map(used).collect()
}
