//! The table: the worst first, a line a process; under what is not as desired a line that says why and one that says
//! what to do; then what is wrong elsewhere, then all in one line. No line is longer than the terminal is wide. Pure.

mod columns;
mod sections;

pub use sections::sections;
pub(super) use sections::{error_lines, wrapped};

use super::advice::{Need, advice, need, reason, remark};
use super::words::{clean, count, number, since, why_instance};
use super::{Paint, Style, summary};
use crate::model::status::{InstanceStatus, ServiceStatus, State, Status};
use crate::model::time::Wall;
use columns::Columns;
use sections::shortened;

/// So many like instances in a row become one line.
const ALIKE: usize = 5;

struct Row {
    label: String,
    state: State,
    /// Its state is no trouble, and yet something about the service is not as it should be.
    doubtful: bool,
    pid: String,
    since: String,
    restarts: String,
    /// Beside the other cells, where there is room.
    remark: String,
    /// On a line of its own.
    why: String,
}

/// One service: its rows, and what to do about it.
struct Group {
    need: Need,
    rows: Vec<Row>,
    next: Option<String>,
    /// A command with everything that is known, where the line has no room for it.
    more: String,
}

impl Group {
    /// How many it takes.
    fn lines(&self) -> usize {
        let whys = self.rows.iter().filter(|row| !row.why.is_empty()).count();
        self.rows.len() + whys + usize::from(self.next.is_some())
    }

    /// On a screen that does not hold all that needs to be seen, more of them in fewer words are worth more.
    fn squeeze(&mut self) {
        self.next = None;
        for row in self.rows.iter_mut().filter(|row| !row.why.is_empty()) {
            row.remark = std::mem::take(&mut row.why);
        }
    }
}

/// The whole answer to `abide status`, ending in a newline.
pub fn table(status: &Status, now: Wall, style: &Style) -> String {
    let mut text = String::new();
    let after = shortened(sections(status, style), style) + &summary(status, now, style);
    if status.services.is_empty() {
        text.push_str(&no_services(status, style));
    } else {
        let mut groups: Vec<Group> = status.services.iter().map(|service| group(service, now)).collect();
        groups.sort_by_key(|group| group.need);
        let room = style.height.map_or(usize::MAX, |height| height.saturating_sub(after.lines().count() + 4));
        if groups.iter().filter(|group| group.need != Need::None).map(Group::lines).sum::<usize>() > room {
            groups.iter_mut().for_each(Group::squeeze);
        }
        text.push_str(&draw(&groups, room, style));
    }
    let text = text + "\n" + &after;
    match style.height {
        Some(height) => text.split_inclusive('\n').take(height.saturating_sub(1)).collect(),
        None => text,
    }
}

fn no_services(status: &Status, style: &Style) -> String {
    match status.sources.first() {
        Some(source) => {
            let text = format!("No services. Put a file NAME.toml into {} to have one.", clean(&source.path));
            wrapped(&text, 0, style).join("\n") + "\n"
        }
        None => "No services.\n".to_owned(),
    }
}

fn group(service: &ServiceStatus, now: Wall) -> Group {
    let mut rows = match service.instances.as_slice() {
        [] => vec![bare(service)],
        [only] => vec![row(service, only, service.name.to_string(), now)],
        many => numbered(service, many, now),
    };
    let about = reason(service, now);
    if !about.is_empty() {
        let first = &mut rows[0];
        if service.as_desired {
            first.remark = about;
        } else {
            let own = std::mem::take(&mut first.why);
            first.why = if own.is_empty() || about.contains(&own) { about } else { format!("{own}; {about}") };
        }
    }
    // Who is told by whom it is held is told how to lift that.
    let next = advice(service).filter(|next| !rows.iter().any(|row| row.why.contains(next.as_str())));
    Group { need: need(service), rows, next, more: format!("abide status {}", service.name) }
}

fn bare(service: &ServiceStatus) -> Row {
    let none = service.accepted_hash.is_some() && service.errors.is_empty();
    let remark = if none { "its file says `instances = 0`" } else { "" }.to_owned();
    let (pid, since, restarts, why) = Default::default();
    Row { label: service.name.to_string(), state: service.state, doubtful: false, pid, since, restarts, remark, why }
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
    let began = instance.started_at.filter(|_| instance.pid.is_some()).or(instance.since);
    let why = why_instance(service, instance, now);
    let calm = service.as_desired;
    let (remark, why) = match calm {
        true if why.is_empty() => (remark(instance, now), String::new()),
        true => (why, String::new()),
        false => (String::new(), why),
    };
    Row {
        label,
        state: instance.state,
        doubtful: !calm && (instance.state.is_running() || !service.errors.is_empty()),
        pid: instance.pid.map_or_else(String::new, |pid| pid.to_string()),
        since: began.or(ended).map_or_else(String::new, |at| since(now, at)),
        restarts: restarts(instance),
        remark,
        why,
    }
}

/// `1,017`, and how fast: `1,017 (60/h)`.
fn restarts(instance: &InstanceStatus) -> String {
    match (instance.restarts, instance.restarts_1h) {
        (0, _) => String::new(),
        (all, 0) => number(all),
        (all, lately) => format!("{} ({}/h)", number(all), number(lately)),
    }
}

/// As many services as have room, and how many there are beyond.
fn draw(groups: &[Group], room: usize, style: &Style) -> String {
    // What has no room has no say in the widths either.
    let shown = groups.iter().flat_map(|group| &group.rows).take(room.max(1));
    let columns = Columns::of(shown, style);
    let (mut text, mut used) = (columns.heading(), 0);
    for (index, group) in groups.iter().enumerate() {
        let drawn = columns.draw(group);
        used += drawn.lines().count();
        if used > room {
            return text + &columns.beyond(&groups[index..]);
        }
        text.push_str(&drawn);
    }
    text
}

/// `and 4,985 more, all as desired`.
fn hidden(groups: &[Group]) -> String {
    let amiss = groups.iter().filter(|group| group.need != Need::None).count() as u64;
    let all = groups.len() as u64;
    let what = match amiss {
        0 => format!("and {} more, as desired", count(all, "service")),
        _ if amiss == all => format!("and {} more, not as desired", count(all, "service")),
        _ => format!("and {} more, {} of them not as desired", count(all, "service"), number(amiss)),
    };
    format!("{what}; abide status '*' lists them")
}

fn cut(text: &str, room: Option<usize>, style: &Style) -> String {
    match room {
        Some(room) if text.chars().count() > room => {
            let kept = text.chars().take(room.saturating_sub(1));
            kept.chain(if style.unicode { ['…'] } else { ['>'] }).take(room).collect()
        }
        _ => text.to_owned(),
    }
}

fn painted_line(paint: Paint, text: &str, style: &Style) -> String {
    style.paint(paint, &cut(text, style.width, style)) + "\n"
}
