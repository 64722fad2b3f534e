//! The sections of all files, merged key by key, and where what is found wrong with them is kept.

use super::expand::{Datum, Names};
use super::ini::{self, DEFAULT, Value};
use super::keys::Keys;
use super::{Around, Fault, Level, Note, Place, Source, paths, quoted};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

/// The most findings of a sort that are of use to anybody.
const MOST_FINDINGS: usize = 1000;

/// A section as all files together have it.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: String,
    /// Where its header was first seen.
    pub(super) place: Place,
    pub(super) keys: BTreeMap<String, Value>,
    /// Whether it has lines that mean nothing.
    pub(super) is_broken: bool,
}

impl Section {
    /// Where the value of each of its keys stands.
    pub(super) fn places(&self) -> BTreeMap<String, Place> {
        let place = |value: &Value| Place { file: value.file, span: value.span() };
        self.keys.iter().map(|(key, value)| (key.clone(), place(value))).collect()
    }

    /// What follows the colon in its name.
    pub(super) fn own_name(&self) -> &str {
        self.name.split_once(':').map_or("", |(_, name)| name)
    }
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) faults: Vec<Fault>,
    pub(super) notes: Vec<Note>,
}

impl Findings {
    /// Adds a fault. A program of several groups has each but once.
    pub(super) fn fault(&mut self, fault: Fault) {
        if self.faults.len() < MOST_FINDINGS && !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// Adds a note, but once.
    pub(super) fn note(&mut self, note: Note) {
        if self.notes.len() < MOST_FINDINGS && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// All that a section is read from.
pub(super) struct Scene<'a> {
    pub(super) sources: &'a [Source],
    pub(super) around: &'a dyn Around,
    /// In the order in which they were first seen.
    pub(super) sections: Vec<Section>,
    /// Where in that order each is.
    places: BTreeMap<String, usize>,
    /// The keys of `[DEFAULT]`.
    pub(super) defaults: BTreeMap<String, Value>,
    /// `ENV_X` of the environment, and from then on when it is read of the daemon's `environment`.
    pub(super) names: Names,
    /// What every child gets.
    pub(super) environment: BTreeMap<String, String>,
    /// Whether what every child gets could not be read.
    pub(super) without_environment: bool,
    /// How many bytes values came to so far, and how many processes were made.
    pub(super) expanded: Cell<usize>,
    pub(super) made: Cell<i64>,
}

impl<'a> Scene<'a> {
    /// Reads and merges the sources.
    pub(super) fn new(sources: &'a [Source], around: &'a dyn Around, findings: &mut Findings) -> Self {
        let mut scene = Self {
            sources,
            around,
            sections: Vec::new(),
            places: BTreeMap::new(),
            defaults: BTreeMap::new(),
            names: Names::new(),
            environment: BTreeMap::new(),
            without_environment: false,
            expanded: Cell::new(0),
            made: Cell::new(0),
        };
        scene.know(around.env());
        for (file, source) in sources.iter().enumerate() {
            let ini = ini::parse(&source.text, file, &source.path);
            if file > 0 {
                let message = format!("Included extra file \"{}\" during parsing", source.path);
                findings.note(Note {
                    level: Level::Info,
                    file,
                    span: 0..0,
                    section: String::new(),
                    key: None,
                    message,
                });
            }
            scene.add(file, ini, findings);
        }
        scene
    }

    /// Makes variables known as `ENV_X`.
    pub(super) fn know(&mut self, variables: &BTreeMap<String, String>) {
        let named = variables.iter().map(|(name, value)| (format!("ENV_{name}"), Datum::Text(value.clone())));
        self.names.extend(named);
    }

    fn add(&mut self, file: usize, ini: ini::Ini, findings: &mut Findings) {
        for section in ini.sections {
            let keys = if section.name == DEFAULT {
                &mut self.defaults
            } else {
                let place = Place { file, span: section.header };
                &mut self.entry(section.name, place).keys
            };
            keys.extend(section.keys);
        }
        for unclear in ini.unclear {
            let section = unclear.section.unwrap_or_default();
            if let Some(&at) = self.places.get(&section) {
                self.sections[at].is_broken = true;
            }
            let (span, message, help) = (unclear.span, unclear.message, unclear.help);
            findings.fault(Fault { file, span, section, key: None, message, help });
        }
        for span in ini.ignored {
            let rest = &self.sources[file].text[span.clone()];
            let message = format!("{} after a section header is ignored", quoted(rest.trim()));
            findings.note(Note { level: Level::Hint, file, span, section: String::new(), key: None, message });
        }
    }

    fn entry(&mut self, name: String, place: Place) -> &mut Section {
        let next = self.sections.len();
        let at = *self.places.entry(name.clone()).or_insert(next);
        if at == next {
            self.sections.push(Section { name, place, keys: BTreeMap::new(), is_broken: false });
        }
        &mut self.sections[at]
    }

    /// The keys of each section, and of `[DEFAULT]` if it has any.
    pub(super) fn written(&self) -> BTreeMap<String, BTreeSet<String>> {
        let named = |keys: &BTreeMap<String, Value>| keys.keys().cloned().collect();
        let sections = self.sections.iter().map(|section| (section.name.clone(), named(&section.keys)));
        let defaults = (!self.defaults.is_empty()).then(|| (DEFAULT.to_owned(), named(&self.defaults)));
        sections.chain(defaults).collect()
    }

    /// The section with that very name.
    pub(super) fn section(&self, name: &str) -> Option<&Section> {
        self.places.get(name).map(|&at| &self.sections[at])
    }

    /// The sections whose names begin so, in their order.
    pub(super) fn sections_of<'s>(&'s self, prefix: &'s str) -> impl Iterator<Item = &'s Section> {
        self.sections.iter().filter(move |section| section.name.starts_with(prefix))
    }
}

/// The globs of `[include]`.
pub(super) fn globs(scene: &Scene<'_>, section: &Section, findings: &mut Findings) -> Vec<String> {
    let mut keys = Keys::new(scene, section);
    keys.know_host();
    if !keys.has("files") {
        keys.missing("files", "name the files to include: files = conf.d/*.conf");
    }
    let files = keys.text("files").unwrap_or_default();
    keys.close(findings);
    let globs = files.split(ini::is_space).filter(|glob| !glob.is_empty());
    globs.map(|glob| paths::join(&scene.sources[0].directory, glob)).collect()
}
