//! A look at one of supervisord's files: itself, what its `[include]` names, and its drop-ins.

use super::{Candidate, Directory, End, Eye, Gathered, Opened, Outcome, Stamp};
use crate::model::diagnostic::{Code, Diagnostic, Place};
use crate::source::open::OpenError;
use crate::source::pattern::{Pattern, Sight};
use crate::source::supervisord::Machine;
use crate::source::{Material, Programs};
use crate::supervisord::{self, Fault};
use std::path::Path;

impl Eye<'_> {
    /// `NAME.conf`, `NAME.ini`.
    pub(super) fn programs(
        &self,
        candidate: &Candidate,
        directory: &Directory,
        shown: &Path,
        drop_ins: bool,
        gathered: &mut Gathered,
    ) -> Result<Material, End> {
        let main = self.open(directory, &candidate.name, shown, gathered)?;
        let id = (main.stat.st_dev, main.stat.st_ino);
        let text = self.text(candidate, &main, shown)?;
        let mut programs = Programs { known: self.known.clone(), ..Programs::default() };
        let mut included = Vec::new();
        let machine = Machine::as_seen(self.delegation.is_some());
        let source = Machine::source(&text);
        let globs = source.map_or(Ok(Vec::new()), |source| {
            let wrong = |fault: Fault| {
                let finding = Diagnostic::error(shown, Code::BadValue, fault.message).help(fault.help);
                End::Bad(finding.at(Place::of(&source.text, fault.span)))
            };
            supervisord::includes(&source, &machine).map_err(wrong)
        })?;
        for glob in globs {
            match self.included(&glob, id, gathered)? {
                None => programs.unmatched.push(glob),
                Some(found) => included.extend(found),
            }
        }
        let parts = if drop_ins { self.drop_ins(candidate, directory, shown, gathered)? } else { Vec::new() };
        if super::is_unchanged(candidate, &gathered.stamps) && !gathered.has_other_inputs(candidate) {
            return Err(End::Outcome(Outcome::Same));
        }
        programs.texts.push(text);
        programs.texts.extend(self.texts(candidate, &included)?);
        programs.drop_ins = self.texts(candidate, &parts)?;
        Ok(Material::Supervisord(Box::new(programs)))
    }

    /// The files that a pattern means, less the one that includes them; `None`: it means none.
    fn included(&self, glob: &str, main: (u64, u64), gathered: &mut Gathered) -> Result<Option<Vec<Opened>>, End> {
        let mut sight = Sight::default();
        if let Some(pattern) = Pattern::parse(glob, Path::new("/")) {
            pattern.look(self.trust, &mut sight);
        }
        gathered.wants.extend(sight.wants);
        // Who cannot look does not know that nothing is there.
        if let Some((path, why)) = sight.blind {
            let message = format!("what is included cannot be looked for: {why}");
            let finding = Diagnostic::error(&path, Code::Unreadable, message);
            return Err(End::Bad(
                finding.help("let abide read that directory, and nobody write it who is not trusted"),
            ));
        }
        let mut files = Vec::new();
        let mut is_empty = true;
        for (path, found) in sight.files {
            let file = match found {
                Ok(file) => file,
                Err(OpenError::Absent) => continue,
                Err(error) => return Err(End::Bad(error.diagnostic(&path))),
            };
            is_empty = false;
            if (file.stat.st_dev, file.stat.st_ino) != main {
                gathered.stamps.push(Stamp::of(&file.stat));
                gathered.links(&file.links);
                files.push((file, path));
            }
        }
        Ok((!is_empty).then_some(files))
    }
}
