//! The house rules as a test: who may import whom, where `unsafe` may stand, what a file must say
//! of itself, how long it may be, which crates stay out, and that no link in the docs is dead.
//!
//! Reads the tree as text: a rule that needs a compiler is a lint in `Cargo.toml` or `clippy.toml`.

use std::fs;
use std::path::{Path, PathBuf};

/// What a room under `src/` may import of ours. A longer prefix wins. What is not listed here has
/// no rule yet, and a test says so.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("decide", &["model"]),
    ("render", &["model"]),
    ("table", &["host::sys"]),
    ("store", &["model"]),
    ("host", &["model", "decide::event", "decide::effect", "table", "log", "store"]),
    ("host/sys", &["model"]),
    ("supervisord", &["model"]),
    ("supervisorctl", &["supervisord"]),
    (
        "source",
        &["model", "supervisord", "host::users", "host::clock", "host::within", "host::sys::lease", "host::sys::eyes"],
    ),
    ("tools", &["model", "host::sys"]),
    ("log", &["model"]),
    ("import", &["model", "supervisord"]),
    ("logger", &["log", "model", "table", "host::pipe", "host::sys", "host::clock", "host::stderr"]),
    (
        "keeper",
        &[
            "model",
            "table",
            "host::sys",
            "host::clock",
            "host::pipe",
            "host::proc",
            "host::tree",
            "host::cgroup",
            "host::stderr",
            "store::ledger",
        ],
    ),
    (
        "api",
        &[
            "model",
            "render",
            "log",
            "supervisord",
            "host::clock",
            "host::peer",
            "host::priority",
            "host::usage",
            "host::doctor",
            "host::look",
        ],
    ),
    (
        "daemon",
        &[
            "model",
            "decide",
            "render",
            "table",
            "store",
            "host",
            "source",
            "log",
            "logger",
            "keeper",
            "api",
            "tools::links",
            "tools::errno",
        ],
    ),
    (
        "cli",
        &[
            "model",
            "decide::judge",
            "decide::plan",
            "decide::diff",
            "render",
            "source",
            "supervisord",
            "host::limits",
            "host::clock",
            "host::cgroup",
            "host::usage",
            "host::doctor",
            "host::look",
            "host::sys::pipe",
            "log",
            "import",
            "keeper",
            "logger",
            "supervisorctl",
            "api::client",
            "api::token",
            "tools::links",
            "tools::errno",
            "host::stderr",
            "daemon",
        ],
    ),
];

/// Crates that are kept to some rooms.
const CRATE_ROOMS: &[(&str, &[&str])] = &[
    ("notify", &["source/watch"]),
    ("glob", &["source/pattern", "source/watch"]),
    ("tokio", &["daemon", "api"]),
    ("axum", &["api"]),
    ("ratatui", &["cli/top"]),
    ("crossterm", &["cli/top"]),
    ("tokio_rustls", &["api/tls", "api/listen"]),
    ("rustls_pki_types", &["api/tls"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("hyper", &["daemon/probe", "api"]),
    ("hyper_util", &["daemon/probe", "api"]),
    ("http_body_util", &["daemon/probe", "api"]),
    ("regex", &["model/pattern", "log/lookout", "log/select"]),
    ("clap", &["cli", "daemon", "main"]),
    ("annotate_snippets", &["render/diagnostic"]),
    ("roxmltree", &["supervisord/xmlrpc"]),
    ("rustyline", &["supervisorctl/interactive"]),
    ("jiff", &["model/time", "render", "cli", "log", "daemon/trace"]),
    ("toml", &["source"]),
    (
        "nix",
        &["host", "tools", "table", "store/ledger", "logger", "keeper", "source", "daemon", "cli", "supervisorctl"],
    ),
    ("libc", &["host", "tools", "table", "logger", "keeper", "source", "daemon", "cli"]),
    ("tracing", &["daemon", "host", "source/worker", "api/server", "api/audit"]),
    ("tracing_subscriber", &["daemon/trace"]),
];

/// What a pure room has no business with. Tests of such a room are held to it too.
const PURE: &[&str] = &["model", "decide", "render", "log/rotate", "import", "supervisord"];
const IMPURE: &[&str] = &[
    "std::fs::",
    "std::process::",
    "std::thread",
    "std::net",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "async fn",
    "static mut",
];

/// Crates that stay out, and why.
const FORBIDDEN: &[(&str, &str)] = &[
    ("anyhow", "the full space of failure dissolves into strings"),
    ("chrono", "jiff is ours"),
    ("async-trait", "nothing here needs it"),
    ("notify-debouncer-full", "it delays every event; settling is ours"),
    ("notify-debouncer-mini", "it delays every event; settling is ours"),
];

/// Where `unsafe` may stand.
const UNSAFE_ROOMS: &[&str] = &["host/sys", "table"];

/// A longer file is looked at again; a reason in its head lets it pass.
const LONG: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files below `directory` with this extension.
fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if path.is_dir() && !hidden && entry.file_name() != "target" {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Each source file: its room (`decide/fleet`), its path, its text.
fn sources() -> Vec<(String, PathBuf, String)> {
    let src = root().join("src");
    let read = |path: PathBuf| {
        let room = path.strip_prefix(&src).expect("it lies there").with_extension("").display().to_string();
        let text = fs::read_to_string(&path).expect("source is text");
        (room, path, text)
    };
    files(&src, "rs").into_iter().map(read).collect()
}

/// Lines with their numbers, without comments and what follows the unit tests' `mod tests {`.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let own = text.lines().enumerate().take_while(|(_, line)| *line != "mod tests {");
    own.map(|(number, line)| (number + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Whether `room` is `prefix` or below it.
fn is_in(room: &str, prefix: &str) -> bool {
    room == prefix || room.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'))
}

/// Every `crate::a::b` of a line, also those in braces: `crate::a::{b, c::d}`.
fn imports(line: &str) -> Vec<String> {
    let path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    for rest in line.split("crate::").skip(1) {
        let end = rest.find(|c| !path(c)).unwrap_or(rest.len());
        let (prefix, rest) = rest.split_at(end);
        match rest.strip_prefix('{').and_then(|list| list.split('}').next()) {
            Some(list) => found.extend(list.split(',').map(|it| format!("{prefix}{}", it.trim()))),
            None => found.push(prefix.to_owned()),
        }
    }
    found.retain(|it| !it.is_empty());
    found
}

fn assert_none(rule: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{rule}\n  {}\n", offences.join("\n  "));
}

#[test]
fn rooms_import_only_what_they_may() {
    let mut offences = Vec::new();
    for (room, path, text) in sources() {
        let rule = MAY_IMPORT.iter().filter(|(prefix, _)| is_in(&room, prefix)).max_by_key(|(prefix, _)| prefix.len());
        // Tests of a room may look through any door.
        let Some((prefix, allowed)) = rule.filter(|_| !room.ends_with("/tests")) else { continue };
        let own = prefix.split('/').next().unwrap_or(prefix);
        for (number, line) in code(&text) {
            for import in imports(line) {
                let may = |it: &str| import == it || import.starts_with(&format!("{it}::"));
                if !may(own) && !allowed.iter().any(|it| may(it)) {
                    offences.push(format!("{}:{number}: {prefix} imports {import}", path.display()));
                }
            }
        }
    }
    assert_none("A room imports what it must not know; ARCHITECTURE.md has the table.", &offences);
}

#[test]
fn every_room_has_a_rule() {
    let known =
        |room: &str| ["lib", "main", "tools_only"].contains(&room) || MAY_IMPORT.iter().any(|(it, _)| is_in(room, it));
    let strangers: Vec<_> = sources().into_iter().map(|it| it.0).filter(|room| !known(room)).collect();
    assert_none("A folder without a rule: give it one in tests/tidy.rs.", &strangers);
}

#[test]
fn crates_stay_in_their_rooms() {
    let mut offences = Vec::new();
    for (room, path, text) in sources() {
        for (number, line) in code(&text) {
            for (name, rooms) in CRATE_ROOMS {
                let uses = line.split(&format!("{name}::")).next().filter(|before| before.len() < line.len());
                let whole =
                    uses.is_some_and(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'));
                if whole && !rooms.iter().any(|it| is_in(&room, it)) {
                    offences.push(format!("{}:{number}: {name}", path.display()));
                }
            }
        }
    }
    assert_none("A crate is used outside its rooms.", &offences);
}

#[test]
fn pure_rooms_touch_nothing() {
    let mut offences = Vec::new();
    for (room, path, text) in sources().into_iter().filter(|(room, ..)| PURE.iter().any(|it| is_in(room, it))) {
        for (number, line) in code(&text) {
            let found = IMPURE.iter().filter(|it| line.contains(**it));
            offences.extend(found.map(|it| format!("{}:{number}: {room} has {it}", path.display())));
        }
    }
    assert_none("A pure room acts.", &offences);
}

#[test]
fn unsafe_stands_where_it_may_and_says_why() {
    let mut offences = Vec::new();
    for (room, path, text) in sources() {
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let line = line.trim_start();
            let words = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"];
            if line.starts_with("//") || !words.iter().any(|it| line.contains(it)) {
                continue;
            }
            let place = format!("{}:{}", path.display(), number + 1);
            if !UNSAFE_ROOMS.iter().any(|it| is_in(&room, it)) {
                offences.push(format!("{place}: unsafe outside its rooms"));
            }
            let above = &lines[number.saturating_sub(40)..=number];
            if line.contains("unsafe {") && !above.iter().any(|it| it.contains("SAFETY")) {
                offences.push(format!("{place}: no SAFETY comment"));
            }
        }
    }
    assert_none("`unsafe` needs its place and its reason.", &offences);
}

#[test]
fn every_file_says_who_lives_there() {
    // Unit tests in a file of their own belong to the file that they test.
    let own = files(&root().join("src"), "rs").into_iter().filter(|path| !path.ends_with("tests.rs"));
    let all = own.chain(files(&root().join("tests"), "rs"));
    let silent = all.filter(|path| !fs::read_to_string(path).unwrap_or_default().starts_with("//! "));
    assert_none("Begin the file with `//!`: who lives here, what it may touch.", &shown(silent));
}

#[test]
fn no_file_grows_long_without_a_reason() {
    let long = sources().into_iter().filter(|(_, _, text)| {
        let head: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
        text.lines().count() > LONG && !head.contains("one thing")
    });
    let rule =
        "More than 500 lines: split it, move its tests to a file of their own, or say at its head why it is one thing.";
    assert_none(rule, &shown(long.map(|it| it.1)));
}

#[test]
fn forbidden_crates_stay_out() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("it is there");
    let found = FORBIDDEN
        .iter()
        .filter(|(name, _)| manifest.lines().any(|line| line.split([' ', '=', '.']).next() == Some(name)));
    assert_none("A crate that was rejected.", &found.map(|(name, why)| format!("{name}: {why}")).collect::<Vec<_>>());
    let tokio = manifest.lines().find(|line| line.starts_with("tokio ")).unwrap_or_default();
    for feature in ["\"process\"", "\"fs\"", "rt-multi-thread", "\"full\""] {
        assert!(
            !tokio.contains(feature),
            "tokio's {feature} is not for us: it takes children, or threads, behind our back"
        );
    }
}

#[test]
fn no_debugging_and_no_promises_are_left() {
    let mut offences = Vec::new();
    for (_, path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            for word in ["todo!", "unimplemented!", "dbg!", "FIXME", "XXX"] {
                if line.contains(word) {
                    offences.push(format!("{}:{}: {word}", path.display(), number + 1));
                }
            }
            if line.contains("TODO") && !line.contains('#') {
                offences.push(format!("{}:{}: a TODO without an issue's number", path.display(), number + 1));
            }
        }
    }
    assert_none("Left behind.", &offences);
}

#[test]
fn links_in_the_docs_lead_somewhere() {
    let mut dead = Vec::new();
    for page in files(root(), "md") {
        let text = fs::read_to_string(&page).expect("docs are text");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            let elsewhere = target.is_empty() || target.contains("://") || target.starts_with("mailto:");
            let beside = page.parent().expect("a file lies in a folder").join(target);
            if !elsewhere && !beside.exists() {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert_none("A dead link.", &dead);
}

#[test]
fn the_rooms_of_the_architecture_exist() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("it is there");
    let named = text.lines().filter_map(|line| line.strip_prefix("| `src/")?.split('/').next());
    let missing: Vec<_> = named.filter(|room| !root().join("src").join(room).is_dir()).map(str::to_owned).collect();
    assert_none("ARCHITECTURE.md names a room that is not there.", &missing);
    let rooms = fs::read_dir(root().join("src")).expect("it is there").flatten().filter(|entry| entry.path().is_dir());
    let silent = rooms.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let silent: Vec<_> = silent.filter(|room| !text.contains(&format!("`src/{room}/`"))).collect();
    assert_none("ARCHITECTURE.md does not know a room.", &silent);
}

fn shown(paths: impl Iterator<Item = PathBuf>) -> Vec<String> {
    paths.map(|path| path.display().to_string()).collect()
}

#[test]
fn imports_are_found_in_every_form() {
    assert_eq!(imports("use crate::host::{proc, sys::child};"), ["host::proc", "host::sys::child"]);
    assert_eq!(imports("pub(crate) fn f(a: crate::model::name::Name) {}"), ["model::name::Name"]);
    assert_eq!(imports("use crate::{model, table::Table};"), ["model", "table::Table"]);
    assert!(imports("use std::fs;").is_empty());
}
