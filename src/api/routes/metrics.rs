//! `GET /metrics`: the series of `status.prom`, of this moment, and what services use.

use super::looks::Looks;
use crate::api::call::{Call, Series};
use crate::api::problem::Problem;
use crate::api::rights::Visitor;
use crate::model::access::Right;
use crate::model::look::{InstanceUsage, Usage};
use crate::model::name::ServiceName;
use crate::render::prometheus::{Lines, Used, write, write_used};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// The text format of Prometheus.
pub(super) const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn metrics(State(looks): State<Arc<Looks>>, who: Visitor) -> Result<Response, Problem> {
    let (series, used) = &*looks.series().await?;
    let shown: Vec<_> = series.lines.iter().filter(|(name, _)| who.has(Right::Read, name.as_str())).collect();
    let lines: Vec<&Lines> = shown.iter().map(|(_, lines)| lines).collect();
    let full = shown.iter().filter(|(_, lines)| lines.is_full());
    let used: Vec<(&ServiceName, Used)> = full.filter_map(|(name, _)| Some((name, *used.get(name)?))).collect();
    let mut text = Vec::new();
    let written = write(&mut text, &series.envelope, &lines).and_then(|()| write_used(&mut text, &used));
    written.expect("memory takes all");
    Ok(([(header::CONTENT_TYPE, FORMAT)], text).into_response())
}

/// What is told of the fleet and of what it uses, as of one moment.
pub(super) type Scrape = (Series, HashMap<ServiceName, Used>);

impl Looks {
    async fn series(&self) -> Result<Arc<Scrape>, Problem> {
        let scrape = async {
            let series = self.caller.ask(Call::Series).await?;
            let usage = self.measured(None).await?;
            let used = self.totals.lock().unwrap_or_else(PoisonError::into_inner).add(&usage);
            Ok::<_, Problem>((series, used))
        };
        self.scrapes.get(scrape).await
    }
}

/// Processor time that was seen, so that the sum over the instances of a service does not shrink when one of them
/// starts anew: for Prometheus that would be a counter that began at zero.
#[derive(Debug, Default)]
pub(super) struct Totals(BTreeMap<ServiceName, Total>);

#[derive(Debug, Default)]
struct Total {
    /// Of runs that are over.
    over: Duration,
    /// Of the present run of each instance, and its process.
    present: HashMap<u32, (Option<i32>, Duration)>,
}

impl Totals {
    /// Takes a measurement of everybody, and gives the sums.
    pub(super) fn add(&mut self, usage: &Usage) -> HashMap<ServiceName, Used> {
        let mut used: HashMap<ServiceName, Used> = HashMap::new();
        for instance in &usage.services {
            self.0.entry(instance.service.clone()).or_default().see(instance);
            let sum = used.entry(instance.service.clone()).or_insert(Used { log_bytes: Some(0), ..Used::default() });
            sum.resident_bytes += instance.resident_bytes;
            sum.processes += instance.processes;
            sum.log_bytes = sum.log_bytes.zip(instance.log_bytes).map(|(sum, one)| sum + one);
        }
        self.0.retain(|name, _| used.contains_key(name));
        for (name, sum) in &mut used {
            sum.cpu = self.0.get(name).map_or(Duration::ZERO, Total::sum);
        }
        used
    }
}

impl Total {
    fn see(&mut self, instance: &InstanceUsage) {
        let cpu = Duration::from_millis(instance.cpu_ms);
        let (pid, seen) = self.present.entry(instance.instance).or_default();
        if *pid != instance.pid {
            self.over += std::mem::take(seen);
            *pid = instance.pid;
        }
        // Without a cgroup what one of them used goes with it.
        *seen = cpu.max(*seen);
    }

    fn sum(&self) -> Duration {
        self.over + self.present.values().map(|(_, cpu)| *cpu).sum::<Duration>()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::model::time::Wall;

    #[test]
    fn processor_time_grows_through_restarts_and_is_forgotten_with_the_service() {
        let mut totals = Totals::default();
        let mut seen = |all: &[(u32, i32, u64)]| {
            let services = all.iter().map(|(instance, pid, cpu_ms)| InstanceUsage {
                service: ServiceName::new("web").unwrap(),
                instance: *instance,
                pid: (*pid > 0).then_some(*pid),
                processes: 1,
                cpu_ms: *cpu_ms,
                resident_bytes: 10,
                log_bytes: (*pid != 9).then_some(5),
            });
            let usage = Usage { at: Wall(0), services: services.collect() };
            let used = totals.add(&usage);
            used.get("web").map(|it| (it.cpu.as_millis(), it.resident_bytes, it.processes, it.log_bytes))
        };
        assert_eq!(seen(&[(0, 7, 100), (1, 8, 50)]), Some((150, 20, 2, Some(10))));
        assert_eq!(seen(&[(0, 9, 10), (1, 8, 60)]), Some((170, 20, 2, None)), "one of them is another process");
        assert_eq!(seen(&[(0, 9, 5), (1, 8, 60)]), Some((170, 20, 2, None)), "a child went without being waited for");
        assert_eq!(seen(&[(0, 0, 0), (1, 8, 60)]).map(|it| it.0), Some(170), "it rests");
        assert_eq!(seen(&[]), None);
        assert_eq!(seen(&[(0, 11, 1)]).map(|it| it.0), Some(1), "a new one of that name");
    }
}
