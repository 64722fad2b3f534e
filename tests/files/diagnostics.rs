//! What typical mistakes look like to a person: each `golden/diagnostics/NAME.toml`, of a service, and
//! `golden/config/NAME.toml`, of `abide.toml`, beside its `NAME.txt`. `BLESS=1 cargo test --test files` rewrites the latter.

use super::{load_with, machine};
use abide::decide::judge::judge_all;
use abide::model::desired::{Definition, Entry};
use abide::model::diagnostic::Diagnostic;
use abide::model::name::ServiceName;
use abide::model::policy::Order;
use abide::render::diagnostic;
use abide::source::Text;
use abide::source::config::{self, Config};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// What is wrong with `text` as `web`, beside a `database` and a `cache` that comes after `web`.
fn judged(text: &[u8]) -> Vec<Diagnostic> {
    let entry = load_with(&machine(), &Config::default(), text, &[]);
    let name = |text: &str| ServiceName::new(text).expect("legal");
    let mut entries = [(name("web"), entry), (name("cache"), cache())];
    judge_all(&mut entries, &BTreeSet::from([name("database")]));
    let [(_, entry), _] = entries;
    entry.diagnostics
}

/// A service that comes after `web`.
fn cache() -> Entry {
    let mut entry = load_with(&machine(), &Config::default(), b"script = \"true\"\n", &[]);
    let mut service = entry.service.take().expect("it is good").service.clone();
    service.name = ServiceName::new("cache").expect("legal");
    let wants = vec![ServiceName::new("web").expect("legal")];
    service.order = Some(Box::new(Order { wants, ..Order::default() }));
    entry.service = Some(Arc::new(Definition::from(service)));
    entry
}

#[test]
fn typical_mistakes_read_as_written_down() {
    let all = compared("diagnostics", |text| {
        let found = judged(text);
        assert!(found.iter().any(Diagnostic::is_error), "no error in: {}", String::from_utf8_lossy(text));
        found
    });
    assert!(all >= 25, "only {all} cases");
}

#[test]
fn typical_mistakes_of_abide_toml_read_as_written_down() {
    let all = compared("config", |text| config::parse(&Text { path: "abide.toml".into(), bytes: text.to_vec() }).1);
    assert!(all >= 7, "only {all} cases");
}

/// Compares what `judge` says of each case in that folder with what is written down; how many there are.
fn compared(folder: &str, judge: impl Fn(&[u8]) -> Vec<Diagnostic>) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder);
    let mut cases: Vec<_> =
        folder.read_dir().expect("golden files").map(|entry| entry.expect("entry").path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    cases.sort();
    let mut wrong = Vec::new();
    for case in &cases {
        let found = judge(&std::fs::read(case).expect("readable"));
        assert!(!found.is_empty(), "{} has no findings", case.display());
        assert!(found.iter().all(|finding| finding.help.is_some()), "{} lacks help", case.display());
        let shown = diagnostic::text(&found, false);
        let expected = case.with_extension("txt");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&expected, &shown).expect("writable");
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != shown {
            wrong.push(format!("{}:\n{shown}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "these read otherwise (BLESS=1 accepts them):\n\n{}", wrong.join("\n"));
    cases.len()
}
