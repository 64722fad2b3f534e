//! `abide upgrade`, `detach`, `attach`: what is asked of the keeper, which needs no supervisor to be heard. By who may
//! write its table: root, or the user that abide runs as.

use super::args::PlaceArgs;
use super::run::places;
use super::{complain, exit, say};
use crate::keeper::asked::{Asked, Unasked};
use crate::model::units;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Examples of `upgrade`.
pub const UPGRADE: &str = "\
Examples:
  abide upgrade                           # this very program, newly installed, takes over
  /opt/abide-next upgrade                 # the one that is called
  abide upgrade --program /opt/abide-old  # back to another
  abide upgrade --keeper                  # replaces the keeper too, in the same process";

/// Examples of `detach`.
pub const DETACH: &str = "\
Examples:
  abide detach                            # services go on, their output is written; nothing is restarted
  abide attach                            # and is from here on";

/// Examples of `attach`.
pub const ATTACH: &str = DETACH;

/// `abide upgrade`
#[derive(Debug, Args)]
pub struct UpgradeArgs {
    /// The new program, instead of the one that is called
    #[arg(long, value_name = "FILE")]
    pub program: Option<PathBuf>,
    /// Replace the keeper too; it is anyway where the new program needs that
    #[arg(long)]
    pub keeper: bool,
    /// How it is asked for, and where
    #[command(flatten)]
    pub asked: KeeperArgs,
}

/// What the three have in common.
#[derive(Debug, Args)]
pub struct KeeperArgs {
    /// How long it may take
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = units::parse_duration)]
    pub timeout: Duration,
    /// Where abide is
    #[command(flatten)]
    pub places: PlaceArgs,
}

/// Asks, and says what came of it; gives the exit code.
fn ask(args: &KeeperArgs, what: impl FnOnce(&Asked) -> Result<String, Unasked>) -> u8 {
    let directory = match places(args.places.clone().into()) {
        Ok(places) => places.table,
        Err(error) => return complain(&error, exit::ERRORS),
    };
    match Asked::new(directory, args.timeout).and_then(|asked| what(&asked)) {
        Ok(text) => {
            say(&text);
            exit::OK
        }
        Err(error @ Unasked::Late) => complain(&error, exit::TIMEOUT),
        Err(error) => complain(&error, exit::ERRORS),
    }
}

/// `abide upgrade`
pub(super) fn upgrade(args: &UpgradeArgs) -> u8 {
    ask(&args.asked, |asked| {
        let ours = || std::env::current_exe().map_err(|source| Unasked::System { what: "find this program", source });
        let program = args.program.clone().map_or_else(ours, Ok)?;
        let program = std::path::absolute(program).map_err(|source| Unasked::System { what: "find it", source })?;
        asked.upgrade(&program, args.keeper)?;
        Ok(format!("{} plays abide from now on; no service was touched\n", program.display()))
    })
}

/// `abide detach`
pub(super) fn detach(args: &KeeperArgs) -> u8 {
    ask(args, |asked| {
        asked.detach()?;
        Ok("the supervisor has left; services go on, and `abide attach` brings it back\n".to_owned())
    })
}

/// `abide attach`
pub(super) fn attach(args: &KeeperArgs) -> u8 {
    ask(args, |asked| {
        asked.attach()?;
        Ok("a supervisor has taken over\n".to_owned())
    })
}
