//! Input and output of filters: everything that follows from what was read is written before the next read.

use std::io;

use nix::errno::Errno;
use nix::unistd;

use super::say;

/// Passes standard input through `step` in pieces and writes what it appends; gives the exit code.
pub(super) fn run(mut step: impl FnMut(&[u8], &mut Vec<u8>)) -> u8 {
    let stdin = io::stdin();
    let mut input = [0; 1024];
    let mut output = Vec::new();
    loop {
        match unistd::read(&stdin, &mut input) {
            Ok(0) => return 0,
            Ok(length) => step(&input[..length], &mut output),
            Err(_) => return say::FAILED,
        }
        if write(&output).is_err() {
            return say::FAILED;
        }
        output.clear();
    }
}

/// Writes all of it to standard output.
pub(super) fn write(mut text: &[u8]) -> nix::Result<()> {
    let stdout = io::stdout();
    while !text.is_empty() {
        match unistd::write(&stdout, text) {
            Ok(length) => text = &text[length..],
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
