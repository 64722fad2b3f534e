//! Patterns that `[ready] log` looks for, and that `[log]` selects by: one place says what is a legal one, and how it
//! is understood. Of bytes, since output need not be text.

use regex::bytes::{Regex, RegexBuilder};

/// The longest pattern, in bytes.
pub const MAX_PATTERN: usize = 4096;

/// A pattern that is understood.
pub type Pattern = Regex;

/// The most memory that a pattern may take once it is understood, in bytes.
const MAX_SIZE: usize = 1 << 20;

/// Understands a pattern; or why it cannot be, for people.
pub fn compile(text: &str) -> Result<Regex, String> {
    if text.len() > MAX_PATTERN {
        return Err(format!("it is longer than {MAX_PATTERN} bytes"));
    }
    RegexBuilder::new(text).size_limit(MAX_SIZE).build().map_err(|error| {
        // The library draws the pattern and points into it; its last line says what is wrong.
        error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_pattern_or_too_large_is_refused_with_a_reason() {
        assert!(compile("listening on .*:(\\d+)$").unwrap().is_match(b"now listening on :80"));
        assert!(!compile("(").unwrap_err().is_empty());
        assert!(!compile("(a{1000}){1000}").unwrap_err().is_empty());
        assert!(compile(&"a".repeat(MAX_PATTERN + 1)).unwrap_err().contains("longer"));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[a-z(){}\\[\\]*+?|^$.\\\\0-9-]{0,60}") {
            let _ = compile(&text);
        }
    }
}
