//! Every option once: help and usage errors derive from it.

use crate::daemon::paths::Wishes;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Keeps the processes of a machine true to a directory of files.
///
/// Drop NAME.toml into the directory and a process runs; edit it and the process is brought in
/// line; delete it and the process stops.
#[derive(Debug, Parser)]
#[command(name = "abide", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Supervise, in the foreground, what one or more directories say
    #[command(
        after_help = "Example:\n  abide run /etc/abide/services.d\n\nExit codes: 0 orderly end, 1 failure, 64 usage, 78 abide.toml is broken"
    )]
    Run(RunArgs),
    /// Check service files, without a daemon
    #[command(
        after_help = "Example:\n  abide check services.d\n  abide check services.d/web.toml --format github\n\nExit codes: 0 clean, 1 errors, 64 usage"
    )]
    Check(CheckArgs),
    /// Show what would change from one directory to another, and at what price
    #[command(
        after_help = "Example:\n  abide plan new/services.d --from services.d\n\nExit codes: 0 no change, 2 changes, 1 error, 64 usage"
    )]
    Plan(PlanArgs),
    /// Show what runs and what does not, and why
    #[command(
        after_help = "Example:\n  abide status\n  abide status web --json\n\nExit codes: 0 all as desired, 1 something is not, 3 no daemon or a stale snapshot, 64 usage\nWith --nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN"
    )]
    Status(StatusCommand),
    /// Print a JSON Schema: of the service file, or with --status of the snapshot
    #[command(after_help = "Example:\n  abide schema > abide.schema.json\n  abide schema --status")]
    Schema(super::schema::SchemaArgs),
    /// The supervisor role, started by the keeper
    #[command(hide = true)]
    RoleSupervisor(RunArgs),
    /// The logger role, started by the keeper
    #[command(hide = true)]
    RoleLogger(RunArgs),
}

/// Options that move abide's files; the same for every command.
#[derive(Debug, Clone, Args)]
pub struct PlaceArgs {
    /// abide.toml, instead of the one beside the first directory
    #[arg(long, value_name = "FILE", env = "ABIDE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Where status.json is (default: /run/abide, $XDG_RUNTIME_DIR/abide or /tmp/abide-UID)
    #[arg(long, value_name = "DIR", env = "ABIDE_RUNTIME_DIR")]
    pub runtime_dir: Option<PathBuf>,
    /// What outlives a boot (default: /var/lib/abide or $XDG_STATE_HOME/abide)
    #[arg(long, value_name = "DIR", env = "ABIDE_STATE_DIR")]
    pub state_dir: Option<PathBuf>,
    /// Output of services (default: /var/log/abide or $XDG_STATE_HOME/abide/log)
    #[arg(long, value_name = "DIR", env = "ABIDE_LOG_DIR")]
    pub log_dir: Option<PathBuf>,
}

impl From<PlaceArgs> for Wishes {
    fn from(args: PlaceArgs) -> Self {
        Self { config: args.config, runtime: args.runtime_dir, state: args.state_dir, log: args.log_dir }
    }
}

/// `abide run`
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The watched directories; the first wins where two have a service of one name
    #[arg(value_name = "DIR", required = true)]
    pub directories: Vec<PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub places: PlaceArgs,
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// Annotations for GitHub Actions.
    Github,
}

/// Options of output for `check` and `plan`.
#[derive(Debug, Clone, Args)]
pub struct FormatArgs {
    /// How to print
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
    /// Short for --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

impl FormatArgs {
    /// The format in force.
    pub fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

/// `abide check`
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Directories and service files
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub format: FormatArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub places: PlaceArgs,
}

/// `abide plan`
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// The directory as it shall be
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
    /// The directory as it is
    #[arg(long, value_name = "OLD", required = true)]
    pub from: PathBuf,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub format: FormatArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub places: PlaceArgs,
}

/// `abide status`
#[derive(Debug, Clone, Args)]
pub struct StatusCommand {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub status: super::status::StatusArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub places: PlaceArgs,
}
