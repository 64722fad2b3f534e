//! Generated scripts, inputs and earlier contents; what a program makes of them.

use nix::sys::signal::Signal;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::fs;

use super::scene::{Program, Scene, Tree, mask, put};

/// One thing that happens to a running multilog, which waits for input each time.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Write(Vec<u8>),
    Alarm,
    /// Both come while it is stopped, so that it finds both.
    WriteAndAlarm(Vec<u8>),
    Term,
    WriteAndTerm(Vec<u8>),
}

/// A file of an earlier time.
#[derive(Debug, Clone)]
pub(super) struct Old {
    name: String,
    mode: u32,
    content: Vec<u8>,
    /// It has this second name.
    link: Option<&'static str>,
}

/// How many cases are wanted.
pub(super) fn count() -> u32 {
    std::env::var("ABIDE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(60)
}

#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) words: Vec<String>,
    pub(super) old: Vec<Old>,
    pub(super) input: Vec<u8>,
    pub(super) steps: Vec<Step>,
}

/// What is compared.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    code: Option<i32>,
    errors: String,
    rest: Vec<u8>,
    tree: Tree,
}

impl Case {
    fn prepare(&self) -> Scene {
        let scene = Scene::new();
        for old in &self.old {
            let path = scene.path().join(&old.name);
            put(&path, old.mode, &old.content);
            if let Some(link) = old.link {
                let _ = fs::hard_link(&path, path.with_file_name(link));
            }
        }
        scene
    }

    /// Runs with the input in a file, then again with the steps.
    pub(super) fn play(&self, program: Program) -> Outcome {
        let scene = self.prepare();
        let mut code = scene.run(program, &self.words, &self.input);
        let mut rest = Vec::new();
        if code == Some(0) {
            let mut running = scene.start(program, &self.words);
            for step in &self.steps {
                running.settle();
                if running.has_ended() {
                    break;
                }
                match step {
                    Step::Write(data) => running.write(data),
                    Step::Alarm => running.signal(Signal::SIGALRM),
                    Step::Term => running.signal(Signal::SIGTERM),
                    Step::WriteAndAlarm(data) => running.frozen(|running| {
                        running.write(data);
                        running.signal(Signal::SIGALRM);
                    }),
                    Step::WriteAndTerm(data) => running.frozen(|running| {
                        running.write(data);
                        running.signal(Signal::SIGTERM);
                    }),
                }
            }
            running.settle();
            (code, rest) = if running.has_ended() { running.end() } else { (running.close().code(), rest) };
        }
        let errors = String::from_utf8_lossy(&mask(&scene.errors())).into_owned();
        let tree = scene.tree().into_iter().map(|(name, (mode, content))| (name, (mode, mask(&content))));
        Outcome { code, errors, rest, tree: tree.collect() }
    }
}

/// Lines of bytes that are no label's.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let text = vec(select(b"xxxxyyz  *\0\xff".as_slice()), 0..12);
    let repeat = prop_oneof![6 => 1..3_usize, 3 => 3..30_usize, 2 => 80..100_usize, 1 => 100..700_usize];
    (text, repeat).prop_map(|(text, repeat)| [text.repeat(repeat), vec![b'\n']].concat())
}

fn data(lines: usize) -> impl Strategy<Value = Vec<u8>> {
    (vec(line(), 0..lines), 0..3_usize).prop_map(|(lines, short)| {
        let mut data = lines.concat();
        data.truncate(data.len().saturating_sub(short).min(60_000));
        data
    })
}

fn pattern() -> impl Strategy<Value = String> {
    vec(select(vec!["*", "*", "x", "y", " ", "z", "@*", "@* ", "xy"]), 0..4).prop_map(|parts| parts.concat())
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => pattern().prop_map(|pattern| format!("-{pattern}")),
        3 => pattern().prop_map(|pattern| format!("+{pattern}")),
        1 => select(vec!["e", "=one", "=two", "=one", "x", "t", "", "nonsense", "s"]).prop_map(str::to_owned),
        1 => (0..30_000_u32).prop_map(|size| format!("s{size}")),
        1 => (0..12_u32).prop_map(|number| format!("n{number}")),
        1 => select(vec!["!cat", "!tr x y", "!cat <&4; cat >&5", "!:", "!cat <&4; echo run; cat >&5", "!"])
            .prop_map(str::to_owned),
    ]
}

fn words() -> impl Strategy<Value = Vec<String>> {
    (any::<bool>(), vec(word(), 0..5), vec(word(), 0..4), any::<bool>(), vec(word(), 0..2)).prop_map(
        |(label, before, between, second, after)| {
            let mut words = Vec::new();
            words.extend(label.then(|| "t".to_owned()));
            words.extend(before);
            words.push("./m".to_owned());
            words.extend(between);
            words.extend(second.then(|| "./n".to_owned()));
            words.extend(after);
            words
        },
    )
}

fn old() -> impl Strategy<Value = Vec<Old>> {
    let names = vec!["current", "current", "current", "previous", "processed", "state", "newstate", "lock", "other"];
    let aged = ["@zzzzzzzzzzzzzzzzzzzzzzzz.s", "@0000000000000000000000000", "@short", "@yyyyyyyyyyyyyyyyyyyyyyyy.u"];
    let names = names.into_iter().chain(aged).collect::<Vec<_>>();
    let modes = select(vec![0o644, 0o744, 0o600, 0o755]);
    let link = prop::option::weighted(0.1, Just("@xxxxxxxxxxxxxxxxxxxxxxxx.u"));
    let file = (select(vec!["m", "n"]), select(names), modes, data(60), link).prop_map(
        |(directory, name, mode, content, link)| Old { name: format!("{directory}/{name}"), mode, content, link },
    );
    prop_oneof![1 => Just(Vec::new()), 2 => vec(file, 0..8)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => data(40).prop_map(Step::Write),
        2 => Just(Step::Alarm),
        1 => data(10).prop_map(Step::WriteAndAlarm),
        1 => Just(Step::Term),
        1 => data(10).prop_map(Step::WriteAndTerm),
    ]
}

/// A processor cannot run without a state, for ever; a `current` that was ended well leaves it as it is.
fn with_state(mut old: Vec<Old>) -> Vec<Old> {
    for directory in ["m", "n"] {
        let name = format!("{directory}/state");
        let marked = old.iter().any(|old| old.name == format!("{directory}/current"));
        if marked && old.iter().all(|old| old.name != name) {
            old.push(Old { name, mode: 0o644, content: b"xyz\n".to_vec(), link: None });
        }
    }
    old
}

pub(super) fn case() -> impl Strategy<Value = Case> {
    (words(), old().prop_map(with_state), data(200), vec(step(), 0..8)).prop_map(|(words, old, input, steps)| Case {
        words,
        old,
        input,
        steps,
    })
}
