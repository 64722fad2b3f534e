//! What shells and readers are given: completions, asked for in the real bash, zsh and fish; man pages, read by man
//! and groff. A program that is not installed is said aloud, and fails where `CI=true`.

mod sample;

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Whether the program is there; else it is said that something is not checked.
fn there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| directory.join(program).is_file());
    if !found {
        assert!(std::env::var_os("CI").is_none(), "{program} is not installed, and CI=true promises it");
        eprintln!("NOT CHECKED: {program} is not installed");
    }
    found
}

/// A directory with the binary as `abide`, and a snapshot; no abide runs there.
fn machine() -> tempfile::TempDir {
    let directory = tempfile::Builder::new().prefix("abide-shell-").tempdir().expect("a directory");
    let binary = std::env::var_os("ABIDE_BIN").unwrap_or(env!("CARGO_BIN_EXE_abide").into());
    std::fs::create_dir(directory.path().join("bin")).expect("new");
    std::os::unix::fs::symlink(binary, directory.path().join("bin/abide")).expect("new");
    let snapshot = serde_json::to_vec(&sample::mixed()).expect("serialises");
    std::fs::write(directory.path().join("status.json"), snapshot).expect("new");
    directory
}

fn run(directory: &Path, program: &str, words: &[&str]) -> Output {
    let path = format!("{}:{}", directory.join("bin").display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new(program);
    command.args(words).current_dir(directory).env("PATH", path).env("ABIDE_RUNTIME_DIR", directory);
    command.env("HOME", directory).env("LC_ALL", "C.UTF-8").env("TERM", "xterm").stdin(Stdio::null());
    command.output().expect("it starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What is typed, and some of what is then offered; all of it where there is no `+`.
const TYPED: [(&str, &str); 7] = [
    ("abide st", "start status stop"),
    ("abide stop wo", "worker workers-many"),
    ("abide restart worker@", "worker@0 worker@1 worker@2 worker@3"),
    ("abide logs @ba", "@backoff"),
    ("abide wait --for r", "ready running"),
    ("abide stop --rea", "--reason"),
    ("abide completions ", "bash fish zsh +"),
];

fn compare(shell: &str, typed: &str, offered: &[&str], expected: &str) {
    let mut offered: Vec<&str> = offered.iter().map(|it| it.trim()).filter(|it| !it.is_empty()).collect();
    offered.sort_unstable();
    if let Some(some) = expected.strip_suffix(" +") {
        offered.retain(|it| some.split(' ').any(|expected| expected == *it));
        assert_eq!(offered.join(" "), some, "{shell}: {typed}");
    } else {
        assert_eq!(offered.join(" "), expected, "{shell}: {typed}");
    }
}

#[test]
fn bash_completes_commands_options_values_and_live_names() {
    if !there("bash") {
        return;
    }
    let machine = machine();
    for (typed, expected) in TYPED {
        let script = r#"
            source <(abide completions bash)
            function=$(complete -p abide | sed 's/.*-F \([^ ]*\).*/\1/')
            read -ra COMP_WORDS <<<"$1"
            [[ $1 == *' ' ]] && COMP_WORDS+=('')
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9
            $function abide "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}" 2>/dev/null
            printf '%s\n' "${COMPREPLY[@]}"
        "#;
        let text = said(&run(machine.path(), "bash", &["--norc", "-c", script, "bash", typed]));
        compare("bash", typed, &text.lines().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn fish_completes_commands_options_values_and_live_names() {
    if !there("fish") {
        return;
    }
    let machine = machine();
    for (typed, expected) in TYPED {
        let script = "abide completions fish | source; complete -C $argv[1]";
        let text = said(&run(machine.path(), "fish", &["--no-config", "-c", script, typed]));
        let offered: Vec<&str> = text.lines().map(|line| line.split('\t').next().unwrap_or_default()).collect();
        compare("fish", typed, &offered, expected);
    }
    let text = said(&run(
        machine.path(),
        "fish",
        &["--no-config", "-c", "abide completions fish | source; complete -C 'abide stop flak'"],
    ));
    assert!(text.contains("flaky\tbackoff"), "with how it is: {text}");
}

#[test]
fn zsh_completes_at_its_prompt() {
    if !there("zsh") {
        return;
    }
    let machine = machine();
    // A real line editor on a terminal of its own: Tab completes, and a key of ours shows the line.
    let script = r#"
        zmodload zsh/zpty
        zpty z 'PS1= TERM=xterm zsh -f -i'
        zpty -w z 'autoload -Uz compinit; compinit -u -D; source <(abide completions zsh)'
        zpty -w z 'show() { print -r -- "<<$BUFFER>>" }; zle -N show; bindkey "^X" show; bindkey "^I" complete-word; echo re""ady'
        zpty -r z out $'*ready*'
        zpty -w -n z "$1"$'\t\x18'
        zpty -r -m z out '*<<*>>*'
        print -r -- "$out"
        zpty -d z
    "#;
    for (typed, completed) in [
        ("abide stop cloc", "abide stop clock"),
        ("abide sche", "abide schema"),
        ("abide logs @ba", "abide logs @backoff"),
        ("abide stop --rea", "abide stop --reason"),
        ("abide restart workers-many@63", "abide restart workers-many@63"),
    ] {
        let text = said(&run(machine.path(), "timeout", &["60", "zsh", "-f", "-c", script, "zsh", typed]));
        let line = text.rsplit("<<").next().and_then(|rest| rest.split(">>").next()).unwrap_or_default();
        assert_eq!(line.trim(), completed, "{text:?}");
    }
}

#[test]
fn without_a_snapshot_there_are_no_names_and_no_complaints() {
    let machine = machine();
    std::fs::remove_file(machine.path().join("status.json")).expect("it was there");
    let output = run(machine.path(), "sh", &["-c", "ABIDE_COMPLETE=fish exec abide -- abide stop ''"]);
    assert!(output.status.success() && output.stderr.is_empty());
    assert!(!said(&output).lines().any(|line| line.starts_with("web")));
}

#[test]
fn each_command_has_a_man_page_without_a_warning() {
    let machine = machine();
    let written = run(machine.path(), "abide", &["man", "man1"]);
    assert!(written.status.success(), "{written:?}");
    let pages: Vec<_> = std::fs::read_dir(machine.path().join("man1")).expect("made").flatten().collect();
    let help = said(&run(machine.path(), "abide", &["--help"]));
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<&str> = commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    assert_eq!(pages.len(), commands.iter().filter(|it| !it.is_empty()).count() + 1);
    for page in pages {
        let path = page.path().display().to_string();
        if there("groff") {
            let output = run(machine.path(), "groff", &["-man", "-ww", "-Tutf8", "-z", &path]);
            assert!(output.status.success() && output.stderr.is_empty(), "{path}: {output:?}");
        }
        if there("man") {
            let output = run(machine.path(), "man", &["--warnings", "-l", &path]);
            let text = said(&output);
            assert!(output.status.success() && output.stderr.is_empty(), "{path}: {output:?}");
            let title = page.path().file_stem().expect("a name").to_string_lossy().to_uppercase();
            assert!(text.contains(&title) && text.contains("EXAMPLES"), "{text}");
        }
    }
    let printed = run(machine.path(), "abide", &["man"]);
    assert_eq!(said(&printed), std::fs::read_to_string(machine.path().join("man1/abide.1")).expect("written"));
}
