//! The command line.
//!
//! One file a command; `args.rs` has every option once, `exit.rs` every exit code. Prints through
//! [`say`], since `println!` panics when nobody reads.

pub mod args;
mod check;
mod choose;
pub mod completions;
mod doctor;
mod env;
mod events;
pub mod exit;
mod guise;
mod history;
mod import;
pub mod keeper;
pub mod links;
mod log_level;
mod logs;
mod man;
mod order;
mod plan;
mod read;
mod run;
pub mod schema;
pub mod ship;
pub mod status;
mod talk;
pub mod token;
pub mod top;
mod tree;
mod usage;
mod wait;

use crate::daemon::paths::Wishes;
use args::{Cli, Command};
use clap::Parser;
use clap::error::ErrorKind;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Runs the command that `arguments` (the program's name first) ask for; the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some(code) =
        guise::answer(&arguments).or_else(|| supervisorctl(&arguments)).or_else(|| completions::answer(&arguments))
    {
        return code;
    }
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, &arguments),
    };
    match cli.command {
        Command::Run(args) => run::run(args, &arguments),
        Command::Upgrade(args) => keeper::upgrade(&args),
        Command::LogLevel(args) => log_level::run(&args),
        Command::Ship(args) => ship::run(&args),
        Command::Detach(args) => keeper::detach(&args),
        Command::Attach(args) => keeper::attach(&args),
        Command::RoleSupervisor(args) => run::supervisor(args),
        Command::RoleLogger(args) => run::logger(args),
        Command::RoleCandidate(args) => run::candidate(&args),
        Command::Check(args) => check::run(args),
        Command::Plan(args) => plan::run(args),
        Command::Status(args) => status(args),
        Command::Top(args) => top::run(args),
        Command::Start(args) => order::start(args),
        Command::Stop(args) => order::stop(args),
        Command::Restart(args) => order::restart(args),
        Command::Reload(args) => order::reload(args),
        Command::Signal(args) => order::signal(args),
        Command::Confirm(args) => order::confirm(args),
        Command::Suspend(args) => order::suspend(args),
        Command::Resume(args) => order::resume(args),
        Command::Rotate(args) => order::tend_log("rotate", args),
        Command::Reopen(args) => order::tend_log("reopen", args),
        Command::Retry(args) => order::retry(args),
        Command::Rollback(args) => order::rollback(args),
        Command::History(args) => history::history(&args),
        Command::Diff(args) => history::diff(&args),
        Command::Wait(args) => wait::run(&args),
        Command::Logs(args) => logs::run(&args),
        Command::Events(args) => events::run(&args),
        Command::Tree(args) => tree::run(&args),
        Command::Env(args) => env::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Links(args) => links::links(&args),
        Command::Tool(args) => links::no_tool(&args),
        // Whoever is it never gets here.
        Command::Supervisorctl(_) => exit::USAGE,
        Command::Import(args) => import::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Token(args) => token::run(&args),
    }
}

/// Is supervisord's client, if `words` ask for it, by the name of a link, as a tool or as a command; gives its exit code.
fn supervisorctl(words: &[OsString]) -> Option<u8> {
    const NAME: &str = "supervisorctl";
    let is_link = Path::new(words.first()?).file_name().is_some_and(|name| name == NAME);
    let is_named = |at: usize| words.get(at).is_some_and(|word| word == NAME);
    let from = match words.get(1) {
        _ if is_link => 0,
        Some(word) if word == "tool" && is_named(2) => 2,
        _ if is_named(1) => 1,
        _ => return None,
    };
    let runtime = std::env::var_os("ABIDE_RUNTIME_DIR").map(PathBuf::from);
    let own = run::places(Wishes { runtime, ..Wishes::default() }).ok();
    let own = own.map(|places| places.runtime.join("control.sock")).filter(|socket| socket.exists());
    let own = own.map(|socket| format!("unix://{}", socket.display()));
    Some(crate::supervisorctl::run(&words[from..], own.as_deref()))
}

fn status(args: args::StatusCommand) -> u8 {
    let unknown = if args.status.nagios { exit::NO_DAEMON } else { exit::USAGE };
    match run::places(args.places.into()) {
        Ok(places) => status::run(&args.status, &places.runtime, Some(&places.lock())),
        Err(error) => complain(&error, unknown),
    }
}

/// Help where it was asked for, else one sentence, with the exit codes of the contract.
fn refuse(error: &clap::Error, arguments: &[OsString]) -> u8 {
    // Nothing sensible can be done when even this cannot be printed.
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return if error.use_stderr() { exit::USAGE } else { exit::OK };
    }
    let sentence = usage::sentence(error, arguments);
    if arguments.iter().any(|argument| argument == "--nagios") {
        // A monitoring system shows what stands on stdout.
        say(&format!("ABIDE UNKNOWN: {sentence}\n"));
        return exit::NO_DAEMON;
    }
    let _ = writeln!(std::io::stderr(), "{sentence}");
    exit::USAGE
}

/// An error and its causes as one sentence on stderr; gives `code` back.
pub(crate) fn complain(error: &dyn std::error::Error, code: u8) -> u8 {
    let causes = std::iter::successors(error.source(), |cause| cause.source()).map(ToString::to_string);
    let sentence = std::iter::once(format!("abide: {error}")).chain(causes).collect::<Vec<_>>().join(": ");
    let _ = writeln!(std::io::stderr(), "{sentence}");
    code
}

/// Prints to stdout. A reader that has gone is no error.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
