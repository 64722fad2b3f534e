//! `abide links`: the commands of daemontools and supervisord as links to abide. And `abide tool`, for a name that is none.

use super::{exit, say};
use crate::model::nearest::nearest;
use crate::model::tool::NAMES;
use crate::tools::links::{self, Linked};
use clap::Args;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

/// Examples.
pub const LINKS: &str = "\
Examples:
  abide links daemontools        svc, svstat, multilog and the others, in a directory of their own
  daemontools/svstat services.d/web
  daemontools/supervisorctl version

What has such a name and is no link of abide's stays as it is; `--force` replaces links.
Exit codes: 0 all are there, 1 some name is taken or the directory cannot be written, 64 usage";

/// Examples.
pub const TOOL: &str = "\
Examples:
  abide tool svstat services.d/web
  abide tool softlimit -o 100 sh -c 'ulimit -n'
  echo hello | abide tool tai64n

Arguments, output and exit codes are those of daemontools 0.76 (100 usage, 111 failed, or the program's own) and of
supervisor 4.3.0.";

/// Examples.
pub const SUPERVISORCTL: &str = "\
Examples:
  abide supervisorctl status                    abide's own services, as supervisord's client shows them
  abide supervisorctl tail web stderr
  abide supervisorctl -s http://localhost:9001 version

Options, commands, output and exit codes are those of supervisor 4.3.0 (`abide supervisorctl help`). Where neither -s nor
a configuration file names a server, it is the abide that runs here.";

/// `abide supervisorctl`
#[derive(Debug, Args)]
pub struct SupervisorctlArgs {
    /// Options and a command of supervisorctl; without a command, a shell of commands
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORD")]
    pub words: Vec<OsString>,
}

/// `abide links`
#[derive(Debug, Args)]
pub struct LinksArgs {
    /// Where to make them; made if it is missing
    pub directory: PathBuf,
    /// Replace links that lead elsewhere
    #[arg(long)]
    pub force: bool,
}

/// `abide tool`
#[derive(Debug, Args)]
pub struct ToolArgs {
    /// Which: svc, svstat, multilog, ...
    #[arg(value_name = "TOOL")]
    pub name: String,
    /// What it is told
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<OsString>,
}

/// Makes the links; the exit code.
pub(super) fn links(args: &LinksArgs) -> u8 {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return failed(&format!("cannot find out where abide's own program is: {error}")),
    };
    let directory = args.directory.display();
    match links::make(&args.directory, &program, args.force) {
        Err(error) => failed(&format!("cannot make links in {directory}: {error}")),
        Ok(made) => {
            let count = |wanted: Linked| made.iter().filter(|(_, linked)| *linked == wanted).count();
            say(&format!("{directory}: {} links made, {} were there\n", count(Linked::Made), count(Linked::There)));
            let taken: Vec<&str> =
                made.iter().filter(|(_, linked)| *linked == Linked::Taken).map(|(name, _)| *name).collect();
            if taken.is_empty() {
                return exit::OK;
            }
            let help = if args.force { "move them away" } else { "move them away, or, if they are links, use --force" };
            failed(&format!("{directory} has other files of these names: {}; {help}", taken.join(", ")))
        }
    }
}

/// Whoever comes here named no tool: those that are one never get to the command line.
pub(super) fn no_tool(args: &ToolArgs) -> u8 {
    let like = nearest(&args.name, NAMES.iter().copied());
    let like = like.map_or_else(|| format!("there are {}", NAMES.join(", ")), |name| format!("is it {name}?"));
    let _ = writeln!(std::io::stderr(), "abide: there is no tool {:?}: {like}", args.name);
    exit::USAGE
}

fn failed(message: &str) -> u8 {
    let _ = writeln!(std::io::stderr(), "abide: {message}");
    exit::ERRORS
}
