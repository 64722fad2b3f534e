//! The closer look: all that is known of one service, or its log.

use super::brush::{Brush, painted};
use crate::cli::top::samples::Used;
use crate::cli::top::state::{Pane, Top};
use crate::cli::top::talk::{Change, Step};
use crate::model::news::News;
use crate::model::selector::Target;
use crate::model::status::{InstanceStatus, ServiceStatus};
use crate::render::status::{Closer, Paint, Style as Means, Uses, clean, number, page, since};
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use std::time::Duration;

/// So many events of a service are shown.
const EVENTS: usize = 50;

pub(super) fn draw(top: &Top, area: Rect, brush: &mut Brush<'_>) {
    let Some(pane) = &top.pane else { return };
    let within = Rect { y: area.y + 1, height: area.height - 1, ..area };
    let place = if pane.log {
        log(top, within, brush);
        String::new()
    } else {
        details(top, pane, within, brush)
    };
    title(top, pane, place, Rect { height: 1, ..area }, brush);
}

/// `place`: which part of a page is seen, where that is not all.
fn title(top: &Top, pane: &Pane, place: String, area: Rect, brush: &mut Brush<'_>) {
    let (dim, strong) = (brush.style(Paint::Dim), brush.style(Paint::Strong));
    let across = brush.sign("─", "-");
    brush.put(0, area.y, area.width, &across.repeat(usize::from(area.width)), dim);
    let row = top.rows.iter().find(|row| row.target == pane.target);
    let mut spans = vec![Span::raw(" "), Span::styled(pane.target.to_string(), strong), Span::raw("  ")];
    if let Some(row) = row {
        let (mark, paint) = brush.state(row.state);
        let paint = if row.is_doubtful() { Paint::Busy } else { paint };
        spans.push(Span::styled(format!("{mark} {}", row.state.as_str()), brush.style(paint)));
    } else {
        spans.push(Span::styled("gone", brush.style(Paint::Busy)));
    }
    spans.push(Span::raw(" "));
    let end = brush.put_line(2, area.y, area.width.saturating_sub(2), &Line::from(spans));
    let chosen = strong.add_modifier(Modifier::REVERSED);
    let (details, logs) = if pane.log { (dim, chosen) } else { (chosen, dim) };
    let tabs = Line::from(vec![Span::styled(" details ", details), Span::styled(" log ", logs)]);
    let end = brush.put_line(end + 2, area.y, area.width.saturating_sub(end + 2), &tabs);
    let (paint, word) = if pane.log { log_words(top) } else { (Paint::Dim, place) };
    let room = area.width.saturating_sub(end + 4);
    if !word.is_empty() && room > 8 {
        let style = brush.style(paint);
        brush.put_right(end + 2, area.y, room, &format!(" {word} "), style);
    }
}

fn log_words(top: &Top) -> (Paint, String) {
    if let Some(words) = &top.log.ended {
        return (Paint::Busy, clean(words).into_owned());
    }
    match (top.log.is_following(), top.log.unseen()) {
        (true, _) => (Paint::Good, "following".to_owned()),
        (false, 0) => (Paint::Busy, "paused".to_owned()),
        (false, new) => (Paint::Busy, format!("paused, {} new", number(new as u64))),
    }
}

fn log(top: &Top, area: Rect, brush: &mut Brush<'_>) {
    if top.log.is_empty() {
        let words = if top.log.ended.is_some() { "" } else { "nothing yet" };
        let dim = brush.style(Paint::Dim);
        brush.put(1, area.y, area.width.saturating_sub(1), words, dim);
    }
    let search = top.log.search.to_lowercase();
    for (y, line) in (area.y..area.bottom()).zip(top.log.shown(usize::from(area.height))) {
        let from = line.char_indices().nth(top.log.left).map_or(line.len(), |(at, _)| at);
        let text = &line[from..];
        if search.is_empty() {
            brush.put(0, y, area.width, text, Style::new());
        } else {
            let line = marked(text, &search, brush.style(Paint::Strong).add_modifier(Modifier::REVERSED));
            brush.put_line(0, y, area.width, &line);
        }
    }
}

/// The line with every `search` in it marked; where lower case moves letters, none is.
fn marked(text: &str, search: &str, mark: Style) -> Line<'static> {
    let lower = text.to_lowercase();
    if lower.len() != text.len() {
        return Line::raw(text.to_owned());
    }
    let mut spans = Vec::new();
    let mut from = 0;
    for (at, found) in lower.match_indices(search) {
        let (Some(before), Some(found)) = (text.get(from..at), text.get(at..at + found.len())) else { continue };
        spans.push(Span::raw(before.to_owned()));
        spans.push(Span::styled(found.to_owned(), mark));
        from = at + found.len();
    }
    spans.push(Span::raw(text.get(from..).unwrap_or_default().to_owned()));
    Line::from(spans)
}

/// Which part of the page is seen, where that is not all.
fn details(top: &Top, pane: &Pane, area: Rect, brush: &mut Brush<'_>) -> String {
    let lines = lines(top, pane, area.width);
    for (y, line) in (area.y..area.bottom()).zip(lines.iter().skip(pane.scroll)) {
        brush.put_line(1, y, area.width.saturating_sub(1), line);
    }
    let height = usize::from(area.height);
    if lines.len() <= height {
        return String::new();
    }
    format!("{}-{} of {} lines", pane.scroll + 1, (pane.scroll + height).min(lines.len()), lines.len())
}

/// How many lines the page has.
pub(in crate::cli::top) fn page_lines(top: &Top) -> usize {
    top.pane.as_ref().map_or(0, |pane| lines(top, pane, top.size.0).len())
}

fn lines(top: &Top, pane: &Pane, width: u16) -> Vec<Line<'static>> {
    let means = Means { color: true, width: Some(usize::from(width.saturating_sub(2))), height: None, ..top.style };
    let name = &pane.target.service;
    let status = top.status.as_ref();
    let at = status.and_then(|status| status.services.binary_search_by(|it| it.name.cmp(name)).ok());
    let mut text = match (status, at) {
        (Some(status), Some(at)) => {
            let service = chosen(&status.services[at], &pane.target);
            let closer: Vec<Closer> = service.instances.iter().map(|it| closer(top, &service, it)).collect();
            page(&service, &closer, top.seen(), &means)
        }
        _ => format!("There is no service {name} any more.\n"),
    };
    text.push_str(&pending(top, name.as_str(), &means));
    text.push_str(&events(top, name.as_str(), &means));
    painted(&text, top.style.color)
}

/// Of a service with many instances the one that is looked at.
fn chosen(service: &ServiceStatus, target: &Target) -> ServiceStatus {
    let mut service = service.clone();
    if let Some(index) = target.index {
        service.instances.retain(|instance| instance.id == index);
    }
    service
}

fn closer(top: &Top, service: &ServiceStatus, instance: &InstanceStatus) -> Closer {
    let own = Target { service: service.name.clone(), index: Some(instance.id) };
    let measured = top.samples.used.get(&own).filter(|_| instance.pid.is_some());
    let uses = |measured: &Used| Uses {
        processes: measured.processes,
        cpu: Duration::from_millis(measured.cpu_ms),
        resident_bytes: measured.memory.unwrap_or_default(),
    };
    Closer { uses: measured.map(uses), log: Ok(Vec::new()) }
}

/// What is not yet as the files say.
fn pending(top: &Top, name: &str, means: &Means) -> String {
    let steps: Vec<&Step> = match &top.plan {
        Ok(steps) => steps.iter().filter(|step| step.service.as_str() == name).collect(),
        Err(refusal) if refusal.status == 404 || refusal.status == 0 => return String::new(),
        Err(refusal) => return format!("\n{}\n  {}\n", means.paint(Paint::Strong, "Pending"), clean(&refusal.detail)),
    };
    if steps.is_empty() {
        return String::new();
    }
    let steps: String = steps.into_iter().map(|step| step_lines(step, means)).collect();
    format!("\n{}\n{steps}", means.paint(Paint::Strong, "Pending"))
}

fn step_lines(step: &Step, means: &Means) -> String {
    let arrow = if means.unicode { "→" } else { "->" };
    let line = |change: &Change| {
        let side = |side: &Option<String>| side.as_deref().map_or("not set".to_owned(), |it| clean(it).into_owned());
        let why = change.why.as_deref().map_or_else(String::new, |why| format!("  ({})", clean(why)));
        format!("    {}  {} {arrow} {}{why}\n", clean(&change.field), side(&change.from), side(&change.to))
    };
    let changes: String = step.changes.iter().map(line).collect();
    format!("  {}: {}\n{changes}", clean(&step.action), clean(&step.reason))
}

/// What happened to it, the last first.
fn events(top: &Top, name: &str, means: &Means) -> String {
    let own = top.events.iter().rev().filter(|told| told.news.services().contains(&name)).take(EVENTS);
    let lines: Vec<String> = own
        .map(|told| {
            let age = means.paint(Paint::Dim, &format!("{:>8} ago", since(top.seen(), told.at)));
            format!("  {age}  {}\n", news(&told.news, name, means))
        })
        .collect();
    if lines.is_empty() {
        String::new()
    } else {
        format!("\n{}\n{}", means.paint(Paint::Strong, "Events"), lines.concat())
    }
}

fn news(news: &News, name: &str, means: &Means) -> String {
    let arrow = if means.unicode { "→" } else { "->" };
    match news {
        News::Transition { instance, from, to, reason, exit, .. } => {
            let which = instance.map_or_else(String::new, |index| format!("@{index} "));
            let exit = exit.as_deref().filter(|exit| !reason.contains(exit));
            let exit = exit.map_or_else(String::new, |exit| format!(" ({})", clean(exit)));
            let what =
                if from == to { to.as_str().to_owned() } else { format!("{} {arrow} {}", from.as_str(), to.as_str()) };
            let reason = if reason.is_empty() { String::new() } else { format!(": {}", clean(reason)) };
            format!("{which}{what}{reason}{exit}")
        }
        News::Plan { action, reason, .. } => format!("plan: {}: {}", clean(action), clean(reason)),
        News::File { file, line, message, error, .. } => {
            let kind = if *error { "error" } else { "warning" };
            let line = line.map_or_else(String::new, |line| format!(":{line}"));
            format!("{kind} in {}{line}: {}", clean(file), clean(message))
        }
        News::Mended { file, .. } => format!("{} is mended", clean(file)),
        News::Order { act, targets, author } => {
            let own = targets.iter().find(|done| done.target.split('@').next() == Some(name));
            let words = own.map(|done| format!(": {}", clean(&done.words))).unwrap_or_default();
            format!("{} by {}{words}", clean(act), clean(&author.name))
        }
        News::Missed { why, .. } => clean(why).into_owned(),
    }
}
