//! `GET /v1/services/NAME/tree`: the processes of a service.

use super::looks::{Looks, blocking, json};
use crate::api::asked::Named;
use crate::api::call::Facts;
use crate::api::problem::Problem;
use crate::host::look;
use crate::host::usage::Main;
use crate::model::look::{Process, Tree, Trees};
use axum::extract::State;
use axum::response::Response;
use std::sync::Arc;

pub(super) async fn tree(State(looks): State<Arc<Looks>>, Named(name): Named) -> Result<Response, Problem> {
    let (service, facts) = looks.facts(&name).await?;
    let Facts { instances, keeper, .. } = facts;
    let main = |process: (i32, u64)| Main { pid: process.0, start_ticks: Some(process.1) };
    let mains: Vec<Main> = instances.iter().filter_map(|instance| instance.process.map(main)).collect();
    let found = blocking(move || look::processes(&mains, keeper)).await?;
    let mut found = looks.with_command_lines(found).await.into_iter();
    let trees = instances.iter().map(|instance| {
        let processes = instance.process.and_then(|_| found.next()).unwrap_or_default();
        Tree { index: instance.index, pid: instance.process.map(|(pid, _)| pid), processes }
    });
    Ok(json(&Trees { service, instances: trees.collect() }))
}

impl Looks {
    /// Puts the command line in the place of the name, where there is one and the process lets it be read.
    async fn with_command_lines(&self, mut found: Vec<Vec<Process>>) -> Vec<Vec<Process>> {
        let pids: Vec<i32> = found.iter().flatten().map(|process| process.pid).collect();
        let read = move || pids.into_iter().map(look::command_line).collect::<Vec<_>>();
        let lines = self.reading(read).await.unwrap_or_default();
        for (process, line) in found.iter_mut().flatten().zip(lines) {
            process.command = line.unwrap_or_else(|| std::mem::take(&mut process.command));
        }
        found
    }
}
