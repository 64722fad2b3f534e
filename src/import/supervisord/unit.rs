//! What becomes one service file: a process, or all of a program that differ by no more than their number.

use super::numbered;
use crate::supervisord::{Group, GroupKind, Process, Reading};
use std::collections::BTreeSet;

/// More instances than this no service file has.
const MOST_INSTANCES: usize = 1000;

/// A process, or several alike, with all texts as a service file has them: `$$` is a dollar.
#[derive(Debug, Clone)]
pub struct Unit<'a> {
    /// What the service is to be called, if that is a legal name.
    pub name: String,
    /// The group that it is in.
    pub group: &'a Group,
    /// The process; of several, with `${ABIDE_INSTANCE}` for the number.
    pub(super) process: Process,
    /// How many processes it stands for.
    pub count: usize,
}

impl Unit<'_> {
    /// The section that it comes of.
    pub fn section(&self) -> &str {
        &self.process.program
    }

    /// Why there is no service that does the same.
    pub(super) fn refused(&self) -> Option<&'static str> {
        if self.process.program.starts_with("eventlistener:") {
            return Some("it is an eventlistener, and nothing of abide's sends it the events of supervisord");
        }
        let is_fcgi = self.process.program.starts_with("fcgi-program:");
        is_fcgi.then_some("it is an fcgi-program, and no key of a service file opens its socket for it")
    }
}

/// All that is to become a service file, by group.
pub fn units(reading: &Reading) -> Vec<Unit<'_>> {
    let mut groups = BTreeSet::new();
    let used = reading.groups.iter().filter(|group| groups.insert(&group.name));
    used.flat_map(of_group).collect()
}

fn of_group(group: &Group) -> Vec<Unit<'_>> {
    let mut sections: Vec<(&str, Vec<Process>)> = Vec::new();
    for process in &group.processes {
        let of_section = sections.iter().position(|(section, _)| *section == process.program);
        let at = of_section.unwrap_or_else(|| {
            sections.push((&process.program, Vec::new()));
            sections.len() - 1
        });
        sections[at].1.push(numbered::in_toml(process));
    }
    sections.into_iter().flat_map(|(section, processes)| of_section(group, section, processes)).collect()
}

fn of_section<'a>(group: &'a Group, section: &str, processes: Vec<Process>) -> Vec<Unit<'a>> {
    let program = section.split_once(':').map_or(section, |(_, program)| program.trim());
    let is_alone = program == group.name;
    let count = processes.len();
    let is_plain = group.kind == GroupKind::Plain && (2..=MOST_INSTANCES).contains(&count);
    if let Some(process) = is_plain.then(|| numbered::template(&processes)).flatten() {
        let name = if is_alone { program.to_owned() } else { format!("{}-{program}", group.name) };
        return vec![Unit { name: legal(&name), group, process, count }];
    }
    let unit = |process: Process| {
        // `$` is doubled in the name as it stands in the environment.
        let own = process.name.replace("$$", "$");
        let is_clear = own == group.name || is_alone && own.starts_with(program);
        let name = if is_clear { own } else { format!("{}-{own}", group.name) };
        Unit { name: legal(&name), group, process, count: 1 }
    };
    processes.into_iter().map(unit).collect()
}

/// What supervisord allows in a name and abide does not is an underscore there.
fn legal(name: &str) -> String {
    let like = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    let name: String = name.chars().map(like).collect();
    let is_begun = name.starts_with(|c: char| c.is_ascii_alphanumeric()) && !name.starts_with("abide");
    if is_begun { name } else { format!("s.{name}") }
}
