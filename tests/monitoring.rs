//! The alert rules do what they say, and rules and dashboard name no metric that abide does not print.

mod sample;

use abide::render::prometheus::{Detail, Facts, Lines, Used, write, write_used};
use sample::{envelope, mixed};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/monitoring")
}

fn text(name: &str) -> String {
    fs::read_to_string(directory().join(name)).expect("it is there")
}

/// All that abide can print, by the lines that name their types.
fn printed() -> BTreeSet<String> {
    let services = mixed().services;
    let lines: Vec<Lines> = services.iter().map(|it| Lines::of(&it.name, &Facts::of(it), Detail::All)).collect();
    let mut page = Vec::new();
    write(&mut page, &envelope(), &lines.iter().collect::<Vec<_>>()).expect("memory takes all");
    let used: Vec<_> = services.iter().map(|it| (&it.name, Used::default())).collect();
    write_used(&mut page, &used).expect("memory takes all");
    let page = String::from_utf8(page).expect("text");
    page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next().map(str::to_owned)).collect()
}

/// The metrics of ours that an expression names.
fn named(expression: &str) -> impl Iterator<Item = String> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("abide_")).map(str::to_owned)
}

/// Every string below `key`, wherever it stands.
fn strings(value: &Value, keys: &[&str], found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if let (true, Some(text)) = (keys.contains(&key.as_str()), value.as_str()) {
                    found.push(text.to_owned());
                }
                strings(value, keys, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| strings(value, keys, found)),
        _ => {}
    }
}

fn promtool(words: &[&str]) {
    let Ok(output) = Command::new("promtool").args(words).current_dir(directory()).output() else {
        assert!(std::env::var_os("CI").is_none(), "promtool is missing: install Debian's prometheus");
        eprintln!("NOT CHECKED: promtool is missing; install Debian's prometheus to have this tested");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {said}");
}

#[test]
fn the_rules_are_rules() {
    promtool(&["check", "rules", "abide.rules.yml"]);
}

#[test]
fn each_alert_fires_when_it_should_and_not_before() {
    promtool(&["test", "rules", "abide.rules.test.yml"]);
    let rules = text("abide.rules.yml");
    let alerts = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let (tests, readme) = (text("abide.rules.test.yml"), text("README.md"));
    for alert in alerts {
        let fires = tests.lines().any(|line| line.trim() == format!("alertname: {alert}"));
        assert!(fires, "no test in which {alert} fires");
        assert!(readme.contains(&format!("`{alert}`")), "README.md does not know {alert}");
    }
}

#[test]
fn rules_and_dashboard_name_only_metrics_that_abide_prints() {
    let printed = printed();
    let rules = text("abide.rules.yml");
    let in_rules = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).flat_map(named);
    let dashboard: Value = serde_json::from_str(&text("abide.dashboard.json")).expect("JSON");
    let mut expressions = Vec::new();
    strings(&dashboard, &["expr", "query", "definition"], &mut expressions);
    let all: BTreeSet<String> = in_rules.chain(expressions.iter().flat_map(|expression| named(expression))).collect();
    assert!(all.len() > 10, "{all:?}");
    let unknown: Vec<_> = all.difference(&printed).collect();
    assert!(unknown.is_empty(), "abide prints no {unknown:?}; it prints {printed:?}");
    let unseen: Vec<_> =
        printed.iter().filter(|name| name.starts_with("abide_service_") && !all.contains(*name)).collect();
    assert_eq!(unseen, ["abide_service_in_sync"], "of the others the dashboard shows something");
}

#[test]
fn panels_of_the_dashboard_have_numbers_of_their_own_and_do_not_lie_on_each_other() {
    let dashboard: Value = serde_json::from_str(&text("abide.dashboard.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("a list");
    let ids: BTreeSet<u64> = panels.iter().filter_map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len());
    let mut taken = BTreeSet::new();
    for panel in panels {
        let at = |key: &str| panel["gridPos"][key].as_u64().expect("a number");
        assert!(at("x") + at("w") <= 24, "{}", panel["title"]);
        for cell in (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{} lies on another", panel["title"]);
        }
    }
}
