//! The section `[supervisorctl]`: where the file is, and what it says.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What the section says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) url: Option<String>,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) prompt: Option<String>,
    pub(super) history: Option<String>,
}

/// The section of the file that is asked for, or else of the first that there is. `None`: there is no file, which is no
/// error.
pub(super) fn read(asked: Option<&str>, argv0: &OsStr) -> Result<Option<Section>, String> {
    let path = match asked {
        Some(path) => PathBuf::from(path),
        None => match places(argv0).into_iter().find(|path| path.exists()) {
            Some(path) => path,
            None => return Ok(None),
        },
    };
    let bytes = fs::read(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("could not find config file {}", path.display()),
        _ => format!("could not read config file {}: {error}", path.display()),
    })?;
    let here = std::path::absolute(&path).unwrap_or(path);
    let here = here.parent().unwrap_or(Path::new("/")).to_string_lossy().into_owned();
    let known = |name: &str| match name.strip_prefix("ENV_") {
        Some(variable) => env::var_os(variable).map(|value| value.to_string_lossy().into_owned()),
        None => (name == "here").then(|| here.clone()),
    };
    let mut section = section(&String::from_utf8_lossy(&bytes), known)?;
    section.history = section.history.map(|path| at_home(&path, env::home_dir()));
    Ok(Some(section))
}

/// Where the file is looked for, beginning in the directory above the one of the program.
fn places(argv0: &OsStr) -> Vec<PathBuf> {
    let program = if argv0.to_string_lossy().contains('/') {
        Some(PathBuf::from(argv0))
    } else {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path).map(|directory| directory.join(argv0)).find(|program| program.is_file())
    };
    let above = program.as_deref().and_then(Path::parent).and_then(Path::parent);
    let above = above.map(|above| if above.as_os_str().is_empty() { Path::new(".") } else { above });
    let beside =
        above.into_iter().flat_map(|above| ["etc/supervisord.conf", "supervisord.conf"].map(|name| above.join(name)));
    let others =
        ["supervisord.conf", "etc/supervisord.conf", "/etc/supervisord.conf", "/etc/supervisor/supervisord.conf"];
    beside.chain(others.map(PathBuf::from)).collect()
}

/// `~` and `~/…` are at home.
pub(super) fn at_home(path: &str, home: Option<PathBuf>) -> String {
    match (path.strip_prefix('~'), home) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => format!("{}{rest}", home.display()),
        _ => path.to_owned(),
    }
}

/// The section in a file's text. `known` gives what a name stands for.
fn section(text: &str, known: impl Fn(&str) -> Option<String>) -> Result<Section, String> {
    let mut values = values(text).ok_or_else(|| ".ini file does not include supervisorctl section".to_owned())?;
    let mut take = |key: &str| match values.remove(key) {
        None => Ok(None),
        Some(value) => match expand(&value, &known) {
            Ok(value) => Ok(Some(value)),
            Err(why) => Err(format!("Format string '{value}' for 'supervisorctl.{key}' {why}")),
        },
    };
    Ok(Section {
        url: take("serverurl")?,
        username: take("username")?,
        password: take("password")?,
        prompt: take("prompt")?,
        history: take("history_file")?,
    })
}

/// The keys of the section; of a value on several lines, the first. `None`: there is no section.
fn values(text: &str) -> Option<BTreeMap<String, String>> {
    let mut values = None;
    let mut inside = false;
    let mut may_go_on = false;
    for line in text.lines() {
        let is_indented = line.starts_with([' ', '\t']);
        let line = without_comment(line).trim();
        if line.is_empty() || line.starts_with([';', '#']) || (is_indented && may_go_on) {
            continue;
        }
        may_go_on = !line.starts_with('[');
        if let Some(header) = line.strip_prefix('[') {
            inside = header.split(']').next() == Some("supervisorctl");
            if inside {
                values.get_or_insert_with(BTreeMap::new);
            }
        } else if let (true, Some(values), Some(at)) = (inside, values.as_mut(), line.find(['=', ':'])) {
            values.insert(line[..at].trim().to_lowercase(), line[at + 1..].trim().to_owned());
        }
    }
    values
}

/// `;` and `#` begin a comment after white space only.
fn without_comment(line: &str) -> &str {
    let begins = |at: usize| line[..at].ends_with([' ', '\t']);
    let comment = line.match_indices([';', '#']).map(|(at, _)| at).find(|at| begins(*at));
    comment.map_or(line, |at| &line[..at])
}

/// `%(name)s` becomes what it stands for, `%%` a `%`.
fn expand(value: &str, known: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('%') {
        expanded.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            expanded.push('%');
            rest = after;
            continue;
        }
        let name = after.strip_prefix('(').and_then(|after| after.split_once(")s"));
        let Some((name, after)) = name else {
            return Err("is badly formatted: write %% for a percent sign".to_owned());
        };
        let Some(found) = known(name) else {
            return Err(format!("contains names ('{name}') which cannot be expanded: there are here and ENV_…"));
        };
        expanded.push_str(&found);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Section, String> {
        section(text, |name| (name == "here").then(|| "/h".to_owned()))
    }

    #[test]
    fn the_section_is_read() {
        let text =
            "[a]\nprompt=no\n[supervisorctl]\nServerURL = unix://%(here)s/s ; c\n; x\npassword: a#b=c%%\nprompt=\n";
        let section = read(text).unwrap();
        assert_eq!(section.url.as_deref(), Some("unix:///h/s"));
        assert_eq!(section.password.as_deref(), Some("a#b=c%"));
        assert_eq!(section.prompt.as_deref(), Some(""));
        assert_eq!(section.username, None);
    }

    #[test]
    fn an_indented_line_goes_on_with_a_value() {
        let text = " [supervisorctl]\nprompt=a\n  username=b\n; c\n\n  [x]\npassword=d\n";
        let section = read(text).unwrap();
        assert_eq!((section.prompt.as_deref(), section.password.as_deref()), (Some("a"), Some("d")));
        assert_eq!(section.username, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(read("[supervisord]\n").unwrap_err().contains("supervisorctl section"));
        let why = read("[supervisorctl]\nusername=%b").unwrap_err();
        assert!(why.contains("'%b' for 'supervisorctl.username' is badly formatted"), "{why}");
        assert!(read("[supervisorctl]\nprompt=%(x)s").unwrap_err().contains("('x')"));
    }

    #[test]
    fn a_tilde_is_the_home() {
        let home = || Some(PathBuf::from("/h"));
        assert_eq!(at_home("~/a", home()), "/h/a");
        assert_eq!(at_home("~a", home()), "~a");
    }
}
