//! tai64nlocal: turns a label at the start of a line into local time.

use std::ffi::OsString;

use super::{filter, number};
use crate::host::sys::localtime::{self, Local};
use crate::model::time::TAI64_OF_1970;

/// Where in a line we are.
enum Place {
    Start,
    /// In a label.
    Label(Label),
    Rest,
}

/// What has been read of a label.
#[derive(Default)]
struct Label {
    seconds: u64,
    nanoseconds: u32,
    /// As they came, for a time that cannot be shown.
    digits: Vec<u8>,
}

impl Label {
    fn push(&mut self, digit: u32, byte: u8) {
        self.seconds = self.seconds << 4 | u64::from(self.nanoseconds >> 28);
        self.nanoseconds = self.nanoseconds << 4 | digit;
        self.digits.push(byte);
    }

    fn show(&self, out: &mut Vec<u8>, local: impl Fn(i64) -> Option<Local>) {
        let Some(time) = local(self.seconds.wrapping_sub(TAI64_OF_1970) as i64) else {
            out.push(b'@');
            out.extend_from_slice(&self.digits);
            return;
        };
        // Years before 0 come out as the original shows them: as huge numbers.
        let year = i64::from(time.year.wrapping_add(1900)) as u64;
        number::push(out, year, 1);
        let parts =
            [(b'-', time.month + 1), (b'-', time.day), (b' ', time.hour), (b':', time.minute), (b':', time.second)];
        for (separator, part) in parts {
            out.push(separator);
            number::push(out, u64::from(part.unsigned_abs()), 2);
        }
        out.push(b'.');
        number::push(out, u64::from(self.nanoseconds), 9);
    }
}

/// The value of a digit; upper case is none.
fn digit(byte: u8) -> Option<u32> {
    if byte.is_ascii_uppercase() { None } else { char::from(byte).to_digit(16) }
}

/// Appends `input` with labels turned into local time.
fn translate(place: &mut Place, input: &[u8], out: &mut Vec<u8>, local: impl Fn(i64) -> Option<Local>) {
    for &byte in input {
        match (&mut *place, digit(byte)) {
            (Place::Start, _) if byte == b'@' => {
                *place = Place::Label(Label::default());
                continue;
            }
            (Place::Label(label), Some(value)) => {
                label.push(value, byte);
                continue;
            }
            (Place::Label(label), None) => label.show(out, &local),
            _ => {}
        }
        out.push(byte);
        *place = if byte == b'\n' { Place::Start } else { Place::Rest };
    }
}

/// The tool.
pub(super) fn run(_words: &[OsString]) -> u8 {
    let mut place = Place::Start;
    filter::run(|input, out| translate(&mut place, input, out, localtime::local))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A stand-in for local time: 1970 and the seconds.
    fn minutes(seconds: i64) -> Option<Local> {
        let part = i32::try_from(seconds).ok()?;
        Some(Local { year: 70, month: 0, day: 1, hour: 0, minute: part / 60, second: part % 60 })
    }

    fn translated(pieces: &[&[u8]]) -> String {
        let mut place = Place::Start;
        let mut out = Vec::new();
        for piece in pieces {
            translate(&mut place, piece, &mut out, minutes);
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn labels_at_the_start_of_a_line() {
        assert_eq!(translated(&[b"@400000000000004b00000001 x\n"]), "1970-01-01 00:01:05.000000001 x\n");
        assert_eq!(translated(&[b"@400000000000000affffffffG@\n"]), "1970-01-01 00:00:00.4294967295G@\n");
        assert_eq!(translated(&[b"f400000000000000b00000000\n"]), "f400000000000000b00000000\n");
        assert_eq!(translated(&[b" @400000000000000b00000000\n"]), " @400000000000000b00000000\n");
        assert_eq!(translated(&[b"x\n@400000000000000b00000000"]), "x\n");
    }

    #[test]
    fn what_cannot_be_shown_stays() {
        for line in ["@\n", "@ x\n", "@12\n", "@400000000000000B00000000 x\n", "@@\n"] {
            assert_eq!(translated(&[line.as_bytes()]), line);
        }
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(text in "([@0-9a-fA-F\n]|@400000000000000){0,12}", cut in 0..60_usize) {
            let (start, end) = text.as_bytes().split_at(cut.min(text.len()));
            prop_assert_eq!(translated(&[start, end]), translated(&[text.as_bytes()]));
        }
    }
}
