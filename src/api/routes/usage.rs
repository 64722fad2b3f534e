//! `GET /v1/usage`: what services use, measured when somebody asks.
//!
//! Many who ask at once get one measurement, begun after the last of them came; and there are at most so many a
//! second that `abide top` is served and supervision is not slowed down.

use super::looks::{Looks, Meant, Seen, blocking, json, keeper, seen};
use crate::api::asked::Asked;
use crate::api::call::Call;
use crate::api::problem::Problem;
use crate::host::usage::{Main, Tree, trees};
use crate::host::{clock, look};
use crate::model::look::{InstanceUsage, Usage};
use crate::model::selector::Target;
use axum::extract::State;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// The shortest time from one measurement of everything to the next.
const PACE: Duration = Duration::from_millis(100);

/// The last measurement of everything, and when it was begun; held while the next one is made.
#[derive(Default)]
pub(super) struct Meter(Mutex<Option<(Instant, Arc<Usage>)>>);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Names {
    /// Of which services, with commas between them: `web,db*,@failed`. All, if it is left out.
    names: Option<String>,
}

pub(super) async fn usage(State(looks): State<Arc<Looks>>, Asked(query): Asked<Names>) -> Result<Response, Problem> {
    let targets = looks.selected(query.names.as_deref()).await?;
    Ok(json(&*looks.measured(targets.as_deref()).await?))
}

impl Looks {
    /// What those use that `targets` name, not measured before this was asked.
    pub(super) async fn measured(&self, targets: Option<&[Target]>) -> Result<Arc<Usage>, Problem> {
        let asked = Instant::now();
        let mut last = self.meter.0.lock().await;
        if let Some((begun, usage)) = last.as_ref() {
            if *begun >= asked {
                let usage = Arc::clone(usage);
                drop(last);
                return Ok(targets.map_or(usage.clone(), |targets| Arc::new(only(&usage, targets))));
            }
            if targets.is_none() {
                sleep_until(*begun + PACE).await;
            }
        }
        let begun = Instant::now();
        let snapshot = self.caller.ask(Call::Status).await?;
        let usage = Arc::new(self.measure(seen(&snapshot, targets)).await?);
        if targets.is_none() {
            *last = Some((begun, Arc::clone(&usage)));
        }
        Ok(usage)
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

fn only(usage: &Usage, targets: &[Target]) -> Usage {
    let meant = Meant::new(targets);
    let services = usage.services.iter().filter(|it| meant.has(&it.service, it.instance)).cloned().collect();
    Usage { at: usage.at, services }
}
