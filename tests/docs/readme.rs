//! A new user's first minutes: the README's commands, run one after another on a copy of the
//! examples, print what the README shows, numbers aside.

use crate::blocks::blocks;
use crate::root;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(30);

/// A directory with the examples, and abide on them.
struct Machine {
    directory: tempfile::TempDir,
    abide: Child,
}

impl Machine {
    fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("abide-docs-").tempdir().expect("a directory");
        let binary = PathBuf::from(std::env::var_os("ABIDE_BIN").unwrap_or(env!("CARGO_BIN_EXE_abide").into()));
        std::os::unix::fs::symlink(binary, directory.path().join("abide")).expect("a new directory");
        let copy = "mkdir examples; cp -r \"$0\"/examples/services.d examples/; chmod -R go-w examples";
        let done = shell(directory.path(), copy).arg(root()).status().expect("a shell");
        assert!(done.success());
        if nix::unistd::geteuid().is_root() {
            // The README is told as a user; root would be warned of running all as root.
            let config = directory.path().join("examples/abide.toml");
            std::fs::write(config, "[defaults]\nuser = \"root\"\n").expect("a new directory");
        }
        let mut run = shell(directory.path(), "exec ./abide run examples/services.d");
        let abide = run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        Self { directory, abide }
    }

    /// What a command prints, stdout before stderr, numbers aside.
    fn says(&self, command: &str) -> Vec<String> {
        let output = shell(self.directory.path(), command).output().expect("a shell");
        let text = [output.stdout, output.stderr].concat();
        without_advice(masked(&String::from_utf8_lossy(&text)))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.abide.id().to_string()).status();
        let _ = self.abide.wait();
    }
}

fn shell(directory: &Path, script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap_or_default());
    command.args(["-c", script]).current_dir(directory).env("PATH", path).env("LC_ALL", "C.UTF-8");
    for (name, place) in [("RUNTIME", "run"), ("STATE", "state"), ("LOG", "log")] {
        command.env(format!("ABIDE_{name}_DIR"), directory.join(place));
    }
    command.env_remove("ABIDE_LOG");
    command
}

/// Without what only root is told: that a service names no user.
fn without_advice(lines: Vec<String>) -> Vec<String> {
    let is_advice = |it: &str| {
        let of_a_whole_file = it.starts_with("--> ") && !it.ends_with(char::is_numeric);
        of_a_whole_file || it.starts_with("warning[runs-as-root]") || it.starts_with("= help: name the `user`")
    };
    let lines = lines.into_iter().filter(|line| !is_advice(line));
    lines.map(|line| line.replace(", 0 warnings;", ";").replace(", 0 warning;", ";")).collect()
}

/// Lines as words, with each run of words that begin with a digit as one `0`: pids, times, counts.
fn masked(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let mut words: Vec<String> = Vec::new();
        for word in line.split_whitespace() {
            let is_number = word.starts_with(|c: char| c.is_ascii_digit());
            let word = if is_number { "0" } else { word };
            if !is_number || words.last().is_none_or(|last| last != "0") {
                words.push(word.to_owned());
            }
        }
        words.join(" ")
    };
    // Said to root alone; the README is a user's.
    let is_for_root = |line: &String| line.contains("as root and the files do not say so");
    text.lines().map(line).filter(|line| !line.is_empty() && !is_for_root(line)).collect()
}

/// The commands of the README's console blocks, each with what it is said to print.
fn told() -> Vec<(String, Vec<String>)> {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("docs are text");
    let mut told: Vec<(String, String)> = Vec::new();
    for line in blocks(&readme, "console").iter().flat_map(|block| block.lines()) {
        match (line.strip_prefix("$ "), told.last_mut()) {
            (Some(command), _) => told.push((command.to_owned(), String::new())),
            (None, Some((_, output))) => output.extend([line, "\n"]),
            (None, None) => panic!("a console block begins with `$ `"),
        }
    }
    told.into_iter().map(|(command, output)| (command, masked(&output))).collect()
}

#[test]
fn the_commands_of_the_readme_print_what_it_shows() {
    let machine = Machine::start();
    let told = told();
    assert!(told.len() > 10, "{told:?}");
    for (command, expected) in told {
        // What abide does takes its time; what a user asks may be asked again.
        let until = Instant::now() + DEADLINE;
        let mut said = machine.says(&command);
        while said != expected && command.starts_with("abide ") && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
            said = machine.says(&command);
        }
        assert_eq!(said, expected, "`{command}`");
    }
}

#[test]
fn the_examples_of_every_help_are_commands_that_parse() {
    use clap::{CommandFactory, Parser};
    let cli = abide::cli::args::Cli::command();
    for command in cli.get_subcommands().filter(|it| !it.is_hide_set()) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples = help.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| line.contains("abide "));
        let mut count = 0;
        for example in examples {
            // An explanation stands two blanks apart; a variable may stand before, a redirection behind.
            let line = example.split("   ").next().unwrap_or_default().split("  ").next().unwrap_or_default();
            let line = line.split(" > ").next().unwrap_or_default();
            let words = shell_words::split(line).expect("a line of a shell").into_iter();
            let parsed = abide::cli::args::Cli::try_parse_from(words.skip_while(|word| word != "abide"));
            assert!(parsed.is_ok(), "{example}: {}", parsed.map(|_| ()).unwrap_err());
            count += 1;
        }
        assert!(count > 0, "{} has no example", command.get_name());
    }
}
