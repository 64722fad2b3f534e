//! `%(name)s` in values: Python's `%` with a mapping.
//!
//! A conversion without a name is refused, where Python would write out the whole mapping.

use super::conversion::{Conversion, Flags};
use std::collections::BTreeMap;
use std::ops::Range;

/// The widest that a conversion may be: more is a mistake, and would only cost memory.
const MOST_WIDTH: usize = 4096;

/// The longest that a value may become.
const MOST_LENGTH: usize = 1 << 20;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Datum {
    Text(String),
    Number(i64),
}

/// The names that there are.
pub(super) type Names = BTreeMap<String, Datum>;

/// A conversion that cannot be done: where in the text, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unclear {
    pub(super) at: Range<usize>,
    pub(super) why: Why,
}

/// Why it cannot be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// There is no such name.
    Unknown(String),
    BadlyFormatted(String),
}

/// `text` with every name replaced. `%%` is one `%`.
pub(super) fn expand(text: &str, names: &Names) -> Result<String, Unclear> {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = text[at..].find('%') {
        out.push_str(&text[at..at + found]);
        at += found;
        let mut reader = Reader { text, at: at + 1 };
        let piece = reader.conversion(names).map_err(|why| Unclear { at: at..reader.at, why })?;
        out.push_str(&piece);
        if out.len() > MOST_LENGTH {
            let why = Why::BadlyFormatted(format!("it comes to more than {MOST_LENGTH} bytes"));
            return Err(Unclear { at: at..reader.at, why });
        }
        at = reader.at;
    }
    out.push_str(&text[at..]);
    Ok(out)
}

/// What follows a `%`.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn conversion(&mut self, names: &Names) -> Result<String, Why> {
        if self.take('%') {
            return Ok("%".to_owned());
        }
        let name = if self.take('(') { Some(self.name()?) } else { None };
        let datum = name.map(|name| names.get(&name).ok_or(Why::Unknown(name))).transpose()?;
        let bad = |why: &str| Why::BadlyFormatted(why.to_owned());
        let flags = self.flags();
        let width = self.number()?;
        let precision = if self.take('.') { Some(self.number()?) } else { None };
        if matches!(self.peek(), Some('h' | 'l' | 'L')) {
            self.at += 1;
        }
        let Some(kind) = self.peek() else {
            return Err(bad("a conversion is not complete at the end"));
        };
        self.at += kind.len_utf8();
        if kind == '*' {
            return Err(bad("'*' has no number to stand for"));
        }
        let conversion = Conversion { flags, width, precision, kind };
        match datum {
            Some(datum) => conversion.apply(datum).map_err(Why::BadlyFormatted),
            None if conversion.is_known() => Err(bad(&format!("'%{kind}' has no name in parentheses"))),
            None => Err(Why::BadlyFormatted(conversion.unknown())),
        }
    }

    /// The name up to the parenthesis that closes it. It may have others in it.
    fn name(&mut self) -> Result<String, Why> {
        let start = self.at;
        let mut depth = 1;
        while let Some(c) = self.peek() {
            self.at += c.len_utf8();
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(self.text[start..self.at - 1].to_owned());
            }
        }
        Err(Why::BadlyFormatted("the parenthesis of a name is not closed".to_owned()))
    }

    fn flags(&mut self) -> Flags {
        let mut flags = Flags::default();
        while let Some(c) = self.peek() {
            match c {
                '-' => flags.left = true,
                '+' => flags.plus = true,
                ' ' => flags.blank = true,
                '#' => flags.alternate = true,
                '0' => flags.zero = true,
                _ => break,
            }
            self.at += 1;
        }
        flags
    }

    /// A number, which is 0 if there is none.
    fn number(&mut self) -> Result<usize, Why> {
        let rest = &self.text[self.at..];
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        self.at += digits;
        if digits == 0 {
            return Ok(0);
        }
        let number = rest[..digits].parse().ok().filter(|&number| number <= MOST_WIDTH);
        number.ok_or_else(|| Why::BadlyFormatted(format!("{} is too wide", &rest[..digits])))
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self, c: char) -> bool {
        let here = self.peek() == Some(c);
        self.at += usize::from(here);
        here
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let text = |text: &str| Datum::Text(text.to_owned());
        let all = [("a", text("abc")), ("n", Datum::Number(7)), ("m", Datum::Number(-42)), ("x(y)", text("p"))];
        all.map(|(name, datum)| (name.to_owned(), datum)).into()
    }

    #[test]
    fn as_python() {
        let all = [
            ("%(a)s-%%-%(n)d", "abc-%-7"),
            ("%(n)02d|%(n)-4d|%(n)+d|%(n) d", "07|7   |+7| 7"),
            ("%(m)x|%(m)#o|%(m)06d|%(m).4d", "-2a|-0o52|-00042|-0042"),
            ("%(a)5s|%(a)-5s|%(a).2s|%(a)r", "  abc|abc  |ab|'abc'"),
            ("%(n)s|%(n)ld|%(n)c|%(x(y))s", "7|7|\u{7}|p"),
            ("%(n).2f|%(n)e|%(n)g|%(m)08.1f", "7.00|7.000000e+00|7|-00042.0"),
        ];
        for (text, said) in all {
            assert_eq!(expand(text, &names()).as_deref(), Ok(said), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        for (text, at) in [
            ("x 10% y", 4..7),
            ("%", 0..1),
            ("a %(a", 2..5),
            ("%(a)d", 0..5),
            ("%(n)*d", 0..5),
            ("%5%", 0..3),
            ("%s", 0..2),
        ] {
            let wrong = expand(text, &names()).unwrap_err();
            assert!(matches!(wrong.why, Why::BadlyFormatted(_)), "{text}");
            assert_eq!(wrong.at, at, "{text}");
        }
        let wrong = expand("é%(q)s", &names()).unwrap_err();
        assert_eq!(wrong, Unclear { at: 2..6, why: Why::Unknown("q".to_owned()) });
    }
}
