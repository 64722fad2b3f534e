//! A line that is typed. Pure.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Nobody types more.
const LONGEST: usize = 400;

/// What was typed so far, and where the cursor stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Field {
    chars: Vec<char>,
    /// In characters from the left.
    pub(super) cursor: usize,
}

impl Field {
    /// With `text` in it, the cursor behind.
    pub(super) fn new(text: &str) -> Self {
        let chars: Vec<char> = text.chars().take(LONGEST).collect();
        Self { cursor: chars.len(), chars }
    }

    /// What stands there.
    pub(super) fn text(&self) -> String {
        self.chars.iter().collect()
    }

    /// What stands before the cursor.
    pub(super) fn before(&self) -> String {
        self.chars[..self.cursor].iter().collect()
    }

    /// Takes a key; whether it was one for a field.
    pub(super) fn key(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('u') if control => {
                self.chars.drain(..self.cursor);
                self.cursor = 0;
            }
            KeyCode::Char('w') if control => self.erase_word(),
            KeyCode::Char('a') if control => self.cursor = 0,
            KeyCode::Char('e') if control => self.cursor = self.chars.len(),
            KeyCode::Char(_) if control || key.modifiers.contains(KeyModifiers::ALT) => return false,
            KeyCode::Char(c) => self.insert(c),
            KeyCode::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.chars.remove(self.cursor);
            }
            KeyCode::Backspace => {}
            KeyCode::Delete if self.cursor < self.chars.len() => {
                self.chars.remove(self.cursor);
            }
            KeyCode::Left => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Right => self.cursor = (self.cursor + 1).min(self.chars.len()),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.chars.len(),
            _ => return false,
        }
        true
    }

    fn insert(&mut self, c: char) {
        if !c.is_control() && self.chars.len() < LONGEST {
            self.chars.insert(self.cursor, c);
            self.cursor += 1;
        }
    }

    fn erase_word(&mut self) {
        let blank = |c: &char| c.is_whitespace();
        let before = &self.chars[..self.cursor];
        let word = before
            .iter()
            .rposition(|c| !blank(c))
            .map_or(0, |end| before[..end].iter().rposition(blank).map_or(0, |at| at + 1));
        self.chars.drain(word..self.cursor);
        self.cursor = word;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(field: &mut Field, code: KeyCode, modifiers: KeyModifiers) {
        field.key(KeyEvent::new(code, modifiers));
    }

    #[test]
    fn a_line_is_edited_as_in_a_shell() {
        let mut field = Field::new("disk  full");
        press(&mut field, KeyCode::Char('w'), KeyModifiers::CONTROL);
        assert_eq!((field.text().as_str(), field.cursor), ("disk  ", 6));
        press(&mut field, KeyCode::Char('w'), KeyModifiers::CONTROL);
        assert_eq!(field.text(), "");
        for c in "añb".chars() {
            press(&mut field, KeyCode::Char(c), KeyModifiers::NONE);
        }
        press(&mut field, KeyCode::Left, KeyModifiers::NONE);
        press(&mut field, KeyCode::Backspace, KeyModifiers::NONE);
        assert_eq!((field.text().as_str(), field.before().as_str()), ("ab", "a"));
        press(&mut field, KeyCode::Char('u'), KeyModifiers::CONTROL);
        assert_eq!((field.text().as_str(), field.cursor), ("b", 0));
    }
}
