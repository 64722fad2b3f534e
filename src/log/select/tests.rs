use super::*;
use crate::log::format::{Formatter, Stream, Taken, Whose};
use crate::model::logging::LogFormat;
use proptest::prelude::*;
use std::time::Duration;

const WHOSE: Whose<'_> = Whose { service: "web", instance: 0, pid: 1 };

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|&word| word.to_owned()).collect()
}

#[allow(clippy::needless_pass_by_value, reason = "as the tests write it")]
fn sieve(selection: Selection) -> Sieve {
    Sieve::new(&selection).unwrap().unwrap()
}

/// What stands in a plain file of `bytes`, which come at once.
fn through(sieve: &Sieve, bytes: &[u8], gate: &mut Gate, now: i64) -> (Taken, String) {
    let mut out = Vec::new();
    let formatter = Formatter::new(LogFormat::Plain, 16, WHOSE, Stream::Both, now).through(Some(sieve));
    let taken = formatter.write(bytes, true, u64::MAX, true, gate, &mut out);
    (taken, String::from_utf8_lossy(&out).into_owned())
}

fn kept(selection: Selection, text: &str) -> String {
    through(&sieve(selection), text.as_bytes(), &mut Gate::default(), 0).1
}

#[test]
fn nothing_asked_for_is_no_sieve() {
    assert!(Sieve::new(&Selection::default()).unwrap().is_none());
    assert!(Sieve::new(&Selection { include: words(&["("]), ..Selection::default() }).is_err());
}

#[test]
fn lines_are_kept_that_are_asked_for() {
    let include = words(&["^ERROR", "(?i)warn"]);
    let exclude = words(&["harmless$"]);
    let text = "ERROR a\nINFO b\nWarning c\nERROR harmless\nERROR harmless\r\n";
    assert_eq!(kept(Selection { include, exclude, ..Selection::default() }, text), "ERROR a\nWarning c\n");
    assert_eq!(kept(Selection { exclude: words(&["^$"]), ..Selection::default() }, "\na\n\n"), "a\n");
}

#[test]
fn what_becomes_of_a_line_becomes_of_all_its_parts() {
    let sieve = sieve(Selection { include: words(&["^yes"]), ..Selection::default() });
    let mut gate = Gate::default();
    let (taken, text) = through(&sieve, b"yes 0123456789abcdef\nno 0123456789abcdef yes\nyes, part", &mut gate, 0);
    assert_eq!(text, "yes 0123456789abcdef\nyes, part");
    assert_eq!((taken.bytes, taken.left_out), (54, Tally { bytes: 24, lines: 1 }));
    // It goes on in the next look.
    assert_eq!(gate.within, Some(Verdict::Written));
    assert_eq!(through(&sieve, b" of it\nbut no\n", &mut gate, 0).1, " of it\n");
}

#[test]
fn secrets_are_taken_out() {
    let redact = |patterns: &[&str], text| kept(Selection { redact: words(patterns), ..Selection::default() }, text);
    assert_eq!(redact(&["secret"], "a secret b\n"), "a [redacted] b\n");
    assert_eq!(redact(&[r"pw=(\S+)", "b+"], "pw=x bb pw=y\n"), "pw=[redacted] [redacted] pw=[redacted]\n");
    assert_eq!(redact(&["((u)s)(er)"], "a user\n"), "a [redacted][redacted]\n");
    assert_eq!(redact(&["x*"], "aa\n"), "aa\n");
    // Neither where a line is cut,
    assert_eq!(redact(&["pw=[a-z]+"], "0123456789 pw=abcdef end\n"), "0123456789 [redacted] end\n");
    // nor in bytes that are no text.
    let sieve = sieve(Selection { redact: words(&["pw=.*"]), ..Selection::default() });
    let mut out = Vec::new();
    let formatter = Formatter::new(LogFormat::Plain, 64, WHOSE, Stream::Both, 0).through(Some(&sieve));
    formatter.write(b"\xff pw=a\n", true, u64::MAX, true, &mut Gate::default(), &mut out);
    assert_eq!(out, b"\xff [redacted]\n");
}

#[test]
fn a_secret_that_is_on_its_way_is_waited_for() {
    let sieve = sieve(Selection { redact: words(&["pw=[a-z]+;"]), ..Selection::default() });
    assert_eq!(sieve.first(b"0123456789 pw=abcdef", 16, false), None);
    let cut = sieve.first(b"0123456789 pw=abcdef; etc\n", 16, false).unwrap();
    assert_eq!(cut, Piece { text: b"0123456789 ", ended: false });
}

#[test]
fn colours_are_stripped_and_nothing_else() {
    let strip = |text: &[u8]| {
        let sieve = sieve(Selection { ansi: Ansi::Strip, ..Selection::default() });
        let mut out = Vec::new();
        let formatter = Formatter::new(LogFormat::Plain, 400, WHOSE, Stream::Both, 0).through(Some(&sieve));
        formatter.write(text, true, u64::MAX, true, &mut Gate::default(), &mut out);
        out
    };
    assert_eq!(strip(b"\x1b[1;31mred\x1b[0m \x1b[38;2;1;2;3mrgb\x1b[m\x1b[K\n"), b"red rgb\n");
    assert_eq!(strip(b"\x1b]8;;http://a\x1b\\link\x1b]8;;\x07 \x1b(B\x1b7\x1b=x\n"), b"link x\n");
    assert_eq!(strip(b"tab\t bell\x07 \xff \xc3\xa9 \x9b1m\r\n"), b"tab\t bell\x07 \xff \xc3\xa9 \x9b1m\r\n");
    // What is no sequence stays.
    assert_eq!(strip(b"end \x1b[3\n"), b"end \x1b[3\n");
}

#[test]
fn colours_hide_no_line_from_a_pattern() {
    let selection = Selection { include: words(&["^ERROR"]), ansi: Ansi::Strip, ..Selection::default() };
    assert_eq!(kept(selection, "\x1b[31mERROR\x1b[0m\n\x1b[1mINFO\n"), "ERROR\n");
}

#[test]
fn a_flood_is_cut_to_its_rate() {
    let rate_limit = Some(Rate { lines: 3, per: Duration::from_secs(1) });
    let sieve = sieve(Selection { rate_limit, exclude: words(&["x"]), ..Selection::default() });
    let mut gate = Gate::default();
    let (taken, text) = through(&sieve, b"a\nx\nb\nc\nd\ne\n", &mut gate, 1_000_000);
    assert_eq!(text, "a\nb\nc\n");
    assert_eq!((taken.bytes, taken.lines), (12, 6));
    assert_eq!((taken.left_out, taken.limited), (Tally { bytes: 2, lines: 1 }, Tally { bytes: 4, lines: 2 }));
    // A third of the time later there is room for one.
    assert_eq!(through(&sieve, b"f\ng\n", &mut gate, 1_333_333).1, "");
    assert_eq!(through(&sieve, b"f\ng\n", &mut gate, 1_333_334).1, "f\n");
    // A clock that is set back gives nothing, and takes nothing.
    assert_eq!(through(&sieve, b"h\n", &mut gate, 0).1, "");
    assert_eq!(through(&sieve, b"i\nj\nk\nl\n", &mut gate, 1_000_000).1, "i\nj\nk\n");
}

proptest! {
    #[test]
    fn no_span_of_time_gets_more_than_its_rate(
        looks in prop::collection::vec((0_i64..2_000_000, 1_usize..20), 1..40),
        lines in 1_u32..20,
        per in 1_u64..3000,
    ) {
        let rate = Rate { lines, per: Duration::from_millis(per) };
        let sieve = sieve(Selection { rate_limit: Some(rate), ..Selection::default() });
        let (mut gate, mut now, mut written) = (Gate::default(), 1_700_000_000_000_000, Vec::new());
        for (pause, count) in looks {
            now += pause;
            let (taken, _) = through(&sieve, &b"x\n".repeat(count), &mut gate, now);
            let kept = taken.lines - taken.limited.lines;
            written.push((now, kept));
            // As many as came, if there is room.
            prop_assert!(kept > 0 || taken.limited.lines == count as u64);
        }
        for (first, (from, _)) in written.iter().enumerate() {
            let mut sum = 0;
            for (to, count) in &written[first..] {
                sum += count;
                let most = u128::from(lines) + (to - from) as u128 * u128::from(lines) / rate.per.as_micros();
                prop_assert!(u128::from(sum) <= most);
            }
        }
    }

    #[test]
    fn a_sieve_that_lets_all_through_changes_nothing(
        bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), any::<u8>()], 0..200),
        room in 0_u64..200,
        (all, at_least_one) in any::<(bool, bool)>(),
        format in prop_oneof![Just(LogFormat::Text), Just(LogFormat::Json), Just(LogFormat::Plain)],
    ) {
        let sieve = sieve(Selection { exclude: words(&[r"\z\A."]), ..Selection::default() });
        let formatter = || Formatter::new(format, 16, WHOSE, Stream::Both, 0);
        let (mut plain, mut sifted) = (Vec::new(), Vec::new());
        let one = formatter().write(&bytes, all, room, at_least_one, &mut Gate::default(), &mut plain);
        let sieved = formatter().through(Some(&sieve));
        let other = sieved.write(&bytes, all, room, at_least_one, &mut Gate::default(), &mut sifted);
        prop_assert_eq!((one.bytes, one.lines), (other.bytes, other.lines));
        prop_assert_eq!(plain, sifted);
    }

    #[test]
    fn a_short_secret_never_gets_through(
        before in "[ab ]{0,40}",
        after in "[ab ]{0,40}",
        cut in 0_usize..100,
    ) {
        let text = format!("{before}k=1234;{after}\n");
        let sieve = sieve(Selection { redact: words(&["k=([0-9]+);"]), ..Selection::default() });
        let (mut out, mut gate, mut rest) = (Vec::new(), Gate::default(), text.as_bytes());
        let formatter = Formatter::new(LogFormat::Plain, 16, WHOSE, Stream::Both, 0).through(Some(&sieve));
        // It arrives in two.
        for upto in [cut.min(text.len()), text.len()] {
            let there = &rest[..upto - (text.len() - rest.len())];
            let taken = formatter.write(there, false, u64::MAX, true, &mut gate, &mut out);
            rest = &rest[taken.bytes..];
        }
        prop_assert_eq!(String::from_utf8(out).unwrap(), format!("{before}k=[redacted];{after}\n"));
    }
}
