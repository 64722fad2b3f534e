//! `abide run`: settles the locations and becomes the keeper; the roles that the keeper starts
//! come in by the same door.

use super::args::{CandidateArgs, RunArgs};
use super::{complain, exit};
use crate::daemon::paths::{PathError, Places, Wishes};
use crate::host::stderr;
use crate::keeper::role;
use crate::{daemon, keeper, logger};
use std::ffi::OsString;
use std::io::IsTerminal;

/// The locations for the user who runs this process.
pub(super) fn places(wishes: Wishes) -> Result<Places, PathError> {
    let uid = nix::unistd::geteuid().as_raw();
    Places::resolve(wishes, uid, |name| std::env::var(name).ok())
}

/// `abide run`, which ends when all services have.
pub(super) fn run(args: RunArgs, arguments: &[OsString]) -> u8 {
    let uid = nix::unistd::geteuid().as_raw();
    let places = match places(args.places.into()) {
        Ok(places) => places,
        Err(error) => return complain(&error, exit::ERRORS),
    };
    if let Err(error) = places.make(uid) {
        return complain(&error, exit::ERRORS);
    }
    if let Some(directory) = args.trust_owner.first().filter(|_| uid != 0) {
        let error = format!("--trust-owner {}: only root can act as another user", directory.display());
        return complain(&std::io::Error::other(error), exit::USAGE);
    }
    if let Some(guise) = &args.guise {
        stderr::speak_as(guise.name());
    }
    let after_command = arguments.iter().position(|argument| argument == "run").map_or(2, |at| at + 1);
    let setup = keeper::Setup {
        directory: places.table.clone(),
        arguments: arguments[after_command.min(arguments.len())..].to_vec(),
        terminal: args.guise.is_none() && (std::io::stdin().is_terminal() || std::io::stderr().is_terminal()),
        program: None,
        timing: keeper::Timing::default(),
        guise: args.guise,
    };
    u8::try_from(keeper::run(&setup)).unwrap_or(exit::ERRORS)
}

/// The supervisor, a child of the keeper.
pub(super) fn supervisor(args: RunArgs) -> u8 {
    match places(args.places.into()) {
        Ok(places) => {
            let directories = if args.directories.is_empty() { args.trust_owner.clone() } else { args.directories };
            daemon::run(&places, directories, &args.trust_owner, args.exit_with, args.guise.as_ref())
        }
        Err(error) => complain(&error, exit::ERRORS),
    }
}

/// A program on trial: whether it could play the roles.
pub(super) fn candidate(args: &CandidateArgs) -> u8 {
    role::candidate(args.layout, args.keeper).unwrap_or_else(|error| complain(&error, exit::ERRORS))
}

/// The logger, a child of the keeper.
pub(super) fn logger(args: RunArgs) -> u8 {
    if let Some(guise) = &args.guise {
        stderr::speak_as(guise.name());
    }
    match places(args.places.into()) {
        Ok(places) => match role::enter_logger() {
            Ok(ends) => {
                u8::try_from(logger::run(ends.supervisor, &places.pipes(), &ends.table)).unwrap_or(exit::ERRORS)
            }
            Err(error) => complain(&error, exit::ERRORS),
        },
        Err(error) => complain(&error, exit::ERRORS),
    }
}
