//! Pid files: the number that a service writes for whoever wants to find it. A file of a user's, which abide may read
//! as root, so that nothing in it is believed and nothing but a small regular file is opened.

use crate::host::sys::eyes::Eyes;
use crate::host::within;
use crate::model::service::Identity;
use nix::fcntl::OFlag;
use nix::sys::stat::fstat;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// No pid file is longer: a pid, a newline, and what some write behind it (PostgreSQL's: less than 300 bytes).
const LARGEST: u64 = 4096;

/// The pid that stands in the first line of the file, as the service finds it whose root is `root`; or why there is
/// none, for people. With `eyes` it is seen as that user sees it.
pub(super) fn read(root: Option<&Path>, path: &Path, eyes: Option<&Identity>) -> Result<i32, String> {
    let shown = path.display();
    let eyes = eyes.map(|it| Eyes::of(it.uid, it.gid, &it.groups)).transpose();
    let _eyes = eyes.map_err(|error| format!("its pid file {shown} cannot be read as its user: {error}"))?;
    let text = content(root, path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("its pid file {shown} does not exist"),
        _ => format!("its pid file {shown} cannot be read: {error}"),
    })?;
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let number = str::from_utf8(first).ok().and_then(|line| line.trim().parse().ok()).filter(|pid| *pid > 0);
    number.ok_or_else(|| format!("its pid file {shown} does not begin with a pid"))
}

fn content(root: Option<&Path>, path: &Path) -> io::Result<Vec<u8>> {
    // Looked at before it is opened, since to open a device or a FIFO can do something.
    let found = within::find(root, path, OFlag::O_PATH | OFlag::O_NOFOLLOW)?;
    let facts = fstat(&found)?;
    if facts.st_mode & libc::S_IFMT != libc::S_IFREG {
        return Err(io::Error::other("it is no regular file"));
    }
    if facts.st_size as u64 > LARGEST {
        return Err(io::Error::other("it is too large for one"));
    }
    let mut text = Vec::new();
    let again = format!("/proc/self/fd/{}", found.as_raw_fd());
    File::options().read(true).custom_flags(libc::O_NONBLOCK).open(again)?.take(LARGEST).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_pid_stands_in_the_first_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        for (text, pid) in [("77", 77), ("77\n", 77), ("  77 \n/var/lib/data\n1690000000\n", 77)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(read(None, &path, None), Ok(pid), "{text:?}");
            assert_eq!(read(Some(directory.path()), Path::new("/pid"), None), Ok(pid), "{text:?}");
        }
    }

    #[test]
    fn whatever_else_stands_there_is_refused_with_a_reason() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        assert!(read(None, &path, None).unwrap_err().contains("does not exist"));
        for text in [&b""[..], b"\n77", b"x", b"0", b"-1", b"77x", b"99999999999", b"7 7", b"\xff7"] {
            std::fs::write(&path, text).unwrap();
            assert!(read(None, &path, None).unwrap_err().contains("does not begin with a pid"), "{text:?}");
        }
        std::fs::write(&path, vec![b'7'; 5000]).unwrap();
        assert!(read(None, &path, None).unwrap_err().contains("too large"));
        for target in ["pid", "/dev/zero"] {
            let link = directory.path().join("link");
            symlink(target, &link).unwrap();
            assert!(read(None, &link, None).unwrap_err().contains("no regular file"), "{target}");
            std::fs::remove_file(&link).unwrap();
        }
        let fifo = directory.path().join("fifo");
        nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        assert!(read(None, &fifo, None).unwrap_err().contains("no regular file"));
        assert!(read(None, directory.path(), None).unwrap_err().contains("no regular file"));
    }
}
