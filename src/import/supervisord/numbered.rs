//! Processes that differ by no more than their number, counted from 0: instances of one service.
//!
//! Nothing is concluded from how a file is written. What the first two have where they differ is taken for the number, and
//! then each process has to be what its number makes of that.

use crate::supervisord::{LogFile, Process};

/// How a service file says the number of an instance.
const NUMBER: &str = "${ABIDE_INSTANCE}";

/// All texts of a process that may differ from one to the next, in one order.
fn texts(process: &mut Process) -> Vec<&mut String> {
    let logs = [&mut process.stdout.logfile, &mut process.stderr.logfile].into_iter().filter_map(|log| match log {
        LogFile::Path(path) => Some(path),
        LogFile::Off | LogFile::Auto => None,
    });
    let words = process.words.iter_mut().flatten();
    let of_process = std::iter::once(&mut process.name).chain(&mut process.directory).chain(words);
    of_process.chain(process.environment.values_mut()).chain(logs).collect()
}

/// The same, with each `$` as a service file has it.
pub(super) fn in_toml(process: &Process) -> Process {
    let mut process = process.clone();
    for text in texts(&mut process) {
        *text = text.replace('$', "$$");
    }
    process
}

/// The one that all are an instance of.
pub(super) fn template(processes: &[Process]) -> Option<Process> {
    let mut processes = processes.to_vec();
    // By number, where names end in it.
    processes.sort_by(|one, two| (one.name.len(), &one.name).cmp(&(two.name.len(), &two.name)));
    let all: Vec<Vec<String>> =
        processes.iter_mut().map(|process| texts(process).into_iter().map(std::mem::take).collect()).collect();
    let mut shape = processes.first()?.clone();
    shape.command.clear();
    let is_alike = |process: &Process| Process { command: String::new(), ..process.clone() } == shape;
    if !processes.iter().all(is_alike) {
        return None;
    }
    let count = texts(&mut shape).len();
    let common: Option<Vec<String>> = (0..count).map(|at| common(&all, at)).collect();
    for (text, common) in texts(&mut shape).into_iter().zip(common?) {
        *text = common;
    }
    Some(shape)
}

/// The text that stands at a place of each process.
fn common(all: &[Vec<String>], at: usize) -> Option<String> {
    let text = |process: &'_ Vec<String>| process.get(at).cloned();
    let (first, second) = (text(all.first()?)?, text(all.get(1)?)?);
    let is_number = |(one, two): (char, char)| one == '0' && two == '1';
    let mut parts = vec![String::new()];
    for (one, two) in first.chars().zip(second.chars()) {
        if one == two {
            parts.last_mut()?.push(one);
        } else if is_number((one, two)) {
            parts.push(String::new());
        } else {
            return None;
        }
    }
    let is_number_of = |(number, process): (usize, &Vec<String>)| {
        text(process).is_some_and(|text| text == parts.join(&number.to_string()))
    };
    let fits = all.iter().enumerate().all(is_number_of);
    fits.then(|| parts.join(NUMBER))
}
