//! `status.prom`: the snapshot as Prometheus text, for node_exporter's textfile collector. Pure.
//!
//! Series of one metric must stand together, so what a service contributes is cached as one text
//! with the ends of its parts, one part a metric. No time stamps: the collector refuses them. HELP
//! and TYPE always: without them a metric is untyped.
//!
//! How many series: by default all of a service up to [`DETAILED`] services; above that only those
//! of services that are not as desired, and everybody's `restarts_total` once it is not zero.

mod used;

pub use used::{Used, write_used};

use super::snapshot::Envelope;
use crate::model::name::ServiceName;
use crate::model::signal::Signal;
use crate::model::status::{SCHEMA, ServiceStatus, SourceState, SourceStatus, State};
use crate::model::time::Wall;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::sync::Arc;

/// Above so many services the series of those that are as desired are left out.
pub const DETAILED: usize = 500;

/// Which services get series of their own: `[metrics] detail`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// All up to [`DETAILED`] services, else as `Abnormal`.
    #[default]
    Auto,
    /// All.
    All,
    /// Those not as desired; of the others only restarts.
    Abnormal,
    /// None.
    None,
}

impl Detail {
    /// What is left to say when there are so many services: never `Auto`.
    #[must_use]
    pub fn settled(self, services: usize) -> Self {
        match self {
            Self::Auto if services <= DETAILED => Self::All,
            Self::Auto => Self::Abnormal,
            other => other,
        }
    }
}

/// What the metrics say of one service; small, so that it can be kept for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    as_desired: bool,
    state: State,
    in_sync: bool,
    restarts: BTreeMap<String, u64>,
    started: Option<Wall>,
    exit_code: Option<i32>,
    dropped_lines: u64,
}

impl Facts {
    /// Sums and latest values over the instances.
    pub fn of(service: &ServiceStatus) -> Self {
        let instances = &service.instances;
        let mut restarts = BTreeMap::new();
        for (reason, count) in instances.iter().flat_map(|i| &i.restarts_by) {
            *restarts.entry(reason.clone()).or_default() += count;
        }
        let last = instances.iter().filter_map(|i| i.last_exit.as_ref()).max_by_key(|exit| exit.at);
        let by_signal = |name: &String| name.parse::<Signal>().ok().map(|signal| 128 + signal.number());
        Self {
            as_desired: service.as_desired,
            state: service.state,
            in_sync: instances.iter().all(|i| i.in_sync),
            restarts,
            started: instances.iter().filter_map(|i| i.started_at).max(),
            exit_code: last.and_then(|exit| exit.code.or_else(|| exit.signal.as_ref().and_then(by_signal))),
            dropped_lines: instances.iter().filter_map(|i| i.log.as_ref()).map(|log| log.dropped_lines).sum(),
        }
    }
}

const FAMILIES: [(&str, &str, &str); 6] = [
    ("abide_service_state", "gauge", "State of the service, the worst of its instances."),
    ("abide_service_in_sync", "gauge", "Whether all instances run what the file says."),
    ("abide_service_restarts_total", "counter", "Restarts because a process had ended, by how it ended."),
    ("abide_service_start_time_seconds", "gauge", "When the latest process of the service started."),
    ("abide_service_last_exit_code", "gauge", "Code of the process that ended last; 128 + n for signal n."),
    ("abide_log_dropped_lines_total", "counter", "Lines of output that could not be kept."),
];
const RESTARTS: usize = 2;

/// What one service contributes, ready to be copied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lines {
    /// Shared with who asks for all of them.
    text: Arc<str>,
    ends: [u32; FAMILIES.len()],
}

impl Lines {
    /// The lines of a service; `detail` must be settled.
    pub fn of(name: &ServiceName, facts: &Facts, detail: Detail) -> Self {
        let full = match detail {
            Detail::All | Detail::Auto => true,
            Detail::Abnormal => !facts.as_desired,
            Detail::None => return Self::default(),
        };
        let mut text = String::new();
        let mut ends = [0; FAMILIES.len()];
        for (family, end) in ends.iter_mut().enumerate() {
            if full || family == RESTARTS {
                series(&mut text, family, name, facts, full).expect("a string takes all");
            }
            *end = text.len() as u32;
        }
        Self { text: text.into(), ends }
    }

    /// Whether the service contributes nothing.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether it contributes more than its restarts.
    pub fn is_full(&self) -> bool {
        self.ends[0] > 0
    }

    fn family(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.text[start as usize..self.ends[index] as usize]
    }
}

fn series(text: &mut String, family: usize, name: &ServiceName, facts: &Facts, full: bool) -> fmt::Result {
    let metric = FAMILIES[family].0;
    let mut plain = |value: &dyn fmt::Display| writeln!(text, "{metric}{{service=\"{name}\"}} {value}");
    match family {
        0 => writeln!(text, "{metric}{{service=\"{name}\",state=\"{}\"}} 1", facts.state.as_str()),
        1 => plain(&u8::from(facts.in_sync)),
        RESTARTS => restarts(text, metric, name, &facts.restarts, full),
        3 => facts.started.map_or(Ok(()), |at| plain(&Seconds(at))),
        4 => facts.exit_code.map_or(Ok(()), |code| plain(&code)),
        _ => plain(&facts.dropped_lines),
    }
}

/// With zeros for the usual reasons where all is told, so that a first restart is an increase.
fn restarts(
    text: &mut String,
    metric: &str,
    name: &ServiceName,
    counts: &BTreeMap<String, u64>,
    zeros: bool,
) -> fmt::Result {
    let usual = ["exit", "signal"].into_iter().filter(|reason| zeros && !counts.contains_key(*reason));
    let counted = counts.iter().map(|(reason, count)| (reason.as_str(), *count));
    for (reason, count) in counted.chain(usual.map(|reason| (reason, 0))) {
        writeln!(text, "{metric}{{service=\"{name}\",reason=\"{}\"}} {count}", Label(reason))?;
    }
    Ok(())
}

/// Writes the whole file.
pub fn write(out: &mut impl Write, envelope: &Envelope, lines: &[&Lines]) -> io::Result<()> {
    out.write_all(overview(envelope).as_bytes())?;
    for (index, (name, kind, help)) in FAMILIES.iter().enumerate() {
        write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n")?;
        for line in lines {
            out.write_all(line.family(index).as_bytes())?;
        }
    }
    Ok(())
}

/// The series that are about abide and its directories.
fn overview(envelope: &Envelope) -> String {
    let (abide, summary) = (&envelope.abide, &envelope.summary);
    let mut page = Page(String::with_capacity(4096));
    page.family("abide_build_info", "gauge", "Which abide this is.");
    page.line("abide_build_info", &[("version", &abide.version), ("schema", &SCHEMA.to_string())], &1);
    page.single("abide_status_snapshot_seq", "Number of this snapshot, as in status.json.", &abide.snapshot_seq);
    let written = Seconds(abide.written_at);
    page.single("abide_status_written_timestamp_seconds", "When the content last changed.", &written);
    page.family("abide_services", "gauge", "Services by condition; one service can count in several.");
    for (condition, count) in [
        ("desired", summary.desired),
        ("as_desired", summary.as_desired),
        ("running", summary.running),
        ("ready", summary.ready),
        ("failed", summary.failed),
        ("backoff", summary.backoff),
        ("held", summary.held),
        ("config_invalid", summary.config_invalid),
        ("out_of_sync", summary.out_of_sync),
        ("rolled_back", summary.rolled_back),
    ] {
        page.line("abide_services", &[("condition", condition)], &count);
    }
    let held = envelope.withheld.guard.removals.len();
    page.single("abide_guard_held_removals", "Services whose files are gone and that wait for a yes.", &held);
    sources(&mut page, &envelope.sources);
    let name = "abide_config_last_apply_success_timestamp_seconds";
    page.family(name, "gauge", "When a change of the files was last carried out without an error.");
    if let Some(at) = envelope.last_apply_success {
        page.line(name, &[], &Seconds(at));
    }
    page.0
}

/// By path, each once: a doubled series would make the collector refuse the file.
fn sources(page: &mut Page, sources: &[SourceStatus]) {
    let sources: BTreeMap<&str, &SourceStatus> = sources.iter().map(|s| (s.path.as_str(), s)).collect();
    page.family("abide_source_ok", "gauge", "Whether the directory is there and trusted to say what should run.");
    for source in sources.values() {
        let ok = matches!(source.state, SourceState::Ok | SourceState::Degraded);
        page.line("abide_source_ok", &[("path", &source.path)], &u8::from(ok));
    }
    page.family("abide_source_degraded", "gauge", "Whether changes of the directory are noticed late.");
    for source in sources.values() {
        let degraded = source.state == SourceState::Degraded;
        page.line("abide_source_degraded", &[("path", &source.path)], &u8::from(degraded));
    }
    page.family("abide_watch_overflows_total", "counter", "Overflows of the kernel's event queue.");
    for source in sources.values() {
        page.line("abide_watch_overflows_total", &[("path", &source.path)], &source.overflows);
    }
}

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.push(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn single(&mut self, name: &str, help: &str, value: &dyn fmt::Display) {
        self.family(name, "gauge", help);
        self.line(name, &[], value);
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: &dyn fmt::Display) {
        self.push(format_args!("{name}"));
        for (index, (label, text)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            self.push(format_args!("{before}{label}=\"{}\"", Label(text)));
        }
        let after = if labels.is_empty() { "" } else { "}" };
        self.push(format_args!("{after} {value}\n"));
    }

    fn push(&mut self, text: fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("a string takes all");
    }
}

/// A label value with `\`, `"` and newline escaped.
struct Label<'a>(&'a str);

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive(['\\', '"', '\n']) {
            let special = part.chars().next_back().filter(|c| matches!(c, '\\' | '"' | '\n'));
            f.write_str(&part[..part.len() - special.map_or(0, char::len_utf8)])?;
            match special {
                Some('\n') => f.write_str("\\n")?,
                Some(other) => write!(f, "\\{other}")?,
                None => {}
            }
        }
        Ok(())
    }
}

/// Seconds since 1970 with milliseconds.
struct Seconds(Wall);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.0.max(0) / 1000;
        write!(f, "{}.{:03}", millis / 1000, millis % 1000)
    }
}
