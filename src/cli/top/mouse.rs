//! What the mouse does. Pure.

use super::layout;
use super::rows::{Column, Sort};
use super::state::{Sheet, Top};
use super::talk::Wish;
use super::view;
use crossterm::event::{KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use std::time::Duration;

/// Two clicks within this time are one on purpose.
const DOUBLE: Duration = Duration::from_millis(400);
/// So many lines a turn of the wheel.
const WHEEL: isize = 3;

impl Top {
    pub(super) fn mouse(&mut self, mouse: MouseEvent, wishes: &mut Vec<Wish>) {
        let turned = match mouse.kind {
            MouseEventKind::ScrollUp => -WHEEL,
            MouseEventKind::ScrollDown => WHEEL,
            MouseEventKind::Down(MouseButton::Left) => return self.click(mouse.column, mouse.row, wishes),
            _ => return,
        };
        self.wheel(turned, mouse.row);
    }

    fn wheel(&mut self, by: isize, y: u16) {
        let areas = self.areas();
        match &mut self.sheet {
            Some(Sheet::Help(scroll) | Sheet::Abide(scroll)) => *scroll = scroll.saturating_add_signed(by),
            Some(Sheet::Notice(notice)) => notice.scroll = notice.scroll.saturating_add_signed(by),
            Some(_) => {}
            None if y >= areas.pane.y && y < areas.pane.bottom() => {
                let height = self.page_height();
                match &mut self.pane {
                    Some(pane) if pane.log => self.log.scroll(by, height),
                    Some(pane) => pane.scroll = pane.scroll.saturating_add_signed(by),
                    None => {}
                }
            }
            None => self.go(self.cursor.saturating_add_signed(by)),
        }
    }

    fn click(&mut self, x: u16, y: u16, wishes: &mut Vec<Wish>) {
        let areas = self.areas();
        if let Some(key) = view::hint_at(self, x, y) {
            return self.key(KeyEvent::new(key, KeyModifiers::NONE), wishes);
        }
        if self.sheet.is_some() {
            return;
        }
        if y >= areas.titles.y && y < areas.titles.bottom() {
            let columns = layout::columns(areas.titles.width, self.widest);
            let hit = columns.iter().rev().find(|placed| x + 1 >= placed.x && placed.column != Column::Why);
            if let Some(column) = hit.map(|placed| placed.column) {
                let reversed = self.sort.column == column && !self.sort.reversed;
                self.sort_by(Sort { column, reversed });
            }
        } else if y >= areas.rows.y && y < areas.rows.bottom() {
            let at = self.offset + usize::from(y - areas.rows.y);
            if at >= self.shown.len() {
                return;
            }
            let again = self.last_click.is_some_and(|(when, row)| row == y && self.now.mono.since(when) < DOUBLE);
            self.last_click = Some((self.now.mono, y));
            self.go(at);
            if again || self.pane.is_some() {
                let log = self.pane.as_ref().is_some_and(|pane| pane.log);
                self.hide_log(wishes);
                self.look_closer(log, wishes);
            }
        }
    }
}
