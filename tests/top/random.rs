//! Any sequence of inputs and sizes: nothing panics, and the cursor is where it can be.

use crate::sample::{service, status, workers};
use crate::stage::{Stage, forbidden, name, pending, transition, usage};
use abide::cli::top::{Input, Said, Verb};
use abide::model::order::Done;
use abide::model::status::{State, Status};
use abide::model::time::Mono;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEventKind};
use proptest::prelude::*;
use std::time::Duration;

#[derive(Debug, Clone)]
enum Anything {
    Key(KeyCode, bool),
    Typed(char),
    Mouse(u8, u16, u16),
    Resize(u16, u16),
    Pass(u64),
    Status(usize, u8),
    Part(usize),
    Usage,
    News(usize),
    Lines(u64, usize),
    Other(u8),
}

fn anything() -> impl Strategy<Value = Anything> {
    let keys = prop_oneof![
        Just(KeyCode::Enter),
        Just(KeyCode::Esc),
        Just(KeyCode::Tab),
        Just(KeyCode::Up),
        Just(KeyCode::Down),
        Just(KeyCode::Left),
        Just(KeyCode::Right),
        Just(KeyCode::Home),
        Just(KeyCode::End),
        Just(KeyCode::PageUp),
        Just(KeyCode::PageDown),
        Just(KeyCode::Backspace),
        Just(KeyCode::Delete),
    ];
    let letters = prop_oneof![
        4 => proptest::sample::select("jkgGlxsrRfaiynpNJK<>!*? /".chars().collect::<Vec<_>>()),
        1 => any::<char>(),
    ];
    prop_oneof![
        4 => (keys, any::<bool>()).prop_map(|(key, control)| Anything::Key(key, control)),
        6 => letters.prop_map(Anything::Typed),
        2 => (0u8..4, 0u16..130, 0u16..50).prop_map(|(kind, x, y)| Anything::Mouse(kind, x, y)),
        1 => (0u16..200, 0u16..60).prop_map(|(w, h)| Anything::Resize(w, h)),
        1 => (0u64..20_000).prop_map(Anything::Pass),
        1 => (0usize..60, any::<u8>()).prop_map(|(count, seed)| Anything::Status(count, seed)),
        1 => (0usize..60).prop_map(Anything::Part),
        1 => Just(Anything::Usage),
        1 => (0usize..60).prop_map(Anything::News),
        1 => (0u64..4, 0usize..200).prop_map(|(turn, count)| Anything::Lines(turn, count)),
        1 => (0u8..8).prop_map(Anything::Other),
    ]
}

fn some(count: usize, seed: u8) -> Status {
    let services = (0..count).map(|n| {
        let state = State::ALL[(n * 7 + usize::from(seed)) % State::ALL.len()];
        let mut it = service(&format!("s{n:02}"), state);
        match (n + usize::from(seed)) % 9 {
            0 => it = workers(&format!("s{n:02}"), 3),
            1 => it.instances.clear(),
            2 => it.description = Some("beschäftigt 漢字 und mehr".into()),
            _ => {}
        }
        it
    });
    status(services.collect())
}

fn act(stage: &mut Stage, it: &Anything) {
    match *it {
        Anything::Key(code, control) => {
            let modifiers = if control { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
            stage.put(Input::Key(KeyEvent::new(code, modifiers)));
        }
        Anything::Typed(c) => drop(stage.put(Input::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)))),
        Anything::Mouse(kind, x, y) => {
            let kinds = [
                MouseEventKind::Down(MouseButton::Left),
                MouseEventKind::ScrollUp,
                MouseEventKind::ScrollDown,
                MouseEventKind::Moved,
            ];
            stage.mouse(kinds[usize::from(kind)], x, y);
        }
        Anything::Resize(w, h) => {
            stage.size = (w, h);
            stage.put(Input::Resize(w, h));
        }
        Anything::Pass(millis) => drop(stage.pass(Duration::from_millis(millis))),
        Anything::Status(count, seed) => drop(stage.said(Said::Status(None, Ok(Box::new(some(count, seed)))))),
        Anything::Part(n) => {
            let asked = name(&format!("s{n:02}"));
            stage.said(Said::Status(Some(vec![asked]), Ok(Box::new(some(n, n as u8)))));
        }
        Anything::Usage => drop(stage.said(Said::Usage(Ok(usage(&some(40, 1), stage.now.wall.0 / 1_000_000 % 100))))),
        Anything::News(n) => {
            stage.said(Said::News(transition(&format!("s{n:02}"), State::Running, State::Backoff)));
        }
        Anything::Lines(turn, count) => {
            stage.said(Said::Lines(turn, (0..count).map(|n| format!("line {n} 漢字")).collect()));
        }
        Anything::Other(0) => drop(stage.said(Said::Listening)),
        Anything::Other(1) => drop(stage.said(Said::Lost("gone".into()))),
        Anything::Other(2) => drop(stage.said(Said::Deaf(forbidden()))),
        Anything::Other(3) => drop(stage.said(Said::Rights(None))),
        Anything::Other(4) => drop(stage.said(Said::Plan(Ok(vec![pending("s01", "new")])))),
        Anything::Other(5) => drop(stage.said(Said::Acted(Verb::Stop, Err(forbidden())))),
        Anything::Other(6) => {
            let done = Done { target: "s01".into(), done: false, words: "no".into(), refused: true };
            stage.said(Said::Acted(Verb::Restart, Ok(vec![done.clone(), done])));
        }
        Anything::Other(_) => drop(stage.put(Input::Paste("pasted\n\x1b text".into()))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn whatever_comes_nothing_panics_and_the_cursor_is_on_a_row_on_the_screen(
        size in (0u16..200, 0u16..60),
        inputs in proptest::collection::vec(anything(), 1..120),
    ) {
        let mut stage = Stage::new(size);
        stage.know(some(30, 0));
        for input in inputs {
            act(&mut stage, &input);
            stage.buffer();
            let (cursor, shown, offset) = stage.top.position();
            prop_assert_eq!(stage.top.selected().is_some(), shown > 0);
            prop_assert!(shown == 0 || cursor < shown, "{} of {}", cursor, shown);
            prop_assert!(offset <= cursor, "{} is above {}", cursor, offset);
            prop_assert!(stage.top.deadline() >= Mono(0));
        }
    }
}
