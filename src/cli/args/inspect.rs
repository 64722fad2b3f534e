//! Options of the commands that look closer: tree, env, doctor.

use super::PlaceArgs;
use crate::model::selector::Selector;
use clap::Args;

pub(super) const TREE: &str = "\
Examples:
  abide tree                   the processes of all services
  abide tree web               of one
  abide tree 'web*' db@2       of some, and of one instance
  abide tree --json web        for programs

Each process with its user, what it does, its processor time, its resident memory and its command.

Exit codes: 0 shown, 1 there is no such service or it may not be looked at, 3 no daemon, 64 usage";

pub(super) const ENV: &str = "\
Examples:
  abide env web                  what its process gets, and where it still has something else
  abide env web@2                of one instance
  abide env --show-secrets web   also what looks like a secret: for root and abide's own user
  abide env --json web           for programs

Exit codes: 0 shown, 1 there is no such service or it may not be looked at, 3 no daemon, 64 usage";

pub(super) const DOCTOR: &str = "\
Examples:
  abide doctor                           what this machine and the rights of abide allow
  abide doctor --json                    for programs
  abide doctor --runtime-dir /run/abide  of the abide there

Where no abide runs, what one would have that was started here.

Exit codes: 0 all is well, 1 something is to be done, 64 usage";

/// `abide tree`
#[derive(Debug, Clone, Args)]
pub struct TreeArgs {
    /// Services, patterns, instances or states; all, if none is named
    #[arg(value_name = "NAME")]
    pub names: Vec<Selector>,
    /// Print JSON: a list of what /v1/services/NAME/tree answers
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub places: PlaceArgs,
}

/// `abide env`
#[derive(Debug, Clone, Args)]
pub struct EnvArgs {
    /// A service, or one of its instances (web@2)
    #[arg(value_name = "NAME")]
    pub name: Selector,
    /// Show what looks like a secret, too
    #[arg(long)]
    pub show_secrets: bool,
    /// Print JSON: what /v1/services/NAME/env answers
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub places: PlaceArgs,
}

/// `abide doctor`
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Print JSON: what /v1/doctor answers
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub places: PlaceArgs,
}
