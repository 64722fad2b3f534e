//! How an operator asks the keeper for something, which needs no supervisor to be heard: by a word in the table, and
//! SIGUSR1. Who may write the table may ask: root, or the user that abide runs as.

use super::place::holder_of_lock;
use crate::host::sys::process::kill;
use crate::table::{Mode, NEXT, Request, Role, Table, TableError, Upgrade};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often the table is looked at for what comes of it.
const GLANCE: Duration = Duration::from_millis(10);

/// Why it cannot be asked, or did not do it.
#[derive(Debug, thiserror::Error)]
pub enum Unasked {
    /// Nobody has the lock.
    #[error("no abide runs in {0}; start it with `abide run`")]
    Nobody(PathBuf),
    /// It belongs to somebody else.
    #[error("could not open the table in {directory}; be root, or the user that abide runs as")]
    Table {
        /// The directory of the table.
        directory: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is of another version.
    #[error("could not use the table in {directory}; stop that abide and start this one")]
    Other {
        /// The directory of the table.
        directory: PathBuf,
        /// Why not.
        source: TableError,
    },
    /// The kernel refuses.
    #[error("could not {what}")]
    System {
        /// What was attempted.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// There is no supervisor, on purpose.
    #[error("its supervisor is detached: `abide attach` brings it back, and then it can be upgraded")]
    Detached,
    /// It cannot be executed.
    #[error("{0} is no program that can be executed")]
    NoProgram(PathBuf),
    /// It failed its trial.
    #[error("the new program is not fit, and the old one goes on; abide's stderr says why")]
    Unfit,
    /// It did not sign in.
    #[error("the new program did not come up, and the old one goes on; abide's stderr and log say why")]
    FellBack,
    /// Nothing came of it in time.
    #[error("that did not come about in time; look at `abide status` and at abide's stderr")]
    Late,
}

/// A keeper that can be asked.
#[derive(Debug)]
pub struct Asked {
    directory: PathBuf,
    table: Table,
    pid: i32,
    until: Instant,
}

impl Asked {
    /// The one that has the lock of `directory`, which has so long for what it is asked.
    pub fn new(directory: PathBuf, timeout: Duration) -> Result<Self, Unasked> {
        let pid = holder_of_lock(&directory).ok_or_else(|| Unasked::Nobody(directory.clone()))?;
        let file = std::fs::File::options().read(true).write(true).open(directory.join("table"));
        let file = file.map_err(|source| Unasked::Table { directory: directory.clone(), source })?;
        let table =
            Table::open(file.into()).map_err(|source| Unasked::Other { directory: directory.clone(), source })?;
        Ok(Self { directory, table, pid, until: Instant::now() + timeout })
    }

    fn ask(&self, request: Request) -> Result<(), Unasked> {
        self.table.set_request(request);
        kill(self.pid, libc::SIGUSR1).map_err(|source| Unasked::System { what: "ask the keeper", source })
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

    /// Has `program` play the roles from now on, and, with `whole`, be the keeper.
    pub fn upgrade(&self, program: &Path, whole: bool) -> Result<(), Unasked> {
        if !is_program(program) {
            return Err(Unasked::NoProgram(program.to_owned()));
        }
        if self.table.mode() == Mode::Detached {
            return Err(Unasked::Detached);
        }
        let next = self.directory.join(NEXT);
        // One that was never taken up.
        let _ = std::fs::remove_file(&next);
        std::os::unix::fs::symlink(program, &next)
            .map_err(|source| Unasked::System { what: "tell the keeper of the new program", source })?;
        self.table.set_upgrade(Upgrade::UnderWay);
        self.ask(if whole { Request::UpgradeAll } else { Request::Upgrade })?;
        match self.wait(|table| Some(table.upgrade()).filter(|upgrade| *upgrade != Upgrade::UnderWay))? {
            Upgrade::Unfit => Err(Unasked::Unfit),
            Upgrade::FellBack => Err(Unasked::FellBack),
            _ => Ok(()),
        }
    }

    /// Ends the supervisor, and nothing else.
    pub fn detach(&self) -> Result<(), Unasked> {
        self.ask(Request::Detach)?;
        let gone = |table: &Table| table.mode() == Mode::Detached && table.role(Role::Supervisor).0 == 0;
        self.wait(|table| gone(table).then_some(()))
    }

    /// Starts a supervisor again.
    pub fn attach(&self) -> Result<(), Unasked> {
        self.ask(Request::Attach)?;
        self.wait(|table| table.is_signed_in(Role::Supervisor).then_some(()))
    }
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}
