//! Draws on a buffer, never beside it; meaning to colour, signs to what the terminal can show.

use crate::model::status::State;
use crate::render::status::{Paint, Style as Means, sign};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

/// A buffer and what the terminal can show.
pub(super) struct Brush<'a> {
    buffer: &'a mut Buffer,
    means: Means,
}

impl<'a> Brush<'a> {
    pub(super) fn new(buffer: &'a mut Buffer, means: Means) -> Self {
        Self { buffer, means }
    }

    pub(super) fn style(&self, paint: Paint) -> Style {
        style(paint, self.means.color)
    }

    /// One of two signs: beyond ASCII, or within.
    pub(super) fn sign(&self, pretty: &'static str, plain: &'static str) -> &'static str {
        if self.means.unicode { pretty } else { plain }
    }

    pub(super) fn state(&self, state: State) -> (&'static str, Paint) {
        sign(state, &self.means)
    }

    /// Writes `text` at a place, at most `width` wide; what is cut ends in a sign. Gives the column behind.
    pub(super) fn put(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        let area = self.buffer.area;
        let width = width.min(area.right().saturating_sub(x));
        if width == 0 || y >= area.bottom() {
            return x;
        }
        if text.len() <= usize::from(width) || Span::raw(text).width() <= usize::from(width) {
            return self.buffer.set_stringn(x, y, text, usize::from(width), style).0;
        }
        let (end, _) = self.buffer.set_stringn(x, y, text, usize::from(width) - 1, style);
        self.buffer.set_stringn(end, y, self.sign("…", ">"), 1, style).0
    }

    /// The same, ending at the right edge of the place.
    pub(super) fn put_right(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) {
        let wide = u16::try_from(Span::raw(text).width()).unwrap_or(u16::MAX).min(width);
        self.put(x + width - wide, y, wide, text, style);
    }

    /// Writes a line of several styles.
    pub(super) fn put_line(&mut self, x: u16, y: u16, width: u16, line: &Line<'_>) -> u16 {
        let end = x.saturating_add(width);
        let mut at = x;
        for span in &line.spans {
            at = self.put(at, y, end.saturating_sub(at), &span.content, span.style);
        }
        at
    }

    /// Lays a style over what stands there.
    pub(super) fn tint(&mut self, area: Rect, style: Style) {
        self.buffer.set_style(area, style);
    }

    /// Takes away what stands there.
    pub(super) fn clear(&mut self, area: Rect) {
        let area = self.buffer.area.intersection(area);
        for position in area.positions() {
            if let Some(cell) = self.buffer.cell_mut(position) {
                cell.reset();
            }
        }
    }

    /// An empty sheet with a border and a title; the place within.
    pub(super) fn sheet(&mut self, area: Rect, title: &str) -> Rect {
        self.clear(area);
        let [corner1, corner2, corner3, corner4, across, down] = if self.means.unicode {
            ["╭", "╮", "╰", "╯", "─", "│"]
        } else {
            ["+", "+", "+", "+", "-", "|"]
        };
        if area.width < 4 || area.height < 3 {
            return Rect { width: area.width, ..area };
        }
        let line = across.repeat(usize::from(area.width) - 2);
        let dim = self.style(Paint::Dim);
        self.put(area.x, area.y, area.width, &format!("{corner1}{line}{corner2}"), dim);
        self.put(area.x, area.bottom() - 1, area.width, &format!("{corner3}{line}{corner4}"), dim);
        for y in area.y + 1..area.bottom() - 1 {
            self.put(area.x, y, 1, down, dim);
            self.put(area.right() - 1, y, 1, down, dim);
        }
        let strong = self.style(Paint::Strong);
        self.put(area.x + 2, area.y, area.width.saturating_sub(4), &format!(" {title} "), strong);
        Rect::new(area.x + 2, area.y + 1, area.width - 4, area.height - 2)
    }
}

fn style(paint: Paint, color: bool) -> Style {
    let plain = Style::new();
    match (paint, color) {
        (Paint::Good, true) => plain.fg(Color::Green),
        (Paint::Busy, true) => plain.fg(Color::Yellow),
        (Paint::Bad, true) => plain.fg(Color::Red).add_modifier(Modifier::BOLD),
        (Paint::Good | Paint::Busy, false) | (Paint::Plain, _) => plain,
        (Paint::Bad, false) | (Paint::Strong, _) => plain.add_modifier(Modifier::BOLD),
        (Paint::Dim, _) => plain.add_modifier(Modifier::DIM),
    }
}

/// Text that `render::status` has painted, as lines.
pub(super) fn painted(text: &str, color: bool) -> Vec<Line<'static>> {
    text.lines().map(|line| painted_line(line, color)).collect()
}

fn painted_line(line: &str, color: bool) -> Line<'static> {
    let mut spans = Vec::new();
    let mut current = Style::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        if !before.is_empty() {
            spans.push(Span::styled(before.to_owned(), current));
        }
        let (code, after) = after.split_once('m').unwrap_or(("", after));
        current = match code {
            "32" => style(Paint::Good, color),
            "33" => style(Paint::Busy, color),
            "1;31" => style(Paint::Bad, color),
            "2" => style(Paint::Dim, color),
            "1" => style(Paint::Strong, color),
            _ => Style::new(),
        };
        rest = after;
    }
    if !rest.is_empty() {
        spans.push(Span::styled(rest.to_owned(), current));
    }
    Line::from(spans)
}
