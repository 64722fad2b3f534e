//! The docs are true: the reference is what the code says, the README's commands do what it tells,
//! and every TOML block is one that abide takes.
//!
//! `BLESS=1 cargo test --test docs` writes the reference anew; look at the difference, then commit it.

mod api_page;
mod blocks;
mod pages;
mod readme;
mod schema_page;

use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page that users and contributors read.
fn all_pages() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]
        .into_iter()
        .chain(["examples/README.md", "benches/README.md"])
        .map(|page| root().join(page))
        .collect();
    let below = |folder: &str| std::fs::read_dir(root().join(folder)).into_iter().flatten().flatten();
    found.extend(below("docs/reference").chain(below("docs/decisions")).map(|entry| entry.path()));
    found.retain(|path| path.extension().is_some_and(|it| it == "md"));
    found
}

#[test]
fn the_reference_says_what_the_code_says() {
    let mut stale = Vec::new();
    for (name, text) in pages::all() {
        let path = root().join("docs/reference").join(name);
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &text).expect("the checkout is writable");
        } else if std::fs::read_to_string(&path).unwrap_or_default() != text {
            stale.push(name);
        }
    }
    assert!(stale.is_empty(), "{} differ: BLESS=1 cargo test --test docs", stale.join(", "));
}
