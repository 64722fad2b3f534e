//! tai64n and tai64nlocal.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use proptest::prelude::*;

use crate::common::{Outcome, Pair, Run, cases};

/// Cuts the labels off the lines; gives their number. Each has to be a time of now.
fn without_labels(stamped: &[u8]) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs();
    let mut rest = Vec::new();
    for line in stamped.split_inclusive(|&byte| byte == b'\n') {
        let label = std::str::from_utf8(&line[..26]).expect("a label is ASCII");
        assert!(label.starts_with('@') && label.ends_with(' '), "{label}");
        let seconds = u64::from_str_radix(&label[1..17], 16).expect("a label has digits");
        let nanoseconds = u64::from_str_radix(&label[17..25], 16).expect("a label has digits");
        assert!((now - 60..=now).contains(&(seconds - (1 << 62) - 10)), "{label}");
        assert_eq!(nanoseconds % 1000, 500, "{label}");
        rest.extend_from_slice(&line[26..]);
    }
    rest
}

#[test]
fn lines_are_stamped() {
    let Some(pair) = Pair::find("tai64n") else { return };
    let text = prop_oneof!["[ab\n]{0,20}", "[ab\n]{1000,3000}", "\n{0,3000}"];
    proptest!(cases(60), |(text in text)| {
        let outcomes = pair.run(&Run::new(["ignored"]).input(text.as_bytes()));
        for outcome in outcomes {
            prop_assert_eq!(outcome.code, Some(0));
            prop_assert_eq!(without_labels(&outcome.stdout), text.as_bytes());
        }
    });
}

/// A piece comes out before the next goes in.
#[test]
fn nothing_lingers() {
    for (name, length) in [("tai64n", 26), ("tai64nlocal", 0)] {
        let Some(pair) = Pair::find(name) else { return };
        for program in pair.programs() {
            let none: [&str; 0] = [];
            let mut command = Run::new(none).command(program, name);
            let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
            let mut child = child.expect("the tool can be started");
            let mut input = child.stdin.take().expect("it is a pipe");
            let mut output = child.stdout.take().expect("it is a pipe");
            for (piece, length) in [("a", length + 1), ("b\n", 2), ("\n", length + 1)] {
                input.write_all(piece.as_bytes()).expect("the tool reads");
                let mut seen = vec![0; length];
                output.read_exact(&mut seen).expect("the tool writes");
                assert!(seen.ends_with(piece.as_bytes()));
            }
            drop(input);
            assert!(child.wait().expect("it is our child").success());
        }
    }
}

const ZONES: [&str; 14] = [
    "UTC",
    "",
    "Europe/Berlin",
    "America/New_York",
    ":Asia/Kathmandu",
    "Australia/Lord_Howe",
    "EST5EDT",
    "<+03>-3",
    "CET-1CEST,M3.5.0,M10.5.0/3",
    "No/Such_Zone",
    "right/UTC",
    "XYZ-24:59:59",
    "/does/not/exist",
    "Asia/Gaza",
];

/// The first digits of labels whose years come near to what can be represented, and ordinary ones.
fn label() -> impl Strategy<Value = String> {
    let seconds = prop_oneof![
        8 => 0..4_000_000_000_i64,
        2 => -100_000_000_000..100_000_000_000_i64,
        1 => 67_768_036_191_000_000..67_768_036_192_000_000_i64,
        1 => -67_768_040_610_000_000..-67_768_040_609_000_000_i64,
        1 => any::<i64>(),
    ];
    let whole = (seconds, any::<u32>()).prop_map(|(seconds, nanoseconds)| {
        format!("@{:016x}{nanoseconds:08x}", (seconds as u64).wrapping_add((1 << 62) + 10))
    });
    prop_oneof![
        12 => whole.clone(),
        1 => whole.clone().prop_map(|label| label.replace('a', "A")),
        1 => (whole.clone(), "[0-9a-f]{0,30}").prop_map(|(label, more)| format!("@{more}{}", &label[1..])),
        1 => (whole, 1..25_usize).prop_map(|(label, length)| label[..length].to_owned()),
    ]
}

fn line() -> impl Strategy<Value = String> {
    let end = prop_oneof![Just(String::new()), " [a-z@]{0,5}".prop_map(|text| text), "[@ x]{1,3}"];
    prop_oneof![
        6 => (label(), end).prop_map(|(label, end)| label + &end),
        1 => label().prop_map(|label| format!("x {label}")),
        1 => "[@0-9a-fx ]{0,4}",
    ]
}

/// What the original makes of the text; where it crashes, the line goes through.
fn expected(pair: &Pair, run: &impl Fn(&str) -> Run, text: &str) -> Vec<u8> {
    let whole = run(text).outcome(pair.programs()[0], "tai64nlocal");
    if let Outcome { code: Some(0), stdout, .. } = whole {
        return stdout;
    }
    let lines = text.split_inclusive('\n').map(|line| match run(line).outcome(pair.programs()[0], "tai64nlocal") {
        Outcome { code: Some(0), stdout, .. } => stdout,
        _ => line.into(),
    });
    lines.collect::<Vec<_>>().concat()
}

#[test]
fn labels_become_local_time() {
    let Some(pair) = Pair::find("tai64nlocal") else { return };
    let lines = prop::collection::vec(line(), 0..12);
    let zone = prop::option::of(prop::sample::select(&ZONES[..]));
    proptest!(cases(100), |(lines in lines, zone in zone, ended: bool)| {
        let mut text = lines.join("\n");
        text.push_str(if ended { "\n" } else { " " });
        let variables: Vec<(&str, &str)> = zone.map(|zone| ("TZ", zone)).into_iter().collect();
        let run = |text: &str| Run::new(["ignored"]).environment(&variables).input(text.as_bytes());
        let ours = run(&text).outcome(pair.programs()[1], "tai64nlocal");
        prop_assert_eq!(ours.code, Some(0));
        let theirs = expected(&pair, &run, &text);
        prop_assert_eq!(ours.stdout.escape_ascii().to_string(), theirs.escape_ascii().to_string());
    });
}

#[test]
fn the_end_amid_a_label() {
    let Some(pair) = Pair::find("tai64nlocal") else { return };
    for text in ["x\n@400000003b4a39c2", "@", "@400000003b4a39c23294b13c", "x\n@400000003b4a39c23294b13c\n@"] {
        pair.same(&Run::new(["ignored"]).input(text.as_bytes()));
    }
}
