//! Every TOML block of the docs is one that abide takes, and every error that they show is one
//! that abide tells.

use crate::{all_pages, root};
use abide::model::diagnostic::{Code, Diagnostic};
use abide::model::name::ServiceName;
use abide::source::Text;
use abide::source::config::{self, Config};
use abide::source::load::load_file;
use std::path::Path;

/// What this machine lacks is no fault of a page.
const ABSENT: [Code; 7] = [
    Code::NoProgram,
    Code::NoDirectory,
    Code::UnknownUser,
    Code::UnknownGroup,
    Code::CannotBecome,
    Code::EnvironmentFile,
    Code::LimitAboveHard,
];

/// The fenced blocks of this language. A block after a line `<!-- refused -->` is an exception.
pub(crate) fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let parts: Vec<&str> = text.split(&fence).collect();
    let pairs = parts.windows(2).filter(|pair| !pair[0].trim_end().ends_with("<!-- refused -->"));
    pairs.filter_map(|pair| pair[1].split("```").next().map(str::to_owned)).collect()
}

fn findings(block: &str) -> Vec<Diagnostic> {
    let is_config = ["[defaults", "[watch]", "[status]", "[metrics]", "[control]", "[[access]]", "[http]"]
        .iter()
        .any(|table| block.contains(table));
    if is_config {
        return config::parse(&Text { path: "abide.toml".into(), bytes: block.into() }).1;
    }
    let ceilings = abide::host::limits::ceilings_of(None).expect("/proc is there");
    let around = abide::source::surroundings(ceilings, false, false);
    let name = ServiceName::new("web").expect("a name");
    let main = Text { path: "web.toml".into(), bytes: block.into() };
    load_file(&around, &Config::default(), &name, &main, &[]).diagnostics
}

#[test]
fn every_toml_block_is_taken() {
    let mut faults = Vec::new();
    let mut count = 0;
    for page in all_pages() {
        for block in blocks(&std::fs::read_to_string(&page).expect("docs are text"), "toml") {
            count += 1;
            let wrong = findings(&block).into_iter().filter(|finding| !ABSENT.contains(&finding.code));
            faults.extend(wrong.map(|finding| format!("{}: {finding}\n{block}", page.display())));
        }
    }
    assert!(count >= 3, "only {count} blocks");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_error_in_the_readme_is_told_word_by_word() {
    let read = |path: &str| std::fs::read_to_string(root().join(Path::new(path))).expect("docs are text");
    let known = read("docs/reference/diagnostics.md");
    for block in blocks(&read("README.md"), "text") {
        assert!(!block.starts_with("error[") || known.contains(&block), "not in diagnostics.md:\n{block}");
    }
}
