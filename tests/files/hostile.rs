//! No bytes break the loader: it answers with a service or with findings, soon.

use super::{load_with, machine};
use abide::model::desired::Entry;
use abide::model::diagnostic::Diagnostic;
use abide::render::diagnostic;
use abide::source::Surroundings;
use abide::source::Text;
use abide::source::config::{self, Config};
use proptest::prelude::*;
use std::time::{Duration, Instant};

const GOOD: &str = r#"# a comment
command = ["sleep", "--port=${PORT:-80}", "ünï"]
description = """
two lines"""
environment = { A = "1", B = 'two $$' }
instances = 2
directory = "/"

[restart]
delay = "1s"
limit = { count = 3, window = "1m" }

[limits]
open_files = { soft = 100, hard = 200 }

[log]
max_size = "1MiB"
"#;

const GOOD_CONFIG: &str = r#"[control]
group = 0
[[access]]
users = [0, 1]
groups = [2]
tokens = ["ci"]
may = "operate"
services = ["web*", "d?"]
[http]
listen = ["127.0.0.1:9700", "[::1]:9700", 80]
dashboard = true
hosts = ["abide.example.org"]
tls = { certificate = "cert.pem", key = "key.pem" }
[[http.token]]
name = "ci"
sha256 = "50d858e0985ecc7f60418aaf0cc5ab587f42c2570a884095a9e8ccacd0f6545c"
may = "full"
services = ["*"]
"#;

/// A configuration or errors, each with its place and what to do, and never both.
fn configures(bytes: &[u8]) -> bool {
    let (config, findings) = config::parse(&Text { path: "abide.toml".into(), bytes: bytes.to_vec() });
    assert_eq!(config.is_none(), findings.iter().any(Diagnostic::is_error), "{findings:?}");
    assert!(findings.len() < 200 && findings.iter().all(|finding| finding.help.is_some()), "{findings:?}");
    config.is_some()
}

fn answers(bytes: &[u8]) -> Entry {
    let entry = load_with(&Surroundings { preflight: false, ..machine() }, &Config::default(), bytes, &[]);
    let errors = entry.diagnostics.iter().any(Diagnostic::is_error);
    assert_eq!(entry.service.is_none(), errors, "{entry:?}");
    for shown in [diagnostic::text(&entry.diagnostics, true), diagnostic::github(&entry.diagnostics)] {
        assert!(shown.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\u{1b}')), "{shown:?}");
    }
    diagnostic::json(&entry.diagnostics);
    let _ = config::parse(&Text { path: "abide.toml".into(), bytes: bytes.to_vec() });
    entry
}

#[test]
fn every_cut_of_a_good_file_is_a_service_or_findings() {
    assert!(answers(GOOD.as_bytes()).service.is_some());
    for end in 0..GOOD.len() {
        answers(&GOOD.as_bytes()[..end]);
        answers(&GOOD.as_bytes()[end..]);
    }
}

#[test]
fn every_cut_of_a_good_abide_toml_is_a_configuration_or_findings() {
    assert!(configures(GOOD_CONFIG.as_bytes()));
    for end in 0..GOOD_CONFIG.len() {
        configures(&GOOD_CONFIG.as_bytes()[..end]);
        configures(&GOOD_CONFIG.as_bytes()[end..]);
    }
    let many = |line: &str| line.repeat(100_000 / line.len());
    for large in [
        format!("[[access]]\nmay = \"read\"\nusers = [{}]\n", "\"nobody-of-that-name\",".repeat(250)).repeat(100),
        many("[[access]]\n"),
        many("[[http.token]]\nname = \"a\"\n"),
        format!("[http]\nlisten = [{}]\n", "1,".repeat(50_000)),
    ] {
        let begun = Instant::now();
        assert!(!configures(large.as_bytes()));
        assert!(begun.elapsed() < Duration::from_secs(20), "it took {:?}", begun.elapsed());
    }
}

proptest! {
    #[test]
    fn no_edit_breaks_the_reader_of_abide_toml(at in 0..GOOD_CONFIG.len(), gone in 0usize..30, new in "[\\PC\n\t\0]{0,6}") {
        let mut bytes = GOOD_CONFIG.as_bytes().to_vec();
        let end = (at + gone).min(bytes.len());
        bytes.splice(at..end, new.bytes());
        configures(&bytes);
    }

    #[test]
    fn no_bytes_break_the_loader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        answers(&bytes);
    }

    #[test]
    fn no_edit_breaks_the_loader(at in 0..GOOD.len(), gone in 0usize..20, new in "[\\PC\n\t\0]{0,6}") {
        let mut bytes = GOOD.as_bytes().to_vec();
        let end = (at + gone).min(bytes.len());
        bytes.splice(at..end, new.bytes());
        answers(&bytes);
    }

    #[test]
    fn no_words_break_the_loader(words in prop::collection::vec("[a-c=\\[\\]{}\"'\n.,0-9$# ]{1,4}|command|limits|open_files|\\[restart\\]|\"\"\"|'''", 0..30)) {
        answers(words.concat().as_bytes());
    }
}

#[test]
fn large_nonsense_is_answered_soon() {
    let large = |unit: &str| unit.repeat((1 << 18) / unit.len());
    let numbered = |make: &dyn Fn(usize) -> String| (0..8_000).map(make).collect::<String>();
    let texts = [
        large("="),
        large("a = 1\n"),
        large("["),
        large("a=["),
        large("{a="),
        large("x."),
        large("\""),
        large("a\n"),
        numbered(&|n| format!("k{n} = 1\n")),
        numbered(&|n| format!("environment.k{n} = \"${{NO}}\"\n")),
        numbered(&|n| format!("[t{n}]\nx = = 1\n")),
        format!("command = [{}]", "\"$\",".repeat(50_000)),
        format!("command = \"{}\"", "$ ".repeat(100_000)),
        format!("groups = [{}]", "\"x\",".repeat(50_000)),
        format!("environment_files = [{}]", "\"x\",".repeat(50_000)),
        format!("command = [{}]", "1,".repeat(100_000)),
        format!("a{} = 1", ".b".repeat(100_000)),
        format!("umask = \"{}\"", "9".repeat(1_000_000)),
        format!("stop.timeout = \"{}\"", "9".repeat(1_000_000)),
        format!("command = \"a\"\ndirectory = \"{}\"", "9".repeat(1_000_000)),
    ];
    for (index, text) in texts.iter().enumerate() {
        let begun = Instant::now();
        let entry = answers(text.as_bytes());
        assert!(entry.service.is_none(), "text {index}");
        let kept = diagnostic::json(&entry.diagnostics).len();
        assert!(entry.diagnostics.len() < 200 && kept < 500_000, "text {index}: {kept} bytes");
        assert!(begun.elapsed() < Duration::from_secs(20), "text {index} took {:?}", begun.elapsed());
    }
}

#[test]
fn what_is_no_text_is_said_in_one_finding() {
    for bytes in [&b"command = \"\xff\""[..], b"a\0b", &[0xff; 10]] {
        let entry = answers(bytes);
        assert_eq!(entry.diagnostics.len(), 1);
        assert!(entry.diagnostics[0].help.is_some());
    }
    let large = answers(&vec![b'#'; (1 << 20) + 1]);
    assert_eq!(large.diagnostics[0].code.as_str(), "too-large");
}
