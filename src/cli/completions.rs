//! `abide completions SHELL`: a script that asks this very program what could follow, so that all shells are told the
//! same: commands, options and their values, and the services that there are, from the snapshot file.

use super::args::Cli;
use super::args::look::CompletionsArgs;
use super::{exit, say, status};
use crate::daemon::paths::{Places, Wishes};
use crate::model::status::State;
use clap::{Command, CommandFactory, ValueEnum};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};
use std::ffi::{OsStr, OsString};

/// The variable by which a script says which shell asks.
const ASKS: &str = "ABIDE_COMPLETE";

/// The shells that have a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "names of shells")]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    fn completer(self) -> &'static dyn EnvCompleter {
        match self {
            Self::Bash => &Bash,
            Self::Zsh => &Zsh,
            Self::Fish => &Fish,
        }
    }
}

/// Prints the script.
pub(super) fn run(args: &CompletionsArgs) -> u8 {
    let mut script = Vec::new();
    let written = args.shell.completer().write_registration(ASKS, "abide", "abide", "abide", &mut script);
    // Memory takes all that is written.
    debug_assert!(written.is_ok());
    say(&String::from_utf8_lossy(&script));
    exit::OK
}

/// What could follow, where it is a script that asks; the exit code.
pub(super) fn answer(arguments: &[OsString]) -> Option<u8> {
    let shell = std::env::var(ASKS).ok()?;
    let shell = Shell::from_str(&shell, true).ok()?;
    // `abide -- abide sta`: the line stands behind.
    let line = arguments.iter().skip_while(|word| *word != "--").skip(1).cloned().collect::<Vec<_>>();
    let mut out = Vec::new();
    let here = std::env::current_dir().ok();
    match shell.completer().write_complete(&mut command(), line, here.as_deref(), &mut out) {
        Ok(()) => say(&String::from_utf8_lossy(&out)),
        Err(_) => return Some(exit::ERRORS),
    }
    Some(exit::OK)
}

/// The command line, with who knows the names.
fn command() -> Command {
    let mut command = Cli::command();
    // The name of a token is nobody's yet.
    let all = command.get_subcommands().map(|it| it.get_name().to_owned());
    let names: Vec<String> = all.filter(|name| name != "token").collect();
    for name in names {
        command = command.mut_subcommand(name, |subcommand| {
            let takes: Vec<_> = subcommand
                .get_positionals()
                .filter(|argument| argument.get_value_names().is_some_and(|names| names.iter().any(|it| it == "NAME")))
                .map(|argument| argument.get_id().to_string())
                .collect();
            takes
                .into_iter()
                .fold(subcommand, |it, id| it.mut_arg(id, |argument| argument.add(ArgValueCompleter::new(services))))
        });
    }
    command
}

/// Services of the snapshot whose names begin with what was typed; after an `@`, instances and states.
fn services(typed: &OsStr) -> Vec<CompletionCandidate> {
    let Some(typed) = typed.to_str() else { return Vec::new() };
    let uid = nix::unistd::geteuid().as_raw();
    let Ok(places) = Places::resolve(wishes(), uid, |name| std::env::var(name).ok()) else { return Vec::new() };
    let services = status::read(&places.runtime, None).map(|reading| reading.status.services).unwrap_or_default();
    let mut found = Vec::new();
    for service in services {
        let name = service.name.as_str();
        let about = service.description.as_deref().unwrap_or_default();
        let about = if about.is_empty() {
            service.state.as_str().to_owned()
        } else {
            format!("{}, {about}", service.state.as_str())
        };
        let about = crate::model::diagnostic::escaped(&about);
        if name.starts_with(typed) {
            found.push(CompletionCandidate::new(name).help(Some(about.into())));
        } else if typed.strip_prefix(name).is_some_and(|rest| rest.starts_with('@')) {
            let instances = service.instances.iter().map(|it| (format!("{name}@{}", it.id), it.state));
            let instances = instances.filter(|(name, _)| name.starts_with(typed));
            found.extend(
                instances.map(|(name, state)| CompletionCandidate::new(name).help(Some(state.as_str().into()))),
            );
        }
    }
    if typed.starts_with('@') {
        let states = State::ALL.into_iter().map(|state| format!("@{}", state.as_str()));
        found.extend(states.filter(|state| state.starts_with(typed)).map(CompletionCandidate::new));
    }
    found
}

/// Where the snapshot is, as the line says it, else the environment.
fn wishes() -> Wishes {
    let words: Vec<String> = std::env::args().collect();
    let option = "--runtime-dir";
    let apart = words.iter().position(|word| word == option).and_then(|at| words.get(at + 1)).cloned();
    let joined = || words.iter().find_map(|word| word.strip_prefix(option)?.strip_prefix('=').map(str::to_owned));
    let runtime = apart.or_else(joined).or_else(|| std::env::var("ABIDE_RUNTIME_DIR").ok());
    Wishes { runtime: runtime.map(Into::into), ..Wishes::default() }
}
