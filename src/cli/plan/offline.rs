//! `abide plan NEW --from OLD`: what would change from one directory to another. No daemon is asked.

use crate::cli::args::{Format, PlanArgs};
use crate::cli::run::places;
use crate::cli::{complain, exit, read, say};
use crate::decide::diff::Powers;
use crate::decide::plan::plan;
use crate::host::limits::ceilings_of;
use crate::model::diagnostic::Diagnostic;
use crate::model::name::ServiceName;
use crate::model::service::{Kind, Service};
use crate::render;
use crate::source;
use crate::source::once::ReadAll;
use crate::source::trust::Trust;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write};
use std::path::Path;

/// Compares two directories; exit 0 when nothing would change, 2 when something would.
pub(super) fn run(args: PlanArgs, from: &Path, to: &Path) -> u8 {
    let format = args.format.format();
    if let Some(missing) = [from, to].into_iter().find(|directory| !directory.is_dir()) {
        let sentence = format!("abide plan: {} is no directory; name two directories of services\n", missing.display());
        let _ = std::io::stderr().write_all(sentence.as_bytes());
        return exit::ERRORS;
    }
    let places = match places(args.places.into()) {
        Ok(places) => places,
        Err(error) => return complain(&error, exit::ERRORS),
    };
    let ceilings = match ceilings_of(None) {
        Ok(ceilings) => ceilings,
        Err(error) => return complain(&error, exit::ERRORS),
    };
    let powers = Powers { may_raise: ceilings.may_raise, uid: ceilings.uid };
    // The machine may differ from the one that the files are for: only their text counts.
    let around = source::surroundings(ceilings, false, false);
    let read = |directory: &Path| {
        read::read(&[directory.to_owned()], places.config.as_deref(), &around, &Trust::new(around.uid))
    };
    let (old, new) = (read(from), read(to));
    let mut findings: Vec<Diagnostic> = Vec::new();
    for finding in [&old, &new].into_iter().flat_map(errors) {
        // Both may have one abide.toml: what is wrong with it is said once.
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    if !findings.is_empty() {
        let _ = std::io::stderr()
            .write_all(render::diagnostic::text(&findings, std::io::stderr().is_terminal()).as_bytes());
    }
    let bad = new.entries.iter().filter(|(_, entry)| entry.service.is_none()).map(|(name, _)| name);
    let bad: BTreeSet<&ServiceName> = bad.collect();
    let (mut old, mut new) = (services(&old), services(&new));
    relocate(&mut old, from, to);
    // As in a running abide: of whose new file is bad the old one stays in force.
    for (name, service) in &old {
        if bad.contains(name) {
            new.insert(*name, service.clone());
        }
    }
    let names: BTreeSet<&ServiceName> = old.keys().chain(new.keys()).copied().collect();
    let plan = plan(|name| old.get(name), |name| new.get(name), names, &powers);
    match format {
        Format::Text => say(&render::plan::text(&plan, std::io::stdout().is_terminal())),
        Format::Json => say(&(render::plan::json(&plan) + "\n")),
        Format::Github => say(&render::plan::text(&plan, false)),
    }
    match (findings.is_empty(), plan.is_empty()) {
        (false, _) => exit::ERRORS,
        (true, true) => exit::OK,
        (true, false) => exit::CHANGES,
    }
}

fn errors(reading: &ReadAll) -> impl Iterator<Item = Diagnostic> {
    let of_services = reading.entries.iter().flat_map(|(_, entry)| &entry.diagnostics);
    reading.problems.iter().chain(of_services).filter(|finding| finding.is_error()).cloned()
}

fn services(reading: &ReadAll) -> BTreeMap<&ServiceName, Service> {
    reading.entries.iter().filter_map(|(name, entry)| Some((name, entry.service.as_ref()?.service.clone()))).collect()
}

/// Where the two trees lie is no difference between them: a legacy directory, which is its service's
/// working directory, counts as lying in the new one.
fn relocate(services: &mut BTreeMap<&ServiceName, Service>, from: &Path, to: &Path) {
    let resolved = |path: &Path| path.canonicalize().ok()?.to_str().map(|text| text.replace('$', "$$"));
    let (Some(from), Some(to)) = (resolved(from), resolved(to)) else { return };
    for service in services.values_mut().filter(|service| service.kind == Kind::Daemontools) {
        if let Some(below) = service.directory.strip_prefix(&from).filter(|below| below.starts_with('/')) {
            service.directory = format!("{to}{below}");
        }
    }
}
