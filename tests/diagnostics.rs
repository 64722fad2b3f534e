//! What typical mistakes look like to a person: each `golden/diagnostics/NAME.toml` beside its
//! `NAME.txt`. `BLESS=1 cargo test --test diagnostics` rewrites the latter.

use abide::model::diagnostic::Diagnostic;
use abide::model::limits::{Bound, Ceilings, LimitKind};
use abide::model::name::ServiceName;
use abide::render::diagnostic;
use abide::source::config::Config;
use abide::source::load::load;
use abide::source::{Material, Surroundings, Text};
use std::collections::BTreeMap;
use std::path::Path;

/// A machine that does not depend on who runs the test: root's, with few descriptors.
fn surroundings() -> Surroundings {
    let hard = BTreeMap::from([(LimitKind::OpenFiles, Bound(4096)), (LimitKind::Core, Bound(0))]);
    Surroundings {
        ceilings: Ceilings { hard, may_raise: false, nr_open: 1 << 20, uid: 0 },
        environment: BTreeMap::new(),
        uid: 0,
        is_init: false,
        preflight: true,
    }
}

fn findings(bytes: Vec<u8>) -> Vec<Diagnostic> {
    let main = Text { path: "services.d/web.toml".into(), bytes };
    let name = ServiceName::new("web").expect("legal");
    let entry = load(&surroundings(), &Config::default(), &name, &Material::Toml { main, drop_ins: vec![] });
    assert_eq!(entry.service.is_none(), entry.diagnostics.iter().any(Diagnostic::is_error));
    entry.diagnostics
}

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
        let found = findings(std::fs::read(&case).expect("readable"));
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
}
