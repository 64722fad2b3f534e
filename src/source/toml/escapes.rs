//! Where a character of a string's value stands in the text that wrote it.

/// The byte offset within `raw` (a TOML string with its quotes, as it stands in the file) of the
/// byte `at` of its value. What cannot be followed falls back to the opening quote.
pub(crate) fn raw_offset(raw: &str, at: usize) -> usize {
    let multi = raw.starts_with("\"\"\"") || raw.starts_with("'''");
    let quote = if multi { 3 } else { 1 };
    let Some(mut rest) = raw.get(quote..) else { return 0 };
    if multi {
        rest = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')).unwrap_or(rest);
    }
    let escapes = raw.starts_with('"');
    let mut value = 0;
    while value < at && !rest.is_empty() {
        let (taken, made) = if escapes && rest.starts_with('\\') { escape(rest) } else { plain(rest) };
        value += made;
        rest = rest.get(taken..).unwrap_or("");
    }
    // A line-ending backslash makes nothing: what follows it stands behind it.
    while escapes && rest.starts_with('\\') && escape(rest).1 == 0 {
        rest = rest.get(escape(rest).0..).unwrap_or("");
    }
    if value == at && !rest.is_empty() { raw.len() - rest.len() } else { 0 }
}

/// One character: bytes taken from the text, bytes of value made.
fn plain(rest: &str) -> (usize, usize) {
    let length = rest.chars().next().map_or(1, char::len_utf8);
    (length, length)
}

/// One escape sequence, likewise.
fn escape(rest: &str) -> (usize, usize) {
    let digits = match rest.as_bytes().get(1) {
        Some(b'x') => 2,
        Some(b'u') => 4,
        Some(b'U') => 8,
        Some(b' ' | b'\t' | b'\r' | b'\n') => {
            let after = rest[1..].trim_start_matches([' ', '\t', '\r', '\n']);
            return (rest.len() - after.len(), 0);
        }
        _ => return (2, 1),
    };
    let number = rest.get(2..2 + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    (2 + digits, number.and_then(char::from_u32).map_or(1, char::len_utf8))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The place of the first `$` of the value, by looking and by computing.
    #[track_caller]
    fn agrees(raw: &str) {
        let text = format!("a = {raw}");
        let table: ::toml::Table = text.parse().expect("TOML");
        let value = table["a"].as_str().expect("a string");
        let at = value.find('$').expect("a dollar");
        assert_eq!(raw_offset(raw, at), raw.find('$').expect("a dollar"), "{raw}");
    }

    proptest::proptest! {
        #[test]
        fn offsets_survive_whatever_was_escaped(before in "[a\n\r\t\"'\\\\ü\u{7f} ]{0,12}", after in "[\"'a]{0,3}") {
            agrees(&::toml::Value::String(format!("{before}${after}")).to_string());
        }
    }

    #[test]
    fn offsets_survive_every_kind_of_string() {
        agrees(r#""plain $""#);
        agrees(r#""\t\u00fc\"\\$""#);
        agrees("'literal \\t $'");
        agrees("\"\"\"\nfirst\nsecond $\"\"\"");
        agrees("\"\"\"a \\\n   $\"\"\"");
        agrees("'''\r\nx\r\ny$'''");
        agrees("\"\"\"\r\nx\r\ny$\"\"\"");
        agrees("\"$\"");
        assert_eq!(raw_offset("", 3), 0);
        assert_eq!(raw_offset("\"a\"", 30), 0);
    }
}
