//! `abide import`: services of other supervisors become service files.
//!
//! Reads what the other has, has `import` translate it, and writes what the reader of service files takes.

mod daemontools;
mod output;
mod supervisord;

use super::args::import::{FormatOfOthers, ImportArgs};
use super::exit;
use super::run::places;
use crate::host::limits::ceilings_of;
use crate::import::Imported;
use crate::model::diagnostic::Diagnostic;
use crate::model::limits::Ceilings;
use crate::model::name::ServiceName;
use crate::source::config::Config;
use crate::source::load::load_file;
use crate::source::{self, Surroundings, Text};
use std::io;
use std::path::Path;

/// What any import needs to know.
struct Scene<'a> {
    args: &'a ImportArgs,
    ceilings: Ceilings,
    around: Surroundings,
    /// Whether a living abide watches the directory that is written to.
    is_watched: bool,
}

/// Imports; exit 0 when nothing was left out.
pub(super) fn run(args: &ImportArgs) -> u8 {
    let done = scene(args).and_then(|scene| match args.format {
        FormatOfOthers::Daemontools => daemontools::run(&scene),
        FormatOfOthers::Supervisord => supervisord::run(&scene),
    });
    match done {
        Ok(true) => exit::OK,
        Ok(false) => exit::ERRORS,
        Err(sentence) => {
            super::talk::complain("import", &sentence);
            exit::ERRORS
        }
    }
}

fn scene(args: &ImportArgs) -> Result<Scene<'_>, String> {
    let ceilings =
        ceilings_of(None).map_err(|error| format!("could not look at the limits of this machine: {error}"))?;
    let places = places(args.places.clone().into()).map_err(|error| error.to_string())?;
    let around = source::surroundings(ceilings.clone(), false, true);
    let is_watched = args.to.as_ref().is_some_and(|to| output::is_watched(&places.runtime, to));
    Ok(Scene { args, ceilings, around, is_watched })
}

/// The directory to write to is there, if one was named.
fn can_write(args: &ImportArgs) -> Result<(), String> {
    match args.to.as_ref().filter(|to| !to.is_dir()) {
        Some(to) => Err(format!("{} is no directory: make it, or name another", to.display())),
        None => Ok(()),
    }
}

/// What is written is what abide takes: its own reader has the last word.
fn checked(name: &ServiceName, imported: Imported, around: &Surroundings) -> Result<Imported, String> {
    let main = Text { path: format!("{name}.toml").into(), bytes: imported.text.clone().into_bytes() };
    let entry = load_file(around, &Config::default(), name, &main, &[]);
    match entry.diagnostics.iter().find(|finding| finding.is_error()) {
        Some(Diagnostic { message, help, .. }) => {
            let help = help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
            Err(format!("as a service file it would have an error: {message}{help}"))
        }
        None => Ok(imported),
    }
}

fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

fn quoted(path: &Path) -> String {
    shell_words::quote(&path.to_string_lossy()).into_owned()
}
