//! What services use, as Prometheus text: for who asks the doors, since it is measured when somebody asks. Not in
//! `status.prom`.

use crate::model::name::ServiceName;
use std::io::{self, Write};
use std::time::Duration;

/// What all instances of one service use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// Processor time, also of runs that are over, as far as it was seen: it never shrinks.
    pub cpu: Duration,
    /// Resident memory.
    pub resident_bytes: u64,
    /// How many processes there are.
    pub processes: u64,
    /// What is kept of the output; `None`: not known.
    pub log_bytes: Option<u64>,
}

/// Writes the series of these services, after those of [`super::write`].
pub fn write_used(out: &mut impl Write, services: &[(&ServiceName, Used)]) -> io::Result<()> {
    let seconds = |used: &Used| format!("{}.{:03}", used.cpu.as_secs(), used.cpu.subsec_millis());
    family(
        out,
        "abide_service_cpu_seconds_total",
        "counter",
        "Processor time of all processes of the service.",
        || services.iter().map(|(name, used)| (*name, seconds(used))),
    )?;
    let name = "abide_service_resident_memory_bytes";
    family(out, name, "gauge", "Resident memory of all processes of the service.", || {
        services.iter().map(|(name, used)| (*name, used.resident_bytes.to_string()))
    })?;
    family(out, "abide_service_processes", "gauge", "Processes of the service.", || {
        services.iter().map(|(name, used)| (*name, used.processes.to_string()))
    })?;
    family(out, "abide_service_log_bytes", "gauge", "What is kept of the output of the service.", || {
        services.iter().filter_map(|(name, used)| Some((*name, used.log_bytes?.to_string())))
    })
}

fn family<'a, I: Iterator<Item = (&'a ServiceName, String)>>(
    out: &mut impl Write,
    metric: &str,
    kind: &str,
    help: &str,
    series: impl FnOnce() -> I,
) -> io::Result<()> {
    write!(out, "# HELP {metric} {help}\n# TYPE {metric} {kind}\n")?;
    series().try_for_each(|(name, value)| writeln!(out, "{metric}{{service=\"{name}\"}} {value}"))
}
