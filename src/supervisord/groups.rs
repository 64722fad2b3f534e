//! Which groups there are, and what is in them.

use super::keys::Keys;
use super::sections::{Findings, Scene, Section};
use super::shape::{Group, GroupKind, Process};
use super::{Level, Note, fcgi, listener, program, quoted, values};
use std::collections::BTreeSet;

/// What a group is but for its processes.
pub(super) struct Frame {
    pub(super) name: String,
    pub(super) priority: i64,
    pub(super) kind: GroupKind,
}

impl Frame {
    fn fill(self, section: &Section, processes: Vec<Process>) -> Group {
        let Self { name, priority, kind } = self;
        Group { name, place: section.place.clone(), priority, kind, processes }
    }
}

/// All groups by priority and name.
pub(super) fn read(scene: &Scene<'_>, findings: &mut Findings) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut members = BTreeSet::new();
    for section in scene.sections_of("group:") {
        groups.extend(group(scene, section, &mut members, findings));
    }
    for section in scene.sections_of("program:").filter(|section| !members.contains(section.name.as_str())) {
        groups.extend(alone(scene, section, plain, findings));
    }
    for section in scene.sections_of("eventlistener:") {
        groups.extend(alone(scene, section, listener::frame, findings));
    }
    for section in scene.sections_of("fcgi-program:").filter(|section| !members.contains(section.name.as_str())) {
        groups.extend(alone(scene, section, fcgi::frame, findings));
    }
    groups.sort_by(|one, two| (one.priority, &one.name).cmp(&(two.priority, &two.name)));
    warn_of_twins(scene, &groups, findings);
    groups
}

fn plain(keys: &mut Keys<'_>) -> Frame {
    Frame { name: own_name(keys), priority: keys.read("priority", 999, values::integer), kind: GroupKind::Plain }
}

/// The name of the section as that of a group.
pub(super) fn own_name(keys: &mut Keys<'_>) -> String {
    let name = values::name(keys.section.own_name());
    name.map_err(|refusal| keys.refuse_section(refusal.message, &refusal.help)).unwrap_or_default()
}

/// A section that is a group of its own.
fn alone(
    scene: &Scene<'_>,
    section: &Section,
    frame: fn(&mut Keys<'_>) -> Frame,
    findings: &mut Findings,
) -> Option<Group> {
    let mut keys = Keys::new(scene, section);
    let frame = frame(&mut keys);
    let good = keys.close(findings);
    let processes = program::processes(scene, section, &frame.name, findings)?;
    good.then(|| frame.fill(section, processes))
}

/// `[group:NAME]`. Its programs are no groups of their own, not even if it is refused.
fn group<'s>(
    scene: &'s Scene<'_>,
    section: &Section,
    members: &mut BTreeSet<&'s str>,
    findings: &mut Findings,
) -> Option<Group> {
    let mut keys = Keys::new(scene, section);
    let name = own_name(&mut keys);
    let programs = values::list(&keys.text("programs").unwrap_or_default());
    let priority = keys.read("priority", 999, values::integer);
    let (mut good, mut processes) = (true, Vec::new());
    for program in &programs {
        let section = member(scene, &mut keys, program);
        // So that the faults stay in the order of the programs.
        keys.flush(findings);
        let Some(section) = section else { continue };
        members.insert(&section.name);
        let read = program::processes(scene, section, &name, findings);
        good &= read.is_some();
        processes.extend(read.unwrap_or_default());
    }
    good &= keys.close(findings);
    processes.sort_by(|one, two| (one.priority, &one.name).cmp(&(two.priority, &two.name)));
    good.then(|| Frame { name, priority, kind: GroupKind::Plain }.fill(section, processes))
}

/// The section of a program that a group names.
fn member<'s>(scene: &'s Scene<'_>, keys: &mut Keys<'_>, program: &str) -> Option<&'s Section> {
    let plain = scene.section(&format!("program:{program}"));
    let fcgi = scene.section(&format!("fcgi-program:{program}"));
    let (why, help) = match (plain, fcgi) {
        (Some(section), None) | (None, Some(section)) => return Some(section),
        (None, None) => ("no program or fcgi-program has", "correct the name, or write [program:NAME]"),
        (Some(_), Some(_)) => ("both a program and an fcgi-program have", "give one of the two another name"),
    };
    let message = format!("[{}] names {}, which {why} as its name", keys.section.name, quoted(program));
    keys.refuse("programs", message, help);
    None
}

fn warn_of_twins(scene: &Scene<'_>, groups: &[Group], findings: &mut Findings) {
    let mut names = BTreeSet::new();
    for group in groups.iter().filter(|group| !names.insert(&group.name)) {
        let place = &group.place;
        let path = &scene.sources[place.file].path;
        findings.note(Note {
            level: Level::Hint,
            file: place.file,
            span: place.span.clone(),
            section: String::new(),
            key: None,
            message: format!(
                "there is another group {} before this one in {path}; this is not used",
                quoted(&group.name)
            ),
        });
    }
}
