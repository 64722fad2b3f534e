//! A look at a directory of daemontools, and at what runit and s6 add to one.

use super::{Candidate, Directory, End, Eye, Gathered, OpenError, Outcome, Stamp, Standing, Which, file_type, read};
use crate::model::diagnostic::{Code, Diagnostic};
use crate::source::{Material, ServiceDirectory, Text};
use nix::dir::Type;
use std::ffi::OsStr;
use std::path::Path;

/// Programs beside `run`: that they are there is all that counts.
const PROGRAMS: [&str; 2] = ["finish", "check"];

/// Files that say something in a line, and files by whose presence s6 is known.
const SETTINGS: [&str; 8] = [
    "notification-fd",
    "timeout-kill",
    "timeout-finish",
    "down-signal",
    "type",
    "max-death-tally",
    "lock-fd",
    "flag-newpidns",
];

/// As much of such a file counts.
const LINE: usize = 64;

impl Eye<'_> {
    /// `NAME/` with an executable `run`, and `NAME/log/` with another.
    pub(super) fn legacy(
        &self,
        candidate: &Candidate,
        directory: &Directory,
        shown: &Path,
        gathered: &mut Gathered,
    ) -> Result<Material, End> {
        let inner = match directory.directory(&candidate.name, self.trust) {
            Ok(inner) => inner,
            Err(OpenError::Absent) => return Err(End::Outcome(Outcome::Gone { known: true })),
            Err(error @ OpenError::Refused(_)) => {
                let mut run = candidate.name.clone();
                run.push("/run");
                let is_service = directory.stat(&run).is_some();
                let reason = || End::Stray("a directory without `run`".into());
                return Err(if is_service { End::Bad(error.diagnostic(shown)) } else { reason() });
            }
            Err(OpenError::NotADirectory(_)) => {
                return Err(End::Stray("it is neither NAME.toml nor a directory with an executable `run`".into()));
            }
            Err(error) => return Err(End::Stray(error.to_string())),
        };
        let service = match self.service_directory(candidate, &inner, shown, gathered) {
            Err(End::Outcome(Outcome::Gone { .. })) if candidate.standing != Some(Standing::Service) => {
                return Err(End::Stray("a directory without `run`".into()));
            }
            service => service?,
        };
        gathered.home = Some(service.home.clone());
        let kind = service.parts.iter().find(|(name, _)| *name == "type").map(|(_, text)| text.bytes.trim_ascii());
        if let Some(kind @ (b"oneshot" | b"bundle")) = kind {
            let kind = String::from_utf8_lossy(kind);
            return Err(End::Stray(format!(
                "its `type` says that it is a {kind} of s6-rc, which is no service directory"
            )));
        }
        let log = self.log_directory(candidate, &inner, shown, gathered)?;
        self.others(&inner, shown)?;
        if super::is_unchanged(candidate, &gathered.stamps) {
            return Err(End::Outcome(Outcome::Same));
        }
        Ok(Material::Daemontools { service, log })
    }

    fn service_directory(
        &self,
        candidate: &Candidate,
        inner: &Directory,
        shown: &Path,
        gathered: &mut Gathered,
    ) -> Result<ServiceDirectory, End> {
        for name in ["run", "down"].iter().chain(&PROGRAMS).chain(&SETTINGS) {
            gathered.wants.push((inner.path.clone(), Which::One((*name).into())));
        }
        gathered.links(&inner.links);
        let shown_run = shown.join("run");
        let run = self.open(inner, OsStr::new("run"), &shown_run, gathered)?;
        if run.stat.st_mode & 0o111 == 0 {
            return Err(End::Stray("its `run` is not executable".into()));
        }
        let stamp = Stamp::of(&run.stat);
        let down = inner.lstat(OsStr::new("down")).is_some();
        gathered.stamps.push(if down { stamp } else { Stamp::default() });
        // A program that is large is no text: what tells its versions apart is its stamp.
        let run = if run.stat.st_size.unsigned_abs() > read::MAX_SIZE {
            Text { path: shown_run, bytes: stamp.text().into_bytes() }
        } else {
            self.text(candidate, &run, &shown_run)?
        };
        let mut parts = Vec::new();
        for name in PROGRAMS {
            let there = self.part(inner, name, shown, gathered)?;
            let executable = there.is_some_and(|file| file.stat.st_mode & 0o111 != 0);
            parts.extend(executable.then(|| (name, Text { path: shown.join(name), bytes: Vec::new() })));
        }
        for name in SETTINGS {
            let Some(file) = self.part(inner, name, shown, gathered)? else { continue };
            let mut text = self.text(candidate, &file, &shown.join(name))?;
            text.bytes.truncate(LINE);
            parts.push((name, text));
        }
        Ok(ServiceDirectory { shown: shown.to_owned(), path: inner.path.clone(), home: inner.home(), down, run, parts })
    }

    /// A file that need not be there.
    fn part(
        &self,
        inner: &Directory,
        name: &str,
        shown: &Path,
        gathered: &mut Gathered,
    ) -> Result<Option<super::OpenFile>, End> {
        match self.open(inner, OsStr::new(name), &shown.join(name), gathered) {
            Ok(file) => Ok(Some(file)),
            Err(End::Outcome(Outcome::Gone { .. })) => {
                gathered.stamps.push(Stamp::default());
                Ok(None)
            }
            Err(end) => Err(end),
        }
    }

    /// `log/`, if there is something to run in it.
    fn log_directory(
        &self,
        candidate: &Candidate,
        inner: &Directory,
        shown: &Path,
        gathered: &mut Gathered,
    ) -> Result<Option<ServiceDirectory>, End> {
        gathered.wants.push((inner.path.clone(), Which::One("log".into())));
        let shown = shown.join("log");
        let log = match inner.directory(OsStr::new("log"), self.trust) {
            Ok(log) => log,
            Err(error @ OpenError::Refused(_)) => return Err(End::Bad(error.diagnostic(&shown))),
            Err(_) => return Ok(None),
        };
        match self.service_directory(candidate, &log, &shown, gathered) {
            Ok(log) => Ok(Some(log)),
            Err(End::Outcome(Outcome::Gone { .. })) => Ok(None),
            Err(End::Stray(reason)) => {
                let finding = Diagnostic::error(&shown, Code::NoProgram, format!("{}: {reason}", shown.display()));
                Err(End::Bad(finding.help("run `chmod +x run` there, or remove that directory")))
            }
            Err(end) => Err(end),
        }
    }

    /// What else of a legacy directory decides how it runs: nobody else may write it either.
    fn others(&self, inner: &Directory, shown: &Path) -> Result<(), End> {
        for name in ["env", "supervise", "log/supervise", "log/env"].map(OsStr::new) {
            if inner.lstat(name).is_none_or(|found| file_type(&found) == Some(Type::File)) {
                continue;
            }
            if let Err(error @ OpenError::Refused(_)) = inner.directory(name, self.trust) {
                return Err(End::Bad(error.diagnostic(&shown.join(name))));
            }
        }
        Ok(())
    }
}
