//! Options of the commands that show what was said and what happens, and of those for the shell.

use super::PlaceArgs;
use crate::model::selector::Selector;
use clap::Args;
use std::path::PathBuf;

pub(super) const LOGS: &str = "\
Examples:
  abide logs web               the last 100 lines of its output
  abide logs web -n 20 -f      the last 20, and what comes
  abide logs -f 'web*' db      of several: each line with the name of who said it
  abide logs web@2             of one instance

Where no abide runs the files themselves are read.

Exit codes: 0 shown, 1 there is no such service or it may not be read, 3 no daemon (-f), 64 usage";

pub(super) const EVENTS: &str = "\
Examples:
  abide events                  what has happened lately, as far as it is kept
  abide events -f               the same, and what happens from now on
  abide events -f 'web*' db     to some services
  abide events --json -f        for programs: one JSON document a line, each with its id

Events are kept, the last 1,024, from the moment that somebody first asks abide anything; abide.log
has all. --since ID goes on after an event, as an earlier `abide events --json` named it.

Exit codes: 0 shown, 1 it may not be read, 3 no daemon, 64 usage";

pub(super) const COMPLETIONS: &str = "\
Examples:
  abide completions bash > ~/.local/share/bash-completion/completions/abide
  abide completions zsh > ~/.zfunc/_abide    in a directory of $fpath
  abide completions fish > ~/.config/fish/completions/abide.fish

Services are completed by their live names, from the status snapshot.

Exit codes: 0 printed, 64 usage";

pub(super) const MAN: &str = "\
Examples:
  abide man man1                    abide.1, abide-run.1 and so on, into the directory man1
  abide man > abide.1               the page of abide itself, to stdout

Exit codes: 0 written, 1 it could not be, 64 usage";

/// `abide logs`
#[derive(Debug, Clone, Args)]
pub struct LogsArgs {
    /// Services, patterns, instances or states
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<Selector>,
    /// Go on with what comes, across rotation, until interrupted
    #[arg(long, short)]
    pub follow: bool,
    /// So many of the last lines
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    pub lines: u64,
    /// One JSON document a line: {"service", "instance", "line"}
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub places: PlaceArgs,
}

/// `abide events`
#[derive(Debug, Clone, Args)]
pub struct EventsArgs {
    /// Only of these: services, patterns or states
    #[arg(value_name = "NAME")]
    pub names: Vec<Selector>,
    /// Go on with what happens, until interrupted
    #[arg(long, short)]
    pub follow: bool,
    /// Go on after the event of this id
    #[arg(long, value_name = "ID")]
    pub since: Option<String>,
    /// One JSON document a line
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub places: PlaceArgs,
}

/// `abide completions`
#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// For which shell: bash, zsh or fish
    #[arg(value_enum, value_name = "SHELL", hide_possible_values = true)]
    pub shell: crate::cli::completions::Shell,
}

/// `abide man`
#[derive(Debug, Clone, Args)]
pub struct ManArgs {
    /// Where they are written; without it, abide's own is printed
    #[arg(value_name = "DIR")]
    pub directory: Option<PathBuf>,
}
