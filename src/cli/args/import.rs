//! Options of `abide import`.

use super::PlaceArgs;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

pub(super) const IMPORT: &str = "\
Examples:
  abide import daemontools /service                             print the service files
  abide import daemontools /service --to /etc/abide/services.d  write them there
  abide import daemontools /service/web --to services --force   one, over one that is there
  abide import daemontools /service --to services --dry-run     tell what would be written
  abide import supervisord /etc/supervisord.conf --to services  the same of programs of supervisord

Of each directory whose `run` is understood to its last line a file is made that does the same. A
word that no key stands for, such as `envdir`, stays in the command. What is not understood for
certain is left as it is, with its line and the reason in the report.

Of each program of supervisord a file is made, with `instances` where its processes differ by no more
than their number, else of each process. The report names each key that is not carried over, and why.

Nothing of the old is changed: the last lines of the report are the steps to switch.

Exit codes: 0 all imported, 1 something was left as it is or could not be written, 64 usage";

/// Of which supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatOfOthers {
    /// Service directories with `run` and `log/run`
    Daemontools,
    /// A configuration file with sections of programs, and the files that it includes
    Supervisord,
}

/// `abide import`
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// Whose files they are: daemontools, supervisord
    #[arg(value_name = "FORMAT", value_enum, hide_possible_values = true)]
    pub format: FormatOfOthers,
    /// Of daemontools a directory of service directories, or of links to them, or a single one; of supervisord its file
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// Write NAME.toml into this directory instead of printing it
    #[arg(long, value_name = "DIRECTORY")]
    pub to: Option<PathBuf>,
    /// Replace files that are there
    #[arg(long, requires = "to")]
    pub force: bool,
    /// Write nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub places: PlaceArgs,
}
