//! `abide import`: services of other supervisors become service files.
//!
//! Reads the directories, has `import` translate them, and writes what the reader of service files takes.

use super::args::import::{FormatOfOthers, ImportArgs};
use super::run::places;
use super::{exit, say};
use crate::host::limits::ceilings_of;
use crate::import::daemontools::{self, Directory};
use crate::import::{Account, Left, Machine};
use crate::model::diagnostic::{Diagnostic, escaped};
use crate::model::name::ServiceName;
use crate::model::status::{AbideState, Status};
use crate::source::config::Config;
use crate::source::entry;
use crate::source::load::load_file;
use crate::source::{self, Surroundings, Text};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::unistd::{User, getgrouplist};
use std::collections::HashMap;
use std::ffi::{CString, OsStr, OsString};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
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

/// A file that is written, or would be.
struct Written {
    /// Where; `None`: to stdout.
    to: Option<PathBuf>,
    remarks: usize,
}

/// Imports; exit 0 when nothing was left out.
pub(super) fn run(args: &ImportArgs) -> u8 {
    let complain = |sentence: String| {
        super::talk::complain("import", &sentence);
        exit::ERRORS
    };
    let FormatOfOthers::Daemontools = args.format;
    let (ceilings, places) = match (ceilings_of(None), places(args.places.clone().into())) {
        (Ok(ceilings), Ok(places)) => (ceilings, places),
        (Err(error), _) => return complain(format!("could not look at the limits of this machine: {error}")),
        (_, Err(error)) => return complain(error.to_string()),
    };
    let found = match entries(&args.path) {
        Ok(found) => found,
        Err(error) => {
            let reason = plain(&error);
            return complain(format!("could not read {}: {reason}; name a directory of services", args.path.display()));
        }
    };
    if found.is_empty() {
        let help = "name a directory whose entries hold a `run`, or one that holds it itself";
        return complain(format!("there is no service in {}: {help}", args.path.display()));
    }
    if let Some(to) = args.to.as_ref().filter(|to| !to.is_dir()) {
        return complain(format!("{} is no directory: make it, or name another", to.display()));
    }
    let machine = Machine { account: &account, hard: ceilings.hard.clone() };
    let around = source::surroundings(ceilings, false, true);
    let watched = args.to.as_ref().filter(|to| is_watched(&places.runtime, to));
    let mut seen = HashMap::new();
    let mut fates = Vec::new();
    for (name, entry) in found {
        let directory = entry.canonicalize().unwrap_or_else(|_| entry.clone());
        let result = unique(&mut seen, &name, &directory)
            .and_then(|()| one(&name, &directory, &machine, &around))
            .and_then(|(text, remarks)| {
                put(args, &name, &directory, &text, watched.is_some()).map(|to| Written { to, remarks })
            });
        fates.push(Fate { name: name.to_string_lossy().into_owned(), entry, directory, result });
    }
    report(args, &fates);
    if fates.iter().all(|fate| fate.result.is_ok()) { exit::OK } else { exit::ERRORS }
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

/// The text of the service file, and how many remarks stand in it; or why there is none.
fn one(name: &OsStr, path: &Path, machine: &Machine<'_>, around: &Surroundings) -> Result<(String, usize), String> {
    let named = ServiceName::new(&name.to_string_lossy()).map_err(|bad| format!("{bad}; rename it"))?;
    let directory = directory(named.clone(), path)?;
    let imported = daemontools::import(&directory, machine).map_err(|left| left.to_string())?;
    // What is written is what abide takes: its own reader has the last word.
    let main = Text { path: format!("{named}.toml").into(), bytes: imported.text.clone().into_bytes() };
    let entry = load_file(around, &Config::default(), &named, &main, &[]);
    match entry.diagnostics.iter().find(|finding| finding.is_error()) {
        Some(Diagnostic { message, help, .. }) => {
            let help = help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
            Err(format!("as a service file it would have an error: {message}{help}"))
        }
        None => Ok((imported.text, imported.remarks.len())),
    }
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

/// Writes the file, or prints it.
fn put(
    args: &ImportArgs,
    name: &OsStr,
    directory: &Path,
    text: &str,
    watched: bool,
) -> Result<Option<PathBuf>, String> {
    let file = format!("{}.toml", name.to_string_lossy());
    let Some(to) = &args.to else {
        let line = format!("# ---- {file} ");
        say(&format!("{line:-<100}\n{text}\n"));
        return Ok(None);
    };
    let path = to.join(&file);
    if !args.force && path.symlink_metadata().is_ok() {
        return Err(format!("{} is there already; --force replaces it", path.display()));
    }
    // In the same place it is abide that supervises it, and takes the file in its stead.
    if watched && !is_in_place(args) && is_supervised(directory) {
        let watched = to.display();
        let help = "write to a directory that none watches, and go on as the report then says";
        return Err(format!("supervise runs it, and abide watches {watched}: it would run twice; {help}"));
    }
    if args.dry_run {
        return Ok(Some(path));
    }
    let written = write(to, &file, text.as_bytes(), args.force);
    written
        .map(|()| Some(path.clone()))
        .map_err(|error| format!("could not write {}: {}", path.display(), plain(&error)))
}

/// Whole or not at all: under a name that abide ignores, and then renamed.
fn write(to: &Path, file: &str, bytes: &[u8], force: bool) -> io::Result<()> {
    let (temporary, path) = (to.join(format!(".{file}.{}.tmp", std::process::id())), to.join(file));
    let put = || {
        let mut new = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&temporary)?;
        new.write_all(bytes)?;
        new.sync_all()?;
        if force { fs::rename(&temporary, &path) } else { rename_anew(&temporary, &path) }
    };
    let put = put();
    let _ = fs::remove_file(&temporary);
    put?;
    File::open(to)?.sync_all()
}

/// Renames what must replace nothing, not even what has come there meanwhile.
fn rename_anew(from: &Path, to: &Path) -> io::Result<()> {
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        // Not every file system can do that; that nothing was there has been looked at.
        Err(Errno::EINVAL | Errno::ENOSYS) => fs::rename(from, to),
        renamed => renamed.map_err(io::Error::from),
    }
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

/// Whether a living abide watches `directory`.
fn is_watched(runtime: &Path, directory: &Path) -> bool {
    let snapshot = fs::read(runtime.join("status.json")).ok();
    let status: Option<Status> = snapshot.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(status) = status.filter(|status| status.abide.state != AbideState::Stopped) else { return false };
    let whole = directory.canonicalize().ok();
    status.sources.iter().any(|source| source.resolved.as_ref().map(PathBuf::from) == whole && whole.is_some())
}

fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

/// What became of each, and what is left to be done.
fn report(args: &ImportArgs, fates: &[Fate]) {
    let mut out = String::new();
    for Fate { name, result, .. } in fates {
        let name = entry::shown(OsStr::new(name));
        let _ = match result {
            Err(why) => writeln!(out, "{name}: left as it is: {}", escaped(why)),
            Ok(Written { to, remarks }) => {
                let to = to.as_ref().map_or_else(String::new, |to| format!(" to {}", to.display()));
                let would = if args.dry_run && args.to.is_some() { "would be imported" } else { "imported" };
                let remarks = match remarks {
                    0 => String::new(),
                    1 => "; a remark stands in it".to_owned(),
                    n => format!("; {n} remarks stand in it"),
                };
                writeln!(out, "{name}: {would}{to}{remarks}")
            }
        };
    }
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

fn quoted(path: &Path) -> String {
    shell_words::quote(&path.to_string_lossy()).into_owned()
}
