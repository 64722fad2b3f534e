//! What a process said, as an event carries it.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The bytes as an event carries them: as they are, or `Undecodable: ` and how Python writes them.
pub(super) fn payload(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(format!("Undecodable: {}", python_bytes(bytes))),
    }
}

/// A literal of these bytes as Python's `repr` has it.
fn python_bytes(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut literal = format!("b{quote}");
    for &byte in bytes {
        match byte {
            b'\t' => literal.push_str("\\t"),
            b'\n' => literal.push_str("\\n"),
            b'\r' => literal.push_str("\\r"),
            b'\\' => literal.push_str("\\\\"),
            b' '..=b'~' if char::from(byte) == quote => literal.extend(['\\', quote]),
            b' '..=b'~' => literal.push(char::from(byte)),
            _ => {
                let _ = write!(literal, "\\x{byte:02x}");
            }
        }
    }
    literal.push(quote);
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_written_as_python_does() {
        assert_eq!(payload("hé".as_bytes()), "hé");
        assert_eq!(payload(b"\xff'\"\t\n\x00\\z"), r#"Undecodable: b'\xff\'"\t\n\x00\\z'"#);
        assert_eq!(payload(b"\xff'\r\x7f"), r#"Undecodable: b"\xff'\r\x7f""#);
    }
}
