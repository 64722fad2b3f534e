//! `abide import supervisord`: programs of a configuration, what is lost of them, and the steps to switch.

use super::output::{self, Written};
use super::{Scene, can_write, checked, quoted};
use crate::cli::args::import::ImportArgs;
use crate::import::supervisord::{Host, Loss, OF_ALL, Unit, import, losses, units};
use crate::import::{Imported, supervisord};
use crate::model::diagnostic::{Diagnostic, escaped};
use crate::model::limits::Bound;
use crate::model::name::ServiceName;
use crate::source::supervisord::Whole;
use crate::supervisord::{Fault, no_match};
use nix::unistd::{Uid, User};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

/// What became of one service file to be.
struct Fate<'a> {
    unit: &'a Unit<'a>,
    remarks: Vec<String>,
    result: Result<Written, String>,
}

/// Imports; whether nothing was left out.
pub(super) fn run(scene: &Scene<'_>) -> Result<bool, String> {
    let args = scene.args;
    let whole = Whole::read(&args.path).map_err(|finding| line(&finding))?;
    let (of_programs, others): (Vec<&Fault>, Vec<&Fault>) =
        whole.reading.faults.iter().partition(|fault| supervisord::is_of_programs(&fault.section));
    if let Some(fault) = others.first() {
        return Err(line(&whole.finding(fault)));
    }
    let units = units(&whole.reading);
    if units.is_empty() && of_programs.is_empty() {
        let help = "name the file of supervisord, whose sections are [program:NAME]";
        return Err(format!("there is no program in {}: {help}", args.path.display()));
    }
    can_write(args)?;
    is_elsewhere(args)?;
    let host = host(scene, &whole);
    let twice = scene.is_watched.then(|| running(&whole)).flatten();
    let mut names = BTreeSet::new();
    let mut fates = Vec::new();
    for unit in &units {
        let made = one(unit, &mut names, scene, || import(unit, &whole.reading, &host));
        let remarks = made.as_ref().map_or_else(|_| Vec::new(), |imported| imported.remarks.clone());
        let result = made.and_then(|imported| output::put(scene, &unit.name, &imported, twice.clone()));
        fates.push(Fate { unit, remarks, result });
    }
    let faults: Vec<Diagnostic> = of_programs.into_iter().map(|fault| whole.finding(fault)).collect();
    report(args, &whole, (&fates, &faults), &losses(&whole.reading, &host));
    Ok(faults.is_empty() && fates.iter().all(|fate| fate.result.is_ok()))
}

/// A finding as a sentence.
fn line(finding: &Diagnostic) -> String {
    let line = finding.place.as_ref().map_or_else(String::new, |place| format!(", line {}", place.line));
    let help = finding.help.as_ref().map_or_else(String::new, |help| format!("; {help}"));
    format!("{}{line}: {}{help}", finding.file.display(), finding.message)
}

fn host<'a>(scene: &Scene<'_>, whole: &'a Whole) -> Host<'a> {
    let hard = |kind| scene.ceilings.hard.get(kind).copied().unwrap_or(Bound::UNLIMITED);
    let limits = scene.ceilings.soft.iter().map(|(kind, soft)| (*kind, (*soft, hard(kind)))).collect();
    Host { account: &account, directory: &whole.directory, limits }
}

fn account(uid: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
}

/// abide runs a file of supervisord that lies where it watches: there would be each program twice.
fn is_elsewhere(args: &ImportArgs) -> Result<(), String> {
    let parent = args.path.canonicalize().ok().and_then(|path| path.parent().map(Path::to_owned));
    let Some(to) = args.to.as_ref().filter(|to| to.canonicalize().ok() == parent) else { return Ok(()) };
    let (to, path) = (to.display(), args.path.display());
    Err(format!("{path} is in {to}, from where abide runs it as it is: write to another directory"))
}

/// Whether a supervisord lives that wrote the file with its pid.
fn running(whole: &Whole) -> Option<String> {
    let file = Path::new(&whole.directory).join(&whole.reading.daemon.as_ref()?.pidfile);
    let pid: u32 = fs::read_to_string(file).ok()?.trim().parse().ok()?;
    let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let is_it = String::from_utf8_lossy(&words).contains("supervisord");
    is_it.then(|| format!("supervisord runs (pid {pid})"))
}

/// The service file, or why there is none.
fn one<'a>(
    unit: &'a Unit<'_>,
    names: &mut BTreeSet<&'a str>,
    scene: &Scene<'_>,
    make: impl FnOnce() -> Result<Imported, String>,
) -> Result<Imported, String> {
    let name = ServiceName::alone(&unit.name).map_err(|bad| format!("{bad}; rename it"))?;
    let imported = make()?;
    if !names.insert(&unit.name) {
        return Err(format!("[{}] has one that comes to the same name; rename it", unit.section()));
    }
    checked(&name, imported, &scene.around)
}

/// What became of each, what is otherwise than it was, and what is left to be done.
fn report(args: &ImportArgs, whole: &Whole, (fates, faults): (&[Fate<'_>], &[Diagnostic]), losses: &[Loss]) {
    let mut out = String::new();
    for glob in &whole.unmatched {
        let _ = writeln!(out, "{}", escaped(&no_match(glob)));
    }
    for fault in faults {
        let _ = writeln!(out, "left as it is: {}", escaped(&line(fault)));
    }
    for Fate { unit, result, .. } in fates {
        out.push_str(&output::outcome(args, &unit.name, result));
    }
    let done: Vec<&Fate<'_>> = fates.iter().filter(|fate| fate.result.is_ok()).collect();
    if !done.is_empty() {
        lost(&mut out, &done, losses);
    }
    if args.to.is_some() && !done.is_empty() {
        // A part of a configuration is not all that its supervisord runs.
        let is_whole = whole.reading.daemon.is_some();
        let is_all = is_whole && faults.is_empty() && done.len() == fates.len();
        steps(&mut out, args, &done, (is_whole, is_all));
    }
    let _ = io::stderr().write_all(out.as_bytes());
}

/// What is not carried over: by section, each once, however many processes that has.
fn lost(out: &mut String, done: &[&Fate<'_>], losses: &[Loss]) {
    let mut sections: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut add = |section, sentence: String| {
        let sentences = sections.entry(section).or_default();
        if !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    };
    for Fate { unit, remarks, .. } in done {
        for remark in remarks {
            add(unit.section(), remark.clone());
        }
    }
    for Loss { section, key, why } in losses {
        add(section, key.as_ref().map_or_else(|| why.clone(), |key| format!("{key}: {why}")));
    }
    out.push_str("\nNot carried over, or not quite:\n");
    for (section, sentences) in &sections {
        for sentence in sentences {
            let _ = writeln!(out, "  [{}] {}", escaped(section), escaped(sentence));
        }
    }
    for sentence in OF_ALL {
        let _ = writeln!(out, "  of all: {sentence}");
    }
}

fn steps(out: &mut String, args: &ImportArgs, done: &[&Fate<'_>], (is_whole, is_all): (bool, bool)) {
    let to = args.to.as_deref().unwrap_or(Path::new("."));
    let client = if is_whole { format!("supervisorctl -c {}", quoted(&args.path)) } else { "supervisorctl".to_owned() };
    let _ = writeln!(out, "\nNo program may run twice. To switch, before abide watches {}:", to.display());
    if is_all {
        let _ = writeln!(out, "  {client} shutdown");
        let _ = writeln!(out, "  and whatever starts supervisord, such as its unit, is to start it no more");
    } else {
        let groups: BTreeSet<&str> = done.iter().map(|fate| fate.unit.group.name.as_str()).collect();
        let names: Vec<String> = groups.iter().map(|name| quoted(Path::new(&format!("{name}:*")))).collect();
        let sections: BTreeSet<String> = done.iter().map(|fate| format!("[{}]", fate.unit.section())).collect();
        let sections: Vec<String> = sections.into_iter().collect();
        let _ = writeln!(out, "  {client} stop {}", names.join(" "));
        let _ = writeln!(out, "  and take {} out, or the next supervisord starts them again", sections.join(", "));
    }
    let _ = writeln!(out, "then: abide check {0} && abide run {0}", quoted(to));
}
