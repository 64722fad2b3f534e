//! supervisord's files, read by us and by the real one: random configurations, which both refuse, or both read the same.
//!
//! The real one is the module `supervisor` of the Python that `SUPERVISOR_PYTHON` names, or of `python3`.
//! `DIFFERENTIAL_CASES` and `DIFFERENTIAL_SEED` say how many and which.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should not")]

mod machine;
mod random;
mod reference;
mod said;
mod traps;

use abide::supervisord::{Reading, Source, Way, includes, read};
use machine::Machine;
use random::Case;
use reference::Reference;
use serde_json::Value;

#[test]
fn reads_as_the_real_supervisor_does() {
    let Some(python) = reference::python() else {
        assert!(std::env::var_os("CI").is_none(), "the real supervisor is not there, and in CI it has to be");
        eprintln!("NOT TESTED: there is no Python with the module supervisor; name one in SUPERVISOR_PYTHON");
        return;
    };
    let number = |name: &str, default: u64| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (cases, seed) = (number("DIFFERENTIAL_CASES", 3000), number("DIFFERENTIAL_SEED", 1));
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("d")).unwrap();
    let mut reference = Reference::start(&python, directory.path());
    let machine = Machine::new(directory.path(), &reference.hello);
    let (mut accepted, mut different) = (0, 0);
    for number in 0..cases {
        let case = random::case(seed.wrapping_mul(1 << 32) + number);
        let theirs = reference.read(&case);
        accepted += u64::from(theirs.get("error").is_none());
        if let Some(why) = difference(&case, &theirs, &machine) {
            different += 1;
            eprintln!("=== case {number}: {why}\n{case}");
            assert!(different < 5, "too many differences");
        }
    }
    println!("{cases} cases, {accepted} of them accepted");
    assert_eq!(different, 0);
    assert!(accepted > cases / 4 && accepted < cases, "{accepted} of {cases} are accepted, so much is not tried");
}

/// How what is read here differs, if it does.
fn difference(case: &Case, theirs: &Value, machine: &Machine) -> Option<String> {
    let (reading, unmatched) = ours(case, machine);
    let error = theirs.get("error").and_then(Value::as_str);
    // It imports what is plugged in, which is nothing to look at here, and does not know `here` quite everywhere.
    let is_its_own = |error: &str| error.contains("cannot be resolved within") || error.contains("names ('here')");
    if error.is_some_and(is_its_own) {
        return None;
    }
    match (error, reading.faults.first()) {
        (Some(error), Some(fault)) => {
            let end = error.find(" in section '").map_or("", |at| &error[at..]);
            let same = fault.message.ends_with(end);
            (!same).then(|| format!("another fault is the first: {}\n{error}", fault.message))
        }
        (Some(error), None) => Some(format!("only the real one refuses it: {error}")),
        (None, Some(fault)) => Some(format!("only the real one takes it: {}", fault.message)),
        (None, None) => {
            let ours = said::all(&reading, &unmatched, machine.uid);
            let mut theirs = theirs.clone();
            said::tidy(&mut theirs);
            said::first_difference("", &ours, &theirs)
        }
    }
}

/// What is read here, and the globs that match nothing.
fn ours(case: &Case, machine: &Machine) -> (Reading, Vec<String>) {
    let source = |name: &str, path: String| {
        let directory = machine.path(name.rsplit_once('/').map_or("", |(directory, _)| directory));
        Source { path, directory, text: case.files[name].clone() }
    };
    let main = source("m.conf", "m.conf".to_owned());
    let globs = match includes(&main, machine) {
        Ok(globs) => globs,
        Err(fault) => return (Reading { faults: vec![fault], ..Reading::default() }, Vec::new()),
    };
    let mut sources = vec![main];
    let mut unmatched = Vec::new();
    for glob in globs {
        let (before, after) = glob.split_once('*').unwrap_or((&glob, ""));
        let paths = case.files.keys().map(|name| (name, machine.path(name)));
        let fits = |path: &str| {
            if glob.contains('*') { path.starts_with(before) && path.ends_with(after) } else { path == glob }
        };
        let found: Vec<_> = paths.filter(|(_, path)| fits(path)).collect();
        if found.is_empty() {
            unmatched.push(glob);
        }
        sources.extend(found.into_iter().map(|(name, path)| source(name, path)));
    }
    (read(&sources, machine, Way::Daemon), unmatched)
}
