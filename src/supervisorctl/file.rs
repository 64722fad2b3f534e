//! The section `[supervisorctl]`: where the file is, and what it says.

use crate::supervisord::{self, Around, Source, Way};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
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
    let text = String::from_utf8_lossy(&bytes);
    Ok(Some(section(&path, &text, env::vars_os())?))
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

/// The section in a file's text, as supervisord's own reader has it.
fn section(path: &Path, text: &str, variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Section, String> {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let directory = whole.parent().unwrap_or(Path::new("/")).to_string_lossy().into_owned();
    let named = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    let here = env::current_dir().map_or_else(|_| "/".to_owned(), |path| path.to_string_lossy().into_owned());
    let machine = Machine { variables: variables.filter_map(named).collect(), directory: here };
    let source = Source { path: path.to_string_lossy().into_owned(), directory, text: text.to_owned() };
    let reading = supervisord::read(&[source], &machine, Way::Watched);
    if let Some(fault) = reading.ctl_faults.into_iter().next() {
        return Err(fault.message);
    }
    let ctl = reading.ctl.ok_or_else(|| ".ini file does not include supervisorctl section".to_owned())?;
    Ok(Section {
        url: Some(ctl.serverurl),
        username: ctl.username,
        password: ctl.password,
        prompt: Some(ctl.prompt),
        history: ctl.history_file,
    })
}

/// The machine, as far as a client has to know it.
struct Machine {
    variables: BTreeMap<String, String>,
    /// The directory that we are in.
    directory: String,
}

impl Around for Machine {
    fn env(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    fn host(&self) -> &'static str {
        ""
    }

    fn working_directory(&self) -> &str {
        &self.directory
    }

    fn home(&self, user: Option<&str>) -> Option<String> {
        let own = || env::home_dir()?.into_os_string().into_string().ok();
        user.map_or_else(own, |_| None)
    }

    fn user(&self, _: &str) -> Option<(u32, u32)> {
        None
    }

    fn group(&self, _: &str) -> Option<u32> {
        None
    }

    fn is_directory(&self, path: &str) -> bool {
        Path::new(path).is_dir()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Section, String> {
        section(Path::new("/h/s.conf"), text, std::iter::empty())
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
        assert_eq!((section.prompt.as_deref(), section.password.as_deref()), (Some("a\nusername=b\n\n[x]"), Some("d")));
        assert_eq!(section.username, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(read("[supervisord]\n").unwrap_err().contains("supervisorctl section"));
        let why = read("[supervisorctl]\nusername=%b").unwrap_err();
        assert!(why.contains("'%b' in supervisorctl.username is badly formatted"), "{why}");
        assert!(read("[supervisorctl]\nprompt=%(x)s").unwrap_err().contains("cannot be expanded here: 'x'"));
    }

    #[test]
    fn a_tilde_is_the_home() {
        let home = || Some(PathBuf::from("/h"));
        assert_eq!(at_home("~/a", home()), "/h/a");
        assert_eq!(at_home("~a", home()), "~a");
    }
}
