//! `abide top` as state and picture: what inputs do, and what stands on the screen then.
//!
//! Snapshots are of the rendered buffer, `tests/golden/top`; colours are told by a few claims of their own.

mod random;
#[path = "../sample/mod.rs"]
mod sample;
mod stage;

use abide::cli::top::{Input, Right, Rights, Said, Told, Verb, Wish};
use abide::model::news::News;
use abide::model::order::{Author, Done};
use abide::model::selector::Target;
use abide::model::status::{AbideState, State};
use abide::render::status::Style;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::{Color, Modifier};
use sample::{ago, mixed};
use stage::{PLAIN, Stage, check, five, forbidden, many, name, pending, transition, usage};
use std::time::Duration;

// --- pictures ---

#[test]
fn the_table_is_calm_at_every_size_and_number_of_services() {
    for (word, status) in [("5", five()), ("50", many(50)), ("5000", many(5_000))] {
        for size in [(80, 24), (120, 40), (40, 10)] {
            let stage = Stage::with(size, status.clone());
            check(&format!("table-{word}-{}x{}", size.0, size.1), &stage.screen());
        }
    }
}

#[test]
fn a_closer_look_tells_all_that_is_known_of_a_service() {
    for size in [(80, 24), (120, 40), (40, 10)] {
        let mut stage = Stage::with(size, mixed());
        for _ in 0..20 {
            if stage.selected() == "web" {
                break;
            }
            stage.keys(&["down"]);
        }
        let wishes = stage.keys(&["enter"]);
        assert!(wishes.contains(&Wish::Plan), "what is pending is asked for: {wishes:?}");
        stage.said(Said::Plan(Ok(vec![pending("web", "its file has an error"), pending("db", "another")])));
        stage.said(Said::News(transition("web", State::Starting, State::Running)));
        stage.said(Said::News(transition("db", State::Running, State::Stopping)));
        check(&format!("details-web-{}x{}", size.0, size.1), &stage.screen());
    }
}

#[test]
fn a_log_is_followed_paused_and_searched_beside_the_table() {
    let mut stage = Stage::with((120, 40), mixed());
    stage.keys(&["/clock", "enter"]);
    let wishes = stage.keys(&["l"]);
    let target = Target { service: name("clock"), index: None };
    let Some(Wish::Follow(turn, followed)) = wishes.last() else { panic!("{wishes:?}") };
    assert_eq!(*followed, target);
    let turn = *turn;
    stage.said(Said::Lines(turn, (0..100).map(|n| format!("2026-11-22 tick {n}")).collect()));
    assert!(stage.screen().contains("tick 99") && stage.screen().contains("following"));
    stage.keys(&["up", "up"]);
    stage.said(Said::Lines(turn, vec!["new".into()]));
    stage.said(Said::Lines(turn - 1, vec!["of another log".into()]));
    assert!(stage.screen().contains("paused, 1 new"), "{}", stage.screen());
    stage.keys(&["/tick 4", "enter"]);
    check("log-120x40", &stage.screen());
    assert!(stage.keys(&["esc"]).contains(&Wish::Unfollow));
}

#[test]
fn questions_refusals_and_help_lie_over_the_table() {
    let mut stage = Stage::with((80, 24), five());
    stage.keys(&["end", "x", "disk full"]);
    check("stop", &stage.screen());
    stage.keys(&["esc"]);
    stage.said(Said::Acted(Verb::Stop, Err(forbidden())));
    check("refused", &stage.screen());
    stage.keys(&["q", "?"]);
    check("help", &stage.screen());
    stage.keys(&["esc", "f", "down"]);
    check("states", &stage.screen());
}

#[test]
fn without_colour_or_signs_all_is_told_in_words() {
    let ascii = Style { color: false, unicode: false, ..PLAIN };
    let mut stage = Stage::styled((80, 24), ascii);
    stage.know(five());
    assert!(stage.screen().is_ascii(), "{}", stage.screen());
    stage.keys(&["x"]);
    assert!(stage.screen().is_ascii(), "{}", stage.screen());
    let coloured = stage.buffer().content.iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset);
    assert!(!coloured);
}

#[test]
fn colours_have_a_meaning_and_never_stand_alone() {
    let mut stage = Stage::styled((80, 24), Style { color: true, ..PLAIN });
    stage.know(five());
    stage.keys(&["end"]);
    let buffer = stage.buffer();
    let find = |word: &str| {
        let line = stage.screen().lines().position(|line| line.contains(word)).expect(word);
        let at = stage.screen().lines().nth(line).and_then(|text| text.find(word)).expect(word);
        let x = stage.screen().lines().nth(line).map_or(0, |text| text[..at].chars().count());
        buffer[(x as u16, line as u16)].clone()
    };
    assert_eq!(find("✗ failed").fg, Color::Red);
    assert_eq!(find("↻ backoff").fg, Color::Red);
    assert_eq!(find("‖ held").fg, Color::Yellow);
    let last = stage.screen().lines().filter(|line| line.contains("running")).count();
    assert!(last > 0);
    assert!(buffer.content.iter().any(|cell| cell.modifier.contains(Modifier::REVERSED)), "the cursor is seen");
}

// --- what inputs do ---

#[test]
fn the_worst_comes_first_and_any_column_sorts_by_key_and_mouse() {
    let mut stage = Stage::with((120, 40), five());
    assert_eq!(stage.labels(), ["greedy", "flaky", "web", "mail", "db"]);
    stage.keys(&["<"]);
    assert_eq!(stage.labels(), ["db", "flaky", "greedy", "mail", "web"]);
    stage.keys(&["i"]);
    assert_eq!(stage.labels()[0], "web");
    let titles = stage.screen().lines().nth(2).expect("titles").to_owned();
    let at = titles.find("RESTARTS").expect("a column");
    let at = titles[..at].chars().count() as u16;
    stage.click(at, 2);
    assert_eq!(stage.labels()[..2], ["flaky", "web"]);
    stage.click(at, 2);
    assert_eq!(stage.labels().last().map(String::as_str), Some("flaky"), "again is the other way round");
}

#[test]
fn a_filter_narrows_as_one_types_and_escape_undoes_it() {
    let mut stage = Stage::with((80, 24), many(5_000));
    stage.keys(&["/SVC-49"]);
    assert_eq!(stage.top.position().1, 100);
    stage.keys(&["99"]);
    assert_eq!(stage.labels(), ["svc-4999"]);
    stage.keys(&["esc"]);
    assert_eq!(stage.top.position().1, 5_003);
    stage.keys(&["/@failed", "enter"]);
    assert_eq!(stage.top.position().1, 6);
    stage.keys(&["esc", "!"]);
    assert!(stage.screen().contains("not as desired"));
    stage.keys(&["esc", "/nothing at all", "enter"]);
    assert!(stage.screen().contains("Nothing is found"));
}

#[test]
fn the_cursor_goes_with_its_row_but_stays_at_the_top_when_it_is_there() {
    let mut stage = Stage::with((80, 24), five());
    stage.keys(&["down", "down"]);
    assert_eq!(stage.selected(), "web");
    let mut worse = five();
    worse.services[0].state = State::Failed;
    worse.services[0].instances[0].state = State::Failed;
    stage.said(Said::Status(None, Ok(Box::new(worse.clone()))));
    assert_eq!((stage.selected().as_str(), stage.top.position().0), ("web", 3));
    stage.keys(&["home"]);
    assert_eq!(stage.selected(), "db");
    stage.said(Said::Status(None, Ok(Box::new(five()))));
    assert_eq!(stage.selected(), "greedy", "the top is a place");
}

#[test]
fn a_stop_asks_why_names_what_is_meant_and_is_done_only_then() {
    let mut stage = Stage::with((80, 24), five());
    stage.keys(&["end"]);
    assert!(stage.keys(&["x", "disk full", "tab", "2 o'clock", "enter"]).is_empty(), "that is no time");
    assert!(stage.screen().contains("Stop db?") && stage.screen().contains("is no duration"), "{}", stage.screen());
    for _ in 0..20 {
        stage.put(Input::Key(KeyEvent::new(KeyCode::Backspace, KeyModifiers::NONE)));
    }
    let wishes = stage.keys(&["2h", "enter"]);
    let db = Target { service: name("db"), index: None };
    let reason = Some("disk full".to_owned());
    assert_eq!(wishes, [Wish::Act { verb: Verb::Stop, targets: vec![db], reason, lasts: Some("2h".into()) }]);
    let done = Done { target: "db".into(), done: true, words: "stopped and held".into(), refused: false };
    stage.said(Said::Acted(Verb::Stop, Ok(vec![done])));
    assert!(stage.screen().contains("db: stopped and held"));
    stage.pass(Duration::from_millis(500));
}

#[test]
fn what_is_marked_is_meant_together() {
    let mut stage = Stage::with((80, 24), five());
    stage.keys(&[" ", " ", "r"]);
    assert!(stage.screen().contains("Restart 2 rows?") && stage.screen().contains("greedy  failed"));
    let wishes = stage.keys(&["y"]);
    let Some(Wish::Act { verb: Verb::Restart, targets, .. }) = wishes.first() else { panic!("{wishes:?}") };
    assert_eq!(targets.iter().map(ToString::to_string).collect::<Vec<_>>(), ["flaky", "greedy"]);
}

#[test]
fn who_may_only_look_is_told_so_by_the_keys() {
    let mut stage = Stage::with((120, 40), five());
    let right = |may: &str, services: &str| Right { may: may.into(), services: services.into() };
    let rights = vec![right("read", "*"), right("operate", "mail*")];
    stage.said(Said::Rights(Some(Rights { name: "carol".into(), rights })));
    assert!(stage.screen().contains("you may look, not act"));
    assert!(stage.keys(&["x"]).is_empty());
    assert!(stage.screen().contains("carol may look at greedy and not stop it"), "{}", stage.screen());
    stage.keys(&["/mail", "enter", "x"]);
    assert!(stage.screen().contains("Stop mail?"), "{}", stage.screen());
}

#[test]
fn a_refusal_is_shown_in_the_words_of_the_daemon() {
    let mut stage = Stage::new((80, 24));
    stage.said(Said::Listening);
    stage.said(Said::Status(None, Err(forbidden())));
    let screen = stage.screen();
    assert!(screen.contains("carol may not stop db") && screen.contains("users = [\"carol\"]"), "{screen}");
}

#[test]
fn a_lost_daemon_is_said_and_one_that_is_back_is_asked_for_everything() {
    let mut stage = Stage::with((80, 24), five());
    stage.said(Said::Lost("no abide answers at /run/abide/control.sock".into()));
    stage.pass(Duration::from_secs(65));
    stage.said(Said::Lost("no abide answers at /run/abide/control.sock".into()));
    check("lost", &stage.screen());
    let wishes = stage.said(Said::Listening);
    assert!(wishes.contains(&Wish::Status(None)) && wishes.contains(&Wish::Rights), "{wishes:?}");
    assert!(!stage.screen().contains("no abide answers"));
}

#[test]
fn only_what_changed_is_asked_for_and_usage_only_while_it_is_seen() {
    let mut stage = Stage::with((80, 24), five());
    stage.said(Said::News(transition("db", State::Running, State::Stopping)));
    stage.said(Said::News(transition("mail", State::Held, State::Starting)));
    let wishes = stage.pass(Duration::from_millis(500));
    assert!(wishes.contains(&Wish::Status(Some(vec![name("db"), name("mail")]))), "{wishes:?}");
    let mut part = five();
    part.services.retain(|it| it.name.as_str() == "db");
    part.services[0].state = State::Stopped;
    stage.said(Said::Status(Some(vec![name("db"), name("mail")]), Ok(Box::new(part))));
    assert_eq!(stage.top.position().1, 4, "mail has gone");
    let mut wishes = stage.pass(Duration::from_secs(2));
    assert!(wishes.contains(&Wish::Usage), "{wishes:?}");
    stage.said(Said::Usage(Ok(usage(&five(), 2))));
    // A log covers a screen of this height.
    stage.keys(&["l"]);
    wishes = stage.pass(Duration::from_secs(10));
    assert!(!wishes.contains(&Wish::Usage), "{wishes:?}");
    assert!(stage.keys(&["tab"]).contains(&Wish::Usage), "at once, since it was due");
}

#[test]
fn at_rest_nothing_is_asked_but_usage() {
    let mut stage = Stage::with((80, 24), five());
    let mut asked = Vec::new();
    for _ in 0..50 {
        for wish in stage.pass(Duration::from_secs(1)) {
            if wish == Wish::Usage {
                stage.said(Said::Usage(Ok(usage(&five(), 2))));
            }
            asked.push(wish);
        }
    }
    assert!(asked.iter().all(|wish| *wish == Wish::Usage) && asked.len() <= 26, "{asked:?}");
}

#[test]
fn a_daemon_that_does_not_answer_is_said_to_be_slow() {
    let mut stage = Stage::with((120, 40), five());
    stage.pass(Duration::from_secs(3));
    stage.pass(Duration::from_secs(7));
    assert!(stage.screen().contains("has not answered for 7s"), "{}", stage.screen());
}

#[test]
fn text_from_files_and_logs_cannot_drive_the_terminal() {
    let mut evil = five();
    evil.services[0].description = Some("\x1b[2J\x1b]0;x\x07\u{202e}evil".into());
    evil.services[2].instances[0].reason = Some("a\x1b[31mb\nc".into());
    evil.abide.version = "1\x1b[5n".into();
    let mut stage = Stage::with((120, 40), evil);
    for keys in [&["end"][..], &["enter"], &["a"], &["esc", "esc", "home", "enter"]] {
        stage.keys(keys);
        let bad = |cell: &ratatui::buffer::Cell| cell.symbol().contains(|c: char| c.is_control() || c == '\u{202e}');
        assert!(!stage.buffer().content.iter().any(bad));
    }
}

#[test]
fn five_thousand_services_are_scrolled_and_sorted_in_no_time() {
    let mut stage = Stage::with((120, 40), many(5_000));
    let start = std::time::Instant::now();
    for _ in 0..200 {
        stage.keys(&["down", ">"]);
        stage.keys(&["<"]);
        stage.buffer();
    }
    // The debug build of a busy machine: what is claimed is that no frame lays out all rows.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn orders_of_others_are_told_in_the_events() {
    let mut stage = Stage::with((120, 40), five());
    stage.keys(&["/db", "enter", "enter"]);
    let author = Author { name: "dora".into(), ..Author::default() };
    let done = Done { target: "db".into(), done: true, words: "stopped and held".into(), refused: false };
    let news = News::Order { act: "stop".into(), targets: vec![done], author };
    stage.said(Said::News(Told { at: ago(3), news }));
    assert!(stage.pass(Duration::from_secs(1)).contains(&Wish::Plan), "what is pending may be another");
    assert!(stage.screen().contains("stop by dora: stopped and held"), "{}", stage.screen());
    let mut ending = five();
    ending.abide.state = AbideState::Stopping;
    stage.said(Said::Status(None, Ok(Box::new(ending))));
    assert!(stage.screen().contains("stopping"));
}
