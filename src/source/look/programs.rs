//! A look at one of supervisord's files: itself, what its `[include]` names, and its drop-ins.

use super::{Candidate, Directory, End, Eye, Gathered, Opened, Outcome, Stamp};
use crate::source::open::OpenError;
use crate::source::pattern::{Pattern, Sight};
use crate::source::supervisord::Machine;
use crate::source::{Material, Programs};
use crate::supervisord;
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
        // What is wrong with `[include]` itself is said by who reads the text.
        let globs = Machine::source(&text).map(|source| supervisord::includes(&source, &machine));
        for glob in globs.into_iter().flatten().flatten() {
            let found = self.included(&glob, id, gathered)?;
            match found {
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
