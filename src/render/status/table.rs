//! The table: one line an instance, then what is wrong elsewhere, then all in one line. Pure.

use super::words::{clean, count, number, place, since, why_instance, why_service};
use super::{Paint, Style, sign, summary};
use crate::model::status::{ConditionKind, FileError, InstanceStatus, ServiceStatus, SourceState, State, Status};
use crate::model::time::Wall;
use std::collections::HashSet;

/// More services than this: those not as desired stand together.
const LONG: usize = 20;
/// So many like instances in a row become one line.
const ALIKE: usize = 5;
/// So many ignored entries are named.
const NAMED: usize = 5;
/// Below this the reasons stand on lines of their own.
const NARROW: usize = 30;

struct Row {
    label: String,
    state: State,
    /// Runs, and yet something about the service is not as it should be.
    doubtful: bool,
    pid: String,
    since: String,
    restarts: String,
    why: String,
}

/// The whole answer to `abide status`, ending in a newline.
pub fn table(status: &Status, now: Wall, style: &Style) -> String {
    let mut text = String::new();
    let after = shortened(sections(status, style), style) + &summary(status, now, style);
    if status.services.is_empty() {
        text.push_str(&no_services(status));
    } else {
        let rows: Vec<Row> = ordered(status, style).into_iter().flat_map(|s| rows_of(s, now)).collect();
        let room = style.height.map_or(usize::MAX, |height| height.saturating_sub(after.lines().count() + 4));
        text.push_str(&draw(&rows, room, style));
    }
    let text = text + "\n" + &after;
    match style.height {
        Some(height) => text.split_inclusive('\n').take(height.saturating_sub(1)).collect(),
        None => text,
    }
}

/// On a watched screen the services have at least half of the room.
fn shortened(sections: String, style: &Style) -> String {
    let Some(room) = style.height.map(|height| height / 2) else { return sections };
    let lines = sections.lines().count();
    if lines <= room {
        return sections;
    }
    let shown: String = sections.split_inclusive('\n').take(room.saturating_sub(2)).collect();
    let hidden = count((lines - room.saturating_sub(2)) as u64, "line");
    format!("{shown}{}\n", style.paint(Paint::Dim, &format!("and {hidden} more; all of it: abide status\n")))
}

fn no_services(status: &Status) -> String {
    match status.sources.first() {
        Some(source) => format!("No services. Put a file NAME.toml into {} to have one.\n", clean(&source.path)),
        None => "No services.\n".to_owned(),
    }
}

/// By name; on a terminal, where there are many, those not as desired last, next to the summary
/// and the prompt; on a watched screen first.
fn ordered<'a>(status: &'a Status, style: &Style) -> Vec<&'a ServiceStatus> {
    let mut services: Vec<_> = status.services.iter().collect();
    if style.height.is_some() {
        services.sort_by_key(|s| s.as_desired);
    } else if style.width.is_some() && services.len() > LONG {
        services.sort_by_key(|s| !s.as_desired);
    }
    services
}

fn rows_of(service: &ServiceStatus, now: Wall) -> Vec<Row> {
    let about = why_service(service, now);
    let mut rows = match service.instances.as_slice() {
        [] => vec![bare(service)],
        [only] => vec![row(service, only, service.name.to_string(), now)],
        many => numbered(service, many, now),
    };
    if let Some(first) = rows.first_mut()
        && !about.is_empty()
    {
        let own = std::mem::take(&mut first.why);
        first.why = if own.is_empty() { about } else { format!("{own}; {about}") };
    }
    rows
}

fn bare(service: &ServiceStatus) -> Row {
    let (pid, since, restarts) = Default::default();
    let none = service.accepted_hash.is_some() && service.errors.is_empty();
    let why = if none { "its file says `instances = 0`" } else { "" }.to_owned();
    Row { label: service.name.to_string(), state: service.state, doubtful: false, pid, since, restarts, why }
}

/// One line each, but many that are alike and well as one.
fn numbered(service: &ServiceStatus, instances: &[InstanceStatus], now: Wall) -> Vec<Row> {
    let name = &service.name;
    let calm = |i: &InstanceStatus| {
        matches!(i.state, State::Running | State::Ready | State::Stopped | State::Held) && i.restarts == 0
    };
    let same = |a: &InstanceStatus, b: &InstanceStatus| {
        calm(a) && calm(b) && a.state == b.state && why_instance(service, a, now) == why_instance(service, b, now)
    };
    let mut rows = Vec::new();
    for alike in instances.chunk_by(same) {
        if let (true, [first, .., last]) = (alike.len() >= ALIKE, alike) {
            let mut joined = row(service, first, format!("{name}@{}-{}", first.id, last.id), now);
            joined.pid = format!("{}x", alike.len());
            rows.push(joined);
        } else {
            rows.extend(alike.iter().map(|i| row(service, i, format!("{name}@{}", i.id), now)));
        }
    }
    rows
}

fn row(service: &ServiceStatus, instance: &InstanceStatus, label: String, now: Wall) -> Row {
    let ended = instance.last_exit.as_ref().map(|exit| exit.at);
    let began = instance.started_at.filter(|_| instance.pid.is_some());
    Row {
        label,
        state: instance.state,
        doubtful: !service.as_desired && instance.state.is_running(),
        pid: instance.pid.map_or_else(String::new, |pid| pid.to_string()),
        since: began.or(ended).map_or_else(String::new, |at| since(now, at)),
        restarts: if instance.restarts == 0 { String::new() } else { number(instance.restarts) },
        why: why_instance(service, instance, now),
    }
}

/// As many rows as have room, and how many there are beyond.
fn draw(rows: &[Row], room: usize, style: &Style) -> String {
    let columns = Columns::of(rows, style);
    let (mut text, mut used) = (columns.heading(), 0);
    for (index, row) in rows.iter().enumerate() {
        let drawn = columns.draw(row);
        used += drawn.lines().count();
        if used > room {
            let hidden = count((rows.len() - index) as u64, "line");
            return text + &style.paint(Paint::Dim, &format!("and {hidden} more\n"));
        }
        text.push_str(&drawn);
    }
    text
}

/// The widths of the columns, and where the reasons stand.
struct Columns<'a> {
    style: &'a Style,
    name: usize,
    state: usize,
    pid: usize,
    since: usize,
    restarts: usize,
    /// Reasons stand in the last column; else, on a narrow terminal, below.
    beside: bool,
    reasons: bool,
}

impl<'a> Columns<'a> {
    fn of(rows: &[Row], style: &'a Style) -> Self {
        let widest = |title: &str, cell: fn(&Row) -> &str| {
            rows.iter().map(|row| cell(row).chars().count()).chain([title.len()]).max().unwrap_or(0)
        };
        let mut columns = Self {
            style,
            name: widest("NAME", |row| &row.label),
            state: widest("STATE", |row| row.state.as_str()),
            pid: widest("PID", |row| &row.pid),
            since: widest("SINCE", |row| &row.since),
            restarts: widest("RESTARTS", |row| &row.restarts),
            beside: true,
            reasons: rows.iter().any(|row| !row.why.is_empty()),
        };
        columns.beside = style.width.is_none_or(|width| width >= columns.fixed() + NARROW);
        columns
    }

    /// Where the last column begins: the sign takes two, each gap two.
    fn fixed(&self) -> usize {
        self.name + 2 + self.state + self.pid + self.since + self.restarts + 10
    }

    fn heading(&self) -> String {
        let why = if self.beside && self.reasons { "WHY" } else { "" };
        let heading = self.line(["NAME", "PID", "SINCE", "RESTARTS", why], &format!("{:1$}", "STATE", self.state + 2));
        self.style.paint(Paint::Dim, &heading) + "\n"
    }

    /// `state` is the second cell as it is drawn: painted text has no width of its own.
    fn line(&self, [name, pid, since, restarts, why]: [&str; 5], state: &str) -> String {
        let Self { name: n, pid: p, since: s, restarts: r, .. } = *self;
        let line = format!("{name:n$}  {state}  {pid:>p$}  {since:>s$}  {restarts:>r$}  {why}");
        line.trim_end().to_owned()
    }

    fn draw(&self, row: &Row) -> String {
        let (mark, paint) = sign(row.state, self.style);
        let paint = if row.doubtful { Paint::Busy } else { paint };
        let state = self.style.paint(paint, &format!("{mark} {:1$}", row.state.as_str(), self.state));
        let indent = if self.beside { self.fixed() } else { 4 };
        let why = wrap(&row.why, self.style.width.map(|width| width.saturating_sub(indent)));
        let (first, rest) = if self.beside { why.split_at(why.len().min(1)) } else { why.split_at(0) };
        let why = first.first().map_or("", String::as_str);
        let mut text = self.line([&row.label, &row.pid, &row.since, &row.restarts, why], &state) + "\n";
        for more in rest {
            text.extend([" ".repeat(indent).as_str(), more, "\n"]);
        }
        text
    }
}

/// Breaks at spaces; a word longer than the room stays whole, so that a path can be copied.
pub(super) fn wrap(text: &str, room: Option<usize>) -> Vec<String> {
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
fn sections(status: &Status, style: &Style) -> String {
    let mut text = String::new();
    let mut told = HashSet::new();
    let errors = status.services.iter().flat_map(|s| &s.errors).chain(&status.problems);
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
        let reason = source.reason.as_deref().map_or_else(String::new, |reason| format!(": {}", clean(reason)));
        wrapped(&format!("{}: {word}{reason}", clean(&source.path)), 2, style)
    });
    section(&mut text, "Directories", lines, style);
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
pub(super) fn error_lines(error: &FileError, style: &Style) -> Vec<String> {
    let mut lines = wrapped(&format!("{}: {}", place(error), clean(&error.message)), 2, style);
    if let Some(hint) = &error.hint {
        lines.extend(wrapped(&clean(hint), 6, style));
    }
    lines
}

pub(super) fn wrapped(text: &str, indent: usize, style: &Style) -> Vec<String> {
    let room = style.width.map(|width| width.saturating_sub(indent + 2));
    let lines = wrap(text, room).into_iter().enumerate();
    lines.map(|(index, line)| format!("{:1$}{line}", "", indent + 2 * usize::from(index > 0))).collect()
}
