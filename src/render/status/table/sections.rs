//! What stands below the table: errors in files, doubtful directories, ignored entries, notes. Pure.

use crate::model::status::{ConditionKind, FileError, ServiceStatus, SourceState, State, Status};
use crate::render::status::words::{clean, count, number, place};
use crate::render::status::{Paint, Style};
use std::collections::HashSet;

/// So many ignored entries are named.
const NAMED: usize = 5;

/// On a watched screen the services have at least half of the room.
pub(super) fn shortened(sections: String, style: &Style) -> String {
    let Some(room) = style.height.map(|height| height / 2) else { return sections };
    let lines = sections.lines().count();
    if lines <= room {
        return sections;
    }
    let shown: String = sections.split_inclusive('\n').take(room.saturating_sub(2)).collect();
    let hidden = count((lines - room.saturating_sub(2)) as u64, "line");
    format!("{shown}{}\n", style.paint(Paint::Dim, &format!("and {hidden} more; all of it: abide status\n")))
}

/// Breaks at spaces; a word longer than the room stays whole, so that a path can be copied.
fn wrap(text: &str, room: Option<usize>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if room.is_none_or(|room| line.chars().count() + 1 + word.chars().count() <= room) => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// What stands below the table: errors in files, doubtful directories, ignored entries, notes.
pub fn sections(status: &Status, style: &Style) -> String {
    let mut text = String::new();
    let mut told = HashSet::new();
    // What is wrong with a service's own file stands under the service.
    let shared = status.services.iter().flat_map(|s| s.errors.iter().filter(|error| error.file != s.source.file));
    let errors = shared.chain(&status.problems);
    // An error in what is shared, such as a default, is an error of every service.
    let errors = errors.filter(|error| told.insert((&error.file, error.line, error.column, &error.message)));
    section(&mut text, "Errors in files", errors.flat_map(|error| error_lines(error, style)), style);
    let doubtful = status.sources.iter().filter(|source| source.state != SourceState::Ok || source.reason.is_some());
    let lines = doubtful.flat_map(|source| {
        let word = match source.state {
            SourceState::Ok => "ok",
            SourceState::Suspect => "suspect, nothing is stopped",
            SourceState::Absent => "not there, nothing is stopped",
            SourceState::Degraded => "changes are noticed late",
        };
        // What stands below the first line are lines to be copied.
        let mut said = source.reason.as_deref().unwrap_or_default().lines();
        let reason = said.next().map_or_else(String::new, |reason| format!(": {}", clean(reason)));
        let sentence = wrapped(&format!("{}: {word}{reason}", clean(&source.path)), 2, style);
        let copied: Vec<String> = said.map(|line| format!("      {}", clean(line))).collect();
        sentence.into_iter().chain(copied)
    });
    section(&mut text, "Directories", lines, style);
    let held = crate::render::status::withheld(&status.withheld);
    let held: Vec<_> = held.iter().flat_map(|sentence| wrapped(sentence, 2, style)).collect();
    section(&mut text, "Held back", held.into_iter(), style);
    let waiting = status.services.iter().filter(|s| waits_for_descriptor(s)).count() as u64;
    let waiting = (waiting > 0).then(|| {
        let (who, waits) = (count(waiting, "service"), if waiting == 1 { "waits" } else { "wait" });
        format!("{who} {waits} for a free descriptor; raise the limit of open files where abide is started (LimitNOFILE= in its unit, ulimit -Hn in its shell)")
    });
    let notes = status.abide.notes.iter().chain(&waiting).flat_map(|note| wrapped(&clean(note), 2, style));
    section(&mut text, "abide itself", notes, style);
    let named = status.ignored.iter().take(NAMED);
    let mut ignored: Vec<_> =
        named.flat_map(|e| wrapped(&format!("{}: {}", clean(&e.path), clean(&e.reason)), 2, style)).collect();
    if status.ignored.len() > NAMED {
        ignored.push(format!("  and {} more", number((status.ignored.len() - NAMED) as u64)));
    }
    section(&mut text, "Ignored", ignored.into_iter(), style);
    text
}

/// Who waits for another service says so itself.
fn waits_for_descriptor(service: &ServiceStatus) -> bool {
    let blocked = service.conditions.iter().any(|condition| condition.kind == ConditionKind::DependenciesMet);
    service.state == State::Waiting && !blocked
}

fn section(text: &mut String, title: &str, lines: impl Iterator<Item = String>, style: &Style) {
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        return;
    }
    text.push_str(&style.paint(Paint::Strong, title));
    text.push('\n');
    lines.for_each(|line| {
        text.push_str(&line);
        text.push('\n');
    });
    text.push('\n');
}

/// An error as its place and sentence, then what to do.
pub(in crate::render::status) fn error_lines(error: &FileError, style: &Style) -> Vec<String> {
    let mut lines = wrapped(&format!("{}: {}", place(error), clean(&error.message)), 2, style);
    if let Some(hint) = &error.hint {
        lines.extend(wrapped(&clean(hint), 6, style));
    }
    lines
}

pub(in crate::render::status) fn wrapped(text: &str, indent: usize, style: &Style) -> Vec<String> {
    let room = style.width.map(|width| width.saturating_sub(indent + 2));
    let lines = wrap(text, room).into_iter().enumerate();
    lines.map(|(index, line)| format!("{:1$}{line}", "", indent + 2 * usize::from(index > 0))).collect()
}
