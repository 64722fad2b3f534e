//! A closer look at one instance: how much of its output is kept, its processes one by one, the environment of its
//! main process.

pub mod command;
pub mod digest;
pub mod log;
mod packed;
mod way;

use super::proc::{self, Credentials};
use super::usage::{Main, Part, trees};
use crate::log::named::Names;
use crate::model::look::{Process, ProcessState};
use std::ffi::OsStr;
use std::io;
use std::path::Path;

/// No command line is read further than this.
const LONGEST_COMMAND: u64 = 4096;
/// No environment is read further than this: the kernel allows no more than a quarter of the stack's limit.
const MOST_VARIABLES: u64 = 4 << 20;

/// The processes of the tree of each of `mains`, by name only: [`command_line`] tells more, and may hang.
pub fn processes(mains: &[Main], keeper: i32) -> Vec<Vec<Process>> {
    let tree = |tree: Option<super::usage::Tree>| tree.into_iter().flat_map(|tree| tree.parts);
    trees(mains, keeper).into_iter().map(|found| tree(found).map(|part| process(&part)).collect()).collect()
}

fn process(part: &Part) -> Process {
    let pid = part.stat.pid;
    let name = proc::read_bytes(format!("/proc/{pid}/comm"), 64).unwrap_or_default();
    let credentials = proc::read(format!("/proc/{pid}/status")).ok().and_then(|text| Credentials::parse(&text));
    Process {
        pid,
        parent: part.stat.parent,
        command: format!("[{}]", String::from_utf8_lossy(&name).trim_end_matches('\n')),
        state: ProcessState::from_letter(part.stat.state),
        cpu_ms: u64::try_from(part.cpu().as_millis()).unwrap_or(u64::MAX),
        resident_bytes: part.resident_bytes(),
        threads: part.threads,
        uid: credentials.map_or(0, |credentials| credentials.uid),
    }
}

/// The command line of `pid`, its words parted by spaces; `None` where it has none. Hangs as long as the process holds
/// the lock of its memory.
pub fn command_line(pid: i32) -> Option<String> {
    let words = proc::read_bytes(format!("/proc/{pid}/cmdline"), LONGEST_COMMAND).ok()?;
    let text = String::from_utf8_lossy(&words).replace('\0', " ");
    let text = text.trim_end();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The variables that `main` was started with, as far as it has not overwritten them; without its name: what is no
/// variable. `None`: it is gone. Hangs as long as the process holds the lock of its memory.
pub fn environment(main: Main) -> Option<io::Result<Vec<(String, String)>>> {
    let read = proc::read_bytes(format!("/proc/{}/environ", main.pid), MOST_VARIABLES);
    // Afterwards: then it was the right one also before.
    let stat = proc::stat(main.pid)?;
    if main.start_ticks.is_some_and(|ticks| ticks != stat.start_ticks) {
        return None;
    }
    let variable = |entry: &[u8]| {
        let entry = String::from_utf8_lossy(entry);
        entry.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    Some(read.map(|text| text.split(|byte| *byte == 0).filter_map(variable).collect()))
}

/// The size of the newest file of a log and of those that were rotated before it: what is there of the output. Others in
/// the directory are nobody's of ours.
pub fn log_bytes(current: &Path) -> io::Result<u64> {
    let Some(directory) = current.parent() else { return Ok(0) };
    let entries = match directory.read_dir() {
        // Nothing was said yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let names = Names::of(current);
    let is_ours = |name: &OsStr| name == names.newest() || names.place(name).is_some();
    let ours = entries.flatten().filter(|entry| is_ours(&entry.file_name()));
    // One that is deleted meanwhile has no size.
    let sizes = ours.filter_map(|entry| entry.metadata().ok()).filter(std::fs::Metadata::is_file);
    Ok(sizes.map(|found| found.len()).sum())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::log::rotate::{Form, LogFile};

    #[test]
    fn what_is_kept_is_the_file_and_those_before_it_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let current = directory.path().join("web/current");
        assert_eq!(log_bytes(&current).unwrap(), 0);
        std::fs::create_dir(directory.path().join("web")).unwrap();
        std::fs::write(&current, "12345").unwrap();
        std::fs::write(current.with_file_name(LogFile::Current.rotated(1, Form::Plain)), "123").unwrap();
        std::fs::write(current.with_file_name("notes"), "1234567").unwrap();
        assert_eq!(log_bytes(&current).unwrap(), 8);
        std::fs::write(directory.path().join("web/notes.1"), "1").unwrap();
        assert_eq!(log_bytes(&current.with_file_name("notes")).unwrap(), 8, "by numbers");
    }

    #[test]
    fn a_process_is_known_by_its_words_its_user_and_its_variables() {
        let mut child = std::process::Command::new("sleep");
        let mut child = child.arg("86400").env_clear().env("A", "b=c").env("PATH", "/usr/bin:/bin").spawn().unwrap();
        let main = Main { pid: child.id() as i32, start_ticks: None };
        // It executes its program when it has variables of its own.
        while !environment(main).unwrap().unwrap().contains(&("A".to_owned(), "b=c".to_owned())) {
            std::thread::yield_now();
        }
        let found = processes(&[main], 1).remove(0);
        let it = &found[0];
        assert_eq!((it.pid, it.command.as_str(), it.threads), (main.pid, "[sleep]", 1));
        assert_eq!(it.uid, nix::unistd::geteuid().as_raw());
        assert_eq!(command_line(main.pid).unwrap(), "sleep 86400");
        assert!(environment(Main { start_ticks: Some(1), ..main }).is_none());
        child.kill().and_then(|()| child.wait()).unwrap();
        assert_eq!(command_line(main.pid), None);
    }
}
