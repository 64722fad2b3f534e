//! A closer look at one service: the end of its output, and what its processes use. Read by whoever
//! asks for its page, so that abide itself need not sample anything at rest.

use crate::cli::logs::last_lines;
use crate::host::usage::{self, Usage};
use crate::model::status::{InstanceStatus, ServiceStatus};
use crate::render::status::{Closer, Uses};
use std::path::Path;

/// How many lines of output a page shows.
const LINES: usize = 10;

/// Looks at every instance of `service`, which the abide of `keeper` runs.
pub(super) fn look(service: &ServiceStatus, keeper: i32) -> Vec<Closer> {
    let lines = (LINES.div_ceil(service.instances.len().max(1))).max(2);
    service.instances.iter().map(|instance| look_at(instance, keeper, lines)).collect()
}

fn look_at(instance: &InstanceStatus, keeper: i32, lines: usize) -> Closer {
    let measured = instance.pid.and_then(|pid| usage::of(pid, instance.start_ticks, keeper));
    let uses = measured.map(|Usage { processes, cpu, resident_bytes }| Uses { processes, cpu, resident_bytes });
    let log = instance.log.as_ref().map_or(Ok(Vec::new()), |log| last_lines(Path::new(&log.path), lines));
    Closer { uses, log: log.map_err(|error| error.to_string()) }
}
