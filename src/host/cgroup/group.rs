//! One group of v2: made, asked, ended, removed. Files of the kernel, by path.

use crate::host::proc;
use crate::host::sys::process::kill as signal;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Before Linux 5.14 processes are killed one by one, as long as there are some, at most so often.
const PASSES: usize = 64;

/// Makes the group; whether it is new.
pub fn make(path: &Path) -> io::Result<bool> {
    match fs::DirBuilder::new().mode(0o755).create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// The file that tells whether anybody lives there; its changes are seen by inotify and poll.
pub fn events(path: &Path) -> PathBuf {
    path.join("cgroup.events")
}

/// Whether anybody lives there or below. Who ended and is not reaped does not count.
pub fn is_populated(path: &Path) -> bool {
    // Short: read on the way of every exit.
    let mut text = [0; 64];
    let read = File::open(events(path)).and_then(|mut file| file.read(&mut text));
    read.is_ok_and(|length| says_populated(&text[..length]))
}

fn says_populated(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n').any(|line| line == b"populated 1")
}

/// Waits until nobody lives there; whether that came about in time.
pub fn await_empty(path: &Path, patience: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + patience;
    let mut file = File::open(events(path))?;
    loop {
        let mut text = [0; 64];
        // From the start each time, which also arms the next notice.
        file.seek(SeekFrom::Start(0))?;
        let length = file.read(&mut text)?;
        if !says_populated(&text[..length]) {
            return Ok(true);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(file.as_fd(), PollFlags::POLLPRI)], timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Everybody there and below: a service may have made groups of its own.
pub fn members(path: &Path) -> Vec<i32> {
    let mut found = Vec::new();
    walk(path, &mut |group| {
        let list = proc::read(group.join("cgroup.procs")).unwrap_or_default();
        found.extend(list.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 0));
    });
    found
}

/// Ends everybody there and below, frozen and stopped ones too.
pub fn kill(path: &Path) -> io::Result<()> {
    match fs::write(path.join("cgroup.kill"), "1") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        done => return done,
    }
    if path.is_dir() {
        kill_each(path);
    }
    Ok(())
}

/// Before Linux 5.14. Frozen, they make no others meanwhile; they die all the same.
fn kill_each(path: &Path) {
    let _ = fs::write(path.join("cgroup.freeze"), "1");
    for _ in 0..PASSES {
        let members = members(path);
        if members.is_empty() {
            break;
        }
        for pid in members {
            let _ = signal(pid, libc::SIGKILL);
        }
    }
}

/// Who is born into a frozen group is born frozen.
pub fn thaw(path: &Path) {
    // Not there before Linux 5.2, and then there is nothing to thaw.
    let _ = fs::write(path.join("cgroup.freeze"), "0");
}

/// Removes the group and those below it, as far as nobody lives there.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // Somebody lives there, or there are groups below.
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
        done => return done,
    }
    let mut groups = Vec::new();
    walk(path, &mut |group| groups.push(group.to_owned()));
    // Those below come after those above.
    groups.iter().rev().try_for_each(fs::remove_dir)
}

fn walk(path: &Path, visit: &mut dyn FnMut(&Path)) {
    visit(path);
    // Two names for itself and one for each below.
    if fs::metadata(path).is_ok_and(|found| found.nlink() <= 2) {
        return;
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), visit);
        }
    }
}

/// A group for a test, gone with it; `None`, and said so, where none can be made.
#[cfg(test)]
pub(crate) struct Scratch(pub(crate) PathBuf);

#[cfg(test)]
impl Scratch {
    pub(crate) fn new(name: &str) -> Option<Self> {
        let ground = super::ground::Ground::find().unified;
        let path = ground.map(|ground| ground.join(format!("abide-test.{name}.{}", std::process::id())));
        let made = path.filter(|path| make(path).is_ok());
        if made.is_none() {
            println!("left out: no cgroup can be made here");
        }
        made.map(Self)
    }
}

#[cfg(test)]
impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = kill(&self.0).and_then(|()| await_empty(&self.0, Duration::from_secs(10)));
        let _ = remove(&self.0);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    /// A shell in the group, that has made another process in a group of its own below, and stopped itself.
    fn family(path: &Path) -> Child {
        let script = "echo 0 > $0/cgroup.procs; mkdir -p $0/below; \
            sh -c 'echo 0 > $0/below/cgroup.procs; sleep 60' $0 & sleep 60 & kill -STOP $$; wait";
        Command::new("sh").args(["-c", script]).arg(path).spawn().unwrap()
    }

    #[test]
    fn everybody_in_a_group_and_below_ends_by_either_way_of_killing() {
        let Some(scratch) = Scratch::new("kill") else { return };
        for kill in [|path: &Path| kill(path).unwrap(), kill_each] {
            let path = scratch.0.join("group");
            assert!(make(&path).unwrap() && !make(&path).unwrap());
            assert!(!is_populated(&path));
            let mut child = family(&path);
            let deadline = Instant::now() + Duration::from_secs(20);
            // The shells and the two sleepers.
            while members(&path).len() < 4 {
                assert!(Instant::now() < deadline, "{:?}", members(&path));
                std::thread::sleep(Duration::from_millis(2));
            }
            assert!(is_populated(&path) && members(&path).contains(&(child.id() as i32)));
            assert!(remove(&path).is_err(), "somebody lives there");
            kill(&path);
            child.wait().unwrap();
            assert!(await_empty(&path, Duration::from_secs(20)).unwrap());
            assert_eq!(members(&path), [0; 0]);
            remove(&path).unwrap();
            remove(&path).unwrap();
            assert!(!path.exists());
        }
    }

    #[test]
    fn emptiness_is_read_as_the_kernel_writes_it() {
        assert!(says_populated(b"populated 1\nfrozen 0\n"));
        assert!(!says_populated(b"populated 0\nfrozen 1\n"));
        assert!(!says_populated(b""));
        assert!(!is_populated(Path::new("/no/such/group")), "who is gone is empty");
    }
}
