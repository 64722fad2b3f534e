//! The files thread, as the loop has it: what it watches, who may speak there, and how what it reads is understood.

use super::paths::Places;
use super::planner::Planner;
use super::poison::Poison;
use super::turn::Letter;
use crate::source::config::{self, Config};
use crate::source::configuration::{Loader, Timing};
use crate::source::delegation::{Caps, Delegation};
use crate::source::load::load_of;
use crate::source::{Text, worker};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// The directories that the command line hands to their owners.
pub(super) type Granted = Vec<Arc<Delegation>>;

/// What the command line hands to owners of directories.
pub(super) fn granted(trusted: &[PathBuf]) -> Granted {
    let delegation = |path: &PathBuf| {
        let owner = std::fs::metadata(path).map(|found| found.uid());
        let owner = owner.inspect_err(|error| {
            let _ = writeln!(io::stderr(), "abide: --trust-owner {}: it cannot be looked at: {error}", path.display());
        });
        // What is root's own needs nobody to speak for it.
        let owner = owner.ok().filter(|uid| *uid != 0)?;
        Delegation::new(path, &owner.to_string(), Caps::default()).map(Arc::new)
    };
    trusted.iter().filter_map(delegation).collect()
}

/// What `abide.toml` hands to users comes first.
pub(super) fn granting(mut config: Config, granted: &Granted) -> Config {
    config.sources.extend(granted.iter().cloned());
    config
}

/// How what it reads is understood. In safe mode no source is handed to anybody, since none is read.
fn loader(
    planner: &Planner,
    granted: &Granted,
    safe: bool,
    poison: Poison,
    letters: &UnboundedSender<Letter>,
) -> Loader<Arc<Config>> {
    let (around, granted, letters) = (Arc::clone(&planner.around), granted.clone(), letters.clone());
    let dressed = planner.config.guise.is_some().then(|| Arc::clone(&planner.config));
    Loader {
        parse: Box::new(move |text| {
            // Of an abide in a guise no file says anything.
            if let Some(dressed) = &dressed {
                return (Some(Arc::clone(dressed)), Vec::new());
            }
            let (config, findings) = config::parse(text);
            let config = config.map(|config| granting(Config { text: Some(text.clone()), ..config }, &granted));
            (config.map(Arc::new), findings)
        }),
        load: Box::new(move |config, from, name, material| {
            poison.guard(name, material, || load_of(&around, config)(from, name, material))
        }),
        trusted: |config| config.trusted_groups.clone(),
        sources: Box::new(move |config| if safe { Vec::new() } else { config.sources.clone() }),
        timing: |config| Timing { rescan: config.rescan, grace: config.grace, atomic: config.rules.atomic },
        accepted: Box::new(move |config| drop(letters.send(Letter::Config(Arc::clone(config))))),
    }
}

/// Starts it. In `safe` mode it reads nothing.
pub(super) fn start(
    places: &Places,
    directories: Vec<PathBuf>,
    config_text: Option<Text>,
    planner: &Planner,
    (granted, safe, poison): (&Granted, bool, Poison),
    letters: &UnboundedSender<Letter>,
) -> io::Result<worker::Handle> {
    let (changes, deltas) = (letters.clone(), letters.clone());
    let setup = worker::Setup {
        directories: if safe { Vec::new() } else { directories },
        config_path: planner.config_path.clone(),
        config: Arc::clone(&planner.config),
        config_text,
        state_directory: Some(places.state.clone()),
        uid: planner.around.uid,
        guise: planner.config.guise.clone(),
        loader: loader(planner, granted, safe, poison, letters),
        changed: Box::new(move |service, files| drop(changes.send(Letter::FilesChanged(service, files)))),
    };
    worker::start(setup, move |delta| drop(deltas.send(Letter::Delta(delta))))
}
