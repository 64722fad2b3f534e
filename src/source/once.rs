//! Directories and files read once, with no waiting: for `abide check` and `abide plan`. The same
//! table, the same eyes, the same loader as the files thread has.

use super::catalogue::Catalogue;
use super::delegation::Delegation;
use super::entry::{Naming, drop_ins_of, main_of, naming};
use super::look::Eye;
use super::open::Directory;
use super::root::Root;
use super::scan::scan;
use super::settle::Outcome;
use super::trust::Trust;
use super::{Known, Loaded, Material};
use crate::model::desired::Entry;
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::name::ServiceName;
use crate::model::status::IgnoredEntry;
use nix::unistd::geteuid;
use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was read.
#[derive(Debug, Default)]
pub struct ReadAll {
    /// Each service, in order of name.
    pub entries: Vec<(ServiceName, Entry)>,
    /// What is nothing to abide.
    pub ignored: Vec<IgnoredEntry>,
    /// What belongs to no service: names that can be none, names claimed twice, directories that
    /// cannot be read.
    pub problems: Vec<Diagnostic>,
    /// Where only some files of a directory were read: the names of the others.
    pub beside: BTreeSet<ServiceName>,
}

/// Makes an entry of what was read, as whoever speaks in its source.
pub type LoadOf<'a> = &'a mut dyn FnMut(Option<&Arc<Delegation>>, &ServiceName, &Material) -> Loaded;

/// Reads directories whole, and of files just these (with their drop-ins). `config` is no service
/// wherever it lies. What lies in a directory of `delegations` is read as its user sees it, where that can be had.
pub fn read_all(
    paths: &[PathBuf],
    config: &Path,
    (trust, delegations): (&Trust, &[Arc<Delegation>]),
    load: LoadOf<'_>,
) -> ReadAll {
    let config = config.canonicalize().ok();
    let mut parents: Vec<_> = Vec::new();
    for place in paths.iter().map(|path| place(path)) {
        if !parents.contains(&place) {
            parents.push(place);
        }
    }
    let mut catalogue = Catalogue::new(parents.iter().map(|(directory, _)| directory.clone()).collect());
    let mut problems = Vec::new();
    let mut beside = BTreeSet::new();
    for (source, (path, only)) in parents.iter().enumerate() {
        let shown = only.as_ref().map_or_else(|| path.clone(), |name| path.join(name));
        let finding = |reason: String| Diagnostic::error(&shown, Code::Unreadable, reason);
        let mut root = Root::new(path.clone());
        let delegation = delegations.iter().find(|delegation| delegation.is_of(path));
        root.delegate(delegation);
        catalogue.set_delegated(source, delegation.is_some());
        let trust = root.trust(trust);
        // Who is not root sees at most what its own eyes do.
        let eyes = if geteuid().is_root() { root.eyes() } else { Ok(None) };
        let (directory, _eyes) = match eyes.and_then(|eyes| Ok((root.open(trust)?, eyes))) {
            Ok(opened) => opened,
            Err((_, reason)) => {
                problems.push(finding(format!("the directory cannot be read: {reason}")));
                continue;
            }
        };
        let names = match scan(&directory, None) {
            Ok(names) => names,
            Err(errno) => {
                problems.push(finding(format!("the directory cannot be listed: {}", errno.desc())));
                continue;
            }
        };
        let is_config = |name: &OsString| config.as_ref() == Some(&directory.path.join(name));
        let names: Vec<_> = names.into_iter().filter(|(name, _)| !is_config(name)).collect();
        if let Some(name) = only
            && directory.lstat(name).is_none()
        {
            problems.push(finding("it is not there".into()).help("check its spelling"));
            continue;
        }
        if only.is_some() {
            beside.extend(names.iter().filter_map(|(_, naming)| service(&directory, naming)));
        }
        read_directory(&mut catalogue, source, &directory, names, only.as_ref(), (trust, delegation), load);
    }
    let entries = catalogue.take_changes().into_iter().filter_map(|(name, entry)| Some((name, entry?))).collect();
    problems.extend(catalogue.problems());
    ReadAll { entries, ignored: catalogue.ignored(), problems, beside }
}

fn read_directory(
    catalogue: &mut Catalogue,
    source: usize,
    directory: &Directory,
    names: Vec<(OsString, Naming)>,
    only: Option<&OsString>,
    (trust, delegation): (&Trust, Option<&Arc<Delegation>>),
    load: LoadOf<'_>,
) {
    let all: HashSet<OsString> = names.iter().map(|(name, _)| name.clone()).collect();
    // A file that is named is read whatever its name: people ask why it is no service.
    let names = match only {
        Some(only) => vec![(only.clone(), naming(only))],
        None => names,
    };
    let eye = Eye {
        trust,
        careful: false,
        delegation: delegation.map(Arc::as_ref),
        full: None,
        guise: None,
        known: Known::new(),
    };
    for (name, naming) in names {
        let around = match &naming {
            Naming::File(_) | Naming::Programs => all.contains(&drop_ins_of(&name)),
            Naming::DropIns => all.contains(&main_of(&name)),
            _ => false,
        };
        let key = catalogue.intern(source, &name, naming);
        let mut load = |name: &_, material: &_| {
            let mut loaded = load(delegation, name, material);
            catalogue.ration(key, delegation, &mut loaded.entries, material);
            loaded
        };
        // Written while it is read: once more, as long as that is likely to help.
        let mut looks = std::iter::repeat_with(|| eye.look(catalogue, key, directory, around, &mut load)).take(20);
        let found = looks.find(|look| look.outcome != Outcome::Doubtful).and_then(|look| look.found);
        if let Some(found) = found {
            catalogue.publish(key, found);
        }
    }
}

/// The service that a name stands for, by a glance.
fn service(directory: &Directory, naming: &Naming) -> Option<ServiceName> {
    match naming {
        Naming::File(name) => Some(name.clone()),
        Naming::Directory(name) if directory.path.join(name.as_str()).join("run").exists() => Some(name.clone()),
        _ => None,
    }
}

/// The directory to read, and the one name in it if a file is meant (or a legacy directory).
fn place(path: &Path) -> (PathBuf, Option<OsString>) {
    let is_whole = path.is_dir() && !path.join("run").exists();
    match (is_whole, path.file_name()) {
        (false, Some(name)) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            (parent.to_owned(), Some(name.to_owned()))
        }
        _ => (path.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::service::Kind;
    use std::fs;

    fn read(paths: &[PathBuf], config: &Path) -> ReadAll {
        let mut load = |_: Option<&Arc<Delegation>>, name: &ServiceName, material: &Material| {
            let Material::Toml { main, drop_ins } = material else { panic!("no legacy directory here") };
            let entry = Entry {
                file: main.path.clone(),
                drop_ins: drop_ins.iter().map(|text| text.path.clone()).collect(),
                kind: Kind::Toml,
                file_hash: None,
                service: None,
                diagnostics: Vec::new(),
                inputs: Vec::new(),
                delegated: None,
            };
            Loaded::from((name.clone(), entry))
        };
        read_all(paths, config, (&Trust::everyone(), &[]), &mut load)
    }

    #[test]
    fn a_directory_is_read_whole_and_of_files_just_these() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        for name in ["a.toml", "b.toml", "abide.toml", "b c.toml", "README", "d.toml~"] {
            fs::write(path(name), "x").unwrap();
        }
        fs::create_dir(path("b.toml.d")).unwrap();
        fs::write(path("b.toml.d/1.toml"), "x").unwrap();
        let all = read(&[root.path().to_owned()], &path("abide.toml"));
        assert_eq!(all.entries.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((all.ignored.len(), all.problems.len()), (1, 1), "{all:?}");
        let one = read(&[path("b.toml"), path("b.toml")], &path("abide.toml"));
        assert_eq!((one.entries.len(), one.problems.len()), (1, 0), "{one:?}");
        assert_eq!(one.entries[0].1.drop_ins, [path("b.toml.d/1.toml")]);
        let none = read(&[path("nowhere.toml"), path("no/where")], &path("abide.toml"));
        assert_eq!(none.problems.len(), 2, "{none:?}");
    }
}
