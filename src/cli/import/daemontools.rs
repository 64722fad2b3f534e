//! `abide import daemontools`: service directories, and the steps to switch.

use super::output::{self, Written};
use super::{Scene, can_write, checked, plain, quoted};
use crate::cli::args::import::ImportArgs;
use crate::import::daemontools::{self, Directory};
use crate::import::{Account, Imported, Left, Machine};
use crate::model::name::ServiceName;
use crate::source::{Surroundings, entry};
use nix::unistd::{User, getgrouplist};
use std::collections::HashMap;
use std::ffi::{CString, OsStr, OsString};
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A longer script is none that a person wrote.
const MOST: u64 = 1 << 20;

/// What became of one service.
struct Fate {
    name: String,
    /// The entry as it was given, and the directory that it leads to.
    entry: PathBuf,
    directory: PathBuf,
    result: Result<Written, String>,
}

/// Imports; whether nothing was left out.
pub(super) fn run(scene: &Scene<'_>) -> Result<bool, String> {
    let args = scene.args;
    let found = entries(&args.path).map_err(|error| {
        let reason = plain(&error);
        format!("could not read {}: {reason}; name a directory of services", args.path.display())
    })?;
    if found.is_empty() {
        let help = "name a directory whose entries hold a `run`, or one that holds it itself";
        return Err(format!("there is no service in {}: {help}", args.path.display()));
    }
    can_write(args)?;
    let machine = Machine { account: &account, hard: scene.ceilings.hard.clone() };
    let mut seen = HashMap::new();
    let mut fates = Vec::new();
    for (name, entry) in found {
        let directory = entry.canonicalize().unwrap_or_else(|_| entry.clone());
        // In the same place it is abide that supervises it, and takes the file in its stead.
        let is_twice = scene.is_watched && !is_in_place(args) && is_supervised(&directory);
        let twice = is_twice.then(|| "supervise runs it".to_owned());
        let result = unique(&mut seen, &name, &directory)
            .and_then(|()| one(&name, &directory, &machine, &scene.around))
            .and_then(|imported| output::put(scene, &name.to_string_lossy(), &imported, twice));
        fates.push(Fate { name: name.to_string_lossy().into_owned(), entry, directory, result });
    }
    report(args, &fates);
    Ok(fates.iter().all(|fate| fate.result.is_ok()))
}

/// The services of a scan directory, in order of name; or the one that `path` is.
fn entries(path: &Path) -> io::Result<Vec<(OsString, PathBuf)>> {
    if holds_run(path) {
        let whole = path.canonicalize()?;
        let name = path.file_name().or(whole.file_name()).unwrap_or_default().to_owned();
        return Ok(vec![(name, path.to_owned())]);
    }
    let mut found: Vec<(OsString, PathBuf)> = fs::read_dir(path)?
        .map(|entry| entry.map(|entry| (entry.file_name(), entry.path())))
        .collect::<io::Result<_>>()?;
    // As svscan: what begins with a dot is no service, nor is what is no directory.
    found.retain(|(name, path)| !name.as_encoded_bytes().starts_with(b".") && path.is_dir() && holds_run(path));
    found.sort();
    Ok(found)
}

fn holds_run(path: &Path) -> bool {
    path.join("run").symlink_metadata().is_ok()
}

/// svscan tells directories by what they are and not by their names: two names are one service.
fn unique(seen: &mut HashMap<(u64, u64), OsString>, name: &OsStr, directory: &Path) -> Result<(), String> {
    let Ok(metadata) = fs::metadata(directory) else { return Ok(()) };
    match seen.insert((metadata.dev(), metadata.ino()), name.to_owned()) {
        Some(first) => Err(format!("it is the same directory as {}", entry::shown(&first))),
        None => Ok(()),
    }
}

/// The service file, or why there is none.
fn one(name: &OsStr, path: &Path, machine: &Machine<'_>, around: &Surroundings) -> Result<Imported, String> {
    let named = ServiceName::new(&name.to_string_lossy()).map_err(|bad| format!("{bad}; rename it"))?;
    let directory = directory(named.clone(), path)?;
    let imported = daemontools::import(&directory, machine).map_err(|left| left.to_string())?;
    checked(&named, imported, around)
}

/// Reads a service directory.
fn directory(name: ServiceName, path: &Path) -> Result<Directory, String> {
    let text = path.to_str().ok_or("its path is no UTF-8, as a service file has to be")?.to_owned();
    let there = |file: &str| path.join(file).exists();
    let names = fs::read_dir(path).map_err(|error| format!("it cannot be read: {}", plain(&error)))?;
    let entries = names.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let run = script(path, "run").map_err(|left| left.to_string())?;
    // svscan takes anything of that name for a logger.
    let log = if there("log") { Some(script(path, "log/run").map_err(|left| left.to_string())?) } else { None };
    let (down, log_is_down) = (there("down"), there("log/down"));
    Ok(Directory { name, path: text, run, down, log, log_is_down, entries })
}

fn script(directory: &Path, file: &'static str) -> Result<Vec<u8>, Left> {
    let left = |why: String| Left { file, line: None, why };
    let open = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(directory.join(file));
    let opened = open.map_err(|error| left(format!("it cannot be read: {}", plain(&error))))?;
    let metadata = opened.metadata().map_err(|error| left(plain(&error)))?;
    if !metadata.is_file() || metadata.mode() & 0o111 == 0 {
        return Err(left("it is no file that can be executed".into()));
    }
    let mut bytes = Vec::new();
    opened.take(MOST + 1).read_to_end(&mut bytes).map_err(|error| left(plain(&error)))?;
    if bytes.len() as u64 > MOST { Err(left("it is larger than 1 MiB".into())) } else { Ok(bytes) }
}

fn account(name: &str) -> Option<Account> {
    let user = User::from_name(name).ok().flatten()?;
    let groups = CString::new(name).ok().and_then(|name| getgrouplist(&name, user.gid).ok());
    // Where nobody can tell, there may be some.
    let is_in_more_groups = groups.is_none_or(|groups| groups.iter().any(|group| *group != user.gid));
    Some(Account { uid: user.uid.as_raw(), is_in_more_groups })
}

/// Whether a supervise holds the directory: somebody reads its `ok`.
fn is_supervised(directory: &Path) -> bool {
    let ok = directory.join("supervise/ok");
    OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(ok).is_ok()
}

/// Whether the files come to lie beside the directories.
fn is_in_place(args: &ImportArgs) -> bool {
    args.to.as_ref().is_some_and(|to| to.canonicalize().ok() == args.path.canonicalize().ok())
}

/// What became of each, and what is left to be done.
fn report(args: &ImportArgs, fates: &[Fate]) {
    let lines = fates.iter().map(|fate| output::outcome(args, &entry::shown(OsStr::new(&fate.name)), &fate.result));
    let mut out: String = lines.collect();
    let done: Vec<&Fate> = fates.iter().filter(|fate| fate.result.is_ok()).collect();
    if args.to.is_some() && !done.is_empty() {
        steps(&mut out, args, &done);
    }
    let _ = io::stderr().write_all(out.as_bytes());
}

fn steps(out: &mut String, args: &ImportArgs, done: &[&Fate]) {
    let to = args.to.as_deref().unwrap_or(Path::new("."));
    let same = is_in_place(args);
    if same {
        let _ = writeln!(
            out,
            "{} now holds each of them twice. abide takes NAME.toml, and calls NAME an error until it is gone; \
             svscan goes on with NAME.",
            to.display()
        );
    }
    let _ = writeln!(out, "No service may run twice. To switch, before abide watches {}:", to.display());
    for Fate { entry, directory, .. } in done {
        let (link, real) = (quoted(entry), quoted(directory));
        let log = if directory.join("log").exists() { format!(" {real}/log") } else { String::new() };
        let is_link = entry.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
        // What is there itself stays, since the program runs in it.
        let _ = if is_link {
            writeln!(out, "  rm {link} && svc -dx {real}{log}")
        } else {
            let down = if log.is_empty() { String::new() } else { format!(" {real}/log/down") };
            writeln!(out, "  touch {real}/down{down} && svc -d {real}{log}")
        };
    }
    let _ = writeln!(out, "then: abide check {0} && abide run {0}", quoted(to));
}
