//! Reading files once, for the commands that need no daemon.

use crate::decide::judge::judge_all;
use crate::source::config::{self, Config};
use crate::source::load::load_of;
use crate::source::once::{ReadAll, read_all};
use crate::source::trust::Trust;
use crate::source::{Surroundings, config_path, configuration};
use std::path::{Path, PathBuf};

/// What directories and files say, under the `abide.toml` that a supervisor of them would use.
/// What is wrong with that one is among the problems; the defaults then hold. What the services say of each other is
/// judged as at a first load; of a single file, against the names beside it.
pub(super) fn read(paths: &[PathBuf], named: Option<&Path>, around: &Surroundings, trust: &Trust) -> ReadAll {
    let first = paths.first().map_or(Path::new("."), PathBuf::as_path);
    // A file belongs to the directory that it lies in.
    let first = if first.is_dir() { first } else { first.parent().unwrap_or(first) };
    let config_path = config_path(named, first);
    let (config, findings) = match configuration::read_config(&config_path, trust) {
        Ok(None) => (None, Vec::new()),
        Ok(Some(text)) => config::parse(&text),
        Err(finding) => (None, vec![finding]),
    };
    let config: Config = config.unwrap_or_default();
    let trust = trust.widened(&config.trusted_groups);
    let mut loader = load_of(around, &config);
    let mut reading = read_all(paths, &config_path, (&trust, &config.sources), &mut loader);
    reading.problems.splice(0..0, findings);
    judge_all(&mut reading.entries, &reading.beside);
    reading
}
