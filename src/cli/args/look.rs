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
  abide logs web --since 1h --level error
  abide logs 'web*' --since 2026-11-22T05:00:00Z --until 2026-11-22T06:00:00Z --grep timeout
  abide logs web -o cat        what it said, without times

Rotated and compressed files are read too, but for what the times rule out. Where no abide runs the files themselves are
read. On a terminal it is shown by $PAGER, or less.

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

pub(super) const LOG_LEVEL: &str = "\
Examples:
  abide log-level         what it is
  abide log-level debug   from now on, until the supervisor starts anew
  abide log-level info

Abide's own log is abide.log in the log directory.
Exit codes: 0 done, 1 it is no filter, or not allowed, 3 no daemon, 64 usage";

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
    /// So many of the last lines that are meant; 100, or with --since all
    #[arg(long, short = 'n', value_name = "N")]
    pub lines: Option<u64>,
    /// Only what was said since then: "10m" ago, 2026-11-22, 2026-11-22T05:14:02Z (times are UTC)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only what was said until then
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only lines in which this regular expression matches
    #[arg(long, short = 'g', value_name = "REGEX")]
    pub grep: Option<String>,
    /// Only lines that say of themselves that they are this bad or worse: trace, debug, info, warn, error, fatal
    #[arg(long, value_name = "LEVEL")]
    pub level: Option<String>,
    /// Only lines of this stream: out, err, abide, or - where both are one
    #[arg(long, value_name = "STREAM", allow_hyphen_values = true)]
    pub stream: Option<String>,
    /// How: text (time, stream, line), json (one document a line), cat (what was said, and nothing else)
    #[arg(long, short = 'o', value_enum, value_name = "FORM", default_value_t = LogsForm::Text, hide_possible_values = true)]
    pub output: LogsForm,
    /// The same as -o json
    #[arg(long, conflicts_with = "output")]
    pub json: bool,
    /// Do not show it page by page, though this is a terminal
    #[arg(long)]
    pub no_pager: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub places: PlaceArgs,
}

/// How `abide logs` shows lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogsForm {
    /// Time, stream, line.
    Text,
    /// One JSON document a line.
    Json,
    /// The bytes that were said.
    Cat,
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

/// `abide log-level`
#[derive(Debug, Clone, Args)]
pub struct LogLevelArgs {
    /// A level: error, warn, info, debug or trace; or several of parts of abide, as `info,abide::host=debug`
    #[arg(value_name = "FILTER")]
    pub filter: Option<String>,
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
