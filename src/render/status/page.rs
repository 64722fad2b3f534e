//! The page of one service: everything that is known of it. Pure.

use super::table::{error_lines, wrapped};
use super::words::{bytes, clean, ended, number, since, span, why_instance, why_service};
use super::{Paint, Style, sign};
use crate::model::log_command;
use crate::model::status::{Desired, HealthState, HealthStatus, InstanceStatus, LastExit, LimitStatus, ServiceStatus};
use crate::model::time::Wall;
use std::time::Duration;

/// What is known of an instance beside the snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closer {
    /// What its processes use; `None`: it has none.
    pub uses: Option<Uses>,
    /// The last lines of its output, or why they cannot be read.
    pub log: Result<Vec<String>, String>,
}

/// What a tree of processes uses at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uses {
    /// How many there are.
    pub processes: u64,
    /// Their processor time.
    pub cpu: Duration,
    /// Their resident memory.
    pub resident_bytes: u64,
}

/// The answer to `abide status NAME`, ending in a newline. `closer` has one a instance, or none.
pub fn page(service: &ServiceStatus, closer: &[Closer], now: Wall, style: &Style) -> String {
    let mut lines = Lines { style, text: String::new() };
    let (mark, paint) = sign(service.state, style);
    let word = style.paint(paint, &format!("{mark} {}", service.state.as_str()));
    let verdict = if service.as_desired { "as desired" } else { "not as desired" };
    let about = service.description.as_deref().map_or_else(String::new, |d| format!("  {}", clean(d)));
    lines.text.push_str(&style.paint(Paint::Strong, service.name.as_str()));
    lines.raw(&style.paint(Paint::Dim, &about));
    lines.raw(&format!("  {word}, {verdict}"));
    lines.field("why", &why_service(service, now));
    lines.field("file", &clean(&service.source.file));
    let root = "root, and its file does not say so: name the `user` that it needs, or say `user = \"root\"`";
    lines.field("user", if service.unnamed_root { root } else { "" });
    lines.field("drop-ins", &clean(&service.source.drop_ins.join(", ")));
    // Where no version was ever good that goes without saying.
    if service.desired == Desired::Stopped && service.accepted_hash.is_some() {
        lines.field("desired", "stopped");
    }
    lines.field("version", &version(service));
    for error in &service.errors {
        for line in error_lines(error, style) {
            lines.raw(&line);
        }
    }
    for (index, instance) in service.instances.iter().enumerate() {
        lines.raw("");
        instance_lines(&mut lines, service, instance, closer.get(index), now);
    }
    lines.text
}

/// Where values stand.
const INDENT: usize = 14;

struct Lines<'a> {
    style: &'a Style,
    text: String,
}

impl Lines<'_> {
    /// A name and its value; nothing where there is no value.
    fn field(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        for (index, line) in wrapped(value, INDENT, self.style).into_iter().enumerate() {
            let label = if index == 0 { name } else { "" };
            let label = self.style.paint(Paint::Dim, &format!("  {label:12}"));
            self.raw(&format!("{label}{}", line.trim_start()));
        }
    }

    /// Lines of somebody else's, each on one of ours: what is too long is cut.
    fn quoted(&mut self, texts: &[String]) {
        for text in texts {
            let text = clean(&text.replace('\t', "    ")).into_owned();
            let room = self.style.width.map_or(usize::MAX, |width| width.saturating_sub(INDENT).max(20));
            let shown = if text.chars().count() > room {
                text.chars().take(room - 1).chain([if self.style.unicode { '…' } else { '>' }]).collect()
            } else {
                text
            };
            self.raw(format!("{:INDENT$}{shown}", "").trim_end());
        }
    }

    fn raw(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

/// The digest in force, short, and whether the file says another.
fn version(service: &ServiceStatus) -> String {
    let short = |hash: &str| clean(hash).trim_start_matches("sha256:").chars().take(12).collect::<String>();
    match (&service.accepted_hash, &service.desired_hash) {
        (Some(accepted), Some(desired)) if accepted != desired => {
            format!("{} in force, {} in the file", short(accepted), short(desired))
        }
        (Some(accepted), _) => short(accepted),
        (None, _) => "none was ever good".to_owned(),
    }
}

fn instance_lines(
    lines: &mut Lines<'_>,
    service: &ServiceStatus,
    instance: &InstanceStatus,
    closer: Option<&Closer>,
    now: Wall,
) {
    let (mark, paint) = sign(instance.state, lines.style);
    let word = lines.style.paint(paint, &format!("{mark} {}", instance.state.as_str()));
    let pid = instance.pid.map_or_else(String::new, |pid| format!(", pid {pid}"));
    let up = instance.started_at.filter(|_| instance.pid.is_some());
    let up = up.map_or_else(String::new, |at| format!(", for {} (since {})", since(now, at), at.rfc3339()));
    let adopted = if instance.adopted { ", taken over from an earlier supervisor" } else { "" };
    let label =
        if service.instances.len() > 1 { format!("{}@{}", service.name, instance.id) } else { "process".into() };
    let label = lines.style.paint(Paint::Dim, &format!("  {label:12}"));
    lines.raw(&format!("{label}{word}{pid}{up}{adopted}"));
    lines.field("why", &why_instance(service, instance, now));
    lines.field("says", &clean(instance.status_text.as_deref().unwrap_or_default()));
    if let Some(took) = instance.ready_ms {
        lines.field("ready", &format!("{} after its start", span(Duration::from_millis(took))));
    }
    if let Some(health) = &instance.health {
        lines.field("health", &wellness(health, now));
    }
    lines.field(
        "in sync",
        if instance.in_sync || instance.pid.is_none() { "" } else { "no: it does not run what the file says" },
    );
    lines.field("uses", &closer.and_then(|closer| closer.uses).map(uses).unwrap_or_default());
    if instance.restarts > 0 {
        lines.field("restarts", &restarts(instance));
    }
    if let Some(exit) = &instance.last_exit {
        let asked = if exit.asked { ", as abide asked" } else { "" };
        let ran = span(Duration::from_millis(exit.ran_ms));
        let ago = since(now, exit.at);
        lines.field("last end", &format!("{}{asked}, {ago} ago, after {ran}{}", ended(exit), used(exit)));
    }
    let limits: Vec<String> =
        instance.limits.iter().map(|(name, limit)| format!("{} {}", clean(name), bounds(*limit))).collect();
    lines.field("limits", &limits.join(", "));
    if let Some(log) = &instance.log {
        let dropped = match (log.dropped_lines, log.dropped_bytes) {
            (0, 0) => String::new(),
            (count, bytes) => format!(" ({} lines, {} bytes dropped)", number(count), number(bytes)),
        };
        lines.field("log", &format!("{}{dropped}", clean(&log.path)));
        match closer.map(|closer| &closer.log) {
            Some(Ok(last)) => lines.quoted(last),
            Some(Err(reason)) => lines.quoted(&[format!("(its lines cannot be read: {reason})")]),
            None => {}
        }
    } else if let Some(reader) = log_command::name(&service.name) {
        lines.field("log", &format!("in no file: the service {reader} takes it"));
    }
}

fn wellness(health: &HealthStatus, now: Wall) -> String {
    let word = match health.status {
        HealthState::Unknown => return "not known yet".to_owned(),
        HealthState::Healthy => "well",
        HealthState::Unhealthy => "not well",
    };
    let failures = match (health.failures, &health.message) {
        (0, _) | (_, None) => String::new(),
        (1, Some(message)) => format!("; the last check failed: {}", clean(message)),
        (many, Some(message)) => format!("; the last {} checks failed: {}", number(many), clean(message)),
    };
    format!("{word} for {}{failures}", since(now, health.at))
}

fn uses(uses: Uses) -> String {
    let processes = if uses.processes == 1 { "process" } else { "processes" };
    let (count, memory) = (number(uses.processes), bytes(uses.resident_bytes));
    format!("{count} {processes}, {} of processor time, {memory} of memory", span(uses.cpu))
}

/// What the last process had used; nothing where that is not known.
fn used(exit: &LastExit) -> String {
    let cpu = span(Duration::from_millis(exit.cpu_ms));
    match (exit.cpu_ms, exit.max_rss_bytes) {
        (0, 0) => String::new(),
        (_, 0) => format!("; it had used {cpu} of processor time"),
        (_, memory) => format!("; it had used {cpu} of processor time and at most {} of memory", bytes(memory)),
    }
}

fn restarts(instance: &InstanceStatus) -> String {
    let by: Vec<String> =
        instance.restarts_by.iter().map(|(why, n)| format!("{} by {}", number(*n), clean(why))).collect();
    let by = if by.is_empty() { String::new() } else { format!(" ({})", by.join(", ")) };
    let hour = match instance.restarts_1h {
        0 => String::new(),
        recent => format!(", {} of them in the last hour", number(recent)),
    };
    format!("{}{by}{hour}", number(instance.restarts))
}

fn bounds(limit: LimitStatus) -> String {
    let text = |bound: Option<u64>| bound.map_or_else(|| "unlimited".to_owned(), |bound| bound.to_string());
    if limit.soft == limit.hard {
        text(limit.soft)
    } else {
        format!("{} (hard {})", text(limit.soft), text(limit.hard))
    }
}
