//! What `abide status` shows, situation by situation, and what its files promise.

mod sample;

use abide::model::order::{Author, Hold};
use abide::model::status::{Condition, ConditionKind, Desired, LastExit, ServiceStatus, State, Status, Truth};
use abide::model::time::Wall;
use abide::render::status::{Closer, Style, Uses, nagios, page, span, table};
use sample::{NOW, flaky, greedy, misspelt, mixed, service, status, workers};
use std::time::Duration;

const PIPE: Style = Style { color: false, unicode: true, width: None, height: None };
const WIDE: Style = Style { width: Some(120), ..PIPE };

/// Compares with the file in `golden/status`.
fn golden(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("golden/status");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn a_bit_of_everything_is_understood_at_once() {
    golden("mixed-120", &table(&mixed(), NOW, &WIDE));
    golden("mixed-80", &table(&mixed(), NOW, &Style { width: Some(80), ..PIPE }));
    golden("mixed-50", &table(&mixed(), NOW, &Style { width: Some(50), unicode: false, ..PIPE }));
    golden("mixed-pipe", &table(&mixed(), NOW, &PIPE));
    golden("mixed-colour", &table(&mixed(), NOW, &Style { color: true, ..WIDE }));
}

#[test]
fn the_summary_says_of_each_that_is_not_as_desired_what_it_lacks() {
    let lacking = |name: &str, state: State, kinds: &[ConditionKind]| {
        let mut it = service(name, state);
        it.as_desired = false;
        let condition = |kind: &ConditionKind| Condition {
            kind: *kind,
            status: Truth::False,
            reason: "Because".to_owned(),
            since: NOW,
            observed_generation: 1,
            message: "because".to_owned(),
        };
        it.conditions = kinds.iter().map(condition).collect();
        it
    };
    let services = vec![
        lacking("cold", State::Running, &[]),
        lacking("hooked", State::Starting, &[]),
        lacking("ill", State::Ready, &[ConditionKind::Healthy]),
        lacking("old", State::Ready, &[ConditionKind::Reloaded]),
        lacking("leaving", State::Stopping, &[]),
    ];
    let text = table(&status(services), NOW, &PIPE);
    let counts =
        "5 services: 0 as desired, 1 starting, 1 stopping, 1 not ready yet, 1 not well, 1 with a failed reload";
    assert!(text.contains(counts), "{text}");
}

/// Held by an operator, for a reason and a time.
fn held(name: &str, reason: Option<&str>, until: Option<Wall>) -> ServiceStatus {
    let by = Author { name: "ann".to_owned(), uid: Some(1000), ..Author::default() };
    let since = Wall(NOW.0 - 7_500_000_000);
    let mut it = service(name, State::Held);
    it.desired = Desired::Stopped;
    it.hold = Some(Hold { by, reason: reason.map(str::to_owned), since, until });
    let message = "held".to_owned();
    let (kind, status, reason) = (ConditionKind::NotHeld, Truth::False, "Held".to_owned());
    it.conditions = vec![Condition { kind, status, reason, since, observed_generation: 1, message }];
    it
}

#[test]
fn what_is_held_says_by_whom_why_and_how_it_ends() {
    let mut workers = workers("worker", 3);
    workers.instances[1] = held("x", None, None).instances[0].clone();
    (workers.instances[1].id, workers.instances[1].hold) = (1, held("x", Some("noisy"), None).hold);
    let until = Some(Wall(NOW.0 + 3_600_000_000));
    let services = vec![held("db", Some("the disk is being replaced"), None), held("web", None, until), workers];
    let (code, line) = nagios(&status(services.clone()), true, NOW);
    assert_eq!(code, 1);
    assert!(line.starts_with("ABIDE WARNING: db held (by ann, 2h05m ago: the disk is being replaced); web"), "{line}");
    let text = table(&status(services.clone()), NOW, &WIDE);
    golden("held", &(text + "\n" + &page(&services[0], &[], NOW, &WIDE)));
}

#[test]
fn a_calm_machine_has_a_calm_table() {
    golden("calm", &table(&status(vec![service("clock", State::Running), workers("worker", 2)]), NOW, &WIDE));
    golden("nothing", &table(&status(Vec::new()), NOW, &WIDE));
}

fn long() -> Status {
    let mut services: Vec<_> = (0..30).map(|n| service(&format!("app-{n:02}"), State::Running)).collect();
    services.extend([flaky(), misspelt()]);
    status(services)
}

#[test]
fn the_worst_comes_first_whether_or_not_somebody_reads_it_on_a_terminal() {
    golden("long", &table(&long(), NOW, &WIDE));
    let first = |text: &str| text.lines().nth(1).map(|line| line[..5].to_owned());
    assert_eq!(first(&table(&long(), NOW, &PIPE)).as_deref(), Some("flaky"));
}

/// So many services, every tenth of which is not as desired.
fn crowd(size: usize) -> Status {
    let one = |n: usize| {
        let mut it = match n % 50 {
            7 => flaky(),
            17 => misspelt(),
            27 => greedy(),
            37 => service("x", State::Waiting),
            47 => service("x", State::Starting),
            _ => service("x", State::Running),
        };
        it.name = abide::model::name::ServiceName::new(&format!("app-{n:04}")).expect("legal");
        it.source.file = format!("services.d/app-{n:04}.toml");
        it.errors.iter_mut().for_each(|error| error.file.clone_from(&it.source.file));
        it
    };
    status((0..size).map(one).collect())
}

#[test]
fn whatever_the_number_of_services_a_screen_shows_what_is_wrong() {
    for size in [5, 50, 5_000] {
        for (width, height) in [(80, 24), (200, 50)] {
            let style = Style { width: Some(width), height: Some(height), ..PIPE };
            let all = if size == 5 { few() } else { crowd(size) };
            let text = table(&all, NOW, &style);
            assert!(text.lines().count() < height, "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            golden(&format!("screen-{size}-{width}x{height}"), &text);
        }
    }
}

fn few() -> Status {
    let calm = |name| service(name, State::Running);
    status(vec![calm("clock"), calm("db"), flaky(), misspelt(), workers("worker", 2)])
}

#[test]
fn a_screen_is_filled_and_not_overfilled() {
    let text = table(&long(), NOW, &Style { height: Some(16), ..WIDE });
    assert!(text.lines().count() < 16, "{text}");
    golden("watched", &text);
    for height in 0..60 {
        for width in [40, 80, 120] {
            let style = Style { height: Some(height), width: Some(width), ..PIPE };
            assert!(table(&mixed(), NOW, &style).lines().count() <= height);
        }
    }
    for width in 20..130 {
        let style = Style { width: Some(width), ..PIPE };
        let rows = table(&mixed(), NOW, &style);
        let rows = rows.split("\n\n").next().unwrap_or_default();
        assert!(rows.lines().all(|line| line.chars().count() <= width), "{width}: {rows}");
    }
}

/// What a web server said last, and what it uses.
fn closer() -> [Closer; 1] {
    let uses = Uses { processes: 5, cpu: Duration::from_millis(72_300), resident_bytes: 35_861_000 };
    let lines = [
        "2026-11-22T15:09:30.000001Z listening on 0.0.0.0:80",
        "",
        "\tindented, \u{1b}[31mred\u{1b}[0m and \u{202e}turned round",
    ];
    let lines = lines.map(str::to_owned).into_iter().chain(["a long line ".repeat(20)]);
    [Closer { uses: Some(uses), log: Ok(lines.collect()) }]
}

#[test]
fn one_service_has_a_page_with_everything_known() {
    golden("page-web", &page(&misspelt(), &closer(), NOW, &WIDE));
    golden("page-web-60", &page(&misspelt(), &closer(), NOW, &Style { width: Some(60), unicode: false, ..PIPE }));
    let unreadable = Closer { uses: None, log: Err("Permission denied".to_owned()) };
    let mut flaky = flaky();
    let exit = flaky.instances[0].last_exit.take();
    flaky.instances[0].last_exit = exit.map(|exit| LastExit { cpu_ms: 12, max_rss_bytes: 3_500_000, ..exit });
    golden("page-flaky", &page(&flaky, &[unreadable], NOW, &WIDE));
    golden("page-worker", &page(&workers("worker", 2), &[], NOW, &WIDE));
}

#[test]
fn nagios_gets_one_line_and_the_code_it_expects() {
    let mut web = service("web", State::Failed);
    web.instances[0].last_exit = Some(sample::exit(1, 12, 5));
    web.instances[0].restarts = 7;
    let mut other = misspelt();
    other.instances[0].restarts = 0;
    let line = nagios(&status(vec![web, other, service("db", State::Running)]), true, NOW);
    let expected = "ABIDE CRITICAL: web failed (exit 1, 12s ago); 1 config error | desired=3 ready=2 restarts=7c";
    assert_eq!(line, (2, expected.to_owned()));
    let (code, line) = nagios(&status(vec![service("db", State::Running)]), true, NOW);
    assert_eq!((code, line.as_str()), (0, "ABIDE OK: 1 as desired | desired=1 ready=1 restarts=0c"));
    assert_eq!(nagios(&status(vec![misspelt()]), true, NOW).0, 1);
    assert_eq!(nagios(&mixed(), true, NOW).0, 2);
    assert_eq!(nagios(&status(vec![greedy()]), true, NOW).0, 2);
    let mut unborn = misspelt();
    (unborn.accepted_hash, unborn.desired, unborn.state) = (None, Desired::Stopped, State::Stopped);
    let (code, line) = nagios(&status(vec![unborn]), true, NOW);
    assert!(code == 2 && line.contains("does not run (error in its file)"), "{line}");
}

#[test]
fn an_error_in_a_shared_file_is_shown_once_and_by_its_name() {
    let services = ["a", "b"].map(|name| {
        let mut one = misspelt();
        one.name = abide::model::name::ServiceName::new(name).expect("legal");
        one.errors.truncate(1);
        one.errors[0].file = "abide.toml".into();
        one
    });
    let text = table(&status(services.to_vec()), NOW, &PIPE);
    assert_eq!(text.matches("  abide.toml:").count(), 1, "{text}");
    assert_eq!(text.matches("abide.toml has an error in line 12 (below)").count(), 2, "{text}");
}

#[test]
fn what_stands_in_files_cannot_drive_a_terminal() {
    let mut web = misspelt();
    web.errors[0].message = "bad \x1b[2J\u{9b}31m key".into();
    web.description = Some("\x1b]0;owned\x07".into());
    let all = status(vec![web.clone()]);
    for text in [table(&all, NOW, &WIDE), page(&web, &closer(), NOW, &WIDE)] {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    }
}

#[test]
fn no_width_makes_it_panic() {
    for width in 0..200 {
        let style = Style { width: Some(width), height: Some(width / 4), ..PIPE };
        table(&mixed(), Wall(i64::MAX), &style);
        page(&misspelt(), &closer(), Wall(i64::MIN), &style);
    }
}

#[test]
fn spans_have_at_most_two_units() {
    let text = |seconds| span(Duration::from_secs(seconds));
    assert_eq!(span(Duration::from_millis(340)), "340ms");
    assert_eq!([text(1), text(59), text(60), text(192)], ["1s", "59s", "1m00s", "3m12s"]);
    assert_eq!([text(3_600), text(7_500), text(86_399), text(356_400)], ["1h00m", "2h05m", "23h59m", "4d03h"]);
}

#[test]
fn a_real_snapshot_fits_its_schema() {
    let schema: serde_json::Value = serde_json::from_str(&abide::cli::schema::status_schema()).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let mut all = mixed();
    let mut stopped = service("down", State::Stopped);
    stopped.desired = Desired::Stopped;
    stopped.instances.clear();
    all.services.push(stopped);
    let value = serde_json::to_value(&all).expect("serialises");
    let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let mut wrong = value;
    wrong["services"][0]["state"] = "dancing".into();
    assert!(!validator.is_valid(&wrong));
}
