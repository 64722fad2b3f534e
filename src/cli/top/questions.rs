//! What lies over everything, and what keys do there: questions before something is done, and what is only read. Pure.

use super::field::Field;
use super::state::{Ask, Sheet, Top};
use super::talk::{Verb, Wish};
use super::view;
use crate::model::selector::Target;
use crate::model::status::State;
use crate::model::units::parse_duration;
use crate::render::status::Paint;
use crossterm::event::{KeyCode, KeyEvent};

impl Top {
    pub(super) fn sheet_key(&mut self, key: KeyEvent, wishes: &mut Vec<Wish>) {
        let Some(sheet) = &mut self.sheet else { return };
        match sheet {
            Sheet::Help(scroll) | Sheet::Abide(scroll) => match scrolled(*scroll, key.code) {
                Some(to) => *scroll = to,
                None => self.sheet = None,
            },
            Sheet::Notice(notice) => match scrolled(notice.scroll, key.code) {
                Some(to) => notice.scroll = to,
                None => self.sheet = None,
            },
            Sheet::States(at) => {
                let last = State::ALL.len();
                match key.code {
                    KeyCode::Up | KeyCode::Char('k') => *at = at.saturating_sub(1),
                    KeyCode::Down | KeyCode::Char('j') => *at = (*at + 1).min(last),
                    KeyCode::Char(' ' | 'x') => self.toggle_state(),
                    KeyCode::Char('a' | 'c') => {
                        self.filter.states.clear();
                        self.filter.trouble = false;
                        self.arrange();
                    }
                    _ => self.sheet = None,
                }
            }
            Sheet::Confirm(_) => self.confirm_key(key, wishes),
        }
    }

    fn toggle_state(&mut self) {
        let Some(Sheet::States(at)) = self.sheet else { return };
        match at.checked_sub(1).and_then(|at| view::STATES.get(at)) {
            Some(state) => {
                if !self.filter.states.remove(state) {
                    self.filter.states.insert(*state);
                }
            }
            None => self.filter.trouble = !self.filter.trouble,
        }
        self.arrange();
    }

    /// Asks before anything is done; or says that it may not be.
    pub(super) fn ask(&mut self, verb: Verb) {
        let targets: Vec<Target> = match &self.pane {
            Some(pane) => vec![pane.target.clone()],
            None if !self.marks.is_empty() => self.marks.iter().cloned().collect(),
            None => self.selected().map(|row| row.target.clone()).into_iter().collect(),
        };
        if targets.is_empty() {
            return;
        }
        if let Some(target) = targets.iter().find(|target| !self.may_act(Some(&target.service))) {
            let name = self.rights.as_ref().map(|rights| rights.name.clone()).unwrap_or_default();
            let text = format!("{name} may look at {target} and not {} it", verb.word());
            self.message = Some((Paint::Busy, text));
            return;
        }
        let (reason, lasts) = Default::default();
        self.sheet = Some(Sheet::Confirm(Ask { verb, targets, reason, lasts, second: false, wrong: None }));
    }

    fn confirm_key(&mut self, key: KeyEvent, wishes: &mut Vec<Wish>) {
        let Some(Sheet::Confirm(ask)) = &mut self.sheet else { return };
        let asks = ask.verb == Verb::Stop;
        match key.code {
            KeyCode::Esc => self.sheet = None,
            KeyCode::Enter => self.confirmed(wishes),
            KeyCode::Tab | KeyCode::BackTab | KeyCode::Up | KeyCode::Down if asks => ask.second = !ask.second,
            _ if asks => {
                ask.wrong = None;
                ask.field().key(key);
            }
            KeyCode::Char('y') => self.confirmed(wishes),
            KeyCode::Char('n' | 'q') => self.sheet = None,
            _ => {}
        }
    }

    fn confirmed(&mut self, wishes: &mut Vec<Wish>) {
        let Some(Sheet::Confirm(ask)) = &mut self.sheet else { return };
        let given = |field: &Field| Some(field.text().trim().to_owned()).filter(|text| !text.is_empty());
        let (reason, lasts) = (given(&ask.reason), given(&ask.lasts));
        if let Some(Err(bad)) = lasts.as_deref().map(parse_duration) {
            ask.wrong = Some(format!("{}; {}", bad.message, bad.help));
            ask.second = true;
            return;
        }
        let (verb, targets) = (ask.verb, std::mem::take(&mut ask.targets));
        self.sheet = None;
        self.marks.clear();
        self.message = Some((Paint::Dim, format!("{} …", verb.word())));
        wishes.push(Wish::Act { verb, targets, reason, lasts });
    }
}

impl Ask {
    /// The one that is typed in.
    pub(super) fn field(&mut self) -> &mut Field {
        if self.second { &mut self.lasts } else { &mut self.reason }
    }
}

/// Where a key scrolls to; `None`: it puts the sheet away.
fn scrolled(at: usize, code: KeyCode) -> Option<usize> {
    match code {
        KeyCode::Up | KeyCode::Char('k') => Some(at.saturating_sub(1)),
        KeyCode::Down | KeyCode::Char('j') => Some(at + 1),
        KeyCode::PageUp => Some(at.saturating_sub(10)),
        KeyCode::PageDown | KeyCode::Char(' ') => Some(at + 10),
        KeyCode::Home | KeyCode::Char('g') => Some(0),
        KeyCode::End | KeyCode::Char('G') => Some(usize::MAX / 2),
        _ => None,
    }
}
