//! Every option once: help and usage errors derive from it.

pub mod hand;
pub mod import;
pub mod look;
pub mod reconcile;
pub mod inspect;

use crate::daemon::paths::Wishes;
use crate::model::guise::Guise;
use crate::model::name::ServiceName;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Keeps the processes of a machine true to a directory of files.
///
/// Drop NAME.toml into the directory and a process runs; edit it and the process is brought in
/// line; delete it and the process stops.
#[derive(Debug, Parser)]
#[command(name = "abide", version, max_term_width = 100, disable_help_subcommand = true, after_help = BEGIN)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const BEGIN: &str = "\
Begin with:
  mkdir services.d
  echo 'command = \"sleep 1000\"' > services.d/nap.toml
  abide run services.d          in one terminal
  abide status                  in another

`abide COMMAND --help` has examples and exit codes.";

const RUN: &str = "\
Examples:
  abide run services.d                    one directory, made if it is missing
  abide run /etc/abide/services.d /srv/d  two; abide.toml lies beside the first
  abide run --exit-with web /services     in a container whose purpose is web
  ABIDE_LOG=debug abide run services.d    says more of what it does

Ends on Ctrl-C, SIGTERM or SIGPWR, with all services; the same once more hurries it.
With --exit-with it also ends, in the same order, when the process of that service ends by itself,
and exits with its code, or with 128 and the number of the signal that ended it. An end that abide
asked for, by an edit or a stop, is none; a start that fails is tried again as ever.

Exit codes: 0 orderly end, 1 it could not start or has died, 64 usage, 78 abide.toml is broken;
that of the service where --exit-with names one";

const CHECK: &str = "\
Examples:
  abide check services.d                           every error, with its place and a way out
  abide check services.d/web.toml --format github  annotations for a pull request
  abide check --offline services.d                 of another machine: no user, program, limit or mode here counts

Exit codes: 0 no errors, 1 errors, 64 usage";

const PLAN: &str = "\
Examples:
  abide plan                                   what the running abide has not done yet, and why
  abide plan new/services.d                    what it would do if its directories said this
  abide plan new/services.d --from services.d  the same between two directories, without a daemon
  abide plan --json new --from old             for programs

Nothing is done. Without --from it is the running abide that answers.

Exit codes: 0 nothing would change, 2 something would, 1 errors in the files, 3 no daemon, 64 usage";

const STATUS: &str = "\
Examples:
  abide status                 all services, one line a process
  abide status web             everything that is known of one service
  abide status 'web*' @failed  those whose names begin with web, and whatever abide has given up
  abide status --watch         the table, kept up to date
  abide status --json web db   for programs; `abide schema --status` describes it
  abide status --nagios        one line with perf data, for a monitoring check

Exit codes: 0 all as desired, 1 something is not, 3 no daemon or a stale snapshot, 64 usage;
with --nagios 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN";

const TOP: &str = "\
Examples:
  abide top                  all services, worst first; ? shows the keys
  abide top web              begins with those that have web in their name
  abide top '@failed'        with those in a state
  abide top --interval 10s   measures less often, for a slow line

It needs a terminal and a running abide; a lost one it waits for. NO_COLOR=1 leaves colours out.

Exit codes: 0 left, 1 the terminal cannot be used, 3 no daemon, 64 usage or no terminal";

const SCHEMA: &str = "\
Examples:
  abide schema > service.schema.json   for an editor that knows TOML
  abide schema --status                what programs may expect of status.json

Exit codes: 0 printed, 64 usage";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Supervise, in the foreground, what one or more directories say
    #[command(after_help = RUN)]
    Run(RunArgs),
    /// Find every error in service files, without a daemon
    #[command(after_help = CHECK)]
    Check(CheckArgs),
    /// Show what would change, and at what price
    #[command(after_help = PLAN)]
    Plan(PlanArgs),
    /// Show what runs, what does not, and why
    #[command(after_help = STATUS)]
    Status(StatusCommand),
    /// Look at everything live: sort, filter, follow logs, stop and start
    #[command(after_help = TOP)]
    Top(TopCommand),
    /// Lift holds, and start what rests
    #[command(after_help = hand::START)]
    Start(hand::OrderArgs),
    /// Stop, and hold stopped until somebody starts it
    #[command(after_help = hand::STOP)]
    Stop(hand::StopArgs),
    /// Stop and start, in the newest version
    #[command(after_help = hand::RESTART)]
    Restart(hand::RestartArgs),
    /// Have running processes take up their configuration
    #[command(after_help = hand::RELOAD)]
    Reload(hand::OrderArgs),
    /// Send a signal to the processes that abide watches
    #[command(after_help = hand::SIGNAL)]
    Signal(hand::SignalArgs),
    /// Rotate logs now
    #[command(after_help = hand::ROTATE)]
    Rotate(hand::LogTendArgs),
    /// Open logs anew, after somebody moved their files away
    #[command(after_help = hand::REOPEN)]
    Reopen(hand::LogTendArgs),
    /// Stop services whose files are gone, where that waits for a yes
    #[command(after_help = reconcile::CONFIRM)]
    Confirm(reconcile::SomeArgs),
    /// Act on nothing that changes in the files, until resumed
    #[command(after_help = reconcile::SUSPEND)]
    Suspend(reconcile::SuspendArgs),
    /// Act on the files again, and on what changed meanwhile
    #[command(after_help = reconcile::RESUME)]
    Resume(reconcile::SomeArgs),
    /// Try again the version that was rolled back
    #[command(after_help = reconcile::RETRY)]
    Retry(reconcile::RetryArgs),
    /// Go back to an earlier version
    #[command(after_help = reconcile::ROLLBACK)]
    Rollback(reconcile::RollbackArgs),
    /// Show the versions of a service
    #[command(after_help = reconcile::HISTORY)]
    History(reconcile::HistoryArgs),
    /// Show what differs between two versions of a service
    #[command(after_help = reconcile::DIFF)]
    Diff(reconcile::DiffArgs),
    /// Wait until services run, are ready, stopped, or in sync with their files
    #[command(after_help = hand::WAIT)]
    Wait(hand::WaitArgs),
    /// Show the output of services
    #[command(after_help = look::LOGS)]
    Logs(look::LogsArgs),
    /// Show from which level on abide's own log tells of what happens, or change it
    #[command(after_help = look::LOG_LEVEL)]
    LogLevel(look::LogLevelArgs),
    /// Show what happens
    #[command(after_help = look::EVENTS)]
    Events(look::EventsArgs),
    /// Show the processes of services
    #[command(after_help = inspect::TREE)]
    Tree(inspect::TreeArgs),
    /// Show the environment that a service gets
    #[command(after_help = inspect::ENV)]
    Env(inspect::EnvArgs),
    /// Find what on this machine is in the way
    #[command(after_help = inspect::DOCTOR)]
    Doctor(inspect::DoctorArgs),
    /// Send standard input to the log of another: journald, or syslog
    #[command(after_help = super::ship::EXAMPLES)]
    Ship(super::ship::ShipArgs),
    /// Make links named as the commands of daemontools and supervisord: svc, multilog, supervisorctl and the others
    #[command(after_help = super::links::LINKS)]
    Links(super::links::LinksArgs),
    /// Be one of the commands of daemontools or supervisord
    #[command(after_help = super::links::TOOL)]
    Tool(super::links::ToolArgs),
    /// Be supervisord's client, of abide or of a supervisord
    #[command(after_help = super::links::SUPERVISORCTL)]
    Supervisorctl(super::links::SupervisorctlArgs),
    /// Make service files of the services of another supervisor
    #[command(after_help = import::IMPORT)]
    Import(import::ImportArgs),
    /// Print the completion script of a shell
    #[command(after_help = look::COMPLETIONS)]
    Completions(look::CompletionsArgs),
    /// Write the man pages
    #[command(after_help = look::MAN)]
    Man(look::ManArgs),
    /// Print a JSON Schema: of the service file, or of the status snapshot
    #[command(after_help = SCHEMA)]
    Schema(super::schema::SchemaArgs),
    /// Make a token for the doors over TCP, and print it once
    #[command(after_help = super::token::EXAMPLES)]
    Token(super::token::TokenArgs),
    /// Have another program play abide, with no end of any service
    #[command(after_help = super::keeper::UPGRADE)]
    Upgrade(super::keeper::UpgradeArgs),
    /// End the supervisor and nothing else: services, their output and their exits are kept for the next one
    #[command(after_help = super::keeper::DETACH)]
    Detach(super::keeper::KeeperArgs),
    /// Start a supervisor again after `abide detach`
    #[command(after_help = super::keeper::ATTACH)]
    Attach(super::keeper::KeeperArgs),
    /// The supervisor role, started by the keeper
    #[command(hide = true)]
    RoleSupervisor(RunArgs),
    /// The logger role, started by the keeper
    #[command(hide = true)]
    RoleLogger(RunArgs),
    /// A program on trial, started by the keeper
    #[command(hide = true)]
    RoleCandidate(CandidateArgs),
}

/// What a program on trial has to know.
#[derive(Debug, Clone, Args)]
pub struct CandidateArgs {
    /// The layout of the table
    pub layout: u8,
    /// The version of the keeper
    pub keeper: u32,
}

/// Options that move abide's files; the same for every command.
#[derive(Debug, Clone, Default, Args)]
pub struct PlaceArgs {
    /// abide.toml, instead of the one beside the first directory
    #[arg(long, value_name = "FILE", env = "ABIDE_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Where status.json is (default: /run/abide, $XDG_RUNTIME_DIR/abide or /tmp/abide-UID)
    #[arg(long, value_name = "DIR", env = "ABIDE_RUNTIME_DIR", hide_env_values = true)]
    pub runtime_dir: Option<PathBuf>,
    /// What outlives a boot (default: /var/lib/abide or $XDG_STATE_HOME/abide)
    #[arg(long, value_name = "DIR", env = "ABIDE_STATE_DIR", hide_env_values = true)]
    pub state_dir: Option<PathBuf>,
    /// Output of services (default: /var/log/abide or $XDG_STATE_HOME/abide/log)
    #[arg(long, value_name = "DIR", env = "ABIDE_LOG_DIR", hide_env_values = true)]
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
    /// The directories to watch; where two have a service of one name, the first wins
    #[arg(value_name = "DIR", required_unless_present = "trust_owner")]
    pub directories: Vec<PathBuf>,
    /// End when this service ends by itself, and with its exit code, whatever its [restart] says
    #[arg(long, value_name = "NAME", value_parser = ServiceName::new)]
    pub exit_with: Option<ServiceName>,
    /// Watch this directory too, and have what its files say done as the user who owns it: short for a [[source]] in
    /// abide.toml
    #[arg(long, value_name = "DIR")]
    pub trust_owner: Vec<PathBuf>,
    /// As what abide was called
    #[arg(long, hide = true)]
    pub guise: Option<Guise>,
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
    /// How to print: text, json, or github for annotations
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
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
    /// Directories, or single service files; of services that these name, a file beside them is enough
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Look at nothing of this machine: the files are for another
    #[arg(long)]
    pub offline: bool,
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
    /// The directory as it shall be; without it, what is not yet as the files say
    #[arg(value_name = "NEW")]
    pub new: Option<PathBuf>,
    /// The directory as it is, instead of the running abide
    #[arg(long, value_name = "OLD", requires = "new")]
    pub from: Option<PathBuf>,
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

/// `abide top`
#[derive(Debug, Clone, Args)]
pub struct TopCommand {
    /// Show only what has these words in name, state or description; or a pattern (web*), or a state (@failed)
    #[arg(value_name = "FILTER")]
    pub filter: Option<String>,
    /// How often processor, memory and log are measured
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = crate::model::units::parse_duration)]
    pub interval: std::time::Duration,
    /// Leave the mouse to the terminal, so that it can select text
    #[arg(long)]
    pub no_mouse: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub places: PlaceArgs,
}
