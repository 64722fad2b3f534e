//! A command to words, as Python's `shlex.split` does it: a POSIX shell's quoting and nothing else of a shell.

/// The words of `command`, or why there are none.
pub(super) fn split(command: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                until(&mut chars, '\'', word)?;
            }
            '"' => {
                let word = word.get_or_insert_default();
                until(&mut chars, '"', word)?;
            }
            '\\' => word.get_or_insert_default().push(chars.next().ok_or("No escaped character")?),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Adds all up to the closing `quote`. In double quotes a backslash escapes itself and the quote.
fn until(chars: &mut std::str::Chars<'_>, quote: char, word: &mut String) -> Result<(), String> {
    while let Some(c) = chars.next() {
        if c == quote {
            return Ok(());
        }
        if c != '\\' || quote == '\'' {
            word.push(c);
            continue;
        }
        let escaped = chars.next().ok_or("No escaped character")?;
        if !matches!(escaped, '\\' | '"') {
            word.push('\\');
        }
        word.push(escaped);
    }
    Err("No closing quotation".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting() {
        assert_eq!(split(r#"a 'b c' "d\"\e" f\ g #h"#).unwrap(), ["a", "b c", r#"d"\e"#, "f g", "#h"]);
        assert_eq!(split("\n/bin/x\n  -y ''").unwrap(), ["/bin/x", "-y", ""]);
        assert!(split("").unwrap().is_empty());
        assert_eq!(split("sh -c 'x").unwrap_err(), "No closing quotation");
        assert_eq!(split("x \\").unwrap_err(), "No escaped character");
    }
}
