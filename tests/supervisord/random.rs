//! Random configurations, with a liking for the traps.

use crate::traps;
use std::collections::BTreeMap;
use std::fmt;

/// The files of a configuration; the main one is `m.conf`.
pub(crate) struct Case {
    pub(crate) files: BTreeMap<String, String>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.iter().try_for_each(|(name, text)| writeln!(f, "--- {name}\n{text}"))
    }
}

/// The case with that seed, always the same.
pub(crate) fn case(seed: u64) -> Case {
    let mut random = Random { state: seed, bad: 0 };
    // Most are to be accepted: one bad value in a file hides all that follows it.
    random.bad = if random.below(3) == 0 { 12 } else { 0 };
    let mut files = BTreeMap::new();
    if random.below(4) == 0 {
        files.insert("m.conf".to_owned(), soup(&mut random));
        return Case { files };
    }
    let included = random.below(3) == 0;
    let mut main = String::new();
    if random.below(20) == 0 {
        section(&mut random, &mut main, "DEFAULT", traps::DEFAULT);
    }
    if random.bad == 0 || random.below(30) > 0 {
        section(&mut random, &mut main, "supervisord", traps::DAEMON);
    }
    sections(&mut random, &mut main);
    if included {
        // It is the last one, as what would go on with it would be taken for globs.
        section(&mut random, &mut main, "include", traps::INCLUDE);
        for name in ["d/a.conf", "d/b.conf"] {
            let mut text = String::new();
            sections(&mut random, &mut text);
            files.insert(name.to_owned(), text);
        }
    }
    if random.below(10) == 0 {
        main = main.replace('\n', "\r\n");
    }
    files.insert("m.conf".to_owned(), main);
    Case { files }
}

/// A program whose command or environment is made of what means something to one of the readers.
///
/// There is no letter of a conversion in it: `%s` without a name is refused here and not there.
fn soup(random: &mut Random) -> String {
    let command = random.below(2) == 0;
    let mut text = "[supervisord]\n[program:x]\n".to_owned();
    text.push_str(if command { "command=" } else { "command=x\nenvironment=" });
    for _ in 0..random.below(12) {
        let piece = match random.below(3) {
            0 if !command => random.pick(&["K=v,", "K=\"v w\",", "K='v'", ",", "K = v"]),
            0 => random.pick(&["[b]", "k=k", "%(numprocs)05d", "%(ENV_V)s", "\"v w\"", "\\'", "[x] "]),
            1 => random.pick(traps::MARKS),
            _ => random.pick(&["k", "Kz", "_-.", " ", "\n ", "\n\t", "\n", "\r\n ", "\r  "]),
        };
        text.push_str(piece);
    }
    text
}

fn sections(random: &mut Random, text: &mut String) {
    for _ in 0..random.below(4) {
        let (kind, keys) = random.pick(traps::SECTIONS);
        let names = if kind.ends_with(':') { ["x", "y", "z"] } else { ["", "", ":x"] };
        let mut name = random.pick(&names);
        if random.is_bad() {
            name = random.pick(&["", " x", "a b", "a:b", "x/y", "é"]);
        }
        section(random, text, &format!("{kind}{name}"), keys);
    }
}

fn section(random: &mut Random, text: &mut String, name: &str, keys: &[traps::Key]) {
    let indent = random.pick(&["", "", "", "", "", "", " "]);
    let end = random.pick(&["", "", "", " ; c", "\t#c", "x", " ]"]);
    let end = if end.contains(']') && !random.is_bad() { "" } else { end };
    text.extend([indent, "[", name, "]", end, "\n"]);
    for key in keys {
        // The first keys of a list are those that a section has to have.
        let likely = if key.needed { 20 } else { 3 };
        if (key.needed && random.below(likely) > 0) || (!key.needed && random.below(likely) == 0) {
            line(random, text, indent, key);
        }
        // An unknown key is one of every section there, and not everything may be in every one.
        if name != "DEFAULT" {
            noise(random, text);
        }
    }
}

fn line(random: &mut Random, text: &mut String, indent: &str, key: &traps::Key) {
    let values = if random.is_bad() && !key.bad.is_empty() { key.bad } else { key.good };
    let mut value = random.pick(values).to_owned();
    if random.below(12) == 0 {
        value = value.replacen(random.pick(&[" ", ","]), random.pick(&["\n  ", ",\n\t", " \n\n  ", " ; c\n  "]), 1);
    }
    let name = if random.below(10) == 0 { key.name.to_uppercase() } else { key.name.to_owned() };
    let sign = random.pick(&["=", "=", "=", " = ", ":", ": ", "\t=", "=\n  "]);
    // Not many kinds of value may begin with a newline.
    let sign = if sign == "=\n  " && !key.free && random.below(40) > 0 { "=" } else { sign };
    let end = random.pick(&["", "", "", "", " ", " ; c", "\t#c", " #c ;d", ";", "\n  ; c\n"]);
    // A mark without white space before it is part of the value.
    let end = if end == ";" && !key.free { "" } else { end };
    text.extend([indent, &name, sign, &value, end, "\n"]);
}

fn noise(random: &mut Random, text: &mut String) {
    match random.below(40) {
        0 => text.push('\n'),
        1 => text.push_str("; comment = 1\n"),
        2 => text.push_str("   # comment\n"),
        3 => text.push_str("unknown = %(nothing)s ;\n"),
        4 => text.push_str(" \t\n"),
        5 if random.is_bad() => text.push_str("without\n"),
        6 if random.is_bad() => text.push_str("=x\n"),
        7 if random.is_bad() => text.push_str("  further\n"),
        _ => {}
    }
}

/// SplitMix64.
pub(crate) struct Random {
    state: u64,
    /// Of so many values one is bad; none if it is 0.
    bad: u64,
}

impl Random {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    fn is_bad(&mut self) -> bool {
        self.bad > 0 && self.below(self.bad) == 0
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}
