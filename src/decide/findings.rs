//! What is wrong with files, with the lines that are meant: for those who may read them, and never for the snapshot,
//! which everybody can read.

use super::fleet::Fleet;
use crate::model::diagnostic::{Diagnostic, FileFinding};
use crate::model::name::ServiceName;
use crate::model::status::FileError;

impl Fleet {
    /// Every finding that stands, by service; those of none come first.
    pub fn file_findings(&self) -> Vec<FileFinding> {
        let own = self.problem_diagnostics.iter().map(|finding| of(None, finding, &self.problems));
        let of_members = self.members.iter().flat_map(|(name, member)| {
            member.diagnostics().map(move |finding| of(Some(name), finding, &member.errors))
        });
        own.chain(of_members).collect()
    }
}

fn of(service: Option<&ServiceName>, finding: &Diagnostic, known: &[FileError]) -> FileFinding {
    let file = finding.file.display().to_string();
    let same =
        |old: &&FileError| old.message == finding.message && old.code == finding.code.as_str() && old.file == file;
    let first_seen = known.iter().find(same).map(|old| old.first_seen);
    FileFinding { service: service.cloned(), first_seen, finding: finding.clone() }
}
