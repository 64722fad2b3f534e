//! `abide upgrade`, `detach`, `attach`: what is asked of the keeper, which needs no supervisor to be heard. By who may
//! write its table: root, or the user that abide runs as.

use super::args::PlaceArgs;
use super::run::places;
use super::{complain, exit, say};
use crate::keeper::place_of_lock;
use crate::model::units;
use crate::table::{Mode, NEXT, Request, Role, Table, TableError, Upgrade};
use clap::Args;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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

/// How often the table is looked at.
const GLANCE: Duration = Duration::from_millis(10);

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

/// Why it cannot be asked, or did not do it.
#[derive(Debug, thiserror::Error)]
enum Unasked {
    #[error(transparent)]
    Places(#[from] crate::daemon::paths::PathError),
    #[error("no abide runs in {0}; start it with `abide run`")]
    Nobody(PathBuf),
    #[error("could not open the table in {directory}; be root, or the user that abide runs as")]
    Table { directory: PathBuf, source: io::Error },
    #[error("could not use the table in {directory}; stop that abide and start this one")]
    Other { directory: PathBuf, source: TableError },
    #[error("could not {what}")]
    System { what: &'static str, source: io::Error },
    #[error("{0} is no program that can be executed")]
    NoProgram(PathBuf),
    #[error("the new program is not fit, and the old one goes on; abide's stderr says why")]
    Unfit,
    #[error("the new program did not come up, and the old one goes on; abide's stderr and log say why")]
    FellBack,
    #[error("that did not come about in time; look at `abide status` and at abide's stderr")]
    Late,
}

/// A keeper that can be asked.
struct Asked {
    directory: PathBuf,
    table: Table,
    pid: i32,
    until: Instant,
}

impl Asked {
    fn new(args: &KeeperArgs) -> Result<Self, Unasked> {
        let directory = places(args.places.clone().into())?.table;
        let pid = place_of_lock(&directory).ok_or_else(|| Unasked::Nobody(directory.clone()))?;
        let file = std::fs::File::options().read(true).write(true).open(directory.join("table"));
        let file = file.map_err(|source| Unasked::Table { directory: directory.clone(), source })?;
        let table =
            Table::open(file.into()).map_err(|source| Unasked::Other { directory: directory.clone(), source })?;
        Ok(Self { directory, table, pid, until: Instant::now() + args.timeout })
    }

    fn ask(&self, request: Request) -> Result<(), Unasked> {
        self.table.set_request(request);
        crate::host::sys::process::kill(self.pid, libc::SIGUSR1)
            .map_err(|source| Unasked::System { what: "ask the keeper", source })
    }

    fn wait<T>(&self, mut look: impl FnMut(&Table) -> Option<T>) -> Result<T, Unasked> {
        loop {
            match look(&self.table) {
                Some(found) => return Ok(found),
                None if Instant::now() >= self.until => return Err(Unasked::Late),
                None => std::thread::sleep(GLANCE),
            }
        }
    }
}

fn told(outcome: Result<String, Unasked>) -> u8 {
    match outcome {
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
    told(try_upgrade(args))
}

fn try_upgrade(args: &UpgradeArgs) -> Result<String, Unasked> {
    let asked = Asked::new(&args.asked)?;
    let ours = || std::env::current_exe().map_err(|source| Unasked::System { what: "find this program", source });
    let program = args.program.clone().map_or_else(ours, Ok)?;
    let absolute = std::path::absolute(&program).map_err(|source| Unasked::System { what: "find it", source })?;
    if !is_program(&absolute) {
        return Err(Unasked::NoProgram(absolute));
    }
    let next = asked.directory.join(NEXT);
    let _ = std::fs::remove_file(&next);
    std::os::unix::fs::symlink(&absolute, &next)
        .map_err(|source| Unasked::System { what: "tell the keeper of the new program", source })?;
    asked.table.set_upgrade(Upgrade::UnderWay);
    asked.ask(if args.keeper { Request::UpgradeAll } else { Request::Upgrade })?;
    match asked.wait(|table| Some(table.upgrade()).filter(|upgrade| *upgrade != Upgrade::UnderWay))? {
        Upgrade::Unfit => Err(Unasked::Unfit),
        Upgrade::FellBack => Err(Unasked::FellBack),
        _ => Ok(format!("{} plays abide from now on; no service was touched\n", absolute.display())),
    }
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}

/// `abide detach`
pub(super) fn detach(args: &KeeperArgs) -> u8 {
    told(Asked::new(args).and_then(|asked| {
        asked.ask(Request::Detach)?;
        let gone = |table: &Table| table.mode() == Mode::Detached && table.role(Role::Supervisor).0 == 0;
        asked.wait(|table| gone(table).then_some(()))?;
        Ok("the supervisor has left; services go on, and `abide attach` brings it back\n".to_owned())
    }))
}

/// `abide attach`
pub(super) fn attach(args: &KeeperArgs) -> u8 {
    told(Asked::new(args).and_then(|asked| {
        asked.ask(Request::Attach)?;
        asked.wait(|table| table.is_signed_in(Role::Supervisor).then_some(()))?;
        Ok("a supervisor has taken over\n".to_owned())
    }))
}
