//! The exit codes of every command, in one table. They are part of the contract.

/// All is well, or: nothing would change.
pub const OK: u8 = 0;
/// Errors were found, or something is not as desired.
pub const ERRORS: u8 = 1;
/// `plan`: something would change.
pub const CHANGES: u8 = 2;
/// `status`: no daemon, or a stale snapshot.
pub const NO_DAEMON: u8 = 3;
/// The command line is wrong (`EX_USAGE` of `sysexits.h`).
pub const USAGE: u8 = 64;
/// `abide.toml` is broken at a first start (`EX_CONFIG`).
pub const CONFIG: u8 = 78;
