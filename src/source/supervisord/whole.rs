//! A configuration wherever it is, read once with all that it includes: for who looks at it and runs nothing of it.

use super::{Machine, Source};
use crate::model::diagnostic::{Code, Diagnostic, Place};
use crate::source::Text;
use crate::source::open::{Directory, OpenError, OpenFile};
use crate::source::pattern::{Pattern, Sight};
use crate::source::read::{Care, Content, read};
use crate::source::trust::Trust;
use crate::supervisord::{self, Around, Fault, Reading, Way};
use std::path::Path;

/// A configuration.
#[derive(Debug)]
pub struct Whole {
    /// The main file, then those that it includes.
    pub sources: Vec<Source>,
    /// Patterns of `[include]` that nothing matches.
    pub unmatched: Vec<String>,
    /// What they say.
    pub reading: Reading,
    /// The directory that relative paths in them are under.
    pub directory: String,
}

impl Whole {
    /// Reads `path` and what its `[include]` names.
    pub fn read(path: &Path) -> Result<Self, Diagnostic> {
        let machine = Machine::as_seen(false);
        let trust = Trust::everyone();
        let main = source(path, open(path, &trust))?;
        let globs = supervisord::includes(&main, &machine);
        let mut whole = Self {
            sources: vec![main],
            unmatched: Vec::new(),
            reading: Reading::default(),
            directory: machine.working_directory().to_owned(),
        };
        for glob in globs.map_err(|fault| whole.finding(&fault))? {
            let mut sight = Sight::default();
            if let Some(pattern) = Pattern::parse(&glob, Path::new("/")) {
                pattern.look(&trust, &mut sight);
            }
            sight.files.retain(|_, found| !matches!(found, Err(OpenError::Absent)));
            if sight.files.is_empty() {
                whole.unmatched.push(glob);
            }
            for (path, found) in sight.files {
                whole.sources.push(source(&path, found)?);
            }
        }
        whole.reading = supervisord::read(&whole.sources, &machine, Way::Watched);
        Ok(whole)
    }

    /// What is wrong, with its place in the files.
    pub fn finding(&self, fault: &Fault) -> Diagnostic {
        let Source { path, text, .. } = &self.sources[fault.file];
        let finding = Diagnostic::error(Path::new(path), Code::BadValue, fault.message.clone());
        finding.at(Place::of(text, fault.span.clone())).help(fault.help.clone())
    }
}

fn open(path: &Path, trust: &Trust) -> Result<OpenFile, OpenError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or(OpenError::NotAFile("directory"))?;
    Directory::open(parent, trust)?.file(name, trust)
}

fn source(path: &Path, opened: Result<OpenFile, OpenError>) -> Result<Source, Diagnostic> {
    let file = opened.map_err(|error| error.diagnostic(path))?;
    let unclear = |what: &str| Diagnostic::error(path, Code::NotText, what).help("write it as UTF-8");
    match read(&file, path, Care::None) {
        Content::Bytes(bytes) => {
            Machine::source(&Text { path: path.to_owned(), bytes }).ok_or_else(|| unclear("it is not UTF-8"))
        }
        Content::Bad(finding) => Err(finding),
        Content::Busy | Content::Doubtful => {
            Err(Diagnostic::error(path, Code::Unreadable, "it is being written").help("try again once it is complete"))
        }
    }
}
