//! The variables that a service gets before its own: a documented base, what it inherits of abide's
//! environment, and environment files.
//!
//! The base: PATH (the usual directories), HOME, USER, LOGNAME and SHELL (of the service's user),
//! LANG (abide's own, else C.UTF-8). Inherited variables stand over it, save that HOME, USER,
//! LOGNAME and SHELL of abide's user are not given to another unless asked for by name. Files stand
//! over both, later ones over earlier ones.

use super::Surroundings;
use super::identity::Person;
use super::merge::Stack;
use super::toml::shape::ServiceFile;
use super::toml::variables::{Inherit, bad_variable};
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::service::Environment;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Mutex, PoisonError};

/// The search path where no other is given.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// No service reads more environment files than this.
const MANY: usize = 64;
/// The largest environment file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// Whether a variable of abide's own environment is meant for abide alone.
fn is_private(name: &str) -> bool {
    name == "NOTIFY_SOCKET" || ["WATCHDOG_", "LISTEN_", "ABIDE_"].iter().any(|prefix| name.starts_with(prefix))
}

/// All of abide's environment that a service may have: what legacy directories get.
pub(super) fn whole(surroundings: &Surroundings) -> Arc<Environment> {
    let open = surroundings.environment.iter().filter(|(name, _)| !is_private(name));
    shared(open.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// The variables of the service that `file` describes and that runs as `person`.
pub(super) fn base(
    surroundings: &Surroundings,
    stack: &Stack<'_>,
    file: &ServiceFile,
    person: &Person,
    look: bool,
    findings: &mut Vec<Diagnostic>,
) -> Arc<Environment> {
    let own = &surroundings.environment;
    let user = &person.identity.user;
    let lang = own.get("LANG").map_or("C.UTF-8", String::as_str);
    let given = [
        ("PATH", PATH),
        ("HOME", &person.home),
        ("USER", user),
        ("LOGNAME", user),
        ("SHELL", &person.shell),
        ("LANG", lang),
    ];
    let mut environment: Environment = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let personal = |name: &str| matches!(name, "HOME" | "USER" | "LOGNAME" | "SHELL");
    let inherited = |name: &str| match &file.inherit_environment {
        Some(Inherit::Nothing) => false,
        Some(Inherit::Names(names)) => names.iter().any(|wanted| wanted == name),
        Some(Inherit::All) => person.own || !personal(name),
        None => surroundings.is_init && (person.own || !personal(name)),
    };
    for (name, value) in own.iter().filter(|(name, _)| !is_private(name) && inherited(name)) {
        environment.insert(name.clone(), value.clone());
    }
    let files = file.environment_files.as_deref().unwrap_or_default();
    if files.len() > MANY {
        let message = format!("{} environment files are more than {MANY}", files.len());
        findings.push(stack.error("environment_files", Code::BadValue, message).help("put them into fewer files"));
    }
    let reader = surroundings.delegation.as_ref().map_or("abide", |delegation| &delegation.identity().user);
    for (index, entry) in files.iter().take(MANY).enumerate().filter(|_| look) {
        match file_of(entry, reader) {
            Ok(variables) => environment.extend(variables),
            Err((message, help)) => {
                let path = format!("environment_files.{index}");
                findings.push(stack.error(&path, Code::EnvironmentFile, message).help(help));
            }
        }
    }
    shared(environment)
}

/// The same environment, shared with all services that have it already.
fn shared(environment: Environment) -> Arc<Environment> {
    static KNOWN: Mutex<BTreeSet<Arc<Environment>>> = Mutex::new(BTreeSet::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(same) = known.get(&environment) {
        return Arc::clone(same);
    }
    if known.len().is_power_of_two() {
        known.retain(|environment| Arc::strong_count(environment) > 1);
    }
    let environment = Arc::new(environment);
    known.insert(Arc::clone(&environment));
    environment
}

/// What is wrong, and what to do.
type Wrong = (String, String);

/// The variables of one entry of `environment_files`, which `reader` reads.
fn file_of(entry: &str, reader: &str) -> Result<Vec<(String, String)>, Wrong> {
    let (path, optional) = entry.strip_prefix('-').map_or((entry, false), |path| (path, true));
    let wrong = |message: String, help: &str| Err((message, help.to_owned()));
    if !path.starts_with('/') {
        return wrong(format!("the environment file {path:?} is not named by an absolute path"), "begin it with `/`");
    }
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let mut opened = match opened {
        Ok(opened) => opened,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if optional {
                return Ok(Vec::new());
            }
            let help = format!("create it, or write \"-{path}\" if it may be missing");
            return Err((format!("the environment file {path:?} is not there"), help));
        }
        Err(error) => {
            let message = format!("cannot read the environment file {path:?}: {}", reason(&error));
            return wrong(message, &format!("let {reader} read it"));
        }
    };
    match read(&mut opened) {
        Err(Unread::NotAFile) => wrong(format!("the environment file {path:?} is no regular file"), "name a file"),
        Err(Unread::TooLarge) => wrong(format!("the environment file {path:?} is larger than 1 MiB"), "shorten it"),
        Err(Unread::NotText) => wrong(format!("the environment file {path:?} is not UTF-8"), "save it as UTF-8"),
        Err(Unread::Failed(error)) => {
            let message = format!("cannot read the environment file {path:?}: {}", reason(&error));
            wrong(message, &format!("let {reader} read it"))
        }
        Ok(text) => parse(&text).map_err(|(line, what)| {
            (format!("{path}:{line}: {what}"), "write `NAME=value`, one on a line, with spaces in quotes".to_owned())
        }),
    }
}

/// A system's error for people: without the number.
pub(super) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let plain = text.split(" (os error").next().unwrap_or(&text);
    plain.to_lowercase()
}

enum Unread {
    NotAFile,
    TooLarge,
    NotText,
    Failed(std::io::Error),
}

fn read(file: &mut File) -> Result<String, Unread> {
    let metadata = file.metadata().map_err(Unread::Failed)?;
    if !metadata.is_file() {
        return Err(Unread::NotAFile);
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(Unread::Failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Unread::TooLarge);
    }
    String::from_utf8(bytes).map_err(|_| Unread::NotText)
}

/// The assignments in `text`, or the line of the first mistake and what it is. As in a shell, quotes
/// group and may span lines, a `\` escapes, ` #` begins a comment and `export` is allowed; nothing is expanded.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, (usize, String)> {
    let mut variables = Vec::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let line_at = |rest: &str| text[..text.len() - rest.len()].matches('\n').count() + 1;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(variables);
        }
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        if rest.starts_with(['#', ';']) {
            rest = after;
            continue;
        }
        let at = line_at(rest);
        let Some(equals) = line.find('=') else { return Err((at, "a line without `=`".to_owned())) };
        let name = line[..equals].trim_end();
        let name =
            name.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t'])).map_or(name, str::trim_start);
        if let Some((bad, _)) = bad_variable(name) {
            return Err((at, bad));
        }
        let (value, after) = value(&rest[equals + 1..]).map_err(|what| (at, what.to_owned()))?;
        if value.contains('\0') {
            return Err((at, "a NUL byte".to_owned()));
        }
        variables.push((name.to_owned(), value));
        rest = after;
    }
}

/// The value that `text` begins with, and what follows its line.
fn value(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    // How much of the value is certain: blanks at the end of a line count only within quotes.
    let mut kept = 0;
    let mut quote = None;
    let mut blank = true;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (None, '\n') => return Ok((trimmed(value, kept), &text[at + 1..])),
            (None, '#') if blank => {
                let end = text[at..].find('\n').map_or(text.len(), |end| at + end + 1);
                return Ok((trimmed(value, kept), &text[end..]));
            }
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), _) if c == open => {
                quote = None;
                kept = value.len();
            }
            (None, '\\') => match chars.next() {
                Some((_, '\n')) | None => {}
                Some((_, escaped)) => value.push(escaped),
            },
            (Some('"'), '\\') => match chars.next() {
                Some((_, '\n')) | None => {}
                Some((_, escaped @ ('"' | '\\' | '$' | '`'))) => value.push(escaped),
                Some((_, other)) => value.extend(['\\', other]),
            },
            _ => value.push(c),
        }
        blank = quote.is_none() && c.is_whitespace();
        if blank && value.len() == c.len_utf8() && kept == 0 {
            value.clear();
        }
        if !blank {
            kept = value.len();
        }
    }
    if quote.is_some() { Err("a quote that is not closed") } else { Ok((trimmed(value, kept), "")) }
}

fn trimmed(mut value: String, kept: usize) -> String {
    value.truncate(kept);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(text: &str) -> String {
        let mut all = parse(text).expect("legal");
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0).1
    }

    #[test]
    fn values_read_as_a_shell_and_systemd_write_them() {
        assert_eq!(one("A=plain"), "plain");
        assert_eq!(one("  export A = two words  "), "two words");
        assert_eq!(one("A=x # comment\n"), "x");
        assert_eq!(one("A=x#y"), "x#y");
        assert_eq!(one("A=\"a b\"'c $d'e"), "a bc $de");
        assert_eq!(one("A=\"tail \"  "), "tail ");
        assert_eq!(one("A=\"say \\\"hi\\\" \\n\""), "say \"hi\" \\n");
        assert_eq!(one("A='line\nline'\n"), "line\nline");
        assert_eq!(one("A=one\\\ntwo"), "onetwo");
        assert_eq!(one("A="), "");
        assert_eq!(one("A=x\r\n"), "x");
        assert_eq!(one("# c\n; d\n\nA=b=c\n"), "b=c");
    }

    #[test]
    fn mistakes_name_their_line() {
        assert_eq!(parse("A=1\n\nnonsense\n").expect_err("no `=`").0, 3);
        assert_eq!(parse("A='1\nB=2").expect_err("open quote").0, 1);
        assert_eq!(parse("A=1\n=2").expect_err("no name").0, 2);
        assert!(parse("A=\0").is_err());
    }

    #[test]
    fn equal_environments_are_one() {
        let make = || Environment::from([("SHARED_TEST".to_owned(), "1".to_owned())]);
        assert!(Arc::ptr_eq(&shared(make()), &shared(make())));
    }

    proptest! {
        #[test]
        fn no_file_panics(text in "[A-B=\"'\\\\ #\n\r\0ü$]{0,40}") {
            let _ = parse(&text);
        }
    }
}
