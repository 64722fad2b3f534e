//! Files of supervisord: programs in sections, each process a service of its own.
//!
//! A process becomes a layer as a TOML file is one, with its values at their places in supervisord's text: under it the
//! `[defaults]` that may hold for it, over it the drop-in `NAME.conf.d/PROGRAM.toml`. From there on it is loaded as any
//! other. What TOML has no word for is put on at the end.

mod logs;
mod lower;
mod machine;
mod whole;

use super::config::Config;
use super::load::delegated;
use super::toml::reader::{self, Layer, bounded};
use super::toml::shape::ServiceFile;
use super::{Loaded, Programs, Surroundings, Text};
use crate::model::desired::{Definition, Entry};
use crate::model::diagnostic::{Code, Diagnostic, Place, Severity};
use crate::model::name::ServiceName;
use crate::model::service::{Kind, Version};
use crate::supervisord::{self, Fault, Group, GroupKind, Level, Note, Process, Reading, Source, Way};
use lower::Lower;
pub(super) use machine::Machine;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
pub use whole::Whole;

/// The services of a file.
pub(super) fn load(around: &Surroundings, config: &Config, programs: &Programs) -> Loaded {
    let machine = Machine::of(around);
    let mut file = File::new(around, programs);
    for text in &programs.texts {
        let Some(source) = Machine::source(text) else {
            let finding = Diagnostic::error(&text.path, Code::NotText, "it is not UTF-8");
            file.fail(None, &finding.help("write it as UTF-8"));
            return file.loaded;
        };
        file.sources.push(source);
    }
    let reading = supervisord::read(&file.sources, &machine, Way::Watched);
    if reading.written.is_empty() && reading.faults.is_empty() && !programs.known.is_empty() {
        file.emptied();
        return file.loaded;
    }
    let defaults = super::load::defaults(around, config);
    let drop_ins = file.drop_ins();
    let lower = Lower::new(around, &machine, (&programs.texts, &file.sources), defaults.as_deref(), &reading);
    for group in &reading.groups {
        for process in &group.processes {
            file.process(&lower, group, process, &drop_ins);
        }
    }
    file.unmatched();
    file.notes(&reading);
    file.faults(&reading);
    file.strays(&reading, &drop_ins);
    file.loaded
}

/// A file on its way to services.
struct File<'a> {
    around: &'a Surroundings,
    programs: &'a Programs,
    sources: Vec<Source>,
    /// Of the file itself; of many programs it is asked often.
    hash: Version,
    loaded: Loaded,
    /// The section that each name was taken by.
    named: BTreeMap<ServiceName, String>,
}

/// A drop-in: for what, and what it says.
type DropIn = (String, Option<Layer<ServiceFile>>, Vec<Diagnostic>, PathBuf);

impl<'a> File<'a> {
    fn new(around: &'a Surroundings, programs: &'a Programs) -> Self {
        let hash = Version::of(&programs.texts[0].bytes);
        Self { around, programs, sources: Vec::new(), hash, loaded: Loaded::default(), named: BTreeMap::new() }
    }

    fn drop_ins(&self) -> Vec<DropIn> {
        let read = |text: &Text| {
            let stem = text.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let (layer, findings) = reader::read(text);
            (stem, layer, findings, text.path.clone())
        };
        self.programs.drop_ins.iter().map(read).collect()
    }

    fn entry(&self) -> Entry {
        let main = &self.programs.texts[0];
        Entry {
            file: main.path.clone(),
            drop_ins: Vec::new(),
            kind: Kind::Supervisord,
            file_hash: Some(self.hash),
            service: None,
            diagnostics: Vec::new(),
            inputs: Vec::new(),
            delegated: delegated(self.around),
        }
    }

    /// One process, with the drop-ins that mean it.
    fn process(&mut self, lower: &Lower<'_>, group: &Group, process: &Process, drop_ins: &[DropIn]) {
        let (texts, sources, place) = (&self.programs.texts, &self.sources, &process.place);
        let at = |code, message: String| finding(texts, sources, (place.file, place.span.clone()), code, message);
        let name = match name(&group.name, &process.name) {
            Ok(name) => name,
            Err(message) => {
                let finding = at(Code::BadName, message).help("write another process_name, or rename the section");
                return self.loaded.problems.push(finding);
            }
        };
        let section = process.program.clone();
        if let Some(first) = self.named.get(&name) {
            let message = format!("[{section}] has a process {name}, as [{first}] has already");
            let finding = at(Code::DuplicateName, message).help("write another process_name, or rename the section");
            return self.loaded.problems.push(finding);
        }
        self.named.insert(name.clone(), section.clone());
        let meant: Vec<&DropIn> = drop_ins.iter().filter(|it| means(&it.0, group, process)).collect();
        let mut findings: Vec<Diagnostic> = meant.iter().flat_map(|it| it.2.iter().cloned()).collect();
        let layers: Vec<&Layer<ServiceFile>> = meant.iter().filter_map(|it| it.1.as_ref()).collect();
        let mut inputs = Vec::new();
        let definition = match &group.kind {
            GroupKind::Plain => lower.service(&name, group, process, &layers, (&mut findings, &mut inputs)),
            kind => {
                let what = if matches!(kind, GroupKind::Fcgi { .. }) { "fcgi-program" } else { "eventlistener" };
                let message = format!("an {what} is not run by this release");
                findings.push(at(Code::NotYet, message).help("run it under supervisord, or as a service of its own"));
                None
            }
        };
        let is_good = layers.len() == meant.len() && !findings.iter().any(Diagnostic::is_error);
        let entry = Entry {
            drop_ins: meant.iter().map(|it| it.3.clone()).collect(),
            service: definition.filter(|_| is_good).map(Arc::<Definition>::new),
            diagnostics: bounded(findings),
            inputs,
            ..self.entry()
        };
        self.loaded.entries.push((name, entry));
    }

    fn finding(&self, file: usize, span: Range<usize>, code: Code, message: String) -> Diagnostic {
        finding(&self.programs.texts, &self.sources, (file, span), code, message)
    }

    /// Something is wrong with a section, or with the file: said of the services that it is about, or else of nobody.
    fn fail(&mut self, section: Option<&str>, finding: &Diagnostic) {
        let known = &self.programs.known;
        let about: BTreeSet<ServiceName> = match section {
            Some(section) => known.get(section).cloned().unwrap_or_default(),
            None => known.values().flatten().cloned().collect(),
        };
        let about: Vec<ServiceName> = about.into_iter().filter(|name| !self.named.contains_key(name)).collect();
        if about.is_empty() {
            return self.loaded.problems.push(finding.clone());
        }
        for name in about {
            match self.loaded.entries.iter_mut().find(|(known, _)| *known == name) {
                Some((_, entry)) => entry.diagnostics.push(finding.clone()),
                None => self.loaded.entries.push((name, Entry { diagnostics: vec![finding.clone()], ..self.entry() })),
            }
        }
    }

    fn faults(&mut self, reading: &Reading) {
        for fault in &reading.faults {
            let finding = self.fault(fault);
            let section = &fault.section;
            let is_programs = self.programs.known.contains_key(section) || is_of_programs(section);
            self.fail(is_programs.then_some(section), &finding);
        }
        self.keep_withheld(reading);
    }

    fn fault(&self, fault: &Fault) -> Diagnostic {
        let Fault { file, span, message, help, .. } = fault;
        self.finding(*file, span.clone(), Code::BadValue, message.clone()).help(help.clone())
    }

    /// A fault of a group, or of one program in it, withholds all of its programs: those that are still written are not
    /// gone for that.
    fn keep_withheld(&mut self, reading: &Reading) {
        let Some(first) = reading.faults.first() else { return };
        let of_group = reading.faults.iter().find(|fault| fault.section.starts_with("group:"));
        let made: BTreeSet<&String> = self.named.values().collect();
        let withheld = |section: &String| of_group.is_some() || !made.contains(section);
        let known = self.programs.known.iter();
        let written = known.filter(|(section, _)| reading.written.contains_key(*section) && withheld(section));
        let names: BTreeSet<ServiceName> = written.flat_map(|(_, names)| names).cloned().collect();
        let finding = self.fault(of_group.unwrap_or(first));
        for name in names {
            let is_there = |(known, _): &(ServiceName, Entry)| *known == name;
            if !self.loaded.entries.iter().any(is_there) {
                self.loaded.entries.push((name, Entry { diagnostics: vec![finding.clone()], ..self.entry() }));
            }
        }
    }

    /// A file that nothing stands in may be one that is being written, or was cut off.
    fn emptied(&mut self) {
        let message = "nothing stands in the file, and services of it are known";
        let finding = Diagnostic::error(&self.programs.texts[0].path, Code::BadValue, message);
        self.fail(None, &finding.help("delete the file to have them removed, or write its sections again"));
    }

    /// What supervisord would log about it.
    fn notes(&mut self, reading: &Reading) {
        for Note { level, file, span, section, message, .. } in &reading.notes {
            if *level == Level::Info {
                continue;
            }
            let finding = self.finding(*file, span.clone(), Code::UnknownKey, message.clone());
            let finding = Diagnostic { severity: Severity::Warning, ..finding };
            let mut heard = false;
            for (_, entry) in self.loaded.entries.iter_mut().filter(|(name, _)| self.named.get(name) == Some(section)) {
                entry.diagnostics.push(finding.clone());
                heard = true;
            }
            if !heard {
                self.loaded.problems.push(finding);
            }
        }
    }

    fn unmatched(&mut self) {
        let main = &self.programs.texts[0].path;
        let warn = |glob: &String| {
            let finding = Diagnostic::warning(main, Code::NoFile, supervisord::no_match(glob));
            finding.help("put a file there, or take the pattern out")
        };
        self.loaded.problems.extend(self.programs.unmatched.iter().map(warn));
    }

    /// Drop-ins that mean nothing.
    fn strays(&mut self, reading: &Reading, drop_ins: &[DropIn]) {
        let is_meant = |stem: &str| {
            reading.groups.iter().any(|group| group.processes.iter().any(|process| means(stem, group, process)))
        };
        for (stem, _, _, path) in drop_ins.iter().filter(|it| !is_meant(&it.0)) {
            let message = format!("there is no program {stem} in {}", self.programs.texts[0].path.display());
            let finding = Diagnostic::warning(path, Code::UnknownService, message);
            self.loaded.problems.push(finding.help("name it as a program, a group, or GROUP:PROCESS is named there"));
        }
    }
}

/// A finding at a place in the files.
fn finding(
    texts: &[Text],
    sources: &[Source],
    (file, span): (usize, Range<usize>),
    code: Code,
    message: String,
) -> Diagnostic {
    Diagnostic::error(&texts[file].path, code, message).at(Place::of(&sources[file].text, span))
}

/// Whether sections of that name make processes.
fn is_of_programs(section: &str) -> bool {
    let kinds = ["program:", "group:", "fcgi-program:", "eventlistener:"];
    kinds.iter().any(|kind| section.starts_with(kind))
}

/// Whether a drop-in of that name is about the process.
fn means(stem: &str, group: &Group, process: &Process) -> bool {
    process.program.split_once(':').is_some_and(|(_, program)| program == stem)
        || stem == group.name
        || stem.split_once(':').is_some_and(|(first, second)| first == group.name && second == process.name)
}

/// The service of a process: `GROUP:PROCESS`, or the name alone where both are the same. What supervisord allows in a
/// name and abide does not is an underscore there.
fn name(group: &str, process: &str) -> Result<ServiceName, String> {
    let legal = |part: &str| {
        let like = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
        let part: String = part.chars().map(like).collect();
        let is_begun = part.starts_with(|c: char| c.is_ascii_alphanumeric()) && !part.starts_with("abide");
        if is_begun { part } else { format!("s.{part}") }
    };
    let (group, process) = (legal(group), legal(process));
    let whole = if group == process { group } else { format!("{group}:{process}") };
    ServiceName::new(&whole).map_err(|bad| format!("{whole} can be no service of abide: {bad}"))
}
