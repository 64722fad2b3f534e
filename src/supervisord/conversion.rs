//! One conversion of Python's `%`, such as `02d`, done to a text or a number.

use super::expand::Datum;
use super::quoted::{quoted, quoted_ascii, quoted_in_full};

/// The flags that may stand before the width.
#[derive(Debug, Default, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct Flags {
    pub(super) left: bool,
    pub(super) plus: bool,
    pub(super) blank: bool,
    pub(super) alternate: bool,
    pub(super) zero: bool,
}

/// What stands after the name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conversion {
    pub(super) flags: Flags,
    pub(super) width: usize,
    pub(super) precision: Option<usize>,
    /// The letter.
    pub(super) kind: char,
}

impl Conversion {
    /// Whether there is such a letter.
    pub(super) fn is_known(&self) -> bool {
        "diouxXeEfFgGcrsa".contains(self.kind)
    }

    /// Why there is none.
    pub(super) fn unknown(&self) -> String {
        format!("there is no conversion with {}", quoted(&self.kind.to_string()))
    }

    /// `datum` as it wants it, or why that cannot be.
    pub(super) fn apply(&self, datum: &Datum) -> Result<String, String> {
        if !self.is_known() {
            return Err(self.unknown());
        }
        match (self.kind, datum) {
            ('s', Datum::Text(text)) => Ok(self.text(text)),
            ('r', Datum::Text(text)) => Ok(self.text(&quoted_in_full(text))),
            ('a', Datum::Text(text)) => Ok(self.text(&quoted_ascii(text))),
            ('s' | 'r' | 'a', Datum::Number(number)) => Ok(self.text(&number.to_string())),
            ('c', datum) => self.character(datum),
            (kind, Datum::Text(_)) => Err(format!("'%{kind}' wants a number, and this is text")),
            (_, Datum::Number(number)) => Ok(self.number(*number)),
        }
    }

    fn text(&self, text: &str) -> String {
        let text: String = text.chars().take(self.precision.unwrap_or(usize::MAX)).collect();
        self.padded(&text)
    }

    fn padded(&self, text: &str) -> String {
        let width = self.width;
        if self.flags.left { format!("{text:<width$}") } else { format!("{text:>width$}") }
    }

    fn character(&self, datum: &Datum) -> Result<String, String> {
        let one = match datum {
            Datum::Number(number) => u32::try_from(*number).ok().and_then(char::from_u32),
            Datum::Text(text) => {
                let mut chars = text.chars();
                chars.next().filter(|_| chars.next().is_none())
            }
        };
        one.map(|c| self.padded(&c.to_string())).ok_or_else(|| "'%c' wants a single character".to_owned())
    }

    fn number(&self, number: i64) -> String {
        let sign = match number {
            ..0 => "-",
            _ if self.flags.plus => "+",
            _ if self.flags.blank => " ",
            _ => "",
        };
        let (prefix, digits) = self.digits(number);
        let taken = sign.len() + prefix.len() + digits.len();
        let zeros = if self.flags.zero && !self.flags.left { self.width.saturating_sub(taken) } else { 0 };
        self.padded(&format!("{sign}{prefix}{}{digits}", "0".repeat(zeros)))
    }

    /// What shows the base, if anything does, and the digits without a sign.
    fn digits(&self, number: i64) -> (&'static str, String) {
        let size = number.unsigned_abs();
        let least = self.precision.unwrap_or(0);
        let prefix = |prefix| if self.flags.alternate { prefix } else { "" };
        match self.kind {
            'x' => (prefix("0x"), format!("{size:0>least$x}")),
            'X' => (prefix("0X"), format!("{size:0>least$X}")),
            'o' => (prefix("0o"), format!("{size:0>least$o}")),
            'd' | 'i' | 'u' => ("", format!("{size:0>least$}")),
            _ => {
                #[allow(clippy::cast_precision_loss, reason = "Python rounds it too")]
                let size = size as f64;
                ("", self.real(size))
            }
        }
    }

    fn real(&self, size: f64) -> String {
        let precision = self.precision.unwrap_or(6);
        let point = if self.flags.alternate && precision == 0 { "." } else { "" };
        let real = match self.kind {
            'e' | 'E' => exponential(size, precision, point),
            'f' | 'F' => format!("{size:.precision$}{point}"),
            _ => self.general(size, precision.max(1)),
        };
        if self.kind.is_ascii_uppercase() { real.to_uppercase() } else { real }
    }

    /// The shorter of the two ways, with `precision` digits in all.
    fn general(&self, size: f64, precision: usize) -> String {
        let exponential = exponential(size, precision - 1, "");
        let exponent = exponential.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0_usize);
        if exponent < precision {
            return self.without_zeros(&format!("{size:.*}", precision - 1 - exponent));
        }
        let (mantissa, exponent) = exponential.split_once('e').unwrap_or((&exponential, "+00"));
        format!("{}e{exponent}", self.without_zeros(mantissa))
    }

    fn without_zeros(&self, real: &str) -> String {
        match (self.flags.alternate, real.contains('.')) {
            (true, false) => format!("{real}."),
            (false, true) => real.trim_end_matches('0').trim_end_matches('.').to_owned(),
            _ => real.to_owned(),
        }
    }
}

fn exponential(size: f64, precision: usize, point: &str) -> String {
    let plain = format!("{size:.precision$e}");
    let (mantissa, exponent) = plain.split_once('e').unwrap_or((&plain, "0"));
    format!("{mantissa}{point}e+{exponent:0>2}")
}
