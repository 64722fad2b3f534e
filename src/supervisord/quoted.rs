//! Text in quotes as Python writes it, which is how supervisord's messages have it.

use std::fmt::Write as _;

/// The most characters of a text that a message quotes. A text of that length is no value that anybody wrote.
const MOST: usize = 4096;

/// `text` in quotes for a message. The end of a very long one is left out.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(MOST) {
        Some((end, _)) => quoted_in_full(&format!("{}…", &text[..end])),
        None => quoted_in_full(text),
    }
}

/// `text` in quotes, with what cannot be seen escaped.
pub(super) fn quoted_in_full(text: &str) -> String {
    in_quotes(text, |c| !c.is_control() && !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{feff}'))
}

/// `text` in quotes, with all that is not ASCII escaped.
pub(super) fn quoted_ascii(text: &str) -> String {
    in_quotes(text, |c| matches!(c, ' '..='~'))
}

fn in_quotes(text: &str, plain: impl Fn(char) -> bool) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            _ if c == quote => out.extend(['\\', c]),
            _ if plain(c) => out.push(c),
            _ => escape(&mut out, c),
        }
    }
    out.push(quote);
    out
}

fn escape(out: &mut String, c: char) {
    let code = u32::from(c);
    let written = match code {
        0..=0xff => write!(out, "\\x{code:02x}"),
        0x100..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
    written.expect("a String takes all that is written to it");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_python() {
        assert_eq!(quoted("a'b"), "\"a'b\"");
        assert_eq!(quoted("a'\"b"), "'a\\'\"b'");
        assert_eq!(quoted("é\n\u{7}\\"), "'é\\n\\x07\\\\'");
        assert_eq!(quoted(&"é".repeat(5000)).chars().count(), 4099);
        assert_eq!(quoted_ascii("é€😀"), "'\\xe9\\u20ac\\U0001f600'");
    }
}
