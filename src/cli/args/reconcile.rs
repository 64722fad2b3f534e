//! Options of the commands about reconciling itself: confirm, suspend, resume, retry, rollback, history, diff.

use super::PlaceArgs;
use super::hand::AnswerArgs;
use crate::model::name::ServiceName;
use crate::model::selector::Selector;
use clap::Args;

pub(in crate::cli) const CONFIRM: &str = "\
Examples:
  abide plan              shows what is held, and why
  abide confirm           the files are gone for good: stop all services that are held for it
  abide confirm web 'a*'  only these

Where too many files go at once, their services run on until somebody says yes, or the files are back.
Who cannot run this lists the names, one a line, in a file .abide-allow-removals in the directory.

Exit codes: 0 done, 1 one may not be stopped, 3 no daemon, 64 usage";

pub(in crate::cli) const SUSPEND: &str = "\
Examples:
  abide suspend                          nothing that changes in any file is acted on
  abide suspend web --reason debugging   only in those of web

What runs is supervised as ever: it is restarted, its output is kept, and start and stop work. It lasts
until `abide resume`, over restarts of abide. A file .abide-hold in the directory does the same for it.

Exit codes: 0 suspended, 1 not allowed, 3 no daemon, 64 usage";

pub(in crate::cli) const RESUME: &str = "\
Examples:
  abide resume        files count again; what changed meanwhile is acted on, as one batch
  abide resume web    those of web

Exit codes: 0 resumed, 1 it is suspended by a file, or may not be resumed, 3 no daemon, 64 usage";

pub(in crate::cli) const RETRY: &str = "\
Examples:
  abide retry web     try the version again that its file has, and that was rolled back

An edit of a key that matters does the same by itself.

Exit codes: 0 it is tried again or was not rolled back, 1 not allowed, 3 no daemon, 64 usage";

pub(in crate::cli) const ROLLBACK: &str = "\
Examples:
  abide rollback web                 to the version before the one in force
  abide rollback web --to 9f2c       to the one whose digest begins so; `abide history web` lists them

The file stays as it is; what it says is not tried again until a key of it changes that matters, or by
`abide retry web`.

Exit codes: 0 done, 1 there is no such version or not allowed, 3 no daemon, 64 usage";

pub(in crate::cli) const HISTORY: &str = "\
Examples:
  abide history web          its versions, the newest first, with the keys that each changed
  abide history --json web   for programs

Exit codes: 0 shown, 1 no such service, 3 no daemon, 64 usage";

pub(in crate::cli) const DIFF: &str = "\
Examples:
  abide diff web               what the version in force changed
  abide diff web 9f2c          what differs between that one and the one in force
  abide diff web 9f2c 11aa     what differs between two; digests may be cut short

Exit codes: 0 nothing differs, 1 no such version, 2 something differs, 3 no daemon, 64 usage";

/// `abide confirm`, `abide resume`
#[derive(Debug, Clone, Args)]
pub struct SomeArgs {
    /// Services or patterns; without any: all
    #[arg(value_name = "NAME")]
    pub names: Vec<Selector>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub answer: AnswerArgs,
}

/// `abide suspend`
#[derive(Debug, Clone, Args)]
pub struct SuspendArgs {
    /// Services or patterns; without any: all
    #[arg(value_name = "NAME")]
    pub names: Vec<Selector>,
    /// Why, for those who look at the status
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub answer: AnswerArgs,
}

/// `abide retry`
#[derive(Debug, Clone, Args)]
pub struct RetryArgs {
    /// Services or patterns
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<Selector>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub answer: AnswerArgs,
}

/// `abide rollback`
#[derive(Debug, Clone, Args)]
pub struct RollbackArgs {
    /// Services or patterns
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<Selector>,
    /// The version, or how its digest begins; without it the one before
    #[arg(long, value_name = "VERSION")]
    pub to: Option<String>,
    /// Do not ask, however many are meant
    #[arg(long, short)]
    pub yes: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub answer: AnswerArgs,
}

/// `abide history`
#[derive(Debug, Clone, Args)]
pub struct HistoryArgs {
    /// The service
    #[arg(value_name = "NAME", value_parser = ServiceName::new)]
    pub name: ServiceName,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub places: PlaceArgs,
}

/// `abide diff`
#[derive(Debug, Clone, Args)]
pub struct DiffArgs {
    /// The service
    #[arg(index = 1, value_name = "NAME", value_parser = ServiceName::new)]
    pub name: ServiceName,
    /// A version; without it the one before
    #[arg(index = 2, value_name = "FROM")]
    pub from: Option<String>,
    /// Another version; without it the one in force
    #[arg(index = 3, value_name = "TO")]
    pub to: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub places: PlaceArgs,
}
