//! What keys do in the table, in the closer look and where something is typed. Pure.

use super::field::Field;
use super::log::Log;
use super::rows::{Column, Sort};
use super::state::{Pane, Sheet, Top, Typing};
use super::talk::{Verb, Wish};
use super::view;
use crate::render::status::Paint;
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

impl Top {
    pub(super) fn key(&mut self, key: KeyEvent, wishes: &mut Vec<Wish>) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            match key.code {
                KeyCode::Char('c') => return wishes.push(Wish::Quit),
                KeyCode::Char('z') => return wishes.push(Wish::Suspend),
                KeyCode::Char('l') => return wishes.push(Wish::Clear),
                _ => {}
            }
        }
        self.message = None;
        if self.sheet.is_some() {
            self.sheet_key(key, wishes);
        } else if self.typing != Typing::Nobody {
            self.typing_key(key);
        } else if self.pane.is_none() || !self.pane_key(key, wishes) {
            self.table_key(key, wishes);
        }
    }

    pub(super) fn paste(&mut self, text: &str) {
        for c in text.chars().filter(|c| !c.is_control()) {
            let key = KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
            match &mut self.sheet {
                Some(Sheet::Confirm(ask)) if ask.verb == Verb::Stop => drop(ask.field().key(key)),
                None if self.typing != Typing::Nobody => self.typing_key(key),
                _ => return,
            }
        }
    }

    // --- the table ---

    fn table_key(&mut self, key: KeyEvent, wishes: &mut Vec<Wish>) {
        let page = usize::from(self.areas().rows.height).max(2) - 1;
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('f' | 'd') if control => self.go(self.cursor + page),
            KeyCode::Char('b' | 'u') if control => self.go(self.cursor.saturating_sub(page)),
            KeyCode::Char(_) if control || key.modifiers.contains(KeyModifiers::ALT) => {}
            KeyCode::Up | KeyCode::Char('k') => self.go(self.cursor.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.go(self.cursor + 1),
            KeyCode::PageUp => self.go(self.cursor.saturating_sub(page)),
            KeyCode::PageDown => self.go(self.cursor + page),
            KeyCode::Home | KeyCode::Char('g') => self.go(0),
            KeyCode::End | KeyCode::Char('G') => self.go(usize::MAX),
            KeyCode::Enter => self.look_closer(false, wishes),
            KeyCode::Char('l') => self.look_closer(true, wishes),
            KeyCode::Char('/') => self.typing = Typing::Filter(Field::new(&self.filter.words)),
            KeyCode::Char('f') => self.sheet = Some(Sheet::States(0)),
            KeyCode::Char('!') => {
                self.filter.trouble = !self.filter.trouble;
                self.arrange();
            }
            KeyCode::Char('<' | ',') | KeyCode::Left => self.sort_beside(-1),
            KeyCode::Char('>' | '.') | KeyCode::Right => self.sort_beside(1),
            KeyCode::Char('i') => self.sort_by(Sort { reversed: !self.sort.reversed, ..self.sort }),
            KeyCode::Char(' ') => self.mark(),
            KeyCode::Char('*') => self.mark_all(),
            KeyCode::Esc => self.escape(),
            KeyCode::Char('q') => wishes.push(Wish::Quit),
            _ => self.common_key(key),
        }
    }

    /// What works in the table and beside it.
    fn common_key(&mut self, key: KeyEvent) {
        match key.code {
            KeyCode::Char('s') => self.ask(Verb::Start),
            KeyCode::Char('x') => self.ask(Verb::Stop),
            KeyCode::Char('r') => self.ask(Verb::Restart),
            KeyCode::Char('R') => self.ask(Verb::Reload),
            KeyCode::Char('t') => self.ask(Verb::Retry),
            KeyCode::Char('c') => self.ask(Verb::Confirm),
            KeyCode::Char('z') => self.ask(Verb::Suspend),
            KeyCode::Char('Z') => self.ask(Verb::Resume),
            KeyCode::Char('a') => self.sheet = Some(Sheet::Abide(0)),
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.sheet = Some(Sheet::Help(0)),
            _ => {}
        }
    }

    /// Undoes what narrows the view, last things first.
    fn escape(&mut self) {
        if !self.marks.is_empty() {
            self.marks.clear();
        } else if self.filter.is_on() {
            self.filter = super::rows::Filter::default();
            self.arrange();
        }
    }

    fn sort_beside(&mut self, by: isize) {
        let at = Column::SORTABLE.iter().position(|column| *column == self.sort.column).unwrap_or(0);
        let next = at.saturating_add_signed(by).min(Column::SORTABLE.len() - 1);
        self.sort_by(Sort { column: Column::SORTABLE[next], reversed: false });
    }

    pub(super) fn sort_by(&mut self, sort: Sort) {
        self.sort = sort;
        self.arrange();
    }

    fn mark(&mut self) {
        if let Some(target) = self.selected().map(|row| row.target.clone()) {
            if !self.marks.remove(&target) {
                self.marks.insert(target);
            }
            self.go(self.cursor + 1);
        }
    }

    fn mark_all(&mut self) {
        self.marks = self.shown.iter().map(|at| self.rows[*at].target.clone()).collect();
    }

    // --- the closer look ---

    pub(super) fn look_closer(&mut self, log: bool, wishes: &mut Vec<Wish>) {
        let Some(target) = self.selected().map(|row| row.target.clone()) else { return };
        self.held = Some(target.clone());
        self.pane = Some(Pane { target, log: false, scroll: 0 });
        self.plan = Ok(Vec::new());
        wishes.push(Wish::Plan);
        if log {
            self.show_log(wishes);
        }
    }

    fn show_log(&mut self, wishes: &mut Vec<Wish>) {
        let Some(pane) = &mut self.pane else { return };
        pane.log = true;
        self.turn += 1;
        self.log = Log::default();
        wishes.push(Wish::Follow(self.turn, pane.target.clone()));
    }

    pub(super) fn hide_log(&mut self, wishes: &mut Vec<Wish>) {
        if let Some(pane) = &mut self.pane
            && std::mem::take(&mut pane.log)
        {
            self.turn += 1;
            self.log = Log::default();
            wishes.push(Wish::Unfollow);
        }
    }

    fn close_pane(&mut self, wishes: &mut Vec<Wish>) {
        self.hide_log(wishes);
        self.pane = None;
    }

    /// The same look at the row above or below.
    fn look_beside(&mut self, by: isize, wishes: &mut Vec<Wish>) {
        let log = self.pane.as_ref().is_some_and(|pane| pane.log);
        self.go(self.cursor.saturating_add_signed(by));
        self.hide_log(wishes);
        self.look_closer(log, wishes);
    }

    /// Whether the pane had a use for the key.
    fn pane_key(&mut self, key: KeyEvent, wishes: &mut Vec<Wish>) -> bool {
        let log = self.pane.as_ref().is_some_and(|pane| pane.log);
        match key.code {
            KeyCode::Tab | KeyCode::BackTab | KeyCode::Char('l') | KeyCode::Enter if log => self.hide_log(wishes),
            KeyCode::Tab | KeyCode::BackTab | KeyCode::Char('l') => self.show_log(wishes),
            KeyCode::Esc | KeyCode::Char('q') | KeyCode::Enter => self.close_pane(wishes),
            KeyCode::Char('J' | 'n') if key.code == KeyCode::Char('J') || !log => self.look_beside(1, wishes),
            KeyCode::Char('K' | 'p') if key.code == KeyCode::Char('K') || !log => self.look_beside(-1, wishes),
            _ if log => return self.log_key(key),
            _ => return self.page_key(key),
        }
        true
    }

    pub(super) fn page_height(&self) -> usize {
        // The pane has a line of its own for its title.
        usize::from(self.areas().pane.height).saturating_sub(1).max(1)
    }

    fn page_key(&mut self, key: KeyEvent) -> bool {
        let screen = self.page_height().max(2) - 1;
        let Some(pane) = &mut self.pane else { return false };
        match key.code {
            KeyCode::Up | KeyCode::Char('k') => pane.scroll = pane.scroll.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => pane.scroll += 1,
            KeyCode::PageUp => pane.scroll = pane.scroll.saturating_sub(screen),
            KeyCode::PageDown | KeyCode::Char(' ') => pane.scroll += screen,
            KeyCode::Home | KeyCode::Char('g') => pane.scroll = 0,
            KeyCode::End | KeyCode::Char('G') => pane.scroll = usize::MAX / 2,
            _ => {
                self.common_key(key);
                return true;
            }
        }
        true
    }

    fn log_key(&mut self, key: KeyEvent) -> bool {
        let height = self.page_height();
        let page = height.max(2).cast_signed() - 1;
        let log = &mut self.log;
        match key.code {
            KeyCode::Up | KeyCode::Char('k') => log.scroll(-1, height),
            KeyCode::Down | KeyCode::Char('j') => log.scroll(1, height),
            KeyCode::PageUp => log.scroll(-page, height),
            KeyCode::PageDown => log.scroll(page, height),
            KeyCode::Home | KeyCode::Char('g') => log.begin(),
            KeyCode::End | KeyCode::Char('G') => log.end(),
            KeyCode::Left => log.left = log.left.saturating_sub(8),
            KeyCode::Right => log.left = (log.left + 8).min(16 << 10),
            KeyCode::Char(' ' | 'p') => log.toggle(height),
            KeyCode::Char('/') => self.typing = Typing::Search(Field::new(&self.log.search)),
            KeyCode::Char('n') => self.search(false),
            KeyCode::Char('N') => self.search(true),
            _ => self.common_key(key),
        }
        true
    }

    fn search(&mut self, up: bool) {
        let height = self.page_height();
        if !self.log.search.is_empty() && !self.log.find(up, height) {
            let where_ = if up { "above" } else { "below" };
            self.message = Some((Paint::Busy, format!("no more lines {where_} with {}", self.log.search)));
        }
    }

    /// A page is scrolled no further than to its end.
    pub(super) fn settle_pane(&mut self) {
        let height = self.page_height();
        let most = match &self.pane {
            Some(pane) if !pane.log && pane.scroll > 0 => view::page_lines(self).saturating_sub(height),
            _ => return,
        };
        if let Some(pane) = &mut self.pane {
            pane.scroll = pane.scroll.min(most);
        }
    }

    // --- what is typed ---

    fn typing_key(&mut self, key: KeyEvent) {
        match (&mut self.typing, key.code) {
            (Typing::Filter(_), KeyCode::Enter | KeyCode::Down | KeyCode::Up | KeyCode::Tab) => {
                self.typing = Typing::Nobody;
            }
            (Typing::Filter(_), KeyCode::Esc) => {
                self.filter.words.clear();
                self.typing = Typing::Nobody;
                self.arrange();
            }
            (Typing::Filter(field), _) => {
                if field.key(key) {
                    self.filter.words = field.text();
                    self.held = None;
                    self.arrange();
                }
            }
            (Typing::Search(field), KeyCode::Enter) => {
                self.log.search = field.text();
                self.typing = Typing::Nobody;
                self.search(true);
            }
            (Typing::Search(_), KeyCode::Esc) => {
                self.log.search.clear();
                self.typing = Typing::Nobody;
            }
            (Typing::Search(field), _) => {
                field.key(key);
                self.log.search = field.text();
            }
            (Typing::Nobody, _) => {}
        }
    }
}
