//! Options of the commands about reconciling itself: confirm, suspend, resume.

use super::hand::AnswerArgs;
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
