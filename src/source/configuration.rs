//! `abide.toml` as a watched file: read like any other, the last accepted one holds.
//!
//! What it means is the loader's business; this is about when to take it.

use super::delegation::Delegation;
use super::open::{Directory, OpenError};
use super::read::{Care, Content, Stamp, read};
use super::settle::{ERRORS, Outcome};
use super::trust::Trust;
use super::watch::{Want, Which};
use super::{Loaded, Material, Text};
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::name::ServiceName;
use sha2::{Digest, Sha256};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Text to a configuration, if it can be had, and what is wrong with it.
pub type Parse<C> = Box<dyn Fn(&Text) -> (Option<C>, Vec<Diagnostic>) + Send>;
/// Which directories are handed to whom.
pub type Sources<C> = Box<dyn Fn(&C) -> Vec<Arc<Delegation>> + Send>;
/// What was read of one service to its entry.
pub type Load<C> = Box<dyn FnMut(&C, Option<&Arc<Delegation>>, &ServiceName, &Material) -> Loaded + Send>;

/// How texts become meaning, for a configuration `C`.
pub struct Loader<C> {
    /// Reads `abide.toml`.
    pub parse: Parse<C>,
    /// Makes an entry of what was read of one service.
    pub load: Load<C>,
    /// What a configuration says of watching.
    pub timing: fn(&C) -> Timing,
    /// Which groups a configuration trusts with service files.
    pub trusted: fn(&C) -> Vec<u32>,
    /// The directories that are handed to users.
    pub sources: Sources<C>,
    /// Is told each configuration that is accepted after the start.
    pub accepted: Box<dyn FnMut(&C) + Send>,
}

/// What a configuration says of watching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How often everything is compared beside events; `None`: never.
    pub rescan: Option<Duration>,
    /// How long a missing file is waited for.
    pub grace: Duration,
    /// Whether a batch is one, and nothing goes ahead of it.
    pub atomic: bool,
}

/// Reads `abide.toml` before anything else is; `None` if there is none.
pub fn read_config(path: &Path, trust: &Trust) -> Result<Option<Text>, Diagnostic> {
    let (directory, name) = split(path);
    let found = Directory::open(&directory, trust).and_then(|directory| directory.file(&name, trust));
    let file = match found {
        Ok(file) => file,
        Err(OpenError::Absent) => return Ok(None),
        Err(error) => return Err(error.diagnostic(path)),
    };
    match read(&file, path, Care::None) {
        Content::Bytes(bytes) => Ok(Some(Text { path: path.to_owned(), bytes })),
        Content::Bad(finding) => Err(finding),
        Content::Busy | Content::Doubtful => {
            let finding = Diagnostic::error(path, Code::Unreadable, "somebody is writing to it");
            Err(finding.help("start abide again when it is written"))
        }
    }
}

/// `abide.toml` and what it last said.
pub(super) struct Configuration<C> {
    path: PathBuf,
    /// The directory that holds it, links resolved, as last seen.
    directory: PathBuf,
    name: OsString,
    config: C,
    /// Of the accepted text; `None`: of no file.
    digest: Option<[u8; 32]>,
    loader: Loader<C>,
    problems: Vec<Diagnostic>,
    is_gone: bool,
    doubt: Option<(Stamp, Instant)>,
}

/// What a look at `abide.toml` found.
pub(super) struct ConfigLook<C> {
    pub(super) outcome: Outcome,
    pub(super) found: Option<ConfigFound<C>>,
    pub(super) wants: Vec<Want>,
}

/// What there is to take.
pub(super) enum ConfigFound<C> {
    /// Good and new, with its warnings.
    New(Box<C>, [u8; 32], Vec<Diagnostic>),
    /// What is in force already.
    Old,
    /// Not to be taken.
    Broken(Vec<Diagnostic>),
}

impl<C> Configuration<C> {
    pub(super) fn new(path: PathBuf, config: C, text: Option<&Text>, loader: Loader<C>) -> Self {
        let (directory, name) = split(&path);
        let digest = text.map(|text| Sha256::digest(&text.bytes).into());
        let directory = directory.canonicalize().unwrap_or(directory);
        let problems = Vec::new();
        Self { path, directory, name, config, digest, loader, problems, is_gone: false, doubt: None }
    }

    /// Whether that name in that directory is `abide.toml` itself, and so no service.
    pub(super) fn is_at(&self, directory: &Path, name: &OsStr) -> bool {
        name == self.name && directory == self.directory
    }

    pub(super) fn timing(&self) -> Timing {
        (self.loader.timing)(&self.config)
    }

    /// The groups that are trusted with service files.
    pub(super) fn trusted(&self) -> Vec<u32> {
        (self.loader.trusted)(&self.config)
    }

    pub(super) fn problems(&self) -> &[Diagnostic] {
        &self.problems
    }

    /// The loader under the configuration in force.
    pub(super) fn load(&mut self, from: Option<&Arc<Delegation>>) -> impl FnMut(&ServiceName, &Material) -> Loaded {
        let (config, load) = (&self.config, &mut self.loader.load);
        move |name, material| load(config, from, name, material)
    }

    /// The directories that are handed to users.
    pub(super) fn sources(&self) -> Vec<Arc<Delegation>> {
        (self.loader.sources)(&self.config)
    }

    /// Looks at the file.
    pub(super) fn look(&mut self, trust: &Trust) -> ConfigLook<C> {
        let (parent, name) = split(&self.path);
        let (wants, content) = match Directory::open(&parent, trust) {
            Ok(directory) => {
                let mut wants = vec![(directory.path.clone(), Which::One(name.clone()))];
                self.directory.clone_from(&directory.path);
                let content = directory.file(&name, trust).map(|file| {
                    let links = file.links.iter().map(|link| (link.directory.clone(), Which::One(link.name.clone())));
                    wants.extend(links);
                    let stamp = Stamp::of(&file.stat);
                    let doubt = self.doubt.filter(|(earlier, _)| *earlier == stamp);
                    let content = read(&file, &self.path, Care::Writers(doubt.map(|(_, at)| (stamp, at.elapsed()))));
                    self.doubt = matches!(content, Content::Doubtful).then(|| doubt.unwrap_or((stamp, Instant::now())));
                    content
                });
                (wants, content)
            }
            Err(error) => (Vec::new(), Err(error)),
        };
        let (outcome, found) = self.judge(content);
        ConfigLook { outcome, found, wants }
    }

    fn judge(&self, content: Result<Content, OpenError>) -> (Outcome, Option<ConfigFound<C>>) {
        let bytes = match content {
            Err(OpenError::Absent) if self.is_gone => return (Outcome::Same, None),
            Err(OpenError::Absent) => return (Outcome::Gone { known: self.digest.is_some() }, None),
            Err(error) => return self.broken(vec![error.diagnostic(&self.path)]),
            Ok(Content::Busy) => return (Outcome::Busy, None),
            Ok(Content::Doubtful) => return (Outcome::Doubtful, None),
            Ok(Content::Bad(finding)) => return self.broken(vec![finding]),
            Ok(Content::Bytes(bytes)) => bytes,
        };
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        if self.digest == Some(digest) {
            let is_quiet = !self.is_gone && !self.problems.iter().any(Diagnostic::is_error);
            return if is_quiet { (Outcome::Same, None) } else { (Outcome::Good, Some(ConfigFound::Old)) };
        }
        match (self.loader.parse)(&Text { path: self.path.clone(), bytes }) {
            (Some(config), findings) if !findings.iter().any(Diagnostic::is_error) => {
                (Outcome::Good, Some(ConfigFound::New(Box::new(config), digest, findings)))
            }
            (_, findings) => self.broken(findings),
        }
    }

    fn broken(&self, findings: Vec<Diagnostic>) -> (Outcome, Option<ConfigFound<C>>) {
        let outcome = if self.problems == findings { Outcome::Same } else { Outcome::Bad(ERRORS) };
        (outcome, Some(ConfigFound::Broken(findings)))
    }

    /// Takes what was found; says whether all services must be loaded anew.
    pub(super) fn accept(&mut self, found: ConfigFound<C>) -> bool {
        self.is_gone = false;
        match found {
            ConfigFound::Old => {
                self.problems.clear();
                false
            }
            ConfigFound::Broken(findings) => {
                self.problems = findings;
                false
            }
            ConfigFound::New(config, digest, findings) => {
                (self.config, self.digest, self.problems) = (*config, Some(digest), findings);
                (self.loader.accepted)(&self.config);
                true
            }
        }
    }

    /// It is gone for good: running on without its limits is what nobody asked for.
    pub(super) fn vanished(&mut self) {
        if self.digest.is_none() {
            return;
        }
        let finding = Diagnostic::error(&self.path, Code::Unreadable, "it is gone; what it last said still holds");
        self.problems = vec![finding.help("restore it, or put an empty one there to have the defaults")];
        self.is_gone = true;
    }
}

fn split(path: &Path) -> (PathBuf, OsString) {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    (parent.to_owned(), path.file_name().unwrap_or_default().to_owned())
}
