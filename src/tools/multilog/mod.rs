//! multilog: reads lines, selects, labels them, and keeps them in log directories.

mod cut;
mod directory;
mod files;
mod input;
mod lines;
mod old;
mod processor;
mod script;
mod status;
mod trouble;

use crate::tools::tai64n::{self, Label};
use nix::sys::stat::{Mode, umask};
use std::ffi::OsString;

use cut::Stream;
use directory::Directory;
use input::{Event, Input};
use lines::{LINE, Lines, PIECE};
use script::Script;
use status::Status;
use trouble::fatal;

/// What is read at a time: as much as a pipe holds.
const READ: usize = 64 * PIECE;

/// Runs multilog with the words of its command line; the answer is its exit code.
pub(super) fn run(words: &[OsString]) -> u8 {
    let script = Script::parse(words.get(1..).unwrap_or_default());
    match start(&script) {
        Ok((mut input, mut lines)) => {
            work(&mut input, &mut lines);
            for log in lines.logs {
                log.finish().close();
            }
            0
        }
        Err(code) => code,
    }
}

type Work<'a> = (Input, Lines<'a, Directory<'a>>);

/// Opens everything, in the order of the original.
fn start<'a>(script: &'a Script<'a>) -> Result<Work<'a>, u8> {
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    let start = files::read(".").map_err(|error| fatal(&[b"unable to switch to current directory"], error))?;
    let input = Input::open().map_err(|error| fatal(&[b"unable to catch signals"], error))?;
    let statuses = script.statuses.iter().map(|name| Status::open(name)).collect::<Result<_, _>>()?;
    let mut logs = Vec::with_capacity(script.logs.len());
    for spec in &script.logs {
        let (directory, bytes) = Directory::open(spec, &start)?;
        // A file cannot be more than full.
        let bytes = usize::try_from(bytes).unwrap_or(spec.size).min(spec.size);
        logs.push(Stream::new(directory, spec.size, bytes));
    }
    Ok((input, Lines::new(script, logs, statuses)))
}

/// Reads to the end. A line that is not complete waits at the front of the buffer.
fn work(input: &mut Input, lines: &mut Lines<Directory>) {
    let mut buffer = vec![0; LINE + READ];
    let mut held = 0;
    loop {
        match input.next(&mut buffer[held..held + READ], held == 0 && !lines.overlong) {
            Event::Data(len) => {
                let now: Label = if lines.are_labelled() { tai64n::now() } else { [0; _] };
                let end = held + len;
                let done = lines.take(&buffer[..end], held, &now);
                buffer.copy_within(done..end, 0);
                held = end - done;
            }
            Event::Rotate => lines.logs.iter_mut().for_each(Stream::force),
            Event::End => return lines.finish(&buffer[..held]),
        }
    }
}
