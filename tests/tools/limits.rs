//! softlimit.

use proptest::prelude::*;

use crate::common::{Pair, Run, cases};

fn option() -> impl Strategy<Value = Vec<String>> {
    let letter = prop::sample::select(&["a", "c", "d", "f", "l", "m", "o", "p", "r", "s", "t"][..]);
    let value = prop_oneof![
        4 => "[1-9][0-9]{9,11}",
        4 => prop::sample::select(&["=", "18446744073709551615", "99999999999999999999", "600000000"][..])
            .prop_map(str::to_owned),
        1 => prop::sample::select(&["x", "1k", "==", "-1", " 1", "+1", "0x10", "1 "][..]).prop_map(str::to_owned),
    ];
    (letter, value, any::<bool>()).prop_map(|(letter, value, attached)| {
        if attached { vec![format!("-{letter}{value}")] } else { vec![format!("-{letter}"), value] }
    })
}

#[test]
fn limits_as_the_original_sets_them() {
    let Some(pair) = Pair::find("softlimit") else { return };
    let odd = prop::sample::select(&["--", "-", "-z", "-c0-", "--all", "-o", ""][..]).prop_map(|w| vec![w.to_owned()]);
    let options = prop::collection::vec(prop_oneof![12 => option(), 1 => odd], 0..5);
    proptest!(cases(100), |(options in options)| {
        let words = options.concat();
        let child = ["cat", "/proc/self/limits"].map(str::to_owned);
        pair.same(&Run::new(words.iter().chain(&child)));
    });
}

/// Small limits which a child can live with.
#[test]
fn small_limits() {
    let Some(pair) = Pair::find("softlimit") else { return };
    for limit in ["-c0", "-c5", "-f0", "-f1000", "-l0", "-l4097", "-o20", "-p100000", "-r0", "-r1", "-t9", "-s300000"] {
        let outcome = pair.same(&Run::new([limit, "cat", "/proc/self/limits"]));
        assert_eq!(outcome.code, Some(0), "{limit}");
    }
    assert_eq!(pair.same(&Run::new(["-f10", "-f=", "-c", "", "sh", "-c", "ulimit -a"])).code, Some(0));
}

/// Nothing may be allocated any more when the limits are in force: also then a missing program is told.
#[test]
fn no_memory_left() {
    let Some(pair) = Pair::find("softlimit") else { return };
    let long = "x".repeat(100_000);
    // Not -t0: the kernel may kill either at any time.
    for limit in ["-a0", "-d0", "-m0", "-s0", "-o0", "-f0", "-l0", "-p0", "-r0"] {
        for program in ["no-such-program", "/does/not/exist", "/", ""] {
            pair.same(&Run::new([limit, program, &long, &long]));
        }
        pair.same(&Run::new([limit, "-z", &long]));
        // Here the original may have no room for the names it tries.
        let [_, ours] = pair.run(&Run::new([limit, &long]));
        assert_eq!(ours.code, Some(111));
        assert!(ours.stderr.ends_with(b"xxx: file name too long\n"), "{ours:?}");
    }
}
