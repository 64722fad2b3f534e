//! Looks whether a service could start here: program, directory, limits. Only looks.

use super::Surroundings;
use super::environment::{PATH, reason};
use super::merge::Stack;
use super::open::{Directory, OpenError};
use super::trust::Trust;
use crate::host::within;
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::limits::{Bound, LimitKind, Limits};
use crate::model::resources::Resources;
use crate::model::tool::NAMES;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What the kernel gives one string of a command line at most, less the words around a script.
const LONGEST_ARGUMENT: usize = 128 * 1024 - 1;

/// The limits that cannot be had here.
pub(super) fn limits(around: &Surroundings, stack: &Stack<'_>, limits: &Limits, findings: &mut Vec<Diagnostic>) {
    for (kind, limit) in limits {
        let highest = around.ceilings.highest(*kind);
        if limit.hard <= highest {
            continue;
        }
        let key = kind.key();
        let bound = match () {
            () if around.delegation.is_some() => "what was granted to this directory",
            () if around.ceilings.may_raise => "fs.nr_open",
            () => "the hard limit",
        };
        let message = format!("`{key}` asks for {}, but {bound} here allows at most {highest}", limit.hard);
        let path = format!("limits.{key}");
        findings.push(stack.error(&path, Code::LimitAboveHard, message).help(how_to_raise(around, *kind, highest)));
    }
}

fn how_to_raise(around: &Surroundings, kind: LimitKind, highest: Bound) -> String {
    if around.delegation.is_some() {
        let key = kind.key();
        return format!("have `{key}` raised below `[source.limits.each]` in abide.toml, or ask for at most {highest}");
    }
    if around.ceilings.may_raise {
        return format!("raise the kernel's own bound (sysctl fs.nr_open) or ask for at most {highest}");
    }
    let (unit, letter) = elsewhere(kind);
    format!(
        "raise the hard limit where abide is started ({unit}= in its unit, ulimit -H{letter} in its shell) or ask for at most {highest}"
    )
}

/// What systemd and the shell call it.
fn elsewhere(kind: LimitKind) -> (&'static str, char) {
    match kind {
        LimitKind::OpenFiles => ("LimitNOFILE", 'n'),
        LimitKind::Processes => ("LimitNPROC", 'u'),
        LimitKind::Core => ("LimitCORE", 'c'),
        LimitKind::FileSize => ("LimitFSIZE", 'f'),
        LimitKind::Stack => ("LimitSTACK", 's'),
        LimitKind::MemoryLock => ("LimitMEMLOCK", 'l'),
        LimitKind::AddressSpace => ("LimitAS", 'v'),
        LimitKind::Data => ("LimitDATA", 'd'),
        LimitKind::ResidentSet => ("LimitRSS", 'm'),
        LimitKind::CpuTime => ("LimitCPU", 't'),
        LimitKind::Nice => ("LimitNICE", 'e'),
        LimitKind::RealtimePriority => ("LimitRTPRIO", 'r'),
        LimitKind::RealtimeCpu => ("LimitRTTIME", 'R'),
        LimitKind::PendingSignals => ("LimitSIGPENDING", 'i'),
        LimitKind::MessageQueue => ("LimitMSGQUEUE", 'q'),
        LimitKind::Locks => ("LimitLOCKS", 'x'),
    }
}

/// The values that no cgroup here can keep.
pub(super) fn resources(
    around: &Surroundings,
    stack: &Stack<'_>,
    resources: Option<&Resources>,
    findings: &mut Vec<Diagnostic>,
) {
    for (kind, _) in resources.into_iter().flat_map(Resources::named) {
        let Err(why) = around.ceilings.cgroups.place(kind) else { continue };
        let key = kind.key();
        let message = format!("`{key}` cannot be had: {why}");
        let help = "remove it, or run abide where it may make cgroups with that controller: as root, or in a systemd unit with Delegate=yes";
        findings.push(stack.error(&format!("resources.{key}"), Code::NoController, message).help(help));
    }
}

/// Whether the working directory is one.
pub(super) fn directory(stack: &Stack<'_>, root: Option<&Path>, directory: &str, findings: &mut Vec<Diagnostic>) {
    let error = |message: String, help: String| stack.error("directory", Code::NoDirectory, message).help(help);
    match within::metadata(root, Path::new(directory)) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => findings.push(error(format!("{directory:?} is no directory"), "name a directory".to_owned())),
        Err(failed) if failed.kind() == std::io::ErrorKind::NotFound => {
            let help = if stack.names("directory") {
                format!("create it (mkdir -p {directory}), or name another")
            } else {
                "set `directory`, or create it: it is the home of the service's user".to_owned()
            };
            let within = inside(root);
            findings.push(error(format!("the working directory {directory:?} is not there{within}"), help));
        }
        Err(failed) => {
            let message = format!("cannot look at the working directory {directory:?}: {}", reason(&failed));
            findings.push(error(message, "let abide reach it, or name another".to_owned()));
        }
    }
}

/// Whether a program's file will do.
enum Found {
    Program,
    Absent,
    Directory,
    NotExecutable,
    Hidden(std::io::Error),
}

fn look(root: Option<&Path>, path: &Path) -> Found {
    match within::metadata(root, path) {
        Ok(found) if found.is_dir() => Found::Directory,
        Ok(found) if !found.is_file() || found.permissions().mode() & 0o111 == 0 => Found::NotExecutable,
        Ok(_) => Found::Program,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Found::Hidden(error),
        Err(_) => Found::Absent,
    }
}

/// Whether the program `word` (expanded) is there and can be executed: its file. `search` is the service's own PATH.
pub(super) fn program(
    stack: &Stack<'_>,
    word: &str,
    (root, directory): (Option<&Path>, &str),
    search: Option<&str>,
    findings: &mut Vec<Diagnostic>,
) -> Option<PathBuf> {
    program_at(stack, command(stack), word, (root, directory), search, findings)
}

fn command(stack: &Stack<'_>) -> &'static str {
    if stack.names("command.0") { "command.0" } else { "command" }
}

/// Whether others than root may write what root is to run: the program, its interpreter, or a directory on their way.
pub(super) fn writable(stack: &Stack<'_>, program: &Path, findings: &mut Vec<Diagnostic>) {
    let trust = Trust::new(0);
    let refusal = |path: &Path| {
        let (parent, name) = (path.parent()?, path.file_name()?);
        match Directory::open(parent, &trust).and_then(|parent| parent.file(name, &trust)) {
            Err(OpenError::Refused(refusal)) => Some(refusal),
            _ => None,
        }
    };
    let interpreter = interpreter(program);
    for refusal in std::iter::once(program).chain(interpreter.as_deref()).filter_map(refusal) {
        let message = format!("the service runs as root, and others may change what it runs: {}", refusal.why);
        findings.push(stack.warning(command(stack), Code::ExecutableWritable, message).help(refusal.help));
    }
}

/// What `#!` names.
fn interpreter(program: &Path) -> Option<PathBuf> {
    let mut head = [0; 256];
    let read = std::fs::File::open(program).and_then(|mut file| file.read(&mut head)).ok()?;
    let line = head[..read].strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let word = std::str::from_utf8(line).ok()?.split_whitespace().next()?;
    Some(PathBuf::from(word)).filter(|path| path.is_absolute())
}

/// The same of the program of another command, the value of `path`.
pub(super) fn program_at(
    stack: &Stack<'_>,
    path: &str,
    word: &str,
    (root, directory): (Option<&Path>, &str),
    search: Option<&str>,
    findings: &mut Vec<Diagnostic>,
) -> Option<PathBuf> {
    let mut error = |message: String, help: String| {
        findings.push(stack.error(path, Code::NoProgram, message).help(help));
    };
    if !word.contains('/') {
        let search = search.unwrap_or(PATH);
        let candidates =
            search.split(':').filter(|part| !part.is_empty()).map(|part| Path::new(directory).join(part).join(word));
        let mut refused = None;
        for candidate in candidates {
            match look(root, &candidate) {
                Found::Program => return Some(candidate),
                Found::NotExecutable if refused.is_none() => refused = Some(candidate),
                _ => {}
            }
        }
        // Abide itself is that command: its links are the last place where it is looked for.
        if NAMES.contains(&word) && refused.is_none() && root.is_none() {
            return None;
        }
        match refused {
            Some(found) => error(not_executable(&found), format!("run: chmod +x {}", found.display())),
            None => error(
                format!("there is no program {word:?} in the service's PATH{}", inside(root)),
                format!("install it, or write its whole path; searched: {search}"),
            ),
        }
        return None;
    }
    let file: PathBuf = Path::new(directory).join(word);
    match look(root, &file) {
        Found::Program => return Some(file),
        Found::Absent => {
            let message = format!("the program {} is not there{}", shown(&file), inside(root));
            error(message, "install it, or correct the path".to_owned());
        }
        Found::Directory => {
            error(format!("{} is a directory, no program", shown(&file)), "name a program in it".to_owned());
        }
        Found::NotExecutable => error(not_executable(&file), format!("run: chmod +x {}", file.display())),
        Found::Hidden(failed) => error(
            format!("cannot look at the program {}: {}", shown(&file), reason(&failed)),
            "let abide reach it".to_owned(),
        ),
    }
    None
}

/// Whether the shell that runs scripts is there.
pub(super) fn shell(stack: &Stack<'_>, root: Option<&Path>, findings: &mut Vec<Diagnostic>) {
    if !matches!(look(root, Path::new("/bin/sh")), Found::Program) {
        let message = format!("there is no /bin/sh to run the script{}", inside(root));
        findings.push(stack.error("script", Code::NoProgram, message).help("install it there"));
    }
}

/// Where a path was looked for, if not in our own root.
fn inside(root: Option<&Path>) -> String {
    root.map_or(String::new(), |root| format!(" within {}", shown(root)))
}

fn shown(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}

fn not_executable(path: &Path) -> String {
    format!("{} is not executable", shown(path))
}

/// Whether a script fits into what the kernel lets a process be given.
pub(super) fn script(stack: &Stack<'_>, text: &str, findings: &mut Vec<Diagnostic>) {
    if text.len() > LONGEST_ARGUMENT {
        let message = format!("the script has {} bytes, more than the 128 KiB that the kernel takes", text.len());
        findings
            .push(stack.error("script", Code::BadValue, message).help("move it into a file and run that by `command`"));
    }
}
