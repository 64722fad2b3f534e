//! multilog against the original: the same scripts, inputs and signals leave the same files.

mod cases;
mod scene;
mod troubles;

use nix::sys::signal::Signal;
use proptest::test_runner::{Config, TestRunner};

use cases::case;
use scene::{Program, Scene, original};

const BOTH: [Program; 2] = [Program::Ours, Program::Original];

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

#[test]
fn leaves_what_the_original_leaves() {
    if original("multilog::leaves_what_the_original_leaves").is_none() {
        return;
    }
    let config = Config { cases: cases::count(), failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&case(), |case| {
        let [ours, original] = BOTH.map(|program| case.play(program));
        proptest::prop_assert_eq!(ours, original);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn a_term_leaves_the_next_line_to_the_next() {
    let scene = Scene::new();
    let mut running = scene.start(Program::Ours, &words(&["./m"]));
    running.settle();
    running.write(b"one\ntw");
    running.settle();
    running.frozen(|running| {
        running.write(b"o\nthree\n");
        running.signal(Signal::SIGTERM);
    });
    let (code, rest) = running.end();
    assert_eq!((code, rest.as_slice()), (Some(0), b"three\n".as_slice()));
    assert_eq!(scene.tree()["m/current"].1, b"one\ntwo\n");
}
