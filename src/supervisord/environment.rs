//! The value of `environment`: `KEY="val",KEY2=val2`, divided as Python's `shlex` does it when it is not POSIX.

use super::quoted::quoted;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Range;
use std::str::CharIndices;

/// What was not understood: where in the value, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unclear {
    pub(super) at: Range<usize>,
    pub(super) message: String,
    pub(super) help: &'static str,
}

/// The variables of `text`. Of two with the same name the later counts.
///
/// Key, `=` and value are a token each, and whatever the next token is, it stands for the comma.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, String>, Unclear> {
    let tokens = tokens(text)?;
    let mut variables = BTreeMap::new();
    for group in tokens.chunks(4) {
        let [(_, key), (_, sign), (_, value), ..] = group else { return Err(incomplete(text, group)) };
        if sign != "=" {
            return Err(incomplete(text, group));
        }
        variables.insert(key.clone(), value.trim_matches(['\'', '"']).to_owned());
    }
    Ok(variables)
}

type Token = (Range<usize>, String);

fn incomplete(text: &str, group: &[Token]) -> Unclear {
    let start = group.first().map_or(0, |(at, _)| at.start);
    let end = group.iter().take(3).next_back().map_or(text.len(), |(at, _)| at.end);
    Unclear {
        at: start..end,
        message: format!("{} are not key/value pairs", quoted(text)),
        help: "write KEY=\"value\" with commas between them; a value with other than letters, digits and _/.+-(): \
               needs quotes",
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_/.+-():".contains(c)
}

fn tokens(text: &str) -> Result<Vec<Token>, Unclear> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => {}
            '#' => skip_line(&mut chars),
            '\'' | '"' => {
                let Some((end, _)) = chars.by_ref().find(|&(_, next)| next == c) else {
                    let message = format!("no closing quotation in the key/value pairs {}", quoted(text));
                    return Err(Unclear { at: at..text.len(), message, help: "close the quotes that begin here" });
                };
                tokens.push((at..end + 1, text[at..=end].to_owned()));
            }
            _ if is_word(c) => tokens.push(word(&mut chars, at, c)),
            _ => tokens.push((at..at + c.len_utf8(), c.to_string())),
        }
    }
    Ok(tokens)
}

/// A word that begins with `c`. Quotes inside are part of it, and it goes on after a comment on the next line.
fn word(chars: &mut Peekable<CharIndices<'_>>, at: usize, c: char) -> Token {
    let mut word = String::from(c);
    let mut end = at + 1;
    while let Some((at, c)) = chars.next_if(|&(_, c)| is_word(c) || matches!(c, '\'' | '"' | '#')) {
        if c == '#' {
            skip_line(chars);
            continue;
        }
        word.push(c);
        end = at + 1;
    }
    (at..end, word)
}

fn skip_line(chars: &mut Peekable<CharIndices<'_>>) {
    chars.by_ref().find(|&(_, c)| c == '\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<(String, String)>> {
        parse(text).ok().map(|variables| variables.into_iter().collect())
    }

    #[test]
    fn results_worth_knowing() {
        let good = [
            ("A=b c", "b"),
            ("A=~/x", "~"),
            ("A=\"\"", ""),
            ("A=\"it's\"", "it's"),
            ("A=ab\"cd\"", "ab\"cd"),
            ("A=\"a\"\"b\"", "a"),
            ("A = 1", "1"),
            ("A='b,\nc=d' ,", "b,\nc=d"),
            ("A=b#c\nd", "bd"),
        ];
        for (text, value) in good {
            assert_eq!(read(text), Some(vec![("A".to_owned(), value.to_owned())]), "{text}");
        }
        for text in ["A=b c,D=e", "A=x=y", "A=a@b", "A=${H}", "A=", "A='b", "A"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read("A-B=1,\n C=2,").map(|all| all.len()), Some(2));
        assert_eq!(read("").map(|all| all.len()), Some(0));
    }

    #[test]
    fn the_pair_that_is_wrong_is_pointed_at() {
        let wrong = parse("A=1,B=,C=3").unwrap_err();
        assert_eq!(wrong.at, 8..10);
        assert!(wrong.message.contains("key/value") && wrong.message.contains("A=1,B=,C=3"));
    }
}
