//! The pages of the reference, made from the code.

use crate::root;
use crate::schema_page::{Schema, capital, kind, paragraph_and_default};
use abide::cli::args::Cli;
use abide::cli::{exit, schema};
use abide::model::diagnostic::Code;
use abide::source::config::doors::{Access, Control, HttpTable, HttpToken, Tls};
use abide::source::config::sources::{Source, SourceLimits};
use abide::source::config::{ConfigFile, Guard, Legacy, Metrics, Own, OwnLog, Rollout, Status, Watch};
use abide::source::toml::schema as shapes;
use abide::source::toml::shape::{
    Health, Limits, Log, Ready, Reload, Resources, Restart, RestartLimit, Schedule, Security, ServiceFile, Start, Stop,
};
use clap::CommandFactory;
use std::fmt::Write as _;

const MADE: &str = "<!-- Made from the code by `BLESS=1 cargo test --test docs`; edit it there. -->\n";

/// Name and text of every file below `docs/reference`.
pub(crate) fn all() -> Vec<(&'static str, String)> {
    vec![
        ("service-file.md", service_file()),
        ("abide-toml.md", abide_toml()),
        ("diagnostics.md", diagnostics()),
        ("commands.md", commands()),
        ("status.md", status()),
        ("http-api.md", format!("{MADE}{}", crate::api_page::page())),
        ("service.schema.json", schema::service_schema()),
        ("status.schema.json", schema::status_schema()),
    ]
}

/// A page of keys: the tables, each with where it stands in the file, its type's name and its keys.
fn keys(schema: &Schema, tables: &[(&str, &str, &[&str])]) -> String {
    let mut out = String::new();
    for (path, part, keys) in tables {
        if !path.is_empty() {
            let head = if is_list(schema, tables, path) { format!("[[{path}]]") } else { format!("[{path}]") };
            let _ = writeln!(out, "\n## `{head}`\n\n{}", schema.about(part));
        }
        for key in *keys {
            let property = schema.property(part, key);
            let full = if path.is_empty() { (*key).to_owned() } else { format!("{path}.{key}") };
            let level = if path.is_empty() { "##" } else { "###" };
            if Schema::target(property).is_some() && tables.iter().any(|(path, ..)| *path == full) {
                continue;
            }
            let (text, default) = paragraph_and_default(property);
            let default = default.map_or_else(String::new, |default| format!(" Default: {}.", code(&default)));
            let kind = if Schema::target(property).is_some() { "table".to_owned() } else { kind(property) };
            let _ = writeln!(out, "\n{level} `{full}`\n\n*{}.*{default}\n\n{text}", capital(&kind));
        }
    }
    out
}

/// Whether there may be several tables of that name.
fn is_list(schema: &Schema, tables: &[(&str, &str, &[&str])], path: &str) -> bool {
    let (above, key) = path.rsplit_once('.').unwrap_or(("", path));
    let part = tables.iter().find(|(other, ..)| *other == above).map_or("", |(_, part, _)| part);
    schema.property(part, key)["type"] == "array"
}

/// A default that is a single value as code.
fn code(default: &str) -> String {
    if default.contains([' ', '`']) { default.to_owned() } else { format!("`{default}`") }
}

fn service_file() -> String {
    let schema = Schema { whole: shapes::schema(), parts: "definitions" };
    let tables: &[(&str, &str, &[&str])] = &[
        ("", "", ServiceFile::KEYS),
        ("restart", "Restart", Restart::KEYS),
        ("restart.limit", "RestartLimit", RestartLimit::KEYS),
        ("stop", "Stop", Stop::KEYS),
        ("start", "Start", Start::KEYS),
        ("ready", "Ready", Ready::KEYS),
        ("health", "Health", Health::KEYS),
        ("reload", "Reload", Reload::KEYS),
        ("limits", "Limits", Limits::KEYS),
        ("resources", "Resources", Resources::KEYS),
        ("log", "Log", Log::KEYS),
        ("schedule", "Schedule", Schedule::KEYS),
        ("security", "Security", Security::KEYS),
    ];
    format!(
        "{MADE}\n# The service file\n\n`NAME.toml` in a watched directory is the service `NAME`; `NAME.toml.d/*.toml` are merged over it \
         in order of name, and `[defaults]` of [abide.toml](abide-toml.md) under it. A name is letters, digits, `.`, `_` and `-`, \
         begins with a letter or digit and has at most 128 bytes. Either `command` or `script` is needed, everything \
         else has a default. An unknown key is an error. For editors: [service.schema.json](service.schema.json).\n\n\
         Durations are `\"250ms\"`, `\"10s\"`, `\"1h30m\"`; sizes `\"10MiB\"`, `\"1GB\"`, or a number of bytes.\n{}",
        keys(&schema, tables)
    )
}

fn abide_toml() -> String {
    let schema = Schema { whole: shapes::schema_of::<ConfigFile>(), parts: "definitions" };
    let tables: &[(&str, &str, &[&str])] = &[
        ("", "", &["batch", "trusted_groups"]),
        ("defaults", "ServiceFile", &[]),
        ("source", "Source", Source::KEYS),
        ("source.limits", "SourceLimits", SourceLimits::KEYS),
        ("watch", "Watch", Watch::KEYS),
        ("guard", "Guard", Guard::KEYS),
        ("rollout", "Rollout", Rollout::KEYS),
        ("status", "Status", Status::KEYS),
        ("legacy", "Legacy", Legacy::KEYS),
        ("metrics", "Metrics", Metrics::KEYS),
        ("log", "OwnLog", OwnLog::KEYS),
        ("supervisor", "Own", Own::KEYS),
        ("control", "Control", Control::KEYS),
        ("access", "Access", Access::KEYS),
        ("http", "HttpTable", HttpTable::KEYS),
        ("http.tls", "Tls", Tls::KEYS),
        ("http.token", "HttpToken", HttpToken::KEYS),
    ];
    let told =
        |key: &&&str| tables.iter().any(|(table, _, keys)| table == *key || (table.is_empty() && keys.contains(key)));
    let untold: Vec<_> = ConfigFile::KEYS.iter().filter(|key| !told(key)).collect();
    assert!(untold.is_empty(), "keys of abide.toml that the reference lacks: {untold:?}");
    let about = crate::schema_page::paragraph(schema.property("", "defaults"));
    let text = keys(&schema, tables).replacen(&schema.about("ServiceFile"), &about, 1);
    format!(
        "{MADE}\n# abide.toml\n\nIt lies beside the first watched directory, or where `--config` says, and may be missing. It is watched like a \
         service file: an edit is taken up at once, and of a broken one the last accepted version holds. Broken at a first start \
         it ends `abide run` with exit code 78.\n{text}"
    )
}

fn diagnostics() -> String {
    let mut out = format!(
        "{MADE}\n# Diagnostics\n\nWhat `abide check` finds, and the status and the log tell. The word in brackets is for programs \
         (`code` in `--json` and in `status.json`) and does not change; the sentences may.\n"
    );
    let golden = golden();
    for (code, paragraph) in Code::ALL {
        let _ = writeln!(out, "\n## `{code}`\n\n{}", paragraph.trim());
        let begin = format!("error[{code}]");
        if let Some(example) = golden.iter().find(|block| block.starts_with(&begin)) {
            let _ = writeln!(out, "\n```text\n{}\n```", example.trim_end());
        }
    }
    out
}

/// Findings as people see them, from the tests that hold them word by word.
fn golden() -> Vec<String> {
    let folder = std::fs::read_dir(root().join("tests/golden/diagnostics")).expect("golden files").flatten();
    let mut files: Vec<_> =
        folder.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|it| it == "txt")).collect();
    files.sort();
    let texts = files.iter().map(|path| std::fs::read_to_string(path).expect("text"));
    texts.flat_map(|text| text.split("\n\n").map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn commands() -> String {
    let mut out = format!("{MADE}\n# Commands\n\n```text\n{}```\n", help(&["abide", "--help"]));
    for command in Cli::command().get_subcommands().filter(|it| !it.is_hide_set()) {
        let name = command.get_name();
        let _ = write!(out, "\n## abide {name}\n\n```text\n{}```\n", help(&["abide", name, "--help"]));
    }
    out.push_str("\n## Exit codes\n\n| code | meaning |\n| --- | --- |\n");
    for (code, meaning) in exit::ALL {
        let _ = writeln!(out, "| {code} | {} |", meaning.trim());
    }
    out.push_str("\nErrors go to stderr, one sentence each, that says what to do next; answers go to stdout.\n");
    out
}

/// What such a command prints on a terminal of 100 columns, without blanks at the ends of lines.
fn help(words: &[&str]) -> String {
    let asked = Cli::command().term_width(100).try_get_matches_from(words).expect_err("help is no match");
    asked.to_string().lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn status() -> String {
    let whole = serde_json::from_str(&schema::status_schema()).expect("JSON");
    let schema = Schema { whole, parts: "$defs" };
    let mut out = format!(
        "{MADE}\n# status.json\n\nThe snapshot for monitoring: replaced as a whole after each change, touched at each heartbeat, with \
         `\"state\": \"stopped\"` as its last word. Older than three heartbeats it is stale, and nobody knows. Ages are told by its \
         mtime, times in it are UTC. Fields may be added; what is here keeps its meaning within one `schema` number. As JSON Schema: \
         [status.schema.json](status.schema.json). No variable's value and no line of a file stands in it.\n\n{}",
        schema.table("")
    );
    for part in schema.reached() {
        let _ = write!(out, "\n## {part}\n\n{}\n\n{}", schema.about(&part), schema.table(&part));
    }
    out
}
