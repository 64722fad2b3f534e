//! What typical mistakes look like to a person: each `golden/diagnostics/NAME.toml` beside its
//! `NAME.txt`. `BLESS=1 cargo test --test files` rewrites the latter.

use super::{load_with, machine};
use abide::model::diagnostic::Diagnostic;
use abide::render::diagnostic;
use abide::source::config::Config;
use std::path::Path;

#[test]
fn typical_mistakes_read_as_written_down() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/diagnostics");
    let mut cases: Vec<_> =
        folder.read_dir().expect("golden files").map(|entry| entry.expect("entry").path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    cases.sort();
    assert!(cases.len() >= 25, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let found =
            load_with(&machine(), &Config::default(), &std::fs::read(&case).expect("readable"), &[]).diagnostics;
        assert!(found.iter().any(Diagnostic::is_error), "{} has no findings", case.display());
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
}
