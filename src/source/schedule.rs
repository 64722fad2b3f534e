//! `[schedule]`: what it means, and whether it can be had here.

use super::Surroundings;
use super::confine::missing_right;
use super::merge::Stack;
use super::toml::shape::ServiceFile;
use crate::model::capability;
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::limits::{LimitKind, Limits};
use crate::model::schedule::{IoClass, Realtime, Schedule, ranges};

/// What `[schedule]` means; `None` where it asks for nothing.
pub(super) fn lower(file: &ServiceFile) -> Option<Box<Schedule>> {
    let said = file.schedule.clone()?;
    let schedule = Schedule {
        nice: said.nice.map(|nice| nice.0),
        io: said.io_class,
        cpu_affinity: said.cpu_affinity.map(|cpus| cpus.0),
        oom_score_adjust: said.oom_score_adjust.map(|score| score.0),
        realtime: said.realtime,
    };
    (schedule != Schedule::default()).then(|| Box::new(schedule))
}

/// What of it cannot be had here. `limits` are the service's own, which are set before.
pub(super) fn check(
    around: &Surroundings,
    stack: &Stack<'_>,
    schedule: &Schedule,
    limits: &Limits,
    findings: &mut Vec<Diagnostic>,
) {
    let rights = &around.ceilings.rights;
    let soft = |kind, own: u64| limits.get(&kind).map_or(own, |limit| limit.soft.0);
    let mut lacks = |key: &str, needed: u32, way_out: Option<String>| {
        let mut finding = missing_right(around, stack, &format!("schedule.{key}"), needed);
        if let (Some(way_out), Some(help)) = (way_out, &mut finding.help) {
            *help = format!("{way_out}; else {help}");
        }
        findings.push(finding);
    };
    if let Some(nice) = schedule.nice.filter(|nice| *nice < rights.nice && !rights.has(capability::SYS_NICE)) {
        let wanted = (20 - nice).unsigned_abs();
        if soft(LimitKind::Nice, rights.nice_limit) < u64::from(wanted) {
            let highest = around.ceilings.highest(LimitKind::Nice).0 >= u64::from(wanted);
            lacks("nice", capability::SYS_NICE, highest.then(|| format!("write limits.nice = {wanted} as well")));
        }
    }
    if let Some(Realtime::Fifo(priority) | Realtime::RoundRobin(priority)) = schedule.realtime
        && !rights.has(capability::SYS_NICE)
        && soft(LimitKind::RealtimePriority, rights.realtime_limit) < u64::from(priority)
    {
        let highest = around.ceilings.highest(LimitKind::RealtimePriority).0 >= u64::from(priority);
        let way_out = highest.then(|| format!("write limits.realtime_priority = {priority} as well"));
        lacks("realtime", capability::SYS_NICE, way_out);
    }
    let may_order = rights.has(capability::SYS_NICE) || rights.has(capability::SYS_ADMIN);
    if matches!(schedule.io, Some(IoClass::Realtime(_))) && !may_order {
        lacks("io_class", capability::SYS_NICE, None);
    }
    // The kernel's own bound (oom_score_adj_min) can be read nowhere, but is never above the two.
    let lowest = rights.oom_score_adjust.min(0);
    if schedule.oom_score_adjust.is_some_and(|score| score < lowest) && !rights.has(capability::SYS_RESOURCE) {
        lacks("oom_score_adjust", capability::SYS_RESOURCE, None);
    }
    let absent: Vec<u32> =
        schedule.cpu_affinity.iter().flatten().copied().filter(|cpu| !rights.cpus.contains(cpu)).collect();
    if !absent.is_empty() && !rights.cpus.is_empty() {
        let message = format!("this machine has no processor {}", ranges(&absent));
        let help = format!("name some of {}", ranges(&rights.cpus));
        findings.push(stack.error("schedule.cpu_affinity", Code::BadValue, message).help(help));
    }
}
