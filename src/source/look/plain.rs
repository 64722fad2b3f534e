//! A look at a directory of daemontools with the eyes of svscan and supervise: what is in `run` is no business of theirs,
//! nor whether it is there, nor what runit and s6 have beside it. Whose it is they do not ask.

use super::{Candidate, Directory, End, Eye, Gathered, OpenError, Outcome, Stamp, Which};
use crate::model::guise::Guise;
use crate::source::{Material, ServiceDirectory, Text};
use std::ffi::OsStr;
use std::path::Path;

impl Eye<'_> {
    /// `NAME/`, and for svscan `NAME/log/`.
    pub(super) fn plain(
        &self,
        guise: &Guise,
        candidate: &Candidate,
        directory: &Directory,
        shown: &Path,
        gathered: &mut Gathered,
    ) -> Result<Material, End> {
        let inner = match directory.directory(&candidate.name, self.trust) {
            Ok(inner) => inner,
            Err(OpenError::Absent) => return Err(End::Outcome(Outcome::Gone { known: true })),
            Err(OpenError::NotADirectory(_)) => return Err(End::Stray("it is no directory".into())),
            Err(error) => return Err(End::Stray(error.to_string())),
        };
        gathered.stamps.extend(directory.stat(&candidate.name).as_ref().map(Stamp::of));
        gathered.links(&inner.links);
        let service = plain_directory(&inner, shown, gathered);
        gathered.home = Some(service.home.clone());
        let has_log = *guise == Guise::Svscan;
        if has_log {
            gathered.wants.push((inner.path.clone(), Which::One("log".into())));
        }
        let log = has_log.then(|| inner.directory(OsStr::new("log"), self.trust).ok()).flatten();
        let log = log.map(|log| plain_directory(&log, &shown.join("log"), gathered));
        if super::is_unchanged(candidate, &gathered.stamps) {
            return Err(End::Outcome(Outcome::Same));
        }
        Ok(Material::Daemontools { service, log })
    }
}

fn plain_directory(inner: &Directory, shown: &Path, gathered: &mut Gathered) -> ServiceDirectory {
    gathered.wants.push((inner.path.clone(), Which::One("down".into())));
    // A link that leads nowhere is none.
    let down = inner.stat(OsStr::new("down"));
    gathered.stamps.push(down.as_ref().map(Stamp::of).unwrap_or_default());
    let run = Text { path: shown.join("run"), bytes: Vec::new() };
    let (shown, path, home) = (shown.to_owned(), inner.path.clone(), inner.home());
    ServiceDirectory { shown, path, home, down: down.is_some(), run, parts: Vec::new() }
}
