//! The table: titles, and the rows that are on the screen.

use super::bars::why;
use super::brush::Brush;
use super::is_past;
use crate::cli::top::layout::{Placed, columns};
use crate::cli::top::rows::{Column, Row};
use crate::cli::top::state::Top;
use crate::cli::top::words::{cores, short};
use crate::render::status::{Paint, clean, number, since};
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

pub(super) fn titles(top: &Top, area: Rect, brush: &mut Brush<'_>) {
    for placed in columns(area.width, top.widest) {
        let sorted = top.sort.column == placed.column;
        let arrow = if top.sort.reversed { brush.sign("▲", "^") } else { brush.sign("▼", "v") };
        let title = placed.column.title();
        let style = brush.style(if sorted { Paint::Strong } else { Paint::Dim });
        if placed.is_right() {
            let title = if sorted { format!("{arrow}{title}") } else { title.to_owned() };
            brush.put_right(placed.x, area.y, placed.width, &title, style);
        } else {
            let title = if sorted { format!("{title}{arrow}") } else { title.to_owned() };
            brush.put(placed.x, area.y, placed.width, &title, style);
        }
    }
}

pub(super) fn rows(top: &Top, area: Rect, brush: &mut Brush<'_>) {
    if top.shown.is_empty() {
        return nothing(top, area, brush);
    }
    let columns = columns(area.width, top.widest);
    let seen = top.shown.iter().enumerate().skip(top.offset).take(usize::from(area.height));
    for (y, (at, place)) in (area.y..).zip(seen) {
        let Some(row) = top.rows.get(*place) else { continue };
        draw(top, row, &columns, y, area.width, brush);
        let line = Rect { y, height: 1, ..area };
        if at == top.cursor {
            // One look for the whole line: colours on a reversed line are hard to read.
            brush.tint(line, Style::reset().add_modifier(Modifier::REVERSED));
        } else if is_past(top) {
            brush.tint(line, Style::new().add_modifier(Modifier::DIM));
        }
    }
}

fn draw(top: &Top, row: &Row, columns: &[Placed], y: u16, width: u16, brush: &mut Brush<'_>) {
    if top.marks.contains(&row.target) {
        let style = brush.style(Paint::Strong);
        brush.put(0, y, 1, brush.sign("▸", "*"), style);
    }
    // Who has no process has no numbers of one: the reason has their room.
    let why_from = columns.iter().find(|placed| {
        placed.column == Column::Why
            || (row.pid.is_none()
                && matches!(placed.column, Column::Pid | Column::Cpu | Column::Memory | Column::Log | Column::Up))
    });
    for placed in columns {
        if why_from.is_some_and(|why| placed.x >= why.x) {
            break;
        }
        cell(top, row, *placed, y, brush);
    }
    let Some(from) = why_from else { return };
    let why = why(top, row);
    if !why.is_empty() {
        let gap = from.x + u16::from(from.column != Column::Why && from.x + 1 < width && columns.len() > 5);
        let paint = if row.as_desired { Paint::Dim } else { doubtful(row, brush) };
        let style = brush.style(if paint == Paint::Bad { Paint::Busy } else { paint });
        brush.put(gap, y, width.saturating_sub(gap), &why, style);
    }
}

/// The colour of a state, as it stands with its service.
fn doubtful(row: &Row, brush: &Brush<'_>) -> Paint {
    if row.is_doubtful() { Paint::Busy } else { brush.state(row.state).1 }
}

fn cell(top: &Top, row: &Row, placed: Placed, y: u16, brush: &mut Brush<'_>) {
    let Placed { x, width, .. } = placed;
    let (plain, dim) = (Style::new(), brush.style(Paint::Dim));
    // What is nothing stays in the background.
    let weigh = |value: u64| if value == 0 { dim } else { plain };
    match placed.column {
        Column::Name => {
            brush.put(x, y, width, &row.label, plain);
        }
        Column::State => {
            let (mark, _) = brush.state(row.state);
            let style = brush.style(doubtful(row, brush));
            brush.put(x, y, width, &format!("{mark} {}", row.state.as_str()), style);
        }
        Column::Restarts if row.restarts > 0 => brush.put_right(x, y, width, &number(row.restarts), plain),
        Column::Hour if row.hour > 0 => {
            let style = brush.style(Paint::Busy);
            brush.put_right(x, y, width, &number(row.hour), style);
        }
        Column::Pid => {
            let pid = row.pid.map_or_else(String::new, |pid| pid.to_string());
            brush.put_right(x, y, width, &pid, dim);
        }
        Column::Cpu => {
            let Some(cpu) = row.used.cpu else { return };
            brush.put_right(x, y, width, &cores(cpu), weigh(cpu));
        }
        Column::Memory => {
            let Some(memory) = row.used.memory else { return };
            brush.put_right(x, y, width, &short(memory), weigh(memory));
        }
        Column::Log => {
            let Some(log) = row.used.log else { return };
            brush.put_right(x, y, width, &short(log), weigh(log));
        }
        Column::Up => {
            let up = row.began.map_or_else(String::new, |at| since(top.seen(), at));
            brush.put_right(x, y, width, &up, plain);
        }
        Column::Restarts | Column::Hour | Column::Why => {}
    }
}

/// Why there is nothing to be seen.
fn nothing(top: &Top, area: Rect, brush: &mut Brush<'_>) {
    let mut lines = Vec::new();
    match (&top.refusal, &top.status) {
        (Some(refusal), _) => {
            lines.push((Paint::Bad, clean(&refusal.detail).into_owned()));
            let hint = refusal.hint.as_deref().unwrap_or_default();
            lines.extend(hint.lines().map(|line| (Paint::Strong, clean(line).into_owned())));
        }
        (None, None) if is_past(top) => {}
        (None, None) => lines.push((Paint::Dim, "asking abide …".to_owned())),
        (None, Some(status)) if status.services.is_empty() => {
            let path = status.sources.first().map_or("the directory".into(), |source| clean(&source.path));
            lines.push((Paint::Strong, "No services.".to_owned()));
            lines.push((Paint::Dim, format!("Put a file NAME.toml into {path} to have one.")));
        }
        (None, Some(_)) => {
            let text = if top.filter.trouble && top.filter.words.is_empty() && top.filter.states.is_empty() {
                "All is as desired. Esc shows all services."
            } else {
                "Nothing is found. Esc shows all services."
            };
            lines.push((Paint::Dim, text.to_owned()));
        }
    }
    for (y, (paint, text)) in (area.y + area.height / 4..area.bottom()).zip(lines) {
        let style = brush.style(paint);
        brush.put(area.x + 2, y, area.width.saturating_sub(2), &text, style);
    }
}
