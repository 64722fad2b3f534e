//! The columns of the table, and which of them a narrow terminal does without. Pure.

use super::{Group, Row, cut, hidden, painted_line};
use crate::render::status::{Paint, Style, sign};
use std::fmt::Write as _;

/// A remark that would be shorter than this is left out.
const REMARK: usize = 12;
/// Reasons stand under what they are about.
const INDENT: usize = 4;

/// The widths of the columns. 0: the column is left out.
pub(super) struct Columns<'a> {
    style: &'a Style,
    name: usize,
    state: usize,
    pid: usize,
    since: usize,
    restarts: usize,
    remarks: bool,
}

impl<'a> Columns<'a> {
    /// For these rows. A narrow terminal does without the pids, then the restarts, then the ages; then names are cut.
    pub(super) fn of<'r>(rows: impl Iterator<Item = &'r Row>, style: &'a Style) -> Self {
        let (mut name, mut state, mut pid, mut since, mut restarts) = (4, 5, 0, 0, 0);
        let mut remarks = false;
        let widen = |width: &mut usize, title: &str, cell: &str| {
            if !cell.is_empty() {
                *width = (*width).max(title.len()).max(cell.chars().count());
            }
        };
        for row in rows {
            widen(&mut name, "NAME", &row.label);
            widen(&mut state, "STATE", row.state.as_str());
            widen(&mut pid, "PID", &row.pid);
            widen(&mut since, "SINCE", &row.since);
            widen(&mut restarts, "RESTARTS", &row.restarts);
            remarks |= !row.remark.is_empty();
        }
        let mut columns = Self { style, name, state, pid, since, restarts, remarks };
        if let Some(width) = style.width {
            columns.name = name.min((width / 2).max(16));
            for narrow in [|it: &mut Self| it.pid = 0, |it: &mut Self| it.restarts = 0, |it: &mut Self| it.since = 0] {
                if columns.fixed() > width {
                    narrow(&mut columns);
                }
            }
            columns.name = columns.name.saturating_sub(columns.fixed().saturating_sub(width)).max(1);
        }
        columns
    }

    /// Where the remarks would end if they were empty: the sign takes two, each gap two.
    fn fixed(&self) -> usize {
        let others = [self.pid, self.since, self.restarts];
        self.name + 4 + self.state + others.iter().filter(|width| **width > 0).map(|width| width + 2).sum::<usize>()
    }

    fn remark_room(&self) -> Option<usize> {
        self.style.width.map(|width| width.saturating_sub(self.fixed() + 2))
    }

    pub(super) fn heading(&self) -> String {
        let room = self.remark_room().is_none_or(|room| room >= REMARK);
        let remark = if self.remarks && room { "REMARK" } else { "" };
        let line = self.line("NAME", &format!("{:1$}", "STATE", self.state + 2), ["PID", "SINCE", "RESTARTS"], remark);
        painted_line(Paint::Dim, &line, self.style)
    }

    /// `state` is as it is drawn: painted text has no width of its own.
    fn line(&self, name: &str, state: &str, others: [&str; 3], remark: &str) -> String {
        let mut line = format!("{:1$}  {state}", cut(name, Some(self.name), self.style), self.name);
        for (cell, width) in others.into_iter().zip([self.pid, self.since, self.restarts]) {
            if width > 0 {
                // Writing to a String cannot fail.
                let _ = write!(line, "  {cell:>width$}");
            }
        }
        line.push_str("  ");
        line.push_str(remark);
        line.trim_end().to_owned()
    }

    /// A service: each row, with why under it, and what to do under the last.
    pub(super) fn draw(&self, group: &Group) -> String {
        let mut text = String::new();
        let mut has_more = false;
        for row in &group.rows {
            text.push_str(&self.row(row));
            if !row.why.is_empty() {
                has_more |= self.style.width.is_some_and(|width| row.why.chars().count() + INDENT > width);
                text.push_str(&painted_line(Paint::Plain, &format!("{:INDENT$}{}", "", row.why), self.style));
            }
        }
        // What is cut off is on the page, and so is the end of the output.
        let next = if has_more { Some(&group.more) } else { group.next.as_ref() };
        if let Some(next) = next {
            let arrow = if self.style.unicode { "→" } else { "->" };
            text.push_str(&painted_line(Paint::Strong, &format!("{:INDENT$}{arrow} {next}", ""), self.style));
        }
        text
    }

    fn row(&self, row: &Row) -> String {
        let (mark, paint) = sign(row.state, self.style);
        let paint = if row.doubtful && paint != Paint::Bad { Paint::Busy } else { paint };
        let state = self.style.paint(paint, &format!("{mark} {:1$}", row.state.as_str(), self.state));
        let room = self.remark_room();
        let remark =
            if room.is_some_and(|room| room < REMARK) { String::new() } else { cut(&row.remark, room, self.style) };
        let remark = self.style.paint(Paint::Dim, &remark);
        self.line(&row.label, &state, [&row.pid, &row.since, &row.restarts], &remark) + "\n"
    }

    /// Of those that have no room.
    pub(super) fn beyond(&self, groups: &[Group]) -> String {
        painted_line(Paint::Dim, &hidden(groups), self.style)
    }
}
