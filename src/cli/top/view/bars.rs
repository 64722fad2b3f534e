//! The lines above and below: how all stands, what the cursor is on, which keys there are.

use super::brush::Brush;
use crate::cli::top::state::{Link, Top, Typing};
use crate::cli::top::words::{cores, short};
use crate::model::status::AbideState;
use crate::model::time::Wall;
use crate::render::status::{Paint, clean, number, reason, remark, since, span, why_instance};
use crossterm::event::KeyCode;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

/// Counts and sums; and what is wrong with abide itself.
pub(super) fn head(top: &Top, notes: Option<&str>, area: Rect, brush: &mut Brush<'_>) {
    if area.height == 0 {
        return;
    }
    if let Link::Lost(words, since) = &top.link {
        return lost(top, words, *since, area, brush);
    }
    counted(top, area, brush);
    if area.height > 1 {
        sums(top, area.y + 1, area.width, brush);
    }
    if let (Some(notes), true) = (notes, area.height > 2) {
        let style = brush.style(Paint::Busy);
        let end = brush.put(0, area.y + 2, area.width.saturating_sub(9), &format!("! {notes}"), style);
        let dim = brush.style(Paint::Dim);
        brush.put(end + 2, area.y + 2, 7, "a: more", dim);
    }
}

/// That nobody answers; what is known of before stays below.
fn lost(top: &Top, words: &str, at: Wall, area: Rect, brush: &mut Brush<'_>) {
    let style = brush.style(Paint::Bad);
    let mark = brush.sign("✗", "X");
    brush.put(0, area.y, area.width, &format!("{mark} {}", clean(words)), style);
    if area.height > 1 {
        let known = if top.status.is_some() { "; what stands here is of " } else { ", for " };
        let age = since(top.now.wall, at);
        let ago = if top.status.is_some() { " ago" } else { "" };
        let dim = brush.style(Paint::Dim);
        brush.put(2, area.y + 1, area.width.saturating_sub(2), &format!("looking for it again{known}{age}{ago}"), dim);
    }
}

fn counted(top: &Top, area: Rect, brush: &mut Brush<'_>) {
    let Some(status) = &top.status else { return };
    let mut spans = Vec::new();
    for (at, (paint, text)) in top.counts.iter().enumerate() {
        let before = match at {
            0 => "",
            1 => ": ",
            _ => ", ",
        };
        spans.push(Span::raw(before));
        spans.push(Span::styled(text.clone(), brush.style(*paint)));
    }
    let end = brush.put_line(0, area.y, area.width, &Line::from(spans));
    let abide = &status.abide;
    let (state, paint) = match abide.state {
        _ if top.late().is_some() => {
            (format!("has not answered for {}", span(top.late().unwrap_or_default())), Paint::Bad)
        }
        AbideState::Running => (format!("up {}", since(top.seen(), abide.started_at)), Paint::Dim),
        AbideState::Stopping => ("stopping".to_owned(), Paint::Busy),
        AbideState::Stopped => ("stopped".to_owned(), Paint::Busy),
    };
    let text = format!("abide {} {state}", clean(&abide.version));
    if usize::from(end) + text.len() + 2 <= usize::from(area.width) {
        let style = brush.style(paint);
        brush.put_right(end, area.y, area.width - end, &text, style);
    }
}

/// Processor, memory and log of all, as far as there is room beside what is left out of the table.
fn sums(top: &Top, y: u16, width: u16, brush: &mut Brush<'_>) {
    let left_out = left_out(top);
    let style = brush.style(Paint::Busy);
    brush.put_right(0, y, width, &left_out, style);
    let mut room = usize::from(width).saturating_sub(Span::raw(left_out.as_str()).width() + 2);
    let sums = top.samples.sums();
    let parts = [
        ("CPU ", sums.cpu.map(cores), "%"),
        ("memory ", sums.memory.map(short), ""),
        ("log ", sums.log.map(short), "/s"),
        ("", (sums.processes > 0).then(|| number(sums.processes)), " processes"),
    ];
    let dim = brush.style(Paint::Dim);
    let mut x = 0;
    for (title, value, unit) in parts {
        let Some(value) = value else { continue };
        let line = Line::from(vec![Span::styled(title, dim), Span::raw(value), Span::styled(unit, dim)]);
        let Some(left) = room.checked_sub(line.width() + 3) else { break };
        brush.put_line(x, y, width, &line);
        x += (line.width() + 3) as u16;
        room = left;
    }
}

/// What is marked, and by what the table is narrowed.
fn left_out(top: &Top) -> String {
    let mut by = Vec::new();
    if top.filter.trouble {
        by.push("not as desired".to_owned());
    }
    by.extend(top.filter.states.iter().map(|state| state.as_str().to_owned()));
    if !top.filter.words.trim().is_empty() {
        by.push(format!("/{}", top.filter.words.trim()));
    }
    let mut parts = Vec::new();
    if !top.marks.is_empty() {
        parts.push(format!("{} marked", number(top.marks.len() as u64)));
    }
    if !by.is_empty() {
        let (shown, all) = (number(top.shown.len() as u64), number(top.rows.len() as u64));
        parts.push(format!("{shown} of {all}: {}", by.join(", ")));
    }
    parts.join("   ")
}

/// What has just come of something, else all that is to be said of the row with the cursor.
pub(super) fn info(top: &Top, area: Rect, brush: &mut Brush<'_>) {
    if area.height == 0 {
        return;
    }
    let (at, all, _) = top.position();
    let place = if all == 0 { String::new() } else { format!("{}/{}", number(at as u64 + 1), number(all as u64)) };
    let dim = brush.style(Paint::Dim);
    let wide = place.len() as u16;
    brush.put_right(0, area.y, area.width, &place, dim);
    let room = area.width.saturating_sub(wide + 2);
    if let Some((paint, text)) = &top.message {
        let style = brush.style(*paint);
        brush.put(0, area.y, room, &clean(text), style);
        return;
    }
    let Some(row) = top.selected() else { return };
    let style = brush.style(Paint::Strong);
    let end = brush.put(0, area.y, room, &row.label, style);
    let why = why(top, row);
    let about = || top.service(row).and_then(|service| service.description.as_deref()).map(|it| clean(it).into_owned());
    let text = if why.is_empty() { about().unwrap_or_default() } else { why };
    let style = if row.as_desired { dim } else { brush.state(row.state).1.into_style(brush) };
    if !text.is_empty() {
        brush.put(end + 2, area.y, room.saturating_sub(end + 2), &text, style);
    }
}

trait IntoStyle {
    fn into_style(self, brush: &Brush<'_>) -> ratatui::style::Style;
}

impl IntoStyle for Paint {
    fn into_style(self, brush: &Brush<'_>) -> ratatui::style::Style {
        // What runs and is not as it should be is no good news.
        brush.style(if self == Self::Good { Self::Busy } else { self })
    }
}

/// Why a row is as it is, the whole sentence; of one that is well what is worth a remark.
pub(super) fn why(top: &Top, row: &crate::cli::top::rows::Row) -> String {
    let Some(service) = top.service(row) else { return String::new() };
    let instance = row.instance.and_then(|at| service.instances.get(at));
    let own = instance.map(|instance| why_instance(service, instance, top.seen())).unwrap_or_default();
    let about = if row.instance.unwrap_or(0) == 0 { reason(service, top.seen()) } else { String::new() };
    // In a row there is room for the name of a file and not for its way.
    let way = service.source.file.rfind('/').map_or("", |at| &service.source.file[..=at]);
    let about = about.strip_prefix(way).map(str::to_owned).unwrap_or(about);
    match (own.is_empty(), about.is_empty()) {
        (false, false) => format!("{own}; {about}"),
        (true, true) => instance.map(|instance| remark(instance, top.seen())).unwrap_or_default(),
        (true, false) => about,
        (false, true) => own,
    }
}

/// A key, what it does, and how it is typed.
type Hint = (&'static str, &'static str, Option<KeyCode>);

const fn char(name: &'static str, does: &'static str, c: char) -> Hint {
    (name, does, Some(KeyCode::Char(c)))
}

/// The keys of where one is, most wanted first; the last two always.
fn hints_of(top: &Top) -> Vec<Hint> {
    let acts = |hints: &mut Vec<Hint>| {
        let target = top.pane.as_ref().map(|pane| &pane.target).or(top.selected().map(|row| &row.target));
        if top.may_act(target.map(|target| &target.service)) {
            hints.extend([char("x", "stop", 'x'), char("r", "restart", 'r'), char("s", "start", 's')]);
            hints.push(char("R", "reload", 'R'));
        } else {
            hints.push(("", "(you may look, not act)", None));
        }
    };
    let mut hints = Vec::new();
    match &top.pane {
        Some(pane) if pane.log => {
            let (word, does) = if top.log.is_following() { ("p", "pause") } else { ("p", "follow") };
            hints.extend([("tab", "details", Some(KeyCode::Tab)), char(word, does, 'p'), char("/", "search", '/')]);
            hints.extend([char("n", "next", 'n'), char("J", "next service", 'J')]);
            acts(&mut hints);
            hints.push(("esc", "back", Some(KeyCode::Esc)));
        }
        Some(_) => {
            hints.extend([("tab", "log", Some(KeyCode::Tab)), char("n", "next", 'n'), char("p", "previous", 'p')]);
            acts(&mut hints);
            hints.push(("esc", "back", Some(KeyCode::Esc)));
        }
        None => {
            hints.extend([("enter", "details", Some(KeyCode::Enter)), char("l", "log", 'l'), char("/", "filter", '/')]);
            acts(&mut hints);
            hints.extend([char("f", "states", 'f'), char(">", "sort", '>'), char("!", "trouble", '!')]);
            hints.push(("space", "mark", Some(KeyCode::Char(' '))));
            hints.push(char("q", "quit", 'q'));
        }
    }
    hints.insert(hints.len() - 1, char("?", "help", '?'));
    hints
}

fn wide(hint: &Hint) -> usize {
    hint.0.len() + usize::from(!hint.0.is_empty()) + hint.1.len()
}

/// Those that find room in a line, each with its column.
fn placed(top: &Top, width: u16) -> Vec<(u16, Hint)> {
    let mut hints = hints_of(top);
    let total = |hints: &[Hint]| hints.iter().map(|hint| wide(hint) + 2).sum::<usize>();
    while hints.len() > 2 && total(&hints) > usize::from(width) + 2 {
        hints.remove(hints.len() - 3);
    }
    let mut x = 0;
    let mut placed = Vec::new();
    for hint in hints {
        placed.push((x, hint));
        x += wide(&hint) as u16 + 2;
    }
    placed
}

/// The lowest line; where the cursor of the terminal belongs, if something is typed there.
pub(super) fn hints(top: &Top, area: Rect, brush: &mut Brush<'_>) -> Option<Position> {
    if area.height == 0 {
        return None;
    }
    let (title, field) = match &top.typing {
        Typing::Filter(field) => ("/", field),
        Typing::Search(field) => ("search: ", field),
        Typing::Nobody => {
            for (x, (key, does, _)) in placed(top, area.width) {
                let (strong, dim) = (brush.style(Paint::Strong), brush.style(Paint::Dim));
                let end = brush.put(x, area.y, area.width.saturating_sub(x), key, strong);
                let x = if key.is_empty() { end } else { end + 1 };
                brush.put(x, area.y, area.width.saturating_sub(x), does, dim);
            }
            return None;
        }
    };
    let (strong, dim) = (brush.style(Paint::Strong), brush.style(Paint::Dim));
    let x = brush.put(0, area.y, area.width, title, strong);
    let end = brush.put(x, area.y, area.width.saturating_sub(x), &field.text(), strong);
    let help = "enter keep  esc clear";
    if usize::from(area.width.saturating_sub(end)) > help.len() + 3 {
        brush.put_right(end, area.y, area.width - end, help, dim);
    }
    let cursor = x as usize + Span::raw(field.before()).width();
    Some(Position::new(u16::try_from(cursor).unwrap_or(u16::MAX).min(area.width.saturating_sub(1)), area.y))
}

/// The key that a click on the lowest line means.
pub(in crate::cli::top) fn hint_at(top: &Top, x: u16, y: u16) -> Option<KeyCode> {
    let area = top.areas().hints;
    if area.height == 0 || y != area.y || top.sheet.is_some() || top.typing != Typing::Nobody {
        return None;
    }
    let hit = |(from, hint): &(u16, Hint)| x >= *from && usize::from(x) < usize::from(*from) + wide(hint);
    placed(top, area.width).into_iter().find(hit).and_then(|(_, hint)| hint.2)
}
