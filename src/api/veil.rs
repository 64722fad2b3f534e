//! Lines of files for those who may read a service and not everything: values that look like secrets are hidden, character for
//! character, so that the marks under the line stay where they belong. Pure.

use crate::model::secret;

/// `line` with what looks like a secret hidden.
pub(super) fn veiled(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('=') {
        let key = key_at_end(before);
        let value = after.trim_start_matches([' ', '\t']);
        let gap = &after[..after.len() - value.len()];
        let (value, next) = value.split_at(end_of(value));
        shown.extend([before, "=", gap]);
        push(&mut shown, key, value);
        rest = next;
    }
    // What stands in no assignment, such as one line of a list.
    push(&mut shown, "", rest);
    shown
}

fn push(shown: &mut String, key: &str, value: &str) {
    let bare = value.trim_matches(['"', '\'', ' ']);
    match secret::masked(key, bare) {
        Some(_) => {
            let kept = |c: char| matches!(c, '"' | '\'' | ' ' | ',' | ']' | '}');
            shown.extend(value.chars().map(|c| if kept(c) { c } else { '*' }));
        }
        None => shown.push_str(value),
    }
}

/// The key that ends there: `environment = { DB_PASSWORD ` → `DB_PASSWORD`.
fn key_at_end(text: &str) -> &str {
    let text = text.trim_end_matches([' ', '\t', '"', '\'']);
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    &text[text.trim_end_matches(part).len()..]
}

/// Where a value ends: at its closing quote, before what follows it in a table, or with the line.
fn end_of(value: &str) -> usize {
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let mut escaped = false;
            let closing = value.char_indices().skip(1).find(|(_, c)| {
                let closes = *c == quote && !escaped;
                escaped = *c == '\\' && !escaped && quote == '"';
                closes
            });
            closing.map_or(value.len(), |(at, _)| at + 1)
        }
        Some('{' | '[') => 1,
        _ => value.find([',', '}']).unwrap_or(value.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_looks_like_a_secret_is_hidden_and_the_rest_is_not() {
        for (line, shown) in [
            ("restrat = \"always\"", "restrat = \"always\""),
            (
                "environment = { DB_PASSWORD = \"s3cret\", PORT = 80 }",
                "environment = { DB_PASSWORD = \"******\", PORT = 80 }",
            ),
            ("DB_PASSWORD = \"s3cr=t", "DB_PASSWORD = \"******"),
            ("API_TOKEN = 'a\\' # x", "API_TOKEN = '**' # x"),
            ("URL = \"postgres://u:p@h/\"", "URL = \"*****************\""),
            ("  \"postgres://u:p@h/\",", "  \"*****************\","),
            ("environment.\"SECRET\" = \"a\\\"b\"", "environment.\"SECRET\" = \"**\"*\""),
            ("command = ", "command = "),
        ] {
            assert_eq!(veiled(line), shown, "{line}");
        }
    }

    proptest! {
        #[test]
        fn every_character_keeps_its_place(line in "[ -~ä]{0,60}") {
            let shown = veiled(&line);
            prop_assert_eq!(shown.chars().count(), line.chars().count());
            prop_assert!(shown.chars().zip(line.chars()).all(|(new, old)| new == old || new == '*'));
        }
    }
}
