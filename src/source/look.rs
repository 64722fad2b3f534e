//! One look at one candidate: open, judge, read, load. Changes nothing; what was found is settled
//! and published by others.

mod legacy;
mod plain;
mod programs;

use super::catalogue::{Candidate, Catalogue, Content, Found, Input, Key, Standing, service_of};
use super::delegation::Delegation;
use super::entry::{Naming, drop_ins_of, is_drop_in, likeness, main_of};
use super::open::{Directory, Link, OpenError, OpenFile, file_type};
use super::read::{self, Care, Stamp};
use super::root::{last_step, nearest};
use super::scan::list;
use super::settle::{ERRORS, Outcome, STRAYS};
use super::trust::Trust;
use super::watch::{Want, Which};
use super::{Known, Loaded, Material, Text};
use crate::model::desired::{Entry, Home};
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::guise::Guise;
use crate::model::name::ServiceName;
use crate::model::service::{Kind, Version};
use nix::errno::Errno;
use nix::sys::stat::stat;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Makes an entry of what was read.
pub(super) type Load<'a> = &'a mut dyn FnMut(&ServiceName, &Material) -> Loaded;

/// What a look found, and what one would have to watch to see it change.
pub(super) struct Look {
    pub(super) outcome: Outcome,
    pub(super) found: Option<Found>,
    /// What is now known of files that are as they were.
    pub(super) refreshed: Option<Content>,
    /// Directories, and the names in each that matter.
    pub(super) wants: Vec<Want>,
    /// Nobody could say whether somebody writes to it.
    pub(super) doubt: Vec<Stamp>,
    /// It has been as it is for longer than errors need.
    pub(super) stood: bool,
}

/// A file, and how people are shown it.
type Opened = (OpenFile, PathBuf);

/// Why a look ends before there is material.
enum End {
    Outcome(Outcome),
    Doubt,
    Stray(String),
    Bad(Diagnostic),
}

/// The eye: who is trusted, and how careful one has to be.
pub(super) struct Eye<'a> {
    pub(super) trust: &'a Trust,
    /// Whether writers matter: not to commands that look once.
    pub(super) careful: bool,
    /// In whose source it looks, if that is handed to somebody.
    pub(super) delegation: Option<&'a Delegation>,
    /// Why it is not even read, if that is said of the source.
    pub(super) full: Option<Diagnostic>,
    /// With the eyes of whom, if not with abide's own.
    pub(super) guise: Option<&'a Guise>,
    /// What sections of it were, if it has such.
    pub(super) known: Known,
}

/// What was gathered on the way.
#[derive(Default)]
struct Gathered {
    stamps: Vec<Stamp>,
    wants: Vec<Want>,
    inputs: Vec<Input>,
    home: Option<Box<Home>>,
    /// A file has no name any more, and yet one leads to it.
    is_orphan: bool,
}

impl Gathered {
    /// The meaning depends on these files, as they are now.
    fn inputs(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        self.inputs.clear();
        for path in paths {
            let target = path.canonicalize().ok().filter(|target| *target != path);
            self.wants.extend(nearest(&path).into_iter().chain(target.as_deref().and_then(last_step)));
            let stamp = stat(&path).ok().as_ref().map(Stamp::of);
            self.inputs.push((path, stamp));
        }
    }

    fn has_other_inputs(&self, candidate: &Candidate) -> bool {
        candidate.content.as_ref().is_some_and(|content| *content.inputs != *self.inputs)
    }

    fn links(&mut self, links: &[Link]) {
        self.wants.extend(links.iter().map(|link| (link.directory.clone(), Which::One(link.name.clone()))));
    }
}

impl Eye<'_> {
    /// Looks at `key`, which lies in `directory`; `drop_ins` says whether `NAME.toml.d` is there.
    pub(super) fn look(
        &self,
        catalogue: &Catalogue,
        key: Key,
        directory: &Directory,
        drop_ins: bool,
        load: Load<'_>,
    ) -> Look {
        let mut gathered = Gathered::default();
        let Some(candidate) = catalogue.get(key) else {
            return conclude(Outcome::Gone { known: false }, None, gathered);
        };
        let shown = catalogue.shown(candidate.source, &candidate.name);
        let known_inputs = candidate.content.as_ref().map_or(&[][..], |content| &content.inputs);
        gathered.inputs(known_inputs.iter().map(|(path, _)| path.clone()));
        let Some(name) = title(candidate) else {
            return match &candidate.naming {
                Naming::Control(_) => self.control(candidate, directory, &shown),
                naming => stray(candidate, naming, directory, &shown, drop_ins),
            };
        };
        let material = self.material(candidate, directory, &shown, drop_ins, &mut gathered);
        let known = candidate.standing == Some(Standing::Service);
        let (mut loaded, digest) = match material {
            Ok(material) => {
                let digest = digest(&material, gathered.is_orphan);
                let is_same = candidate.content.as_ref().is_some_and(|content| content.digest == digest);
                if is_same && known && !candidate.reload && !gathered.has_other_inputs(candidate) {
                    return same(gathered, digest);
                }
                let mut loaded = load(&name, &material);
                gathered.inputs(loaded.entries.iter_mut().flat_map(|(_, entry)| std::mem::take(&mut entry.inputs)));
                if gathered.is_orphan {
                    loaded.entries.iter_mut().for_each(|(_, entry)| entry.diagnostics.push(orphan(&shown)));
                }
                (loaded, digest)
            }
            Err(End::Outcome(Outcome::Gone { .. })) => {
                let known = candidate.standing.is_some();
                return conclude(Outcome::Gone { known }, None, gathered);
            }
            Err(End::Outcome(outcome)) => return conclude(outcome, None, gathered),
            Err(End::Doubt) => {
                let doubt = gathered.stamps.clone();
                return Look { doubt, ..conclude(Outcome::Doubtful, None, gathered) };
            }
            Err(End::Stray(reason)) if !known => {
                let standing = Standing::Ignored(reason);
                let told = candidate.standing.as_ref() == Some(&standing);
                let outcome = if told { Outcome::Same } else { Outcome::Bad(STRAYS) };
                return conclude(outcome, Some(Found::Other(standing)), gathered);
            }
            Err(End::Stray(reason)) => {
                let finding = Diagnostic::error(&shown, Code::NoProgram, reason);
                self.refused(name, candidate, &shown, finding.help("run `chmod +x run`, or remove the directory"))
            }
            Err(End::Bad(finding)) => self.refused(name, candidate, &shown, finding),
        };
        for (_, entry) in &mut loaded.entries {
            entry.delegated = self.delegation.map(|delegation| Box::new(delegation.mark()));
        }
        let stood = gathered.stamps.first().is_some_and(|stamp| stamp.age() >= ERRORS);
        if catalogue.is_told(key, &loaded, digest) {
            return same(gathered, digest);
        }
        let is_bad = loaded.entries.iter().any(|(_, entry)| entry.service.is_none())
            || loaded.problems.iter().any(Diagnostic::is_error);
        let outcome = if is_bad { Outcome::Bad(ERRORS) } else { Outcome::Good };
        let content = gathered.content(digest);
        Look { stood, ..conclude(outcome, Some(Found::Entries(loaded, content)), gathered) }
    }

    /// What there is to load.
    fn material(
        &self,
        candidate: &Candidate,
        directory: &Directory,
        shown: &Path,
        drop_ins: bool,
        gathered: &mut Gathered,
    ) -> Result<Material, End> {
        if let Some(finding) = self.full.clone().filter(|_| directory.lstat(&candidate.name).is_some()) {
            return Err(End::Bad(finding));
        }
        match (&candidate.naming, self.guise) {
            (Naming::Programs, _) => self.programs(candidate, directory, shown, drop_ins, gathered),
            (Naming::Directory(_), Some(guise)) => self.plain(guise, candidate, directory, shown, gathered),
            (Naming::Directory(_), None) => self.legacy(candidate, directory, shown, gathered),
            _ => self.file(candidate, directory, shown, drop_ins, gathered),
        }
    }

    /// What says only what is wrong.
    fn refused(
        &self,
        name: ServiceName,
        candidate: &Candidate,
        shown: &Path,
        finding: Diagnostic,
    ) -> (Loaded, [u8; 32]) {
        let digest = Sha256::digest(finding.to_string()).into();
        if candidate.naming != Naming::Programs {
            return ((name, refused(&candidate.naming, shown, finding)).into(), digest);
        }
        let known = self.known.values().flatten().collect::<BTreeSet<_>>();
        let entry = |name: &ServiceName| (name.clone(), refused(&candidate.naming, shown, finding.clone()));
        let entries: Vec<_> = known.into_iter().map(entry).collect();
        // Where services say it, nothing else needs to.
        let problems = if entries.is_empty() { vec![finding] } else { Vec::new() };
        (Loaded { entries, problems }, digest)
    }

    /// `NAME.toml` and its drop-ins.
    fn file(
        &self,
        candidate: &Candidate,
        directory: &Directory,
        shown: &Path,
        drop_ins: bool,
        gathered: &mut Gathered,
    ) -> Result<Material, End> {
        let main = self.open(directory, &candidate.name, shown, gathered)?;
        let parts = if drop_ins { self.drop_ins(candidate, directory, shown, gathered)? } else { Vec::new() };
        if is_unchanged(candidate, &gathered.stamps) && !gathered.has_other_inputs(candidate) {
            return Err(End::Outcome(Outcome::Same));
        }
        let main = self.text(candidate, &main, shown)?;
        Ok(Material::Toml { main, drop_ins: self.texts(candidate, &parts)? })
    }

    /// The drop-ins of a file, in order, opened.
    fn drop_ins(
        &self,
        candidate: &Candidate,
        directory: &Directory,
        shown: &Path,
        gathered: &mut Gathered,
    ) -> Result<Vec<Opened>, End> {
        let folder = drop_ins_of(&candidate.name);
        let shown_folder = shown.with_file_name(&folder);
        let folder = match directory.directory(&folder, self.trust) {
            Ok(folder) => folder,
            Err(OpenError::Absent) => return Ok(Vec::new()),
            Err(error) => return Err(End::Bad(error.diagnostic(&shown_folder))),
        };
        gathered.wants.push((folder.path.clone(), Which::All));
        gathered.links(&folder.links);
        let mut names = list(&folder).map_err(|errno| unlisted(&shown_folder, errno))?;
        names.retain(|name| is_drop_in(name));
        names.sort();
        let open = |name: OsString| {
            let shown = shown_folder.join(super::entry::shown(&name));
            Ok((self.open(&folder, &name, &shown, gathered)?, shown))
        };
        names.into_iter().map(open).collect()
    }

    fn texts(&self, candidate: &Candidate, opened: &[Opened]) -> Result<Vec<Text>, End> {
        opened.iter().map(|(file, shown)| self.text(candidate, file, shown)).collect()
    }

    /// `.abide-hold`, `.abide-allow-removals`.
    fn control(&self, candidate: &Candidate, directory: &Directory, shown: &Path) -> Look {
        let mut gathered = Gathered::default();
        let opened = self.open(directory, &candidate.name, shown, &mut gathered);
        let text = opened.and_then(|file| {
            let same = is_unchanged(candidate, &gathered.stamps);
            if same { Err(End::Outcome(Outcome::Same)) } else { self.text(candidate, &file, shown) }
        });
        match text {
            Ok(text) => {
                let digest = Sha256::digest(&text.bytes).into();
                let known = candidate.standing == Some(Standing::Control);
                if known && candidate.content.as_ref().is_some_and(|content| content.digest == digest) {
                    return same(gathered, digest);
                }
                let content = gathered.content(digest);
                conclude(Outcome::Good, Some(Found::Control(text.bytes, content)), gathered)
            }
            Err(End::Outcome(Outcome::Gone { .. })) => {
                conclude(Outcome::Gone { known: candidate.standing.is_some() }, None, gathered)
            }
            Err(End::Outcome(outcome)) => conclude(outcome, None, gathered),
            Err(End::Doubt) => {
                let doubt = gathered.stamps.clone();
                Look { doubt, ..conclude(Outcome::Doubtful, None, gathered) }
            }
            Err(End::Stray(reason)) => {
                conclude(Outcome::Bad(STRAYS), Some(Found::Other(Standing::Ignored(reason))), gathered)
            }
            Err(End::Bad(finding)) => {
                let standing = Standing::Problem(finding);
                let told = candidate.standing.as_ref() == Some(&standing);
                let outcome = if told { Outcome::Same } else { Outcome::Bad(ERRORS) };
                conclude(outcome, Some(Found::Other(standing)), gathered)
            }
        }
    }

    fn open(
        &self,
        directory: &Directory,
        name: &OsStr,
        shown: &Path,
        gathered: &mut Gathered,
    ) -> Result<OpenFile, End> {
        match directory.file(name, self.trust) {
            Ok(file) => {
                gathered.stamps.push(Stamp::of(&file.stat));
                gathered.is_orphan |= file.stat.st_nlink == 0;
                gathered.links(&file.links);
                Ok(file)
            }
            Err(error) => {
                // For the age of what is wrong, and for what else might mend it.
                gathered.stamps.extend(directory.lstat(name).as_ref().map(Stamp::of));
                Err(match error {
                    OpenError::Absent => End::Outcome(Outcome::Gone { known: true }),
                    error => End::Bad(error.diagnostic(shown)),
                })
            }
        }
    }

    fn text(&self, candidate: &Candidate, file: &OpenFile, shown: &Path) -> Result<Text, End> {
        let care = if self.careful {
            let stamp = Stamp::of(&file.stat);
            let doubt = candidate.doubt.as_ref().filter(|(stamps, _)| stamps.contains(&stamp));
            Care::Writers(doubt.map(|(_, at)| (stamp, at.elapsed())))
        } else {
            Care::None
        };
        match read::read(file, shown, care) {
            read::Content::Bytes(bytes) => Ok(Text { path: shown.to_owned(), bytes }),
            read::Content::Busy => Err(End::Outcome(Outcome::Busy)),
            read::Content::Doubtful => Err(End::Doubt),
            read::Content::Bad(finding) => Err(End::Bad(finding)),
        }
    }
}

impl Gathered {
    fn content(&self, digest: [u8; 32]) -> Content {
        let inputs = self.inputs.iter().filter_map(|(_, stamp)| stamp.as_ref());
        let racy = self.stamps.iter().chain(inputs).any(Stamp::is_racy);
        let (stamps, inputs, home) = (self.stamps.clone().into(), self.inputs.clone().into(), self.home.clone());
        Content { stamps, racy, digest, inputs, home }
    }
}

fn conclude(outcome: Outcome, found: Option<Found>, gathered: Gathered) -> Look {
    Look { outcome, found, refreshed: None, wants: gathered.wants, doubt: Vec::new(), stood: false }
}

/// As it was: only the stamps may be newer.
fn same(gathered: Gathered, digest: [u8; 32]) -> Look {
    let content = gathered.content(digest);
    Look { refreshed: Some(content), ..conclude(Outcome::Same, None, gathered) }
}

fn is_unchanged(candidate: &Candidate, stamps: &[Stamp]) -> bool {
    let content = candidate.content.as_ref();
    !candidate.reload && content.is_some_and(|content| !content.racy && *content.stamps == *stamps)
}

/// What stands for a candidate where one name has to.
fn title(candidate: &Candidate) -> Option<ServiceName> {
    match &candidate.naming {
        Naming::Programs => likeness(&candidate.name),
        naming => service_of(naming).cloned(),
    }
}

/// An entry that says only what is wrong.
fn refused(naming: &Naming, shown: &Path, finding: Diagnostic) -> Entry {
    let (kind, file) = match naming {
        Naming::File(_) => (Kind::Toml, shown.to_owned()),
        Naming::Programs => (Kind::Supervisord, shown.to_owned()),
        _ => (Kind::Daemontools, shown.join("run")),
    };
    Entry {
        file,
        drop_ins: Vec::new(),
        kind,
        file_hash: None::<Version>,
        service: None,
        diagnostics: vec![finding],
        inputs: Vec::new(),
        delegated: None,
    }
}

/// What is no service whatever it holds.
fn stray(candidate: &Candidate, naming: &Naming, directory: &Directory, shown: &Path, has_main: bool) -> Look {
    let gathered = Gathered::default();
    if directory.lstat(&candidate.name).is_none() {
        return conclude(Outcome::Gone { known: false }, None, gathered);
    }
    let (standing, after) = match naming {
        Naming::Bad(bad) => {
            let finding = Diagnostic::error(shown, Code::BadName, bad.to_string());
            (Standing::Problem(finding.help("rename it, or move it out of the directory")), ERRORS)
        }
        Naming::DropIns if has_main => return conclude(Outcome::Gone { known: false }, None, gathered),
        Naming::DropIns => {
            let main = main_of(&candidate.name);
            (Standing::Ignored(format!("drop-ins of {}, which is not there", super::entry::shown(&main))), STRAYS)
        }
        Naming::Unknown(reason) => (Standing::Ignored((*reason).to_owned()), STRAYS),
        Naming::File(_) | Naming::Programs | Naming::Directory(_) | Naming::Control(_) | Naming::Ignored => {
            return conclude(Outcome::Same, None, gathered);
        }
    };
    let told = candidate.standing.as_ref() == Some(&standing);
    let outcome = if told { Outcome::Same } else { Outcome::Bad(after) };
    conclude(outcome, Some(Found::Other(standing)), gathered)
}

/// A single file that is mounted keeps its old content for ever once it is replaced where it comes from.
fn orphan(shown: &Path) -> Diagnostic {
    let message = "the file was replaced behind a bind mount: what is read here is its old content, and stays so";
    Diagnostic::warning(shown, Code::ReplacedBehindMount, message)
        .help("mount the directory that holds it instead of the file")
}

fn unlisted(shown: &Path, errno: Errno) -> End {
    let message = format!("cannot be listed: {}", errno.desc());
    End::Bad(Diagnostic::error(shown, Code::Unreadable, message).help("make the directory readable"))
}

/// What tells one content from another: all bytes, and where one file ends.
fn digest(material: &Material, is_orphan: bool) -> [u8; 32] {
    let mut hash = Sha256::new();
    // What is to be warned of is news.
    if is_orphan {
        hash.update(b"orphan");
    }
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    match material {
        Material::Toml { main, drop_ins } => {
            part(&main.bytes);
            for drop_in in drop_ins {
                part(drop_in.path.file_name().unwrap_or_default().as_encoded_bytes());
                part(&drop_in.bytes);
            }
        }
        Material::Supervisord(programs) => {
            for text in programs.texts.iter().chain(&programs.drop_ins) {
                part(text.path.as_os_str().as_encoded_bytes());
                part(&text.bytes);
            }
        }
        Material::Daemontools { service, log } => {
            for directory in std::iter::once(service).chain(log) {
                part(directory.path.as_os_str().as_encoded_bytes());
                part(&[u8::from(directory.down)]);
                part(&directory.run.bytes);
                for (name, text) in &directory.parts {
                    part(name.as_bytes());
                    part(&text.bytes);
                }
            }
        }
    }
    hash.finalize().into()
}
