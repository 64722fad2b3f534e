//! `abide check`: every error of the files, without a daemon.

use super::args::{CheckArgs, Format};
use super::run::places;
use super::{complain, exit, say};
use crate::daemon::paths::Places;
use crate::host::cgroup::ground::Ground;
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::limits::Ceilings;
use crate::model::resources::Cgroups;
use crate::model::status::{AbideState, AbideStatus, Status};
use crate::render::diagnostic;
use crate::source::once::ReadAll;
use crate::source::trust::Trust;
use crate::source::{self, Surroundings};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Checks files and directories; exit 0 when there is no error.
pub(super) fn run(args: CheckArgs) -> u8 {
    let format = args.format.format();
    let places = match places(args.places.into()) {
        Ok(places) => places,
        Err(error) => return complain(&error, exit::ERRORS),
    };
    let running = supervisor_of(&places, &args.paths);
    let (ceilings, measured) = match ceilings(running.as_ref()) {
        Ok(found) => found,
        Err(error) => return complain(&error, exit::ERRORS),
    };
    let measured = if args.offline { "nothing of this machine was looked at".to_owned() } else { measured };
    let around = Surroundings { advise: !args.offline, ..source::surroundings(ceilings, false, !args.offline) };
    let trust = if args.offline { Trust::everyone() } else { Trust::new(around.uid) };
    // A directory among several lies elsewhere than the one that `abide.toml` is beside.
    let config = places.config.or(running.filter(|_| !args.offline).map(|running| running.config));
    let reading = super::read::read(&args.paths, config.as_deref(), &around, &trust);
    let mut findings = findings(&reading);
    if args.offline {
        // Who may what at the doors is said by names of users that are at home elsewhere.
        findings.retain(|finding| !matches!(finding.code, Code::UnknownUser | Code::UnknownGroup));
    }
    match format {
        Format::Text => text(&reading, &findings, &measured),
        Format::Json => say(&diagnostic::json(&findings)),
        Format::Github => say(&diagnostic::github(&findings)),
    }
    if findings.iter().any(Diagnostic::is_error) { exit::ERRORS } else { exit::OK }
}

fn findings(reading: &ReadAll) -> Vec<Diagnostic> {
    let of_services = reading.entries.iter().flat_map(|(_, entry)| &entry.diagnostics);
    let mut all: Vec<Diagnostic> = reading.problems.iter().chain(of_services).cloned().collect();
    // One finding in [defaults] is a finding of every service; it is said once.
    let mut seen = std::collections::HashSet::new();
    all.retain(|finding| {
        seen.insert((finding.file.clone(), finding.place.clone().map(|p| (p.line, p.column)), finding.message.clone()))
    });
    all
}

fn text(reading: &ReadAll, findings: &[Diagnostic], measured: &str) {
    // Of what holds for most services one line is enough: it must not bury the errors.
    let (advice, findings): (Vec<_>, Vec<_>) =
        findings.iter().cloned().partition(|finding| finding.code == Code::RunsAsRoot);
    say(&diagnostic::text(&findings, std::io::stdout().is_terminal()));
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    let count = |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
    let mut summary = count(reading.entries.len(), "service", "services");
    summary.push_str(", ");
    summary.push_str(&count(errors, "error", "errors"));
    let warnings = findings.len() - errors;
    if warnings > 0 {
        summary.push_str(", ");
        summary.push_str(&count(warnings, "warning", "warnings"));
    }
    if !advice.is_empty() {
        let who = count(advice.len(), "service runs", "services run");
        let help = "name the `user` that each needs, or say `user = \"root\"` (--json lists them)";
        let _ = writeln!(std::io::stderr(), "{who} as root and the files do not say so: {help}");
    }
    let _ = writeln!(std::io::stderr(), "{summary}; {measured}");
}

/// A living supervisor.
struct Running {
    pid: i32,
    /// Which of its directories is asked about.
    directory: String,
    cgroups: Cgroups,
    config: PathBuf,
}

/// What limits can be had: of the supervisor that runs on one of the directories, else of this
/// process; and which it was, in words.
fn ceilings(running: Option<&Running>) -> std::io::Result<(Ceilings, String)> {
    if let Some(Running { pid, directory, cgroups, .. }) = running
        && let Ok(ceilings) = crate::host::limits::ceilings_of(Some(*pid))
    {
        let ceilings = Ceilings { cgroups: cgroups.clone(), ..ceilings };
        return Ok((ceilings, format!("limits measured against the supervisor that runs on {directory} (pid {pid})")));
    }
    let cgroups = Ground::look().cgroups;
    let ceilings = Ceilings { cgroups, ..crate::host::limits::ceilings_of(None)? };
    Ok((ceilings, "no supervisor runs on it: limits measured against this process".to_owned()))
}

/// The one that watches one of `paths`, or the directory of one.
fn supervisor_of(places: &Places, paths: &[PathBuf]) -> Option<Running> {
    let snapshot = std::fs::read(places.runtime.join("status.json")).ok()?;
    let status: Status = serde_json::from_slice(&snapshot).ok()?;
    if status.abide.state == AbideState::Stopped {
        return None;
    }
    let asked: Vec<PathBuf> = paths.iter().filter_map(|path| directory_of(path)).collect();
    let watched = status.sources.iter().find(|source| {
        let resolved = source.resolved.as_ref().map(PathBuf::from);
        resolved.is_some_and(|resolved| asked.contains(&resolved))
    })?;
    let pid = status.abide.supervisor_pid;
    // The snapshot of a supervisor that was killed names a pid that may be anybody's by now.
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    let directory = watched.path.clone();
    let AbideStatus { cgroups, config, .. } = status.abide;
    (name.trim_end() == "abide").then(|| Running { pid, directory, cgroups, config: config.into() })
}

fn directory_of(path: &Path) -> Option<PathBuf> {
    let resolved = std::fs::canonicalize(path).ok()?;
    if resolved.is_dir() { Some(resolved) } else { resolved.parent().map(Path::to_owned) }
}
