//! echo_supervisord_conf: writes a sample of a configuration file.

use std::ffi::OsString;
use std::io::Write as _;

const SAMPLE: &str = include_str!("supervisord.conf");

/// The program. Arguments mean nothing to it.
pub(super) fn run(_: &[OsString]) -> u8 {
    // Whoever reads only the first lines has what he wants.
    let _ = std::io::stdout().write_all(SAMPLE.as_bytes());
    0
}
